"""Mails that no mail program wrote: fixtures damaged by accident, and mails grown from a grammar of hostile values.

Each is a function of the dice alone: the same seed gives the same mails.
"""

from __future__ import annotations

import base64
import quopri
import random
from collections.abc import Sequence

# -- damaged fixtures ------------------------------------------------------------------------------------------------

SPICE: tuple[bytes, ...] = (
    b"\0",
    b"\xff",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\r\n",
    b"--",
    b"=",
    b"=?",
    b"?=",
    b"=?utf-8?b?",
    b"=?utf-8?q?=FF?=",
    b"<",
    b">",
    b"(",
    b")" * 40,
    b"(" * 400,
    b'"',
    b"\\",
    b";",
    b":",
    b",",
    b"@",
    b"%" * 30,
    b"[[",
    b"]]",
    b"&#x0;",
    b"&#99999999;",
    b"<!--",
    b"<div>" * 300,
    b"<![CDATA[",
    b"<style>",
    b"</blockquote>",
    b"> " * 200,
    b">" * 500,
    b"On ",
    b" wrote:",
    b"-----Original Message-----",
    b"From: ",
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n",
    b'boundary=""',
    b"charset=utf-7",
    b"charset=\xff",
    b"Content-Transfer-Encoding: base64\r\n\r\n!!!!",
    b"\xe2\x80\xae",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xef\xbb\xbf",
    b"2026-13-45",
    b"99999999999999999999",
    b"+9999",
    b"Thu, 31 Feb 0000 25:61:61 +2560",
    b"[#C-2026-000007-aaaa]",
    b"begin 644 x\r\n",
    b"\x1b$B",
    b"~{",
    b"*0*=utf-8''%",
    b"; filename*1*=x",
)


def damaged(dice: random.Random, seeds: Sequence[bytes]) -> bytes:
    """A fixture after one to twelve accidents."""
    raw = bytearray(dice.choice(seeds))
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(raw) + 1)
        end = min(len(raw), at + dice.choice((1, 1, 2, 8, 60, 400)))
        accident = dice.randrange(8)
        if accident == 0 and raw:
            raw[at % len(raw)] ^= 1 << dice.randrange(8)
        elif accident == 1:
            del raw[at:end]
        elif accident == 2:
            raw[at:at] = dice.choice(SPICE)
        elif accident == 3:
            raw[at:at] = raw[at:end] * dice.choice((1, 2, 50))
        elif accident == 4:
            other = dice.choice(seeds)
            cut = dice.randrange(len(other) + 1)
            raw[at:] = other[cut:]
        elif accident == 5:
            lines = bytes(raw).split(b"\n")
            dice.shuffle(part := lines[: dice.randint(1, 15)])
            raw = bytearray(b"\n".join(part + lines[len(part) :]))
        elif accident == 6:
            raw[at:end] = dice.randbytes(end - at)
        else:
            raw[at:at] = bytes(raw).replace(b"\r\n", b"\n")[at:end]
        del raw[300_000:]
    return bytes(raw)


# -- mails from a grammar --------------------------------------------------------------------------------------------

_CHARSETS = (
    "utf-8",
    "us-ascii",
    "iso-8859-1",
    "windows-1252",
    "utf-16",
    "utf-7",
    "big5",
    "iso-2022-jp",
    "hz",
    "unknown-8bit",
    "x-nope",
    "",
    "utf-8'en'x",
    "idna",
    "punycode",
    "unicode_escape",
    "rot13",
    "undefined",
    "\x00",
)
_ENCODINGS = ("7bit", "8bit", "base64", "quoted-printable", "x-uuencode", "binary", "nonsense", "")
_TYPES = (
    "text/plain",
    "text/html",
    "text/calendar",
    "text/rfc822-headers",
    "message/rfc822",
    "message/delivery-status",
    "message/disposition-notification",
    "application/ms-tnef",
    "application/pkcs7-mime",
    "application/octet-stream",
    "image/png",
    "text",
    "",
    "text/plain/x",
    "multipart/mixed",
)
_MULTI = (
    "mixed",
    "alternative",
    "related",
    "report; report-type=delivery-status",
    "report; report-type=disposition-notification",
    "report; report-type=feedback-report",
    "signed",
    "digest",
    "form-data",
    "",
)
_TEXTS = (
    "Mein Paket ist nicht da.\n\nAm Mo., 3. Nov. 2026 um 10:00 schrieb Jo <jo@x.example>:\n> alt\n> > älter\n",
    "Where is my parcel?\n\n-----Original Message-----\nFrom: A <a@b.example>\nSent: Monday\nTo: us\nSubject: x\n\nold",
    "---------- Forwarded message ---------\nFrom: Kim <kim@c.example>\nDate: Tue, 3 Nov 2026\nSubject: broken\n\nIt broke.",
    "<html><body><p>Hi</p><blockquote>old<blockquote>older</blockquote></blockquote></body></html>",
    "E-mail: jo@example.net\nName: Jo\nMessage: refund order 4711-0815 please",
    "-- \nJo\n+44 20 7946 0000",
    "",
    "\n" * 50,
    "Final-Recipient: rfc822; x@y.example\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822;\nAction: delayed\n",
    "BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nEND:VCALENDAR",
)
_FIELDS = (
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Sender",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Return-Path",
    "Auto-Submitted",
    "Precedence",
    "List-Id",
    "X-Auto-Response-Suppress",
    "Authentication-Results",
    "Delivered-To",
    "Received",
    "X-Failed-Recipients",
    "Content-Disposition",
    "X-Triage-Loop",
    "Resent-From",
    "X-Forwarded-For",
    "Content-Language",
)


