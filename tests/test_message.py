"""Whatever the bytes are, a mail becomes a Message that says what it holds and what is wrong with it."""

from __future__ import annotations

import email
import random
from datetime import UTC, datetime
from email.message import Message as StandardMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mails import awkward_mails, expected, mail
from triage.mail import address, body, charset, headers, when
from triage.mail.message import DEFECTS, Limits, Message, parse


@pytest.mark.parametrize(("raw", "record"), expected("message"))
def test_a_mail_gives_its_record(raw: bytes, record: dict[str, Any]) -> None:
    message = parse(raw)
    seen = {
        "from": message.from_.email,
        "from_name": message.from_.name,
        "cc": [a.email for a in message.cc],
        "recipients": list(message.recipients),
        "subject": message.subject,
        "date": message.date.isoformat() if message.date else None,
        "message_id": message.message_id,
        "in_reply_to": len(message.in_reply_to),
        "references": len(message.references),
        "text": message.text.strip(),
        "attachments": [a.name for a in message.attachments],
        "sizes": [a.size for a in message.attachments],
        "embedded": len(message.embedded),
        "report": message.delivery_report.family if message.delivery_report else None,
        "defects": sorted({d.name for d in message.defects}),
    }
    assert {key: seen[key] for key in record} == record


@pytest.mark.parametrize("raw", [p.values[0] for p in expected("message")])
def test_line_ends_make_no_difference(raw: bytes) -> None:
    with_lf, with_crlf = parse(raw.replace(b"\r\n", b"\n")), parse(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    same = ("from_", "subject", "date", "text", "html", "logical_key", "defects", "references", "delivery_report")
    assert {n: getattr(with_lf, n) for n in same if with_lf.message_id_given or n != "logical_key"} == {
        n: getattr(with_crlf, n) for n in same if with_crlf.message_id_given or n != "logical_key"
    }
    assert with_lf.sha256 != with_crlf.sha256


def test_every_awkward_mail_becomes_a_message_with_named_defects() -> None:
    paths = [p for p in awkward_mails() if p.suffix not in (".json", "")]
    if not paths:
        pytest.skip("neither public test data nor Python's own test mails are here")
    for path in paths:
        message = parse(path.read_bytes())
        assert_sound(message)
        assert_sound_body(body.words(message))


def assert_sound(message: Message) -> None:
    assert {d.name for d in message.defects} <= DEFECTS.keys()
    assert message.date is None or message.date.tzinfo is UTC
    assert message.message_id.startswith("<") and message.message_id.endswith(">")
    texts = (message.subject, message.text, message.html, message.from_.name, *(v for _, v in message.headers))
    for text in texts:
        assert "\x00" not in text
        text.encode("utf-8")  # no lone surrogate, or the database would refuse it
    for inner in message.embedded:
        assert_sound(inner)


def assert_sound_body(words: body.Body) -> None:
    assert words.source in ("plain", "html", "none")
    assert words.language_supported == (words.language in ("en", "de", "fr", "es", "it", "nl", "pt"))


def test_the_parts_are_those_the_standard_library_finds() -> None:
    """On mails whose structure is sound both must agree about the texts, part by part."""
    compared = 0
    for path in awkward_mails():
        raw = path.read_bytes()
        standard = email.message_from_bytes(raw)
        if any(part.defects for part in standard.walk()) or not standard.keys() or b"\n" not in raw:
            continue
        ours = parse(raw)
        plain = _standard_texts(standard)
        if plain is None or ours.embedded or ours.delivery_report or ours.has("charset") or ours.has("raw_8bit_header"):
            continue
        compared += 1
        assert "".join(ours.text.split()) == "".join("".join(plain).split()), path.name
    if not compared:
        pytest.skip("neither public test data nor Python's own test mails are here")
    assert compared > 10  # of the fixtures alone; many more where the shared mails are there


def _standard_texts(message: StandardMessage) -> list[str] | None:
    """The plain texts in order; None for what the two read differently on purpose (HTML, files, two of a kind)."""
    out = []
    for part in message.walk():
        if part.get_content_type() == "multipart/alternative":
            kinds = [child.get_content_type() for child in part.walk()]
            if kinds.count("text/plain") > 1:
                return None
        if part.get_content_type() == "text/html" or part.get_content_type().startswith("message/"):
            return None
        if part.get_content_type() == "text/plain" and not part.is_multipart():
            if part.get_filename() or part.get_content_disposition() == "attachment":
                return None
            if part.get("Content-Transfer-Encoding", "7bit").lower() not in (
                "7bit",
                "8bit",
                "base64",
                "quoted-printable",
            ):
                return None  # "8 bit", trailing spaces: the standard library leaves such a text encoded
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            out.append(charset.decode(data, part.get_content_charset() or "").text)
    return out


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_become_a_message(raw: bytes) -> None:
    message = parse(raw)
    assert_sound(message)
    assert_sound_body(body.words(message))
    assert parse(raw) == message


_SCRAPS = st.sampled_from(
    [
        *(b"From: a@b.c\n", b"Subject: =?utf-8?Q?=C3?=\n", b"Subject: =?x?b?\n", b"\tfolded\n", b"Date: 31 Feb 2026\n"),
        *(b"Content-Type: multipart/mixed; boundary=b\n", b"Content-Type: message/rfc822\n", b"\n", b"\r\n", b"\r"),
        *(
            b"--b\n",
            b"--b--\n",
            b"--b \t\n",
            b"Content-Transfer-Encoding: base64\n",
            b"QUJ\n",
            b"=C3=\n",
            b"> On x wrote:\n",
        ),
        *(
            b"Content-Type: text/html; charset=utf-7\n",
            b"<div class=gmail_quote><blockquote>",
            b"\x00\xff\xfe",
            b"\xed\xa0\x80",
        ),
        *(
            b"Content-Type: text/plain; charset*0*=''u; charset*1=tf\n",
            b"From: x\n" * 3,
            b"-----Original Message-----\n",
        ),
        *(
            b"Sent: now\n",
            b"To: a\n",
            b"---------- Forwarded message ---------\n",
            b"-- \n",
            b"begin 644 a\n#86)C\n`\nend\n",
        ),
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(_SCRAPS, max_size=40).map(b"".join))
def test_any_mixture_of_mail_scraps_becomes_a_message(raw: bytes) -> None:
    message = parse(raw)
    assert_sound(message)
    assert_sound_body(body.words(message))


def test_a_real_mail_damaged_anywhere_becomes_a_message() -> None:
    dice = random.Random(7)
    for param in expected("message"):
        raw = bytearray(param.values[0])  # type: ignore[arg-type]
        for _ in range(15):
            hurt = bytearray(raw)
            for _ in range(dice.randint(1, 8)):
                at = dice.randrange(len(hurt))
                hurt[at : at + dice.randint(0, 5)] = dice.randbytes(dice.randint(0, 4))
            message = parse(bytes(hurt))
            assert_sound(message)
            assert_sound_body(body.words(message))


def test_an_empty_mail_is_a_message() -> None:
    message = parse(b"")
    assert message.has("empty") and message.size == 0 and message.text == ""


# --- limits -----------------------------------------------------------------------------------------------------------


def test_parts_beyond_the_limit_are_not_read() -> None:
    many = b"".join(b"--b\nContent-Type: image/png\n\nx\n" for _ in range(900))
    message = parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + many + b"--b--\n")
    assert message.has("too_many_parts") and len(message.attachments) == Limits().parts


def test_parts_nested_beyond_the_limit_are_not_read() -> None:
    raw = b"deepest"
    for i in range(50):
        raw = b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n%b\n--b%d--\n" % (i, i, raw, i)
    message = parse(raw)
    assert message.has("too_deep") and "deepest" not in message.text


def test_mails_nested_in_mails_stop_at_the_limit() -> None:
    raw = mail("innermost")
    for _ in range(40):
        raw = b"Content-Type: message/rfc822\n\n" + raw
    message, levels = parse(raw), 0
    while message.embedded:
        message, levels = message.embedded[0], levels + 1
    assert levels == Limits().depth


def test_a_header_beyond_the_limit_is_cut_and_the_text_still_found() -> None:
    message = parse(b"From: a@b.c\nX-Long: " + b"x" * 400_000 + b"\nX-More: y\n\nthe text")
    assert message.has("headers_cut") and message.from_.email == "a@b.c" and message.text == "the text"


def test_a_text_beyond_the_limit_is_cut() -> None:
    message = parse(mail("word " * 200_000))
    assert message.has("text_cut") and len(message.text) == Limits().text_chars


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"=?a?x? " * 30_000 + b"?=\n\nx",
        b"Subject: " + b"=?utf-8?q?a?= " * 15_000 + b"\n\nx",
        b"From: " + b"a" * 100_000 + b"@" + b":" * 100_000 + b"\n\nx",
        b"From: " + b"(" * 200_000 + b"\n\nx",
        b"From: " + b'"' * 200_000 + b"\n\nx",
        b"X: y\n" + b" z\n" * 80_000 + b"\nx",
        b"Content-Type: text/plain" + b"; a=b" * 40_000 + b"\n\nx",
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a b\n" * 100_000,
        mail("> " * 200_000),
        mail("On 1:00 <" * 40_000 + "\n:"),
        mail("From: a\n" * 40_000),
        mail("-- \n" * 50_000),
        mail("\n\n\n" * 100_000),
        mail("=" * 300_000),
        mail("<div>" * 70_000, Content_Type="text/html"),
        mail("<blockquote>" * 30_000, Content_Type="text/html"),
        mail("this e-mail and any " * 15_000),
    ],
    ids=range(17),
)
def test_hostile_mail_is_read_in_bounded_time(raw: bytes) -> None:
    """Each of these took a quadratic step somewhere, in this program or in another.

    The test has no clock of its own: with a quadratic step one of these takes minutes, and the suite's limit shows it.
    """
    message = parse(raw)
    assert_sound(message)
    assert_sound_body(body.words(message))


