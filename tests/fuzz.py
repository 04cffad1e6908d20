"""A fuzzer for all that reads mail: message, body, screen, thread. Nothing a stranger sends may raise, hang or explode.

    python -m tests.fuzz --minutes 60 --seed 1        prints figures; crashes end as tests/mail/fuzz/<place>.eml

Half of the mails are fixtures with their bytes, lines and parts damaged; half are built from a grammar of MIME with
hostile values in every slot. The same seed gives the same mails. A crash is cut down to the least that still crashes.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import pickle
import quopri
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.mails import FOLDER, OURS
from triage.mail import body, message, screen, thread
from triage.words import Status

KEPT = FOLDER / "fuzz"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECONDS = 5.0  # of processor time one mail may take; honest mail takes a few milliseconds
LARGEST = 1 << 20  # octets of the record of one mail, beyond twenty times the mail itself


class Slow(Exception):
    """The mail took too long."""


class Wrong(Exception):
    """The result is not what was promised."""


def examine(raw: bytes) -> None:
    """All that intake does with the text of a mail. Raises what a mail must not be able to raise."""
    parsed = message.parse(raw)
    words = body.words(parsed)
    screening = screen.judge(parsed, words, OURS, NOON)
    keys = thread.candidates(parsed, words, screening, OURS)
    known = thread.CaseRef(7, "C-2026-000007", Status.OPEN, None, frozenset({parsed.from_.email}), parsed.subject)
    thread.decide(keys, {}, screening, NOON)
    thread.decide(keys, dict.fromkeys(keys, (known,)), screening, NOON)
    record = len(pickle.dumps((parsed, words, screening, keys)))
    if record > LARGEST + 20 * len(raw):
        raise Wrong(f"a record of {record} octets from a mail of {len(raw)}")
    if not parsed.message_id or len(parsed.logical_key) != 64 or parsed.sha256 != hashlib.sha256(raw).hexdigest():
        raise Wrong("a mail without its keys")
    if (parsed.date is not None and parsed.date.tzinfo is None) or screening.received_at.tzinfo is None:
        raise Wrong("a time without a zone")


def trial(raw: bytes) -> str:
    """Where and how the mail broke the program, "" if it did not."""

    def late(_signal: int, _frame: object) -> None:
        raise Slow

    old = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        examine(raw)
    except Exception as error:  # noqa: BLE001 - the whole point
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return _place(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    return ""


def _place(error: BaseException) -> str:
    """Innermost line of our own code: two crashes there are one crash."""
    place = "?"
    tb = error.__traceback__
    while tb is not None:
        path = Path(tb.tb_frame.f_code.co_filename)
        if "triage" in path.parts:
            place = f"{path.stem}-{tb.tb_frame.f_code.co_name}"
        tb = tb.tb_next
    return f"{type(error).__name__}-{place}"


# -- damaged fixtures ------------------------------------------------------------------------------------------------

SPICE: tuple[bytes, ...] = (
    b"\0", b"\xff", b"\r", b"\n", b"\r\n\r\n", b"\r\n", b"--", b"=", b"=?", b"?=", b"=?utf-8?b?", b"=?utf-8?q?=FF?=", b"<", b">", b"(",
    b")" * 40, b"(" * 400, b'"', b"\\", b";", b":", b",", b"@", b"%" * 30, b"[[", b"]]", b"&#x0;", b"&#99999999;", b"<!--",
    b"<div>" * 300, b"<![CDATA[", b"<style>", b"</blockquote>", b"> " * 200, b">" * 500, b"On ", b" wrote:", b"-----Original Message-----",
    b"From: ", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", b"boundary=\"\"", b"charset=utf-7", b"charset=\xff",
    b"Content-Transfer-Encoding: base64\r\n\r\n!!!!", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf",
    b"2026-13-45", b"99999999999999999999", b"+9999", b"Thu, 31 Feb 0000 25:61:61 +2560", b"[#C-2026-000007-aaaa]",
    b"begin 644 x\r\n", b"\x1b$B", b"~{", b"*0*=utf-8''%", b"; filename*1*=x",
)  # fmt: skip


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

_CHARSETS = ("utf-8", "us-ascii", "iso-8859-1", "windows-1252", "utf-16", "utf-7", "big5", "iso-2022-jp", "hz", "unknown-8bit",
             "x-nope", "", "utf-8'en'x", "idna", "punycode", "unicode_escape", "rot13", "undefined", "\x00")  # fmt: skip
_ENCODINGS = ("7bit", "8bit", "base64", "quoted-printable", "x-uuencode", "binary", "nonsense", "")
_TYPES = ("text/plain", "text/html", "text/calendar", "text/rfc822-headers", "message/rfc822", "message/delivery-status",
          "message/disposition-notification", "application/ms-tnef", "application/pkcs7-mime", "application/octet-stream", "image/png",
          "text", "", "text/plain/x", "multipart/mixed")  # fmt: skip
_MULTI = ("mixed", "alternative", "related", "report; report-type=delivery-status", "report; report-type=disposition-notification",
          "report; report-type=feedback-report", "signed", "digest", "form-data", "")  # fmt: skip
_TEXTS = (
    "Mein Paket ist nicht da.\n\nAm Mo., 3. Nov. 2026 um 10:00 schrieb Jo <jo@x.example>:\n> alt\n> > älter\n",
    "Where is my parcel?\n\n-----Original Message-----\nFrom: A <a@b.example>\nSent: Monday\nTo: us\nSubject: x\n\nold",
    "---------- Forwarded message ---------\nFrom: Kim <kim@c.example>\nDate: Tue, 3 Nov 2026\nSubject: broken\n\nIt broke.",
    "<html><body><p>Hi</p><blockquote>old<blockquote>older</blockquote></blockquote></body></html>",
    "E-mail: jo@example.net\nName: Jo\nMessage: refund order 4711-0815 please", "-- \nJo\n+44 20 7946 0000", "", "\n" * 50,
    "Final-Recipient: rfc822; x@y.example\nAction: failed\nStatus: 5.1.1\n\nFinal-Recipient: rfc822;\nAction: delayed\n",
    "BEGIN:VCALENDAR\nMETHOD:REPLY\nBEGIN:VEVENT\nEND:VCALENDAR",
)  # fmt: skip
_FIELDS = ("From", "To", "Cc", "Reply-To", "Sender", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Return-Path",
           "Auto-Submitted", "Precedence", "List-Id", "X-Auto-Response-Suppress", "Authentication-Results", "Delivered-To", "Received",
           "X-Failed-Recipients", "Content-Disposition", "X-Triage-Loop", "Resent-From", "X-Forwarded-For", "Content-Language")  # fmt: skip


def grown(dice: random.Random) -> bytes:
    """A mail that grew from the grammar, with hostile values in every slot."""
    head = b"".join(_field(dice, dice.choice(_FIELDS)) for _ in range(dice.choice((0, 3, 8, 20, 200))))
    return (head + _part(dice, dice.choice((0, 1, 2, 4, 9))))[:300_000]


def _value(dice: random.Random) -> bytes:
    plain = dice.choice((
        b"Jo Doe <jo@example.com>", b"=?utf-8?q?J=C3=B6?= <j@x.example>", b"a@b, c@d, <e@f>", b"group: a@b, c@d;", b"<>", b"",
        b"Mon, 2 Nov 2026 10:00:00 +0100", b"<id@example.com>", b"<a@b> <c@d> " * 30, b"no; x=y", b"auto-replied",
        b"Re: AW: Fwd: WG: complaint", b"mx.ours.example; dmarc=pass header.from=x.example; dkim=fail", b"care@ours.example",
        b"care+c.c-2026-000007.0123456789abcdef@ours.example", b"mailer-daemon@x.example", b"x" * 5000, b"a," * 3000,
    ))  # fmt: skip
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


# -- running ---------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What a run of the fuzzer saw."""

    mails: int = 0
    octets: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    crashes: dict[str, bytes] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)


