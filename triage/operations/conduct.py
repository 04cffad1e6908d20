"""How we treat people, in figures: promises kept, and whether those who complain often wait longer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection

from triage.casework import deadline
from triage.casework.case import Case
from triage.desk import Desk
from triage.insight import fairness, promises
from triage.insight.fairness import Waited
from triage.insight.promises import Rate
from triage.operations import holes
from triage.operations.casebook import calendar_of, replay
from triage.words import Disposition, State, Status, Target
from triage.world.store import cases as store
from triage.world.store.database import Database

_RECENT = timedelta(days=180)  # promises older than this say little about today
#: figures of the last hour: a card must not cost a scan
_KEPT: WeakKeyDictionary[Database, tuple[datetime, list[Rate]]] = WeakKeyDictionary()


def figures(desk: Desk, cases: Sequence[Case], days: int) -> dict[str, Any]:
    """The part of the report about conduct. No name and no address."""
    now = desk.now()
    since = now - timedelta(days=days)
    told = promises.rates(c for c in cases if any(p.made_at >= since for p in c.promises))
    return {
        "promises": [
            {"type": r.complaint_type, "span": r.span, "kept": r.kept, "broken": r.broken, "open": r.open,
             "rate": None if r.rate is None else round(r.rate, 3), "median_days": r.median_days}
            for r in told
        ],
        "fairness": _fairness(desk, cases, now).as_json(),
        "fairness_said": _fairness(desk, cases, now).sentence(),
        "hand_offs": sum(c.handoffs for c in cases if c.received_at >= since),
        "several_repliers": sum(any(f.name == "multi_owner_replies" for f in c.flags) for c in cases if c.received_at >= since),
    }  # fmt: skip


def _fairness(desk: Desk, cases: Iterable[Case], now: datetime) -> fairness.Fairness:
    recent = [
        c for c in cases
        if c.disposition is Disposition.COMPLAINT and c.status is not Status.MERGED
        and now - c.received_at <= timedelta(days=fairness.DAYS) and "@" in c.customer
    ]  # fmt: skip
    often = fairness.frequent(((c.customer, c.received_at) for c in recent), now)
    return fairness.measure([w for c in recent if (w := _waited(desk, c, now))], often)


def _waited(desk: Desk, case: Case, now: datetime) -> Waited | None:
    """How long the first response took; a case still owed one has waited until now."""
    found = deadline.of(case, desk.config.policies, desk.config.calendars, now)
    first = next((d for d in found if d.target is Target.FIRST_RESPONSE), None)
    if first is None or (first.finished_at is None and not case.is_open):
        return None
    minutes = calendar_of(desk, case).between(case.received_at, first.finished_at or now).total_seconds() / 60
    # the level it had at the receipt: a raise that our own slowness caused must not hide that slowness
    return Waited(case.customer, case.regimes[0].urgency, minutes, first.state is State.BREACHED)


def markdown(told: Mapping[str, Any]) -> list[str]:
    """The figures as lines of the report."""
    lines = ["", told["fairness_said"]]
    lines.append(
        f"{told['hand_offs']} hand-offs after acceptance; in {told['several_repliers']} cases several of us answered."
    )
    rows = [r for r in told["promises"] if r["kept"] + r["broken"] + r["open"]]
    if rows:
        lines += [
            "",
            "| promises in | span | kept | broken | open | rate | done after |",
            "|---|---|---|---|---|---|---|",
        ]
    for r in rows[:20]:
        rate = "-" if r["rate"] is None else f"{r['rate']:.0%}"
        after = "-" if r["median_days"] is None else f"{r['median_days']:g} d"
        lines.append(f"| {r['type']} | {r['span']} | {r['kept']} | {r['broken']} | {r['open']} | {rate} | {after} |")
    return lines


def kept_rate(desk: Desk, tx: Connection, case: Case) -> str:
    """One line for the owner of a new case: how promises of this type were kept. Figures may be an hour old, and leave
    out a case that cannot be read: they must never cost an escalation."""
    now = desk.now()
    known = _KEPT.get(desk.database)
    if known is None or not timedelta(0) <= now - known[0] < timedelta(hours=1):
        ids = store.with_promises(tx, now - _RECENT)
        events = store.events(tx, ids)
        readable: list[Case] = []
        for one in ids:
            with holes.noted(one, "read"):
                readable.append(replay(events[one]))
        known = (now, promises.rates(readable))
        _KEPT[desk.database] = known
    return promises.sentence(known[1], case.complaint_type)
