"""Recall: a mail that was filed turns out to be a complaint. It gets its case now, its clock from its arrival, and the
mistake is kept as a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Case
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed, NotFound
from triage.mail.thread import Threading
from triage.operations import opening
from triage.operations.judging import Unjudged, judge
from triage.words import Disposition, Urgency
from triage.world.reader import Reading
from triage.world.store import learning, mails, register
from triage.world.store.mails import Waiting


def nothing(_tx: Connection, _case: Case) -> None:
    """Nothing more to write."""


def recall(
    desk: Desk, mail_id: int, *, actor: str, why: str, complaint_type: str = "", urgency: str = "", source: str = "cli",
    disposition: Disposition = Disposition.COMPLAINT, also: Callable[[Connection, Case], None] = nothing,
) -> dict[str, Any]:  # fmt: skip
    """Open the case of a filed mail; `also` writes in the same transaction. Raises NotFound, NotAllowed (it has a case),
    Misuse."""
    with desk.database.read() as tx:
        row = mails.get(tx, mail_id)
        if row is None:
            raise NotFound(f"There is no mail {mail_id}.")
        if row["case_id"] is not None:
            raise NotAllowed(f"Mail {mail_id} is on a case already.", fix="Correct the case instead.")
        raw = desk.raw.read(tx, [row["sha256"]])[row["sha256"]]
    if not raw:
        raise NotAllowed(f"The words of mail {mail_id} were forgotten.")
    reading = desk.reader.read([(mail_id, raw)])[0][1]
    if not isinstance(reading, Reading):
        raise NotAllowed(f"Mail {mail_id} cannot be read: {reading.reason}.")
    judged = judge(desk, [Unjudged(reading.message, reading.body, row["received_at"], desk.ours)])[0]
    found = judged.verdict
    kind = complaint_type or found.complaint_type or (found.guesses[0][0] if found.guesses else "other_unclear")
    complaint = disposition is Disposition.COMPLAINT
    if kind not in desk.config.complaint_types:
        raise Misuse(f"There is no complaint type {kind!r}.", fix=f"Known: {', '.join(desk.config.complaint_types)}.")
    level = Urgency.of(urgency) if urgency else found.urgency or Urgency.NORMAL
    verdict = replace(
        found, disposition=disposition, complaint_type=kind if complaint else None, urgency=level, reason=why,
        review=False, review_reasons=(),
    )  # fmt: skip
    judged = replace(judged, verdict=verdict)
    waiting = Waiting(
        mail_id, row["sha256"], row["direction"], row["mailbox"], row["folder"], row["received_at"], 0, None
    )
    with desk.database.write() as tx:
        case = opening.open_case(desk, tx, waiting, judged, Threading(None, "new", "recalled by a person"))
        mails.judged(
            tx, mail_id,
            {"outcome": "case", "case_id": case.id, "disposition": disposition.value, "reason": why,
             "verdict": opening.verdict_json(judged)},
        )  # fmt: skip
        label = {
            "mail_id": mail_id, "case_id": case.id, "actor": actor, "at": desk.now(), "source": source, "reason": why,
        }  # fmt: skip
        register.note_correction(
            tx, {**label, "field": "disposition", "old": row["disposition"], "new": disposition.value}
        )
        if complaint:
            register.note_correction(tx, {**label, "field": "complaint_type", "old": None, "new": kind})
        if urgency:
            register.note_correction(tx, {**label, "field": "urgency", "old": None, "new": level.word})
        learning.answer(tx, mail_id, "complaint" if complaint else "no_complaint", actor, desk.now())
        also(tx, case)
    return {
        "id": case.number,
        "done": True,
        "said": f"opened from mail {mail_id}",
        "status": "open",
        "owner": case.owner,
    }
