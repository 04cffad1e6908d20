"""What the first stage said of unseen mail + the signs of its cues -> the second stage (`triage.judge.weigh`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from triage.judge import weigh
from triage.judge.weigh import FloatArray, Forest, Weighing
from triage.learn import calibrate

LEAST_SIGN = 10  # mails that must show a sign before it is looked at
FOLDS = 5
_TREES = 200
_RATE = 0.04
_DEPTH = 4
_LEAST_LEAF = 20  # mails in a leaf


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of the mails: (n,) each, flags (n, flags). `level` is Urgency, 0 where none; `groups` are never split."""

    complaint: NDArray[np.bool_]
    level: NDArray[np.intp]
    edges: Sequence[int]  # the levels that the urgency questions ask "at least?" of
    flags: NDArray[np.bool_]
    groups: NDArray[np.intp]


def fit(
    shares: Mapping[str, FloatArray],
    names: Sequence[str],
    signs: Sequence[Sequence[str]],
    lengths: Sequence[int],
    truth: Truth,
    seed: int,
) -> tuple[Weighing, dict[str, FloatArray]]:
    """The second stage, fitted on all mails, and its calibrated probabilities of each mail from a fold without its group.

    `shares` are the first stage's, of mail it had not seen; `names` the labels of its flags head.
    """
    counted = Counter(name for one in signs for name in set(one))
    known = tuple(sorted(name for name, n in counted.items() if n >= LEAST_SIGN))
    table = weigh.rows(shares, known, signs, lengths)
    dated = truth.level > 0
    asked = [(np.ones(len(table), dtype=bool), truth.complaint)]
    asked += [(dated, truth.level >= edge) for edge in truth.edges]
    forests, told = [], []
    for at, yes in asked:
        margins = np.zeros(len(table))
        for fitted, unseen in _splits(truth.groups):
            margins[unseen] = _forest(table[fitted & at], yes[fitted & at], seed).margins(table[unseen])
        scale, shift = calibrate.platt(margins[at], yes[at])
        forests.append(replace(_forest(table[at], yes[at], seed), scale=scale, shift=shift))
        told.append(weigh.expit(scale * margins + shift))
    found = weigh.worded(names, signs)
    flags = np.zeros_like(shares["flags"])
    for fitted, unseen in _splits(truth.groups):
        weights = _believed(shares["flags"][fitted], found[fitted], truth.flags[fitted])
        flags[unseen] = weigh.expit(weigh.flag_margins(weights, shares["flags"][unseen], found[unseen]))
    weighing = Weighing(known, forests[0], tuple(forests[1:]), _believed(shares["flags"], found, truth.flags))
    unseen_shares = {**shares, "complaint": told[0][:, None], "urgency": np.column_stack(told[1:]), "flags": flags}
    return weighing, unseen_shares


def _splits(groups: NDArray[np.intp]) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    folds = min(FOLDS, len(np.unique(groups)))
    found = []
    for _, unseen in GroupKFold(folds).split(groups, groups=groups):
        held = np.zeros(len(groups), dtype=bool)
        held[unseen] = True
        found.append((~held, held))
    return found


def _forest(table: NDArray[np.float32], yes: NDArray[np.bool_], seed: int) -> Forest:
    """Boosted trees as arrays; where all answers are the same, a forest that always says so."""
    share = float(np.clip(yes.mean(), 1e-3, 1 - 1e-3)) if len(yes) else 0.5
    start = float(np.log(share / (1 - share)))
    if not len(yes) or yes.all() or not yes.any():
        here, nothing = np.zeros((1, 1), np.int16), np.zeros((1, 1), np.float32)
        return Forest(here, nothing, here, here, nothing, 0, start)
    return packed(boosted(table, yes, seed))


def boosted(table: NDArray[np.float32], yes: NDArray[np.bool_], seed: int) -> GradientBoostingClassifier:
    """scikit-learn's boosted trees. The settings were chosen by cross-validation over writers (docs/quality.md)."""
    fitted = GradientBoostingClassifier(
        n_estimators=_TREES, learning_rate=_RATE, max_depth=_DEPTH, min_samples_leaf=_LEAST_LEAF,
        subsample=0.5, max_features=0.3, init="zero", random_state=seed,
    )  # fmt: skip
    return fitted.fit(table, yes)


def packed(fitted: GradientBoostingClassifier) -> Forest:
    """The same trees as arrays: predicting then needs numpy only, and one pass over a batch answers for all trees."""
    trees = [one.tree_ for one in fitted.estimators_[:, 0]]
    size = max(tree.node_count for tree in trees)
    shape = (len(trees), size)
    column, cut, value = np.zeros(shape, np.int16), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    left = np.tile(np.arange(size, dtype=np.int16), (len(trees), 1))
    right = left.copy()
    for i, tree in enumerate(trees):
        inner = np.nonzero(tree.children_left >= 0)[0]
        column[i, inner], cut[i, inner] = tree.feature[inner], _float32_at_most(tree.threshold[inner])
        left[i, inner], right[i, inner] = tree.children_left[inner], tree.children_right[inner]
        value[i, : tree.node_count] = _RATE * tree.value[:, 0, 0]
    return Forest(column, cut, left, right, value, max(int(tree.max_depth) for tree in trees), 0.0)


def _float32_at_most(cuts: FloatArray) -> NDArray[np.float32]:
    """The greatest float32 that is not above each cut: a float32 row then falls on the same side as for scikit-learn."""
    near = cuts.astype(np.float32)
    return np.where(near > cuts, np.nextafter(near, np.float32(-np.inf)), near).astype(np.float32)


def _believed(learned: FloatArray, found: FloatArray, yes: NDArray[np.bool_]) -> FloatArray:
    """(flags, 3) bias, weight of the log odds, weight of the wording; one that has nothing to learn from keeps the log
    odds."""
    weights = np.tile([0.0, 1.0, 0.0], (yes.shape[1], 1))
    for k in range(yes.shape[1]):
        if yes[:, k].all() or not yes[:, k].any():
            continue
        table = np.column_stack([weigh.log_odds(learned[:, k]), found[:, k]])
        fitted = LogisticRegression(C=1.0).fit(table, yes[:, k])
        weights[k] = [float(fitted.intercept_[0]), *fitted.coef_[0]]
    return weights
