"""Screening: what a mail is by its outside. It may keep us from answering, never a mail from being stored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.mails import NOON, OURS, SECRET, expected, mail
from triage.mail import body, tokens
from triage.mail.message import parse
from triage.mail.screen import DISPOSITIONS, RULES, Kind, Ours, Screening, judge
from triage.words import Disposition


def screened(raw: bytes, ours: Ours = OURS, at: datetime = NOON) -> Screening:
    message = parse(raw)
    return judge(message, body.words(message), ours, at)


@pytest.mark.parametrize(("raw", "record"), expected("screen"))
def test_a_mail_is_screened(raw: bytes, record: dict[str, Any]) -> None:
    s = screened(raw)
    seen = {
        "kind": s.kind.value,
        "disposition": s.disposition.value if s.disposition else None,
        "customer": s.customer.email,
        "forwarded_by": s.forwarded_by.email if s.forwarded_by else None,
        "received_at": s.received_at.isoformat(),
        "authenticated": s.authenticated,
        "reports_on": list(s.reports_on),
        "failed": list(s.failed_recipients),
        "hits": [h.rule for h in s.hits],
        "may_acknowledge": s.may_acknowledge,
    }
    assert {key: seen[key] for key in record} == record
    assert s.reason and all(h.detail for h in s.hits)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, Kind.PERSON),
        ({"Auto_Submitted": "no"}, Kind.PERSON),
        ({"Auto_Submitted": "NO (really)"}, Kind.PERSON),
        ({"X_Auto_Response_Suppress": "All"}, Kind.PERSON),  # real customers on Exchange carry it
        ({"X_Priority": "1"}, Kind.PERSON),
        ({"Auto_Submitted": "auto-replied; owner-email=a@b.c"}, Kind.OUT_OF_OFFICE),
        ({"Auto_Submitted": "auto-generated"}, Kind.MACHINE),
        ({"Auto_Submitted": "Auto-Notified"}, Kind.MACHINE),
        ({"Auto_Submitted": "auto-generated", "Subject": "Automatische Antwort: x"}, Kind.OUT_OF_OFFICE),
        ({"X_Autoreply": "yes"}, Kind.OUT_OF_OFFICE),
        ({"X_Autorespond": ""}, Kind.PERSON),  # the header is absent
        ({"X_FC_MachineGenerated": "true"}, Kind.OUT_OF_OFFICE),
        ({"Precedence": "auto_reply"}, Kind.OUT_OF_OFFICE),
        ({"X_Auto_Response_Suppress": "OOF", "Subject": "Automatic reply: x"}, Kind.OUT_OF_OFFICE),
        ({"Subject": "Out of office: x", "In_Reply_To": "<a@ours.example>"}, Kind.OUT_OF_OFFICE),
        ({"Subject": "Réponse automatique : x", "In_Reply_To": "<a@ours.example>"}, Kind.OUT_OF_OFFICE),
        ({"Subject": "Automatic reply: x"}, Kind.PERSON),  # says so and answers nothing: in doubt a person
        ({"Subject": "Re: Automatic reply: x", "In_Reply_To": "<a@ours.example>"}, Kind.PERSON),
        ({"Precedence": "bulk"}, Kind.BULK),
        ({"Precedence": "bulk", "Subject": "Fuera de la oficina"}, Kind.OUT_OF_OFFICE),
        ({"List_Unsubscribe": "<https://news.example/u>"}, Kind.LIST),
        ({"List_Id": "<weekly.news.example>"}, Kind.LIST),
        ({"Return_Path": "<>"}, Kind.BOUNCE_LIKE),
        ({"Return_Path": "<>", "Auto_Submitted": "auto-replied"}, Kind.OUT_OF_OFFICE),  # RFC 3834 3.3 allows it
        ({"Return_Path": "<>", "Auto_Submitted": "auto-replied", "From": "MAILER-DAEMON"}, Kind.BOUNCE_LIKE),
        ({"From": "postmaster@mx.example.com"}, Kind.BOUNCE_LIKE),
        ({"X_Failed_Recipients": "kim@example.net"}, Kind.BOUNCE_LIKE),
        ({"From": "no-reply@shop.example"}, Kind.NO_REPLY),
        ({"From": "DoNotReply@shop.example"}, Kind.NO_REPLY),
        ({"From": "noreen@shop.example"}, Kind.PERSON),
        ({"From": "care@ours.example"}, Kind.SELF),
        ({"From": "tilly@ours.example"}, Kind.INTERNAL),
        ({"From": "tilly@shop.ours.example"}, Kind.INTERNAL),
        ({"From": "tilly@notours.example"}, Kind.PERSON),
    ],
)
def test_the_table_of_kinds(fields: dict[str, str], kind: Kind) -> None:
    s = screened(mail("Where is my parcel?", **fields))
    assert s.kind is kind
    assert s.disposition == DISPOSITIONS[kind]


def test_every_kind_but_the_person_has_its_rule_and_every_kind_its_disposition() -> None:
    assert [kind for kind, _ in RULES] == [kind for kind in Kind if kind is not Kind.PERSON]
    assert set(DISPOSITIONS) == set(Kind)


def test_all_matching_rules_are_recorded_and_the_first_gives_the_kind() -> None:
    s = screened(mail(Auto_Submitted="auto-generated", Precedence="bulk", List_Id="<a.b>", From="noreply@a.b"))
    assert s.kind is Kind.MACHINE
    assert [h.rule for h in s.hits] == ["machine", "list", "bulk", "no_reply"]


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.PERSON, Kind.WEB_FORM, Kind.FORWARDED)])
def test_only_people_are_acknowledged(kind: Kind) -> None:
    examples: dict[Kind, dict[str, str]] = {
        Kind.OUT_OF_OFFICE: {"Auto_Submitted": "auto-replied"},
        Kind.MACHINE: {"Auto_Submitted": "auto-generated"},
        Kind.LIST: {"List_Id": "<a.b>"},
        Kind.BULK: {"Precedence": "bulk"},
        Kind.NO_REPLY: {"From": "noreply@a.b"},
        Kind.SELF: {"From": "care@ours.example"},
        Kind.INTERNAL: {"From": "a@ours.example"},
        Kind.STAFF_REPLY: {"From": "a@ours.example", "To": "kim@example.net", "Cc": "care@ours.example"},
        Kind.BOUNCE_LIKE: {"Return_Path": "<>"},
        Kind.CANARY: {"X_Triage_Canary": tokens.canary("a.b", "desk-1", SECRET)},
        Kind.OWN_LOOP: {"X_Triage_Loop": tokens.loop_marker("desk-1", SECRET)},
        Kind.PHISHING: {"Authentication_Results": "mx.ours.example; dmarc=fail", "Subject": "www"},
    }
    if kind not in examples:
        pytest.skip("a report: see the fixtures")
    s = screened(mail("see https://a.example/x" if kind is Kind.PHISHING else "hello", **examples[kind]))
    assert s.kind is kind and not s.may_acknowledge


@pytest.mark.parametrize(
    "fields",
    [
        {"X_Auto_Response_Suppress": "All"},  # its system asks us not to
        {"Authentication_Results": "mx.ours.example; dmarc=fail (p=none)"},  # the address may be forged
        {"From": "Jo"},  # nobody to write to
    ],
)
def test_a_person_is_not_acknowledged_when(fields: dict[str, str]) -> None:
    s = screened(mail(**fields))
    assert s.kind is Kind.PERSON and not s.may_acknowledge


# --- our own mail coming back -----------------------------------------------------------------------------------------


def test_our_own_loop_marker_is_known_and_a_forged_one_is_not() -> None:
    ours = screened(mail(X_Triage_Loop=tokens.loop_marker("desk-1", SECRET)))
    forged = screened(mail(X_Triage_Loop="0123456789abcdef"))
    assert (ours.kind, ours.disposition) == (Kind.OWN_LOOP, Disposition.INTERNAL)
    assert forged.kind is Kind.PERSON


def test_a_message_id_that_we_made_is_our_own_mail() -> None:
    made = tokens.message_id("C-2026-000123", 2, SECRET, "desk.ours.example")
    assert screened(mail(Message_ID=made)).kind is Kind.OWN_LOOP
    assert screened(mail(Message_ID=made.replace("C-2026-000123", "C-2026-000124"))).kind is Kind.PERSON


# --- bounces without the standard parts -------------------------------------------------------------------------------


def test_a_bounce_in_plain_text_tells_whom_it_missed_and_which_mail() -> None:
    text = (
        "Your message could not be delivered.\n\n"
        "<kim@example.net>: host mx.example.net said: 552 5.2.2 Mailbox full\n"
        "<lee@example.net>: host mx.example.net said: 451 4.4.1 will try again\n\n"
        "Original-Message-ID: <reply-1@ours.example>\n"
    )
    s = screened(mail(text, Return_Path="<>", From="mailer-daemon@mx.example.net"))
    assert (s.reports_on, s.failed_recipients) == (("<reply-1@ours.example>",), ("kim@example.net",))


# --- machines, surveys, authorities -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"Subject": "New 2-star review for Leeds", "From": "alerts@rates.example"}, "customer_voice"),
        ({"Subject": "Survey response: 1/10", "From": "no-reply@asks.example"}, "customer_voice"),
        ({"Subject": "Neue Bewertung eingegangen"}, "customer_voice"),
        ({"Subject": "Antwort", "X_Survey_Id": "7"}, "customer_voice"),
        ({"Subject": "File request", "From": "Energy Ombudsman <cases@eo.example>"}, "authority"),
        ({"Subject": "Aktenzeichen 4", "From": "Schlichtungsstelle Energie <post@se.example>"}, "authority"),
    ],
)
def test_a_machine_that_may_speak_for_a_customer_or_an_authority_is_left_to_the_judge(
    fields: dict[str, str], rule: str
) -> None:
    s = screened(mail(Auto_Submitted="auto-generated", **fields))
    assert (s.kind, s.disposition) == (Kind.MACHINE, None)
    assert rule in [h.rule for h in s.hits]


def test_a_payment_providers_dispute_stays_a_system_notice() -> None:
    s = screened(mail(Auto_Submitted="auto-generated", Subject="Dispute opened, under review: evidence due 29 Jan"))
    assert s.disposition is Disposition.SYSTEM_NOTICE


def test_a_person_who_answers_through_a_list_is_left_to_the_judge() -> None:
    fields = {"List_Unsubscribe": "<mailto:u@crm.example>", "In_Reply_To": "<reply-1@ours.example>"}
    assert screened(mail(**fields)).disposition is None
    assert screened(mail(**fields, List_Id="<a.crm.example>")).disposition is Disposition.NEWSLETTER


# --- forms and forwards -----------------------------------------------------------------------------------------------


def test_our_web_form_speaks_for_the_person_in_reply_to() -> None:
    s = screened(mail(From="noreply@ours.example", Reply_To="Zoe <zoe@example.org>", Auto_Submitted="auto-generated"))
    assert (s.kind, s.disposition, s.customer.email) == (Kind.WEB_FORM, None, "zoe@example.org")
    assert s.may_acknowledge


def test_a_form_that_fails_authentication_is_no_form_of_ours() -> None:
    s = screened(
        mail(
            From="noreply@ours.example",
            Reply_To="zoe@example.org",
            Authentication_Results="mx.ours.example; dmarc=fail",
        )
    )
    assert s.kind is Kind.NO_REPLY and "spoofed_own_domain" in [h.rule for h in s.hits]


def test_a_configured_form_without_reply_to_names_the_customer_in_its_text() -> None:
    ours = replace(OURS, web_forms=frozenset({"forms@hosted.example"}))
    raw = mail(
        "Name: Zoe\nE-Mail: zoe@example.org\nText: late", From="forms@hosted.example", Auto_Submitted="auto-generated"
    )
    s = screened(raw, ours)
    assert (s.kind, s.customer.email) == (Kind.WEB_FORM, "zoe@example.org")


FORWARD = (
    "FYI\n\n---------- Forwarded message ---------\nFrom: {who}\nDate: {date}\nSubject: two left arms\n"
    "To: <shop@ours.example>\n\nThe armchair has two left arms.\n"
)


@pytest.mark.parametrize(
    ("date", "received"),
    [
        ("Mon, 9 Mar 2026 at 13:20", datetime(2026, 3, 9, 13, 20, tzinfo=UTC)),  # nine days old
        ("Thu, 19 Mar 2026 at 13:20", NOON),  # in the future: never later than INTERNALDATE
        ("Mon, 9 Mar 2020 at 13:20", NOON - timedelta(days=90)),  # six years old: ninety days at most
        ("long ago", NOON),
    ],
)
def test_a_colleagues_forward_counts_from_the_original_date_within_bounds(date: str, received: datetime) -> None:
    s = screened(mail(FORWARD.format(who="Ambrose <ambrose@example.com>", date=date), From="tilly@ours.example"))
    assert (s.kind, s.disposition, s.received_at) == (Kind.FORWARDED, None, received)
    assert s.customer.email == "ambrose@example.com"
    assert s.forwarded_by is not None and s.forwarded_by.email == "tilly@ours.example"


def test_a_forward_by_a_stranger_makes_the_stranger_the_customer() -> None:
    s = screened(mail(FORWARD.format(who="Bank <a@bank.example>", date="Mon, 9 Mar 2026 at 13:20")))
    assert (s.kind, s.customer.email, s.received_at) == (Kind.PERSON, "jo@example.com", NOON)


def test_a_forward_that_forges_our_domain_is_not_unwrapped() -> None:
    raw = mail(
        FORWARD.format(who="Ambrose <ambrose@example.com>", date="Mon, 9 Mar 2026 at 13:20"),
        From="tilly@ours.example",
        Authentication_Results="mx.ours.example; dmarc=fail",
    )
    s = screened(raw)
    assert (s.kind, s.forwarded_by, s.received_at) == (Kind.PERSON, None, NOON)


def test_a_colleagues_mail_forwarded_by_a_colleague_is_internal() -> None:
    s = screened(
        mail(FORWARD.format(who="Bo <bo@ours.example>", date="Mon, 9 Mar 2026 at 13:20"), From="a@ours.example")
    )
    assert s.kind is Kind.INTERNAL


def test_a_colleagues_answer_with_us_in_copy_is_no_new_matter() -> None:
    s = screened(mail(From="tilly@ours.example", To="Kim <kim@example.net>", Cc="care@ours.example"))
    assert (s.kind, s.disposition, s.customer.email) == (Kind.STAFF_REPLY, Disposition.INTERNAL, "kim@example.net")


# --- authentication ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("results", "authserv_id", "verdict"),
    [
        ("mx.ours.example; dmarc=pass header.from=example.com", "mx.ours.example", "pass"),
        ("MX.ours.example 1; spf=pass; dkim=fail; dmarc=pass", "mx.ours.example", "pass"),
        ("mx.ours.example; dkim=pass header.d=example.com; spf=fail", "mx.ours.example", "pass"),
        ("mx.ours.example; dkim=pass header.d=mail.example.com", "mx.ours.example", "pass"),
        ("mx.ours.example; dkim=pass header.d=bulk.example", "mx.ours.example", "unknown"),  # not the sender's domain
        ("mx.ours.example; spf=pass", "mx.ours.example", "unknown"),
        ("mx.ours.example; spf=fail; dkim=none", "mx.ours.example", "unknown"),  # only dmarc=fail is a fail
        ("mx.ours.example; dmarc=fail (p=reject)", "mx.ours.example", "fail"),
        ("mx.ours.example; (dmarc=pass) dmarc=fail", "mx.ours.example", "fail"),  # a comment says nothing
        ("evil.example; dmarc=pass", "mx.ours.example", "unknown"),
        ("mx.ours.example; dmarc=pass", "", "unknown"),  # no server configured: never "pass"
        ("none", "mx.ours.example", "unknown"),
    ],
)
def test_only_our_own_servers_verdict_counts(results: str, authserv_id: str, verdict: str) -> None:
    ours = replace(OURS, authserv_id=authserv_id)
    assert screened(mail(Authentication_Results=results), ours).authenticated == verdict


def test_only_the_topmost_result_counts() -> None:
    forged = b"Authentication-Results: mx.ours.example; dmarc=pass\n"
    true = b"Authentication-Results: mx.ours.example; dmarc=fail\n"
    assert screened(true + forged + mail()).authenticated == "fail"
    assert screened(b"Authentication-Results: other.example; dmarc=fail\n" + forged + mail()).authenticated == "unknown"


@pytest.mark.parametrize(
    ("text", "results", "kind"),
    [
        ("Pay at https://pay.example/now", "mx.ours.example; dmarc=fail", Kind.PHISHING),
        ("Pay at https://pay.example/now", "other.example; dmarc=fail", Kind.PHISHING),  # nobody forges a failure
        ("Pay at https://pay.example/now", "mx.ours.example; dmarc=fail (p=none)", Kind.PERSON),  # asks for nothing
        ("Pay at https://pay.example/now", "mx.ours.example; dmarc=none; spf=fail", Kind.PERSON),
        ("Pay at once", "mx.ours.example; dmarc=fail", Kind.PERSON),  # nothing to open
        ("Pay at once\n\n> https://shop.example", "mx.ours.example; dmarc=fail", Kind.PERSON),  # a link in a quote
    ],
)
def test_phishing_is_a_forged_sender_with_something_to_open(text: str, results: str, kind: Kind) -> None:
    assert screened(mail(text, Authentication_Results=results)).kind is kind


def test_a_forged_mail_with_an_archive_is_phishing() -> None:
    raw = mail(
        "Open it", Authentication_Results="mx.ours.example; dmarc=fail", Content_Type="multipart/mixed; boundary=b"
    )
    raw = raw.replace(
        b"Open it", b"--b\n\nOpen it\n--b\nContent-Type: application/octet-stream; name=invoice.ZIP\n\nPK\n--b--\n"
    )
    assert screened(raw).disposition is Disposition.SPAM_PHISHING
