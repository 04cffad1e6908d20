"""A mailbox from a seed: 40 % plain mails with long quoted histories, 40 % with HTML of 5 to 60 KB, 10 % with attachments
of 50 KB to 1 MB, 10 % automatic mail, in seven charsets. Mail `n` of a seed is the same bytes in a box of any size.

The words are those of the demo's sample mails, mixed anew; digits are drawn anew too, or order numbers would tie
strangers' mails together. `SMALL` is the same mix without padding and attachments, for boxes of 100,000.
"""

from __future__ import annotations

import binascii
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

SEED = 8
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # the benchmark's clock: a Friday, in office hours
SPAN = timedelta(days=2)  # over which the mails of a box arrived
FULL, SMALL = "full", "small"
CHARSETS = ("us-ascii", "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252", "iso-8859-2", "iso-8859-9")
KINDS = ("plain", "html", "attachment", "automatic")
_SHARES = (40, 40, 10, 10)
_ENCODINGS = ("8bit", "quoted-printable", "base64")
_DIGIT = re.compile(r"\d")
_FOLLOWS = 0.12  # of the mails answer an earlier one of the same customer
_NAMES = (
    "Ada Marsh",
    "Ben Ojo",
    "Cléo Martin",
    "Dirk Müller",
    "Elin Åberg",
    "Femke de Wit",
    "Gül Yılmaz",
    "Hana Nowak",
)
_STYLE = (
    "font-family:Calibri,Arial,sans-serif;font-size:11.0pt;color:#1f1f1f;margin:0 0 8px 0;mso-line-height-rule:exactly"
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A generated mail. `received_at` is aware UTC; `entry` the id of the sample whose words and label it has."""

    raw: bytes
    kind: str
    charset: str
    received_at: datetime
    entry: str


def mails(count: int, *, mix: str = FULL, seed: int = SEED) -> Iterator[Mail]:
    """The first `count` mails of a seed, in the order of their arrival within a box of that size."""
    for number in range(count):
        yield mail(number, count, mix=mix, seed=seed)


def mail(number: int, count: int, *, mix: str = FULL, seed: int = SEED) -> Mail:
    """One mail; only its time of arrival depends on `count`."""
    draw = Random(f"{seed}/{mix}/{number}")
    kind = draw.choices(KINDS, _SHARES)[0]
    writer = _Writer(draw, number, seed, mix)
    raw = {"plain": writer.plain, "html": writer.html, "attachment": writer.attachment, "automatic": writer.automatic}[
        kind
    ]()
    received = NOW - SPAN + SPAN * (number / count)
    return Mail(raw, kind, writer.charset, received, writer.entry["id"])


@cache
def people() -> tuple[dict[str, Any], ...]:
    """The samples that a person wrote."""
    machines = {"bounce", "autoreply", "newsletter", "system_notice", "internal", "review_notification"}
    lines = files("triage.demo").joinpath("mails.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return tuple(e for e in entries if e["labels"]["disposition"] not in machines)


def own_words(entry: dict[str, Any], draw: Random) -> str:
    """The words of a sample with other digits, and now and then a paragraph of another in the same language."""
    text = entry["text"]
    if draw.random() < 0.3:
        other = draw.choice([e for e in people() if e["lang"] == entry["lang"]])
        text = text.rstrip() + "\n\n" + draw.choice(other["text"].strip().split("\n\n")) + "\n"
    return _DIGIT.sub(lambda _: str(draw.randrange(10)), text)


class _Writer:
    """One mail in the making; every method draws from the same sequence, so their order is part of the format."""

    def __init__(self, draw: Random, number: int, seed: int, mix: str) -> None:
        self.draw, self.number, self.seed, self.small = draw, number, seed, mix == SMALL
        self.entry = draw.choice(people())
        self.charset = _charset(draw, self.entry["lang"])
        self.encoding = draw.choice(_ENCODINGS) if self.charset != "us-ascii" else "7bit"
        self.customer = number
        self.answers: int | None = None
        if number > 20 and draw.random() < _FOLLOWS:
            self.answers = number - draw.randrange(1, min(number, 2000))
            self.customer = self.answers

    def plain(self) -> bytes:
        long = 400 if self.small else int(self.draw.lognormvariate(9.2, 0.8))
        return self._whole(*self._text("plain", own_words(self.entry, self.draw) + self._history(long)))

    def html(self) -> bytes:
        words = own_words(self.entry, self.draw)
        size = 1500 if self.small else round(5000 * 12 ** self.draw.random())  # 5 to 60 KB, as many below 17 as above
        page = self._page(words, size)
        return self._several("alternative", [self._text("plain", words), self._text("html", page)])

    def attachment(self) -> bytes:
        size = 300 if self.small else round(50_000 * 20 ** self.draw.random())  # 50 KB to 1 MB
        octets = b"%PDF-1.4\n" + self.draw.randbytes(size)
        name = f"invoice-{self.draw.randrange(10**6)}.pdf"
        file = (
            f'Content-Type: application/pdf; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n'
            "Content-Transfer-Encoding: base64\r\n", _base64(octets),
        )  # fmt: skip
        return self._several("mixed", [self._text("plain", own_words(self.entry, self.draw)), file])

    def automatic(self) -> bytes:
        kind = self.draw.choice(("bounce", "ooo", "newsletter", "notice"))
        if kind == "bounce":
            return self._bounce()
        texts = {
            "ooo": ("Auto-Submitted: auto-replied\r\n", "I am out of the office until Monday and read no mail."),
            "newsletter": (
                "List-Id: <offers.shop.example>\r\nList-Unsubscribe: <https://shop.example/u>\r\nPrecedence: bulk\r\n",
                "This week only: everything for the garden at half the price. " * 40,
            ),
            "notice": ("Auto-Submitted: auto-generated\r\n", "Nightly backup finished without errors. " * 5),
        }
        extra, words = texts[kind]
        sender = f"{kind}-{self.customer}@machine.example"
        return self._whole(
            *self._text("plain", words + "\n"), subject=f"{kind} {self.number}", extra=extra, sender=sender
        )

    def _bounce(self) -> bytes:
        to = f"someone{self.number}@example.org"
        status = (
            "Content-Type: message/delivery-status\r\n",
            f"Reporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; {to}\r\nAction: failed\r\n"
            "Status: 5.1.1\r\n".encode(),
        )
        original = (
            f"From: support@alderfinch.example\r\nTo: {to}\r\nMessage-ID: <out{self.number}@alderfinch.example>\r\n"
        )
        parts = [
            self._text("plain", f"Your message to {to} could not be delivered.\n"), status,
            ("Content-Type: text/rfc822-headers\r\n", original.encode()),
        ]  # fmt: skip
        return self._several(
            "report; report-type=delivery-status", parts, subject="Undelivered Mail Returned to Sender",
            sender="MAILER-DAEMON@mx.example.org", extra="Auto-Submitted: auto-replied\r\nReturn-Path: <>\r\n",
        )  # fmt: skip

    def _history(self, size: int) -> str:
        """Quoted mail, deeper and deeper, of about that many characters."""
        found, length, depth = [], 0, 1
        while length < size:
            quoted = own_words(self.draw.choice(people()), self.draw)
            head = f"\nOn Mon, 9 Nov 2026 at 10:{self.draw.randrange(10, 60)}, Support <support@alderfinch.example> wrote:\n"
            mark = ">" * depth + " "
            text = head + "".join(f"{mark}{line}\n" for line in quoted.split("\n"))
            found.append(text)
            length += len(text)
            depth = min(depth + 1, 12)
        return "".join(found)

    def _page(self, words: str, size: int) -> str:
        """A mail program's HTML: inline styles, a table, a signature, and a quoted history that fills it up."""
        paragraphs = "".join(
            f'<p class="MsoNormal" style="{_STYLE}">{_escaped(p)}</p>\r\n' for p in words.split("\n\n")
        )
        head = f"<html><head><style>.MsoNormal {{{_STYLE}}} a {{color:#0563c1}}</style></head><body>\r\n"
        rows, length = [], len(head) + len(paragraphs)
        while length < size:
            quoted = _escaped(own_words(self.draw.choice(people()), self.draw))
            row = (
                f'<table border="0" cellpadding="0" style="{_STYLE}"><tr><td style="{_STYLE}">Order</td>'
                f'<td align="right" style="{_STYLE}">{self.draw.randrange(10**6)}</td></tr></table>'
                f'<div><p class="MsoNormal" style="{_STYLE}"><span lang="EN-GB">{quoted}</span></p></div>\r\n'
            )
            rows.append(row)
            length += len(row)
        quote = f'<div class="gmail_quote"><blockquote type="cite">{"".join(rows)}</blockquote></div>'
        return f"{head}{paragraphs}{quote if rows else ''}</body></html>\r\n"

    def _text(self, subtype: str, words: str) -> tuple[str, bytes]:
        """(header, octets) of a text part in the mail's charset and transfer encoding."""
        octets = words.replace("\r\n", "\n").replace("\n", "\r\n").encode(self.charset, "replace")
        if self.encoding == "base64":
            octets = _base64(octets)
        elif self.encoding == "quoted-printable":
            octets = binascii.b2a_qp(octets, istext=True)
        head = (
            f'Content-Type: text/{subtype}; charset="{self.charset}"\r\nContent-Transfer-Encoding: {self.encoding}\r\n'
        )
        return head, octets

    def _several(self, subtype: str, parts: list[tuple[str, bytes]], **more: str) -> bytes:
        mark = f"=_{self.seed}_{self.number}_="
        body = b"".join(f"--{mark}\r\n{head}\r\n".encode() + octets.rstrip(b"\r\n") + b"\r\n" for head, octets in parts)
        head = f'Content-Type: multipart/{subtype}; boundary="{mark}"\r\n'
        return self._whole(head, b"This is a multi-part message.\r\n" + body + f"--{mark}--\r\n".encode(), **more)

    def _whole(self, kind: str, body: bytes, *, subject: str = "", extra: str = "", sender: str = "") -> bytes:
        name = self.draw.choice(_NAMES)
        address = sender or f"customer{self.customer}@mail{self.customer % 97}.example"
        subject = subject or _DIGIT.sub(lambda _: str(self.draw.randrange(10)), self.entry["subject"] or "Hello")
        if self.answers is not None and not sender:
            subject = f"Re: {subject}"
            extra += f"In-Reply-To: <{self.seed}.{self.answers}@mail.example>\r\n"
        date = format_datetime(NOW - timedelta(seconds=self.number % 100_000))
        hops = "".join(
            f"Received: from mx{hop}.mail.example (mx{hop}.mail.example [192.0.2.{hop}])\r\n\tby mx{hop + 1}.mail.example "
            f"(Postfix) with ESMTPS id {self.draw.getrandbits(48):012X}\r\n\tfor <complaints@alderfinch.example>; {date}\r\n"
            for hop in (3, 2, 1)
        )
        head = (
            f"Return-Path: <{address}>\r\n{hops}From: {_word(name)} <{address}>\r\nTo: complaints@alderfinch.example\r\n"
            f"Subject: {_word(subject)}\r\nDate: {date}\r\nMessage-ID: <{self.seed}.{self.number}@mail.example>\r\n"
            f"{extra}MIME-Version: 1.0\r\n{kind}\r\n"
        )
        return head.encode() + body


def _charset(draw: Random, language: str) -> str:
    if language == "en":
        return draw.choice(("us-ascii", "us-ascii", "utf-8", "iso-8859-1", "windows-1252"))
    fitting = {"pl": ("iso-8859-2", "utf-8"), "tr": ("iso-8859-9", "utf-8")}
    return draw.choice(fitting.get(language, ("utf-8", "iso-8859-1", "iso-8859-15", "windows-1252")))


def _base64(octets: bytes) -> bytes:
    return b"\r\n".join(binascii.b2a_base64(octets[i : i + 57], newline=False) for i in range(0, len(octets), 57))


def _word(text: str) -> str:
    """A header's words, as RFC 2047 writes them."""
    text = " ".join(text.split())
    if text.isascii():
        return text
    octets, words = text.encode(), []
    while octets:
        cut = min(42, len(octets))
        while cut < len(octets) and octets[cut] & 0xC0 == 0x80:
            cut -= 1  # never inside a character
        words.append(f"=?utf-8?b?{binascii.b2a_base64(octets[:cut], newline=False).decode()}?=")
        octets = octets[cut:]
    return "\r\n ".join(words)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>\r\n")


def box(cache_folder: Path, count: int, *, mix: str = FULL, seed: int = SEED) -> Path:
    """A Maildir of that many mails in the cache, made on first use; its files' times are their arrival."""
    place = cache_folder / f"box-{mix}-{count}-{seed}"
    if place.is_dir():
        return place
    making = cache_folder / f"{place.name}.new-{os.getpid()}"
    for part in ("cur", "new", "tmp"):
        (making / part).mkdir(parents=True)
    for number, one in enumerate(mails(count, mix=mix, seed=seed)):
        path = making / "cur" / f"{int(one.received_at.timestamp())}.{number:06d}.bench:2,"
        path.write_bytes(one.raw)
        os.utime(path, (one.received_at.timestamp(),) * 2)
    making.rename(place)
    return place
