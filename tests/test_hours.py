"""Working time against a reference that looks at the wall clock minute by minute and knows nothing else."""

from __future__ import annotations

import pickle
import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.casebook import ALWAYS, NINE_TO_FIVE, SAMPLES, STD, at, wall
from triage.casework.hours import BusinessCalendar, Window, problems

MINUTE = timedelta(minutes=1)


# -- the reference: one sentence of the module's docstring, and steps of one minute ----------------


def is_open(calendar: BusinessCalendar, minute: datetime) -> bool:
    """The wall clock stands inside a window of the day, and the date is no day off."""
    local = minute.astimezone(ZoneInfo(calendar.zone))
    if local.date() in calendar.days_off:
        return False
    now = local.hour * 60 + local.minute
    return any(start <= now < end for start, end in calendar.windows[local.weekday()])


def reference_add(calendar: BusinessCalendar, start: datetime, minutes: int) -> datetime:
    while minutes:
        minutes -= is_open(calendar, start)
        start += MINUTE
    return start


def reference_subtract(calendar: BusinessCalendar, end: datetime, minutes: int) -> datetime:
    while minutes:
        end -= MINUTE
        minutes -= is_open(calendar, end)
    return end


def reference_between(calendar: BusinessCalendar, start: datetime, end: datetime) -> int:
    count = 0
    while start < end:
        count += is_open(calendar, start)
        start += MINUTE
    return count


# -- random calendars, and moments near what is hard -----------------------------------------------

