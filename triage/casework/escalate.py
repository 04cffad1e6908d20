"""Escalation: which steps are due at a moment, each once per case, target, step and cycle, however often it is asked.

Everything that can climb is a flight of stairs: the steps of a running deadline, of a broken promise, of repeated
chases, of hand-offs, re-openings and assignments that nobody accepts. One walk answers for all of them:

* of several steps reached at once only the highest is taken, the lower ones are named as skipped;
* a step that nobody acknowledged reaches the next one sooner;
* what is answered, settled or closed has no more steps.

Steps are due at their moment; the message about one waits for opening hours, unless the case is critical.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triage.casework.deadline import Deadline
from triage.casework.history import Regime, Taken
from triage.casework.hours import BusinessCalendar, instant
from triage.casework.ladder import Ladder, Step
from triage.casework.policy import Span
from triage.casework.record import Case
from triage.casework.runs import stamp
from triage.words import Urgency

__all__ = ["Ladder", "Step", "StepDue", "acceptance_due", "close_offer_due", "due", "next_moment"]


@dataclass(frozen=True, slots=True)
class StepDue:
    """A step to take now. Record it with `escalated`, whose data `data()` gives."""

    key: str  # unique for case, target, cycle and step
    case_id: int
    target: str  # a Target, or "promise", "chase", "handoff", "reopened", "acceptance"
    name: str  # of the promise or the limit
    step: int  # level: 0 a reminder, 1 to 3
    cycle: int
    due_at: datetime  # when the step was reached
    deliver_at: datetime  # when its message may go out
    roles: tuple[str, ...]  # who is told: of this step, then of those it skipped
    skipped: tuple[str, ...]  # keys of the lower steps that were missed
    late: bool  # taken well after it was due: the program did not run
    why: str

    def data(self) -> dict[str, object]:
        """Data of the `escalated` event."""
        return {
            "key": self.key,
            "target": self.target,
            "name": self.name,
            "cycle": self.cycle,
            "step": self.step,
            "due": self.due_at.isoformat(),
            "deliver_at": self.deliver_at.isoformat(),
            "roles": list(self.roles),
            "skipped": list(self.skipped),
            "late": self.late,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class _Rung:
    key: str
    level: int
    roles: tuple[str, ...]
    at: int | None  # epoch second; None: reached only when the one below is not acknowledged
    again: bool = False  # the last step, told once more: it keeps its own distance


@dataclass(frozen=True, slots=True)
class _Flight:
    target: str
    name: str
    cycle: int
    rungs: tuple[_Rung, ...]
    why: str


def due(
    case: Case, deadlines: Sequence[Deadline], ladder: Ladder, calendar: BusinessCalendar, now: datetime
) -> tuple[StepDue, ...]:
    """The steps to take at `now`, at most one a flight; none for a case that is not open.

    `deadlines` are those of `deadline.of` at the same moment; `calendar` is the case's.
    """
    at = stamp(now)
    found = []
    taken = {step.key: step for step in case.taken}
    for flight in _flights(case, deadlines, ladder, calendar, at):
        ahead = _ahead(case, flight, ladder, calendar, taken)
        reached = [(index, moment) for index, moment in ahead if moment is not None and moment <= at]
        if not reached:
            continue
        top, moment = max(reached)
        below = [rung for rung in flight.rungs[ahead[0][0] : top] if rung.at is not None]
        rung = flight.rungs[top]
        late = at - moment > ladder.late_after.total_seconds()
        roles = tuple(dict.fromkeys(role for r in (rung, *reversed(below)) for role in r.roles))
        critical = case.urgency is Urgency.CRITICAL
        found.append(
            StepDue(
                rung.key,
                case.id,
                flight.target,
                flight.name,
                rung.level,
                flight.cycle,
                instant(moment),
                instant(at if critical else calendar.open_from(at)),
                roles,
                tuple(r.key for r in below),
                late,
                flight.why,
            )
        )
    return tuple(found)


def next_moment(
    case: Case, deadlines: Sequence[Deadline], ladder: Ladder, calendar: BusinessCalendar, now: datetime
) -> datetime | None:
    """The UTC moment at which something about this case changes by time alone: the indexed column of the sweep.

    It may be past: then a step or a result waits to be recorded, and the case is due for a sweep now. None when only an
    event can change the case.
    """
    if not case.is_open:
        return None
    taken = {step.key: step for step in case.taken}
    recorded = {(r.target, r.name, r.cycle) for r in case.recorded}
    moments = [
        moment
        for flight in _flights(case, deadlines, ladder, calendar, stamp(now))
        for _, moment in _ahead(case, flight, ladder, calendar, taken)
        if moment is not None
    ]
    moments += [stamp(d.due) for d in deadlines if d.running and d.due is not None and d.key not in recorded]
    moments += [stamp(p.due) for p in case.promises if p.state == "open"]
    offer = close_offer_due(case, ladder, calendar)
    if offer is not None:
        moments.append(stamp(offer))
    return instant(min(moments)) if moments else None


def acceptance_due(case: Case, ladder: Ladder, calendar: BusinessCalendar) -> datetime | None:
    """By when the owner must accept; None when accepted, or when a whole pool owns it and nobody could be away."""
    owner = case.ownership
    if not case.is_open or owner.accepted_at is not None or owner.owner == owner.pool:
        return None
    start = max(owner.at, _urgency_change(case).at)
    return instant(ladder.accept[case.urgency].end(calendar, stamp(start)))


def close_offer_due(case: Case, ladder: Ladder, calendar: BusinessCalendar) -> datetime | None:
    """When closing is to be offered because the customer stays silent; never done by itself. None when offered."""
    hold = case.hold
    if hold is None or case.close_offered_at is not None:
        return None
    return instant(ladder.offer_close.end(calendar, stamp(hold.at)))


def _urgency_change(case: Case) -> Regime:
    """The change that gave the case its present urgency."""
    regimes = case.regimes
    index = len(regimes) - 1
    while index and regimes[index - 1].urgency == regimes[index].urgency:
        index -= 1
    return regimes[index]


# -- one walk for every flight --------------------------------------------------------------------------------------


def _ahead(
    case: Case, flight: _Flight, ladder: Ladder, calendar: BusinessCalendar, taken: dict[str, Taken]
) -> list[tuple[int, int | None]]:
    """The rungs above the highest one taken, each with the moment it is reached."""
    top = max((index for index, rung in enumerate(flight.rungs) if rung.key in taken), default=-1)
    # nothing is late by a rule, or a mail, that was not known yet
    known = max(stamp(case.opened_at), stamp(case.regimes[-1].at)) if flight.target != "promise" else 0
    found: list[tuple[int, int | None]] = []
    for index in range(top + 1, len(flight.rungs)):
        moment = flight.rungs[index].at
        if index == top + 1 and top >= 0 and not flight.rungs[index].again:
            climb = _climbs(taken[flight.rungs[top].key], ladder.climb.get(case.urgency), calendar)
            if climb is not None:
                moment = climb if moment is None else min(moment, climb)
        found.append((index, None if moment is None else max(moment, known)))
    return found


def _climbs(step: Taken, span: Span | None, calendar: BusinessCalendar) -> int | None:
    """When a step that nobody acknowledges reaches the next; counted from when people could know of it."""
    if span is None or step.step == 0 or step.skipped or step.acknowledged_at is not None:
        return None
    return span.end(calendar, stamp(step.delivered_at))


def _flights(
    case: Case, deadlines: Sequence[Deadline], ladder: Ladder, calendar: BusinessCalendar, now: int
) -> list[_Flight]:
    if not case.is_open:
        return []
    owed = [d for d in deadlines if d.running and d.due is not None]
    late = [d for d in owed if d.breached_at is not None]
    worst = min(late, key=lambda d: (d.due, d.key), default=None)  # one clock pages on, not each of them
    flights = [_of_deadline(case, d, ladder, d is worst) for d in owed]
    flights += _of_promises(case, ladder, calendar, now)
    flights += _of_chases(case, ladder)
    flights += _of_counts(case, ladder)
    accept = acceptance_due(case, ladder, calendar)
    if accept is not None:
        cycle = max(case.ownership.seq, _urgency_change(case).seq)
        rung = _Rung(f"{_stem(case, 'acceptance', '', cycle)}/0", 0, ("owner_deputy",), stamp(accept))
        flights.append(_Flight("acceptance", "", cycle, (rung,), "not accepted in time"))
    return flights


def _stem(case: Case, target: str, name: str, cycle: int) -> str:
    """What the keys of one flight have in common; the step's name follows."""
    return f"{case.id}/{target}/{name}/{cycle}" if name else f"{case.id}/{target}/{cycle}"


