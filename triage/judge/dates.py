"""The customer's own dates: dates written beside an event the customer is bound to, resolved against the receipt.

A date alone sets no clock: order dates, past dates and wishes ("please answer by Friday") are left out. A flight, a
wedding, an operation, a court hearing, a bailiff, a moving day do. All arithmetic is done on local days in the
business zone; the result is UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from triage.judge import calendar_words
from triage.judge.calendar_words import CalendarWords
from triage.judge.phrases import Hit
from triage.judge.sentences import Text, wordset

#: hour of the day used where the customer names none
_MORNING, _AFTERNOON, _EVENING, _DAY_END = time(9), time(15), time(20), time(23, 59)
_NOON = wordset("noon midday mittag midi mediodia mezzogiorno meio middag")
_ORDINAL_ENDS = ("st", "nd", "rd", "th", "er", "ste", "de", "e", "o", "a")
_BEING = wordset("is are am s m re ist sind est sont es son sono e zijn sao")  # present, right before a date
_SINCE = ("since", "seit", "desde", "depuis")
_MORNING_OF = wordset("heute guten goede la am jeden gestern per")
_FAR = timedelta(days=400)
REACH = 16  # words between event and date in one sentence


@dataclass(frozen=True, slots=True)
class CustomerDate:
    """A date the customer is bound to. `at` is UTC; `kind` is travel, event, payment, court, surgery, deadline, cutoff,
    move, birth, medical, or legal, regulator, chargeback for a term set to us; `evidence` is quoted."""

    at: datetime
    evidence: str
    kind: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A date written at words first..last. `loose` marks a bare weekday or "today", whose tense must be looked at;
    `has_time` says whether an hour was written."""

    first: int
    last: int
    at: datetime
    loose: bool
    has_time: bool


@dataclass(frozen=True, slots=True)
class _Day:
    day: date
    used: int
    loose: bool = False
    hour: time | None = None
    exact: datetime | None = None


