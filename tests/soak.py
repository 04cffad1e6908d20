"""The soak: senders deliver into a real mail server while everything the desk needs is taken away in turn.

    python -m tests.soak [SECONDS] [--seed N] [--engine plain|serve] [--database postgresql|sqlite] [--note FILE]

The process, the mail server, the network, the SMTP server, the database server, the room on the disk, and with
`--engine serve` (the process is then `triage serve`) its Prefect server. At the end the register must be whole: every
mail on the server is in exactly one case or filed, every case has its owner and its deadlines, no notice left under two
Message-IDs, all raw mail hashes, all cases rebuild. Exit 1 where not. `make soak` runs three minutes of each engine,
`make soak HOURS=2` the long form; they add their figures to docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.room import PASSWORD, desk_in, edit, furnish, letter
from tests.servers import dovecot, postgres
from tests.servers.postgres import Postgres
from tests.soakroom import Disk, Network, Server
from triage.demo.servers import SmtpSink
from triage.errors import TriageError
from triage.mail import message
from triage.operations import cycle, deep, invariant, look
from triage.operations.reconcile import reconcile
from triage.world import clock, inbox
from triage.world.store import register

ROOT = Path(__file__).resolve().parent.parent
SENDERS = 3
PROOF = "<!-- make proof -->"


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things happen, in seconds from .. to."""

    pause: tuple[float, float] = (0.2, 1.2)  # between two mails of one sender
    fault: tuple[float, float] = (4.0, 9.0)  # between two faults
    down: tuple[float, float] = (1.0, 4.0)  # how long something stays away


@dataclass(slots=True)
class Tally:
    """What was done to the desk, and what came of it."""

    seconds: float
    seed: int
    what: str
    delivered: int = 0
    starts: int = 0
    stopped_in: float = 0.0  # seconds from SIGTERM to the end
    faults: Counter[str] = field(default_factory=Counter)
    cycles: int = 0
    cases: int = 0
    notices: int = 0
    sent_again: int = 0  # the same notice under the same Message-ID: the window between SMTP and commit
    wrong: list[str] = field(default_factory=list)


