"""Scenarios 1 to 10 and 18 of the clocks through the real operations: mails taken in, commands given, sweeps swept. On
SQLite and on PostgreSQL. (11 to 17, 19 and 20 stand in test_desk_scenarios.py, the arithmetic alone in
test_scenarios.py.)

Calendar: London, Monday to Friday 09:00-17:00, bank holidays of England.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.casebook import flat, targets, wall
from tests.conversation import Lent
from tests.deskbook import DeskBook, Guess, settled
from triage.casework.deadline import Deadline
from triage.casework.policy import Policies, Policy, Span
from triage.errors import ConfigInvalid
from triage.operations.casebook import deadlines
from triage.words import Status, Target
from triage.world import config
from triage.world.config import Config
from triage.world.store import cases
from triage.world.store.database import Database

HOURS = ("calendars.yaml", ("calendars", "standard", "hours", "mon-fri"))
ZONE = ("calendars.yaml", ("calendars", "standard", "zone"))
PARCEL = "My parcel has not come. Order OL-33521."


def owing(first: Span, changes: Mapping[Any, Any] | None = None, *, reopen: str = "resume", **more: Span) -> Config:
    """The shipped config with these targets at every urgency."""
    conf = settled(changes)
    policy = Policy("standard", "standard", flat(targets(first, **more)), reopen)
    return replace(conf, policies=Policies({"standard": policy}, "standard", conf.policies.limits))


def h(amount: int) -> Span:
    return Span(amount, "h")


class Book(DeskBook):
    """A desk with one customer, whose mails belong together."""

    def mail(self, when: str, text: str = PARCEL, **headers: str) -> int:
        """The customer writes; the case's id."""
        again = {"In_Reply_To": "<m1@example.com>"} if next(self.numbers) > 1 else {}
        self.numbers = iter(range(self.count, 10**6))
        self.count += 1
        rows = self.arrives(when, text, sender="Jo Low <jo@example.com>", **again, **headers)
        return int(rows[0]["id"])

    count = 1

    def reopen(self, conf: Config) -> None:
        """The program starts anew with another config."""
        reader = self.desk.reader
        self.open(conf).reader = reader

    def clock_of(self, case: int, target: str, name: str = "") -> Deadline:
        found = deadlines(self.desk, self.case(case), self.desk.now())
        (one,) = [d for d in found if d.target is Target(target) and d.name == name]
        return one

    def due(self, case: int, target: str = "first_response", name: str = "", zone: str = "Europe/London") -> str | None:
        return wall(self.clock_of(case, target, name).due, zone)


@pytest.fixture
def room_for(database: Database, tmp_path: Path, reader: Lent) -> Any:
    """Opens a desk with a config; the reader's process is lent from test to test."""

    def open_(conf: Config, model: Guess | None = None) -> Book:
        book = Book(database, tmp_path, conf, model)
        book.desk.reader = reader
        return book

    return open_


# 1 to 5 -- when a mail is due


def test_01_a_weekend_does_not_count(room_for: Any) -> None:
    book = room_for(owing(h(4)))
    case = book.mail("Fri 20 Nov 2026 16:30")
    assert book.due(case) == "Mon 23 Nov 2026 12:30"  # 0.5 h on Friday, 3.5 h from Monday 09:00
    with book.database.read() as tx:  # and the sweep knows when to look again: at 75 percent
        assert cases.rows(tx, everything=True)[0]["next_due_at"] <= book.clock_of(case, "first_response").due
    assert book.due(book.opens("Fri 20 Nov 2026 17:00")) == "Mon 23 Nov 2026 13:00"  # 17:00 sharp is closed
    assert book.due(book.opens("Sat 21 Nov 2026 12:00")) == "Mon 23 Nov 2026 13:00"  # nothing on Saturday


def test_02_a_day_that_is_just_full_ends_today_and_a_split_day_has_its_lunch(room_for: Any) -> None:
    book = room_for(owing(h(8)))
    assert book.due(book.mail("Mon 23 Nov 2026 09:00")) == "Mon 23 Nov 2026 17:00"
    book.reopen(owing(h(4), {HOURS: ["09:00-12:30", "13:00-17:30"]}))
    case = book.opens("Mon 23 Nov 2026 11:00")
    assert book.due(case) == "Mon 23 Nov 2026 15:30"  # 1.5 h to 12:30, 2.5 h from 13:00


