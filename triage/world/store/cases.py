"""Cases and their events. The events are the truth; the row in `cases` is what queries need, written beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, or_, select, text, update
from sqlalchemy import event as hooks
from sqlalchemy.exc import IntegrityError

from triage.errors import NotFound, Temporary
from triage.words import Urgency
from triage.world.schema import case_key, cases, event, mail

OPEN = ("open", "on_hold")


class CaseMoved(Temporary):
    """Somebody else changed this case at the same moment."""


# Statements that run for every mail are built once: building one anew costs three times its execution.
_CREATE = insert(cases).returning(cases.c.id)
_SAVE = update(cases).where(cases.c.id == bindparam("row"), cases.c.version == bindparam("seen"))
_APPEND = insert(event)
_EVENTS = (
    select(event).where(event.c.case_id.in_(bindparam("ids", expanding=True))).order_by(event.c.case_id, event.c.seq)
)
_ROWS = select(cases).where(cases.c.id.in_(bindparam("ids", expanding=True)))
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


def create(tx: Connection, values: Mapping[str, Any]) -> int:
    """A new row; returns its id."""
    made = int(tx.execute(_CREATE, dict(values)).scalar_one())
    if known := _loads.get(tx):
        known.moved(None, (values["owner"], values["status"] in OPEN), values["opened_at"])
    return made


def save(
    tx: Connection, case_id: int, seen_version: int, values: Mapping[str, Any],
    was: tuple[str, bool] | None = None,
) -> None:  # fmt: skip
    """Write the row if nobody else did since we read it. `was` is (owner, open?) as we read it. Raises CaseMoved."""
    done = tx.execute(_SAVE, {**values, "row": case_id, "seen": seen_version})
    if done.rowcount != 1:
        raise CaseMoved(f"Case {case_id} has new events.", fix="Nothing was written; try again.")
    if "owner" in values and (known := _loads.get(tx)):
        now = (values["owner"], values["status"] in OPEN)
        if was is None or not known.moved(was, now, values["opened_at"]):
            del _loads[tx]


def append(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add events. Raises CaseMoved where a sequence number or a natural key is taken; the transaction is lost then."""
    if not rows:
        return
    try:
        tx.execute(_APPEND, [dict(row) for row in rows])
    except IntegrityError as error:
        raise CaseMoved("One of its events was already recorded.", fix="Nothing was written; try again.") from error


def events(tx: Connection, case_ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Case id -> its events in order."""
    wanted = list(case_ids)
    found: dict[int, list[dict[str, Any]]] = {case_id: [] for case_id in wanted}
    for start in range(0, len(wanted), 500):
        for row in tx.execute(_EVENTS, {"ids": wanted[start : start + 500]}):
            found[row.case_id].append(dict(row._mapping))
    return found


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
    row = tx.execute(select(cases).where(cases.c.id == case_id).with_for_update()).first()
    if row is None:
        raise NotFound(f"There is no case {case_id}.")
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
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {row.id: dict(row._mapping) for row in tx.execute(_ROWS, {"ids": wanted})}


def urgencies_since(tx: Connection, since: datetime) -> list[tuple[datetime, str]]:
    """(opened at, urgency now) of the cases opened at or after that moment."""
    rows = tx.execute(select(cases.c.opened_at, cases.c.urgency).where(cases.c.opened_at >= since))
    return [(row.opened_at, Urgency(row.urgency).word) for row in rows]


def by_numbers(tx: Connection, numbers: Iterable[str]) -> dict[str, int]:
    """Case number -> id."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    return {
        row.number: row.id for row in tx.execute(select(cases.c.id, cases.c.number).where(cases.c.number.in_(wanted)))
    }


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


@dataclass(slots=True)
class _Loads:
    """Who has how much, counted once a transaction and kept up to date by what it writes: the count is linear in the
    open cases, and a batch of mails asks for it a hundred times."""

    open_cases: dict[str, int]
    last_assigned: dict[str, datetime]

    def moved(self, was: tuple[str, bool] | None, now: tuple[str, bool], opened_at: datetime) -> bool:
        """A case went from (owner, open?) to another. False where only a new count can tell: an owner gave one away."""
        if was is not None and was[0] not in ("", now[0]):
            return False
        for place, by in ((was, -1), (now, 1)):
            if place is not None and place[1]:
                self.open_cases[place[0]] = self.open_cases.get(place[0], 0) + by
        if was is not None and was[0] == "" != now[0]:
            self.last_assigned.pop("", None)
        self.last_assigned[now[0]] = max(opened_at, self.last_assigned.get(now[0], opened_at))
        return True


_loads: WeakKeyDictionary[Connection, _Loads] = WeakKeyDictionary()


@hooks.listens_for(Engine, "begin")
def _fresh(tx: Connection) -> None:
    _loads.pop(tx, None)


def count_anew(tx: Connection) -> None:
    """Some of what this transaction wrote was undone: what was counted no longer holds."""
    _loads.pop(tx, None)


def _load(tx: Connection) -> _Loads:
    found = _loads.get(tx)
    if found is None:
        counts = select(cases.c.owner, func.count()).where(cases.c.status.in_(OPEN)).group_by(cases.c.owner)
        latest = select(cases.c.owner, func.max(cases.c.opened_at)).group_by(cases.c.owner)
        found = _Loads(
            {row[0]: row[1] for row in tx.execute(counts)}, {row[0]: row[1] for row in tx.execute(latest)}
        )  # fmt: skip
        _loads[tx] = found
    return found


def open_counts(tx: Connection) -> Mapping[str, int]:
    """Owner -> open cases."""
    return _load(tx).open_cases


def last_assigned(tx: Connection) -> Mapping[str, datetime]:
    """Owner -> when a case was last given to them: what round robin needs, and it survives a restart."""
    return _load(tx).last_assigned


def owner_of_customer(tx: Connection, customer: str) -> str | None:
    """Who has the open case of this customer; of several the one that stands last in `rows`."""
    found = tx.execute(_OWNER_OF, {"of": customer}).scalar()
    return None if found is None else str(found)


def add_keys(tx: Connection, case_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Remember (kind, value) pairs by which later mail finds the case; known ones are left alone."""
    wanted = {(kind, value[:320]) for kind, value in keys if value}
    if not wanted:
        return
    rows = [{"case_id": case_id, "kind": kind, "value": value} for kind, value in sorted(wanted)]
    tx.execute(_ADD_KEYS, rows)


def drop_keys(tx: Connection, case_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Forget these (kind, value) pairs: they belong to mails that are on the case no more."""
    for kind, value in sorted(set(keys)):
        mine = (case_key.c.case_id == case_id) & (case_key.c.kind == kind) & (case_key.c.value == value[:320])
        tx.execute(delete(case_key).where(mine))


def with_key(tx: Connection, kind: str, values: Iterable[str], *, open_only: bool = False) -> dict[str, list[int]]:
    """Value -> the cases that carry it."""
    wanted = [value[:320] for value in values if value]
    if not wanted:
        return {}
    found: dict[str, list[int]] = {}
    for row in tx.execute(_OPEN_WITH_KEY if open_only else _WITH_KEY, {"of": kind, "wanted": wanted}):
        found.setdefault(row.value, []).append(row.case_id)
    return found


def keys_of(tx: Connection, case_ids: Iterable[int], kind: str) -> dict[int, set[str]]:
    """Case id -> its keys of one kind."""
    wanted = list(case_ids)
    found: dict[int, set[str]] = {case_id: set() for case_id in wanted}
    for row in tx.execute(_KEYS_OF, {"of": kind, "ids": wanted}) if wanted else ():
        found[row.case_id].add(row.value)
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
