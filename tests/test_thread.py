"""A mail joins a case only by a key that we signed or by a sender who takes part in the case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mails import NOON, OURS, SECRET, mail
from triage.mail import body, thread, tokens
from triage.mail.message import parse
from triage.mail.screen import Screening, judge
from triage.mail.thread import CaseRef, Key, Threading
from triage.words import Status

NUMBER = "C-2026-000123"
HOST = OURS.id_host
PLUS = thread.plus_address("care@ours.example", NUMBER, SECRET)
OUR_ID = thread.message_id(NUMBER, 2, SECRET, HOST)
TOKEN = thread.case_token(NUMBER, SECRET)


def keys_of(raw: bytes) -> tuple[tuple[Key, ...], Screening]:
    message = parse(raw)
    words = body.words(message)
    screening = judge(message, words, OURS, NOON)
    return thread.candidates(message, words, screening, OURS), screening


def case(id_: int = 7, *, people: str = "jo@example.com", status: Status = Status.OPEN, **more: object) -> CaseRef:
    closed = NOON - timedelta(days=2) if status is Status.CLOSED else None
    ref = CaseRef(id_, NUMBER, status, closed, frozenset(people.split()), "Parcel")
    return replace(ref, **more)  # type: ignore[arg-type]


def decided(raw: bytes, by_kind: dict[str, tuple[CaseRef, ...]]) -> Threading:
    """The decision when the store finds these cases for every key of a kind."""
    keys, screening = keys_of(raw)
    assert by_kind.keys() <= {k.kind for k in keys}, [k.kind for k in keys]
    return thread.decide(keys, {k: by_kind.get(k.kind, ()) for k in keys}, screening, NOON)


# --- what we sign -----------------------------------------------------------------------------------------------------


def test_the_forms_of_the_tokens() -> None:
    assert PLUS.startswith("care+c.c-2026-000123.") and PLUS.endswith("@ours.example")
    assert OUR_ID.startswith("<c.C-2026-000123.2.") and OUR_ID.endswith("@desk.ours.example>")
    assert TOKEN.startswith("[#C-2026-000123-") and len(TOKEN) == len("[#C-2026-000123-k7f3]")


numbers = st.from_regex(r"[A-Z0-9]{1,4}-[0-9]{1,8}", fullmatch=True)


@given(numbers, st.integers(0, 999_999))
def test_what_we_sign_we_read_again_in_any_case_of_letters(number: str, seq: int) -> None:
    address = thread.plus_address("care@ours.example", number, SECRET)
    id_ = thread.message_id(number, seq, SECRET, HOST)
    for change in (str, str.upper, str.lower):  # servers and people change the case
        assert thread.read_plus_address(change(address), SECRET) == number
        assert thread.read_message_id(change(id_), SECRET, HOST) == (number, seq)
        assert thread.read_case_tokens(change(f"Re: {thread.case_token(number, SECRET)} x"), SECRET) == (number,)


@pytest.mark.parametrize("secret", [b"another secret", b""])
def test_nobody_else_can_sign(secret: bytes) -> None:
    assert thread.read_plus_address(thread.plus_address("care@ours.example", NUMBER, secret), SECRET) is None
    assert thread.read_message_id(thread.message_id(NUMBER, 2, secret, HOST), SECRET, HOST) is None
    assert thread.read_case_tokens(thread.case_token(NUMBER, secret), SECRET) == ()


def test_a_signature_is_worth_nothing_for_another_case_host_or_purpose() -> None:
    assert thread.read_plus_address(PLUS.replace("000123", "000124"), SECRET) is None
    assert thread.read_message_id(OUR_ID.replace(".2.", ".3."), SECRET, HOST) is None
    assert thread.read_message_id(OUR_ID, SECRET, "other.example") is None
    signature = PLUS.split(".")[2].partition("@")[0]
    assert thread.read_message_id(f"<c.{NUMBER}.2.{signature}@{HOST}>", SECRET, HOST) is None


# --- keys, strongest first --------------------------------------------------------------------------------------------


def test_keys_come_strongest_first() -> None:
    raw = mail(
        "About my order OB-40217",
        Delivered_To=PLUS,
        In_Reply_To=OUR_ID,
        References=f"<old@example.com> {thread.message_id(NUMBER, 1, SECRET, HOST)}",
        Subject=f"Re: {TOKEN} Parcel",
    )
    keys, _ = keys_of(raw)
    assert [k.kind for k in keys] == [
        *("plus_address", "reply_to_ours", "reference_to_ours", "reference", "token", "order"),
    ]
    assert keys[0].case_number == NUMBER and all(k.evidence for k in keys)


def test_references_are_read_newest_first_and_at_most_twenty() -> None:
    keys, _ = keys_of(mail(References=" ".join(f"<r{i}@example.com>" for i in range(60))))
    values = [k.value for k in keys if k.kind == "reference"]
    assert values == [f"<r{i}@example.com>" for i in range(59, 39, -1)]


@pytest.mark.parametrize("empty", ["<>", "<@>", "x", "<a@>"])
def test_empty_ids_are_no_keys(empty: str) -> None:
    """Two customers' mails with an empty id were once joined in one ticket."""
    keys, _ = keys_of(mail("x", In_Reply_To=empty, References=empty))
    assert keys == ()


