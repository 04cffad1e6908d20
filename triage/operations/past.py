"""The past as a backtest needs it: stored cases with the facts that the rules could look at when they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.desk import Desk
from triage.errors import TriageError
from triage.insight.backtest import Past
from triage.judge import route
from triage.judge.route import Facts
from triage.operations.casebook import event_of, replay
from triage.words import Disposition, Urgency
from triage.world.reader import Reading
from triage.world.store import mails

READ_AT_ONCE = 100

Say = Callable[[str], Any]


def cases_as_they_came(
    desk: Desk, tx: Connection, stored: Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]], since: datetime,
    say: Say = lambda line: None,
) -> list[Past]:  # fmt: skip
    """The cases as they happened, with the customer's words where these are asked about (received from `since` on)."""
    found = [(row, replay(events), events) for row, events in stored]
    wanted = [events[0]["mail_id"] for _, case, events in found if case.received_at >= since and events[0]["mail_id"]]
    texts = _texts(desk, tx, wanted, say)
    confidences = _confidences(tx, wanted)
    past = []
    for row, case, events in found:
        mail_id = events[0]["mail_id"]
        text = texts.get(mail_id, "")
        facts = _facts(events[0]["data"], row["mailbox"], confidences.get(mail_id), text)
        past.append(Past(case, tuple(event_of(event) for event in events), facts, text))
    return past


def _facts(data: Mapping[str, Any], mailbox: str, verdict: Mapping[str, Any] | None, text: str) -> Facts:
    """What the rules could look at when the case was opened."""
    known = verdict or {}
    return Facts(
        complaint_type=data.get("complaint_type"),
        secondary=tuple(data["secondary"]),
        disposition=Disposition(data["disposition"]),
        urgency=Urgency.of(data["urgency"]),
        flags=frozenset(flag["name"] for flag in data["flags"]),
        language=data["language"],
        mailbox=mailbox,
        customer=data["customer"],
        confidence=known.get("confidence", {}).get("type"),
        review=bool(known.get("review")),
        words=route.flatten(text),
    )


def _confidences(tx: Connection, mail_ids: Sequence[int]) -> dict[int, Mapping[str, Any] | None]:
    return {mail_id: row["verdict"] for mail_id in mail_ids if (row := mails.get(tx, mail_id)) is not None}


def _texts(desk: Desk, tx: Connection, mail_ids: Sequence[int], say: Say) -> dict[int, str]:
    """Subject and own words of these mails; "" for what can no longer be read."""
    found: dict[int, str] = {}
    shas = mails.sha_of(tx, mail_ids)
    for start in range(0, len(mail_ids), READ_AT_ONCE):
        batch = mail_ids[start : start + READ_AT_ONCE]
        raw = [(mail_id, body) for mail_id in batch if (body := _raw(desk, tx, shas[mail_id])) is not None]
        for mail_id, reading in desk.reader.read(raw):
            if isinstance(reading, Reading):
                found[mail_id] = f"{reading.message.subject}\n{reading.body.new_text}"
        if len(mail_ids) > READ_AT_ONCE:
            say(f"{min(start + READ_AT_ONCE, len(mail_ids))} of {len(mail_ids)} mails read")
    return found


def _raw(desk: Desk, tx: Connection, sha: str) -> bytes | None:
    try:
        return desk.raw.read(tx, [sha])[sha]
    except TriageError:
        return None  # forgotten on purpose, or damaged: the rules see no words of it
