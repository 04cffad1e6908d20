"""`python -m benchmarks short|full [--only NAME ...]`: measure, merge into results.json, write docs/performance.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import goals, report
from benchmarks.measure import ROOT, Broken
from benchmarks.parts import PARTS, Bench, save
from benchmarks.servers import Missing

RESULTS = Path(__file__).resolve().parent / "results.json"


def main(arguments: Sequence[str]) -> int:
    """0 where every part ran; 1 where one broke (the others are kept)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "form", choices=("short", "full", "report"), help="report: write the page from results.json again"
    )
    parser.add_argument("--only", action="append", choices=tuple(PARTS), help="this part alone; may be given again")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "triage-benchmarks",
                        help="where boxes and peers' environments are kept (up to 5 GB)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    given = parser.parse_args(arguments)
    broken = _measure(given) if given.form != "report" else []
    found = _read(given.results)
    _finish(found, given.results, given.docs)
    lines = goals.of(found["parts"])
    counts = [sum(line.met is state for line in lines) for state in (True, False, None)]
    print(f"goals: {counts[0]} met, {counts[1]} missed, {counts[2]} not measured; see {given.docs / 'performance.md'}")
    for line in lines:
        if line.met is False:
            print(f"  missed: {line.goal}: {line.measured}, limit {line.limit:.3g}")
    return 1 if broken else 0


def _measure(given: argparse.Namespace) -> list[str]:
    """Run the parts, each saved as soon as it is done. Returns those that broke."""
    given.cache.mkdir(parents=True, exist_ok=True)
    broken = []
    for name in given.only or PARTS:
        part, minutes = PARTS[name]
        print(f"{name}" + (f" (about {minutes:g} minutes)" if given.form == "full" else ""), flush=True)
        work = Path(tempfile.mkdtemp(prefix="triage-bench-"))
        work.chmod(0o755)  # getmail delivers as another user
        bench = Bench(given.form == "full", given.cache, work)
        begun, load = time.monotonic(), os.getloadavg()[0]
        try:
            figures = part(bench)
        except (Broken, Missing) as why:
            print(f"  {name} broke: {why}", flush=True)
            broken.append(name)
            continue
        finally:
            shutil.rmtree(work, ignore_errors=True)
        found = _read(given.results)
        found["parts"][name] = {
            **figures, "form": given.form, "day": datetime.now(UTC).date().isoformat(),
            "minutes": round((time.monotonic() - begun) / 60, 1), "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        }  # fmt: skip
        found["skipped"] = {**found.get("skipped", {}), **bench.skipped}
        save(given.results, found)
    return broken


def _read(path: Path) -> dict[str, Any]:
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"parts": {}}


def _finish(found: dict[str, Any], results: Path, docs: Path) -> None:
    found["all_parts"] = list(PARTS)
    found["machine"] = {
        "processors": f"{os.cpu_count()} processors", "system": f"{platform.system()} {platform.machine()}",
        "python": f"Python {platform.python_version()}",
    }  # fmt: skip
    found["goals"] = [line.as_json() for line in goals.of(found["parts"])]
    save(results, found)
    report.write(found, docs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
