"""The escalation ladder: which steps there are, when each is reached, who is told. Plain records made from `config/`.

A step stands at a percentage of the span (75 is a reminder, 100 the due moment, 150 half a span after it) or at a span
from due, negative for before. Both are walked through the case's calendar. Level 0 is a reminder; levels 1, 2, 3 climb.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from triage.casework.policy import Span
from triage.words import Target, Urgency

#: percent of the span, or a span from due
Place = int | Span

#: who can be told; routing and `config/people.yaml` say which person that is for a case
ROLES = ("owner", "owner_deputy", "lead", "lead_deputy", "manager", "director", "oncall")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a ladder. `name` tells two steps of one level apart; it is part of the step's key."""

    level: int
    at: Place
    roles: tuple[str, ...]
    by_urgency: Mapping[Urgency, Place] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.level <= 9:
            raise ValueError(f"a step's level is 0 for a reminder, then 1 to 9, not {self.level}")
        if not self.roles:
            raise ValueError(f"step {self.label} tells nobody")
        for place in (self.at, *self.by_urgency.values()):
            if isinstance(place, int) and not 1 <= place <= 10_000:
                raise ValueError(f"step {self.label}: {place} is no percentage of a span")

    @property
    def label(self) -> str:
        return self.name or str(self.level)

    def place(self, urgency: Urgency) -> Place:
        return self.by_urgency.get(urgency, self.at)


def _either(critical: Place, urgent: Place) -> dict[Urgency, Place]:
    return {Urgency.CRITICAL: critical, Urgency.URGENT: urgent}


#: first response, next response, resolution
ANSWER_STEPS = (
    Step(0, 75, ("owner",)),
    Step(1, 100, ("owner", "lead")),
    Step(2, 150, ("lead_deputy", "manager"), _either(Span(30, "clock_min"), Span(4, "h"))),
    Step(3, 200, ("manager", "director"), _either(Span(1, "clock_h"), Span(8, "h"))),
)
#: our own silence: the owner first, then the lead; a critical case climbs as an answer does
SILENCE_STEPS = (
    Step(0, 100, ("owner",), {Urgency.CRITICAL: 75}),
    Step(1, 150, ("owner", "lead"), {Urgency.CRITICAL: 100}),
    Step(2, 200, ("lead_deputy", "manager"), {Urgency.CRITICAL: Span(1, "clock_h")}),
)
#: a doubt that nobody looked at
REVIEW_STEPS = (Step(1, 100, ("lead",)), Step(2, Span(4, "h"), ("lead_deputy", "manager")))
#: a limit of law: its reminders, then the due moment
LAW_STEPS = (
    Step(0, 75, ("owner", "lead")),
    Step(1, 100, ("owner", "lead", "manager")),
    Step(2, Span(1, "bd"), ("director",)),
)
#: a broken promise: the moment it is due, then after one and two business days
PROMISE_STEPS = (
    Step(1, 100, ("owner", "lead")),
    Step(2, Span(1, "bd"), ("lead_deputy", "manager")),
    Step(3, Span(2, "bd"), ("manager", "director")),
)


@dataclass(frozen=True, slots=True)
class Ladder:
    """All the steps, and the times people have to react. Refused with ValueError when a ladder could tell nobody."""

    name: str = "default"
    steps: tuple[Step, ...] = ANSWER_STEPS
    by_target: Mapping[Target, tuple[Step, ...]] = field(
        default_factory=lambda: {
            Target.UPDATE: SILENCE_STEPS,
            Target.REVIEW: REVIEW_STEPS,
            Target.STATUTORY: LAW_STEPS,
        }
    )
    promise: tuple[Step, ...] = PROMISE_STEPS
    #: to accept an assignment; then the deputy
    accept: Mapping[Urgency, Span] = field(
        default_factory=lambda: {
            Urgency.CRITICAL: Span(15, "clock_min"),
            Urgency.URGENT: Span(1, "h"),
            Urgency.NORMAL: Span(1, "business_days"),
            Urgency.LOW: Span(1, "business_days"),
        }
    )
    #: to acknowledge a step; then it climbs
    climb: Mapping[Urgency, Span] = field(
        default_factory=lambda: {
            Urgency.CRITICAL: Span(15, "clock_min"),
            Urgency.URGENT: Span(4, "h"),
            Urgency.NORMAL: Span(4, "h"),
            Urgency.LOW: Span(4, "h"),
        }
    )
    #: after the last step, page again at this distance until somebody takes note
    repeat: Mapping[Urgency, Span] = field(default_factory=lambda: {Urgency.CRITICAL: Span(1, "clock_h")})
    offer_close: Span = field(default=Span(10, "bd"))  # on hold without an answer for so long: offer to close
    handoffs: int = 2  # so many, and the lead decides who owns it
    reopenings: int = 2  # so many, and the manager is told
    late_after: timedelta = timedelta(minutes=15)  # a step taken later than this was missed, by an outage say

    def __post_init__(self) -> None:
        for what, steps in (("steps", self.steps), ("promise", self.promise), *self.by_target.items()):
            labels = [step.label for step in steps]
            if len(set(labels)) != len(labels):
                raise ValueError(f"ladder {self.name!r}, {what}: two steps have one name; name them apart")
            if not any(step.level for step in steps):
                raise ValueError(f"ladder {self.name!r}, {what}: only reminders, nothing climbs")
            if [step.level for step in steps] != sorted(step.level for step in steps):
                raise ValueError(f"ladder {self.name!r}, {what}: steps are written from the lowest level up")

    def of(self, target: Target) -> tuple[Step, ...]:
        """The steps of a target."""
        return self.by_target.get(target, self.steps)
