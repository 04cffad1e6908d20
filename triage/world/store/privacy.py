"""One person's traces in the register: found, emptied, and what must stay so that the mail is not taken in anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, delete, func, insert, or_, select, type_coerce, update

from triage.world.schema import (
    blob,
    case_key,
    cases,
    correction,
    correction_request,
    delivery,
    event,
    forgotten,
    mail,
    outbox,
)
from triage.world.store.cases import OPEN

AT_ONCE = 500


def _chunks(ids: Iterable[int]) -> Iterable[list[int]]:
    wanted = sorted(ids)
    return (wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE))


def cases_of(tx: Connection, address: str) -> set[int]:
    """The cases whose customer this is."""
    return set(tx.execute(select(cases.c.id).where(func.lower(cases.c.customer) == address)).scalars())


def mails_of(tx: Connection, address: str, case_ids: Iterable[int]) -> set[int]:
    """The mails from or about this address and all mails of these cases, with every other copy of each."""
    mine = or_(func.lower(mail.c.from_email) == address, func.lower(mail.c.customer) == address)
    found = set(tx.execute(select(mail.c.id).where(mine)).scalars()) if address else set()
    for ids in _chunks(case_ids):
        found |= set(tx.execute(select(mail.c.id).where(mail.c.case_id.in_(ids))).scalars())
    for ids in _chunks(found):
        found |= set(tx.execute(select(mail.c.id).where(mail.c.duplicate_of.in_(ids))).scalars())
    return found


def expired(tx: Connection, before: datetime) -> tuple[set[int], set[int]]:
    """(cases, mails) that ended before that moment: cases closed or merged since, and mail that was never on a case."""
    old = cases.c.status.not_in(OPEN) & (func.coalesce(cases.c.closed_at, cases.c.received_at) < before)
    unfinished = select(event.c.case_id).where(event.c.recorded_at >= before)
    ended = set(tx.execute(select(cases.c.id).where(old, cases.c.id.not_in(unfinished))).scalars())
    filed = select(mail.c.id).join(blob, blob.c.sha256 == mail.c.sha256).where(
        mail.c.case_id.is_(None), mail.c.state == "judged", mail.c.received_at < before, blob.c.forgotten_at.is_(None)
    )  # fmt: skip
    known = select(cases.c.id).where(cases.c.customer.like("forgotten-%"))
    return ended - set(tx.execute(known).scalars()), set(tx.execute(filed).scalars())


def waiting(tx: Connection) -> int:
    """Stored mails that nobody has read: whose they are is not known yet."""
    return tx.execute(select(func.count()).where(mail.c.state == "stored")).scalar() or 0


def mail_rows(tx: Connection, ids: Iterable[int]) -> list[dict[str, Any]]:
    """These mails, oldest first."""
    found = []
    for some in _chunks(ids):
        found += [dict(row._mapping) for row in tx.execute(select(mail).where(mail.c.id.in_(some)))]
    return sorted(found, key=lambda row: (row["received_at"], row["id"]))


def empty_mails(tx: Connection, ids: Iterable[int], values: Mapping[int, Mapping[str, Any]], now: datetime) -> None:
    """Take the person out of these mails. sha256 and logical key stay: by them the same mail is known again."""
    for some in _chunks(ids):
        for mail_id in some:
            tx.execute(update(mail).where(mail.c.id == mail_id).values(**values[mail_id]))
        tx.execute(update(delivery).where(delivery.c.mail_id.in_(some)).values(last_error=None))
        tx.execute(delete(correction).where(correction.c.mail_id.in_(some)))
        tx.execute(delete(correction_request).where(correction_request.c.mail_id.in_(some)))
        shas = select(mail.c.sha256).where(mail.c.id.in_(some))
        tx.execute(
            update(blob)
            .where(blob.c.sha256.in_(shas), blob.c.forgotten_at.is_(None))
            .values(forgotten_at=now, body=None)
        )


def to_blank(tx: Connection) -> list[dict[str, Any]]:
    """Forgotten bytes that may still lie in a segment."""
    query = select(blob).where(blob.c.forgotten_at.is_not(None), blob.c.segment.is_not(None))
    return [dict(row._mapping) for row in tx.execute(query)]


def blanked(tx: Connection, shas: Sequence[str]) -> None:
    """Their bytes are zeros now: no row names the place any more."""
    for start in range(0, len(shas), AT_ONCE):
        some = shas[start : start + AT_ONCE]
        tx.execute(update(blob).where(blob.c.sha256.in_(some)).values(segment=None, offset=None))


def copies_of_forgotten(tx: Connection) -> set[int]:
    """Mails that turned out to be another copy of a forgotten one and still have their bytes."""
    first = mail.alias()
    gone, own = blob.alias(), blob.alias()
    query = (
        select(mail.c.id)
        .join(first, first.c.id == mail.c.duplicate_of)
        .join(gone, gone.c.sha256 == first.c.sha256)
        .join(own, own.c.sha256 == mail.c.sha256)
        .where(gone.c.forgotten_at.is_not(None), own.c.forgotten_at.is_(None))
    )
    return set(tx.execute(query).scalars())


def events_about(
    tx: Connection, case_ids: Iterable[int], mail_ids: Iterable[int], address: str
) -> list[dict[str, Any]]:
    """Every event of these cases or mails, what a merge took over from these cases, and whatever names the address."""
    found: dict[int, dict[str, Any]] = {}

    def keep(condition: ColumnElement[bool]) -> None:
        found.update({row.id: dict(row._mapping) for row in tx.execute(select(event).where(condition))})

    for some in _chunks(case_ids):
        keep(event.c.case_id.in_(some))
    for some in _chunks(mail_ids):
        keep(event.c.mail_id.in_(some))
    twins = set(case_ids)
    took_over = [row for row in tx.execute(select(event).where(event.c.kind == "absorbed")) if _twin(row.data) in twins]
    found.update({row.id: dict(row._mapping) for row in took_over})
    if address:
        text = func.lower(type_coerce(event.c.data, Text))
        keep(text.contains(address, autoescape=True) | (func.lower(event.c.actor) == address))
    return list(found.values())


def _twin(data: Mapping[str, Any]) -> int:
    return int(data["case_id"])


def rewrite_event(tx: Connection, event_id: int, data: Mapping[str, Any], actor: str) -> None:
    """The one exception to "events are never changed": what the law says must not be kept."""
    tx.execute(update(event).where(event.c.id == event_id).values(data=dict(data), actor=actor))


def notices_about(
    tx: Connection, case_ids: Iterable[int], numbers: Sequence[str], mail_ids: Iterable[int], address: str
) -> list[dict[str, Any]]:
    """Notices of these cases and mails, those that list one of the numbers, and those that name the address."""
    found: dict[int, dict[str, Any]] = {}

    def keep(condition: ColumnElement[bool]) -> None:
        found.update({row.id: dict(row._mapping) for row in tx.execute(select(outbox).where(condition))})

    for some in _chunks(case_ids):
        keep(outbox.c.case_id.in_(some))
    for some in _chunks(mail_ids):
        keep(or_(*(outbox.c.key.like(f"forward:{mail_id}>%") for mail_id in some)))
    for number in numbers:
        keep(outbox.c.text.contains(number, autoescape=True) & outbox.c.case_id.is_(None))
    if address:
        whole = [outbox.c.recipient, outbox.c.subject, outbox.c.text, type_coerce(outbox.c.headers, Text)]
        keep(or_(*(func.lower(column).contains(address, autoescape=True) for column in whole)))
    return list(found.values())


def rewrite_notice(tx: Connection, row_id: int, values: Mapping[str, Any]) -> None:
    """Write a notice anew; its key stays, so that it is not made again."""
    tx.execute(update(outbox).where(outbox.c.id == row_id).values(**values))


def forget_keys(tx: Connection, case_ids: Iterable[int], mail_ids: Iterable[int], address: str) -> None:
    """Nothing leads from an address, an order number or a token to these cases any more.

    Where one of these mails lies on somebody else's case, the addresses that customers stated there go too: nothing
    tells which mail named them.
    """
    for some in _chunks(case_ids):
        tx.execute(delete(case_key).where(case_key.c.case_id.in_(some)))
    for some in _chunks(mail_ids):
        held = select(mail.c.case_id).where(mail.c.id.in_(some), mail.c.case_id.is_not(None))
        tx.execute(delete(case_key).where(case_key.c.kind == "stated", case_key.c.case_id.in_(held)))
    if address:
        tx.execute(delete(case_key).where(func.lower(case_key.c.value) == address))


def update_case(tx: Connection, case_id: int, values: Mapping[str, Any]) -> None:
    """The row as its events now tell it."""
    tx.execute(update(cases).where(cases.c.id == case_id).values(**values))


def note(tx: Connection, values: Mapping[str, Any]) -> None:
    """That, when, by whom and why; not who was forgotten."""
    tx.execute(insert(forgotten).values(**values))


def notes(tx: Connection) -> list[dict[str, Any]]:
    """Everything that was ever forgotten, oldest first."""
    return [dict(row._mapping) for row in tx.execute(select(forgotten).order_by(forgotten.c.id))]
