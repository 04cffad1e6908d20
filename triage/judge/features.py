"""Plain words -> one sparse row that every head of the classifier shares.

Five kinds of features: words and pairs of words; concepts and pairs of concepts (`triage.judge.concepts`); the letters of
the words (3 to 5 at a time, with their ends), which carry typos and inflection; the mean of what the words mean
(`triage.judge.meaning`); and, in a semantic model, what its sentences mean (`triage.judge.encoder`). Each kind has length 1
before its weight, so that a long mail speaks no louder than a short one. A word that training never met is read as the known
word one typo away.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from triage.judge import encoder, meaning, wording
from triage.judge.concepts import FRAME, stream

KINDS = ("word", "concept", "letters")  # in this order of columns; the numbers of the meaning come last
_NEAR = 6  # words between the two concepts of a pair
_LETTERS = (3, 5)
_CACHE = 100_000  # words remembered with their letters


class Analysis(NamedTuple):
    """All that the features of a mail are made of."""

    words: list[str]
    concepts: list[tuple[int, str]]  # (place of the word, concept)
    sentences: NDArray[np.float32] | None = None  # (encoder.WIDTH,), only where a semantic model reads


def analyse(subject: str, text: str, language: str) -> Analysis:
    """Read a mail's own words, masked, and find the concepts in them."""
    words = wording.words(subject, text, language)
    return Analysis(words, stream(words, language))


def with_sentences(analyses: Sequence[Analysis], texts: Sequence[tuple[str, str, str]]) -> list[Analysis]:
    """The analyses with what their sentences mean; `texts` are (subject, text, language) of each."""
    encoded = encoder.encode([wording.sentences(*one) for one in texts])
    return [one._replace(sentences=row) for one, row in zip(analyses, encoded, strict=True)]


def word_features(words: Sequence[str]) -> Iterable[str]:
    """Words, and pairs of neighbours."""
    yield from words
    yield from map(" ".join, pairwise(words))


def concept_features(concepts: Sequence[tuple[int, str]]) -> Iterable[str]:
    """Concepts, concepts after a negation, and pairs of different concepts near each other in either order."""
    denied = -9
    last: list[tuple[int, str]] = []
    for place, name in concepts:
        yield name
        if name == "neg":
            denied = place
        if name in FRAME:
            continue
        if 0 < place - denied <= 4:
            yield f"not {name}"
        for before, other in last:
            if place - before <= _NEAR and other != name:
                yield f"{name}+{other}" if name < other else f"{other}+{name}"
        last = [*last[-2:], (place, name)]


@lru_cache(maxsize=_CACHE)
def letter_features(word: str) -> tuple[str, ...]:
    """Runs of 3 to 5 letters of a word with its ends marked; none for masks and short words."""
    if len(word) < 4 or word.startswith("mask"):
        return ()
    ended = f"<{word[:30]}>"
    return tuple(ended[i : i + n] for n in range(_LETTERS[0], _LETTERS[1] + 1) for i in range(len(ended) - n + 1))


