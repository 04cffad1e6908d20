"""What can happen to a case: the closed list of event kinds, the shape of each, and one function that checks it.

Events are facts, appended and never changed. `at` is when the fact was true (a phone answer: when it was given),
`recorded_at` when the desk learnt of it; both are aware UTC, whole seconds. `data` is a JSON object; moments inside it
are ISO 8601 strings in UTC. `seq` counts the events of one case from 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from triage.casework.shapes import NAME, NUMBER, TEXT, URGENCY, WHEN, YES, Part, fields, many, moment, one_of, record
from triage.errors import NotAllowed
from triage.words import Disposition, State, Target


class Kind(StrEnum):
    """What happened. Each name is a fact in the past; its data stands in SHAPES."""

    OPENED = "opened"  # the first event of every case; `at` is the receipt that the clocks count from
    CUSTOMER_WROTE = "customer_wrote"  # a customer's mail that is owed an answer; ends a hold
    CUSTOMER_THANKED = "customer_thanked"  # accepts or thanks: owed no answer; ends a hold
    MAIL_FILED = "mail_filed"  # a mail with no effect on clocks: out of office, internal, our own loop
    REPLIED = "replied"  # a person's answer that reaches the customer, by mail or phone
    BOUNCED = "bounced"  # an answer came back: it never happened, and what it closed is open again
    NOTED = "noted"  # an internal note
    ACKNOWLEDGEMENT_SENT = "acknowledgement_sent"  # the automatic receipt to the customer; stops no clock
    FLAGGED = "flagged"  # risk flags with their evidence
    FLAG_CLEARED = "flag_cleared"  # a person found a flag wrong
    CLASSIFIED = "classified"  # type or disposition set anew, by a reviewer or by routing
    URGENCY_SET = "urgency_set"  # a new urgency, with the basis that says which clocks start anew
    POLICY_SET = "policy_set"  # another policy or calendar
    ASSIGNED = "assigned"  # a new owner or pool; acceptance starts anew
    ACCEPTED = "accepted"  # the owner took it
    REVIEW_WANTED = "review_wanted"  # the program is not sure: a person decides
    REVIEWED = "reviewed"  # a person decided
    HELD = "held"  # waits for the customer; at most twice
    RESUMED = "resumed"  # the hold ended by command
    CLOSED = "closed"  # answered in full, with outcome and cause, or with a reasoned disposition
    CLOSE_OFFERED = "close_offered"  # closing was suggested to the owner
    REOPENED = "reopened"  # by the customer within the watch, or by a person; a bounce does it by itself
    CHASED = "chased"  # the customer asked again while owed an answer
    PROMISED = "promised"  # a dated commitment in our own reply
    PROMISE_SETTLED = "promise_settled"  # kept, renegotiated, broken, dismissed, done unverified, done late
    ESCALATED = "escalated"  # a step of the ladder was taken, with the lower steps it skipped
    ACKNOWLEDGED = "acknowledged"  # a person took note of the escalation
    DUE_SET = "due_set"  # a due date set by hand, kept until cleared
    DUE_CLEARED = "due_cleared"  # ... and cleared
    STATUTORY_SET = "statutory_set"  # a limit of law applies from `start`, by name or with its own date
    STATUTORY_MET = "statutory_met"  # what that limit asks for was done
    STATUTORY_DROPPED = "statutory_dropped"  # a person found that it does not apply
    DEADLINE_RECORDED = "deadline_recorded"  # a result, fixed as it was under the rules of its day
    MERGED_INTO = "merged_into"  # this case is the duplicate
    ABSORBED = "absorbed"  # this case took a duplicate in, with its mails and its earlier receipt
    SPLIT_OFF = "split_off"  # some mails went to a case of their own
    DETAILED = "detailed"  # what a register asks for and a person entered: product, remedy, follow-up
    LINKED = "linked"  # related to another case
    PARTICIPANT_ADDED = "participant_added"  # an address that belongs to the customer's side


#: why an urgency changed, and what that means for the clocks that are still running
BASES = (
    "history",  # chase, broken promise, repeat failure: starts stay, overdue by the raise is marked so
    "content",  # danger or news in a new mail: answer clocks start at that mail
    "reopened",  # the customer came back after closing: the same
    "person",  # a person's decision: `mode` says from the change (default) or from the receipt
    "review",  # a reviewer corrected the first guess: as if it had been so from the receipt
)
CHANGE_MODES = ("from_change", "from_receipt")
REOPEN_MODES = ("resume", "restart")
REOPENED_BY = ("customer", "person")
RESPONSES = ("answer", "holding", "final")
OUTCOMES = ("upheld", "partly", "not_upheld", "withdrawn", "none")
CLOSE_REASONS = ("duplicate", "withdrawn", "not_a_complaint", "unreachable", "spam")
PROMISE_KINDS = ("contact", "action")
PROMISE_STATES = ("open", "kept", "renegotiated", "broken", "dismissed", "done_unverified", "done_late")


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about a case. Make it with `make`, which checks it and fills the defaults."""

    seq: int
    kind: Kind
    at: datetime
    recorded_at: datetime
    actor: str  # who: a person's name, or "desk" for the program itself
    mail_id: int | None = None  # the stored mail that shows it
    data: Mapping[str, Any] = field(default_factory=dict)
    checked: bool = field(
        default=False, init=False, repr=False, compare=False
    )  # by `check`, which need not do it again


