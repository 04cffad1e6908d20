"""An invented desk for the simulation: its team, its inbox, the habits of its people, its outages; from one seed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from triage.words import COMPLAINT_TYPES, Urgency
from triage.world import config
from triage.world.config import Config
from triage.world.config.starter import Answers, starter_files

#: the simulation's first midnight, a Monday; British clocks change within its first two weeks
START = datetime(2026, 10, 12, tzinfo=UTC)
ZONE = "Europe/London"
MAILBOX = "complaints"

_NAMES = ("Ada", "Ben", "Cleo", "Dev", "Edda", "Finn", "Gus", "Hana", "Ivo", "Jana", "Kofi", "Lea", "Milo", "Nora")
#: share of a day's mail by the hour (UTC), and of a week's by the day
_HOURS = (1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 13, 11, 10, 11, 11, 10, 9, 8, 8, 8, 7, 5, 3, 2)
_DAYS = (1.35, 1.15, 1.05, 1.0, 0.95, 0.6, 0.55)
_TYPES = (18, 14, 10, 6, 14, 9, 6, 4, 3, 5, 2, 2, 4, 3)
_LANGUAGES = {"en": 80, "de": 8, "fr": 8, "es": 4}
_URGENCIES = {Urgency.LOW: 18, Urgency.NORMAL: 66, Urgency.URGENT: 13, Urgency.CRITICAL: 3}
_FLAGS: Mapping[Urgency, tuple[str, ...]] = {
    Urgency.CRITICAL: ("safety_injury", "data_breach", "fraud", "self_harm"),
    Urgency.URGENT: ("legal_threat", "regulator", "vulnerable", "chargeback", "discrimination", "press_social"),
    Urgency.NORMAL: ("churn_threat", "", "", "", "", ""),
    Urgency.LOW: ("",),
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """A mail that opens a case, as the judge would have seen it."""

    at: datetime
    number: int
    complaint_type: str
    urgency: Urgency
    flags: tuple[str, ...]
    language: str
    customer: str
    confidence: float
    review: bool


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is laid down before the first tick. Outages are (from, to): the program is down."""

    seed: int
    days: int
    config: Config
    inbox: tuple[Complaint, ...]
    outages: tuple[tuple[datetime, datetime], ...]
    pace: Mapping[str, float]  # person -> minutes between two things they do
    care: Mapping[str, float]  # person -> share of their cases they remember by themselves

    @property
    def end(self) -> datetime:
        return START + timedelta(days=self.days)


def world(days: int, seed: int, per_day: float) -> World:
    """The desk of this seed. The same arguments give the same desk."""
    random = Random(seed)
    people = _NAMES[: random.randint(8, len(_NAMES))]
    conf = _config(random, people, days)
    keys = tuple(conf.roster.people)
    return World(
        seed=seed,
        days=days,
        config=conf,
        inbox=_inbox(random, days, per_day),
        outages=_outages(random, days),
        pace={key: random.uniform(35, 110) for key in keys},
        care={key: random.uniform(0.80, 0.99) for key in keys},
    )


def _config(random: Random, people: tuple[str, ...], days: int) -> Config:
    """The shipped config with this team in it; notices are on, so that what would go out can be counted."""
    answers = Answers(
        business="Imagined", address=f"{MAILBOX}@imagined.example", host="localhost", user=MAILBOX, name="You",
        email="you@imagined.example", start_from=START, zone=ZONE, country="GB", subdivision="ENG",
    )  # fmt: skip
    texts = dict(starter_files(answers))
    texts["people.yaml"] = _people(random, people, days)
    texts["notices.yaml"] = config.edit(texts["notices.yaml"], ("mode",), "on")
    return config.load_files({name: text.encode() for name, text in texts.items()})


def _people(random: Random, names: tuple[str, ...], days: int) -> str:
    """people.yaml as JSON, which is YAML: pools that overlap, delegates, absences, a weekly rota."""
    keys = [name.casefold() for name in names]
    people = {}
    for number, (key, name) in enumerate(zip(keys, names, strict=True)):
        spoken = ["en", *random.sample(["de", "fr", "es"], random.randint(0, 2))]
        part: dict[str, object] = {"name": name, "email": f"{key}@imagined.example", "languages": spoken}
        part["capacity"] = random.randint(15, 40)
        if number + 1 < len(keys) and random.random() < 0.8:
            part["delegate"] = random.choice(keys[number + 1 :])  # only later ones: no ring
        if random.random() < 0.4:
            first = START.date() + timedelta(days=random.randint(0, max(days - 2, 1)))
            part["away"] = [
                {"from": first.isoformat(), "to": (first + timedelta(days=random.randint(0, 9))).isoformat()}
            ]
        people[key] = part
    pools = {
        name: {"members": random.sample(keys, random.randint(2, 4)), "pick": pick}
        for name, pick in (("billing", "least_open"), ("logistics", "least_open"), ("support", "round_robin"),
                           ("privacy", "in_order"), ("review", "least_open"))
    }  # fmt: skip
    roles = ("fallback", "lead", "lead_deputy", "manager", "director", "safety", "security", "legal", "compliance",
             "comms", "oncall")  # fmt: skip
    filled = {role: random.sample(keys, 2) for role in roles}
    rota = {"order": random.sample(keys, 3), "start": START.date().isoformat(), "handover": "09:00", "swaps": []}
    return json.dumps({"people": people, "pools": pools, "roles": filled, "oncall": rota}, indent=1)


def _inbox(random: Random, days: int, per_day: float) -> tuple[Complaint, ...]:
    found: list[Complaint] = []
    for day in range(days):
        expected = per_day * _DAYS[day % 7]
        for _ in range(max(0, round(random.gauss(expected, expected**0.5)))):
            hour = random.choices(range(24), _HOURS)[0]
            at = START + timedelta(days=day, hours=hour, seconds=random.randint(0, 3599))
            found.append(_complaint(random, at, len(found) + 1))
    return tuple(sorted(found, key=lambda one: one.at))


def _complaint(random: Random, at: datetime, number: int) -> Complaint:
    urgency = random.choices(list(_URGENCIES), list(_URGENCIES.values()))[0]
    flag = random.choice(_FLAGS[urgency])
    confidence = min(0.99, max(0.2, random.gauss(0.82, 0.15)))
    regular = random.random() < 0.1  # some customers write again and again
    customer = f"regular{random.randint(1, 8)}" if regular else f"customer{number}"
    return Complaint(
        at, number, random.choices(COMPLAINT_TYPES, _TYPES)[0], urgency, (flag,) if flag else (),
        random.choices(list(_LANGUAGES), list(_LANGUAGES.values()))[0], f"{customer}@example.org", confidence,
        confidence < 0.6,
    )  # fmt: skip


def _outages(random: Random, days: int) -> tuple[tuple[datetime, datetime], ...]:
    """One in about five days, from minutes to a day and a half; never two at once."""
    found: list[tuple[datetime, datetime]] = []
    at = START + timedelta(days=random.uniform(0.5, 4))
    while at < START + timedelta(days=days - 0.5):
        until = at + timedelta(minutes=random.choice((12, 45, 180, 480, 1200, 2160)) * random.uniform(0.5, 1.2))
        found.append((at.replace(microsecond=0), until.replace(microsecond=0)))
        at = until + timedelta(days=random.uniform(2, 8))
    return tuple(found)
