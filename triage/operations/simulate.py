"""A simulated desk: an invented team and inbox on a simulated clock, run through the real operations.

Cases are opened, answered and swept as in earnest, on a register of its own; nothing is fetched, judged or sent. After
every sweep each case that changed is audited from its events alone, and the first that is wrong ends the simulation.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event as sqlalchemy_event

from triage.desk import Desk
from triage.errors import InvariantBroken
from triage.insight import audit, chart, punctual
from triage.insight.audit import Agreed
from triage.insight.punctual import Score
from triage.operations import invariant
from triage.operations.casebook import event_of, replay
from triage.operations.habits import Habits
from triage.operations.imagined import START, World, world
from triage.operations.sweep import sweep
from triage.world.settings import Secret, Settings
from triage.world.store import cases, outbox
from triage.world.store.database import Database, migrate

TICK = timedelta(minutes=5)
IDLE = timedelta(hours=4)  # a sweep at least so often, also when nothing is due: then it must do nothing


@dataclass(slots=True)
class Simulation:
    """How it went."""

    days: int
    seed: int
    people: int
    cases: int = 0
    still_open: int = 0
    events: int = 0
    sweeps: int = 0
    audits: int = 0
    outages: int = 0
    steps: Counter[int] = field(default_factory=Counter)  # level -> how often it was taken
    late_steps: int = 0  # found after an outage
    storms: int = 0
    digests: int = 0
    notices: dict[str, int] = field(default_factory=dict)
    clocks: tuple[Score, ...] = ()
    load: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        clocks = [
            {"target": s.target.value, "urgency": s.urgency.word, "in_time": s.met, "late": s.late} for s in self.clocks
        ]
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("clocks", "steps")}
        return {**plain, "steps": {str(level): n for level, n in sorted(self.steps.items())}, "clocks": clocks}

    def lead(self) -> list[str]:
        """What happened, in sentences."""
        steps = ", ".join(f"{n} at step {level}" for level, n in sorted(self.steps.items()) if level)
        return [
            f"{self.days} days, seed {self.seed}: {self.people} people, {self.cases} cases "
            f"({self.still_open} still open), {self.outages} outages.",
            f"{self.sweeps} sweeps; after each, each case that had changed was audited ({self.audits} audits): "
            "each step once, none before its time, none lost, one owner and a next deadline.",
            f"{self.steps[0]} reminders; escalations: {steps or 'none'}; {self.late_steps} steps found after an outage; "
            f"{self.storms} storms, {self.digests} digests.",
        ]

    def text(self) -> str:
        """For a terminal."""
        lines = [*self.lead(), "", f"{'clock':<16}{'urgency':<10}{'in time':>8}{'late':>6}{'on time':>9}"]
        lines += [
            f"{s.target.value.replace('_', ' '):<16}{s.urgency.word:<10}{s.met:>8}{s.late:>6}{s.share:>8.0%}"
            for s in self.clocks
        ]
        lines += ["", f"{'person':<16}{'cases':>8}{'answers':>9}{'most at once':>14}"]
        lines += [f"{key:<16}{n['cases']:>8}{n['answers']:>9}{n['peak']:>14}" for key, n in self.load.items()]
        return "\n".join(lines)

    def html(self) -> str:
        """A page to look at."""
        on_time = tuple((f"{s.target.value.replace('_', ' ')}, {s.urgency.word}", (s.met, s.late)) for s in self.clocks)
        load = tuple((key, (n["cases"], n["answers"], n["peak"])) for key, n in self.load.items())
        levels = tuple((f"step {level}" if level else "reminder", (n,)) for level, n in sorted(self.steps.items()))
        return chart.page(
            f"A simulated desk, seed {self.seed}",
            self.lead(),
            [
                chart.Bars("On time, by clock and urgency", ("in time", "late"), on_time, stacked=True),
                chart.Bars("Load", ("cases", "answers", "most open at once"), load),
                chart.Bars("Steps taken", ("times",), levels),
            ],
        )


def simulate(days: int, seed: int, per_day: float = 15, say: Callable[[str], Any] = lambda line: None) -> Simulation:
    """Run it. Raises InvariantBroken at the first sweep after which something is wrong."""
    laid_down = world(days, seed, per_day)
    with tempfile.TemporaryDirectory(prefix="triage-simulate-") as folder:
        database = _register(Path(folder))
        try:
            return _Run(laid_down, database, Path(folder), say).whole()
        finally:
            database.close()


def _register(folder: Path) -> Database:
    """A register like any other, but one that need not outlive a power cut."""
    database = Database(f"sqlite:///{folder / 'simulated.db'}")
    sqlalchemy_event.listen(
        database.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF")
    )
    migrate(database)
    return database


class _Run:
    def __init__(self, laid_down: World, database: Database, folder: Path, say: Callable[[str], Any]) -> None:
        self.world, self.say, self.now = laid_down, say, START
        settings = Settings(folder, folder, Secret(""), Secret("simulated" * 5))
        self.desk = Desk(settings, laid_down.config, lambda: self.now, database)
        self.habits = Habits(self.desk, laid_down)
        conf = laid_down.config
        self.agreed = Agreed(conf.policies, conf.calendars, conf.ladder)
        self.seen: dict[int, int] = {}
        self.peak: Counter[str] = Counter()
        self.done = Simulation(laid_down.days, laid_down.seed, len(conf.roster.people), outages=len(laid_down.outages))

    def whole(self) -> Simulation:
        day, last = START, START
        while (tick := self._next_tick(last)) < self.world.end:
            self.now = tick
            self.habits.run(tick)
            done = sweep(self.desk)
            last = tick
            self.done.sweeps += 1
            self.done.digests += done.digests
            self._check()
            if tick - day >= timedelta(days=1):
                day = tick
                self.say(f"day {(tick - START).days} of {self.world.days}: {len(self.habits.cases)} cases open")
        return self._result()

    def _next_tick(self, last: datetime) -> datetime:
        """The next moment at which the program runs and has something to do, or four hours on."""
        with self.desk.database.read() as tx:
            due = cases.next_due_at(tx)
        moments = [self.habits.next_at(), last + IDLE, *([due] if due else [])]
        tick = max(_up(min(moments)), last + TICK)
        for begins, ends in self.world.outages:
            if begins <= tick < ends:
                return _up(ends)
        return tick

    def _check(self) -> None:
        """Audit every case that changed since the last sweep."""
        desk, now = self.desk, self.now
        invariant.check(desk)
        with desk.database.read() as tx:
            waiting = cases.due(tx, now, 5)
            versions = cases.versions(tx)
            changed = [case_id for case_id, version in versions.items() if self.seen.get(case_id) != version]
            told = cases.events(tx, changed)
        if waiting:
            raise InvariantBroken(f"Seed {self.world.seed}: after the sweep at {now} something is due in {waiting}.")
        for case_id, rows in told.items():
            since = self.seen.get(case_id, 0)
            found = audit.look([event_of(row) for row in rows], self.agreed, now, since)
            if found.wrong:
                raise InvariantBroken(f"Seed {self.world.seed}, {now}, case {case_id}: {'; '.join(found.wrong)}.")
            if found.case.owner not in desk.config.roster.people:
                raise InvariantBroken(f"Seed {self.world.seed}: case {case_id} is with {found.case.owner}: nobody.")
            self._count(rows, since)
            self.habits.saw(found.case)
            self.seen[case_id] = versions[case_id]
        self.done.audits += len(told)
        for owner, count in Counter(case.owner for case in self.habits.cases.values()).items():
            self.peak[owner] = max(self.peak[owner], count)

    def _count(self, rows: list[dict[str, Any]], since: int) -> None:
        for row in rows:
            if row["seq"] > since:
                self.done.events += 1
                if row["kind"] == "escalated":
                    self.done.steps[row["data"]["step"]] += 1
                    self.done.late_steps += row["data"]["late"]

    def _result(self) -> Simulation:
        done, conf = self.done, self.world.config
        with self.desk.database.read() as tx:
            everything = {i: replay(rows) for i, rows in cases.events(tx, list(self.seen)).items()}
            done.notices = outbox.kinds(tx)
            escalated = outbox.cases_told(tx, "escalation")
            if outbox.any_batched(tx):
                raise InvariantBroken(f"Seed {self.world.seed}: escalations were written and nobody was told.")
        silent = [c.number for c in everything.values() if _climbed(c) and c.id not in escalated]
        if silent:
            raise InvariantBroken(
                f"Seed {self.world.seed}: nobody was told of the escalations of {', '.join(silent[:5])}."
            )
        done.storms = done.notices.get("alarm", 0)
        done.cases, done.still_open = len(everything), sum(c.is_open for c in everything.values())
        done.clocks = punctual.scores(everything.values(), conf.policies, conf.calendars, self.now)
        owned = Counter(c.owners[0].owner for c in everything.values())
        done.load = {
            key: {"cases": owned[key], "answers": self.habits.answers[key], "peak": self.peak[key]}
            for key in conf.roster.people
        }
        return done


def _climbed(case: Any) -> bool:
    return any(taken.step and not taken.skipped for taken in case.taken)


def _up(moment: datetime) -> datetime:
    """The next tick, or this one."""
    ticks = -(-(moment - START) // TICK)
    return START + ticks * TICK
