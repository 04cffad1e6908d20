"""routing.yaml -> Ruleset: every name looked up, gaps found, examples tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from triage.errors import Problem
from triage.judge.outcome import Outcome
from triage.judge.reach import uncovered, unreachable
from triage.judge.roster import Roster
from triage.judge.route import try_examples
from triage.judge.rule import (
    NAMED_PERSON,
    PREVIOUS_OWNER,
    SAME_OWNER,
    THRESHOLD,
    Assignee,
    Condition,
    Example,
    Facts,
    Inform,
    PolicyLine,
    Rule,
    Ruleset,
    StatutoryLine,
    condition,
    flatten,
)
from triage.words import FLAGS, HISTORY_FLAGS, Disposition, Urgency
from triage.world.config.check import Check
from triage.world.config.part import nearest
from triage.world.config.routing_parts import (
    ExamplePart,
    OwnerPart,
    RoutingFile,
    RulePart,
    WhenPart,
)
from triage.world.config.source import Path

ROUTING = "routing.yaml"
URGENCIES = tuple(u.word for u in Urgency)
#: examples are tried on a plain working day; nobody is away and nobody is busy
_EXAMPLE_DAY = datetime(2026, 1, 7, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Known:
    """Every name that routing may use."""

    types: tuple[str, ...]
    mailboxes: tuple[str, ...]
    policies: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    roster: Roster

    def names(self, key: str) -> tuple[str, ...] | None:
        """All names under this condition, or None where any text will do."""
        flags = (*FLAGS, *HISTORY_FLAGS)
        dispositions = tuple(d.value for d in Disposition)
        types = (*self.types, "none")
        closed = {"type": types, "any_type": types, "secondary": self.types, "flag": flags, "urgency": URGENCIES}
        return {**closed, "mailbox": self.mailboxes, "disposition": dispositions}.get(key)

    @property
    def owners(self) -> tuple[str, ...]:
        return (*self.roster.people, *self.roster.pools, *self.roster.roles)


def ruleset_of(
    file: RoutingFile,
    outcomes: Mapping[Disposition, Outcome],
    statutory: tuple[StatutoryLine, ...],
    known: Known,
    check: Check,
) -> Ruleset:
    """The routing list. Rows of dispositions.yaml with an owner follow it, just before the fallback."""
    rules = [_rule(part, ("rules", number), known, check) for number, part in enumerate(file.rules)]
    _order(file, check)
    for number, part in enumerate(file.rules):
        if part.name in [other.name for other in file.rules[:number]]:
            fix = "Give each rule a name of its own."
            check.wrong(ROUTING, ("rules", number, "name"), f"There are two rules named {part.name!r}.", fix)
    if check.clean(ROUTING, "people.yaml", "complaint_types.yaml", "mailboxes.yaml"):
        _gaps(rules, known, check)
    rows = [
        Rule(f"disposition:{d.value}", o.assignee, (condition("disposition", [d.value]),), policy=o.policy)
        for d, o in outcomes.items()
        if o.assignee is not None
    ]
    always = file.always
    flags = (*FLAGS, *HISTORY_FLAGS)
    check.each_known(ROUTING, ("always", "restrict_text"), always.restrict_text, flags, "flag")
    check.each_known(ROUTING, ("always", "acknowledge_never"), always.acknowledge_never, flags, "flag")
    _barred(always.never_owner, ("always", "never_owner"), known, check)
    check.known(ROUTING, ("default_policy",), file.default_policy, known.policies, "policy")
    ruleset = Ruleset(
        rules=(*rules[:-1], *rows, *rules[-1:]),
        never_owner=frozenset(always.never_owner),
        restrict_flags=frozenset(always.restrict_text),
        silent_flags=frozenset(always.acknowledge_never),
        inform=_inform(file, known, check),
        policies=_policies(file, known, check),
        default_policy=file.default_policy,
        statutory=statutory,
    )
    if check.clean(ROUTING, "people.yaml", "complaint_types.yaml", "dispositions.yaml"):
        for example, what in try_examples(ruleset, known.roster, _EXAMPLE_DAY):
            check.problems.append(Problem(example.where, f"This example {what}.", "Change the example or the rules."))
    return ruleset


def _order(file: RoutingFile, check: Check) -> None:
    """Exactly one fallback, at the end."""
    for number, part in enumerate(file.rules[:-1]):
        if part.otherwise:
            what = f"The rule {part.name!r} takes everything; what follows can never be reached."
            check.wrong(ROUTING, ("rules", number, "otherwise"), what, "Move it to the end.")
        if part.covers:
            what = "`covers` is only for the last rule."
            check.wrong(ROUTING, ("rules", number, "covers"), what, "Ask for the type under `when`.")
    last = len(file.rules) - 1
    if not file.rules[last].otherwise:
        fix = "Add `- {name: otherwise, otherwise: true, owner: fallback}`."
        check.wrong(ROUTING, ("rules", last), "The last rule must take what is left.", fix)
    elif file.rules[last].owner.pool == SAME_OWNER:
        what = "The last rule needs an owner that is always there."
        check.wrong(ROUTING, ("rules", last, "owner"), what, "Write `owner: fallback`.")


def _gaps(rules: list[Rule], known: Known, check: Check) -> None:
    domains = {"type": (*known.types, "none"), "mailbox": known.mailboxes}
    for name, takers in unreachable(rules, domains).items():
        number = next(n for n, rule in enumerate(rules) if rule.name == name)
        what = f"The rule {name!r} can never be reached: {takers} takes all its cases."
        check.wrong(ROUTING, ("rules", number), what, "Move it further up, or remove it.")
    for name in uncovered(rules, known.types):
        what = f"No rule takes the complaint type {name!r} as such."
        fix = f"Add a rule with `when: {{type: {name}}}`, or name it under `covers` of the last rule."
        check.wrong(ROUTING, ("rules", len(rules) - 1), what, fix)


def _rule(part: RulePart, path: Path, known: Known, check: Check) -> Rule:
    if part.policy is not None:
        check.known(ROUTING, (*path, "policy"), part.policy, known.policies, "policy")
    check.each_known(ROUTING, (*path, "inform"), part.inform, known.owners, "person, role or pool")
    check.each_known(ROUTING, (*path, "covers"), part.covers, known.types, "complaint type")
    _barred(part.never_owner, (*path, "never_owner"), known, check)
    return Rule(
        name=part.name,
        assignee=assignee_of(part.owner, ROUTING, (*path, "owner"), known.roster, check),
        when=conditions_of(part.when, ROUTING, (*path, "when"), known, check),
        unless=conditions_of(part.unless, ROUTING, (*path, "unless"), known, check),
        policy=part.policy,
        inform=part.inform,
        never_owner=frozenset(part.never_owner),
        restrict_text=part.restrict_text,
        acknowledge=part.acknowledge == "allowed",
        covers=frozenset(part.covers),
        examples=tuple(
            _example(example, part.name, (*path, "examples", number), known, check)
            for number, example in enumerate(part.examples)
        ),
        where=check.where(ROUTING, path),
    )


def _barred(names: Iterable[str], path: Path, known: Known, check: Check) -> None:
    allowed = (NAMED_PERSON, PREVIOUS_OWNER, *known.roster.people)
    check.each_known(ROUTING, path, names, allowed, "person")


def assignee_of(part: OwnerPart, file: str, path: Path, roster: Roster, check: Check) -> Assignee:
    """The owner of a rule, looked up."""
    owners = (*roster.people, *roster.pools, *roster.roles, SAME_OWNER)
    check.known(file, (*path, "pool"), part.pool, owners, "person, role or pool")
    if part.pool not in roster.pools and (part.pick or part.match) and part.pool in owners:
        what = f"{part.pool!r} is no pool, so there is nothing to pick from."
        check.wrong(file, path, what, f"Write `owner: {part.pool}`.")
    return Assignee(part.pool, part.pick, frozenset(part.match))


def conditions_of(part: WhenPart, file: str, path: Path, known: Known, check: Check) -> tuple[Condition, ...]:
    """`when` compiled, with every name looked up."""
    found = []
    for key, wants in part.asked().items():
        value = wants
        names = known.names(key)
        if names is not None:
            check.each_known(file, (*path, key), wants, names, key.replace("any_", "").replace("_", " "))
        if key == "confidence_below":
            if wants != THRESHOLD and not 0 < wants <= 1:
                check.wrong(file, (*path, key), "A confidence lies between 0 and 1.", "Write 0.6 or threshold.")
        elif key == "customer":
            value = _customers(wants, file, (*path, key), known, check)
        elif isinstance(wants, tuple) and not wants:
            check.wrong(file, (*path, key), f"The list of {key!r} is empty.", "Name at least one, or remove it.")
        found.append(condition(key, value))
    return tuple(found)


def _customers(entries: tuple[str, ...], file: str, path: Path, known: Known, check: Check) -> tuple[str, ...]:
    """Groups unfolded; an entry without a dot or @ can only be the name of a group."""
    found: list[str] = []
    for entry in entries:
        if entry in known.groups:
            found += known.groups[entry]
        elif "@" in entry or "." in entry:
            found.append(entry)
        else:
            fix = nearest(entry, known.groups) or "Write an address or a domain."
            check.wrong(file, path, f"There is no customer group {entry!r}.", fix)
    return tuple(found)


def _example(part: ExamplePart, rule: str, path: Path, known: Known, check: Check) -> Example:
    given = part.facts
    here = (*path, "facts")
    if given.type is not None:
        check.known(ROUTING, (*here, "type"), given.type, known.types, "complaint type")
    check.each_known(ROUTING, (*here, "flags"), given.flags, (*FLAGS, *HISTORY_FLAGS), "flag")
    urgent = check.known(ROUTING, (*here, "urgency"), given.urgency, URGENCIES, "urgency")
    dispositions = tuple(d.value for d in Disposition)
    known_disposition = check.known(ROUTING, (*here, "disposition"), given.disposition, dispositions, "disposition")
    people = known.roster.people
    check.each_known(ROUTING, (*here, "names_staff"), given.names_staff, people, "person")
    for key, person in (("open_owner", given.open_owner), ("previous_owner", given.previous_owner)):
        if person is not None:
            check.known(ROUTING, (*here, key), person, people, "person")
    if part.owner is not None:
        check.known(ROUTING, (*path, "owner"), part.owner, (*people, *known.roster.pools), "person or pool")
    facts = Facts(
        complaint_type=given.type, secondary=given.secondary,
        disposition=Disposition(given.disposition) if known_disposition else Disposition.COMPLAINT,
        urgency=Urgency.of(given.urgency) if urgent else Urgency.NORMAL, flags=frozenset(given.flags),
        language=given.language, mailbox=given.mailbox, customer=given.customer, confidence=given.confidence,
        review=given.review, customer_open_owner=given.open_owner, previous_owner=given.previous_owner,
        named_staff=frozenset(given.names_staff), words=flatten(given.text),
    )  # fmt: skip
    return Example(facts, rule, part.owner, part.policy, check.where(ROUTING, path))


def _inform(file: RoutingFile, known: Known, check: Check) -> tuple[Inform, ...]:
    found = []
    for number, part in enumerate(file.inform):
        path = ("inform", number)
        check.each_known(ROUTING, (*path, "inform"), part.inform, known.owners, "person, role or pool")
        found.append(Inform(part.name, conditions_of(part.when, ROUTING, (*path, "when"), known, check), part.inform))
    return tuple(found)


def _policies(file: RoutingFile, known: Known, check: Check) -> tuple[PolicyLine, ...]:
    found = []
    for number, part in enumerate(file.policies):
        path = ("policies", number)
        check.known(ROUTING, (*path, "policy"), part.policy, known.policies, "policy")
        found.append(
            PolicyLine(part.name, conditions_of(part.when, ROUTING, (*path, "when"), known, check), part.policy)
        )
    return tuple(found)
