"""Words -> the moment they promise: "by Friday", "within 24 hours", "3-5 working days", "tomorrow between 8 and 10".

A promise is due at the latest moment its words allow: a day ends at closing time, a range at its upper end, a morning
at noon. Hours count by the clock from the sending, business hours as working time, "N working days" to the closing of
the Nth business day after the sending. A closed day that is named ("on Saturday") ends at midnight. Pure; the walk over
the words is linear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from triage.casework import clockwords
from triage.casework.dayends import Ends
from triage.casework.hours import BusinessCalendar
from triage.judge import calendar_words

_NOON, _EVENING = time(12), time(20)
_FAR = timedelta(days=400)
_LINKS = frozenset("of de di do den the des del le el il dem am".split())
_OR = frozenset("or oder ou o of".split())
_AFTER_MIDDAY = frozenset("apres".split())  # French "après-midi" holds the word for noon
_HOUR_SIGNS = ":.h"


@dataclass(frozen=True, slots=True)
class Named:
    """A moment named by the words first..last (inclusive). `at` is aware UTC."""

    at: datetime
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    first: int
    stop: int
    exact: datetime | None = None
    turns: int = 0  # days after which the same words come round again: 7 for a weekday


class Reader:
    """Reads the moments named in one text in one language.

    `words` are folded; `classes` are the small words of `wordings` (noon, morning, between ...); `sent` is aware.
    """

    def __init__(
        self, words: Sequence[str], language: str, classes: Mapping[str, frozenset[str]], sent: datetime,
        calendar: BusinessCalendar,
    ) -> None:  # fmt: skip
        self.words, self.calendar, self.sent = words, calendar, sent
        self.known, self.classes = calendar_words.load(language), classes
        self.local = sent.astimezone(ZoneInfo(calendar.zone))
        self.today = self.local.date()
        self.ends = Ends(calendar, sent, self.today)

    # -- dates and hours ----------------------------------------------------------------------------------------------

    def word(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""

    def _in(self, at: int, name: str) -> bool:
        return self.word(at) in self.classes.get(name, frozenset())

    def named(self, first: int, stop: int) -> list[Named]:
        """Every moment to come that the words first..stop-1 name, in order; joined by "or", only the later."""
        days: list[_Day] = []
        at = first
        while at < stop:
            found = self._day(at)
            if found is not None and found.stop <= stop:
                days.append(found)
                at = found.stop
            else:
                at += 1
        out: list[Named] = []
        for number, day in enumerate(days):
            low = days[number - 1].stop if number else first
            high = days[number + 1].first if number + 1 < len(days) else stop
            moment = self._moment(day, low, high)
            if moment is None or not self.sent < moment < self.sent + _FAR:
                continue
            if out and any(self.word(n) in _OR for n in range(out[-1].last + 1, day.first)):
                out[-1] = Named(max(out[-1].at, moment), out[-1].first, day.stop - 1)
            else:
                out.append(Named(moment, day.first, day.stop - 1))
        if not days:
            out += self._bare_hour(first, stop)
        return out

    def _moment(self, day: _Day, low: int, high: int) -> datetime | None:
        if day.exact is not None:
            return day.exact
        hour = self._hour(max(low, day.first - 6), min(high, day.stop + 7), day)
        part = hour or self._part(max(low, day.first - 3), min(high, day.stop + 3), day)
        before = self._in(day.first - 1, "before") or (
            self._in(day.first - 2, "before") and len(self.word(day.first - 1)) <= 3
        )
        for turn in range(0, 2 * day.turns + 1, 7) if day.turns else (0,):
            date_ = day.day + timedelta(days=turn)
            if part is not None:
                found = datetime.combine(date_, part, self.local.tzinfo).astimezone(UTC)
            elif before and date_ > self.today:
                found = self.ends.eve(date_)
            else:
                found = self.ends.closing(date_)
            if found > self.sent:
                return found
        return None

    def _bare_hour(self, first: int, stop: int) -> list[Named]:
        """ "By 5 pm", with no day: today, or the next business day where that has passed."""
        day = _Day(self.today, first, first)
        hour = self._hour(first, stop, day)
        if hour is None:
            return []
        moment = datetime.combine(self.today, hour, self.local.tzinfo).astimezone(UTC)
        if moment <= self.sent:
            following = self.calendar.business_day_after(self.today, 1)
            moment = datetime.combine(following, hour, self.local.tzinfo).astimezone(UTC)
        return [Named(moment, first, stop - 1)]

    # -- one day ------------------------------------------------------------------------------------------------------

    def _day(self, at: int) -> _Day | None:
        word, known = self.words[at], self.known
        if word[0].isdecimal():
            return self._numeric(at) or self._span(at) or self._number_first(at)
        if word in calendar_words.numbers() and (found := self._span(at)):
            return found
        for length in (4, 3, 2, 1):
            key = tuple(self.words[at : at + length])
            if len(key) == length and key in known.relative:
                if self._is_morning(at):
                    return None
                return _Day(self.today + timedelta(days=known.relative[key]), at, at + length)
        weekday = self._weekday_of(word)
        if weekday is not None:
            return self._weekday(at, weekday)
        if word in known.months:
            return self._month_first(at)
        return None

    def _is_morning(self, at: int) -> bool:
        """German "heute morgen" and Spanish "por la mañana" are no tomorrow."""
        return self.word(at) in ("morgen", "manana") and self.word(at - 1) in (
            "heute", "guten", "goede", "la", "am", "jeden", "gestern",
        )  # fmt: skip

    def _weekday_of(self, word: str) -> int | None:
        """ "Friday", and German and Dutch "Freitagmittag", "vrijdagochtend"."""
        if word in self.known.weekdays:
            return self.known.weekdays[word]
        for name, number in self.known.weekdays.items():
            if len(name) > 4 and word.startswith(name) and self._part_of(word[len(name) :]) is not None:
                return number
        return None

    def _weekday(self, at: int, number: int) -> _Day | None:
        known = self.known
        near = {self.word(at - 1), self.word(at + 1)}
        if near & known.last:
            return None
        for step in (1, 2, 3):  # "Monday 31 August", "Friday the 14th", "am Freitag, dem 14. Juni"
            follower = self.word(at + step)
            if follower and (follower[0].isdecimal() or follower in known.months):
                explicit = (
                    self._numeric(at + step) or self._number_first(at + step)
                    if follower[0].isdecimal()
                    else self._month_first(at + step)
                )
                if explicit and explicit.exact is None and explicit.day.weekday() == number:
                    return _Day(explicit.day, at, explicit.stop)
        ahead = (number - self.today.weekday()) % 7 or 7
        stop = at + 1
        if self.word(stop) in ("feira", "feiras"):
            stop += 1
        if self.word(stop) in known.week_after and self.word(stop + 1) not in ("or", "and"):
            ahead, stop = ahead + 7, stop + 1
        elif near & known.next and self.today.weekday() + ahead < 7:
            ahead += 7  # "next Friday", said on a Monday, is not this week's
        return _Day(self.today + timedelta(days=ahead), at, stop, turns=7)

    def _numeric(self, at: int) -> _Day | None:
        word = self.words[at]
        sign = next((s for s in "-./" if s in word), "")
        parts = word.split(sign) if sign else []
        if len(parts) not in (2, 3) or not all(p.isdecimal() and len(p) in (1, 2, 4) for p in parts):
            return None
        numbers = [int(p) for p in parts]
        if len(parts[0]) == 4:
            return self._date(numbers[2], numbers[1], numbers[0], at, at + 1) if len(numbers) == 3 else None
        after = self.word(at + 1)
        if len(numbers) == 2 and (sign == "-" or after in self.known.units or after in self.known.hour_words):
            return None  # 3-5 days, 17.30 Uhr
        year = numbers[2] if len(numbers) == 3 else None
        if year is not None and year < 100:
            year += 2000
        day, month = (numbers[1], numbers[0]) if numbers[1] > 12 else (numbers[0], numbers[1])
        return self._date(day, month, year, at, at + 1)

    def _number_first(self, at: int) -> _Day | None:
        number, ordinal = clockwords.ordinal(self.words[at])
        if number is None:
            return None
        step = 1
        while step <= 2 and self.word(at + step) in _LINKS:
            step += 1
        month = self.known.months.get(self.word(at + step))
        if month:
            year, extra = self._year(at + step + 1)
            return self._date(number, month, year, at, at + step + 1 + extra)
        if ordinal and self.word(at - 1) in ("the", "am", "zum", "den", "dem", "le", "de"):
            try:
                day = self.today.replace(day=number)
            except ValueError:
                return None
            if day <= self.today:
                following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                return self._date(number, following.month, following.year, at, at + 1)
            return _Day(day, at, at + 1)
        return None

    def _month_first(self, at: int) -> _Day | None:
        step = 2 if self.word(at + 1) == "the" else 1
        number, _ = clockwords.ordinal(self.word(at + step))
        if number is None:
            return None
        year, extra = self._year(at + step + 1)
        return self._date(number, self.known.months[self.words[at]], year, at, at + step + 1 + extra)

    def _year(self, at: int) -> tuple[int | None, int]:
        skip = 1 if self.word(at) in ("de", "del", "do") else 0
        word = self.word(at + skip)
        return (int(word), skip + 1) if len(word) == 4 and word.isdecimal() and word.startswith("20") else (None, 0)

    def _date(self, day: int, month: int, year: int | None, first: int, stop: int) -> _Day | None:
        """A promise looks ahead: a date without a year is the next of that name."""
        try:
            found = date(year or self.today.year, month, day)
            if year is None and found < self.today:
                found = date(self.today.year + 1, month, day)
        except ValueError:
            return None
        return _Day(found, first, stop)

    # -- spans --------------------------------------------------------------------------------------------------------

    def _span(self, at: int) -> _Day | None:
        """ "within 24 hours", "3-5 working days", "two to three weeks": the upper end."""
        amount, stop, ranged = self._amount(at)
        if amount is None or not 0 < amount <= 366:
            return None
        units = self.known.units
        unit = "minute" if self._in(stop, "minute") else units.get(self.word(stop))
        if unit is None:
            return None
        if units.get(self.word(stop + 1)) == "business":  # French "jours ouvrés"
            unit, stop = "business hour" if unit == "hour" else "business", stop + 1
        elif unit == "business" and units.get(self.word(stop + 1)) in ("hour", "day"):  # "working days"
            unit, stop = "business hour" if units[self.word(stop + 1)] == "hour" else unit, stop + 1
        written = unit == "hour" and self.word(stop) in self.known.hour_words  # "9 h", "9 uur": also an hour of the day
        stop += 1
        lead = next((self.word(n) for n in range(at - 1, at - 4, -1) if self._in(n, "lead")), "")
        if self._in(stop, "ago") or (written and any(self._in(n, "between") for n in (at - 1, at - 2))):
            return None
        if not lead and (written or not ranged):
            return None
        if written and lead == "d" and amount < 24:  # French "d'ici 17 h" is five o'clock
            return None
        return _Day(self.today, at, stop, exact=self._after(amount, unit))

    def _amount(self, at: int) -> tuple[int | None, int, bool]:
        """(number, index after it, is it the upper end of a range)."""
        word = self.words[at]
        low, sign, high = word.partition("-")
        if sign and low.isdecimal() and high.isdecimal() and len(high) <= 3:
            return int(high), at + 1, True
        number = clockwords.count(word)
        if number is None:
            return None, at, False
        if self._in(at + 1, "range") and (upper := clockwords.count(self.word(at + 2))) is not None:
            return upper, at + 3, True
        return number, at + 1, False

    def _after(self, amount: int, unit: str) -> datetime:
        if unit == "minute":
            return self.sent + timedelta(minutes=amount)
        if unit == "hour":
            return self.sent + timedelta(hours=amount)
        if unit == "business hour":
            return self.calendar.add(self.sent, timedelta(hours=amount))
        if unit == "business":
            return self.calendar.add_days(self.sent, amount)
        days = {"day": amount, "week": 7 * amount}.get(unit, 30 * amount)
        return self.ends.closing(self.today + timedelta(days=days))

    # -- hours --------------------------------------------------------------------------------------------------------

    def _hour(self, low: int, high: int, day: _Day) -> time | None:
        """The latest hour written near the day, outside the words of the date itself."""
        found: list[time] = []
        at = low
        while at < high:
            if day.first <= at < day.stop:
                at = day.stop
                continue
            pair = self._between(at, high)
            clock = pair or self._clock(at)
            if clock is not None:
                found.append(clock)
            at += 1
        return max(found, default=None)

    def _between(self, at: int, high: int) -> time | None:
        """ "between 8 and 10", "zwischen 8 und 12 Uhr", "from 2 to 4 pm", "13:00-15:00": the upper end."""
        word = self.words[at]
        low, sign, upper = word.partition("-")
        if sign and low[0].isdecimal() and (":" in upper or self.word(at + 1) in self.known.hour_words):
            return clockwords.time_of(upper, self.word(at + 1))
        if not self._in(at, "between"):
            return None
        numbers = [n for n in range(at + 1, min(at + 8, high)) if self.words[n][0].isdecimal()]
        if len(numbers) < 2 or not any(self._in(n, "range") for n in range(numbers[0], numbers[1])):
            return None
        return clockwords.time_of(self.words[numbers[1]], self.word(numbers[1] + 1))

    def _clock(self, at: int) -> time | None:
        word, after, lead = self.words[at], self.word(at + 1), self.word(at - 1)
        if not word[0].isdecimal() or (after in self.known.units and after not in self.known.hour_words):
            return None
        marked = any(s in word for s in _HOUR_SIGNS) or word.endswith(("am", "pm"))
        if not (
            marked or after in self.known.hour_words or lead in self.known.before_hour or self._in(at - 1, "hourly")
        ):
            return None
        if after in self.known.months or (lead in self.classes.get("lead", ()) and not marked):
            return None
        if not marked and after not in self.known.hour_words and self._in(at + 1, "range"):
            return None
        return clockwords.time_of(word, after)

    def _part(self, low: int, high: int, day: _Day) -> time | None:
        """Morning and noon end at 12:00, the evening at 20:00; the afternoon, and no word, at closing time."""
        for at in range(low, high):
            part = self._part_of(self.words[at])
            if part is None:
                part = next((p for n in self.known.weekdays if len(n) > 4 and self.words[at].startswith(n)
                             and (p := self._part_of(self.words[at][len(n):])) is not None), None)  # fmt: skip
            spanish = self.words[at] == "manana" and self.word(at - 1) == "la"
            if spanish:
                return _NOON
            if self.words[at] == "first" and self.word(at + 1) == "thing":
                return _NOON
            if self.words[at] == "meio" and self.word(at + 1) == "dia":
                return _NOON
            if part == _NOON and self.word(at - 1) in _AFTER_MIDDAY:
                return None
            if part == "closing":
                return None
            if isinstance(part, time):
                return part
        return None

    def _part_of(self, word: str) -> time | str | None:
        if word in self.classes.get("noon", ()) or word in self.classes.get("morning", ()):
            return _NOON
        if word in self.classes.get("evening", ()):
            return _EVENING
        return "closing" if word in self.classes.get("afternoon", ()) else None