def one_off(word: str) -> set[str]:
    """The word with each letter left out in turn, and itself: two words one typo apart share one of these."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


@dataclass(slots=True)
class Features:
    """A vocabulary with its weights; `rows` turns analyses into a matrix. Frozen after training but for its caches."""

    vocabulary: dict[str, dict[str, int]]  # kind -> feature -> column
    weight: NDArray[np.float32]  # a column of the vocabulary: inverse document frequency, 1 + log(...)
    share: dict[str, float]  # kind, or "meaning" -> how loudly it speaks; 0 or absent: not at all
    middle: NDArray[np.float32]  # (meaning.SIZE,) the mean meaning of the training mail
    centre: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros(encoder.WIDTH, dtype=np.float32)
    )  # of sentences
    _near: dict[str, str] | None = field(default=None, repr=False)
    _letters: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False)
    _spelt: dict[str, str] = field(default_factory=dict, repr=False)
    _meant: dict[str, tuple[int, float] | None] = field(default_factory=dict, repr=False)

    @property
    def width(self) -> int:
        """The number of columns."""
        meant = meaning.SIZE if self.share.get("meaning") else 0
        return len(self.weight) + meant + (encoder.WIDTH if self.semantic else 0)

    @property
    def semantic(self) -> bool:
        """Whether the sentences are read too: analyses must carry them."""
        return bool(self.share.get("sentence"))

    @property
    def shown(self) -> int:
        """The columns before this one have a name that a person can read."""
        return sum(len(self.vocabulary.get(kind, ())) for kind in ("word", "concept"))

    def forget(self) -> None:
        """Drop what was remembered of single words: the columns have changed."""
        self._letters.clear()
        self._spelt.clear()
        self._meant.clear()
        self._near = None

    def names(self) -> list[str]:
        """The feature of each column that has a name; concepts stand in brackets."""
        names = [""] * self.shown
        for kind in ("word", "concept"):
            for name, column in self.vocabulary.get(kind, {}).items():
                names[column] = name if kind == "word" else f"[{name}]"
        return names

    def spell(self, word: str) -> str:
        """The known word that is at most one typo away from an unknown one of five letters or more; else the word."""
        known = self.vocabulary.get("word", {})
        if word in known or len(word) < 5 or word.startswith("mask"):
            return word
        found = self._spelt.get(word)
        if found is None:
            if self._near is None:
                self._near = {}
                for other in (w for w in known if " " not in w and len(w) >= 5):
                    for key in one_off(other):
                        self._near.setdefault(key, other)
            near = next((self._near[k] for k in sorted(one_off(word)) if k in self._near), word)
            found = near if near[0] == word[0] else word
            if len(self._spelt) < _CACHE:
                self._spelt[word] = found
        return found

    def rows(self, analyses: Sequence[Analysis]) -> sparse.csr_matrix:
        """One row a mail, float32."""
        spelt = [[self.spell(w) for w in mail.words] for mail in analyses]
        parts = [self._part(kind, analyses, spelt) for kind in KINDS if self.vocabulary.get(kind)]
        if self.share.get("meaning"):
            # directions seen from the middle of the training mail; a mail without any stays at zero
            raw = self.meanings(spelt)
            known = np.linalg.norm(raw, axis=1, keepdims=True) > 0
            parts.append(sparse.csr_matrix(unit(np.where(known, unit(raw) - self.middle, 0.0)) * self.share["meaning"]))
        if self.semantic:
            parts.append(sparse.csr_matrix(self._sentences(analyses) * self.share["sentence"]))
        return sparse.hstack(parts, format="csr", dtype=np.float32)

    def _sentences(self, analyses: Sequence[Analysis]) -> NDArray[np.float32]:
        """(mails, encoder.WIDTH): each of the three readings seen from the centre of the training mail, length 1 in all."""
        raw = stacked(analyses)
        known = np.abs(raw).sum(axis=1, keepdims=True) > 0
        away = np.where(known, raw - self.centre, 0.0).reshape(len(raw), -1, encoder.SIZE)
        length = np.linalg.norm(away, axis=2, keepdims=True)
        each = away / np.where(length > 0, length, 1.0)
        return unit(np.asarray(each.reshape(len(raw), encoder.WIDTH), dtype=np.float32))

    def meanings(self, spelt: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """(mails, meaning.SIZE): the summed meaning of the words, rare words louder; zeros where no word is known."""
        vectors = meaning.table().vectors
        rows, loud, ends = array("i"), array("f"), array("l", [0])
        for words in spelt:
            found = [said for said in map(self._said, words) if said is not None]
            rows.extend([row for row, _ in found])
            loud.extend([weight for _, weight in found])
            ends.append(len(rows))
        shape = (len(spelt), len(vectors))
        weights = sparse.csr_matrix((np.asarray(loud), np.asarray(rows), np.asarray(ends)), shape=shape)
        return np.asarray(weights @ vectors, dtype=np.float32)

    def _said(self, word: str) -> tuple[int, float] | None:
        """The row of a word in the table of meanings and its weight; None for masks and unknown words."""
        if word in self._meant:
            return self._meant[word]
        row = None if word.startswith("mask") else meaning.table().find(word)
        column = self.vocabulary.get("word", {}).get(word)
        rare = float(self.weight.max(initial=2.0)) if column is None else float(self.weight[column])
        found = None if row is None else (row, rare - 1.0)
        if len(self._meant) < _CACHE:
            self._meant[word] = found
        return found

    def _part(self, kind: str, analyses: Sequence[Analysis], spelt: Sequence[list[str]]) -> sparse.csr_matrix:
        columns = array("i")
        ends = array("l", [0])
        known = self.vocabulary[kind]
        first = min(known.values(), default=0)  # the columns of a kind stand together
        for mail, near in zip(analyses, spelt, strict=True):
            if kind == "letters":
                for word in mail.words:
                    columns.extend(self._letters_of(word, known))
            else:
                names = concept_features(mail.concepts) if kind == "concept" else word_features(near)
                columns.extend([c for c in map(known.get, names) if c is not None])
            ends.append(len(columns))
        data = np.ones(len(columns), dtype=np.float32)
        places = np.asarray(columns, dtype=np.int32) - np.int32(first)
        matrix = sparse.csr_matrix((data, places, np.asarray(ends)), shape=(len(analyses), len(known)))
        matrix.sum_duplicates()
        matrix.data = (1.0 + np.log(matrix.data)) * self.weight[first + matrix.indices]
        squares = np.add.reduceat(np.append(matrix.data**2, 0.0), matrix.indptr[:-1]) * (np.diff(matrix.indptr) > 0)
        norm = np.sqrt(np.where(squares > 0, squares, 1.0))
        matrix.data *= np.repeat(self.share[kind] / norm, np.diff(matrix.indptr)).astype(np.float32)
        return matrix

    def _letters_of(self, word: str, known: dict[str, int]) -> tuple[int, ...]:
        found = self._letters.get(word)
        if found is None:
            found = tuple(c for c in map(known.get, letter_features(word)) if c is not None)
            if len(self._letters) < _CACHE:
                self._letters[word] = found
        return found


def stacked(analyses: Sequence[Analysis]) -> NDArray[np.float32]:
    """(mails, encoder.WIDTH): the sentences of each analysis; zeros where it carries none."""
    nothing = np.zeros(encoder.WIDTH, dtype=np.float32)
    rows = [nothing if one.sentences is None else one.sentences for one in analyses]
    return np.vstack(rows) if rows else np.zeros((0, encoder.WIDTH), dtype=np.float32)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row at length 1; zeros stay zeros."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1.0), dtype=np.float32)
