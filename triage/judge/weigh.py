"""The second stage of the model: what the words say and what the cues found, weighed together.

The first stage (`triage.judge.linear`) reads words and knows nothing of a date that lies two days ahead; the cues know
nothing of what a mail is about. Small boosted trees put both together for two matters, is it a complaint and how
urgent is it, and a logistic regression a flag says how far a wording of that flag can be believed. Trained on what the
first stage said of mail it had not seen (stacking, Wolpert 1992); measured in docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.judge.signs import FLAG

FloatArray = NDArray[np.float64]
FIRST = ("urgency", "type", "flags", "complaint", "other")  # heads of the first stage, in the order of the columns
_SURE = 1e-4  # probabilities nearer to 0 or 1 than this speak no louder


@dataclass(frozen=True, slots=True)
class Forest:
    """Boosted regression trees as arrays of (trees, nodes): a row goes `left` where its `column` is at most `cut`. A leaf
    leads to itself. `margin = start + sum of the leaves' values`, then calibrated: `scale * margin + shift`."""

    column: NDArray[np.int16]
    cut: NDArray[np.float32]
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: NDArray[np.float32]
    depth: int
    start: float
    scale: float = 1.0
    shift: float = 0.0

    def margins(self, rows: NDArray[np.float32]) -> FloatArray:
        """(n,) raw margins of (n, columns)."""
        trees = np.arange(len(self.column))
        lines = np.arange(len(rows))[:, None]
        node = np.zeros((len(rows), len(trees)), dtype=np.intp)
        for _ in range(self.depth):
            low = rows[lines, self.column[trees, node]] <= self.cut[trees, node]
            node = np.where(low, self.left[trees, node], self.right[trees, node])
        return np.asarray(self.start + self.value[trees, node].sum(axis=1, dtype=np.float64))

    def probabilities(self, rows: NDArray[np.float32]) -> FloatArray:
        """(n,) calibrated."""
        return expit(self.scale * self.margins(rows) + self.shift)


@dataclass(frozen=True, slots=True)
class Weighing:
    """The fitted second stage. `signs` are its columns behind those of the first stage's heads and the length.

    `urgency` answers the ordered questions of the first stage's urgency head. `flags` (names, 3): for each flag of the
    first stage the bias, the weight of its log odds and that of the sign that its wording was found.
    """

    signs: tuple[str, ...]
    complaint: Forest
    urgency: tuple[Forest, ...]
    flags: FloatArray

    def weigh(
        self,
        shares: Mapping[str, FloatArray],
        names: Sequence[str],
        signs: Sequence[Sequence[str]],
        lengths: Sequence[int],
    ) -> dict[str, FloatArray]:
        """The first stage's probabilities with those of complaint, urgency and flags weighed anew; (n, labels) each.

        `names` are the labels of the flags head, `signs` and `lengths` (words) those of each mail.
        """
        table = rows(shares, self.signs, signs, lengths)
        return {
            **shares,
            "complaint": self.complaint.probabilities(table)[:, None],
            "urgency": np.column_stack([forest.probabilities(table) for forest in self.urgency]),
            "flags": expit(flag_margins(self.flags, shares["flags"], worded(names, signs))),
        }


def rows(
    shares: Mapping[str, FloatArray], known: Sequence[str], signs: Sequence[Sequence[str]], lengths: Sequence[int]
) -> NDArray[np.float32]:
    """(n, columns) what the second stage looks at: log odds of the first stage, the length, one column a known sign."""
    place = {name: i for i, name in enumerate(known)}
    found = np.zeros((len(signs), len(known)), dtype=np.float32)
    for line, names in enumerate(signs):
        found[line, [place[name] for name in names if name in place]] = 1.0
    first = [log_odds(shares[name]) for name in FIRST]
    return np.hstack([*first, np.log1p(np.asarray(lengths, dtype=np.float64))[:, None], found]).astype(np.float32)


def worded(names: Sequence[str], signs: Sequence[Sequence[str]]) -> FloatArray:
    """(n, flags) 1.0 where the cues found a wording of the flag."""
    said = [frozenset(one) for one in signs]
    return np.array([[FLAG + name in one for name in names] for one in said], dtype=np.float64).reshape(-1, len(names))


def flag_margins(weights: FloatArray, learned: FloatArray, found: FloatArray) -> FloatArray:
    """(n, flags) log odds of each flag from the first stage's probability and the wording; `weights` as in `Weighing`."""
    return np.asarray(weights[:, 0] + weights[:, 1] * log_odds(learned) + weights[:, 2] * found)


def log_odds(shares: FloatArray) -> FloatArray:
    """Bounded log odds of probabilities."""
    held = np.clip(shares, _SURE, 1 - _SURE)
    return np.asarray(np.log(held / (1 - held)))


def expit(margins: FloatArray) -> FloatArray:
    """1 / (1 + e^-margin)."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(margins, -35, 35))))
