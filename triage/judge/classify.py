"""Own words of a mail + a trained Model -> what it is, what must be put right, how soon: calibrated probabilities.

The model sees the customer's own new words and nothing else: no sender, no domain, no history, no form (requirement
B2).
`triage.judge.linear` is the model that ships; anything with `card` and `predict` may take its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from triage.judge import signs
from triage.judge.cues import Cues
from triage.mail.body import Body
from triage.mail.message import Message


@dataclass(frozen=True, slots=True)
class Words:
    """What the model may read: the subject, the own words (no quote, no signature, no disclaimer), ISO 639-1 language,
    and the signs that the cues found in those words (`triage.judge.signs`; None: nobody looked)."""

    subject: str
    text: str
    language: str = "en"
    signs: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """Calibrated probabilities by name; each of the three mappings adds up to 1.

    `complaint_type` and `urgency` hold on the condition that the mail is a complaint. `urgency` goes by the words of
    `Urgency`. `flags` are learned flag probabilities, each for itself, beside the cues. `in_scope` in 0..1: the share
    of
    the training mail that looked less familiar than this one. `terms` are the words that spoke most for the likeliest
    type and, after them, for its urgency, with their weight in log odds."""

    disposition: Mapping[str, float]
    complaint_type: Mapping[str, float]
    urgency: Mapping[str, float]
    terms: tuple[tuple[str, float], ...]
    model: str
    in_scope: float
    flags: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Model(Protocol):
    """Judges mails in batches. `card` says what it was trained on and how well it did (see `triage.world.artefact`)."""

    @property
    def card(self) -> Mapping[str, Any]: ...

    def predict(self, words: Sequence[Words]) -> list[Prediction]: ...


def words_of(message: Message, body: Body, cues: Cues | None = None, received_at: datetime | None = None) -> Words:
    """The words of a parsed mail that a model may read, with the signs of `cues` where they are known; a forwarded
    customer's mail counts as own words."""
    found = signs.of(cues, received_at) if cues and received_at else None
    return Words(subject_of(message, body), body.new_text, body.language, found)


def subject_of(message: Message, body: Body) -> str:
    """A forward's own subject says "Fwd:"; the customer's stands inside."""
    return body.forwarded.subject if body.forwarded and body.forwarded.subject else message.subject
