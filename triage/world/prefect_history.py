"""How much Prefect keeps of its own past, read from the SQLite file of our own server. It is to be pruned after a week."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

KEPT = timedelta(days=7)  # as `triage.operations.keeper` tells the server
TOO_OLD = KEPT + timedelta(days=1)  # the server prunes every hour; a day more and it does not prune


@dataclass(frozen=True, slots=True)
class History:
    """Runs that ended, the moment (aware UTC) the oldest of them ended, and the octets of the file."""

    runs: int
    oldest: datetime | None
    size: int

    def said(self) -> str:
        oldest = f"the oldest of {self.oldest:%Y-%m-%d %H:%M} UTC" if self.oldest else "none ended yet"
        return f"{self.runs} runs, {oldest}, {self.size / 1e6:.0f} MB"

    def unpruned(self, now: datetime) -> bool:
        return self.oldest is not None and now - self.oldest > TOO_OLD


def read(folder: Path) -> History | None:
    """None where no server of ours ever ran here, or its file cannot be read now."""
    path = folder / "prefect.db"
    if not path.is_file():
        return None
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
        try:
            row = connection.execute(
                "SELECT count(*), min(end_time) FROM flow_run WHERE end_time IS NOT NULL"
            ).fetchone()
        finally:
            connection.close()
    except sqlite3.Error:
        return None
    oldest = datetime.fromisoformat(row[1]) if row[1] else None
    return History(
        int(row[0]), oldest and (oldest if oldest.tzinfo else oldest.replace(tzinfo=UTC)), path.stat().st_size
    )


def figures(found: History | None) -> Mapping[str, object] | None:
    """For `triage status --json`."""
    if found is None:
        return None
    oldest = found.oldest.isoformat().replace("+00:00", "Z") if found.oldest else None
    return {"runs": found.runs, "oldest_run": oldest, "bytes": found.size}
