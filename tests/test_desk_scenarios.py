"""The acceptance scenarios of the clocks that arithmetic alone cannot show, through the real operations: what is written,
who is told, and that a crash or an outage loses nothing. On SQLite and on PostgreSQL.

Calendar: London, Monday to Friday 09:00-17:00. The arithmetic stands beside each line.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.casebook import QUIET, at, flat, targets, wall
from tests.deskbook import DeskBook, Guess, settled, write
from triage.casework.case import Kind
from triage.casework.ladder import Ladder, Step
from triage.casework.policy import Policies, Policy, Span, Targets
from triage.errors import ConfigInvalid
from triage.operations import invariant, trial, upkeep
from triage.operations.sweep import sweep
from triage.words import COMPLAINT_TYPES, Urgency
from triage.world.config import Config
from triage.world.store import cases
from triage.world.store.database import Database


def hours(amount: int) -> Span:
    return Span(amount, "h")


LADDER = Ladder(
    steps=(
        Step(0, hours(-2), ("owner",), name="two hours before"),
        Step(0, hours(-1), ("owner",), name="one hour before"),
        Step(1, 100, ("owner", "lead")),
        Step(2, hours(2), ("manager",)),
        Step(3, hours(8), ("director",)),
    ),
    **QUIET,  # type: ignore[arg-type]
)


def owing(wanted: Targets, conf: Config | None = None, **by_urgency: Targets) -> Config:
    """The scenarios' config with these targets at every urgency, or other ones where named, and their ladder."""
    conf = conf or settled()
    each = {**flat(wanted), **{Urgency.of(word): targets for word, targets in by_urgency.items()}}
    policies = Policies({"standard": Policy("standard", "standard", each)}, "standard", conf.policies.limits)
    return replace(conf, policies=policies, ladder=LADDER)


# 11 -- another urgency


def test_11_a_raise_by_command_counts_from_the_change_and_both_versions_are_on_the_books(
    database: Database, tmp_path: Path
) -> None:
    wanted = targets(hours(60), resolution=hours(40))
    book = DeskBook(database, tmp_path, owing(wanted, critical=targets(hours(60), resolution=hours(4))))
    case = book.opens("Mon 23 Nov 2026 09:00")
    book.does(
        "correct", case, "Tue 24 Nov 2026 12:00", complaint_type="", secondary=[], disposition="", urgency="critical",
        clear_flags=[], why="a key account",
    )  # fmt: skip
    found = {d.target.value: wall(d.due) for d in _clocks(book, case)}
    assert found["resolution"] == "Tue 24 Nov 2026 16:00"  # 4 h from the change
    assert [e["config_version"] for e in book.events(case)] == [book.desk.config.version] * 2


def test_11_overdue_by_nothing_but_the_raise_is_one_alarm_and_says_so(database: Database, tmp_path: Path) -> None:
    wanted = targets(hours(60), resolution=hours(40))
    book = DeskBook(database, tmp_path, owing(wanted, critical=targets(hours(60), resolution=hours(4))))
    case = book.opens("Mon 23 Nov 2026 09:00")
    data = {"urgency": "critical", "basis": "person", "mode": "from_receipt", "why": "it was so from the start"}
    book.tell(case, Kind.URGENCY_SET, "Tue 24 Nov 2026 12:00", **data)
    book.sweeps("Tue 24 Nov 2026 12:00", "Tue 24 Nov 2026 12:55")
    assert book.recorded(case) == [("resolution", "late", "Tue 24 Nov 2026 12:00")]
    (event,) = book.events(case, "deadline_recorded")
    assert (
        event["data"]["cause"] == "by policy change" and event["data"]["due"] == at("Mon 23 Nov 2026 13:00").isoformat()
    )
    assert book.steps(case) == [("Tue 24 Nov 2026 12:00", "resolution/2")]  # 2 h after 13:00 on Monday is past
    told = {n["recipient"] for n in book.notices("escalation")}
    assert len(book.notices("escalation")) == len(told) > 0  # each person once


