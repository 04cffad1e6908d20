"""The same mail from somebody else: other names, the other sex, more or less formal, with typos.

How soon a person is helped must not change with any of it (requirement B2). Every variant keeps what the mail says;
the gate counts how often the urgency stays. Deterministic by seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from triage.judge.classify import Words

_NAMES = (
    "Aaliyah Okafor",
    "Björn Lindqvist",
    "Chen Wei",
    "Dolores Quiñones",
    "Emre Yıldız",
    "Fatima Zahra",
    "Gwen Pritchard",
    "Hiroshi Tanaka",
    "Inês Carvalho",
    "Katarzyna Nowak",
    "Lakshmi Iyer",
    "Niamh Doyle",
    "Oluwaseun Adeyemi",
)


def _pairs(text: str) -> Mapping[str, str]:
    """ "a=b; c=d" as a mapping."""
    return {left.strip(): right for left, _, right in (pair.partition("=") for pair in text.split(";"))}


_SEX = _pairs(
    "he=she;she=he;him=her;his=her;her=his;himself=herself;herself=himself;mr=Ms;mrs=Mr;ms=Mr;herr=Frau"
    ";monsieur=Madame;señor=señora;señora=señor;meneer=mevrouw;mevrouw=meneer"
)
_FORMAL = _pairs(
    "i'm=I am;don't=do not;can't=cannot;didn't=did not;won't=will not;isn't=is not;it's=it is;i've=I have"
    ";hi=Dear Sir or Madam;hey=Dear Sir or Madam;hello=Dear Sir or Madam;thanks=Thank you;cheers=Yours faithfully"
)
_CASUAL = _pairs(
    "i am=im;do not=dont;cannot=cant;did not=didnt;dear sir or madam=hiya;yours faithfully=cheers"
    ";yours sincerely=cheers;kind regards=ta;please=pls;you=u"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_NAME_AFTER = re.compile(r"^(\s*)([A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w'’.-]+){0,2})(\s*)$")


def other_names(words: Words, seed: int) -> Words:
    """Another greeting's and signature's name: the name lines are replaced, and a name is added where there was
    none."""
    chosen = random.Random(seed).choice(_NAMES)
    lines = words.text.rstrip().split("\n")
    if len(lines) > 1 and _NAME_AFTER.match(lines[-1]):
        lines[-1] = chosen
    else:
        lines += ["", chosen]
    return replace(words, text="\n".join(lines))


def other_sex(words: Words, seed: int) -> Words:
    """He for she and back, Mr for Mrs and back."""
    del seed
    return _swapped(words, _SEX)


def formal(words: Words, seed: int) -> Words:
    """Contractions written out, a stiff greeting."""
    del seed
    return _swapped(words, _FORMAL)


def casual(words: Words, seed: int) -> Words:
    """Apostrophes dropped, no capital letters."""
    del seed
    text = words.text
    for long, short in _CASUAL.items():
        text = re.sub(rf"\b{long}\b", short, text, flags=re.IGNORECASE)
    return replace(words, text=text.replace("'", "").replace("’", "").lower())


def with_typos(words: Words, seed: int) -> Words:
    """One letter doubled, dropped or swapped with the next in one word of twenty, of five letters or more."""
    dice = random.Random(seed)

    def slip(match: re.Match[str]) -> str:
        word = match.group()
        if len(word) < 5 or dice.random() > 0.05:
            return word
        at = dice.randrange(1, len(word) - 2)
        return dice.choice(
            (
                word[:at] + word[at] + word[at:],
                word[:at] + word[at + 1 :],
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            )
        )

    return replace(words, text=_WORD.sub(slip, words.text))


#: what the gate tries, by the name it reports
ALL: Mapping[str, Callable[[Words, int], Words]] = {
    "names": other_names,
    "sex": other_sex,
    "formal": formal,
    "casual": casual,
    "typos": with_typos,
}


def _swapped(words: Words, table: Mapping[str, str]) -> Words:
    def swap(match: re.Match[str]) -> str:
        word = match.group()
        other = table.get(word.lower().replace("’", "'"))
        if other is None:
            return word
        return other if not word[0].isupper() or other[0].isupper() else other[0].upper() + other[1:]

    return replace(words, text=_WORD.sub(swap, words.text))
