"""people.yaml and calendars.yaml -> Roster and BusinessCalendars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

import holidays

from triage.casework.hours import BusinessCalendar, Window
from triage.casework.hours import problems as calendar_problems
from triage.judge.roster import FALLBACK, LEAD, OWNER, OWNER_DEPUTY, Absence, Person, Pool, Roster, Rota, Swap
from triage.judge.rule import NAMED_PERSON, PREVIOUS_OWNER, SAME_OWNER
from triage.world.config.check import Check
from triage.world.config.part import nearest
from triage.world.config.team_parts import DAYS, CalendarPart, CalendarsFile, HolidaysPart, PeopleFile

PEOPLE, CALENDARS = "people.yaml", "calendars.yaml"
#: names that mean something else in routing and escalation
RESERVED = frozenset((SAME_OWNER, NAMED_PERSON, PREVIOUS_OWNER, OWNER, OWNER_DEPUTY, "desk"))
#: public holidays are laid down for these years; `holidays` computes them without a net
HOLIDAY_YEARS = range(2020, 2051)
_WINDOW = re.compile(r"(\d{1,2}):(\d{2}) ?- ?(\d{1,2}):(\d{2})")


def roster_of(file: PeopleFile, zone: str, check: Check) -> Roster:
    """Everybody, with every name looked up."""
    _names_once(file, check)
    people = list(file.people)
    for key, part in file.people.items():
        path = ("people", key)
        if part.delegate is not None:
            check.known(PEOPLE, (*path, "delegate"), part.delegate, people, "person")
    for key, pool in file.pools.items():
        check.each_known(PEOPLE, ("pools", key, "members"), pool.members, people, "person")
        check.known(PEOPLE, ("pools", key, "owner"), pool.owner, [*people, *file.roles], "person or role")
    for key, holders in file.roles.items():
        check.each_known(PEOPLE, ("roles", key), holders, people, "person")
    for role in (FALLBACK, LEAD):
        if not file.roles.get(role):
            fix = "Name at least one person, so that no case is ever without an owner."
            check.wrong(PEOPLE, ("roles",), f"The role {role!r} is missing or empty.", fix)
    _cycles(file, check)
    return Roster(
        people={
            key: Person(
                key, part.name, part.email, frozenset(part.languages), frozenset(part.skills), part.capacity,
                tuple(Absence(away.from_, away.to) for away in part.away), part.delegate, part.known_as,
            )
            for key, part in file.people.items()
        },
        pools={key: Pool(key, part.members, part.pick, part.owner) for key, part in file.pools.items()},
        roles=dict(file.roles),
        zone=zone,
        rota=_rota(file, check),
    )  # fmt: skip


def _names_once(file: PeopleFile, check: Check) -> None:
    """A name means one thing, and an address is one person's."""
    taken: dict[str, str] = {}
    for section, names in (("people", file.people), ("pools", file.pools), ("roles", file.roles)):
        for name in names:
            if name in RESERVED:
                check.wrong(PEOPLE, (section, name), f"The name {name!r} has a meaning of its own.", "Choose another.")
            if name in taken:
                what = f"The name {name!r} stands under {taken[name]} already."
                check.wrong(PEOPLE, (section, name), what, "People, pools and roles need names of their own.")
            taken[name] = section
    emails: dict[str, str] = {}
    for key, person in file.people.items():
        first = emails.setdefault(person.email, key)
        if first != key:
            what = f"{key} and {first} have the same address."
            check.wrong(PEOPLE, ("people", key, "email"), what, "Give each person one address.")
    for key, pool in file.pools.items():
        double = {member for member in pool.members if pool.members.count(member) > 1}
        if double:
            what = f"The pool {key!r} names {' and '.join(sorted(double))} twice."
            check.wrong(PEOPLE, ("pools", key, "members"), what, "Name each member once.")


def _cycles(file: PeopleFile, check: Check) -> None:
    """Delegates that lead back to somebody already asked: each such ring is told once, where it begins."""
    told: set[str] = set()
    for key in file.people:
        ring = [key]
        while (person := file.people.get(ring[-1])) and person.delegate:
            if person.delegate == key:
                if not told.intersection(ring):
                    what = f"The delegates go round in a circle: {' -> '.join([*ring, key])}."
                    check.wrong(PEOPLE, ("people", key, "delegate"), what, "Remove one of them.")
                told.update(ring)
            if person.delegate in ring:
                break
            ring.append(person.delegate)


