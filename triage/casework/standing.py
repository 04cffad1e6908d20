"""Where a case stands: what it is, how soon, under which policy, and whose it is.

Each function is the change one kind of event makes; `case.apply` calls it after the event was found well formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from triage.casework.events import Event
from triage.casework.history import FlagHeld, Ownership, Review
from triage.casework.record import Case
from triage.errors import NotAllowed
from triage.words import Disposition, Urgency

Data = Mapping[str, Any]


def flagged(case: Case, event: Event, data: Data) -> Case:
    new = tuple(
        FlagHeld(f["name"], tuple(f["evidence"]), f["rule"], f["live"], event.seq, event.mail_id) for f in data["flags"]
    )
    names = {flag.name for flag in new}
    return replace(case, flags=(*(f for f in case.flags if f.name not in names), *new))


def flag_cleared(case: Case, event: Event, data: Data) -> Case:
    kept = tuple(flag for flag in case.flags if flag.name != data["name"])
    if len(kept) == len(case.flags):
        raise NotAllowed(f"Case {case.number} has no flag {data['name']!r}.")
    return replace(case, flags=kept)


def classified(case: Case, event: Event, data: Data) -> Case:
    return replace(
        case,
        disposition=Disposition(data.get("disposition", case.disposition)),
        complaint_type=data.get("complaint_type", case.complaint_type),
        secondary=tuple(data.get("secondary", case.secondary)),
    )


def detailed(case: Case, event: Event, data: Data) -> Case:
    given = {name: data[name] for name in ("product", "remedy", "eligible", "follow_up") if name in data}
    if not given:
        raise NotAllowed("Nothing was entered: product, remedy, eligibility or follow-up.")
    return replace(case, **given)


def with_regime(case: Case, event: Event, **parts: Any) -> Case:
    """A change is in force from its own moment, but never before the change that was told before it."""
    last = case.regimes[-1]
    since = max(event.at, last.at)
    plain: dict[str, Any] = {"restarts": False, "start": event.at, "why": event.data.get("why", "")}
    return replace(case, regimes=(*case.regimes, replace(last, at=since, seq=event.seq, **{**plain, **parts})))


def urgency_set(case: Case, event: Event, data: Data) -> Case:
    urgency, basis = Urgency.of(data["urgency"]), data["basis"]
    if urgency < case.urgency:
        if basis not in ("person", "review"):
            raise NotAllowed(f"Only a person lowers an urgency; case {case.number} stays {case.urgency.word}.")
        if not data["why"].strip():
            raise NotAllowed("Lowering an urgency needs a reason.")
    if urgency == case.urgency:
        return case
    restarts = urgency > case.urgency and (
        basis in ("content", "reopened") or (basis == "person" and data["mode"] == "from_change")
    )
    return with_regime(case, event, urgency=urgency, basis=basis, restarts=restarts)


def policy_set(case: Case, event: Event, data: Data) -> Case:
    calendar = data.get("calendar", case.calendar)
    if (data["policy"], calendar) == (case.policy, case.calendar):
        return case
    return with_regime(case, event, policy=data["policy"], calendar=calendar, basis="policy")


def review_wanted(case: Case, event: Event, data: Data) -> Case:
    reasons = tuple(data["reasons"])
    if case.review:  # one decision answers all doubts; its clock runs from the first
        more = replace(case.reviews[-1], reasons=tuple(dict.fromkeys((*case.reviews[-1].reasons, *reasons))))
        return replace(case, reviews=(*case.reviews[:-1], more))
    return replace(case, reviews=(*case.reviews, Review(event.at, event.seq, reasons)))


def reviewed(case: Case, event: Event, data: Data) -> Case:
    if not case.review:
        raise NotAllowed(f"No review is wanted of case {case.number}.")
    return replace(case, reviews=(*case.reviews[:-1], replace(case.review, reviewed_at=event.at, reviewer=event.actor)))


def assigned(case: Case, event: Event, data: Data) -> Case:
    owner, pool = data["owner"], data.get("pool")
    if (owner, pool) == (case.owner, case.pool):
        raise NotAllowed(f"{owner} owns case {case.number} already.")
    new = Ownership(owner, pool, event.at, event.seq, data["why"], data["rule"])
    return replace(case, owners=(*case.owners, new))


def accepted(case: Case, event: Event, data: Data) -> Case:
    if case.ownership.accepted_at is not None:
        raise NotAllowed(f"{case.owner} has accepted case {case.number} already.")
    return replace(case, owners=(*case.owners[:-1], replace(case.ownership, accepted_at=event.at)))