ZONES = [
    "Europe/London",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",  # half an hour off
    "Australia/Lord_Howe",  # clocks move by half an hour
    "America/Havana",  # the clocks change at midnight
    "Africa/Casablanca",  # twice a year around Ramadan
    "Pacific/Apia",  # a date that never was: 30 December 2011
    "UTC",
]
CHANGES = [
    datetime(2027, 3, 28, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2027, 3, 14, 5, tzinfo=UTC),
    datetime(2027, 4, 3, 15, tzinfo=UTC),
    datetime(2026, 12, 31, 23, tzinfo=UTC),
    datetime(2026, 2, 15, 2, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
]


def random_calendar(dice: random.Random) -> BusinessCalendar:
    week: list[tuple[Window, ...]] = []
    for _ in range(7):
        marks = sorted(dice.sample(range(0, 1441, 30), 2 * dice.choice([0, 1, 1, 2, 3])))
        week.append(tuple(zip(marks[::2], marks[1::2], strict=True)))
    if not any(week):
        week[dice.randrange(7)] = ((0, 1440),)
    near = dice.choice(CHANGES).date()
    off = frozenset(near + timedelta(days=dice.randrange(-6, 7)) for _ in range(dice.choice([0, 1, 4])))
    return BusinessCalendar("random", dice.choice(ZONES), tuple(week), off)


def random_moment(dice: random.Random) -> datetime:
    return dice.choice(CHANGES) + timedelta(minutes=dice.randrange(-4 * 1440, 4 * 1440))


def one_case(dice: random.Random) -> None:
    """Add, walk back and measure once, each against the reference."""
    calendar, start = random_calendar(dice), random_moment(dice)
    minutes = dice.choice([1, 30, 60, 240, dice.randrange(1, 1500)])
    due = calendar.add(start, minutes)
    assert due == reference_add(calendar, start, minutes), (calendar, start, minutes)
    assert calendar.between(start, due) == timedelta(minutes=minutes)  # add, then measure
    assert calendar.subtract(start, minutes) == reference_subtract(calendar, start, minutes), (calendar, start, minutes)
    end = start + timedelta(minutes=dice.randrange(0, 2 * 1440))
    assert calendar.between(start, end) == timedelta(minutes=reference_between(calendar, start, end)), (calendar, start)
    assert calendar.is_open(start) == is_open(calendar, start)


@pytest.mark.parametrize("seed", range(4))
def test_random_calendars_agree_with_the_minute_by_minute_reference(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(40):
        one_case(dice)


@pytest.mark.proof
def test_a_hundred_thousand_random_cases_agree_with_the_reference() -> None:
    dice = random.Random(20261123)
    for _ in range(100_000):
        one_case(dice)


# -- laws that hold for every calendar and every second --------------------------------------------

calendars = st.integers(0, 10_000).map(lambda seed: random_calendar(random.Random(seed)))
moments = st.integers(0, 3 * 366 * 86_400).map(lambda s: datetime(2025, 6, 1, tzinfo=UTC) + timedelta(seconds=s))
spans = st.integers(0, 60 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
several = settings(max_examples=120, deadline=None)


@given(calendars, moments, spans)
@several
def test_what_is_added_is_measured_to_the_second(calendar: BusinessCalendar, start: datetime, span: timedelta) -> None:
    assert calendar.between(start, calendar.add(start, span)) == span
    assert calendar.between(calendar.subtract(start, span), start) == span


@given(calendars, moments, spans, spans)
@several
def test_two_spans_after_each_other_are_one_span(
    calendar: BusinessCalendar, start: datetime, first: timedelta, second: timedelta
) -> None:
    assert calendar.add(calendar.add(start, first), second) == calendar.add(start, first + second)


@given(calendars, moments, moments, spans)
@several
def test_a_later_start_is_never_due_earlier(
    calendar: BusinessCalendar, one: datetime, other: datetime, span: timedelta
) -> None:
    early, late = sorted((one, other))
    assert calendar.add(early, span) <= calendar.add(late, span)
    assert calendar.between(early, late) == -calendar.between(late, early) <= late - early


@given(calendars, moments, spans.filter(bool))
@several
def test_walking_back_from_due_ends_in_opening_hours_at_or_after_the_start(
    calendar: BusinessCalendar, start: datetime, span: timedelta
) -> None:
    back = calendar.subtract(calendar.add(start, span), span)
    assert back == calendar.next_open(start)


# -- the edges by name -----------------------------------------------------------------------------


def test_a_full_day_ends_in_the_evening_and_walked_back_begins_in_the_morning() -> None:
    assert wall(STD.add(at("Mon 23 Nov 2026 09:00"), 480)) == "Mon 23 Nov 2026 17:00"
    assert wall(STD.subtract(at("Mon 23 Nov 2026 17:00"), 480)) == "Mon 23 Nov 2026 09:00"
    assert (
        wall(STD.subtract(at("Tue 24 Nov 2026 10:00"), 60)) == "Tue 24 Nov 2026 09:00"
    )  # never 00:00, nor Monday 17:00


def test_an_empty_span_stays_where_it_is_also_at_night() -> None:
    night = at("Sat 21 Nov 2026 03:00")
    assert STD.add(night, 0) == STD.subtract(night, 0) == night


def test_a_negative_span_walks_backwards() -> None:
    assert STD.add(at("Tue 24 Nov 2026 10:00"), timedelta(hours=-2)) == at("Mon 23 Nov 2026 16:00")


def test_seconds_are_exact_and_fractions_are_dropped() -> None:
    start = at("Mon 23 Nov 2026 16:59:50")
    assert wall(STD.add(start, timedelta(seconds=11))) == "Tue 24 Nov 2026 09:00:01"
    assert STD.add(start + timedelta(microseconds=999_999), timedelta(seconds=11)) == STD.add(
        start, timedelta(seconds=11)
    )


def test_an_hour_that_the_clocks_skip_is_never_open_and_one_they_repeat_is_open_twice() -> None:
    night = BusinessCalendar("night", "Europe/London", (((60, 120),),) * 7)  # 01:00-02:00
    assert night.between(at("Sun 28 Mar 2027 00:00"), at("Sun 28 Mar 2027 12:00")) == timedelta(0)
    assert night.between(at("Sun 25 Oct 2026 00:00"), at("Sun 25 Oct 2026 12:00")) == timedelta(hours=2)


def test_day_and_night_is_clock_time() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert ALWAYS.add(start, timedelta(days=500)) == start + timedelta(days=500)
    assert ALWAYS.day_minutes == 1440


def test_the_usual_day_sets_the_length_of_a_business_day() -> None:
    assert (STD.day_minutes, SAMPLES.day_minutes) == (480, 510)
    saturday = BusinessCalendar("shop", "Europe/London", (NINE_TO_FIVE,) * 5 + (((540, 780),), ()))
    assert saturday.day_minutes == 480  # five days of 8 h, one of 4 h
    even = BusinessCalendar("even", "Europe/London", (NINE_TO_FIVE, ((540, 780),)) + ((),) * 5)
    assert even.day_minutes == 480  # on a tie the longer


@pytest.mark.parametrize(
    ("start", "days", "closing"),
    [
        ("Thu 24 Dec 2026 10:00", 1, "Tue 29 Dec 2026 17:00"),  # the day of receipt does not count
        ("Thu 24 Dec 2026 18:00", 3, "Thu 31 Dec 2026 17:00"),
        ("Sat 26 Dec 2026 10:00", 1, "Tue 29 Dec 2026 17:00"),
        ("Thu 24 Dec 2026 10:00", 0, "Thu 24 Dec 2026 17:00"),
        ("Sat 26 Dec 2026 10:00", 0, "Tue 29 Dec 2026 17:00"),
    ],
)
def test_business_days_follow_the_day_of_receipt(start: str, days: int, closing: str) -> None:
    assert wall(STD.add_days(at(start), days)) == closing


def test_opening_and_closing_of_a_day_and_its_very_end() -> None:
    christmas = date(2026, 12, 25)
    assert (wall(STD.start_of_business(christmas)), wall(STD.end_of_business(christmas))) == (
        "Tue 29 Dec 2026 09:00",
        "Tue 29 Dec 2026 17:00",
    )
    assert wall(STD.end_of_day(christmas)) == "Fri 25 Dec 2026 23:59:59"
    assert not STD.is_business_day(christmas) and STD.is_business_day(date(2026, 12, 29))


@pytest.mark.parametrize(
    ("received", "opens"),
    [
        ("Fri 20 Nov 2026 17:00", "Mon 23 Nov 2026 09:00"),
        ("Mon 23 Nov 2026 09:00", "Mon 23 Nov 2026 09:00"),
    ],
)
def test_closing_time_is_closed_and_opening_time_is_open(received: str, opens: str) -> None:
    assert wall(STD.next_open(at(received))) == opens


def test_far_years_are_reached_in_both_directions() -> None:
    start = at("Mon 23 Nov 2026 09:00")
    assert STD.add(start, timedelta(hours=8 * 261 * 30)).year in (2056, 2057)  # thirty years of working days
    assert STD.subtract(start, timedelta(hours=8 * 261 * 30)).year in (1996, 1997)
    with pytest.raises(ValueError, match="knows the years"):
        STD.add(start, timedelta(days=100_000))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        STD.add(datetime(2026, 11, 23, 9), 60)


@pytest.mark.parametrize(
    ("zone", "windows", "words"),
    [
        ("Europe/Londn", (NINE_TO_FIVE,) * 7, "no time zone"),
        ("../etc/passwd", (NINE_TO_FIVE,) * 7, "no time zone"),
        ("Europe/London", (NINE_TO_FIVE,) * 5, "7 days"),
        ("Europe/London", ((),) * 7, "no open time"),
        ("Europe/London", (((540, 780), (720, 1020)),) + ((),) * 6, "Monday: 09:00-13:00 and 12:00-17:00 overlap"),
        ("Europe/London", (((1320, 360),),) + ((),) * 6, "write a night as two windows"),
        ("Europe/London", (((0, 1441),),) + ((),) * 6, "within one day"),
    ],
)
def test_every_problem_of_a_calendar_is_said(zone: str, windows: tuple[tuple[Window, ...], ...], words: str) -> None:
    assert words in " ".join(problems(zone, windows))
    with pytest.raises(ValueError, match="calendar 'x'"):
        BusinessCalendar("x", zone, windows)


def test_equal_calendars_are_equal_and_travel() -> None:
    again = BusinessCalendar("std", "Europe/London", STD.windows, STD.days_off)
    assert again == STD and hash(again) == hash(STD)
    assert pickle.loads(pickle.dumps(STD)) == STD  # noqa: S301
    assert wall(pickle.loads(pickle.dumps(STD)).add(at("Fri 20 Nov 2026 16:30"), 240)) == "Mon 23 Nov 2026 12:30"  # noqa: S301
