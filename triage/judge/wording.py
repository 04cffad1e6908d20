"""Own words of a mail -> plain tokens for the classifier: no names, no addresses, no numbers, no sex, no formality.

A person's name, title or spelling must not change how soon they are helped (the gate of `triage.learn.gate` tests
it), and an order number teaches nothing. What is masked becomes a word such as `maskmoney`, so that "a sum of money"
can still be learnt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from triage.judge import frame
from triage.judge.concepts import lexicon, plain

LONGEST = 20_000  # characters read of one mail: what a customer wants stands before that

_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,255}")
_LINK = re.compile(r"(?:https?://|\bwww\.)\S{1,2000}", re.IGNORECASE)
_CURRENCY = r"(?:€|£|\$|(?:eur|euros?|gbp|usd|pounds?|quid|pence|dollars?|reais|chf)\b)"
_HAS_CODE = re.compile(r"[A-Za-z][-/]?\d")
_CODE = re.compile(r"(?<![\w/-])[A-Za-z]{1,8}[-/]?\d[\w/-]{0,40}")
_DIGITS = re.compile(
    r"(?P<maskpercent>\d[\d.,]{0,9}\s?%)"
    rf"|(?P<maskmoney>[€£$]\s?\d[\d.,]{{0,14}}|\d[\d.,]{{0,14}}\s?{_CURRENCY})"
    r"|(?P<maskdate>\d{1,4}[./-]\d{1,2}(?:[./-]\d{2,4})?(?![\w/-])|\d{1,2}(?:st|nd|rd|th)\b)"
    r"|(?P<masktime>\d{1,2}[:h]\d{2}(?!\w)|\d{1,2}\s?(?:am|pm|uhr)\b)"
    r"|(?P<maskcode>\d[\w/-]{4,40})"
    r"|(?P<masknumber>\d+)",
    re.IGNORECASE,
)
_PREFIX = re.compile(r"^(?:\s{0,4}(?:re|fwd?|aw|wg|tr|rv|r|antw|res|enc|sv)\s{0,2}:\s{0,4}){1,6}", re.IGNORECASE)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES = _set(
    "Mr Mrs Ms Miss Mx Dr Prof Herr Herrn Frau Mme Mlle Monsieur Madame Sr Sra Srta Señor Señora Doña Sig Signor"
    " Signora Dott Dhr Mevr Mevrouw Meneer Senhor Senhora Dona"
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|[.!?\n]")
_WITHOUT_APOSTROPHE: dict[str, tuple[str, ...]] = {
    **{
        f"{stem}nt": (stem, "not")
        for stem in ("do", "did", "does", "is", "was", "have", "has", "could", "would", "are")
    },
    **{"cant": ("can", "not"), "cannot": ("can", "not"), "wont": ("will", "not")},
    **{"ur": ("you",), "pls": ("please",), "plz": ("please",), "thx": ("thanks",)},
}
_TAILS: dict[str, tuple[str, ...]] = {"s": (), "d": (), "m": (), "ve": ("have",), "re": ("are",), "ll": ("will",)}
_ELIDED = _set("qu dell nell all dall sull un quest")  # l', d', j' and c' are short enough to be known by that
_PERSON = _set("he she him her his hers himself herself il elle el ella lui hij ele ela dele dela")
_YOU = _set(
    "you your yours ye u du dich dir dein deine deinen deinem deiner sie ihnen ihr ihre ihren ihrem ihrer euch euer"
    " eure tu te toi ton ta tes vous votre vos usted ustedes vosotros vuestro vuestra tuyo voi vostro vostra vostri"
    " jij jou jouw uw jullie voce voces vosso vossa"
)


def words(subject: str, text: str, language: str) -> list[str]:
    """The plain words of subject and own text, masked; at most `LONGEST` characters are read. Time is linear."""
    found: list[str] = []
    for raw, plain_words in _read(subject, text, language):
        if raw and not (plain_words == _NAMED and found and found[-1] == "maskname"):
            found.extend(plain_words)
    return found


def sentences(subject: str, text: str, language: str) -> list[str]:
    """Subject and own text as sentences for the encoder: accents and endings kept, names left out, figures and addresses
    replaced by what they are, no sex and no formality. Never empty strings."""
    found: list[list[str]] = [[]]
    for raw, plain_words in _read(subject, _unwrapped(text), language):
        if not raw:
            found.append([])
        elif plain_words[0] in _SPOKEN:
            found[-1].append(_SPOKEN[plain_words[0]])
        else:
            changed = len(plain_words) > 1 or _FOLDED.intersection(plain_words)  # "don't" and "dont" are one
            found[-1].append(" ".join(plain_words) if changed else raw.lower())
    return [line for line in (" ".join(filter(None, one)) for one in found) if line]


_NAMED = ("maskname",)
_FOLDED = frozenset(("person", "you"))
_SPOKEN = {
    "maskname": "", "maskaddress": "address", "masklink": "link", "maskcode": "number", "masknumber": "number",
    "maskmoney": "amount", "maskdate": "date", "masktime": "time", "maskpercent": "percent",
}  # fmt: skip
_WRAPPED = 50  # a line at least so long that goes on in the next was broken by the mail program


def _unwrapped(text: str) -> str:
    lines: list[str] = []
    for line in text[:LONGEST].split("\n"):
        if lines and len(lines[-1]) >= _WRAPPED and line[:1].islower() and lines[-1][-1:] not in ".!?:":
            lines[-1] += " " + line
        else:
            lines.append(line)
    return "\n".join(lines)


def _read(subject: str, text: str, language: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each word as written with its plain words; ("", ()) where a sentence ends."""
    body = frame.without(text[:LONGEST])
    both = _PREFIX.sub("", subject[:300]) + "\n" + body
    both = _masked(both)
    known = lexicon(language)
    names = language != "de"  # where a capital inside a sentence makes a name; in German every noun has one
    starts, titled = True, False
    for raw in _WORD.findall(both):
        if raw in ".!?\n":
            if not titled:  # "Mr. Ogden" is no end of a sentence
                yield "", ()
            starts = starts or not titled
            continue
        capital = raw[0].isupper()
        if capital and raw in _TITLES:
            titled = True
            continue
        named = names and not starts and capital and _name_like(raw) and not known.knows(plain(raw))
        if named or (capital and titled):
            yield raw, _NAMED
        else:
            yield raw, _split(raw)
            titled = False
        starts = False


