"""Sweep: every case of which something is due by now takes its steps, once, however often anybody sweeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import deadline, escalate, notice
from triage.casework.case import Case, Kind
from triage.casework.deadline import Deadline
from triage.casework.escalate import StepDue
from triage.casework.notice import Notice
from triage.desk import Desk
from triage.operations import cards
from triage.operations.casebook import Draft, calendar_of, next_due, put, read
from triage.words import Urgency
from triage.world.store import cases

AT_ONCE = 50


@dataclass(slots=True)
class Swept:
    """What was done."""

    cases: int = 0
    escalations: int = 0
    reminders: int = 0
    breaches: int = 0
    promises_broken: int = 0
    handed_to_deputy: int = 0
    close_offers: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep(desk: Desk) -> Swept:
    """Take every step that is due; 50 cases a transaction."""
    done = Swept()
    now = desk.now()
    seen: set[int] = set()
    while True:
        with desk.database.write() as tx:
            batch = [case_id for case_id in cases.due(tx, now, AT_ONCE) if case_id not in seen]
            for case_id in batch:
                _one(desk, tx, case_id, now, done)
        desk.reached("sweep committed")
        if not batch:
            return done
        seen.update(batch)
        done.cases += len(batch)


def _one(desk: Desk, tx: Connection, case_id: int, now: datetime, done: Swept) -> None:
    draft = Draft(desk, tx, read(tx, case_id))
    found = deadline.of(draft.case, desk.config.policies, desk.config.calendars, now, history=True)
    for data in deadline.unrecorded(draft.case, found):
        draft.add(Kind.DEADLINE_RECORDED, now, data)
        done.breaches += data["state"] == "breached"
    _broken_promises(draft, now, done)
    current = tuple(d for d in found if not d.superseded)
    calendar = calendar_of(desk, draft.case)
    steps = escalate.due(draft.case, current, desk.config.ladder, calendar, now)
    for step in steps:
        data = {**step.data(), "to": list(_people(desk, draft.case, step, now))}
        draft.add(Kind.ESCALATED, now, data, key=f"step:{step.key}")
        done.escalations += step.step > 0
        done.reminders += step.step == 0
        if step.target == "acceptance":
            _to_the_deputy(desk, draft, now, done)
    offer = escalate.close_offer_due(draft.case, desk.config.ladder, calendar)
    if offer is not None and offer <= now:
        draft.add(Kind.CLOSE_OFFERED, now, {"why": "the customer has not answered our question"})
        done.close_offers += 1
    case = draft.save()
    if not steps and offer is None:
        _touch(desk, tx, case, now)
    for told in _notices(desk, tx, case, steps, current, now):
        put(desk, tx, told, not_before=max((s.deliver_at for s in steps), default=now))


def _touch(desk: Desk, tx: Connection, case: Case, now: datetime) -> None:
    """Nothing was to be done although the moment had come: look again when the next one comes."""
    moment, what = next_due(desk, case, now)
    cases.save(tx, case.id, case.last_seq, {"next_due_at": moment, "next_target": what})


def _broken_promises(draft: Draft, now: datetime, done: Swept) -> None:
    """A promise that passed its moment is broken at that moment, and the case is urgent from then on."""
    for promise in draft.case.broken_promises(now):
        if promise.state != "open":
            continue
        draft.add(Kind.PROMISE_SETTLED, promise.due, {"promise": promise.name, "state": "broken", "why": "due passed"})
        flag = {"name": "broken_promise", "evidence": [promise.text[:300]], "rule": "promise passed its date"}
        draft.add(Kind.FLAGGED, promise.due, {"flags": [flag]})
        if draft.case.urgency < Urgency.URGENT:
            data = {"urgency": "urgent", "basis": "history", "why": f'broken promise: "{promise.text[:200]}"'}
            draft.add(Kind.URGENCY_SET, promise.due, data)
        done.promises_broken += 1


def _to_the_deputy(desk: Desk, draft: Draft, now: datetime, done: Swept) -> None:
    """Nobody accepted: the case goes to who stands in for the owner."""
    roster, case = desk.config.roster, draft.case
    deputy = next((key for key in roster.chain(case.owner) if roster.here(key, now)), None)
    deputy = deputy or roster.find("lead", now, frozenset({case.owner}))
    if deputy != case.owner:
        draft.add(Kind.ASSIGNED, now, {"owner": deputy, "pool": case.pool, "why": f"{case.owner} did not accept in time"})
        done.handed_to_deputy += 1


def _people(desk: Desk, case: Case, step: StepDue, now: datetime) -> tuple[str, ...]:
    """Addresses behind the roles of a step, each person once."""
    return cards.people(desk, case, step.roles, now)


def _notices(
    desk: Desk, tx: Connection, case: Case, steps: tuple[StepDue, ...], found: tuple[Deadline, ...], now: datetime
) -> list[Notice]:
    """One mail a case for all steps that fall due together; reminders apart from escalations."""
    told: list[Notice] = []
    if not steps:
        return told
    card = cards.card(desk, tx, case)
    climbing = [s for s in steps if s.step > 0]
    if climbing:
        to = dict.fromkeys(address for s in climbing for address in _people(desk, case, s, now))
        causes = [_cause(s, found, desk.zone) for s in climbing]
        told.append(notice.escalation(card, tuple(to), max(s.step for s in climbing), [s.key for s in climbing], causes))
    by_key = {(d.target.value, d.name, d.cycle): d for d in found}
    for step in steps:
        named = by_key.get((step.target, step.name, step.cycle))
        if step.step == 0 and named is not None:
            told.append(notice.reminder(card, _people(desk, case, step, now), cards.due(named), step.cycle))
        elif step.step == 0:
            owner = desk.config.roster.emails((case.owner,), now)
            told.append(notice.assignment(card, owner, case.ownership.seq, case.ownership.why))
    return told


def _cause(step: StepDue, found: tuple[Deadline, ...], zone: str) -> str:
    """One clause about why a step was reached."""
    for d in found:
        if (d.target.value, d.name, d.cycle) == (step.target, step.name, step.cycle):
            when = cards.local(d.due, zone) if d.due else "on hold"
            return f"{(d.name or d.target.value).replace('_', ' ')} due {when}: {step.why}"
    return f"{step.target.replace('_', ' ')}: {step.why}"
