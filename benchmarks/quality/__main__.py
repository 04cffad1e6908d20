"""`python -m benchmarks.quality --data DIR`: measure, merge into results.json, write the section of docs/quality.md."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import triage
from benchmarks.quality import measure, page, sets, variants
from benchmarks.quality.ours import remembering

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent.parent / "docs" / "quality.md"
SKIPPED = "skipped: no folder of public data was given (make bench-quality DATA=DIR, or --data DIR)."


def main(arguments: Sequence[str]) -> int:
    """0 where everything asked for was measured, or nothing was given to measure on; 1 where something was refused, is
    missing, or the control is above chance."""
    given = _parser().parse_args(arguments)
    if given.report:
        page.write(_read(given.results), given.page)
        return 0
    if given.data is None or not str(given.data).strip(". "):
        print(SKIPPED)
        return 0
    if given.open_test and given.fast:
        print("refused: a fast run does not open a test part.")
        return 1
    found = _read(given.results)
    failed = False
    for name in given.only or sets.NAMES:
        print(name, flush=True)
        try:
            if given.open_test:
                measure.may_open(found, name, given.open_test, triage.__version__)
            public = sets.read(given.data, name)
        except (measure.Refused, FileNotFoundError) as why:
            print(f"  {'refused' if isinstance(why, measure.Refused) else 'missing'}: {why}", flush=True)
            failed = True
            continue
        one = _measured(sets.fast(public) if given.fast else public, given)
        failed |= not one.get("control", {}).get("at_chance", True)
        if not given.fast:
            found = _read(given.results)  # another run may have written meanwhile
            _merge(found.setdefault("sets", {}).setdefault(name, {}), one)
            given.results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            page.write(found, given.page)
    return 1 if failed else 0


def _measured(public: sets.PublicSet, given: argparse.Namespace) -> dict[str, Any]:
    if given.variants:
        tried = {"variants": variants.compare(public.train)}
        if public.train.sources:
            tried["variants_by_source"] = variants.compare(public.train, by_source=True)
        return tried
    rivals = measure.contenders(public, sentences=not given.without_sentences)
    with remembering():
        one, opened = measure.measure(public, rivals, opening=bool(given.open_test))
    one["control"] = measure.control(public)
    print(f"    shuffled labels: {measure.brief(one['control'])}, chance up to {one['control']['chance']}", flush=True)
    if opened:
        one["opened"] = {given.open_test: {"day": datetime.now(UTC).date().isoformat(), **opened}}
        for rival, row in opened["rows"].items():
            print(f"    test: {rival}: {measure.brief(row)}", flush=True)
    return one


def _merge(known: dict[str, Any], new: dict[str, Any]) -> None:
    """What was opened for earlier releases stays."""
    opened = {**known.get("opened", {}), **new.pop("opened", {})}
    known.update(new)
    if opened:
        known["opened"] = opened


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder with a sub-folder a set; nothing of it is copied")
    parser.add_argument("--only", action="append", choices=sets.NAMES, help="this set alone; may be given again")
    parser.add_argument("--fast", action="store_true", help="a thousand training texts, nothing is written")
    parser.add_argument("--open-test", metavar="RELEASE", help="open the test parts, once for the release at hand")
    parser.add_argument("--variants", action="store_true", help="compare settings of the trainer instead")
    parser.add_argument(
        "--report", action="store_true", help="write the section again from the results, measure nothing"
    )
    parser.add_argument("--without-sentences", action="store_true", help="leave the sentence encoder out")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