def _masked(text: str) -> str:
    if "@" in text:
        text = _ADDRESS.sub(" maskaddress ", text)
    if "//" in text or "www." in text.lower():
        text = _LINK.sub(" masklink ", text)
    if _HAS_CODE.search(text):
        text = _CODE.sub(" maskcode ", text)
    return _DIGITS.sub(lambda m: f" {m.lastgroup} ", text)


def _name_like(word: str) -> bool:
    return len(word) > 1 and word[1] not in "'’" and not word.isupper()


@lru_cache(maxsize=50_000)
def _split(raw: str) -> tuple[str, ...]:
    """Contractions apart ("didn't" -> did not, "n'ai" -> ne ai), pronouns without sex, address without formality."""
    word = plain(raw).replace("’", "'")
    if "'" in word:
        if word.endswith("n't"):
            stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(word[:-3], word[:-3])
            return (stem, "not")
        head, _, tail = word.partition("'")
        tail = tail.replace("'", "")
        if tail in _TAILS:
            return (_fold(head), *_TAILS[tail])
        if head == "n":
            return ("ne", _fold(tail))
        if len(head) <= 2 or head in _ELIDED:
            return (_fold(tail),)
        return (_fold(head), _fold(tail))
    return _WITHOUT_APOSTROPHE.get(word) or (_fold(word),)


def _fold(word: str) -> str:
    if word in _PERSON:
        return "person"
    return "you" if word in _YOU else word
