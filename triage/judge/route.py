"""Who owns a case: the rules in their written order, the first match wins, never nobody. Pure.

`decide` tells besides the owner which rules matched and, for each that did not, which condition failed, so that a lead
can ask months later "why here?". The records live beside it: people in `roster`, questions in `rule`, gaps in `reach`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from triage.judge.reach import uncovered, unreachable
from triage.judge.roster import Absence, Person, Pick, Pool, Roster, Rota, Swap
from triage.judge.rule import (
    NAMED_PERSON,
    PREVIOUS_OWNER,
    SAME_OWNER,
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
from triage.judge.staff import named_staff

# fmt: off
__all__ = [
    "Absence", "Assignee", "Condition", "Example", "Facts", "Inform", "Load", "Miss", "Person", "Pick", "PolicyLine",
    "Pool", "Roster", "Rota", "Route", "Rule", "Ruleset", "StatutoryLine", "Swap", "condition", "decide", "flatten",
    "named_staff", "statutory", "try_examples", "uncovered", "unreachable",
]
# fmt: on

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Load:
    """Open cases and the last assignment (aware UTC) of each person, read from the register.

    Because both come from the register, a restart does not begin the round anew.
    """

    open_cases: Mapping[str, int] = field(default_factory=dict)
    last_assigned: Mapping[str, datetime] = field(default_factory=dict)

    def after(self, owner: str, at: datetime) -> Load:
        """The load once `owner` has one case more. Later than every assignment so far, even within one instant."""
        latest = max(self.last_assigned.values(), default=_NEVER)
        moment = at if at > latest else latest + timedelta(microseconds=1)
        return Load(
            {**self.open_cases, owner: self.open_cases.get(owner, 0) + 1}, {**self.last_assigned, owner: moment}
        )


@dataclass(frozen=True, slots=True)
class Miss:
    """A rule that did not match, and the first condition that failed."""

    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Route:
    """Where a case goes. `owner` and `inform` are keys of people; `hits` are all rules that match, the winner first.

    `acknowledge` False: the customer gets no automatic receipt. `restrict_text`: notices carry none of the customer's
    words. `alert`: nobody of the rule's choice was free, the lead must hear of it. `statutory` are
    names of limits that run besides the policy.
    """

    owner: str
    pool: str | None
    policy: str
    statutory: tuple[str, ...]
    inform: tuple[str, ...]
    rule: str
    hits: tuple[str, ...]
    misses: tuple[Miss, ...]
    restrict_text: bool
    acknowledge: bool
    alert: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Choice:
    owner: str
    pool: str | None = None
    alert: bool = False
    notes: tuple[str, ...] = ()


def decide(ruleset: Ruleset, facts: Facts, roster: Roster, load: Load, at: datetime) -> Route:
    """The route of a case at this moment (aware UTC). The same arguments always give the same route."""
    winner: Rule | None = None
    choice: _Choice | None = None
    hits: list[str] = []
    misses: list[Miss] = []
    for rule in ruleset.rules:
        why = rule.miss(facts) or _gone(rule, facts, roster)
        if why is not None:
            misses.append(Miss(rule.name, why))
            continue
        hits.append(rule.name)
        if winner is None:
            winner, choice = rule, _choose(rule.assignee, _barred(rule, ruleset, facts), facts, roster, load, at)
    if winner is None or choice is None:
        raise ValueError("a ruleset ends with a rule without conditions")
    told, notes = _informed(winner, choice, ruleset, facts, roster, at)
    return Route(
        owner=choice.owner,
        pool=choice.pool,
        policy=winner.policy or _policy(ruleset, facts),
        statutory=statutory(ruleset, facts),
        inform=told,
        rule=winner.name,
        hits=tuple(hits),
        misses=tuple(misses),
        restrict_text=winner.restrict_text or not ruleset.restrict_flags.isdisjoint(facts.flags),
        acknowledge=winner.acknowledge and ruleset.silent_flags.isdisjoint(facts.flags),
        alert=choice.alert,
        notes=(*choice.notes, *notes),
    )


def _gone(rule: Rule, facts: Facts, roster: Roster) -> str | None:
    """`same_owner` needs somebody: without one the rule does not match, whatever its conditions say."""
    if rule.assignee.name != SAME_OWNER:
        return None
    if facts.customer_open_owner is None:
        return "the customer has no open case"
    if facts.customer_open_owner not in roster.people:
        return f"{facts.customer_open_owner}, who had the customer's open case, is no longer there"
    return None


def _policy(ruleset: Ruleset, facts: Facts) -> str:
    """The policy of a case whose rule names none: the first line that holds, else the default."""
    lines = (line.policy for line in ruleset.policies if all(asked.holds(facts) for asked in line.when))
    return next(lines, ruleset.default_policy)


def statutory(ruleset: Ruleset, facts: Facts) -> tuple[str, ...]:
    """The limits of law that run for such a case, whoever owns it."""
    lines = (line.name for line in ruleset.statutory if all(asked.holds(facts) for asked in line.when))
    return tuple(dict.fromkeys(lines))


def _barred(rule: Rule, ruleset: Ruleset, facts: Facts) -> frozenset[str]:
    """The people who may not own this case."""
    never = rule.never_owner | ruleset.never_owner
    barred = set(never - {NAMED_PERSON, PREVIOUS_OWNER})
    if NAMED_PERSON in never:
        barred |= facts.named_staff
    if PREVIOUS_OWNER in never and facts.previous_owner:
        barred.add(facts.previous_owner)
    return frozenset(barred)


def _choose(
    assignee: Assignee, barred: frozenset[str], facts: Facts, roster: Roster, load: Load, at: datetime
) -> _Choice:
    if assignee.name in roster.pools:
        return _from_pool(roster.pools[assignee.name], assignee, barred, facts, roster, load, at)
    wanted = assignee.name
    if wanted == SAME_OWNER:
        wanted = facts.customer_open_owner or ""
    first = next(iter(roster.holders(wanted, at)), wanted)
    found = roster.find(wanted, at, barred)
    return _Choice(found, alert=found in barred, notes=_instead(first, found, barred, roster, at))


def _instead(first: str, found: str, barred: frozenset[str], roster: Roster, at: datetime) -> tuple[str, ...]:
    """Why somebody other than the first choice has it."""
    if found in barred:
        return (f"everybody is away or may not have this case; {found} must pass it on",)
    if found == first:
        return () if roster.here(found, at) else (f"nobody is there; it waits with {found}",)
    why = "may not have this case" if first in barred else "is away"
    return (f"{first} {why}; {found} stands in",)


def _from_pool(
    pool: Pool,
    assignee: Assignee,
    barred: frozenset[str],
    facts: Facts,
    roster: Roster,
    load: Load,
    at: datetime,
) -> _Choice:
    there = [key for key in pool.members if key not in barred and roster.here(key, at)]
    if not there:
        deputies = [key for member in pool.members for key in roster.chain(member)]
        found = next((k for k in deputies if k not in barred and roster.here(k, at)), None)
        found = found or roster.find(pool.owner, at, barred)
        return _Choice(found, pool.key, True, (f"nobody of {pool.key} is there or may have this case; {found} has it",))
    fit, notes = _fitting(pool, there, assignee, facts, roster)
    for candidates in (fit, there):
        free = [key for key in candidates if _room(key, roster, load)]
        if free:
            chosen = _pick(assignee.pick or pool.pick, free, load)
            full = [key for key in candidates if key not in free]
            notes += [f"{key} is at capacity ({roster.people[key].capacity} open cases)" for key in full]
            return _Choice(chosen, pool.key, False, tuple(notes))
        notes = ["all who fit are at capacity"]
    found = roster.find(pool.owner, at, barred)
    return _Choice(found, pool.key, True, (f"everybody of {pool.key} is at capacity; {found} has it",))


def from_pool(pool: Pool, facts: Facts, roster: Roster, load: Load, at: datetime) -> str:
    """One person of a pool, picked as the pool says: for a case that somebody hands to the pool by command."""
    return _from_pool(pool, Assignee(pool.key), facts.named_staff, facts, roster, load, at).owner


def _fitting(
    pool: Pool, there: Sequence[str], assignee: Assignee, facts: Facts, roster: Roster
) -> tuple[list[str], list[str]]:
    """Those who speak the language and know the subject, as far as the rule asks and anybody does."""
    fit, notes = list(there), []
    if "language" in assignee.match and facts.language != "und":
        speaking = [key for key in fit if facts.language in roster.people[key].languages]
        notes += [] if speaking else [f"nobody of {pool.key} who is there speaks {facts.language}"]
        fit = speaking or fit
    if "skill" in assignee.match:
        subjects = {facts.complaint_type, *facts.flags}
        skilled = [key for key in fit if not roster.people[key].skills.isdisjoint(subjects)]
        fit = skilled or fit
    return fit, notes


def _room(key: str, roster: Roster, load: Load) -> bool:
    return load.open_cases.get(key, 0) < roster.people[key].capacity


def _pick(pick: Pick, candidates: Sequence[str], load: Load) -> str:
    """One of them; ties fall to who waited longest, then to the order in the config."""

    def waited(key: str) -> datetime:
        return load.last_assigned.get(key, _NEVER)

    def busy(key: str) -> int:
        return load.open_cases.get(key, 0)

    if pick is Pick.IN_ORDER:
        return candidates[0]
    if pick is Pick.ROUND_ROBIN:
        return min(candidates, key=lambda key: (waited(key), busy(key)))
    return min(candidates, key=lambda key: (busy(key), waited(key)))


def _informed(
    rule: Rule, choice: _Choice, ruleset: Ruleset, facts: Facts, roster: Roster, at: datetime
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Who else hears of it: the rule's people and those of the `inform` lines; never a person complained of."""
    lines = [line for line in ruleset.inform if all(asked.holds(facts) for asked in line.when)]
    names = [*rule.inform, *(name for line in lines for name in line.people), *(["lead"] if choice.alert else [])]
    keys = dict.fromkeys(key for name in names for key in roster.reached(name, at))
    left_out = [key for key in keys if key in facts.named_staff and key != choice.owner]
    told = tuple(key for key in keys if key != choice.owner and key not in facts.named_staff)
    return told, tuple(f"{key} is named in the mail and was not informed" for key in left_out)


def try_examples(ruleset: Ruleset, roster: Roster, at: datetime) -> tuple[tuple[Example, str], ...]:
    """Every example of the config that does not come out as its lead expects, with what happened instead.

    Tried with nobody away and nobody busy. `owner` may be a person or a pool.
    """
    everybody = roster.everybody_here()
    wrong = []
    for rule in ruleset.rules:
        for example in rule.examples:
            route = decide(ruleset, example.facts, everybody, Load(), at)
            if route.rule != example.rule:
                why = next((m.why for m in route.misses if m.rule == example.rule), f"{route.rule} comes first")
                wrong.append((example, f"goes by the rule {route.rule}, not {example.rule}: {why}"))
            elif example.owner is not None and example.owner not in (route.owner, route.pool):
                wrong.append((example, f"goes to {route.pool or route.owner}, not {example.owner}"))
            elif example.policy is not None and example.policy != route.policy:
                wrong.append((example, f"gets the policy {route.policy}, not {example.policy}"))
    return tuple(wrong)
