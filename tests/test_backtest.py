"""An edited config against the past: who would have moved, whose load, which deadlines, and what moves now."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.casebook import at
from tests.deskbook import DeskBook, Guess, settled, write
from triage.errors import ConfigInvalid, Misuse
from triage.insight import backtest, differences, shown
from triage.insight.backtest import Backtest, Past, Rules
from triage.judge.route import Facts
from triage.operations import trial, upkeep
from triage.world.config import Config
from triage.world.store.database import Database, migrate

FIRST_RESPONSE = ("policies.yaml", ("policies", "standard", "normal", "first_response"))


@pytest.fixture
def book(tmp_path: Path) -> DeskBook:
    """A desk whose first version has run."""
    database = Database(f"sqlite:///{tmp_path / 'triage.db'}")
    migrate(database)
    made = DeskBook(database, tmp_path)
    upkeep.note_config(made.desk)
    return made


def rules(conf: Config) -> Rules:
    return Rules(conf.version, conf.ruleset, conf.roster, conf.policies, conf.calendars)


def past(book: DeskBook, *ids: int) -> list[Past]:
    """Cases as they happened, without a mail: only what was judged."""
    from triage.operations.casebook import event_of

    found = []
    for case_id in ids:
        case = book.case(case_id)
        facts = Facts(
            complaint_type=case.complaint_type,
            urgency=case.urgency,
            customer=case.customer,
            confidence=1.0,
            language="en",
        )
        found.append(Past(case, tuple(event_of(row) for row in book.events(case_id)), facts))
    return found


def compare(book: DeskBook, after: Config, *ids: int, since: str = "Mon 23 Nov 2026 00:00") -> Backtest:
    return backtest.run(past(book, *ids), rules(book.desk.config), rules(after), at(since), book.clock)


SWAPPED = {
    ("routing.yaml", ("rules", 13, "owner")): {"pool": "privacy"},
    ("routing.yaml", ("rules", 13, "examples")): [],
}


def test_rule_13_is_the_one_about_delivery() -> None:
    assert settled().ruleset.rules[13].name == "delivery"


# -- who moves -------------------------------------------------------------------------------------------------------


def test_the_same_rules_move_nothing_and_agree_with_what_happened(book: DeskBook) -> None:
    ids = [
        book.opens(f"Mon 23 Nov 2026 10:0{n}", kind=kind) for n, kind in enumerate(("delivery", "billing", "delivery"))
    ]
    found = compare(book, book.desk.config, *ids)
    assert (found.moves, found.shifts, found.open_shifts, found.agreement) == ((), (), (), 1.0)
    assert (found.cases, found.open_now) == (3, 3)


def test_a_changed_rule_moves_its_cases_and_the_load_with_them(book: DeskBook) -> None:
    ids = [
        book.opens(f"Mon 23 Nov 2026 10:0{n}", kind=kind) for n, kind in enumerate(("delivery", "billing", "delivery"))
    ]
    found = compare(book, settled(SWAPPED), *ids)
    assert [(m.number, m.owner_before, m.owner_after) for m in found.owners_moved] == [
        ("C-2026-000001", "greta", "noor"),
        ("C-2026-000003", "owen", "noor"),
    ]
    load = {s.person: (s.before, s.after, s.peak_after) for s in found.load}
    assert (load["noor"], load["greta"], load["owen"]) == ((0, 2, 2), (1, 0, 0), (1, 0, 0))


def test_the_load_is_what_the_same_rules_have_built_up_and_falls_when_a_case_is_closed(book: DeskBook) -> None:
    """Least open: the second goes to the other one; after both were closed, the first in the list that waited longest."""
    first = book.opens("Mon 23 Nov 2026 10:00")
    second = book.opens("Mon 23 Nov 2026 10:05")
    for case in (first, second):
        book.replied(case, "Mon 23 Nov 2026 11:00")
        book.does("close", case, "Mon 23 Nov 2026 11:30", outcome="upheld", cause="late", reason="", why="")
    third = book.opens("Mon 23 Nov 2026 12:00")
    found = compare(book, settled(SWAPPED), first, second, third)
    noor = next(s for s in found.load if s.person == "noor")
    assert (noor.after, noor.peak_after) == (3, 2)
    assert found.agreement == 1.0


def test_older_cases_are_load_but_are_not_judged_again(book: DeskBook) -> None:
    old = book.opens("Mon 16 Nov 2026 10:00")
    new = book.opens("Mon 23 Nov 2026 10:00")
    found = compare(book, settled(SWAPPED), old, new)
    assert found.cases == 1 and [m.number for m in found.moves] == [book.case(new).number]
    assert next(m.owner_before for m in found.moves) != book.case(old).owner  # least open: the other one


def test_the_customers_open_case_keeps_its_owner_under_either_rules(book: DeskBook) -> None:
    first = book.opens("Mon 23 Nov 2026 10:00", kind="delivery")
    second = book.opens("Mon 23 Nov 2026 10:10", kind="billing")
    both = past(book, first, second)
    same = [replace(p, facts=replace(p.facts, customer="one@example.com")) for p in both]
    found = backtest.run(
        same, rules(book.desk.config), rules(settled(SWAPPED)), at("Mon 23 Nov 2026 00:00"), book.clock
    )
    assert [(m.rule_after, m.owner_before, m.owner_after) for m in found.moves] == [
        ("delivery", "greta", "noor"),
        ("same_customer", "greta", "noor"),
    ]


# -- deadlines -------------------------------------------------------------------------------------------------------


def test_a_shorter_target_adds_a_breach_and_a_longer_one_takes_it_away(book: DeskBook) -> None:
    case = book.opens("Mon 23 Nov 2026 09:00")  # 1 bd of 8 h: due 17:00
    book.replied(case, "Mon 23 Nov 2026 14:00")
    shorter = compare(book, settled({FIRST_RESPONSE: "4 h"}), case)
    assert [(s.target, s.breached_before, s.breached_after) for s in shorter.breaches_added] == [
        ("first response", False, True)
    ]
    late = book.opens("Tue 24 Nov 2026 09:00")
    book.replied(late, "Wed 25 Nov 2026 09:30")
    longer = compare(book, settled({FIRST_RESPONSE: "12 h"}), late)
    assert [s.number for s in longer.breaches_removed] == [book.case(late).number]
    assert longer.breaches_added == ()


def test_a_result_on_the_books_counts_for_nothing_in_the_as_if_and_stands_in_the_now(book: DeskBook) -> None:
    case = book.opens("Mon 23 Nov 2026 09:00")
    book.sweep("Mon 23 Nov 2026 17:00")  # the breach is recorded
    found = compare(book, settled({FIRST_RESPONSE: "12 h"}), case)
    assert any(s.target == "first response" and s.after == at("Tue 24 Nov 2026 13:00") for s in found.shifts)
    assert not [s for s in found.open_shifts if s.target == "first response"]


def test_a_day_off_moves_the_open_cases_that_it_touches(book: DeskBook) -> None:
    touched = book.opens("Wed 25 Nov 2026 12:00")
    answered = book.opens("Wed 25 Nov 2026 12:30")
    book.replied(answered, "Wed 25 Nov 2026 13:00")
    closed = settled({("calendars.yaml", ("calendars", "standard", "closed")): ["2026-11-26"]})
    found = compare(book, closed, touched, answered)
    moved = {(s.number, s.target): s for s in found.open_shifts}
    assert moved[book.case(touched).number, "first response"].after == at("Fri 27 Nov 2026 12:00")
    assert (book.case(answered).number, "first response") not in moved


def test_a_limit_of_law_that_no_longer_applies_is_gone_in_the_as_if(book: DeskBook) -> None:
    case = book.opens("Mon 23 Nov 2026 09:00", urgency="urgent", flags=[{"name": "data_breach"}])
    facts = replace(past(book, case)[0].facts, flags=frozenset({"data_breach"}))
    p = replace(past(book, case)[0], facts=facts)
    without = settled({("policies.yaml", ("limits", "breach_72h")): None})
    found = backtest.run([p], rules(book.desk.config), rules(without), at("Mon 23 Nov 2026 00:00"), book.clock)
    assert [(s.target, s.after) for s in found.shifts] == [("breach 72h", None)]


# -- through the register ---------------------------------------------------------------------------------------------


def test_the_words_of_stored_mails_decide_again(book: DeskBook, tmp_path: Path) -> None:
    (row,) = book.arrives("Mon 23 Nov 2026 10:00", "My parcel lies with the neighbour's greyhound.")
    rule = {"name": "animals", "when": {"words": ["greyhound"]}, "owner": "viktor"}
    file = book.desk.config.files["routing.yaml"]
    edited = file.replace("rules:\n  - name: self_harm", f"rules:\n  - {json.dumps(rule)}\n  - name: self_harm")
    folder = write(book.desk.config, tmp_path / "edited")
    (folder / "routing.yaml").write_text(edited, encoding="utf-8")
    found = trial.backtest(book.desk, 30, folder)
    assert [(m.number, m.rule_after, m.owner_after) for m in found.moves] == [(row["number"], "animals", "viktor")]


def test_without_a_folder_what_ran_is_compared_with_the_files_as_they_are(book: DeskBook) -> None:
    book.opens("Mon 23 Nov 2026 10:00")
    with pytest.raises(Misuse, match="nothing to compare"):
        trial.backtest(book.desk, 30, None)
    book.open(settled(SWAPPED))
    found = trial.backtest(book.desk, 30, None)
    assert (found.version_before, found.version_after) == (settled().version, settled(SWAPPED).version)
    assert len(found.moves) == 1


def test_a_refused_edit_is_not_tried(book: DeskBook, tmp_path: Path) -> None:
    folder = write(book.desk.config, tmp_path / "edited")
    (folder / "people.yaml").write_text("people: {}", encoding="utf-8")
    with pytest.raises(ConfigInvalid, match=r"people\.yaml"):
        trial.backtest(book.desk, 30, folder)


def test_diff_names_each_value_that_changed(book: DeskBook, tmp_path: Path) -> None:
    book.opens("Mon 23 Nov 2026 10:00")
    edited = settled({FIRST_RESPONSE: "4 h", ("routing.yaml", ("rules", 13, "owner")): {"pool": "privacy"}, **SWAPPED})
    found = trial.diff(book.desk, write(edited, tmp_path / "edited"))
    assert "policies.yaml  policies.standard.normal.first_response: 1 bd -> 4 h" in found["changes"]
    assert any(
        line.startswith("routing.yaml  rules.delivery.owner.pool: logistics -> privacy") for line in found["changes"]
    )
    assert found["open_cases_that_move"] == 1
    assert "1 of 1 open cases move." in trial.diff_text(found, "Europe/London")


def test_a_file_is_explained_by_the_rules_of_now(book: DeskBook, tmp_path: Path) -> None:
    book.desk.__dict__["model"] = Guess("billing")
    mail = tmp_path / "one.eml"
    mail.write_bytes(
        b"From: c@example.com\r\nTo: complaints@alderfinch.example\r\nSubject: Charged twice\r\n\r\nI was charged twice.\r\n"
    )
    found = trial.explain_file(book.desk, mail)
    said = {r["rule"]: r["said"] for r in found["rules"]}
    assert (found["rule"], said["billing"]) == ("billing", "decides")
    assert said["delivery"] == "type is billing, not delivery" and said["otherwise"].startswith("would match")
    assert "hit   billing" in trial.explanation(found)


# -- how it looks -----------------------------------------------------------------------------------------------------


def test_the_page_needs_nothing_but_itself_and_shows_no_words_of_a_customer(book: DeskBook) -> None:
    case = book.opens("Mon 23 Nov 2026 10:00", subject="<script>alert(1)</script> secret words")
    found = compare(book, settled({**SWAPPED, FIRST_RESPONSE: "4 h"}), case)
    page = shown.html(found, "Europe/London")
    assert "<svg" in page and "noor" in page and "greta -&gt; noor" in page
    assert not re.search(r"https?://|<script|<link|<img|url\(|@import", page)
    assert "secret words" not in page and "secret words" not in shown.text(found, "Europe/London")


def test_the_json_form_is_stable(book: DeskBook) -> None:
    found = shown.as_json(compare(book, settled(SWAPPED), book.opens("Mon 23 Nov 2026 10:00")))
    assert list(json.loads(json.dumps(found))) == [
        "since", "until", "before", "after", "cases", "agreement", "owners_moved", "moves", "load", "shifts",
        "breaches_added", "breaches_removed", "open_now", "open_cases_that_move", "open_shifts",
    ]  # fmt: skip
    assert found["moves"][0]["owner_after"] == "noor"


# -- differences -----------------------------------------------------------------------------------------------------


def test_a_rule_that_moved_is_a_rule_that_moved() -> None:
    a, b = {"name": "a", "owner": "x"}, {"name": "b", "owner": "y"}
    assert [str(c) for c in differences.between([a, b], [b, a], "rules")] == ["rules (order): a, b -> b, a"]
    assert [str(c) for c in differences.between([a, b], [b], "rules")] == ['rules.a: gone, was {"owner": "x"}']
    assert [str(c) for c in differences.between([a], [{**a, "owner": "z"}], "rules")] == ["rules.a.owner: x -> z"]


@pytest.mark.parametrize("value", [None, 1, "text", [1, 2], {"a": [{"name": "b"}]}])
def test_nothing_differs_from_itself(value: object) -> None:
    assert differences.between(value, value) == ()
