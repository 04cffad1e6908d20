"""Quiet hours: when a notice that can wait may go out. Critical cases never wait; who calls this sees to that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from triage.casework.hours import BusinessCalendar

_MOST_JUMPS = 20  # opening hours that lie wholly inside quiet hours would never end


@dataclass(frozen=True, slots=True)
class Quiet:
    """`outside_calendar`: wait for opening time. `start` to `end`: further quiet hours on the wall of `zone`."""

    zone: str
    outside_calendar: bool = True
    start: time | None = None
    end: time | None = None

    def over(self, at: datetime, calendar: BusinessCalendar) -> datetime:
        """The first moment from `at` on (aware UTC) at which people may be written to."""
        moment = at
        for _ in range(_MOST_JUMPS):
            opened = calendar.next_open(moment) if self.outside_calendar else moment
            later = self._after_the_hours(opened)
            if later == moment:
                return moment
            moment = later
        return at  # the config leaves no hour to write in: better at a bad time than never

    def _after_the_hours(self, at: datetime) -> datetime:
        start, end = self.start, self.end
        if start is None or end is None or start == end:
            return at
        local = at.astimezone(ZoneInfo(self.zone))
        clock, day = local.time(), local.date()
        inside = start <= clock < end if start < end else (clock >= start or clock < end)
        if not inside:
            return at
        if clock >= end:  # the hours pass midnight
            day += timedelta(days=1)
        return datetime.combine(day, end, ZoneInfo(self.zone)).astimezone(UTC)
