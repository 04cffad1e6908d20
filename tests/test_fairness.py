"""The fairness figure: a planted bias is found, and none is found where none was planted."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from triage.insight import fairness
from triage.insight.fairness import Waited
from triage.words import Urgency

OFTEN = frozenset(f"often{n}@example.com" for n in range(20))


def waits(bias: float, *, seed: int, urgent_share: float = 0.2) -> list[Waited]:
    """20 frequent customers with 4 cases each and 300 others with one; waits are log-normal about 3 h (urgent: 1 h).
    `urgent_share` is that of the frequent; others have 20 %."""
    rng = random.Random(seed)
    out = []
    for who in [*sorted(OFTEN) * 4, *(f"once{n}@example.com" for n in range(300))]:
        often = who in OFTEN
        urgent = rng.random() < (urgent_share if often else 0.2)
        minutes = rng.lognormvariate(0, 0.6) * (60 if urgent else 180) * (bias if often else 1)
        out.append(Waited(who, Urgency.URGENT if urgent else Urgency.NORMAL, minutes, minutes > 510))
    return out


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_bias_is_found(seed: int) -> None:
    found = fairness.measure(waits(1.8, seed=seed), OFTEN)
    assert found.alarm
    assert found.low is not None and found.ratio is not None and found.high is not None
    assert found.low <= found.ratio <= found.high
    assert 1.3 <= found.ratio <= 2.5  # 1.8 was planted


def test_no_bias_is_found_where_none_was_planted() -> None:
    assert sum(fairness.measure(waits(1.0, seed=seed), OFTEN).alarm for seed in range(10)) == 0


def test_more_urgent_cases_do_not_hide_that_frequent_complainers_wait() -> None:
    """Eight of ten frequent cases are urgent and answered in a third of the time: the plain medians look fair."""
    biased = waits(1.8, seed=3, urgent_share=0.8)
    plain = {who: sorted(w.minutes for w in biased if (w.customer in OFTEN) is who) for who in (True, False)}
    middle = {who: some[len(some) // 2] for who, some in plain.items()}
    assert middle[True] / middle[False] < 1.1
    assert fairness.measure(biased, OFTEN).alarm


def test_too_few_cases_give_no_figure() -> None:
    few = waits(2.0, seed=1)[:9]
    assert fairness.measure(few, OFTEN).ratio is None
    assert "too few" in fairness.measure(few, OFTEN).sentence()


def test_three_cases_within_ninety_days_make_a_frequent_complainer() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    received = [("a", now - timedelta(days=d)) for d in (1, 50, 90)] + [
        ("b", now - timedelta(days=d)) for d in (1, 50, 91)
    ]
    assert fairness.frequent(received, now) == {"a"}


def test_the_same_waits_give_the_same_interval() -> None:
    assert fairness.measure(waits(1.0, seed=1), OFTEN) == fairness.measure(waits(1.0, seed=1), OFTEN)
