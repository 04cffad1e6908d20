"""A mail that belongs to a case: what it changes there. Nothing in a mail sets an owner, lowers or closes anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.judge.verdict import Reason
from triage.mail import screen, thread
from triage.mail.thread import CaseRef, Key, Threading
from triage.operations import cards, opening, outbound
from triage.operations.casebook import Draft, put, read
from triage.operations.judging import Judged
from triage.operations.opening import Settled
from triage.words import Disposition, Status, Urgency
from triage.world.store import cases, mails, outbox
from triage.world.store.mails import Waiting

REOPEN_DAYS = 14
_STEP_UP = {Urgency.LOW: Urgency.NORMAL, Urgency.NORMAL: Urgency.URGENT}
_OURS = (screen.Kind.STAFF_REPLY, screen.Kind.INTERNAL, screen.Kind.SELF, screen.Kind.OWN_LOOP)


def find(desk: Desk, tx: Connection, judged: Judged) -> Threading:
    """The case this mail joins, if any, with what tied it there."""
    keys = thread.candidates(judged.message, judged.body, judged.screening, desk.ours)
    return thread.decide(keys, _known(tx, keys), judged.screening, desk.now(), REOPEN_DAYS)


def _known(tx: Connection, keys: tuple[Key, ...]) -> dict[Key, tuple[CaseRef, ...]]:
    """For each key, the cases the register knows by it; merged ones followed to where they went."""
    numbers = cases.by_numbers(tx, [key.case_number for key in keys if key.case_number])
    orders = cases.with_key(tx, "order", [key.value for key in keys if key.kind == "order"])
    ids = [key.value for key in keys if key.kind in ("message_id", "reference")]
    mailed, sent = mails.case_of_message_ids(tx, ids), mails.sent_ids(tx, ids)
    noticed = outbox.case_of_message_ids(tx, ids)
    found: dict[Key, list[tuple[int, bool]]] = {}
    for key in keys:
        if key.case_number is not None:
            hits = [(numbers[key.case_number], False)] if key.case_number in numbers else []
        elif key.kind == "order":
            hits = [(case, False) for case in orders.get(key.value, ())]
        else:
            hits = [(case, key.value in sent) for case in mailed.get(key.value, ())]
            hits += [(noticed[key.value], True)] if key.value in noticed else []
        if hits:
            found[key] = hits
    refs = _refs(tx, {case for hits in found.values() for case, _ in hits})
    return {
        key: tuple(refs[case] if not is_sent else _sent(refs[case]) for case, is_sent in dict.fromkeys(hits))
        for key, hits in found.items()
    }


def _sent(ref: CaseRef) -> CaseRef:
    return CaseRef(ref.case_id, ref.number, ref.status, ref.closed_at, ref.participants, ref.subject, sent=True)


def _refs(tx: Connection, ids: Iterable[int]) -> dict[int, CaseRef]:
    wanted = set(ids)
    into = cases.merged_into(tx, wanted)
    final = {case: into.get(case, case) for case in wanted}
    rows = cases.by_ids(tx, final.values())
    people = cases.keys_of(tx, rows, "address")
    return {
        case: CaseRef(
            at, rows[at]["number"], Status(rows[at]["status"]), rows[at]["closed_at"], frozenset(people[at]),
            rows[at]["subject"] or "",
        )
        for case, at in final.items()
    }  # fmt: skip


def attach(
    desk: Desk, tx: Connection, mail: Waiting, judged: Judged, threading: Threading, common: dict[str, Any]
) -> Settled:
    """Put the mail on its case."""
    assert threading.case_id is not None
    draft = Draft(desk, tx, read(tx, threading.case_id))
    how = f"{threading.how}: {threading.evidence}"
    kind = judged.screening.kind
    if kind in _OURS:
        _from_a_colleague(desk, tx, draft, mail, judged, how)
    elif kind in screen.AUTOMATIC_KINDS or judged.verdict.disposition in _AUTOMATIC:
        _automatic(desk, tx, draft, mail, judged, how)
    else:
        _from_the_customer(desk, tx, draft, mail, judged, threading, how)
    case = draft.save()
    opening.remember_keys(tx, case.id, judged)
    mails.judged(tx, mail.id, {**common, "outcome": "attached", "case_id": case.id})
    return Settled("attached", judged.verdict.disposition.value, case.id)


_AUTOMATIC = (Disposition.BOUNCE, Disposition.AUTOREPLY, Disposition.NEWSLETTER, Disposition.SPAM_PHISHING)


def _from_a_colleague(
    desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, how: str
) -> None:  # fmt: skip
    """A colleague's mail: an answer to the customer with us in copy, an answer to our notice, or internal talk."""
    case, at = draft.case, mail.received_at
    if judged.screening.kind is screen.Kind.STAFF_REPLY and outbound.reaches(case, judged):
        outbound.replied(draft, mail, judged)
        return
    person = desk.config.roster.by_email(judged.message.from_.email)
    answered = outbox.kinds_of(tx, judged.message.in_reply_to)
    if person and notice.Kind.ASSIGNMENT in answered and person.key == case.owner and not case.ownership.accepted_at:
        draft.add(Kind.ACCEPTED, at, {"by": person.key}, actor=person.key, mail_id=mail.id)
    elif person and notice.Kind.ESCALATION in answered:
        draft.add(Kind.ACKNOWLEDGED, at, {"how": "reply"}, actor=person.key, mail_id=mail.id)
    else:
        draft.add(Kind.MAIL_FILED, at, {"disposition": "internal", "why": how}, mail_id=mail.id)


