"""The only state machine of the house: `apply(case, event)` gives the next case.

A case is what its events say, folded one by one; nothing else is stored about it. `apply` is total: every event gives
a case or raises NotAllowed with a sentence for the person who asked. Facts may become known late and out of order (an
answer found in the Sent folder, a phone call entered in the evening); they count from the time they were true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from triage.casework import conversation, ledger, merging, standing
from triage.casework.events import Event, Kind, check, make
from triage.casework.history import Contact, Ownership, Regime, Statutory
from triage.casework.record import CHASE_AFTER, MAX_HOLDS, Case
from triage.errors import NotAllowed
from triage.words import Disposition, Status, Urgency

__all__ = ["CHASE_AFTER", "MAX_HOLDS", "Case", "Event", "Kind", "apply", "make", "replay"]

Data = Mapping[str, Any]

#: what may still be told of a case that was merged into another one; the rest is told of the other one
_AFTER_MERGE = {Kind.NOTED, Kind.LINKED, Kind.MAIL_FILED, Kind.DEADLINE_RECORDED, Kind.STATUTORY_MET}
#: what may be told of a closed case without opening it again
_AFTER_CLOSE = _AFTER_MERGE | {
    Kind.CUSTOMER_WROTE,
    Kind.CUSTOMER_THANKED,
    Kind.REPLIED,
    Kind.BOUNCED,
    Kind.ACKNOWLEDGEMENT_SENT,
    Kind.FLAGGED,
    Kind.FLAG_CLEARED,
    Kind.CLASSIFIED,
    Kind.DETAILED,
    Kind.ASSIGNED,
    Kind.REVIEWED,
    Kind.REOPENED,
    Kind.PROMISE_SETTLED,
    Kind.ACKNOWLEDGED,
    Kind.DUE_CLEARED,
    Kind.STATUTORY_DROPPED,
    Kind.MERGED_INTO,
    Kind.SPLIT_OFF,
    Kind.PARTICIPANT_ADDED,
}


def apply(case: Case | None, event: Event) -> Case:
    """The case after the event. Raises NotAllowed, and nothing else, when it cannot be."""
    event = check(event)
    if case is None:
        if event.kind is not Kind.OPENED:
            raise NotAllowed(f"There is no case yet that could have been {_said(event)}.")
        return _opened(event)
    if event.kind is Kind.OPENED:
        raise NotAllowed(f"Case {case.number} is there already.")
    if event.seq <= case.last_seq:
        raise NotAllowed(f"Event {event.seq} of case {case.number} was told already; the last is {case.last_seq}.")
    if case.status is Status.MERGED and event.kind not in _AFTER_MERGE:
        raise NotAllowed(f"Case {case.number} was merged into case {case.merged_into}; say it there.")
    if case.status is Status.CLOSED and event.kind not in _AFTER_CLOSE:
        raise NotAllowed(f"Case {case.number} is closed; a closed case cannot be {_said(event)}. Reopen it first.")
    change = _CHANGES.get(event.kind)
    changed = change(case, event, event.data) if change else case
    if changed is case:
        return replace(case, last_seq=event.seq)
    # Nobody else has it yet: a second copy of its forty fields would double what an event costs.
    object.__setattr__(changed, "last_seq", event.seq)
    return changed


def replay(events: Iterable[Event]) -> Case:
    """The case that these events tell of, in the order of `seq`. Raises NotAllowed when they tell of none."""
    case: Case | None = None
    for event in sorted(events, key=lambda event: event.seq):
        case = apply(case, event)
    if case is None:
        raise NotAllowed("There are no events, so there is no case.")
    return case


def _said(event: Event) -> str:
    return event.kind.value.replace("_", " ")


def _opened(event: Event) -> Case:
    data, seq, at = event.data, event.seq, event.at
    calendar = data.get("calendar")
    case = Case(
        id=data["case_id"],
        number=data["number"],
        status=Status.OPEN,
        disposition=Disposition(data["disposition"]),
        customer=data["customer"],
        received_at=at,
        opened_at=event.recorded_at,
        last_seq=seq,
        regimes=(Regime(at, seq, Urgency.of(data["urgency"]), data["policy"], calendar, "opened", why=data["why"]),),
        owners=(Ownership(data["owner"], data.get("pool"), event.recorded_at, seq, data["why"]),),
        complaint_type=data.get("complaint_type"),
        secondary=tuple(data["secondary"]),
        customer_name=data["customer_name"],
        participants=frozenset({data["customer"], *data["participants"]} - {""}),
        subject=data["subject"],
        language=data["language"],
        channel=data["channel"],
        restrict_text=data["restrict_text"],
        contacts=(Contact(at, seq, True, event.mail_id, channel=data["channel"]),),
        statutory=tuple(Statutory(name, seq, None) for name in dict.fromkeys(data["statutory"])),
        split_from=data.get("split_from"),
    )
    return standing.flagged(case, event, data)


_CHANGES: dict[Kind, Callable[[Case, Event, Data], Case]] = {
    Kind.CUSTOMER_WROTE: conversation.customer_wrote,
    Kind.CUSTOMER_THANKED: conversation.customer_wrote,
    Kind.REPLIED: conversation.replied,
    Kind.BOUNCED: conversation.bounced,
    Kind.ACKNOWLEDGEMENT_SENT: conversation.acknowledgement_sent,
    Kind.FLAGGED: standing.flagged,
    Kind.FLAG_CLEARED: standing.flag_cleared,
    Kind.CLASSIFIED: standing.classified,
    Kind.URGENCY_SET: standing.urgency_set,
    Kind.DETAILED: standing.detailed,
    Kind.POLICY_SET: standing.policy_set,
    Kind.ASSIGNED: standing.assigned,
    Kind.ACCEPTED: standing.accepted,
    Kind.REVIEW_WANTED: standing.review_wanted,
    Kind.REVIEWED: standing.reviewed,
    Kind.HELD: conversation.held,
    Kind.RESUMED: conversation.resumed,
    Kind.CLOSED: conversation.closed,
    Kind.CLOSE_OFFERED: conversation.close_offered,
    Kind.REOPENED: conversation.reopened,
    Kind.CHASED: conversation.chased,
    Kind.PROMISED: conversation.promised,
    Kind.PROMISE_SETTLED: conversation.promise_settled,
    Kind.ESCALATED: ledger.escalated,
    Kind.ACKNOWLEDGED: ledger.acknowledged,
    Kind.DUE_SET: ledger.due_set,
    Kind.DUE_CLEARED: ledger.due_cleared,
    Kind.STATUTORY_SET: ledger.statutory,
    Kind.STATUTORY_MET: ledger.statutory,
    Kind.STATUTORY_DROPPED: ledger.statutory,
    Kind.DEADLINE_RECORDED: ledger.deadline_recorded,
    Kind.MERGED_INTO: merging.merged_into,
    Kind.ABSORBED: merging.absorbed,
    Kind.SPLIT_OFF: merging.split_off,
    Kind.LINKED: merging.linked,
    Kind.PARTICIPANT_ADDED: conversation.participant_added,
}
