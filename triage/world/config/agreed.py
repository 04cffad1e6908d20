"""policies.yaml -> Policies, and the conditions under which each limit of law runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from triage.casework.policy import Limit, Policies, Policy, Span, Targets
from triage.casework.standards import PACKS
from triage.judge.rule import StatutoryLine, condition
from triage.words import Urgency
from triage.world.config.check import Check
from triage.world.config.policy_parts import PACK_NAMES, LimitPart, PoliciesFile, PolicyPart, TargetsPart
from triage.world.config.routing import Known, conditions_of
from triage.world.config.source import Path

POLICIES = "policies.yaml"
_WORKING = {"clock_h": "h", "clock_min": "min"}


def policies_of(
    file: PoliciesFile, calendars: Collection[str], usual: str, default: str, on_call: bool, check: Check
) -> Policies | None:
    """Everything that is agreed. None where something is wrong with it.

    `calendars` are the names there are; `usual` is the calendar of a policy that names none. Without anybody on call,
    what critical cases are owed counts working time: nobody could keep a promise made for the night.
    """
    before = len(check.problems)
    policies = {}
    for name, part in file.policies.items():
        path: Path = ("policies", name)
        if part.calendar is not None:
            check.known(POLICIES, (*path, "calendar"), part.calendar, calendars, "calendar")
        policies[name] = _policy(name, part, usual, on_call, path, check)
    limits = dict(_limits(file, calendars, check))
    if len(check.problems) > before:
        return None
    return Policies({name: policy for name, policy in policies.items() if policy is not None}, default, limits)


def _policy(name: str, part: PolicyPart, usual: str, on_call: bool, path: Path, check: Check) -> Policy | None:
    targets = {}
    for urgency in Urgency:
        given: TargetsPart = getattr(part, urgency.word)
        try:
            targets[urgency] = _targets(given, working=urgency is Urgency.CRITICAL and not on_call)
        except ValueError as error:
            check.wrong(POLICIES, (*path, urgency.word), f"In {name}: {error}.", "Write at least 1.")
    if len(targets) < len(Urgency):
        return None
    promise = Span.of(part.undated_promise)
    if promise.amount < 1:
        check.wrong(
            POLICIES, (*path, "undated_promise"), f"A promise due after {promise} is never kept.", "Write at least 1."
        )
        return None
    return Policy(name, part.calendar or usual, targets, part.reopen, part.at_risk, Span.of(part.review), promise)


def _targets(part: TargetsPart, *, working: bool) -> Targets:
    def span(text: str | None) -> Span | None:
        found = Span.of(text) if text else None
        return replace(found, unit=_WORKING.get(found.unit, found.unit)) if found and working else found

    first, update = span(part.first_response), span(part.update)
    if first is None or update is None:
        raise ValueError("a first response and an update are needed")
    return Targets(first, update, span(part.next_response), span(part.resolution))


def _limits(file: PoliciesFile, calendars: Collection[str], check: Check) -> Mapping[str, Limit]:
    found: dict[str, Limit] = {}
    for name, part in file.limits.items():
        if part.calendar is not None:
            check.known(POLICIES, ("limits", name, "calendar"), part.calendar, calendars, "calendar")
        try:
            found[name] = _limit(name, part)
        except ValueError as error:
            check.wrong(POLICIES, ("limits", name), f"This cannot be: {error}.")
    for number, pack in enumerate(file.packs):
        if check.known(POLICIES, ("packs", number, "pack"), pack.pack, PACK_NAMES, "pack"):
            for limit in PACKS[pack.pack]:
                if limit.name in file.limits:
                    what = f"The pack {pack.pack} brings {limit.name!r}, which stands under `limits` too."
                    check.wrong(POLICIES, ("packs", number), what, "Keep one of them.")
                found[limit.name] = limit
    return found


def _limit(name: str, part: LimitPart) -> Limit:
    reminders = tuple(Span.of(text) for text in part.reminders)
    return Limit(name, Span.of(part.within), frozenset(part.met_by), reminders, part.calendar, source=part.source)


def statutory_of(file: PoliciesFile, known: Known, check: Check) -> tuple[StatutoryLine, ...]:
    """Which limits run for which cases."""
    lines = []
    for name, part in file.limits.items():
        path: Path = ("limits", name, "when")
        choices = [conditions_of(choice, POLICIES, (*path, n), known, check) for n, choice in enumerate(part.when)]
        if not choices or not all(choices):
            check.wrong(POLICIES, path, f"The limit {name!r} needs a condition.", "Write `when: {flag: ...}`.")
        lines += [StatutoryLine(name, when) for when in choices]
    for number, pack in enumerate(file.packs):
        when = conditions_of(pack.when, POLICIES, ("packs", number, "when"), known, check)
        when = when or (condition("disposition", ["complaint"]),)
        lines += [StatutoryLine(limit.name, when) for limit in PACKS.get(pack.pack, ())]
    return tuple(lines)
