"""What people write on folders, keywords and in replies: understood as a whole or not at all."""

from __future__ import annotations

import pytest

from triage.judge import correction
from triage.judge.correction import NO_COMPLAINT, Correction, Order
from triage.words import COMPLAINT_TYPES

TYPES = {**{name: name.replace("_", " ").title() for name in COMPLAINT_TYPES}, "digital_access": "Site and app"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("billing", Correction("billing")),
        ("Product fault", Correction("product_fault")),
        ("product_fault", Correction("product_fault")),
        ("site and app", Correction("digital_access")),  # the title in complaint_types.yaml
        ("billing, urgent", Correction("billing", "urgent")),
        ("URGENT / type billing", Correction("billing", "urgent")),
        ("low", Correction(urgency="low")),
        ("no complaint", Correction(disposition=NO_COMPLAINT)),
        ("not a complaint", Correction(disposition=NO_COMPLAINT)),
        ("complaint delivery critical", Correction("delivery", "critical", "complaint")),
        ("praise", Correction(disposition="praise")),
        ("ok", Correction(confirm=True)),
    ],
)
def test_a_few_words_say_what_a_mail_is(text: str, said: Correction) -> None:
    assert correction.read(text, TYPES) == said


@pytest.mark.parametrize(
    "text",
    [
        "", "billing please", "billing or delivery", "billing delivery", "urgent low", "praise urgent", "ok billing",
        "Team North", "no", "complaint praise", "please look at billing", "x" * 5000, "billing " * 500,
    ],
)  # fmt: skip
def test_what_is_not_understood_as_a_whole_or_contradicts_itself_is_nothing(text: str) -> None:
    assert correction.read(text, TYPES) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("triage-type-billing", Correction("billing")),
        ("triage-type-product-fault", Correction("product_fault")),
        ("triage_urgent", Correction(urgency="urgent")),  # Thunderbird writes the tag "triage urgent" so
        ("Triage-No-Complaint", Correction(disposition=NO_COMPLAINT)),
        ("triage-enquiry", Correction(disposition="enquiry")),
    ],
)
def test_a_keyword_begins_with_our_name(name: str, said: Correction) -> None:
    assert correction.keyword(name, TYPES) == said
    assert correction.meant_for_us(name)


@pytest.mark.parametrize("name", ["urgent", "$label1", "billing", "triage", "triage-", "triage-nonsense", "triage-ok"])
def test_other_keywords_say_nothing(name: str) -> None:
    assert correction.keyword(name, TYPES) is None


def test_the_mark_we_set_ourselves_is_no_wish_of_anybody() -> None:
    assert not correction.meant_for_us("$Triaged")


def test_every_listed_name_is_understood() -> None:
    assert all(correction.keyword(name, TYPES) for name in correction.keywords(TYPES))
    assert all(correction.read(name, TYPES) for name in correction.names(TYPES))


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("#123 billing urgent", Order("123", False, Correction("billing", "urgent"))),
        ("3: no complaint", Order("3", False, Correction(disposition=NO_COMPLAINT))),
        ("C-2026-000123 delivery.", Order("C-2026-000123", False, Correction("delivery"))),
        ("#C-2026-000123: low", Order("C-2026-000123", False, Correction(urgency="low"))),
        ("mail 4711 ok", Order("4711", True, Correction(confirm=True))),
        ("m4711: billing", Order("4711", True, Correction("billing"))),
        ("all ok", Order("all", True, Correction(confirm=True))),
        ("billing urgent", Order("", False, Correction("billing", "urgent"))),
    ],
)
def test_a_line_of_a_reply_names_what_it_is_about(text: str, order: Order) -> None:
    assert correction.line(text, TYPES) == order


@pytest.mark.parametrize("text", ["", "#123", "#123 billing and thanks", "Thank you!", "#1234567890 billing", "123456"])
def test_prose_and_half_orders_are_no_line(text: str) -> None:
    assert correction.line(text, TYPES) is None
