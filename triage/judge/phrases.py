"""A small language for wordings, and a matcher that stays linear on hostile text.

A lexicon is a text file, one phrase a line, under a section such as `[fraud]`. A phrase is chunks parted by spaces:

    word           this word                          solicitor
    word*          words that start so                electrocut*
    a|b_c          one of these; `_` joins words      small_claims|county_court
    @name          a word of the class `[@name]`      @body
    chunk?         may be left out                    a? refund
    !chunk         the next words are not these       fire !drill|alarm
    ..4            up to four words (at most 30)      burn* ..4 @body
    A <6> B        A and B in any order, at most six words between them

Accents and case do not count; `ä ö ü ß` also match `ae oe ue ss`. Each phrase knows its two rarest chunks: only a
sentence that holds a word of both is searched, and gaps are bounded, so the cost is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from triage.judge.sentences import Sentence, fold, wordset

_GAP = re.compile(r"\.\.(\d{1,2})$")
_NEAR = re.compile(r"<(\d{1,2})>$")
_DIGRAPHS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_COMMON = wordset(
    "about after all also and any been before but can could did does done for from get give gave got had has have her "
    "here him his how into its just like made make more much need not now off one only our out over said she should "
    "some still than that the their them then there they this time very want was way well went were what when where "
    "which who will with would you your aber als auch auf aus bei das dass dem den der des die durch ein eine einen "
    "einer eines hat habe haben hatte ich ihr ihre ihnen ihrer ist mein meine meinen meiner mich mir mit nach nicht "
    "noch nur oder sein sich sie sind uber und uns unser unsere unter vom von vor war warum was weil wenn wer wie "
    "wieder wir wird wurde wurden zum zur avec avez avoir cette ces chez dans des donc elle elles est etait ete etes "
    "faire fait ils les leur lui mais mes moi mon nos notre nous par pas plus pour quand que qui sans ses son sont "
    "sur tout tous une vos votre vous como con cual cuando del desde donde ella ellos era esta este esto fue han hay "
    "las los mas muy nada nos nuestra nuestro para pero por porque que quien ser si sin sobre son sus todo una uno "
    "usted ustedes alla anche che chi come con cosa dal dalla dei del della delle di e gli ha hanno ho il in io la le "
    "lei lo loro ma me mi mia mio nel nella non per piu quando questo se sono stata stato su sua suo tra un una vi "
    "voi aan als bij dan dat de deze die dit door een en er geen had heb hebben heeft het hij hoe ik is kan maar me "
    "meer mijn naar niet nog om onze ook op over te tot uit uw van veel voor waar was wat we werd wij worden zij zijn "
    "ao aos as com da das de dele do dos ela ele em era essa esse esta este eu foi ja mais mas me meu minha muito na "
    "nao nas nem no nos nossa nosso os ou para pela pelo por quando que quem sem seu sua tem uma voces"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One required or optional piece: its regular expression and the words it may hold (prefixes end with *)."""

    pattern: str
    anchors: tuple[str, ...]
    optional: bool


