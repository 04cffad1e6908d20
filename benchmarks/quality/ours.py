"""The trainer of the project on a public set: `triage.learn.train.fit`, each class a complaint type.

Nothing is adapted but the labels: features, head, folds, temperature and pruning are those of a team's own training. Of a
set about urgency, what is urgent counts as critical and the rest as low, so that the three questions of the urgency head
are one question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.anchors import LETTERS, SENTENCES, Fitted, Scores
from benchmarks.quality.sets import OTHER, URGENT, Part
from triage.judge import encoder
from triage.judge.classify import Prediction
from triage.judge.features import analyse, with_sentences
from triage.judge.linear import LinearModel, urgency_shares
from triage.learn import train
from triage.learn.example import Example
from triage.words import Disposition, Urgency

_BATCH = 500
_LEVEL = {OTHER: Urgency.LOW, URGENT: Urgency.CRITICAL}


@dataclass(frozen=True, slots=True)
class Ours:
    """The trainer with the settings it ships for data of this size; `share` and `folds` change them where given."""

    name: str = "ours"
    semantic: bool = False
    share: Mapping[str, float] = field(default_factory=dict)  # kind of feature -> how loudly it speaks
    folds: int | None = None

    @property
    def kind(self) -> str:
        return SENTENCES if self.semantic else LETTERS

    def fit(self, part: Part, seed: int) -> Fitted:
        ranking = set(part.labels) <= set(_LEVEL)
        plain = train.Settings.for_size(len(part.texts), semantic=self.semantic)
        settings = replace(plain, share={**plain.share, **self.share}, folds=self.folds or plain.folds)
        trained = train.fit(examples(part), seed, settings=settings)
        labels = sorted(set(part.labels))
        told = [one for one in trained.unseen if one is not None]
        if len(told) != len(part.texts):
            raise ValueError("the trainer left texts without an out-of-fold prediction: the set is too large for folds")
        nothing = np.full(len(told), -np.inf)
        unseen = Scores(np.array([_said(one, labels, ranking) for one in told]), nothing)
        return Fitted(unseen, lambda texts: score(trained.model, texts, ranking))


def examples(part: Part) -> list[Example]:
    """Each text as a complaint of a customer of its own, its label the type (of a set about urgency: the urgency too)."""
    return [
        Example(
            id=f"{place:06d}", group=f"{place:06d}", subject="", text=text, language="en",
            disposition=Disposition.COMPLAINT, complaint_type=label, urgency=_LEVEL.get(label), clean=True,
        )
        for place, (text, label) in enumerate(zip(part.texts, part.labels, strict=True))
    ]  # fmt: skip


def score(model: LinearModel, texts: Sequence[str], ranking: bool) -> Scores:
    """What the finished model says, in batches."""
    shares, largest = [], []
    for first in range(0, len(texts), _BATCH):
        read = [("", text, "en") for text in texts[first : first + _BATCH]]
        analyses = [analyse(*one) for one in read]
        if model.features.semantic:
            analyses = with_sentences(analyses, read)
        margins = model.margins(model.features.rows(analyses))
        told = {name: model.heads[name].probabilities(values) for name, values in margins.items()}
        critical = urgency_shares(told["urgency"])[:, -1]
        shares.append(np.column_stack([1 - critical, critical]) if ranking else told["type"])
        largest.append(margins["type"].max(axis=1))
    return Scores(np.vstack(shares), np.concatenate(largest))


def _said(one: Prediction, labels: Sequence[str], ranking: bool) -> list[float]:
    if ranking:
        return [1 - one.urgency[Urgency.CRITICAL.word], one.urgency[Urgency.CRITICAL.word]]
    return [one.complaint_type[label] for label in labels]


@contextmanager
def remembering() -> Iterator[None]:
    """Inside, the sentence encoder reads each mail once, however often it is asked; nothing is written to disk."""
    plain, known = encoder.encode, dict[tuple[str, ...], NDArray[np.float32]]()

    def encode(mails: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        new = list(dict.fromkeys(key for key in map(tuple, mails) if key not in known))
        known.update(zip(new, plain(new), strict=True))
        found = [known[tuple(mail)] for mail in mails]
        return np.vstack(found) if found else plain(())

    encoder.encode = encode
    try:
        yield
    finally:
        encoder.encode = plain
