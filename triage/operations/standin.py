"""The owner is away: the case goes to who stands in. The clock runs on as it was."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Kind
from triage.desk import Desk
from triage.judge.roster import LEAD
from triage.operations import cards
from triage.operations.casebook import Draft, put


def hand_over(desk: Desk, draft: Draft, now: datetime, why: str, *, mail_id: int | None = None) -> bool:
    """Give the case to the owner's delegate who is here, else to the lead; False where that is nobody else."""
    roster, case = desk.config.roster, draft.case
    deputy = next((key for key in roster.chain(case.owner) if roster.here(key, now)), None)
    deputy = deputy or roster.find(LEAD, now, frozenset({case.owner}))
    if deputy == case.owner:
        return False
    draft.add(Kind.ASSIGNED, now, {"owner": deputy, "pool": case.pool, "why": why}, mail_id=mail_id)
    return True


def owner_is_away(desk: Desk, tx: Connection, draft: Draft, at: datetime, why: str, *, mail_id: int) -> bool:
    """The owner's mailbox answered our notice with an out-of-office or a bounce: the deputy gets the case in this run."""
    return draft.case.is_open and _handed_on(desk, tx, draft, at, why, mail_id)


def customer_wrote(desk: Desk, tx: Connection, draft: Draft, mail_id: int) -> bool:
    """The customer writes to an owner who is on the list of absences: whoever stands in gets the case, and answers."""
    case, now = draft.case, desk.now()
    person = desk.config.roster.people.get(case.owner)
    if not case.is_open or person is None or desk.config.roster.here(case.owner, now):
        return False
    return _handed_on(desk, tx, draft, now, f"{person.name} is away and the customer wrote", mail_id)


def _handed_on(desk: Desk, tx: Connection, draft: Draft, at: datetime, why: str, mail_id: int) -> bool:
    if not hand_over(desk, draft, at, why, mail_id=mail_id):
        return False
    case = draft.save()
    owner = desk.config.roster.emails((case.owner,), desk.now())
    put(desk, tx, notice.assignment(cards.card(desk, tx, case), owner, case.ownership.seq, why))
    return True
