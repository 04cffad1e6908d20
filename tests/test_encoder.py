"""Sentences for the encoder, and a model folder that holds both a plain and a semantic model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.test_classify import tiny_model
from triage.errors import ModelUntrusted
from triage.judge import encoder, wording
from triage.judge.classify import Words
from triage.judge.features import analyse, with_sentences
from triage.judge.linear import LinearModel
from triage.learn import gate
from triage.world import artefact

needs_encoder = pytest.mark.skipif(
    not encoder.available(), reason="the extra complaint-triage[semantic] is not installed"
)
LATE = Words("Parcel", "The parcel never arrived. I am still waiting.", "en")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It broke! Was it £31.20? Yes", ["it broke", "was it amount", "yes"]),
        ("Then Mr Ogden told Valerie twice", ["then told twice"]),  # no names: they say nothing of the matter
        ("she told him your number", ["person told person you number"]),  # no sex, no formality
        ("write to a.b@example.com or https://shop.example/x", ["write to address or link"]),
        ("c'est déjà cassé", ["c'est déjà cassé"]),  # the encoder reads accents
        ("I don't, i dont", ["i do not i do not"]),
        ("the mask is masked", ["the mask is masked"]),
        ("", []),
        (
            "we waited for the engineer who was to come on Monday\nbut nobody came\n\nnobody rang",
            ["we waited for the engineer who was to come on monday but nobody came", "nobody rang"],
        ),  # the mail program broke the first line
    ],
)
def test_sentences_keep_what_is_said_and_lose_who_says_it(text: str, expected: list[str]) -> None:
    assert wording.sentences("", text, "en") == expected


@needs_encoder
def test_like_sentences_lie_close_across_words_and_languages() -> None:
    late, too_late, german, rude = encoder.encode(
        [["the parcel never came"], ["still waiting for my package"], ["das paket kam nie an"], ["the waiter was rude"]]
    )[:, : encoder.SIZE]
    assert late @ too_late > late @ rude
    assert late @ german > german @ rude


@needs_encoder
def test_a_mail_without_words_is_zero_and_its_company_changes_nothing() -> None:
    alone = encoder.encode([["the lamp is broken"]])
    among = encoder.encode([[], ["the lamp is broken"], ["something else"], ["a", "b"]])
    assert alone.shape == (1, encoder.WIDTH)
    assert not among[0].any()
    np.testing.assert_allclose(among[1], alone[0], atol=1e-5)


@needs_encoder
def test_a_hostile_length_is_cut() -> None:
    long = [["word " * 10_000] * 1_000]
    cut = [[("word " * 10_000)[:400]] * 60]
    np.testing.assert_array_equal(encoder.encode(long), encoder.encode(cut))


def semantic_model() -> LinearModel:
    """The tiny model with columns for the sentences; its type head listens to the first of them."""
    model = tiny_model()
    features = replace(model.features, share={**model.features.share, "sentence": 1.0})
    heads = {}
    for name, head in model.heads.items():
        rows = np.zeros((encoder.WIDTH, len(head.labels)), dtype=np.float32)
        rows[0] = np.arange(len(head.labels))
        heads[name] = replace(head, weights=np.vstack([head.weights, rows]))
    return LinearModel("tiny+sentences", features, heads, model.familiar, {"thresholds": {"urgent_score": 0.4}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return artefact.save(tiny_model(), tmp_path / "tiny", {"thresholds": {"urgent_score": 0.5}}, semantic_model())


@needs_encoder
def test_the_semantic_model_serves_where_the_encoder_is_installed(folder: Path) -> None:
    found = artefact.load(folder)
    assert (found.name, found.card["thresholds"]) == ("tiny+sentences", {"urgent_score": 0.4})
    assert found.predict([LATE]) == semantic_model().predict([LATE])
    assert found.predict([LATE])[0].model == "tiny+sentences"


@needs_encoder
def test_the_plain_model_serves_where_it_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "available", lambda: False)
    found = artefact.load(folder)
    assert (found.name, found.card["thresholds"]) == ("tiny", {"urgent_score": 0.5})
    assert found.predict([LATE]) == tiny_model().predict([LATE])
    with pytest.raises(ModelUntrusted, match="no semantic part"):
        artefact.load(folder, semantic=True)


@needs_encoder
def test_another_version_of_the_encoder_is_not_believed(folder: Path) -> None:
    path = folder / artefact.CARD
    card = json.loads(path.read_text(encoding="utf-8"))
    card["semantic"]["encoder"] = "9.9.9"
    path.write_text(json.dumps(card), encoding="utf-8")
    assert artefact.load(folder).name == "tiny"


@needs_encoder
def test_a_changed_semantic_part_is_refused(folder: Path) -> None:
    path = folder / artefact.SEMANTIC
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(ModelUntrusted, match=r"semantic\.joblib has sha256"):
        artefact.load(folder)


@needs_encoder
def test_analyses_carry_their_sentences_only_for_a_semantic_model() -> None:
    text = ("Parcel", "The parcel never arrived.", "en")
    plain = analyse(*text)
    assert plain.sentences is None
    (read,) = with_sentences([plain], [text])
    assert read.sentences is not None and read.sentences.shape == (encoder.WIDTH,)
    assert (read.words, read.concepts) == (plain.words, plain.concepts)


def test_both_models_of_a_folder_have_to_pass_the_gate() -> None:
    good = gate.Rule("tricky", 0.0, 0.0, True, "all right")
    bad = gate.Rule("critical_recall", 0.5, 0.95, False, "critical mail found: 0.5")
    yes, no = gate.Decision(True, (good,)), gate.Decision(False, (good, bad))
    assert gate.both(yes, yes) == gate.Decision(True, (good,))
    found = gate.both(no, yes)
    assert not found.passed
    assert found.reasons == ("without sentences: critical mail found: 0.5",)