# --- identity ---------------------------------------------------------------------------------------------------------


def test_a_missing_message_id_is_made_from_the_bytes_and_never_random() -> None:
    raw = mail(Message_ID="")
    message = parse(raw)
    assert not message.message_id_given and message.has("no_message_id")
    assert message.message_id == f"<{message.sha256[:32]}@intake.invalid>" == parse(raw).message_id


def test_one_mail_delivered_twice_has_one_logical_key_and_two_contents() -> None:
    once = mail()
    twice = (
        b"Return-Path: <jo@example.com>\nDelivered-To: info@ours.example\nReceived: from a by b\n"
        b"Authentication-Results: mx.ours.example; dmarc=pass\nX-Spam-Score: 1\n"
        + once.replace(b"\n", b"\r\n")
        + b"\r\n\r\n"
    )
    one, two = parse(once), parse(twice)
    assert one.logical_key == two.logical_key and one.sha256 != two.sha256


@pytest.mark.parametrize(
    "other",
    [
        mail("Hello, where is my other parcel?"),
        mail(Subject="Parcels"),
        mail(From="Jo Bloggs <jo@example.org>"),
        mail(Date="Wed, 18 Mar 2026 10:00:01 +0000"),
        mail(Message_ID="<m2@example.com>"),
    ],
    ids=["text", "subject", "sender", "date", "id"],
)
def test_a_mail_that_differs_in_what_it_says_has_another_logical_key(other: bytes) -> None:
    assert parse(mail()).logical_key != parse(other).logical_key


