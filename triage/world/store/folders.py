"""Folders and deliveries: which UID of which folder in which epoch has been seen, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from triage.world.schema import delivery, folder, mail

#: states that need nothing more from the server
TERMINAL = ("stored", "before_start", "vanished", "unfetchable")


@dataclass(frozen=True, slots=True)
class Folder:
    """What the register remembers of a folder; see the columns of `schema.folder`."""

    id: int
    mailbox: str
    name: str
    role: str
    epoch: int
    uidvalidity: int | None
    low_uid: int
    quiet: tuple[int, int] | None
    last_ok_at: datetime | None
    last_full_at: datetime | None
    failures: int
    retry_at: datetime | None
    circuit: str | None
    keywords: tuple[int | None, datetime] | None = None  # (HIGHESTMODSEQ, when) of the last look for keywords


@dataclass(frozen=True, slots=True)
class Delivery:
    """One UID that still needs its mail."""

    id: int
    uid: int
    attempts: int
    size: int | None
    internaldate: datetime | None


def _folder(row: Row[tuple[object, ...]]) -> Folder:
    values = dict(row._mapping)
    quiet, keywords = values.pop("quiet"), values.pop("keywords")
    looked = (keywords[0], datetime.fromisoformat(keywords[1])) if keywords else None
    return Folder(quiet=(quiet[0], quiet[1]) if quiet else None, keywords=looked, **values)


def ensure(tx: Connection, mailbox: str, name: str, role: str) -> Folder:
    """The folder's row, made on first sight."""
    query = select(folder).where(folder.c.mailbox == mailbox, folder.c.name == name)
    row = tx.execute(query).first()
    if row is None:
        tx.execute(insert(folder).values(mailbox=mailbox, name=name, role=role, epoch=0, low_uid=1, failures=0))
        row = tx.execute(query).one()
    elif row.role != role:
        tx.execute(update(folder).where(folder.c.id == row.id).values(role=role))
    return _folder(row)


def every(tx: Connection) -> list[Folder]:
    """All folders ever read."""
    return [_folder(row) for row in tx.execute(select(folder).order_by(folder.c.mailbox, folder.c.name))]


def enter_epoch(tx: Connection, known: Folder, uidvalidity: int, *, anew: bool = False) -> Folder:
    """Take note of the folder's UIDVALIDITY; another value than before starts a new epoch with every UID unknown.
    `anew` starts one under the same value: the server was found to give known UIDs to other mails.

    Compared with `!=`: the value may go down, and two folders may share it (RFC 3501 section 2.3.1.1 promises less than
    servers are believed to keep).
    """
    if known.uidvalidity == uidvalidity and not anew:
        return known
    epoch = known.epoch if known.uidvalidity is None else known.epoch + 1
    tx.execute(
        update(folder)
        .where(folder.c.id == known.id)
        .values(epoch=epoch, uidvalidity=uidvalidity, low_uid=1, quiet=None, last_full_at=None, keywords=None)
    )
    row = tx.execute(select(folder).where(folder.c.id == known.id)).one()
    return _folder(row)


def known_uids(tx: Connection, at: Folder, low: int, high: int) -> set[int]:
    """The UIDs of the epoch between `low` and `high` that have a row."""
    query = select(delivery.c.uid).where(
        delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.uid.between(low, high)
    )
    return set(tx.execute(query).scalars())


def highest_uid(tx: Connection, at: Folder) -> int:
    """The highest UID ever seen in the epoch, 0 where there is none."""
    query = select(func.max(delivery.c.uid)).where(delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch)
    return tx.execute(query).scalar() or 0


def newest_facts(tx: Connection, at: Folder, limit: int) -> dict[int, tuple[int, datetime]]:
    """UID -> (announced size, INTERNALDATE) of the newest mails of the epoch, as the server told them at first."""
    query = (
        select(delivery.c.uid, delivery.c.size_announced, delivery.c.internaldate)
        .where(
            delivery.c.folder_id == at.id,
            delivery.c.epoch == at.epoch,
            delivery.c.size_announced.is_not(None),
            delivery.c.internaldate.is_not(None),
        )
        .order_by(delivery.c.uid.desc())
        .limit(limit)
    )
    return {row[0]: (row[1], row[2]) for row in tx.execute(query)}


def record_seen(tx: Connection, at: Folder, uids: Iterable[int], now: datetime) -> int:
    """Note new UIDs before any of their bodies is asked for: from here on a loss would be visible."""
    rows = [
        {"folder_id": at.id, "epoch": at.epoch, "uid": uid, "state": "seen", "first_seen": now, "attempts": 0}
        for uid in uids
    ]
    if rows:
        tx.execute(insert(delivery), rows)
    return len(rows)