def test_the_words_of_a_machine_give_no_numbers() -> None:
    keys, _ = keys_of(mail("Your order OB-40217", Auto_Submitted="auto-replied", In_Reply_To="<reply-1@ours.example>"))
    assert [k.kind for k in keys] == ["message_id"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("order OL-33521", ("OL33521",)),
        ("(private matter: your order OL-33521)", ("OL33521",)),
        ("policy FC-C-5512 and SC 7004 5512", ("FCC5512", "SC70045512")),
        ("Bestellnummer 4711-0815, Kundennr. 88 991 22", ("47110815", "8899122")),
        ("commande n° 4471220", ("4471220",)),
        ("invoice no. 20260388", ("20260388",)),
        ("call 07700 900552 or write to a-12345@example.com", ()),
        ("paid GBP 1200 on 2026-03-02, order from 02-03-2026", ()),
        ("case C-2026-000123", ()),  # a case number is a key of its own
        ("order 12", ()),
    ],
)
def test_reference_numbers_of_a_text(text: str, found: tuple[str, ...]) -> None:
    assert thread.reference_numbers(text) == found


def test_numbers_are_found_in_signature_and_forwarded_mail_too() -> None:
    keys, _ = keys_of(mail("Any news??\n\n--\nJo\n(your order OL-33521)"))
    assert [k.value for k in keys] == ["OL33521"]


def test_subjects_are_compared_without_prefixes_and_tokens() -> None:
    assert thread.plain_subject(f"AW: Re: {TOKEN}  Parcel is  LATE") == thread.plain_subject("parcel is late")


# --- decisions --------------------------------------------------------------------------------------------------------

STRANGER = "someone@else.example"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"To": PLUS}, "plus_address"),
        ({"In_Reply_To": OUR_ID}, "reply_to_ours"),
    ],
)
def test_a_signed_key_attaches_from_any_address(fields: dict[str, str], kind: str) -> None:
    result = decided(mail(From=STRANGER, **fields), {kind: (case(),)})
    assert (result.case_id, result.how) == (7, kind) and result.evidence


def test_an_id_of_our_sent_mail_counts_as_ours() -> None:
    raw = mail(From=STRANGER, In_Reply_To="<typed-by-priya@ours.example>")
    assert decided(raw, {"message_id": (case(sent=True),)}).case_id == 7
    assert decided(raw, {"message_id": (case(sent=False),)}) == Threading(
        None, "new", "no key of this mail ties it to a case", (7,)
    )


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"References": OUR_ID}, "reference_to_ours"),
        ({"In_Reply_To": "<a1@example.com>"}, "message_id"),
        ({"References": "<a1@example.com>"}, "reference"),
        ({"Subject": f"Re: {TOKEN} Parcel"}, "token"),
    ],
)
def test_an_unsigned_key_needs_a_sender_who_takes_part(fields: dict[str, str], kind: str) -> None:
    assert decided(mail(**fields), {kind: (case(),)}).case_id == 7
    stranger = decided(mail(From=STRANGER, **fields), {kind: (case(),)})
    assert (stranger.case_id, stranger.possibly) == (None, (7,))


def test_a_spoofed_token_with_the_case_named_in_the_text_opens_a_new_case() -> None:
    """Orders in the body set nothing, and who shows another's token cannot get in by its number either."""
    raw = mail(f"Owner: ceo@ Priority: U1 close case {NUMBER}", From=STRANGER, Subject=f"Re: {TOKEN} parcel")
    result = decided(raw, {"token": (case(),), "case_number": (case(),)})
    assert (result.case_id, result.how, result.possibly) == (None, "new", (7,))


def test_a_wrong_token_is_no_key() -> None:
    keys, _ = keys_of(mail("x", Subject="Re: [#C-2026-000123-aaaa] Parcel"))
    assert [k.kind for k in keys if k.kind == "token"] == []


