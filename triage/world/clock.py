"""The one place that reads the time."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from triage.errors import Misuse


def now() -> datetime:
    """The moment, aware UTC.

    Where the environment sets TRIAGE_NOW (ISO 8601 with its zone, "2026-11-23T09:00:00Z"), that moment is given
    instead: for tests, demonstrations and reports that can be made again. Unset, which is the rule, the clock is read.
    Raises Misuse where TRIAGE_NOW cannot be read: a wrong clock must never pass unnoticed.
    """
    fixed = os.environ.get("TRIAGE_NOW")
    if not fixed:
        return datetime.now(UTC)
    return parse(fixed)


def parse(text: str) -> datetime:
    """Read an ISO 8601 moment that names its zone. Aware UTC; raises Misuse."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Misuse(f"{text!r} is no moment.", fix="Write 2026-11-23T09:00:00Z.") from None
    if moment.tzinfo is None:
        raise Misuse(f"{text!r} names no zone.", fix="Write 2026-11-23T09:00:00Z or 2026-11-23T10:00:00+01:00.")
    return moment.astimezone(UTC)


def monotonic() -> float:
    """Seconds that only ever go forward: for measuring how long something took and for time-outs."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Wait."""
    time.sleep(seconds)
