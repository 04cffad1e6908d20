"""Margins that a model gave to mail it had not seen -> calibrated probabilities, and thresholds that keep a promise.

Every function takes out-of-fold figures: from a model that was trained without the mail (see `triage.learn.train`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.stats import beta, norm

FloatArray = NDArray[np.float64]


def temperature(margins: FloatArray, answers: NDArray[np.intp], weight: FloatArray | None = None) -> float:
    """The factor on the (rows, labels) margins under which the softmax gives the answers the highest likelihood."""
    if not len(margins):
        return 1.0
    loud = np.ones(len(margins)) if weight is None else weight

    def loss(log_factor: float) -> float:
        z = margins * np.exp(log_factor)
        z = z - z.max(axis=1, keepdims=True)
        likely = z[np.arange(len(z)), answers] - np.log(np.exp(z).sum(axis=1))
        return float(-(loud * likely).sum() / loud.sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded").x))


def platt(margins: FloatArray, yes: NDArray[np.bool_]) -> tuple[float, float]:
    """(scale, shift) of the sigmoid through margins (rows,) with Platt's smoothed targets; scale is never negative.

    With no example of one side there is nothing to fit: (1, 0).
    """
    n_yes, n_no = int(yes.sum()), int((~yes).sum())
    if not n_yes or not n_no:
        return 1.0, 0.0
    target = np.where(yes, (n_yes + 1) / (n_yes + 2), 1 / (n_no + 2))

    def loss(ab: FloatArray) -> float:
        z = np.clip(ab[0] * margins + ab[1], -35, 35)
        return float(np.mean(np.logaddexp(0, z) - target * z))

    start = np.array([1.0, float(np.log((n_yes + 1) / (n_no + 1)))])
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(1e-3, 100.0), (-50.0, 50.0)]).x
    return float(found[0]), float(found[1])


def wilson(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Wilson score interval of a rate; (0, 1) where nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + confidence / 2))
    rate = right / total
    middle = rate + z * z / (2 * total)
    width = z * np.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return float(max(0.0, (middle - width) / scale)), float(min(1.0, (middle + width) / scale))


@dataclass(frozen=True, slots=True)
class Promise:
    """A threshold and what it keeps: at or above it `share` of the mails lie, of which `precision` are right."""

    threshold: float
    precision: float
    low: float  # the lower end of the 80 % Wilson interval of the precision
    share: float
    counted: int


def promise(confidence: FloatArray, right: NDArray[np.bool_], precision: float, least: int = 30) -> Promise:
    """The lowest threshold on `confidence` at which the precision is kept with 90 % one-sided confidence.

    Where no threshold keeps it on `least` mails, nothing goes through: the threshold is above 1.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence, hits = confidence[order], np.cumsum(right[order])
    found = None
    for n in range(least, len(order) + 1):
        if n < len(order) and sorted_confidence[n] == sorted_confidence[n - 1]:
            continue  # a threshold takes all of its equals
        if wilson(int(hits[n - 1]), n, 0.8)[0] >= precision:
            found = n
    if found is None:
        return Promise(1.01, 0.0, 0.0, 0.0, 0)
    rate = float(hits[found - 1] / found)
    low = wilson(int(hits[found - 1]), found, 0.8)[0]
    return Promise(float(sorted_confidence[found - 1]), rate, low, found / len(order), found)


def miss_at_most(scores: FloatArray, alpha: float, delta: float | None = None) -> float:
    """The threshold below which a mail may be called "not urgent", from the scores of mails that are urgent.

    Strictly below the k-th smallest score, k = floor(alpha (n + 1)): then E[share missed] <= alpha on mail of the same
    kind. With `delta`: the largest k with `beta.sf(alpha, k, n + 1 - k) <= delta`, so that the share missed is at most
    alpha with probability 1 - delta. Too few urgent mails: -inf, everything is flagged.
    """
    n = len(scores)
    if delta is None:
        k = int(np.floor(alpha * (n + 1)))
    else:
        k = max((k for k in range(1, n + 1) if beta.sf(alpha, k, n + 1 - k) <= delta), default=0)
    return float(np.sort(scores)[k - 1]) if k >= 1 else float("-inf")


def expected_calibration_error(confidence: FloatArray, right: NDArray[np.bool_], bins: int = 15) -> float:
    """Top-label ECE over bins of equal mass: the mean distance of confidence and precision."""
    if not len(confidence):
        return 0.0
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order)))
    gaps = [len(p) * abs(float(confidence[p].mean()) - float(right[p].mean())) for p in parts if len(p)]
    return float(sum(gaps) / len(confidence))


def best_cut(scores: FloatArray, yes: NDArray[np.bool_], missed: float, raised: float) -> float:
    """The threshold on `scores` that costs least: `missed` for each yes below it, `raised` for each no at or above it.

    Both are counted as shares of their own side, so that the mix of a sample does not move the threshold.
    """
    if not yes.any() or yes.all():
        return 0.5
    order = np.argsort(scores, kind="stable")
    below_yes = np.concatenate([[0], np.cumsum(yes[order])]) / yes.sum()
    below_no = np.concatenate([[0], np.cumsum(~yes[order])]) / (~yes).sum()
    cost = missed * below_yes + raised * (1 - below_no)
    at = int(np.argmin(cost))
    edges: Sequence[float] = [0.0, *scores[order].tolist(), 1.0]
    return float((edges[at] + edges[at + 1]) / 2)
