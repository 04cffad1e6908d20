"""Cases and their events. The events are the truth; the row in `cases` is what queries need, written beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from triage.errors import NotFound, Temporary
from triage.words import Urgency
from triage.world.schema import case_key, cases, clean, event, mail
from triage.world.store import gathering, loads
from triage.world.store.knowncases import Known
from triage.world.store.loads import OPEN as OPEN


class CaseMoved(Temporary):
    """Somebody else changed this case at the same moment."""


# Statements that run for every mail are built once: building one anew costs three times its execution. What `Known` knows
# whole is never read, and rows of other cases never wait (see `save_all` and `append`): such reads find none that does.
_CREATE = insert(cases).returning(cases.c.id).execution_options(**gathering.READS_NOTHING)
_SAVE = update(cases).where(cases.c.id == bindparam("row"), cases.c.version == bindparam("seen"))
_APPEND = insert(event)
_EVENTS = (
    select(event).where(event.c.case_id.in_(bindparam("ids", expanding=True))).order_by(event.c.case_id, event.c.seq)
).execution_options(**gathering.READS_NOTHING)
_ROWS = (
    select(cases).where(cases.c.id.in_(bindparam("ids", expanding=True))).execution_options(**gathering.READS_NOTHING)
)
_LOCK = (
    select(cases).where(cases.c.id == bindparam("of")).with_for_update().execution_options(**gathering.READS_NOTHING)
)
_OPEN_OF = select(cases).where(cases.c.status.in_(OPEN), cases.c.customer.in_(bindparam("of", expanding=True)))
_OWNER_OF = (
    select(cases.c.owner)
    .where(cases.c.status.in_(OPEN), cases.c.customer == bindparam("of"))
    .order_by(cases.c.urgency, cases.c.next_due_at.is_not(None), cases.c.next_due_at.desc(), cases.c.id.desc())
    .limit(1)
)
_WITH_KEY = (
    select(case_key.c.value, case_key.c.case_id)
    .where(case_key.c.kind == bindparam("of"), case_key.c.value.in_(bindparam("wanted", expanding=True)))
    .order_by(case_key.c.case_id)
)
_OPEN_WITH_KEY = _WITH_KEY.join(cases, cases.c.id == case_key.c.case_id).where(cases.c.status.in_(OPEN))
_KEYS_OF = select(case_key.c.case_id, case_key.c.value).where(
    case_key.c.kind == bindparam("of"), case_key.c.case_id.in_(bindparam("ids", expanding=True))
)
# The short way of both databases; SQLAlchemy's own `on_conflict_do_nothing` is compiled anew at every execution.
_ADD_KEYS = text("INSERT INTO case_key (case_id, kind, value) VALUES (:case_id, :kind, :value) ON CONFLICT DO NOTHING")


def _keys(values: Iterable[str]) -> list[str]:
    """The values as they are stored, each once; `_ADD_KEYS` is bare text, and no column type cleans what it is given."""
    return list(dict.fromkeys(stored for value in values if (stored := clean(value)[:320])))


def is_new(tx: Connection, case_id: int | None) -> bool:
    """Was the case opened by the batch that this transaction settles?"""
    known = gathering.known(tx, Known)
    return known is not None and case_id in known.new


def look_up(tx: Connection, customers: Iterable[str], keys: Mapping[str, Iterable[str]]) -> None:
    """Look up for a whole batch what each of its mails will ask: the open cases of these customers, and the cases found
    by these keys (kind -> values)."""
    known = gathering.known(tx, Known)
    if known is None:
        return
    known.customers = {one: {} for one in map(clean, customers)}
    for some in gathering.stretches(known.customers):
        for row in tx.execute(_OPEN_OF, {"of": some}):
            known.customers[row.customer][row.id] = dict(row._mapping)
    for kind, values in keys.items():
        wanted = _keys(values)
        known.keys |= {(kind, value): [] for value in wanted}
        for some in gathering.stretches(wanted):
            for row in tx.execute(_WITH_KEY, {"of": kind, "wanted": some}):
                known.keys[kind, row.value].append(row.case_id)


def create(tx: Connection, values: Mapping[str, Any]) -> int:
    """A new row; returns its id."""
    made = int(tx.execute(_CREATE, dict(values)).scalar_one())
    loads.opened(tx, values)
    if known := gathering.known(tx, Known):
        known.opened(made, values)
    return made


def save(
    tx: Connection, case_id: int, seen_version: int, values: Mapping[str, Any],
    was: tuple[str, bool] | None = None,
) -> None:  # fmt: skip
    """Write the row if nobody else did since we read it. `was` is (owner, open?) as we read it. Raises CaseMoved."""
    save_all(tx, [(case_id, seen_version, values, was)])


def append(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add events. Where a sequence number or a natural key is taken the transaction is lost: CaseMoved where the rows
    are written at once; of a batch, whose rows wait, WriteCollided at its end (`Database.write`). Both are Temporary."""
    if not rows:
        return
    try:
        gathering.write(tx, _APPEND, rows)
    except IntegrityError as error:
        raise CaseMoved("One of its events was already recorded.", fix="Nothing was written; try again.") from error
    if (known := gathering.known(tx, Known)) is not None and not known.told(rows):
        gathering.write_now(tx)