class _Reader:
    """Reads the dates of one text in one language, word by word: linear."""

    def __init__(self, words: Sequence[str], calendar: CalendarWords, received: datetime) -> None:
        self.words, self.calendar, self.received = words, calendar, received
        self.today = received.date()

    def word(self, at: int) -> str:
        return self.words[at] if 0 <= at < len(self.words) else ""

    def mentions(self, first: int, count: int) -> list[Mention]:
        out: list[Mention] = []
        at, end = first, first + count
        while at < end:
            found = self._day(at)
            if found is None:
                at += 1
                continue
            stop = min(at + found.used, end)
            hour = found.hour or self._hour(max(first, at - 4), min(stop + 5, end), at, stop)
            moment = found.exact or datetime.combine(found.day, hour or self._default(found.day), self.received.tzinfo)
            out.append(Mention(at, stop - 1, moment, found.loose, hour is not None or found.exact is not None))
            at = stop
        if not out:
            out += self._bare_hour(first, end)
        return out

    def _default(self, day: date) -> time:
        return _DAY_END if day == self.today else _MORNING

    def _day(self, at: int) -> _Day | None:
        word = self.words[at]
        if word[0].isdigit():
            return self._numeric(word) or self._number_first(at)
        calendar = self.calendar
        for length in (4, 3, 2, 1):
            key = tuple(self.words[at : at + length])
            if len(key) == length and key in calendar.relative:
                hour = _EVENING if key in calendar.evening else None
                if self.word(at - 1) in _SINCE or (hour is None and self._is_this_morning(at, length)):
                    return None
                ahead = calendar.relative[key]
                return _Day(self.today + timedelta(days=ahead), length, loose=ahead == 0 and not hour, hour=hour)
        if word in calendar.weekdays:
            return self._weekday(at)
        if word in calendar.months:
            return self._month_first(at)
        if word in calendar_words.numbers() and self.word(at + 1) in calendar.units:
            return self._span(at, calendar_words.numbers()[word])
        if word in calendar.weekend and self.word(at - 1) not in calendar.last:
            return self._weekend()
        return None

    def _is_this_morning(self, at: int, length: int) -> bool:
        """ "heute morgen" is over, and neither "guten Morgen" nor "por la mañana" is tomorrow."""
        if self.words[at] == "heute" and length == 1:
            return self.word(at + 1) in ("morgen", "fruh", "frueh", "vormittag")
        return self.words[at] in ("morgen", "manana") and self.word(at - 1) in _MORNING_OF

    def _weekend(self) -> _Day:
        days = (5 - self.today.weekday()) % 7
        return _Day(self.today + timedelta(days=days), 1)

    def _weekday(self, at: int) -> _Day | None:
        calendar, number = self.calendar, self.calendar.weekdays[self.words[at]]
        near = {self.word(at - 1), self.word(at + 1)}
        if near & calendar.last:
            return None
        for step in (1, 2, 3):  # "Monday 31 August", "Friday the 14th", "am Freitag, dem 14. Juni"
            follower = self.word(at + step)
            if follower and (follower[0].isdigit() or follower in calendar.months):
                explicit = self._numeric(follower) or (
                    self._number_first(at + step) if follower[0].isdigit() else self._month_first(at + step)
                )
                if explicit and explicit.day.weekday() == number:
                    return _Day(explicit.day, step + explicit.used)
        ahead = (number - self.today.weekday()) % 7 or 7
        used = 1
        if self.word(at + 1) in calendar.week_after and self.word(at + 2) not in ("or", "and"):
            ahead, used = ahead + 7, 2
        elif near & calendar.next and self.today.weekday() + ahead < 7:
            ahead += 7  # "next Friday", said on a Monday, is not this week's
        return _Day(self.today + timedelta(days=ahead), used, loose=True)

    def _numeric(self, word: str) -> _Day | None:
        for sign in "-./":
            parts = word.split(sign)
            if len(parts) in (2, 3) and all(part.isdigit() and len(part) in (1, 2, 4) for part in parts):
                break
        else:
            return None
        numbers = [int(part) for part in parts]
        if len(parts[0]) == 4:
            return self._date(numbers[2], numbers[1], numbers[0]) if len(numbers) == 3 else None
        if sign != "/" and len(numbers) == 2 and len(parts[1]) != 2:
            return None  # 3.5 and 1-2 are amounts more often than dates
        if sign == "-" and len(numbers) == 2:
            return None
        year = numbers[2] if len(numbers) == 3 else None
        if year is not None and year < 100:
            year += 2000
        day, month = (numbers[1], numbers[0]) if numbers[1] > 12 else (numbers[0], numbers[1])
        return self._date(day, month, year)

    def _number_first(self, at: int) -> _Day | None:
        number, ordinal = self._ordinal(self.words[at])
        if number is None:
            return None
        calendar = self.calendar
        step = 1
        while step <= 2 and self.word(at + step) in ("of", "de", "di", "do", "den"):
            step += 1
        month = calendar.months.get(self.word(at + step))
        if month:
            year, extra = self._year(at + step + 1)
            return self._date(number, month, year, used=step + 1 + extra)
        if self.word(at + 1) in calendar.units:
            return self._span(at, number)
        if (ordinal or self.word(at - 1) in calendar.day_article) and self._bare_day(at):
            return self._day_of_month(number)
        return None

    def _bare_day(self, at: int) -> bool:
        """A bare number counts as a day only where no noun follows ("le 14 au matin", not "le 14 produits")."""
        after = self.word(at + 1)
        return not after or self.words[at][-1].isalpha() or len(after) <= 3 or after in self.calendar.hour_words

    def _ordinal(self, word: str) -> tuple[int | None, bool]:
        for end in _ORDINAL_ENDS:
            if word.endswith(end) and word[: -len(end)].isdigit():
                number = int(word[: -len(end)][:3])
                return (number, True) if 1 <= number <= 31 else (None, False)
        if word.isdigit() and len(word) <= 3:
            return int(word), False
        return None, False

    def _year(self, at: int) -> tuple[int | None, int]:
        skip = 1 if self.word(at) in ("de", "del", "do") else 0
        word = self.word(at + skip)
        if len(word) == 4 and word.isdigit() and word.startswith("20"):
            return int(word), skip + 1
        return None, 0

    def _month_first(self, at: int) -> _Day | None:
        step = 2 if self.word(at + 1) == "the" else 1
        number, _ = self._ordinal(self.word(at + step))
        if number is None or len(self.word(at + step)) > 4:
            return None
        year, extra = self._year(at + step + 1)
        return self._date(number, self.calendar.months[self.words[at]], year, used=step + 1 + extra)

    def _day_of_month(self, number: int) -> _Day | None:
        """A bare day is this month's; one already past this month is taken as the past, not as next month's, except in
        the last week of the month."""
        if number >= self.today.day:
            return self._date(number, self.today.month, self.today.year)
        if self.today.day >= 24 and number <= 10:
            month, year = (self.today.month % 12) + 1, self.today.year + (self.today.month == 12)
            return self._date(number, month, year)
        return None

    def _date(self, day: int, month: int, year: int | None, used: int = 1) -> _Day | None:
        """A date without a year is the one nearest to today; so "2 July" in mid July is past, "5 January" in December
        is to come."""
        try:
            if year is not None:
                return _Day(date(year, month, day), used)
            found = date(self.today.year, month, day)
            if abs((self.today - found).days) > 183:
                found = date(self.today.year + (1 if found < self.today else -1), month, day)
            return _Day(found, used)
        except ValueError:
            return None

    def _span(self, at: int, amount: int) -> _Day | None:
        """ "in two days", "within 14 days", "in 48 hours", "in 5 working days" (as calendar days times 7/5)."""
        calendar = self.calendar
        lead = {self.word(at - 1), self.word(at - 2), self.word(at - 3)}
        if not lead & calendar.lead_in or amount > 366 or self.word(at + 2) in ("ago", "before", "earlier"):
            return None
        unit, used = calendar.units[self.word(at + 1)], 2
        if unit == "business" or calendar.units.get(self.word(at + 2)) == "business":
            unit, used = "business", 3
        if unit == "hour":
            moment = (self.received.astimezone(UTC) + timedelta(hours=amount)).astimezone(self.received.tzinfo)
            return _Day(moment.date(), used, exact=moment)
        days = {"day": amount, "business": amount + 2 * (amount // 5), "week": 7 * amount, "month": 30 * amount}[unit]
        return _Day(self.today + timedelta(days=days), used)

    def _hour(self, low: int, high: int, first: int, last: int) -> time | None:
        for at in range(low, high):
            if not first <= at < last:
                found = self._clock(at)
                if found:
                    return found
        return None

    def _clock(self, at: int) -> time | None:
        word, after = self.words[at], self.word(at + 1)
        if word in _NOON:
            return time(12)
        if not word[0].isdigit():
            return None
        hour, minute, pm = word, "0", False
        for sign in ":.h":
            head, found, tail = word.partition(sign)
            if found and head.isdigit() and (tail.isdigit() or (sign == "h" and not tail)):
                hour, minute = head, tail or "0"
                break
        else:
            if word.endswith(("am", "pm")) and word[:-2].isdigit():
                hour, pm = word[:-2], word.endswith("pm")
            elif not (
                word.isdigit() and (after in self.calendar.hour_words or self.word(at - 1) in self.calendar.before_hour)
            ):
                return None
        pm = pm or after == "pm" or (after == "p" and self.word(at + 2) == "m")
        if not hour.isdigit() or len(hour) > 2 or len(minute) > 2:
            return None
        number = int(hour) + (12 if pm and int(hour) < 12 else 0)
        return time(number, int(minute)) if number < 24 and int(minute) < 60 else None

    def _bare_hour(self, first: int, end: int) -> Iterable[Mention]:
        """ "the cylinder lasts until seven this evening" has a date; "lasts until 19:00" only an hour: today."""
        for at in range(first, end):
            if ":" in self.words[at] and self.word(at - 1) in self.calendar.before_hour:
                hour = self._clock(at)
                if hour:
                    moment = datetime.combine(self.today, hour, self.received.tzinfo)
                    if moment > self.received:
                        return [Mention(at, at, moment, False, True)]
        return []


def find(
    text: Text, hits: Sequence[Hit], received_at: datetime, zone: str, languages: Sequence[str]
) -> tuple[CustomerDate, ...]:
    """The customer's own dates after `received_at` (aware), earliest first, at most one a kind and moment.

    `hits` are the phrases found in `text`; those of the sections "event <kind>" say what the customer is bound to,
    "event not" takes them back. A "term" ("by 12 June", "within 14 days") beside a legal, regulator or chargeback
    flag is a term set to us; without such a flag its kind is "term", and the sender decides whether it counts.
    """
    events = [hit for hit in hits if hit.section.startswith("event ") and hit.section != "event not"]
    terms = [hit for hit in hits if hit.section == "term"]
    duty = _duty(hits)
    if not events and not terms:
        return ()
    denied = [hit for hit in hits if hit.section == "event not"]
    demands = {hit.sentence for hit in hits if hit.section == "demand"}
    local = received_at.astimezone(ZoneInfo(zone))
    found: dict[tuple[str, datetime], CustomerDate] = {}
    cache: dict[int, list[Mention]] = {}

    def mentions(number: int) -> list[Mention]:
        if number not in cache:
            cache[number] = _mentions(text, number, local, languages) if 0 <= number < len(text.sentences) else []
        return cache[number]

    def keep(kind: str, mention: Mention, low: int, high: int) -> None:
        at = mention.at.astimezone(UTC)
        quote = text.quote(min(low, mention.first), max(high, mention.last))
        found.setdefault((kind, at), CustomerDate(at, quote, kind))

    for hit in events:
        if any(d.sentence == hit.sentence and d.first <= hit.last and d.last >= hit.first for d in denied):
            continue
        kind = hit.section.removeprefix("event ")
        close = [m for m in mentions(hit.sentence) if m.first - hit.last <= REACH and hit.first - m.last <= REACH]
        for mention in close:
            keep(kind, mention, hit.first, hit.last)
        if not close and kind not in ("deadline", "payment"):
            for number in (hit.sentence + 1, hit.sentence - 1):
                if number not in demands and mentions(number):
                    mention = mentions(number)[0]
                    keep(kind, mention, mention.first, mention.last)
                    break
    for hit in terms:
        if duty == "term" and not _has_number(text, hit.sentence):
            continue  # most "before" and "until" of a mail set no term
        for mention in mentions(hit.sentence):
            if 0 <= mention.first - hit.last <= 6:
                keep(duty, mention, hit.first, hit.last)
    return tuple(sorted(found.values(), key=lambda one: (one.at, one.kind)))[:10]


def _has_number(text: Text, number: int) -> bool:
    sentence = text.sentences[number]
    return any(word[0].isdigit() for word in text.words[sentence.first : sentence.first + sentence.count])


def _duty(hits: Sequence[Hit]) -> str:
    sections = {hit.section for hit in hits}
    for section, kind in (("legal_threat", "legal"), ("regulator", "regulator"), ("chargeback", "chargeback")):
        if section in sections:
            return kind
    return "term"


def _mentions(text: Text, number: int, local: datetime, languages: Sequence[str]) -> list[Mention]:
    """The future dates of one sentence, in the first language that finds any."""
    sentence = text.sentences[number]
    words = text.words[sentence.first : sentence.first + sentence.count]
    for language in languages:
        calendar = calendar_words.load(language)
        found = _Reader(text.words, calendar, local).mentions(sentence.first, sentence.count)
        if found:
            past = bool(calendar.past.intersection(words))
            future = bool(calendar.future.intersection(words))
            return [
                one
                for one in found
                if one.at >= local
                and one.at - local < _FAR
                and not (one.loose and past and not _ahead(text, one, future))
            ]
    return []


def _ahead(text: Text, mention: Mention, future: bool) -> bool:
    """In a sentence with past verbs, is this weekday still to come? "It was booked and is on Friday" says so; for
    "today" only an hour to come does."""
    if mention.has_time:
        return True
    before = text.words[max(0, mention.first - 3) : mention.first]
    return mention.at.time() != _DAY_END and (future or bool(_BEING.intersection(before)))
