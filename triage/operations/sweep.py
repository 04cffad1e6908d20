"""Sweep: every case of which something is due by now takes its steps, once, however often anybody sweeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import deadline, escalate
from triage.casework.case import Kind
from triage.desk import Desk
from triage.operations import cards, standin, telling
from triage.operations.casebook import Draft, calendar_of, read, told_from
from triage.words import Urgency
from triage.world.store import cases

AT_ONCE = 50
LOOKS = 3  # one step may bring another due at once: a case is looked at again, but never for ever


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
    digests: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep(desk: Desk) -> Swept:
    """Take every step that is due, 50 cases a transaction; then tell people, in a digest where it is a storm."""
    done = Swept()
    now = desk.now()
    looks: Counter[int] = Counter()
    while True:
        with desk.database.write() as tx:
            settled = sum(1 for count in looks.values() if count >= LOOKS)
            batch = [case_id for case_id in cases.due(tx, now, AT_ONCE + settled) if looks[case_id] < LOOKS]
            for case_id in batch:
                _one(desk, tx, case_id, now, done)
        desk.reached("sweep committed")
        looks.update(batch)
        if not batch:
            break
    done.cases = len(looks)
    done.digests = telling.release(desk) + telling.daily(desk)
    desk.reached("sweep told")
    return done


def _one(desk: Desk, tx: Connection, case_id: int, now: datetime, done: Swept) -> None:
    draft = Draft(desk, tx, read(tx, case_id))
    done.breaches += draft.record_results()
    _broken_promises(draft, now, done)
    current = deadline.of(draft.case, desk.config.policies, desk.config.calendars, now)
    calendar = calendar_of(desk, draft.case)
    steps = escalate.due(draft.case, current, desk.config.ladder, calendar, now)
    told_at = told_from(desk, draft.case.urgency, calendar, now)
    for step in steps:
        to = cards.people(desk, draft.case, step.roles, now)
        data = {**step.data(), "to": list(to), "deliver_at": told_at.isoformat()}
        draft.add(Kind.ESCALATED, now, data, key=f"step:{step.key}")
        done.escalations += step.step > 0
        done.reminders += step.step == 0
        if step.target == "acceptance":
            done.handed_to_deputy += standin.hand_over(desk, draft, now, f"{draft.case.owner} did not accept in time")
    offer = escalate.close_offer_due(draft.case, desk.config.ladder, calendar)
    if offer is not None and offer <= now:
        draft.add(Kind.CLOSE_OFFERED, now, {"why": "the customer has not answered our question"})
        done.close_offers += 1
    case = draft.save()
    telling.steps(desk, tx, case, steps, current, told_at)


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
