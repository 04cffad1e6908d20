"""What is wrong with a reply of ours: name, placeholder, other customers' data, insult, language, card number.

Pure: what is known about the case comes in `About`. Each mistake carries its evidence, free of what must not be
repeated, and is grave where it harms somebody. Made for precision: a name is only wrong where we know the right one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from triage.judge import lexicon, sentences
from triage.judge.phrases import Matcher
from triage.judge.sentences import fold
from triage.mail import redact, thread

_READ = 20_000
_FEW = 5  # words: below this a language guess says nothing
_QUOTE = 160


@dataclass(frozen=True, slots=True)
class Reply:
    """Our mail. `text` are its own words; `to` all its recipients, in lower case; `language` as it was told."""

    text: str
    subject: str = ""
    language: str = "und"
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class About:
    """What is known about the case it belongs to. Addresses in lower case."""

    names: frozenset[str] = frozenset()  # names the customer goes by; empty: not known
    language: str = "und"  # of the complaint
    addresses: frozenset[str] = frozenset()  # the customer's side, with addresses they gave us
    own_domains: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()  # addresses of customers of other cases
    other_numbers: frozenset[str] = frozenset()  # order numbers that only other customers' cases have


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong. `name` is one of MISTAKES."""

    name: str
    evidence: str
    grave: bool

    def sentence(self) -> str:
        """The mistake for people."""
        return f"{MISTAKES[self.name]}: {self.evidence}"


MISTAKES = {
    "wrong_name": "It greets somebody else than the customer",
    "placeholder": "A placeholder was not filled in",
    "other_customer": "It names something of another customer",
    "wrong_recipient": "It goes to somebody who takes no part in this conversation",
    "insult": "It insults the customer",
    "language": "It is in another language than the complaint",
    "card_number": "It holds a full card number",
}


def check(reply: Reply, about: About) -> tuple[Mistake, ...]:
    """Every mistake, the grave ones first."""
    text = reply.text[:_READ]
    found = [
        *_recipients(reply, about), *_leaks(text, about), *_card(text), *_insults(text), *_name(text, about),
        *_placeholders(text, reply.subject), *_language(reply, about),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: not one.grave))


# -- names -----------------------------------------------------------------------------------------------------------

_GREETING = re.compile(
    r"^[ \t]{0,8}(?P<word>dear|hello|hi|hey|good (?:morning|afternoon|evening|day)|sehr geehrter?|lieber?|"
    r"guten (?:tag|morgen|abend)|"
    r"hallo|bonjour|bonsoir|ch[eè]re?|estimad[oa]|querid[oa]|hola|buenos d[ií]as|buenas tardes|gentile|caro|cara|"
    r"buongiorno|salve|egregio|geachte|beste|dag|goedemorgen|goedemiddag|prezad[oa]|car[oa]|ol[aá]|bom dia|boa tarde)\b"
    r"(?P<name>[ \t]{1,4}[^\n,:!.;?]{1,60})?[ \t]{0,4}(?P<sign>[,:!]|$)",
    re.IGNORECASE | re.MULTILINE,
)
_TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir madam herr herrn frau monsieur madame mme mlle m sr sra srta senor senora don dona signor "
    "signore signora sig sigra dott dottore dottoressa heer meneer mevrouw mw dhr senhor senhora exmo exma lord lady rev "
    "again both und and et y e en the de van von der den du la le di da dos das".split()
)
_GENERIC = frozenset(
    "customer customers client clients guest member team all everyone everybody colleague colleagues friend there kunde kundin "
    "kunden damen herren interessent zusammen cliente clientes client cliente clienti klant lezer utente usuario tous toutes "
    "todos tutti allen iedereen sirs subscriber passenger tenant patient valued sehr geehrte lieber liebe student owner".split()
)


def _name(text: str, about: About) -> Iterator[Mistake]:
    """The name in the greeting, against every name the customer is known by."""
    match = _GREETING.search(text[:600])
    if match is None or not about.names or not match["name"]:
        return
    greeted = [w for w in _words(match["name"]) if w not in _TITLES]
    known = {w for name in about.names for w in _words(name)}
    if not greeted or not known or any(w in _GENERIC for w in greeted) or len(greeted) > 5:
        return
    if not match["name"].strip()[:1].isupper() and not any(part[:1].isupper() for part in match["name"].split()):
        return  # "Hi from the workshop team": no name
    if not any(_alike(a, b) for a in greeted for b in known):
        yield Mistake("wrong_name", f'"{_short(match[0])}", the customer is {_short(sorted(about.names)[0])}', False)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]{1,40}", fold(text[:200]))


def _alike(one: str, other: str) -> bool:
    """The same name, a short form of it ("Rob", "Robert"), or an initial."""
    if len(one) == 1 or len(other) == 1:
        return one[0] == other[0]
    shorter, longer = sorted((one, other), key=len)
    return one == other or (len(shorter) >= 3 and longer.startswith(shorter))


# -- placeholders ----------------------------------------------------------------------------------------------------

