"""Drift: the last weeks against the weeks before; chance is no alarm, a change is."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.deskbook import DeskBook, Guess
from tests.quickroom import quick_register
from triage.insight import drift
from triage.insight.drift import Period
from triage.operations import look

NAMES = ("delivery", "billing", "handling", "enquiry")


def period(rng: random.Random, size: int, shares: tuple[float, ...] = (0.4, 0.3, 0.2, 0.1), corrected: float = 0.05,
           confidence: float = 0.8, reviewed: float = 0.1) -> Period:  # fmt: skip
    return Period(
        rng.choices(NAMES, shares, k=size), [min(1.0, max(0.0, rng.gauss(confidence, 0.1))) for _ in range(size)],
        sum(rng.random() < corrected for _ in range(size)), sum(rng.random() < reviewed for _ in range(size)),
    )  # fmt: skip


def alarms(before: Period, now: Period) -> set[str]:
    return {moved.name for moved in drift.compare(before, now) if moved.alarm}


def test_weeks_that_differ_by_chance_alone_raise_no_alarm() -> None:
    """Four tests at one in a thousand: two hundred reports should hold about 0.8 alarms; six would be 1 in 5,000."""
    rng = random.Random(4)
    assert sum(len(alarms(period(rng, 900), period(rng, 300))) for _ in range(200)) < 6


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"shares": (0.15, 0.3, 0.2, 0.35)}, "label_mix"),
        ({"confidence": 0.7}, "confidence"),
        ({"corrected": 0.2}, "correction_rate"),
        ({"reviewed": 0.3}, "share_reviewed"),
    ],
)
def test_a_change_raises_its_own_alarm_and_no_other(change: dict[str, object], name: str) -> None:
    rng = random.Random(7)
    assert alarms(period(rng, 900), period(rng, 300, **change)) == {name}  # type: ignore[arg-type]


def test_each_figure_comes_with_a_plain_sentence() -> None:
    rng = random.Random(7)
    moved = {m.name: m.said for m in drift.compare(period(rng, 900), period(rng, 300, reviewed=0.3))}
    assert "of the mail was put to a person" in moved["share_reviewed"]
    assert moved["share_reviewed"].endswith("chance does not explain that")
    assert moved["label_mix"].endswith("chance explains that")


def test_of_too_little_mail_nothing_is_said() -> None:
    few = Period(["billing"] * 29, [0.2] * 29, 29, 29)
    many = Period(["delivery"] * 500, [0.9] * 500)
    assert all(m.p is None and not m.alarm and "too little mail" in m.said for m in drift.compare(many, few))


@pytest.mark.parametrize(("hits", "total"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 117), (0, 600)])
def test_the_interval_is_the_exact_one(hits: int, total: int) -> None:
    exact = stats.binomtest(hits, total).proportion_ci(0.95, "exact")
    assert drift.interval(hits, total) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_of_no_answer_the_rate_may_be_anything() -> None:
    assert drift.interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(5, 100, 20, 100), (0, 300, 3, 40), (9, 900, 9, 300), (30, 30, 0, 40)])
def test_two_shares_are_compared_as_fisher_does(a: int, n: int, b: int, m: int) -> None:
    assert drift.fisher(a, n, b, m) == pytest.approx(stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue, rel=1e-6)


def test_two_mixes_are_compared_as_pearson_does_and_rare_labels_together() -> None:
    table = np.array([[40.0, 60, 100], [70, 50, 80]])
    assert drift.homogeneity(table) == pytest.approx(stats.chi2_contingency(table).pvalue)
    rare = np.array([[40.0, 60, 96, 1, 3], [70, 50, 77, 2, 1]])
    assert drift.homogeneity(rare) == pytest.approx(stats.chi2_contingency([[40, 60, 96, 4], [70, 50, 77, 3]]).pvalue)


def test_urgency_that_swells_for_two_weeks_is_warned_of() -> None:
    calm, busy = {"urgent": 2, "normal": 18}, {"urgent": 5, "critical": 1, "normal": 10}
    assert drift.inflation([busy, calm]) == "" and drift.inflation([calm, busy]) == ""
    assert drift.inflation([{"urgent": 3}, {"urgent": 3}]) == ""  # a handful of cases
    assert "38%, 38% of the new cases" in drift.inflation([calm, busy, busy])


def test_the_report_compares_the_last_four_weeks_with_the_twelve_before(tmp_path: Path) -> None:
    book = DeskBook(quick_register(tmp_path), tmp_path, model=Guess("delivery"))
    for _ in range(30):
        book.arrives("Mon 2 Nov 2026 10:00", "My parcel has not come.")
    book.model = Guess("billing", p=0.6)
    book.desk.__dict__["model"] = book.model
    for _ in range(30):
        book.arrives("Mon 14 Dec 2026 10:00", "You charged me twice.")
    found = look.report(book.desk, 7)
    told = found["drift"]
    assert (told["mails_before"], told["mails_now"]) == (30, 30)
    moved = {m["name"]: m for m in told["moved"]}
    assert moved["label_mix"]["alarm"] and moved["label_mix"]["now"] == 1.0
    page = look.report_markdown(found)
    assert "ALARM: 100% of the mail has another label than before" in page
    assert "The last 4 weeks (30 mails) against the 12 before (30 mails):" in page
