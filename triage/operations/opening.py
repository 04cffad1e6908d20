"""A mail that belongs to no case yet: a case of its own, a forward to people, or the file. And quarantine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.judge import route
from triage.judge.outcome import Action
from triage.judge.route import Facts, Load, Route
from triage.judge.verdict import Verdict
from triage.mail import thread
from triage.mail.body import Body
from triage.mail.message import Message
from triage.mail.thread import Threading
from triage.operations import cards, customers, newcase, receipt, replies
from triage.operations.casebook import Draft, put, reserve
from triage.operations.judging import Judged
from triage.operations.newcase import NewCase
from triage.words import Disposition, Urgency
from triage.world.store import cases, loads, mails, register
from triage.world.store.mails import Waiting


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one mail."""

    outcome: str  # case, attached, filed, forwarded, quarantined, duplicate, outbound
    disposition: str = ""
    case_id: int | None = None


def settle(
    desk: Desk, tx: Connection, mail: Waiting, judged: Judged, threading: Threading, common: dict[str, Any]
) -> Settled:
    """The table in config decides by disposition; a dated duty always opens a case."""
    verdict = judged.verdict
    outcome = desk.config.outcomes[verdict.disposition]
    flags = frozenset(flag.name for flag in verdict.flags)
    action = outcome.settle(belongs=False, flags=flags)
    if verdict.review and action in (Action.FILE, Action.FORWARD) and _a_person_wrote(judged):
        action = Action.CASE  # in doubt it is a complaint, and doubt has an owner and a deadline too
    if action is Action.CASE:
        case = open_case(desk, tx, mail, judged, threading)
        mails.judged(tx, mail.id, {**common, "outcome": "case", "case_id": case.id})
        return Settled("case", verdict.disposition.value, case.id)
    forwarded = action is Action.FORWARD
    mails.judged(tx, mail.id, {**common, "outcome": "forwarded" if forwarded else "filed"})
    if forwarded and mail.received_at >= desk.started(mail.mailbox):
        put(desk, tx, _forward(desk, mail, judged, outcome.to))
    return Settled("forwarded" if forwarded else "filed", verdict.disposition.value)


def _a_person_wrote(judged: Judged) -> bool:
    """Doubt about a machine's mail is looked at in the audit sample; doubt about a person's is a case."""
    return judged.screening.disposition is None


def open_case(desk: Desk, tx: Connection, mail: Waiting, judged: Judged, threading: Threading) -> Case:
    """Open the case of a mail: owner, deadlines and notices in the same transaction."""
    verdict, customer = judged.verdict, judged.screening.customer
    routed = routing(desk, tx, verdict, judged, mail.mailbox)
    new = NewCase(
        mailbox=mail.mailbox, received_at=judged.screening.received_at, disposition=verdict.disposition,
        urgency=verdict.urgency or _least(desk, verdict.disposition), customer=customer.email, routed=routed,
        why=verdict.reason, key=f"opened:{mail.id}", complaint_type=verdict.complaint_type,
        secondary=verdict.secondary, flags=flags_json(verdict), customer_name=customer.name,
        participants=participants(desk, judged), subject=judged.message.subject, language=verdict.language, mail_id=mail.id,
    )  # fmt: skip
    draft = newcase.draft(desk, tx, next_number(desk, tx), new)
    if verdict.review:
        draft.add(Kind.REVIEW_WANTED, desk.now(), {"reasons": list(verdict.review_reasons)}, mail_id=mail.id)
    for note in _notes(tx, routed, threading):
        draft.add(Kind.NOTED, desk.now(), {"text": note}, mail_id=mail.id)
    for other in threading.possibly:
        draft.add(Kind.LINKED, desk.now(), {"case_id": other, "why": threading.evidence}, mail_id=mail.id)
    customers.repeat(tx, draft, mail.id)
    customers.remember(draft, judged.body, new.received_at, mail.id)
    case = draft.save()
    remember_keys(tx, case.id, judged)
    replies.remember_stated(desk, tx, case.id, judged)
    tell(desk, tx, draft, mail, judged, routed)
    return case


