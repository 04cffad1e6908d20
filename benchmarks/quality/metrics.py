"""Probabilities and labels -> the figures of the tables, with 95 % intervals. Pure, deterministic by seed.

Rates of texts carry Wilson's interval; figures that are no plain rate (macro-F1, calibration error, coverage, average
precision) the percentile bootstrap over texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from triage.learn.calibrate import expected_calibration_error, wilson

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]

_DRAWS = 500  # bootstrap resamples
BINS = 15  # of equal mass, for the calibration error
SELECTED = 0.80  # share of texts that is answered, the surest first
PROMISED = 0.95  # accuracy that is promised for what is answered
REVIEWED = 0.20  # share of texts that people look at, the likeliest urgent first


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> list[float]:
        return [round(self.value, 4), round(self.low, 4), round(self.high, 4)]


def macro_f1(truth: IntArray, said: IntArray, classes: int) -> float:
    """Mean F1 over the classes that occur among the labels."""
    hits = np.bincount(truth[truth == said], minlength=classes)
    there = np.bincount(truth, minlength=classes)
    called = np.bincount(said, minlength=classes)
    scores = 2 * hits / np.maximum(there + called, 1)
    return float(scores[there > 0].mean())


def selective_accuracy(confidence: FloatArray, right: BoolArray, share: float = SELECTED) -> tuple[int, int]:
    """(right, answered) when only the surest `share` of the texts is answered."""
    answered = int(share * len(right))
    surest = np.argsort(-confidence, kind="stable")[:answered]
    return int(right[surest].sum()), answered


def coverage(confidence: FloatArray, right: BoolArray, promised: float = PROMISED) -> float:
    """The largest share of texts, the surest first, whose accuracy is still `promised`; 0 where there is none."""
    hits = np.cumsum(right[np.argsort(-confidence, kind="stable")])
    kept = np.flatnonzero(hits / np.arange(1, len(right) + 1) >= promised)
    return float((kept[-1] + 1) / len(right)) if len(kept) else 0.0


def recall_at_precision(scores: FloatArray, urgent: BoolArray, precision: float = 0.5) -> float:
    """The largest recall at a threshold that keeps the precision; a threshold takes all of its equals."""
    hits, looked = _thresholds(scores, urgent)
    kept = hits[hits / looked >= precision]
    return float(kept[-1] / hits[-1]) if len(kept) else 0.0


def missed_at_review(scores: FloatArray, urgent: BoolArray, share: float = REVIEWED) -> float:
    """Share of the urgent texts outside the `share` of all texts with the highest scores."""
    reviewed = np.argsort(-scores, kind="stable")[: int(share * len(scores))]
    return float(1 - urgent[reviewed].sum() / urgent.sum())


def average_precision(scores: FloatArray, urgent: BoolArray) -> float:
    """Precision at each threshold that finds more urgent texts, weighed by how many; a threshold takes all of its equals."""
    hits, looked = _thresholds(scores, urgent)
    return float((np.diff(hits, prepend=0) * hits / looked).sum() / hits[-1])


def rejected_outside(inside: FloatArray, outside: FloatArray, rejected: float = 0.05) -> dict[str, float]:
    """How well a score tells texts of no class from the others: area under the curve, and the share of them below the
    score that rejects `rejected` of the others."""
    area = roc_auc_score(np.repeat([1, 0], [len(inside), len(outside)]), np.concatenate([inside, outside]))
    cut = np.quantile(inside, rejected)
    return {"auroc": round(float(area), 4), "recall": round(float((outside < cut).mean()), 4)}


def of_choice(shares: FloatArray, truth: IntArray, seed: int = 1) -> dict[str, Any]:
    """The figures of a choice among classes. `shares` (texts, classes), `truth` (texts,) places of the labels."""
    said, confidence, classes = shares.argmax(axis=1), shares.max(axis=1), shares.shape[1]
    right = said == truth
    found = {
        "accuracy": _rate(int(right.sum()), len(right)),
        "macro_f1": _drawn(lambda at: macro_f1(truth[at], said[at], classes), len(truth), seed),
        "ece": _drawn(lambda at: expected_calibration_error(confidence[at], right[at], BINS), len(truth), seed),
        "selective": _rate(*selective_accuracy(confidence, right)),
        "coverage": _drawn(lambda at: coverage(confidence[at], right[at]), len(truth), seed),
    }
    return {name: figure.as_json() for name, figure in found.items()}


def of_ranking(scores: FloatArray, urgent: BoolArray, seed: int = 1) -> dict[str, Any]:
    """The figures of a ranking by the probability (texts,) of being urgent. Needs an urgent text."""
    sure, right = np.maximum(scores, 1 - scores), (scores >= 0.5) == urgent

    def drawn(figure: Callable[[FloatArray, BoolArray], float]) -> Figure:
        def on(at: IntArray) -> float:
            return figure(scores[at], urgent[at]) if urgent[at].any() else 0.0

        return _drawn(on, len(urgent), seed)

    found = {
        "average_precision": drawn(average_precision),
        "recall": drawn(recall_at_precision),
        "missed": drawn(missed_at_review),
        "ece": _drawn(lambda at: expected_calibration_error(sure[at], right[at], BINS), len(urgent), seed),
    }
    return {name: figure.as_json() for name, figure in found.items()}


def difference(ours: BoolArray, theirs: BoolArray, seed: int = 1) -> Figure:
    """Accuracy of the one less that of the other on the same texts: paired bootstrap."""
    apart = ours.astype(float) - theirs.astype(float)
    return _drawn(lambda at: float(apart[at].mean()), len(apart), seed)


def ranking_difference(ours: FloatArray, theirs: FloatArray, urgent: BoolArray, seed: int = 1) -> Figure:
    """Average precision of the one less that of the other on the same texts: paired bootstrap."""

    def on(at: IntArray) -> float:
        if not urgent[at].any():
            return 0.0
        return average_precision(ours[at], urgent[at]) - average_precision(theirs[at], urgent[at])

    return _drawn(on, len(urgent), seed)


def _thresholds(scores: FloatArray, urgent: BoolArray) -> tuple[IntArray, IntArray]:
    """(urgent texts, texts) at or above each distinct score, falling."""
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.append(scores[order][1:] != scores[order][:-1], True))  # the last of its equals
    return np.cumsum(urgent[order], dtype=np.intp)[last], last + 1


def _rate(right: int, total: int) -> Figure:
    return Figure(right / max(total, 1), *wilson(right, total))


def _drawn(figure: Callable[[IntArray], float], texts: int, seed: int) -> Figure:
    draws = np.random.default_rng(seed).integers(0, texts, (_DRAWS, texts))
    low, high = np.quantile([figure(at) for at in draws], (0.025, 0.975))
    return Figure(figure(np.arange(texts)), float(low), float(high))