_FIELD = (
    r"name|vorname|nachname|first|last|customer|kunde|client|insert|"
    r"date|datum|amount|betrag|order|agent|number|nombre|nom|prenom|titel|title"
)
_PLACEHOLDER = re.compile(
    r"\{\{[^{}\n]{0,60}\}\}|\$\{[^{}\n]{1,60}\}|\{[A-Za-z_][A-Za-z_. ]{1,30}\}|%[A-Z_]{3,30}%|%%[A-Za-z_]{2,30}%%|"
    rf"\[(?:{_FIELD})[^\]\n]{{0,40}}\]|<(?:{_FIELD})[^>@\n]{{0,40}}>|\bLorem ipsum\b|_{{4,30}}(?=[,. ])",
    re.IGNORECASE,
)
_NEEDS_NAME = re.compile(
    r"^[ \t]{0,8}(?:dear|sehr geehrter?|liebe[r]?|ch[eè]re?|estimad[oa]|gentile|geachte|beste|prezad[oa])"
    r"(?:[ \t]{1,3}(?:mr|mrs|ms|herr|frau|monsieur|madame|sr|sra|signor|signora|heer|mevrouw|senhor|senhora)\.?)?[ \t]{0,3},",
    re.IGNORECASE | re.MULTILINE,
)
_NAMELESS_IS_FINE = re.compile(r"^[ \t]{0,8}(?:ch[eè]re?[ \t]{1,3}(?:monsieur|madame))", re.IGNORECASE)


def _placeholders(text: str, subject: str) -> Iterator[Mistake]:
    for part in (subject[:400], text):
        match = _PLACEHOLDER.search(part)
        if match is not None:
            yield Mistake("placeholder", f'"{_short(match[0])}"', False)
            return
    match = _NEEDS_NAME.search(text[:600])
    if match is not None and not _NAMELESS_IS_FINE.match(match[0]):
        yield Mistake("placeholder", f'"{_short(match[0])}" without a name', False)


# -- other people's data ---------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"[\w.+'%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")


def addresses(text: str) -> tuple[str, ...]:
    """Mail addresses written in a text, in lower case."""
    return tuple(dict.fromkeys(found.lower() for found in _EMAIL.findall(text[:_READ])))[:50]


def numbers(reply: Reply) -> tuple[str, ...]:
    """Order and account numbers a reply names, in one form."""
    return thread.reference_numbers(f"{reply.subject[:400]}\n{reply.text[:_READ]}")


def _leaks(text: str, about: About) -> Iterator[Mistake]:
    for address in addresses(text):
        if address in about.others - about.addresses:
            yield Mistake("other_customer", f"the address {_masked(address)} of another customer", True)
    named = {number for number in thread.reference_numbers(text) if number in about.other_numbers}
    for number in sorted(named):
        yield Mistake("other_customer", f"the number {number}, which belongs to another customer's case", True)


def _recipients(reply: Reply, about: About) -> Iterator[Mistake]:
    for address in reply.to:
        if address in about.addresses or _is_own(address, about.own_domains) or not about.addresses:
            continue
        known = address in about.others
        reached = any(to in about.addresses for to in reply.to)
        if known or reached or _greets(reply.text, about.names):
            yield Mistake("wrong_recipient", _masked(address) + (", another customer" if known else ""), True)


def _is_own(address: str, domains: Iterable[str]) -> bool:
    domain = address.rpartition("@")[2]
    return any(domain == one or domain.endswith(f".{one}") for one in domains)


def _greets(text: str, names: frozenset[str]) -> bool:
    """Is the customer greeted in a mail that does not go to them?"""
    match = _GREETING.search(text[:600])
    if match is None or not match["name"]:
        return False
    known = {w for name in names for w in _words(name)}
    return any(w in known for w in _words(match["name"]) if len(w) > 1 and w not in _TITLES)


def _masked(address: str) -> str:
    """Enough of an address to know it again: j...@example.org."""
    local, _, domain = address.partition("@")
    return f"{local[:1]}...@{domain}"[:120]


def _card(text: str) -> Iterator[Mistake]:
    if "[card]" in redact.text(text) and "[card]" not in text:
        line = next((one for one in text.splitlines() if "[card]" in redact.text(one)), "")
        yield Mistake("card_number", f'"{_short(redact.text(line)) or "[card]"}"', True)


# -- manners and language --------------------------------------------------------------------------------------------


@cache
def _rude() -> tuple[Matcher, ...]:
    text = files("triage.judge").joinpath("rude.txt").read_text("utf-8")
    parts = re.split(r"^\[(\w\w)\]$", text, flags=re.MULTILINE)[1:]
    return tuple(
        lexicon.compiled(language, f"rude.txt [{language}]", f"[insult]\n{lines}")
        for language, lines in zip(parts[::2], parts[1::2], strict=True)
    )


def _insults(text: str) -> Iterator[Mistake]:
    read = sentences.read(text)
    for matcher in _rude():
        for hit in matcher.scan(read.sentences, read.words):
            yield Mistake("insult", f'"{_short(read.quote(hit.first, hit.last))}"', True)
            return


def _language(reply: Reply, about: About) -> Iterator[Mistake]:
    told = {reply.language, about.language}
    if "und" in told or len(told) == 1 or len(reply.text.split()) < _FEW:
        return
    yield Mistake("language", f"the complaint is in {about.language}, the answer in {reply.language}", False)


def _short(text: str) -> str:
    return " ".join(text.split())[:_QUOTE]
