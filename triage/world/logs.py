"""Logs: plain lines for people, or one JSON object a line (TRIAGE_LOG=json). Never a word of any mail.

What a line is about travels in `extra`: log.info("case saved", extra={"case": "C-2026-000123"}). Exceptions are named by
their type and place; their text may quote a mail and stays out.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one JSON object: ts (UTC), level, logger, msg, what stands in `extra`, and where an error arose."""

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        found |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        if record.exc_info and record.exc_info[0] is not None:
            found["error"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-5:]
            found["at"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(found, ensure_ascii=False, default=str)


class PlainLines(logging.Formatter):
    """A line for people; of an error only its type and place."""

    def __init__(self) -> None:
        super().__init__(PLAIN)

    def formatException(self, ei: Any) -> str:
        frames = traceback.extract_tb(ei[2])[-5:]
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
        return f"  {ei[0].__name__} at {places}"


def start(*, verbose: bool = False) -> None:
    """Log the program's own lines to standard error; called by every door, also twice."""
    as_json = os.environ.get("TRIAGE_LOG", "").casefold() == "json"
    ours = logging.getLogger("triage")
    for handler in [h for h in ours.handlers if getattr(h, "of_triage", False)]:
        ours.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.of_triage = True  # type: ignore[attr-defined]
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    ours.addHandler(handler)
    ours.setLevel(logging.INFO if verbose or as_json else logging.WARNING)
    ours.propagate = False  # Prefect hangs handlers of its own on the root
