"""Mails: stored raw first, judged later, each ending in exactly one outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, or_, select, update

from triage.world.schema import blob, clean, delivery, folder, mail
from triage.world.store import gathering
from triage.world.store.raw import Location


@dataclass(frozen=True, slots=True)
class Arrival:
    """One fetched mail on its way into the register."""

    delivery_id: int
    location: Location
    received_at: datetime  # INTERNALDATE, aware UTC


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored mail that has not been judged yet."""

    id: int
    sha256: str
    direction: str
    mailbox: str
    folder: str
    received_at: datetime
    attempts: int
    fault: str | None


def store(
    tx: Connection, arrivals: Sequence[Arrival], *, mailbox: str, folder_name: str, direction: str, now: datetime,
    mark: str | None, fault: str | None = None,
) -> int:  # fmt: skip
    """Name the bytes, link each delivery to its mail, return how many mails are new.

    The same bytes seen before (redelivery, another UIDVALIDITY, a second mailbox) are one more delivery of the known
    mail, not a second mail. `fault` says why the bytes are only a stand-in: such a mail is quarantined unread.
    """
    by_sha = {arrival.location.sha256: arrival for arrival in arrivals}
    # a mail that was found to repeat another stands for that one
    original = func.coalesce(mail.c.duplicate_of, mail.c.id)
    known: dict[str, int] = {
        row[0]: row[1] for row in tx.execute(select(mail.c.sha256, original).where(mail.c.sha256.in_(by_sha)))
    }
    have = set(tx.execute(select(blob.c.sha256).where(blob.c.sha256.in_(by_sha))).scalars())
    fresh = [arrival for sha, arrival in by_sha.items() if sha not in known]
    bodies = [arrival.location.row() for sha, arrival in by_sha.items() if sha not in have]
    if bodies:
        tx.execute(insert(blob), bodies)
    if fresh:
        common = {
            "direction": direction, "mailbox": mailbox, "folder": folder_name, "stored_at": now, "state": "stored",
            "attempts": 0, "message_id_reused": False, "last_error": fault,
        }  # fmt: skip
        tx.execute(
            insert(mail),
            [{**common, "sha256": a.location.sha256, "received_at": a.received_at} for a in fresh],
        )
        query = select(mail.c.id, mail.c.sha256).where(mail.c.sha256.in_([a.location.sha256 for a in fresh]))
        known |= {row.sha256: row.id for row in tx.execute(query)}
    tx.execute(
        update(delivery)
        .where(delivery.c.id == bindparam("row"))
        .values(state="stored", mail_id=bindparam("of"), size_got=bindparam("size"), mark=mark, last_error=None),
        [{"row": a.delivery_id, "of": known[a.location.sha256], "size": a.location.length} for a in arrivals],
    )
    return len(fresh)


def waiting(tx: Connection, limit: int, *, after: tuple[datetime, int] | None = None) -> list[Waiting]:
    """Stored mails in the order in which they arrived."""
    columns = (
        mail.c.id, mail.c.sha256, mail.c.direction, mail.c.mailbox, mail.c.folder, mail.c.received_at, mail.c.attempts,
        mail.c.last_error,
    )  # fmt: skip
    query = select(*columns).where(mail.c.state == "stored").order_by(mail.c.received_at, mail.c.id).limit(limit)
    if after is not None:
        at, last = after
        query = query.where(or_(mail.c.received_at > at, (mail.c.received_at == at) & (mail.c.id > last)))
    return [Waiting(*row) for row in tx.execute(query)]


def count_attempt(tx: Connection, ids: Sequence[int], by: int = 1) -> None:
    """Committed before the mail is read: a mail that kills its reader is counted."""
    if ids:
        tx.execute(update(mail).where(mail.c.id.in_(ids)).values(attempts=mail.c.attempts + by))


def still_stored(tx: Connection, ids: Iterable[int]) -> set[int]:
    """Which of these nobody else has judged meanwhile; they are locked for this transaction."""
    query = select(mail.c.id).where(mail.c.id.in_(list(ids)), mail.c.state == "stored").with_for_update()
    return set(tx.execute(query).scalars())