def grown(dice: random.Random) -> bytes:
    """A mail that grew from the grammar, with hostile values in every slot."""
    head = b"".join(_field(dice, dice.choice(_FIELDS)) for _ in range(dice.choice((0, 3, 8, 20, 200))))
    return (head + _part(dice, dice.choice((0, 1, 2, 4, 9))))[:300_000]


def _value(dice: random.Random) -> bytes:
    plain = dice.choice(
        (
            b"Jo Doe <jo@example.com>",
            b"=?utf-8?q?J=C3=B6?= <j@x.example>",
            b"a@b, c@d, <e@f>",
            b"group: a@b, c@d;",
            b"<>",
            b"",
            b"Mon, 2 Nov 2026 10:00:00 +0100",
            b"<id@example.com>",
            b"<a@b> <c@d> " * 30,
            b"no; x=y",
            b"auto-replied",
            b"Re: AW: Fwd: WG: complaint",
            b"mx.ours.example; dmarc=pass header.from=x.example; dkim=fail",
            b"care@ours.example",
            b"care+c.c-2026-000007.0123456789abcdef@ours.example",
            b"mailer-daemon@x.example",
            b"x" * 5000,
            b"a," * 3000,
        )
    )
    if dice.random() < 0.4:
        at = dice.randrange(len(plain) + 1)
        plain = plain[:at] + dice.choice(SPICE) + plain[at:]
    return plain


def _field(dice: random.Random, name: str) -> bytes:
    value = _value(dice)
    if dice.random() < 0.15:
        value = value.replace(b" ", dice.choice((b"\r\n ", b"\r\n\t", b"\n ", b"\r\n")), 3)
    return name.encode() + dice.choice((b": ", b":", b" : ", b"")) + value + dice.choice((b"\r\n", b"\r\n", b"\n"))


def _part(dice: random.Random, depth: int) -> bytes:
    if depth and dice.random() < 0.8:
        mark = dice.choice((b"b1", b"b1", b"=_x_y", b"a b", b"'", b"x" * 80))
        inner = [_part(dice, depth - 1) for _ in range(dice.choice((0, 1, 2, 3, 6)))]
        kind = dice.choice(_MULTI).encode()
        between = b"".join(b"\r\n--" + mark + b"\r\n" + one for one in inner)
        end = dice.choice((b"\r\n--" + mark + b"--\r\n", b""))
        return b"Content-Type: multipart/" + kind + b'; boundary="' + mark + b'"\r\n\r\npreamble' + between + end
    text = dice.choice(_TEXTS) * dice.choice((1, 1, 1, 3, 60))
    charset = dice.choice(_CHARSETS)
    try:
        payload = text.encode(charset if charset in ("utf-8", "utf-16", "utf-7", "iso-2022-jp") else "utf-8", "replace")
    except LookupError:
        payload = text.encode()
    encoding = dice.choice(_ENCODINGS)
    if encoding == "base64" and dice.random() < 0.8:
        payload = base64.encodebytes(payload)
    elif encoding == "quoted-printable" and dice.random() < 0.8:
        payload = quopri.encodestring(payload)
    if dice.random() < 0.3:
        at = dice.randrange(len(payload) + 1)
        payload = payload[:at] + dice.choice(SPICE) + payload[at:]
    kind = dice.choice(_TYPES)
    if kind == "message/rfc822" and depth:
        payload = b"".join(_field(dice, name) for name in ("From", "Subject", "Date")) + _part(dice, depth - 1)
    head = (
        f"Content-Type: {kind}; charset={charset}; name*0*=utf-8''%C3%BC\r\nContent-Transfer-Encoding: {encoding}\r\n"
    )
    return head.encode("utf-8", "replace") + b"\r\n" + payload
