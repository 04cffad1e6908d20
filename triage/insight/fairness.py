"""Are people who complain often answered more slowly? One ratio with its interval, within levels of urgency. Pure.

The ratio compares the median first response of customers with three or more cases in 90 days with that of all others.
It is taken within each urgency and joined by the weights of Mantel and Haenszel (n1 * n2 / (n1 + n2)), so that a group
with more urgent cases is not taken for a favoured one. The interval is a bootstrap over customers, not cases: the
cases of one person are no independent witnesses (Efron and Tibshirani, An Introduction to the Bootstrap, 1993).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from triage.words import Urgency

OFTEN = 3  # cases within DAYS make a frequent complainer
DAYS = 90
LEAST = 10  # cases in each group; fewer give no figure
RESAMPLES = 1_000
ALARM = 1.25  # a ratio above this, with an interval that excludes 1, is shown as an alarm

Minutes = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Waited:
    """One case: how long its first response took (or, still owed, has taken so far), in minutes of working time."""

    customer: str
    urgency: Urgency
    minutes: float
    late: bool


@dataclass(frozen=True, slots=True)
class Fairness:
    """`ratio` above 1: frequent complainers wait longer. None where a group is too small. `breaches` is the difference
    of the late shares, frequent less others."""

    ratio: float | None
    low: float | None
    high: float | None
    frequent: int  # cases
    others: int
    breaches: float | None

    @property
    def alarm(self) -> bool:
        return self.ratio is not None and self.low is not None and self.ratio > ALARM and self.low > 1

    def as_json(self) -> dict[str, Any]:
        """The figure as the report carries it."""
        return {
            "ratio": self.ratio, "interval": [self.low, self.high], "frequent_cases": self.frequent,
            "other_cases": self.others, "breach_difference": self.breaches, "alarm": self.alarm,
        }  # fmt: skip

    def sentence(self) -> str:
        """The figure for people."""
        if self.ratio is None:
            return (
                f"Fairness: too few cases to tell ({self.frequent} of frequent complainers, {self.others} of others)."
            )
        told = "wait longer than others" if self.alarm else "wait as long as others, as far as this tells"
        return (
            f"Fairness: median first response of frequent complainers is {self.ratio:.2f} times that of others "
            f"(95 % interval {self.low:.2f} to {self.high:.2f}, {self.frequent} and {self.others} cases): they {told}."
        )


def frequent(received: Iterable[tuple[str, datetime]], until: datetime) -> frozenset[str]:
    """Customers with at least three cases in the 90 days before `until`."""
    count = Counter(who for who, at in received if timedelta(0) <= until - at <= timedelta(days=DAYS))
    return frozenset(who for who, cases in count.items() if cases >= OFTEN)


def measure(waits: Sequence[Waited], often: frozenset[str], *, seed: int = 1) -> Fairness:
    """The figure. The same waits and seed give the same interval."""
    one, other = ([w for w in waits if (w.customer in often) is who] for who in (True, False))
    if min(len(one), len(other)) < LEAST:
        return Fairness(None, None, None, len(one), len(other), None)
    ratio = _ratio(_strata(one), _strata(other))
    if ratio is None:
        return Fairness(None, None, None, len(one), len(other), None)
    rng = np.random.default_rng(seed)
    first, second = _people(one), _people(other)
    drawn = [_ratio(_draw(first, rng), _draw(second, rng)) for _ in range(RESAMPLES)]
    kept = np.array([r for r in drawn if r is not None])
    low, high = (float(np.percentile(kept, q)) for q in (2.5, 97.5))
    late = sum(w.late for w in one) / len(one) - sum(w.late for w in other) / len(other)
    return Fairness(round(ratio, 3), round(low, 3), round(high, 3), len(one), len(other), round(late, 3))


def _strata(waits: Iterable[Waited]) -> dict[Urgency, Minutes]:
    found: dict[Urgency, list[float]] = defaultdict(list)
    for wait in waits:
        found[wait.urgency].append(max(wait.minutes, 1.0))  # answered within the minute: no division by nothing
    return {urgency: np.array(minutes) for urgency, minutes in found.items()}


def _people(waits: Iterable[Waited]) -> list[dict[Urgency, Minutes]]:
    found: dict[str, list[Waited]] = defaultdict(list)
    for wait in waits:
        found[wait.customer].append(wait)
    return [_strata(some) for some in found.values()]


def _draw(people: Sequence[Mapping[Urgency, Minutes]], rng: np.random.Generator) -> dict[Urgency, Minutes]:
    """As many customers as there are, drawn with replacement, each with all their cases."""
    joined: dict[Urgency, list[Minutes]] = defaultdict(list)
    for index in rng.integers(0, len(people), len(people)):
        for urgency, minutes in people[index].items():
            joined[urgency].append(minutes)
    return {urgency: np.concatenate(some) for urgency, some in joined.items()}


def _ratio(one: Mapping[Urgency, Minutes], other: Mapping[Urgency, Minutes]) -> float | None:
    """The ratio of medians within each urgency, joined on the logarithm; None where no urgency has both groups."""
    logs, weights = [], []
    for urgency in one.keys() & other.keys():
        mine, theirs = one[urgency], other[urgency]
        logs.append(np.log(np.median(mine) / np.median(theirs)))
        weights.append(len(mine) * len(theirs) / (len(mine) + len(theirs)))
    return float(np.exp(np.average(logs, weights=weights))) if logs else None
