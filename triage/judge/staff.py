"""Which of our own people a mail names, so that a case stays away from the person complained about. Pure.

Only ever used to keep a case *away* from somebody: a mail cannot choose its owner.
"""

from __future__ import annotations

import re
from itertools import pairwise

from triage.judge.roster import Person, Roster

_WORD = re.compile(r"[\w@.+-]+")
_GREETING_LENGTH = 60
_LONGEST_TEXT = 100_000

# fmt: off
_TITLES = frozenset((
    "mr", "mrs", "ms", "miss", "mx", "dr", "sir", "herr", "herrn", "frau", "hr", "monsieur", "madame", "m", "mme",
    "mlle", "señor", "señora", "sr", "sra", "signor", "signora", "sig", "meneer", "mevrouw", "dhr", "mevr", "pan",
    "pani",
))
#: a first name alone names a colleague only after one of these ("your agent Tom", "spoke to Tom") ...
_BEFORE = frozenset((
    "agent", "adviser", "advisor", "colleague", "operator", "manager", "supervisor", "driver", "engineer", "technician",
    "employee", "named", "called", "with", "to", "by", "mitarbeiter", "mitarbeiterin", "kollege", "kollegin", "fahrer",
    "techniker", "collègue", "conseiller", "conseillère", "agente", "empleado", "empleada", "compañero", "compañera",
    "técnico", "medewerker", "medewerkster", "collega", "pracownik", "funcionário",
))
#: ... or before one of these ("Tom from billing")
_AFTER = frozenset(("from", "at", "in", "von", "aus", "du", "del", "van", "z"))
# fmt: on


def named_staff(text: str, roster: Roster) -> frozenset[str]:
    """Keys of the people whom a text names: full name, title and surname, a `known_as`, an address, or a first name
    beside a word such as "agent". The greeting ("Dear Anna,") does not count. Linear in the text.
    """
    words = [word.strip(".-") for word in _WORD.findall(_without_greeting(text[:_LONGEST_TEXT]).casefold())]
    near = {key for word in roster.by_word.keys() & words for key in roster.by_word[word]}
    if not near:
        return frozenset()
    flat = f" {' '.join(words)} "
    titled = {second for first, second in pairwise(words) if first in _TITLES}
    cued = {second for first, second in pairwise(words) if first in _BEFORE}
    cued |= {first for first, second in pairwise(words) if second in _AFTER}
    return frozenset(roster.people[key].key for key in near if _is_named(roster.people[key], flat, titled, cued))


def _is_named(person: Person, flat: str, titled: set[str], cued: set[str]) -> bool:
    phrases = person.names()
    if any(f" {phrase} " in flat for phrase in phrases if phrase):
        return True
    names = phrases[0].split()
    return len(names) > 1 and (names[-1] in titled or names[0] in cued)


def _without_greeting(text: str) -> str:
    head, newline, rest = text.lstrip().partition("\n")
    greets = len(head) <= _GREETING_LENGTH and head.rstrip().endswith((",", "!", ":"))
    return rest if newline and greets else text
