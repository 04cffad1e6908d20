"""Two cases become one, and one becomes two: what a duplicate brings along, and what leaves with the mails of a split.

Each function is the change one kind of event makes; `case.apply` calls it after the event was found well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triage.casework.conversation import end_hold
from triage.casework.events import Event
from triage.casework.history import Chase, Contact, Fact, Promise, Taken
from triage.casework.record import Case
from triage.casework.shapes import moment
from triage.errors import NotAllowed
from triage.words import Status

Data = Mapping[str, Any]

_ROOM = 100_000  # numbers set aside for what one event brings, so that each keeps a number of its own


def merged_into(case: Case, event: Event, data: Data) -> Case:
    if data["case_id"] == case.id:
        raise NotAllowed("A case cannot be merged into itself.")
    if case.hold:
        case = end_hold(case, max(event.at, case.hold.at))
    return replace(case, status=Status.MERGED, merged_into=data["case_id"], merged_at=event.at)


def absorbed(case: Case, event: Event, data: Data) -> Case:
    """Take a duplicate in: its mails with what they stated, our promises, its people and, when it came first, its
    receipt."""
    other = data["case_id"]
    if other == case.id or other in case.absorbed:
        raise NotAllowed(f"Case {other} is part of case {case.number} already.")
    known = {c.mail_id for c in case.contacts if c.mail_id is not None}
    brought = [
        _contact(c, event.seq * _ROOM + index)
        for index, c in enumerate(data["contacts"])
        if c.get("mail_id") not in known
    ]
    chased = {c.mail_id for c in case.chases if c.mail_id is not None}
    chases = [
        Chase(moment(c["at"]), event.seq * _ROOM + index, c.get("mail_id"), tuple(c["evidence"]))
        for index, c in enumerate(data["chases"])
        if c.get("mail_id") not in chased
    ]
    case = replace(
        case,
        absorbed=(*case.absorbed, other),
        received_at=min(case.received_at, moment(data["received_at"])),
        participants=case.participants | frozenset(data["participants"]),
        contacts=tuple(sorted((*case.contacts, *brought), key=lambda c: (c.at, not c.inbound, c.seq))),
        chases=tuple(sorted((*case.chases, *chases), key=lambda c: (c.at, c.seq))),
        restrict_text=case.restrict_text or data["restrict_text"],
    )
    for index, promise in enumerate(data["promises"]):
        case = _promise(case, event, promise, event.seq * _ROOM + index)
    answers = [c.at for c in brought if c.inbound and case.hold and c.at >= case.hold.at]
    return end_hold(case, min(answers)) if answers else case


def _contact(told: Data, seq: int) -> Contact:
    inbound = told["direction"] == "in"
    facts = tuple(Fact(f["kind"], f["value"], f["quote"]) for f in told["facts"])
    return Contact(
        moment(told["at"]), seq, inbound, told.get("mail_id"), told["owed"] and inbound, told["response"], told["by"],
        told["channel"], facts,
    )  # fmt: skip


def _promise(case: Case, event: Event, told: Data, seq: int) -> Case:
    """A promise under the name it has here, with the steps that were taken for it already."""
    name = told["promise"]
    if any(p.name == name for p in case.promises):
        raise NotAllowed(f"Promise {name} of case {case.number} is known already.")
    settled = moment(told["settled_at"]) if "settled_at" in told else None
    promise = Promise(
        name, told["text"], told["type"], moment(told["made_at"]), moment(told["due"]), seq, told["assumed"], told["by"],
        told["state"], settled, told.get("mail_id"),
    )  # fmt: skip
    steps = tuple(
        Taken(
            f"{case.id}/promise/{name}/{seq}/{one['label']}", "promise", name, seq, one["step"], moment(one["at"]),
            moment(one["delivered_at"]), event.seq, one["skipped"],
            moment(one["acknowledged_at"]) if "acknowledged_at" in one else None, one["by"],
        )
        for one in told["taken"]
    )  # fmt: skip
    taken = tuple(sorted((*case.taken, *steps), key=lambda step: step.at))
    return replace(case, promises=(*case.promises, promise), promised=case.promised + 1, taken=taken)


def split_off(case: Case, event: Event, data: Data) -> Case:
    """Some mails leave, and with them all they brought: promises, chases, flags, waiting, people."""
    moved = set(data["mail_ids"])
    kept = tuple(c for c in case.contacts if c.mail_id is None or c.mail_id not in moved)
    inbound = [c.at for c in kept if c.inbound]
    if len(kept) == len(case.contacts):
        raise NotAllowed(f"None of these mails is on case {case.number}.")
    if not inbound:
        raise NotAllowed(f"Nothing of the customer would be left on case {case.number}.")
    waits = case.hold is not None and case.hold.via == "mail" and case.hold.mail_id in moved
    return replace(
        case,
        status=Status.OPEN if waits else case.status,
        contacts=kept,
        received_at=max(case.received_at, inbound[0]),
        participants=case.participants - (set(data["participants"]) - {case.customer}),
        promises=tuple(p for p in case.promises if p.mail_id not in moved or p.mail_id is None),
        chases=tuple(c for c in case.chases if c.mail_id not in moved or c.mail_id is None),
        flags=tuple(f for f in case.flags if f.mail_id not in moved or f.mail_id is None),
        holds=tuple(h for h in case.holds if not (h.via == "mail" and h.mail_id in moved)),
    )


def linked(case: Case, event: Event, data: Data) -> Case:
    return replace(case, linked=tuple(dict.fromkeys((*case.linked, data["case_id"]))))
