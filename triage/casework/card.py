"""A case on one page of plain text: where its mail is, how it was judged, what falls due when, what to type. Pure.

Whatever a customer wrote is untrusted: it is shortened, put on one line, freed of control characters and personal
data, and stands in quotation marks, so that it can never look like a line of ours. With `restrict_text` none of it is
shown at all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from triage.casework.track import Deadline
from triage.mail import redact
from triage.words import State, Target, Urgency

_LINE, _ITEMS = 200, 8
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Due:
    """One deadline as people read it. `due` is aware UTC, None while on hold; `left` is what remains then."""

    target: Target
    state: State
    due: datetime | None
    name: str = ""
    left: str = ""

    @classmethod
    def of(cls, deadline: Deadline) -> Due:
        """The part of a deadline that a notice shows."""
        left = spell(deadline.remaining) if deadline.due is None and deadline.remaining is not None else ""
        return cls(deadline.target, deadline.state, deadline.due, deadline.name, left)


@dataclass(frozen=True, slots=True)
class Flagged:
    """A risk flag with the customer's words that show it."""

    name: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """What a notice about a case may say. `token` is the signed case token that brings a reply back to the case.

    `received_at` aware UTC; `zone` is the reader's; `reasons` say why this type, urgency and owner, in our own words;
    `history` are lines about this customer; `similar` lines about cases like it. `summary` is the customer's text.
    """

    case_id: int
    number: str
    token: str
    zone: str
    urgency: Urgency
    owner: str
    mailbox: str
    folder: str
    message_id: str
    received_at: datetime
    customer: str
    customer_name: str = ""
    subject: str = ""
    summary: str = ""
    disposition: str = "complaint"
    complaint_type: str = ""
    flags: tuple[Flagged, ...] = ()
    reasons: tuple[str, ...] = ()
    deadlines: tuple[Due, ...] = ()
    history: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    similar: tuple[str, ...] = ()
    restrict_text: bool = False


def in_short(card: Card) -> str:
    """The case in a few words, for a subject line."""
    if card.restrict_text:
        return "restricted case"
    label = (card.complaint_type or card.disposition).replace("_", " ")
    flags = ", ".join(flag.name for flag in card.flags[:3])
    return " ".join(part for part in (label, f"({flags})" if flags else "", quoted(card.subject, 60)) if part)


def lines(card: Card, *, evidence: bool) -> list[str]:
    """The page. `evidence`: with the customer's words that led to the judgement, for who must act on them."""
    label = (card.complaint_type or card.disposition).replace("_", " ")
    page = ["", *_head(card), "", f"Judged    {label}, {card.urgency.word}"]
    if card.summary and evidence and not card.restrict_text:
        page.append(f"In short  {quoted(card.summary)}")
    page += _flags(card, evidence)
    page += ["", "Deadlines", *(_deadline(due, card.zone) for due in card.deadlines)] if card.deadlines else []
    if not card.restrict_text:
        page += _list("Why", card.reasons)
        page += _list("Our promises", card.promises)
        page += _list("This customer", card.history)
        page += _list("Cases like it", card.similar if evidence else ())
    return page


def _head(card: Card) -> list[str]:
    place = (card.received_at, card.message_id, card.mailbox, card.folder, card.zone)
    if card.restrict_text:
        note = "The customer's words are withheld. Read the mail itself, and do not pass it on."
        return [note, "", *whereabouts("", "", *place)]
    customer = f"{one_line(card.customer_name, 80)} <{card.customer}>" if card.customer_name else card.customer
    return whereabouts(customer, card.subject, *place)


def whereabouts(
    customer: str, subject: str, date: datetime, message_id: str, mailbox: str, folder: str, zone: str
) -> list[str]:
    """What finds the mail again in any client."""
    rows = [
        ("Customer", one_line(customer)),
        ("Subject", quoted(subject) if subject else ""),
        ("Received", local(date, zone)),
        ("Mailbox", f"{mailbox}, folder {folder}"),
        ("Message-ID", one_line(message_id)),
    ]
    return [f"{name:<10}{value}" if len(name) < 10 else f"{name} {value}" for name, value in rows if value]


