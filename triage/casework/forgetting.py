"""A case without the person: what its events keep when somebody is forgotten. Pure.

Kept is what the clocks and the figures need (times, types, targets, owners, numbers); everything else goes. The list is
of what stays, so that a field somebody adds later is forgotten too until it is named here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from triage.casework.events import Kind
from triage.mail import redact

GONE = "(forgotten)"

#: fields of event data that say nothing about a person
_KEPT = frozenset(
    "case_id number disposition complaint_type secondary urgency policy calendar statutory restrict_text split_from "
    "owner pool basis mode target name cycle step due deliver_at roles skipped late key state breached_at mail_ids "
    "mail_id reply_mail_id at direction owed response channel asks outcome reason type assumed promise version live "
    "received_at language via kind by made_at settled_at delivered_at acknowledged_at label".split()
)
_ADDRESSES = frozenset({"to", "participants"})
_ADDRESS = frozenset({"customer", "sender", "address"})


def scrub(kind: str, data: Mapping[str, Any], alias: str, is_ours: Callable[[str], bool]) -> dict[str, Any]:
    """The data of one event of a forgotten person's case. `is_ours(address)`: a colleague's, which stays.

    The events replay to a case with the same clocks and figures; text is GONE, addresses are `alias`.
    """
    found = {name: _value(name, value, alias, is_ours) for name, value in data.items()}
    if kind == Kind.OPENED:
        found["customer_name"] = ""
    if "cause" in data:  # a deadline's cause is our own wording; a closing's is typed by a colleague
        found["cause"] = data["cause"] if kind == Kind.DEADLINE_RECORDED else redact.text(str(data["cause"]))
    return found


def _value(name: str, value: Any, alias: str, is_ours: Callable[[str], bool]) -> Any:
    if name == "facts":
        return []
    if name in _ADDRESS:
        return value if not value or is_ours(value) else alias
    if name in _ADDRESSES and isinstance(value, Sequence):
        return list(dict.fromkeys(one if is_ours(one) else alias for one in value))
    if name == "by" and isinstance(value, str) and "@" in value and not is_ours(value):
        return alias
    if isinstance(value, Mapping):
        return {key: _value(key, inner, alias, is_ours) for key, inner in value.items()}
    if isinstance(value, list):
        if name not in _KEPT and all(isinstance(inner, str) for inner in value):
            return []
        return [_value(name, inner, alias, is_ours) for inner in value]
    if isinstance(value, str) and name not in _KEPT:
        return GONE if value else ""
    return value


def renamed(value: Any, address: str, alias: str) -> Any:
    """Any JSON value with the address replaced wherever it stands, in upper or lower case."""
    if isinstance(value, str):
        return re.sub(re.escape(address), alias, value, flags=re.IGNORECASE)
    if isinstance(value, Mapping):
        return {key: renamed(inner, address, alias) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, address, alias) for inner in value]
    return value


def without_words(verdict: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A judgement without the words it rests on: levels, types and scores stay."""
    if verdict is None:
        return None
    found = dict(verdict)
    for name in ("reason", "model"):
        found[name] = GONE if name == "reason" else verdict.get(name, "")
    found["flags"] = [{**flag, "evidence": [], "rule": ""} for flag in verdict.get("flags") or []]
    found["reasons"] = [{**reason, "why": GONE, "evidence": []} for reason in verdict.get("reasons") or []]
    found["customer_dates"] = [{**date, "evidence": GONE} for date in verdict.get("customer_dates") or []]
    found |= {"terms": [], "defects": [], "attachments": [], "review_reasons": []}
    screening = verdict.get("screening") or {}
    found["screening"] = {**screening, "reason": GONE, "hits": [], "forwarded_by": None}
    known = {"disposition", "reason", "complaint_type", "secondary", "urgency", "flags", "customer_dates", "confidence",
             "review", "review_reasons", "language", "model", "reasons", "guesses", "terms", "screening", "defects",
             "attachments"}  # fmt: skip
    return {name: value for name, value in found.items() if name in known}
