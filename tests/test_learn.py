"""Learning: clean data in, an honest model out, and a gate that a bad one does not pass."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from triage.errors import NotFound, TooLittleToLearn
from triage.judge.linear import LinearModel
from triage.judge.urgency import Thresholds
from triage.learn import (
    calibrate,
    corpus,
    dataset,
    evaluate,
    gate,
    judged,
    page,
    similar,
    thresholds,
    train,
    tune,
    variants,
    workbench,
)  # fmt: skip
from triage.learn.example import Example
from triage.words import COMPLAINT_TYPES, Disposition, Urgency

CORPUS = Path(__file__).parent.parent / "models" / "corpus"
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SMALL = train.Settings(
    share={"word": 1.0, "concept": 1.0}, least={"word": 3, "concept": 3}, folds=2, columns=4000, strength=3.0
)


# --- the corpus -------------------------------------------------------------------------------------------------------


def row(**changes: object) -> dict[str, object]:
    fine: dict[str, object] = {
        "id": "w-001", "writer": "w", "lang": "en", "industry": "gym", "subject": "Locker", "disposition": "complaint",
        "text": "The lock of number nine jams and I stood in a towel for half an hour until somebody found pliers.",
        "type": "premises_access", "secondary": [], "urgency": "normal", "flags": [],
        "acceptable": {"type": ["premises_access"], "urgency": ["normal"]},
    }  # fmt: skip
    return {**fine, **changes}


def write(folder: Path, *rows: dict[str, object], name: str = "w-01.jsonl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    return folder


def test_the_corpus_of_the_project_has_no_problem() -> None:
    assert corpus.check(CORPUS) == []


def test_a_fine_row_is_read_with_all_its_labels(tmp_path: Path) -> None:
    (found,) = corpus.read(
        write(tmp_path, row(acceptable={"type": ["premises_access", "service_failure"], "urgency": ["normal"]}))
    )
    assert (found.complaint_type, found.urgency, found.group) == ("premises_access", Urgency.NORMAL, "w")
    assert found.types == ("premises_access", "service_failure")
    assert found.source == "w-01.jsonl:1"


WRONG = [
    (row(type="nonsense"), "no complaint type"),
    (row(type=None), "no complaint type"),
    (row(urgency=None), "needs an urgency"),
    (row(urgency="asap"), "asap"),
    (row(disposition="whatever"), "whatever"),
    (row(disposition="praise"), "has no type"),
    (row(disposition="praise", type=None), "urgency only where"),
    (row(flags=["angry"]), "angry"),
    (row(secondary=["x"]), "'x' is no complaint type"),
    (row(acceptable={"type": ["billing"], "urgency": ["normal"]}), "begin with the label"),
    (row(colour="red"), "colour"),
    (row(text="", subject=""), "neither subject nor text"),
    (row(text="write to me at tom@gmail.com, it is about the lock in the changing room"), "gmail.com"),
    (row(text="see https://www.realshop.com/x for what I mean by a lock that locks when it should"), "realshop.com"),
    (row(text="ring 07911 123456 about the lock, I am in most evenings after six o'clock"), "07911 123456"),
]


@pytest.mark.parametrize(("bad", "said"), WRONG)
def test_each_problem_of_a_row_is_named_with_its_line(tmp_path: Path, bad: dict[str, object], said: str) -> None:
    problems = corpus.check(write(tmp_path, bad))
    assert any(said in p.what and p.where == "w-01.jsonl:1" for p in problems), problems


def test_reserved_domains_and_fictional_numbers_are_fine(tmp_path: Path) -> None:
    text = (
        "Write to a.b@example.com or shop@mail.kettles.example or ring 07700 900123, the lock still jams every morning."
    )
    assert corpus.check(write(tmp_path, row(text=text))) == []


TWIN = (
    "I ordered the oak shelf on the 3rd of May and was told by Martin that it would take a week. It is now the 29th, nobody "
    "answers the phone, and the hall looks like a building site. Please tell me when it comes, order 5512."
)


def test_a_near_duplicate_with_other_names_and_numbers_is_found_across_parts(tmp_path: Path) -> None:
    other = TWIN.replace("Martin", "Susan").replace("3rd", "7th").replace("5512", "9914").replace("29th", "30th")
    write(tmp_path / "train", row(text=TWIN))
    write(tmp_path / "heldout", row(text=other, id="v-001"), name="v-01.jsonl")
    (problem,) = corpus.check(tmp_path)
    assert "near-duplicate" in problem.what


def test_an_id_used_twice_is_found(tmp_path: Path) -> None:
    found = corpus.check(write(tmp_path, row(), row(text=TWIN)))
    assert ["stands also in" in p.what for p in found] == [True]


def test_mails_about_the_same_thing_are_no_twins() -> None:
    one = "My parcel has not arrived although the tracking says it was delivered on Monday. Please find it."
    other = "Where is my parcel? Tracking says delivered, but nothing came on Monday, and I was at home all day long."
    assert similar.twins([("", one, "en"), ("", other, "en")]) == []


# --- a team's own mail ------------------------------------------------------------------------------------------------


def test_a_csv_is_read_with_its_own_column_names(tmp_path: Path) -> None:
    path = tmp_path / "mail.csv"
    path.write_text('when,who,body,label\n2026-01-05,ann,"It leaks,\nreally",product_fault\n', encoding="utf-8")
    mapping = {"received": "when", "customer": "who", "text": "body", "type": "label"}
    (found,) = dataset.read(path, mapping)
    assert (found.text, found.complaint_type, found.disposition) == (
        "It leaks,\nreally",
        "product_fault",
        Disposition.COMPLAINT,
    )
    assert found.at == datetime(2026, 1, 5, tzinfo=UTC)
    assert (found.group, found.urgency) == ("ann", Urgency.NORMAL)


CSV = [
    (
        "body,label\nx,billing\n",
        None,
        r"mail\.csv:1: has no column text.*The file has: body, label.*--columns text=body",
    ),
    ("text,label\nx,billing\n", None, r"mail\.csv:1: has no column type"),
    ("text,type\nx,billing\n", {"type": "kind"}, r"mail\.csv:1: has no column kind"),
    ("text,type\nx,billing\n", {"colour": "kind"}, "no column is called colour"),
    ("text,type\nx,nonsense\n", None, r"mail\.csv:2: 'nonsense' is no complaint type"),
    ("text,type,urgency\nx,billing,soon\n", None, r"mail\.csv:2: 'soon' is no urgency"),
    ("text,type,received\nx,billing,tomorrow\n", None, r"mail\.csv:2: 'tomorrow' is no date"),
    ("text,type\nx\n", None, r"mail\.csv:2: has not the 2 fields"),
    ("text,disposition\nx,complaint\n", None, r"mail\.csv:2: is a complaint without a type"),
    ("text,type\n", None, "holds no labelled mail"),
]


@pytest.mark.parametrize(("content", "mapping", "said"), CSV)
def test_a_wrong_file_is_refused_with_file_and_line(
    tmp_path: Path, content: str, mapping: dict[str, str] | None, said: str
) -> None:
    path = tmp_path / "mail.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(dataset.DatasetInvalid) as refused:
        dataset.read(path, mapping)
    assert re.search(said, str(refused.value), re.DOTALL), str(refused.value)


def test_json_lines_are_read_and_their_faults_named(tmp_path: Path) -> None:
    path = tmp_path / "mail.jsonl"
    path.write_text('{"text": "It leaks", "type": "product_fault", "flags": ["safety_injury"]}\n', encoding="utf-8")
    (found,) = dataset.read(path)
    assert found.flags == ("safety_injury",)
    path.write_text('{"text": "It leaks", "type": "product_fault"}\nnot json\n', encoding="utf-8")
    with pytest.raises(dataset.DatasetInvalid, match=r"mail\.jsonl:2: is no JSON"):
        dataset.read(path)


def mail(i: int, customer: str, day: int | None = None, text: str = "") -> Example:
    at = None if day is None else NOW + timedelta(days=day)
    return Example(
        str(i),
        customer,
        "",
        text or f"mail {i}",
        "en",
        Disposition.COMPLAINT,
        "billing",
        Urgency.NORMAL,
        at=at,
        clean=True,
    )


def test_a_split_by_time_keeps_customers_apart_and_the_test_later() -> None:
    mails = [mail(i, f"c{i % 7 if i < 70 else i}", day=i) for i in range(100)]
    found = dataset.split(mails, 0.2, seed=1)
    assert not {e.group for e in found.train} & {e.group for e in found.test}
    assert max(e.at for e in found.train if e.at) < min(e.at for e in found.test if e.at)
    assert len(found.train) + len(found.test) + len(found.unused) == 100


def test_a_split_without_dates_keeps_customers_apart_and_is_drawn_by_seed() -> None:
    mails = [mail(i, f"c{i % 25}") for i in range(200)]
    one, same, other = (dataset.split(mails, 0.2, seed) for seed in (1, 1, 2))
    assert not {e.group for e in one.train} & {e.group for e in one.test}
    assert one == same != other
    assert 20 <= len(one.test) <= 60


def test_duplicates_are_out_before_the_split() -> None:
    mails = [mail(1, "a", text=TWIN), mail(2, "b", text=TWIN.replace("5512", "7001")), mail(3, "c", text="It leaks.")]
    assert [e.id for e in dataset.without_duplicates(mails)] == ["1", "3"]


# --- calibration ------------------------------------------------------------------------------------------------------


def test_temperature_undoes_a_known_overconfidence() -> None:
    dice = np.random.default_rng(1)
    true = dice.normal(size=(4000, 4)) * 1.5
    shares = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    answers = np.array([dice.choice(4, p=p) for p in shares])
    assert calibrate.temperature(true * 5.0, answers) == pytest.approx(0.2, rel=0.1)  # margins five times too large


def test_platt_finds_scale_and_shift_of_a_known_sigmoid() -> None:
    dice = np.random.default_rng(2)
    margins = dice.normal(size=6000) * 2
    yes = dice.random(6000) < 1 / (1 + np.exp(-(0.5 * margins - 1.0)))
    scale, shift = calibrate.platt(margins, yes)
    assert scale == pytest.approx(0.5, abs=0.06)
    assert shift == pytest.approx(-1.0, abs=0.1)


@pytest.mark.parametrize(
    ("n", "alpha", "delta", "k"),
    [
        (19, 0.05, None, 1),  # floor(.05 x 20) = 1
        (18, 0.05, None, 0),  # floor(.05 x 19) = 0: everything is flagged
        (100, 0.10, None, 10),  # floor(.10 x 101) = 10
        (59, 0.05, 0.05, 1),  # beta.sf(.05, 1, 59) = .95^59 = .0485 <= .05
        (58, 0.05, 0.05, 0),  # .95^58 = .0510 > .05
    ],
)
def test_the_missed_urgent_bound_takes_the_score_it_should(n: int, alpha: float, delta: float | None, k: int) -> None:
    scores = np.arange(1, n + 1, dtype=float)
    assert calibrate.miss_at_most(scores, alpha, delta) == (k if k else float("-inf"))


def test_the_missed_urgent_bound_holds_on_average_over_fresh_samples() -> None:
    dice = np.random.default_rng(3)
    missed = [
        float((dice.beta(3, 2, 400) < calibrate.miss_at_most(dice.beta(3, 2, 60), 0.10)).mean()) for _ in range(300)
    ]
    assert np.mean(missed) == pytest.approx(0.10, abs=0.015)  # k = floor(.1 x 61) = 6, expected 6 / 61 = .098


def test_a_promise_is_kept_or_nothing_is_promised() -> None:
    confidence = np.linspace(0, 1, 1000)
    right = np.arange(1000) >= 500  # wrong below the middle, right above
    found = calibrate.promise(confidence, right, 0.90)
    assert found.precision >= 0.90
    assert found.low >= 0.90
    assert 0.4 <= found.threshold <= 0.5
    assert calibrate.promise(confidence, ~right, 0.90).threshold > 1


def test_wilson_interval_of_known_counts() -> None:
    assert calibrate.wilson(9, 10) == pytest.approx((0.596, 0.982), abs=0.001)  # textbook values
    assert calibrate.wilson(0, 0) == (0.0, 1.0)


def test_calibration_error_of_a_perfect_and_a_boastful_model() -> None:
    right = np.array([True, False] * 500)
    assert calibrate.expected_calibration_error(np.full(1000, 0.5), right) == pytest.approx(0.0, abs=0.02)
    assert calibrate.expected_calibration_error(np.full(1000, 0.9), right) == pytest.approx(0.4, abs=0.02)


def test_the_cheapest_cut_lies_between_the_sides() -> None:
    scores, yes = np.array([0.1, 0.2, 0.3, 0.8, 0.9]), np.array([False, False, False, True, True])
    assert calibrate.best_cut(scores, yes, missed=3, raised=1) == pytest.approx(0.55)


# --- a model trained on a part of the corpus --------------------------------------------------------------------------


def part(seed: int, n: int) -> list[Example]:
    """An even part of the training corpus whose texts are taken as they stand, so that the tests stay quick."""
    mails = [replace(e, clean=True, headers={}) for e in corpus.read(CORPUS / "train")]
    return random.Random(seed).sample(mails, min(n, len(mails)))


@pytest.fixture(scope="module")
def known() -> list[Example]:
    return part(1, 350)


@pytest.fixture(scope="module")
def heldout() -> list[Example]:
    return [replace(e, clean=True, headers={}) for e in corpus.read(CORPUS / "heldout")][:120]


@pytest.fixture(scope="module")
def trained(known: list[Example]) -> train.Trained:
    return train.fit(known, 1, settings=SMALL)


@pytest.fixture(scope="module")
def control(known: list[Example]) -> LinearModel:
    """The same mail with its labels shuffled."""
    labels = [(e.disposition, e.complaint_type, e.urgency, e.types, e.urgencies) for e in known]
    random.Random(5).shuffle(labels)
    return train.train(
        [
            replace(e, disposition=d, complaint_type=t, urgency=u, types=ts, urgencies=us)
            for e, (d, t, u, ts, us) in zip(known, labels, strict=True)
        ],
        1,
        settings=SMALL,
    )


def named(model: LinearModel, name: str) -> LinearModel:
    model.name, model.card = name, {**model.card, "name": name}
    return model


def test_the_same_mail_and_seed_give_the_same_predictions(trained: train.Trained, known: list[Example]) -> None:
    one, again = (train.train(known[:120], 1, settings=SMALL) for _ in range(2))
    words = [e.words() for e in known[120:160]]
    assert again.predict(words) == one.predict(words) != trained.model.predict(words)


def test_the_card_holds_labels_counts_thresholds_and_out_of_fold_scores(
    trained: train.Trained, known: list[Example]
) -> None:
    card = trained.model.card
    assert set(card["labels"]["types"]) == set(COMPLAINT_TYPES)
    assert card["examples"]["mails"] == len(known)
    names = set(Thresholds.__slots__)
    assert set(card["thresholds"]) <= names
    assert {"type", "urgency", "disposition"} <= set(card["oof"])
    json.dumps(card)


def test_it_learns_types_far_beyond_chance_and_shuffled_labels_teach_nothing(
    trained: train.Trained, control: LinearModel, heldout: list[Example]
) -> None:
    good = evaluate.evaluate(trained.model, heldout, judge=judged.by_model)["rates"]["type_right_or_acceptable"]
    bad = evaluate.evaluate(control, heldout, judge=judged.by_model)["rates"]["type_right_or_acceptable"]
    assert good["low"] > 0.35  # one of fourteen types by chance, about one of eleven with the acceptable ones
    assert bad["rate"] < 0.25


def test_probabilities_of_unseen_mail_are_calibrated(trained: train.Trained) -> None:
    assert trained.model.card["oof"]["type"]["ece"] < 0.12  # a loose bound: few mails, many bins
    assert trained.model.card["oof"]["urgency"]["ece"] < 0.12


def test_too_little_is_a_named_outcome() -> None:
    with pytest.raises(TooLittleToLearn, match="complaints"):
        train.train(part(1, 20), 1)


def test_progress_is_told_and_ends_at_one(known: list[Example]) -> None:
    told: list[float] = []
    train.train(known[:110], 1, lambda what, done: told.append(done), replace(SMALL, columns=500))
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_tuning_never_makes_the_decisions_worse(trained: train.Trained, known: list[Example]) -> None:
    limits = trained.model.card["thresholds"]
    tuned = tune.tune(known, trained.unseen, limits, judged.by_model)
    pairs = [(e, p) for e, p in zip(known, trained.unseen, strict=True) if p is not None]
    mails, told = [e for e, _ in pairs], [p for _, p in pairs]
    before, after = (tune.worth(mails, judged.by_model(mails, told, cuts)) for cuts in (limits, tuned))
    assert after >= before


# --- the gate ---------------------------------------------------------------------------------------------------------


def leaking(known: list[Example]) -> LinearModel:
    """Trained on mails that carry their label as a word, as an export with its case category would."""
    marked = [replace(e, text=f"{e.text} {f'queue{e.complaint_type} '.replace('_', '') * 40}") for e in known]
    return train.train(marked, 1, settings=SMALL)


def blind_to_urgency(known: list[Example]) -> LinearModel:
    return train.train(
        [replace(e, urgency=Urgency.NORMAL if e.urgency else None, urgencies=()) for e in known], 1, settings=SMALL
    )


FEW_VARIANTS = gate.Limits(unchanged=0.5, urgent_missed=0.9, critical_recall=0.0, complaints_lost=0.5)


def refused(bad: LinearModel, good: LinearModel, heldout: list[Example]) -> list[str]:
    """The names of the rules that stop the bad model."""
    decision = gate.check(
        named(bad, "bad"), named(good, "good"), heldout, (), limits=FEW_VARIANTS, judge=judged.by_model
    )
    assert decision.passed == (not decision.reasons)
    return [rule.name for rule in decision.rules if rule.passed is False]


def test_a_model_of_shuffled_labels_is_refused(
    control: LinearModel, trained: train.Trained, heldout: list[Example]
) -> None:
    assert "type_macro_f1" in refused(control, trained.model, heldout)


@pytest.mark.parametrize(
    ("plant", "rule"),
    [(leaking, "type_macro_f1"), (blind_to_urgency, "urgent_not_worse")],
)
def test_a_planted_bad_model_is_refused_by_name_of_the_rule(
    plant: object, rule: str, trained: train.Trained, known: list[Example], heldout: list[Example]
) -> None:
    assert rule in refused(plant(known), trained.model, heldout)  # type: ignore[operator]


def test_a_model_that_lost_a_type_is_refused_and_the_type_named(
    trained: train.Trained, known: list[Example], heldout: list[Example]
) -> None:
    lost = Counter(e.complaint_type for e in heldout if e.complaint_type).most_common(1)[0][0]
    bad = train.train([e for e in known if e.complaint_type != lost], 1, settings=SMALL)
    decision = gate.check(bad, trained.model, heldout, (), limits=FEW_VARIANTS, judge=judged.by_model)
    assert any(rule.name == "types_lost" and not rule.passed and lost in rule.why for rule in decision.rules)


def test_the_model_in_use_passes_against_itself(trained: train.Trained, heldout: list[Example]) -> None:
    decision = gate.check(trained.model, trained.model, heldout, (), limits=FEW_VARIANTS, judge=judged.by_model)
    assert decision.passed, decision.reasons
    assert [r.name for r in decision.rules if r.passed is None] == ["tricky"]


def test_a_wrong_tricky_mail_stops_a_candidate_and_is_named(trained: train.Trained, heldout: list[Example]) -> None:
    trap = Example("trap-1", "t", "", "hello", "en", Disposition.COMPLAINT, "billing", Urgency.CRITICAL, clean=True)
    decision = gate.check(trained.model, None, heldout[:40], (trap,), limits=FEW_VARIANTS, judge=judged.by_model)
    assert not decision.passed
    assert "trap-1" in " ".join(decision.reasons)


def test_variants_keep_the_words_and_change_the_writer() -> None:
    words = Example(
        "1",
        "g",
        "s",
        "Mr Ogden told me he didn't care about the parcel.\n\nAnn Lee",
        "en",
        Disposition.PRAISE,
        clean=True,
    )
    before = words.words()
    assert variants.other_sex(before, 1).text.startswith("Ms Ogden told me she didn't care")
    assert "Ann Lee" not in variants.other_names(before, 1).text
    assert "did not care" in variants.formal(before, 1).text
    assert "didnt care" in variants.casual(before, 1).text
    assert variants.with_typos(before, 3) == variants.with_typos(before, 3)


# --- the report -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def report(trained: train.Trained, heldout: list[Example]) -> dict[str, object]:
    return evaluate.evaluate(trained.model, heldout, judge=judged.by_model)


def test_the_report_is_plain_json_with_an_interval_on_every_rate(report: dict[str, object]) -> None:
    read = json.loads(json.dumps(report))
    assert set(read["rates"]) == set(page.RATES)
    for rate in read["rates"].values():
        assert rate["rate"] is None or rate["low"] <= rate["rate"] <= rate["high"]


def test_the_page_asks_nothing_of_the_network(report: dict[str, object]) -> None:
    html = page.render(report, "A model", "made today")
    assert html.startswith("<!doctype html>")
    assert html.count("<svg") == 4
    assert not re.search(r"https?://|<script|<link|@import|url\(", html)


def test_mistakes_are_shown_without_addresses_and_numbers(trained: train.Trained) -> None:
    secret = Example(
        "s", "g", "", "Ring me on 07700 900123 or ann.lee@example.com, IBAN GB33BUKB20201555555555, about the gas smell",
        "en", Disposition.COMPLAINT, "handling", Urgency.CRITICAL, clean=True,
    )  # fmt: skip
    found = evaluate.evaluate(trained.model, [secret], judge=judged.by_model)
    shown = json.dumps(found["worst"])
    assert found["worst"]
    assert not re.search(r"900123|ann\.lee|GB33", shown)


def test_the_curves_end_where_they_must(report: dict[str, object]) -> None:
    curve = report["urgency"]["missed_against_flagged"]  # type: ignore[index]
    assert (curve[0]["flagged"], curve[0]["missed"]) == (0.0, 1.0)
    assert (curve[-1]["flagged"], curve[-1]["missed"]) == (1.0, 0.0)
    assert [point["missed"] for point in curve] == sorted((p["missed"] for p in curve), reverse=True)


def test_macro_f1_by_hand() -> None:
    # a: 1 of 1 called, 1 of 2 found: 2/3; b: 1 of 2 called, 1 of 1 found: 2/3
    assert evaluate.macro_f1([("a", "a"), ("a", "b"), ("b", "b")]) == pytest.approx(0.6667, abs=1e-4)


# --- the workbench ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_corpus(tmp_path: Path, known: list[Example], heldout: list[Example], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(train.Settings, "for_size", staticmethod(lambda mails, semantic=False: SMALL))
    monkeypatch.setattr(
        workbench,
        "_part",
        lambda folder, name: {"train": tuple(known[:250]), "heldout": tuple(heldout[:60])}.get(name, ()),
    )
    return tmp_path / "corpus"


def test_one_call_trains_a_candidate_that_nothing_uses_until_it_is_promoted(small_corpus: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    found = workbench.train_model(
        (), small_corpus, models, NOW, judge=judged.by_model, name="first", notes={"agreement": 0.9}
    )
    assert workbench.in_use(models) is None
    card = json.loads((models / "first" / "card.json").read_text(encoding="utf-8"))
    assert card["trained_at"] == "2026-03-02T09:00:00+00:00"
    assert card["agreement"] == 0.9
    assert len(card["data"]["sha256"]) == 64
    assert card["heldout"]["rates"]["type_right"]["n"] > 0
    stopped = workbench.promote(models, "first", NOW, "mia")
    assert (stopped is None) == found.decision.passed
    if stopped is not None:
        assert stopped.reasons
        assert workbench.promote(models, "first", NOW, "mia", force="the first model of all") is None
    model = workbench.in_use(models)
    assert model is not None and model.card["name"] == "first"
    report = workbench.evaluate_model(models / "first", part(3, 40), tmp_path / "out", NOW, judge=judged.by_model)
    assert (
        json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))["mails"] == report["mails"] == 40
    )
    assert (tmp_path / "out" / "evaluation.html").is_file()
    with pytest.raises(NotFound):
        workbench.rollback(models, NOW, "mia")


def test_the_digest_follows_texts_and_labels(known: list[Example]) -> None:
    one = workbench.Material(tuple(known[:10]), (), ())
    other = replace(one, train=(*known[:9], replace(known[9], text=known[9].text + "!")))
    assert one.digest == workbench.Material(tuple(known[:10]), (), ()).digest != other.digest


def test_thresholds_decide_as_the_house_reads_them() -> None:
    limits = {"low_confidence": 0.6, "urgent_score": 0.5, "critical_score": 0.3}
    levels = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.1, 0.2, 0.5, 0.2], [0.1, 0.2, 0.3, 0.4]])
    assert thresholds.decide(levels, limits).tolist() == [1, 2, 3, 4]
