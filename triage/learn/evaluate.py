"""A model against labelled mail it has not seen: every figure with its interval, from decisions of the whole house.

`evaluate` gives plain records that go into JSON as they are; `triage.learn.page` draws them. Figures of mail that was
trained on are worthless: the caller passes held-out mail, `triage.learn.workbench` sees to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.judge.classify import Model, Prediction
from triage.judge.linear import FloatArray
from triage.learn import calibrate
from triage.learn.example import Example
from triage.learn.judged import House, Judge, Judged, thresholds_of
from triage.mail import redact
from triage.words import Disposition, Urgency

_DRAWS = 1000  # bootstrap resamples of whole customers
_WORST = 20
_SHOWN = 240  # characters of a mistaken mail's redacted text
_HISTORY = ("chased", "broken_promise", "repeat_failure", "reopened", "multi_owner")

Rate = dict[str, Any]


def evaluate(model: Model, examples: Sequence[Example], seed: int = 1, judge: Judge | None = None) -> dict[str, Any]:
    """Figures of the model's decisions on the examples. Needs at least one complaint; deterministic by seed."""
    judge = judge or House(examples)
    predictions = model.predict(judge.words(examples))
    limits = {k: float(v) for k, v in dict(model.card.get("thresholds", {})).items() if isinstance(v, int | float)}
    decided = judge(examples, predictions, limits)
    complaints = [i for i, e in enumerate(examples) if e.is_complaint]
    others = [i for i, e in enumerate(examples) if not e.is_complaint]
    table = _Table(examples, predictions, decided, seed)
    return {
        "model": dict(model.card).get("name", ""),
        "mails": len(examples),
        "complaints": len(complaints),
        "rates": _rates(table, complaints, others),
        "type": _type(table, complaints),
        "urgency": _urgency(table, complaints, limits),
        "flags": _flags(examples, decided),
        "languages": _languages(table, complaints),
        "dispositions": _confusion(
            [(str(e.disposition), str(d.disposition)) for e, d in zip(examples, decided, strict=True)]
        ),
        "worst": _worst(table, complaints),
    }


class _Table:
    """The examples beside what was said and decided of them, and rates over them with intervals."""

    def __init__(
        self, examples: Sequence[Example], predictions: Sequence[Prediction], decided: Sequence[Judged], seed: int
    ) -> None:
        self.examples, self.predictions, self.decided = examples, predictions, decided
        self.seed = seed

    def rate(self, at: Sequence[int], right: Callable[[int], bool]) -> Rate:
        """Share of the mails `at` that are right, with the 95 % bootstrap interval over customers."""
        hits = np.array([right(i) for i in at], dtype=float)
        low, high = self.interval(at, hits)
        return {"rate": round(float(hits.mean()), 4) if len(hits) else None, "low": low, "high": high, "n": len(hits)}

    def interval(self, at: Sequence[int], values: FloatArray) -> tuple[float | None, float | None]:
        """Whole customers are drawn, since the mails of one are alike. With a few customers only: Wilson's interval."""
        if not len(values):
            return None, None
        names = sorted({self.examples[i].group for i in at})
        place = {name: k for k, name in enumerate(names)}
        group = np.array([place[self.examples[i].group] for i in at])
        if len(names) < 20 or values.min() == values.max():
            low, high = calibrate.wilson(int(values.sum()), len(values))
            return round(low, 4), round(high, 4)
        sums, sizes = np.bincount(group, values), np.bincount(group)
        draws = np.random.default_rng(self.seed).integers(0, len(names), (_DRAWS, len(names)))
        rates = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
        return round(float(np.quantile(rates, 0.025)), 4), round(float(np.quantile(rates, 0.975)), 4)

    def type_right(self, i: int) -> bool:
        return self.decided[i].complaint_type in {self.examples[i].complaint_type, *self.examples[i].types}

    def allowed(self, i: int) -> set[Urgency]:
        example = self.examples[i]
        return {example.urgency or Urgency.NORMAL, *example.urgencies}

    def level(self, i: int) -> Urgency:
        """What was decided; a complaint that was filed as something else has nobody waiting for it: low."""
        return self.decided[i].urgency or Urgency.LOW


