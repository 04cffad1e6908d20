"""A cycle that is killed: run as a program, it ends itself with SIGKILL right after the n-th step it reaches.

python -m tests.crash FOLDER DATABASE_URL N     prints nothing; exit code -9, or 0 when there were fewer steps
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.room import desk_in
from triage.operations import cycle


def main(folder: str, database_url: str, kill_at: int) -> None:
    steps = 0

    def reached(_step: str) -> None:
        nonlocal steps
        steps += 1
        if steps == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    with desk_in(Path(folder), database_url, reached=reached) as desk:
        cycle.run(desk)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
