"""The second stage of the model: words and signs weighed together, and wordings that are only look-alikes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from triage.judge import signs, weigh
from triage.judge.classify import Words
from triage.judge.cues import Cue, Cues, Flag
from triage.judge.dates import CustomerDate
from triage.judge.weigh import FloatArray
from triage.learn import weighing
from triage.words import Urgency

NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


def flag(name: str, floor: Urgency | None = None, *, live: bool = True) -> Flag:
    return Flag(name, ("words",), live, floor, "en rule")


def wedding(days: float) -> CustomerDate:
    return CustomerDate(NOW + timedelta(days=days), "my wedding on Saturday", "event")


# --- signs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cues", "expected"),
    [
        (Cues(), ()),
        (Cues(flags=(flag("churn_threat"),)), ("flag:churn_threat",)),
        (Cues(flags=(flag("vulnerable", Urgency.URGENT),)), ("flag:vulnerable", "floor:urgent")),
        (
            Cues(flags=(flag("fraud", Urgency.URGENT, live=False),)),
            ("flag:fraud", "floor:urgent", "past:fraud"),
        ),
        (Cues(rules=(flag("essential_off", Urgency.CRITICAL),)), ("floor:critical", "rule:essential_off")),
        (Cues(history=(flag("broken_promise"),)), ("says:broken_promise",)),
        (Cues(dates=(wedding(-1),)), ("date:event", "past")),
        (Cues(dates=(wedding(1),)), ("date:event", "within:2")),
        (Cues(dates=(wedding(4),)), ("date:event", "within:5")),
        (Cues(dates=(wedding(5),)), ("date:event", "later")),
        (Cues(dates=(wedding(1), wedding(4))), ("date:event", "within:2", "within:5")),
        (Cues(thanks=Cue("thanks", ("thanks",), "en"), not_fixed=Cue("not_fixed", ("still",), "en")), ("not_fixed", "thanks")),
    ],
)  # fmt: skip
def test_a_sign_says_what_was_found_and_not_how_it_was_worded(cues: Cues, expected: tuple[str, ...]) -> None:
    assert signs.of(cues, NOW) == expected


# --- trees ------------------------------------------------------------------------------------------------------------


def test_packed_trees_say_what_scikit_learn_says() -> None:
    dice = np.random.default_rng(3)
    table = dice.normal(size=(400, 6)).astype(np.float32).round(1)  # rounded: many values lie on a cut
    yes = table[:, 0] * table[:, 1] + dice.normal(size=400) > 0
    fitted = weighing.boosted(table, yes, 1)
    found = weighing.packed(fitted)
    assert found.margins(table) == pytest.approx(fitted.decision_function(table), abs=1e-4)
    assert found.probabilities(table) == pytest.approx(fitted.predict_proba(table)[:, 1], abs=1e-4)


# --- weighing ---------------------------------------------------------------------------------------------------------

FLAGS = ("vulnerable",)


def first_stage(n: int) -> dict[str, FloatArray]:
    """A first stage that knows nothing."""
    return {
        "complaint": np.full((n, 1), 0.5),
        "other": np.full((n, 2), 0.5),
        "type": np.full((n, 3), 1 / 3),
        "urgency": np.tile([0.8, 0.4, 0.2], (n, 1)),
        "flags": np.full((n, 1), 0.3),
    }


def learnt(n: int = 300) -> tuple[weigh.Weighing, dict[str, FloatArray], list[tuple[str, ...]], weighing.Truth]:
    """Mail in which a near date is what makes urgent, and the wording of a flag is right in half of the mails."""
    dice = np.random.default_rng(5)
    near, worded = dice.random(n) < 0.4, dice.random(n) < 0.4
    shares = first_stage(n)
    shares["flags"][:, 0] = np.where(dice.random(n) < 0.5, 0.05, 0.6)
    said = [("within:2",) * bool(a) + ("flag:vulnerable",) * bool(b) for a, b in zip(near, worded, strict=True)]
    truth = weighing.Truth(
        complaint=np.arange(n) % 4 > 0,
        level=np.where(near, 3, 2),
        edges=(2, 3, 4),
        flags=(worded & (shares["flags"][:, 0] > 0.5))[:, None],
        groups=np.arange(n) % 10,
    )
    found, unseen = weighing.fit(shares, FLAGS, said, [40] * n, truth, seed=1)
    return found, unseen, said, truth


def test_a_sign_that_the_words_do_not_know_decides_the_urgency() -> None:
    found, unseen, _, truth = learnt()
    with_date, without = found.weigh(first_stage(2), FLAGS, [("within:2",), ()], [40, 40])["urgency"][:, 1]
    assert with_date > 0.9
    assert without < 0.1
    right = (unseen["urgency"][:, 1] > 0.5) == (truth.level >= 3)
    assert right.mean() > 0.95, "on mail of groups that the fold had not seen"


def test_a_wording_is_believed_as_far_as_the_words_around_it_allow() -> None:
    found, _, _, _ = learnt()
    shares = first_stage(4)
    shares["flags"][:, 0] = [0.05, 0.6, 0.05, 0.6]
    worded = ("flag:vulnerable",)
    told = found.weigh(shares, FLAGS, [worded, worded, (), ()], [40] * 4)["flags"][:, 0]
    assert told[1] > 0.8
    assert told[0] < 0.3
    assert told[2] < told[0]
    assert told[3] < told[1]


def test_the_same_mail_and_seed_give_the_same_weighing() -> None:
    one, other = learnt()[0], learnt()[0]
    table = first_stage(3)
    said = [("within:2",), (), ("flag:vulnerable",)]
    first, second = (w.weigh(table, FLAGS, said, [5, 50, 500]) for w in (one, other))
    assert all(np.array_equal(first[name], second[name]) for name in first)


def test_a_question_with_one_answer_stays_with_it() -> None:
    n = 60
    truth = weighing.Truth(
        np.ones(n, dtype=bool), np.full(n, 2), (2, 3, 4), np.zeros((n, 1), dtype=bool), np.arange(n) % 5
    )
    found, _ = weighing.fit(first_stage(n), FLAGS, [()] * n, [40] * n, truth, seed=1)
    told = found.weigh(first_stage(1), FLAGS, [()], [40])
    assert told["complaint"][0, 0] > 0.9
    assert told["urgency"][0, 2] < 0.1
    assert told["flags"][0, 0] == pytest.approx(0.3), "nothing to learn from: as the first stage says"


def test_signs_that_training_never_met_change_nothing() -> None:
    found, _, _, _ = learnt()
    known, strange = (
        found.weigh(first_stage(1), FLAGS, [said], [40]) for said in (("within:2",), ("within:2", "date:eclipse"))
    )
    assert all(np.array_equal(known[name], strange[name]) for name in known)


def test_only_mail_whose_signs_are_known_is_weighed() -> None:
    from tests.test_classify import tiny_model

    text = "the parcel never arrived"
    plain = tiny_model()
    n = 80
    truth = weighing.Truth(
        np.ones(n, dtype=bool), np.full(n, 2), (2, 3, 4), np.zeros((n, 1), dtype=bool), np.arange(n) % 5
    )
    weighed = tiny_model()
    weighed.weighing, _ = weighing.fit(
        {**first_stage(n)}, FLAGS, [()] * n, [40] * n, truth, seed=1
    )  # always a complaint, always normal
    before = plain.predict([Words("", text), Words("", text, signs=())])
    after = weighed.predict([Words("", text), Words("", text, signs=())])
    assert after[0].urgency == before[0].urgency, "nobody looked for signs"
    assert after[1].urgency["normal"] > 0.8
    assert after[1].complaint_type == before[1].complaint_type


# --- nothing leaks, and a probability means what it says ----------------------------------------------------------------


def test_what_only_tells_the_customer_teaches_nothing() -> None:
    """Each of ten customers has a sign of its own, and half of them are always urgent. Learnt from mail of the same customer
    the sign would be all; folds keep customers whole, so it is worth nothing, and the calibration says so."""
    customer = np.arange(800) % 10
    answer = customer % 2 == 0
    truth = weighing.Truth(answer, np.where(answer, 3, 2), (2, 3, 4), np.zeros((800, 1), dtype=bool), customer)
    said = [(f"who:{one}",) for one in customer]
    found, unseen = weighing.fit(first_stage(800), FLAGS, said, [40] * 800, truth, seed=1)
    assert ((unseen["urgency"][:, 1] > 0.5) == answer).mean() < 0.7
    told = found.weigh(first_stage(10), FLAGS, said[:10], [40] * 10)
    assert np.all(np.abs(told["urgency"][:, 1] - 0.5) < 0.25), "the margins are loud, the probabilities must not be"
    assert np.all(np.abs(told["complaint"] - 0.5) < 0.25)


def test_urgency_is_calibrated_on_mail_that_has_one() -> None:
    dice = np.random.default_rng(9)
    n = 600
    dated = np.arange(n) % 3 == 0
    level = np.where(dated, np.where(dice.random(n) < 0.7, 3, 2), 0)
    truth = weighing.Truth(dated, level, (2, 3, 4), np.zeros((n, 1), dtype=bool), np.arange(n) % 10)
    _, unseen = weighing.fit(first_stage(n), FLAGS, [()] * n, [40] * n, truth, seed=1)
    assert unseen["urgency"][dated, 1].mean() == pytest.approx((level[dated] >= 3).mean(), abs=0.05)


def test_the_length_of_a_mail_counts() -> None:
    lengths = [5 if i % 2 else 200 for i in range(200)]
    truth = weighing.Truth(
        np.array([n > 100 for n in lengths]), np.full(200, 2), (2, 3, 4), np.zeros((200, 1), dtype=bool), np.arange(200) // 4 % 10
    )  # fmt: skip
    found, _ = weighing.fit(first_stage(200), FLAGS, [()] * 200, lengths, truth, seed=1)
    short, long = found.weigh(first_stage(2), FLAGS, [(), ()], [5, 200])["complaint"][:, 0]
    assert short < 0.2 < 0.8 < long
