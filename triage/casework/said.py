"""What else a reply of ours says: what it asks of the customer, amounts, yes or no; and where two replies contradict
each other. Pure; the words are those of `wordings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.casework import wordings
from triage.casework.history import Contact, Fact
from triage.judge import sentences
from triage.judge.phrases import Hit
from triage.judge.sentences import Sentence, Text

SHORT = 12  # words: below this a language guess is not trusted and all wordings are read
WINDOW = timedelta(days=14)  # two people in one thread within this time
MOST = 10
QUOTE = 300

_NUMBER = r"\d{1,3}(?:[.,\u00a0 ]\d{3}){0,3}(?:[.,]\d{1,2})?|\d{1,9}(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(
    rf"(?P<before>[£€$]|\b(?:EUR|GBP|USD|CHF)\b)[ \u00a0]?(?P<first>{_NUMBER})(?!\d)"
    rf"|(?<![\d.,])(?P<second>{_NUMBER})[ \u00a0]?(?P<after>[£€]|(?:EUR|GBP|USD|CHF|euros?|pounds)\b)",
    re.IGNORECASE,
)
_CURRENCY = {"£": "GBP", "pounds": "GBP", "€": "EUR", "euro": "EUR", "euros": "EUR", "$": "USD"}
_PAID_BACK = (
    "refund", "reimburs", "compens", "credit", "erstatt", "gutschr", "entschadig", "rembours", "reembols", "devol", "rimbors",
    "terugbet", "vergoed", "indemn", "indenn",
)  # fmt: skip


def languages(language: str, words: int) -> tuple[str, ...]:
    """The wordings to read: the text's own; all of them where the language is not known or the text is short."""
    if language in wordings.LANGUAGES and words >= SHORT:
        return (language,)
    rest = tuple(one for one in wordings.LANGUAGES if one != language)
    return (language, *rest) if language in wordings.LANGUAGES else rest


def quote(text: Text, sentence: Sentence) -> str:
    """A whole sentence as it was written, on one line."""
    (start, _), (_, end) = text.places[sentence.first], text.places[sentence.first + sentence.count - 1]
    cut = text.text[start:end]
    return " ".join(cut.split())[:QUOTE]


@dataclass(frozen=True, slots=True)
class _Spoken:
    """One sentence with the sections found in it."""

    sentence: Sentence
    text: Text
    hits: tuple[Hit, ...]

    def has(self, section: str) -> bool:
        return any(hit.section == section for hit in self.hits)


def _spoken(text: str, language: str) -> Iterator[_Spoken]:
    read = sentences.read(text)
    found: dict[int, list[Hit]] = {}
    for one in languages(language, len(read.words)):
        for hit in wordings.load(one).scan(read.sentences, read.words):
            found.setdefault(hit.sentence, []).append(hit)
    for number, sentence in enumerate(read.sentences):
        yield _Spoken(sentence, read, tuple(found.get(number, ())))


def late(text: str, language: str) -> bool:
    """Does a reply say that something takes longer than it should?"""
    return any(one.has("delay") for one in _spoken(text, language))


def requests(text: str, language: str) -> tuple[str, ...]:
    """The sentences that ask the customer for something. "Let us know if you need anything else" asks for nothing."""
    found = []
    for one in _spoken(text, language):
        if one.has("courtesy") or (one.has("if") and not one.has("if not")):
            continue
        if one.has("request") or (one.sentence.question and one.has("question")):
            found.append(quote(one.text, one.sentence))
    return tuple(dict.fromkeys(found))[:MOST]


def facts(text: str, language: str) -> tuple[Fact, ...]:
    """Amounts and decisions that a reply states; nothing out of questions and conditions."""
    found: list[Fact] = []
    for one in _spoken(text, language):
        words = quote(one.text, one.sentence)
        refused, granted = one.has("no"), _granted(one)
        paid_back = granted or any(
            word.startswith(_PAID_BACK)
            for word in one.text.words[one.sentence.first : one.sentence.first + one.sentence.count]
        )
        if one.sentence.question or (one.has("if") and not one.has("if not")):
            continue
        found += [Fact("refund" if paid_back and not refused else "amount", value, words) for value in amounts(words)]
        if refused or granted:
            found.append(Fact("no" if refused else "yes", "", words))
    return tuple(dict.fromkeys(found))[:MOST]


def signposts(text: str, language: str) -> tuple[Fact, ...]:
    """Where a reply points to an ombudsman or another way out, also under a condition ("if you are not satisfied")."""
    found = [
        Fact("signpost", "", quote(one.text, one.sentence)) for one in _spoken(text, language) if one.has("signpost")
    ]
    return tuple(dict.fromkeys(found))[:MOST]


def _granted(one: _Spoken) -> bool:
    """A yes that no denial stands in."""
    denials = [hit for hit in one.hits if hit.section == "neg"]
    return any(
        hit.section == "yes" and not any(hit.first <= no.first <= hit.last for no in denials) for hit in one.hits
    )


def amounts(text: str) -> tuple[str, ...]:
    """Sums of money in one form: "80.00 GBP"."""
    found: dict[str, None] = {}
    for match in _AMOUNT.finditer(text[:20_000]):
        sign = (match["before"] or match["after"]).lower()
        found[f"{_plain(match['first'] or match['second'])} {_CURRENCY.get(sign, sign.upper())}"] = None
    return tuple(found)[:MOST]


def _plain(number: str) -> str:
    """ "1.234,5" and "1,234.50" -> "1234.50"."""
    whole, sign, rest = number, "", ""
    for place in (-3, -2):
        if len(number) > -place and number[place] in ".,":
            whole, sign, rest = number[:place], ".", number[place + 1 :]
            break
    digits = "".join(c for c in whole if c.isdigit())
    return f"{digits}.{rest.ljust(2, '0') if sign else '00'}"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two of our answers that cannot both be right. `about`: decision, amount or date."""

    about: str
    earlier_by: str
    earlier: str
    later: str


def contradiction(
    earlier: Iterable[Contact], by: str, at: datetime, stated: Sequence[Fact]
) -> Contradiction | None:  # fmt: skip
    """Does an answer of `by` contradict what somebody else of us wrote in the last 14 days?"""
    others = [c for c in earlier if not c.inbound and c.by and c.by != by and at - c.at <= WINDOW]
    decided = [f for f in stated if f.kind in ("yes", "no")]
    sums = {f.value: f for f in stated if f.kind == "refund"}
    for contact in reversed(others):
        for old in contact.facts:
            new = next((f for f in decided if old.kind in ("yes", "no") and f.kind != old.kind), None)
            if new is not None:
                return Contradiction("decision", contact.by, old.quote, new.quote)
        before = {f.value: f for f in contact.facts if f.kind == "refund"}
        if before and sums and not before.keys() & sums.keys():
            return Contradiction(
                "amount", contact.by, next(iter(before.values())).quote, next(iter(sums.values())).quote
            )
    return None


def same_matter(one: str, other: str) -> bool:
    """Do two sentences of ours speak of the same thing? Half of the longer words of the shorter one stand in both."""
    first, second = ({w for w in sentences.read(t).words if len(w) > 3 and w.isalpha()} for t in (one, other))
    return bool(first and second) and 2 * len(first & second) >= min(len(first), len(second))