# 12 -- a calendar edited


def test_12_the_preview_says_one_open_case_moves_and_what_is_on_the_books_stays(
    database: Database, tmp_path: Path
) -> None:
    eight = {("policies.yaml", ("policies", "standard", "normal", "first_response")): "8 h"}
    book = DeskBook(database, tmp_path, settled(eight))
    upkeep.note_config(book.desk)
    answered = book.opens("Mon 23 Nov 2026 09:00")
    book.sweep("Mon 23 Nov 2026 17:00")  # due 17:00, breached
    book.replied(answered, "Tue 24 Nov 2026 09:00")
    book.does("close", answered, "Tue 24 Nov 2026 09:05", outcome="upheld", cause="a fault", reason="", why="")
    case = book.opens("Wed 25 Nov 2026 12:00")
    assert _first(book, case) == "Thu 26 Nov 2026 12:00"
    edited = settled({**eight, ("calendars.yaml", ("calendars", "standard", "closed")): ["2026-11-26"]})
    preview = trial.diff(book.desk, write(edited, tmp_path / "edited"))
    assert (preview["open_cases_that_move"], preview["open_cases"]) == (1, 1)
    assert [line for line in preview["changes"] if "closed" in line]
    before = book.recorded(answered)
    book.open(edited)
    assert upkeep.recompute_stale(book.desk) == 1
    assert _first(book, case) == "Fri 27 Nov 2026 12:00"  # 5 h on Wednesday, 3 h on Friday
    assert ("first_response", "late", "Mon 23 Nov 2026 17:00") in before == book.recorded(answered)
    book.tell(case, Kind.NOTED, "Wed 25 Nov 2026 13:00", text="edited")
    versions = [e["config_version"] for e in book.events(case)]
    assert versions[0] != versions[-1] == edited.version


# 13 -- the ladder


