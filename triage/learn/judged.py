"""Examples + predictions -> what the desk would decide of them, so that a model is measured by decisions, not by
margins.

Two judges: `by_model` (the model's first stage and its thresholds, nothing else) and a `House` (screening, cues and
verdict as for a mail that was received, with an empty history). The gate and the report use the house; the model alone shows
what rules add.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from triage.casework.hours import BusinessCalendar
from triage.judge import cues as judge_cues
from triage.judge import signs, verdict
from triage.judge import urgency as judge_urgency
from triage.judge.classify import Prediction, Words, subject_of, words_of
from triage.judge.cues import Cues
from triage.judge.urgency import Thresholds
from triage.learn.example import Example
from triage.mail import body as mail_body
from triage.mail import message as mail_message
from triage.mail import screen
from triage.mail.body import Body
from triage.mail.message import Message
from triage.words import Disposition, Urgency

_HOURS = (((540, 1050),),) * 5 + ((), ())
CALENDAR = BusinessCalendar("office", "Europe/London", _HOURS)
RECEIVED = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)  # a Tuesday morning, for examples without a date
_OURS = screen.Ours(
    frozenset({"business.example"}),
    frozenset({"care@business.example"}),
    frozenset(),
    "",
    b"evaluation",
    "",
    "id.example",
)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided of one example. `review`: a person looks before anything rests on it."""

    disposition: Disposition
    complaint_type: str | None
    urgency: Urgency | None
    flags: tuple[str, ...]
    review: bool

    @property
    def kept(self) -> bool:
        """A complaint kept as one, or seen by a person, is not lost."""
        return self.disposition is Disposition.COMPLAINT or self.review


class Judge(Protocol):
    """What a model is asked about each example, and what is decided of what it answers."""

    def words(self, examples: Sequence[Example]) -> list[Words]: ...
    def __call__(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], limits: Mapping[str, float]
    ) -> list[Judged]: ...


class ByModel:
    """Decides by the words alone."""

    def words(self, examples: Sequence[Example]) -> list[Words]:
        return [example.words() for example in examples]

    def __call__(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], limits: Mapping[str, float]
    ) -> list[Judged]:
        return _by_model(examples, predictions, limits)


by_model = ByModel()


def _by_model(
    examples: Sequence[Example], predictions: Sequence[Prediction], limits: Mapping[str, float]
) -> list[Judged]:
    """The likeliest disposition that the filing threshold allows, the likeliest type, the model's own level."""
    thresholds = thresholds_of(limits)
    found = []
    for example, prediction in zip(examples, predictions, strict=True):
        del example
        likely = max(prediction.disposition, key=lambda name: prediction.disposition[name])
        other = 1.0 - prediction.disposition.get(Disposition.COMPLAINT, 0.0)
        kind = max(prediction.complaint_type, key=lambda name: prediction.complaint_type[name])
        if likely != Disposition.COMPLAINT:
            found.append(Judged(Disposition(likely), None, None, (), other < thresholds.disposition_confidence))
            continue
        level = judge_urgency.of_model(prediction.urgency, thresholds, may_be_low=True).urgency
        sure = (
            prediction.complaint_type[kind] >= thresholds.type_confidence and prediction.in_scope >= thresholds.in_scope
        )
        flags = tuple(name for name, share in prediction.flags.items() if share >= thresholds.flag_score)
        found.append(Judged(Disposition.COMPLAINT, kind, level, flags, not sure))
    return found


@dataclass(frozen=True, slots=True)
class Parts:
    """What the house knows of an example before any model: made once, used for every model compared."""

    message: Message
    body: Body
    screening: screen.Screening
    cues: Cues


def parts(example: Example) -> Parts:
    """Parse, cut, screen and search one example, as a received mail would be."""
    message = mail_message.parse(example.raw())
    body = mail_body.words(message)
    if example.language:
        body = replace(body, language=example.language)
    screening = screen.judge(message, body, _OURS, example.at or RECEIVED)
    subject = subject_of(message, body)
    found = judge_cues.find(
        body, subject, screening.received_at, CALENDAR.zone, message.attachments,
        forwarded=screening.forwarded_by is not None,
    )  # fmt: skip
    return Parts(message, body, screening, found)


class House:
    """A judge that goes the whole way. The parts of `kept` examples are made once and remembered."""

    def __init__(self, kept: Iterable[Example] = ()) -> None:
        self._kept = frozenset(example.id for example in kept)
        self._parts: dict[str, Parts] = {}

    def parts(self, example: Example) -> Parts:
        """What is known of the example before any model."""
        found = self._parts.get(example.id) or parts(example)
        if example.id in self._kept:
            self._parts[example.id] = found
        return found

    def signs(self, example: Example) -> tuple[str, ...]:
        """What the second stage of a model weighs."""
        own = self.parts(example)
        return signs.of(own.cues, own.screening.received_at)

    def words(self, examples: Sequence[Example]) -> list[Words]:
        """The words of each example as the desk would ask the model about them."""
        found = []
        for example in examples:
            own = self.parts(example)
            words = words_of(own.message, own.body, own.cues, own.screening.received_at)
            found.append(replace(words, text=example.text) if example.clean else words)
        return found

    def __call__(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], limits: Mapping[str, float]
    ) -> list[Judged]:
        thresholds = thresholds_of(limits)
        found = []
        for example, prediction in zip(examples, predictions, strict=True):
            own = self.parts(example)
            decided = verdict.of(
                own.message,
                own.body,
                own.screening,
                own.cues,
                prediction,
                thresholds,
                CALENDAR,
                learned_flags=prediction.flags,
            )
            flags = tuple(flag.name for flag in decided.flags)
            found.append(Judged(decided.disposition, decided.complaint_type, decided.urgency, flags, decided.review))
        return found


def thresholds_of(limits: Mapping[str, float]) -> Thresholds:
    """The thresholds of a card; what it does not name keeps its default."""
    names = set(Thresholds.__slots__)
    return replace(Thresholds(), **{name: float(value) for name, value in limits.items() if name in names})
