"""One clock as it stands: the Deadline record, and the walk along its time through calendar and pauses.

Inside, time is whole epoch seconds; a Deadline shows aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from triage.casework.hours import BusinessCalendar
from triage.casework.policy import Span
from triage.casework.runs import Pause
from triage.words import State, Target


def reach(
    calendar: BusinessCalendar, start: int, need: int, on_clock: bool, pauses: tuple[Pause, ...]
) -> tuple[int | None, int]:
    """The second by which `need` seconds have run, and 0; or None and what is left when a pause still lasts."""
    for begin, end in pauses:
        if end is not None and end <= start:
            continue
        begin = max(begin, start)
        ran = begin - start if on_clock else calendar.seconds_between(start, begin)
        if ran >= need:
            break
        need -= ran
        if end is None:
            return None, need
        start = end
    return (start + need if on_clock else calendar.add_seconds(start, need)), 0


def elapsed(calendar: BusinessCalendar, start: int, end: int, on_clock: bool, pauses: tuple[Pause, ...]) -> int:
    """Seconds that ran from `start` to `end`, pauses left out."""
    total = 0
    for begin, stop in pauses:
        if begin >= end:
            break
        if stop is not None and stop <= start:
            continue
        if begin > start:
            total += begin - start if on_clock else calendar.seconds_between(start, begin)
        if stop is None:
            return total
        start = stop
    if start < end:
        total += end - start if on_clock else calendar.seconds_between(start, end)
    return total


@dataclass(frozen=True, slots=True)
class Track:
    """How a deadline's time is walked: what escalation needs to place its steps. Seconds."""

    start: int
    due: int | None
    budget: int  # running time from start to due
    whole: int  # the span agreed on, for steps after due
    on_clock: bool
    calendar: BusinessCalendar
    pauses: tuple[Pause, ...]

    def at_percent(self, percent: int) -> int | None:
        """The moment at which `percent` of the span is used; beyond 100 counted on from due. None while it rests."""
        if percent == 100 and self.due is not None:
            return self.due
        if percent <= 100:
            return reach(self.calendar, self.start, self.budget * percent // 100, self.on_clock, self.pauses)[0]
        if self.due is None:
            return None
        more = self.whole * (percent - 100) // 100
        return reach(self.calendar, self.due, more, self.on_clock, self.pauses)[0]

    def from_due(self, span: Span) -> int | None:
        """The moment `span` after due, or before it when negative, through the same calendar. None while it rests."""
        if self.due is None:
            return None
        if span.counts_days:
            return span.end(self.calendar, self.due)
        length = span.measure(self.calendar)
        if length >= 0:
            return reach(self.calendar, self.due, length, span.on_clock, self.pauses)[0]
        return self.due + length if span.on_clock else self.calendar.add_seconds(self.due, length)


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock of a case as it stands at `now`. Moments are aware UTC."""

    target: Target
    due: datetime | None  # None while on hold: `remaining` says what is left
    state: State
    start: datetime
    span: Span | None  # None for a date of its own
    reminder_at: datetime | None  # when it becomes "at risk"
    finished_at: datetime | None
    breached_at: datetime | None
    remaining: timedelta | None  # working (or clock) time left; negative when late; of a finished one what was left
    cycle: int
    cause: str = ""  # why it is breached, or dated as it is: "by raise", "by policy change", "by hand", "lapsed"
    name: str = ""  # of a statutory limit
    manual: bool = False  # its date was set by hand
    superseded: bool = False  # another run of the same clock took over; kept because it was breached
    reminders: tuple[datetime, ...] = ()  # dates of their own, of a statutory limit
    track: Track = field(kw_only=True, repr=False, compare=False)

    @property
    def running(self) -> bool:
        """Is something still owed here?"""
        return self.finished_at is None and not self.superseded and self.state is not State.CANCELLED

    @property
    def key(self) -> tuple[Target, str, int]:
        return self.target, self.name, self.cycle
