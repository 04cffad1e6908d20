"""Which case may a mail belong to: signed tokens, ids of earlier mail, numbers in the text.

Anyone can write any header, so a key says how it was come by, and `decide` lets a key attach a mail only if it is
signed by us or the sender takes part in the case. Otherwise the case is named as "possibly", for a person to merge.
Subject text alone, Thread-Index and Thread-Topic never thread: two customers do write "Refund".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

from triage.mail import person, phrases, tokens
from triage.mail.body import Body
from triage.mail.message import Message
from triage.mail.screen import AUTOMATIC_KINDS, Ours, Screening
from triage.mail.tokens import (
    case_token,
    message_id,
    plus_address,
    read_case_tokens,
    read_message_id,
    read_plus_address,
)
from triage.words import Status

__all__ = [
    "CaseRef",
    "Key",
    "Threading",
    "candidates",
    "case_token",
    "decide",
    "message_id",
    "plain_subject",
    "plus_address",
    "read_case_tokens",
    "read_message_id",
    "read_plus_address",
    "reference_numbers",
]

KeyKind = Literal[
    "plus_address",  # a recipient carries our signed case number
    "reply_to_ours",  # In-Reply-To is a Message-ID we signed
    "report",  # a bounce or receipt about a mail we signed
    "reference_to_ours",  # References hold a Message-ID we signed
    "message_id",  # In-Reply-To, or a report, names another mail; the store may know it
    "reference",  # References name another mail
    "token",  # the subject carries a right case token
    "case_number",  # the text names a case
    "order",  # the text names an order, invoice or account
]
#: kinds that attach by themselves: only somebody who got our mail can know them
_SIGNED = ("plus_address", "reply_to_ours", "report")
_MOST_REFERENCES = 20
_MOST_NUMBERS = 10
_READ = 20_000

_CASE_NUMBER = re.compile(r"\bC-\d{4}-\d{3,9}\b", re.IGNORECASE)
#: letters and digits ("OL-33521", "VG118402", "FC-C-5512", "SC 7004 5512")
_LETTERED = re.compile(
    r"(?<![\w@/.-])([A-Z]{1,5}(?:-[A-Z]{1,4})?[- ]?\d{3,12}(?:[- ]\d{3,6}){0,3}(?:-[A-Z0-9]{1,6})?)(?![\w@])"
)
_DIGITS = re.compile(r"\d{3}|\d[ -]{1,7}\d")  # where nothing is like this, neither pattern finds five digits
#: digits alone count only behind a word that says what they are
_CUED = re.compile(
    r"\b(?:order|invoice|account|acct|booking|reservation|policy|contract|customer|claim|ticket|reference|ref|tracking|"
    r"parcel|case|bestell\w{0,8}|auftrags\w{0,8}|rechnung\w{0,8}|kunden\w{0,8}|vertrags?\w{0,8}|sendungs\w{0,8}|"
    r"buchung\w{0,8}|commande|facture|client|contrat|dossier|réservation|pedido|factura|cliente|contrato|incidencia|"
    r"reserva|ordine|fattura|contratto|pratica|prenotazione|bestelling|factuur|klant\w{0,8}|encomenda|fatura|processo)"
    r"[^\w\n]{0,3}(?:(?:number|no|nr|num|nummer|numéro|n|número|numero|id|code|der|vom)\b[^\w\n]{0,3}){0,2}"
    r"(\d[\d -]{3,18}\d)(?![\w@])",
    re.IGNORECASE,
)
_DATE_LIKE = re.compile(r"(?:19|20)\d\d[- ]\d\d[- ]\d\d|\d\d[- ]\d\d[- ](?:19|20)\d\d")
#: "GBP 1200" and "IBAN DE44 5001" are no order numbers
_NO_NUMBER = "GBP EUR USD CHF AUD PLN SEK NOK DKK IBAN BIC TEL FAX MOB ISO UTC GMT CET AM PM MAY JUNE JULY"
_NO_PREFIX = frozenset(_NO_NUMBER.split())


@dataclass(frozen=True, slots=True)
class Key:
    """One way a mail may be tied to a case. `case_number` is set where the key itself names the case."""

    kind: KeyKind
    value: str
    case_number: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class CaseRef:
    """A case that a key led to. `sent`: the Message-ID of the key is of a mail that our side sent on this case."""

    case_id: int
    number: str
    status: Status | str
    closed_at: datetime | None
    participants: frozenset[str]  # addresses in lower case
    subject: str
    sent: bool = False
    name: str = ""  # the customer's, as they wrote it; "" where it is not known


@dataclass(frozen=True, slots=True)
class Threading:
    """`case_id` None: a new case. "linked": new, but it goes on with a case closed too long ago (in `possibly`)."""

    case_id: int | None
    how: KeyKind | Literal["new", "linked", "same_customer"]
    evidence: str
    possibly: tuple[int, ...] = ()


def candidates(message: Message, body: Body, screening: Screening, ours: Ours) -> tuple[Key, ...]:
    """Every key of a mail, strongest first, each once."""
    found: dict[tuple[str, str], Key] = {}
    for key in _keys(message, body, screening, ours):
        found.setdefault((key.kind, key.value), key)
    return tuple(found.values())


def _keys(message: Message, body: Body, screening: Screening, ours: Ours) -> Iterator[Key]:
    for recipient in message.recipients:
        number = read_plus_address(recipient, ours.secret)
        if number:
            yield Key("plus_address", number, number, f"sent to the signed address of {number}")
    by_id: tuple[tuple[KeyKind, tuple[str, ...]], ...] = (
        ("reply_to_ours", message.in_reply_to),
        ("report", screening.reports_on),
        ("reference_to_ours", message.references[::-1][:_MOST_REFERENCES]),
    )
    for kind, ids in by_id:
        for one in ids:
            signed = read_message_id(one, ours.secret, ours.id_host)
            if signed:
                yield Key(kind, one, signed[0], f"answers our mail {one}")
    for signed_kind, ids in by_id:
        plain: KeyKind = "reference" if signed_kind == "reference_to_ours" else "message_id"
        for one in ids:
            if plain == "reference" and one in message.in_reply_to:
                continue
            if read_message_id(one, ours.secret, ours.id_host) is None:
                yield Key(plain, one, None, f"names the mail {one}")
    for number in read_case_tokens(message.subject, ours.secret):
        yield Key("token", number, number, f"token of {number} in the subject")
    if screening.kind in AUTOMATIC_KINDS:
        return  # numbers in a machine's text are our own words coming back
    text = _searched(message, body)
    for mentioned in list(dict.fromkeys(m[0].upper() for m in _CASE_NUMBER.finditer(text)))[:_MOST_NUMBERS]:
        yield Key("case_number", mentioned, mentioned, f"the text names {mentioned}")
    for order in reference_numbers(text):
        yield Key("order", order, None, f"the text names {order}")


def _searched(message: Message, body: Body) -> str:
    """Own words, signature and forwarded mail; of the subject what is no token (a token is judged as a token)."""
    forwarded = [
        t for f in (body.forwarded.chain() if body.forwarded else ()) for t in (f.subject, f.text, f.signature)
    ]
    parts = (tokens.without_tokens(message.subject), body.own, body.signature, *forwarded)
    return "\n".join(part[:_READ] for part in parts)


@lru_cache(maxsize=128)  # asked for the same words by threading, for a whole batch, and then by the keys of each case
def reference_numbers(text: str) -> tuple[str, ...]:
    """Order, invoice, account numbers in a text, in one form (capitals, no space or hyphen); at most ten.

    The store indexes each case's mails by these, so that a second address with the same order number finds the case.
    """
    text = text[: 4 * _READ]
    if not _DIGITS.search(text):
        return ()
    found: dict[str, None] = {}
    for match in (*_LETTERED.finditer(text), *_CUED.finditer(text)):
        written = match[1]
        prefix = re.split(r"[- \d]", written, maxsplit=1)[0]
        plain = re.sub(r"[^A-Z0-9]", "", written.upper())
        digits = sum(c.isdigit() for c in plain)
        if prefix in _NO_PREFIX or digits < 4 or (not prefix and digits < 5) or _CASE_NUMBER.match(written):
            continue
        if not _DATE_LIKE.fullmatch(written.strip()) and len(plain) <= 24:
            found[plain] = None
    return tuple(found)[:_MOST_NUMBERS]


def plain_subject(subject: str) -> str:
    """A subject without reply and forward prefixes, tokens, case and extra spaces, for comparing."""
    _, rest = phrases.subject_prefixes(tokens.without_tokens(subject))
    return " ".join(rest.split()).casefold()


def decide(
    keys: tuple[Key, ...],
    found: Mapping[Key, tuple[CaseRef, ...]],
    screening: Screening,
    now: datetime,
    reopen_days: int = 14,
    text: str = "",
) -> Threading:
    """The case a mail joins. `found` holds, for each key, the cases the store knows by it (merged ones followed).

    `text` is what the mail says: an order number from an unknown address attaches no mail of somebody else, by the name
    they sign with, unless the mail names the customer. Another company's order may well bear the same number.
    """
    possibly: dict[int, None] = {}
    barred: set[int] = set()  # a token of this case was shown by somebody who takes no part in it
    for key in keys:
        refs = found.get(key, ())
        joined = _passes(key, refs, screening, barred, text)
        if joined is not None:
            others = tuple(case for case in possibly if case != joined.case_id)
            return _attach(key, joined, screening, now, reopen_days, others)
        possibly.update(dict.fromkeys(ref.case_id for ref in refs))
        if key.kind == "token":
            barred.update(ref.case_id for ref in refs)
    why = (
        "it shows the token of a case in which its sender takes no part"
        if barred
        else "no key of this mail ties it to a case"
    )
    return Threading(None, "new", why, tuple(possibly))


def _passes(
    key: Key, refs: tuple[CaseRef, ...], screening: Screening, barred: set[int], text: str
) -> CaseRef | None:  # fmt: skip
    """The one case this key may attach to."""
    if not refs:
        return None
    if key.kind == "plus_address":
        return refs[0]
    if screening.authenticated == "fail":
        return None  # a forged sender: only the address we signed ourselves counts
    if key.kind in _SIGNED:
        return refs[0]
    if key.kind == "message_id":
        sent = [ref for ref in refs if ref.sent]
        if len(sent) == 1:
            return sent[0]
    taking_part = [ref for ref in refs if screening.customer.email in ref.participants]
    if len(taking_part) == 1:
        return taking_part[0]
    if taking_part:
        return _newest_open(taking_part)
    if key.kind in ("case_number", "order"):
        # An unknown address may be a customer's second one; one open case and no other must have the number.
        open_ = [ref for ref in refs if _is_open(ref)]
        if len(open_) != 1 or open_[0].case_id in barred:
            return None
        stranger = key.kind == "order" and person.another(screening.customer.name, open_[0].name, text)
        return None if stranger else open_[0]
    return None


def _newest_open(refs: list[CaseRef]) -> CaseRef | None:
    open_ = [ref for ref in refs if _is_open(ref)]
    return max(open_, key=lambda ref: ref.case_id) if open_ else max(refs, key=lambda ref: ref.case_id)


def _is_open(ref: CaseRef) -> bool:
    return ref.status in (Status.OPEN, Status.ON_HOLD)


def _attach(
    key: Key, ref: CaseRef, screening: Screening, now: datetime, reopen_days: int, others: tuple[int, ...]
) -> Threading:
    late = ref.closed_at is not None and not _is_open(ref) and now - ref.closed_at > timedelta(days=reopen_days)
    if late and screening.kind not in AUTOMATIC_KINDS:
        why = f"{key.evidence}; {ref.number} was closed more than {reopen_days} days ago"
        return Threading(None, "linked", why, (ref.case_id, *others))
    return Threading(ref.case_id, key.kind, key.evidence, others)
