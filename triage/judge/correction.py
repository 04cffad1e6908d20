"""What a person says a mail really is, in the few words that fit a folder's name, a keyword or one line of a reply. Pure.

    Corrections/product fault        a folder
    triage-type-product-fault        a keyword
    #123 product fault, urgent       a line
    #123 no complaint

The whole text must be understood or none of it is: half an order is worse than a question. Case, `_`, `-` and space
make no difference, since mail clients change them (Thunderbird writes the tag "triage urgent" as `triage_urgent`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from triage.words import Disposition, Urgency

NO_COMPLAINT = "no_complaint"  # it is none, whatever else it is
PREFIX = "triage"
ALL = "all"  # every mail of the list that is being answered

_LONGEST = 200  # characters of a line; what is longer is prose
_WORD = re.compile(r"[^\W_]+")
_TARGET = re.compile(
    r"(?:(?:mail\s?#?|m)(?P<mail>\d{1,9})|#?(?P<case>[a-z]{1,5}-\d{4}-\d{1,9}|\d{1,9}))\b", re.IGNORECASE
)
_ALL = re.compile(r"all\b", re.IGNORECASE)
#: dispositions that a person may name; the rest is for the program to find
_NAMED = tuple(d for d in Disposition if d not in (Disposition.BEFORE_START, Disposition.UNREADABLE))
_CONFIRM = (("ok",), ("right",), ("correct",))


@dataclass(frozen=True, slots=True)
class Correction:
    """What is right instead; empty: not said. `disposition` may be NO_COMPLAINT. `confirm`: it was right as it was."""

    complaint_type: str = ""
    urgency: str = ""
    disposition: str = ""
    confirm: bool = False

    @property
    def is_complaint(self) -> bool:
        """Does this make a complaint of a mail that was filed?"""
        return bool(self.complaint_type or self.urgency or self.disposition == Disposition.COMPLAINT)

    @property
    def no_complaint(self) -> bool:
        """Does it say that there is nothing to put right?"""
        return self.disposition not in ("", Disposition.COMPLAINT)

    def __str__(self) -> str:
        if self.confirm:
            return "right as it was"
        said = (self.disposition, self.complaint_type, self.urgency)
        return " ".join(part.replace("_", " ") for part in said if part)


@dataclass(frozen=True, slots=True)
class Order:
    """One line of a reply: a case (its number, or the last digits), a mail, ALL of a list, or "" (the case at hand),
    and what is right."""

    target: str
    is_mail: bool
    correction: Correction


def read(text: str, types: Mapping[str, str]) -> Correction | None:
    """Words such as "billing urgent" or "no complaint"; None unless all of them are understood. `types`: label ->
    title."""
    return _understood(_words(text[:_LONGEST]), _vocabulary(types)) if len(text) <= _LONGEST else None


def keyword(name: str, types: Mapping[str, str]) -> Correction | None:
    """An IMAP keyword: `triage-urgent`, `triage-type-billing`, `triage-no-complaint`. None for any other."""
    words = _words(name)
    if words[:1] != (PREFIX,) or not 1 < len(words) <= 12:
        return None
    found = _understood(words[1:], _vocabulary(types))
    return None if found is None or found.confirm else found


def meant_for_us(name: str) -> bool:
    """Does this keyword claim to be one of ours? (`$Triaged`, which we set ourselves, does not.)"""
    return _words(name)[:1] == (PREFIX,) and not name.startswith("$")


def line(text: str, types: Mapping[str, str]) -> Order | None:
    """One line of a reply, None where it is none: a number, perhaps a colon, and the words."""
    text = text.strip().rstrip(".!")
    if not text or len(text) > _LONGEST:
        return None
    found, everything = _TARGET.match(text), _ALL.match(text)
    start = found or everything
    said = read(text[start.end() :] if start else text, types)
    if said is None:
        return None
    if found:
        return Order((found["mail"] or found["case"]).upper(), found["mail"] is not None, said)
    return Order(ALL if everything else "", everything is not None, said)


def keywords(types: Iterable[str]) -> tuple[str, ...]:
    """Every keyword that is understood, as the docs and `triage check` list them."""
    urgencies = [u.word for u in sorted(Urgency, reverse=True)]
    names = [*(f"type-{one}" for one in types), *urgencies, "no-complaint", *(d.value for d in _NAMED)]
    return tuple(f"{PREFIX}-{name.replace('_', '-')}" for name in names)


def names(types: Iterable[str]) -> tuple[str, ...]:
    """Every name of a folder that is understood; words may be put together ("billing urgent")."""
    found = [*types, *(u.word for u in sorted(Urgency, reverse=True)), NO_COMPLAINT, *(d.value for d in _NAMED)]
    return tuple(name.replace("_", " ") for name in found)


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))


def _vocabulary(types: Mapping[str, str]) -> dict[tuple[str, ...], Correction]:
    found: dict[tuple[str, ...], Correction] = {one: Correction(confirm=True) for one in _CONFIRM}
    found |= {_words(d.value): Correction(disposition=d.value) for d in _NAMED}
    for spelling in ("no complaint", "not a complaint"):
        found[_words(spelling)] = Correction(disposition=NO_COMPLAINT)
    for label, title in types.items():
        for words in (_words(label), _words(title)):
            if words:
                found[words] = found[("type", *words)] = Correction(complaint_type=label)
    return found | {(u.word,): Correction(urgency=u.word) for u in Urgency}


def _understood(words: tuple[str, ...], vocabulary: Mapping[tuple[str, ...], Correction]) -> Correction | None:
    """Greedy from the left, the longest phrase first. Two answers to one question are none."""
    longest = max(map(len, vocabulary))
    said: list[Correction] = []
    while words:
        for size in range(min(longest, len(words)), 0, -1):
            if words[:size] in vocabulary:
                said.append(vocabulary[words[:size]])
                words = words[size:]
                break
        else:
            return None
    return together(said)


def together(said: Iterable[Correction]) -> Correction | None:
    """All that was said about one mail as one correction; None where it contradicts itself."""
    said = tuple(said)
    parts = [{one.complaint_type for one in said}, {one.urgency for one in said}, {one.disposition for one in said}]
    if not said or any(len(part - {""}) > 1 for part in parts):
        return None
    kind, urgency, disposition = (max(part) for part in parts)
    found = Correction(kind, urgency, disposition, any(one.confirm for one in said))
    if found.confirm and (kind or urgency or disposition):
        return None
    if found.no_complaint and (kind or urgency):
        return None  # "praise urgent": which of the two?
    return found
