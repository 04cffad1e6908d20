"""Each stage alone, in its own loop over the same mails: CPU microseconds a message. And the profile of the whole.

Goal 4 sets the sum of these beside the whole pipeline, so every stage does here what it does there, batch by batch.
"""

from __future__ import annotations

import cProfile
import hashlib
import os
import pickle
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.generator import NOW

BATCH = 100
STAGES = ("fetch", "raw", "register", "reader", "screen", "model", "cues", "verdict", "settle")


def stages(*, into: str, password: str, server: dict[str, Any], warm: int = 200) -> dict[str, Any]:
    """CPU microseconds a message of each stage, for the mails of a furnished desk. `warm` mails go through first: what
    is built on first use (patterns, tables) is start-up and no stage."""
    from tests.room import PASSWORD
    from triage.desk import open_desk
    from triage.world import settings

    os.environ |= {PASSWORD: password}
    found = settings.load(Path(into) / "config", Path(into) / "data", {"TRIAGE_SECRET": "s" * 40})
    with open_desk(found, now=lambda: NOW) as desk:
        return _stages(desk, server, warm)


def _stages(desk: Any, server: dict[str, Any], warm: int) -> dict[str, Any]:
    from triage.judge import verdict
    from triage.judge.classify import words_of
    from triage.mail import message, screen
    from triage.operations import judging, take_in
    from triage.world import reader
    from triage.world.store import folders, mails

    cost: dict[str, float] = {}
    raws = _timed(cost, "fetch", lambda: _fetched(server))
    limits = message.Limits()
    for raw, _ in raws[:warm]:
        reader._answer(raw, limits)
    parts = [raws[i : i + BATCH] for i in range(0, len(raws), BATCH)]
    locations = _timed(cost, "raw", lambda: [desk.raw.write([raw for raw, _ in part]) for part in parts])
    with desk.database.write() as tx:
        folder = folders.ensure(tx, "complaints", "bench", "intake")
        at = folders.enter_epoch(tx, folder, 1)

    def register() -> None:
        uid = 0
        for part, placed in zip(parts, locations, strict=True):
            with desk.database.write() as tx:
                folders.record_seen(tx, at, range(uid + 1, uid + 1 + len(part)), NOW)
            with desk.database.write() as tx:
                items = folders.unfinished(tx, at)
                facts = [(i.id, len(raw), day) for i, (raw, day) in zip(items, part, strict=True)]
                folders.record_facts(tx, facts)
                arrivals = [mails.Arrival(i.id, p, d) for i, p, (_, d) in zip(items, placed, part, strict=True)]
                mails.store(tx, arrivals, mailbox="complaints", folder_name="bench", direction="in", now=NOW, mark=None)
            uid += len(part)

    _timed(cost, "register", register)
    answers = _timed(cost, "reader", lambda: [_read(raw, limits) for raw, _ in raws])
    ours = desk.ours
    desk.model.predict([words_of(a.message, a.body) for a in answers[:warm]])
    asked = [judging.Unjudged(a.message, a.body, day, ours) for a, (_, day) in zip(answers, raws, strict=True)]
    judging.judge(desk, asked[:warm])
    screened = _timed(cost, "screen", lambda: [screen.judge(m.message, m.body, m.ours, m.received_at) for m in asked])
    clues = _timed(cost, "cues", lambda: [
        judging.cues_of(desk.zone, m, s) for m, s in zip(asked, screened, strict=True)
    ])  # fmt: skip
    words = [words_of(m.message, m.body, c, s.received_at) for m, s, c in zip(asked, screened, clues, strict=True)]
    predicted = _timed(
        cost,
        "model",
        lambda: [p for i in range(0, len(words), BATCH) for p in desk.model.predict(words[i : i + BATCH])],
    )
    limit, calendar = desk.thresholds, desk.config.calendar
    decided = _timed(cost, "verdict", lambda: [
        verdict.of(m.message, m.body, s, c, p, limit, calendar)
        for m, s, c, p in zip(asked, screened, clues, predicted, strict=True)
    ])  # fmt: skip
    judged = [
        judging.Judged(m.message, m.body, s, c, v) for m, s, c, v in zip(asked, screened, clues, decided, strict=True)
    ]
    by_sha = {hashlib.sha256(raw).hexdigest(): (j, a) for (raw, _), j, a in zip(raws, judged, answers, strict=True)}

    def settle() -> None:
        while True:
            with desk.database.read() as tx:
                waiting = mails.waiting(tx, BATCH)
            if not waiting:
                return
            with desk.database.write() as tx:
                take_in.settle(desk, tx, [(mail, *by_sha[mail.sha256]) for mail in waiting])

    _timed(cost, "settle", settle)
    return {"mails": len(raws), "cpu_us": {name: cost[name] / len(raws) * 1e6 for name in STAGES}}


def _timed(cost: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    begun = time.process_time()
    done = work()
    cost[name] = time.process_time() - begun
    return done


def _fetched(server: dict[str, Any]) -> list[tuple[bytes, Any]]:
    """(bytes, INTERNALDATE) of every mail of the folder, through the fetch layer."""
    from triage.world import inbox, signin

    account = inbox.MailboxAccount(
        name="bench", host="localhost", port=server["port"], tls=inbox.Tls.NONE, ca_file=None, user=server["user"],
        sign_in=signin.Password(lambda: server["password"]),
    )  # fmt: skip
    with inbox.open(account) as box:
        box.select(server["folder"], read_only=True)
        facts = box.facts(box.uids())
        packed, _ = inbox.batches(facts, account.limits)
        return [(m.raw, facts[m.uid].internaldate) for uids in packed for m in box.fetch(uids, facts) if m.raw]


def _read(raw: bytes, limits: Any) -> Any:
    """What reader process and desk do together: parse, find the words, hand over."""
    from triage.world import reader

    return reader._unpickled(pickle.dumps(reader._answer(raw, limits), protocol=5))


def profile(*, into: str, password: str) -> dict[str, Any]:
    """Where the desk's own process spends its time: the twenty functions with the most time of their own."""
    from benchmarks import desk

    watch = cProfile.Profile()
    watch.enable()
    told = desk.intake(into=into, password=password)
    watch.disable()
    stats: dict[Any, Any] = pstats.Stats(watch).stats  # type: ignore[attr-defined]
    whole = sum(row[2] for row in stats.values())
    most = sorted(stats.items(), key=lambda item: -item[1][2])[:20]
    rows = [[_place(*where), row[1], round(100 * row[2] / whole, 1)] for where, row in most]
    return {"mails": told["mails"], "functions": rows}


def _place(path: str, line: int, name: str) -> str:
    parts = Path(path).parts
    for root in ("site-packages", "triage", "python3.11"):
        if root in parts:
            parts = parts[parts.index(root) + (root != "triage") :]
    return f"{'/'.join(parts[-3:])}:{name}" if path != "~" else name