def events(tx: Connection, case_ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Case id -> its events in order."""
    found: dict[int, list[dict[str, Any]]] = {case_id: [] for case_id in case_ids}
    known = gathering.known(tx, Known)
    held = known.events if known is not None else {}
    wanted = [case_id for case_id in found if case_id not in held]
    for some in gathering.stretches(wanted):
        for row in tx.execute(_EVENTS, {"ids": some}):
            found[row.case_id].append(dict(row._mapping))
    if known is not None:
        known.events |= {case_id: found[case_id] for case_id in wanted if case_id in known.rows}
    return {case_id: list(held.get(case_id, rows)) for case_id, rows in found.items()}


def find(tx: Connection, wanted: str) -> int:
    """The id of a case named by its number (C-2026-000123) or by its bare id. Raises NotFound."""
    text = wanted.strip().upper()
    query = select(cases.c.id).where(cases.c.number == text)
    found = tx.execute(query).scalar()
    if found is None and text.isdigit():
        found = tx.execute(select(cases.c.id).where(cases.c.id == int(text))).scalar()
    if found is None:
        raise NotFound(f"No case is called {wanted!r}.", fix="`triage cases --all` lists them.")
    return int(found)


def lock(tx: Connection, case_id: int) -> dict[str, Any]:
    """The row, locked for this transaction. Raises NotFound."""
    known = gathering.known(tx, Known)
    if known is not None and case_id in known.rows:
        return dict(known.rows[case_id])
    row = tx.execute(_LOCK, {"of": case_id}).first()
    if row is None:
        raise NotFound(f"There is no case {case_id}.")
    if known is not None:
        known.rows[case_id] = dict(row._mapping)
    return dict(row._mapping)


def rows(tx: Connection, *, everything: bool, where: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Case rows, most urgent and soonest due first; open ones only unless `everything`."""
    query = select(cases)
    if not everything:
        query = query.where(cases.c.status.in_(OPEN))
    for name, value in (where or {}).items():
        query = query.where(cases.c[name] == value)
    query = query.order_by(cases.c.urgency.desc(), cases.c.next_due_at.is_(None), cases.c.next_due_at, cases.c.id)
    return [dict(row._mapping) for row in tx.execute(query)]


def climbed(tx: Connection, mailbox: str) -> list[int]:
    """The open cases of a mailbox that were escalated."""
    mine = cases.c.status.in_(OPEN) & (cases.c.mailbox == mailbox) & (cases.c.step > 0)
    return list(tx.execute(select(cases.c.id).where(mine).order_by(cases.c.id)).scalars())


def by_ids(tx: Connection, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Case id -> row."""
    known = gathering.known(tx, Known)
    held = known.rows if known is not None else {}
    wanted = sorted(set(ids))
    found = {case_id: dict(held[case_id]) for case_id in wanted if case_id in held}
    if len(found) < len(wanted):
        for some in gathering.stretches(case_id for case_id in wanted if case_id not in found):
            found |= {row.id: dict(row._mapping) for row in tx.execute(_ROWS, {"ids": some})}
    return found


def urgencies_since(tx: Connection, since: datetime) -> list[tuple[datetime, str]]:
    """(opened at, urgency now) of the cases opened at or after that moment."""
    rows = tx.execute(select(cases.c.opened_at, cases.c.urgency).where(cases.c.opened_at >= since))
    return [(row.opened_at, Urgency(row.urgency).word) for row in rows]


def by_numbers(tx: Connection, numbers: Iterable[str]) -> dict[str, int]:
    """Case number -> id."""
    found: dict[str, int] = {}
    for some in gathering.stretches(sorted(set(numbers))):
        query = select(cases.c.id, cases.c.number).where(cases.c.number.in_(some))
        found |= {row.number: row.id for row in tx.execute(query)}
    return found


def due(tx: Connection, now: datetime, limit: int) -> list[int]:
    """Cases of which something changes by `now`. On PostgreSQL the rows are locked and busy ones skipped, so that any
    number of sweepers share the work."""
    query = (
        select(cases.c.id).where(cases.c.next_due_at <= now).order_by(cases.c.next_due_at).limit(limit)
        .with_for_update(skip_locked=True)
    )  # fmt: skip
    return list(tx.execute(query).scalars())


def stale(tx: Connection, version: str, limit: int) -> list[int]:
    """Open cases whose next due moment was computed with another config."""
    query = (
        select(cases.c.id)
        .where(cases.c.status.in_(OPEN), cases.c.config_version != version)
        .order_by(cases.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return list(tx.execute(query).scalars())


def versions(tx: Connection) -> dict[int, int]:
    """Case id -> the seq of its last event, of every case."""
    return {row.id: row.version for row in tx.execute(select(cases.c.id, cases.c.version))}


def next_due_at(tx: Connection) -> datetime | None:
    """The earliest moment at which something of any case changes by itself."""
    query = select(cases.c.next_due_at).where(cases.c.next_due_at.is_not(None)).order_by(cases.c.next_due_at).limit(1)
    return tx.execute(query).scalar()


def without_deadline_or_owner(tx: Connection) -> list[str]:
    """The invariant: no open case without exactly one owner and a next deadline. Returns the offenders' numbers."""
    query = select(cases.c.number).where(
        cases.c.status.in_(OPEN), or_(cases.c.owner == "", cases.c.next_due_at.is_(None))
    )
    return list(tx.execute(query).scalars())


def owner_of_customer(tx: Connection, customer: str) -> str | None:
    """Who has the open case of this customer; of several the one that stands last in `rows`."""
    known = gathering.known(tx, Known)
    if known is not None and clean(customer) in known.customers:
        return known.owner_of(clean(customer))
    found = tx.execute(_OWNER_OF, {"of": customer}).scalar()
    return None if found is None else str(found)


def add_keys(tx: Connection, case_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Remember (kind, value) pairs by which later mail finds the case; known ones are left alone."""
    add_keys_all(tx, ((case_id, kind, value) for kind, value in keys))


def drop_keys(tx: Connection, case_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Forget these (kind, value) pairs: they belong to mails that are on the case no more."""
    for kind, value in sorted({(kind, value) for kind, given in keys for value in _keys([given])}):
        mine = (case_key.c.case_id == case_id) & (case_key.c.kind == kind) & (case_key.c.value == value)
        tx.execute(delete(case_key).where(mine))
    if known := gathering.known(tx, Known):
        known.keys.clear()
        known.of_cases.clear()


def with_key(tx: Connection, kind: str, values: Iterable[str], *, open_only: bool = False) -> dict[str, list[int]]:
    """Value, as it is stored -> the cases that carry it."""
    wanted = _keys(values)
    if not wanted:
        return {}
    known = gathering.known(tx, Known)
    if known is not None and all((kind, value) in known.keys for value in wanted):
        held = {value: known.keys[kind, value] for value in wanted}
        open_ = (
            {i for i, row in by_ids(tx, chain(*held.values())).items() if row["status"] in OPEN} if open_only else None
        )
        left = {value: [i for i in ids if open_ is None or i in open_] for value, ids in held.items()}
        return {value: ids for value, ids in left.items() if ids}
    found: dict[str, list[int]] = {}
    for some in gathering.stretches(wanted):
        for row in tx.execute(_OPEN_WITH_KEY if open_only else _WITH_KEY, {"of": kind, "wanted": some}):
            found.setdefault(row.value, []).append(row.case_id)
    if known is not None and not open_only:
        known.keys |= {(kind, value): list(found.get(value, ())) for value in wanted}
    return found


def keys_of(tx: Connection, case_ids: Iterable[int], kind: str) -> dict[int, set[str]]:
    """Case id -> its keys of one kind."""
    known = gathering.known(tx, Known)
    held = known.of_cases if known is not None else {}
    found: dict[int, set[str]] = {case_id: set(held.get((case_id, kind), ())) for case_id in case_ids}
    wanted = [case_id for case_id in found if (case_id, kind) not in held]
    for some in gathering.stretches(wanted):
        for row in tx.execute(_KEYS_OF, {"of": kind, "ids": some}):
            found[row.case_id].add(row.value)
    if known is not None:
        known.of_cases |= {(case_id, kind): set(found[case_id]) for case_id in wanted}
    return found


def merged_into(tx: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Case id -> the case it ended in, for those that were merged: where its first mail is now, which a split may have
    moved on; else along the chain of merges."""
    found: dict[int, int] = {}
    for start in set(ids):
        at = start
        for _ in range(20):  # a chain of merges is short; a ring cannot arise, a merged case takes nothing in
            query = select(event.c.data).where(event.c.case_id == at, event.c.kind == "merged_into")
            data = tx.execute(query).scalar()
            if data is None:
                break
            at = int(data["case_id"])
        if at != start:
            home = select(mail.c.case_id).join(event, event.c.mail_id == mail.c.id)
            now = tx.execute(home.where(event.c.case_id == start, event.c.kind == "opened")).scalar()
            found[start] = at if now is None else int(now)
    return found


def tally(tx: Connection) -> dict[str, int]:
    """How many cases are in which status."""
    return {row[0]: row[1] for row in tx.execute(select(cases.c.status, func.count()).group_by(cases.c.status))}


def with_promises(tx: Connection, since: datetime, most: int = 2_000) -> list[int]:
    """The newest cases on which something was promised since then."""
    query = (
        select(event.c.case_id).where(event.c.kind == "promised", event.c.at >= since).distinct()
        .order_by(event.c.case_id.desc()).limit(most)
    )  # fmt: skip
    return list(tx.execute(query).scalars())


def with_mail_of_ours(tx: Connection, since: datetime) -> tuple[int, int]:
    """(cases opened since then, those of them on which a mail of ours was seen)."""
    ours = select(event.c.case_id).where(event.c.kind == "replied", event.c.mail_id.is_not(None))
    opened = select(func.count()).select_from(cases).where(cases.c.opened_at >= since)
    answered = opened.where(cases.c.id.in_(ours))
    return tx.execute(opened).scalar() or 0, tx.execute(answered).scalar() or 0


def without_reply(tx: Connection, before: datetime) -> list[dict[str, Any]]:
    """Open cases that were opened before that moment and on which no answer of ours was ever seen."""
    answered = select(event.c.case_id).where(event.c.kind == "replied")
    query = (
        select(cases)
        .where(cases.c.status.in_(OPEN), cases.c.opened_at < before, cases.c.disposition != "unreadable")
        .where(cases.c.id.not_in(answered)).order_by(cases.c.id)
    )  # fmt: skip
    return [dict(row._mapping) for row in tx.execute(query)]


def save_all(tx: Connection, changed: Sequence[tuple[int, int, Mapping[str, Any], tuple[str, bool] | None]]) -> None:
    """`save` for many cases, (case id, seen version, values, was) each: a statement for all rows that name the same
    columns. Raises CaseMoved where one of them has new events; nothing may be kept of the transaction then."""
    known = gathering.known(tx, Known)
    rows = []
    for case_id, seen, values, was in changed:
        loads.changed(tx, was, values)
        says_so = known is not None and known.saved(case_id, seen, values, _moved)
        rows += [] if says_so else [{**values, "row": case_id, "seen": seen}]
    gathering.write(tx, _SAVE, rows, unless_all=_moved, name="row")
    if known is not None and not known.rows.keys() >= {row["row"] for row in rows}:
        gathering.write_now(tx)


def _moved() -> CaseMoved:
    return CaseMoved("One of these cases has new events.", fix="Nothing was written; try again.")


def add_keys_all(tx: Connection, keys: Iterable[tuple[int, str, str]]) -> None:
    """`add_keys` for many cases, (case id, kind, value) each."""
    wanted = sorted({(case_id, kind, value) for case_id, kind, given in keys for value in _keys([given])})
    rows = [{"case_id": case_id, "kind": kind, "value": value} for case_id, kind, value in wanted]
    gathering.write(tx, _ADD_KEYS, rows)
    if known := gathering.known(tx, Known):
        known.keyed(wanted)
