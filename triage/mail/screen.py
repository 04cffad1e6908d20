"""What kind of mail is this, before anyone reads what it says: a person's, a machine's, a bounce, our own?

A table read from top to bottom: the first rule that matches gives the kind, all that match are recorded as hits.
Screening may only keep *us* from answering and name a disposition; it never keeps a mail from being stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from triage.mail import authenticity, automatic, lure, report, tokens
from triage.mail.address import NOBODY, Address
from triage.mail.body import Body, Forwarded
from triage.mail.kinds import AUTOMATIC_KINDS, DISPOSITIONS, Kind
from triage.mail.message import Message
from triage.words import Disposition

__all__ = ["AUTOMATIC_KINDS", "DISPOSITIONS", "RULES", "Hit", "Kind", "Ours", "Screening", "judge"]

_OLDEST = timedelta(days=90)


_MAY_ACKNOWLEDGE = frozenset({Kind.PERSON, Kind.WEB_FORM, Kind.FORWARDED})


@dataclass(frozen=True, slots=True)
class Ours:
    """Our own side of the conversation, from the configuration. Addresses and domains in lower case."""

    domains: frozenset[str]  # colleagues write from these; subdomains count
    intake: frozenset[str]  # the addresses that reach the desk
    web_forms: frozenset[str]  # addresses our own forms write from (none needed for forms on our own domains)
    authserv_id: str  # the name our mail server signs Authentication-Results with; "" = not known
    secret: bytes
    instance: str
    id_host: str

    def is_own(self, address: Address) -> bool:
        """The address is of one of our domains or is an intake address."""
        domain = address.domain
        return address.email in self.intake or any(domain == d or domain.endswith(f".{d}") for d in self.domains if d)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that matched, with what it saw."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Screening:
    """The verdict on the outside of a mail, with its reasons."""

    kind: Kind
    disposition: Disposition | None  # None: the judge decides by what the mail says
    reason: str
    hits: tuple[Hit, ...]
    customer: Address  # whose matter it is: the sender, the person behind a form, the original sender of a forward
    received_at: datetime  # aware UTC: INTERNALDATE, or the original date of a colleague's forward
    authenticated: authenticity.Verdict
    reports_on: tuple[str, ...]  # Message-IDs a report is about
    failed_recipients: tuple[str, ...]  # whom a mail of ours did not reach (a delay is no failure)
    may_acknowledge: bool
    forwarded_by: Address | None  # the colleague


@dataclass(frozen=True)
class _Facts:
    """One mail as the rules see it; what several rules ask is worked out once."""

    message: Message
    body: Body
    ours: Ours

    @cached_property
    def authenticated(self) -> authenticity.Verdict:
        return authenticity.verdict(self.message, self.ours.authserv_id)

    @cached_property
    def forged(self) -> bool:
        return self.authenticated == "fail" or authenticity.says_forged(self.message)

    @cached_property
    def colleague(self) -> bool:
        return self.ours.is_own(self.message.from_) and not self.forged

    @cached_property
    def original(self) -> Forwarded | None:
        """The innermost-but-first mail of somebody outside, in a mail that forwards one."""
        chain = self.body.forwarded.chain() if self.body.forwarded else ()
        return next((f for f in chain if f.from_.email and not self.ours.is_own(f.from_)), None)

    @cached_property
    def behind_form(self) -> Address | None:
        """The customer a form of ours writes for."""
        if self.forged or not (self.ours.is_own(self.message.from_) or self.from_form):
            return None
        replies = (a for a in self.message.reply_to if "@" in a.email and not self.ours.is_own(a))
        outside = next((a for a in replies if not automatic.is_no_reply(a.local)), None)
        return outside or (_address_in_form(self.body.own, self.ours) if self.from_form else None)

    @cached_property
    def from_form(self) -> bool:
        return self.message.from_.email in self.ours.web_forms


Rule = Callable[[_Facts], str]


def _canary(f: _Facts) -> str:
    marker = f.message.header(tokens.CANARY_HEADER)
    ours = marker is not None and tokens.is_canary(marker, f.ours.instance, f.ours.secret)
    return "our own test mail got through" if ours else ""


def _own_loop(f: _Facts) -> str:
    marker = f.message.header(tokens.LOOP_HEADER)
    if marker is not None and tokens.is_loop_marker(marker, f.ours.instance, f.ours.secret):
        return "carries our loop marker"
    ours = tokens.read_message_id(f.message.message_id, f.ours.secret, f.ours.id_host)
    return "its Message-ID is one we made" if ours else ""


def _bounce(f: _Facts) -> str:
    r = f.message.delivery_report
    return "a delivery report" if r is not None and r.family == "delivery" else ""


def _mdn(f: _Facts) -> str:
    r = f.message.delivery_report
    return "a read receipt" if r is not None and r.family == "receipt" else ""


def _abuse_report(f: _Facts) -> str:
    r = f.message.delivery_report
    return "an abuse feedback report" if r is not None and r.family == "abuse" else ""


def _phishing(f: _Facts) -> str:
    if not authenticity.says_forged(f.message):
        return ""
    carried = lure.of(f.message, f.body)
    return f"the sender's domain disowns it (dmarc=fail) and it carries {carried}" if carried else ""


def _web_form(f: _Facts) -> str:
    if automatic.auto_submitted(f.message) == "auto-replied" or f.behind_form is None:
        return ""
    return f"our own form, for {f.behind_form.email}"


def _forwarded(f: _Facts) -> str:
    if not f.colleague or f.original is None or automatic.auto_submitted(f.message):
        return ""
    return f"{f.message.from_.email} forwards a mail of {f.original.from_.email}"


def _staff_reply(f: _Facts) -> str:
    if not f.colleague or f.message.from_.email in f.ours.web_forms or automatic.auto_submitted(f.message):
        return ""
    outside = _outside(f)
    return f"a colleague writes to {outside.email}" if outside else ""


def _bounce_like(f: _Facts) -> str:
    if automatic.daemon(f.message):
        return f"from {f.message.from_.local}" if f.message.from_.local in automatic.DAEMONS else "X-Failed-Recipients"
    # RFC 3834 3.3 lets automatic answers use the empty return path too, and Exchange does: they are no bounces.
    if automatic.null_return_path(f.message) and not _ooo(f):
        return "empty return path"
    return ""


def _ooo(f: _Facts) -> str:
    value = automatic.auto_submitted(f.message)
    if value == "auto-replied":
        return "Auto-Submitted: auto-replied"
    vacation = automatic.is_vacation_subject(f.message)
    if value and (vacation or f.message.header("X-MS-Exchange-Inbox-Rules-Loop") is not None):
        return f"Auto-Submitted: {value} of an out-of-office rule"
    if old := automatic.responder(f.message):
        return f"{old} is set"
    if automatic.suppresses_answers(f.message) and (
        vacation or f.message.header("X-MS-Exchange-Inbox-Rules-Loop") is not None
    ):
        return "X-Auto-Response-Suppress on an automatic answer"
    if automatic.precedence(f.message) == "auto_reply" or (vacation and automatic.precedence(f.message)):
        return f"Precedence: {automatic.precedence(f.message)}"
    if vacation and (f.message.in_reply_to or f.message.references or not f.body.own):
        return "the subject of an automatic answer"
    return ""


def _machine(f: _Facts) -> str:
    value = automatic.auto_submitted(f.message)
    return f"Auto-Submitted: {value}" if value else ""


def _list(f: _Facts) -> str:
    sign = automatic.list_sign(f.message)
    return "" if not sign or _own_list(f) else f"{sign} is set"


def _bulk(f: _Facts) -> str:
    value = automatic.precedence(f.message)
    return f"Precedence: {value}" if value in ("bulk", "junk") and not _own_list(f) else ""


def _no_reply(f: _Facts) -> str:
    addresses = (f.message.from_, *f.message.reply_to[:1])
    return "a no-reply address" if any(automatic.is_no_reply(a.local) for a in addresses) else ""


def _self(f: _Facts) -> str:
    return "from one of our intake addresses" if f.message.from_.email in f.ours.intake and not f.forged else ""


def _internal(f: _Facts) -> str:
    return "from our own domain, no customer's mail inside" if f.colleague else ""


RULES: tuple[tuple[Kind, Rule], ...] = (
    (Kind.CANARY, _canary),
    (Kind.OWN_LOOP, _own_loop),
    (Kind.BOUNCE, _bounce),
    (Kind.MDN, _mdn),
    (Kind.ABUSE_REPORT, _abuse_report),
    (Kind.PHISHING, _phishing),
    (Kind.WEB_FORM, _web_form),
    (Kind.FORWARDED, _forwarded),
    (Kind.STAFF_REPLY, _staff_reply),
    (Kind.BOUNCE_LIKE, _bounce_like),
    (Kind.OUT_OF_OFFICE, _ooo),
    (Kind.MACHINE, _machine),
    (Kind.LIST, _list),
    (Kind.BULK, _bulk),
    (Kind.NO_REPLY, _no_reply),
    (Kind.SELF, _self),
    (Kind.INTERNAL, _internal),
)


def judge(message: Message, body: Body, ours: Ours, internaldate: datetime) -> Screening:
    """Screen one mail. `internaldate` (aware UTC) is when the mail server took it in; all deadlines run from there."""
    facts = _Facts(message, body, ours)
    matches = [(kind, Hit(kind.value, seen)) for kind, rule in RULES if (seen := rule(facts))]
    kind, first = matches[0] if matches else (Kind.PERSON, Hit("person", "no sign of a machine"))
    hits = [hit for _, hit in matches]
    disposition = DISPOSITIONS[kind]
    if (doubt := _doubt(kind, facts)) is not None:
        disposition = None
        hits.append(doubt)
    if automatic.suppresses_answers(message):
        hits.append(Hit("suppress", "X-Auto-Response-Suppress asks us not to answer automatically"))
    if ours.is_own(message.from_) and facts.forged:
        hits.append(Hit("spoofed_own_domain", "claims our own domain and fails authentication"))
    reports_on, failed = _reported(kind, message, body)
    forwarded = kind is Kind.FORWARDED and facts.original is not None
    customer = _customer(kind, facts)
    return Screening(
        kind=kind,
        disposition=disposition,
        reason=first.detail,
        hits=tuple(hits),
        customer=customer,
        received_at=_received(facts.original, internaldate) if forwarded else internaldate,
        authenticated=facts.authenticated,
        reports_on=reports_on,
        failed_recipients=failed,
        may_acknowledge=_may_acknowledge(kind, facts, customer),
        forwarded_by=message.from_ if forwarded else None,
    )


def _doubt(kind: Kind, f: _Facts) -> Hit | None:
    """Why an automatic or list mail may still hold a person's words or bind us to something: the judge decides."""
    if kind in (Kind.MACHINE, Kind.LIST, Kind.BULK, Kind.NO_REPLY):
        if voice := automatic.customer_voice(f.message):
            return Hit("customer_voice", f"a survey or review notification: {voice}")
        if kind is not Kind.NO_REPLY and (who := automatic.authority(f.message)):
            return Hit("authority", f"the sender may be an authority: {who}")
    answers = bool(f.message.in_reply_to or f.message.references) and not automatic.is_bulk_sender(f.message)
    if kind is Kind.LIST and answers and any(r in f.ours.intake for r in f.message.recipients):
        return Hit("answers_us", "it answers a mail and is addressed to us")
    return None


