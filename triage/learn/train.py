"""Labelled mail -> a calibrated model: `train(examples, seed, progress)`; `fit` also gives what it said of unseen mail.

One vocabulary for all heads. The heads are fitted on everything; their calibration, the
second stage (`triage.learn.weighing`, small data) and the thresholds come from margins that folds without the mail's customer
gave (small data) or from a tenth that is kept apart (large data). The same examples and the same seed give the same model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from sklearn.svm import LinearSVC

from triage.errors import TooLittleToLearn
from triage.judge.classify import Prediction
from triage.judge.features import Analysis, Features, analyse, with_sentences
from triage.judge.linear import ABOVE, FloatArray, Head, LinearModel
from triage.learn import calibrate, thresholds, vocabulary, weighing
from triage.learn.example import Example
from triage.words import Urgency

Progress = Callable[[str, float], None]  # what is being done, and the share of the whole that is done

LARGE = 20_000  # mails from which the fast settings hold
LEAST = 60  # complaints below which nothing is learnt


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run of the trainer depends on but its data. Chosen by cross-validation; see docs/quality.md."""

    share: Mapping[str, float] = field(
        default_factory=lambda: {"word": 1.2, "concept": 0.5, "letters": 0.7, "meaning": 0.3}
    )
    least: Mapping[str, int] = field(default_factory=lambda: {"word": 2, "concept": 2, "letters": 4})
    most: Mapping[str, int] = field(default_factory=lambda: {"word": 60_000, "concept": 15_000, "letters": 40_000})
    columns: int = 30_000  # columns kept of the finished model: those whose weights matter most
    strength: float = 10.0  # C of the logistic regressions
    other_share: float = 0.2  # weight of each further acceptable label
    second_share: float = 0.1  # weight of a second issue of the mail
    folds: int = 5
    counted: int = 20_000  # mails from which the vocabulary is chosen
    fast: bool = False  # linear support vectors and one split instead of logistic regression and folds, no second stage

    @staticmethod
    def for_size(mails: int, *, semantic: bool = False) -> Settings:
        """Small data: everything helps, sentences too where `semantic`. Large data: letters cost time and give nothing
        (measured), and there the words alone have taught what an encoder knows."""
        if mails < LARGE:
            plain = Settings()
            # beside whole sentences the meaning of single words adds nothing (measured)
            louder = {**plain.share, "concept": 0.7, "meaning": 0.0, "sentence": 0.8}
            return replace(plain, share=louder) if semantic else plain
        return Settings(
            share={"word": 1.2, "concept": 0.5, "meaning": 0.3},
            least={"word": 4, "concept": 4},
            most={"word": 80_000, "concept": 10_000},
            columns=60_000,
            strength=0.3,
            fast=True,
        )