def hunt(seconds: float, seed: int, say: Callable[[str], None] = lambda line: None) -> Found:
    """Fuzz for so long. Every crash is kept once for each place, cut down."""
    dice = random.Random(seed)
    seeds = [path.read_bytes() for path in sorted(FOLDER.glob("*.eml"))]
    found, began, told = Found(), time.monotonic(), time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        raw = damaged(dice, seeds) if dice.random() < 0.5 else grown(dice)
        before = time.process_time()
        place = trial(raw)
        found.slowest = max(found.slowest, time.process_time() - before)
        found.mails += 1
        found.octets += len(raw)
        if place:
            found.times[place] += 1
            if place not in found.crashes:
                say(f"crash: {place}")
                found.crashes[place] = raw if place.startswith("Slow") else smaller(raw, place)
        if now - told > 60:
            told = now
            say(f"{found.mails} mails, {len(found.crashes)} places")
    found.seconds = time.monotonic() - began
    return found


def smaller(raw: bytes, place: str, tries: int = 600) -> bytes:
    """The mail without all that the crash does not need."""
    size = len(raw) // 2
    while size and tries > 0:
        at = 0
        while at < len(raw) and tries > 0:
            tries -= 1
            less = raw[:at] + raw[at + size :]
            if trial(less) == place:
                raw = less
            else:
                at += size
        size //= 2
    return raw


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    found = hunt(given.minutes * 60, given.seed, lambda line: print(line, flush=True))
    KEPT.mkdir(exist_ok=True)
    for place, raw in found.crashes.items():
        (KEPT / f"{place.lower()}.eml").write_bytes(raw)
    figures = {
        "seed": given.seed, "minutes": round(found.seconds / 60, 1), "mails": found.mails,
        "mib": round(found.octets / 2**20, 1), "slowest_cpu_seconds": round(found.slowest, 2), "crashes": dict(found.times),
    }  # fmt: skip
    print(json.dumps(figures))
    return 1 if found.crashes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
