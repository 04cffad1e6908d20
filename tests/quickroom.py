"""Desks for tests that open many: the config is written and read once, the schema made once, one reader serves all.

The mailbox is reached through `inbox`, which the test gives; all else is as in `room`.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.room import NOW, fake, furnish
from triage.desk import Desk, Mailbox
from triage.world import config, settings
from triage.world.config import Config
from triage.world.inbox import Inbox
from triage.world.reader import Reader
from triage.world.store.database import Database, migrate

READER = Reader()
atexit.register(READER.close)

Connect = Callable[[Mailbox], AbstractContextManager[Inbox]]


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


@cache
def _base() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="triage-rooms-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _config(changes: str) -> tuple[Path, Config]:
    folder = Path(tempfile.mkdtemp(dir=_base()))
    furnish(folder, host="127.0.0.1", port=1, user="intake", password="s3cret", **json.loads(changes))
    return folder / "config", config.load(folder / "config")


@cache
def _schema() -> Path:
    path = _base() / "empty.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


def quick_register(folder: Path) -> Database:
    """An empty SQLite register at the newest schema, without making it anew."""
    shutil.copy(_schema(), folder / "triage.db")
    return Database(f"sqlite:///{folder / 'triage.db'}")


@contextmanager
def quick_desk(
    folder: Path, connect: Connect, *, now: Callable[[], datetime], reached: Callable[[str], None] = lambda step: None,
    **changes: Any,
) -> Iterator[Desk]:  # fmt: skip
    """A desk on `folder`, which keeps its register between calls. `changes` are those of `room.furnish`."""
    changes = {"folders": {"intake": ["INBOX"], "sent": None}, "notices": "off", **changes}
    place, conf = _config(json.dumps(changes, sort_keys=True))
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "triage.db").exists():
        shutil.copy(_schema(), data / "triage.db")
    found = settings.load(place, data, {"TRIAGE_SECRET": "s" * 40})
    database = Database(f"sqlite:///{data / 'triage.db'}")
    desk = Desk(found, conf, now, database, reached, READER)
    desk.inbox = connect
    fake(desk)
    try:
        yield desk
    finally:
        database.close()
