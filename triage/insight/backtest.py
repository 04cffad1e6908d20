"""What changed rules would have done: past cases run again under the old and the new ones. Pure.

Both runs replay the same past: each case comes when it came, its owner is whom the rules name under the load that these
very rules have built up so far, and it leaves the load when it was really closed. Hand-offs by people are left out, so
the two runs differ by the rules and by nothing else. How often the old rules, run again, name whom the case really went
to at first (`agreement`) says how far to trust that.

Deadlines are compared as if the rules had been in force from the receipt on. For the cases that are open now, the
change is told as it would happen: recorded results stand, finished clocks stay, the rest moves.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from triage.casework import case as casework
from triage.casework import deadline
from triage.casework.case import Case, Event, Kind
from triage.casework.deadline import Calendars, Deadline
from triage.casework.policy import Policies
from triage.errors import NotAllowed
from triage.judge import route
from triage.judge.route import Facts, Load, Roster, Route, Ruleset
from triage.words import State


@dataclass(frozen=True, slots=True)
class Rules:
    """One version of the rules."""

    version: str
    ruleset: Ruleset
    roster: Roster
    policies: Policies
    calendars: Calendars
    threshold: float = 0.60  # what `confidence_below: threshold` means


@dataclass(frozen=True, slots=True)
class Past:
    """One case as it happened. `facts` are those of its first mail, without what depends on the load and the owners;
    `words` in them are the customer's, `text` the same as written: who is named there depends on the roster."""

    case: Case
    events: tuple[Event, ...]
    facts: Facts
    text: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A case that the new rules would have treated otherwise."""

    number: str
    complaint_type: str
    urgency: str
    owner_before: str
    owner_after: str
    rule_before: str
    rule_after: str
    policy_before: str
    policy_after: str


@dataclass(frozen=True, slots=True)
class Shift:
    """A clock that would fall due at another time; None where it does not exist. Aware UTC."""

    number: str
    target: str
    before: datetime | None
    after: datetime | None
    breached_before: bool
    breached_after: bool


@dataclass(frozen=True, slots=True)
class Share:
    """One person's cases in the time looked at, and the most that were open at once."""

    person: str
    before: int
    after: int
    peak_before: int
    peak_after: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the new rules would have changed."""

    since: datetime
    until: datetime
    version_before: str
    version_after: str
    cases: int
    agreement: float | None  # share of the cases that the old rules, run again, give to their real first owner
    moves: tuple[Move, ...]
    load: tuple[Share, ...]
    shifts: tuple[Shift, ...]
    open_now: int
    open_shifts: tuple[Shift, ...]

    @property
    def breaches_added(self) -> tuple[Shift, ...]:
        return tuple(s for s in self.shifts if s.breached_after and not s.breached_before)

    @property
    def breaches_removed(self) -> tuple[Shift, ...]:
        return tuple(s for s in self.shifts if s.breached_before and not s.breached_after)

    @property
    def owners_moved(self) -> tuple[Move, ...]:
        return tuple(m for m in self.moves if m.owner_before != m.owner_after)


def run(past: Sequence[Past], before: Rules, after: Rules, since: datetime, now: datetime) -> Backtest:
    """Compare the rules on the cases received from `since` on. Older cases count as load, with their real owners."""
    asked = {p.case.id for p in past if p.case.received_at >= since}
    old, new = _Replay(past, before, asked), _Replay(past, after, asked)
    chosen = [p for p in past if p.case.id in asked]
    real = [old.routes[p.case.id].owner == p.case.owners[0].owner for p in chosen]
    moves = [_move(p, old.routes[p.case.id], new.routes[p.case.id]) for p in chosen]
    shifts: list[Shift] = []
    for p in chosen:
        was = _as_if(p, old.routes[p.case.id], before, now)
        would = _as_if(p, new.routes[p.case.id], after, now)
        shifts += _shifts(p.case.number, was, would)
    open_cases = [p.case for p in past if p.case.is_open]
    return Backtest(
        since=since,
        until=now,
        version_before=before.version,
        version_after=after.version,
        cases=len(chosen),
        agreement=sum(real) / len(real) if real else None,
        moves=tuple(m for m in moves if m is not None),
        load=_shares(old, new, before, after),
        shifts=tuple(shifts),
        open_now=len(open_cases),
        open_shifts=open_shifts(open_cases, before, after, now),
    )


def open_shifts(cases: Iterable[Case], before: Rules, after: Rules, now: datetime) -> tuple[Shift, ...]:
    """The clocks of open cases that move the moment the new rules are in force."""
    found: list[Shift] = []
    for case in cases:
        was = deadline.of(case, before.policies, before.calendars, now)
        would = deadline.of(case, after.policies, after.calendars, now)
        found += _shifts(case.number, was, would)
    return tuple(found)


def _move(p: Past, was: Route, would: Route) -> Move | None:
    if (was.owner, was.rule, was.policy) == (would.owner, would.rule, would.policy):
        return None
    facts = p.facts
    return Move(
        p.case.number, facts.complaint_type or facts.disposition.value, facts.urgency.word, was.owner, would.owner,
        was.rule, would.rule, was.policy, would.policy,
    )  # fmt: skip


# -- routing again ---------------------------------------------------------------------------------------------------


class _Replay:
    """The past under one version of the rules: the route of each case asked about, and the load it built up."""

    def __init__(self, past: Sequence[Past], rules: Rules, asked: set[int]) -> None:
        self.routes: dict[int, Route] = {}
        self.owned: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self._rules, self._load = rules, Load()
        self._ends: list[tuple[datetime, int, str]] = []  # when an open case leaves whose load
        self._of_customer: dict[str, dict[int, str]] = {}  # customer -> open case -> owner
        self._customers: dict[int, str] = {}
        for p in sorted(past, key=lambda p: (p.case.opened_at, p.case.id)):
            self._until(p.case.opened_at)
            owner = self._routed(p) if p.case.id in asked else p.case.owners[0].owner
            self._opened(p, owner, counted=p.case.id in asked)

    def _routed(self, p: Past) -> str:
        theirs = list(self._of_customer.get(p.facts.customer, {}).values())
        owner = theirs[-1] if theirs and p.facts.customer else None
        facts = replace(
            p.facts,
            threshold=self._rules.threshold,
            customer_open_owner=owner,
            previous_owner=owner if p.facts.complaint_type == "handling" else None,
            named_staff=route.named_staff(p.text, self._rules.roster),
        )
        found = route.decide(self._rules.ruleset, facts, self._rules.roster, self._load, p.case.opened_at)
        self.routes[p.case.id] = found
        return found.owner

    def _opened(self, p: Past, owner: str, *, counted: bool) -> None:
        self._load = self._load.after(owner, p.case.opened_at)
        self._of_customer.setdefault(p.facts.customer, {})[p.case.id] = owner
        self._customers[p.case.id] = p.facts.customer
        ended = _ended(p.case)
        if ended is not None:
            heapq.heappush(self._ends, (max(ended, p.case.opened_at), p.case.id, owner))
        if counted:
            self.owned[owner] += 1
        self.peak[owner] = max(self.peak[owner], self._load.open_cases[owner])

    def _until(self, at: datetime) -> None:
        while self._ends and self._ends[0][0] <= at:
            _, case_id, owner = heapq.heappop(self._ends)
            counts = dict(self._load.open_cases)
            counts[owner] -= 1
            self._load = Load(counts, self._load.last_assigned)
            self._of_customer[self._customers[case_id]].pop(case_id, None)


def _ended(case: Case) -> datetime | None:
    """When it was first closed or merged; it counts as load until then."""
    moments = [closing.at for closing in case.closings if closing.reopened_by != "bounce"]
    moments += [case.merged_at] if case.merged_at else []
    return min(moments, default=None)


def _shares(old: _Replay, new: _Replay, before: Rules, after: Rules) -> tuple[Share, ...]:
    people = dict.fromkeys((*before.roster.people, *after.roster.people, *old.owned, *new.owned))
    return tuple(Share(key, old.owned[key], new.owned[key], old.peak[key], new.peak[key]) for key in people)


# -- clocks again ----------------------------------------------------------------------------------------------------


def _as_if(p: Past, routed: Route, rules: Rules, now: datetime) -> tuple[Deadline, ...]:
    """The clocks of the case as if these rules had been in force from its receipt."""
    case: Case | None = None
    for event in _retold(p.events, routed):
        try:
            case = casework.apply(case, event)
        except NotAllowed:
            if event.kind not in _OF_LIMITS:
                raise
    assert case is not None, "a case has at least one event"
    return deadline.of(case, rules.policies, rules.calendars, now, history=True)


#: what was said of a limit of law that, under other rules, was not on the case, or was already
_OF_LIMITS = (Kind.STATUTORY_SET, Kind.STATUTORY_MET, Kind.STATUTORY_DROPPED)


def _retold(events: Iterable[Event], routed: Route) -> Iterator[Event]:
    """The same facts, with the policy and the limits of this route, and without results of other rules."""
    for event in events:
        if event.kind is Kind.OPENED:
            data: Mapping[str, object] = {
                **event.data, "policy": routed.policy, "statutory": list(routed.statutory), "calendar": None
            }  # fmt: skip
            yield replace(event, data=data)
        elif event.kind is not Kind.DEADLINE_RECORDED:
            yield event


def _shifts(number: str, was: Sequence[Deadline], would: Sequence[Deadline]) -> list[Shift]:
    """Clocks whose due moment or result differs. One that waits for the customer on both sides is the same."""
    old, new = ({d.key: d for d in found} for found in (was, would))
    shifts = []
    for key in dict.fromkeys((*old, *new)):
        a, b = old.get(key), new.get(key)
        due_a, due_b = a.due if a else None, b.due if b else None
        late_a, late_b = _late(a), _late(b)
        if due_a != due_b or late_a != late_b or (a is None) != (b is None):
            target = (key[1] or key[0].value).replace("_", " ")
            shifts.append(Shift(number, target, due_a, due_b, late_a, late_b))
    return shifts


def _late(clock: Deadline | None) -> bool:
    return clock is not None and clock.state is State.BREACHED