def test_02_the_due_second_is_in_time_and_the_next_is_not(room_for: Any) -> None:
    book = room_for(owing(h(4)))
    in_time, late = book.opens("Mon 23 Nov 2026 09:00"), book.opens("Mon 23 Nov 2026 09:00")
    book.replied(in_time, "Mon 23 Nov 2026 13:00:00")
    book.replied(late, "Mon 23 Nov 2026 13:00:01")
    assert ("first_response", "met", None) in book.recorded(in_time)
    assert ("first_response", "late", "Mon 23 Nov 2026 13:00") in book.recorded(late)


@pytest.mark.parametrize(
    ("hours", "said"),
    [('"17:00-09:00"', "calendars.yaml:7"), ('["09:00-13:00", "12:00-17:00"]', "calendars.yaml:7")],
)
def test_02_a_calendar_that_runs_backwards_or_overlaps_is_refused_with_its_line(hours: str, said: str) -> None:
    files = {name: text.encode() for name, text in settled().files.items()}
    files["calendars.yaml"] = files["calendars.yaml"].replace(b'"09:00-17:00"', hours.encode())
    with pytest.raises(ConfigInvalid) as refused:
        config.load_files(files)
    assert said in str(refused.value)


def test_03_days_off_do_not_count(room_for: Any) -> None:
    # Thu 24 Dec 15:00: 2 h; Christmas, weekend, Boxing Day's substitute; Tue 29 Dec: 6 h from 09:00
    book = room_for(owing(h(8)))
    assert book.due(book.mail("Thu 24 Dec 2026 15:00")) == "Tue 29 Dec 2026 15:00"


def test_04_easter_and_both_changes_of_the_clocks(room_for: Any) -> None:
    book = room_for(owing(h(4)))
    case = book.mail("Thu 25 Mar 2027 16:00")  # 1 h; Good Friday, Easter Monday; Tue 3 h, now BST
    assert (book.due(case), book.due(case, zone="UTC")) == ("Tue 30 Mar 2027 12:00", "Tue 30 Mar 2027 11:00")
    book.reopen(owing(Span(4, "clock_h")))
    spring, autumn = book.opens("Sat 27 Mar 2027 22:00"), book.opens("Sat 30 Oct 2027 23:00")
    assert (book.due(spring), book.due(spring, zone="UTC")) == ("Sun 28 Mar 2027 03:00", "Sun 28 Mar 2027 02:00")
    assert (book.due(autumn), book.due(autumn, zone="UTC")) == ("Sun 31 Oct 2027 02:00", "Sun 31 Oct 2027 02:00")