def _rota(file: PeopleFile, check: Check) -> Rota | None:
    if file.oncall is None:
        what = "Nobody is on call: critical cases count working hours only."
        check.unwise(PEOPLE, (), what, "Add `oncall` to people.yaml if somebody can be reached at night.")
        return None
    part = file.oncall
    check.each_known(PEOPLE, ("oncall", "order"), part.order, file.people, "person")
    for number, swap in enumerate(part.swaps):
        check.known(PEOPLE, ("oncall", "swaps", number, "person"), swap.person, file.people, "person")
    swaps = tuple(Swap(swap.from_, swap.to, swap.person) for swap in part.swaps)
    return Rota(part.order, part.start, part.handover, swaps)


# -- calendars -------------------------------------------------------------------------------------------------------


def calendars_of(file: CalendarsFile, zone: str, check: Check) -> Mapping[str, BusinessCalendar]:
    """Every calendar that is sound; what is not is told."""
    found = {}
    for name, part in file.calendars.items():
        before = len(check.problems)
        windows = _week(name, part, check)
        off = _days_off(name, part, check)
        told = set()
        for what in calendar_problems(part.zone or zone, windows) if len(check.problems) == before else ():
            day, _, said = what.partition(": ")
            key = next((key for key in part.hours if day.casefold()[:3] in _days(key)), None)
            if key is not None and (key, said) in told:
                continue  # "mon-fri" is one mistake, not five
            told.add((key, said))
            path = (
                ("calendars", name, "zone") if "zone" in what else ("calendars", name, "hours", *([key] if key else ()))
            )
            check.wrong(CALENDARS, path, what, "Write windows as 09:00-17:30." if "zone" not in what else "")
        if len(check.problems) == before:
            found[name] = BusinessCalendar(name, part.zone or zone, windows, off)
    return found


def _week(name: str, part: CalendarPart, check: Check) -> tuple[tuple[Window, ...], ...]:
    """Windows of Monday to Sunday in minutes since midnight."""
    week: list[tuple[Window, ...]] = [() for _ in DAYS]
    given: dict[str, str] = {}
    for key, texts in part.hours.items():
        path = ("calendars", name, "hours", key)
        windows = []
        for text in (piece.strip() for whole in texts for piece in whole.split(",")):
            hour = _WINDOW.fullmatch(text)
            if hour is None or int(hour[2]) > 59 or int(hour[4]) > 59:
                check.wrong(CALENDARS, path, f"{text!r} is no window of time.", "Write 09:00-17:30.")
                continue
            windows.append((int(hour[1]) * 60 + int(hour[2]), int(hour[3]) * 60 + int(hour[4])))
        for day in _days(key):
            if day in given:
                what = f"{day} stands under {given[day]!r} already."
                check.wrong(CALENDARS, path, what, "Write each day once, with all its windows.")
            given[day] = key
            week[DAYS.index(day)] = tuple(windows)
        if not _days(key):
            fix = nearest(key, (*DAYS, "mon-fri", "mon-sat", "sat-sun", "mon-sun"))
            check.wrong(CALENDARS, path, f"{key!r} is no day and no range of days.", fix)
    return tuple(week)


def _days(key: str) -> tuple[str, ...]:
    """ "mon-wed" -> ("mon", "tue", "wed"); empty where it is neither a day nor a range."""
    first, _, last = key.casefold().replace(" ", "").partition("-")
    if first not in DAYS or (last or first) not in DAYS:
        return ()
    return DAYS[DAYS.index(first) : DAYS.index(last or first) + 1]


def _days_off(name: str, part: CalendarPart, check: Check) -> frozenset[date]:
    public: frozenset[date] = frozenset()
    if part.holidays is not None:
        public = _holidays(name, part.holidays, check)
    for number, day in enumerate(part.open):
        if public and day not in public:
            path = ("calendars", name, "open", number)
            check.unwise(CALENDARS, path, f"{day} is no public holiday, so `open` changes nothing.")
    return (public | frozenset(part.closed)) - frozenset(part.open)


def _holidays(name: str, part: HolidaysPart, check: Check) -> frozenset[date]:
    path = ("calendars", name, "holidays")
    countries = holidays.list_supported_countries()
    if not check.known(CALENDARS, (*path, "country"), part.country, countries, "country"):
        return frozenset()
    if part.subdivision is not None and not check.known(
        CALENDARS, (*path, "subdivision"), part.subdivision, countries[part.country], f"subdivision of {part.country}"
    ):
        return frozenset()
    return frozenset(holidays.country_holidays(part.country, subdiv=part.subdivision, years=HOLIDAY_YEARS))


def zone_known(zone: str) -> bool:
    """Is this an IANA time zone?"""
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return False
    return True
