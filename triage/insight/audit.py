"""Does a case's history keep the promises of the clocks? An answer from its events alone, apart from what ran. Pure.

Asked after every sweep of a simulation, and of any register: each step once, none before its time, none left out,
breaches at their true time, one owner and a next deadline for what is open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from triage.casework import case as casework
from triage.casework import deadline, escalate
from triage.casework.case import Case, Event, Kind
from triage.casework.deadline import Calendars
from triage.casework.ladder import Ladder
from triage.casework.policy import Policies
from triage.casework.shapes import moment


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the clocks run by."""

    policies: Policies
    calendars: Calendars
    ladder: Ladder

    def deadlines(self, case: Case, now: datetime) -> tuple[deadline.Deadline, ...]:
        return deadline.of(case, self.policies, self.calendars, now)

    def steps(self, case: Case, now: datetime) -> tuple[escalate.StepDue, ...]:
        """The steps that a sweep at `now` would take."""
        calendar = deadline.calendar_of(case, self.policies, self.calendars)
        return escalate.due(case, self.deadlines(case, now), self.ladder, calendar, now)


@dataclass(frozen=True, slots=True)
class Audited:
    """The case, and what is wrong with it, a sentence each."""

    case: Case
    wrong: tuple[str, ...]


def look(events: Sequence[Event], agreed: Agreed, now: datetime, since: int = 0) -> Audited:
    """Audit a case right after a sweep at `now`. Steps up to event `since` were looked at before."""
    found = _doubled(events)
    case: Case | None = None
    for event in events:
        if event.kind is Kind.ESCALATED and event.seq > since and case is not None:
            found += _at_its_time(case, event.data, event.at, agreed)
        case = casework.apply(case, event)
    assert case is not None, "a case has at least one event"
    found += _breaches(case)
    if case.is_open:
        if not case.owner:
            found.append("it has no owner")
        if deadline.next_deadline(agreed.deadlines(case, now)) is None and case.hold is None:
            found.append("it has no next deadline")
        found += [f"step {step.key} was reached at {step.due_at} and not taken" for step in agreed.steps(case, now)]
    return Audited(case, tuple(found))


def _doubled(events: Sequence[Event]) -> list[str]:
    taken = Counter(str(event.data["key"]) for event in events if event.kind is Kind.ESCALATED)
    return [f"step {key} was taken {count} times" for key, count in taken.items() if count > 1]


def _at_its_time(case: Case, data: Any, at: datetime, agreed: Agreed) -> list[str]:
    """A step was due when it says so; a second before, by all that was known when it was taken, it was not."""
    due, key = moment(data["due"]), data["key"]
    if due > at:
        return [f"step {key} was taken at {at}, before it was due at {due}"]
    before = due - timedelta(seconds=1)
    if any(step.key == key for step in agreed.steps(case, before)):
        return [f"step {key} says that it was due at {due}, and was a second before"]
    if not any(step.key == key for step in agreed.steps(case, due)):
        return [f"step {key} says that it was due at {due}, and was not"]
    return []


def _breaches(case: Case) -> list[str]:
    """Whenever it was found out, a breach stands at the moment it happened."""
    return [
        f"{r.target.value} was breached at {r.breached_at}, not when it was due at {r.due}"
        for r in case.recorded
        if r.breached and not r.cause and r.breached_at != r.due
    ]
