"""The ten goals of issue 8 as arithmetic over results.json; what was not measured is not met and not missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Results = Mapping[str, Any]  # the "parts" of results.json


@dataclass(frozen=True, slots=True)
class Goal:
    """One measured line of a goal. `met` is None where it was not measured, or not at the size that the goal names."""

    goal: str
    measured: float | None
    limit: float
    met: bool | None
    least: bool = False  # the limit is the least that will do, not the most
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def of(parts: Results) -> list[Goal]:
    """Every line of the ten goals."""
    return [_line(parts, *line) for line in _LINES]


def _line(
    parts: Results, goal: str, limit: float, least: bool, measure: Callable[[Results], float | None], note: str
) -> Goal:  # fmt: skip
    try:
        measured = measure(parts)
    except (KeyError, TypeError, ZeroDivisionError):
        measured = None
    if measured is None:
        return Goal(goal, None, limit, None, least, note)
    measured = float(f"{measured:.4g}")
    return Goal(goal, measured, limit, measured >= limit if least else measured <= limit, least, note)


def _pipeline_wall(parts: Results) -> float | None:
    table = parts["pipeline"]["table"]
    if parts["pipeline"]["mails"] < 10_000:
        return None
    ours = [table[name]["wall / mbsync"][0] for name in _OURS if name in table]
    return float(min(ours))


def _helpdesk(parts: Results, size: int, what: str) -> float | None:
    """The larger box counts; the goal speaks of 2,000 mails or more."""
    sizes = [int(name) for name in parts["helpdesk"]["table"]]
    wanted = min(sizes) if size < 1000 else max(sizes)
    if size >= 1000 and wanted < size:
        return None
    return float(parts["helpdesk"]["table"][str(wanted)][what][0])


def _mails_an_fsync(parts: Results) -> float:
    """No number is small enough where the database does not wait for the disk."""
    table = parts["pipeline"]["table"]["ours, one worker"]
    return float("inf") if table["synchronous"] != "2" else float(table["mails"][0] / table["fsyncs"][0])


def _grown(parts: Results, small: str, large: str, what: str) -> float:
    table = parts["memory"]["table"]
    return float(table[large][what][0] / table[small][what][0])


def _polls(parts: Results, what: str) -> float:
    table = parts["poll"]["table"]
    return float(table["100000"][what] / table["2000"][what])


def _sweep(parts: Results, name: str) -> float | None:
    found = parts["sweep"]["table"][name]
    return float(found["indexed_ms"] / found["scan_ms"]) if found["cases"] >= 1_000_000 else None


def _cost(parts: Results, name: str) -> float:
    return float(parts["helpdesk"]["escalation"][name]["cpu_us"])


_OURS = ("ours, one worker", "ours, two workers")
_LEAST = True

#: goal, limit, whether it is a least, how it is measured, what it says
_LINES: tuple[tuple[str, float, bool, Callable[[Results], float | None], str], ...] = (
    ("1 pipeline, wall / mbsync", 2, False, _pipeline_wall, "10,000 mails, the better of one and two workers"),
    ("2 fetch layer, CPU / imaplib in batches", 1.5, False,
     lambda p: p["retrieval"]["table"]["our fetch layer"]["cpu / imaplib, batches of 100"][0], "whole processes"),
    ("2 fetch layer, CPU / imapclient as it comes", 0.2, False,
     lambda p: p["retrieval"]["table"]["our fetch layer"]["cpu / imapclient as it comes"][0], "whole processes"),
    ("3 throughput / django-helpdesk, 2,000 mails", 20, _LEAST,
     lambda p: _helpdesk(p, 2000, "throughput ratio"), "start-up included"),
    ("3 CPU / django-helpdesk, 2,000 mails", 1 / 15, False,
     lambda p: _helpdesk(p, 2000, "CPU ratio"), "start-up included"),
    ("3 throughput / django-helpdesk, 300 mails", 4, _LEAST,
     lambda p: _helpdesk(p, 300, "throughput ratio"), "start-up included"),
    ("4 pipeline CPU / sum of its stages alone", 1.5, False,
     lambda p: p["stages"]["pipeline_us"] / p["stages"]["sum_us"], "less start-up"),
    ("5 idle poll, 100,000 / 2,000 old mails", 5, False, lambda p: _polls(p, "look_ms"), "a whole look, sign-in included"),
    ("5 idle poll on an open connection, 100,000 / 2,000", 5, False, lambda p: _polls(p, "ask_ms"), ""),
    ("5 octets of an idle poll at 100,000", 1024, False, lambda p: p["poll"]["table"]["100000"]["octets"], "open connection"),
    ("6 peak memory, 100,000 / 10,000 mails", 1.2, False, lambda p: _grown(p, "10000", "100000", "peak_mb"), "main process"),
    ("6 peak memory of the main process, MB", 250, False, lambda p: p["memory"]["table"]["100000"]["peak_mb"][0],
     "100,000 mails"),
    ("6 peak memory with one mail of 50 MB", 400, False,
     lambda p: max(p["memory"]["one_50_mb"][name] for name in ("peak_mb", "reader_peak_mb")), "desk or reader"),
    ("7 mails an fsync, synchronous FULL", 100, False, _mails_an_fsync, "raw mail; every batch has a commit of its own"),
    ("8 due search / full scan, SQLite", 0.1, False, lambda p: _sweep(p, "SQLite"), "1,000,000 open cases"),
    ("8 due search / full scan, PostgreSQL", 0.1, False, lambda p: _sweep(p, "PostgreSQL"), "1,000,000 open cases"),
    ("8 escalation CPU a case / django-helpdesk", 1 / 20, False,
     lambda p: _cost(p, "ours") / _cost(p, "django-helpdesk"), ""),
    ("9 triage --help, wall / bare Python", 15, False, lambda p: p["startup"]["table"]["triage --help"]["wall / python"][0], ""),
    ("9 heavy imports of triage --help", 0, False,
     lambda p: sum(name in ("sklearn", "prefect", "sqlalchemy") for name in p["startup"]["table"]["triage --help"]["imports"]),
     "sklearn, prefect, sqlalchemy"),
    ("10 training on 100,000 mails, CPU seconds", 120, False,
     lambda p: p["learning"]["train"]["train_cpu_s"] if p["learning"]["train"]["mails"] >= 100_000 else None, ""),
    ("10 prediction, mails a second and core", 2000, _LEAST, lambda p: p["learning"]["predict"]["mails_per_cpu_s"],
     "batches of 100"),
)  # fmt: skip
