"""What the report says of the judging itself: how many complaints are missed, and whether anything has drifted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from triage.desk import Desk
from triage.insight import drift
from triage.insight.drift import Period
from triage.operations import sampling
from triage.words import Disposition
from triage.world.store import cases, learning, register

NOW, BEFORE = timedelta(weeks=4), timedelta(weeks=16)  # the last four weeks against the twelve before them


def figures(desk: Desk, tx: Connection) -> dict[str, Any]:
    """The part of the report about the judging. No name, no address, no word of any mail."""
    now = desk.now()
    rows = learning.judged_since(tx, now - BEFORE)
    changes = [c for c in register.corrections(tx) if c["old"] != c["new"] and c["at"] >= now - BEFORE]
    edge = now - NOW
    before = _period([r for r in rows if r["judged_at"] < edge], {c["mail_id"] for c in changes if c["at"] < edge})
    recent = _period([r for r in rows if r["judged_at"] >= edge], {c["mail_id"] for c in changes if c["at"] >= edge})
    return {
        "audit": sampling.figures(desk, tx),
        "drift": {
            "mails_before": len(before.labels), "mails_now": len(recent.labels), "models": _models(rows, edge),
            "moved": [
                {"name": m.name, "before": m.before, "now": m.now, "p": m.p, "alarm": m.alarm, "said": m.said}
                for m in drift.compare(before, recent)
            ],
            "inflation": drift.inflation(_by_week(desk, tx)),
        },
    }  # fmt: skip


def _period(rows: Iterable[Mapping[str, Any]], corrected: set[int]) -> Period:
    labels, confidence, reviewed = [], [], 0
    for row in rows:
        verdict = row["verdict"] or {}
        complaint = row["disposition"] == Disposition.COMPLAINT
        labels.append(str((complaint and verdict.get("complaint_type")) or row["disposition"]))
        p = (verdict.get("confidence") or {}).get("type")
        if complaint and p is not None:
            confidence.append(float(p))
        reviewed += bool(verdict.get("review"))
    return Period(labels, confidence, min(len(corrected), len(labels)), reviewed)


def _models(rows: Iterable[Mapping[str, Any]], edge: Any) -> list[list[str]]:
    """Names of the models that judged before and since: another model is the first explanation of a change."""
    found: list[set[str]] = [set(), set()]
    for row in rows:
        found[row["judged_at"] >= edge].add(str((row["verdict"] or {}).get("model") or "rules"))
    return [sorted(names) for names in found]


def _by_week(desk: Desk, tx: Connection) -> list[Counter[str]]:
    """New cases of the last two whole weeks by urgency."""
    now = desk.now()
    weeks = [Counter[str](), Counter[str]()]
    for at, urgency in cases.urgencies_since(tx, now - timedelta(weeks=2)):
        weeks[now - at < timedelta(weeks=1)][urgency] += 1
    return weeks


def markdown(found: Mapping[str, Any]) -> list[str]:
    """The figures as lines of the report: what a person should look at first, then a sentence each."""
    told = found["drift"]
    lines = ["", "## The judging", "", sampling.sentence(found["audit"])]
    alarms = [m["said"] for m in told["moved"] if m["alarm"]] + ([told["inflation"]] if told["inflation"] else [])
    lines += [f"ALARM: {said}." for said in alarms]
    if alarms and told["models"][0] != told["models"][1]:
        lines.append(
            f"Another model has judged since: {', '.join(told['models'][1])}, before {', '.join(told['models'][0])}."
        )
    lines.append(f"The last 4 weeks ({told['mails_now']} mails) against the 12 before ({told['mails_before']} mails):")
    return [*lines, *(f"* {m['said']}." for m in told["moved"])]
