"""Routing rules: what may be asked of a case, compiled once into closures. Pure.

A rule is a name, conditions that must all hold, and what follows. Within one condition any of its values is enough:
`type: [billing, refund_return]` asks for one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from triage.judge.roster import Pick
from triage.words import Disposition, Urgency

#: the owner spec "whoever has this customer's open case"
SAME_OWNER = "same_owner"
#: whom `never_owner` may bar
NAMED_PERSON, PREVIOUS_OWNER = "named_person", "previous_owner"

_WORD = re.compile(r"\w+")
_LONGEST_TEXT = 100_000


def flatten(text: str) -> str:
    """Text as `words` conditions read it: lower case, single spaces, one space at either end. Bounded, linear."""
    return f" {' '.join(_WORD.findall(text[:_LONGEST_TEXT].casefold()))} "


@dataclass(frozen=True, slots=True)
class Facts:
    """What routing may look at. Nothing a mail says about its own owner or urgency is in here.

    `confidence` is the calibrated probability of the complaint type, None where no model spoke; `threshold` the one
    below which a person is asked.
    `words` is `flatten(subject and own words)`.
    `named_staff` are keys of people (see `roster.named_staff`); `customer_open_owner` has this customer's open case;
    `previous_owner` had the badly handled one.
    """

    complaint_type: str | None = None
    secondary: tuple[str, ...] = ()
    disposition: Disposition = Disposition.COMPLAINT
    urgency: Urgency = Urgency.NORMAL
    flags: frozenset[str] = frozenset()
    language: str = "und"
    mailbox: str = ""
    customer: str = ""
    confidence: float | None = None
    threshold: float = 0.60
    review: bool = False
    customer_open_owner: str | None = None
    previous_owner: str | None = None
    named_staff: frozenset[str] = frozenset()
    words: str = " "


@dataclass(frozen=True, slots=True)
class Condition:
    """One question about a case. `wants` is what the config wrote, `found` tells what a case has instead."""

    key: str
    wants: frozenset[str] | float | bool
    holds: Callable[[Facts], bool]
    found: Callable[[Facts], str]

    def miss(self, facts: Facts) -> str | None:
        """None where the condition holds, else one clause that says why not."""
        if self.holds(facts):
            return None
        return f"{self.key.removesuffix('_below')} is {self.found(facts)}, not {self.shown()}"

    def shown(self) -> str:
        if self.key == CONFIDENCE_BELOW and isinstance(self.wants, frozenset):
            return "below the threshold"
        if isinstance(self.wants, frozenset):
            return " or ".join(sorted(self.wants))
        return str(self.wants).lower() if isinstance(self.wants, bool) else f"below {self.wants:g}"


#: conditions that compare names: key -> the names a case has under it
NAMES: Mapping[str, Callable[[Facts], Iterable[str]]] = {
    "type": lambda f: (f.complaint_type or "none",),
    "secondary": lambda f: f.secondary,
    "any_type": lambda f: (f.complaint_type or "none", *f.secondary),
    "flag": lambda f: f.flags,
    "urgency": lambda f: (f.urgency.word,),
    "language": lambda f: (f.language,),
    "mailbox": lambda f: (f.mailbox,),
    "disposition": lambda f: (f.disposition.value,),
}
#: conditions that are true or false
TRUTHS: Mapping[str, Callable[[Facts], bool]] = {
    "customer_has_open_case": lambda f: f.customer_open_owner is not None,
    "names_staff": lambda f: bool(f.named_staff),
    "needs_review": lambda f: f.review,
}
CONFIDENCE_BELOW, CUSTOMER, WORDS = "confidence_below", "customer", "words"
#: `confidence_below: threshold`
THRESHOLD = "threshold"
KEYS = (*NAMES, *TRUTHS, CONFIDENCE_BELOW, CUSTOMER, WORDS)


def condition(key: str, wants: Iterable[str] | float | bool) -> Condition:
    """Compile one condition. Raises KeyError for an unknown key, TypeError for a value of the wrong sort."""
    if key in TRUTHS:
        if not isinstance(wants, bool):
            raise TypeError(f"{key} is true or false")
        read, wanted_truth = TRUTHS[key], wants
        return Condition(key, wants, lambda f: read(f) is wanted_truth, lambda f: str(read(f)).lower())
    if key == CONFIDENCE_BELOW:
        if wants == THRESHOLD:
            return _confidence_below(None)
        if isinstance(wants, bool) or not isinstance(wants, (int, float)):
            raise TypeError(f"{key} is a number from 0 to 1")
        return _confidence_below(float(wants))
    if isinstance(wants, (bool, int, float)):
        raise TypeError(f"{key} is a name or a list of names")
    names = frozenset(wants)
    if key == CUSTOMER:
        return _customer(names)
    if key == WORDS:
        return _words(names)
    values = NAMES[key]
    return Condition(
        key, names, lambda f: not names.isdisjoint(values(f)), lambda f: " and ".join(sorted(values(f))) or "none"
    )


def _confidence_below(limit: float | None) -> Condition:
    """Below a number, or (None) below the threshold that the promoted model or judging.yaml sets."""

    def shown(facts: Facts) -> str:
        return "not known" if facts.confidence is None else f"{facts.confidence:.2f}"

    def holds(facts: Facts) -> bool:
        return facts.confidence is not None and facts.confidence < (facts.threshold if limit is None else limit)

    return Condition(CONFIDENCE_BELOW, frozenset({THRESHOLD}) if limit is None else limit, holds, shown)


def _customer(entries: frozenset[str]) -> Condition:
    """Addresses ("ann@example.com") and domains ("example.com", also its sub-domains)."""
    wanted = frozenset(entry.casefold().removeprefix("@") for entry in entries)

    def holds(facts: Facts) -> bool:
        address = facts.customer.casefold()
        if address in wanted:
            return True
        labels = address.rpartition("@")[2].split(".")[-8:]
        return any(".".join(labels[n:]) in wanted for n in range(len(labels)))

    return Condition(CUSTOMER, wanted, holds, lambda f: f.customer or "unknown")


def _words(phrases: frozenset[str]) -> Condition:
    """Whole words, whatever the case; punctuation between them does not matter."""
    needles = tuple(sorted(flatten(phrase) for phrase in phrases))
    return Condition(WORDS, phrases, lambda f: any(needle in f.words for needle in needles), lambda f: "something else")


# -- rules -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Assignee:
    """Whom a rule names: a person, a role, a pool with the way to pick from it, or `same_owner`.

    `match` narrows a pool: "language" to those who speak the mail's language, "skill" to those who know the type.
    """

    name: str
    pick: Pick | None = None
    match: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Example:
    """A case in small with the answer the lead expects; the config check runs it. None = not asked."""

    facts: Facts
    rule: str
    owner: str | None = None
    policy: str | None = None
    where: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the routing list. The last one has no conditions: it is the fallback."""

    name: str
    assignee: Assignee
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()
    policy: str | None = None
    inform: tuple[str, ...] = ()
    never_owner: frozenset[str] = frozenset()
    restrict_text: bool = False
    acknowledge: bool = True
    covers: frozenset[str] = frozenset()
    examples: tuple[Example, ...] = ()
    where: str = ""

    def miss(self, facts: Facts) -> str | None:
        """None where the rule matches, else the first condition that did not hold, as a clause."""
        for asked in self.when:
            if (why := asked.miss(facts)) is not None:
                return why
        for barred in self.unless:
            if barred.holds(facts):
                return f"{barred.key} is {barred.shown()}, which the rule leaves out"
        return None


@dataclass(frozen=True, slots=True)
class Inform:
    """People told of every case that meets the conditions, whichever rule gives it its owner."""

    name: str
    when: tuple[Condition, ...]
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """The policy of the cases that meet the conditions, unless their rule names one itself."""

    name: str
    when: tuple[Condition, ...]
    policy: str


@dataclass(frozen=True, slots=True)
class StatutoryLine:
    """The limit of law or regulator (by its name in policies.yaml) that runs for the cases that meet the conditions."""

    name: str
    when: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The routing list and what holds for every case, whichever rule wins."""

    rules: tuple[Rule, ...]
    never_owner: frozenset[str] = frozenset({NAMED_PERSON})
    restrict_flags: frozenset[str] = frozenset({"self_harm"})
    silent_flags: frozenset[str] = frozenset({"self_harm", "legal_threat", "regulator"})
    inform: tuple[Inform, ...] = ()
    policies: tuple[PolicyLine, ...] = ()
    default_policy: str = "standard"
    statutory: tuple[StatutoryLine, ...] = ()