def unfinished(tx: Connection, at: Folder) -> list[Delivery]:
    """The UIDs that still need their mail, in order."""
    query = (
        select(delivery.c.id, delivery.c.uid, delivery.c.attempts, delivery.c.size_announced, delivery.c.internaldate)
        .where(delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.state == "seen")
        .order_by(delivery.c.uid)
    )
    return [Delivery(*row) for row in tx.execute(query)]


def record_facts(tx: Connection, facts: Sequence[tuple[int, int, datetime]]) -> None:
    """(delivery id, announced size, INTERNALDATE) as the server told them."""
    if facts:
        statement = (
            update(delivery)
            .where(delivery.c.id == bindparam("row"))
            .values(size_announced=bindparam("size"), internaldate=bindparam("at"))
        )
        tx.execute(statement, [{"row": row, "size": size, "at": at} for row, size, at in facts])


def count_attempts(tx: Connection, ids: Sequence[int], error: str) -> None:
    """One more failed try of these."""
    if ids:
        tx.execute(
            update(delivery)
            .where(delivery.c.id.in_(ids))
            .values(attempts=delivery.c.attempts + 1, last_error=error[:500])
        )


def finish(tx: Connection, ids: Sequence[int], state: str, why: str = "") -> None:
    """A terminal state without a mail: before_start, vanished, unfetchable."""
    if ids:
        tx.execute(update(delivery).where(delivery.c.id.in_(ids)).values(state=state, last_error=why or None))


def reopen_before_start(tx: Connection, at: Folder, since: datetime) -> int:
    """Backfill: what was left out before the start and arrived at or after `since` is asked for again."""
    done = tx.execute(
        update(delivery)
        .where(
            delivery.c.folder_id == at.id,
            delivery.c.epoch == at.epoch,
            delivery.c.state == "before_start",
            delivery.c.internaldate >= since,
        )
        .values(state="seen")
    )
    tx.execute(update(folder).where(folder.c.id == at.id).values(low_uid=1, quiet=None))
    return int(done.rowcount)


def raise_low_uid(tx: Connection, at: Folder, uidnext: int) -> None:
    """The lowest UID that may still need work: the smallest unfinished one, else the server's next."""
    lowest = tx.execute(
        select(func.min(delivery.c.uid)).where(
            delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.state == "seen"
        )
    ).scalar()
    tx.execute(update(folder).where(folder.c.id == at.id).values(low_uid=lowest or uidnext))


def note_ok(tx: Connection, at: Folder, now: datetime, quiet: tuple[int, int] | None, *, full: bool) -> None:
    """A clean scan: failures and circuit are over."""
    values: dict[str, object] = {"last_ok_at": now, "failures": 0, "retry_at": None, "circuit": None}
    values["quiet"] = list(quiet) if quiet else None
    if full:
        values["last_full_at"] = now
    tx.execute(update(folder).where(folder.c.id == at.id).values(**values))


def note_failure(tx: Connection, at: Folder, retry_at: datetime | None, circuit: str | None) -> None:
    """A scan that failed: when to try again, or why a person is needed."""
    tx.execute(
        update(folder)
        .where(folder.c.id == at.id)
        .values(failures=folder.c.failures + 1, retry_at=retry_at, circuit=circuit, quiet=None)
    )


def try_again(tx: Connection, mailbox: str) -> int:
    """A person has looked: what was left alone until a person acts is read by the next run. Returns how many folders."""
    left_alone = folder.c.circuit.is_not(None) & folder.c.retry_at.is_not(None)
    done = tx.execute(update(folder).where(folder.c.mailbox == mailbox, left_alone).values(retry_at=None))
    return int(done.rowcount)


def wanted_marks(tx: Connection, at: Folder, limit: int) -> list[tuple[int, int, bool]]:
    """(delivery id, uid, quarantined) of judged mails whose mark on the server is still to be set."""
    query = (
        select(delivery.c.id, delivery.c.uid, mail.c.state)
        .join(mail, mail.c.id == delivery.c.mail_id)
        .where(
            delivery.c.folder_id == at.id,
            delivery.c.epoch == at.epoch,
            delivery.c.mark == "wanted",
            mail.c.state != "stored",
        )
        .order_by(delivery.c.uid)
        .limit(limit)
    )
    return [(row[0], row[1], row[2] == "quarantined") for row in tx.execute(query)]