@pytest.mark.parametrize(
    ("refs", "joined"),
    [
        ((case(),), 7),  # exactly one open case has the number: a customer's second address
        ((case(), case(8)), None),
        ((case(status=Status.CLOSED),), None),
        ((case(), case(8, status=Status.CLOSED)), 7),
        ((), None),
    ],
)
def test_an_order_number_from_an_unknown_address_attaches_to_the_one_open_case(
    refs: tuple[CaseRef, ...], joined: int | None
) -> None:
    result = decided(mail("Any news of order OL-33521??", From=STRANGER), {"order": refs})
    assert result.case_id == joined
    assert joined is not None or set(result.possibly) == {r.case_id for r in refs}


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("Any news of order OL-33521??", None),  # another company's order may bear the same number
        ("Any news of order OL-33521 for my mother, Mrs Ellery?", 7),
    ],
)
def test_an_order_number_attaches_no_mail_that_bears_another_name(text: str, joined: int | None) -> None:
    ref = replace(case(), name="Margot Ellery")
    keys, screening = keys_of(mail(text, From="Dana Fox <dana@else.example>"))
    result = thread.decide(keys, dict.fromkeys(keys, (ref,)), screening, NOON, text=text)
    assert (result.case_id, result.possibly) == (joined, () if joined else (7,))


def test_a_mail_that_fails_authentication_joins_by_the_signed_address_only() -> None:
    failed = "mx.ours.example; dmarc=fail"
    by_id = decided(mail(In_Reply_To=OUR_ID, Authentication_Results=failed), {"reply_to_ours": (case(),)})
    by_address = decided(mail(To=PLUS, Authentication_Results=failed), {"plus_address": (case(),)})
    assert (by_id.case_id, by_id.possibly) == (None, (7,))
    assert by_address.case_id == 7


@pytest.mark.parametrize(
    ("days", "how", "case_id", "possibly"),
    [
        (13, "reply_to_ours", 7, ()),  # inside the watch: the desk re-opens
        (14, "reply_to_ours", 7, ()),
        (15, "linked", None, (7,)),  # a new case, linked to the old one
    ],
)
def test_a_reply_to_a_closed_case(days: int, how: str, case_id: int | None, possibly: tuple[int, ...]) -> None:
    closed = case(status=Status.CLOSED, closed_at=NOON - timedelta(days=days))
    result = decided(mail(In_Reply_To=OUR_ID), {"reply_to_ours": (closed,)})
    assert (result.how, result.case_id, result.possibly) == (how, case_id, possibly)


def test_an_automatic_answer_is_logged_on_an_old_case_and_opens_none() -> None:
    closed = case(status=Status.CLOSED, closed_at=NOON - timedelta(days=200))
    raw = mail(In_Reply_To=OUR_ID, Auto_Submitted="auto-replied")
    assert decided(raw, {"reply_to_ours": (closed,)}).case_id == 7


def test_a_bounce_of_our_mail_belongs_to_the_case_it_was_sent_on() -> None:
    text = f"<jo@example.com>: 550 5.1.1 unknown\n\nOriginal-Message-ID: {OUR_ID}\n"
    raw = mail(text, From="mailer-daemon@mx.example.com", Return_Path="<>")
    assert decided(raw, {"report": (case(),)}).case_id == 7


def test_a_colleagues_answer_joins_the_case_of_the_customer_it_goes_to() -> None:
    raw = mail(From="tilly@ours.example", To="jo@example.com", Cc="care@ours.example", In_Reply_To="<a1@example.com>")
    assert decided(raw, {"message_id": (case(),)}).case_id == 7


def test_the_open_case_of_a_sender_is_taken_before_a_closed_one() -> None:
    refs = (case(5, status=Status.CLOSED), case(6), case(4))
    assert decided(mail(References="<a1@example.com>"), {"reference": refs}).case_id == 6


def test_weaker_keys_are_tried_and_stronger_misses_stay_visible() -> None:
    raw = mail(In_Reply_To="<b1@else.example>", Subject=f"Re: {TOKEN}")
    result = decided(raw, {"message_id": (case(9, people="x@y.z"),), "token": (case(),)})
    assert (result.case_id, result.how, result.possibly) == (7, "token", (9,))


def test_subject_text_alone_never_threads() -> None:
    keys, screening = keys_of(mail("x", Subject="Re: Parcel", Thread_Topic="Parcel", Thread_Index="AdY"))
    assert keys == () and thread.decide(keys, {}, screening, NOON).case_id is None


def test_without_tokens_leaves_the_words_of_a_subject() -> None:
    assert tokens.without_tokens(f"Re: {TOKEN} Parcel [Case #2291]") == "Re:   Parcel"
