"""Sweep: every case of which something is due by now takes its steps, once, however often anybody sweeps."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from triage.casework import escalate
from triage.casework.case import Kind
from triage.desk import Desk
from triage.operations import climbing, holes, standin, telling
from triage.operations.batch import Batch
from triage.operations.casebook import Draft, calendar_of, told_from
from triage.operations.climbing import Line
from triage.operations.holes import Holes
from triage.operations.round import alarm
from triage.words import Urgency
from triage.world.store import cases

CASES_A_TRANSACTION = 200
LOOKS = 3  # one step may bring another due at once: a case is looked at again, but never for ever
LINES_KEPT = 10_000  # of the storm's digest, in memory; what goes beyond is read again


@dataclass(slots=True)
class Swept:
    """What was done."""

    cases: int = 0  # that were looked at, those of `failed` that were due among them
    escalations: int = 0
    reminders: int = 0
    breaches: int = 0
    promises_broken: int = 0
    handed_to_deputy: int = 0
    close_offers: int = 0
    digests: int = 0
    failed: int = 0  # cases that found a hole in the program, here or in a digest: the operators are told

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
    failed: Holes = {}
    while True:
        with desk.database.write() as tx:
            settled = sum(1 for count in looks.values() if count >= LOOKS)
            found = cases.due(tx, now, CASES_A_TRANSACTION + settled + len(failed))
            wanted = [case_id for case_id in found if looks[case_id] < LOOKS and case_id not in failed]
            batch = Batch(desk, tx, wanted, now)
            for case_id in wanted:
                lines.pop(case_id, None)
                with holes.noted(case_id, "swept", failed):
                    _one(desk, batch, case_id, now, done, lines)
            batch.write()
        desk.reached("sweep committed")
        looks.update(wanted)
        if not wanted:
            break
    done.cases = len(looks)
    _cry(desk, failed, now)  # at once: whatever becomes of the digests
    unlisted: Holes = {}
    done.digests = climbing.release(desk, lines, unlisted) + telling.daily(desk, unlisted)
    if unlisted.keys() - failed.keys():
        _cry(desk, {**unlisted, **failed}, now)
    done.failed = len(unlisted.keys() | failed.keys())
    desk.reached("sweep told")
    return done


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
    line = climbing.line(desk, draft.case, batch.mailbox(draft.case), draft.deadlines) if counts.escalations else None
    batch.keep(draft, letters)  # last of what can break: of a case that does nothing is written
    if line is not None and len(lines) < LINES_KEPT:
        lines[case_id] = line
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


def _cry(desk: Desk, failed: Holes, now: datetime) -> None:
    """Tell the operators of cases whose clocks stand: once a day, and again on the day when it is not the same cases."""
    if not failed:
        return
    day = now.astimezone(ZoneInfo(desk.zone)).date()
    todo = ["triage case NUMBER     shows one", "please report it: the log has what went wrong"]
    with desk.database.write() as tx:
        numbers = {case_id: row["number"] for case_id, row in cases.by_ids(tx, failed).items()}
        details = [f"{numbers.get(case_id, f'case {case_id}')}: {hole}" for case_id, hole in sorted(failed.items())]
        what = "The program cannot take the steps of some cases; nobody is reminded of them."
        which = hashlib.sha256(" ".join(map(str, sorted(failed))).encode()).hexdigest()[:16]
        alarm(desk, tx, f"sweep:{day}:{which}", what, details, todo)
