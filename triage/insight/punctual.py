"""How often each clock was kept: cases -> met and late, by target and urgency. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from triage.casework import deadline
from triage.casework.case import Case
from triage.casework.deadline import Calendars
from triage.casework.policy import Policies
from triage.words import State, Target, Urgency


@dataclass(frozen=True, slots=True)
class Score:
    """One clock at one urgency: how many of its runs ended in time, how many were late or are overdue."""

    target: Target
    urgency: Urgency
    met: int
    late: int

    @property
    def share(self) -> float:
        """The share in time."""
        return self.met / (self.met + self.late)


def scores(cases: Iterable[Case], policies: Policies, calendars: Calendars, now: datetime) -> tuple[Score, ...]:
    """Every run that has a result by `now`, most urgent first within a target; by the urgency the case has now."""
    met: Counter[tuple[Target, Urgency]] = Counter()
    late: Counter[tuple[Target, Urgency]] = Counter()
    for case in cases:
        for clock in deadline.of(case, policies, calendars, now, history=True):
            if clock.state is State.BREACHED:
                late[clock.target, case.urgency] += 1
            elif clock.state is State.MET:
                met[clock.target, case.urgency] += 1
    order = [(target, urgency) for target in Target for urgency in sorted(Urgency, reverse=True)]
    return tuple(Score(*key, met[key], late[key]) for key in order if met[key] or late[key])
