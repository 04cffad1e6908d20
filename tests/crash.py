"""Cycles that are killed. One process imports everything once; each cycle is a fork of it that may die at any moment.

    python -m tests.crash        reads lines of JSON, answers each with the exit code of the cycle (-9: killed)
    {"folder": ..., "database": ..., "step": 5}          dies right after its fifth step
    {"folder": ..., "database": ..., "after": 0.8}       is killed from outside after so many seconds

So the random moments fall into the work, not into the start of an interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.room import PASSWORD, desk_in
from triage.operations import cycle
from triage.world import reader  # noqa: F401  what a cycle imports late is imported here, before the forks

ROOT = Path(__file__).resolve().parent.parent


class Killer:
    """The parent's side."""

    def __enter__(self) -> Killer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=dict(os.environ),
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def run(self, folder: Path, database_url: str, *, step: int = 0, after: float | None = None) -> int:
        """One cycle, killed at its n-th step or after so many seconds, if it still runs. Returns its exit code."""
        assert self._process.stdin and self._process.stdout
        told = {
            "folder": str(folder), "database": database_url, "step": step, "after": after,
            "password": os.environ[PASSWORD],
        }  # fmt: skip
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _cycle(folder: str, database: str, step: int) -> None:
    steps = 0

    def reached(_step: str) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with desk_in(Path(folder), database, reached=reached) as desk:
        cycle.run(desk)


def _one(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        os.environ[PASSWORD] = order["password"]
        try:
            _cycle(order["folder"], order["database"], order["step"])
            code = 0
        finally:
            os._exit(code)
    if order["after"] is not None:
        until = time.monotonic() + order["after"]
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    for line in sys.stdin:
        print(_one(json.loads(line)), flush=True)


if __name__ == "__main__":
    main()
