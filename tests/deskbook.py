"""A desk for stories that go through the real operations: any register, a clock that the test sets, no servers.

Mails are stored as the intake stores them and taken in; commands are given as the command line gives them; sweeps sweep.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from tests.casebook import at, wall
from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.judge import route
from triage.judge.classify import Prediction, Words
from triage.judge.route import Facts
from triage.operations import act, newcase, opening
from triage.operations.casebook import Draft, read
from triage.operations.newcase import NewCase
from triage.operations.sweep import Swept, sweep
from triage.operations.take_in import take_in_batch
from triage.words import Disposition, Urgency
from triage.world import config
from triage.world.config import Config
from triage.world.settings import Secret, Settings
from triage.world.store import cases, folders, mails, outbox, register
from triage.world.store.database import Database

Path_ = tuple[str | int, ...]

#: notices that would go out if there were a server; the calendar of the scenarios
BASIS: Mapping[tuple[str, Path_], Any] = {
    ("calendars.yaml", ("calendars", "standard", "hours", "mon-fri")): "09:00-17:00",
    ("notices.yaml", ("mode",)): "on",
}


def settled(changes: Mapping[tuple[str, Path_], Any] | None = None) -> Config:
    """The shipped config with these values in it: (file, path) -> value."""
    return _settled(json.dumps([[name, path, value] for (name, path), value in {**BASIS, **(changes or {})}.items()]))


@cache
def _settled(changes: str) -> Config:
    """Reading a config takes half a second, and most stories have the same."""
    texts = {name: (config.shipped() / name).read_text(encoding="utf-8") for name in config.FILES}
    for name, path, value in json.loads(changes):
        texts[name] = config.edit(texts[name], path, value)
    return config.load_files({name: text.encode() for name, text in texts.items()})


def write(conf: Config, folder: Path) -> Path:
    """The config's files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in conf.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


class Guess:
    """A model that always says the same."""

    def __init__(self, kind: str = "delivery", p: float = 0.95, urgent: float = 0.05) -> None:
        self.card: Mapping[str, Any] = {"name": "guess", "thresholds": {}}
        others = [other for other in ("billing", "delivery", "handling", "digital_access") if other != kind]
        self.said = Prediction(
            {"complaint": 0.95, "praise": 0.05}, {kind: p, **{other: (1 - p) / len(others) for other in others}},
            {"normal": 0.95 - urgent, "urgent": urgent, "low": 0.05}, (), "guess", 1.0,
        )  # fmt: skip

    def predict(self, words: Sequence[Words]) -> list[Prediction]:
        return [self.said for _ in words]