def _own_list(f: _Facts) -> bool:
    """A shared inbox is often a group: its own list headers stand on every customer's mail."""
    named = " ".join(f.message.header(n) or "" for n in ("List-Id", "List-Post"))[:1000].lower()
    names = {i.replace("@", ".") for i in f.ours.intake} | f.ours.intake
    return any(re.search(rf"(?:^|[<:\s]){re.escape(name)}(?:[>\s]|$)", named) for name in names)


_FORM_FIELD = re.compile(
    r"^[ \t*]{0,4}(?:your )?(?:e-?mail|correo|courriel)[^\n:]{0,20}:[ \t]{0,4}(\S{3,200})", re.I | re.M
)


def _address_in_form(own: str, ours: Ours) -> Address | None:
    """The line "E-mail: ..." of a configured form that sets no Reply-To."""
    for found in _FORM_FIELD.finditer(own[:20_000]):
        email = found[1].strip("<>,;").lower().removeprefix("mailto:")
        candidate = Address("", email)
        if email.count("@") == 1 and "." in candidate.domain and not ours.is_own(candidate):
            return candidate
    return None


def _outside(f: _Facts) -> Address | None:
    """The first recipient who is none of us."""
    listed = (*f.message.to, *f.message.cc)
    return next((a for a in listed if "@" in a.email and not f.ours.is_own(a)), None)