def routing(desk: Desk, tx: Connection, verdict: Verdict, judged: Judged, mailbox: str) -> Route:
    """Who gets a new case, by the rules in force."""
    text = f"{judged.message.subject}\n{judged.body.new_text}"
    customer = judged.screening.customer.email
    open_owner = _open_owner(tx, customer)
    facts = Facts(
        complaint_type=verdict.complaint_type,
        secondary=verdict.secondary,
        disposition=verdict.disposition,
        urgency=verdict.urgency or Urgency.NORMAL,
        flags=frozenset(flag.name for flag in verdict.flags),
        language=verdict.language,
        mailbox=mailbox,
        customer=customer,
        confidence=verdict.confidence.get("type"),
        threshold=desk.thresholds.type_confidence,
        review=verdict.review,
        customer_open_owner=open_owner,
        previous_owner=open_owner if verdict.complaint_type == "handling" else None,
        named_staff=route.named_staff(text, desk.config.roster),
        words=route.flatten(text),
    )
    return route.decide(desk.config.ruleset, facts, desk.config.roster, load(tx), desk.now())


def load(tx: Connection) -> Load:
    """Who has how much, from the register."""
    return Load(loads.open_counts(tx), loads.last_assigned(tx))


def _open_owner(tx: Connection, customer: str) -> str | None:
    if not customer:
        return None
    return cases.owner_of_customer(tx, customer)


def next_number(desk: Desk, tx: Connection) -> str:
    """C-2026-000123: counted by year, given inside the transaction that opens the case."""
    year = desk.now().year
    return f"{desk.config.business.case_prefix}-{year}-{register.next_number(tx, f'case-{year}'):06d}"


def _least(desk: Desk, disposition: Disposition) -> Urgency:
    return desk.config.outcomes[disposition].urgency or Urgency.NORMAL


def flags_json(verdict: Verdict) -> list[dict[str, Any]]:
    """Flags as an event carries them."""
    return [
        {"name": f.name, "evidence": [e[:300] for e in f.evidence[:5]], "rule": f.rule[:200], "live": f.live}
        for f in verdict.flags
    ]


def participants(desk: Desk, judged: Judged) -> list[str]:
    """The customer's side: the customer, and whom they copied in, but nobody of ours."""
    mine = judged.screening.customer.email
    return list(dict.fromkeys(a for a in (mine, *copied_in(desk, judged.message)) if a))


def copied_in(desk: Desk, mail: Message) -> tuple[str, ...]:
    """Whom the writer of a mail keeps in copy or wants answers sent to. Our own people are no side of the customer."""
    found = [a for a in (*mail.cc, *mail.reply_to) if a.email and not desk.ours.is_own(a)]
    return tuple(dict.fromkeys(a.email for a in found[:20]))


def remember_keys(tx: Connection, case_id: int, judged: Judged) -> None:
    """By what later mail finds the case: order numbers in the words of this one."""
    cases.add_keys(tx, case_id, [("order", number) for number in numbers_in(judged.message, judged.body)])


def numbers_in(message: Message, body: Body) -> tuple[str, ...]:
    """Order numbers and the like that a customer's mail names, in its subject, own words or signature."""
    return tuple(thread.reference_numbers(f"{message.subject}\n{body.new_text}\n{body.signature}"))


def _notes(tx: Connection, routed: Route, threading: Threading) -> list[str]:
    notes = list(routed.notes)
    if threading.possibly:
        known = cases.by_ids(tx, threading.possibly)
        numbers = ", ".join(known[i]["number"] for i in threading.possibly if i in known)
        word = "goes on from" if threading.how == "linked" else "possibly belongs to"
        notes.append(f"{word} {numbers}: {threading.evidence}")
    return notes


def tell(desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, routed: Route) -> None:
    """The owner gets the card, others are informed, a doubt is put to a reviewer."""
    case = draft.case
    card = cards.card(desk, tx, case, judged=judged, place=(mail.mailbox, mail.folder), found=draft.deadlines)
    roster, now, seq = desk.config.roster, desk.now(), case.ownership.seq
    owner = roster.emails((case.owner,), now)
    reasons = judged.verdict.review_reasons
    if case.review is not None:
        guesses = [f"{name.replace('_', ' ')} {p:.0%}" for name, p in judged.verdict.guesses]
        put(desk, tx, notice.review(card, owner, seq, reasons, guesses))
    else:
        put(desk, tx, notice.assignment(card, owner, seq))
    told = [a for a in roster.emails(routed.inform, now) if a not in owner]
    if told:
        put(desk, tx, notice.inform(card, told, seq, f"By rule {routed.rule}."))
    if judged.screening.may_acknowledge and routed.acknowledge:
        receipt.acknowledge(desk, tx, case, card, judged.screening.received_at)


