"""Text -> sentences of folded words, each word tied to its place in the text, so that evidence is quoted as written.

Folding is one character to one character (lower case, no accents), so a place in the folded text is the same place in
the text. Everything is bounded: 20,000 characters, words of 40, sentences of 90 words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

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

# A number with inner signs (14.06.2026, 06:10, 3/5), a word (don't stays one word), a decade sign ("60%" is a number),
# or an end of sentence. Each repetition is bounded and no two alternatives start alike after a failure: linear.
_TOKEN = re.compile(
    r"(?P<word>\d{1,12}(?:[.,:/-]\d{1,12}){1,4}|[^\W_]{1,40}(?:'t(?![^\W_]))?)"
    r"|(?P<end>[.!?\u2026;]+(?=[\s\"'\u201d\u201c\u00bb)\]]|$)|\n[ \t]*(?:\n|[-*\u2022]|\d{1,2}[.)] ))"
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
    """A text cut into sentences. `words[i]` stands at `text[starts[i]:ends[i]]`."""

    text: str
    words: list[str]
    starts: list[int]
    ends: list[int]
    sentences: list[Sentence]

    def quote(self, first: int, last: int) -> str:
        """Words first..last (inclusive) as the customer wrote them, with up to four words on each side, one line."""
        low, high = max(0, first - 4), min(len(self.words) - 1, last + 4)
        cut = self.text[self.starts[low] : self.ends[high]]
        return " ".join(cut.split())[:MAX_QUOTE]


def read(text: str) -> Text:
    """Cut `text` into sentences. At most MAX_TEXT characters are read: the first three quarters and the last quarter,
    because danger hides in last lines."""
    if len(text) > MAX_TEXT:
        head = MAX_TEXT * 3 // 4
        text = text[:head] + "\n\n" + text[-(MAX_TEXT - head - 2) :]
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    folded = fold(text)
    out = Text(text, [], [], [], [])
    words, starts, ends = out.words, out.starts, out.ends
    first, waiting = 0, ""
    for match in _TOKEN.finditer(folded):
        word = match["word"]
        if word is None:
            waiting += match["end"]
            continue
        if waiting:
            ordinal = waiting == "." and words and words[-1].isdigit() and len(words[-1]) <= 2 and word in MONTH_WORDS
            if not ordinal:
                first = _close(out, first, "?" in waiting)
            waiting = ""
        elif len(words) - first >= MAX_WORDS:
            first = _close(out, first, False)
        words.append(word.replace("'", "") if "'" in word else word)
        starts.append(match.start())
        ends.append(match.end())
    _close(out, first, "?" in waiting)
    return out


def _close(out: Text, first: int, question: bool) -> int:
    here = len(out.words)
    if here > first:
        out.sentences.append(Sentence(" ".join(out.words[first:here]) + " ", first, here - first, question))
    return here


def has_words(text: str) -> bool:
    """Is there any letter or digit in it?"""
    return _WORD_LIKE.search(text[:MAX_TEXT]) is not None