def _rates(table: _Table, complaints: Sequence[int], others: Sequence[int]) -> dict[str, Rate]:
    examples, decided = table.examples, table.decided
    critical = [i for i in complaints if examples[i].urgency is Urgency.CRITICAL]
    urgent = [i for i in complaints if (examples[i].urgency or 0) >= Urgency.URGENT]
    calm = [i for i in complaints if (examples[i].urgency or 0) < Urgency.URGENT]
    routed = [i for i in complaints if decided[i].disposition is Disposition.COMPLAINT and not decided[i].review]
    seen = set(routed)

    def missed(i: int) -> bool:
        return table.level(i) < Urgency.URGENT and min(table.allowed(i)) >= Urgency.URGENT

    def raised(i: int) -> bool:
        return table.level(i) >= Urgency.URGENT and max(table.allowed(i)) < Urgency.URGENT

    def among_two(i: int) -> bool:
        return bool(_two(table, i) & {examples[i].complaint_type, *examples[i].types})

    return {
        "complaint_kept": table.rate(complaints, lambda i: decided[i].kept),
        "others_filed_right": table.rate(others, lambda i: decided[i].disposition is examples[i].disposition),
        "type_right": table.rate(complaints, lambda i: decided[i].complaint_type == examples[i].complaint_type),
        "type_right_or_acceptable": table.rate(complaints, table.type_right),
        "type_among_two_guesses": table.rate(complaints, among_two),
        "auto_routed": table.rate(complaints, lambda i: i in seen),
        "auto_routed_right": table.rate(routed, table.type_right),
        "urgency_right": table.rate(complaints, lambda i: table.level(i) is examples[i].urgency),
        "urgency_right_or_acceptable": table.rate(complaints, lambda i: table.level(i) in table.allowed(i)),
        "critical_recall": table.rate(critical, lambda i: table.level(i) is Urgency.CRITICAL),
        "urgent_missed": table.rate(urgent, missed),
        "urgent_missed_unseen": table.rate(urgent, lambda i: missed(i) and not decided[i].review),
        "calm_raised": table.rate(calm, raised),
        "reviewed": table.rate(range(len(examples)), lambda i: decided[i].review),
    }


def _two(table: _Table, i: int) -> set[str | None]:
    shares = table.predictions[i].complaint_type
    return set(sorted(shares, key=lambda name: -shares[name])[:2])


def _type(table: _Table, complaints: Sequence[int]) -> dict[str, Any]:
    pairs = [(str(table.examples[i].complaint_type), str(table.decided[i].complaint_type)) for i in complaints]
    confidence = np.array([max(table.predictions[i].complaint_type.values()) for i in complaints])
    guesses = [max(s, key=lambda n: s[n]) for s in (table.predictions[i].complaint_type for i in complaints)]
    pairs_right = zip(guesses, complaints, strict=True)
    right = np.array(
        [g in {table.examples[i].complaint_type, *table.examples[i].types} for g, i in pairs_right], dtype=bool
    )
    strict = np.array(
        [g == table.examples[i].complaint_type for g, i in zip(guesses, complaints, strict=True)], dtype=bool
    )
    return {
        "macro_f1": macro_f1(pairs),
        "per_class": per_class(pairs),
        "confusion": _confusion(pairs),
        "ece": round(calibrate.expected_calibration_error(confidence, strict), 4),
        "reliability": reliability(confidence, strict),
        "coverage": coverage(confidence, right),
    }


def _urgency(table: _Table, complaints: Sequence[int], limits: Mapping[str, float]) -> dict[str, Any]:
    pairs = [((table.examples[i].urgency or Urgency.NORMAL).word, table.level(i).word) for i in complaints]
    risky = np.array(
        [table.predictions[i].urgency["urgent"] + table.predictions[i].urgency["critical"] for i in complaints]
    )
    urgent = np.array([(table.examples[i].urgency or 0) >= Urgency.URGENT for i in complaints], dtype=bool)
    return {
        "per_class": per_class(pairs),
        "confusion": _confusion(pairs),
        "ece": round(calibrate.expected_calibration_error(np.maximum(risky, 1 - risky), (risky >= 0.5) == urgent), 4),
        "reliability": reliability(risky, urgent),
        "missed_against_flagged": missed_against_flagged(risky, urgent),
        "look_score": thresholds_of(limits).look_score,
    }


def macro_f1(pairs: Sequence[tuple[str, str]]) -> float:
    """Mean F1 over the classes that occur among the labels; pairs of (label, decided)."""
    scores = [row["f1"] for row in per_class(pairs).values() if row["n"]]
    return round(float(np.mean(scores)), 4) if scores else 0.0


