"""Working time: add it, measure it, walk it backwards, over days off, time zones and clock changes.

An instant is open when the wall clock of the calendar's zone stands inside one of the day's windows and the date is
no day off. That one sentence decides every clock change: an hour that the clocks skip is never open, an hour they
repeat counts twice. Windows are half open: 17:00 sharp is closed, and yet eight hours from 09:00 end at 17:00.

All arithmetic is on whole seconds since the epoch, in UTC, over a table of open intervals with running sums; fractions
of a second are dropped. Nothing here adds a duration to a local time, which is where `aware + timedelta` goes wrong
(https://docs.python.org/3/library/datetime.html#aware-and-naive-objects).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY = 86_400
EPOCH = date(1970, 1, 1).toordinal()
FIRST_YEAR, LAST_YEAR = 1971, 2400

#: a day's opening hours, as (first minute, minute after the last) since local midnight; 1440 is 24:00
Window = tuple[int, int]


def seconds(moment: datetime) -> int:
    """Whole seconds since the epoch; a naive time raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return int(moment.timestamp() // 1)


def instant(epoch_seconds: int) -> datetime:
    """The aware UTC datetime of `seconds`."""
    return datetime.fromtimestamp(epoch_seconds, UTC)


def problems(zone: str, windows: Sequence[Sequence[Window]]) -> tuple[str, ...]:
    """Everything that is wrong with a calendar's zone and windows, a sentence each; empty when it is sound."""
    found = []
    try:
        ZoneInfo(zone)
    except (ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError, hence the next clause
        found.append(f"{zone!r} is no time zone.")
    except KeyError:
        found.append(f"{zone!r} is no time zone; use a name such as Europe/London.")
    if len(windows) != 7:
        found.append(f"A week has 7 days, Monday first; {len(windows)} were given.")
    if not any(windows):
        found.append("The calendar has no open time, so no deadline could ever fall due.")
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    for day, opened in zip(names, windows, strict=False):
        for start, end in opened:
            if not 0 <= start < end <= 1440:
                found.append(
                    f"{day}: {_clock(start)}-{_clock(end)} must run forward within one day, 00:00 to 24:00; "
                    "write a night as two windows."
                )
        for (start, end), (other, close) in pairwise(sorted(opened)):
            if other < end:
                found.append(f"{day}: {_clock(start)}-{_clock(end)} and {_clock(other)}-{_clock(close)} overlap.")
    return tuple(found)


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@dataclass(frozen=True, slots=True)
class _Table:
    """Open intervals in UTC over whole years, with running sums; and the business days with their hours."""

    low: int  # the table knows every open interval in [low, high)
    high: int
    starts: list[int]
    ends: list[int]
    before: list[int]  # open seconds before the interval
    through: list[int]  # open seconds up to its end
    days: list[int]  # ordinals of the local dates with open time
    opens: list[int]
    closes: list[int]

    def position(self, at: int) -> int:
        """Open seconds from `low` to `at`."""
        index = bisect_right(self.starts, at) - 1
        if index < 0:
            return 0
        end = self.ends[index]
        return self.before[index] + (at if at < end else end) - self.starts[index]


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Opening hours by weekday (Monday first), days off and a zone. Equal calendars compute equal times.

    `windows` are seven tuples of (start minute, end minute); several a day are fine, midnight is not crossed (24x7 is
    seven times ((0, 1440),)). Raises ValueError when `problems` finds any.
    """

    name: str
    zone: str
    windows: tuple[tuple[Window, ...], ...]
    days_off: frozenset[date] = frozenset()
    _kept: list[_Table] = field(default_factory=list, init=False, repr=False, compare=False)
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)
    _day_minutes: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wrong = problems(self.zone, self.windows)
        if wrong:
            raise ValueError(f"calendar {self.name!r}: " + " ".join(wrong))
        object.__setattr__(self, "windows", tuple(tuple(sorted(day)) for day in self.windows))
        object.__setattr__(self, "_zone", ZoneInfo(self.zone))
        lengths = Counter(sum(end - start for start, end in day) for day in self.windows if day)
        usual = max(lengths.items(), key=lambda item: (item[1], item[0]))[0]
        object.__setattr__(self, "_day_minutes", usual)

    @property
    def day_minutes(self) -> int:
        """Minutes of the usual business day: the commonest length of an open weekday, the longer one on a tie."""
        return self._day_minutes

    # -- public arithmetic on datetimes ---------------------------------------------------------------------------

    def add(self, start: datetime, span: timedelta | int) -> datetime:
        """The earliest moment by which `span` of working time (a timedelta, or minutes) has passed since `start`.

        A negative span walks backwards as `subtract` does; an empty one gives `start`.
        """
        return instant(self.add_seconds(seconds(start), _span_seconds(span)))

    def subtract(self, end: datetime, span: timedelta | int) -> datetime:
        """The latest moment with `span` of working time between it and `end`."""
        return instant(self.add_seconds(seconds(end), -_span_seconds(span)))

    def between(self, start: datetime, end: datetime) -> timedelta:
        """Working time from `start` to `end`; negative when `end` is earlier."""
        return timedelta(seconds=self.seconds_between(seconds(start), seconds(end)))

    def is_open(self, at: datetime) -> bool:
        now = seconds(at)
        return self.open_from(now) == now

    def next_open(self, at: datetime) -> datetime:
        """`at` itself when open, else the next opening."""
        return instant(self.open_from(seconds(at)))

    def local_date(self, at: datetime) -> date:
        """The date on the calendar's wall at that moment."""
        return at.astimezone(self._zone).date()

    def is_business_day(self, day: date) -> bool:
        ordinal = day.toordinal()
        table = self._table((ordinal - EPOCH) * DAY, (ordinal - EPOCH) * DAY)
        index = bisect_left(table.days, ordinal)
        return index < len(table.days) and table.days[index] == ordinal

    def add_days(self, start: datetime, days: int) -> datetime:
        """Closing time of the `days`-th business day after the local date of `start`, which itself does not count.

        This is the regulators' "third business day following the day of receipt", and "3 working days" in a promise.
        """
        return self.end_of_business(self.business_day_after(self.local_date(start), days))

    def business_day_after(self, day: date, days: int) -> date:
        """The `days`-th business day after `day`; with 0 the first on or after it."""
        if days < 0:
            raise ValueError("business days are counted forwards")
        ordinal = day.toordinal()
        near = (ordinal - EPOCH) * DAY
        table = self._table(near, near + days * DAY)
        first = bisect_right if days else bisect_left
        while (index := first(table.days, ordinal) + max(days - 1, 0)) >= len(table.days):
            table = self._grown(table)
        return date.fromordinal(table.days[index])

    def end_of_business(self, day: date) -> datetime:
        """Closing time of that date; of a closed day, the closing time of the next business day."""
        table, index = self._business_day(day)
        return instant(table.closes[index])

    def start_of_business(self, day: date) -> datetime:
        """Opening time of that date; of a closed day, the opening time of the next business day."""
        table, index = self._business_day(day)
        return instant(table.opens[index])

    def end_of_day(self, day: date) -> datetime:
        """The last second of that local date, open or not: the end of a limit counted in calendar days."""
        return instant(self._midnight(day + timedelta(days=1)) - 1)

    # -- the same on whole seconds, for code that computes many -----------------------------------------------------

    def add_seconds(self, start: int, span: int) -> int:
        """`add` on epoch seconds."""
        if span == 0:
            return start
        table = self._table(start, start)
        if span > 0:
            while (goal := table.position(start) + span) > (table.through[-1] if table.through else 0):
                table = self._grown(table)
            index = bisect_left(table.through, goal)
        else:
            while (goal := table.position(start) + span) < 0:
                table = self._grown(table, back=True)
            index = bisect_right(table.before, goal) - 1
        return table.starts[index] + goal - table.before[index]

    def seconds_between(self, start: int, end: int) -> int:
        """`between` on epoch seconds."""
        table = self._table(min(start, end), max(start, end))
        return table.position(end) - table.position(start)

    def open_from(self, at: int) -> int:
        """`next_open` on epoch seconds."""
        table = self._table(at, at)
        while (index := bisect_right(table.ends, at)) >= len(table.starts):
            table = self._grown(table)
        return max(at, table.starts[index])

    # -- the table ------------------------------------------------------------------------------------------------

    def _business_day(self, day: date) -> tuple[_Table, int]:
        ordinal = self.business_day_after(day, 0).toordinal()
        table = self._table((ordinal - EPOCH) * DAY, (ordinal - EPOCH) * DAY)
        return table, bisect_left(table.days, ordinal)

    def _midnight(self, day: date) -> int:
        return seconds(datetime(day.year, day.month, day.day, tzinfo=self._zone))

    def _table(self, low: int, high: int) -> _Table:
        """A table that covers both moments with a day to spare; grown by whole years and kept."""
        kept = self._kept
        if kept:
            table = kept[0]
            if table.low + DAY <= low and high + DAY < table.high:
                return table
            low, high = min(low, table.low + DAY), max(high, table.high - DAY - 1)
        return self._keep(instant(low - DAY).year, instant(high + DAY).year)

    def _grown(self, table: _Table, *, back: bool = False) -> _Table:
        """A table twice as long, for a walk that ran off its end; so that long walks stay cheap."""
        first, last = instant(table.low).year, instant(table.high - 1).year
        more = last - first + 1
        if back and first > FIRST_YEAR:
            return self._keep(max(first - more, FIRST_YEAR), last)
        if not back and last < LAST_YEAR:
            return self._keep(first, min(last + more, LAST_YEAR))
        return self._keep(first - back, last + (not back))

    def _keep(self, first: int, last: int) -> _Table:
        if first < FIRST_YEAR or last > LAST_YEAR:
            raise ValueError(f"calendar {self.name!r} knows the years {FIRST_YEAR} to {LAST_YEAR} only")
        table = self._build(first, last)
        self._kept[:] = [table]
        return table

    def _build(self, first_year: int, last_year: int) -> _Table:
        low = seconds(datetime(first_year, 1, 1, tzinfo=UTC))
        high = seconds(datetime(last_year + 1, 1, 1, tzinfo=UTC))
        table = _Table(low, high, [], [], [], [], [], [], [])
        closed = {day.toordinal() for day in self.days_off}
        total = 0
        for ordinal, start, end in self._intervals(low, high, closed):
            if table.days and table.days[-1] == ordinal:
                table.closes[-1] = end
            else:
                table.days.append(ordinal)
                table.opens.append(start)
                table.closes.append(end)
            if table.ends and table.ends[-1] == start:  # touching windows and 24x7 are one stretch
                table.ends[-1] = end
                table.through[-1] = total = total + end - start
                continue
            table.starts.append(start)
            table.ends.append(end)
            table.before.append(total)
            total += end - start
            table.through.append(total)
        return table

    def _intervals(self, low: int, high: int, closed: set[int]) -> Iterator[tuple[int, int, int]]:
        """Open (date ordinal, start, end), in order: the windows of each date, cut to stretches of one UTC offset."""
        for begin, stop, offset in self._offsets(low, high):
            first, last = (begin + offset) // DAY, (stop - 1 + offset) // DAY
            for day in range(first, last + 1):
                ordinal = day + EPOCH
                if ordinal in closed:
                    continue
                midnight = day * DAY - offset
                for opened, shut in self.windows[(ordinal - 1) % 7]:  # date.toordinal(): 1 is a Monday
                    start, end = max(midnight + opened * 60, begin), min(midnight + shut * 60, stop)
                    if start < end:
                        yield ordinal, start, end

    def _offsets(self, low: int, high: int) -> Iterator[tuple[int, int, int]]:
        """Stretches (start, end, UTC offset) of constant offset; looked at twice a day, bisected at a change."""
        begin, offset = low, self._offset(low)
        for probe in range(low, high, DAY // 2):
            right = min(probe + DAY // 2, high)
            after = self._offset(right)
            if after == offset:
                continue
            left = probe
            while right - left > 1:
                middle = (left + right) // 2
                if self._offset(middle) == offset:
                    left = middle
                else:
                    right = middle
            yield begin, right, offset
            begin, offset = right, after
        if begin < high:
            yield begin, high, offset

    def _offset(self, at: int) -> int:
        shift = datetime.fromtimestamp(at, self._zone).utcoffset()
        return int(shift.total_seconds()) if shift is not None else 0


def _span_seconds(span: timedelta | int) -> int:
    return span * 60 if isinstance(span, int) else int(span.total_seconds())
