"""Text -> sentences of folded words, each word tied to its place in the text, so that evidence is quoted as written.

Folding is one character to one character (lower case, no accents), so a place in the folded text is the same place in
the text. Everything is bounded: 20,000 characters, words of 40, sentences of 90 words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_TEXT = 20_000
MAX_WORDS = 90
MAX_QUOTE = 180

_SPECIAL = {"ß": "s", "æ": "a", "œ": "o", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "þ": "t"}
_QUOTES = dict.fromkeys("\u2018\u2019\u201b\u02bc\u00b4\u0060\u2032", "'")


def _fold_table() -> dict[int, str]:
    table = {code: chr(code + 32) for code in range(ord("A"), ord("Z") + 1)}
    for code in range(0xC0, 0x250):
        low = chr(code).lower()[0]
        base = _SPECIAL.get(low) or unicodedata.normalize("NFD", low)[0]
        if base != chr(code):
            table[code] = base
    table.update({ord(sign): to for sign, to in _QUOTES.items()})
    table.update({0xA0: " ", 0x202F: " ", 0x2011: "-"})
    return table


_FOLD = _fold_table()

# A number with inner signs (14.06.2026, 06:10, 3/5) or a word (don't stays one word), and the end of a sentence. No word
# reaches into an end: a point inside a number has a digit behind it. So the ends are found first, and the words between
# two of them at once (issue 8). Each repetition is bounded and no two alternatives start alike after a failure: linear.
_WORD = re.compile(r"\d{1,12}(?:[.,:/-]\d{1,12}){1,4}|[^\W_]{1,40}(?:'t(?![^\W_]))?")
_SIGNS = ".!?\u2026;"
_END = re.compile(  # begins with one set, because a search runs fast to the next of a set; a run of signs is tried once
    rf"[{_SIGNS}\n](?:(?<!\n)(?<![{_SIGNS}]{{2}})[{_SIGNS}]*+(?=[\s\"'\u201d\u201c\u00bb)\]]|$)"
    r"|(?<=\n)[ \t]*(?:\n|[-*\u2022]|\d{1,2}[.)] ))"
)
_WORD_LIKE = re.compile(r"[^\W_]")


def wordset(text: str) -> frozenset[str]:
    """The words of a text, as a set: for lists that are easier to read as a line."""
    return frozenset(text.split())


#: months as folded words in the seven languages: "14. Juni" is no end of a sentence
MONTH_WORDS = wordset(
    "january february march april may june july august september october november december januar februar marz maerz "
    "mai juni juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre "
    "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre gennaio "
    "febbraio aprile maggio giugno luglio settembre ottobre dicembre januari februari maart mei augustus janeiro "
    "fevereiro marco maio junho julho setembro outubro novembro dezembro jan feb apr jun jul aug sep sept oct okt nov "
    "dec dez"
)


def fold(text: str) -> str:
    """Lower case without accents, same length as the NFC form given. Linear."""
    return text.translate(_FOLD)


@dataclass(slots=True)  # built once a mail and only read; not frozen because frozen doubles the cost of making it
class Sentence:
    """One sentence: `line` is its words, each followed by one space; `question` where it ends with a question mark."""

    line: str
    first: int
    count: int
    question: bool


@dataclass(slots=True)
class Text:
    """A text cut into sentences. `words[i]` stands at `text[slice(*places[i])]`."""

    text: str
    folded: str
    words: list[str] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    _places: list[tuple[int, int]] = field(default_factory=list)

    @property
    def places(self) -> list[tuple[int, int]]:
        """(start, end) of each word; looked for when the first is asked for, because many texts are never quoted."""
        if not self._places:
            for start, stop, _ in _stretches(self.folded):
                self._places += [match.span() for match in _WORD.finditer(self.folded, start, stop)]
        return self._places

    def quote(self, first: int, last: int) -> str:
        """Words first..last (inclusive) as the customer wrote them, with up to four words on each side, one line."""
        low, high = max(0, first - 4), min(len(self.words) - 1, last + 4)
        cut = self.text[self.places[low][0] : self.places[high][1]]
        return " ".join(cut.split())[:MAX_QUOTE]


def read(text: str) -> Text:
    """Cut `text` into sentences. At most MAX_TEXT characters are read: the first three quarters and the last quarter,
    because danger hides in last lines."""
    if len(text) > MAX_TEXT:
        head = MAX_TEXT * 3 // 4
        text = text[:head] + "\n\n" + text[-(MAX_TEXT - head - 2) :]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    out = Text(text, fold(text))
    words, first, waiting = out.words, 0, ""
    for start, stop, end in _stretches(out.folded):
        found = _WORD.findall(out.folded, start, stop)
        if found:
            ordinal = waiting == "." and words and words[-1].isdigit() and len(words[-1]) <= 2
            if waiting and not (ordinal and found[0] in MONTH_WORDS):
                first = _close(out, first, len(words), "?" in waiting)
            waiting = ""
            words += [word.replace("'", "") for word in found] if "'" in out.folded[start:stop] else found
            while len(words) - first > MAX_WORDS:
                first = _close(out, first, first + MAX_WORDS, False)
        waiting += end
    _close(out, first, len(words), "?" in waiting)
    return out


def _stretches(folded: str) -> Iterator[tuple[int, int, str]]:
    """(start, stop, the sign behind it) of each stretch of words; the last one has no sign."""
    start = 0
    for end in _END.finditer(folded):
        yield start, end.start(), end[0]
        start = end.end()
    yield start, len(folded), ""


def _close(out: Text, first: int, end: int, question: bool) -> int:
    """A sentence of the words `first` to `end`; where the next one begins."""
    if end > first:
        out.sentences.append(Sentence(" ".join(out.words[first:end]) + " ", first, end - first, question))
    return end


def has_words(text: str) -> bool:
    """Is there any letter or digit in it?"""
    return _WORD_LIKE.search(text[:MAX_TEXT]) is not None