def test_13_each_step_is_taken_and_told_once_however_many_sweeps(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00")  # due Tuesday 10:00
    book.sweeps("Mon 23 Nov 2026 10:00", "Wed 25 Nov 2026 17:00", 30)
    steps = [
        ("Mon 23 Nov 2026 16:00", "first_response/0"),
        ("Tue 24 Nov 2026 09:00", "first_response/0"),
        ("Tue 24 Nov 2026 10:00", "first_response/1"),
        ("Tue 24 Nov 2026 12:00", "first_response/2"),
        ("Wed 25 Nov 2026 10:00", "first_response/3"),
    ]
    assert book.steps(case) == steps
    for _ in range(300):
        sweep(book.desk)
    assert book.steps(case) == steps
    told = [(n["recipient"].partition(".")[0], n["subject"][-40:]) for n in book.notices("escalation")]
    assert len(told) == len(set(told))
    invariant.check(book.desk)  # the whole ladder is climbed, and the case is not forgotten


def test_13_closing_cancels_the_steps_that_are_left(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00")
    book.sweeps("Mon 23 Nov 2026 10:00", "Tue 24 Nov 2026 10:30", 30)
    book.replied(case, "Tue 24 Nov 2026 11:00")
    book.does("close", case, "Tue 24 Nov 2026 11:00", outcome="upheld", cause="a fault", reason="", why="")
    taken = book.steps(case)
    book.sweeps("Tue 24 Nov 2026 11:00", "Thu 26 Nov 2026 17:00", 60)
    assert book.steps(case) == taken and taken[-1] == ("Tue 24 Nov 2026 10:00", "first_response/1")
    with database.read() as tx:
        assert cases.by_ids(tx, [case])[case]["next_due_at"] is None


def test_a_critical_case_is_paged_hourly_after_the_last_step_whatever_the_time_to_take_note(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path)
    case = book.opens("Mon 23 Nov 2026 09:00", urgency="critical", kind="billing")
    book.does("accept", case, "Mon 23 Nov 2026 09:05", actor="priya")
    book.sweeps("Mon 23 Nov 2026 09:10", "Mon 23 Nov 2026 13:20")
    pages = [when[-5:] for when, step in book.steps(case) if step == "first_response/3" and when]
    assert pages == ["10:30", "11:30", "12:30"]  # due 10:00, and nobody takes note: steps every 15 minutes, then hourly


# 14 -- an outage


def test_14_after_an_outage_one_message_at_the_highest_step_and_the_true_time(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00")
    book.sweeps("Mon 23 Nov 2026 10:00", "Tue 24 Nov 2026 09:00", 30)
    book.sweep("Tue 24 Nov 2026 12:30")
    (event,) = book.events(case, "escalated")[2:]
    assert (event["data"]["step"], event["data"]["late"]) == (2, True)
    assert [key.rsplit("/", 1)[-1] for key in event["data"]["skipped"]] == ["1"]
    assert book.recorded(case) == [("first_response", "late", "Tue 24 Nov 2026 10:00")]
    told = book.notices("escalation")
    assert len(told) == len({n["recipient"] for n in told}) and {n["state"] for n in told} == {"pending"}


def test_14_a_storm_is_one_digest_a_person_and_an_alarm_and_no_case_is_left_out(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    storm = book.desk.config.notices.storm
    numbers = {book.case(book.opens("Mon 23 Nov 2026 10:00")).number for _ in range(storm + 5)}
    done = book.sweep("Tue 24 Nov 2026 12:30")
    assert done.escalations == storm + 5
    told = [n for n in book.notices("digest") if "storm" in n["key"]]
    assert len(told) == len({n["recipient"] for n in told}) == len({n["recipient"] for n in book.notices("escalation")})
    manager = next(n for n in told if n["recipient"].startswith("viktor"))
    assert all(number in manager["text"] for number in numbers)  # the manager hears of every one of them
    assert {n["state"] for n in book.notices("escalation")} == {"gathered"}  # and of none by itself
    (alarm,) = book.notices("alarm")
    assert f"{storm + 5} cases" in alarm["text"] and alarm["state"] == "pending"
    sweep(book.desk)
    assert len(book.notices("alarm")) == 1


def test_14_as_many_as_the_limit_are_no_storm(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    for _ in range(book.desk.config.notices.storm):
        book.opens("Mon 23 Nov 2026 10:00")
    book.sweep("Tue 24 Nov 2026 12:30")
    assert {n["state"] for n in book.notices("escalation")} == {"pending"} and not book.notices("alarm")


def test_14_a_critical_case_never_waits_in_a_digest(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    for _ in range(book.desk.config.notices.storm + 1):
        book.opens("Mon 23 Nov 2026 10:00")
    critical = book.opens("Mon 23 Nov 2026 10:00", urgency="critical")
    book.sweep("Tue 24 Nov 2026 12:30")
    assert {n["case_id"] for n in book.notices("escalation", "pending")} == {critical}


# 15 -- a late answer between two sweeps


def test_15_a_late_answer_is_on_the_books_and_raises_no_alarm(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(4))))
    case = book.opens("Mon 23 Nov 2026 09:00")
    book.sweep("Mon 23 Nov 2026 12:55")
    book.replied(case, "Mon 23 Nov 2026 13:02", found="Mon 23 Nov 2026 13:04")
    book.sweep("Mon 23 Nov 2026 13:05")
    assert book.recorded(case) == [("first_response", "late", "Mon 23 Nov 2026 13:00")]
    assert not book.notices("escalation")


# 16 -- a crash


class Killed(BaseException):
    """The process died here."""


@pytest.mark.parametrize("where", ["sweep committed", "sweep told"])
def test_16_a_sweep_that_dies_anywhere_tells_everybody_once(database: Database, tmp_path: Path, where: str) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00")

    def dies(step: str) -> None:
        if step == where:
            raise Killed

    book.desk.reached = dies
    with pytest.raises(Killed):
        book.sweep("Tue 24 Nov 2026 10:00")
    book.open(book.desk.config)
    sweep(book.desk)
    assert [step for _, step in book.steps(case)] == ["first_response/1"]
    told = book.notices("escalation")
    assert len(told) == len({n["recipient"] for n in told}) > 0 and {n["state"] for n in told} == {"pending"}


def test_16_a_mail_taken_in_twice_is_one_case_with_one_set_of_clocks_and_notices(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path)

    def dies(step: str) -> None:
        if step == "10 committed":
            raise Killed

    book.desk.reached = dies
    with pytest.raises(Killed):
        book.arrives("Mon 23 Nov 2026 10:00", "My parcel has not come.")
    before = len(book.notices())
    book.open(book.desk.config)
    same = {"sender": "c1@example.com", "Message_ID": "<m1@example.com>", "Subject": "Letter 1"}
    again = book.arrives("Mon 23 Nov 2026 10:01", "My parcel has not come.", **same)
    assert len(again) == 1 and len(book.notices("assignment")) == before == 1


# 17 -- routing


def test_17_the_first_rule_that_matches_wins_and_explain_lists_them_all(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, model=Guess("billing"))
    upkeep.note_config(book.desk)
    (row,) = book.arrives(
        "Mon 23 Nov 2026 10:00", "I was charged twice, and my solicitor will take legal action against you."
    )
    found = trial.explain_case(book.desk, row["number"])
    said = {r["rule"]: (r["matched"], r["said"]) for r in found["rules"]}
    assert list(said) == [rule.name for rule in book.desk.config.ruleset.rules]
    assert (found["rule"], found["owner"]) == ("legal_or_regulator", row["owner"])
    assert said["self_harm"] == (False, "flag is legal_threat, not self_harm")
    assert said["billing"] == (True, "would match, but legal_or_regulator comes first")
    assert said["delivery"][0] is False and "billing" in said["delivery"][1]


def test_17_nothing_fits_and_yet_somebody_owns_it(database: Database, tmp_path: Path) -> None:
    rules = ("routing.yaml", ("rules",))
    conf = settled(
        {rules: [{"name": "otherwise", "otherwise": True, "owner": "fallback", "covers": list(COMPLAINT_TYPES)}]}
    )
    book = DeskBook(database, tmp_path, conf)
    (row,) = book.arrives("Mon 23 Nov 2026 10:00", "My parcel has not come.")
    assert row["owner"] == "ines" and row["next_due_at"] is not None


def test_17_a_double_name_and_a_ring_of_delegates_are_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"routing\.yaml:\d+.*two rules named"):
        settled({("routing.yaml", ("rules", 1, "name")): "self_harm"})
    with pytest.raises(ConfigInvalid, match="circle"):
        settled({("people.yaml", ("people", "tomasz", "delegate")): "ines"})


# 19 -- absence and load

AWAY = [{"from": "2026-11-23", "to": "2026-11-30"}]


def away(*people: str) -> dict[tuple[str, tuple[str | int, ...]], object]:
    return {("people.yaml", ("people", person, "away")): AWAY for person in people}


def test_19_the_delegates_delegate_gets_it_when_both_are_away(database: Database, tmp_path: Path) -> None:
    chain = {("people.yaml", ("people", "luc", "delegate")): "greta"}  # priya -> luc -> greta
    only = {("people.yaml", ("pools", "billing", "members")): ["priya"]}
    unexampled = {("routing.yaml", ("rules", n, "examples")): [] for n in (11, 12)}
    book = DeskBook(
        database, tmp_path, settled({**chain, **only, **unexampled, **away("priya", "luc")}), Guess("billing")
    )
    (row,) = book.arrives("Mon 23 Nov 2026 10:00", "I was charged twice.")
    assert row["owner"] == "greta"
    assert any("lead" in n["text"] or n["recipient"].startswith("ines") for n in book.notices("inform"))


def test_19_an_escalation_for_somebody_away_goes_to_the_stand_in_and_the_lead(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00", kind="delivery")
    assert book.case(case).owner == "greta"
    book.open(owing(targets(hours(8)), settled(away("greta"))))
    book.sweep("Tue 24 Nov 2026 10:00")
    told = {n["recipient"].partition(".")[0] for n in book.notices("escalation")}
    assert told == {"owen", "ines"}  # who stands in, and the lead


def test_19_the_round_goes_on_after_a_restart(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path)
    owners = []
    for minute in range(10):
        book.open(settled())
        owners.append(book.case(book.opens(f"Mon 23 Nov 2026 10:0{minute}", kind="product_fault")).owner)
    assert sorted(owners.count(person) for person in ("owen", "greta", "luc")) == [3, 3, 4]
    assert owners[:3] == owners[3:6] == owners[6:9]


def test_19_everybody_at_capacity_is_the_queue_owner_and_the_lead_hears_of_it(
    database: Database, tmp_path: Path
) -> None:
    full = {("people.yaml", ("people", person, "capacity")): 1 for person in ("greta", "owen")}
    book = DeskBook(database, tmp_path, settled(full))
    book.opens("Mon 23 Nov 2026 10:00")
    book.opens("Mon 23 Nov 2026 10:01")
    rows = book.arrives("Mon 23 Nov 2026 10:02", "My parcel has not come.")
    newest = max(rows, key=lambda row: row["id"])
    assert newest["owner"] == "ines"  # the pool's owner is the lead
    assert [n for n in book.notices() if n["case_id"] == newest["id"] and n["recipient"].startswith("ines")]
    notes = [e["data"]["text"] for e in book.events(newest["id"], "noted")]
    assert any("capacity" in note for note in notes)


# 20 -- doubt


def test_20_a_doubt_has_an_owner_and_a_clock_and_reaches_the_lead_and_the_correction_is_learnt_from(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path, model=Guess("billing", 0.41, urgent=0.6))
    (row,) = book.arrives("Mon 23 Nov 2026 16:45", "There is a thing with my order.")
    case = row["id"]
    assert row["review"] and row["owner"] in ("tomasz", "ines")  # the review pool, at once
    assert Urgency(row["urgency"]) is Urgency.URGENT  # its probability is above its limit
    assert _first(book, case) == "Tue 24 Nov 2026 12:45"  # 4 h from the receipt: 15 minutes on Monday
    book.sweep("Tue 24 Nov 2026 09:10")
    assert not [e for e in book.events(case, "escalated") if e["data"]["target"] == "review"]
    book.sweep("Tue 24 Nov 2026 09:15")  # 15 minutes on Monday, 15 on Tuesday
    assert ("Tue 24 Nov 2026 09:15", "review/1") in book.steps(case)
    received = book.case(case).received_at
    done = book.does(
        "correct", case, "Tue 24 Nov 2026 09:20", complaint_type="delivery", secondary=[], disposition="", urgency="",
        clear_flags=[], why="it is about the parcel",
    )  # fmt: skip
    after = book.case(case)
    assert done["owner"] == after.owner in ("greta", "owen")  # routed again
    assert (after.received_at, after.review) == (received, None)
    assert [(c["field"], c["old"], c["new"]) for c in book.corrections()] == [("complaint_type", "billing", "delivery")]


# -- reminders, digests, quiet hours ---------------------------------------------------------------------------------


def test_a_reminder_of_a_normal_case_waits_for_the_daily_digest_which_comes_once(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path)
    case = book.opens("Mon 23 Nov 2026 11:00", kind="billing")  # first response due Tuesday 11:00
    owner = book.case(case).owner
    book.does("accept", case, "Mon 23 Nov 2026 11:01", actor=owner)
    book.sweeps("Mon 23 Nov 2026 11:30", "Tue 24 Nov 2026 10:30", 30)
    assert [step for _, step in book.steps(case)] == ["first_response/0"]  # 75 %: Tuesday 09:00
    assert not book.notices("reminder")
    digests = book.notices("digest")
    assert [wall(n["not_before"]) for n in digests] == ["Tue 24 Nov 2026 09:00"]
    assert digests[0]["recipient"].startswith(owner) and book.case(case).number in digests[0]["text"]


def test_a_reminder_that_no_digest_could_bring_in_time_goes_out_by_itself(database: Database, tmp_path: Path) -> None:
    book = DeskBook(
        database, tmp_path, settled({("policies.yaml", ("policies", "standard", "normal", "first_response")): "2 h"})
    )
    book.opens("Mon 23 Nov 2026 10:00")
    book.sweeps("Mon 23 Nov 2026 10:05", "Mon 23 Nov 2026 11:35")
    assert len(book.notices("reminder")) == 1  # due 12:00; the next digest comes on Tuesday


def test_an_urgent_case_has_its_own_reminder(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path)
    case = book.opens("Mon 23 Nov 2026 09:30", urgency="urgent", kind="billing")
    book.does("accept", case, "Mon 23 Nov 2026 09:31", actor=book.case(case).owner)
    book.sweep("Mon 23 Nov 2026 12:30")  # 75 % of 4 h
    assert [n["case_id"] for n in book.notices("reminder", "pending")] == [case]


def test_what_is_overdue_stands_in_every_digest_until_it_is_answered(database: Database, tmp_path: Path) -> None:
    book = DeskBook(database, tmp_path, owing(targets(hours(8))))
    case = book.opens("Mon 23 Nov 2026 10:00")
    number, owner = book.case(case).number, book.case(case).owner
    for day in ("Wed 25 Nov 2026", "Thu 26 Nov 2026", "Fri 27 Nov 2026"):
        book.sweep(f"{day} 09:00")
        book.sweep(f"{day} 09:05")
    assert sum(number in n["text"] for n in book.notices("digest") if n["recipient"].startswith(owner)) == 3
    book.replied(case, "Fri 27 Nov 2026 10:00")
    book.sweep("Mon 30 Nov 2026 09:00")
    assert sum(number in n["text"] for n in book.notices("digest") if n["recipient"].startswith(owner)) == 3


@pytest.mark.parametrize(
    ("urgency", "quiet", "told"),
    [
        ("normal", {}, "Tue 24 Nov 2026 09:00"),  # opening time
        ("critical", {}, "Mon 23 Nov 2026 22:30"),  # never waits
        ("normal", {"outside_calendar": False}, "Mon 23 Nov 2026 22:30"),
        ("normal", {"outside_calendar": False, "from": "21:00", "until": "07:30"}, "Tue 24 Nov 2026 07:30"),
        ("normal", {"from": "08:00", "until": "10:00"}, "Tue 24 Nov 2026 10:00"),
    ],
)
def test_quiet_hours_hold_a_notice_up_unless_the_case_is_critical(
    database: Database, tmp_path: Path, urgency: str, quiet: dict[str, object], told: str
) -> None:
    conf = settled({("notices.yaml", ("quiet",)): quiet} if quiet else None)
    model = Guess("delivery")
    book = DeskBook(database, tmp_path, conf, model)
    text = "The kettle gave my son an electric shock." if urgency == "critical" else "My parcel has not come."
    (row,) = book.arrives("Mon 23 Nov 2026 22:30", text)
    assert Urgency(row["urgency"]).word == urgency
    assert {wall(n["not_before"]) for n in book.notices() if n["kind"] in ("assignment", "review")} == {told}


def _clocks(book: DeskBook, case: int) -> tuple[object, ...]:
    from triage.operations.casebook import deadlines

    return deadlines(book.desk, book.case(case), book.clock)


def _first(book: DeskBook, case: int) -> str | None:
    """When the first response is due."""
    return next(wall(d.due) for d in _clocks(book, case) if d.target.value == "first_response")  # type: ignore[attr-defined]
