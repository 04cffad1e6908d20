"""A mail that belongs to a case: what it changes there. Nothing in a mail sets an owner, lowers or closes anything."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.judge.cues import Cues
from triage.judge.verdict import Reason, Verdict
from triage.mail import screen
from triage.mail.thread import Threading
from triage.operations import answering, cards, customers, opening, outbound, replies, standin
from triage.operations.casebook import Draft, put, read
from triage.operations.judging import Judged
from triage.operations.opening import Settled
from triage.words import Disposition, Status, Urgency
from triage.world.store import mails, outbox
from triage.world.store.mails import Waiting

_STEP_UP = {Urgency.LOW: Urgency.NORMAL, Urgency.NORMAL: Urgency.URGENT}
_OURS = (screen.Kind.STAFF_REPLY, screen.Kind.INTERNAL, screen.Kind.SELF, screen.Kind.OWN_LOOP)


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
    if kind in _OURS:
        replies.remember_numbers(tx, case.id, judged)
    else:
        opening.remember_keys(tx, case.id, judged)
    if kind is screen.Kind.PERSON:
        replies.remember_stated(desk, tx, case.id, judged)
    mails.judged(tx, mail.id, {**common, "outcome": "attached", "case_id": case.id})
    return Settled("attached", judged.verdict.disposition.value, case.id)


_AUTOMATIC = (Disposition.BOUNCE, Disposition.AUTOREPLY, Disposition.NEWSLETTER, Disposition.SPAM_PHISHING)


def _from_a_colleague(
    desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, how: str
) -> None:  # fmt: skip
    """A colleague's mail: an answer to the customer with us in copy, an answer to our notice, or internal talk."""
    case, at = draft.case, mail.received_at
    if judged.screening.kind is screen.Kind.STAFF_REPLY and outbound.reaches(tx, case, judged):
        answering.answered(desk, tx, draft, mail, judged)
        return
    person = desk.config.roster.by_email(judged.message.from_.email)
    answered = outbox.kinds_of(tx, judged.message.in_reply_to)
    if person and notice.Kind.ASSIGNMENT in answered and person.key == case.owner and not case.ownership.accepted_at:
        draft.add(Kind.ACCEPTED, at, {"by": person.key}, actor=person.key, mail_id=mail.id)
    elif person and notice.Kind.ESCALATION in answered and case.waits_for_note(at):
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
    away = _owner_is_away(desk, tx, draft.case, judged)
    if away and standin.owner_is_away(desk, tx, draft, at, away, mail_id=mail.id):
        return
    draft.add(Kind.MAIL_FILED, at, {"disposition": disposition.value, "why": how}, mail_id=mail.id)


def _owner_is_away(desk: Desk, tx: Connection, case: Case, judged: Judged) -> str:
    """Why the owner will not see our notice, or "": their own mailbox answered it by itself or sent it back."""
    person = desk.config.roster.people.get(case.owner)
    ours = outbox.kinds_of(tx, (*judged.message.in_reply_to, *judged.screening.reports_on, *judged.message.references))
    if person is None or not ours:
        return ""
    address = person.email.casefold()
    if judged.verdict.disposition is Disposition.AUTOREPLY and judged.message.from_.email == address:
        return f"{person.name} is out of office, says their own mailbox"
    if judged.verdict.disposition is Disposition.BOUNCE and address in judged.screening.failed_recipients:
        return f"our notice to {person.name} came back"
    return ""


