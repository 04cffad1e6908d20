"""Our own parts on a real server: the whole intake, an idle poll."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.generator import NOW
from benchmarks.jobs import peak_mb


def furnish(
    *, into: str, port: int, user: str, password: str, folder: str, start_from: str = ""
) -> dict[str, Any]:  # fmt: skip
    """A desk for one folder of the server: the shipped config and an empty register, as `triage init` leaves it, with the
    plain model of an installation without extras (what sentences cost stands under learning)."""
    from tests.room import furnish as write
    from triage.world.store.database import Database, migrate

    more: dict[str, Any] = {"start_from": start_from} if start_from else {}
    write(
        Path(into), host="127.0.0.1", port=port, user=user, password=password,
        folders={"intake": [folder], "sent": None}, notices="off", **more,
    )  # fmt: skip
    judging = Path(into) / "config" / "judging.yaml"
    judging.write_text(
        judging.read_text(encoding="utf-8").replace("sentences: true", "sentences: false"), encoding="utf-8"
    )
    register = Database(f"sqlite:///{into}/data/triage.db")
    migrate(register)
    register.close()
    return {}


def intake(*, into: str, password: str, database: str = "") -> dict[str, Any]:
    """The whole pipeline of a furnished desk, as `triage run` has it, with the shipped model; counts what was durable."""
    from tests.room import PASSWORD
    from triage.desk import open_desk
    from triage.operations import cycle
    from triage.world import settings

    os.environ |= {PASSWORD: password}
    environ = {"TRIAGE_SECRET": "s" * 40, **({"TRIAGE_DATABASE_URL": database} if database else {})}
    found = settings.load(Path(into) / "config", Path(into) / "data", environ)
    counts: Counter[str] = Counter()
    with open_desk(found, now=lambda: NOW) as desk:
        desk.model.predict([])  # loaded before the clock starts
        _counting(desk.database.engine, counts)
        begun, at = _cpu(), time.perf_counter()
        boxes = [cycle.intake(desk).as_json()["mailboxes"][0]]
        while boxes[-1]["stored"]:  # a run stops after so many mails; the last one finds nothing
            boxes.append(cycle.intake(desk).as_json()["mailboxes"][0])
        cpu, wall = _cpu(), time.perf_counter() - at
        child = desk.reader._child
        reader_mb = peak_mb(child.pid) if child else 0.0
        with desk.database.read() as tx:
            synchronous = tx.exec_driver_sql(
                "PRAGMA synchronous" if desk.database.sqlite else "SHOW synchronous_commit"
            ).scalar()
    return {
        **{told: sum(box[name] for box in boxes) for told, name in _TOLD.items()},
        "work_wall_s": wall, "work_self_cpu_s": cpu - begun,
        "peak_mb": peak_mb(), "reader_peak_mb": reader_mb, "synchronous": str(synchronous), **counts,
        "errors": "; ".join(error for box in boxes for error in box["errors"]),
    }  # fmt: skip


_TOLD = {"mails": "stored", "opened": "opened", "attached": "attached", "quarantined": "quarantined"}


def _cpu() -> float:
    return time.process_time()


def _counting(engine: Any, counts: Counter[str]) -> None:
    """Count fsyncs and commits, to see that durability was not traded."""
    from sqlalchemy import event

    real = os.fsync

    def fsync(descriptor: Any) -> None:
        counts["fsyncs"] += 1
        real(descriptor)

    os.fsync = fsync  # type: ignore[assignment]

    @event.listens_for(engine, "commit")
    def _commit(_connection: Any) -> None:
        counts["commits"] += 1


def poll(*, into: str, password: str, rounds: int = 30) -> dict[str, Any]:
    """Looks at a mailbox in which nothing is new and all is old: milliseconds and octets from the server, on an open
    connection and with a sign-in of its own. The first look (not measured) notes every UID, all before the start."""
    from statistics import median

    from tests.room import PASSWORD
    from triage.desk import open_desk
    from triage.operations.collect import collect
    from triage.world import settings

    os.environ |= {PASSWORD: password}
    found = settings.load(Path(into) / "config", Path(into) / "data", {"TRIAGE_SECRET": "s" * 40})
    with open_desk(found, now=lambda: NOW) as desk:
        mailbox = desk.mailboxes[0]
        begun = time.perf_counter()
        old, early = 0, 1
        while early:  # a run stops after so many mails
            got = collect(desk, mailbox)
            early = got.before_start
            old += early
        first = time.perf_counter() - begun
        folder = mailbox.read_folders[0].name
        looks, asks, octets = [], [], 0
        for _ in range(rounds):
            begun = time.perf_counter()
            collect(desk, mailbox)
            looks.append((time.perf_counter() - begun) * 1000)
        with desk.inbox(mailbox) as box:
            box.status(folder)
            line = _Counted(box._client.imap.sock) if box._client else None
            assert box._client is not None and line is not None
            box._client.imap.sock = line  # type: ignore[assignment]
            for _ in range(rounds):
                begun = time.perf_counter()
                box.status(folder)
                asks.append((time.perf_counter() - begun) * 1000)
            octets = line.received // rounds
    return {
        "before_start": old, "first_s": first, "look_ms": median(looks),
        "ask_ms": median(asks), "octets": octets,
    }  # fmt: skip


class _Counted:
    """A socket that counts what comes in."""

    def __init__(self, sock: Any) -> None:
        self._sock, self.received = sock, 0

    def recv(self, size: int, *flags: int) -> bytes:
        data: bytes = self._sock.recv(size, *flags)
        self.received += len(data)
        return data

    def recv_into(self, *arguments: Any) -> int:
        size: int = self._sock.recv_into(*arguments)
        self.received += size
        return size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def two_intakes(*, into: str, password: str) -> dict[str, Any]:
    """Two processes on one mailbox: one looks and takes in, the other takes in what is stored until the first is done."""
    arguments = json.dumps({"into": into, "password": password})

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.jobs", name, arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    first, second = start("intake"), start("help_out")
    told = json.loads(first.communicate()[0].splitlines()[-1])
    helped = json.loads(second.communicate()[0].splitlines()[-1])  # which closes its input: it may end
    return {
        "mails": told["mails"], "opened": told["opened"] + helped["opened"],
        "attached": told["attached"] + helped["attached"], "peak_mb": max(told["peak_mb"], helped["peak_mb"]),
    }  # fmt: skip


def help_out(*, into: str, password: str) -> dict[str, Any]:
    """A second worker: takes in what another process stores, until its standard input ends."""
    import select

    from tests.room import PASSWORD
    from triage.desk import open_desk
    from triage.operations.take_in import take_in_batch
    from triage.world import settings

    os.environ |= {PASSWORD: password}
    found = settings.load(Path(into) / "config", Path(into) / "data", {"TRIAGE_SECRET": "s" * 40})
    counts: Counter[str] = Counter(opened=0, attached=0)
    with open_desk(found, now=lambda: NOW) as desk:
        while not select.select([sys.stdin], [], [], 0)[0]:
            batch = take_in_batch(desk)
            for taken in batch.values():
                counts["opened"] += taken.opened
                counts["attached"] += taken.attached
            if not batch:
                time.sleep(0.05)
    return {**counts, "peak_mb": peak_mb()}