class Soak:
    """One soak in a folder of its own."""

    def __init__(
        self, folder: Path, seconds: float, seed: int, *, engine: str = "plain", database: str = "postgresql",
        pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.dice, self.pace = folder, random.Random(seed), pace or Pace()
        self.tally = Tally(seconds, seed, f"{'triage serve' if engine == 'serve' else 'cycles'}, {database}")
        self.engine = engine
        self.server, self.smtp, self.disk = Server(), SmtpSink(), Disk(folder / "disk")
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None
        self.database: Postgres | None = None
        if database == "postgresql":
            (folder / "disk" / "pg").mkdir()
            self.database = Postgres(folder / "disk" / "pg", "-c", "max_wal_size=48MB", "-c", "min_wal_size=32MB")
        (folder / "disk" / "data").mkdir(mode=0o700)
        (folder / "data").symlink_to(folder / "disk" / "data")

    @property
    def url(self) -> str:
        return self.database.url if self.database else f"sqlite:///{self.folder / 'data' / 'triage.db'}"

    def run(self) -> Tally:
        try:
            self.server.start()
            if self.database:
                self.database.start()
            self.network = Network(self.server.dovecot.port)
            with self.smtp:
                furnish(
                    self.folder, host="127.0.0.1", port=self.network.port, user=dovecot.USER, password=dovecot.PASSWORD,
                    smtp_port=self.smtp.port, folders={"intake": ["INBOX"], "sent": None}, every=10,
                )  # fmt: skip
                edit(
                    self.folder / "config" / "notices.yaml", {("quiet", "outside_calendar"): False}
                )  # also on a Sunday
                self._go()
                self._judge()
        finally:
            self.stop.set()
            self.server.gone()
            if self.database:
                self.database.stop(signal.SIGINT)
            self.disk.gone()
        return self.tally

    def _go(self) -> None:
        senders = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]
        worker = threading.Thread(target=self._work)
        for thread in (*senders, worker):
            thread.start()
        try:
            self._break(time.monotonic() + self.tally.seconds)
        finally:
            self.stop.set()
            if self.process:
                began = time.monotonic()
                self.process.terminate()
                self.process.wait(60)
                self.tally.stopped_in = time.monotonic() - began
            for thread in (*senders, worker):
                thread.join()

    # -- what goes on ----------------------------------------------------------------------------------------------

    def _send(self, number: int) -> None:
        """A sender past the network that we cut; a mail whose delivery failed is sent again, as a mail server would."""
        dice = random.Random(self.tally.seed * 100 + number)
        serial = 0
        while not self.stop.is_set():
            serial += 1
            raw = self._mail(number, serial, dice)
            while True:
                try:
                    with inbox.open(self.server.dovecot.account()) as box:
                        box.append("INBOX", raw, clock.now())
                    break
                except (TriageError, OSError):
                    if self.stop.is_set():
                        return
                    time.sleep(0.3)
            with self.lock:
                self.tally.delivered += 1
            time.sleep(dice.uniform(*self.pace.pause))

    def _mail(self, number: int, serial: int, dice: random.Random) -> bytes:
        """A new matter of a new customer, or now and then a customer who asks again."""
        key = number * 1_000_000 + serial
        if serial > 3 and dice.random() < 0.3:
            earlier = number * 1_000_000 + dice.randrange(1, serial)
            sender = f"Customer {earlier} <customer{earlier}@example.com>"
            return letter(key, "Any news?", sender=sender, In_Reply_To=f"<m{earlier}@example.com>")
        words = ["My parcel has not come.", "I was charged twice.", "It is broken.", "What are your opening hours?"]
        return letter(key, dice.choice(words))

    def _work(self) -> None:
        """The desk, started again whenever it ended."""
        command = (
            ["-m", "triage", "serve"] if self.engine == "serve" else ["-m", "tests.soak", "--work", str(self.folder)]
        )
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRIAGE_"))},
            PASSWORD: os.environ[PASSWORD], "TRIAGE_CONFIG": str(self.folder / "config"), "TRIAGE_SECRET": "s" * 40,
            "TRIAGE_DATA": str(self.folder / "data"), "TRIAGE_DATABASE_URL": self.url,
        }  # fmt: skip
        while not self.stop.is_set():
            with (self.folder / "desk.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, *command], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
            while self.process.poll() is None and not self.stop.is_set():
                time.sleep(0.1)
            self.tally.starts += 1

    def _break(self, end: float) -> None:
        """One fault after the other, each kind in turn."""
        kinds = self._kinds()
        time.sleep(25 if self.engine == "serve" else 4)
        turn = 0
        while time.monotonic() < end:
            kind = list(kinds)[turn % len(kinds)]
            turn += 1
            kinds[kind]()
            self.tally.faults[kind] += 1
            time.sleep(self.dice.uniform(*self.pace.fault) * (3 if self.engine == "serve" else 1))

    def _kinds(self) -> dict[str, Callable[[], None]]:
        """What can be taken away here, and how."""
        kinds: dict[str, Callable[[], None]] = {
            "process": self._kill_the_desk,
            "mail server killed": lambda: self._away(lambda: self.server.stop(signal.SIGKILL), self.server.start),
            "network cut": lambda: self._away(self.network.cut, self.network.mend),
            "mail server restarted": lambda: self._away(lambda: self.server.stop(signal.SIGTERM), self.server.start),
            "SMTP refuses": lambda: self._away(lambda: self._refuse("451 4.7.1 later"), lambda: self._refuse("")),
        }
        database = self.database
        if database:
            kinds["database killed"] = lambda: self._away(lambda: database.stop(signal.SIGQUIT), database.start)
            kinds["database restarted"] = lambda: self._away(lambda: database.stop(signal.SIGINT), database.start)
        if self.disk.small:
            kinds["disk full"] = lambda: self._away(self.disk.fill, self._room_again)
        if self.engine == "serve":
            kinds["Prefect server"] = self._kill_prefect
        return kinds

    def _away(self, take: Callable[[], None], give: Callable[[], None]) -> None:
        take()
        time.sleep(self.dice.uniform(*self.pace.down))
        give()

    def _refuse(self, answer: str) -> None:
        self.smtp.refuse_data = answer

    def _room_again(self) -> None:
        """PostgreSQL ends itself where it cannot write its log; somebody has to start it again."""
        self.disk.free()
        if self.database and not self.database.alive:
            self.database.start()

    def _kill_the_desk(self) -> None:
        with suppress(ProcessLookupError):
            if self.process:
                self.process.send_signal(signal.SIGKILL)

    def _kill_prefect(self) -> None:
        ours = f"PREFECT_HOME={self.folder / 'data' / 'prefect'}".encode()
        homes = {ours, f"PREFECT_HOME={self.folder / 'disk' / 'data' / 'prefect'}".encode()}
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if (
                    b"server" in words
                    and b"prefect" in words
                    and homes & {*(entry / "environ").read_bytes().split(b"\0")}
                ):
                    os.kill(int(entry.name), signal.SIGKILL)

    # -- the end ---------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Left alone, the desk must come to rest with everything in its place."""
        tally, wrong = self.tally, self.tally.wrong
        with desk_in(self.folder, self.url, now=clock.now) as desk:
            with desk.database.read() as tx:
                tally.cycles = sum(1 for row in register.runs_of(tx, "dispatch") if row["ended_at"])
            for _ in range(20):
                box = cycle.run(desk)["mailboxes"][0]
                if box["error_kind" if "error_kind" in box else "errors"] in ("", []) and not box["found"]:
                    break
                time.sleep(1)
            else:
                wrong.append(f"it did not come to rest: {box['errors']}")
            row = reconcile(desk, content=True)[0]
            if row["missing"] or row["differs"] or row["waiting"] or row["errors"]:
                wrong.append(f"reconcile: {row}")
            if row["on_server"] < tally.delivered:
                wrong.append(f"the mail server lost mail: {row['on_server']} of {tally.delivered}")
            found = look.cases(desk, everything=True)
            tally.cases = len(found)
            ids = Counter(one for case in found for one in case["message_ids"])
            wrong.extend(f"mail {one} is on {n} cases" for one, n in ids.items() if n > 1)
            wrong.extend(
                f"{c['id']} has no owner or deadline" for c in found if not c["owner"] or not c["next_deadline"]
            )
            invariant.check(desk)
            wrong.extend(str(line) for line in deep.check(desk) if line.failed)
            for _ in range(5):
                cycle.dispatch(desk)
        mails = [(message.parse(one.raw), one.recipients) for one in self.smtp.messages]
        sent = Counter(mail.message_id for mail, _ in mails)
        wrong.extend(_doubled({mail.message_id: (to, mail.subject, mail.text) for mail, to in mails}, found))
        tally.notices, tally.sent_again = len(sent), sum(sent.values()) - len(sent)
        kills = sum(tally.faults[kind] for kind in ("process", "database killed", "database restarted", "disk full"))
        if tally.sent_again > kills:
            wrong.append(f"{tally.sent_again} notices left twice; only {kills} faults can fall between SMTP and commit")
        if self.engine == "serve" and tally.stopped_in > 10:
            wrong.append(f"SIGTERM took {tally.stopped_in:.1f} s")


def _doubled(sent: dict[str, tuple[object, str, str]], found: list[dict[str, Any]]) -> Iterator[str]:
    """Notices that left under several Message-IDs. Two alike are right only where a customer wrote twice: one a mail."""
    later = {case["id"]: len(case["message_ids"]) - 1 for case in found}
    for (_, subject, _), times in Counter(sent.values()).items():
        case = next((number for number in later if number in subject), "")
        allowed = max(1, later.get(case, 1)) if "the customer" in subject else 1
        if times > allowed:
            yield f"a notice left under {times} Message-IDs: {subject}"


def work(folder: Path) -> None:
    """Cycles without end, in a desk that is opened again after trouble, as cron would."""
    while True:
        with suppress(TriageError), desk_in(folder, os.environ["TRIAGE_DATABASE_URL"], now=clock.now) as desk:
            while True:
                cycle.run(desk)
                time.sleep(0.5)
        time.sleep(0.5)


def report(tally: Tally) -> str:
    """The figures as a row of docs/reliability.md."""
    faults = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.faults.items()))
    verdict = "whole" if not tally.wrong else f"BROKEN: {'; '.join(tally.wrong[:5])}"
    day = f"{datetime.now(UTC):%Y-%m-%d}"  # noqa: TID251 - the day of the measurement
    return (
        f"| {day} | {tally.what}, {tally.seconds / 60:.1f} min, seed {tally.seed} | {tally.delivered} | {faults} "
        f"| {tally.cycles} | {tally.cases} | {tally.notices} ({tally.sent_again} sent again) | {verdict} |"
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    folder.chmod(0o755)  # the database server is another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", nargs="?", type=float, default=180.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--engine", choices=("plain", "serve"), default="plain")
    arguments.add_argument("--database", choices=("postgresql", "sqlite"))
    arguments.add_argument("--note", type=Path, help="add the figures to this page")
    arguments.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        work(given.work)
    if why := dovecot.missing():
        sys.exit(f"skipped: {why}")
    with _scratch() as folder:
        database = given.database or ("postgresql" if postgres.binaries() else "sqlite")
        tally = Soak(folder, given.seconds, given.seed, engine=given.engine, database=database).run()
    line = report(tally)
    print(line)
    print("\n".join(tally.wrong))
    if given.note:
        page = given.note.read_text(encoding="utf-8")
        rows, mark, rest = page.partition(PROOF)  # the rest of the page is written by `make proof`
        given.note.write_text(f"{rows.rstrip()}\n{line}\n" + (f"\n{mark}{rest}" if mark else ""), encoding="utf-8")
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
