"""A fleet: several workers, one PostgreSQL server and a Dovecot with eight mailboxes, on one machine.

    python -m tests.fleet --work FOLDER MAILBOX ...     one plain worker: looks at its mailboxes until nothing is left

A worker is a plain process, or a Prefect worker of a process work pool that runs the deployments of
docs/deploy/prefect.yaml. `content` is what two registers of the same mail must have in common.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from ruamel.yaml import YAML
from sqlalchemy import select

from tests.room import PASSWORD, furnish
from tests.servers import dovecot, postgres
from triage.desk import Desk, open_desk
from triage.errors import Temporary
from triage.mail.thread import reference_numbers
from triage.operations import cycle, deep, invariant, look
from triage.operations.reconcile import reconcile
from triage.world import schema, settings

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, in office hours; the clock of all workers stands here
MAILBOXES = tuple(f"box{n}" for n in range(8))
SECRET = "s" * 40
WHOSE = "TRIAGE_FLEET_WORKER"  # in the environment of a worker and of all that it starts
POOL = "triage"
EVERY = 20  # seconds between two runs of a deployment: a shift of Prefect's worker costs a process start


# -- the mail ----------------------------------------------------------------------------------------------------------


def backlog(count: int, seed: int = 1) -> dict[str, list[tuple[bytes, float]]]:
    """Mailbox -> its mails in the order of arrival, with the moment (seconds since 1970).

    Words of the composed corpus, a customer of their own to each matter; of ten mails about two follow up on an earlier
    one. A matter stays in its mailbox (no order number occurs twice): workers keep the order of arrival within a
    mailbox, not across mailboxes, since each mailbox is read by whoever is free. One mail in fifty is a copy: it opened
    a matter and comes to a second mailbox too, now with the very same bytes, now with one trace header more.
    """
    dice = random.Random(seed)
    texts = [json.loads(line) for path in sorted((ROOT / "models/corpus/train").glob("*.jsonl"))
             for line in path.read_text(encoding="utf-8").splitlines()]  # fmt: skip
    texts = [one for one in texts if not reference_numbers(f"{one['subject']}\n{one['text']}")]
    found: dict[str, list[tuple[bytes, float]]] = {name: [] for name in MAILBOXES}
    first: dict[str, dict[int, tuple[bytes, float]]] = {name: {} for name in MAILBOXES}  # those that open a matter
    step = timedelta(hours=20) / max(count, 1)
    copies = count // 50
    for number in range(count - copies):
        at = NOW - timedelta(hours=21) + number * step
        name = MAILBOXES[number % len(MAILBOXES)]
        if len(first[name]) > 3 and dice.random() < 0.2:
            about = dice.choice(list(first[name])[-40:])
            raw = _mail(number, about, f"Re: matter {about}", "Any news? I am still waiting.", at, about=about)
        else:
            what = dice.choice(texts)
            raw = _mail(number, number, what["subject"], what["text"], at)
            first[name][number] = raw, at.timestamp()
        found[name].append((raw, at.timestamp()))
    for copy in range(copies):
        name = MAILBOXES[copy % len(MAILBOXES)]
        raw, stamp = first[name].pop(dice.choice(list(first[name])))
        other = MAILBOXES[(copy + 3) % len(MAILBOXES)]
        way = b"Received: from relay.example (relay.example [192.0.2.1]) by mx.example; Fri, 20 Nov 2026 09:00:00 +0000\r\n"
        found[other].append((raw if copy % 2 else way + raw, stamp))
    return {name: sorted(mails, key=lambda mail: mail[1]) for name, mails in found.items()}


def _mail(number: int, customer: int, subject: str, text: str, at: datetime, about: int | None = None) -> bytes:
    head = [
        f"From: Customer {customer} <customer{customer}@example.com>", "To: complaints@alderfinch.example",
        f"Subject: {' '.join(subject.split()).encode('ascii', 'replace').decode()[:150]}", f"Date: {format_datetime(at)}",
        f"Message-ID: <m{number}@example.com>", "MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", *([f"In-Reply-To: <m{about}@example.com>"] if about is not None else []),
    ]  # fmt: skip
    body = "\r\n".join(text.splitlines())
    return ("\r\n".join(head) + f"\r\n\r\n{body}\r\n").encode()


# -- what two registers must have in common ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """A register without what the order of work decides: numbers, row ids, times of recording, and which member of a
    pool got the case (the one with the fewest, which depends on who was counted first). The mailbox that a mail is
    filed under is left out as well: of two copies it is that of the one that came first."""

    mails: dict[
        str, tuple[str, ...]
    ]  # Message-ID -> state, outcome, disposition, the Message-ID of the case's first mail
    cases: dict[str, tuple[Any, ...]]  # Message-ID of its first mail -> everything that was decided
    pools: dict[str, frozenset[str]]  # pool -> its members who own a case


def content(desk: Desk) -> Content:
    """What the register says, by Message-ID."""
    found = look.cases(desk, everything=True)
    key_of = {case["id"]: min(case["message_ids"], key=_serial) for case in found}
    cases = {key_of[case["id"]]: _decided(case) for case in found}
    columns = (schema.mail.c.message_id, schema.mail.c.state, schema.mail.c.outcome, schema.mail.c.disposition,
               schema.cases.c.number)  # fmt: skip
    query = select(*columns).outerjoin(schema.cases, schema.cases.c.id == schema.mail.c.case_id)
    with desk.database.read() as tx:
        rows = tx.execute(query.where(schema.mail.c.duplicate_of.is_(None))).all()
    mails = {row[0]: (row[1], row[2], row[3], key_of.get(row[4], "")) for row in rows}
    assert len(mails) == len(rows), "one mail, one row"
    owners: dict[str, set[str]] = {}
    for case in found:
        owners.setdefault(case["pool"] or "", set()).add(case["owner"])
    return Content(mails, cases, {pool: frozenset(people) for pool, people in owners.items()})


def _serial(message_id: str) -> int:
    return int("".join(ch for ch in message_id.partition("@")[0] if ch.isdigit()) or 0)


def _decided(case: dict[str, Any]) -> tuple[Any, ...]:
    deadlines = sorted((d["target"], d["start"] or "", d["due"] or "", d["state"]) for d in case["deadlines"])
    flags = sorted((flag["name"], tuple(flag["evidence"])) for flag in case["flags"])
    return (
        sorted(case["message_ids"], key=_serial), case["customer"], case["subject"], case["status"], case["disposition"],
        case["complaint_type"], tuple(case["secondary"]), case["urgency"], tuple(flags), case["pool"],
        bool(case["owner"]), case["received_at"], tuple(deadlines), case["review"], tuple(case["review_reasons"]),
    )  # fmt: skip


def differences(one: Content, other: Content) -> list[str]:
    """In words, at most ten of each kind."""
    said = []
    for what, a, b in (("mail", one.mails, other.mails), ("case", one.cases, other.cases)):
        wrong = [key for key in sorted({*a, *b}, key=_serial) if a.get(key) != b.get(key)]
        said += [f"{what} {key}: {a.get(key)} / {b.get(key)}" for key in wrong[:10]]
        said += [f"... {len(wrong)} in all"] if len(wrong) > 10 else []
    return said


def wrong(desk: Desk) -> list[str]:
    """What must hold in any register, whoever wrote it."""
    said = [f"{row['mailbox']}: {row}" for row in reconcile(desk)
            if row["missing"] or row["waiting"] or row["errors"] or row["quarantined"]]  # fmt: skip
    said += [str(line) for line in deep.check(desk) if line.failed]
    with suppress(Temporary):
        invariant.check(desk)
    return said


# -- the place ---------------------------------------------------------------------------------------------------------


@dataclass
class Fleet:
    """A furnished folder with its servers; `environment` is what every process of it gets."""

    folder: Path
    environment: dict[str, str]
    postgres_url: str
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @contextmanager
    def desk(self, database_url: str = "") -> Iterator[Desk]:
        """The register of the fleet, or another one with the same config and mailboxes."""
        data = self.folder / ("data" if not database_url else "alone")
        given = {
            "TRIAGE_DATABASE_URL": database_url or self.environment["TRIAGE_DATABASE_URL"],
            "TRIAGE_SECRET": SECRET,
        }
        found = settings.load(self.folder / "config", data, given)
        with open_desk(found, now=lambda: NOW) as desk:
            yield desk

    def alone(self) -> Content:
        """The register that one undisturbed process makes of the same mailboxes, on SQLite."""
        with self.desk(f"sqlite:///{self.folder / 'alone.db'}") as desk:
            while any(box["stored"] for box in cycle.run(desk)["mailboxes"]):
                pass
            assert wrong(desk) == []
            return content(desk)

    def settled(self) -> int:
        """How many mails have an outcome."""
        return self._count("SELECT count(*) FROM mail WHERE state <> 'stored'")

    def delivered(self) -> int:
        """How many mails of the servers the register knows of."""
        return self._count("SELECT count(*) FROM delivery")

    def left(self) -> int:
        """Deliveries and mails on which something is still to be done."""
        waiting = (
            "SELECT count(*) FROM delivery WHERE state = 'seen'",
            "SELECT count(*) FROM mail WHERE state = 'stored'",
        )
        return sum(self._count(query) for query in waiting)

    def _count(self, query: LiteralString) -> int:
        with (
            psycopg.connect(self.environment["TRIAGE_DATABASE_URL"]) as connection,
            suppress(psycopg.errors.UndefinedTable),
        ):
            row = connection.execute(query).fetchone()
            return int(row[0]) if row else 0
        return 0

    def start(self, name: str, *command: str) -> None:
        """Start a worker; what it says is in `NAME.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.workers[name] = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env={**self.environment, WHOSE: name}, stdout=log, stderr=log
            )

    def kill(self, name: str) -> int:
        """SIGKILL to a worker and to everything it started, as when its machine loses power. Returns how many."""
        marked = f"{WHOSE}={name}".encode()
        killed = 0
        for _ in range(2):  # twice: one may just have started another
            for entry in Path("/proc").glob("[0-9]*/environ"):
                with suppress(OSError):
                    if marked in entry.read_bytes().split(b"\0"):
                        os.kill(int(entry.parent.name), signal.SIGKILL)
                        killed += 1
        self.workers.pop(name).wait()
        return killed

    def stop(self) -> None:
        for name in list(self.workers):
            self.kill(name)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]


@contextmanager
def fleet(folder: Path, mails: int, seed: int = 1) -> Iterator[Fleet]:
    """The servers, the backlog in its mailboxes, the config, an empty register. Raises RuntimeError without servers."""
    if why := dovecot.missing():
        raise RuntimeError(why)
    with ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triage-pg-")))
        url = stack.enter_context(postgres.server(base))
        database = stack.enter_context(postgres.fresh_database(url))
        imap = stack.enter_context(dovecot.server(MAILBOXES))
        for name, arrived in backlog(mails, seed).items():
            imap.fill(name, arrived)
        furnish(folder, host="127.0.0.1", port=imap.port, user="", password=dovecot.PASSWORD, notices="off",
                folders={"intake": ["INBOX"], "sent": None})  # fmt: skip
        _eight_mailboxes(folder / "config" / "mailboxes.yaml")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRIAGE_"))}
        place = Fleet(folder, {
            **kept, "TRIAGE_CONFIG": str(folder / "config"), "TRIAGE_DATA": str(folder / "data"),
            "TRIAGE_DATABASE_URL": database, "TRIAGE_SECRET": SECRET, "TRIAGE_NOW": NOW.isoformat(),
            PASSWORD: dovecot.PASSWORD, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        }, url)  # fmt: skip
        try:
            yield place
        finally:
            place.stop()


def _eight_mailboxes(path: Path) -> None:
    yaml = YAML()
    found = yaml.load(path.read_text(encoding="utf-8"))
    one = found["mailboxes"][0]
    found["mailboxes"] = [
        {**one, "name": name, "user": name, "addresses": [f"{name}@alderfinch.example", *(one["addresses"] if not n else [])]}
        for n, name in enumerate(MAILBOXES)
    ]  # fmt: skip
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(found, file)


# -- Prefect -----------------------------------------------------------------------------------------------------------


@contextmanager
def work_pool(place: Fleet) -> Iterator[None]:
    """A Prefect server on PostgreSQL, a process work pool, and the flows in it as docs/deploy/prefect.yaml has them, but
    with one intake deployment for each mailbox and a shorter interval."""
    with postgres.fresh_database(place.postgres_url) as database:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        port = _free_port()
        place.environment |= {
            "PREFECT_HOME": str(place.folder / "prefect"), "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
            "PREFECT_API_DATABASE_CONNECTION_URL": database.replace("postgresql:", "postgresql+asyncpg:"),
            "TRIAGE_FLOWS_PARENT": str(ROOT), "PREFECT_WORKER_QUERY_SECONDS": "3",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        }  # fmt: skip
        command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
        place.start("server", *command)
        _healthy(place)
        plan = _plan(place.folder)
        for words in (
            ("work-pool", "create", "--type", "process", POOL),
            ("--no-prompt", "deploy", "--all", "--prefect-file", str(plan)),
        ):
            subprocess.run(
                [sys.executable, "-m", "prefect", *words],
                cwd=ROOT,
                env=place.environment,
                check=True,
                capture_output=True,
            )
        try:
            yield
        finally:
            place.stop()


def _plan(folder: Path) -> Path:
    yaml = YAML()
    plan = yaml.load((ROOT / "docs/deploy/prefect.yaml").read_text(encoding="utf-8"))
    intake, watch, alarm = (
        next(d for d in plan["deployments"] if d["name"] == name) for name in ("intake", "watch", "alarm")
    )
    often = {"schedules": [{"interval": EVERY}]}
    plan["deployments"] = [
        {**intake, **often, "name": f"intake-{name}", "parameters": {"mailboxes": [name]}} for name in MAILBOXES
    ] + [{**watch, **often}, alarm]
    path = folder / "prefect.yaml"
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(plan, file)
    return path


def _healthy(place: Fleet) -> None:
    for _ in range(600):
        if place.workers["server"].poll() is not None:
            break
        with suppress(OSError), urllib.request.urlopen(place.environment["PREFECT_API_URL"] + "/health", timeout=2):
            return
        time.sleep(0.3)
    raise AssertionError(place.log("server"))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- a plain worker ----------------------------------------------------------------------------------------------------


def work(names: Sequence[str]) -> None:
    """Look at these mailboxes in turn, for ever; a line for each."""
    with open_desk() as desk:
        for name in itertools.cycle(names):
            try:
                outcome = cycle.intake(desk, [name])
            except Temporary as trouble:
                print(f"{name}: {type(trouble).__name__}", flush=True)
            else:
                print(f"{name}: {[box.taken.opened for box in outcome.mailboxes]}", flush=True)


if __name__ == "__main__":
    work(sys.argv[2:])