def test_a_reused_message_id_with_other_content_is_another_mail() -> None:
    """Senders re-use ids and attackers claim them first: the key must carry the content."""
    real, claimed = parse(mail("The kettle burnt my hand.")), parse(mail("Nothing."))
    assert real.message_id == claimed.message_id and real.logical_key != claimed.logical_key


def test_without_a_message_id_two_deliveries_still_have_one_logical_key() -> None:
    raw = mail(Message_ID="")
    assert parse(raw).logical_key == parse(b"Received: by x\n" + raw).logical_key


# --- single fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Jo <jo@example.com>", [("Jo", "jo@example.com")]),
        ('"Bloggs, Jo" <JO@Example.com>', [("Bloggs, Jo", "jo@example.com")]),
        ("jo@example.com (Jo Bloggs)", [("Jo Bloggs", "jo@example.com")]),
        ("a@b.c; d@e.f, <g@h.i>", [("", "a@b.c"), ("", "d@e.f"), ("", "g@h.i")]),
        ("Team: a@b.c, B <b@b.c>;", [("", "a@b.c"), ("B", "b@b.c")]),
        ("undisclosed-recipients:;", []),
        ("MAILER-DAEMON", [("", "mailer-daemon")]),
        ("<@relay.example,@x.example:jo@example.com>", [("", "jo@example.com")]),
        ("=?utf-8?Q?J=C3=B6_=3Cjo=40example=2Ecom=3E?=", [("Jö", "jo@example.com")]),
        ('"=?utf-8?Q?J=C3=B6?=" <jo@example.com>', [("Jö", "jo@example.com")]),
        ('"Jo \\"the\\" Bloggs" <jo@example.com>', [('Jo "the" Bloggs', "jo@example.com")]),
        ("Jo Bloggs <jo@example.com", [("Jo Bloggs", "jo@example.com")]),
        ("Bloggs, Jo <jo@example.com>, a@b.c", [("Bloggs, Jo", "jo@example.com"), ("", "a@b.c")]),
        ("mailto:jo@example.com", [("", "jo@example.com")]),
        ("jo@exämple.com", [("", "jo@exämple.com")]),
        ("jo@example.com, JO@example.com", [("", "jo@example.com")]),
        ("", []),
    ],
)
def test_addresses_as_they_really_come(written: str, read: list[tuple[str, str]]) -> None:
    assert [(a.name, a.email) for a in address.parse(written)] == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"=?utf-8?Q?Caf=C3=A9?=", "Café"),
        (b"=?UTF-8?b?Q2Fmw6k=?= au =?utf-8*fr?q?lait?=", "Café au lait"),
        (b"=?utf-8?Q?Caf=C3?= =?utf-8?Q?=A9?=", "Café"),  # a letter split over two words
        (b"=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=", "aé"),  # the space between two words is no space
        (b"=?utf-8?Q?What??=", "What?"),
        (b"=?utf-8?Q?two words?=", "two words"),
        (b"=?utf-8?B?Q2Fmw6k?=", "Café"),  # no padding
        (b"=?utf-8?Q?open", "=?utf-8?Q?open"),
        (b"=?x?= plain", "=?x?= plain"),
        (b"=?no-such-set?Q?abc?=", "abc"),
        (b"Re: =?gb2312?B?xOO6ww==?=", "Re: 你好"),
        (b"raw Gr\xfc\xdfe", "raw Grüße"),
        ("raw Grüße 你好".encode(), "raw Grüße 你好"),
        (b"folded\r\n and\tso on", "folded and so on"),
        (b"NUL\x00 and CR\r gone", "NUL and CR  gone"),
    ],
)
def test_encoded_words_as_they_really_come(written: bytes, read: str) -> None:
    assert headers.text(written) == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Wed, 18 Mar 2026 10:00:00 +0100", datetime(2026, 3, 18, 9, 0, tzinfo=UTC)),
        ("18 Mar 2026 10:00 EST (comment)", datetime(2026, 3, 18, 15, 0, tzinfo=UTC)),
        ("Wed, 18 Mar 2026 10:00:00", datetime(2026, 3, 18, 10, 0, tzinfo=UTC)),  # no zone counts as UTC
        ("Wed, 18 Mar 2026 23:59:60 -0000", datetime(2026, 3, 18, 23, 59, 59, tzinfo=UTC)),  # a leap second
        ("Thu, 31 Feb 2026 10:00:00 +0000", None),
        ("Fri, 99 Xyz 99999 10:00:00 +0000", None),
        ("yesterday", None),
    ],
)
def test_dates_are_utc_or_none(written: str, read: datetime | None) -> None:
    assert headers.date(written) == read


