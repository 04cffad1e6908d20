"""How soon: the highest of model, flags, rules, history and the customer's date wins; every level has its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import permutations

import pytest

from triage.casework.hours import BusinessCalendar
from triage.judge.cues import Cue, Flag
from triage.judge.dates import CustomerDate
from triage.judge.urgency import Decided, History, Thresholds, business_days, decide, of_date
from triage.words import Urgency

HOURS = (((540, 1050),),) * 5 + ((), ())  # Mon-Fri 09:00-17:30
OFFICE = BusinessCalendar("office", "Europe/London", HOURS, frozenset({date(2026, 12, 25), date(2026, 12, 28)}))
WEDNESDAY = datetime(2026, 6, 10, 9, 0, tzinfo=UTC)
NORMAL = {"low": 0.1, "normal": 0.7, "urgent": 0.15, "critical": 0.05}
LOW = {"low": 0.9, "normal": 0.1, "urgent": 0.0, "critical": 0.0}
LEVELS = {"critical": Urgency.CRITICAL, "urgent": Urgency.URGENT, "normal": Urgency.NORMAL, "low": Urgency.LOW}


def flag(name: str, floor: Urgency | None, *, live: bool = True) -> Flag:
    return Flag(name, (f"words of {name}",), live, floor, f"en {name}: test")


def on(day: int, hour: int = 9, *, month: int = 6, kind: str = "travel") -> CustomerDate:
    return CustomerDate(datetime(2026, month, day, hour, tzinfo=UTC), "we fly", kind)


def decided(
    scores: dict[str, float] = NORMAL,
    flags: tuple[Flag, ...] = (),
    stated: tuple[Flag, ...] = (),
    dates: tuple[CustomerDate, ...] = (),
    **more: object,
) -> Decided:
    return decide(scores, flags, stated, dates, WEDNESDAY, OFFICE, **more)  # type: ignore[arg-type]


# Wednesday 10 June 2026, 10:00 in London; the day of receipt does not count, the day of the event does.
@pytest.mark.parametrize(
    ("received", "at", "days"),
    [
        ((6, 10, 9), (6, 10, 18), 0),  # today
        ((6, 10, 9), (6, 11, 5), 1),  # tomorrow, however early
        ((6, 10, 9), (6, 12, 9), 2),  # Thu, Fri
        ((6, 11, 11), (6, 15, 9), 2),  # Thu -> Mon: Fri, Mon
        ((6, 12, 16), (6, 13, 9), 0),  # Fri -> Sat: no working day is left
        ((6, 12, 16), (6, 15, 9), 1),  # Fri -> Mon
        ((6, 13, 9), (6, 15, 9), 1),  # Sat -> Mon
        ((12, 24, 9), (12, 29, 9), 1),  # 25 and 28 Dec are days off: only the 29th
        ((6, 10, 9), (9, 30, 9), 30),  # counting stops at 30
        ((6, 10, 22), (6, 11, 23), 2),  # 23:00Z on the 11th is the 12th in London: Thu, Fri
    ],
)  # fmt: skip
def test_business_days_to_an_event(received: tuple[int, int, int], at: tuple[int, int, int], days: int) -> None:
    start, end = (datetime(2026, *moment, tzinfo=UTC) for moment in (received, at))
    assert business_days(OFFICE, start, end) == days


@pytest.mark.parametrize(
    ("one", "level"),
    [
        (on(10, 17), Urgency.CRITICAL),  # today
        (on(11), Urgency.CRITICAL),  # 1 business day
        (on(12), Urgency.URGENT),  # 2
        (on(13), Urgency.URGENT),  # Saturday: Thu, Fri
        (on(15), Urgency.URGENT),  # 3
        (on(16), None),  # 4
        (on(9), None),  # over
        (on(30, kind="legal"), Urgency.URGENT),  # a term set to us is urgent however far
        (on(11, kind="regulator"), Urgency.CRITICAL),
    ],
)
def test_a_near_date_sets_a_floor(one: CustomerDate, level: Urgency | None) -> None:
    reason = of_date(one, WEDNESDAY, OFFICE)
    assert (reason.urgency if reason else None) == level
    assert reason is None or (reason.source == "date" and reason.evidence == ("we fly",))


@pytest.mark.parametrize(
    ("scores", "level"),
    [
        ({"low": 0.0, "normal": 0.3, "urgent": 0.1, "critical": 0.6}, "critical"),  # .6 >= .5
        ({"low": 0.0, "normal": 0.4, "urgent": 0.3, "critical": 0.3}, "urgent"),  # .3 + .3 >= .5, .3 < .5
        (NORMAL, "normal"),
        ({"low": 0.79, "normal": 0.21}, "normal"),  # low needs .8
        (LOW, "low"),
        ({}, "normal"),
    ],
)
def test_the_models_own_level(scores: dict[str, float], level: str) -> None:
    found = decided(scores)
    assert found.urgency == LEVELS[level]
    assert found.reasons[0].source == "model"


@pytest.mark.parametrize(
    "against",
    [
        {"flags": (flag("churn_threat", None),)},
        {"stated": (flag("chased_1", None),)},
        {"clear": False},
        {"history": History(chases=1)},
    ],
)
def test_low_needs_a_clear_mail_without_flag_or_chase(against: dict[str, object]) -> None:
    assert decided(LOW).urgency is Urgency.LOW
    assert decided(LOW, **against).urgency >= Urgency.NORMAL  # type: ignore[arg-type]


def test_the_highest_floor_wins_in_any_order_and_nothing_lowers() -> None:
    floors = (flag("vulnerable", Urgency.URGENT), flag("safety_injury", Urgency.CRITICAL), flag("churn_threat", None))
    assert {decided(LOW, order).urgency for order in permutations(floors)} == {Urgency.CRITICAL}
    critical = {"critical": 0.9, "normal": 0.1}
    assert decided(critical, (flag("vulnerable", Urgency.URGENT),)).urgency is Urgency.CRITICAL


@pytest.mark.parametrize(
    ("history", "level"),
    [
        (History(chases=1), Urgency.URGENT),  # normal, one level up
        (History(chases=2), Urgency.URGENT),
        (History(chases=5), Urgency.URGENT),  # history alone is never critical
        (History(broken_promises=1), Urgency.URGENT),
        (History(repeat_failure=True), Urgency.URGENT),
        (History(reopened=True), Urgency.URGENT),
        (History(answered=True), Urgency.NORMAL),
    ],
)
def test_history_raises(history: History, level: Urgency) -> None:
    assert decided(history=history).urgency == level


def test_a_first_chase_is_one_level_up_and_never_above_urgent() -> None:
    chased = (flag("chased_1", None),)
    assert decided(NORMAL, stated=chased).urgency is Urgency.URGENT
    assert decided({"urgent": 0.9}, stated=chased).urgency is Urgency.URGENT
    assert decided({"critical": 0.9}, stated=chased).urgency is Urgency.CRITICAL


def test_public_mail_is_one_level_up_and_never_above_urgent() -> None:
    assert decided(NORMAL, public=True).urgency is Urgency.URGENT
    assert decided({"urgent": 0.9}, public=True).urgency is Urgency.URGENT
    assert decided(LOW, public=True).urgency is Urgency.NORMAL


def test_a_despair_idiom_is_urgent_until_a_person_has_looked() -> None:
    found = decided(LOW, glance=Cue("self_harm", ("end it all lol",), "en"))
    assert found.urgency is Urgency.URGENT
    assert found.reasons[0].evidence == ("end it all lol",)


def test_a_flag_that_is_only_a_mark_does_not_raise() -> None:
    marks = (flag("churn_threat", None), flag("threat_to_staff", None), flag("wants_manager", None))
    assert decided(NORMAL, marks).urgency is Urgency.NORMAL


def test_every_level_reached_keeps_its_reason_and_its_source_highest_first() -> None:
    found = decided(
        NORMAL, (flag("vulnerable", Urgency.URGENT), flag("essential_off", Urgency.CRITICAL)),
        (flag("broken_promise", Urgency.URGENT),), (on(12),), history=History(repeat_failure=True),
    )  # fmt: skip
    assert [reason.source for reason in found.reasons] == ["rule", "flag", "history", "history", "date", "model"]
    assert found.urgency == found.reasons[0].urgency == max(reason.urgency for reason in found.reasons)
    assert all(reason.why for reason in found.reasons)


def test_thresholds_move_the_model() -> None:
    careful = Thresholds(urgent_score=0.2)
    assert decided(NORMAL, thresholds=careful).urgency is Urgency.URGENT  # .15 + .05 >= .2


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        decide(NORMAL, (), (), (), datetime(2026, 6, 10, 9), OFFICE)