def _forward(desk: Desk, mail: Waiting, judged: Judged, to: Sequence[str]) -> notice.Notice:
    verdict = judged.verdict
    named = notice.Mail(
        str(mail.id), verdict.disposition.value.replace("_", " "), verdict.reason, judged.screening.customer.email,
        judged.message.subject, mail.received_at, judged.message.message_id, mail.mailbox, mail.folder,
    )  # fmt: skip
    addresses = desk.config.roster.emails(tuple(to), desk.now())
    return notice.forward(named, addresses, desk.zone)


def quarantine(desk: Desk, tx: Connection, mail: Waiting, why: str, head: Message | None = None) -> Settled:
    """A mail that cannot be read is a visible case whose clock runs from its arrival; `head` is what could be read."""
    customer = head.from_.email if head else ""
    subject = (head.subject if head else "") or "A mail that could not be read"
    number, now = next_number(desk, tx), desk.now()
    outcome = desk.config.outcomes[Disposition.UNREADABLE]
    facts = Facts(disposition=Disposition.UNREADABLE, mailbox=mail.mailbox, review=True)
    routed = route.decide(desk.config.ruleset, facts, desk.config.roster, load(tx), now)
    draft = Draft(desk, tx)
    case_id = reserve(desk, tx, mail.mailbox, number, mail.received_at)
    draft.add(
        Kind.OPENED, mail.received_at,
        {
            "case_id": case_id, "number": number, "disposition": Disposition.UNREADABLE.value,
            "urgency": (outcome.urgency or Urgency.NORMAL).word, "customer": customer or "unknown",
            "subject": subject[:1000], "owner": routed.owner, "pool": routed.pool,
            "policy": routed.policy, "why": why,
        },
        mail_id=mail.id, key=f"opened:{mail.id}",
    )  # fmt: skip
    draft.add(Kind.REVIEW_WANTED, now, {"reasons": [why]}, mail_id=mail.id)
    case = draft.save()
    mails.judged(
        tx, mail.id,
        {
            "state": "quarantined", "outcome": "quarantined", "disposition": Disposition.UNREADABLE.value,
            "reason": why, "case_id": case.id, "effective_at": mail.received_at, "last_error": why,
            "config_version": desk.config.version, "judged_at": now, "subject": subject[:1000],
            "message_id": head.message_id if head else None, "from_email": customer or None,
        },
    )  # fmt: skip
    card = cards.card(desk, tx, case, place=(mail.mailbox, mail.folder))
    put(desk, tx, notice.review(card, desk.config.roster.emails((case.owner,), now), 1, [why], []))
    return Settled("quarantined", Disposition.UNREADABLE.value, case.id)


def verdict_json(judged: Judged) -> dict[str, Any]:
    """The whole judgement with its evidence, as the mail's row keeps it and `explain` shows it."""
    v, s = judged.verdict, judged.screening
    return {
        "disposition": v.disposition.value, "reason": v.reason, "complaint_type": v.complaint_type,
        "secondary": list(v.secondary), "urgency": v.urgency.word if v.urgency else None, "flags": flags_json(v),
        "customer_dates": [{"at": _iso(d.at), "kind": d.kind, "evidence": d.evidence[:300]} for d in v.customer_dates],
        "confidence": {name: round(p, 4) for name, p in v.confidence.items()}, "review": v.review,
        "review_reasons": list(v.review_reasons), "language": v.language, "model": v.model,
        "reasons": [
            {"source": r.source, "urgency": r.urgency.word, "why": r.why, "evidence": [e[:300] for e in r.evidence[:5]]}
            for r in v.reasons
        ],
        "guesses": [[name, round(p, 4)] for name, p in v.guesses],
        "terms": [[term, round(weight, 4)] for term, weight in v.terms[:8]],
        "screening": {
            "kind": s.kind.value, "reason": s.reason, "authenticated": s.authenticated,
            "hits": [[hit.rule, hit.detail[:200]] for hit in s.hits[:20]],
            "forwarded_by": s.forwarded_by.email if s.forwarded_by else None,
        },
        "defects": [[d.name, d.detail[:200]] for d in judged.message.defects[:20]],
        "attachments": [[a.name[:200], a.content_type, a.size] for a in judged.message.attachments[:50]],
    }  # fmt: skip


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
