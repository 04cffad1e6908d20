"""One line a run, for whoever watches `triage serve`: when, what, how it ended, counts. No mail text."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from triage.desk import open_register
from triage.world import settings
from triage.world.store import register
from triage.world.store.database import Database

log = logging.getLogger(__name__)

AT_ONCE = 50


class RunLines:
    """The runs that ended since the last look; those from before the first look are not shown."""

    def __init__(self) -> None:
        self._found = settings.load()
        with open_register(self._found) as database:
            self._seen = max((row["id"] for row in self._last(database)), default=0)
        self._waiting: set[int] = set()

    def _last(self, database: Database) -> list[dict[str, Any]]:
        with database.read() as tx:
            return register.last_runs(tx, AT_ONCE)

    def new(self) -> Iterator[str]:
        """A line for each run that ended meanwhile, in the order of their beginning."""
        with open_register(self._found) as database:
            rows = self._last(database)
        for row in reversed(rows):
            fresh = row["id"] > self._seen or row["id"] in self._waiting
            if not fresh:
                continue
            self._seen = max(self._seen, row["id"])
            if row["ended_at"] is None:
                self._waiting.add(row["id"])  # a run that was killed stays here until others push it out of sight
                continue
            self._waiting.discard(row["id"])
            log.info(
                "run ended", extra={"run": row["id"], "kind": row["kind"], "ok": row["ok"], "counts": row["counts"]}
            )
            if row["started_at"] != row["ended_at"] or any(number for _, number in _counts(row["counts"])):
                yield line(row)  # what took no time and did nothing is only a note that it was looked at
        self._waiting &= {row["id"] for row in rows}


def line(row: Mapping[str, Any]) -> str:
    """ "12:31:05Z intake ok, 1.2 s: 3 found, 2 opened"."""
    took = (row["ended_at"] - row["started_at"]).total_seconds()
    said = "ok" if row["ok"] else f"TROUBLE ({'; '.join(_why(row['counts'])) or row['error']})"
    counts = ", ".join(f"{number} {name}" for name, number in _counts(row["counts"]) if number)
    return f"{row['started_at']:%H:%M:%S}Z {row['kind']} {said}, {took:.1f} s" + (f": {counts}" if counts else "")


def _why(counts: Mapping[str, Any]) -> Iterator[str]:
    """What went wrong, by mailbox; of the outbox the first error stands for all."""
    for box in counts.get("mailboxes", []):
        yield from (f"{box['mailbox']}: {error}" for error in box.get("errors", []))
    yield from counts.get("notices", {}).get("errors", [])[:1]


def _counts(counts: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    boxes = counts.get("mailboxes", [])
    for name in ("found", "stored", "opened", "attached", "quarantined", "marked"):
        yield name, sum(int(box.get(name, 0)) for box in boxes)
    for group in ("escalations", "notices"):
        for name, value in counts.get(group, {}).items():
            if isinstance(value, int) and not isinstance(value, bool):
                yield name, value