@pytest.mark.parametrize(
    ("written", "day_and_time"),
    [
        ("Wed, 20 May 2026 at 08:31", "05-20 07:31"),
        ("Wednesday, May 20, 2026 8:31 PM", "05-20 19:31"),
        ("Mittwoch, 20. Mai 2026 08:31", "05-20 07:31"),
        ("20.05.26 um 08:31", "05-20 07:31"),
        ("mercredi 20 mai 2026 à 08:31", "05-20 07:31"),
        ("mar. 26 mai 2026 à 08:31", "05-26 07:31"),  # "mar." is a Tuesday here, no March
        ("mié, 20 may 2026 a las 8:31", "05-20 07:31"),
        ("mercoledì 20 maggio 2026 08.31", "05-20 07:31"),
        ("woensdag 20 mei 2026 08:31", "05-20 07:31"),
        ("quarta-feira, 20 de maio de 2026 08:31", "05-20 07:31"),
        ("20/05/2026 08:31", "05-20 07:31"),
        ("04/05/2026 08:31", "05-04 07:31"),  # day first
        ("4/5/2026 8:31 AM", "04-05 07:31"),  # month first, as am/pm shows
        ("05/12/2026 08:31", "05-12 07:31"),  # 5 December would lie after the mail that forwards it
        ("2026-05-20T08:31:00Z", "05-20 08:31"),
        ("Wed, 20 May 2026 08:31:00 -0400", "05-20 12:31"),
        ("May 20, 2026 at 8:31:22 AM GMT+2", "05-20 06:31"),
    ],
)
def test_dates_above_forwarded_mail_in_seven_languages(written: str, day_and_time: str) -> None:
    """Read in the forwarder's zone, here +0100, unless they bring their own."""
    from datetime import timedelta, timezone

    moment = when.read(written, timezone(timedelta(hours=1)), not_after=datetime(2026, 6, 1, tzinfo=UTC))
    assert moment is not None and moment.strftime("%m-%d %H:%M") == day_and_time


