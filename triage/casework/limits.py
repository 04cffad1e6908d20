"""Limits of law: counted from the receipt, past all pauses, re-openings and changes of policy."""

from __future__ import annotations

from datetime import timedelta

from triage.casework.history import Recorded, Statutory
from triage.casework.hours import BusinessCalendar, instant
from triage.casework.policy import Limit, Span
from triage.casework.record import Case
from triage.casework.runs import stamp
from triage.casework.track import Deadline, Track
from triage.words import State, Status, Target


def deadline(
    case: Case, held: Statutory, limit: Limit | None, calendar: BusinessCalendar, record: Recorded | None, now: int
) -> Deadline | None:
    """The deadline of one limit of the case; None for one that waits for a holding response."""
    if limit is not None and limit.only_after_holding and not any(c.response == "holding" for c in case.replies):
        return None
    start = stamp(held.start or case.received_at)
    # a limit that config no longer knows is due at once: somebody must look, law does not vanish with a line
    due = stamp(held.due) if held.due else limit.span.end(calendar, start) if limit else start
    finish = _finish(case, held, limit)
    if record is not None and (record.breached or finish is not None):
        due = stamp(record.due)
    on_clock = limit is None or limit.span.on_clock
    budget = max(due - start, 0) if on_clock else calendar.seconds_between(start, due)
    track = Track(start, due, budget, budget, on_clock, calendar, ())
    reminders = tuple(_reminder(span, calendar, start) for span in limit.reminders) if limit else ()
    mark = min(reminders) if reminders else track.at_percent(75)
    late = finish > due if finish is not None else now >= due
    state, cause = _state(case, finish, late, mark, now), "" if limit or held.due else "limit not configured"
    if limit is not None and limit.lapses and state is not State.MET:
        state, cause = (State.CANCELLED, "lapsed") if late else (state, "may lapse")
    by = now if finish is None else finish
    return Deadline(
        Target.STATUTORY,
        instant(due),
        state,
        instant(start),
        limit.span if limit is not None and held.due is None else None,
        None if mark is None else instant(mark),
        None if finish is None else instant(finish),
        instant(due) if state is State.BREACHED else None,
        timedelta(seconds=due - by if on_clock else calendar.seconds_between(by, due)),
        held.seq,
        cause,
        held.name,
        reminders=tuple(instant(r) for r in reminders),
        track=track,
    )


def _state(case: Case, finish: int | None, late: bool, mark: int | None, now: int) -> State:
    if finish is not None:
        return State.BREACHED if late else State.MET
    if case.status is Status.MERGED:
        return State.CANCELLED
    if late:
        return State.BREACHED
    if case.status is Status.CLOSED:
        return State.CANCELLED
    return State.AT_RISK if mark is not None and now >= mark else State.ON_TRACK


def _finish(case: Case, held: Statutory, limit: Limit | None) -> int | None:
    """The earliest fact that satisfies the limit."""
    met_by = limit.met_by if limit is not None else frozenset({"final", "closed"})
    facts = [held.met_at] if held.met_at else []
    facts += [c.at for c in case.replies if c.response in met_by or "answer" in met_by]
    if "closed" in met_by:
        facts += [c.at for c in case.closings if c.reopened_by != "bounce"]
    start = held.start or case.received_at
    facts = [at for at in facts if at >= start]
    return stamp(min(facts)) if facts else None


def _reminder(span: Span, calendar: BusinessCalendar, start: int) -> int:
    """A reminder counted in days comes at the opening of that day, not at its end."""
    end = span.end(calendar, start)
    if not span.counts_days:
        return end
    return stamp(calendar.start_of_business(calendar.local_date(instant(end))))
