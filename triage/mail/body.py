"""Message -> the words of this mail: what its sender wrote now, and the mail that was forwarded inside it.

Classifier and cues read `own` (and `forwarded.text`) only: anger in a quote, a solicitor in a disclaimer or a phone
number in a signature belong to another moment. The full text stays in the Message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Literal

from triage.mail import address, headers, language, markup, phrases, quote, when
from triage.mail.address import NOBODY, Address
from triage.mail.message import Message
from triage.mail.quote import Zones

_DEEPEST_FORWARD = 3
_STUB = 200  # characters of plain text beside a far longer HTML: "your client cannot show this mail"
_BLANK = re.compile(r"\n{3,}")
_FULL = 200_000  # characters of a mail that are sorted; the rest is history in any mail a person wrote


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A mail forwarded inside another: its sender, date (aware UTC) and subject as the copy states them.

    `text` holds its own words and, below, those of a mail forwarded inside it in turn (`inner`); no quotes.
    """

    from_: Address
    date: datetime | None
    subject: str
    text: str
    signature: str = ""
    inner: Forwarded | None = None

    def chain(self) -> tuple[Forwarded, ...]:
        """This forwarded mail and the ones inside it, outermost first."""
        return (self, *(self.inner.chain() if self.inner else ()))


@dataclass(frozen=True, slots=True)
class Body:
    """The words of a mail, sorted. `language` is ISO 639-1 or "und", told from the own words alone."""

    own: str
    quoted: str
    signature: str
    disclaimer: str
    source: Literal["plain", "html", "none"]
    forwarded: Forwarded | None
    language: str
    language_supported: bool

    @property
    def new_text(self) -> str:
        """What the sender sends us as new: the own words, and a forwarded mail below them."""
        return "\n\n".join(t for t in (self.own, self.forwarded.text if self.forwarded else "") if t)


def words(message: Message) -> Body:
    """Sort the words of a mail. Never raises because of the mail."""
    source, text = _source(message)
    prefixes, _ = phrases.subject_prefixes(message.subject)
    zones = quote.sort(
        text[:_FULL],
        is_reply=bool(message.in_reply_to or message.references or phrases.REPLY_PREFIXES & set(prefixes)),
        is_forward=bool(phrases.FORWARD_PREFIXES & set(prefixes[:1])),
        sender=message.from_.name,
    )
    own = _joined(zones.own)
    forwarded = _inline(zones, _zone_of(message), message.date, _DEEPEST_FORWARD) or _attached(message)
    if zones.rest and not zones.rest_is_forward:
        zones.quoted += zones.rest
    told = language.of(own)
    if told == language.UNKNOWN and forwarded is not None:
        told = language.of(forwarded.text)  # "FYI" says nothing; the customer's mail does
    return Body(
        own=own,
        quoted=_joined(zones.quoted),
        signature=_joined(zones.signature),
        disclaimer=_joined(zones.disclaimer),
        source=source,
        forwarded=forwarded,
        language=told,
        language_supported=told in language.SUPPORTED,
    )


def _source(message: Message) -> tuple[Literal["plain", "html", "none"], str]:
    """The plain text if there is a real one, else the HTML with its quotes and signatures marked."""
    plain = message.text if not message.text.isspace() else ""
    if message.html and (not plain or (len(plain) < _STUB and len(message.html) > 40 * len(plain))):
        marked = markup.marked_text(message.html, phrases.FORWARD_START)
        if not plain or len(marked) > 4 * len(plain):
            return ("html", marked) if marked.strip() else ("none", "")
    return ("plain", markup.without_marks(plain)) if plain else ("none", "")


def _joined(lines: list[str]) -> str:
    text = "\n".join([line.rstrip() for line in lines])
    return (_BLANK.sub("\n\n", text) if "\n\n\n" in text else text).strip()


def _zone_of(message: Message) -> tzinfo:
    """The zone the forwarding client writes its dates in: the one of the Date it wrote itself."""
    local = headers.local_date(message.header("date") or "")
    return (local.tzinfo if local else None) or UTC


def _inline(zones: Zones, zone: tzinfo, outer_date: datetime | None, depth: int) -> Forwarded | None:
    """The mail that a client copied below a "forwarded" line or, under a forwarding subject, below a copied header."""
    if not zones.rest_is_forward or depth == 0:
        return None
    lines = [line[2:] if line.startswith("> ") else line.removeprefix(">") for line in _unmarked(zones.rest)]
    start, block = _block(lines)
    if block is None:
        return Forwarded(NOBODY, None, "", _joined(lines)) if any(map(str.strip, lines[1:])) else None
    sender = next(iter(address.parse(block["from"])), NOBODY)
    date = when.read(block.get("date", ""), zone, outer_date)
    subject = headers.words(block.get("subject", ""))[:1000]
    prefixes, _ = phrases.subject_prefixes(subject)
    inner = quote.sort(
        "\n".join(lines[start:]),
        is_reply=bool(phrases.REPLY_PREFIXES & set(prefixes)),
        is_forward=bool(phrases.FORWARD_PREFIXES & set(prefixes[:1])),
        sender=sender.name,
    )
    deeper = _inline(inner, zone, date or outer_date, depth - 1)
    text = "\n\n".join(t for t in (_joined(inner.own), deeper.text if deeper else "") if t)
    return Forwarded(sender, date, subject, text, _joined(inner.signature), deeper)


def _unmarked(lines: list[str]) -> list[str]:
    marks = {markup.QUOTE, markup.END_QUOTE, markup.SIGNATURE, markup.END_SIGNATURE, markup.HISTORY}
    return [line for line in lines if line.strip() not in marks]


def _block(lines: list[str]) -> tuple[int, dict[str, str] | None]:
    """(first line of the text, the copied header); the header stands within the first ten lines."""
    for i in range(min(len(lines), 10)):
        found = quote.header_block(lines, i) if lines[i].strip() else None
        if found is not None:
            end = i + 1
            while end < min(i + 16, len(lines)) and lines[end].strip():
                end += 1
            if not any(phrases.label(line) for line in lines[i:end][1:]):  # a blank line after every field
                end = _last_label(lines, i) + 1
            return end, found
    return 0, None


def _last_label(lines: list[str], i: int) -> int:
    return max((k for k in range(i, min(i + 16, len(lines))) if phrases.label(lines[k])), default=i)


def _attached(message: Message) -> Forwarded | None:
    """A mail forwarded as an attachment. The mail inside a delivery report is no forwarded mail."""
    if not message.embedded or message.delivery_report is not None:
        return None
    inner = message.embedded[0]
    body = words(replace(inner, embedded=()))
    chain = body.forwarded or _attached(inner)
    text = "\n\n".join(t for t in (body.own, chain.text if chain else "") if t)
    return Forwarded(inner.from_, inner.date, inner.subject, text, body.signature, chain)
