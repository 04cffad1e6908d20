"""Out-of-fold probabilities -> the thresholds of the card, each with the promise it keeps and what it costs.

The names are those of `triage.judge.urgency.Thresholds`. What was measured for a threshold stands beside it in the
scores, so
that a lead can see the load of a stricter one before choosing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.judge.linear import FloatArray, urgency_shares
from triage.learn import calibrate
from triage.learn.example import Example
from triage.words import Urgency

TYPE_PRECISION = 0.90  # auto-routed types are right in at least this share
COMPLAINTS_LOST = 0.005  # share of complaints that may be filed without a look
ALPHAS = (0.02, 0.05, 0.10, 0.20)  # missed-urgent bounds whose load is shown
LOOK_LOAD = 0.40  # the strictest bound that flags at most this share of complaints is chosen
UNFAMILIAR = 0.01  # share of training mail less familiar than what is sent to review as unlike anything seen
MISSED, RAISED = 3.0, 1.0  # what a missed urgent mail costs against a raised one


def choose(
    examples: Sequence[Example], types: tuple[str, ...], shares: Mapping[str, FloatArray], held: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, Any]]:
    """(thresholds, scores) from the out-of-fold probabilities of every head; rows where `held` is false are ignored."""
    complaint = held & np.array([e.is_complaint for e in examples])
    kept = [e for e, one in zip(examples, complaint, strict=True) if one]
    limits: dict[str, float] = {}
    scores: dict[str, Any] = {"mails": int(held.sum()), "complaints": len(kept)}
    kind = shares["type"][complaint]
    right = np.array([types[k] in {e.complaint_type, *e.types} for e, k in zip(kept, kind.argmax(axis=1), strict=True)])
    strict = np.array([types[k] == e.complaint_type for e, k in zip(kept, kind.argmax(axis=1), strict=True)])
    routed = calibrate.promise(kind.max(axis=1), right, TYPE_PRECISION)
    limits["type_confidence"] = round(min(routed.threshold, 1.0), 4)
    scores["type"] = {
        "right": _rate(strict),
        "right_or_acceptable": _rate(right),
        "ece": round(calibrate.expected_calibration_error(kind.max(axis=1), strict), 4),
        "auto_routed": {
            "promised": TYPE_PRECISION,
            "precision": round(routed.precision, 4),
            "share": round(routed.share, 4),
        },
    }
    limits.update(_dispositions(examples, shares["complaint"][:, 0], held, scores))
    limits.update(_urgencies(kept, urgency_shares(shares["urgency"][complaint]), scores))
    limits["secondary_share"] = 0.2
    limits["in_scope"] = UNFAMILIAR
    limits["flag_score"] = _flag_score(examples, shares["flags"], held, scores)
    return limits, scores


def _dispositions(
    examples: Sequence[Example], complaint: FloatArray, held: NDArray[np.bool_], scores: dict[str, Any]
) -> dict[str, float]:
    yes = np.array([e.is_complaint for e in examples])
    cut = max(calibrate.miss_at_most(complaint[held & yes], COMPLAINTS_LOST), 0.0)
    filed = complaint[held & ~yes] < cut
    scores["disposition"] = {
        "complaints_lost_bound": COMPLAINTS_LOST,
        "others_filed": _rate(filed),
        "complaint_or_not": _rate((complaint[held] >= 0.5) == yes[held]),
    }
    return {"disposition_confidence": round(1.0 - cut, 4)}


def _urgencies(kept: Sequence[Example], levels: FloatArray, scores: dict[str, Any]) -> dict[str, float]:
    truth = np.array([int(e.urgency or Urgency.NORMAL) for e in kept])
    allowed = [{int(e.urgency or Urgency.NORMAL), *map(int, e.urgencies)} for e in kept]
    critical, risky, low = levels[:, 3], levels[:, 2] + levels[:, 3], levels[:, 0]
    table = []
    for alpha in ALPHAS:
        cut = calibrate.miss_at_most(risky[truth >= Urgency.URGENT], alpha)
        flagged = float((risky >= cut).mean())
        table.append({"alpha": alpha, "score": round(max(cut, 0.0), 4), "flagged": round(flagged, 4)})
    chosen = next((row for row in table if row["flagged"] <= LOOK_LOAD), table[-1])
    limits = {
        "critical_score": round(calibrate.best_cut(critical, truth >= Urgency.CRITICAL, MISSED, 2 * RAISED), 4),
        "urgent_score": round(calibrate.best_cut(risky, truth >= Urgency.URGENT, MISSED, RAISED * 2), 4),
        "look_score": chosen["score"],
        "low_confidence": _low_confidence(low, truth, allowed),
    }
    decided = decide(levels, limits)
    scores["urgency"] = {
        "right": _rate(decided == truth),
        "right_or_acceptable": _rate(np.array([int(d) in a for d, a in zip(decided, allowed, strict=True)])),
        "critical_recall": _rate(decided[truth == Urgency.CRITICAL] == Urgency.CRITICAL),
        "urgent_missed": _rate(decided[truth >= Urgency.URGENT] < Urgency.URGENT),
        "raised": _rate(decided[truth < Urgency.URGENT] >= Urgency.URGENT),
        "ece": round(calibrate.expected_calibration_error(levels.max(axis=1), levels.argmax(axis=1) + 1 == truth), 4),
        "missed_at_most": table,
        "alpha": chosen["alpha"],
    }
    return limits


def decide(levels: FloatArray, limits: Mapping[str, float]) -> NDArray[np.intp]:
    """(rows, 4) probabilities of low ... critical -> the model's own level, as `triage.judge.urgency.of_model`
    decides."""
    found = np.full(len(levels), int(Urgency.NORMAL))
    found[levels[:, 0] >= limits["low_confidence"]] = Urgency.LOW
    found[levels[:, 2] + levels[:, 3] >= limits["urgent_score"]] = Urgency.URGENT
    found[levels[:, 3] >= limits["critical_score"]] = Urgency.CRITICAL
    return found


def _low_confidence(low: FloatArray, truth: NDArray[np.intp], allowed: Sequence[set[int]]) -> float:
    """The lowest P(low) from which "low" is right more often than wrong by three to one, and hides urgent mail in at
    most
    one case of a hundred of all urgent mail; never below one half."""
    right = np.array([Urgency.LOW in a for a in allowed])
    urgent = truth >= Urgency.URGENT
    for cut in np.arange(0.50, 0.96, 0.05):
        at = low >= cut
        if at.any() and right[at].mean() >= 0.75 and (at & urgent).sum() <= 0.01 * urgent.sum():
            return round(float(cut), 2)
    return 0.95


def _flag_score(
    examples: Sequence[Example], flags: FloatArray, held: NDArray[np.bool_], scores: dict[str, Any]
) -> float:
    """The lowest score, one for all flags, at which learned flags are right in four of five cases."""
    if not flags.shape[1]:
        return 1.0
    names = scores.setdefault("flags", {})
    counted = sorted({f for e in examples for f in set(e.flags)})
    labels = [name for name in counted if sum(name in e.flags for e in examples) >= 15]
    truth = np.array([[f in e.flags for f in labels] for e in examples]).reshape(len(examples), len(labels))
    found = calibrate.promise(flags[held].ravel(), truth[held].ravel(), 0.80)
    names["precision"], names["recall"] = round(found.precision, 4), 0.0
    at = flags[held] >= found.threshold
    names["recall"] = round(float((at & truth[held]).sum() / max(truth[held].sum(), 1)), 4)
    return round(min(max(found.threshold, 0.5), 1.0), 4)


def _rate(right: NDArray[np.bool_]) -> dict[str, float | int]:
    low, high = calibrate.wilson(int(right.sum()), len(right))
    return {
        "rate": round(float(right.mean()), 4) if len(right) else 0.0,
        "low": round(low, 4),
        "high": round(high, 4),
        "n": len(right),
    }