def make(
    seq: int,
    kind: Kind | str,
    at: datetime,
    data: Mapping[str, Any] | None = None,
    *,
    actor: str = "desk",
    mail_id: int | None = None,
    recorded_at: datetime | None = None,
) -> Event:
    """A checked event; `recorded_at` is `at` unless given. Raises NotAllowed with a sentence on any wrong part."""
    return check(Event(seq, _kind(kind), at, recorded_at or at, actor, mail_id, data or {}))


def check(event: Event) -> Event:
    """The event with its data in normal form, or NotAllowed: the one place where the shape of events is judged."""
    if event.checked:
        return event
    kind = _kind(event.kind)
    if not isinstance(event.data, Mapping):
        raise NotAllowed(f"The data of an event {kind.value!r} must be an object.")
    try:
        data = fields(SHAPES[kind], event.data)
    except ValueError as wrong:
        raise NotAllowed(f"An event {kind.value!r} {wrong}.") from None
    if isinstance(event.seq, bool) or not isinstance(event.seq, int) or event.seq < 1:
        raise NotAllowed("The events of a case are counted from 1.")
    if not isinstance(event.actor, str) or not event.actor:
        raise NotAllowed(f"An event {kind.value!r} needs an actor.")
    if event.mail_id is not None and (isinstance(event.mail_id, bool) or not isinstance(event.mail_id, int)):
        raise NotAllowed(f"The mail of an event {kind.value!r} is named by its number.")
    at, recorded = _stamp(event.at, kind), _stamp(event.recorded_at, kind)
    good = Event(event.seq, kind, at, recorded, event.actor, event.mail_id, data)
    object.__setattr__(good, "checked", True)
    return good


def _stamp(value: datetime, kind: Kind) -> datetime:
    try:
        return moment(value)
    except ValueError as wrong:
        raise NotAllowed(f"The time of an event {kind.value!r} {wrong}.") from None


def _kind(value: str) -> Kind:
    try:
        return Kind(value)
    except ValueError:
        raise NotAllowed(f"There is no event {value!r}.") from None


