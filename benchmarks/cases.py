"""The due search over a million open cases, escalation, and deadline arithmetic."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.generator import NOW

DUE = 1022


def sweep_query(*, url: str, cases: int, due: int = DUE) -> dict[str, Any]:
    """Milliseconds of `cases.due` in a register of that many open cases: by its index, by a full scan, with nothing due."""
    from sqlalchemy import insert, text

    from triage.world import schema
    from triage.world.store import cases as store
    from triage.world.store.database import Database, migrate

    database = Database(url)
    migrate(database)
    table = schema.cases
    with database.write() as tx:
        rows = (_row(number, cases, due) for number in range(cases))
        while part := list(islice(rows, 10_000)):
            tx.execute(insert(table), part)
        tx.execute(text("ANALYZE"))

    def look(now: datetime, times: int) -> tuple[float, int]:
        took, found = [], 0
        for _ in range(times):
            with database.write() as tx:
                at = time.perf_counter()
                found = len(store.due(tx, now, 2 * due))
                took.append((time.perf_counter() - at) * 1000)
        return median(took), found

    look(NOW, 2)
    indexed, found = look(NOW, 15)
    nothing, none = look(NOW - timedelta(days=400), 15)
    with database.write() as tx:
        tx.execute(text("DROP INDEX ix_cases_next_due_at"))
    scan, same = look(NOW, 5)
    database.close()
    assert found == same == due and none == 0, (found, same, none)
    return {"cases": cases, "due": due, "indexed_ms": indexed, "nothing_due_ms": nothing, "scan_ms": scan}


def _row(number: int, cases: int, due: int) -> dict[str, Any]:
    """Every n-th case is due by now; the others within a year."""
    every = cases // due
    is_due = number % every == 0 and number // every < due
    when = NOW - timedelta(minutes=number % 600) if is_due else NOW + timedelta(minutes=1 + number % 500_000)
    return {
        "number": f"C-2026-{number:07d}", "version": 1, "status": "open", "mailbox": "complaints", "owner": "alex",
        "customer": f"customer{number}@mail.example", "disposition": "complaint", "urgency": 2, "policy": "standard",
        "review": False, "step": 0, "received_at": NOW, "opened_at": NOW, "config_version": "bench",
        "subject": "Order 12345 has not arrived", "next_due_at": when, "next_target": "resolution",
    }  # fmt: skip


def escalation(*, into: str, password: str, days: float = 4.0) -> dict[str, Any]:
    """A sweep over the cases of a desk that intake has filled, days later: CPU microseconds a case that was due.

    Start-up is not in it, neither the peer's. The daily digest, which lists every open case once a day and which the peer
    does not have, comes before and is told apart.
    """
    from tests.room import PASSWORD
    from triage.desk import open_desk
    from triage.operations import telling
    from triage.operations.sweep import sweep
    from triage.world import settings

    os.environ |= {PASSWORD: password}
    found = settings.load(Path(into) / "config", Path(into) / "data", {"TRIAGE_SECRET": "s" * 40})
    with open_desk(found, now=lambda: NOW + timedelta(days=days)) as desk:
        begun = time.process_time()
        telling.daily(desk, {})
        digest = time.process_time() - begun
        begun = time.process_time()
        swept = sweep(desk)
        cpu = time.process_time() - begun
    due = max(swept.cases, 1)
    return {
        "cases": swept.cases, "escalations": swept.escalations, "reminders": swept.reminders, "cpu_s": cpu,
        "cpu_us": cpu / due * 1e6, "steps": (swept.escalations + swept.reminders) / due, "digest_us": digest / due * 1e6,
    }  # fmt: skip


def deadlines(*, rounds: int = 20_000) -> dict[str, Any]:
    """Microseconds for a business-time deadline: by our table of open hours, and by stepping hours on the wall clock."""
    from zoneinfo import ZoneInfo

    from triage.world import config

    calendar = next(iter(config.load(config.shipped()).calendars.values()))
    starts = [NOW + timedelta(minutes=17 * number) for number in range(rounds)]
    span = timedelta(hours=20)
    calendar.add(starts[0], span), calendar.add(starts[-1], span)
    begun = time.process_time()
    for start in starts:
        calendar.add(start, span)
    table = time.process_time() - begun
    zone = ZoneInfo(calendar.zone)
    few = starts[:: max(1, rounds // 500)]
    begun = time.process_time()
    for start in few:
        at, left = start, 20
        while left:
            at += timedelta(hours=1)
            left -= calendar.is_open(at.astimezone(zone))
    stepped = time.process_time() - begun
    return {"table_us": table / len(starts) * 1e6, "stepping_us": stepped / len(few) * 1e6}
