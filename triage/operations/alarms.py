"""Alarms that come again: what still needs a person is said once a day for each cause, until it is put right.

The first word about a mailbox is `collect`'s; this is the second and all that follow.
"""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from triage.desk import Desk
from triage.errors import InvariantBroken
from triage.operations import invariant
from triage.operations.round import alarm
from triage.world.store import folders

AGAIN_AFTER = timedelta(days=1)


def check(desk: Desk) -> None:
    """Tell the operators of open circuits and of a broken invariant. Raises InvariantBroken all the same."""
    day = desk.now().astimezone(ZoneInfo(desk.zone)).date()
    _circuits(desk, day)
    try:
        invariant.check(desk)
    except InvariantBroken as broken:
        todo = ["triage check --deep   compares every case with its events", "triage case NUMBER     shows one"]
        with desk.database.write() as tx:
            what = "The register contradicts itself: open cases without an owner or a next deadline."
            alarm(desk, tx, f"invariant:{day}", what, [broken.detail], todo)
        raise


def _circuits(desk: Desk, day: date) -> None:
    read_now = {(box.name, spec.name) for box in desk.mailboxes for spec in box.read_folders}
    with desk.database.read() as tx:
        open_ = [f for f in folders.every(tx) if f.circuit and (f.mailbox, f.name) in read_now]
    for folder in open_:
        since = folder.last_ok_at
        if since is not None and desk.now() - since < AGAIN_AFTER:
            continue
        what = f"{folder.mailbox}/{folder.name} still cannot be read; a person is needed."
        details = [folder.circuit or "", f"last good scan: {since or 'never'}", f"{folder.failures} tries since"]
        todo = ["triage check      tries it and says what to do"]
        with desk.database.write() as tx:
            alarm(desk, tx, f"circuit:{folder.id}:{day}", what, details, todo)
