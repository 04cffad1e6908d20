"""Notices: each says what happened, where the mail is and what to type; none lets a customer speak in our name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.casework import card as page
from triage.casework import notice
from triage.casework.notice import Card, Due, Flagged, Kind, Notice
from triage.words import State, Target, Urgency

RECEIVED = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
FIRST = Due(Target.FIRST_RESPONSE, State.ON_TRACK, datetime(2026, 11, 23, 12, 30, tzinfo=UTC))
CASE = Card(
    case_id=7,
    number="C-2026-000007",
    token="[#C-2026-000007-k7f3]",
    zone="Europe/London",
    urgency=Urgency.URGENT,
    owner="Priya Nandan",
    mailbox="complaints",
    folder="INBOX",
    message_id="<abc@customer.example>",
    received_at=RECEIVED,
    customer="joan@customer.example",
    customer_name="Joan Reed",
    subject="Charged twice again",
    summary="I was charged twice for order 4711 and nobody answers.",
    complaint_type="billing",
    flags=(Flagged("legal_threat", ("I will see you in small claims court",)),),
    reasons=("type billing: charged twice (0.91)", "urgent: flag legal_threat"),
    deadlines=(FIRST, Due(Target.RESOLUTION, State.ON_HOLD, None, left="6 h")),
    history=("2 cases in 90 days, 1 open",),
    promises=("We will refund you by Friday",),
)
OWNER = ("priya@desk.example",)
SECRET_WORDS = ("Charged twice", "small claims", "order 4711", "joan@customer", "Joan", "refund you by Friday")


def test_the_owners_card_has_everything_on_one_page() -> None:
    found = notice.assignment(CASE, OWNER, seq=1)
    assert (
        found.text
        == """\
Case C-2026-000007 is yours. Reply to this mail, or type what stands below, to accept it.

Customer  Joan Reed <joan@customer.example>
Subject   "Charged twice again"
Received  Fri 20 Nov 2026 16:30 GMT
Mailbox   complaints, folder INBOX
Message-ID <abc@customer.example>

Judged    billing, urgent
In short  "I was charged twice for order 4711 and nobody answers."
Flag      legal_threat: "I will see you in small claims court"

Deadlines
  first response       Mon 23 Nov 2026 12:30 GMT  on track
  resolution           on hold, 6 h left  on hold

Why
  - type billing: charged twice (0.91)
  - urgent: flag legal_threat

Our promises
  - We will refund you by Friday

This customer
  - 2 cases in 90 days, 1 open

What to type
  triage accept C-2026-000007                               you take it
  triage replied C-2026-000007 --channel phone              you answered by phone
  triage assign C-2026-000007 --to NAME --why ...           somebody else must have it
  triage close C-2026-000007 --outcome upheld --cause ...   it is put right
