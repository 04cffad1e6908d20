"""The default model: linear heads over one shared row of features. Needs numpy and scipy to predict, scikit-learn to
train.

The heads: is it a complaint; if not, what else; if so, which type; how urgent, as three ordered questions (above low?
above normal? above urgent?); and one question a flag. Each head's margins are calibrated: one temperature for the choices,
Platt's two numbers for the questions (docs/quality.md says why). Where a mail's signs are known, the second stage
(`triage.judge.weigh`) weighs what the heads say together with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from triage.judge.classify import Prediction, Words
from triage.judge.features import Features, analyse, with_sentences
from triage.judge.weigh import Weighing
from triage.words import Disposition, Urgency

FloatArray = NDArray[np.float64]

#: the three ordered questions of the urgency head
ABOVE = (Urgency.NORMAL, Urgency.URGENT, Urgency.CRITICAL)
_BATCH = 512
_TERMS = 5


@dataclass(slots=True)
class Head:
    """A choice (softmax over `labels`) or, where `independent`, one yes-or-no question a label.

    `weights` is (features, labels) float32, `bias` (labels,). Calibrated margin: `scale * margin + shift`, (labels,)
    each.
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: FloatArray
    scale: FloatArray
    shift: FloatArray
    independent: bool = False

    def probabilities(self, margins: FloatArray) -> FloatArray:
        """(rows, labels) raw margins -> probabilities; a choice's rows add up to 1."""
        z = margins * self.scale + self.shift
        if self.independent:
            return np.asarray(1.0 / (1.0 + np.exp(-np.clip(z, -35, 35))))
        z = np.exp(z - z.max(axis=1, keepdims=True))
        return np.asarray(z / z.sum(axis=1, keepdims=True))


@dataclass(slots=True)
class LinearModel:
    """See the module. `card` is filled by the trainer; `familiar` holds 101 quantiles of the largest type margin."""

    name: str
    features: Features
    heads: dict[str, Head]  # complaint, other, type, urgency, flags
    familiar: FloatArray
    card: Mapping[str, Any] = field(default_factory=dict)
    weighing: Weighing | None = None
    _names: list[str] | None = field(default=None, repr=False)

    def predict(self, words: Sequence[Words]) -> list[Prediction]:
        """One prediction a mail, in order. Batches bound the memory."""
        found: list[Prediction] = []
        for start in range(0, len(words), _BATCH):
            batch = words[start : start + _BATCH]
            texts = [(w.subject, w.text, w.language) for w in batch]
            analyses = [analyse(*text) for text in texts]
            rows = self.features.rows(with_sentences(analyses, texts) if self.features.semantic else analyses)
            margins = self.margins(rows)
            shares = {name: self.heads[name].probabilities(values) for name, values in margins.items()}
            shares = self._weighed(shares, batch, [len(one.words) for one in analyses])
            terms = self._terms_of(rows, shares)
            found.extend(self.told(shares, margins["type"].max(axis=1, initial=-np.inf), terms))
        return found

    def _weighed(
        self, shares: dict[str, FloatArray], batch: Sequence[Words], lengths: Sequence[int]
    ) -> dict[str, FloatArray]:
        """The second stage for the mails whose signs are known; what the heads say for the others."""
        known = [i for i, one in enumerate(batch) if one.signs is not None]
        if self.weighing is None or not known:
            return shares
        of_known = {name: values[known] for name, values in shares.items()}
        signs = [batch[i].signs or () for i in known]
        weighed = self.weighing.weigh(of_known, self.heads["flags"].labels, signs, [lengths[i] for i in known])
        found = {name: values.copy() for name, values in shares.items()}
        for name, values in weighed.items():
            found[name][known] = values
        return found

    def margins(self, rows: sparse.csr_matrix) -> dict[str, FloatArray]:
        """Raw margins of every head, (rows, labels) each, from one multiplication."""
        stacked = np.asarray(rows @ np.hstack([head.weights for head in self.heads.values()]), dtype=np.float64)
        found, at = {}, 0
        for name, head in self.heads.items():
            width = len(head.labels)
            found[name] = stacked[:, at : at + width] + head.bias
            at += width
        return found

    def _terms_of(
        self, rows: sparse.csr_matrix, shares: Mapping[str, FloatArray]
    ) -> list[tuple[tuple[str, float], ...]]:
        levels = urgency_shares(shares["urgency"]).argmax(axis=1)
        return [self._terms(rows, i, int(shares["type"][i].argmax()), int(levels[i])) for i in range(rows.shape[0])]

    def told(
        self, shares: Mapping[str, FloatArray], largest: FloatArray, terms: Sequence[tuple[tuple[str, float], ...]]
    ) -> list[Prediction]:
        """Calibrated probabilities of every head, the largest type margin and the terms of each row -> predictions."""
        complaint, levels = shares["complaint"][:, 0], urgency_shares(shares["urgency"])
        scope = np.searchsorted(self.familiar, largest) / len(self.familiar)
        types, others, flags = self.heads["type"].labels, self.heads["other"].labels, self.heads["flags"].labels
        found = []
        for i, spoken in enumerate(terms):
            disposition = {str(Disposition.COMPLAINT): float(complaint[i])}
            disposition.update(zip(others, ((1 - complaint[i]) * shares["other"][i]).tolist(), strict=True))
            found.append(
                Prediction(
                    disposition=disposition,
                    complaint_type=dict(zip(types, shares["type"][i].tolist(), strict=True)),
                    urgency={level.word: float(levels[i, level - 1]) for level in Urgency},
                    terms=spoken,
                    model=self.name,
                    in_scope=float(scope[i]),
                    flags=dict(zip(flags, shares["flags"][i].tolist(), strict=True)),
                )
            )
        return found

    def _terms(self, rows: sparse.csr_matrix, i: int, kind: int, level: int) -> tuple[tuple[str, float], ...]:
        """The words that spoke most for the type and for the level; letters and meanings have no words to show."""
        if self._names is None:
            self._names = self.features.names()
        columns = rows.indices[rows.indptr[i] : rows.indptr[i + 1]]
        data = rows.data[rows.indptr[i] : rows.indptr[i + 1]]
        shown = columns < self.features.shown
        columns, data = columns[shown], data[shown]
        question = self.heads["urgency"].weights[columns, max(level - 1, 0)] * (1.0 if level else -1.0)
        found: dict[str, float] = {}
        for weights in (self.heads["type"].weights[columns, kind], question):
            spoken = data * weights
            best = np.argsort(-spoken, kind="stable")[:_TERMS]
            found.update((self._names[columns[j]], round(float(spoken[j]), 3)) for j in best if spoken[j] > 0)
        return tuple(found.items())


def urgency_shares(above: FloatArray) -> FloatArray:
    """(rows, 3) P(above low), P(above normal), P(above urgent) -> (rows, 4) P(low) ... P(critical).

    A later question can be no likelier than an earlier one; where three fitted questions disagree, the more urgent
    wins.
    """
    ordered = np.maximum.accumulate(above[:, ::-1], axis=1)[:, ::-1]
    edges = np.hstack([np.ones((len(above), 1)), ordered, np.zeros((len(above), 1))])
    return np.asarray(edges[:, :-1] - edges[:, 1:])
