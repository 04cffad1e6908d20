"""The outbox: what is to be sent, each once by its key, written in the transaction of what it reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from triage.world.schema import outbox
from triage.world.store import cases, gathering

# Built once, since they run for every mail.
_WITH_KEY = select(outbox.c.id).where(outbox.c.key == bindparam("of")).execution_options(**gathering.READS_NOTHING)
_PUT = insert(outbox)
_CASE_OF = select(outbox.c.message_id, outbox.c.case_id).where(
    outbox.c.message_id.in_(bindparam("ids", expanding=True)), outbox.c.case_id.is_not(None)
)


@dataclass(slots=True)
class _Put:
    """What a batch has put into the outbox, and what it looked up there."""

    keys: set[str] = field(default_factory=set)
    case_of: dict[str, int | None] = field(default_factory=dict)  # Message-ID -> the case


def put(tx: Connection, row: dict[str, Any]) -> bool:
    """Add one message; False where its key is there already (then nothing changes)."""
    mine = gathering.known(tx, _Put)
    if mine is not None and row["key"] in mine.keys:
        return False
    # of a case that this very batch opened nothing is there from before
    if not cases.is_new(tx, row["case_id"]) and tx.execute(_WITH_KEY, {"of": row["key"]}).first():
        return False
    gathering.write(tx, _PUT, [{"attempts": 0, **row}])
    if mine is not None:
        mine.keys.add(row["key"])
        mine.case_of[row["message_id"]] = row["case_id"]
    return True


def due(tx: Connection, now: datetime, limit: int, *, channels: bool | None = None) -> list[dict[str, Any]]:
    """What may leave now, oldest first; with `channels` only what goes to channels, or only mail."""
    query = (
        select(outbox).where(outbox.c.state == "pending", outbox.c.not_before <= now).order_by(outbox.c.id).limit(limit)
    )
    if channels is not None:
        to_channel = outbox.c.recipient.like("channel:%")
        query = query.where(to_channel if channels else ~to_channel)
    return [dict(row._mapping) for row in tx.execute(query)]


def any_batched(tx: Connection) -> bool:
    """Does anything wait for the end of a run?"""
    return tx.execute(select(outbox.c.id).where(outbox.c.state == "batched").limit(1)).first() is not None


def batched(tx: Connection) -> list[dict[str, Any]]:
    """What waits for the end of a run, oldest first; locked for this transaction."""
    query = select(outbox).where(outbox.c.state == "batched").order_by(outbox.c.id).with_for_update()
    return [dict(row._mapping) for row in tx.execute(query)]


def set_state(tx: Connection, ids: Sequence[int], state: str) -> None:
    """Turn these entries into that state."""
    for start in range(0, len(ids), 500):
        tx.execute(update(outbox).where(outbox.c.id.in_(ids[start : start + 500])).values(state=state))


def sent(tx: Connection, row_id: int, now: datetime) -> None:
    """The SMTP server has taken it."""
    tx.execute(update(outbox).where(outbox.c.id == row_id).values(state="sent", sent_at=now, last_error=None))


def failed(tx: Connection, row_id: int, error: str, retry_at: datetime | None) -> None:
    """It did not leave: tried again at `retry_at`, or refused for good where that is None."""
    values: dict[str, Any] = {"attempts": outbox.c.attempts + 1, "last_error": error[:500]}
    values |= {"not_before": retry_at} if retry_at else {"state": "refused"}
    tx.execute(update(outbox).where(outbox.c.id == row_id).values(**values))


def case_of_message_ids(tx: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Message-ID of our own notices -> the case they are about."""
    mine = gathering.known(tx, _Put)
    if mine is not None and mine.case_of.keys() >= set(ids):
        return {one: case for one in ids if (case := mine.case_of[one]) is not None}
    if not ids:
        return {}
    return {row.message_id: row.case_id for row in tx.execute(_CASE_OF, {"ids": list(ids)})}


def look_up(tx: Connection, ids: Iterable[str]) -> None:
    """Look up for a whole batch what it will ask: the cases of these Message-IDs."""
    mine = gathering.known(tx, _Put)
    if mine is None:
        return
    mine.case_of = dict.fromkeys(ids)
    for some in gathering.stretches(mine.case_of):
        for row in tx.execute(_CASE_OF, {"ids": some}):
            mine.case_of[row.message_id] = row.case_id