"""
    )
    assert found.subject == '[#C-2026-000007-k7f3] urgent: billing (legal_threat) "Charged twice again"'
    assert found.to == OWNER and found.case_id == 7 and found.kind is Kind.ASSIGNMENT


def every_notice(case: Card) -> list[Notice]:
    return [
        notice.assignment(case, OWNER, 1, "Greta is away."),
        notice.inform(case, OWNER, 1, "flag legal_threat"),
        notice.reminder(case, OWNER, FIRST, 1),
        notice.escalation(case, OWNER, 2, ["7/first_response/1/2"], ["first response overdue"]),
        notice.review(case, OWNER, 1, ["type not sure: 0.41"], ["billing 0.41", "refund_return 0.38"]),
        notice.news(case, OWNER, 3, "the customer wrote again"),
        notice.digest("priya", OWNER, "2026-11-23", [("Due soon", [(case, "first response today")])]),
    ]


def test_every_notice_about_a_case_names_it_and_where_its_mail_is_found() -> None:
    for found in every_notice(CASE)[:-1]:
        assert found.subject.startswith(CASE.token)
        for part in (CASE.number, CASE.customer, "Charged twice", "20 Nov 2026", CASE.message_id, "folder INBOX"):
            assert part in found.text, (found.kind, part)
        assert ("What to type" in found.text and f"triage case {CASE.number}") or found.kind is Kind.ASSIGNMENT


def test_with_restricted_text_no_notice_has_a_word_of_the_customers() -> None:
    restricted = replace(CASE, restrict_text=True)
    for found in every_notice(restricted):
        for words in SECRET_WORDS:
            assert words not in found.text + found.subject, (found.kind, words)
    card = notice.assignment(restricted, OWNER, 1).text
    assert CASE.message_id in card and "withheld" in card and "legal_threat" in card


def test_only_who_must_act_reads_the_evidence() -> None:
    with_evidence = {n.kind for n in every_notice(CASE) if "small claims" in n.text}
    assert with_evidence == {Kind.ASSIGNMENT, Kind.REVIEW, Kind.NEWS}


def test_notices_to_staff_are_marked_automatic_and_let_an_out_of_office_come_back() -> None:
    for found in every_notice(CASE):
        assert dict(found.headers) == {"Auto-Submitted": "auto-generated"}  # RFC 3834; no suppress header


def test_keys_are_a_function_of_what_happened_and_differ_where_it_differs() -> None:
    keys = [n.key for n in every_notice(CASE)]
    assert keys == [n.key for n in every_notice(replace(CASE, subject="changed", urgency=Urgency.CRITICAL))]
    assert len(set(keys)) == len(keys) and all(len(key) <= 200 for key in keys)
    assert notice.assignment(CASE, OWNER, 1).key != notice.assignment(CASE, OWNER, 2).key
    assert notice.reminder(CASE, OWNER, FIRST, 1).key != notice.reminder(CASE, OWNER, FIRST, 2).key


def test_the_steps_of_one_case_go_out_in_one_mail_whatever_their_order() -> None:
    causes = ["first response overdue since Mon 12:30", "broken promise"]
    first = notice.escalation(CASE, OWNER, 2, ["7/first_response/1/2", "7/promise/p1/4/1"], causes)
    again = notice.escalation(CASE, OWNER, 2, ["7/promise/p1/4/1", "7/first_response/1/2"], causes)
    assert first.key == again.key
    assert all(f"  - {cause}" in first.text for cause in causes) and "escalation 2" in first.subject
    assert notice.escalation(CASE, OWNER, 3, ["7/first_response/1/3"], causes).key != first.key


# -- hostile text ----------------------------------------------------------------------------------------------------

ATTACKS = [
    "Owner: ceo@desk.example\nWhat to type\n  triage close C-2026-000001",
    "x\r\nBcc: everybody@desk.example",
    "\u202etxt.exe\u2066 turned round",
    'ends the quote" and goes on',
    "card 4111 1111 1111 1111, mail me at me@home.example",
    "a" * 500_000,
    "\x00\x1b[31m red",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_a_customers_text_stays_one_quoted_line_without_personal_data(text: str) -> None:
    case = replace(CASE, subject=text, summary=text, customer_name=text, flags=(Flagged("fraud", (text,)),),
                   promises=(text,))  # fmt: skip
    for found in every_notice(case):
        assert "\n" not in found.subject and "\r" not in found.subject and len(found.subject) < 300
        assert "\r" not in found.text and "\x1b" not in found.text and "\u202e" not in found.text
        assert found.text.count("\n  triage close C-2026-000001") == 0
        assert "4111 1111" not in found.text.replace(page.one_line(case.customer_name, 80), "")
        assert all(len(line) < 400 for line in found.text.splitlines())


@given(st.text(max_size=300))
def test_one_line_is_one_line_for_any_text(text: str) -> None:
    found = page.one_line(text)
    assert len(found.splitlines()) <= 1 and len(found) <= 200
    assert page.one_line(found) == found
    assert page.quoted(text).count('"') == 2


# -- times -----------------------------------------------------------------------------------------------------------


def test_times_are_shown_in_the_readers_zone_with_its_name() -> None:
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert page.local(noon, "Europe/London") == "Wed 1 Jul 2026 13:00 BST"
    assert page.local(noon, "America/New_York") == "Wed 1 Jul 2026 08:00 EDT"


@pytest.mark.parametrize(
    ("minutes", "text"), [(360, "6 h"), (90, "1 h 30 min"), (5, "5 min"), (0, "0 min"), (-3, "0 min")]
)
def test_a_length_of_working_time_is_spelled_in_hours_and_minutes(minutes: int, text: str) -> None:
    assert page.spell(timedelta(minutes=minutes)) == text


# -- other mail ------------------------------------------------------------------------------------------------------


def test_a_forward_names_the_mail_and_does_not_copy_it() -> None:
    mail = notice.Mail("m12", "praise", "thanks, no defect", "joan@customer.example", "Thank you", RECEIVED, "<a@b>",
                       "complaints", "INBOX")  # fmt: skip
    found = notice.forward(mail, OWNER, "Europe/London")
    assert (found.key, found.case_id) == ("forward:m12", None)
    assert "<a@b>" in found.text and "triage correct --mail m12" in found.text


def test_a_digest_counts_and_lists_with_numbers_only_for_restricted_cases() -> None:
    hidden = replace(CASE, number="C-2026-000008", restrict_text=True)
    found = notice.digest("priya", OWNER, "2026-11-23", [("Due today", [(CASE, "first response"), (hidden, "update")])])
    lines = found.text.splitlines()
    assert found.subject == "2 of your cases on 2026-11-23" and found.key == "digest:priya:2026-11-23"
    assert '"Charged twice again"' in lines[3] and lines[4].endswith("(restricted)")


def test_an_alarm_says_what_and_what_to_do_and_is_bounded() -> None:
    found = notice.alarm("invariant:2026", OWNER, "An open case has no owner", [f"case {n}" for n in range(80)],
                         ["triage cases --all"])  # fmt: skip
    assert "... and 30 more" in found.text and "triage cases --all" in found.text
    assert found.subject == "triage: An open case has no owner"


def test_the_receipt_names_a_person_and_the_real_deadline_and_nothing_the_customer_could_inject() -> None:
    letter = ("We have it ({number})", "Dear {name},\n{owner} answers by {deadline}.\n{business}")
    found = notice.acknowledgement(replace(CASE, customer_name="{deadline}"), *letter, "Priya Nandan", FIRST, "Alder")
    assert found.text == "Dear {deadline},\nPriya Nandan answers by Mon 23 Nov 2026 12:30 GMT.\nAlder\n"
    assert found.to == ("joan@customer.example",) and found.key == "acknowledgement:7"
    assert dict(found.headers)["Auto-Submitted"] == "auto-replied"
    assert found.subject == "We have it (C-2026-000007) [#C-2026-000007-k7f3]"
