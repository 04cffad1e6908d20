"""Backfill: take in, on purpose, mail that arrived before the desk went live. Nobody is told of old mail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from triage.desk import Desk, Mailbox
from triage.errors import Misuse
from triage.operations.collect import collect
from triage.operations.take_in import TakenIn, take_in_batch
from triage.world.store import folders


def backfill(desk: Desk, since: datetime, names: Sequence[str] | None, say: Callable[[str], Any]) -> str:
    """Ask for the mail since a moment and take it in. Returns a sentence."""
    if since > desk.now():
        raise Misuse("--since lies in the future.")
    wanted = [desk.mailbox(name) for name in names] if names else list(desk.mailboxes)
    asked = 0
    with desk.database.write() as tx:
        for mailbox in wanted:
            for at in (f for f in folders.every(tx) if f.mailbox == mailbox.name):
                asked += folders.reopen_before_start(tx, at, since)
    for mailbox in wanted:
        got = collect(desk, Mailbox(mailbox.part.model_copy(update={"start_from": since})))
        say(f"{mailbox.name}: {got.stored} stored" + "".join(f"; {e}" for e in got.errors))
    total = TakenIn()
    while batch := take_in_batch(desk):
        for taken in batch.values():
            total.add(taken)
    return f"{asked} older mails were asked for: {total.sentence()}."
