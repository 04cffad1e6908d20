"""Which rules can never be reached, and which complaint types only the fallback catches. Pure.

A rule is unreachable where every case that meets it already meets an earlier one. Conditions are boxes: names out of a
list, true or false, below a limit. So a rule is cut into cells, one value for each key that earlier rules ask about,
and is unreachable where every cell lies inside one earlier rule. Sound: what is reported is never reachable. Not
complete: rules with `unless` and those for `same_owner` (who may be gone) are taken to cover nothing, and more than
`_MOST_CELLS` cells are not tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from triage.judge.rule import CONFIDENCE_BELOW, CUSTOMER, SAME_OWNER, TRUTHS, WORDS, Condition, Rule, flatten
from triage.words import Disposition, Urgency

#: a case has exactly one of these, so the values of the whole list together cover everything
SINGLE = ("type", "urgency", "disposition", "mailbox", "language")
_MOST_CELLS = 20_000
Cell = Mapping[str, Condition | str | bool]


def unreachable(rules: Sequence[Rule], domains: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Name of each rule that no case can reach -> the earlier rule or rules that take its cases.

    `domains` gives all values of a key where they are known ("type", "mailbox"); urgency and disposition are added.
    """
    known = {key: tuple(values) for key, values in domains.items()}
    known.setdefault("urgency", tuple(u.word for u in Urgency))
    known.setdefault("disposition", tuple(d.value for d in Disposition))
    found: dict[str, str] = {}
    for number, rule in enumerate(rules):
        earlier = [r for r in rules[:number] if not r.unless and r.assignee.name != SAME_OWNER]
        takers = _takers(rule, earlier, known)
        if takers:
            found[rule.name] = " and ".join(other.name for other in earlier if other.name in takers)
    return found


def uncovered(rules: Sequence[Rule], types: Iterable[str]) -> tuple[str, ...]:
    """Complaint types that no rule takes whole: neither a rule asking for nothing else, nor the fallback's `covers`."""
    covered: set[str] = set()
    for rule in rules:
        covered |= rule.covers
        if len(rule.when) == 1 and rule.when[0].key in ("type", "any_type") and not rule.unless:
            covered |= _names(rule.when[0])
    return tuple(name for name in types if name not in covered)


def _takers(rule: Rule, earlier: Sequence[Rule], domains: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The earlier rules that together take every case of `rule`, one if one does; empty where a cell is left over."""
    own: dict[str, list[Condition | str | bool]] = {
        asked.key: [*sorted(asked.wants)] if isinstance(asked.wants, frozenset) else [asked] for asked in rule.when
    }
    if prod(len(values) for values in own.values()) > _MOST_CELLS:
        return []
    alone = next((other.name for other in earlier if all(_takes(other, cell) for cell in _cells(own))), None)
    if alone is not None:
        return [alone]
    axes = dict(own)
    for key in sorted({condition.key for other in earlier for condition in other.when} - own.keys()):
        if key in TRUTHS:
            axes[key] = [True, False]
        elif key in domains and key in SINGLE:
            axes[key] = list(domains[key])
    if prod(len(values) for values in axes.values()) > _MOST_CELLS:
        return []
    takers = []
    for cell in _cells(axes):
        taker = next((other for other in earlier if _takes(other, cell)), None)
        if taker is None:
            return []
        takers.append(taker.name)
    return takers


def _cells(axes: Mapping[str, Sequence[Condition | str | bool]]) -> Iterator[Cell]:
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _takes(rule: Rule, cell: Cell) -> bool:
    return all(_inside(cell, asked) for asked in rule.when)


def _names(condition: Condition) -> frozenset[str]:
    return condition.wants if isinstance(condition.wants, frozenset) else frozenset()


def _limit(condition: Condition) -> float:
    return condition.wants if isinstance(condition.wants, float) else 0.0


def _inside(cell: Cell, wider: Condition) -> bool:
    """Does every case in this cell meet the condition?"""
    value = cell.get(wider.key)
    if value is None:
        return wider.key == "any_type" and isinstance(cell.get("type"), str) and cell["type"] in _names(wider)
    if isinstance(wider.wants, bool):
        return value is wider.wants or (isinstance(value, Condition) and value.wants is wider.wants)
    if wider.key == CONFIDENCE_BELOW and isinstance(wider.wants, float):
        return isinstance(value, Condition) and _limit(value) <= _limit(wider)
    if not isinstance(value, str):
        return False
    if wider.key == CUSTOMER:
        return any(value == entry or value.endswith(("@" + entry, "." + entry)) for entry in _names(wider))
    if wider.key == WORDS:
        return any(flatten(phrase) in flatten(value) for phrase in _names(wider))
    return value in _names(wider)
