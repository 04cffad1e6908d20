"""The card of a case: what a notice or a page may say of it, gathered from the case and the register."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from triage.casework import deadline
from triage.casework.card import Card, Due, Flagged, local
from triage.casework.case import Case
from triage.casework.deadline import Deadline
from triage.desk import Desk
from triage.mail import tokens
from triage.operations import conduct, customers
from triage.operations.judging import Judged
from triage.world.store import cases, mails

__all__ = ["card", "due", "local", "people"]


def card(
    desk: Desk, tx: Connection, case: Case, *, judged: Judged | None = None, place: tuple[str, str] | None = None,
    found: Sequence[Deadline] | None = None,
) -> Card:  # fmt: skip
    """The card as of now. `judged` is the mail that is being settled and has no row yet; `place` where it lies; `found`
    the deadlines of the case as of now where they are worked out already."""
    stored = None if place and judged else mails.first_of_case(tx, case.id)
    at, within, first_id = stored or ("", "", "")
    mailbox, folder = place or (at or _mailbox(tx, case), within or "INBOX")
    message_id = first_id or (judged.message.message_id if judged else "")
    if found is None:
        found = deadline.of(case, desk.config.policies, desk.config.calendars, desk.now())
    return filled(desk, tx, case, found, (mailbox, folder, message_id), _history(tx, case), judged)


def brief(desk: Desk, case: Case, mailbox: str) -> Card:
    """As much of the card as a line of a digest shows; without a look into the register."""
    return Card(
        case_id=case.id, number=case.number, token="", zone=desk.zone, urgency=case.urgency,
        owner=name_of(desk, case.owner), mailbox=mailbox, folder="", message_id="", received_at=case.received_at,
        customer=case.customer, subject=case.subject, restrict_text=case.restrict_text,
    )  # fmt: skip


def _mailbox(tx: Connection, case: Case) -> str:
    row = cases.by_ids(tx, [case.id]).get(case.id)
    return str(row["mailbox"]) if row else ""


def name_of(desk: Desk, key: str) -> str:
    """A person's name; a pool's or a deleted person's key as it is."""
    person = desk.config.roster.people.get(key)
    return person.name if person else key


def _reasons(case: Case, judged: Judged | None) -> tuple[str, ...]:
    found = [case.ownership.why, *(f"{r.urgency.word}: {r.why}" for r in (judged.verdict.reasons if judged else ()))]
    return tuple(dict.fromkeys(reason for reason in found if reason))


def _promises(desk: Desk, tx: Connection, case: Case) -> tuple[str, ...]:
    """What we promised here; before the first answer, how promises of this type were kept."""
    told = "" if case.replies else conduct.kept_rate(desk, tx, case)
    made = (
        f"{p.text} (due {local(p.due, desk.zone)}{', assumed' if p.assumed else ''}, {p.state.replace('_', ' ')})"
        for p in case.promises
    )
    return tuple(line for line in (told, *made) if line)


def _history(tx: Connection, case: Case) -> tuple[str, ...]:
    """What the mailbox knows of this customer. History only raises; it is shown, never held against anybody."""
    return customers.of(tx, case.customer, without=case.id).lines() if "@" in case.customer else ()


def due(found: Deadline) -> Due:
    """A deadline as people read it."""
    left = ""
    if found.due is None and found.remaining is not None:
        minutes = int(found.remaining.total_seconds()) // 60
        left = f"{minutes // 60} h {minutes % 60} min"
    return Due(found.target, found.state, found.due, found.name, left)


def people(desk: Desk, case: Case, roles: Sequence[str], now: datetime) -> tuple[str, ...]:
    """The addresses behind the roles of a step, each once. Nobody there to hear it means that the lead does."""
    roster = desk.config.roster
    told = roster.told(tuple(roles), case.owner, now) or ("lead",)
    return roster.emails(told, now)


def filled(
    desk: Desk, tx: Connection, case: Case, found: Sequence[Deadline], place: tuple[str, str, str],
    history: tuple[str, ...], judged: Judged | None = None,
) -> Card:  # fmt: skip
    """The card from what the caller has read: the deadlines as of now, where the first mail lies (mailbox, folder,
    Message-ID), the lines about the customer."""
    mailbox, folder, message_id = place
    return Card(
        case_id=case.id,
        number=case.number,
        token=tokens.case_token(case.number, desk.secret),
        zone=desk.zone,
        urgency=case.urgency,
        owner=name_of(desk, case.owner),
        mailbox=mailbox,
        folder=folder,
        message_id=message_id,
        received_at=case.received_at,
        customer=case.customer,
        customer_name=case.customer_name,
        subject=case.subject,
        summary=judged.body.new_text[:600] if judged else "",
        disposition=case.disposition.value,
        complaint_type=case.complaint_type or "",
        flags=tuple(Flagged(flag.name, flag.evidence) for flag in case.flags),
        reasons=_reasons(case, judged),
        deadlines=tuple(due(d) for d in found if d.running),
        history=history,
        promises=_promises(desk, tx, case),
        restrict_text=case.restrict_text,
    )
