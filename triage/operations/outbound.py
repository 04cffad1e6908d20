"""Our own mail: what was answered, seen in a Sent folder or because we were copied in. Agents keep their mail client."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.mail import screen
from triage.operations import joining, opening
from triage.operations.casebook import Draft, read
from triage.operations.judging import Judged
from triage.operations.opening import Settled
from triage.world.store import cases, mails
from triage.world.store.mails import Waiting

#: what a person never sends: it stops no clock
_NO_ANSWER = frozenset(
    {screen.Kind.OWN_LOOP, screen.Kind.OUT_OF_OFFICE, screen.Kind.BOUNCE, screen.Kind.MDN, screen.Kind.MACHINE}
)


def record(desk: Desk, tx: Connection, mail: Waiting, judged: Judged, common: dict[str, Any]) -> Settled:
    """A mail of a Sent folder: an answer on its case, or filed as internal."""
    case_id = _case_of(desk, tx, judged)
    if case_id is None:
        mails.judged(
            tx, mail.id, {**common, "outcome": "filed", "disposition": "internal", "reason": "our own mail, on no case"}
        )
        return Settled("filed", "internal")
    draft = Draft(desk, tx, read(tx, case_id))
    if reaches(draft.case, judged):
        replied(draft, mail, judged)
    else:
        why = "our own mail that does not go to the customer"
        draft.add(Kind.MAIL_FILED, mail.received_at, {"disposition": "internal", "why": why}, mail_id=mail.id)
    case = draft.save()
    opening.remember_keys(tx, case.id, judged)
    mails.judged(tx, mail.id, {**common, "outcome": "attached", "disposition": "internal", "case_id": case.id})
    return Settled("outbound", "internal", case.id)


def _case_of(desk: Desk, tx: Connection, judged: Judged) -> int | None:
    """By the ids it answers, its tokens, or the one open case of whom it goes to."""
    found = joining.find(desk, tx, judged)
    if found.case_id is not None:
        return found.case_id
    to = [address.email for address in (*judged.message.to, *judged.message.cc)]
    open_cases = {case for ids in cases.with_key(tx, "address", to, open_only=True).values() for case in ids}
    return open_cases.pop() if len(open_cases) == 1 else None


def reaches(case: Case, judged: Judged) -> bool:
    """Is it a person's mail to the customer's side?"""
    if judged.screening.kind in _NO_ANSWER or judged.message.header("auto-submitted") not in (None, "no"):
        return False
    to = {address.email for address in (*judged.message.to, *judged.message.cc)}
    return bool(to & (case.participants | {case.customer}))


def replied(draft: Draft, mail: Waiting, judged: Judged) -> None:
    """A person's answer that reaches the customer: it stops first and next response."""
    to = [address.email for address in (*judged.message.to, *judged.message.cc)][:50]
    by = judged.message.from_.email or "unknown"
    draft.add(
        Kind.REPLIED, mail.received_at, {"by": by, "to": to, "channel": "mail"}, actor=by, mail_id=mail.id,
        key=f"replied:{mail.id}",
    )  # fmt: skip