def per_class(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    """Precision, recall, F1 and number by class."""
    found = {}
    for name in sorted({label for label, _ in pairs} | {got for _, got in pairs if got != "None"}):
        hits = sum(a == b == name for a, b in pairs)
        called, there = sum(b == name for _, b in pairs), sum(a == name for a, _ in pairs)
        precision, recall = hits / called if called else 0.0, hits / there if there else 0.0
        f1 = 2 * hits / (called + there) if called + there else 0.0
        found[name] = {"precision": round(precision, 4), "recall": round(recall, 4), "f1": round(f1, 4), "n": there}
    return found


def reliability(confidence: FloatArray, right: NDArray[np.bool_], bins: int = 10) -> list[dict[str, float]]:
    """Bins of equal mass: mean confidence, share right, number."""
    order = np.argsort(confidence, kind="stable")
    parts = [p for p in np.array_split(order, bins) if len(p)]
    return [
        {"confidence": round(float(confidence[p].mean()), 4), "right": round(float(right[p].mean()), 4), "n": len(p)}
        for p in parts
    ]


def coverage(confidence: FloatArray, right: NDArray[np.bool_]) -> list[dict[str, float]]:
    """For the most confident 5 %, 10 %, ... of the mails: the share right and the threshold that takes them."""
    order = np.argsort(-confidence, kind="stable")
    found = []
    for percent in range(5, 101, 5):
        n = max(1, round(len(order) * percent / 100)) if len(order) else 0
        if n:
            part = order[:n]
            share = round(float(right[part].mean()), 4)
            found.append({"share": percent / 100, "right": share, "threshold": round(float(confidence[part[-1]]), 4)})
    return found


def missed_against_flagged(risky: FloatArray, urgent: NDArray[np.bool_]) -> list[dict[str, float]]:
    """For every twentieth of mails flagged: the share of urgent mails that would not be flagged."""
    order = np.argsort(-risky, kind="stable")
    total = int(urgent.sum())
    found = []
    for percent in range(0, 101, 5):
        n = round(len(order) * percent / 100)
        missed = 1 - int(urgent[order[:n]].sum()) / total if total else 0.0
        found.append({"flagged": percent / 100, "missed": round(missed, 4)})
    return found


def _confusion(pairs: Sequence[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counted = Counter(pairs)
    rows = sorted({a for a, _ in counted})
    return {a: {b: n for (x, b), n in sorted(counted.items()) if x == a} for a in rows}


def _flags(examples: Sequence[Example], decided: Sequence[Judged]) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {}
    for example, one in zip(examples, decided, strict=True):
        gold = {f for f in example.flags if not f.startswith(_HISTORY)}
        got = {f for f in one.flags if not f.startswith(_HISTORY)}
        for name in gold | got:
            row = counts.setdefault(name, Counter())
            row["hit" if name in gold & got else "missed" if name in gold else "wrong"] += 1
    total: Counter[str] = sum(counts.values(), Counter())
    return {
        "recall": _counted(total["hit"], total["hit"] + total["missed"]),
        "precision": _counted(total["hit"], total["hit"] + total["wrong"]),
        "per_flag": {
            name: {key: row[key] for key in ("hit", "missed", "wrong")} for name, row in sorted(counts.items())
        },
    }


def _counted(right: int, total: int) -> Rate:
    low, high = calibrate.wilson(right, total)
    return {"rate": round(right / max(total, 1), 4), "low": round(low, 4), "high": round(high, 4), "n": total}


def _languages(table: _Table, complaints: Sequence[int]) -> dict[str, dict[str, Rate]]:
    found = {}
    for language in sorted({table.examples[i].language for i in complaints}):
        at = [i for i in complaints if table.examples[i].language == language]
        urgency = table.rate(at, lambda i: table.level(i) in table.allowed(i))
        found[language] = {"type": table.rate(at, table.type_right), "urgency": urgency}
    return found


def _worst(table: _Table, complaints: Sequence[int]) -> list[dict[str, Any]]:
    """The mistakes that cost most: urgent mail sent low first, then wrong types the model was sure of. Text
    redacted."""

    def cost(i: int) -> tuple[float, float]:
        below = max(0, min(table.allowed(i)) - table.level(i))
        shares = table.predictions[i].complaint_type
        sure = shares.get(table.decided[i].complaint_type or "", 0.0) if not table.type_right(i) else 0.0
        return float(below), sure

    wrong = [i for i in complaints if cost(i) > (0.0, 0.0)]
    found = []
    for i in sorted(wrong, key=lambda i: (*(-c for c in cost(i)), i))[:_WORST]:
        example, one = table.examples[i], table.decided[i]
        found.append(
            {
                "id": example.id,
                "type": example.complaint_type,
                "decided_type": one.complaint_type,
                "urgency": (example.urgency or Urgency.NORMAL).word,
                "decided_urgency": one.urgency.word if one.urgency else None,
                "review": one.review,
                "terms": [term for term, _ in table.predictions[i].terms[:6]],
                "text": redact.text(f"{example.subject} | {example.text}")[:_SHOWN],
            }
        )
    return found
