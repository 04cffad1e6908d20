"""Looking through a reply before or after it was sent: what the register knows of its case and of other customers."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Case
from triage.desk import Desk
from triage.judge import reply
from triage.judge.reply import About, Reply
from triage.mail import body, message
from triage.mail.address import Address
from triage.mail.body import Body
from triage.mail.message import Message
from triage.operations.casebook import read
from triage.operations.judging import Judged
from triage.world.store import cases, mails

STATED = "stated"  # addresses that the customer wrote in a mail
_HEADER = re.compile(rb"[A-Za-z][A-Za-z0-9-]{1,40}:[ \t]")
_HEAD = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nIn-Reply-To: <draft@localhost>\r\n\r\n"


def ours(judged: Judged) -> Reply:
    """Our mail as the check reads it."""
    return _reply(judged.message, judged.body)


def _reply(mail: Message, words: Body) -> Reply:
    to = tuple(dict.fromkeys(a.email for a in (*mail.to, *mail.cc) if "@" in a.email))
    return Reply(words.own, mail.subject, words.language if words.language_supported else "und", to)


def about(desk: Desk, tx: Connection, case: Case, mine: Reply) -> About:
    """What is known about the case, and what of other customers the reply touches."""
    stored = [m for m in mails.of_case(tx, case.id) if m["direction"] == "in"]
    outside = [m for m in stored if m["from_email"] in case.participants or m["from_email"] == case.customer]
    names = {case.customer_name, *(m["from_name"] or "" for m in outside)}
    names |= {
        " ".join(re.split(r"[._\-+\d]+", one.partition("@")[0]))
        for one in case.participants
        if "." in one.partition("@")[0]
    }
    stated = cases.keys_of(tx, [case.id], STATED)[case.id]
    theirs = frozenset(case.participants | {case.customer} | stated)
    written = (*mine.to, *reply.addresses(mine.text))
    known = cases.with_key(tx, "address", [a for a in written if a not in theirs])
    numbers = cases.with_key(tx, "order", reply.numbers(mine))
    foreign = {n for n, found in numbers.items() if case.id not in found and not _shared(tx, found, theirs)}
    return About(
        names=frozenset(n for n in names if n.strip()) if case.customer_name or outside else frozenset(),
        language=case.language,
        addresses=theirs,
        own_domains=desk.ours.domains | {a.rpartition("@")[2] for a in desk.ours.intake},
        others=frozenset(known),
        other_numbers=frozenset(foreign),
    )


def _shared(tx: Connection, found: list[int], theirs: frozenset[str]) -> bool:
    """Does one of these cases belong to the same customer?"""
    return any(people & theirs for people in cases.keys_of(tx, found, "address").values())


def remember_stated(desk: Desk, tx: Connection, case_id: int, judged: Judged) -> None:
    """Addresses the customer names in a mail ("if this one plays up, use ..."): a reply there reaches them too."""
    cases.add_keys(tx, case_id, [(STATED, address) for address in stated(desk, judged.body)])


def stated(desk: Desk, words: Body) -> tuple[str, ...]:
    """Addresses outside our own domains in a customer's own words or signature; at most ten."""
    written = reply.addresses(f"{words.new_text}\n{words.signature}")
    return tuple(a for a in written if not desk.ours.is_own(Address("", a)))[:10]


def numbers_in(mail: Message, words: Body) -> tuple[str, ...]:
    """Order numbers and the like that a mail of ours names."""
    return tuple(reply.numbers(_reply(mail, words)))


def remember_numbers(tx: Connection, case_id: int, judged: Judged) -> None:
    """Numbers of our own mail, less those of other cases: a slip of the pen must not tie two customers together."""
    written = reply.numbers(ours(judged))
    known = cases.with_key(tx, "order", written)
    fresh = [n for n in written if not known.get(n) or case_id in known[n]]
    cases.add_keys(tx, case_id, [("order", number) for number in fresh])


def check_draft(desk: Desk, raw: bytes, wanted: str | None) -> list[dict[str, Any]]:
    """Look through a reply that is not sent yet: a whole mail, or its text alone. Raises NotFound for an unknown case."""
    head = raw.lstrip()[:200]
    mail = message.parse(raw.lstrip() if _HEADER.match(head) else _HEAD + raw)
    mine = _reply(mail, body.words(mail))
    known = About(own_domains=desk.ours.domains)
    if wanted is not None:
        with desk.database.write() as tx:  # the case is read under its lock, as everywhere
            known = about(desk, tx, read(tx, cases.find(tx, wanted)), mine)
    return [
        {"mistake": one.name, "grave": one.grave, "evidence": one.evidence, "said": one.sentence()}
        for one in reply.check(mine, known)
    ]