def _from_the_customer(
    desk: Desk, tx: Connection, draft: Draft, mail: Waiting, judged: Judged, threading: Threading, how: str
) -> None:
    """The customer's side writes again: an answer, a chase, thanks, news, or "still not fixed"."""
    verdict, cues, at = judged.verdict, judged.cues, judged.screening.received_at
    sender = judged.screening.customer.email
    before = draft.case
    raised = _raise(before, verdict)
    if sender and sender not in before.participants:
        draft.add(Kind.PARTICIPANT_ADDED, at, {"address": sender, "why": how}, mail_id=mail.id)
    new_flags = [f for f in opening.flags_json(verdict) if f["name"] not in {g.name for g in before.flags}]
    if verdict.disposition is Disposition.CUSTOMER_ACK and raised is None and not verdict.review:
        draft.add(Kind.CUSTOMER_THANKED, at, {"sender": sender, "why": how}, mail_id=mail.id)
        if draft.case.is_open and draft.case.replies and not draft.case.unanswered:
            draft.add(Kind.CLOSE_OFFERED, at, {"why": "the customer thanks us"}, mail_id=mail.id)
            owing = sum(p.state == "open" for p in draft.case.promises)
            still = f", once what we promised is done ({owing} open, see `triage promises`)" if owing else ""
            _news(desk, tx, draft, judged, f"the customer thanks us; you may close the case{still}")
        return
    asks = _asks_for_news(cues)
    chase = asks is not None and before.is_open and before.is_chase(at)
    draft.add(Kind.CUSTOMER_WROTE, at, {"sender": sender, "why": how}, mail_id=mail.id, key=f"wrote:{mail.id}")
    if before.status is Status.CLOSED:
        _came_back(draft, mail, judged)
    if new_flags:
        draft.add(Kind.FLAGGED, at, {"flags": new_flags}, mail_id=mail.id)
    if chase and asks is not None:
        _chased(draft, mail, asks, judged)
    if raised is not None and raised.urgency > draft.case.urgency:
        data = {"urgency": raised.urgency.word, "basis": "content", "why": raised.why}
        draft.add(Kind.URGENCY_SET, at, data, mail_id=mail.id)
    if cues.new_matter is not None:
        words = "; ".join(cues.new_matter.evidence)[:300]
        text = f'Perhaps a matter of its own: "{words}". triage split {before.number} --mail {mail.id}'
        draft.add(Kind.NOTED, at, {"text": text}, mail_id=mail.id)
    if verdict.review and (new_flags or cues.new_matter is not None):
        draft.add(Kind.REVIEW_WANTED, desk.now(), {"reasons": list(verdict.review_reasons)}, mail_id=mail.id)
    customers.remember(draft, judged.body, at, mail.id)
    standin.customer_wrote(desk, tx, draft, mail.id)
    _tell(desk, tx, draft, mail, judged, before)


def _came_back(draft: Draft, mail: Waiting, judged: Judged) -> None:
    """Within the watch: open again with the same owner, urgent, answer clocks from this mail."""
    at, closing = judged.screening.received_at, draft.case.closing
    draft.add(Kind.REOPENED, at, {"by": "customer", "why": judged.verdict.reason}, mail_id=mail.id)
    flags = [{"name": "reopened", "evidence": [], "rule": "mail after closing"}]
    repeats = judged.verdict.complaint_type in (None, draft.case.complaint_type) or judged.cues.not_fixed is not None
    if closing is not None and closing.outcome != "none" and repeats:
        flags.append({"name": "repeat_failure", "evidence": [], "rule": "the same failure after it was put right"})
    draft.add(Kind.FLAGGED, at, {"flags": flags}, mail_id=mail.id)
    if draft.case.urgency < Urgency.URGENT:
        data = {"urgency": "urgent", "basis": "reopened", "why": "the customer came back"}
        draft.add(Kind.URGENCY_SET, at, data, mail_id=mail.id)


def _asks_for_news(cues: Cues) -> tuple[str, ...] | None:
    """The words that ask for news or speak of silence; None where there are none."""
    if cues.chase is not None:
        return cues.chase.evidence
    return next((flag.evidence for flag in cues.history if flag.name.startswith("chased")), None)


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


def _raise(case: Case, verdict: Verdict) -> Reason | None:
    """What this mail's words demand; asking for a manager is urgent once a person has answered in the matter."""
    found = _content_floor(verdict.reasons)
    manager = next((flag for flag in verdict.flags if flag.name == "wants_manager"), None)
    if manager is not None and case.replies and (found is None or found.urgency < Urgency.URGENT):
        return Reason("flag", Urgency.URGENT, "asks for a manager after our answer", manager.evidence)
    return found


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
    if judged.cues.new_matter is not None:
        what += f"; perhaps a new matter, which `triage split {case.number} --mail {mail.id}` makes a case of its own"
    _news(desk, tx, draft, judged, what)
    if case.urgency > before.urgency and judged.verdict.flags:
        routed = opening.routing(desk, tx, judged.verdict, judged, mail.mailbox)
        now, roster = desk.now(), desk.config.roster
        owner = roster.emails((case.owner,), now)
        manager = ("lead",) if any(flag.name == "wants_manager" for flag in judged.verdict.flags) else ()
        told = [a for a in roster.emails((routed.owner, *routed.inform, *manager), now) if a not in owner]
        if told:
            draft.save()
            card = cards.card(desk, tx, case, judged=judged)
            put(desk, tx, notice.inform(card, told, case.last_seq, f"A new mail raised it: {what}."))


def _news(desk: Desk, tx: Connection, draft: Draft, judged: Judged, what: str) -> None:
    case = draft.save()
    card = cards.card(desk, tx, case, judged=judged, found=draft.deadlines)
    put(desk, tx, notice.news(card, desk.config.roster.emails((case.owner,), desk.now()), case.last_seq, what))