def _flags(card: Card, evidence: bool) -> list[str]:
    page = []
    for flag in card.flags[:_ITEMS]:
        words = "; ".join(quoted(e) for e in flag.evidence[:3]) if evidence and not card.restrict_text else ""
        page.append(f"Flag      {flag.name}" + (f": {words}" if words else ""))
    return page


def _list(title: str, items: Sequence[str]) -> list[str]:
    return ["", title, *(f"  - {one_line(redact.text(item))}" for item in items[:_ITEMS])] if items else []


def _deadline(due: Due, zone: str) -> str:
    return f"  {target(due):<20} {when(due, zone)}  {due.state.value.replace('_', ' ')}"


def target(due: Due) -> str:
    """A statutory limit by its own name, everything else by its target."""
    return (due.name or due.target.value).replace("_", " ")


def when(due: Due, zone: str) -> str:
    """The due moment in local time, or what is left while the case waits for the customer."""
    if due.due is None:
        return f"on hold, {due.left} left" if due.left else "on hold"
    return local(due.due, zone)


_COMMANDS = {
    "accept": ("triage accept {number}", "you take it"),
    "ack": ("triage ack {number}", "you have taken note"),
    "replied": ("triage replied {number} --channel phone", "you answered by phone"),
    "assign": ("triage assign {number} --to NAME --why ...", "somebody else must have it"),
    "hold": ("triage hold {number} --why ...", "the customer must answer first"),
    "close": ("triage close {number} --outcome upheld --cause ...", "it is put right"),
    "correct": ("triage correct {number} --type TYPE --urgency URGENCY --why ...", "your decision"),
    "case": ("triage case {number}", "the whole history"),
}


def commands(card: Card, *names: str) -> list[str]:
    """What to type next, with the number filled in."""
    rows = [(_COMMANDS[name][0].format(number=card.number), _COMMANDS[name][1]) for name in names]
    width = max(len(command) for command, _ in rows)
    return ["", "What to type", *(f"  {command:<{width}}   {meaning}" for command, meaning in rows), ""]


# -- text ------------------------------------------------------------------------------------------------------------


def one_line(text: str, longest: int = _LINE) -> str:
    """One line without control, format or bidirectional characters, shortened with three dots."""
    # Cut first: a mail's subject may be a megabyte. Cf holds the overrides that turn text round (U+202E).
    flat = " ".join(text[: 4 * longest].split())
    if not flat.isprintable():  # none of these is printable, so most lines need no second look
        flat = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in flat)
        flat = " ".join(flat.split())
    return flat if len(flat) <= longest else f"{flat[: longest - 3].rstrip()}..."


def quoted(text: str, longest: int = _LINE) -> str:
    """A customer's words: redacted, on one line, in quotation marks."""
    shown = one_line(redact.text(text[: 8 * longest]), longest).replace('"', "'")
    return f'"{shown}"'


def spell(span: timedelta) -> str:
    """ "6 h", "1 h 30 min": a length of working time, whole minutes."""
    hours, minutes = divmod(max(int(span.total_seconds()), 0) // 60, 60)
    return " ".join(
        part for part in (f"{hours} h" if hours else "", f"{minutes} min" if minutes or not hours else "") if part
    )


def local(moment: datetime, zone: str) -> str:
    """ "Mon 23 Nov 2026 12:30 GMT": local time with its zone. Fixed English names, whatever the locale."""
    there = moment.astimezone(ZoneInfo(zone))
    day, month = _DAYS[there.weekday()], _MONTHS[there.month - 1]
    return f"{day} {there.day} {month} {there.year} {there:%H:%M} {there.tzname()}"