@pytest.mark.parametrize(
    ("data", "declared", "text", "used"),
    [
        (b"plain", "", "plain", "ascii"),
        ("Käse".encode(), "iso-8859-1", "Käse", "utf-8"),
        ("Käse".encode("latin-1"), "iso-8859-1", "Käse", "cp1252"),
        (b"\x80 5 \x93so\x94", "iso-8859-1", "€ 5 “so”", "cp1252"),  # Latin-1 in mail means Windows-1252
        ("Käse und Brötchen für Jürgen".encode("latin-1"), "utf-8", "Käse und Brötchen für Jürgen", "cp1252"),
        ("ну да".encode("koi8-r"), "koi8-r", "ну да", "koi8-r"),
        ("你好".encode("gb18030"), "gb2312", "你好", "gb18030"),
        ("こんにちは".encode("iso2022_jp"), "iso-2022-jp", "こんにちは", "iso2022_jp"),
        ("Käse".encode(), "no-such-set", "Käse", "utf-8"),
        (b"x", "idna", "x", "ascii"),  # takes quadratic time in Python; no character set of mail
        (b"\xff\xfea\x00b\x00", "", "ab", "utf-16"),
        ("Käse, nur ein Byte fehlt ä ö ü".encode() + b"\xc3", "utf-8", "Käse, nur ein Byte fehlt ä ö ü\ufffd", "utf-8"),
    ],
)
def test_text_is_decoded_whatever_it_claims(data: bytes, declared: str, text: str, used: str) -> None:
    decoded = charset.decode(data, declared)
    assert (decoded.text, decoded.used) == (text, used)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"From: a@b.c\r\rold Mac", "old Mac"),
        (b"From someone Mon Jan  5 10:00:00 2026\nFrom: a@b.c\n\nmbox", "mbox"),
        (b"From: a@b.c\nbroken line\nSubject: s\n\nx", "x"),
        (b"From: a@b.c\nHello there,\nno blank line", "Hello there,\nno blank line"),
        (b"From: a@b.c\nContent-Type: multipart/mixed\n\n--x\n\nguessed\n--x--\n", "guessed"),
        (b"From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\nno such boundary", "no such boundary"),
        (b"From: a@b.c\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nnever closed", "never closed"),
        (b"From: a@b.c\nContent-Transfer-Encoding: 8 bit\n\nspaced", "spaced"),
        (b"From: a@b.c\nContent-Transfer-Encoding: base64\n\naGVsbG8\n", "hello"),  # no padding
        (b"From: a@b.c\nContent-Transfer-Encoding: quoted-printable\n\na=3Db=\nc=", "a=bc"),
    ],
)
def test_broken_structure_still_gives_its_text(raw: bytes, text: str) -> None:
    message = parse(raw)
    assert message.text.strip() == text and message.from_.email == "a@b.c"


def test_the_topmost_of_several_headers_is_ours() -> None:
    message = parse(b"X-A: ours\nX-A: theirs\n\n")
    assert message.header("x-a") == "ours" and message.header_all("X-a") == ["ours", "theirs"]


def test_fixtures_have_their_records() -> None:
    folder = Path(__file__).parent / "mail"
    assert {p.stem for p in folder.glob("*.eml")} == {p.stem for p in folder.glob("*.yaml")}
