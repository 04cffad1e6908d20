"""The first event of a case: what was judged and where it goes, as the register keeps it. One shape for every door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Kind
from triage.desk import Desk
from triage.judge.route import Route
from triage.operations.casebook import Draft, reserve
from triage.words import Disposition, Urgency


@dataclass(frozen=True, slots=True)
class NewCase:
    """A case about to be opened. `received_at` (aware UTC) is what its clocks count from; `why` the judgement's reason;
    `key` names the mail it is about: it may open one case in all."""

    mailbox: str
    received_at: datetime
    disposition: Disposition
    urgency: Urgency
    customer: str
    routed: Route
    why: str
    key: str
    complaint_type: str | None = None
    secondary: Sequence[str] = ()
    flags: Sequence[Mapping[str, Any]] = ()
    customer_name: str = ""
    participants: Sequence[str] = ()
    subject: str = ""
    language: str = "und"
    mail_id: int | None = None


def draft(desk: Desk, tx: Connection, number: str, new: NewCase) -> Draft:
    """A draft with the case's first event; the caller adds what else is known and saves it."""
    found = Draft(desk, tx)
    routed = new.routed
    data = {
        "case_id": reserve(desk, tx, new.mailbox, number, new.received_at),
        "number": number, "disposition": new.disposition.value, "complaint_type": new.complaint_type,
        "secondary": list(new.secondary), "urgency": new.urgency.word, "flags": [dict(flag) for flag in new.flags],
        "customer": new.customer or "unknown", "customer_name": new.customer_name[:200],
        "participants": list(new.participants), "subject": new.subject[:500], "language": new.language,
        "owner": routed.owner, "pool": routed.pool, "policy": routed.policy, "statutory": list(routed.statutory),
        "restrict_text": routed.restrict_text, "why": f"{new.why}; routed by {routed.rule}",
    }  # fmt: skip
    found.add(Kind.OPENED, new.received_at, data, mail_id=new.mail_id, key=new.key)
    return found