def test_05_each_desk_counts_on_its_own_wall_wherever_the_server_stands(
    room_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        book = room_for(owing(h(4)))
        assert book.due(book.opens("Mon 23 Nov 2026 22:30")) == "Tue 24 Nov 2026 13:00"
        book.reopen(owing(h(4), {ZONE: "America/New_York"}))
        case = book.opens("Mon 23 Nov 2026 22:30")  # 17:30 there
        assert book.due(case, zone="America/New_York") == "Tue 24 Nov 2026 13:00"
        assert book.due(case, zone="UTC") == "Tue 24 Nov 2026 18:00"
    finally:
        monkeypatch.undo()
        time.tzset()


# 6, 7 -- waiting for the customer


def waiting(room_for: Any) -> tuple[Book, int]:
    """Resolution 8 h from Monday 09:00; answered, and waiting for the customer, from 11:00: 2 h used."""
    book: Book = room_for(owing(h(4), resolution=h(8)))
    case = book.mail("Mon 23 Nov 2026 09:00")
    book.replied(case, "Mon 23 Nov 2026 11:00")
    book.does("hold", case, "Mon 23 Nov 2026 11:00", why="a photo is missing")
    return book, case


def test_06_the_clock_rests_while_the_customer_is_asked(room_for: Any) -> None:
    book, case = waiting(room_for)
    book.sweeps("Mon 23 Nov 2026 11:00", "Wed 25 Nov 2026 09:55", minutes=115)
    assert book.steps(case) == []
    paused = book.clock_of(case, "resolution")
    assert (paused.state.value, paused.due, paused.remaining.total_seconds() / 3600) == ("on_hold", None, 6)
    book.mail("Wed 25 Nov 2026 10:00", "Here is the photo of the box.")
    assert (book.case(case).status, book.due(case, "resolution")) == (Status.OPEN, "Wed 25 Nov 2026 16:00")


def test_06_a_wait_outside_opening_hours_moves_nothing(room_for: Any) -> None:
    book = room_for(owing(h(40), resolution=h(12)))
    case = book.mail("Mon 23 Nov 2026 09:00")
    book.does("hold", case, "Mon 23 Nov 2026 18:00", why="closed anyway")
    book.mail("Tue 24 Nov 2026 08:00", "Here is the photo of the box.")
    assert book.due(case, "resolution") == "Tue 24 Nov 2026 13:00"  # 8 h on Monday, 4 h on Tuesday


def test_07_automatic_mail_ends_no_wait_and_gets_no_answer(room_for: Any) -> None:
    book, case = waiting(room_for)
    for minute in range(20):
        book.mail(f"Tue 24 Nov 2026 09:{minute // 2:02d}", f"I am out of the office, {minute}.",
                  Auto_Submitted="auto-replied", Subject=f"Out of office {minute}")  # fmt: skip
    book.sweep("Tue 24 Nov 2026 09:30")
    found = book.case(case)
    assert (found.status, len(found.contacts), book.clock_of(case, "resolution").state.value) == (
        Status.ON_HOLD, 2, "on_hold",
    )  # fmt: skip
    assert len(book.events(case, "mail_filed")) == 20
    assert [n for n in book.notices() if n["recipient"] == "jo@example.com"] == []


# 8 -- coming back


@pytest.mark.parametrize(("mode", "due"), [("resume", "Wed 25 Nov 2026 12:00"), ("restart", "Thu 26 Nov 2026 10:00")])
def test_08_a_reopened_case_goes_on_with_what_was_left_or_starts_anew(room_for: Any, mode: str, due: str) -> None:
    book = room_for(owing(h(4), resolution=h(8), reopen=mode))
    case = book.mail("Mon 23 Nov 2026 09:00")
    book.replied(case, "Mon 23 Nov 2026 10:00")
    book.does("close", case, "Mon 23 Nov 2026 15:00", outcome="upheld", cause="lost", reason="", why="")  # 2 h left
    first = book.clock_of(case, "first_response")
    told = len(book.notices("escalation"))
    book.mail("Wed 25 Nov 2026 10:00", "My parcel still has not come, it is not fixed.")
    assert (book.case(case).is_open, book.due(case, "resolution")) == (True, due)
    book.sweep("Wed 25 Nov 2026 10:00")
    assert (book.steps(case), len(book.notices("escalation"))) == ([], told)  # no alarm at that moment
    assert book.clock_of(case, "first_response") == first


def test_08_thanks_for_a_closed_case_open_nothing(room_for: Any) -> None:
    book = room_for(owing(h(4), resolution=h(8)))
    case = book.mail("Mon 23 Nov 2026 09:00")
    book.replied(case, "Mon 23 Nov 2026 10:00")
    book.does("close", case, "Mon 23 Nov 2026 15:00", outcome="upheld", cause="lost", reason="", why="")
    thanks = Guess()
    thanks.said = replace(thanks.said, disposition={"customer_ack": 0.97, "complaint": 0.03})
    book.desk.__dict__["model"] = thanks
    book.mail("Wed 25 Nov 2026 10:00", "Thanks, all good.")
    assert (book.case(case).status, len(book.events(case, "customer_thanked"))) == (Status.CLOSED, 1)


# 9, 10 -- the next answer


def test_09_the_next_answer_is_owed_to_the_oldest_unanswered_mail(room_for: Any) -> None:
    book = room_for(owing(h(8), next=h(4)))
    case = book.mail("Mon 23 Nov 2026 09:00")
    book.replied(case, "Mon 23 Nov 2026 10:00")
    book.mail("Mon 23 Nov 2026 14:00", "One more thing about the parcel: it was a gift.")
    book.mail("Mon 23 Nov 2026 15:00", "And it was wrapped.")
    book.does("note", case, "Mon 23 Nov 2026 15:30", text="an internal note is no answer")
    assert book.due(case, "next_response") == "Tue 24 Nov 2026 10:00"  # 3 h on Monday, 1 h on Tuesday
    book.replied(case, "Tue 24 Nov 2026 09:30")
    assert ("next_response", "met", None) in book.recorded(case)
    assert not book.clock_of(case, "next_response").running  # off: nothing is owed


def test_10_a_shorter_next_response_does_not_exist_before_the_first(room_for: Any) -> None:
    book = room_for(owing(h(8), next=h(2)))
    case = book.mail("Mon 23 Nov 2026 09:00")
    found = deadlines(book.desk, book.case(case), book.desk.now())
    assert [(d.target.value, wall(d.due)) for d in found if "response" in d.target.value] == [
        ("first_response", "Mon 23 Nov 2026 17:00")
    ]


# 18 -- limits of law

PACKS = {("policies.yaml", ("packs",)): [{"pack": "uk_disp"}]}
PAYMENTS = {("policies.yaml", ("packs",)): [{"pack": "uk_psd", "when": {"type": "billing"}}]}


def statutory(book: Book, case: int) -> dict[str, str | None]:
    found = deadlines(book.desk, book.case(case), book.desk.now())
    return {d.name: wall(d.due) for d in found if d.target is Target.STATUTORY}


@pytest.mark.parametrize(
    ("received", "summary", "final"),
    [
        ("Thu 24 Dec 2026 10:00", "Thu 31 Dec 2026 17:00", "Thu 18 Feb 2027 23:59:59"),  # 29, 30, 31 Dec; 56 days
        ("Fri 18 Dec 2026 10:00", "Wed 23 Dec 2026 17:00", "Fri 12 Feb 2027 23:59:59"),
    ],
)
def test_18_the_regulators_days_run_past_waiting_reopening_raises_and_policies(
    room_for: Any, received: str, summary: str, final: str
) -> None:
    book = room_for(settled(PACKS))
    case = book.mail(received)
    days = {"disp_summary": summary, "disp_final": final}
    assert statutory(book, case) == days
    later = "Tue 29 Dec 2026"
    book.replied(case, f"{later} 10:00")
    book.does("hold", case, f"{later} 10:05", why="a photo is missing")
    book.mail(f"{later} 12:00", "Here is the photo. I will go to the ombudsman.")  # ends the wait, and raises
    book.does("correct", case, f"{later} 12:30", complaint_type="", secondary=[], disposition="", urgency="critical",
              clear_flags=[], why="in tears on the phone")  # fmt: skip
    assert statutory(book, case)["disp_final"] == final
    book.replied(case, f"{later} 14:00")
    book.does("close", case, f"{later} 14:30", outcome="upheld", cause="lost", reason="", why="")
    book.mail(f"{later} 16:00", "My parcel still has not come, it is not fixed.")
    assert book.case(case).is_open
    assert statutory(book, case)["disp_final"] == final
    assert [k["policy"] for k in book.events(case, "policy_set")] == []


def test_18_payments_have_fifteen_days_and_with_a_holding_reply_thirty_five(room_for: Any) -> None:
    book = room_for(settled(PAYMENTS), Guess("billing"))
    case = book.mail("Thu 24 Dec 2026 10:00", "I was charged twice for the order OL-33521.")
    assert statutory(book, case)["psd_15"] == "Tue 19 Jan 2027 17:00"  # 3 in December, 5, 5, 2
    book.does("replied", case, "Mon 11 Jan 2027 10:00", channel="mail", response="holding", note="")
    assert statutory(book, case)["psd_35"] == "Tue 16 Feb 2027 17:00"
    assert book.clock_of(case, "statutory", "psd_15").state.value == "met"
    other = room_for(settled(PAYMENTS)).opens("Thu 24 Dec 2026 10:00", kind="delivery")
    assert statutory(book, other) == {}


def test_18_the_owner_is_reminded_in_weeks_four_and_seven_and_the_opportunity_lapses_in_silence(room_for: Any) -> None:
    book = room_for(settled({**PACKS, ("policies.yaml", ("limits",)): {}}))
    case = book.mail("Thu 24 Dec 2026 10:00")
    book.replied(case, "Thu 24 Dec 2026 11:00")
    for day in ("Mon 4 Jan 2027", "Thu 21 Jan 2027", "Thu 11 Feb 2027"):
        book.replied(case, f"{day} 08:30")  # the other clocks are out of the way
        book.sweep(f"{day} 09:00")
    limits = [
        (wall(e["at"]), e["data"]["step"]) for e in book.events(case, "escalated") if e["data"]["target"] == "statutory"
    ]
    assert limits == [("Thu 21 Jan 2027 09:00", 0), ("Thu 11 Feb 2027 09:00", 0)]
    assert book.clock_of(case, "statutory", "disp_summary").cause == "lapsed"
