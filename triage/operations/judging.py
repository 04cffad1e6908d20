"""Judging one mail: everything between its bytes and the verdict, without touching the register.

`triage classify` and the intake call the same function, so what was tried out is what runs at night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triage.desk import Judge
from triage.judge import cues, verdict
from triage.judge.classify import Prediction, subject_of, words_of
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
    stated = [cues_of(desk.zone, mail, screening) for mail, screening in zip(mails, screened, strict=True)]
    words = [
        words_of(mail.message, mail.body, found, screening.received_at)
        for mail, screening, found in zip(mails, screened, stated, strict=True)
    ]
    predictions: list[Prediction] = desk.model.predict(words) if words else []
    return [_one(desk, *of_one) for of_one in zip(mails, screened, stated, predictions, strict=True)]


def cues_of(zone: str, mail: Unjudged, screening: Screening) -> Cues:
    """The cues of a screened mail; its dates are read in `zone` (IANA)."""
    return cues.find(
        mail.body,
        subject_of(mail.message, mail.body),
        screening.received_at,
        zone,
        mail.message.attachments,
        forwarded=screening.forwarded_by is not None,
    )


def _one(desk: Judge, mail: Unjudged, screening: Screening, found: Cues, prediction: Prediction) -> Judged:
    decided = verdict.of(mail.message, mail.body, screening, found, prediction, desk.thresholds, desk.config.calendar)
    return Judged(mail.message, mail.body, screening, found, decided)
