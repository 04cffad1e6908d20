"""Who is told what: a case, its clocks and its steps -> one mail in plain text. Pure.

The caller adds the loop marker (`X-Triage-Loop`) and the Message-ID. The key makes each notice go out once: it is a
function of what happened, never of when a sweep ran. What customers wrote is handled in `card`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from triage.casework.card import (
    Card,
    Due,
    Flagged,
    commands,
    in_short,
    lines,
    local,
    one_line,
    quoted,
    target,
    when,
    whereabouts,
)

__all__ = [
    "LETTER_WORDS", "Card", "Due", "Flagged", "Kind", "Mail", "Notice", "acknowledgement", "alarm", "assignment", "digest",
    "escalation", "forward", "in_channel", "inform", "mistake", "news", "reminder", "review",
]  # fmt: skip

_SUBJECT = 120
_TOKEN = re.compile(r"\[#[^\]\s]{1,60}\]")
_NUMBER = re.compile(r"\b[A-Z]{1,10}-\d{4}-\d{3,9}\b")
_LETTER_WORD = re.compile(r"\{([a-z]+)\}")
#: our own mail is marked as such (RFC 3834). No suppress header to staff: their out-of-office must reach us
_STAFF = (("Auto-Submitted", "auto-generated"),)
_CUSTOMER = (
    ("Auto-Submitted", "auto-replied"),
    ("X-Auto-Response-Suppress", "All"),
    ("Precedence", "auto_reply"),
)


class Kind(StrEnum):
    """What a notice is for."""

    ASSIGNMENT = "assignment"  # to the owner: this case is yours
    INFORM = "inform"  # to others: know of this case, nothing to do
    REMINDER = "reminder"  # to the owner: a deadline comes near
    ESCALATION = "escalation"  # to the people of a step: overdue, or not taken note of
    REVIEW = "review"  # to the reviewers: a decision is wanted
    NEWS = "news"  # to the owner: something came in on the case
    MISTAKE = "mistake"  # to the sender of a reply of ours, and the lead where grave: look at it again
    FORWARD = "forward"  # to people: a mail that is no case
    AUDIT = "audit"  # to one person: a sample of filed mail to look through
    ANSWER = "answer"  # to one of us: what of their reply was not understood
    DIGEST = "digest"  # to one person: all that can wait, in one mail
    ALARM = "alarm"  # to the operators: the program itself is in trouble
    ACKNOWLEDGEMENT = "acknowledgement"  # to the customer: the receipt


@dataclass(frozen=True, slots=True)
class Notice:
    """One mail to send. `key` is unique for ever; `to` are addresses; `headers` come on top of the sender's own."""

    key: str
    kind: Kind
    case_id: int | None
    to: tuple[str, ...]
    subject: str
    text: str
    headers: tuple[tuple[str, str], ...] = _STAFF


# -- notices about a case --------------------------------------------------------------------------------------------


def assignment(card: Card, to: Sequence[str], seq: int, why: str = "") -> Notice:
    """The owner's card on one page. `seq` is the event that made them owner: each assignment is told once."""
    head = f"Case {card.number} is yours. Reply to this mail, or type what stands below, to accept it."
    parts = [head, why, *lines(card, evidence=True), *commands(card, "accept", "replied", "assign", "close")]
    return _notice(card, Kind.ASSIGNMENT, f"{seq}", to, f"{card.urgency.word}: {in_short(card)}", parts)


def inform(card: Card, to: Sequence[str], seq: int, why: str) -> Notice:
    """For people who should know. Without the customer's words beyond the subject."""
    head = f"For your information: case {card.number} is with {card.owner}. You need not do anything."
    parts = [head, why, *lines(card, evidence=False), *commands(card, "case")]
    return _notice(card, Kind.INFORM, f"{seq}", to, f"for information: {in_short(card)}", parts)


def reminder(card: Card, to: Sequence[str], due: Due, cycle: int) -> Notice:
    """A deadline comes near: to the owner, once for each target and cycle."""
    head = f"Case {card.number}: the {target(due)} is due {when(due, card.zone)}."
    parts = [head, "", *lines(card, evidence=False), *commands(card, "replied", "hold", "case")]
    key = f"{due.target.value}:{due.name}:{cycle}"
    return _notice(card, Kind.REMINDER, key, to, f"{target(due)} due {when(due, card.zone)}", parts)


def escalation(card: Card, to: Sequence[str], step: int, keys: Iterable[str], causes: Sequence[str]) -> Notice:
    """One mail for all steps of a case that fall due together: the highest `step`, the `keys` and causes of all."""
    head = f"Escalation {step} of case {card.number}, which {card.owner} owns. Somebody must take note of it."
    why = [f"  - {one_line(cause)}" for cause in causes]
    parts = [head, "", "Why", *why, "", *lines(card, evidence=False), *commands(card, "ack", "assign", "case")]
    parts.append("Not taken note of, it goes up to the next step.")
    return _notice(card, Kind.ESCALATION, _digest(keys), to, f"escalation {step}: {in_short(card)}", parts)


