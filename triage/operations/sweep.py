"""Sweep: every case of which something is due by now takes its steps, once, however often anybody sweeps."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from triage.casework import escalate
from triage.casework.case import Kind
from triage.desk import Desk
from triage.errors import NotAllowed, TriageError
from triage.operations import climbing, standin, telling
from triage.operations.batch import Batch
from triage.operations.casebook import Draft, calendar_of, told_from
from triage.operations.climbing import Line
from triage.operations.round import alarm
from triage.words import Urgency
from triage.world.store import cases

log = logging.getLogger(__name__)

AT_ONCE = 200
LOOKS = 3  # one step may bring another due at once: a case is looked at again, but never for ever
MOST_LINES = 10_000  # of the storm's digest that are kept at hand; what goes beyond is read again


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
    failed: int = 0  # cases that found a hole in the program: the operators are told

    def add(self, other: Swept) -> None:
        """Count another one in."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def sweep(desk: Desk) -> Swept:
    """Take every step that is due, 200 cases a transaction; then tell people, in a digest where it is a storm."""
    done = Swept()
    now = desk.now()
    looks: Counter[int] = Counter()
    lines: dict[int, Line] = {}
    failed: dict[int, str] = {}
    while True:
        with desk.database.write() as tx:
            settled = sum(1 for count in looks.values() if count >= LOOKS)
            found = cases.due(tx, now, AT_ONCE + settled + len(failed))
            wanted = [case_id for case_id in found if looks[case_id] < LOOKS and case_id not in failed]
            batch = Batch(desk, tx, wanted, now)
            for case_id in wanted:
                lines.pop(case_id, None)
                hole = _safely(desk, batch, case_id, now, done, lines)
                if hole:
                    failed[case_id] = hole
            batch.write()
        desk.reached("sweep committed")
        looks.update(wanted)
        if not wanted:
            break
    done.cases, done.failed = len(looks), len(failed)
    if failed:
        _cry(desk, failed, now)
    done.digests = climbing.release(desk, lines) + telling.daily(desk)
    desk.reached("sweep told")
    return done


def _safely(desk: Desk, batch: Batch, case_id: int, now: datetime, done: Swept, lines: dict[int, Line]) -> str:
    """Take the steps of one case; what kept it from that, or "": a hole in the program costs the other cases nothing."""
    try:
        _one(desk, batch, case_id, now, done, lines)
    except (TriageError, SQLAlchemyError) as error:
        if not isinstance(error, NotAllowed):
            raise  # the register, the disk, another writer: not the case's fault
        hole: Exception = error
    except Exception as error:  # noqa: BLE001 - nothing of the case was written; the others go on
        hole = error
    else:
        return ""
    log.error("case %s cannot be swept: %s", case_id, type(hole).__name__)
    return type(hole).__name__


def _one(desk: Desk, batch: Batch, case_id: int, now: datetime, done: Swept, lines: dict[int, Line]) -> None:
    draft, counts = batch.draft(case_id), Swept()
    counts.breaches = draft.record_results()
    _broken_promises(draft, now, counts)
    calendar = calendar_of(desk, draft.case)
    steps = escalate.due(draft.case, draft.deadlines, desk.config.ladder, calendar, now)
    told_at = told_from(desk, draft.case.urgency, calendar, now)
    for step in steps:
        to = batch.people(draft.case, step.roles)
        data = {**step.data(), "to": list(to), "deliver_at": told_at.isoformat()}
        draft.add(Kind.ESCALATED, now, data, key=f"step:{step.key}")
        counts.escalations += step.step > 0
        counts.reminders += step.step == 0
        if step.target == "acceptance":
            counts.handed_to_deputy += standin.hand_over(desk, draft, now, f"{draft.case.owner} did not accept in time")
    offer = escalate.close_offer_due(draft.case, desk.config.ladder, calendar)
    if offer is not None and offer <= now:
        draft.add(Kind.CLOSE_OFFERED, now, {"why": "the customer has not answered our question"})
        counts.close_offers += 1
    told = climbing.notices(desk, batch, draft.case, steps, draft.deadlines, now)
    letters = [(notice, told_at, waits) for notice, waits in told]
    if counts.escalations and len(lines) < MOST_LINES:
        lines[case_id] = climbing.line(desk, draft.case, batch.mailbox(draft.case), draft.deadlines)
    batch.keep(draft, letters)  # last: of a case in which something breaks nothing is written
    done.add(counts)


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


def _cry(desk: Desk, failed: dict[int, str], now: datetime) -> None:
    """Tell the operators, once a day, of cases whose clocks stand."""
    day = now.astimezone(ZoneInfo(desk.zone)).date()
    todo = ["triage case NUMBER     shows one", "please report it: the log has what went wrong"]
    with desk.database.write() as tx:
        numbers = {case_id: row["number"] for case_id, row in cases.by_ids(tx, failed).items()}
        details = [f"{numbers[case_id]}: {hole}" for case_id, hole in sorted(failed.items())]
        what = "The program cannot take the steps of some cases; nobody is reminded of them."
        alarm(desk, tx, f"sweep:{day}:{min(failed)}", what, details, todo)
