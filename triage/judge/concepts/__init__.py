"""Words and phrases of seven languages -> concepts: "nicht angekommen" and "never turned up" count as the same thing.

The lists beside this file are prior knowledge that few labelled mails cannot teach: which words mean an arrival, a
charge, a
hazard. The classifier counts concepts as features beside the words themselves, so that a word it never met in
training still
tells it something, and what it learnt from English mail helps in Dutch. A list holds no label: training decides what
a concept means.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")

#: concepts that only turn or frame others: counted alone, never in pairs
FRAME = frozenset({"neg", "we_other", "mine", "time_word", "money_word", "still", "again", "now", "soon", "weeks"})

_STEM_FROM = 3  # a stem is at least so many letters long, so that it is found by slicing


def plain(text: str) -> str:
    """Lower case without accents, ß as ss: the form in which words are compared."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


Phrase = tuple[tuple[str, ...], str]  # the words after the first, and the concept


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The concepts of one language."""

    language: str
    exact: dict[str, tuple[str, ...]]
    stems: dict[str, tuple[str, ...]]
    inside: tuple[tuple[str, str], ...]  # (letters, concept): the letters stand at the end of a compound
    phrases: dict[str, dict[str, tuple[Phrase, ...]]]  # first word -> second word, or "*" -> phrases
    names: tuple[str, ...]

    def of_word(self, word: str) -> tuple[str, ...]:
        """The concepts of one plain word; several where the word has several meanings."""
        found = list(self.exact.get(word, ()))
        for end in range(_STEM_FROM, len(word) + 1):
            found.extend(self.stems.get(word[:end], ()))
        found.extend(name for letters, name in self.inside if word.endswith(letters))
        return tuple(dict.fromkeys(found))

    def knows(self, word: str) -> bool:
        """Whether the plain word is a word of the lists."""
        return bool(of_word(self.language, word)) or word in self.phrases

    def phrases_at(self, words: Sequence[str], place: int) -> tuple[str, ...]:
        """The concepts of the phrases that begin at `words[place]`."""
        begun = self.phrases[words[place]]
        if place + 1 >= len(words):
            return ()
        found = []
        for rest, name in (*begun.get(words[place + 1], ()), *begun.get("*", ())):
            after = words[place + 1 : place + 1 + len(rest)]
            if len(after) == len(rest) and all(map(_fits, rest, after)):
                found.append(name)
        return tuple(found)


def _fits(pattern: str, word: str) -> bool:
    return word.startswith(pattern[:-1]) if pattern.endswith("*") else word == pattern


def parse(language: str, source: str) -> Lexicon:
    """Read a list in the format of `en.txt`. Raises ValueError with the line on anything else."""
    exact: dict[str, list[str]] = {}
    stems: dict[str, list[str]] = {}
    inside: list[tuple[str, str]] = []
    phrases: dict[str, dict[str, tuple[Phrase, ...]]] = {}
    names: list[str] = []
    for number, line in enumerate(source.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        if not colon or not name.isidentifier() or name in names or not rest.strip():
            raise ValueError(f"{language}.txt:{number}: not `name: word word`, or the name stands twice")
        names.append(name)
        for entry in rest.split():
            words = plain(entry).split("_")
            if len(words) > 1:
                second = "*" if words[1].endswith("*") else words[1]
                begun = phrases.setdefault(words[0].rstrip("*"), {})
                begun[second] = (*begun.get(second, ()), (tuple(words[1:]), name))
            elif words[0].startswith("*"):
                inside.append((words[0].strip("*"), name))
            elif words[0].endswith("*"):
                if len(words[0]) <= _STEM_FROM:
                    raise ValueError(f"{language}.txt:{number}: the stem {entry!r} is too short")
                stems.setdefault(words[0][:-1], []).append(name)
            else:
                exact.setdefault(words[0], []).append(name)
    return Lexicon(
        language,
        {word: tuple(dict.fromkeys(found)) for word, found in exact.items()},
        {stem: tuple(dict.fromkeys(found)) for stem, found in stems.items()},
        tuple(inside),
        phrases,
        tuple(names),
    )


@cache
def lexicon(language: str) -> Lexicon:
    """The list of a language; English where there is none, since half of the loan words are English anyway."""
    name = language if language in LANGUAGES else "en"
    return parse(name, (files(__package__) / f"{name}.txt").read_text(encoding="utf-8"))


@lru_cache(maxsize=50_000)
def of_word(language: str, word: str) -> tuple[str, ...]:
    """`lexicon(language).of_word(word)`, remembered: mail repeats its words."""
    return lexicon(language).of_word(word)


def stream(words: Sequence[str], language: str) -> list[tuple[int, str]]:
    """(place, concept) of every concept in the plain words, in order of place."""
    known = lexicon(language)
    found = []
    for place, word in enumerate(words):
        for name in of_word(known.language, word):
            found.append((place, name))
        if word in known.phrases:
            for name in known.phrases_at(words, place):
                found.append((place, name))
    return found
