"""Cases and their events. The events are the truth; the row in `cases` is what queries need, written beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from triage.errors import NotFound, Temporary
from triage.world.schema import case_key, cases, event

OPEN = ("open", "on_hold")


class CaseMoved(Temporary):
    """Somebody else changed this case at the same moment."""


def create(tx: Connection, values: Mapping[str, Any]) -> int:
    """A new row; returns its id."""
    return int(tx.execute(insert(cases).values(**values).returning(cases.c.id)).scalar_one())


def save(tx: Connection, case_id: int, seen_version: int, values: Mapping[str, Any]) -> None:
    """Write the row if nobody else did since we read it. Raises CaseMoved."""
    done = tx.execute(update(cases).where(cases.c.id == case_id, cases.c.version == seen_version).values(**values))
    if done.rowcount != 1:
        raise CaseMoved(f"Case {case_id} has new events.", fix="Nothing was written; try again.")


def append(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add events. Raises CaseMoved where a sequence number or a natural key is taken."""
    if not rows:
        return
    try:
        with tx.begin_nested():
            tx.execute(insert(event), [dict(row) for row in rows])
    except IntegrityError as error:
        raise CaseMoved("One of its events was already recorded.", fix="Nothing was written; try again.") from error


def events(tx: Connection, case_ids: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """Case id -> its events in order."""
    wanted = list(case_ids)
    found: dict[int, list[dict[str, Any]]] = {case_id: [] for case_id in wanted}
    for start in range(0, len(wanted), 500):
        query = (
            select(event).where(event.c.case_id.in_(wanted[start : start + 500])).order_by(event.c.case_id, event.c.seq)
        )
        for row in tx.execute(query):
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


def by_ids(tx: Connection, ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Case id -> row."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return {row.id: dict(row._mapping) for row in tx.execute(select(cases).where(cases.c.id.in_(wanted)))}


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


def open_counts(tx: Connection) -> dict[str, int]:
    """Owner -> open cases."""
    query = select(cases.c.owner, func.count()).where(cases.c.status.in_(OPEN)).group_by(cases.c.owner)
    return {row[0]: row[1] for row in tx.execute(query)}


def last_assigned(tx: Connection) -> dict[str, datetime]:
    """Owner -> when a case was last given to them: what round robin needs, and it survives a restart."""
    query = select(cases.c.owner, func.max(cases.c.opened_at)).group_by(cases.c.owner)
    return {row[0]: row[1] for row in tx.execute(query)}


def add_keys(tx: Connection, case_id: int, keys: Iterable[tuple[str, str]]) -> None:
    """Remember (kind, value) pairs by which later mail finds the case; known ones are left alone."""
    wanted = {(kind, value[:320]) for kind, value in keys if value}
    if not wanted:
        return
    query = select(case_key.c.kind, case_key.c.value).where(case_key.c.case_id == case_id)
    have = {(row.kind, row.value) for row in tx.execute(query)}
    new = [{"case_id": case_id, "kind": kind, "value": value} for kind, value in sorted(wanted - have)]
    if new:
        tx.execute(insert(case_key), new)


def with_key(tx: Connection, kind: str, values: Iterable[str], *, open_only: bool = False) -> dict[str, list[int]]:
    """Value -> the cases that carry it."""
    wanted = [value[:320] for value in values if value]
    if not wanted:
        return {}
    query = select(case_key.c.value, case_key.c.case_id).where(case_key.c.kind == kind, case_key.c.value.in_(wanted))
    if open_only:
        query = query.join(cases, cases.c.id == case_key.c.case_id).where(cases.c.status.in_(OPEN))
    found: dict[str, list[int]] = {}
    for row in tx.execute(query.order_by(case_key.c.case_id)):
        found.setdefault(row.value, []).append(row.case_id)
    return found


def keys_of(tx: Connection, case_ids: Iterable[int], kind: str) -> dict[int, set[str]]:
    """Case id -> its keys of one kind."""
    wanted = list(case_ids)
    found: dict[int, set[str]] = {case_id: set() for case_id in wanted}
    query = select(case_key.c.case_id, case_key.c.value).where(case_key.c.kind == kind, case_key.c.case_id.in_(wanted))
    for row in tx.execute(query):
        found[row.case_id].add(row.value)
    return found


def merged_into(tx: Connection, ids: Iterable[int]) -> dict[int, int]:
    """Case id -> the case it ended in, for those that were merged; chains are followed."""
    found: dict[int, int] = {}
    wanted = set(ids)
    for start in wanted:
        at = start
        for _ in range(20):  # a chain of merges is short; a ring cannot arise, a merged case takes nothing in
            query = select(event.c.data).where(event.c.case_id == at, event.c.kind == "merged_into")
            data = tx.execute(query).scalar()
            if data is None:
                break
            at = int(data["case_id"])
        if at != start:
            found[start] = at
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


def without_reply(tx: Connection, before: datetime) -> list[dict[str, Any]]:
    """Open cases that were opened before that moment and on which no answer of ours was ever seen."""
    answered = select(event.c.case_id).where(event.c.kind == "replied")
    query = (
        select(cases)
        .where(cases.c.status.in_(OPEN), cases.c.opened_at < before, cases.c.disposition != "unreadable")
        .where(cases.c.id.not_in(answered)).order_by(cases.c.id)
    )  # fmt: skip
    return [dict(row._mapping) for row in tx.execute(query)]