_TARGETS = one_of(target.value for target in Target)
_FLAG = record(
    name=NAME,
    evidence=many(TEXT).optional([]),
    rule=TEXT.optional(""),
    live=YES.optional(True),
)
_FACT = record(
    kind=one_of(("refund", "amount", "yes", "no", "signpost")), value=TEXT.optional(""), quote=TEXT.optional("")
)
#: what a duplicate brings: its mails and calls, our promises with the steps taken for them, its chases
_CONTACT = record(
    at=WHEN,
    direction=one_of(("in", "out")),
    mail_id=NUMBER.optional(),
    owed=YES.optional(True),
    response=one_of(RESPONSES).optional("answer"),
    by=TEXT.optional(""),
    channel=TEXT.optional("mail"),
    facts=many(_FACT).optional([]),
)
_CLIMBED = record(
    label=NAME,
    step=NUMBER,
    at=WHEN,
    delivered_at=WHEN,
    skipped=YES.optional(False),
    acknowledged_at=WHEN.optional(),
    by=TEXT.optional(""),
)
_BROUGHT = record(
    promise=NAME,
    text=TEXT,
    type=one_of(PROMISE_KINDS),
    made_at=WHEN,
    due=WHEN,
    assumed=YES.optional(False),
    by=TEXT.optional(""),
    state=one_of(PROMISE_STATES).optional("open"),
    settled_at=WHEN.optional(),
    mail_id=NUMBER.optional(),
    taken=many(_CLIMBED).optional([]),
)
_CHASE = record(at=WHEN, mail_id=NUMBER.optional(), evidence=many(TEXT).optional([]))
_WHY = TEXT.optional("")

