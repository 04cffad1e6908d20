"""people.yaml, calendars.yaml and complaint_types.yaml: who works, when, and the names of what is complained about."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from triage.judge.roster import Pick
from triage.world.config.part import Email, Language, Name, Names, Part, Texts

Languages = Annotated[tuple[Language, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class AwayPart(Part):
    """Days of absence, both included."""

    from_: date = Field(alias="from")
    """First day away."""
    to: date
    """Last day away."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.to < self.from_:
            raise ValueError(f"The days end ({self.to}) before they begin ({self.from_}). | Swap from and to.")
        return self


class PersonPart(Part):
    """One member of staff."""

    name: str = Field(min_length=1, max_length=200)
    """Full name. A mail that names it never comes to this person."""
    email: Email
    """Where notices go."""
    languages: Languages = ()
    """Languages in which this person can answer (ISO 639-1)."""
    skills: Names = ()
    """Complaint types or flags this person knows best (`match: skill`)."""
    capacity: int = Field(default=25, ge=1, le=10_000)
    """Open cases at most; above it the next in the pool gets them."""
    away: tuple[AwayPart, ...] = ()
    """Holidays and other absences."""
    delegate: Name | None = None
    """Who stands in. The delegate's delegate follows if both are away."""
    known_as: Texts = ()
    """Other names customers use for this person."""


class PoolPart(Part):
    """People who share one kind of work."""

    members: Names = Field(min_length=1)
    """The people, in order."""
    pick: Pick = Pick.LEAST_OPEN
    """least_open, round_robin or in_order."""
    owner: Name = "lead"
    """Person or role that takes a case when everybody is away or at capacity."""


class SwapPart(AwayPart):
    """Days on which somebody else is on call."""

    person: Name
    """Who takes the turn."""


class OncallPart(Part):
    """Who may be called at night and on days off for critical cases: a weekly rota."""

    order: Names = Field(min_length=1)
    """Whose week it is, in turn."""
    start: date
    """The day on which the first week begins."""
    handover: time = time(9)
    """Local time at which the turn changes."""
    swaps: tuple[SwapPart, ...] = ()
    """Exceptions."""


class PeopleFile(Part):
    """people.yaml"""

    people: dict[Name, PersonPart] = Field(min_length=1)
    """Everybody, by a short name."""
    pools: dict[Name, PoolPart] = {}
    """Groups that share work."""
    roles: dict[Name, Names]
    """Role -> people, the first who is there holds it. `fallback` and `lead` must be there."""
    oncall: OncallPart | None = None
    """The on-call rota. Without it critical cases count working hours, and `triage check` warns."""


class HolidaysPart(Part):
    """Public holidays of a country."""

    country: str = Field(pattern=r"^[A-Z]{2}$")
    """Two letters, such as GB, DE, US."""
    subdivision: str | None = None
    """State or province, such as ENG, BY, CA."""


class CalendarPart(Part):
    """Opening hours, days off and zone."""

    zone: str | None = None
    """IANA name; default: the zone of business.yaml."""
    hours: dict[str, Texts] = Field(min_length=1)
    """Day or range of days -> windows: `mon-fri: "09:00-17:30"`; several: `["09:00-12:30", "13:00-17:30"]`."""
    holidays: HolidaysPart | None = None
    """Public holidays that are days off."""
    closed: Annotated[tuple[date, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = ()
    """Further days off."""
    open: Annotated[tuple[date, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = ()
    """Public holidays on which you work all the same."""


class CalendarsFile(Part):
    """calendars.yaml"""

    calendars: dict[Name, CalendarPart] = Field(min_length=1)
    """Every calendar by name; business.yaml names the default."""


Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class TypePart(Part):
    """One complaint type."""

    title: str
    """How people call it."""
    put_right: str
    """What single thing would have to be put right?"""
    not_this: str = ""
    """What looks alike, and where it belongs."""
    examples: Texts = ()
    """A few words each."""


class TypesFile(Part):
    """complaint_types.yaml"""

    complaint_types: dict[Label, TypePart] = Field(min_length=1)
    """Every type by its label. The starter model knows fourteen; a new one is learned from corrections."""