def _of_deadline(case: Case, deadline: Deadline, ladder: Ladder, pages: bool) -> _Flight:
    target, name, cycle = deadline.target.value, deadline.name, deadline.cycle
    stem, urgency, track = _stem(case, target, name, cycle), case.urgency, deadline.track
    rungs = []
    for step in ladder.of(deadline.target):
        if step.level == 0 and deadline.reminders:  # a limit of law brings its own
            for number, moment in enumerate(deadline.reminders, start=1):
                key = f"{stem}/{step.label}.{number}"
                rungs.append(_Rung(key, 0, step.roles, stamp(moment)))
            continue
        if step.level and deadline.cause == "may lapse":
            continue  # an opportunity that passes is nothing to climb for
        place = step.place(urgency)
        at = track.at_percent(place) if isinstance(place, int) else track.from_due(place)
        rungs.append(_Rung(f"{stem}/{step.label}", step.level, step.roles, at))
    why = "due soon" if deadline.breached_at is None else "overdue"
    if deadline.breached_at is not None and deadline.cause in ("by raise", "by policy change"):
        why = f"overdue {deadline.cause}"
    flight = tuple(rungs)
    if pages:
        flight = _repeating(case, ladder, flight, track.calendar)
    return _Flight(target, name, cycle, flight, why)


