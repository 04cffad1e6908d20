"""What passes between the customer and us: mails, answers, bounces, waiting, closing, coming back, promises.

Each function is the change one kind of event makes; `case.apply` calls it after the event was found well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from triage.casework.events import Event, Kind
from triage.casework.history import Chase, Closing, Contact, Fact, Hold, Promise
from triage.casework.record import MAX_HOLDS, Case
from triage.casework.shapes import moment
from triage.errors import NotAllowed
from triage.words import Disposition, Status

Data = Mapping[str, Any]


def with_contact(case: Case, contact: Contact) -> Case:
    if contact.mail_id is not None and any(
        c.mail_id == contact.mail_id and c.inbound == contact.inbound for c in case.contacts
    ):
        raise NotAllowed(f"Mail {contact.mail_id} is on case {case.number} already.")
    # a mail and the answer of the same second: the answer answers it
    contacts = sorted((*case.contacts, contact), key=lambda c: (c.at, not c.inbound, c.seq))
    return replace(case, contacts=tuple(contacts))


def customer_wrote(case: Case, event: Event, data: Data) -> Case:
    owed = event.kind is Kind.CUSTOMER_WROTE
    return end_hold(with_contact(case, Contact(event.at, event.seq, True, event.mail_id, owed=owed)), event.at)


def replied(case: Case, event: Event, data: Data) -> Case:
    if data["channel"] != "mail":  # told by a person: it can be checked, and must be possible
        if event.at > event.recorded_at:
            raise NotAllowed("An answer cannot be reported before it is given.")
        if event.at < case.received_at:
            raise NotAllowed(f"Case {case.number} was not received yet at {event.at:%d %b %Y %H:%M} UTC.")
    by = data["by"] or event.actor
    facts = tuple(Fact(f["kind"], f["value"], f["quote"]) for f in data["facts"])
    contact = Contact(event.at, event.seq, False, event.mail_id, False, data["response"], by, data["channel"], facts)
    case = with_contact(case, contact)
    owner = case.ownership
    if owner.accepted_at is None and event.at >= owner.at:  # the first answer accepts the assignment
        case = replace(case, owners=(*case.owners[:-1], replace(owner, accepted_at=event.at)))
    return case


def bounced(case: Case, event: Event, data: Data) -> Case:
    """The answer never reached the customer: it stops no clock, asked for nothing and closed nothing."""
    mail = data["reply_mail_id"]
    if not any(not c.inbound and c.mail_id == mail for c in case.contacts):
        raise NotAllowed(f"Mail {mail} is no answer of case {case.number}.")
    was = case.hold
    holds = tuple(h for h in case.holds if not (h.via == "mail" and h.mail_id == mail))
    contacts = tuple(c for c in case.contacts if c.inbound or c.mail_id != mail)
    case = replace(case, contacts=contacts, holds=holds)
    if was is not None and (not holds or holds[-1] != was):
        case = replace(case, status=Status.OPEN)
    elif was is not None and case.unanswered:
        case = end_hold(case, event.at)
    closing = case.closing
    if closing and closing.reason is None and (case.unanswered or not case.replies):
        again = replace(closing, reopened_at=max(event.at, closing.at), reopened_seq=event.seq, reopened_by="bounce")
        case = replace(case, status=Status.OPEN, closings=(*case.closings[:-1], again))
    return case


def participant_added(case: Case, event: Event, data: Data) -> Case:
    return replace(case, participants=case.participants | {data["address"]})


def acknowledgement_sent(case: Case, event: Event, data: Data) -> Case:
    return replace(case, acknowledged_at=event.at)


def held(case: Case, event: Event, data: Data) -> Case:
    if case.status is Status.ON_HOLD:
        raise NotAllowed(f"Case {case.number} waits for the customer already.")
    if not case.may_hold():
        raise NotAllowed(f"Case {case.number} has waited for the customer {MAX_HOLDS} times; it cannot wait again.")
    hold = Hold(event.at, event.seq, data["via"], event.mail_id)
    case = replace(case, holds=(*case.holds, hold), status=Status.ON_HOLD, close_offered_at=None)
    answers = [c.at for c in case.contacts if c.inbound and c.at > event.at]  # known before the question was
    return end_hold(case, answers[0]) if answers else case


def end_hold(case: Case, at: datetime) -> Case:
    hold = case.hold
    if hold is None or at < hold.at:
        return case
    return replace(case, holds=(*case.holds[:-1], replace(hold, until=at)), status=Status.OPEN)


def resumed(case: Case, event: Event, data: Data) -> Case:
    if case.hold is None:
        raise NotAllowed(f"Case {case.number} is not on hold.")
    return end_hold(case, max(event.at, case.hold.at))


def closed(case: Case, event: Event, data: Data) -> Case:
    reason = data.get("reason")
    if why_not := case.why_not_close(reason):
        raise NotAllowed(why_not)
    if reason is None and case.disposition is Disposition.COMPLAINT:
        if data["outcome"] == "none":
            raise NotAllowed("Closing a complaint needs its outcome: upheld, partly, not_upheld or withdrawn.")
        if not data["cause"].strip():
            raise NotAllowed("Closing a complaint needs its cause.")
    if case.hold:
        case = end_hold(case, max(event.at, case.hold.at))
    closing = Closing(event.at, event.seq, data["outcome"], data["cause"], reason)
    return replace(case, status=Status.CLOSED, closings=(*case.closings, closing))


def close_offered(case: Case, event: Event, data: Data) -> Case:
    return replace(case, close_offered_at=event.at)


def reopened(case: Case, event: Event, data: Data) -> Case:
    if case.closing is None:
        raise NotAllowed(f"Case {case.number} is not closed.")
    again = replace(
        case.closing,
        reopened_at=max(event.at, case.closing.at),
        reopened_seq=event.seq,
        reopened_by=data["by"],
        mode=data.get("mode"),
    )
    return replace(case, status=Status.OPEN, closings=(*case.closings[:-1], again), close_offered_at=None)


def chased(case: Case, event: Event, data: Data) -> Case:
    chase = Chase(event.at, event.seq, event.mail_id, tuple(data["evidence"]))
    return replace(case, chases=tuple(sorted((*case.chases, chase), key=lambda c: (c.at, c.seq))))


def promised(case: Case, event: Event, data: Data) -> Case:
    if any(p.name == data["promise"] for p in case.promises):
        raise NotAllowed(f"Promise {data['promise']} of case {case.number} is known already.")
    due = moment(data["due"])
    promise = Promise(
        data["promise"], data["text"], data["type"], event.at, due, event.seq, data["assumed"], data["by"],
        mail_id=event.mail_id,
    )  # fmt: skip
    return replace(case, promises=(*case.promises, promise), promised=case.promised + 1)


#: which settlement may follow which state; what is not listed is final
_SETTLE = {
    "open": {"kept", "renegotiated", "broken", "dismissed", "done_unverified", "done_late"},
    "broken": {"kept", "dismissed", "done_late"},
    "done_unverified": {"kept", "broken", "dismissed"},
}


def promise_settled(case: Case, event: Event, data: Data) -> Case:
    name, state = data["promise"], data["state"]
    old = next((p for p in case.promises if p.name == name), None)
    if old is None:
        raise NotAllowed(f"Case {case.number} has no promise {name}.")
    if state not in _SETTLE.get(old.state, ()):
        raise NotAllowed(
            f"Promise {name} is {old.state.replace('_', ' ')}; it cannot become {state.replace('_', ' ')}."
        )
    late = event.at > old.due
    if state in ("kept", "done_unverified") and late and old.state != "done_unverified":
        state = "done_late"  # it was done, but not by then
    if state == "renegotiated" and late:
        raise NotAllowed(f"Promise {name} was due before; a new date after that does not unbreak it.")
    if state == "broken" and event.at < old.due:
        raise NotAllowed(f"Promise {name} is not due yet.")
    new = replace(old, state=state, settled_at=event.at)
    return replace(case, promises=tuple(new if p is old else p for p in case.promises))
