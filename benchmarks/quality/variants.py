"""Which setting of the trainer would serve a set better: one change at a time, cross-validated on the training part.

Same features, same folds, one fit a fold on the fold's own vocabulary, as `triage.learn.train` makes its out-of-fold
margins; only the type head (of a ranking: the one question), and no calibration, which does not move accuracy or order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from benchmarks.quality import metrics
from benchmarks.quality.anchors import FOLDS, folds
from benchmarks.quality.metrics import FloatArray, IntArray
from benchmarks.quality.sets import OTHER, URGENT, Part
from triage.judge.features import Analysis, analyse
from triage.learn import train, vocabulary

_ENOUGH = 4_000  # texts a comparison is made on: more would take hours and change no choice


@dataclass(frozen=True, slots=True)
class Variant:
    """The shipped settings with some numbers changed. `svc`: linear support vectors with this C."""

    name: str
    share: Mapping[str, float] = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    strength: float | None = None
    svc: float | None = None


SHIPPED = Variant("as shipped")
VARIANTS: tuple[Variant, ...] = (
    SHIPPED,
    Variant("the weights of 0.1.0", share={"word": 1.0, "concept": 1.0, "meaning": 0.7}),
    Variant("concepts and meanings at 0.3", share={"concept": 0.3, "meaning": 0.3}),
    Variant("concepts at 0.3", share={"concept": 0.3}),
    Variant("the same, letters at 1.0", share={"concept": 0.3, "meaning": 0.3, "letters": 1.0}),
    Variant("concepts at 0.3, letters at 1.0", share={"concept": 0.3, "letters": 1.0}),
    Variant("words at 2.0", share={"word": 2.0}),
    Variant("no concepts", share={"concept": 0.0}),
    Variant("no meanings", share={"meaning": 0.0}),
    Variant("no letters", share={"letters": 0.0}),
    Variant("words and letters alone", share={"concept": 0.0, "meaning": 0.0}),
    Variant("words alone", share={"concept": 0.0, "letters": 0.0, "meaning": 0.0}),
    Variant("words from one text on", least={"word": 1}, most={"word": 200_000}),
    Variant("letters from two texts on", least={"letters": 2}, most={"letters": 200_000}),
    Variant("C 3", strength=3.0),
    Variant("C 30", strength=30.0),
    Variant("support vectors, C 0.3", svc=0.3),
    Variant("support vectors, C 0.3, words and letters alone", svc=0.3, share={"concept": 0.0, "meaning": 0.0}),
)

Splits = Sequence[tuple[IntArray, IntArray]]  # (known, unseen) places of each fold


def compare(
    part: Part, variants: Sequence[Variant] = VARIANTS, seed: int = 1, *, by_source: bool = False
) -> dict[str, dict[str, Any]]:
    """Variant -> accuracy (of a ranking: average precision) with its interval, and the paired difference to what ships.

    `by_source`: each collection is left out in turn instead of a fifth of all texts; what is learnt of the way in which
    one was gathered and cleaned does not help with the others."""
    some = _some(part)
    classes = sorted(set(some.labels))
    truth = np.array([classes.index(label) for label in some.labels], dtype=np.intp)
    analyses = [analyse("", text, "en") for text in some.texts]
    splits = sources(some) if by_source else list(folds(len(truth), seed, FOLDS))
    shipped = margins(analyses, truth, SHIPPED, splits, seed)
    ranking = classes == [OTHER, URGENT]
    found: dict[str, dict[str, Any]] = {}
    for variant in variants:
        told = shipped if variant == SHIPPED else margins(analyses, truth, variant, splits, seed)
        found[variant.name] = {**_judged(told, shipped, truth, ranking=ranking), "texts": len(truth)}
        print(f"    {variant.name}: {found[variant.name]}", flush=True)
    return found


def sources(part: Part) -> Splits:
    """A fold for each collection of the part: trained on the others."""
    came = np.array(part.sources)
    return [(np.flatnonzero(came != one), np.flatnonzero(came == one)) for one in sorted(set(part.sources))]


def margins(analyses: Sequence[Analysis], truth: IntArray, variant: Variant, splits: Splits, seed: int) -> FloatArray:
    """(texts, classes) margins of each text from the fold that had not seen it."""
    plain = train.Settings()
    share = {kind: loud for kind, loud in {**plain.share, **variant.share}.items() if loud}
    least, most = {**plain.least, **variant.least}, {**plain.most, **variant.most}
    classes = int(truth.max()) + 1
    weight = "balanced" if classes == 2 else None  # as the trainer weighs its questions
    found = np.full((len(analyses), classes), -30.0)
    for known, unseen in splits:
        features = vocabulary.choose([analyses[i] for i in known], share, least, most)
        rows: sparse.csr_matrix = features.rows(analyses)
        estimator = (
            LogisticRegression(C=variant.strength or plain.strength, class_weight=weight, max_iter=300)
            if variant.svc is None
            else LinearSVC(C=variant.svc, class_weight=weight, random_state=seed, tol=1e-2)
        )
        told = estimator.fit(rows[known], truth[known]).decision_function(rows[unseen])
        told = np.column_stack([-told, told]) if told.ndim == 1 else told
        found[np.ix_(unseen, estimator.classes_)] = told
    return found


def _some(part: Part) -> Part:
    step = -(-len(part.texts) // _ENOUGH)
    return part.at(range(0, len(part.texts), step))


def _judged(told: FloatArray, shipped: FloatArray, truth: IntArray, *, ranking: bool) -> dict[str, Any]:
    if ranking:
        figures = metrics.of_ranking(1 / (1 + np.exp(-told[:, 1])), truth == 1)
        apart = metrics.ranking_difference(told[:, 1], shipped[:, 1], truth == 1)
        return {"average_precision": figures["average_precision"], "against_shipped": apart.as_json()}
    right, before = told.argmax(axis=1) == truth, shipped.argmax(axis=1) == truth
    apart = metrics.difference(right, before)
    return {"accuracy": metrics.of_choice(told, truth)["accuracy"], "against_shipped": apart.as_json()}