@dataclass(slots=True)
class Phrase:
    """One wording of a section; compiled the first time a sentence could hold it: one with a word of `anchors` and, unless
    that is empty, one of `beside`."""

    section: str
    source: str
    pattern: str
    anchors: tuple[str, ...]
    beside: frozenset[str] = frozenset()
    compiled: re.Pattern[str] | None = None

    def compile(self) -> re.Pattern[str]:
        self.compiled = re.compile(self.pattern)
        return self.compiled


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found: the words first..last (inclusive) of the text, in sentence number `sentence`."""

    section: str
    source: str
    language: str
    sentence: int
    first: int
    last: int


def spellings(word: str) -> tuple[str, ...]:
    """The folded forms of a lexicon word: without accents, and with ae oe ue ss written out."""
    plain = fold(word)
    if word.isascii():
        return (plain,)
    written_out = fold(word.translate(_DIGRAPHS))
    return (plain,) if plain == written_out else (plain, written_out)


def _alternative(source: str, classes: Mapping[str, tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """One alternative of a chunk -> its regular expressions and its anchor words."""
    if source.startswith("@"):
        patterns, anchors = [], []
        for member in classes[source[1:]]:
            inner = _alternative(member, classes)
            patterns += inner[0]
            anchors += inner[1]
        return patterns, anchors
    pattern, rarest = _joined(source)
    return [pattern], list(rarest)


@cache  # the phrases of a lexicon share their words: each is read once (issue 8)
def _joined(source: str) -> tuple[str, tuple[str, ...]]:
    """Words joined by `_` -> their regular expression, and the spellings of the rarest."""
    words = [spellings(word) for word in source.split("_")]
    pattern = ""
    for forms in words:
        one = "|".join(re.escape(form[:-1]) + r"\S*" if form.endswith("*") else re.escape(form) for form in forms)
        pattern += (f"(?:{one})" if len(forms) > 1 else one) + " "
    rarest = max(words, key=lambda forms: _rarity(forms[0]))
    return pattern, rarest


#: words that half of all complaint mail holds: anchors only where a phrase has nothing rarer
_FREQUENT = wordset(
    "account email order phone card letter number someone somebody another name told know last again going came "
    "cant same back call called day days week weeks month time new old please thanks thank help money paid pay "
    "bill sent send reply wrong still never nothing always first second third one two three customer service "
    "people person today"
)


@cache
def _rarity(word: str) -> int:
    """How rare a word is: 0 for the commonest, 2 for words of half the mails, else its length."""
    stem = word.rstrip("*")
    return 0 if stem in _COMMON or len(stem) < 3 else 2 if stem in _FREQUENT else len(stem)


def _chunk(source: str, classes: Mapping[str, tuple[str, ...]]) -> Chunk:
    gap = _GAP.match(source)
    if gap:
        return Chunk(rf"(?:\S+ ){{0,{gap[1]}}}?", (), True)
    if "." in source or "<" in source:
        raise ValueError(f"neither a gap nor a word: {source!r}")
    absent, optional = source.startswith("!"), source.endswith("?")
    patterns: list[str] = []
    anchors: list[str] = []
    for part in source.strip("!?").split("|"):
        some, words = _alternative(part, classes)
        patterns += some
        anchors += words
    joined = f"(?:{'|'.join(patterns)})" if len(patterns) > 1 else patterns[0]
    if absent:
        return Chunk(f"(?!{joined})", (), True)
    return Chunk(f"(?:{joined})?" if optional else joined, tuple(anchors), optional)


def phrase(section: str, source: str, classes: Mapping[str, tuple[str, ...]]) -> Phrase:
    """Read one line of a lexicon. Raises KeyError on an unknown class, ValueError where no word is required."""
    sides: list[list[Chunk]] = [[]]
    reach = 0
    for piece in source.split():
        near = _NEAR.match(piece)
        if near:
            reach = int(near[1])
            sides.append([])
        else:
            sides[-1].append(_chunk(piece, classes))
    required = [chunk for side in sides for chunk in side if not chunk.optional]
    if not required or len(sides) > 2 or not all(sides):
        raise ValueError(f"a phrase needs a required word, and at most one <n>: {source!r}")
    rarest = sorted(required, key=lambda chunk: min(_rarity(word) for word in chunk.anchors), reverse=True)
    whole = (chunk for chunk in rarest[1:] if not any(word.endswith("*") for word in chunk.anchors))
    beside = frozenset(next((chunk.anchors for chunk in whole), ()))
    flat = ["".join(chunk.pattern for chunk in side) for side in sides]
    if len(flat) == 2:
        between = rf"(?:\S+ ){{0,{reach}}}?"
        flat = [f"(?:{flat[0]}{between}{flat[1]}|{flat[1]}{between}{flat[0]})"]
    return Phrase(section, source, r"(?<!\S)" + flat[0], tuple(dict.fromkeys(rarest[0].anchors)), beside)


@dataclass(slots=True)
class Matcher:
    """All phrases of one language, with the index from words to the phrases worth trying."""

    language: str
    phrases: tuple[Phrase, ...]
    classes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _exact: dict[str, list[int]] = field(default_factory=dict)
    _prefix: dict[int, dict[str, list[int]]] = field(default_factory=dict)
    _seen: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, one in enumerate(self.phrases):
            for anchor in one.anchors:
                if anchor.endswith("*"):
                    stem = anchor[:-1]
                    self._prefix.setdefault(len(stem), {}).setdefault(stem, []).append(number)
                else:
                    self._exact.setdefault(anchor, []).append(number)

    def _candidates(self, word: str) -> tuple[int, ...]:
        known = self._seen.get(word)
        if known is None:
            found = list(self._exact.get(word, ()))
            for length, stems in self._prefix.items():
                found += stems.get(word[:length], ()) if len(word) >= length else ()
            known = tuple(found)
            if len(self._seen) >= 50_000:  # a memory, not a leak: hostile mail must not fill it
                self._seen.clear()
            self._seen[word] = known
        return known

    def scan(self, sentences: Iterable[Sentence], words: list[str]) -> list[Hit]:
        """Every phrase found, at most four times a sentence each."""
        hits: list[Hit] = []
        seen, phrases = self._seen, self.phrases
        for number, sentence in enumerate(sentences):
            tried: set[int] = set()
            here = set(words[sentence.first : sentence.first + sentence.count])
            for word in here:
                known = seen.get(word)
                tried.update(self._candidates(word) if known is None else known)
            for index in sorted(tried):
                one = phrases[index]
                if one.beside and one.beside.isdisjoint(here):
                    continue
                pattern = one.compiled or one.compile()
                for count, match in enumerate(pattern.finditer(sentence.line)):
                    first = sentence.first + sentence.line.count(" ", 0, match.start())
                    last = first + match[0].count(" ") - 1
                    hits.append(Hit(one.section, one.source, self.language, number, first, last))
                    if count == 3:
                        break
        return hits
