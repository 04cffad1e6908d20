"""Deadlines: which run counts, what pauses it, what a change of urgency does, and what stays on the books.

Calendar SAMPLES: London, 09:00-17:30, a business day of 510 minutes, with the default targets: first answer 1 h by the
clock (critical), 4 h, 1 day, 2 days; update 4 h by the clock, 1, 3, 5 days; final answer 1, 2, 5, 10 days.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.casebook import ALWAYS, SAMPLES, STD, Story, at, flat, targets, wall
from triage.casework import deadline
from triage.casework.hours import BusinessCalendar
from triage.casework.policy import Limit, Policies, Policy, Span, Targets
from triage.casework.standards import TARGETS
from triage.words import State, Target, Urgency


def desk(urgency: str = "normal") -> Story:
    return Story(TARGETS, calendar=SAMPLES, urgency=urgency)


# -- spans -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("4 h", Span(4, "h")),
        ("30 min", Span(30, "min")),
        ("1 bd", Span(1, "bd")),
        ("1 clock_h", Span(1, "clock_h")),
        ("1 clock hour", Span(1, "clock_h")),
        ("15 business days", Span(15, "business_days")),
        ("8 weeks", Span(8, "weeks")),
        ("-2 h", Span(-2, "h")),
    ],
)
def test_spans_are_written_as_people_write_them(text: str, span: Span) -> None:
    assert Span.of(text) == span


@pytest.mark.parametrize("text", ["", "4", "four h", "4 fortnights", "-1 weeks", "1.5 h", "999999999 h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        Span.of(text)


def test_a_policy_without_an_urgency_and_a_default_that_is_off_are_refused() -> None:
    with pytest.raises(ValueError, match="no targets for critical"):
        Policy("p", "std", {u: t for u, t in TARGETS.items() if u is not Urgency.CRITICAL})
    with pytest.raises(ValueError, match="is disabled"):
        Policies({"p": Policy("p", "std", TARGETS, enabled=False)}, "p")
    with pytest.raises(ValueError, match="can never be met"):
        Targets(Span(0, "h"), Span(1, "bd"))


# -- the first answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgency", "received", "due", "mark"),
    [
        ("normal", "Mon 02 Mar 2026 10:00", "Tue 03 Mar 2026 10:00", "Mon 02 Mar 2026 16:22:30"),  # 75 % = 382.5 min
        ("urgent", "Mon 02 Mar 2026 10:00", "Mon 02 Mar 2026 14:00", "Mon 02 Mar 2026 13:00"),
        ("critical", "Fri 20 Mar 2026 18:45", "Fri 20 Mar 2026 19:45", "Fri 20 Mar 2026 19:30"),  # by the clock
        ("low", "Mon 02 Mar 2026 10:00", "Wed 04 Mar 2026 10:00", "Tue 03 Mar 2026 14:15"),  # 765 of 1,020 min
        ("normal", "Thu 16 Jul 2026 09:15", "Fri 17 Jul 2026 09:15", "Thu 16 Jul 2026 15:37:30"),
    ],
)
def test_the_default_targets(urgency: str, received: str, due: str, mark: str) -> None:
    found = desk(urgency).opens(received).clock("first_response")
    assert (wall(found.due), wall(found.reminder_at)) == (due, mark)


def test_the_states_of_a_clock_change_at_their_very_seconds() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    assert [
        story.state("first_response", f"Mon 02 Mar 2026 {now}") for now in ("12:59:59", "13:00:00", "13:59:59")
    ] == [
        "on_track",
        "at_risk",
        "at_risk",
    ]
    late = story.clock("first_response", "Mon 02 Mar 2026 14:30")
    assert (late.state, wall(late.breached_at), late.remaining) == (
        State.BREACHED,
        "Mon 02 Mar 2026 14:00",
        timedelta(minutes=-30),
    )


def test_internal_notes_receipts_and_automatic_mail_stop_nothing() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    story.tell("acknowledgement_sent", "Mon 02 Mar 2026 10:01").tell("noted", "Mon 02 Mar 2026 10:02", text="x")
    story.tell("mail_filed", "Mon 02 Mar 2026 10:03", mail=True, disposition="autoreply")
    assert story.clock("first_response", "Mon 02 Mar 2026 11:00").running


def test_a_phone_answer_entered_late_counts_from_when_it_was_given() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    assert story.sweep("Mon 02 Mar 2026 14:05") == ["first_response/1"]  # breach and step are on the books
    story.tell("replied", "Mon 02 Mar 2026 13:30", recorded="Mon 02 Mar 2026 15:00", channel="phone")
    assert story.state("first_response", "Mon 02 Mar 2026 15:00") == "met"
    assert [t.target for t in story.case.taken if not t.skipped] == ["first_response"]  # history stays


def test_a_bounced_answer_lets_the_clock_run_on_from_the_receipt() -> None:
    # sample t07: reply 15:05 and closed; bounce 15:06; due Fri 09:15 as before, mark 15:37:30; second sending 09:05
    story = desk().opens("Thu 16 Jul 2026 09:15").replies("Thu 16 Jul 2026 15:05").closes("Thu 16 Jul 2026 15:05")
    story.sweep("Thu 16 Jul 2026 15:05")  # "met" is on the books, and must not hide the bounce
    story.tell("bounced", "Thu 16 Jul 2026 15:06", reply_mail_id=2)
    found = story.clock("first_response", "Thu 16 Jul 2026 15:10")
    assert (wall(found.due), wall(found.reminder_at), found.state.value) == (
        "Fri 17 Jul 2026 09:15",
        "Thu 16 Jul 2026 15:37:30",
        "on_track",
    )
    story.replies("Fri 17 Jul 2026 09:05")
    found = story.clock("first_response")
    assert (found.state, found.remaining) == (State.MET, timedelta(minutes=10))


def test_a_forwarded_mail_counts_from_the_original_and_is_late_on_arrival() -> None:
    # sample t10: received Wed 29 Apr 13:20, first seen Fri 8 May 10:40, due Thu 30 Apr 13:20; answered Fri 12:00
    story = desk().opens("Wed 29 Apr 2026 13:20", recorded="Fri 08 May 2026 10:40")
    assert story.clock("first_response", "Fri 08 May 2026 10:40").remaining == -timedelta(hours=48, minutes=20)
    story.replies("Fri 08 May 2026 12:00")
    assert story.clock("first_response").remaining == -timedelta(hours=49, minutes=40)


# -- waiting and silence ---------------------------------------------------------------------------


def test_waiting_rests_the_resolution_only() -> None:
    # sample t09: our mail of 16:20 asks; the answer clock rests, the silence clock does not
    story = desk().opens("Thu 12 Nov 2026 14:00").replies("Thu 12 Nov 2026 16:20", asks=True)
    story.tell("held", "Thu 12 Nov 2026 16:20", via="mail", mail=2)
    states = {d.target.value: d.state.value for d in story.deadlines("Fri 13 Nov 2026 08:00")}
    assert states == {"first_response": "met", "update": "on_track", "resolution": "on_hold"}
    story.tell("customer_thanked", "Fri 13 Nov 2026 08:10", mail=True)
    assert [d.target.value for d in story.deadlines() if d.running] == ["update", "resolution"]  # no answer is owed


def test_silence_is_counted_from_our_last_mail_and_starts_anew_with_each() -> None:
    # samples t02 and t03: three business days since our mail
    story = desk().opens("Tue 20 Oct 2026 09:05").replies("Tue 20 Oct 2026 11:30")
    assert story.due("update") == "Fri 23 Oct 2026 11:30"
    story.replies("Thu 22 Oct 2026 15:00")
    assert story.due("update") == "Tue 27 Oct 2026 15:00"
    silence = [d for d in story.deadlines(history=True) if d.target is Target.UPDATE]
    assert [d.state.value for d in silence] == ["met", "on_track"]


def test_silence_does_not_count_before_the_first_answer_nor_after_closing() -> None:
    story = desk().opens("Tue 20 Oct 2026 09:05")
    assert "update" not in [d.target.value for d in story.deadlines()]
    story.replies("Tue 20 Oct 2026 11:30").closes("Tue 20 Oct 2026 12:00")
    assert story.state("update", "Mon 02 Nov 2026 12:00") == "cancelled"


# -- urgency ---------------------------------------------------------------------------------------


def test_a_raise_by_history_keeps_the_start_of_the_first_mail() -> None:
    # sample t01: first mail Mon 10:00; chase 13:10 makes it urgent: due 14:00; answered Tue 09:20, 3 h 50 min late
    story = desk().opens("Mon 02 Mar 2026 10:00").writes("Mon 02 Mar 2026 13:10")
    story.tell("chased", "Mon 02 Mar 2026 13:10").raised("Mon 02 Mar 2026 13:10", "urgent", "history")
    assert (story.due("first_response"), story.state("first_response")) == ("Mon 02 Mar 2026 14:00", "at_risk")
    story.replies("Tue 03 Mar 2026 09:20")
    assert story.clock("first_response").remaining == -timedelta(hours=3, minutes=50)


def test_a_raise_by_new_content_starts_the_answer_clocks_at_that_mail() -> None:
    # sample t12: answered Wed; the mail of Fri 18:45 brings danger: 1 h by the clock
    story = desk().opens("Wed 18 Mar 2026 10:00").replies("Wed 18 Mar 2026 16:40")
    story.writes("Fri 20 Mar 2026 18:45").raised("Fri 20 Mar 2026 18:45", "critical", "content")
    found = story.clock("next_response")
    assert (wall(found.due), wall(found.reminder_at)) == ("Fri 20 Mar 2026 19:45", "Fri 20 Mar 2026 19:30")
    assert story.due("resolution") == "Mon 23 Mar 2026 17:30"  # 1 business day from a Friday evening
    assert story.due("update") == "Fri 20 Mar 2026 22:45"
    assert story.state("first_response") == "met"


def test_an_answer_in_time_stays_in_time_whatever_is_raised_later() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").replies("Mon 02 Mar 2026 16:00")  # due Tue 10:00; urgent: 14:00
    story.raised("Mon 02 Mar 2026 16:30", "urgent", "history")
    assert (story.state("first_response"), story.due("first_response")) == ("met", "Tue 03 Mar 2026 10:00")


def test_what_was_late_before_a_raise_was_late_by_itself() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").raised("Tue 03 Mar 2026 11:00", "urgent", "history")
    found = story.clock("first_response")
    assert (wall(found.due), wall(found.breached_at), found.cause) == (
        "Tue 03 Mar 2026 10:00",
        "Tue 03 Mar 2026 10:00",
        "",
    )


def test_what_is_late_only_by_the_raise_says_so_and_from_when() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").raised("Mon 02 Mar 2026 15:00", "urgent", "history")
    found = story.clock("first_response")
    assert (wall(found.due), wall(found.breached_at), found.cause) == (
        "Mon 02 Mar 2026 14:00",
        "Mon 02 Mar 2026 15:00",
        "by raise",
    )


def test_a_raise_never_gives_more_time() -> None:
    # normal: due Tue 10:00. Urgent from the mail of Tue 09:50 alone would be Tue 13:50
    story = desk().opens("Mon 02 Mar 2026 10:00").writes("Tue 03 Mar 2026 09:50")
    story.raised("Tue 03 Mar 2026 09:50", "urgent", "content")
    assert story.due("first_response") == "Tue 03 Mar 2026 10:00"


def test_danger_on_a_case_that_is_late_already_gets_a_clock_of_its_own_and_the_breach_stays() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").writes("Wed 04 Mar 2026 20:00")
    story.raised("Wed 04 Mar 2026 20:00", "critical", "content")
    old, new = (d for d in story.deadlines("Wed 04 Mar 2026 20:10") if d.target is Target.FIRST_RESPONSE)
    assert (old.superseded, old.state, wall(old.breached_at)) == (True, State.BREACHED, "Tue 03 Mar 2026 10:00")
    assert (wall(new.due), new.state) == ("Wed 04 Mar 2026 21:00", State.ON_TRACK)
    assert not old.running


def test_lowering_keeps_the_start() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00").raised("Mon 02 Mar 2026 12:00", "normal", "person")
    assert story.due("first_response") == "Tue 03 Mar 2026 10:00"


# -- coming back -----------------------------------------------------------------------------------


def test_the_customer_comes_back_within_the_watch() -> None:
    # sample t08: closed Wed 9 Sep; mail Sat 19 Sep 14:20, urgent: due Mon 21 Sep 13:00, mark 12:00
    story = desk().opens("Mon 07 Sep 2026 11:00").replies("Mon 07 Sep 2026 13:30")
    story.tell("customer_thanked", "Wed 09 Sep 2026 10:20", mail=True).closes("Wed 09 Sep 2026 15:00")
    story.writes("Sat 19 Sep 2026 14:20").tell("reopened", "Sat 19 Sep 2026 14:20", by="customer")
    story.raised("Sat 19 Sep 2026 14:20", "urgent", "reopened")
    found = story.clock("next_response")
    assert (wall(found.due), wall(found.reminder_at)) == ("Mon 21 Sep 2026 13:00", "Mon 21 Sep 2026 12:00")
    assert story.due("update") == "Mon 21 Sep 2026 17:30"  # from the re-opening
    assert story.sweep("Sat 19 Sep 2026 14:20") == []


def test_reopened_with_nothing_left_the_resolution_gets_its_span_anew_and_no_alarm() -> None:
    story = Story(targets(Span(4, "h"), resolution=Span(8, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").closes("Tue 24 Nov 2026 12:00")  # 11 h: late
    story.tell("reopened", "Thu 26 Nov 2026 09:00", by="person")
    assert (story.due("resolution"), story.sweep("Thu 26 Nov 2026 09:00")) == ("Thu 26 Nov 2026 17:00", [])


def test_a_resumed_resolution_warns_at_three_quarters_of_what_is_left() -> None:
    story = Story(targets(Span(4, "h"), resolution=Span(8, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 13:00")  # 4 h left
    story.tell("reopened", "Thu 26 Nov 2026 09:00", by="person")
    assert wall(story.clock("resolution").reminder_at) == "Thu 26 Nov 2026 12:00"


def test_a_bounce_pauses_the_resolution_only_between_closing_and_bounce() -> None:
    story = Story(targets(Span(4, "h"), resolution=Span(8, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 11:00")
    story.tell("bounced", "Mon 23 Nov 2026 12:00", reply_mail_id=2)
    assert story.due("resolution") == "Tue 24 Nov 2026 10:00"  # one hour later than Monday 17:00


def test_the_time_a_case_was_closed_by_mistake_is_not_held_against_the_first_answer() -> None:
    story = Story(targets(Span(4, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.tell("closed", "Mon 23 Nov 2026 10:00", reason="not_a_complaint")
    assert story.state("first_response", "Wed 25 Nov 2026 10:00") == "cancelled"
    story.tell("reopened", "Wed 25 Nov 2026 10:00", by="person")
    assert story.due("first_response") == "Wed 25 Nov 2026 13:00"  # 3 h left


# -- the books -------------------------------------------------------------------------------------


def test_results_are_written_once_and_only_when_there_are_any() -> None:
    story = Story(targets(Span(4, "h"))).opens("Mon 23 Nov 2026 09:00")
    now = at("Mon 23 Nov 2026 12:00")
    assert deadline.unrecorded(story.case, story.deadlines(now, history=True)) == ()
    story.sweep("Mon 23 Nov 2026 13:00")
    assert [(r.target, r.breached, wall(r.breached_at)) for r in story.case.recorded] == [
        (Target.FIRST_RESPONSE, True, "Mon 23 Nov 2026 13:00")
    ]
    later = at("Mon 23 Nov 2026 15:00")
    assert deadline.unrecorded(story.case, story.deadlines(later, history=True)) == ()


def test_a_breach_on_the_books_outlives_a_longer_policy() -> None:
    story = Story(targets(Span(4, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.sweep("Mon 23 Nov 2026 13:00")
    story.policies = Policies({"p": Policy("p", "std", flat(targets(Span(40, "h"))))}, "p")
    found = story.clock("first_response", "Mon 23 Nov 2026 15:00")
    assert (found.state, wall(found.breached_at)) == (State.BREACHED, "Mon 23 Nov 2026 13:00")


def test_an_earlier_run_stays_in_the_history() -> None:
    story = Story(targets(Span(4, "h"))).opens("Mon 23 Nov 2026 09:00").replies("Mon 23 Nov 2026 10:00")
    story.writes("Mon 23 Nov 2026 10:30").replies("Mon 23 Nov 2026 16:00")  # due 14:30: late
    story.writes("Mon 23 Nov 2026 16:30")
    runs = [d for d in story.deadlines(history=True) if d.target is Target.NEXT_RESPONSE]
    assert [(d.state.value, d.cycle) for d in runs] == [("breached", 3), ("on_track", 5)]
    assert story.clock("next_response").cycle == 5


# -- names that config no longer knows -------------------------------------------------------------


def test_a_deleted_policy_or_calendar_leaves_the_defaults() -> None:
    story = Story(targets(Span(4, "h"))).opens("Fri 20 Nov 2026 16:30", policy="gone", calendar="gone")
    assert story.due("first_response") == "Mon 23 Nov 2026 12:30"


def test_a_limit_of_law_that_config_lost_is_loud() -> None:
    story = Story().opens("Mon 23 Nov 2026 09:00", statutory=["gone"])
    found = story.clock("statutory", name="gone")
    assert (found.state, found.cause) == (State.BREACHED, "limit not configured")


def test_a_limit_has_its_own_holidays_and_may_have_its_own_date() -> None:
    holidays = BusinessCalendar("bank", "Europe/London", STD.windows, frozenset({date(2026, 11, 24)}))
    rules = {"three": Limit("three", Span(3, "business_days"), calendar="bank")}
    story = Story(limits=rules).opens("Mon 23 Nov 2026 09:00", statutory=["three"])
    story.calendars["bank"] = holidays
    assert story.due("statutory", name="three") == "Fri 27 Nov 2026 17:00"  # 25, 26, 27; without the day off 26
    story.tell("statutory_set", "Mon 23 Nov 2026 10:00", name="dispute", due=at("Tue 01 Dec 2026 12:00"))
    assert story.due("statutory", name="dispute") == "Tue 01 Dec 2026 12:00"
    story.tell("statutory_met", "Tue 24 Nov 2026 10:00", name="dispute")
    assert story.state("statutory", name="dispute") == "met"


def test_a_breach_is_to_be_told_within_72_hours_by_the_clock() -> None:
    rules = {"breach_72h": Limit("breach_72h", Span(72, "clock_h"), frozenset())}
    story = Story(limits=rules, calendar=ALWAYS).opens("Fri 20 Nov 2026 18:00", statutory=["breach_72h"])
    story.replies("Fri 20 Nov 2026 19:00", response="final")
    assert (story.due("statutory", name="breach_72h"), story.state("statutory", name="breach_72h")) == (
        "Mon 23 Nov 2026 18:00",
        "on_track",  # an answer to the customer tells no authority
    )


def test_targets_may_count_days() -> None:
    story = Story(targets(Span(2, "business_days"), resolution=Span(15, "days"))).opens("Thu 24 Dec 2026 10:00")
    assert story.due("first_response") == "Wed 30 Dec 2026 17:00"  # 29, 30
    assert story.due("resolution") == "Fri 08 Jan 2027 23:59:59"
