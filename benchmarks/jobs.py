"""What is measured, one function each, run as `python -m benchmarks.jobs NAME JSON` in a process of its own.

A job imports what it needs and no more, since start-up counts; it prints one JSON object of what it found.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

#: job -> the module that has it
WHERE = {
    **dict.fromkeys(("drain", "imaplib_batches", "imapclient_plain", "durable_pull", "fetch", "nothing"), "clients"),
    **dict.fromkeys(("poll", "intake", "two_intakes", "help_out", "furnish"), "desk"),
    **dict.fromkeys(("stages", "profile"), "stages"),
    **dict.fromkeys(("sweep_query", "escalation", "deadlines"), "cases"),
    **dict.fromkeys(("train", "predict"), "learning"),
}


def peak_mb(pid: int | str = "self") -> float:
    """The most memory a process has had in use, in MiB (VmHWM; ru_maxrss would count the parent's before exec)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    name = sys.argv[1]
    module = importlib.import_module(f"benchmarks.{WHERE[name]}")
    told: dict[str, Any] = getattr(module, name)(**json.loads(sys.argv[2]))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
