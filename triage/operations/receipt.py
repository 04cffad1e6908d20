"""The receipt to the customer: off by default, once for a new case, and only where it can promise the truth.

It names a person and the real deadline. An urgent or critical case gets none: there a person writes first. Whether the
mail may be answered at all is screening's word (a person, no forged address, no "do not answer"); whether this customer
should be is routing's (never for self-harm, legal or regulator matters).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from triage.casework import deadline, notice
from triage.casework.card import Card
from triage.casework.case import Case
from triage.desk import Desk
from triage.operations import cards
from triage.operations.casebook import put
from triage.words import Target, Urgency
from triage.world.store import outbox

OLDEST = timedelta(days=1)  # who wrote before that gets an answer, not a receipt


def acknowledge(desk: Desk, tx: Connection, case: Case, card: Card, received_at: datetime) -> bool:
    """Write the receipt of a new case into the outbox; False where there is to be none."""
    now, notices = desk.now(), desk.config.notices
    if not notices.acknowledgement.enabled or case.urgency >= Urgency.URGENT or now - received_at > OLDEST:
        return False
    if case.restrict_text:
        return False
    found = deadline.of(case, desk.config.policies, desk.config.calendars, now)
    first = next((d for d in found if d.target is Target.FIRST_RESPONSE and d.due is not None), None)
    if first is None or first.due is None or first.due <= now:
        return False  # there is no deadline that could be promised
    recent = outbox.to_since(tx, notice.Kind.ACKNOWLEDGEMENT.value, case.customer, now - timedelta(days=1))
    if len(recent) >= notices.acknowledgement.a_day:
        return False
    letter = notices.letters.get(case.language) or notices.letters[notices.language]
    owner, business = cards.name_of(desk, case.owner), desk.config.business.name
    return put(
        desk, tx, notice.acknowledgement(card, letter.subject, letter.text, owner, cards.due(first), business)
    )  # fmt: skip