def review(card: Card, to: Sequence[str], seq: int, reasons: Sequence[str], guesses: Sequence[str]) -> Notice:
    """A person's decision is wanted. The case has its owner and its clock all the same."""
    head = f"Case {card.number} needs your decision. Its clock is running."
    asked = ["What is not sure", *(f"  - {one_line(r)}" for r in reasons)]
    guessed = ["", "Best guesses", *(f"  - {one_line(g)}" for g in guesses)] if guesses else []
    parts = [head, "", *asked, *guessed, "", *lines(card, evidence=True), *commands(card, "correct", "case")]
    return _notice(card, Kind.REVIEW, f"{seq}", to, f"your decision: {in_short(card)}", parts)


def news(card: Card, to: Sequence[str], seq: int, what: str) -> Notice:
    """Something came in on a case: to the owner."""
    head = f"Case {card.number}: {one_line(what)}"
    parts = [head, "", *lines(card, evidence=True), *commands(card, "replied", "case")]
    return _notice(card, Kind.NEWS, f"{seq}", to, one_line(what, 60), parts)


def mistake(card: Card, to: Sequence[str], seq: int, found: Sequence[str], subject: str) -> Notice:
    """A reply of ours that should not have gone out as it was. Our own words, so the lines are not redacted again."""
    head = f"Case {card.number}: please look at the reply {quoted(subject, 60)} again."
    parts = [head, "", *(f"  - {one_line(line)}" for line in found), "", *lines(card, evidence=False)]
    parts += commands(card, "case")
    return _notice(card, Kind.MISTAKE, f"{seq}", to, "please look at your reply again", parts)


def in_channel(notice: Notice) -> tuple[str, str]:
    """(title, text) of a notice for a chat: its subject without the token, its first line and what to type. Of a digest
    or an alarm all of it. Nothing of what a customer wrote but the subject, as redacted as in the mail."""
    title = _TOKEN.sub("", notice.subject).strip()
    if notice.case_id is None:
        return title, notice.text
    number = _NUMBER.search(notice.text)
    head = notice.text.partition("\n")[0]
    return title, f"{head}\ntriage case {number[0]}" if number else head


# -- other notices ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that became no case, as a notice names it. `date` aware UTC."""

    key: str
    disposition: str
    reason: str
    customer: str
    subject: str
    date: datetime
    message_id: str
    mailbox: str
    folder: str


def forward(mail: Mail, to: Sequence[str], zone: str) -> Notice:
    """A mail that belongs to somebody but is no case. Named, not copied: it is read in the mailbox."""
    page = [
        f"This mail was taken for {mail.disposition}, so no case was opened: {one_line(mail.reason)}",
        "",
        *whereabouts(mail.customer, mail.subject, mail.date, mail.message_id, mail.mailbox, mail.folder, zone),
        "",
        "If it is a complaint after all, reply with the line",
        "  complaint",
        "(or, say, billing urgent), or type",
        f"  triage correct --mail {mail.key} --disposition complaint --why ...",
    ]
    subject = f"{mail.disposition}: {quoted(mail.subject, 80)}"
    return Notice(f"forward:{mail.key}", Kind.FORWARD, None, tuple(to), subject, "\n".join(page) + "\n")


def audit(week: str, mails: Sequence[Mail], to: Sequence[str], due: datetime, filed: int, zone: str) -> Notice:
    """The week's sample, to one person. Named, not copied: the mails are read in the mailbox."""
    page = [
        f"{len(mails)} of the {filed} mails that were filed as no complaint in {week}. Please read them in the mailbox by",
        f"{local(due, zone)}: was one a complaint after all? From your answers we know how many complaints are missed.",
        "",
    ]
    for mail in mails:
        where = whereabouts(mail.customer, mail.subject, mail.date, mail.message_id, mail.mailbox, mail.folder, zone)
        page += [f"mail {mail.key}  {mail.disposition}: {one_line(mail.reason, 80)}", *(f"  {w}" for w in where), ""]
    page += [
        "Reply with a line for each, or type what stands behind it:",
        "  all ok                       triage audit --ok",
        f"  mail {mails[0].key} billing urgent    triage audit {mails[0].key} --complaint --type billing --urgency urgent",
        f"  mail {mails[0].key} ok                triage audit {mails[0].key} --ok",
    ]
    subject = f"{len(mails)} filed mails to look through, {week}"
    return Notice(f"audit:{week}", Kind.AUDIT, None, tuple(to), subject, "\n".join(page) + "\n")


