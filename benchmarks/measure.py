"""Measuring: a command in a process of its own, taking turns with the others; medians and spread.

CPU is that of the process and all it started and waited for (wait4), user and system. Wall time on a shared machine is
good for ratios of neighbours only, hence the turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


class Broken(Exception):
    """A measured command failed; the words are the end of what it said."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds of wall time, seconds of CPU, and what the command itself told."""

    wall: float
    cpu: float
    told: Mapping[str, Any] = field(default_factory=dict)


def run(command: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Sample:
    """Run a command to its end. What it prints as its last line, if that is a JSON object, is what it told."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        # Bytecode is kept, as on any machine: without it every start would compile the program anew.
        around = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(env or {})}
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=cwd, env=around)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode("utf-8", "replace").strip().splitlines()
        if process.returncode:
            err.seek(0)
            raise Broken(f"{Path(command[0]).name}: {err.read().decode('utf-8', 'replace').strip()[-500:]}")
    told = json.loads(said[-1]) if said and said[-1].startswith("{") else {}
    return Sample(wall, used.ru_utime + used.ru_stime, told)


def job(name: str, **arguments: Any) -> Sample:
    """Run a function of `benchmarks.jobs` in a fresh interpreter with one thread for numpy."""
    command = [sys.executable, "-m", "benchmarks.jobs", name, json.dumps(arguments)]
    return run(command, {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})


def turns(runs: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Each of them once, then each again: neighbours in time see the same machine. What breaks is left out at once."""
    found: dict[str, list[Sample]] = {}
    broken: set[str] = set()
    for _ in range(rounds):
        for name, one in runs.items():
            if name in broken:
                continue
            try:
                found.setdefault(name, []).append(one())
            except Broken as why:
                print(f"  {name} broke: {why}", flush=True)
                broken.add(name)
                found.pop(name, None)
    return found


@dataclass(frozen=True, slots=True)
class Figure:
    """Median, least and most of several runs."""

    median: float
    least: float
    most: float

    @staticmethod
    def of(values: Sequence[float]) -> Figure:
        return Figure(median(values), min(values), max(values))

    def as_json(self) -> list[float]:
        return [_short(self.median), _short(self.least), _short(self.most)]


def summary(samples: Sequence[Sample], count: int = 0) -> dict[str, Any]:
    """The figures of one candidate as results.json keeps them: [median, least, most] each."""
    found: dict[str, Any] = {
        "runs": len(samples),
        "wall_s": Figure.of([s.wall for s in samples]).as_json(),
        "cpu_s": Figure.of([s.cpu for s in samples]).as_json(),
    }
    if count:
        found["count"] = count
        found["per_second"] = Figure.of([count / s.wall for s in samples]).as_json()
        found["cpu_us"] = Figure.of([s.cpu / count * 1e6 for s in samples]).as_json()
    told = {name for sample in samples for name in sample.told}
    for name in sorted(told):
        values = [sample.told[name] for sample in samples if name in sample.told]
        number = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        found[name] = Figure.of(values).as_json() if number else values[-1]
    return found


def ratio(over: Sequence[Sample], under: Sequence[Sample], what: Callable[[Sample], float]) -> Figure:
    """The ratio of two candidates, round by round."""
    return Figure.of([what(a) / what(b) for a, b in zip(over, under, strict=False) if what(b)])


def _short(value: float) -> float:
    """Four digits: more is noise."""
    return float(f"{value:.4g}")
