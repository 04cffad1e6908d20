"""Thresholds for the whole house: rules and cues decide beside the model, so the cuts are chosen on what both decide.

`thresholds.choose` sets the cuts of the model alone. Here each cut that the verdict uses is moved along a short grid,
one after the other, and stays where the decisions on out-of-fold predictions are best by `worth`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from triage.judge.classify import Prediction
from triage.learn.example import Example
from triage.learn.judged import Judge, Judged
from triage.words import Urgency

GRID: Mapping[str, tuple[float, ...]] = {
    "urgent_score": (0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.70, 0.80),
    "critical_score": (0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.50, 0.60, 0.70),
    "low_confidence": (0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.80, 0.90),
    "flag_score": (0.30, 0.40, 0.50, 0.60, 0.70, 0.80),
    "look_alike": (0.0, 0.03, 0.06, 0.10, 0.15, 0.20),
}
MOST = 3_000  # examples looked at; the first of an even spread


def tune(
    examples: Sequence[Example],
    unseen: Sequence[Prediction | None],
    limits: Mapping[str, float],
    judge: Judge,
    progress: Callable[[str, float], None] = lambda what, done: None,
) -> dict[str, float]:
    """The limits with the cuts of `GRID` chosen. Deterministic: one pass over the cuts, the first best value wins."""
    pairs = [(e, p) for e, p in zip(examples, unseen, strict=True) if p is not None]
    step = -(-len(pairs) // MOST)
    pairs = pairs[::step] if step > 1 else pairs
    kept, told = [e for e, _ in pairs], [p for _, p in pairs]
    best = dict(limits)
    for number, (name, values) in enumerate(GRID.items()):
        progress("choosing the thresholds", number / len(GRID))
        tried = dict.fromkeys((*([best[name]] if name in best else []), *values))  # what it is now may be the best
        scored = [(worth(kept, judge(kept, told, {**best, name: value})), value) for value in tried]
        best[name] = max(scored, key=lambda one: one[0])[1]
    return best


def worth(examples: Sequence[Example], decided: Sequence[Judged]) -> float:
    """Urgency right or acceptable, and flags right, less what it costs to miss the limits the project promises.

    The limits: urgent sent below in at most 5 % (beyond that it counts double: nobody looks at what is missed), critical found
    in 97 %, normal raised in at most 15 %.
    """
    right = n = urgent = missed = critical = found = calm = raised = 0
    hit = wrong = lacking = 0
    for example, one in zip(examples, decided, strict=True):
        gold, got = _text_flags(example.flags), _text_flags(one.flags)
        hit, wrong, lacking = hit + len(gold & got), wrong + len(got - gold), lacking + len(gold - got)
        if not example.is_complaint or example.urgency is None:
            continue
        allowed = {example.urgency, *example.urgencies}
        level = one.urgency or Urgency.LOW
        n, right = n + 1, right + (level in allowed)
        if example.urgency is Urgency.CRITICAL:
            critical, found = critical + 1, found + (level is Urgency.CRITICAL)
        if example.urgency >= Urgency.URGENT:
            urgent, missed = urgent + 1, missed + (level < Urgency.URGENT and min(allowed) >= Urgency.URGENT)
        else:
            calm, raised = calm + 1, raised + (level >= Urgency.URGENT and max(allowed) < Urgency.URGENT)
    if not n:
        return 0.0
    flags = 2 * hit / max(2 * hit + wrong + lacking, 1)
    cost = 2 * max(0.0, missed / max(urgent, 1) - 0.05) + max(0.0, raised / max(calm, 1) - 0.15)
    cost += max(0.0, 0.97 - found / max(critical, 1))
    return right / n + 0.5 * flags - cost


def _text_flags(names: Sequence[str]) -> set[str]:
    history = ("chased", "broken_promise", "repeat_failure", "reopened", "multi_owner")
    return {name for name in names if not name.startswith(history)}