def _automatic(desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, how: str) -> None:
    """Out of office stops and resumes nothing; a bounce takes back the answer it is about."""
    disposition, at = judged.verdict.disposition, mail.received_at
    returned = mails.ids_by_message_id(tx, judged.screening.reports_on) if judged.screening.failed_recipients else []
    ours = {c.mail_id for c in draft.case.contacts if not c.inbound}
    lost = next((mail_id for mail_id in returned if mail_id in ours), None)
    if disposition is Disposition.BOUNCE and lost is not None:
        draft.add(Kind.BOUNCED, at, {"reply_mail_id": lost, "why": how}, mail_id=mail.id, key=f"bounced:{mail.id}")
        _news(desk, tx, draft, judged, "our answer did not reach the customer; it does not count")
        return
    draft.add(Kind.MAIL_FILED, at, {"disposition": disposition.value, "why": how}, mail_id=mail.id)


def _from_the_customer(
    desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, threading: Threading, how: str
) -> None:
    """The customer's side writes again: an answer, a chase, thanks, news, or "still not fixed"."""
    verdict, cues, at = judged.verdict, judged.cues, judged.screening.received_at
    sender = judged.screening.customer.email
    before = draft.case
    raised = _content_floor(verdict.reasons)
    if sender and sender not in before.participants:
        draft.add(Kind.PARTICIPANT_ADDED, at, {"address": sender, "why": how}, mail_id=mail.id)
    new_flags = [f for f in opening.flags_json(verdict) if f["name"] not in {g.name for g in before.flags}]
    if verdict.disposition is Disposition.CUSTOMER_ACK and raised is None and not verdict.review:
        draft.add(Kind.CUSTOMER_THANKED, at, {"sender": sender, "why": how}, mail_id=mail.id)
        if draft.case.is_open and draft.case.replies and not draft.case.unanswered:
            draft.add(Kind.CLOSE_OFFERED, at, {"why": "the customer thanks us"}, mail_id=mail.id)
            _news(desk, tx, draft, judged, "the customer thanks us; you may close the case")
        return
    chase = before.is_open and before.is_chase(at) and cues.chase is not None
    if before.status is Status.CLOSED:
        draft.add(Kind.REOPENED, at, {"by": "customer", "why": verdict.reason}, mail_id=mail.id)
        draft.add(
            Kind.FLAGGED,
            at,
            {"flags": [{"name": "reopened", "evidence": [], "rule": "mail after closing"}]},
            mail_id=mail.id,
        )
    draft.add(Kind.CUSTOMER_WROTE, at, {"sender": sender, "why": how}, mail_id=mail.id, key=f"wrote:{mail.id}")
    if new_flags:
        draft.add(Kind.FLAGGED, at, {"flags": new_flags}, mail_id=mail.id)
    if before.status is Status.CLOSED and draft.case.urgency < Urgency.URGENT:
        draft.add(
            Kind.URGENCY_SET,
            at,
            {"urgency": "urgent", "basis": "reopened", "why": "the customer came back"},
            mail_id=mail.id,
        )
    if chase and cues.chase is not None:
        _chased(draft, mail, cues.chase.evidence, judged)
    if raised is not None and raised.urgency > draft.case.urgency:
        data = {"urgency": raised.urgency.word, "basis": "content", "why": raised.why}
        draft.add(Kind.URGENCY_SET, at, data, mail_id=mail.id)
    if verdict.review and (new_flags or cues.new_matter is not None):
        draft.add(Kind.REVIEW_WANTED, desk.now(), {"reasons": list(verdict.review_reasons)}, mail_id=mail.id)
    _tell(desk, tx, draft, mail, judged, before)


