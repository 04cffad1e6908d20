"""May this candidate replace the model in use? Every rule gives its figure; one that fails keeps the candidate aside.

The rules (issue 4, requirement I3): urgent mail missed is within its limit and no more than before; critical mail is
found; complaints are not lost; type macro-F1 is at most a point lower; the tricky mails are decided right; and
another name, sex, tone or spelling leaves the urgency as it was in 98 of 100 mails. Both models are judged on the
same held-out mail by the same house.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from triage.judge.classify import Model
from triage.learn import evaluate, variants
from triage.learn.example import Example
from triage.learn.judged import House, Judge, Judged
from triage.words import Urgency


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate must keep. Shares in 0..1."""

    urgent_missed: float = 0.05
    urgent_worse: float = 0.0  # more missed than the model in use misses
    critical_recall: float = 0.95
    complaints_lost: float = 0.01
    type_lower: float = 0.01  # macro-F1
    unchanged: float = 0.98
    tricky_wrong: int = 0


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the gate: the figure found, the limit, and whether the figure may be blamed on chance.

    `passed` is None where there is too little mail to say; that does not stop a candidate, but it is shown.
    """

    name: str
    found: float
    limit: float
    passed: bool | None
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`passed` only if no rule failed; `reasons` are the sentences of the rules that did."""

    passed: bool
    rules: tuple[Rule, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        return tuple(rule.why for rule in self.rules if rule.passed is False)

    def record(self) -> dict[str, Any]:
        """For the card and for `--json`."""
        return {
            "passed": self.passed,
            "rules": [
                {"name": r.name, "found": r.found, "limit": r.limit, "passed": r.passed, "why": r.why}
                for r in self.rules
            ],
        }


def both(plain: Decision, semantic: Decision) -> Decision:
    """The decision on a folder with two models: what the semantic one shows, and whatever the plain one fails."""
    failed = tuple(
        replace(rule, name=f"plain.{rule.name}", why=f"without sentences: {rule.why}")
        for rule in plain.rules
        if rule.passed is False
    )
    return Decision(plain.passed and semantic.passed, (*semantic.rules, *failed))


def check(
    candidate: Model,
    current: Model | None,
    heldout: Sequence[Example],
    tricky: Sequence[Example],
    *,
    limits: Limits = Limits(),
    judge: Judge | None = None,
    seed: int = 1,
) -> Decision:
    """Every rule, in the order of the module's text. `current` is None for the first model of an installation."""
    decide = judge or House((*heldout, *tricky))
    new = evaluate.evaluate(candidate, heldout, seed, decide)
    old = evaluate.evaluate(current, heldout, seed, decide) if current else None
    rules = [
        *_urgent(new, old, limits),
        _at_least("critical_recall", "critical mail found", new["rates"]["critical_recall"], limits.critical_recall),
        _at_least("complaint_kept", "complaints kept", new["rates"]["complaint_kept"], 1 - limits.complaints_lost),
        *_types(new, old, limits),
        _tricky(candidate, tricky, decide, limits),
        *_variants(candidate, heldout, decide, limits, seed),
    ]
    return Decision(all(rule.passed is not False for rule in rules), tuple(rules))


def _urgent(new: Mapping[str, Any], old: Mapping[str, Any] | None, limits: Limits) -> list[Rule]:
    rate = new["rates"]["urgent_missed"]
    rules = [_at_most("urgent_missed", "urgent mail sent to normal or low", rate, limits.urgent_missed)]
    if old and rate["n"]:
        before = old["rates"]["urgent_missed"]["rate"]
        worse = rate["rate"] - before
        passed = worse <= limits.urgent_worse + 1e-9
        why = f"urgent mail missed: {rate['rate']:.3f}, the model in use misses {before:.3f}"
        rules.append(Rule("urgent_not_worse", round(worse, 4), limits.urgent_worse, passed, why))
    return rules


def _types(new: Mapping[str, Any], old: Mapping[str, Any] | None, limits: Limits) -> list[Rule]:
    if not old:
        return []
    found, before = new["type"]["macro_f1"], old["type"]["macro_f1"]
    lower = round(before - found, 4)
    why = f"type macro-F1 {found:.3f}, the model in use has {before:.3f}"
    rules = [Rule("type_macro_f1", lower, limits.type_lower, lower <= limits.type_lower, why)]
    had = {name for name, row in old["type"]["per_class"].items() if row["n"] >= 5 and row["recall"] > 0}
    lost = sorted(name for name in had if new["type"]["per_class"].get(name, {}).get("recall", 0.0) == 0.0)
    why = f"types that are never found any more: {', '.join(lost)}" if lost else "no type was lost"
    rules.append(Rule("types_lost", float(len(lost)), 0.0, not lost, why))
    return rules


def _tricky(model: Model, tricky: Sequence[Example], judge: Judge, limits: Limits) -> Rule:
    """A tricky mail is right if its disposition is (or a person looks), its urgency is allowed or higher, and so its
    type."""
    if not tricky:
        return Rule("tricky", 0.0, limits.tricky_wrong, None, "there are no tricky mails to try")
    decided = _decide(model, tricky, judge)
    wrong = [e.id for e, one in zip(tricky, decided, strict=True) if not _right(e, one)]
    why = f"{len(tricky) - len(wrong)} of {len(tricky)} tricky mails right"
    why += f"; wrong: {', '.join(wrong)}" if wrong else ""
    return Rule("tricky", float(len(wrong)), limits.tricky_wrong, len(wrong) <= limits.tricky_wrong, why)


def _right(example: Example, one: Judged) -> bool:
    if not example.is_complaint:
        return one.disposition is example.disposition or one.review
    if not one.kept or (one.urgency or Urgency.LOW) < min({example.urgency or Urgency.NORMAL, *example.urgencies}):
        return False
    if (one.urgency or Urgency.LOW) > max({example.urgency or Urgency.NORMAL, *example.urgencies}) + 1:
        return False
    return one.review or one.complaint_type in {example.complaint_type, *example.types}


def _variants(model: Model, heldout: Sequence[Example], judge: Judge, limits: Limits, seed: int) -> list[Rule]:
    """Urgency of each complaint against the urgency of its variants, on own words as they reach the model.

    The limit holds for all variants together, and for names and sex each alone: who writes may never matter.
    """
    base = [replace(e, text=e.words().text, headers={}) for e in heldout if e.is_complaint]
    if not base:
        return [Rule("unchanged", 0.0, limits.unchanged, None, "no complaint to vary")]
    before = _decide(model, base, judge)
    same = {}
    for name, change in variants.ALL.items():
        changed = [replace(e, id=f"{e.id}/{name}", text=change(e.words(), seed + i).text) for i, e in enumerate(base)]
        after = _decide(model, changed, judge)
        same[name] = sum(a.urgency is b.urgency for a, b in zip(before, after, strict=True))
    parts = ", ".join(f"{name} {n / len(base):.3f}" for name, n in same.items())
    rules = [_unchanged("unchanged", sum(same.values()), len(base) * len(same), limits, f" ({parts})")]
    rules += [_unchanged(f"unchanged_{name}", same[name], len(base), limits) for name in ("names", "sex")]
    return rules


def _unchanged(name: str, same: int, total: int, limits: Limits, parts: str = "") -> Rule:
    share = same / total
    what = {"unchanged": "names, sex, tone or typos"}.get(name, f"another {name.partition('_')[2].rstrip('s')}")
    why = f"urgency unchanged in {share:.3f} of {total} mails with {what}{parts}, limit {limits.unchanged}"
    return Rule(name, round(share, 4), limits.unchanged, share >= limits.unchanged, why)


def _decide(model: Model, examples: Sequence[Example], judge: Judge) -> list[Judged]:
    limits = {k: float(v) for k, v in dict(model.card.get("thresholds", {})).items() if isinstance(v, int | float)}
    return judge(examples, model.predict(judge.words(examples)), limits)


def _at_most(name: str, what: str, rate: Mapping[str, Any], limit: float) -> Rule:
    """Fails where the figure is over the limit and its interval does not reach down to it."""
    if not rate["n"]:
        return Rule(name, 0.0, limit, None, f"no mail to count {what}")
    return Rule(name, rate["rate"], limit, rate["rate"] <= limit or rate["low"] <= limit, _said(what, rate, limit))


def _at_least(name: str, what: str, rate: Mapping[str, Any], limit: float) -> Rule:
    if not rate["n"]:
        return Rule(name, 0.0, limit, None, f"no mail to count {what}")
    return Rule(name, rate["rate"], limit, rate["rate"] >= limit or rate["high"] >= limit, _said(what, rate, limit))


def _said(what: str, rate: Mapping[str, Any], limit: float) -> str:
    interval = f"interval {rate['low']:.3f} to {rate['high']:.3f}"
    return f"{what}: {rate['rate']:.3f} ({interval}, limit {limit}, {rate['n']} mails)"


__all__ = ["Decision", "Limits", "Rule", "check"]