# Statements that run for every mail are built once: building one anew costs three times its execution.
_BY_KEY = select(mail.c.id).where(mail.c.logical_key == bindparam("of"), mail.c.duplicate_of.is_(None))
_SAME_ID = select(mail.c.id).where(mail.c.message_id == bindparam("of"), mail.c.id != bindparam("but")).limit(1)
_JUDGED = update(mail).where(mail.c.id == bindparam("row"))
_BY_KEYS = select(mail.c.id, mail.c.logical_key).where(
    mail.c.logical_key.in_(bindparam("of", expanding=True)), mail.c.duplicate_of.is_(None)
)
_BY_MESSAGE_IDS = (
    select(mail.c.id, mail.c.message_id, mail.c.case_id, mail.c.direction)
    .where(mail.c.message_id.in_(bindparam("of", expanding=True))).order_by(mail.c.id)
)  # fmt: skip
_FIRST = (
    select(mail.c.effective_at, mail.c.id, mail.c.mailbox, mail.c.folder, mail.c.message_id)
    .where(mail.c.case_id == bindparam("of")).order_by(mail.c.effective_at, mail.c.id).limit(1)
    .execution_options(**gathering.READS_NOTHING)  # what waits is known by `_Known.of_cases`
)  # fmt: skip


@dataclass(slots=True)
class _Known:
    """What a batch looked up of the mails settled before, and what it settled itself."""

    by_key: dict[str, int | None] = field(default_factory=dict)  # logical key -> mail
    by_message_id: dict[str, list[_Named]] = field(default_factory=dict)
    batch: dict[int, Waiting] = field(default_factory=dict)
    of_cases: dict[int, list[_Place]] = field(default_factory=dict)  # case -> mails that the batch put on it

    def named(self, ids: Iterable[str]) -> list[_Named] | None:
        """The mails with these Message-IDs, the oldest first; None where one of them was not looked up."""
        found: list[_Named] = []
        for one in dict.fromkeys(map(clean, ids)):
            if one not in self.by_message_id:
                return None
            found += self.by_message_id[one]
        return sorted(found)

    def moved(self) -> None:
        """Mails went to other cases: where they are is looked up anew."""
        self.by_message_id.clear()
        self.of_cases.clear()


