"""The measurement of the trainer on public sets: figures by hand, splits that do not leak, test parts that stay closed."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import triage
from benchmarks.quality import __main__ as command
from benchmarks.quality import anchors, measure, metrics, ours, page, sets, variants
from benchmarks.quality.sets import Part
from triage.judge import encoder

TOPICS = {
    "billing": "invoice charged twice amount wrong statement fee overcharged payment bill total",
    "delivery": "parcel late courier arrived lost tracking doorstep shipment driver parcels",
    "staff": "rude clerk shouted manager attitude unfriendly counter insulted adviser sneered",
}
FILLER = "yesterday again please about the from your shop because nobody after three weeks still"


def texts(count: int, seed: int = 1) -> Part:
    """Synthetic complaints: four words of the topic among five that say nothing."""
    draw = random.Random(seed)
    found, labels = [], []
    for _ in range(count):
        label = draw.choice(sorted(TOPICS))
        spoken = [*draw.sample(TOPICS[label].split(), 4), *draw.sample(FILLER.split(), 5)]
        draw.shuffle(spoken)
        found.append(" ".join(spoken))
        labels.append(label)
    return Part(tuple(found), tuple(labels))


def folder(path: Path, name: str = "cfpb5", train: int = 150, test: int = 60) -> Path:
    """A data folder with one small set."""
    (path / name).mkdir(parents=True)
    for file, part in (("train", texts(train)), ("test", texts(test, seed=2))):
        with (path / name / f"{file}.csv").open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([("text", "label"), *zip(part.texts, part.labels, strict=True)])
    return path


# --- figures ----------------------------------------------------------------------------------------------------------


def test_macro_f1_is_the_mean_over_the_classes_that_occur() -> None:
    # class 0: 2 there, 1 called, 1 hit: 2/3. class 1: 2 there, 3 called, 2 hits: 4/5. class 2 does not occur.
    assert metrics.macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 3) == pytest.approx((2 / 3 + 4 / 5) / 2)


CONFIDENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
RIGHT = np.array([True, True, False, True, False])


def test_selective_accuracy_answers_the_surest_texts_only() -> None:
    assert metrics.selective_accuracy(CONFIDENCE, RIGHT, 0.8) == (
        3,
        4,
    )  # four of five are answered, three of them right


@pytest.mark.parametrize(
    ("promised", "expected"),
    [
        (0.95, 2 / 5),  # 1/1, 2/2, then 2/3
        (0.70, 4 / 5),  # 2/3 falls short, 3/4 keeps it again: the largest share counts
        (0.60, 5 / 5),  # 3/5
    ],
)
def test_coverage_is_the_largest_share_that_keeps_the_promise(promised: float, expected: float) -> None:
    assert metrics.coverage(CONFIDENCE, RIGHT, promised) == pytest.approx(expected)


def test_coverage_is_none_where_even_the_surest_text_is_wrong() -> None:
    assert metrics.coverage(np.array([0.9, 0.8]), np.array([False, True]), 0.95) == 0.0


SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
URGENT = np.array([True, False, True, False, False, False, True, False, False, False])


def test_the_ranking_of_ten_texts_by_hand() -> None:
    # precision at the urgent places 1, 3 and 7: 1/1, 2/3, 3/7
    assert metrics.average_precision(SCORES, URGENT) == pytest.approx((1 + 2 / 3 + 3 / 7) / 3)
    # precision .5 holds down to place 4 (2/4), not at 7 (3/7): two of three
    assert metrics.recall_at_precision(SCORES, URGENT) == pytest.approx(2 / 3)
    # two of ten are looked at, one of three urgent is among them
    assert metrics.missed_at_review(SCORES, URGENT) == pytest.approx(2 / 3)


def test_a_threshold_takes_all_of_its_equals() -> None:
    # one score for all: the only threshold has precision 1/4
    equal = np.full(4, 0.5)
    assert metrics.recall_at_precision(equal, np.array([True, False, False, False])) == 0.0
    assert metrics.average_precision(equal, np.array([True, False, False, False])) == 0.25


def test_texts_of_no_class_are_told_by_a_low_margin() -> None:
    inside, outside = np.arange(1.0, 101.0), np.array([0.5, 3.0, 50.5, 200.0])
    # pairs in order: 100 + 97.5 (one tie) + 50 + 0 of 400; the 5 % cut lies at 5.95, two of four below
    assert metrics.rejected_outside(inside, outside) == {"auroc": round(247.5 / 400, 4), "recall": 0.5}


def test_a_certain_and_right_choice_has_no_calibration_error_and_a_narrow_interval() -> None:
    found = metrics.of_choice(np.eye(3)[[0, 1, 2] * 20], np.array([0, 1, 2] * 20))
    assert found["accuracy"][0] == 1.0 and 0.9 < found["accuracy"][1] < 1.0  # Wilson: 60 of 60 proves no certainty
    assert found["ece"] == [0.0, 0.0, 0.0]


def test_a_difference_is_paired() -> None:
    # 30 of 100 texts right for one only, 10 for the other only: +.20, clear of zero
    one = np.array([True] * 80 + [False] * 20)
    other = np.array([True] * 50 + [False] * 30 + [True] * 10 + [False] * 10)
    apart = metrics.difference(one, other)
    assert apart.value == pytest.approx(0.20)
    assert 0.05 < apart.low < apart.value < apart.high < 0.35
    assert metrics.difference(one, one).as_json() == [0.0, 0.0, 0.0]


# --- splits -----------------------------------------------------------------------------------------------------------


def test_no_text_stands_in_both_parts_or_twice_in_training_but_for_case_and_signs() -> None:
    train = Part(("Where is it?", "My card!", "where is it", "Late again"), ("a", "b", "a", "b"))
    found = sets.split("banking77", train, Part(("my  card", "new"), ("b", "a")))
    assert found.train == Part(("Where is it?", "Late again"), ("a", "b"))
    assert found.dropped == {"in the test part": 1, "repeated": 1}
    assert found.test.texts == ("my  card", "new")  # the test part is as given


def test_the_ranking_is_split_by_date(tmp_path: Path) -> None:
    (tmp_path / "nhtsa").mkdir()
    rows = [
        "text,date,label",
        "brake failed,2023-12-31,urgent",
        "radio,2024-01-01,other",
        "caught fire,2024-02-02,urgent",
    ]
    (tmp_path / "nhtsa" / "train.csv").write_text("\n".join(rows), encoding="utf-8")
    found = sets.read(tmp_path, "nhtsa")
    assert (found.train.texts, found.test.texts) == (("brake failed",), ("radio", "caught fire"))
    assert found.ranking and not sets.split("cfpb5", found.train, found.test).ranking


def test_reading_twice_gives_the_same_split_and_a_fast_run_has_no_test_part(tmp_path: Path) -> None:
    data = folder(tmp_path)
    assert sets.read(data, "cfpb5") == sets.read(data, "cfpb5")
    fast = sets.fast(sets.read(data, "cfpb5"))
    assert fast == sets.fast(sets.read(data, "cfpb5"))
    assert fast.test.texts == () and set(fast.train.texts) <= set(texts(150).texts)


def test_the_folds_of_the_anchors_are_those_of_the_trainer_and_each_text_is_unseen_once() -> None:
    unseen = [set(part.tolist()) for _, part in anchors.folds(23, seed=1)]
    assert sorted(place for part in unseen for place in part) == list(range(23))
    assert all(not set(known.tolist()) & set(part.tolist()) for known, part in anchors.folds(23, seed=1))


# --- what is compared -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> sets.PublicSet:
    return sets.split("cfpb5", texts(150), texts(60, seed=2))


@pytest.fixture(scope="module")
def measured(small: sets.PublicSet) -> tuple[dict[str, Any], dict[str, Any]]:
    return measure.measure(small, measure.contenders(small, sentences=False), opening=True)


def test_everybody_but_the_commonest_class_learns_topics_that_words_tell(
    measured: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    rows = measured[1]["rows"]
    assert set(rows) == {*(anchor.name for anchor in anchors.ANCHORS), "ours"}
    assert all(row["accuracy"][0] > 0.9 for name, row in rows.items() if name != "commonest class")
    assert rows["commonest class"]["accuracy"][0] < 0.5
    assert measured[1]["best_anchor"] in rows and list(measured[1]["against_best"]) == ["ours"]


def test_sentences_are_read_where_the_encoder_is_installed_and_the_set_is_light(
    small: sets.PublicSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "available", lambda: True)
    assert measure.contenders(small)[-1].name == "ours + sentences"
    assert "ours + sentences" not in [rival.name for rival in measure.contenders(small, sentences=False)]
    monkeypatch.setattr(measure, "_LIGHT", 3 * 150 - 1)  # three classes, 150 texts
    assert "ours + sentences" not in [rival.name for rival in measure.contenders(small)]


def test_what_is_said_of_a_text_adds_up_to_one(small: sets.PublicSet) -> None:
    fitted = anchors.ANCHORS[2].fit(small.train, 1)
    for scores in (fitted.unseen, fitted.score(small.test.texts)):
        assert scores.shares.sum(axis=1) == pytest.approx(1.0)


def test_a_label_that_only_one_text_has_does_not_stop_an_anchor() -> None:
    odd = Part((*texts(60).texts, "a matter of its own"), (*texts(60).labels, "other"))
    assert anchors.ANCHORS[0].fit(odd, 1).unseen.shares.shape == (61, 4)


def test_shuffled_labels_stay_at_chance_and_true_ones_would_not(small: sets.PublicSet) -> None:
    found = measure.control(small)
    assert found["at_chance"] and found["accuracy"][0] < 0.6
    known = {label: text for text, label in zip(small.train.texts, small.train.labels, strict=True)}
    assert sorted(sets.shuffled(small.train, 999).labels) == sorted(small.train.labels) and len(known) == 3


def test_an_urgent_text_is_found_by_the_one_question_of_the_urgency_head() -> None:
    draw = texts(150)
    part = Part(draw.texts, tuple(sets.URGENT if label == "staff" else sets.OTHER for label in draw.labels))
    given = sets.PublicSet(sets.RANKING, part.at(range(100)), part.at(range(100, 150)))
    _, opened = measure.measure(given, [anchors.ANCHORS[1], ours.Ours()], opening=True)
    assert all(row["average_precision"][0] > 0.95 for row in opened["rows"].values())
    control = measure.control(given)
    assert control["at_chance"] and control["average_precision"][0] < 0.7  # a third is urgent; learnt it would be 1


def test_settings_are_compared_to_what_ships(small: sets.PublicSet) -> None:
    tried = (variants.SHIPPED, variants.Variant("words only", share={"meaning": 0.0}))
    found = variants.compare(small.train, tried)
    assert found["as shipped"]["against_shipped"] == [0.0, 0.0, 0.0]
    assert found["words only"]["accuracy"][0] > 0.9


def test_what_one_collection_alone_says_does_not_help_with_another() -> None:
    """The label stands in the text, as a word that each collection has of its own: seen in folds, unseen by source."""
    labels = ("a", "b") * 40
    sources = tuple("one" if place < 40 else "two" for place in range(80))
    spoken = tuple(f"{source}{label} said {label}{source}" for label, source in zip(labels, sources, strict=True))
    part = Part(spoken, labels, sources)
    plain = (variants.Variant("words alone", share={"concept": 0.0, "letters": 0.0, "meaning": 0.0}),)
    assert variants.compare(part, plain)["words alone"]["accuracy"][0] == 1.0
    assert variants.compare(part, plain, by_source=True)["words alone"]["accuracy"][0] <= 0.5
    assert [len(known) for known, _ in variants.sources(part)] == [40, 40]


def test_a_mail_is_encoded_once_while_it_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def encode(mails: Any) -> Any:
        asked.extend(map(tuple, mails))
        return np.array([[len(mail)] * 2 for mail in mails], dtype=np.float32).reshape(-1, 2)

    monkeypatch.setattr(encoder, "encode", encode)
    with ours.remembering():
        assert encoder.encode([["a"], ["b", "c"], ["a"]]).tolist() == [[1, 1], [2, 2], [1, 1]]
        assert encoder.encode([["b", "c"], ["d"]]).tolist() == [[2, 2], [1, 1]]
        assert encoder.encode([]).shape == (0, 2)
    assert asked == [("a",), ("b", "c"), ("d",)]
    assert encoder.encode is encode


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "contenders", lambda given, sentences=True: (anchors.ANCHORS[0], anchors.ANCHORS[4]))
    monkeypatch.setattr(
        measure, "control", lambda public: {"accuracy": [0.3, 0.2, 0.4], "chance": 0.35, "at_chance": True}
    )


def run(tmp_path: Path, *arguments: str) -> tuple[int, Mapping[str, Any]]:
    results, docs = tmp_path / "results.json", tmp_path / "quality.md"
    code = command.main([*arguments, "--only", "cfpb5", "--results", str(results), "--page", str(docs)])
    return code, json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}


def test_without_a_folder_it_says_that_it_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path) == (0, {})
    assert run(tmp_path, "--data", "") == (0, {})  # as make gives it
    assert "skipped: no folder of public data" in capsys.readouterr().out


def test_a_folder_without_the_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "--data", str(tmp_path))[0] == 1
    assert "missing" in capsys.readouterr().out


def test_test_figures_appear_only_when_the_test_part_is_opened(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(folder(tmp_path / "data")))
    code, found = run(tmp_path, *data)
    assert code == 0 and "opened" not in found["sets"]["cfpb5"]
    assert "test:" not in capsys.readouterr().out
    assert "Test part not opened yet." in (tmp_path / "quality.md").read_text(encoding="utf-8")

    code, found = run(tmp_path, *data, "--open-test", triage.__version__)
    opened = found["sets"]["cfpb5"]["opened"][triage.__version__]
    assert code == 0 and opened["day"] and set(opened["rows"]) == {anchors.ANCHORS[0].name, "commonest class"}
    assert f"opened for release {triage.__version__} on" in (tmp_path / "quality.md").read_text(encoding="utf-8")


def test_the_test_part_is_opened_once_a_release_and_for_the_release_at_hand_only(
    tmp_path: Path, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(folder(tmp_path / "data")))
    assert run(tmp_path, *data, "--open-test", "99.0") == (1, {})
    first = run(tmp_path, *data, "--open-test", triage.__version__)[1]
    capsys.readouterr()
    code, second = run(tmp_path, *data, "--open-test", triage.__version__)
    told = capsys.readouterr().out
    assert code == 1 and second == first
    assert "refused" in told and "those figures stand" in told and "test:" not in told
    code, third = run(tmp_path, *data)  # measuring the training part again keeps what was opened
    assert code == 0 and third["sets"]["cfpb5"]["opened"] == first["sets"]["cfpb5"]["opened"]


def test_a_fast_run_writes_nothing_and_opens_nothing(tmp_path: Path, quick: None) -> None:
    data = ("--data", str(folder(tmp_path / "data")), "--fast")
    assert run(tmp_path, *data) == (0, {})
    assert run(tmp_path, *data, "--open-test", triage.__version__) == (1, {})


# --- the page ---------------------------------------------------------------------------------------------------------


def test_only_what_stands_between_the_marks_is_written_anew() -> None:
    old = f"# Mine\n\n{page.BEGIN}\nold\n{page.END}\n\nMine too.\n"
    new = f"{page.BEGIN}\nnew\n{page.END}"
    assert page.insert(old, new) == f"# Mine\n\n{new}\n\nMine too.\n"
    assert page.insert("# Mine\n", new) == f"# Mine\n\n{new}\n"


def test_the_section_of_the_page_is_what_the_results_say() -> None:
    if not command.RESULTS.exists():
        pytest.skip("benchmarks/quality/results.json: nothing was measured yet")
    found = json.loads(command.RESULTS.read_text(encoding="utf-8"))
    assert page.section(found) in command.PAGE.read_text(encoding="utf-8"), "python -m benchmarks.quality writes it"
