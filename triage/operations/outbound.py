"""Our own mail: what was answered, seen in a Sent folder or because we were copied in. Agents keep their mail client."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.mail import screen
from triage.operations import answering, belonging, replies
from triage.operations.belonging import Keys
from triage.operations.casebook import Draft, read
from triage.operations.judging import Judged
from triage.operations.opening import Settled
from triage.operations.replies import STATED
from triage.world.store import cases, mails
from triage.world.store.mails import Waiting

#: what a person never sends: it stops no clock
_NO_ANSWER = frozenset(
    {screen.Kind.OWN_LOOP, screen.Kind.OUT_OF_OFFICE, screen.Kind.BOUNCE, screen.Kind.MDN, screen.Kind.MACHINE}
)


def record(
    desk: Desk, tx: Connection, mail: Waiting, judged: Judged, common: dict[str, Any], keys: Keys | None = None
) -> Settled:
    """A mail of a Sent folder, or one we were copied in on: an answer on its case, or filed as internal."""
    case_id = _case_of(desk, tx, judged, keys)
    if case_id is None:
        mails.judged(
            tx, mail.id, {**common, "outcome": "filed", "disposition": "internal", "reason": "our own mail, on no case"}
        )
        return Settled("filed", "internal")
    draft = Draft(desk, tx, read(tx, case_id))
    if reaches(tx, draft.case, judged):
        answering.answered(desk, tx, draft, mail, judged)
    else:
        why = "our own mail that does not go to the customer"
        draft.add(Kind.MAIL_FILED, mail.received_at, {"disposition": "internal", "why": why}, mail_id=mail.id)
        answering.look_through(desk, tx, draft, mail, judged)
    case = draft.save()
    replies.remember_numbers(tx, case.id, judged)
    mails.judged(tx, mail.id, {**common, "outcome": "attached", "disposition": "internal", "case_id": case.id})
    return Settled("outbound", "internal", case.id)


def _case_of(desk: Desk, tx: Connection, judged: Judged, keys: Keys | None) -> int | None:
    """By the ids it answers, its tokens, or the one open case of whom it goes to.

    Our own mail forges nothing, so a mail it answers is proof enough, whomever it goes to.
    """
    found = belonging.find(desk, tx, judged, keys)
    if found.case_id is not None:
        return found.case_id
    ids = (*judged.message.in_reply_to, *reversed(judged.message.references))
    known = mails.case_of_message_ids(tx, ids[:40])
    named = next((known[one] for one in ids if one in known), [])
    if len(set(named)) == 1:
        return cases.merged_into(tx, named).get(named[0], named[0])
    open_cases = {
        case for kind in ("address", STATED) for ids_ in cases.with_key(tx, kind, _to(judged), open_only=True).values()
        for case in ids_
    }  # fmt: skip
    return open_cases.pop() if len(open_cases) == 1 else None


def _to(judged: Judged) -> list[str]:
    return [address.email for address in (*judged.message.to, *judged.message.cc)]


def reaches(tx: Connection, case: Case, judged: Judged) -> bool:
    """Is it a person's mail to the customer's side: an address they write from, or one they gave us themselves?"""
    if judged.screening.kind in _NO_ANSWER or judged.message.header("auto-submitted") not in (None, "no"):
        return False
    theirs = case.participants | {case.customer} | cases.keys_of(tx, [case.id], STATED)[case.id]
    return bool(set(_to(judged)) & theirs)