def answer(key: str, to: Sequence[str], lines: Sequence[str], examples: Sequence[str]) -> Notice:
    """To one of us who answered a notice: the lines that were not understood, and what would have been."""
    page = ["These lines of your reply were not understood, and nothing was done because of them:", ""]
    page += [f"  {quoted(line, 80)}" for line in lines[:10]]
    page += ["", "What would be understood, a line each:", *(f"  {one_line(e)}" for e in examples)]
    page += ["", "The rest of your reply, if there was any, is carried out; the next digest says what became of it."]
    return Notice(
        f"answer:{key}", Kind.ANSWER, None, tuple(to), "your reply was not understood", "\n".join(page) + "\n"
    )


def digest(
    person: str, to: Sequence[str], day: str, sections: Sequence[tuple[str, Sequence[tuple[Card, str]]]], part: str = "",
    *, sample: Sequence[Mail] = (), done: Sequence[str] = (),
) -> Notice:  # fmt: skip
    """All that can wait, one mail a person and day: (title, [(card, what about it)]), the filed mails that are to be
    looked through, and what became of this person's corrections. A restricted case is a number."""
    page = [f"Your cases on {day}", ""]
    for title, entries in sections:
        page.append(f"{title} ({len(entries)})")
        for card, what in entries:
            subject = "(restricted)" if card.restrict_text else quoted(card.subject, 60)
            page.append(f"  {card.number}  {card.urgency.word:<8}  {one_line(what, 80)}  {subject}")
        page.append("")
    if sample:
        page += [f"Filed as no complaint, for you to look through ({len(sample)})", *map(_filed, sample), ""]
    if done:
        page += ["What became of your corrections", *(f"  {one_line(line, 160)}" for line in done), ""]
    page.append("triage case NUMBER shows one of them.")
    page.append(_HOW)
    count = sum(len(entries) for _, entries in sections)
    key = ":".join(bit for bit in ("digest", person, day, part) if bit)
    return Notice(key, Kind.DIGEST, None, tuple(to), f"{count} of your cases on {day}", "\n".join(page) + "\n")


_HOW = 'To set one right, reply with a line such as "#123 billing urgent", "#123 no complaint" or "mail 45 ok".'


def _filed(mail: Mail) -> str:
    return f"  mail {mail.key}  {mail.disposition}  {one_line(mail.customer, 60)}  {quoted(mail.subject, 60)}"


def alarm(key: str, to: Sequence[str], what: str, details: Sequence[str], todo: Sequence[str]) -> Notice:
    """The program itself is in trouble: an invariant broken, a mailbox out of reach, a storm. No mail text."""
    page = [one_line(what), "", *(f"  - {one_line(d)}" for d in details[:50])]
    if len(details) > 50:
        page.append(f"  ... and {len(details) - 50} more")
    page += ["", "What to do", *(f"  {t}" for t in todo)]
    return Notice(f"alarm:{key}", Kind.ALARM, None, tuple(to), f"triage: {one_line(what, 100)}", "\n".join(page) + "\n")


def acknowledgement(card: Card, subject: str, text: str, owner_name: str, first: Due, business: str) -> Notice:
    """The customer's receipt, from the letter of the config. Names a person and the real deadline, and nothing else."""
    values = {
        "number": card.number,
        "owner": owner_name,
        "business": business,
        "deadline": when(first, card.zone),
        "name": one_line(card.customer_name, 80),
    }
    # One pass: a customer whose name is "{deadline}" gets that name back, not a date.
    subject, text = (_LETTER_WORD.sub(lambda m: values.get(m[1], m[0]), letter) for letter in (subject, text))
    key = f"{Kind.ACKNOWLEDGEMENT.value}:{card.case_id}"
    head = f"{one_line(subject, _SUBJECT)} {card.token}".strip()
    return Notice(key, Kind.ACKNOWLEDGEMENT, card.case_id, (card.customer,), head, text.strip() + "\n", _CUSTOMER)


#: what letters may name in braces
LETTER_WORDS = ("number", "owner", "business", "deadline", "name")


# -- the parts of a card ---------------------------------------------------------------------------------------------


def _notice(card: Card, kind: Kind, key: str, to: Sequence[str], subject: str, parts: Iterable[str]) -> Notice:
    text = "\n".join(_tidy(parts)) + "\n"
    return Notice(
        f"{kind.value}:{card.case_id}:{key}", kind, card.case_id, tuple(to), f"{card.token} {one_line(subject)}", text
    )


def _tidy(lines: Iterable[str]) -> list[str]:
    """No two empty lines in a row, none at the end."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _digest(keys: Iterable[str]) -> str:
    """One short key for a set of step keys, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(keys))).encode()).hexdigest()[:32]