@dataclass(slots=True)
class Sheet:
    """The labels of the examples as arrays, one row an example; built once."""

    rows: sparse.csr_matrix
    types: tuple[str, ...]
    others: tuple[str, ...]
    flags: tuple[str, ...]
    complaint: NDArray[np.bool_]
    type_shares: FloatArray  # (n, types), rows of complaints add up to 1
    other: NDArray[np.intp]  # -1 for complaints
    level: NDArray[np.intp]  # Urgency, 0 where none
    level_shares: FloatArray  # (n, 3): how far "above" each of `ABOVE` holds, 0..1
    flag: NDArray[np.bool_]  # (n, flags)
    groups: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and its out-of-fold prediction of each example (None where it has none): what it says of unseen mail."""

    model: LinearModel
    unseen: tuple[Prediction | None, ...]


def train(
    examples: Sequence[Example],
    seed: int,
    progress: Progress = lambda what, done: None,
    settings: Settings | None = None,
) -> LinearModel:
    """The model of `fit`."""
    return fit(examples, seed, progress, settings).model


def fit(
    examples: Sequence[Example],
    seed: int,
    progress: Progress = lambda what, done: None,
    settings: Settings | None = None,
    signs: Callable[[Example], Sequence[str]] | None = None,
) -> Trained:
    """Fit, calibrate, choose thresholds. Raises TooLittleToLearn below `LEAST` complaints or two complaint types.

    `signs` gives what the cues found in an example (`triage.learn.judged.House.signs`); with it a second stage is fitted.

    The model's card holds `labels`, `examples`, `oof` (out-of-fold scores), `thresholds` and `settings`; name, digest,
    date and versions are added by `triage.learn.workbench` and `triage.world.artefact`.
    """
    chosen = settings or Settings.for_size(len(examples))
    _enough(examples)
    progress("reading the words", 0.0)
    analyses = _analyses(examples, progress, semantic=bool(chosen.share.get("sentence")))
    progress("choosing the features", 0.35)
    step = -(-len(analyses) // chosen.counted)  # an even spread is enough to choose features from
    features = vocabulary.choose(analyses[::step], chosen.share, chosen.least, chosen.most)
    sheet = _sheet(examples, features.rows(analyses), chosen)
    heads, margins, held = (_one_split if chosen.fast else _folds)(sheet, analyses, chosen, seed, progress)
    _calibrate(heads, margins, sheet, held)
    _prune(features, heads, chosen.columns)
    largest = margins["type"][held & sheet.complaint].max(axis=1)
    model = LinearModel("", features, heads, np.quantile(largest, np.linspace(0, 1, 101)))
    shares = {name: heads[name].probabilities(values) for name, values in margins.items()}
    if signs and not chosen.fast:
        progress("weighing words and signs", 0.95)
        found, lengths = [signs(example) for example in examples], [len(one.words) for one in analyses]
        model.weighing, shares = weighing.fit(shares, sheet.flags, found, lengths, _truth(sheet), seed)
    limits, scores = thresholds.choose(examples, sheet.types, shares, held)
    model.card = {
        "labels": {"types": list(sheet.types), "others": list(sheet.others), "flags": list(sheet.flags)},
        "examples": _counts(examples),
        "seed": seed,
        "settings": _plain(chosen),
        "thresholds": limits,
        "oof": scores,
    }
    told = model.told(shares, margins["type"].max(axis=1, initial=-np.inf), [()] * len(examples))
    progress("done", 1.0)
    return Trained(model, tuple(one if seen else None for one, seen in zip(told, held.tolist(), strict=True)))


def _enough(examples: Sequence[Example]) -> None:
    complaints = [e for e in examples if e.is_complaint]
    types = Counter(e.complaint_type for e in complaints)
    if len(complaints) < LEAST or len(types) < 2 or len({e.group for e in examples}) < 5:
        raise TooLittleToLearn(
            f"{len(complaints)} complaints of {len(types)} types from {len({e.group for e in examples})} customers;",
            fix=f"at least {LEAST} complaints of 2 types from 5 customers are needed.",
        )


def _analyses(examples: Sequence[Example], progress: Progress, *, semantic: bool = False) -> list[Analysis]:
    found: list[Analysis] = []
    for first in range(0, len(examples), 500):
        progress("reading the words", 0.35 * first / len(examples))
        read = [example.words() for example in examples[first : first + 500]]
        texts = [(words.subject, words.text, words.language) for words in read]
        part = [analyse(*text) for text in texts]
        found += with_sentences(part, texts) if semantic else part
    return found


def _sheet(examples: Sequence[Example], rows: sparse.csr_matrix, settings: Settings) -> Sheet:
    types = tuple(sorted({e.complaint_type for e in examples if e.is_complaint and e.complaint_type}))
    others = tuple(sorted({str(e.disposition) for e in examples if not e.is_complaint})) or ("enquiry",)
    flags = tuple(sorted(name for name, n in Counter(f for e in examples for f in set(e.flags)).items() if n >= 15))
    place = {name: i for i, name in enumerate(types)}
    groups = {name: i for i, name in enumerate(sorted({e.group for e in examples}))}
    n = len(examples)
    sheet = Sheet(
        rows, types, others, flags,
        complaint=np.array([e.is_complaint and e.complaint_type is not None for e in examples]),
        type_shares=np.zeros((n, len(types))),
        other=np.array([-1 if e.is_complaint else others.index(str(e.disposition)) for e in examples], dtype=np.intp),
        level=np.array([e.urgency or 0 for e in examples], dtype=np.intp),
        level_shares=np.zeros((n, len(ABOVE))),
        flag=np.array([[f in e.flags for f in flags] for e in examples]).reshape(n, len(flags)),
        groups=np.array([groups[e.group] for e in examples], dtype=np.intp),
    )  # fmt: skip
    for i, example in enumerate(examples):
        if sheet.complaint[i]:
            also = {t: settings.second_share for t in example.secondary if t in place}
            also.update({t: settings.other_share for t in example.types if t in place})
            also.pop(str(example.complaint_type), None)
            for name, weight in also.items():
                sheet.type_shares[i, place[name]] = weight
            sheet.type_shares[i, place[str(example.complaint_type)]] = 1 - sum(also.values())
        if example.urgency:
            loud = {u: settings.other_share for u in example.urgencies if u != example.urgency}
            loud[example.urgency] = 1 - sum(loud.values())
            sheet.level_shares[i] = [sum(w for u, w in loud.items() if u >= edge) for edge in ABOVE]
    return sheet


def _truth(sheet: Sheet) -> weighing.Truth:
    return weighing.Truth(sheet.complaint, sheet.level, tuple(map(int, ABOVE)), sheet.flag, sheet.groups)


def _fit(
    sheet: Sheet, at: NDArray[np.intp], settings: Settings, seed: int, rows: sparse.csr_matrix | None = None
) -> dict[str, Head]:
    """The five heads, fitted on the examples `at`, uncalibrated."""
    matrix = sheet.rows if rows is None else rows
    complaints, others = at[sheet.complaint[at]], at[sheet.other[at] >= 0]
    dated = at[sheet.level[at] > 0]
    fits = _Fits(matrix, settings, seed)
    questions = [fits.question(dated, sheet.level_shares[dated, k], balanced=True) for k in range(len(ABOVE))]
    flags = [fits.question(at, sheet.flag[at, k].astype(float)) for k in range(len(sheet.flags))]
    return {
        "complaint": _independent(
            ("complaint",), [fits.question(at, sheet.complaint[at].astype(float), balanced=True)]
        ),
        "other": fits.choice(others, np.eye(len(sheet.others))[sheet.other[others]], sheet.others),
        "type": fits.choice(complaints, sheet.type_shares[complaints], sheet.types),
        "urgency": _independent(tuple(level.word for level in ABOVE), questions),
        "flags": _independent(sheet.flags, flags, matrix.shape[1]),
    }


@dataclass(slots=True)
class _Fits:
    """scikit-learn behind two verbs. Shared labels become weighted copies of a row."""

    rows: sparse.csr_matrix
    settings: Settings
    seed: int

    def question(self, at: NDArray[np.intp], yes: FloatArray, *, balanced: bool = False) -> tuple[FloatArray, float]:
        """(weights, bias) of a yes-or-no question with `yes` in 0..1; constant where all answers are the same."""
        sure = (yes == 0) | (yes == 1)
        take = np.concatenate([at, at[~sure]])
        answers = np.concatenate([yes >= 0.5, yes[~sure] < 0.5])
        loud = np.concatenate([np.maximum(yes, 1 - yes), np.minimum(yes, 1 - yes)[~sure]])
        if not len(take) or answers.all() or not answers.any():
            return np.zeros(self.rows.shape[1]), 3.0 if len(take) and answers.all() else -3.0
        fitted = self._estimator("balanced" if balanced else None).fit(self.rows[take], answers, sample_weight=loud)
        return fitted.coef_[0], float(fitted.intercept_[0])

    def choice(self, at: NDArray[np.intp], shares: FloatArray, labels: tuple[str, ...]) -> Head:
        """A head over `labels`; a label without examples gets a bias that keeps it last."""
        mails, answers = np.nonzero(shares)
        weights, bias = np.zeros((self.rows.shape[1], len(labels))), np.full(len(labels), -9.0)
        seen = np.unique(answers)
        if len(seen) == 1:
            bias[seen] = 0.0
        elif len(seen):
            fitted = self._estimator(None).fit(self.rows[at[mails]], answers, sample_weight=shares[mails, answers])
            coef, shift = fitted.coef_, fitted.intercept_
            if len(seen) == 2:
                coef, shift = np.vstack([-coef / 2, coef / 2]), np.concatenate([-shift / 2, shift / 2])
            weights[:, seen], bias[seen] = coef.T, shift
        return Head(labels, weights.astype(np.float32), bias, np.ones(len(labels)), np.zeros(len(labels)))

    def _estimator(self, weight: str | None) -> Any:
        if self.settings.fast:
            return LinearSVC(C=self.settings.strength, class_weight=weight, random_state=self.seed, tol=1e-2)
        return LogisticRegression(C=self.settings.strength, class_weight=weight, max_iter=300)


def _independent(labels: tuple[str, ...], fitted: Sequence[tuple[FloatArray, float]], width: int = 0) -> Head:
    weights = np.column_stack([w for w, _ in fitted]) if fitted else np.zeros((width, 0))
    bias = np.array([b for _, b in fitted])
    return Head(labels, weights.astype(np.float32), bias, np.ones(len(labels)), np.zeros(len(labels)), independent=True)


Fitted = tuple[dict[str, Head], dict[str, FloatArray], NDArray[np.bool_]]  # heads, margins of unseen mail, which mail


def _folds(sheet: Sheet, analyses: Sequence[Analysis], settings: Settings, seed: int, progress: Progress) -> Fitted:
    """Heads fitted on everything, and margins of each mail from a fold whose vocabulary and heads had not seen its group."""
    progress("fitting on everything", 0.45)
    heads = _fit(sheet, np.arange(len(analyses)), settings, seed)
    margins = {name: np.zeros((len(analyses), len(head.labels))) for name, head in heads.items()}
    folds = min(settings.folds, len(np.unique(sheet.groups)))
    splits = GroupKFold(folds, shuffle=True, random_state=seed).split(analyses, groups=sheet.groups)
    for number, (known, unseen) in enumerate(splits):
        progress("calibrating on mail that was left out", 0.6 + 0.35 * number / folds)
        own = vocabulary.choose([analyses[i] for i in known], settings.share, settings.least, settings.most)
        rows = own.rows(analyses)
        for name, head in _fit(sheet, known, settings, seed, rows).items():
            margins[name][unseen] = np.asarray(rows[unseen] @ head.weights, dtype=np.float64) + head.bias
    return heads, margins, np.ones(len(analyses), dtype=bool)


def _one_split(sheet: Sheet, analyses: Sequence[Analysis], settings: Settings, seed: int, progress: Progress) -> Fitted:
    """Heads fitted on nine tenths, and margins of the customers in the last tenth: at that size nothing is lost by it."""
    progress("fitting", 0.5)
    splitter = GroupShuffleSplit(1, test_size=0.1, random_state=seed)
    known, unseen = next(splitter.split(analyses, groups=sheet.groups))
    heads = _fit(sheet, known, settings, seed)
    margins = {
        name: np.asarray(sheet.rows @ head.weights, dtype=np.float64) + head.bias for name, head in heads.items()
    }
    held = np.zeros(len(analyses), dtype=bool)
    held[unseen] = True
    return heads, margins, held


def _calibrate(
    heads: dict[str, Head], margins: Mapping[str, FloatArray], sheet: Sheet, held: NDArray[np.bool_]
) -> None:
    """Set scale and shift of every head: a temperature for choices, Platt for questions."""
    for name, at, answers in (
        ("type", held & sheet.complaint, sheet.type_shares.argmax(axis=1)),
        ("other", held & (sheet.other >= 0), sheet.other),
    ):
        heads[name].scale[:] = calibrate.temperature(margins[name][at], answers[at])
    for name, at, yes in (
        ("complaint", held, sheet.complaint[:, None]),
        ("urgency", held & (sheet.level > 0), np.column_stack([sheet.level >= edge for edge in ABOVE])),
        ("flags", held, sheet.flag),
    ):
        for k in range(len(heads[name].labels)):
            heads[name].scale[k], heads[name].shift[k] = calibrate.platt(margins[name][at, k], yes[at, k])


def _prune(features: Features, heads: dict[str, Head], columns: int) -> None:
    """Keep the columns that matter most over all heads, and store what a half-precision number can hold."""
    loud = np.sqrt(sum((head.weights.astype(np.float64) ** 2).sum(axis=1) for head in heads.values()))
    words = len(features.weight)
    kept = np.sort(np.argsort(-loud[:words] / features.weight, kind="stable")[:columns])
    renamed = {int(old): new for new, old in enumerate(kept)}
    features.vocabulary = {
        kind: {name: renamed[column] for name, column in known.items() if column in renamed}
        for kind, known in features.vocabulary.items()
    }
    features.weight = features.weight[kept]
    features.forget()
    rest = np.arange(words, len(loud))
    for head in heads.values():
        head.weights = head.weights[np.concatenate([kept, rest])].astype(np.float16).astype(np.float32)


def _counts(examples: Sequence[Example]) -> dict[str, Any]:
    return {
        "mails": len(examples),
        "groups": len({e.group for e in examples}),
        "dispositions": dict(sorted(Counter(str(e.disposition) for e in examples).items())),
        "types": dict(sorted(Counter(e.complaint_type for e in examples if e.complaint_type).items())),
        "urgency": {u.word: sum(e.urgency is u for e in examples) for u in Urgency},
        "languages": dict(sorted(Counter(e.language for e in examples).items())),
    }


def _plain(settings: Settings) -> dict[str, Any]:
    found = asdict(settings)
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in found.items()}