class DeskBook:
    """One desk over the time of a story. Times are walls of London: "Mon 23 Nov 2026 09:00"."""

    def __init__(
        self, database: Database, folder: Path, conf: Config | None = None, model: Guess | None = None
    ) -> None:
        self.database, self.folder = database, folder
        self.clock = at("Mon 23 Nov 2026 09:00")
        self.model = model or Guess()
        self.desk = self.open(conf or settled())
        self.numbers = itertools.count(1)

    def open(self, conf: Config) -> Desk:
        """A desk with this config, as a new start of the program has it."""
        settings = Settings(self.folder / "config", self.folder, Secret(""), Secret("s" * 40))
        self.desk = Desk(settings, conf, lambda: self.clock, self.database)
        self.desk.__dict__["model"] = self.model
        self.desk.__dict__["model_folder"] = Path("guess")
        return self.desk

    def set(self, when: str) -> datetime:
        self.clock = at(when)
        return self.clock

    # -- what happens --------------------------------------------------------------------------------------------------

    def opens(
        self, when: str, *, recorded: str = "", kind: str = "delivery", urgency: str = "normal", **more: Any
    ) -> int:
        """A case judged so, routed by the rules, opened at `recorded` (else at once). Returns its id."""
        received = self.set(when)
        if recorded:
            self.set(recorded)
        desk, number = self.desk, next(self.numbers)
        facts = Facts(
            complaint_type=kind, urgency=Urgency.of(urgency), confidence=1.0, customer=f"c{number}@example.com"
        )
        with desk.database.write() as tx:
            routed = route.decide(desk.config.ruleset, facts, desk.config.roster, opening.load(tx), desk.now())
            new = NewCase(
                desk.mailboxes[0].name, received, Disposition.COMPLAINT, facts.urgency, facts.customer, routed, "a story",
                f"opened:story-{number}", kind, **more,
            )  # fmt: skip
            return newcase.draft(desk, tx, opening.next_number(desk, tx), new).save().id

    def arrives(
        self, when: str, text: str, *, sender: str = "", recorded: str = "", **headers: str
    ) -> list[dict[str, Any]]:
        """A customer's mail is stored and taken in; gives the rows of all cases."""
        received, number = self.set(when), next(self.numbers)
        if recorded:
            self.set(recorded)
        lines = {
            "From": sender or f"c{number}@example.com", "To": "complaints@alderfinch.example", "Subject": f"Letter {number}",
            "Message-ID": f"<m{number}@example.com>", "Date": "Mon, 23 Nov 2026 09:00:00 +0000",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }  # fmt: skip
        raw = ("".join(f"{name}: {value}\r\n" for name, value in lines.items()) + f"\r\n{text}\r\n").encode()
        place = self.desk.raw.write([raw])
        with self.database.write() as tx:
            box = self.desk.mailboxes[0].name
            inbox = folders.enter_epoch(tx, folders.ensure(tx, box, "INBOX", "intake"), 7)
            folders.record_seen(tx, inbox, [number], self.clock)
            (row,) = [d for d in folders.unfinished(tx, inbox) if d.uid == number]
            arrival = mails.Arrival(row.id, place[0], received)
            mails.store(tx, [arrival], mailbox=box, folder_name="INBOX", direction="in", now=self.clock, mark=None)
        while take_in_batch(self.desk):
            pass
        with self.database.read() as tx:
            return cases.rows(tx, everything=True)

    def tell(self, case_id: int, kind: Kind, when: str, **data: Any) -> Case:
        """A fact that the intake or a person writes."""
        with self.database.write() as tx:
            self.clock = max(self.clock, at(when))
            draft = Draft(self.desk, tx, read(tx, case_id))
            draft.add(kind, at(when), data)
            return draft.save()

    def does(
        self, verb: str, case_id: int, when: str, *, given: str = "", actor: str = "ines", **data: Any
    ) -> dict[str, Any]:
        """A command, typed at `when`; `given` is the time it tells of."""
        self.set(when)
        number = self.case(case_id).number
        (done,) = act.act(self.desk, verb, [number], {}, actor=actor, at=at(given) if given else None, **data)
        return done

    def replied(self, case_id: int, given: str, found: str = "") -> None:
        """An answer to the customer, given at `given` and known to the desk from `found` on."""
        self.does("replied", case_id, found or given, given=given, channel="mail", response="answer", note="")

    def sweep(self, when: str) -> Swept:
        self.set(when)
        return sweep(self.desk)

    def sweeps(self, start: str, end: str, minutes: int = 5) -> None:
        self.clock = at(start)
        while self.clock <= at(end):
            sweep(self.desk)
            self.clock += timedelta(minutes=minutes)

    # -- what is there -------------------------------------------------------------------------------------------------

    def case(self, case_id: int) -> Case:
        with self.database.write() as tx:
            return read(tx, case_id)

    def events(self, case_id: int, kind: str = "") -> list[dict[str, Any]]:
        with self.database.read() as tx:
            return [e for e in cases.events(tx, [case_id])[case_id] if not kind or e["kind"] == kind]

    def steps(self, case_id: int) -> list[tuple[str | None, str]]:
        """When each step was taken: ("Tue 24 Nov 2026 10:00", "first_response/1")."""
        return [
            (wall(e["at"]), f"{e['data']['target']}/{e['data']['step']}") for e in self.events(case_id, "escalated")
        ]

    def recorded(self, case_id: int) -> list[tuple[str, str, str | None]]:
        """Results on the books: (target, state, breached at)."""
        return [
            (r.target.value, "late" if r.breached else "met", wall(r.breached_at)) for r in self.case(case_id).recorded
        ]

    def notices(self, kind: str = "", state: str = "") -> list[dict[str, Any]]:
        with self.database.read() as tx:
            rows = outbox.listing(tx, 10_000)
        return [row for row in rows if kind in ("", row["kind"]) and state in ("", row["state"])]

    def corrections(self) -> list[dict[str, Any]]:
        with self.database.read() as tx:
            return register.corrections(tx)
