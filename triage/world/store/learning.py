"""What people ask to be set right from their mail clients, and the sample of filed mail they look through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from triage.world.schema import audit_sample, correction_request, mail

# -- requests --------------------------------------------------------------------------------------------------------


def ask(tx: Connection, values: Mapping[str, Any]) -> bool:
    """Note a request; False where its key is there already. Without an outcome it waits to be carried out."""
    if asked(tx, values["key"]):
        return False
    tx.execute(insert(correction_request).values(**{"outcome": "waiting", "said": "", **values}))
    return True


def asked(tx: Connection, key: str) -> bool:
    """Is there a request with this key?"""
    return tx.execute(select(correction_request.c.id).where(correction_request.c.key == key)).first() is not None


def waiting(tx: Connection, limit: int) -> list[dict[str, Any]]:
    """Requests that nobody has carried out, oldest first."""
    query = (
        select(correction_request)
        .where(correction_request.c.outcome == "waiting")
        .order_by(correction_request.c.id)
        .limit(limit)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def settle(tx: Connection, request_id: int, outcome: str, said: str) -> None:
    """What became of a request."""
    tx.execute(
        update(correction_request).where(correction_request.c.id == request_id).values(outcome=outcome, said=said[:500])
    )


def keys_like(tx: Connection, start: str) -> dict[str, int]:
    """Key -> mail of the requests whose key begins so."""
    query = select(correction_request.c.key, correction_request.c.mail_id).where(
        correction_request.c.key.startswith(start, autoescape=True)
    )
    return {row.key: row.mail_id for row in tx.execute(query)}


def release(tx: Connection, keys: Iterable[str]) -> None:
    """What these requests were made by is gone; done again, it is a new request."""
    for key in keys:
        row = tx.execute(select(correction_request.c.id).where(correction_request.c.key == key)).scalar_one()
        tx.execute(
            update(correction_request).where(correction_request.c.id == row).values(key=f"gone:{row}:{key}"[:200])
        )


def untold(tx: Connection) -> list[dict[str, Any]]:
    """Requests that were carried out or refused and stood in no digest yet."""
    query = (
        select(correction_request)
        .where(correction_request.c.told_at.is_(None), correction_request.c.outcome != "waiting")
        .order_by(correction_request.c.id)
    )
    return [dict(row._mapping) for row in tx.execute(query)]


def told(tx: Connection, ids: Sequence[int], now: datetime) -> None:
    """A digest named them."""
    for start in range(0, len(ids), 500):
        some = correction_request.c.id.in_(ids[start : start + 500])
        tx.execute(update(correction_request).where(some).values(told_at=now))


def judged_since(tx: Connection, since: datetime) -> list[dict[str, Any]]:
    """Customers' side mails judged by what they say, without what only a header told: judged_at, disposition,
    verdict."""
    query = select(mail.c.judged_at, mail.c.disposition, mail.c.verdict).where(
        mail.c.judged_at >= since, mail.c.direction == "in", mail.c.state == "judged",
        mail.c.disposition.not_in(("autoreply", "bounce", "newsletter", "internal", "system_notice", "before_start")),
    )  # fmt: skip
    return [dict(row._mapping) for row in tx.execute(query)]


# -- the sample ------------------------------------------------------------------------------------------------------


def filed_between(tx: Connection, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """Customers' side mails filed or forwarded in that time, in order: id, sha256, disposition, verdict."""
    query = (
        select(mail.c.id, mail.c.sha256, mail.c.disposition, mail.c.verdict)
        .where(
            mail.c.outcome.in_(("filed", "forwarded")), mail.c.direction == "in", mail.c.judged_at >= start,
            mail.c.judged_at < end, mail.c.case_id.is_(None),
        )
        .order_by(mail.c.id)
    )  # fmt: skip
    return [dict(row._mapping) for row in tx.execute(query)]


def sample(tx: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put mails into the sample."""
    if rows:
        tx.execute(insert(audit_sample), [dict(row) for row in rows])


def sampled(tx: Connection, since: datetime | None = None, *, open_only: bool = False) -> list[dict[str, Any]]:
    """Rows of the sample with what finds the mail, oldest first."""
    columns = (
        audit_sample, mail.c.subject, mail.c.customer, mail.c.from_email, mail.c.disposition, mail.c.reason,
        mail.c.received_at, mail.c.message_id, mail.c.mailbox, mail.c.folder,
    )  # fmt: skip
    query = select(*columns).join(mail, mail.c.id == audit_sample.c.mail_id).order_by(audit_sample.c.id)
    if open_only:
        query = query.where(audit_sample.c.answered_at.is_(None))
    if since is not None:
        query = query.where(audit_sample.c.drawn_at >= since)
    return [dict(row._mapping) for row in tx.execute(query)]


def answer(tx: Connection, mail_id: int, found: str, actor: str, now: datetime) -> bool:
    """A person looked: "complaint" (it was missed) or "no_complaint". False where the mail is not in the sample or was
    answered before."""
    done = tx.execute(
        update(audit_sample)
        .where(audit_sample.c.mail_id == mail_id, audit_sample.c.answered_at.is_(None))
        .values(answered_at=now, answer=found, actor=actor)
    )
    return bool(done.rowcount)