def marks_done(tx: Connection, ids: Sequence[int]) -> None:
    """The server carries the mark, or has lost the mail to a person: either way there is nothing left to do."""
    if ids:
        tx.execute(update(delivery).where(delivery.c.id.in_(ids)).values(mark="done"))


def note_keywords(tx: Connection, at: Folder, modseq: int | None, now: datetime) -> None:
    """People's keywords were looked for."""
    tx.execute(update(folder).where(folder.c.id == at.id).values(keywords=[modseq, now.isoformat()]))


def first_uid_since(tx: Connection, at: Folder, since: datetime) -> int | None:
    """The lowest UID of the epoch that was first seen at or after that moment."""
    query = select(func.min(delivery.c.uid)).where(
        delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.first_seen >= since
    )
    return tx.execute(query).scalar()


def mails_at(tx: Connection, at: Folder, uids: Sequence[int]) -> dict[int, int]:
    """UID -> mail, as far as the mail is stored."""
    found: dict[int, int] = {}
    for start in range(0, len(uids), 500):
        query = select(delivery.c.uid, delivery.c.mail_id).where(
            delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.mail_id.is_not(None),
            delivery.c.uid.in_(uids[start : start + 500]),
        )  # fmt: skip
        found |= {row.uid: row.mail_id for row in tx.execute(query)}
    return found


def uids_of(tx: Connection, at: Folder, mail_ids: Iterable[int]) -> dict[int, int]:
    """UID -> mail, for every place in the folder where one of these mails lies or lay."""
    query = select(delivery.c.uid, delivery.c.mail_id).where(
        delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch, delivery.c.mail_id.in_(list(mail_ids))
    )
    return {row.uid: row.mail_id for row in tx.execute(query)}


def to_correct(tx: Connection, limit: int) -> list[Row[tuple[int, int, str, str, int, int]]]:
    """Deliveries into a folder of corrections that nobody has acted on yet, in order: (id, mail_id, mailbox, name,
    folder_id, epoch). Their mail is judged."""
    query = (
        select(delivery.c.id, delivery.c.mail_id, folder.c.mailbox, folder.c.name, folder.c.id.label("folder_id"),
               delivery.c.epoch)
        .join(folder, folder.c.id == delivery.c.folder_id)
        .join(mail, mail.c.id == delivery.c.mail_id)
        .where(delivery.c.mark == "correct", mail.c.state != "stored")
        .order_by(delivery.c.id)
        .limit(limit)
    )  # fmt: skip
    return list(tx.execute(query))


def was_there_before(tx: Connection, folder_id: int, epoch: int, mail_id: int) -> bool:
    """Did this folder hold the mail before it was numbered anew?"""
    query = select(delivery.c.id).where(
        delivery.c.folder_id == folder_id, delivery.c.epoch < epoch, delivery.c.mail_id == mail_id
    )
    return tx.execute(query.limit(1)).first() is not None


def seen_outside(tx: Connection, mail_id: int, role: str) -> bool:
    """Was the mail ever seen in a folder of another role?"""
    query = (
        select(delivery.c.id)
        .join(folder, folder.c.id == delivery.c.folder_id)
        .where(delivery.c.mail_id == mail_id, folder.c.role != role)
    )
    return tx.execute(query.limit(1)).first() is not None


def set_mark(tx: Connection, delivery_id: int, mark: str) -> None:
    """What is still to be done about this delivery, or "done"."""
    tx.execute(update(delivery).where(delivery.c.id == delivery_id).values(mark=mark))


def states(tx: Connection, at: Folder) -> dict[int, tuple[str, int | None]]:
    """uid -> (state, mail id) of the whole epoch, for reconciling."""
    query = select(delivery.c.uid, delivery.c.state, delivery.c.mail_id).where(
        delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch
    )
    return {row.uid: (row.state, row.mail_id) for row in tx.execute(query)}


def tally(tx: Connection, at: Folder) -> dict[str, int]:
    """How many deliveries of the epoch are in which state."""
    query = (
        select(delivery.c.state, func.count())
        .where(delivery.c.folder_id == at.id, delivery.c.epoch == at.epoch)
        .group_by(delivery.c.state)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def oldest_unfinished(tx: Connection) -> datetime | None:
    """When the oldest mail that is seen but not stored was first seen. People remove folders of corrections, mail and
    all: what lay there waits for nothing."""
    lasting = select(folder.c.id).where(folder.c.role != "corrections")
    query = select(func.min(delivery.c.first_seen)).where(delivery.c.state == "seen", delivery.c.folder_id.in_(lasting))
    return tx.execute(query).scalar()
