"""Judging one mail: everything between its bytes and the verdict, without touching the register.

`triage classify` and the intake call the same function, so what was tried out is what runs at night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triage.desk import Judge
from triage.judge import cues, verdict
from triage.judge.classify import Prediction, Words
from triage.judge.cues import Cues
from triage.judge.verdict import Verdict
from triage.mail import screen
from triage.mail.body import Body
from triage.mail.message import Message
from triage.mail.screen import Ours, Screening


@dataclass(frozen=True, slots=True)
class Judged:
    """A mail with all that was found out about it."""

    message: Message
    body: Body
    screening: Screening
    cues: Cues
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Unjudged:
    """A mail read but not judged yet: what the model is asked about."""

    message: Message
    body: Body
    received_at: datetime
    ours: Ours


def judge(desk: Judge, mails: Sequence[Unjudged]) -> list[Judged]:
    """Judge a batch; one call of the model for all of them."""
    wanted = frozenset(desk.config.judging.languages)
    mails = [
        m if m.body.language in wanted else replace(m, body=replace(m.body, language_supported=False)) for m in mails
    ]
    screened = [screen.judge(m.message, m.body, m.ours, m.received_at) for m in mails]
    words = [Words(_subject(m), m.body.new_text, m.body.language) for m in mails]
    predictions: list[Prediction] = desk.model.predict(words) if words else []
    return [
        _one(desk, mail, screening, prediction)
        for mail, screening, prediction in zip(mails, screened, predictions, strict=True)
    ]


def _subject(mail: Unjudged) -> str:
    """A forward's own subject says "Fwd:"; the customer's stands inside."""
    forwarded = mail.body.forwarded
    return forwarded.subject if forwarded and forwarded.subject else mail.message.subject


def _one(desk: Judge, mail: Unjudged, screening: Screening, prediction: Prediction) -> Judged:
    found = cues.find(
        mail.body,
        _subject(mail),
        screening.received_at,
        desk.zone,
        mail.message.attachments,
        forwarded=screening.forwarded_by is not None,
    )
    decided = verdict.of(mail.message, mail.body, screening, found, prediction, desk.thresholds, desk.config.calendar)
    return Judged(mail.message, mail.body, screening, found, decided)
