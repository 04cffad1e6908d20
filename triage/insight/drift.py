"""Has the mail, or the judging of it, changed? The last weeks against the weeks before, and what chance explains. Pure.

Each question is a test of its own; an alarm is raised where chance alone would move the figure as far in fewer than one
of a thousand reports, and far enough to matter. Mails are counted as if each came by itself: a storm of complaints
about one failure is a change, and is reported as one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CHANCE = 0.001  # of a false alarm, for each figure and report
FEWEST = 30  # mails on either side; below it nothing is said
EXPECTED = 5.0  # labels rarer than this are counted together (Cochran's rule for the chi-square test)


@dataclass(frozen=True, slots=True)
class Period:
    """What was judged in some weeks. `confidence` is the probability of the type, one a complaint."""

    labels: Sequence[str] = ()  # complaint type, or the disposition of what is none; one a mail
    confidence: Sequence[float] = ()
    corrected: int = 0  # mails that a person set right
    reviewed: int = 0  # mails that were put to a person


@dataclass(frozen=True, slots=True)
class Moved:
    """One figure then and now. `p`: how often chance alone moves it so far; None where there is too little mail."""

    name: str
    before: float | None
    now: float | None
    p: float | None
    alarm: bool
    said: str


def compare(before: Period, now: Period) -> tuple[Moved, ...]:
    """Label mix, confidence, correction rate and share reviewed."""
    return (
        _mix(before, now),
        _confidence(before.confidence, now.confidence),
        _share("correction_rate", "corrected by people", before.corrected, len(before.labels), now.corrected, now),
        _share("share_reviewed", "put to a person", before.reviewed, len(before.labels), now.reviewed, now),
    )


def interval(hits: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """The exact (Clopper-Pearson) interval of a rate: right also where nothing was found yet. (0, 1) for no trial."""
    if total == 0:
        return 0.0, 1.0
    from scipy import special  # here and below at its first use: every run would pay a tenth of a second for it

    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(special.betaincinv(hits, total - hits + 1, tail))
    high = 1.0 if hits == total else float(special.betaincinv(hits + 1, total - hits, 1 - tail))
    return low, high


def _mix(before: Period, now: Period) -> Moved:
    """Chi-square test of the label counts; the distance is the share of mail that has another label than before."""
    was, is_ = Counter(before.labels), Counter(now.labels)
    n, m = was.total(), is_.total()
    if min(n, m) < FEWEST:
        return _too_little("label_mix", "the mix of labels")
    names = sorted(was | is_)
    distance = sum(abs(was[name] / n - is_[name] / m) for name in names) / 2
    p = homogeneity(np.array([[was[name] for name in names], [is_[name] for name in names]], dtype=float))
    most = max(names, key=lambda name: (abs(was[name] / n - is_[name] / m), name))
    shares = f"{most.replace('_', ' ')}, {was[most] / n:.0%} then and {is_[most] / m:.0%} now"
    said = f"{distance:.0%} of the mail has another label than before; most of all {shares}"
    return Moved("label_mix", 0.0, distance, p, p < CHANCE and distance >= 0.05, _closed(said, p))


def homogeneity(table: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> float:
    """p of Pearson's chi-square test that the rows of a table of counts are drawn from one mix; rare columns together."""
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    rare = expected.min(axis=0) < EXPECTED
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
        expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    if freedom < 1:
        return 1.0
    from scipy import special

    return float(special.chdtrc(freedom, ((table - expected) ** 2 / expected).sum()))


def _confidence(before: Sequence[float], now: Sequence[float]) -> Moved:
    """Welch's test of the means."""
    name, what = "confidence", "the program's confidence in the type"
    if min(len(before), len(now)) < FEWEST:
        return _too_little(name, what)
    was, is_ = np.asarray(before, dtype=float), np.asarray(now, dtype=float)
    spread = was.var(ddof=1) / len(was) + is_.var(ddof=1) / len(is_)
    change = float(is_.mean() - was.mean())
    p = math.erfc(abs(change) / math.sqrt(2 * spread)) if spread > 0 else float(change == 0)
    said = f"{what} is {is_.mean():.0%} on average, it was {was.mean():.0%}"
    return Moved(name, float(was.mean()), float(is_.mean()), p, p < CHANCE and abs(change) >= 0.02, _closed(said, p))


def _share(name: str, what: str, was: int, n: int, is_: int, now: Period) -> Moved:
    """Fisher's exact test of two shares."""
    m = len(now.labels)
    if min(n, m) < FEWEST:
        return _too_little(name, f"the share of mail {what}")
    p = fisher(was, n, is_, m)
    said = f"{is_ / m:.1%} of the mail was {what}, {was / n:.1%} before"
    return Moved(name, was / n, is_ / m, p, p < CHANCE, _closed(said, p))


def fisher(a: int, n: int, b: int, m: int) -> float:
    """Two-sided p that a of n and b of m have one rate: the probability of all tables no likelier than this one."""
    total = a + b
    xs = np.arange(max(0, total - m), min(n, total) + 1)
    log = _choose(n, xs) + _choose(m, total - xs) - float(_choose(n + m, np.array([total]))[0])
    chances = np.exp(log)
    mine = chances[a - int(xs[0])]
    return float(min(1.0, chances[chances <= mine * (1 + 1e-7)].sum()))


def _choose(n: int, k: np.ndarray[tuple[int], np.dtype[np.int64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """log of n over k."""
    from scipy import special

    found: np.ndarray[tuple[int], np.dtype[np.float64]] = (
        special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    )
    return found


def _too_little(name: str, what: str) -> Moved:
    return Moved(name, None, None, None, False, f"{what}: too little mail to compare (fewer than {FEWEST} on one side)")


def _closed(said: str, p: float) -> str:
    """What chance has to say to it."""
    if p >= 0.05:
        return f"{said}; chance explains that"
    if p >= CHANCE:
        return f"{said}; chance rarely does that, it may be a beginning"
    return f"{said}; chance does not explain that"


def inflation(weeks: Sequence[Mapping[str, int]], limit: float = 0.25, in_a_row: int = 2) -> str:
    """A warning where critical and urgent together passed the limit in each of the last weeks; else "". Each week:
    urgency -> new cases. What is always urgent is never urgent."""
    last = list(weeks)[-in_a_row:]
    shares = [(w.get("critical", 0) + w.get("urgent", 0)) / sum(w.values()) for w in last if sum(w.values()) >= 10]
    if len(shares) < in_a_row or min(shares) <= limit:
        return ""
    said = ", ".join(f"{share:.0%}" for share in shares)
    return f"urgent and critical were {said} of the new cases in the last {in_a_row} weeks (limit {limit:.0%})"
