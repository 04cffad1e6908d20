"""The weekly sample of filed mail: drawn by hash, with one person and a deadline, answered by a command or a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.deskbook import DeskBook, Guess, settled
from tests.quickroom import quick_register
from triage.errors import ConfigInvalid, Misuse, NotAllowed
from triage.operations import corrections, look, sampling
from triage.operations.corrections import Corrected
from triage.world.store.database import Database

MONDAY = "Mon 30 Nov 2026 09:30"
JUDGING = "judging.yaml"


def enquiring(database: Database, folder: Path, **changes: Any) -> DeskBook:
    """A desk whose model takes every mail for an enquiry."""
    model = Guess()
    object.__setattr__(model.said, "disposition", {"enquiry": 0.97, "complaint": 0.03})
    return DeskBook(database, folder, settled({(JUDGING, (name,)): value for name, value in changes.items()}), model)


def filed(book: DeskBook, count: int, day: str = "Wed 25 Nov 2026 10:00") -> None:
    for n in range(count):
        book.arrives(day, f"When does your shop number {n} open?")


@pytest.fixture
def book(tmp_path: Path) -> DeskBook:
    """Fourteen filed mails of last week, of which ten were drawn on Monday."""
    made = enquiring(quick_register(tmp_path), tmp_path)
    filed(made, 14)
    made.set(MONDAY)
    assert sampling.draw(made.desk) == 10
    return made


def sample(book: DeskBook) -> list[dict[str, Any]]:
    return sampling.listed(book.desk)


@pytest.mark.parametrize(
    ("pool", "share", "least", "size"),
    [(0, 0.05, 10, 0), (7, 0.05, 10, 7), (14, 0.05, 10, 10), (200, 0.05, 10, 10), (201, 0.05, 10, 11), (1000, 0.05, 10, 50),
     (1000, 0.0, 0, 0)],
)  # fmt: skip
def test_five_in_a_hundred_and_at_least_ten(pool: int, share: float, least: int, size: int) -> None:
    shas = [f"{n:064x}" for n in range(pool)]
    found = sampling.chosen("2026-W48", shas, share, least)
    assert len(found) == size and set(found) <= set(shas)
    assert found == sampling.chosen("2026-W48", shas[::-1], share, least)  # whatever the order of the register


def test_every_week_draws_other_mails() -> None:
    shas = [f"{n:064x}" for n in range(1000)]
    assert sampling.chosen("2026-W48", shas, 0.05, 10) != sampling.chosen("2026-W49", shas, 0.05, 10)


def test_the_sample_goes_to_one_named_person_with_a_deadline_and_is_drawn_once(book: DeskBook) -> None:
    rows = sample(book)
    owner = book.desk.config.roster.find("lead", book.clock)
    assert {row["owner"] for row in rows} == {owner} and len(rows) == 10
    # drawn on Monday, five business days: closing time of Monday the 7th
    assert {f"{row['due_at']:%a %d %H:%M}" for row in rows} == {"Mon 07 17:00"}
    assert sampling.draw(book.desk) == 0
    (told,) = book.notices("audit")
    assert told["recipient"] == book.desk.config.roster.people[owner].email
    assert "10 of the 14 mails" in told["text"] and all(f"mail {row['mail']}  " in told["text"] for row in rows)


def test_mail_proven_automatic_by_its_header_is_left_out_and_nothing_else_may_be(
    database: Database, tmp_path: Path
) -> None:
    book = enquiring(database, tmp_path)
    book.arrives("Wed 25 Nov 2026 10:00", "I am away.", Auto_Submitted="auto-replied")
    book.arrives(
        "Wed 25 Nov 2026 10:00",
        "Our offers.",
        List_Id="<offers.shop.example>",
        List_Unsubscribe="<mailto:u@shop.example>",
    )
    book.arrives("Wed 25 Nov 2026 10:00", "When do you open?")
    book.set(MONDAY)
    sampling.draw(book.desk)
    assert [row["disposition"] for row in sample(book)] == ["enquiry"]
    with pytest.raises(ConfigInvalid, match="cannot skip the sample"):
        settled({("dispositions.yaml", ("dispositions", "praise", "audit")): False})


def test_an_owner_whom_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match=r"judging.yaml:\d+.*nobody_here"):
        settled({(JUDGING, ("audit_owner",)): "nobody_here"})


def test_a_missed_complaint_gets_its_case_from_its_arrival_and_the_rate_its_interval(book: DeskBook) -> None:
    rows = sample(book)
    (done,) = sampling.answer(book.desk, [rows[0]["mail"]], words="complaint billing urgent", actor="ines")
    assert done["done"] and "opened" in done["said"]
    case = book.case(1)
    assert (case.complaint_type, case.urgency.word, f"{case.received_at:%d %b %H:%M}") == (
        "billing",
        "urgent",
        "25 Nov 10:00",
    )
    assert len(sampling.answer(book.desk, [], words="ok", actor="ines")) == 9 and sample(book) == []
    found = look.report(book.desk, 7)["audit"]
    assert (found["filed"], found["drawn"], found["answered"], found["missed"], found["rate"]) == (14, 10, 10, 1, 0.1)
    # exact binomial: 1 of 10 is compatible with 0.25 % to 44.5 %
    assert (round(found["low"], 4), round(found["high"], 3)) == (0.0025, 0.445)
    assert "10.0% missed (95 % interval 0.3% to 44.5%)" in look.report_markdown(look.report(book.desk, 7))
    kept = {(c["field"], c["old"], c["new"], c["source"]) for c in book.corrections()}
    assert ("disposition", "enquiry", "complaint", "audit") in kept and (
        "disposition",
        "enquiry",
        "enquiry",
        "audit",
    ) in kept


def test_an_answer_can_be_a_line_in_reply_to_the_notice(book: DeskBook) -> None:
    (to,) = book.notices("audit")
    first = sample(book)[0]["mail"]
    text = f"mail {first} complaint delivery\nmail {first + 500} ok\n"
    more = {"In_Reply_To": to["message_id"], "Subject": "Re: sample"}
    book.arrives("Mon 30 Nov 2026 11:00", text, sender=to["recipient"], **more)
    assert corrections.carry_out(book.desk) == Corrected(done=1)
    assert book.case(1).complaint_type == "delivery" and len(sample(book)) == 9
    assert f"mail {first + 500} ok" in book.notices("answer")[0]["text"]
    book.arrives("Mon 30 Nov 2026 12:00", "All ok.", sender=to["recipient"], **more)
    corrections.carry_out(book.desk)
    assert sample(book) == []


def test_what_another_way_was_found_to_be_a_complaint_is_answered_too(book: DeskBook) -> None:
    from triage.operations.recall import recall

    mail = sample(book)[0]["mail"]
    recall(book.desk, mail, actor="ines", why="the customer rang")
    assert mail not in {row["mail"] for row in sample(book)}
    assert look.report(book.desk, 7)["audit"]["missed"] == 1


def test_a_sample_nobody_looks_at_stays_in_the_digest_and_lead_and_manager_hear_of_it_once(book: DeskBook) -> None:
    book.sweep("Tue 1 Dec 2026 10:00")
    owner = sample(book)[0]["owner"]
    mine = book.desk.config.roster.people[owner].email
    assert any("for you to look through (10)" in n["text"] for n in book.notices("digest") if n["recipient"] == mine)
    for day in ("Mon 7 Dec 2026 16:00", "Tue 8 Dec 2026 10:00", "Wed 9 Dec 2026 10:00"):
        book.set(day)
        sampling.draw(book.desk)
    late = [n for n in book.notices("alarm") if "has not been looked through" in n["subject"] + n["text"]]
    assert len({n["key"].partition(">")[0] for n in late}) == 1
    assert look.report(book.desk, 7)["audit"]["overdue"] == 10


def test_weeks_of_an_outage_are_made_up_for(book: DeskBook) -> None:
    filed(book, 3, "Wed 2 Dec 2026 10:00")
    filed(book, 2, "Wed 9 Dec 2026 10:00")
    book.set("Mon 21 Dec 2026 09:30")
    assert sampling.draw(book.desk) == 5
    assert {row["week"] for row in sample(book)} == {"2026-W48", "2026-W49", "2026-W50"}


def test_answers_that_make_no_sense_are_refused(book: DeskBook) -> None:
    with pytest.raises(Misuse, match="not understood"):
        sampling.answer(book.desk, [], words="perhaps", actor="ines")
    with pytest.raises(NotAllowed, match="not in the open sample"):
        sampling.answer(book.desk, [999], words="ok", actor="ines")


def test_the_command_wants_one_answer_at_a_time() -> None:
    from triage import cli

    cli.load_commands()
    for wrong in (
        ["--ok", "--complaint"],
        ["--complaint"],
        ["1", "--type", "billing"],
        ["1", "--ok", "--type", "billing"],
    ):
        assert isinstance(CliRunner().invoke(cli.app, ["audit", *wrong]).exception, Misuse)
