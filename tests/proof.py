"""`make proof`: the long proofs, and the page that says what they showed.

    python -m tests.proof [--fuzz-minutes 10]       runs them all and writes docs/reliability.md
    python -m tests.proof --from FILE ...           writes the page from junit files of earlier runs

The page holds only what ran; a proof that was skipped is listed with its reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import FUZZED

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- make proof -->", "<!-- end of make proof -->"  # the rest of the page is the soak's
SERVERS = ("pymap", "dovecot", "cyrus", "courier")
INTAKE = tuple(
    f"tests/test_{name}.py"
    for name in ("intake", "intake_faults", "intake_trouble", "intake_state", "take_in", "crash")
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One test that ran, with the figures it gave."""

    file: str
    name: str
    result: str  # passed, failed, skipped
    why: str
    seconds: float
    figures: tuple[tuple[str, str], ...]

    @property
    def title(self) -> str:
        return self.name.partition("[")[0].removeprefix("test_").replace("_", " ")

    @property
    def parameter(self) -> str:
        return self.name.partition("[")[2].removesuffix("]")


def read(path: Path) -> list[Ran]:
    """The tests of a junit file."""
    found = []
    for case in ET.parse(path).iter("testcase"):  # our own file, written a moment ago
        bad = next((part for part in case if part.tag in ("failure", "error")), None)
        skipped = case.find("skipped")
        result = "failed" if bad is not None else "skipped" if skipped is not None else "passed"
        figures = tuple((p.get("name", ""), p.get("value", "")) for p in case.iter("property"))
        why = (skipped.get("message") or "") if skipped is not None else ""
        place, name = case.get("classname", ""), case.get("name", "")
        found.append(Ran(place.rpartition(".")[2], name, result, why, float(case.get("time", "0")), figures))
    return found


def section(ran: Sequence[Ran]) -> str:
    """The part of docs/reliability.md that the proofs write."""
    bits = [
        BEGIN,
        "## As proved",
        "",
        "Written by `make proof` (`python -m tests.proof`). Every figure is of the run named here; nothing is carried over.",
        "",
        f"Machine: {os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}. "
        f"{sum(r.result == 'passed' for r in ran)} tests passed, {sum(r.result == 'failed' for r in ran)} failed, "
        f"{sum(r.result == 'skipped' for r in ran)} skipped, {sum(r.seconds for r in ran) / 60:.0f} minutes.",
        "",
        *_fleet(ran), *_soaks(ran), *_kills(ran), *_servers(ran), *_faults(ran), *_stories(ran), *_fuzz(), *_left_out(ran), END,
    ]  # fmt: skip
    return "\n".join(bits) + "\n"


def placed(page: str, part: str) -> str:
    """The page with this part in place of the old one, or at its end."""
    before, mark, rest = page.partition(BEGIN)
    after = rest.partition(END)[2] if mark else ""
    return (before.rstrip() + "\n\n" + part + after.lstrip("\n")).lstrip("\n")


def _figures(ran: Iterable[Ran], name: str) -> list[list[str]]:
    return [value.split("|") for one in ran for key, value in one.figures if key == name]


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows), ""]


def _kills(ran: Sequence[Ran]) -> list[str]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0] * 7)
    for database, *numbers in _figures(ran, "kills"):
        sums[database] = [a + b for a, b in zip(sums[database], [1, *map(int, numbers)], strict=True)]
    rows = [(name, *numbers) for name, numbers in sorted(sums.items())]
    heads = ["database", "rounds", "kills", "mails", "lost", "cases doubled", "notices under two ids", "under one id"]
    return [
        "### Killed at random moments",
        "",
        "A cycle (IMAP, register, notices by SMTP) is killed by SIGKILL at a random moment of its run, again and again, new "
        "mail in between; then one is left alone, and everything is counted. A notice may leave twice under the same "
        "Message-ID when the kill falls between the SMTP server's answer and the commit; receivers drop the copy.",
        "",
        *_table(heads, rows),
    ]


def _fleet(ran: Sequence[Ran]) -> list[str]:
    rows = _figures(ran, "fleet")
    heads = ["mails", "mailboxes", "killed after s", "processes killed", "mails settled by then", "all settled after s",
             "mails", "cases", "different"]  # fmt: skip
    return [
        "### Two workers, one killed",
        "",
        "A Prefect server and the register on PostgreSQL, two workers of a process work pool with the deployments of "
        "docs/deploy/prefect.yaml (one intake for each mailbox), a Dovecot, all on this machine. When half of the backlog is "
        "settled, one worker and all it started get SIGKILL. Afterwards the register is compared with the one that a single "
        "process makes of the same mailboxes: of every mail its state, outcome, disposition and case; of every case its "
        "mails, customer, type, urgency, flags with their evidence, pool, deadlines and review. Not compared: numbers and "
        "row ids, and which member of a pool got the case (the one with the fewest, which depends on who was counted first).",
        "",
        *(_table(heads, rows) if rows else ["Not run.", ""]),
    ]