def with_message_ids(tx: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Our own notices with these Message-IDs."""
    if not ids:
        return []
    return [dict(row._mapping) for row in tx.execute(select(outbox).where(outbox.c.message_id.in_(ids)))]


def written_since(tx: Connection, kind: str, recipient: str, since: datetime) -> int:
    """How many of a kind were written to one address after that moment."""
    query = select(func.count()).where(
        outbox.c.kind == kind, outbox.c.recipient == recipient, outbox.c.created_at > since
    )
    return int(tx.execute(query).scalar_one())


def kinds_of(tx: Connection, ids: Sequence[str]) -> set[str]:
    """What kinds of notices of ours these Message-IDs are."""
    if not ids:
        return set()
    return set(tx.execute(select(outbox.c.kind).where(outbox.c.message_id.in_(ids))).scalars())


def listing(tx: Connection, limit: int, *, case_id: int | None = None) -> list[dict[str, Any]]:
    """The newest entries, newest last."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    if case_id is not None:
        query = query.where(outbox.c.case_id == case_id)
    return [dict(row._mapping) for row in tx.execute(query)][::-1]


def get(tx: Connection, number: int) -> list[dict[str, Any]]:
    """The entry of that number, if there is one."""
    return [dict(row._mapping) for row in tx.execute(select(outbox).where(outbox.c.id == number))]


def cases_told(tx: Connection, kind: str) -> set[int]:
    """The cases about which there is a notice of that kind."""
    return set(
        tx.execute(select(outbox.c.case_id).where(outbox.c.kind == kind, outbox.c.case_id.is_not(None))).scalars()
    )


def tally(tx: Connection) -> dict[str, int]:
    """How many entries are in which state."""
    return {row[0]: row[1] for row in tx.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))}


def kinds(tx: Connection) -> dict[str, int]:
    """How many entries are of which kind."""
    query = select(outbox.c.kind, func.count()).group_by(outbox.c.kind).order_by(outbox.c.kind)
    return {row[0]: row[1] for row in tx.execute(query)}


def count_since(tx: Connection, kind: str, since: datetime) -> int:
    """How many of a kind were written after that moment and not held back."""
    query = select(func.count()).where(
        outbox.c.kind == kind, outbox.c.created_at > since, outbox.c.state != "suppressed"
    )
    return int(tx.execute(query).scalar_one())


def to_since(tx: Connection, kind: str, recipient: str, since: datetime) -> list[tuple[int, datetime]]:
    """(case id, written at) of those of a kind to one address after that moment that were not held back."""
    query = select(outbox.c.case_id, outbox.c.created_at).where(
        outbox.c.kind == kind, outbox.c.recipient == recipient, outbox.c.created_at > since,
        outbox.c.state != "suppressed", outbox.c.case_id.is_not(None),
    )  # fmt: skip
    return [(row[0], row[1]) for row in tx.execute(query)]


def last_to(tx: Connection, kind: str, recipient: str) -> dict[str, Any] | None:
    """The newest entry of a kind to one address."""
    query = (
        select(outbox)
        .where(outbox.c.kind == kind, outbox.c.recipient == recipient)
        .order_by(outbox.c.created_at.desc(), outbox.c.id.desc())
        .limit(1)
    )
    row = tx.execute(query).first()
    return None if row is None else dict(row._mapping)


def put_all(tx: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """`put` for many messages, 500 keys looked up a statement and all written in one; of two with one key the first
    counts. For a sweep: a batch of mails would not know of them, and uses `put`."""
    wanted = {row["key"]: row for row in reversed(rows)}
    known: set[str] = set()
    for some in gathering.stretches(wanted):
        query = select(outbox.c.key).where(outbox.c.key.in_(some))
        known.update(tx.execute(query).scalars())
    fresh = [{"attempts": 0, **row} for row in rows if wanted[row["key"]] is row and row["key"] not in known]
    if fresh:
        tx.execute(_PUT, fresh)
