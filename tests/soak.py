"""The soak: senders deliver into a real mail server while the process, the mail server and the network are killed in turn.

    python -m tests.soak [SECONDS] [--seed N] [--note FILE]

At the end the register must be whole: every mail on the server is in exactly one case or filed, every case has its owner
and its deadlines, no notice left under two Message-IDs, all raw mail hashes, all cases rebuild. Exit 1 where not.
`make soak` runs three minutes of it, `make soak HOURS=2` the long form; both add their figures to docs/reliability.md.
"""

from __future__ import annotations

import argparse
import asyncio
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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.room import PASSWORD, desk_in, edit, furnish, letter
from tests.servers import dovecot
from triage.demo.servers import SmtpSink
from triage.errors import TriageError
from triage.mail import message
from triage.operations import cycle, deep, invariant, look
from triage.operations.reconcile import reconcile
from triage.world import clock, inbox

ROOT = Path(__file__).resolve().parent.parent
SENDERS = 3
PAUSE = (0.2, 1.2)  # seconds between two mails of one sender
FAULT_EVERY = (4.0, 9.0)  # seconds
DOWN = (1.0, 4.0)  # seconds that a server or the network stays away


@dataclass(slots=True)
class Tally:
    """What was done to the desk, and what came of it."""

    seconds: float
    seed: int
    delivered: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    cycles: int = 0
    cases: int = 0
    notices: int = 0
    sent_again: int = 0  # the same notice under the same Message-ID: the window between SMTP and commit
    wrong: list[str] = field(default_factory=list)


class Server:
    """A Dovecot that can be killed and comes back with its mail."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="dc-"))
        self.base.chmod(0o755)
        ports = dovecot._free_ports(2)
        self.dovecot = dovecot._prepare(self.base, ports[0], ports[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [dovecot.PROGRAM, "-F", "-c", self.base / "dovecot.conf"], stderr=subprocess.DEVNULL
        )
        dovecot._wait(self._process, self.dovecot)

    def stop(self, how: int) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)

    def gone(self) -> None:
        self.stop(signal.SIGTERM)
        shutil.rmtree(self.base, ignore_errors=True)


class Network:
    """A TCP relay in front of the mail server that can be cut: open connections break, new ones are refused."""

    def __init__(self, target: int) -> None:
        self._target, self._up = target, True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._writers -= {writer, back}

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
        target.close()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self._up = False
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self._up = True


class Soak:
    """One soak in a folder of its own."""

    def __init__(self, folder: Path, seconds: float, seed: int) -> None:
        self.folder, self.tally, self.dice = folder, Tally(seconds, seed), random.Random(seed)
        self.server, self.smtp = Server(), SmtpSink()
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def run(self) -> Tally:
        self.server.start()
        self.network = Network(self.server.dovecot.port)
        with self.smtp:
            furnish(
                self.folder, host="127.0.0.1", port=self.network.port, user=dovecot.USER, password=dovecot.PASSWORD,
                smtp_port=self.smtp.port, folders={"intake": ["INBOX"], "sent": None},
            )  # fmt: skip
            edit(self.folder / "config" / "notices.yaml", {("quiet", "outside_calendar"): False})  # also on a Sunday
            senders = [threading.Thread(target=self._send, args=(n,)) for n in range(SENDERS)]
            worker = threading.Thread(target=self._work)
            for thread in (*senders, worker):
                thread.start()
            self._break(time.monotonic() + self.tally.seconds)
            self.stop.set()
            for thread in (*senders, worker):
                thread.join()
            self._judge()
        self.server.gone()
        return self.tally

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
            time.sleep(dice.uniform(*PAUSE))

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
        """Cycles in a process that is started again whenever it was killed."""
        environment = {**os.environ, PASSWORD: os.environ[PASSWORD]}
        while not self.stop.is_set():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak", "--work", str(self.folder)], cwd=ROOT, env=environment,
                stdout=subprocess.PIPE,
            )  # fmt: skip
            assert self.process.stdout is not None
            for _ in self.process.stdout:
                self.tally.cycles += 1
                if self.stop.is_set():
                    break
            self.process.stdout.close()
            if self.stop.is_set():
                self.process.terminate()
            self.process.wait()

    def _break(self, end: float) -> None:
        kinds = ["process", "mail server killed", "network cut", "mail server restarted", "SMTP refuses"]
        time.sleep(4)
        turn = 0
        while time.monotonic() < end:
            kind = kinds[turn % len(kinds)]
            turn += 1
            away = self.dice.uniform(*DOWN)
            if kind == "process":
                with suppress(ProcessLookupError):
                    self.process.send_signal(signal.SIGKILL)
            elif kind.startswith("mail server"):
                self.server.stop(signal.SIGKILL if kind.endswith("killed") else signal.SIGTERM)
                time.sleep(away)
                self.server.start()
            elif kind == "network cut":
                self.network.cut()
                time.sleep(away)
                self.network.mend()
            else:
                self.smtp.refuse_data = "451 4.7.1 later"
                time.sleep(away)
                self.smtp.refuse_data = ""
            self.tally.faults[kind] += 1
            time.sleep(self.dice.uniform(*FAULT_EVERY))

    # -- the end ---------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Left alone, the desk must come to rest with everything in its place."""
        tally, wrong = self.tally, self.tally.wrong
        with desk_in(self.folder, now=clock.now) as desk:
            for _ in range(20):
                box = cycle.run(desk)["mailboxes"][0]
                if box["error_kind" if "error_kind" in box else "errors"] in ("", []) and not box["found"]:
                    break
                time.sleep(1)
            else:
                wrong.append("it did not come to rest")
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
        kills = tally.faults["process"]
        if tally.sent_again > kills:
            wrong.append(f"{tally.sent_again} notices left twice, and the process was killed only {kills} times")


