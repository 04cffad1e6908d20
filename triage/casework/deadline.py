"""Deadlines as a pure function of the case, the policies, the calendars and the moment. Recomputed, never patched.

A clock counts from its start through its pauses. When urgency, policy or a date set by hand change while it runs, each
change counts from its own moment: what was breached under the old rule stays breached at its true time, and what is
overdue only because of the change is breached at the change, with the cause said. A finished target keeps its result.
A raise never moves a deadline later.

Due is the last second in time: done in that very second is met, not done by then is breached.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from triage.casework import limits
from triage.casework.history import Recorded
from triage.casework.hours import BusinessCalendar, instant
from triage.casework.policy import Limit, Policies, Policy, Span, Targets
from triage.casework.record import Case
from triage.casework.runs import Reader, Run, stamp
from triage.casework.track import Deadline, Track, elapsed, reach
from triage.words import State, Target

__all__ = [
    "Calendars",
    "Deadline",
    "Limit",
    "Policies",
    "Policy",
    "Span",
    "Targets",
    "calendar_of",
    "next_deadline",
    "of",
    "unrecorded",
]

Calendars = Mapping[str, BusinessCalendar]


def of(
    case: Case, policies: Policies, calendars: Calendars, now: datetime, *, history: bool = False
) -> tuple[Deadline, ...]:
    """Every clock of the case at `now`: the current run of each target, with `history` the earlier runs too.

    First response, next response, update, resolution, statutory limits, review, in this order.
    """
    return _Clockwork(case, policies, calendars, stamp(now)).all(history)


def next_deadline(deadlines: Iterable[Deadline]) -> Deadline | None:
    """The running deadline that is due first, also when that is past. An open case always has one.

    A limit that merely lapses comes last: nothing happens when it passes.
    """
    owed = [d for d in deadlines if d.running and d.due is not None]
    return min(owed, key=lambda d: (d.cause == "may lapse", d.due), default=None)


def unrecorded(case: Case, deadlines: Iterable[Deadline]) -> tuple[dict[str, Any], ...]:
    """Data of the `deadline_recorded` events that are wanted: results that no later change of rules may touch.

    Call it with `of(..., history=True)` before any change is applied and in each sweep.
    """
    known = {(r.target, r.name, r.cycle): r for r in case.recorded}
    found = []
    for deadline in deadlines:
        if deadline.due is None or deadline.state not in (State.MET, State.BREACHED):
            continue
        old = known.get(deadline.key)
        if old is not None and old.breached == (deadline.state is State.BREACHED):
            continue
        data: dict[str, Any] = {
            "target": deadline.target.value,
            "name": deadline.name,
            "cycle": deadline.cycle,
            "state": deadline.state.value,
            "due": deadline.due.isoformat(),
            "cause": deadline.cause,
            "policy": case.policy,
        }
        if deadline.breached_at is not None:
            data["breached_at"] = deadline.breached_at.isoformat()
        found.append(data)
    return tuple(found)


def calendar_of(case: Case, policies: Policies, calendars: Calendars) -> BusinessCalendar:
    """The calendar in force for the case: its own, its policy's, or the default policy's when that was deleted."""
    return _calendar(case.calendar or policies.policy(case.policy).calendar, policies, calendars)


def _calendar(name: str, policies: Policies, calendars: Calendars) -> BusinessCalendar:
    found = calendars.get(name)
    return found if found is not None else calendars[policies.policies[policies.default].calendar]


@dataclass(slots=True)
class _Rule:
    """What one regime asks of one target."""

    span: Span
    calendar: BusinessCalendar
    on: bool  # False: its policy is disabled
    seconds: int
    at_risk: int


@dataclass(slots=True)
class _Result:
    """A run evaluated: when due, whether and why breached, under which rule."""

    rule: _Rule
    due: int | None
    left: int  # what is left to run while it rests
    breached_at: int | None = None
    cause: str = ""
    manual: bool = False
    plain: bool = True  # due is where the span ends: no ceiling, no date by hand, nothing on the books


class _Clockwork:
    """One evaluation of one case at one moment."""

    def __init__(self, case: Case, policies: Policies, calendars: Calendars, now: int) -> None:
        self.case, self.policies, self.calendars, self.now = case, policies, calendars, now
        self.reader = Reader(case, policies.policy(case.policy).reopen)
        self.records: dict[tuple[Target, str, int], Recorded] = {(r.target, r.name, r.cycle): r for r in case.recorded}
        self.enabled = policies.policy(case.regimes[self.reader.in_force(now)].policy).enabled

    def all(self, history: bool) -> tuple[Deadline, ...]:
        reader, last = self.reader, not history
        runs = reader.first_response() + reader.next_response(last_only=last)
        runs += reader.update(last_only=last, from_receipt=not self.enabled)
        runs += reader.resolution(last_only=last)
        found: list[Deadline] = []
        for run in runs:
            found += self.evaluate(run)
        for held in self.case.statutory:
            limit = self.policies.limits.get(held.name)
            first = self.case.regimes[0]  # a later change of policy or calendar moves no limit of law
            own = first.calendar or self.policies.policy(first.policy).calendar
            name = (limit.calendar if limit else None) or own
            calendar = _calendar(name, self.policies, self.calendars)
            record = self.records.get((Target.STATUTORY, held.name, held.seq))
            lawful = limits.deadline(self.case, held, limit, calendar, record, self.now)
            found += [lawful] if lawful else []
        for run in reader.review():
            found += self.evaluate(run)
        return tuple(found)

    # -- clocks of the policy -----------------------------------------------------------------------------------------

    def evaluate(self, run: Run) -> list[Deadline]:
        """The deadline of a run; with the broken-off parts of it that were breached."""
        found: list[Deadline] = []
        ceiling: int | None = None  # a raise never moves a deadline later
        parts = [run] if run.target is Target.REVIEW else self.reader.split(run)
        for part in parts:
            result = self.result(part, ceiling)
            if result is None:
                return found
            if part.superseded is None:
                found.append(self.deadline(part, result))
            elif result.breached_at is not None:
                found.append(self.deadline(part, result))
                ceiling = None
            else:
                ceiling = result.due
        return found

    def rule(self, index: int, target: Target) -> _Rule | None:
        """What the regime asks of the target; None when there is no such target."""
        regime = self.case.regimes[index]
        policy = self.policies.policy(regime.policy)
        on = policy.enabled
        if target is Target.UPDATE and not on:  # a disabled policy leaves the silence clock: nobody is forgotten
            policy, on = self.policies.policies[self.policies.default], True
        calendar = _calendar(regime.calendar or policy.calendar, self.policies, self.calendars)
        targets = policy.targets[regime.urgency]
        if target is Target.FIRST_RESPONSE:
            span: Span | None = targets.first_response
        elif target is Target.NEXT_RESPONSE:
            span = targets.next_response or targets.first_response
        elif target is Target.UPDATE:
            span = targets.update
        elif target is Target.RESOLUTION:
            span = targets.resolution
        else:
            span = policy.review
        if span is None:
            return None
        return _Rule(span, calendar, on, span.measure(calendar), policy.at_risk)

    def result(self, run: Run, ceiling: int | None) -> _Result | None:
        """Walk the run through the regimes that were in force, each from its moment; a breach ends the walk."""
        record = self.records.get((run.target, "", run.cycle))
        end = run.end
        until = self.now if end is None else end
        # a change of this very second is in force; one of the second in which the run ended is not
        changes = self.changes(run, until if end is not None else until + 1)
        result: _Result | None = None
        for position, (at, index, by) in enumerate(changes):
            rule = self.rule(index, run.target)
            if rule is None:
                result = None
                continue
            due, left = self.due(run, rule, ceiling)
            cause, plain = "", ceiling is None and not rule.span.counts_days
            manual = self.by_hand(run, at)
            if manual is not None:
                due, left, cause, plain = manual, 0, "by hand", False
            result = _Result(rule, due, left, cause=cause, manual=manual is not None, plain=plain)
            if due is None or not rule.on:
                continue
            if position and due < at:  # overdue by nothing but the change
                result.breached_at, result.cause = at, by
                break
            last = position + 1 == len(changes)
            if due < (changes[position + 1][0] if not last else until) or (last and end is None and due <= until):
                result.breached_at = due
                break
        if result is not None and record is not None and (record.breached or run.finish is not None):
            # a result on the books stands as it was; whether an answer found later was in time is asked anew
            result.due, result.cause, result.plain = stamp(record.due), record.cause, False
            late = end is None or end > result.due
            result.breached_at = stamp(record.breached_at or record.due) if record.breached and late else None
        return result

    def changes(self, run: Run, before: int) -> list[tuple[int, int, str]]:
        """(moment, regime, what to say of a breach by it) for the start of the run and each change during it."""
        found = [(run.start, run.regime, "")]
        regimes = self.case.regimes
        for index in range(run.regime + 1, len(regimes)):
            at = self.reader.regimes[index][0]
            if at >= before:
                break
            by = "by policy change" if regimes[index].basis in ("policy", "person", "review") else "by raise"
            found.append((max(at, run.start), index, by))
        by_hand = [m for m in self.case.manual if m.target is run.target]
        if by_hand:
            for moment in sorted({at for m in by_hand for at in (m.at, m.cleared_at) if at is not None}):
                at = stamp(moment)
                if run.start < at < before:
                    found.append((at, max(i for t, i, _ in found if t <= at), "by hand"))
            found.sort(key=lambda change: change[0])
        return found

    def by_hand(self, run: Run, at: int) -> int | None:
        """The date set by hand that is in force; one that was past before the run began says nothing about it."""
        for manual in self.case.manual:
            cleared = manual.cleared_at
            if manual.target is run.target and stamp(manual.at) <= at and (cleared is None or at < stamp(cleared)):
                due = stamp(manual.due)
                return due if due > run.start else None
        return None

    def due(self, run: Run, rule: _Rule, ceiling: int | None) -> tuple[int | None, int]:
        if rule.span.counts_days:
            due: int | None = rule.span.end(rule.calendar, run.start)
            left = 0
        else:
            due, left = reach(rule.calendar, run.start, self.need(run, rule), rule.span.on_clock, run.pauses)
        if ceiling is not None and due is not None:
            due = min(due, ceiling)
        return due, left

    def need(self, run: Run, rule: _Rule) -> int:
        """What has to run: the span, less what ran before a re-opening; when nothing is left, the span anew."""
        if not run.spent:
            return rule.seconds
        on_clock = rule.span.on_clock
        spent = sum(elapsed(rule.calendar, start, end, on_clock, pauses) for start, end, pauses in run.spent)
        return rule.seconds - spent if spent < rule.seconds else rule.seconds

    def deadline(self, run: Run, result: _Result) -> Deadline:
        rule, due = result.rule, result.due
        on_clock = rule.span.on_clock
        pauses = () if rule.span.counts_days else run.pauses
        if due is None or result.plain:
            budget = self.need(run, rule)
        else:
            budget = elapsed(rule.calendar, run.start, due, on_clock, pauses)
        track = Track(run.start, due, budget, rule.seconds, on_clock, rule.calendar, pauses)
        mark = track.at_percent(rule.at_risk)
        state = self.state(run, result, mark)
        if due is None:
            remaining: timedelta | None = timedelta(seconds=result.left)
        elif state is State.CANCELLED or run.superseded is not None:
            remaining = None
        else:
            by = run.finish if run.finish is not None else self.now
            remaining = timedelta(seconds=due - by if on_clock else rule.calendar.seconds_between(by, due))
        return Deadline(
            run.target,
            None if due is None else instant(due),
            state,
            instant(run.start),
            rule.span,
            None if mark is None else instant(mark),
            None if run.finish is None else instant(run.finish),
            None if result.breached_at is None else instant(result.breached_at),
            remaining,
            run.cycle,
            result.cause,
            manual=result.manual,
            superseded=run.superseded is not None,
            track=track,
        )

    def state(self, run: Run, result: _Result, mark: int | None) -> State:
        if not self.enabled and run.target is not Target.UPDATE and run.finish is None:
            return State.CANCELLED
        if result.breached_at is not None:
            return State.BREACHED
        if run.finish is not None:
            return State.MET
        if run.stop is not None:
            return State.CANCELLED
        if result.due is None:
            return State.ON_HOLD
        return State.AT_RISK if mark is not None and self.now >= mark else State.ON_TRACK
