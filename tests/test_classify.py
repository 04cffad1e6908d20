"""What the classifier reads of a mail, and what its probabilities promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.judge import concepts, features, frame, linear, meaning, wording
from triage.judge.classify import Model, Prediction, Words, words_of
from triage.judge.concepts import LANGUAGES, lexicon, stream
from triage.learn import vocabulary
from triage.mail import body as mail_body
from triage.mail import message as mail_message
from triage.words import Urgency


def read(text: str, language: str = "en", subject: str = "") -> str:
    return " ".join(wording.words(subject, text, language))


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "paid £31.20 or 20 euros", "paid maskmoney or maskmoney"),
        ("en", "15 % off on 3/11 at 10:30, the 14th", "maskpercent off on maskdate at masktime the maskdate"),
        ("en", "order SF-2092 and 88204417, 3 of them", "order maskcode and maskcode masknumber of them"),
        ("en", "write to a.b@example.com or https://shop.example/x?y=1", "write to maskaddress or masklink"),
        ("en", "I didn't, can't and won't", "i did not can not and will not"),
        ("en", "i dont and it doesnt", "i do not and it does not"),
        ("fr", "Je n’ai pas l'appareil qu'il faut", "je ne ai pas appareil person faut"),
        ("de", "Frau Bäcker hat die Straße gemeldet", "maskname hat die strasse gemeldet"),
        ("en", "Then Mr Ogden told Valerie twice", "then maskname told maskname twice"),
        (
            "en",
            "It is from Ofgem and the Ombudsman",
            "it is from ofgem and the ombudsman",
        ),  # words of the lists are no names
        ("en", "WHERE IS MY PARCEL", "where is my parcel"),  # capitals are tone, and tone says nothing
        ("en", "she told him her number", "person told person person number"),
        ("de", "du hast Ihnen geschrieben", "you hast you geschrieben"),
    ],
)
def test_words_lose_names_numbers_sex_and_formality(language: str, text: str, expected: str) -> None:
    assert read(text, language) == expected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Dear Ms Lund,\nthe lamp is broken\n\nKind regards\nTom Hale", "the lamp is broken\n\nKind regards"),
        ("Hi all, the lamp is broken", "the lamp is broken"),
        ("the lamp is broken\n\nBridget Oyelaran", "the lamp is broken\n"),
        (
            "Sehr geehrte Damen und Herren,\ndie Lampe\nMit freundlichen Grüßen\nA. Kern",
            "\ndie Lampe\nMit freundlichen Grüßen",
        ),
        ("the lamp\nThanks\nPS: it also sparks", "the lamp\nThanks\nPS: it also sparks"),
        ("the lamp is broken\nThanks for nothing, I will write to the ombudsman about this", None),
    ],
)
def test_the_frame_of_a_letter_comes_off_but_never_its_point(text: str, kept: str | None) -> None:
    assert frame.without(text).strip() == (text if kept is None else kept).strip()


def test_reply_prefixes_of_the_subject_come_off() -> None:
    assert wording.words("Re: AW: Fwd: parcel lost", "", "en") == ["parcel", "lost"]


def test_the_model_reads_own_words_and_no_quote_signature_or_sender() -> None:
    raw = (
        b"From: Grumpy Gus <gus@angry.example>\r\nSubject: kettle\r\n\r\n"
        b"It leaks.\r\n\r\nOn 1 March 2026, Care wrote:\r\n> Your solicitor was rude.\r\n"
    )
    message = mail_message.parse(raw)
    found = words_of(message, mail_body.words(message))
    assert (found.subject, found.text) == ("kettle", "It leaks.")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.sampled_from([*LANGUAGES, "und", "tr"]))
def test_any_text_becomes_plain_words(text: str, language: str) -> None:
    found = wording.words(text[:80], text, language)
    assert all(word and " " not in word for word in found)
    assert stream(found, language) == sorted(stream(found, language), key=lambda one: one[0])


# --- concepts ---------------------------------------------------------------------------------------------------------


def test_every_language_knows_every_concept() -> None:
    names = {language: set(lexicon(language).names) for language in LANGUAGES}
    assert all(names[language] == names["en"] for language in LANGUAGES)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "parcel never arrived"),
        ("de", "Paket nicht angekommen"),
        ("fr", "colis jamais livré"),
        ("es", "el paquete nunca ha llegado"),
        ("it", "il pacco non è arrivato"),
        ("nl", "pakket niet bezorgd"),
        ("pt", "a encomenda não foi entregue"),
    ],
)
def test_the_same_complaint_has_the_same_concepts_in_seven_languages(language: str, text: str) -> None:
    found = {name for _, name in stream(wording.words("", text, language), language)}
    assert {"parcel", "deliver", "neg"} <= found


def test_compounds_and_phrases_are_found() -> None:
    assert "bill" in lexicon("de").of_word("fehlrechnung")
    assert (1, "no_show") in stream(["there", "nobody", "came"], "en")


@pytest.mark.parametrize("line", ["parcel", "parcel:", "two words: x", "short: ab*", "a: b\na: c"])
def test_a_broken_list_is_named_with_its_line(line: str) -> None:
    with pytest.raises(ValueError, match=r"en\.txt:\d"):
        concepts.parse("en", line)


def test_a_denied_concept_and_a_pair_are_features_of_their_own() -> None:
    found = set(features.concept_features([(0, "parcel"), (1, "neg"), (2, "deliver")]))
    assert {"parcel", "deliver", "not deliver", "deliver+parcel"} <= found


# --- features ---------------------------------------------------------------------------------------------------------

MAILS = [
    ("", "the parcel never arrived and the courier lied", "en"),
    ("", "the kettle is broken and leaks", "en"),
    ("", "you charged my card twice this month", "en"),
    ("", "das Paket ist nicht angekommen", "de"),
]
ALL = {"word": 1.0, "concept": 1.0, "letters": 0.5, "meaning": 0.5}


def chosen() -> tuple[features.Features, list[features.Analysis]]:
    analyses = [features.analyse(*mail) for mail in MAILS]
    return vocabulary.choose(analyses, ALL, {}, {}), analyses


def test_each_kind_of_feature_has_its_length_whatever_the_mail_is_long() -> None:
    found, analyses = chosen()
    long = features.analyse("", " ".join([MAILS[0][1]] * 30), "en")
    rows = found.rows([analyses[0], long]).toarray()
    words = len(found.vocabulary["word"])
    assert np.allclose(np.linalg.norm(rows[:, :words], axis=1), 1.0, atol=1e-5)


def test_an_empty_mail_is_a_row_of_zeros() -> None:
    found, _ = chosen()
    assert not found.rows([features.analyse("", "", "en")]).toarray().any()


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("parcl", "parcel"),  # a letter dropped
        ("couriier", "courier"),  # a letter doubled
        ("kettel", "kettle"),  # two letters swapped
        ("kottle", "kettle"),  # another letter
        ("zebra", "zebra"),  # like nothing known
        ("leek", "leek"),  # too short to guess
        ("harcel", "harcel"),  # another first letter is another word
    ],
)
def test_an_unknown_word_one_typo_away_is_read_as_the_known_one(word: str, known: str) -> None:
    found, _ = chosen()
    assert found.spell(word) == known


def test_a_word_without_an_entry_is_read_by_its_longest_beginning() -> None:
    table = meaning.Table(
        ["refund", "re"], np.ones((2, meaning.SIZE), dtype=np.int8), np.ones(meaning.SIZE, dtype=np.float32)
    )
    assert (table.find("refunds"), table.find("refund"), table.find("refusal")) == (0, 0, None)


# --- probabilities ----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=20))
def test_urgency_shares_add_up_to_one_and_none_is_negative(answers: list[tuple[float, float, float]]) -> None:
    found = linear.urgency_shares(np.array(answers))
    assert np.allclose(found.sum(axis=1), 1.0)
    assert (found >= -1e-12).all()


def test_where_the_questions_disagree_the_more_urgent_wins() -> None:
    # above low .2, above normal .9, above urgent .5 -> the first is raised to .9
    assert np.allclose(linear.urgency_shares(np.array([[0.2, 0.9, 0.5]])), [[0.1, 0.0, 0.4, 0.5]])


def tiny_model() -> linear.LinearModel:
    found, _ = chosen()
    dice = np.random.default_rng(1)

    def head(*labels: str, independent: bool = False) -> linear.Head:
        k = len(labels)
        weights = dice.normal(size=(found.width, k)).astype(np.float16).astype(np.float32)
        return linear.Head(labels, weights, np.zeros(k), np.ones(k), np.zeros(k), independent)

    heads = {
        "complaint": head("complaint", independent=True),
        "other": head("enquiry", "praise"),
        "type": head("delivery", "billing", "product_fault"),
        "urgency": head("normal", "urgent", "critical", independent=True),
        "flags": head("vulnerable", independent=True),
    }
    return linear.LinearModel("tiny", found, heads, np.linspace(-1, 1, 101))


def predict(*texts: str) -> list[Prediction]:
    return tiny_model().predict([Words("", text, "en") for text in texts])


def test_the_linear_model_is_a_model() -> None:
    assert isinstance(tiny_model(), Model)


def test_probabilities_add_up_to_one_by_name() -> None:
    (found,) = predict("the parcel never arrived")
    assert sum(found.disposition.values()) == pytest.approx(1.0)
    assert sum(found.complaint_type.values()) == pytest.approx(1.0)
    assert sum(found.urgency.values()) == pytest.approx(1.0)
    assert set(found.urgency) == {level.word for level in Urgency}
    assert 0.0 <= found.in_scope <= 1.0


def test_a_mail_is_judged_alike_alone_and_in_a_batch() -> None:
    texts = [f"the parcel {word} never arrived" for word in ("red", "kettle", "broken")]
    batch = predict(*texts)
    for text, found in zip(texts, batch, strict=True):
        (alone,) = predict(text)
        assert alone.complaint_type == pytest.approx(found.complaint_type)


def test_terms_are_words_of_the_mail_or_concepts_in_it() -> None:
    (found,) = predict("the parcel never arrived and the courier lied")
    words = {"the", "parcel", "never", "arrived", "and", "courier", "lied"}
    assert found.terms
    for term, weight in found.terms:
        assert weight > 0
        assert term.startswith("[") or set(term.split()) <= words


def test_another_name_changes_no_probability() -> None:
    one, other = predict("We asked Valerie about the parcel", "We asked Mustafa about the parcel")
    assert one.complaint_type == other.complaint_type
    assert one.urgency == other.urgency
