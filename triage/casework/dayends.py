"""When a promised day or stretch of days ends: closing time, or midnight where we are closed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from triage.casework.hours import BusinessCalendar


@dataclass(frozen=True, slots=True)
class Ends:
    """The ends of days as a mail sent at `sent` (aware) means them; `today` is its local date."""

    calendar: BusinessCalendar
    sent: datetime
    today: date

    def stretch(self, section: str) -> datetime | None:
        """The end of "this week", "next week", "this month", "today", "an hour from now"."""
        if section == "one hour":
            return self.sent + timedelta(hours=1)
        if section == "end of day":
            return self.closing(self.today)
        if section in ("end of week", "next week"):
            monday = self.today - timedelta(days=self.today.weekday())
            return self._last_of(monday, 7, 7 if section == "next week" else 0)
        first = self.today.replace(day=1)
        following = (first + timedelta(days=32)).replace(day=1)
        return self._last_business(first, following) or self.closing(self.today)

    def _last_of(self, monday: date, length: int, ahead: int) -> datetime:
        """Closing time of the last business day of a week; of the week after where that is past."""
        for weeks in range(3):
            start = monday + timedelta(days=ahead + 7 * weeks)
            found = self._last_business(start, start + timedelta(days=length))
            if found is not None:
                return found
        return self.closing(self.today)

    def _last_business(self, start: date, stop: date) -> datetime | None:
        days = (stop - timedelta(days=n) for n in range(1, (stop - start).days + 1))
        day = next((one for one in days if self.calendar.is_business_day(one)), None)
        closing = None if day is None else self.calendar.end_of_business(day)
        return closing if closing is not None and closing > self.sent else None

    def closing(self, day: date) -> datetime:
        """The end of that day: closing time, or midnight where we are closed or have closed already."""
        if self.calendar.is_business_day(day):
            closing = self.calendar.end_of_business(day)
            if closing > self.sent:
                return closing
        return self.calendar.end_of_day(day)

    def eve(self, day: date) -> datetime:
        """ "Before Friday": by the closing of the business day before, if that is still to come; else that day."""
        for back in range(1, 8):
            earlier = day - timedelta(days=back)
            if earlier >= self.today and self.calendar.is_business_day(earlier):
                closing = self.calendar.end_of_business(earlier)
                return closing if closing > self.sent else self.closing(day)
        return self.closing(day)
