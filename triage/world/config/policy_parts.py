"""policies.yaml: what each urgency is owed, and the limits of law and regulators."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from triage.casework.policy import Span
from triage.casework.standards import PACKS
from triage.world.config.part import Name, Part
from triage.world.config.routing_parts import WhenPart

_UNITS = 'Write "4 h" or "30 min" (working time), "1 bd" (business day), "1 clock_h", "28 days" or "8 weeks".'


def _span(text: str) -> str:
    """A span of time as text, tried at once so that the mistake has its line. Kept as text for the JSON Schema."""
    try:
        Span.of(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no span of time. | {_UNITS}") from None
    return text


SpanText = Annotated[str, AfterValidator(_span)]


class TargetsPart(Part):
    """What cases of one urgency are owed."""

    first_response: SpanText
    """The first answer by a person, from the receipt."""
    next_response: SpanText | None = None
    """The answer to the oldest unanswered mail after that; default: as the first response."""
    update: SpanText
    """The longest silence of our own while the case is open."""
    resolution: SpanText | None = None
    """The matter answered in full."""


class PolicyPart(Part):
    """The targets for a group of cases."""

    calendar: Name | None = None
    """A calendar of calendars.yaml; default: that of business.yaml."""
    critical: TargetsPart
    """Targets of critical cases."""
    urgent: TargetsPart
    """Targets of urgent cases."""
    normal: TargetsPart
    """Targets of normal cases."""
    low: TargetsPart
    """Targets of low cases."""
    reopen: Literal["resume", "restart"] = "resume"
    """How resolution goes on when a closed case is opened again: with what was left, or anew."""
    at_risk: int = Field(default=75, ge=1, le=99)
    """Percent of a span after which the owner is reminded."""
    review: SpanText = "30 min"
    """How long a doubt may wait for a person before the lead is told."""
    undated_promise: SpanText = "3 business_days"
    """By when a promise of ours without a date ("I will look into it") must be kept, from our mail."""


class LimitPart(Part):
    """A limit of law or regulator. Nothing pauses, moves or restarts it."""

    within: SpanText
    """How long, from the receipt."""
    when: Annotated[tuple[WhenPart, ...], BeforeValidator(lambda v: [v] if isinstance(v, dict) else v)]
    """The cases it runs for: conditions, or a list of them of which one is enough."""
    met_by: Annotated[
        tuple[Literal["answer", "holding", "final", "closed"], ...],
        BeforeValidator(lambda v: [v] if isinstance(v, str) else v),
    ] = ("final", "closed")
    """What meets it; an empty list: only `triage done CASE LIMIT`, for a report to an authority."""
    reminders: tuple[SpanText, ...] = ()
    """Moments from the receipt at which the owner is reminded; default: at 75 percent."""
    calendar: Name | None = None
    """A calendar of its own for business days."""
    source: str = ""
    """Where it is written."""


class PackPart(Part):
    """A ready pack of limits."""

    pack: Name
    """uk_disp, uk_psd, us_cfpb, eu_data_rights or eu_breach."""
    when: WhenPart = WhenPart()
    """The cases it runs for; default: every complaint."""


class PoliciesFile(Part):
    """policies.yaml"""

    policies: dict[Name, PolicyPart] = Field(min_length=1)
    """Every policy by name; routing.yaml says which one counts."""
    limits: dict[Name, LimitPart] = {}
    """Limits of law, by name."""
    packs: tuple[PackPart, ...] = ()
    """Ready packs of limits that you are subject to."""


#: the names of the ready packs
PACK_NAMES = tuple(PACKS)