def _chased(draft: Draft, mail: Waiting, evidence: tuple[str, ...], judged: Judged) -> None:
    """First chase: one level up, not above urgent. Second: urgent; step 1 follows by the ladder. The start stays."""
    at = judged.screening.received_at
    draft.add(Kind.CHASED, at, {"evidence": [e[:300] for e in evidence[:5]]}, mail_id=mail.id, key=f"chased:{mail.id}")
    case, count = draft.case, len(draft.case.chases)
    name = f"chased_{min(count, 3)}"
    draft.add(
        Kind.FLAGGED, at, {"flags": [{"name": name, "evidence": [e[:300] for e in evidence[:3]], "rule": "asked again"}]},
        mail_id=mail.id,
    )  # fmt: skip
    if count > 1 and any(flag.name == f"chased_{count - 1}" for flag in draft.case.flags):
        draft.add(Kind.FLAG_CLEARED, at, {"name": f"chased_{count - 1}", "why": f"now {name}"}, mail_id=mail.id)
    wanted = _STEP_UP.get(case.urgency, case.urgency) if count == 1 else max(case.urgency, Urgency.URGENT)
    if wanted > case.urgency:
        data = {"urgency": wanted.word, "basis": "history", "why": f"chase {count}: the customer asks again"}
        draft.add(Kind.URGENCY_SET, at, data, mail_id=mail.id)


def _content_floor(reasons: tuple[Reason, ...]) -> Reason | None:
    """The highest level that this mail's own words demand: flags, rules and dates, never the model's guess."""
    hard = [r for r in reasons if r.source in ("flag", "date", "rule") and r.urgency >= Urgency.URGENT]
    return max(hard, key=lambda r: r.urgency, default=None)


def _tell(desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, before: Case) -> None:
    """The owner hears of every mail; who must know of a new danger hears of it in the same run."""
    case = draft.case
    what = "the customer wrote"
    if case.chases != before.chases:
        what = f"the customer asks again ({len(case.chases)})"
    if before.status is Status.CLOSED:
        what = "the customer came back after closing"
    if case.urgency > before.urgency:
        what += f"; now {case.urgency.word}"
    _news(desk, tx, draft, judged, what)
    if case.urgency > before.urgency and judged.verdict.flags:
        routed = opening.routing(desk, tx, judged.verdict, judged, mail.mailbox)
        now, roster = desk.now(), desk.config.roster
        owner = roster.emails((case.owner,), now)
        told = [a for a in roster.emails((routed.owner, *routed.inform), now) if a not in owner]
        if told:
            draft.save()
            card = cards.card(desk, tx, case, judged=judged)
            put(desk, tx, notice.inform(card, told, case.last_seq, f"A new mail raised it: {what}."))


def _news(desk: Desk, tx: Connection, draft: Draft, judged: Judged, what: str) -> None:
    case = draft.save()
    card = cards.card(desk, tx, case, judged=judged)
    put(desk, tx, notice.news(card, desk.config.roster.emails((case.owner,), desk.now()), case.last_seq, what))