def _repeating(case: Case, ladder: Ladder, rungs: tuple[_Rung, ...], calendar: BusinessCalendar) -> tuple[_Rung, ...]:
    """A critical case keeps paging after its last step, one page at a time, until somebody takes note."""
    span = ladder.repeat.get(case.urgency)
    if span is None or not rungs:
        return rungs
    last = rungs[-1]
    pages = [step for step in case.taken if step.key == last.key or step.key.startswith(f"{last.key}+")]
    if not pages or pages[-1].acknowledged_at is not None:
        return rungs
    moment = span.end(calendar, stamp(pages[-1].at))
    repeated = tuple(_Rung(page.key, last.level, last.roles, None) for page in pages if page.key != last.key)
    return (*rungs, *repeated, _Rung(f"{last.key}+{len(pages)}", last.level, last.roles, moment, again=True))


def _of_promises(case: Case, ladder: Ladder, calendar: BusinessCalendar, now: int) -> list[_Flight]:
    """Broken promises, each from its due moment. A contact promise rests once we wrote; an action needs its tick."""
    flights = []
    last = case.last_reply_at
    for number, promise in enumerate(case.broken_promises(instant(now)), start=1):
        if promise.type == "contact" and last is not None and last > promise.due:
            continue
        lowest = min(number, 2)  # the second broken promise starts a level higher
        steps = [step for step in ladder.promise if step.level >= lowest] or list(ladder.promise[-1:])
        rungs = []
        for index, step in enumerate(steps):
            place = step.place(case.urgency)
            start = stamp(promise.due)
            at = start if index == 0 or isinstance(place, int) else place.end(calendar, start)
            key = f"{_stem(case, 'promise', promise.name, promise.seq)}/{step.label}"
            rungs.append(_Rung(key, step.level, step.roles, at))
        flights.append(_Flight("promise", promise.name, promise.seq, tuple(rungs), "broken promise"))
    return flights


def _of_chases(case: Case, ladder: Ladder) -> list[_Flight]:
    """The second chase takes step 1, the third step 2, unless that was demanded already since our last answer."""
    last = case.last_reply_at
    if len(case.chases) < 2 or (last is not None and case.chases[-1].at <= last):
        return []
    since = [step for step in case.taken if not step.skipped and (last is None or step.at > last)]
    reached = max((step.step for step in since if step.target != "chase"), default=0)
    rungs = []
    for step in ladder.steps:
        if step.level == 0 or step.level <= reached:
            continue
        chase = case.chases[step.level] if step.level in (1, 2) and step.level < len(case.chases) else None
        key = f"{_stem(case, 'chase', '', 1)}/{step.level}"
        rungs.append(_Rung(key, step.level, step.roles, stamp(chase.at) if chase else None))
    return [_Flight("chase", "", 1, tuple(rungs), "the customer keeps asking")] if rungs else []


def _of_counts(case: Case, ladder: Ladder) -> list[_Flight]:
    """Handed about, or reopened again and again: somebody above has to look, once for each further time."""
    flights = []
    if case.handoffs >= ladder.handoffs:
        rung = _Rung(f"{_stem(case, 'handoff', '', case.handoffs)}/1", 1, ("lead",), stamp(case.ownership.at))
        flights.append(_Flight("handoff", "", case.handoffs, (rung,), "handed on too often: decide who owns it"))
    count = case.reopenings
    if count >= ladder.reopenings:
        back = max(c.reopened_at for c in case.closings if c.reopened_at and c.reopened_by == "customer")
        rung = _Rung(f"{_stem(case, 'reopened', '', count)}/2", 2, ("manager",), stamp(back))
        flights.append(_Flight("reopened", "", count, (rung,), "the customer came back again"))
    return flights
