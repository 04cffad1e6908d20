"""A colleague answers a notice with a line. Only a colleague, only a notice sent to them, only what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deskbook import DeskBook, settled
from tests.quickroom import quick_register
from triage.operations import corrections
from triage.operations.corrections import Corrected
from triage.world.store import learning
from triage.world.store.database import Database

TUESDAY = "Tue 24 Nov 2026 10:00"


@pytest.fixture
def book(tmp_path: Path) -> DeskBook:
    """Two cases of Monday, overdue on Tuesday, when the digest went out."""
    made = DeskBook(quick_register(tmp_path), tmp_path)
    made.opens("Mon 23 Nov 2026 09:00")
    made.opens("Mon 23 Nov 2026 09:05")
    made.sweep(TUESDAY)
    return made


def digest(book: DeskBook, case_id: int = 1) -> dict[str, Any]:
    """The newest digest of the case's owner."""
    owner = book.desk.config.roster.people[book.case(case_id).owner].email
    return next(n for n in book.notices("digest")[::-1] if n["recipient"] == owner)


def reply(book: DeskBook, to: dict[str, Any], text: str, when: str = TUESDAY, **more: str) -> Corrected:
    """The recipient of a notice answers it; then the run goes on."""
    lines = {"sender": to["recipient"], "In_Reply_To": to["message_id"], "Subject": f"Re: {to['subject']}", **more}
    book.arrives(when, text, **lines)
    return corrections.carry_out(book.desk)


def judged(book: DeskBook, case_id: int = 1) -> tuple[str | None, str]:
    case = book.case(case_id)
    return case.complaint_type, case.urgency.word


def test_one_line_corrects_a_case_of_the_digest_and_the_next_digest_says_so(book: DeskBook) -> None:
    to = digest(book)
    assert reply(book, to, "#1 billing urgent\n\n> quoted text\n") == Corrected(done=1)
    assert judged(book) == ("billing", "urgent")
    owner = next(p.key for p in book.desk.config.roster.people.values() if p.email == to["recipient"])
    event = book.events(1, "urgency_set")[-1]
    assert (event["actor"], event["data"]["basis"]) == (owner, "person")
    book.sweep("Wed 25 Nov 2026 10:00")
    later = next(n for n in book.notices("digest")[::-1] if n["recipient"] == to["recipient"])
    assert (
        "What became of your corrections" in later["text"] and '"billing urgent": C-2026-000001: now' in later["text"]
    )
    book.sweep("Thu 26 Nov 2026 10:00")
    assert all("What became" not in n["text"] for n in book.notices("digest") if n["id"] > later["id"])


def test_a_person_lowers_by_a_line_and_closes_what_is_no_complaint(book: DeskBook) -> None:
    assert reply(book, digest(book), "1: low") == Corrected(done=1)
    assert judged(book)[1] == "low"
    assert reply(book, digest(book, 2), "C-2026-000002 no complaint") == Corrected(done=1)
    assert book.case(2).status.value == "closed" and book.case(2).closing.reason == "not_a_complaint"  # type: ignore[union-attr]


def test_what_is_not_understood_is_told_to_the_sender_once_and_nothing_is_done(book: DeskBook) -> None:
    to = digest(book)
    reply(book, to, "#1 please make this one billing\n#77 urgent\n#1 delivery\n")
    told = book.notices("answer")
    assert [n["recipient"] for n in told] == [to["recipient"]]
    assert "please make this one billing" in told[0]["text"] and "#77 urgent" in told[0]["text"]
    assert "#1 delivery" not in told[0]["text"] and "#123 billing urgent" in told[0]["text"]
    assert judged(book) == ("delivery", "normal")


@pytest.mark.parametrize(
    "headers",
    [
        {"sender": "customer@example.com"},  # not one of us
        {"sender": "Viktor <viktor.amsel@alderfinch.example>"},  # one of us, but the digest was not sent to them
        {"In_Reply_To": "<made-up@alderfinch.example>"},
        {"Authentication_Results": "mx.alderfinch.example; dmarc=fail (p=reject)"},
        {"Auto_Submitted": "auto-replied"},  # their out-of-office
    ],
)
def test_nobody_else_and_no_machine_can_do_it(book: DeskBook, headers: dict[str, str]) -> None:
    assert reply(book, digest(book), "#1 no complaint", **headers) == Corrected()
    assert judged(book) == ("delivery", "normal") and book.case(1).is_open


def test_an_old_digest_is_no_longer_answered(book: DeskBook) -> None:
    assert reply(book, digest(book), "#1 billing", when="Mon 4 Jan 2027 10:00") == Corrected()
    assert judged(book)[0] == "delivery"


def test_the_same_reply_taken_in_twice_corrects_once(book: DeskBook) -> None:
    to = digest(book)
    reply(book, to, "#1 billing", Message_ID="<r1@alderfinch.example>")
    assert reply(book, to, "#1 billing", Message_ID="<r1@alderfinch.example>") == Corrected()
    assert len(book.events(1, "classified")) == 1


def test_a_reply_to_the_notice_of_a_case_needs_no_number_and_still_accepts_it(
    database: Database, tmp_path: Path
) -> None:
    book = DeskBook(database, tmp_path)
    book.arrives("Mon 23 Nov 2026 09:00", "My parcel has not come.")
    (to,) = book.notices("assignment")
    assert reply(book, to, "urgent", when="Mon 23 Nov 2026 09:30") == Corrected(done=1)
    assert judged(book) == ("delivery", "urgent") and book.case(1).ownership.accepted_at is not None
    assert reply(book, to, "I take this one, it is urgent", when="Mon 23 Nov 2026 09:40") == Corrected()
    assert book.notices("answer") == []  # people write such things; it is no failed order


def test_a_forwarded_mail_becomes_a_complaint_by_one_word(database: Database, tmp_path: Path) -> None:
    from tests.deskbook import Guess

    model = Guess()
    object.__setattr__(model.said, "disposition", {"enquiry": 0.97, "complaint": 0.03})
    book = DeskBook(database, tmp_path, settled(), model)
    assert book.arrives("Mon 23 Nov 2026 09:00", "When will the shop in Leeds open on Saturday?") == []
    to = book.notices("forward")[0]
    assert reply(book, to, "complaint urgent", when="Mon 23 Nov 2026 12:00") == Corrected(done=1)
    case = book.case(1)
    assert case.urgency.word == "urgent" and case.received_at.hour == 9
    with database.read() as tx:
        assert learning.waiting(tx, 10) == []
