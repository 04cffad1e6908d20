"""What is wrong with a reply of ours, and what is not. Wrong alarms cost trust: the innocent list is the longer one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.casework import said
from triage.casework.history import Contact
from triage.judge import reply
from triage.judge.reply import About, Reply

ABOUT = About(
    names=frozenset({"Margot Ellery"}),
    language="en",
    addresses=frozenset({"margot.ellery@example.com"}),
    own_domains=frozenset({"ours.example"}),
    others=frozenset({"jo.lopez@example.net"}),
    other_numbers=frozenset({"OL36640"}),
)
TO = ("margot.ellery@example.com",)


def names(
    text: str, *, to: tuple[str, ...] = TO, language: str = "en", about: About = ABOUT, subject: str = "Re: shelf"
) -> list[str]:
    return [one.name for one in reply.check(Reply(text, subject, language, to), about)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dear Mr Kitto,\n\nThe shelf is packed.", ["wrong_name"]),
        ("Hello Juno,\n\nThe shelf is packed.", ["wrong_name"]),
        ("Sehr geehrter Herr Brandl,\n\nThe shelf is packed.", ["wrong_name"]),
        ("Dear {{first_name}},\n\nThe shelf is packed.", ["placeholder"]),
        ("Dear ,\n\nThe shelf is packed.", ["placeholder"]),
        ("Dear Ms Ellery,\n\nYour refund of [amount] is on its way.", ["placeholder"]),
        ("Dear Ms Ellery,\n\nYour refund of %AMOUNT% is on its way.", ["placeholder"]),
        ("Dear Ms Ellery,\n\nWe wrote to jo.lopez@example.net about it.", ["other_customer"]),
        ("Dear Ms Ellery,\n\nYour order OL-36640 leaves today.", ["other_customer"]),
        ("Dear Ms Ellery,\n\nYou are an idiot.", ["insult"]),
        ("Dear Ms Ellery,\n\nPlease stop whining, it will come.", ["insult"]),
        ("Dear Ms Ellery,\n\nWe refunded the card 4111 1111 1111 1111.", ["card_number"]),
        # innocent
        ("Dear Ms Ellery,\n\nThe shelf is packed.", []),
        ("Hi Margot,\n\nThe shelf is packed.", []),
        ("Dear M. Ellery,\n\nThe shelf is packed.", []),
        ("Dear customer,\n\nThe shelf is packed.", []),
        ("Good morning,\n\nThe shelf is packed.", []),
        ("Hello,\n\nThe shelf is packed.", []),
        ("Hello again,\n\nThe shelf is packed.", []),
        ("Thank you for the photo. Dear me, that is a long crack.", []),
        ("Dear Ms Ellery,\n\nI am sorry for our stupid mistake. You are right, it was ridiculous of us.", []),
        ("Dear Ms Ellery,\n\nYour order OL-33521 leaves today, card ending 1111.", []),
        ("Dear Ms Ellery,\n\nWrite to help@ours.example or margot.ellery@example.com [see below].", []),
        ("Dear Ms Ellery,\n\nThe number is 1234 5678 9012 3456.", []),  # fails the check digit: no card
    ],
)
def test_mistakes_are_found_and_the_innocent_left_alone(text: str, found: list[str]) -> None:
    assert names(text) == found


def test_a_name_is_only_wrong_where_the_right_one_is_known() -> None:
    assert names("Dear Mr Kitto,\n\nHello.", about=About(language="en")) == []


@pytest.mark.parametrize(
    ("to", "text", "found"),
    [
        (("jo.lopez@example.net",), "The shelf is packed.", ["wrong_recipient"]),  # another customer
        ((*TO, "stranger@example.net"), "The shelf is packed.", ["wrong_recipient"]),  # beside the customer
        (
            ("stranger@example.net",),
            "Dear Ms Ellery, the shelf is packed.",
            ["wrong_recipient"],
        ),  # meant for the customer
        (("parts@supplier.example",), "Please send us one more shelf.", []),  # talk with a supplier
        ((*TO, "shop@ours.example"), "The shelf is packed.", []),
    ],
)
def test_a_wrong_recipient_is_told_from_a_supplier(to: tuple[str, ...], text: str, found: list[str]) -> None:
    assert names(text, to=to) == found


def test_another_language_than_the_complaint_is_flagged_once_it_can_be_told() -> None:
    text = "Das Regal ist verpackt und kommt am Freitag."
    assert names(text, language="de") == ["language"]
    assert names(text, language="und") == []


def test_grave_mistakes_come_first_and_their_evidence_repeats_nothing() -> None:
    found = reply.check(Reply("Dear Bob, we refunded 4111 1111 1111 1111.", "", "en", TO), ABOUT)
    assert [one.grave for one in found] == [True, False]
    assert "4111" not in found[0].sentence()
    leak = reply.check(Reply("We wrote to jo.lopez@example.net.", "", "en", TO), ABOUT)[0]
    assert "jo.lopez" not in leak.sentence()


@given(st.text(max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_text_brings_the_check_down(text: str) -> None:
    reply.check(Reply(text, text[:50], "en", TO), ABOUT)
    said.facts(text, "en")


# -- amounts and decisions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        ("£80 and 1,234.50 GBP", ("80.00 GBP", "1234.50 GBP")),
        ("12,50 € oder EUR 1.234,5", ("12.50 EUR", "1234.50 EUR")),
        ("$5", ("5.00 USD",)),
        ("order 80, 3 days", ()),
    ],
)
def test_sums_of_money_are_read_in_one_form(text: str, sums: tuple[str, ...]) -> None:
    assert said.amounts(text) == sums


def _answer(text: str, by: str, day: int) -> Contact:
    at = datetime(2026, 5, day, 12, 0, tzinfo=UTC)
    return Contact(at, day, False, day, False, "answer", by, "mail", said.facts(text, "en"))


@pytest.mark.parametrize(
    ("first", "second", "about"),
    [
        ("Your refund of £80 is approved.", "Made-to-measure items are not eligible for a refund.", "decision"),
        ("We will refund £80.", "We will refund £60.", "amount"),
        ("We will refund £80.", "Your £80 is approved as a refund.", None),
        ("The fee is £5.99.", "We will refund £80.", None),  # two sums, one of them paid back
        (
            "If you send it back, we will refund you.",
            "This is not eligible for a refund.",
            None,
        ),  # a condition decides nothing
        ("Would you like a refund?", "No refund is possible.", None),
    ],
)
def test_two_answers_contradict_each_other_in_decision_or_amount(first: str, second: str, about: str | None) -> None:
    at = datetime(2026, 5, 19, 12, 0, tzinfo=UTC)
    found = said.contradiction(
        [_answer(first, "nell@ours.example", 18)], "gareth@ours.example", at, said.facts(second, "en")
    )
    assert (found.about if found else None) == about


def test_one_person_may_change_their_mind_and_old_answers_are_left_alone() -> None:
    yes, no = "Your refund of £80 is approved.", "This is not eligible for a refund."
    at = datetime(2026, 5, 19, 12, 0, tzinfo=UTC)
    assert (
        said.contradiction([_answer(yes, "nell@ours.example", 18)], "nell@ours.example", at, said.facts(no, "en"))
        is None
    )
    assert (
        said.contradiction([_answer(yes, "nell@ours.example", 1)], "gareth@ours.example", at, said.facts(no, "en"))
        is None
    )


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("Could you send us a photo of the crack?", True),
        ("Please confirm your address.", True),
        ("We need your order number.", True),
        ("Could you try once more with the link I've just sent?", True),
        ("Please let us know if you need anything else.", False),
        ("Let me know if it hasn't shown up.", False),
        ("Thank you for your patience.", False),
        ("You can send it back at any time.", False),
    ],
)
def test_only_a_reply_that_asks_for_something_waits_for_the_customer(text: str, asks: bool) -> None:
    assert bool(said.requests(text, "en")) is asks