SHAPES: dict[Kind, dict[str, Part]] = {
    Kind.OPENED: {
        "case_id": NUMBER,
        "number": NAME,
        "disposition": one_of(d.value for d in Disposition),
        "complaint_type": NAME.optional(),
        "secondary": many(NAME).optional([]),
        "urgency": URGENCY,
        "flags": many(_FLAG).optional([]),
        "customer": TEXT,
        "customer_name": TEXT.optional(""),
        "participants": many(TEXT).optional([]),
        "subject": TEXT.optional(""),
        "language": TEXT.optional("und"),
        "channel": TEXT.optional("mail"),
        "owner": NAME,
        "pool": NAME.optional(),
        "policy": NAME,
        "calendar": NAME.optional(),
        "statutory": many(NAME).optional([]),
        "restrict_text": YES.optional(False),
        "split_from": NUMBER.optional(),
        "why": _WHY,
    },
    Kind.CUSTOMER_WROTE: {"sender": TEXT.optional(""), "why": _WHY},
    Kind.CUSTOMER_THANKED: {"sender": TEXT.optional(""), "why": _WHY},
    Kind.MAIL_FILED: {"disposition": one_of(d.value for d in Disposition), "why": _WHY},
    Kind.REPLIED: {
        "by": TEXT.optional(""),
        "to": many(TEXT).optional([]),
        "channel": one_of(("mail", "phone", "letter", "chat", "in_person")).optional("mail"),
        "response": one_of(RESPONSES).optional("answer"),
        "asks": YES.optional(False),
        "facts": many(_FACT).optional([]),
        "note": _WHY,
    },
    Kind.BOUNCED: {"reply_mail_id": NUMBER, "why": _WHY},
    Kind.NOTED: {"text": TEXT},
    Kind.ACKNOWLEDGEMENT_SENT: {},
    Kind.FLAGGED: {"flags": many(_FLAG)},
    Kind.FLAG_CLEARED: {"name": NAME, "why": NAME},
    Kind.CLASSIFIED: {
        "disposition": one_of(d.value for d in Disposition).optional(),
        "complaint_type": NAME.optional(),
        "secondary": many(NAME).optional(),
        "why": _WHY,
    },
    Kind.URGENCY_SET: {
        "urgency": URGENCY,
        "basis": one_of(BASES),
        "mode": one_of(CHANGE_MODES).optional("from_change"),
        "why": _WHY,
    },
    Kind.POLICY_SET: {"policy": NAME, "calendar": NAME.optional(), "why": _WHY},
    Kind.ASSIGNED: {
        "owner": NAME,
        "pool": NAME.optional(),
        "why": NAME,
        "rule": TEXT.optional(""),
    },
    Kind.ACCEPTED: {"by": TEXT.optional("")},
    Kind.REVIEW_WANTED: {"reasons": many(TEXT).optional([])},
    Kind.REVIEWED: {"why": _WHY},
    Kind.HELD: {"via": one_of(("command", "mail")), "why": _WHY},
    Kind.RESUMED: {"why": _WHY},
    Kind.CLOSED: {
        "outcome": one_of(OUTCOMES).optional("none"),
        "cause": TEXT.optional(""),
        "reason": one_of(CLOSE_REASONS).optional(),
        "why": _WHY,
    },
    Kind.CLOSE_OFFERED: {"why": _WHY},
    Kind.REOPENED: {
        "by": one_of(REOPENED_BY),
        "mode": one_of(REOPEN_MODES).optional(),
        "why": _WHY,
    },
    Kind.CHASED: {"evidence": many(TEXT).optional([])},
    Kind.PROMISED: {
        "promise": NAME,
        "text": TEXT,
        "due": WHEN,
        "type": one_of(PROMISE_KINDS),
        "assumed": YES.optional(False),
        "by": TEXT.optional(""),
    },
    Kind.PROMISE_SETTLED: {
        "promise": NAME,
        "state": one_of(state for state in PROMISE_STATES if state != "open"),
        "why": _WHY,
    },
    Kind.ESCALATED: {
        "key": NAME,
        "target": NAME,
        "name": TEXT.optional(""),
        "cycle": NUMBER,
        "step": NUMBER,
        "due": WHEN,
        "deliver_at": WHEN.optional(),
        "roles": many(NAME).optional([]),
        "to": many(TEXT).optional([]),
        "skipped": many(NAME).optional([]),
        "late": YES.optional(False),
        "why": _WHY,
    },
    Kind.ACKNOWLEDGED: {"how": TEXT.optional(""), "why": _WHY},
    Kind.DUE_SET: {"target": _TARGETS, "due": WHEN, "why": _WHY},
    Kind.DUE_CLEARED: {"target": _TARGETS, "why": _WHY},
    Kind.STATUTORY_SET: {"name": NAME, "due": WHEN.optional(), "why": _WHY},
    Kind.STATUTORY_MET: {"name": NAME, "why": _WHY},
    Kind.STATUTORY_DROPPED: {"name": NAME, "why": NAME},
    Kind.DEADLINE_RECORDED: {
        "target": _TARGETS,
        "name": TEXT.optional(""),
        "cycle": NUMBER,
        "state": one_of((State.MET.value, State.BREACHED.value)),
        "due": WHEN,
        "breached_at": WHEN.optional(),
        "cause": TEXT.optional(""),
        "policy": TEXT.optional(""),
        "version": TEXT.optional(""),
    },
    Kind.MERGED_INTO: {"case_id": NUMBER, "why": _WHY},
    Kind.ABSORBED: {
        "case_id": NUMBER,
        "received_at": WHEN,
        "contacts": many(_CONTACT).optional([]),
        "promises": many(_BROUGHT).optional([]),
        "chases": many(_CHASE).optional([]),
        "restrict_text": YES.optional(False),
        "participants": many(TEXT).optional([]),
        "why": _WHY,
    },
    Kind.SPLIT_OFF: {
        "mail_ids": many(NUMBER),
        "case_id": NUMBER,
        "participants": many(TEXT).optional([]),
        "why": _WHY,
    },
    Kind.DETAILED: {
        "product": TEXT.optional(),
        "remedy": TEXT.optional(),
        "eligible": YES.optional(),
        "follow_up": TEXT.optional(),
        "why": _WHY,
    },
    Kind.LINKED: {"case_id": NUMBER, "why": _WHY},
    Kind.PARTICIPANT_ADDED: {"address": NAME, "why": _WHY},
}
