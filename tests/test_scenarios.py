"""The twenty acceptance scenarios of the clocks, those parts that are pure arithmetic, and the extras.

Calendar: London, Monday to Friday 09:00-17:00; days off 25 and 28 December 2026, 1 January, 26 and 29 March 2027.
Spans are business hours unless said. The arithmetic stands beside each line.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.casebook import ALWAYS, HOLIDAYS, NINE_TO_FIVE, QUIET, STD, WEEKEND, Story, at, flat, targets, wall
from triage.casework import deadline
from triage.casework.hours import BusinessCalendar
from triage.casework.ladder import Ladder, Step
from triage.casework.policy import Policies, Policy, Span
from triage.casework.standards import PACKS
from triage.errors import NotAllowed
from triage.words import Target, Urgency


def hours(amount: int) -> Span:
    return Span(amount, "h")


# 1 -- a weekend


@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("Fri 20 Nov 2026 16:30", "Mon 23 Nov 2026 12:30"),  # 0.5 h on Friday, 3.5 h from Monday 09:00
        ("Sat 21 Nov 2026 12:00", "Mon 23 Nov 2026 13:00"),  # nothing on Saturday, 4 h from Monday 09:00
        ("Fri 20 Nov 2026 17:00", "Mon 23 Nov 2026 13:00"),  # 17:00 sharp is closed
    ],
)
def test_01_a_weekend_does_not_count(received: str, due: str) -> None:
    assert Story(targets(hours(4))).opens(received).due("first_response") == due


# 2 -- edges and split days


def test_02_a_day_that_is_just_full_ends_today_not_tomorrow_morning() -> None:
    story = Story(targets(hours(8))).opens("Mon 23 Nov 2026 09:00")
    assert story.due("first_response") == "Mon 23 Nov 2026 17:00"


def test_02_the_lunch_break_of_a_split_day_does_not_count() -> None:
    split = BusinessCalendar("split", "Europe/London", (((540, 750), (780, 1050)),) * 5 + WEEKEND)
    story = Story(targets(hours(4)), calendar=split).opens("Mon 23 Nov 2026 11:00")
    assert story.due("first_response") == "Mon 23 Nov 2026 15:30"  # 1.5 h to 12:30, 2.5 h from 13:00


@pytest.mark.parametrize(
    ("answered", "state"), [("Mon 23 Nov 2026 13:00:00", "met"), ("Mon 23 Nov 2026 13:00:01", "breached")]
)
def test_02_the_due_second_is_in_time_and_the_next_is_not(answered: str, state: str) -> None:
    story = Story(targets(hours(4))).opens("Mon 23 Nov 2026 09:00").replies(answered)
    assert story.state("first_response") == state


@pytest.mark.parametrize(
    "windows", [((),) * 7, (((540, 780), (720, 1020)),) * 5 + WEEKEND, (((1320, 360),),) * 7], ids=str
)
def test_02_a_calendar_that_never_opens_or_overlaps_is_refused(
    windows: tuple[tuple[tuple[int, int], ...], ...],
) -> None:
    with pytest.raises(ValueError, match=r"no open time|overlap|must run forward"):
        BusinessCalendar("bad", "Europe/London", windows)


# 3, 4, 5 -- days off, clock changes, zones


def test_03_days_off_do_not_count() -> None:
    # Thu 24 Dec 15:00: 2 h; 25 is off, weekend, 28 is off; Tue 29 Dec: 6 h from 09:00
    assert Story(targets(hours(8))).opens("Thu 24 Dec 2026 15:00").due("first_response") == "Tue 29 Dec 2026 15:00"


def test_04_easter_and_the_start_of_summer_time() -> None:
    story = Story(targets(hours(4))).opens("Thu 25 Mar 2027 16:00")  # 1 h; Fri and Mon off; Tue 3 h, now BST
    assert story.due("first_response") == "Tue 30 Mar 2027 12:00"
    assert story.clock("first_response").due == datetime(2027, 3, 30, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (datetime(2027, 3, 27, 22, tzinfo=UTC), datetime(2027, 3, 28, 2, tzinfo=UTC)),  # 22:00 GMT + 4 h = 03:00 BST
        (datetime(2027, 10, 30, 22, tzinfo=UTC), datetime(2027, 10, 31, 2, tzinfo=UTC)),  # 23:00 BST + 4 h = 02:00 GMT
    ],
)
def test_04_day_and_night_four_hours_are_four_hours_when_the_clocks_change(received: datetime, due: datetime) -> None:
    assert ALWAYS.add(received, timedelta(hours=4)) == due


@pytest.mark.parametrize(
    ("zone", "due"),
    [
        ("Europe/London", datetime(2026, 11, 24, 13, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 24, 18, tzinfo=UTC)),
    ],
)
def test_05_each_desk_counts_on_its_own_wall(zone: str, due: datetime) -> None:
    desk = BusinessCalendar("desk", zone, (NINE_TO_FIVE,) * 5 + WEEKEND)
    assert desk.add(datetime(2026, 11, 23, 22, 30, tzinfo=UTC), timedelta(hours=4)) == due


@pytest.mark.parametrize("server", ["UTC", "Asia/Tokyo"])
def test_05_the_zone_of_the_server_changes_nothing(server: str) -> None:
    code = (
        "from tests.casebook import *; print(Story(targets(Span(4,'h'))).opens('Fri 20 Nov 2026 16:30')"
        ".clock('first_response').due.isoformat())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": server}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2026-11-23T12:30:00+00:00"


# 6, 7 -- waiting for the customer


def waiting() -> Story:
    """Resolution 8 h from Monday 09:00; answered with a question, and waiting, from 11:00: 2 h used."""
    story = Story(targets(hours(4), resolution=hours(8))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 11:00", asks=True)
    return story.tell("held", "Mon 23 Nov 2026 11:00", via="mail", mail=story.mails)


def test_06_the_clock_rests_while_the_customer_is_asked() -> None:
    story = waiting()
    paused = story.clock("resolution", "Tue 24 Nov 2026 16:00")
    assert (paused.state.value, paused.due, paused.remaining) == ("on_hold", None, timedelta(hours=6))
    assert story.sweeps("Mon 23 Nov 2026 11:00", "Wed 25 Nov 2026 09:55") == []
    story.writes("Wed 25 Nov 2026 10:00")
    assert story.due("resolution") == "Wed 25 Nov 2026 16:00"  # 6 h left


def test_06_a_wait_outside_opening_hours_moves_nothing() -> None:
    story = Story(targets(hours(4), resolution=hours(12))).opens("Mon 23 Nov 2026 09:00")
    story.tell("held", "Mon 23 Nov 2026 18:00", via="command").writes("Tue 24 Nov 2026 08:00")
    assert story.due("resolution") == "Tue 24 Nov 2026 13:00"  # 8 h on Monday, 4 h on Tuesday


@pytest.mark.parametrize("disposition", ["autoreply", "bounce", "internal"])
def test_07_automatic_mail_ends_no_wait(disposition: str) -> None:
    story = waiting()
    before = story.deadlines("Tue 24 Nov 2026 09:30")
    for minute in range(0, 10):
        story.tell("mail_filed", f"Tue 24 Nov 2026 09:{minute:02d}", mail=True, disposition=disposition)
    assert story.deadlines("Tue 24 Nov 2026 09:30") == before
    assert story.case.status.value == "on_hold"


# 8 -- re-opening


@pytest.mark.parametrize(("mode", "due"), [("resume", "Wed 25 Nov 2026 12:00"), ("restart", "Thu 26 Nov 2026 10:00")])
def test_08_a_reopened_case_goes_on_with_what_was_left_or_starts_anew(mode: str, due: str) -> None:
    story = Story(targets(hours(4), resolution=hours(8)), reopen=mode).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 15:00")  # 6 h used, 2 h left
    first = story.clock("first_response")
    assert story.state("resolution") == "met"
    story.writes("Wed 25 Nov 2026 10:00").tell("reopened", "Wed 25 Nov 2026 10:00", by="customer")
    assert story.due("resolution") == due
    assert story.sweep("Wed 25 Nov 2026 10:00") == []  # no alarm at the moment of re-opening
    assert story.clock("first_response") == first


def test_08_thanks_for_a_closed_case_open_nothing() -> None:
    story = Story(targets(hours(4), resolution=hours(8))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 15:00")
    story.tell("customer_thanked", "Wed 25 Nov 2026 10:00", mail=True)
    assert story.case.status.value == "closed"
    assert [d for d in story.deadlines("Wed 25 Nov 2026 11:00") if d.running] == []


# 9, 10 -- next response


def test_09_the_next_answer_is_owed_to_the_oldest_unanswered_mail() -> None:
    story = Story(targets(hours(4))).opens("Mon 23 Nov 2026 09:00").replies("Mon 23 Nov 2026 10:00")
    story.writes("Mon 23 Nov 2026 14:00").writes("Mon 23 Nov 2026 15:00")
    assert story.due("next_response") == "Tue 24 Nov 2026 10:00"  # 3 h on Monday from 14:00, 1 h on Tuesday
    story.tell("noted", "Mon 23 Nov 2026 15:30", text="rang the warehouse")
    story.tell("acknowledgement_sent", "Mon 23 Nov 2026 15:31")
    assert story.state("next_response", "Mon 23 Nov 2026 16:00") == "on_track"
    story.replies("Tue 24 Nov 2026 09:30")
    assert story.state("next_response") == "met"
    assert story.clock("next_response", "Tue 24 Nov 2026 12:00").running is False


def test_10_a_shorter_next_response_does_not_exist_before_the_first() -> None:
    story = Story(targets(hours(8), next=hours(2))).opens("Mon 23 Nov 2026 09:00")
    running = [d for d in story.deadlines("Mon 23 Nov 2026 10:00") if d.running]
    assert [(d.target.value, wall(d.due)) for d in running] == [("first_response", "Mon 23 Nov 2026 17:00")]


# 11 -- another urgency


def raised(mode: str) -> Story:
    """Resolution 40 h at normal, 4 h at critical; a person raises the case on Tuesday at 12:00."""
    wanted = flat(targets(hours(60), resolution=hours(40)))
    wanted[Urgency.CRITICAL] = targets(hours(60), resolution=hours(4))
    story = Story(wanted).opens("Mon 23 Nov 2026 09:00")
    assert story.due("resolution") == "Fri 27 Nov 2026 17:00"  # five days of 8 h
    return story.raised("Tue 24 Nov 2026 12:00", "critical", "person", mode=mode)


def test_11_a_raise_from_the_change() -> None:
    assert raised("from_change").due("resolution") == "Tue 24 Nov 2026 16:00"


def test_11_a_raise_from_the_receipt_may_be_overdue_at_once_and_says_why() -> None:
    story = raised("from_receipt")
    found = story.clock("resolution", "Tue 24 Nov 2026 12:00")
    assert (wall(found.due), found.state.value, found.cause) == (
        "Mon 23 Nov 2026 13:00",
        "breached",
        "by policy change",
    )
    assert wall(found.breached_at) == "Tue 24 Nov 2026 12:00"  # nobody was late before the change
    assert [step for _, step in story.sweeps("Tue 24 Nov 2026 12:00", "Tue 24 Nov 2026 17:00")] == ["resolution/3"]


def test_11_earlier_waits_still_count_under_the_new_policy() -> None:
    story = Story(targets(hours(4), resolution=hours(40)))
    story.policies = Policies(
        {
            "p": story.policies.policies["p"],
            "fast": Policy("fast", "std", flat(targets(hours(4), resolution=hours(12)))),
        },
        "p",
    )
    story.opens("Mon 23 Nov 2026 09:00").replies("Mon 23 Nov 2026 11:00", asks=True)
    story.tell("held", "Mon 23 Nov 2026 11:00", via="mail", mail=1).writes("Tue 24 Nov 2026 11:00")  # 8 h of waiting
    story.tell("policy_set", "Tue 24 Nov 2026 12:00", policy="fast", why="key account")
    assert story.due("resolution") == "Wed 25 Nov 2026 13:00"  # 2 h Monday, 6 h Tuesday, 4 h Wednesday
    assert [r.policy for r in story.case.regimes] == ["p", "fast"]


# 12 -- a calendar edited


def test_12_a_new_day_off_moves_what_is_open_and_leaves_what_is_on_the_books() -> None:
    story = Story(targets(hours(8), next=hours(2), resolution=hours(16))).opens("Wed 25 Nov 2026 12:00")
    assert story.due("first_response") == "Thu 26 Nov 2026 12:00"
    closed = BusinessCalendar("std", "Europe/London", STD.windows, HOLIDAYS | {date(2026, 11, 26)})
    assert deadline.of(story.case, story.policies, {"std": closed}, at("Wed 25 Nov 2026 13:00"))[0].due == at(
        "Fri 27 Nov 2026 12:00"
    )
    # the first response is breached on Thursday and answered on Friday, and both are recorded, before the edit
    story.sweep("Thu 26 Nov 2026 12:00")
    story.replies("Fri 27 Nov 2026 09:00").sweep("Fri 27 Nov 2026 09:00")
    story.calendars["std"] = closed
    kept = story.clock("first_response", "Fri 27 Nov 2026 10:00")
    assert (wall(kept.due), kept.state.value, wall(kept.breached_at)) == (
        "Thu 26 Nov 2026 12:00",
        "breached",
        "Thu 26 Nov 2026 12:00",
    )
    assert story.due("resolution") == "Mon 30 Nov 2026 12:00"  # 5 h Wednesday, none Thursday, 8 h Friday, 3 h Monday


# 13, 14, 15 -- the ladder


LADDER = Ladder(
    steps=(
        Step(0, hours(-2), ("owner",), name="two hours before"),
        Step(0, hours(-1), ("owner",), name="one hour before"),
        Step(1, 100, ("owner", "lead")),
        Step(2, hours(2), ("manager",)),
        Step(3, hours(8), ("head",)),
    ),
    **QUIET,  # type: ignore[arg-type]
)


def laddered() -> Story:
    """Due Tuesday 24 November 10:00: 7 h on Monday from 10:00, 1 h on Tuesday."""
    story = Story(targets(hours(8)), ladder=LADDER).opens("Mon 23 Nov 2026 10:00")
    assert story.due("first_response") == "Tue 24 Nov 2026 10:00"
    return story


def test_13_each_step_once_however_many_sweeps() -> None:
    assert laddered().sweeps("Mon 23 Nov 2026 10:00", "Thu 26 Nov 2026 10:00") == [
        ("Mon 23 Nov 2026 16:00", "first_response/0"),  # 1 h of Tuesday and 1 h of Monday before
        ("Tue 24 Nov 2026 09:00", "first_response/0"),
        ("Tue 24 Nov 2026 10:00", "first_response/1"),
        ("Tue 24 Nov 2026 12:00", "first_response/2"),
        ("Wed 25 Nov 2026 10:00", "first_response/3"),
    ]


def test_13_an_answer_cancels_the_steps_that_are_left() -> None:
    story = laddered()
    story.sweeps("Mon 23 Nov 2026 10:00", "Tue 24 Nov 2026 11:00", 30)
    story.replies("Tue 24 Nov 2026 11:00").closes("Tue 24 Nov 2026 11:00")
    assert story.sweeps("Tue 24 Nov 2026 11:00", "Thu 26 Nov 2026 17:00", 30) == []


def test_14_after_an_outage_one_message_at_the_highest_step_and_the_true_time() -> None:
    story = laddered()
    story.sweeps("Mon 23 Nov 2026 10:00", "Tue 24 Nov 2026 09:30")
    (step,) = story.steps("Tue 24 Nov 2026 12:30")
    assert (step.step, step.late, wall(step.due_at)) == (2, True, "Tue 24 Nov 2026 12:00")
    assert [key.rsplit("/", 1)[-1] for key in step.skipped] == ["1"]
    assert step.roles == ("manager", "owner", "lead")  # those who missed their step hear of it too
    assert story.sweep("Tue 24 Nov 2026 12:30") == ["first_response/2"]
    assert wall(story.clock("first_response", "Tue 24 Nov 2026 12:30").breached_at) == "Tue 24 Nov 2026 10:00"
    assert [taken.key for taken in story.case.taken if taken.skipped] == [*step.skipped]


def test_15_an_answer_between_two_sweeps_is_late_by_its_minutes_and_raises_no_alarm() -> None:
    story = Story(targets(hours(4))).opens("Mon 23 Nov 2026 09:00")
    story.sweep("Mon 23 Nov 2026 12:55")
    story.replies("Mon 23 Nov 2026 13:02")
    found = story.clock("first_response", "Mon 23 Nov 2026 13:05")
    assert (found.state.value, found.remaining) == ("breached", timedelta(minutes=-2))
    assert story.sweep("Mon 23 Nov 2026 13:05") == []


# 18 -- limits of law


@pytest.mark.parametrize(
    ("received", "name", "due"),
    [
        # business days: 29, 30, 31 December
        ("Thu 24 Dec 2026 10:00", "disp_summary", "Thu 31 Dec 2026 17:00"),
        ("Thu 24 Dec 2026 10:00", "disp_final", "Thu 18 Feb 2027 23:59:59"),  # 56 days
        ("Thu 24 Dec 2026 10:00", "psd_15", "Tue 19 Jan 2027 17:00"),  # 3 in December, 5, 5, 2
        ("Thu 24 Dec 2026 10:00", "psd_35", "Tue 16 Feb 2027 17:00"),
        ("Fri 18 Dec 2026 10:00", "disp_summary", "Wed 23 Dec 2026 17:00"),
        ("Fri 18 Dec 2026 10:00", "disp_final", "Fri 12 Feb 2027 23:59:59"),
        ("Fri 18 Dec 2026 10:00", "psd_15", "Wed 13 Jan 2027 17:00"),
        ("Fri 18 Dec 2026 10:00", "psd_35", "Wed 10 Feb 2027 17:00"),
    ],
)
def test_18_the_regulators_days(received: str, name: str, due: str) -> None:
    story = regulated(received).replies("Mon 11 Jan 2027 10:00", response="holding")
    assert story.due("statutory", name=name) == due


def regulated(received: str) -> Story:
    limits = {limit.name: limit for pack in ("uk_disp", "uk_psd") for limit in PACKS[pack]}
    names = ["disp_summary", "disp_final", "psd_15", "psd_35"]
    return Story(targets(hours(4), resolution=hours(8)), limits=limits).opens(received, statutory=names)


def test_18_reminders_come_at_weeks_four_and_seven() -> None:
    found = regulated("Thu 24 Dec 2026 10:00").clock("statutory", name="disp_final")
    assert [wall(moment) for moment in found.reminders] == ["Thu 21 Jan 2027 09:00", "Thu 11 Feb 2027 09:00"]


def test_18_no_wait_no_reopening_no_raise_and_no_policy_moves_a_limit() -> None:
    story = regulated("Thu 24 Dec 2026 10:00")
    before = [(d.name, d.due) for d in story.deadlines() if d.target is Target.STATUTORY]
    story.replies("Tue 29 Dec 2026 10:00", asks=True).tell("held", "Tue 29 Dec 2026 10:00", via="command")
    story.writes("Tue 29 Dec 2026 12:00").raised("Tue 29 Dec 2026 12:00", "urgent", "content")
    story.tell("policy_set", "Tue 29 Dec 2026 13:00", policy="another", why="moved")
    assert [(d.name, d.due) for d in story.deadlines() if d.target is Target.STATUTORY] == before


def test_18_a_holding_reply_in_time_opens_the_longer_limit() -> None:
    story = regulated("Thu 24 Dec 2026 10:00")
    assert "psd_35" not in [d.name for d in story.deadlines("Mon 11 Jan 2027 09:00")]
    story.replies("Mon 11 Jan 2027 10:00", response="holding")
    assert (story.state("statutory", name="psd_15"), story.state("statutory", name="psd_35")) == ("met", "on_track")
    story.replies("Mon 15 Feb 2027 10:00", response="final")
    assert (story.state("statutory", name="psd_35"), story.state("statutory", name="disp_final")) == ("met", "met")


def test_18_the_three_day_opportunity_lapses_without_an_alarm() -> None:
    story = regulated("Thu 24 Dec 2026 10:00")
    found = story.clock("statutory", "Mon 4 Jan 2027 09:00", name="disp_summary")
    assert (found.state.value, found.cause) == ("cancelled", "lapsed")
    assert all(step.name != "disp_summary" for step in story.steps("Mon 4 Jan 2027 09:00"))


# 20 -- doubt


def test_20_a_doubt_nobody_looks_at_reaches_the_lead_after_half_an_hour() -> None:
    story = Story(targets(hours(4))).opens("Mon 23 Nov 2026 16:45")
    story.tell("review_wanted", "Mon 23 Nov 2026 16:45", reasons=["type p=0.41"])
    assert story.due("review") == "Tue 24 Nov 2026 09:15"  # 15 min on Monday, 15 on Tuesday
    (step,) = [s for s in story.steps("Tue 24 Nov 2026 09:15") if s.target == "review"]
    assert step.roles == ("lead",)
    story.tell("reviewed", "Tue 24 Nov 2026 09:20").tell(
        "classified", "Tue 24 Nov 2026 09:20", complaint_type="billing", why="reviewer"
    )
    assert story.due("first_response") == "Tue 24 Nov 2026 12:45"  # still from the receipt
    assert [s for s in story.steps("Tue 24 Nov 2026 10:00") if s.target == "review"] == []


# extras


def test_a_merged_duplicate_keeps_the_earliest_receipt_and_loses_its_own_clocks() -> None:
    child = Story(targets(hours(4))).opens("Mon 23 Nov 2026 09:00", case_id=2, number="C-2")
    parent = Story(targets(hours(4))).opens("Mon 23 Nov 2026 11:00")
    child.tell("merged_into", "Mon 23 Nov 2026 11:30", case_id=1)
    parent.tell(
        "absorbed",
        "Mon 23 Nov 2026 11:30",
        case_id=2,
        received_at=child.case.received_at.isoformat(),
        contacts=[{"at": child.case.received_at.isoformat(), "direction": "in", "mail_id": 77}],
    )
    assert parent.due("first_response") == "Mon 23 Nov 2026 13:00"
    assert child.state("first_response", "Mon 23 Nov 2026 14:00") == "cancelled"
    assert child.steps("Mon 23 Nov 2026 14:00") == () and child.next_moment("Mon 23 Nov 2026 14:00") is None


def test_a_disabled_policy_cancels_its_clocks_but_forgets_nobody() -> None:
    off = Policy("off", "std", flat(targets(hours(4), resolution=hours(8))), enabled=False)
    rules = Policies({"p": Policy("p", "std", flat(targets(hours(4), update=hours(16)))), "off": off}, "p")
    story = Story(policies=rules).opens("Mon 23 Nov 2026 09:00", policy="off")
    assert [(d.target.value, d.state.value) for d in story.deadlines("Mon 23 Nov 2026 14:00")] == [
        ("first_response", "cancelled"),
        ("update", "on_track"),
        ("resolution", "cancelled"),
    ]
    assert story.steps("Mon 23 Nov 2026 17:00") == ()
    found = deadline.next_deadline(story.deadlines("Mon 23 Nov 2026 14:00"))
    assert found is not None and found.target is Target.UPDATE


def test_a_date_set_by_hand_stands_until_it_is_cleared() -> None:
    story = Story(targets(hours(4), resolution=hours(16))).opens("Mon 23 Nov 2026 09:00")
    story.tell("due_set", "Mon 23 Nov 2026 10:00", target="resolution", due=at("Fri 27 Nov 2026 12:00").isoformat())
    found = story.clock("resolution")
    assert (wall(found.due), found.manual, found.cause) == ("Fri 27 Nov 2026 12:00", True, "by hand")
    story.raised("Mon 23 Nov 2026 11:00", "urgent", "history")
    assert story.due("resolution") == "Fri 27 Nov 2026 12:00"
    story.tell("due_cleared", "Mon 23 Nov 2026 12:00", target="resolution")
    assert (story.due("resolution"), story.clock("resolution").manual) == ("Tue 24 Nov 2026 17:00", False)


def test_a_limit_of_law_is_not_set_by_hand() -> None:
    story = Story().opens("Mon 23 Nov 2026 09:00")
    with pytest.raises(NotAllowed, match="not set by hand"):
        story.tell("due_set", "Mon 23 Nov 2026 10:00", target="statutory", due="2026-12-01T09:00:00+00:00")
