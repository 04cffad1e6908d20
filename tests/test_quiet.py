"""Quiet hours: the first moment at which people may be written to."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.casebook import ALWAYS, STD, at, wall
from triage.casework.quiet import Quiet


def quiet(outside: bool, start: str = "", end: str = "") -> Quiet:
    return Quiet("Europe/London", outside, *(time.fromisoformat(t) if t else None for t in (start, end)))


@pytest.mark.parametrize(
    ("hours", "asked", "told"),
    [
        (quiet(True), "Mon 23 Nov 2026 10:00", "Mon 23 Nov 2026 10:00"),
        (quiet(True), "Fri 20 Nov 2026 17:00", "Mon 23 Nov 2026 09:00"),  # 17:00 sharp is closed
        (quiet(False), "Sat 21 Nov 2026 03:00", "Sat 21 Nov 2026 03:00"),
        (quiet(False, "22:00", "07:00"), "Sat 21 Nov 2026 23:00", "Sun 22 Nov 2026 07:00"),
        (quiet(False, "22:00", "07:00"), "Sun 22 Nov 2026 06:59", "Sun 22 Nov 2026 07:00"),
        (quiet(False, "22:00", "07:00"), "Sun 22 Nov 2026 07:00", "Sun 22 Nov 2026 07:00"),
        (
            quiet(True, "09:00", "10:30"),
            "Sat 21 Nov 2026 12:00",
            "Mon 23 Nov 2026 10:30",
        ),  # opening, then its quiet start
        (quiet(True, "16:00", "08:00"), "Mon 23 Nov 2026 16:30", "Tue 24 Nov 2026 09:00"),
        (quiet(False, "12:00", "12:00"), "Mon 23 Nov 2026 12:00", "Mon 23 Nov 2026 12:00"),  # no length at all
        (
            quiet(False, "22:00", "07:00"),
            "Sat 27 Mar 2027 23:00",
            "Sun 28 Mar 2027 07:00",
        ),  # the night is an hour short
    ],
)
def test_what_can_wait_waits_for_the_end_of_the_quiet_hours(hours: Quiet, asked: str, told: str) -> None:
    assert wall(hours.over(at(asked), STD)) == told


def test_hours_that_leave_no_time_at_all_hold_nothing_up() -> None:
    """Open 09:00-17:00 and quiet 08:00-18:00: told at a bad time is better than never."""
    asked = at("Mon 23 Nov 2026 10:00")
    assert quiet(True, "08:00", "18:00").over(asked, STD) == asked


@settings(max_examples=150, deadline=None)
@given(
    minutes=st.integers(0, 60 * 24 * 400), start=st.integers(0, 1439), length=st.integers(1, 700), outside=st.booleans()
)
def test_never_before_it_was_asked_never_inside_and_asked_again_the_same(
    minutes: int, start: int, length: int, outside: bool
) -> None:
    def clock(minute: int) -> time:
        return time(minute // 60 % 24, minute % 60)

    hours = Quiet("Europe/London", outside, clock(start), clock((start + length) % 1440))
    asked = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    told = hours.over(asked, ALWAYS)
    assert told >= asked and hours.over(told, ALWAYS) == told and told - asked <= timedelta(minutes=length + 61)