@dataclass(frozen=True, slots=True, order=True)
class _Named:
    """A mail as its Message-ID leads to it."""

    id: int
    message_id: str
    case_id: int | None
    direction: str


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A mail of a case and where it lies, the oldest first."""

    effective_at: datetime
    id: int
    mailbox: str
    folder: str
    message_id: str


def look_up(tx: Connection, batch: Iterable[Waiting], keys: Iterable[str], message_ids: Iterable[str]) -> None:
    """Look up for a whole batch what each of its mails will ask by its logical key and by the Message-IDs it carries or
    names."""
    known = gathering.known(tx, _Known)
    if known is None:
        return
    known.batch = {mail.id: mail for mail in batch}
    known.by_key = dict.fromkeys(keys)
    for some in gathering.stretches(known.by_key):
        known.by_key |= {row.logical_key: row.id for row in tx.execute(_BY_KEYS, {"of": some})}
    known.by_message_id = {one: [] for one in map(clean, message_ids)}
    for some in gathering.stretches(known.by_message_id):
        for row in tx.execute(_BY_MESSAGE_IDS, {"of": some}):
            known.by_message_id[row.message_id].append(_Named(*row))


def by_logical_key(tx: Connection, key: str) -> int | None:
    """The mail that carries this logical key, if any."""
    known = gathering.known(tx, _Known)
    if known is not None and key in known.by_key:
        return known.by_key[key]
    return tx.execute(_BY_KEY, {"of": key}).scalar()


def message_id_known(tx: Connection, message_id: str, but: int) -> bool:
    """Whether another mail with other content came under this Message-ID."""
    known = gathering.known(tx, _Known)
    named = known.named([message_id]) if known is not None else None
    if named is not None:
        return any(mail.id != but for mail in named)
    return tx.execute(_SAME_ID, {"of": message_id, "but": but}).first() is not None


def duplicate(tx: Connection, mail_id: int, of: int, now: datetime) -> None:
    """The same mail came another way: its deliveries now point to the first one."""
    tx.execute(
        update(mail)
        .where(mail.c.id == mail_id)
        .values(
            state="duplicate",
            duplicate_of=of,
            outcome="duplicate",
            judged_at=now,
            reason="the same mail, delivered again",
        )
    )
    tx.execute(update(delivery).where(delivery.c.mail_id == mail_id).values(mail_id=of))
    if (known := gathering.known(tx, _Known)) is not None:  # it stands for its content no more
        known.by_key = {key: found for key, found in known.by_key.items() if found != mail_id}


def judged(tx: Connection, mail_id: int, values: Mapping[str, Any]) -> None:
    """Write what became of the mail; `values` are columns of the mail table."""
    gathering.write(tx, _JUDGED, [{**values, "row": mail_id}], name="row")
    known = gathering.known(tx, _Known)
    if known is None:
        return
    if key := values.get("logical_key"):
        known.by_key[key] = mail_id
    waited, case_id = known.batch.get(mail_id), values.get("case_id")
    if waited is None:
        gathering.write_now(tx)
        return
    message_id = clean(values.get("message_id") or "")
    if message_id in known.by_message_id:
        mine = _Named(mail_id, message_id, case_id, waited.direction)
        known.by_message_id[message_id] = sorted([*known.by_message_id[message_id], mine])
    if case_id is not None:
        place = _Place(values["effective_at"], mail_id, waited.mailbox, waited.folder, message_id)
        known.of_cases.setdefault(case_id, []).append(place)


def case_of_message_ids(tx: Connection, ids: Sequence[str]) -> dict[str, list[int]]:
    """Message-ID -> the cases whose mail carries it."""
    found: dict[str, list[int]] = {}
    for named in _named(tx, ids):
        if named.case_id is not None:
            found.setdefault(named.message_id, []).append(named.case_id)
    return found


def _named(tx: Connection, ids: Sequence[str]) -> list[_Named]:
    """The mails with these Message-IDs."""
    if not ids:
        return []
    known = gathering.known(tx, _Known)
    named = known.named(ids) if known is not None else None
    return named if named is not None else [_Named(*row) for row in tx.execute(_BY_MESSAGE_IDS, {"of": list(ids)})]


def sent_ids(tx: Connection, ids: Sequence[str]) -> set[str]:
    """Which of these Message-IDs are of mails that our side sent."""
    return {named.message_id for named in _named(tx, ids) if named.direction == "out"}


def ids_by_message_id(tx: Connection, ids: Sequence[str]) -> list[int]:
    """The mails with these Message-IDs."""
    return [named.id for named in _named(tx, ids)]


def get(tx: Connection, mail_id: int) -> dict[str, Any] | None:
    """The whole row."""
    row = tx.execute(select(mail).where(mail.c.id == mail_id)).first()
    return None if row is None else dict(row._mapping)


def of_case(tx: Connection, case_id: int) -> list[dict[str, Any]]:
    """The mails of a case, oldest first."""
    query = select(mail).where(mail.c.case_id == case_id).order_by(mail.c.effective_at, mail.c.id)
    return [dict(row._mapping) for row in tx.execute(query)]


def first_of_case(tx: Connection, case_id: int) -> tuple[str, str, str] | None:
    """(mailbox, folder, Message-ID) of the oldest mail of a case."""
    known = gathering.known(tx, _Known)
    found = list(known.of_cases.get(case_id, ())) if known is not None else []
    if row := tx.execute(_FIRST, {"of": case_id}).first():
        found.append(_Place(row.effective_at, row.id, row.mailbox or "", row.folder or "", row.message_id or ""))
    first = min(found, default=None)
    return None if first is None else (first.mailbox, first.folder, first.message_id)


def move_to_case(tx: Connection, old: int, new: int) -> None:
    """All mails of one case now belong to another."""
    tx.execute(update(mail).where(mail.c.case_id == old).values(case_id=new))
    if (known := gathering.known(tx, _Known)) is not None:
        known.moved()


def reassign(tx: Connection, ids: Sequence[int], case_id: int) -> None:
    """These mails now belong to that case."""
    tx.execute(update(mail).where(mail.c.id.in_(ids)).values(case_id=case_id))
    if (known := gathering.known(tx, _Known)) is not None:
        known.moved()


def message_ids_of_cases(tx: Connection) -> dict[int, list[str]]:
    """Case id -> the Message-IDs of its mails."""
    query = select(mail.c.case_id, mail.c.message_id).where(mail.c.case_id.is_not(None)).order_by(mail.c.id)
    found: dict[int, list[str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.case_id, []).append(row.message_id)
    return found


def filed(tx: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest mails that were filed as no complaint, with the reason."""
    query = (
        select(mail)
        .where(mail.c.outcome.in_(("filed", "forwarded")))
        .order_by(mail.c.received_at.desc(), mail.c.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def tally(tx: Connection) -> dict[str, int]:
    """How many mails ended in which outcome; `None` (not judged yet) is reported as "waiting"."""
    query = select(mail.c.outcome, func.count()).group_by(mail.c.outcome)
    return {row[0] or "waiting": row[1] for row in tx.execute(query)}


def outcomes(tx: Connection, ids: Sequence[int]) -> dict[int, str | None]:
    """Mail id -> outcome. A delivery never points to a duplicate, so none is looked up here."""
    found: dict[int, str | None] = {}
    for start in range(0, len(ids), 500):
        query = select(mail.c.id, mail.c.outcome).where(mail.c.id.in_(ids[start : start + 500]))
        found |= {row.id: row.outcome for row in tx.execute(query)}
    return found


def places(tx: Connection, mail_id: int) -> list[tuple[str, str]]:
    """(mailbox, folder) of every delivery of the mail, so that a person finds it in any client."""
    query = (
        select(folder.c.mailbox, folder.c.name)
        .join(delivery, delivery.c.folder_id == folder.c.id)
        .where(delivery.c.mail_id == mail_id)
        .distinct()
    )
    return [(row[0], row[1]) for row in tx.execute(query)]


def sha_of(tx: Connection, mail_ids: Sequence[int]) -> dict[int, str]:
    """Mail id -> the address of its bytes."""
    rows = tx.execute(select(mail.c.id, mail.c.sha256).where(mail.c.id.in_(list(mail_ids))))
    return {row.id: row.sha256 for row in rows}


def with_sha(tx: Connection, shas: Iterable[str]) -> set[str]:
    """Which of these addresses belong to a mail of the register."""
    return set(tx.execute(select(mail.c.sha256).where(mail.c.sha256.in_(list(shas)))).scalars())


def with_bytes(tx: Connection, shas: Iterable[str]) -> set[str]:
    """Which of these addresses have a row that names their bytes, or says that they were forgotten."""
    return set(tx.execute(select(blob.c.sha256).where(blob.c.sha256.in_(list(shas)))).scalars())


def arrived_at(tx: Connection, message_id: str) -> datetime | None:
    """When a mail with this Message-ID was judged, None where none was."""
    return tx.execute(select(func.min(mail.c.judged_at)).where(mail.c.message_id == message_id)).scalar()


def oldest_waiting(tx: Connection) -> datetime | None:
    """When the oldest mail that is stored but not judged was stored."""
    return tx.execute(select(func.min(mail.c.stored_at)).where(mail.c.state == "stored")).scalar()


def bytes_since(tx: Connection, since: datetime) -> int:
    """Octets of new mail stored after that moment."""
    query = select(func.sum(blob.c.length)).join(mail, mail.c.sha256 == blob.c.sha256).where(mail.c.stored_at > since)
    return int(tx.execute(query).scalar() or 0)


def first_of_cases(tx: Connection, case_ids: Iterable[int]) -> dict[int, tuple[str, str, str]]:
    """`first_of_case` for many cases; one without a mail is left out."""
    query = (
        select(mail.c.case_id, mail.c.mailbox, mail.c.folder, mail.c.message_id)
        .where(mail.c.case_id.in_(list(case_ids))).order_by(mail.c.case_id, mail.c.effective_at, mail.c.id)
    )  # fmt: skip
    found: dict[int, tuple[str, str, str]] = {}
    for row in tx.execute(query):
        found.setdefault(row.case_id, (row.mailbox or "", row.folder or "", row.message_id or ""))
    return found