def _doubled(sent: dict[str, tuple[object, str, str]], found: list[dict[str, Any]]) -> Iterator[str]:
    """Notices that left under several Message-IDs. Two alike are right only where a customer wrote twice: one a mail."""
    later = {case["id"]: len(case["message_ids"]) - 1 for case in found}
    for (_, subject, _), times in Counter(sent.values()).items():
        case = next((number for number in later if number in subject), "")
        allowed = max(1, later.get(case, 1)) if "the customer" in subject else 1
        if times > allowed:
            yield f"a notice left under {times} Message-IDs: {subject}"


def work(folder: Path) -> None:
    """Cycles without end; a line after each."""
    with desk_in(folder, now=clock.now) as desk:
        while True:
            with suppress(TriageError):
                cycle.run(desk)
            print("cycle", flush=True)
            time.sleep(0.5)


def report(tally: Tally) -> str:
    """The figures as a row of docs/reliability.md."""
    faults = ", ".join(f"{n} {kind}" for kind, n in sorted(tally.faults.items()))
    verdict = "whole" if not tally.wrong else f"BROKEN: {'; '.join(tally.wrong[:5])}"
    day = f"{datetime.now(UTC):%Y-%m-%d}"  # noqa: TID251 - the day of the measurement
    return (
        f"| {day} | {tally.seconds / 60:.1f} min, seed {tally.seed} | {tally.delivered} | {faults} | {tally.cycles} | "
        f"{tally.cases} | {tally.notices} ({tally.sent_again} sent again) | {verdict} |"
    )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("seconds", nargs="?", type=float, default=180.0)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--note", type=Path, help="add the figures to this page")
    arguments.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.work:
        work(given.work)
    if why := dovecot.missing():
        sys.exit(f"skipped: {why}")
    with _scratch() as folder:
        tally = Soak(folder, given.seconds, given.seed).run()
    line = report(tally)
    print(line)
    print("\n".join(tally.wrong))
    if given.note:
        with given.note.open("a", encoding="utf-8") as page:
            page.write(line + "\n")
    sys.exit(1 if tally.wrong else 0)


if __name__ == "__main__":
    main()
