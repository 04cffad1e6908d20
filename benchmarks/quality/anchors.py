"""What everybody knows: TF-IDF with logistic regression, linear support vectors, naive Bayes, the commonest class.

Settings are fixed beforehand, the same for every set (C 10 for logistic regression, 0.5 for support vectors). `Fitted`
is what a contender hands over, an anchor or ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_union
from sklearn.svm import LinearSVC

from benchmarks.quality.metrics import FloatArray, IntArray
from benchmarks.quality.sets import Part
from triage.learn import calibrate

FOLDS = 5
WORDS, LETTERS, SENTENCES, NOTHING = "words", "words and letters", "sentences", "nothing"  # kinds of features


@dataclass(frozen=True, slots=True)
class Scores:
    """`shares` (texts, labels) probabilities; `largest` (texts,) the largest raw margin, -inf where there is none."""

    shares: FloatArray
    largest: FloatArray


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was said of the training texts by folds that had not seen them, and how any text is scored."""

    unseen: Scores
    score: Callable[[Sequence[str]], Scores]


class Contender(Protocol):
    """Something that learns. Labels are in alphabetical order everywhere."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def fit(self, part: Part, seed: int) -> Fitted: ...


def folds(texts: int, seed: int, count: int = FOLDS) -> Iterator[tuple[IntArray, IntArray]]:
    """(known, unseen) places: the folds that `triage.learn.train` makes where every text has a customer of its own."""
    yield from GroupKFold(count, shuffle=True, random_state=seed).split(np.arange(texts), groups=np.arange(texts))


@dataclass(frozen=True, slots=True)
class Anchor:
    """Vectors and an estimator of scikit-learn. `calibrated`: one temperature (two classes: Platt's two numbers) fitted on
    the margins of texts that folds had not seen; else the margins go through the softmax as they are."""

    name: str
    kind: str
    vectors: Callable[[], Any]
    estimator: Callable[[int], Any]
    calibrated: bool = False

    def fit(self, part: Part, seed: int) -> Fitted:
        classes = sorted(set(part.labels))
        labels = np.array([classes.index(label) for label in part.labels], dtype=np.intp)
        margins = np.full((len(labels), len(classes)), -30.0)
        for known, unseen in folds(len(labels), seed):
            told = self._learn(part.at(known.tolist()).texts, labels[known], seed, len(classes))
            margins[unseen] = told(part.at(unseen.tolist()).texts)
        scale, shift = np.ones(len(classes)), np.zeros(len(classes))
        if self.calibrated and len(classes) == 2:
            scale[:], shift[1] = calibrate.platt(margins[:, 1] - margins[:, 0], labels == 1)
        elif self.calibrated:
            scale[:] = calibrate.temperature(margins, labels)
        told = self._learn(part.texts, labels, seed, len(classes))

        def score(given: Sequence[str]) -> Scores:
            return _scores(told(given), scale, shift)

        return Fitted(_scores(margins, scale, shift), score)

    def _learn(
        self, texts: Sequence[str], labels: IntArray, seed: int, classes: int
    ) -> Callable[[Sequence[str]], FloatArray]:
        vectors, estimator = self.vectors(), self.estimator(seed)
        estimator.fit(vectors.fit_transform(texts), labels)

        def margins(given: Sequence[str]) -> FloatArray:
            rows = vectors.transform(given)
            if hasattr(estimator, "decision_function"):
                told = estimator.decision_function(rows)
                told = np.column_stack([-told / 2, told / 2]) if told.ndim == 1 else told
            else:
                told = estimator.predict_log_proba(rows)
            found = np.full((len(given), classes), -30.0)  # a class that a fold has not met
            found[:, estimator.classes_] = told
            return found

        return margins


def _scores(margins: FloatArray, scale: FloatArray, shift: FloatArray) -> Scores:
    z = margins * scale + shift
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return Scores(z / z.sum(axis=1, keepdims=True), margins.max(axis=1))


def _words() -> Any:
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)


def _letters() -> Any:
    letters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, max_features=200_000, dtype=np.float32
    )
    return make_union(_words(), letters)


def _logistic(seed: int) -> Any:
    return LogisticRegression(C=10.0, max_iter=300)


def _vectors(seed: int) -> Any:
    return LinearSVC(C=0.5, random_state=seed)


ANCHORS: tuple[Anchor, ...] = (
    Anchor("words + logistic regression", WORDS, _words, _logistic),
    Anchor("words + support vectors, calibrated", WORDS, _words, _vectors, calibrated=True),
    Anchor("words and letters + support vectors, calibrated", LETTERS, _letters, _vectors, calibrated=True),
    Anchor("words + complement naive Bayes", WORDS, _words, lambda seed: ComplementNB()),
    Anchor("commonest class", NOTHING, _words, lambda seed: DummyClassifier(strategy="prior")),
)
