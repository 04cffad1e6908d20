"""Who is there: people, pools, roles, absences, stand-ins and the on-call rota. Pure.

A *person* is one human being; a *pool* shares work; a *role* (lead, deputy, manager, fallback ...) is a list of
people of whom the first who is there holds it. Days of absence are days in the zone of the roster.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

#: roles that the ladder and the routing fall back on; `fallback` and `lead` must exist
FALLBACK, LEAD, DEPUTY, MANAGER, ONCALL = "fallback", "lead", "lead_deputy", "manager", "oncall"
#: names that a ladder uses for people of the case itself
OWNER, OWNER_DEPUTY = "owner", "owner_deputy"
_UPWARDS = (LEAD, DEPUTY, MANAGER, FALLBACK)


class Pick(StrEnum):
    """How a pool chooses one of its members."""

    LEAST_OPEN = "least_open"  # fewest open cases; then who waited longest
    ROUND_ROBIN = "round_robin"  # who got a case longest ago; never asked comes first
    IN_ORDER = "in_order"  # the first in the list who has room


@dataclass(frozen=True, slots=True)
class Absence:
    """Away from the first to the last day, both included, in the zone of the roster."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Person:
    """One member of staff. `languages` are ISO 639-1; `skills` are complaint types or flags; `delegate` is a person."""

    key: str
    name: str
    email: str
    languages: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    capacity: int = 25
    absences: tuple[Absence, ...] = ()
    delegate: str | None = None
    known_as: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """What a mail may call this person, without regard to case: first the name, then the address and `known_as`."""
        return (" ".join(self.name.casefold().split()), self.email.casefold(), *map(str.casefold, self.known_as))

    def away(self, day: date) -> bool:
        return any(absence.first <= day <= absence.last for absence in self.absences)


@dataclass(frozen=True, slots=True)
class Pool:
    """People who share work. `owner` (a person or role) takes what the pool cannot: all away or all at capacity."""

    key: str
    members: tuple[str, ...]
    pick: Pick = Pick.LEAST_OPEN
    owner: str = LEAD


@dataclass(frozen=True, slots=True)
class Swap:
    """One person is on call from the first to the last day instead of whose turn it is."""

    first: date
    last: date
    person: str


@dataclass(frozen=True, slots=True)
class Rota:
    """On-call by weeks: `order[0]` has the week that begins on `start` at `handover` (local time), then `order[1]`."""

    order: tuple[str, ...]
    start: date
    handover: time = time(9)
    swaps: tuple[Swap, ...] = ()

    def holder(self, local: datetime) -> str:
        """Whose turn it is. A day begins at the handover, so the night before it belongs to the day before."""
        day = local.date() - timedelta(days=int(local.time() < self.handover))
        for swap in self.swaps:
            if swap.first <= day <= swap.last:
                return swap.person
        return self.order[(day - self.start).days // 7 % len(self.order)]


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody, by key. Keys of people, pools and roles never collide (the config check sees to it)."""

    people: Mapping[str, Person]
    pools: Mapping[str, Pool]
    roles: Mapping[str, tuple[str, ...]]
    zone: str = "UTC"
    rota: Rota | None = None
    #: word -> people whose names begin with it, or whose surname it is: few words of a mail are in here (issue 8)
    by_word: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[str, dict[str, None]] = {}
        for key, person in self.people.items():
            name, *others = (names.split() for names in person.names())
            for words in (name[:1], name[-1:], *(one[:1] for one in others)):
                found.setdefault("".join(words), {})[key] = None
        object.__setattr__(self, "by_word", {word: tuple(keys) for word, keys in found.items()})

    def here(self, key: str, at: datetime) -> bool:
        """Is this person known and not away at this moment (aware UTC)?"""
        person = self.people.get(key)
        if person is None or not person.absences:
            return person is not None
        return not person.away(at.astimezone(ZoneInfo(self.zone)).date())

    def chain(self, key: str) -> tuple[str, ...]:
        """The person's delegate, the delegate's delegate, and so on; stops where it would come round again."""
        seen = [key]
        person = self.people.get(key)
        while person and person.delegate and person.delegate not in seen and person.delegate in self.people:
            seen.append(person.delegate)
            person = self.people[person.delegate]
        return tuple(seen[1:])

    def holders(self, name: str, at: datetime) -> tuple[str, ...]:
        """The people behind a name, preferred first: a person, a role (on-call by the rota), a pool's members."""
        if name in self.people:
            return (name,)
        if name in self.pools:
            return self.pools[name].members
        listed = self.roles.get(name, ())
        if name == ONCALL and self.rota:
            turn = self.rota.holder(at.astimezone(ZoneInfo(self.zone)))
            return (turn, *(key for key in listed if key != turn))
        return listed

    def line(self, name: str, at: datetime) -> Iterator[str]:
        """Everybody who may have to stand in for `name`, nearest first: holders, their delegates, then upwards."""
        for rung in (name, *_UPWARDS):
            holders = self.holders(rung, at)
            yield from holders
            for holder in holders:
                yield from self.chain(holder)

    def find(self, name: str, at: datetime, without: frozenset[str] = frozenset()) -> str:
        """The one person for `name` now. Never nobody: presence gives way first, then the bar."""
        for key in self.line(name, at):
            if key not in without and self.here(key, at):
                return key
        line = [key for key in self.line(name, at) if key in self.people]
        for key in (*line, *self.people):
            if key not in without:
                return key
        return line[0] if line else next(iter(self.people))

    def reached(self, name: str, at: datetime) -> tuple[str, ...]:
        """Who gets a notice meant for `name`: the person, or for somebody away the stand-in *and* the lead.

        A role is one person, the first who is there; a pool is everybody who is there, else its owner.
        """
        if name in self.pools:
            there = tuple(key for key in self.pools[name].members if self.here(key, at))
            return there or self.reached(self.pools[name].owner, at)
        found = self.find(name, at)
        if name in self.people and found != name:
            return tuple(dict.fromkeys((found, self.find(LEAD, at))))
        return (found,)

    def told(self, roles: tuple[str, ...], owner: str, at: datetime) -> tuple[str, ...]:
        """The people whom the roles of a ladder's step mean for a case of this owner, each once.

        `owner_deputy` is the nearest stand-in who is there; a role that nobody holds falls to the lead.
        """
        found: dict[str, None] = {}
        for role in roles:
            if role == OWNER_DEPUTY:
                found[self.find(owner, at, frozenset((owner,)))] = None
            else:
                found.update(dict.fromkeys(self.reached(owner if role == OWNER else role, at)))
        return tuple(found)

    def emails(self, names: tuple[str, ...], at: datetime) -> tuple[str, ...]:
        """The addresses of all these names, each once."""
        return tuple(dict.fromkeys(self.people[key].email for name in names for key in self.reached(name, at)))

    def by_email(self, email: str) -> Person | None:
        """The member of staff with this address."""
        wanted = email.strip().casefold()
        return next((p for p in self.people.values() if p.email.casefold() == wanted), None)

    def everybody_here(self) -> Roster:
        """The same roster without absences: what the examples of the config are tried against."""
        return replace(self, people={key: replace(p, absences=()) for key, p in self.people.items()})
