"""Alarms that come again: what still needs a person is said once a day for each cause, until it is put right.

The first word about a mailbox is `collect`'s; this is the second and all that follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from triage.desk import Desk
from triage.errors import InvariantBroken
from triage.operations import invariant
from triage.operations.round import alarm
from triage.world.store import folders, register

AGAIN_AFTER = timedelta(days=1)
TOO_OFTEN, LATELY = 3, timedelta(minutes=30)  # so many runs of a kind that broke off within so long
LONGEST_RUN = timedelta(hours=1)  # a run without an end that began before that was killed


def check(desk: Desk) -> None:
    """Tell the operators of open circuits, of runs that break off and of a broken invariant. Raises InvariantBroken all
    the same."""
    day = _day(desk)
    _circuits(desk, day)
    broken_runs(desk)
    try:
        invariant.check(desk)
    except InvariantBroken as broken:
        todo = ["triage check --deep   compares every case with its events", "triage case NUMBER     shows one"]
        with desk.database.write() as tx:
            what = "The register contradicts itself: open cases without an owner or a next deadline."
            alarm(desk, tx, f"invariant:{day}", what, [broken.detail], todo)
        raise


def broken_runs(desk: Desk) -> dict[str, dict[str, int]]:
    """Kind of run -> how the runs of the last day ended: ok, trouble (known, and told by itself), broken off (killed, or
    by a fault nobody foresaw). Tells the operators where one kind broke off again and again."""
    now = desk.now()
    with desk.database.read() as tx:
        rows = register.runs_since(tx, now - timedelta(days=1))
    found: dict[str, Counter[str]] = {}
    lately: Counter[str] = Counter()
    for row in rows:
        end = _ended(row, now)
        found.setdefault(row["kind"], Counter())[end] += 1
        lately[row["kind"]] += end == "broken off" and row["started_at"] >= now - LATELY
    for kind, times in lately.items():
        if times >= TOO_OFTEN:
            what = f"The run `{kind}` broke off {times} times within {LATELY.seconds // 60} minutes."
            todo = ["prefect/runner.log below the data folder says where", "triage run     does it in the open"]
            with desk.database.write() as tx:
                alarm(desk, tx, f"runs:{kind}:{_day(desk)}", what, ["No mail is lost; the next run goes on."], todo)
    return {kind: dict(ends) for kind, ends in found.items()}


def _ended(row: Mapping[str, Any], now: datetime) -> str:
    if row["ended_at"] is None:
        return "running" if now - row["started_at"] < LONGEST_RUN else "broken off"
    return "ok" if row["ok"] else "broken off" if row["error"].startswith(register.BROKEN_OFF) else "trouble"


def runs_markdown(found: Mapping[str, Mapping[str, int]]) -> str:
    """The counts as a page for Prefect."""
    ends = ("ok", "trouble", "broken off", "running")
    lines = ["# Runs of the last day", "", f"| run | {' | '.join(ends)} |", "|---|---|---|---|---|"]
    lines += [f"| {kind} | {' | '.join(str(of.get(end, 0)) for end in ends)} |" for kind, of in sorted(found.items())]
    return "\n".join(lines) + "\n"


def _day(desk: Desk) -> date:
    return desk.now().astimezone(ZoneInfo(desk.zone)).date()


def _circuits(desk: Desk, day: date) -> None:
    read_now = {(box.name, spec.name) for box in desk.mailboxes for spec in box.read_folders}
    with desk.database.read() as tx:
        open_ = [f for f in folders.every(tx) if f.circuit and (f.mailbox, f.name) in read_now]
    for folder in open_:
        since = folder.last_ok_at
        if since is not None and desk.now() - since < AGAIN_AFTER:
            continue
        what = f"{folder.mailbox}/{folder.name} still cannot be read; a person is needed."
        details = [folder.circuit or "", f"last good scan: {since or 'never'}", f"{folder.failures} tries since"]
        todo = ["triage check      tries it and says what to do"]
        with desk.database.write() as tx:
            alarm(desk, tx, f"circuit:{folder.id}:{day}", what, details, todo)
