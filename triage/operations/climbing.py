"""Telling people of the steps that cases took: one mail a case, and a digest in a storm.

Escalations are written with their case and wait ("batched") until the sweep is through. Then it is known how many there
are: a few go out as they are, a storm as one digest a person and an alarm to the operators. A sweep that dies in
between leaves them to the next one; nothing is dropped. Critical cases never wait for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from triage.casework import deadline, notice
from triage.casework.card import Card
from triage.casework.case import Case
from triage.casework.deadline import Deadline
from triage.casework.escalate import StepDue
from triage.casework.notice import Notice
from triage.desk import Desk
from triage.operations import cards, holes, telling
from triage.operations.batch import Batch
from triage.operations.casebook import outbox_state, put, replay
from triage.operations.holes import Holes
from triage.words import Urgency
from triage.world.store import cases, outbox

Line = tuple[Card, str]  # of a digest: the case and what about it


# -- the steps of one case -------------------------------------------------------------------------------------------


def notices(
    desk: Desk, batch: Batch, case: Case, taken: Sequence[StepDue], found: Sequence[Deadline], now: datetime
) -> Iterator[tuple[Notice, bool]]:
    """The mails about the steps a case has just taken, all that climbed in one, reminders by themselves; with whether it
    waits for the end of the sweep. `found` are the case's deadlines now."""
    if not taken:
        return
    card = batch.card(case, found)
    climbing = [s for s in taken if s.step > 0]
    if climbing:
        to = dict.fromkeys(address for s in climbing for address in batch.people(case, s.roles))
        causes = [_cause(s, found, desk.zone) for s in climbing]
        keys = [s.key for s in climbing]
        told = notice.escalation(card, tuple(to), max(s.step for s in climbing), keys, causes)
        yield told, case.urgency is not Urgency.CRITICAL
    by_key = {(d.target.value, d.name, d.cycle): d for d in found}
    for step in taken:
        named = by_key.get((step.target, step.name, step.cycle))
        if step.step:
            continue
        if named is None:  # not accepted in time: who stands in gets the case as the owner did
            yield notice.assignment(card, batch.owner(case), case.ownership.seq, case.ownership.why), False
        elif not _in_a_digest(desk, case, named, now):
            yield notice.reminder(card, batch.people(case, step.roles), cards.due(named), step.cycle), False


def _cause(step: StepDue, found: Iterable[Deadline], zone: str) -> str:
    """One clause about why a step was reached."""
    for d in found:
        if (d.target.value, d.name, d.cycle) == (step.target, step.name, step.cycle):
            when = cards.local(d.due, zone) if d.due else "on hold"
            return f"{(d.name or d.target.value).replace('_', ' ')} due {when}: {step.why}"
    return f"{step.target.replace('_', ' ')}: {step.why}"


def _in_a_digest(desk: Desk, case: Case, clock: Deadline, now: datetime) -> bool:
    """Is the daily digest reminder enough? Not for urgent cases, nor for a clock that began after the last digest and
    ends before the next."""
    if case.urgency >= Urgency.URGENT or clock.due is None:
        return False
    last, following = telling.digest_times(desk, now)
    return clock.start <= last or clock.due > following


def line(desk: Desk, case: Case, mailbox: str, found: Sequence[Deadline]) -> Line:
    """The case in the storm's digest: the highest step that was just taken, and what it is about."""
    climbed = [t for t in case.taken if t.step and not t.skipped]
    last = max(climbed, key=lambda t: (t.at, t.step))
    due = next(
        (d.due for d in found if (d.target.value, d.name, d.cycle) == (last.target, last.name, last.cycle)), None
    )
    what = f"escalation {last.step}, {(last.name or last.target).replace('_', ' ')}"
    return cards.brief(desk, case, mailbox), what + (f" due {cards.local(due, desk.zone)}" if due else "")


# -- after the sweep -------------------------------------------------------------------------------------------------


def release(desk: Desk, lines: Mapping[int, Line], failed: Holes) -> int:
    """Let go of the escalations that wait for the end of a sweep; returns how many digests they became. `lines` are those
    of the cases that this sweep looked at last; the others are read. What waits about a case that cannot be read goes
    out as it is, and the case is added to `failed`."""
    with desk.database.read() as tx:
        if not outbox.any_batched(tx):
            return 0
    with desk.database.write() as tx:
        waiting = outbox.batched(tx)
        if len({row["case_id"] for row in waiting}) <= desk.config.notices.storm:
            outbox.set_state(tx, [row["id"] for row in waiting], outbox_state(desk))
            return 0
        known = {**lines, **_read_lines(desk, tx, {row["case_id"] for row in waiting} - lines.keys(), failed)}
        outbox.set_state(tx, [row["id"] for row in waiting if row["case_id"] not in known], outbox_state(desk))
        gathered = [row for row in waiting if row["case_id"] in known]
        outbox.set_state(tx, [row["id"] for row in gathered], "gathered")
        return _storm(desk, tx, gathered, known) if gathered else 0


def _storm(desk: Desk, tx: Connection, waiting: Sequence[dict[str, Any]], lines: Mapping[int, Line]) -> int:
    now = desk.now()
    by_address: dict[str, list[int]] = {}
    for row in waiting:
        by_address.setdefault(row["recipient"], []).append(row["case_id"])
    count = len({row["case_id"] for row in waiting})
    day, part = now.astimezone(ZoneInfo(desk.zone)).date(), f"storm-{waiting[0]['id']}"
    for address, wanted in by_address.items():
        entries = sorted((lines[i] for i in dict.fromkeys(wanted)), key=telling.pressing)
        person = desk.config.roster.by_email(address)
        name = person.key if person else hashlib.sha256(address.encode()).hexdigest()[:16]
        put(desk, tx, notice.digest(name, (address,), day.isoformat(), [("Escalations", entries)], part))
    operators = desk.config.roster.emails(desk.config.notices.operators, now)
    counts = [f"{address}: {len(set(wanted))} cases" for address, wanted in sorted(by_address.items())]
    what = f"{count} cases were escalated in one run; each person got one digest."
    todo = [
        "triage status       was the program down, and since when?",
        "triage cases        the queue, most urgent first",
    ]
    put(desk, tx, notice.alarm(f"{day.isoformat()}:{part}", operators, what, counts, todo))
    return len(by_address)


def _read_lines(desk: Desk, tx: Connection, wanted: set[int], failed: Holes) -> dict[int, Line]:
    """The lines of cases that an earlier sweep left behind, but for those that cannot be read."""
    found: dict[int, Line] = {}
    ids, now = sorted(wanted), desk.now()
    for start in range(0, len(ids), telling.CASES_READ_AT_ONCE):
        part = ids[start : start + telling.CASES_READ_AT_ONCE]
        rows = cases.by_ids(tx, part)
        for case_id, events in cases.events(tx, part).items():
            with holes.noted(case_id, "listed", failed):
                case = replay(events)
                due = deadline.of(case, desk.config.policies, desk.config.calendars, now, history=True)
                found[case_id] = line(desk, case, rows[case_id]["mailbox"], due)
    return found
