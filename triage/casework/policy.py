"""What was agreed: spans of time, the targets of each urgency, limits of law. Plain records made from `config/`.

Three ways to count time:

* working time inside the business calendar: "min", "h", and "bd", a business day as so many minutes (the usual day's);
* time on the clock: "clock_min", "clock_h";
* days on the calendar, which end with a day and cannot be paused: "business_days" (the n-th business day following the
  day of receipt, at closing time), "days" and "weeks" (the last second of the n-th date after it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from triage.casework.events import REOPEN_MODES
from triage.casework.hours import BusinessCalendar, instant, seconds
from triage.words import Urgency

UNITS = ("min", "h", "bd", "clock_min", "clock_h", "business_days", "days", "weeks")
_SECONDS = {"min": 60, "h": 3600, "clock_min": 60, "clock_h": 3600}
_DAY_COUNTS = ("business_days", "days", "weeks")
_SPELLED = {
    "minute": "min",
    "minutes": "min",
    "hour": "h",
    "hours": "h",
    "clock hour": "clock_h",
    "clock hours": "clock_h",
    "clock minute": "clock_min",
    "clock minutes": "clock_min",
    "business day": "business_days",
    "business days": "business_days",
    "day": "days",
    "week": "weeks",
}


@dataclass(frozen=True, slots=True)
class Span:
    """An amount of time in one of UNITS: Span(4, "h") is four business hours. Ladders may use negative amounts."""

    amount: int
    unit: str = "h"

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"{self.unit!r} is no unit of time; use {', '.join(UNITS)}")
        if abs(self.amount) > 100_000:
            raise ValueError(f"{self.amount} {self.unit} is longer than any deadline")
        if self.amount < 0 and self.unit in _DAY_COUNTS:
            raise ValueError(f"{self.unit} are counted forwards")

    @classmethod
    def of(cls, text: str) -> Span:
        """Read "4 h", "1 clock_h", "15 business_days", "4 hours", "1 clock hour". ValueError on anything else."""
        amount, _, unit = " ".join(text.lower().split()).partition(" ")
        try:
            return cls(int(amount), _SPELLED.get(unit, unit))
        except ValueError:
            raise ValueError(f'{text!r} is no span of time; write "4 h", "1 bd", "1 clock_h", "8 weeks"') from None

    @property
    def counts_days(self) -> bool:
        """Ends with a day, and cannot be paused."""
        return self.unit in _DAY_COUNTS

    @property
    def on_clock(self) -> bool:
        """Runs day and night."""
        return self.unit in ("clock_min", "clock_h", "days", "weeks")

    def measure(self, calendar: BusinessCalendar) -> int:
        """Its length in seconds, of working time or on the clock; of counted days their nominal length."""
        unit = self.unit
        if unit in _SECONDS:
            return self.amount * _SECONDS[unit]
        if unit in ("bd", "business_days"):
            return self.amount * calendar.day_minutes * 60
        return self.amount * 86_400 * (7 if unit == "weeks" else 1)

    def end(self, calendar: BusinessCalendar, start: int) -> int:
        """The epoch second at which it ends when it starts at `start` and nothing pauses it."""
        if self.unit == "business_days":
            return seconds(calendar.add_days(instant(start), self.amount))
        if self.counts_days:
            days = timedelta(days=self.amount * (7 if self.unit == "weeks" else 1))
            return seconds(calendar.end_of_day(calendar.local_date(instant(start)) + days))
        length = self.measure(calendar)
        return start + length if self.on_clock else calendar.add_seconds(start, length)

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"


@dataclass(frozen=True, slots=True)
class Targets:
    """What one urgency is owed. A case must always have a next deadline, so first response and update are required."""

    first_response: Span
    update: Span
    next_response: Span | None = None  # None: as the first response
    resolution: Span | None = None  # None: no such target

    def __post_init__(self) -> None:
        for span in (self.first_response, self.update, self.next_response, self.resolution):
            if span is not None and span.amount < 1:
                raise ValueError(f"a target of {span} can never be met")


@dataclass(frozen=True, slots=True)
class Policy:
    """The targets for a group of cases."""

    name: str
    calendar: str
    targets: Mapping[Urgency, Targets]
    reopen: str = "resume"  # or "restart": how resolution goes on after the customer came back
    at_risk: int = 75  # percent of the span, walked through the same calendar
    review: Span = field(default=Span(30, "min"))  # how long a doubt may wait before the lead is told
    undated_promise: Span = field(default=Span(3, "business_days"))  # what a promise without a date counts as
    enabled: bool = True
    version: str = ""

    def __post_init__(self) -> None:
        missing = [urgency.word for urgency in Urgency if urgency not in self.targets]
        if missing:
            raise ValueError(f"policy {self.name!r} has no targets for {', '.join(missing)}")
        if self.reopen not in REOPEN_MODES:
            raise ValueError(f"policy {self.name!r}: reopen is resume or restart, not {self.reopen!r}")
        if not 1 <= self.at_risk <= 99:
            raise ValueError(f"policy {self.name!r}: at_risk is a percentage from 1 to 99")


#: what satisfies a limit of law: any answer, a holding response, a final response, the closing
MET_BY = ("answer", "holding", "final", "closed")


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of law or regulator, counted from the receipt. Nothing pauses, moves or restarts it."""

    name: str
    span: Span
    met_by: frozenset[str] = frozenset({"final", "closed"})
    reminders: tuple[Span, ...] = ()  # from the receipt; none: at 75 percent
    calendar: str | None = None  # its own holidays; None: the case's
    only_after_holding: bool = False  # exists only once a holding response was sent
    lapses: bool = False  # an opportunity: when it passes, nothing is overdue
    source: str = ""

    def __post_init__(self) -> None:
        if self.span.amount < 1:
            raise ValueError(f"limit {self.name!r}: {self.span} is no time to answer in")
        if unknown := sorted(self.met_by - set(MET_BY)):
            raise ValueError(f"limit {self.name!r}: met_by knows {', '.join(MET_BY)}, not {unknown[0]!r}")


@dataclass(frozen=True, slots=True)
class Policies:
    """All that is agreed. The default policy stands in where a named one is missing, so it must be there and on."""

    policies: Mapping[str, Policy]
    default: str
    limits: Mapping[str, Limit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.default not in self.policies:
            raise ValueError(f"the default policy {self.default!r} does not exist")
        if not self.policies[self.default].enabled:
            raise ValueError(f"the default policy {self.default!r} is disabled")

    def policy(self, name: str) -> Policy:
        """The policy of that name; the default when it was deleted."""
        found = self.policies.get(name)
        return found if found is not None else self.policies[self.default]
