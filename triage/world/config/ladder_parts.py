"""escalation.yaml: the ladder, and how long people have to react."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from triage.casework.policy import Span
from triage.world.config.part import Name, Names, Part
from triage.world.config.policy_parts import SpanText

_PERCENT = re.compile(r"(\d{1,5}) ?%")


def _place(text: str) -> str:
    """ "75%" of the span, or a span after the due moment."""
    found = _PERCENT.fullmatch(text)
    if found and 1 <= int(found[1]) <= 10_000:
        return text
    try:
        Span.of(text)
    except ValueError:
        fix = 'Write "75%" of the span, or a span after the due moment such as "4 h" or "30 clock_min".'
        raise ValueError(f"{text[:40]!r} is no place on the ladder. | {fix}") from None
    return text


def place_of(text: str) -> int | Span:
    """The record of a place that was checked."""
    found = _PERCENT.fullmatch(text)
    return int(found[1]) if found else Span.of(text)


PlaceText = Annotated[str, AfterValidator(_place)]


class StepPart(Part):
    """One step."""

    level: int = Field(ge=0, le=9)
    """0 is a reminder; 1, 2, 3 climb."""
    at: PlaceText
    """When it is reached: "75%" of the span, "100%" the due moment, or a span after it such as "4 h"."""
    critical: PlaceText | None = None
    """The same for critical cases."""
    urgent: PlaceText | None = None
    """The same for urgent cases."""
    normal: PlaceText | None = None
    """The same for normal cases."""
    low: PlaceText | None = None
    """The same for low cases."""
    tell: Names = Field(min_length=1)
    """owner, owner_deputy, or roles, people and pools of people.yaml."""
    name: Annotated[str, BeforeValidator(str)] = ""
    """Tells two steps of one level apart."""


class SpansPart(Part):
    """A span of time for each urgency."""

    critical: SpanText
    """For critical cases."""
    urgent: SpanText
    """For urgent cases."""
    normal: SpanText
    """For normal cases."""
    low: SpanText
    """For low cases."""


class RepeatPart(Part):
    """Paging goes on after the last step until somebody takes note. Only on the clock."""

    critical: SpanText | None = None
    """For critical cases."""
    urgent: SpanText | None = None
    """For urgent cases."""
    normal: SpanText | None = None
    """For normal cases."""
    low: SpanText | None = None
    """For low cases."""


Steps = Annotated[tuple[StepPart, ...], Field(min_length=1)]


class EscalationFile(Part):
    """escalation.yaml"""

    name: Name = "standard"
    """A name for the ladder."""
    steps: Steps
    """First response, next response and resolution."""
    update: Steps
    """Our own silence."""
    review: Steps
    """A doubt that nobody looked at."""
    statutory: Steps
    """A limit of law."""
    promise: Steps
    """A promise of ours that was not kept."""
    accept: SpansPart
    """How long an owner has to accept a case; then the deputy is asked."""
    climb: SpansPart
    """How long a step may go unacknowledged; then the next one is reached."""
    repeat: RepeatPart = RepeatPart()
    """Paging after the last step."""
    offer_close: SpanText = "10 bd"
    """A case on hold is offered for closing when the customer stays silent so long."""
    handoffs: int = Field(default=2, ge=1, le=20)
    """Handed on so often, the lead decides who owns the case."""
    reopenings: int = Field(default=2, ge=1, le=20)
    """Opened again so often, the manager is told."""
    late_after: SpanText = "15 clock_min"
    """A step that is taken later than this was missed, by an outage for instance."""
