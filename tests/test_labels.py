"""What `triage train` learns from: everything that people said, by whatever way, and files whose columns are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deskbook import DeskBook, Guess
from tests.quickroom import quick_register
from triage.casework.case import Kind
from triage.learn import dataset
from triage.learn.dataset import DatasetInvalid
from triage.learn.example import Example
from triage.operations import corrections, hints, teach
from triage.operations.corrections import Corrected, Wish
from triage.words import Disposition, Urgency


@pytest.fixture
def book(tmp_path: Path) -> DeskBook:
    return DeskBook(quick_register(tmp_path), tmp_path)


def learnt(book: DeskBook) -> dict[str, Example]:
    """By the number in the subject."""
    return {e.subject.removeprefix("Letter "): e for e in teach.examples(book.desk, "cases")}


def says(book: DeskBook, mail_id: int, words: str, source: str) -> str:
    said = hints.said(book.desk, words)
    assert said is not None
    return corrections.set_right(book.desk, mail_id, Wish(said, source, "ines", words), Corrected())[0]


def test_every_way_of_correcting_gives_a_label_and_the_last_word_counts(book: DeskBook) -> None:
    for _ in range(5):
        book.arrives("Mon 23 Nov 2026 09:00", "My parcel has not come, and nobody answers.")
    assert says(book, 1, "billing urgent", "folder") == "done"
    assert says(book, 2, "handling", "keyword") == "done"
    assert says(book, 2, "refund return", "reply") == "done"
    assert says(book, 3, "praise", "folder") == "done"
    book.tell(4, Kind.REVIEW_WANTED, "Mon 23 Nov 2026 10:00", reasons=["not sure"])
    book.does("confirm", 4, "Mon 23 Nov 2026 11:00", why="")
    found = learnt(book)
    assert set(found) == {"1", "2", "3", "4"}  # of the fifth nobody said anything
    assert (found["1"].complaint_type, found["1"].urgency) == ("billing", Urgency.URGENT)
    assert found["2"].complaint_type == "refund_return"
    assert (found["3"].disposition, found["3"].complaint_type) == (Disposition.PRAISE, None)
    assert (found["4"].disposition, found["4"].complaint_type) == (Disposition.COMPLAINT, "delivery")


def test_a_missed_complaint_and_a_rightly_filed_mail_are_both_learnt_from(tmp_path: Path) -> None:
    model = Guess()
    object.__setattr__(model.said, "disposition", {"enquiry": 0.97, "complaint": 0.03})
    book = DeskBook(quick_register(tmp_path), tmp_path, model=model)
    for _ in range(2):
        book.arrives("Mon 23 Nov 2026 09:00", "When will the order come that I paid for in May?")
    assert says(book, 1, "complaint delivery", "audit") == "done"
    assert says(book, 2, "ok", "audit") == "unchanged"
    found = learnt(book)
    assert (found["1"].disposition, found["1"].complaint_type) == (Disposition.COMPLAINT, "delivery")
    assert found["2"].disposition is Disposition.ENQUIRY


def test_a_flag_that_was_wrong_is_learnt_as_absent(book: DeskBook) -> None:
    book.arrives("Mon 23 Nov 2026 09:00", "My solicitor will write to you about the parcel.")
    assert "legal_threat" in {flag.name for flag in book.case(1).flags}
    book.does("correct", 1, "Mon 23 Nov 2026 10:00", complaint_type="", secondary=[], urgency="", disposition="",
              clear_flags=["legal_threat"], why="a joke")  # fmt: skip
    assert "legal_threat" not in learnt(book)["1"].flags


def test_forgotten_mail_is_not_learnt_from(book: DeskBook) -> None:
    from triage.operations.forget import forget

    book.arrives("Mon 23 Nov 2026 09:00", "My parcel has not come.", sender="gone@example.com")
    says(book, 1, "no complaint", "folder")
    forget(book.desk, "gone@example.com", why="asked us to", actor="ines")
    assert learnt(book) == {}


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("Text,type", "--columns text=Text"),
        ("body,category", "--columns text=body --columns type=category"),
        ("subject,Message,Complaint Type", "--columns text=Message --columns 'type=Complaint Type'"),
        ("text,lable", "--columns type=lable"),
        ("narrative_text,type", "--columns text=narrative_text"),
        ("a,b", "--columns text=NAME --columns type=NAME"),
    ],
)
def test_a_column_under_another_name_is_asked_for_with_the_option_that_names_it(
    tmp_path: Path, header: str, options: str
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(f"{header}\n{','.join('x' for _ in header.split(','))}\n", encoding="utf-8")
    with pytest.raises(DatasetInvalid) as refused:
        dataset.read(path)
    (problem,) = refused.value.problems
    assert problem.where == "own.csv:1" and problem.fix.endswith(options)
    jsonl = tmp_path / "own.jsonl"
    pairs = ", ".join(f'"{name}": "x"' for name in header.split(","))
    jsonl.write_text(f"{{{pairs}}}\n", encoding="utf-8")
    with pytest.raises(DatasetInvalid, match=r"own.jsonl:1.*--columns"):
        dataset.read(jsonl)


def test_a_mapping_to_a_column_that_is_not_there_names_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("body,kind\nMy parcel is late,delivery\n", encoding="utf-8")
    with pytest.raises(DatasetInvalid, match=r"no column boddy.*Did you mean body"):
        dataset.read(path, {"text": "boddy", "type": "kind"})
    (read,) = dataset.read(path, {"text": "body", "type": "kind"})
    assert (read.text, read.complaint_type) == ("My parcel is late", "delivery")
