"""A backtest as JSON, as text and as a page to look at. Pure; moments in JSON are UTC, elsewhere in the desk's zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from triage.casework.card import local
from triage.insight import chart
from triage.insight.backtest import Backtest, Share, Shift


def as_json(found: Backtest) -> dict[str, Any]:
    """The stable form of `triage routing backtest --json`."""
    return {
        "since": iso(found.since), "until": iso(found.until), "before": found.version_before,
        "after": found.version_after, "cases": found.cases,
        "agreement": None if found.agreement is None else round(found.agreement, 4),
        "owners_moved": len(found.owners_moved), "moves": [asdict(m) for m in found.moves],
        "load": [asdict(s) for s in found.load], "shifts": [shift(s) for s in found.shifts],
        "breaches_added": [shift(s) for s in found.breaches_added],
        "breaches_removed": [shift(s) for s in found.breaches_removed],
        "open_now": found.open_now, "open_cases_that_move": len({s.number for s in found.open_shifts}),
        "open_shifts": [shift(s) for s in found.open_shifts],
    }  # fmt: skip


def shift(s: Shift) -> dict[str, Any]:
    return {"id": s.number, "target": s.target, "before": iso(s.before), "after": iso(s.after),
            "breached_before": s.breached_before, "breached_after": s.breached_after}  # fmt: skip


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def lead(found: Backtest) -> list[str]:
    """What came out, in sentences."""
    trust = ""
    if found.agreement is not None:
        trust = f" The old rules, run again, name the real first owner of {found.agreement:.0%} of them."
    return [
        f"Rules {found.version_before[:12]} against {found.version_after[:12]}, on {found.cases} cases.{trust}",
        f"{len(found.owners_moved)} would have had another owner. {len({s.number for s in found.shifts})} would have had "
        f"other deadlines: {len(found.breaches_added)} breaches more, {len(found.breaches_removed)} fewer.",
        f"{len({s.number for s in found.open_shifts})} of {found.open_now} open cases would move now.",
    ]


_MOVE_HEADS = ("case", "type", "urgency", "owner", "rule", "policy")
_SHIFT_HEADS = ("case", "clock", "due before", "due after", "result")


def text(found: Backtest, zone: str) -> str:
    """For a terminal."""
    lines = [*lead(found), ""]
    lines += ["Moved", *("  " + "  ".join(row) for row in _move_rows(found))] if found.moves else ["Nothing moves."]
    lines += ["", "Load (cases in that time, most open at once)"]
    lines += [
        f"  {s.person:<14} {s.before:>5} -> {s.after:<5} {s.peak_before:>5} -> {s.peak_after:<5}" for s in _busy(found)
    ]
    for title, shifts in _results(found):
        lines += [
            "",
            f"{title}: {len(shifts)}",
            *(f"  {line}" for line in shift_lines([shift(s) for s in shifts], zone)),
        ]
    return "\n".join(lines)


def html(found: Backtest, zone: str) -> str:
    """A page to look at."""
    load = tuple((s.person, (float(s.before), float(s.after))) for s in _busy(found))
    peaks = tuple((s.person, (float(s.peak_before), float(s.peak_after))) for s in _busy(found))
    parts: list[chart.Bars | chart.Grid] = [
        chart.Bars("Cases a person", ("before", "after"), load),
        chart.Bars("Most open at once", ("before", "after"), peaks),
        chart.Grid("Moved", _MOVE_HEADS, tuple(_move_rows(found)), "Nothing moves."),
    ]
    for title, shifts in (*_results(found), ("All deadlines that differ", found.shifts)):
        parts.append(chart.Grid(title, _SHIFT_HEADS, tuple(_shift_row(shift(s), zone) for s in shifts)))
    return chart.page(f"Backtest, {found.since:%d %b %Y} to {found.until:%d %b %Y}", lead(found), parts)


def _results(found: Backtest) -> tuple[tuple[str, tuple[Shift, ...]], ...]:
    return (
        ("Breaches added", found.breaches_added),
        ("Breaches removed", found.breaches_removed),
        ("Open cases that move now", found.open_shifts),
    )


def _busy(found: Backtest) -> list[Share]:
    """Who had or would have had anything."""
    return [s for s in found.load if s.before or s.after or s.peak_before or s.peak_after]


def _move_rows(found: Backtest) -> list[tuple[str, ...]]:
    return [
        (m.number, m.complaint_type, m.urgency, _arrow(m.owner_before, m.owner_after), _arrow(m.rule_before, m.rule_after),
         _arrow(m.policy_before, m.policy_after))
        for m in found.moves
    ]  # fmt: skip


def _arrow(before: str, after: str) -> str:
    return before if before == after else f"{before} -> {after}"


def shift_lines(shifts: Sequence[Mapping[str, Any]], zone: str) -> list[str]:
    return ["  ".join(_shift_row(s, zone)) for s in shifts]


def _shift_row(s: Mapping[str, Any], zone: str) -> tuple[str, ...]:
    def when(value: str | None) -> str:
        return local(datetime.fromisoformat(value), zone) if value else "-"

    result = _arrow("late" if s["breached_before"] else "in time", "late" if s["breached_after"] else "in time")
    return (s["id"], s["target"], when(s["before"]), when(s["after"]), result)