def _customer(kind: Kind, f: _Facts) -> Address:
    if kind is Kind.WEB_FORM and f.behind_form is not None:
        return f.behind_form
    if kind is Kind.FORWARDED and f.original is not None:
        return f.original.from_
    if kind is Kind.STAFF_REPLY:
        return _outside(f) or NOBODY
    if f.message.from_.email:
        return f.message.from_
    return next((a for a in f.message.reply_to if a.email), f.message.from_)


def _received(original: Forwarded | None, internaldate: datetime) -> datetime:
    """The original date, never later than INTERNALDATE and never more than 90 days before it."""
    if original is None or original.date is None:
        return internaldate
    return max(min(original.date, internaldate), internaldate - _OLDEST)


def _reported(kind: Kind, message: Message, body: Body) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(Message-IDs reported on, recipients not reached)."""
    if kind not in (Kind.BOUNCE, Kind.BOUNCE_LIKE, Kind.MDN, Kind.ABUSE_REPORT):
        return (), ()
    ids: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    if message.delivery_report is not None:
        ids, failed = message.delivery_report.original_ids, message.delivery_report.failed
    if kind is Kind.BOUNCE_LIKE or (kind is Kind.BOUNCE and not ids):
        told, refused = report.told_in_text(message.text or body.own)
        ids = (*ids, *told)
        stated = [
            a.strip().lower() for a in (message.header("X-Failed-Recipients") or "")[:5000].split(",") if "@" in a
        ]
        failed = failed or (*stated, *refused)
    ids = ids or (*message.in_reply_to, *message.references[-1:])
    return tuple(dict.fromkeys(ids)), tuple(dict.fromkeys(failed))


def _may_acknowledge(kind: Kind, f: _Facts, customer: Address) -> bool:
    """Only a person whom a receipt can reach, who does not forbid it, and whose address is not forged."""
    return (
        kind in _MAY_ACKNOWLEDGE
        and not f.forged
        and not automatic.suppresses_answers(f.message)
        and "@" in customer.email
        and not f.ours.is_own(customer)
        and not automatic.is_no_reply(customer.local)
    )
