"""What is kept in the books of a case: steps taken, results, due dates by hand and by law.

Each function is the change one kind of event makes; `case.apply` calls it after the event was found well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from triage.casework.events import Event, Kind
from triage.casework.history import ManualDue, Recorded, Statutory, Taken
from triage.casework.record import Case
from triage.casework.shapes import moment
from triage.errors import NotAllowed
from triage.words import State, Target

Data = Mapping[str, Any]


def escalated(case: Case, event: Event, data: Data) -> Case:
    known = {taken.key for taken in case.taken}
    if data["key"] in known:
        raise NotAllowed(f"Step {data['key']} was taken already.")
    delivered = max(moment(data.get("deliver_at", event.at)), event.at)

    def taken(key: str, skipped: bool) -> Taken:
        rest = (data["target"], data["name"], data["cycle"], data["step"], event.at, delivered, event.seq)
        return Taken(key, *rest, skipped=skipped)

    skipped = tuple(taken(key, True) for key in data["skipped"] if key not in known)
    return replace(case, taken=(*case.taken, *skipped, taken(data["key"], False)))


def acknowledged(case: Case, event: Event, data: Data) -> Case:
    if not case.waits_for_note(event.at):
        raise NotAllowed(f"Case {case.number} has no escalation that waits to be acknowledged.")
    taken = (
        replace(step, acknowledged_at=event.at, acknowledged_by=event.actor) if step.waits(event.at) else step
        for step in case.taken
    )
    return replace(case, taken=tuple(taken))


def deadline_recorded(case: Case, event: Event, data: Data) -> Case:
    target, name, cycle = Target(data["target"]), data["name"], data["cycle"]
    breached = data["state"] == State.BREACHED
    due = moment(data["due"])
    since = moment(data["breached_at"]) if "breached_at" in data else due if breached else None
    new = Recorded(target, name, cycle, breached, due, since, data["cause"], event.seq)
    kept = tuple(r for r in case.recorded if (r.target, r.name, r.cycle) != (target, name, cycle))
    return replace(case, recorded=(*kept, new))


def due_set(case: Case, event: Event, data: Data) -> Case:
    target, due = Target(data["target"]), moment(data["due"])
    if target in (Target.STATUTORY, Target.REVIEW):
        raise NotAllowed(f"A {target.value} deadline is not set by hand.")
    if due <= event.at:
        raise NotAllowed("A due date set by hand must lie ahead.")
    new = ManualDue(target, due, event.at, event.seq)
    return replace(case, manual=(*cleared(case, target, event.at), new))


def due_cleared(case: Case, event: Event, data: Data) -> Case:
    target = Target(data["target"])
    if not any(m.target is target and m.cleared_at is None for m in case.manual):
        raise NotAllowed(f"No {target.value} date of case {case.number} was set by hand.")
    return replace(case, manual=cleared(case, target, event.at))


def cleared(case: Case, target: Target, at: datetime) -> tuple[ManualDue, ...]:
    return tuple(
        replace(m, cleared_at=max(at, m.at)) if m.target is target and m.cleared_at is None else m for m in case.manual
    )


def statutory(case: Case, event: Event, data: Data) -> Case:
    name = data["name"]
    old = next((s for s in case.statutory if s.name == name), None)
    if event.kind is Kind.STATUTORY_SET:
        if old is not None:
            raise NotAllowed(f"The limit {name} is on case {case.number} already.")
        due = moment(data["due"]) if "due" in data else None
        return replace(case, statutory=(*case.statutory, Statutory(name, event.seq, event.at, due)))
    if old is None:
        raise NotAllowed(f"The limit {name} is not on case {case.number}.")
    if event.kind is Kind.STATUTORY_DROPPED:
        return replace(case, statutory=tuple(s for s in case.statutory if s is not old))
    met = replace(old, met_at=event.at)
    return replace(case, statutory=tuple(met if s is old else s for s in case.statutory))
