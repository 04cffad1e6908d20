"""Do two written names speak of one person? Evidence against a tie, never for one: many people share a name. Pure."""

from __future__ import annotations

import re
import unicodedata

#: a name is short, and hostile ones are not; of a text the beginning is enough
_NAME, _TEXT = 200, 20_000
_WORD = re.compile(r"[^\W\d_]+")
_TITLES = frozenset(
    "mr mrs ms miss mx dr prof sir madam herr herrn frau monsieur madame mme mlle sr sra srta senor senora dona signor "
    "signora sig dott heer mevrouw mw dhr senhor senhora and und et y e en the von van de di du der la le".split()
)


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case, without accents, titles and particles."""
    plain = unicodedata.normalize("NFKD", name[:_NAME]).encode("ascii", "ignore").decode().casefold()
    return tuple(word for word in _WORD.findall(plain) if word not in _TITLES)


def another(written: str, known: str, text: str = "", *, first_name: bool = False) -> bool:
    """Is `written` the name of somebody else than `known`? Not where one is missing, nor where `text` names `known`.

    With `first_name`, "Alex Ellery" is somebody else than "Robin Ellery", "R Ellery" and "Rob Ellery" are not. Names
    in letters that ASCII cannot spell count as missing.
    """
    mine, theirs = set(words(written)), set(words(known))
    if not mine or not theirs or _named(theirs - mine, text):
        return False
    shared = mine & theirs
    rest = [(a, b) for a in mine - shared for b in theirs - shared]
    alike = any(a.startswith(b) or b.startswith(a) for a, b in rest)
    if shared:
        return first_name and bool(rest) and not alike and len(shared) < 2
    return not alike


def _named(names: set[str], text: str) -> bool:
    """Does the text speak of one of these names? Initials say nothing."""
    plain = unicodedata.normalize("NFKD", text[:_TEXT]).encode("ascii", "ignore").decode().casefold()
    return not {name for name in names if len(name) > 2}.isdisjoint(_WORD.findall(plain))