def _soaks(ran: Sequence[Ran]) -> list[str]:
    rows = [value for one in ran for key, value in one.figures if key == "soak"]
    heads = "| day | what, length | mails | faults | cycles | cases | notices | at the end |"
    return ["### Soaks of this run", "", *([heads, f"|{'---|' * 8}", *rows] if rows else ["Not run."]), ""]


def _servers(ran: Sequence[Ran]) -> list[str]:
    by_title: dict[str, dict[str, str]] = defaultdict(dict)
    for one in ran:
        if one.file == "test_intake" and one.parameter in SERVERS:
            by_title[one.title][one.parameter] = {"passed": "holds"}.get(one.result, one.result)
    rows = [(title, *(results.get(server, "not run") for server in SERVERS)) for title, results in by_title.items()]
    return ["### Server by server", "", *_table(["what holds", *SERVERS], rows)]


def _faults(ran: Sequence[Ran]) -> list[str]:
    rows = [
        (name, f"in after {runs} {'look' if runs == '1' else 'looks'}", cases, stand_ins)
        for name, runs, cases, stand_ins in _figures(ran, "fault")
    ]
    heads = ["the fault server", "twelve mails", "cases", "of them stand-ins"]
    others = [
        (
            f"{one.title} ({one.parameter})" if one.parameter else one.title,
            {"passed": "holds"}.get(one.result, one.result),
        )
        for one in ran
        if one.file in ("test_intake_faults", "test_intake_trouble", "test_take_in") and not one.figures
    ]
    return ["### Fault by fault", "", *_table(heads, rows), *_table(["and also", ""], others)]


def _stories(ran: Sequence[Ran]) -> list[str]:
    rows = _figures(ran, "stories")
    told = " and ".join(f"{count} stories of up to {steps} steps" for count, steps in rows) or "not run"
    return [
        "### Any order of things",
        "",
        "Deliveries, redeliveries, moves, deletions, flags, folders made anew, crashes at a step, a second run cutting in, "
        f"a clock that steps back, in random order on a real server: {told}. After each run every mail that was ever "
        "seen is settled exactly once, and no flag has changed.",
        "",
    ]


def _fuzz() -> list[str]:
    runs = [json.loads(line) for line in FUZZED.read_text().splitlines()] if FUZZED.exists() else []
    hours, mails = sum(run["minutes"] for run in runs) / 60, sum(run["mails"] for run in runs)
    rows = [(r["seed"], r["minutes"], r["mails"], r["mib"], r["slowest_cpu_seconds"], len(r["crashes"])) for r in runs]
    heads = ["seed", "minutes", "mails", "MiB", "slowest mail, CPU seconds", "places that broke"]
    return [
        "### Fuzzing",
        "",
        f"{hours:.1f} hours, {mails} mails in all (docs/fuzzed.jsonl).",
        "",
        *_table(heads, rows),
    ]


def _left_out(ran: Sequence[Ran]) -> list[str]:
    missed = [(f"{one.title} {one.parameter}".strip(), one.result, one.why) for one in ran if one.result != "passed"]
    return ["### Not shown", "", *_table(["test", "result", "why"], missed)] if missed else []


def run(fuzz_minutes: float) -> list[Path]:
    """Run everything; the junit files."""
    folder = Path(tempfile.mkdtemp(prefix="triage-proof-"))
    files = [folder / "proof.xml", folder / "intake.xml"]
    for path, what in ((files[0], ("-m", "proof")), (files[1], ("-m", "not proof", *INTAKE))):
        command = [sys.executable, "-m", "pytest", "-rs", "-o", "junit_family=xunit1", f"--junitxml={path}", *what]
        subprocess.run(command, cwd=ROOT, check=False)
    subprocess.run([sys.executable, "-m", "tests.fuzz", "--minutes", str(fuzz_minutes)], cwd=ROOT, check=False)
    return [path for path in files if path.exists()]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proof")
    parser.add_argument("--fuzz-minutes", type=float, default=10.0)
    parser.add_argument("--from", dest="files", nargs="+", type=Path)
    given = parser.parse_args(arguments)
    ran = [one for path in given.files or run(given.fuzz_minutes) for one in read(path)]
    PAGE.parent.mkdir(exist_ok=True)
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(placed(page, section(ran)), encoding="utf-8")
    print(f"{len(ran)} tests; {PAGE.relative_to(ROOT)} is written")
    return 1 if any(one.result == "failed" for one in ran) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
