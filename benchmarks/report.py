"""results.json -> docs/performance.md: tables, plots as SVG files beside it, the profile, the next bottleneck. Pure but
for `write`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import goals
from triage.insight import chart
from triage.insight.chart import Bars

_LEAD = """\
# Performance

Written by `make bench` and `make bench-full` (`python -m benchmarks`) from `benchmarks/results.json`; every figure is of the
run named beside it. Absolute times do not travel between machines: what counts are the ratios, of runs that took turns.
Where a figure has three numbers they are the median, the least and the most. CPU is that of our processes, never the
mail server's or the database server's. The mailbox is made from a seed: 40 % plain mails with long quoted histories, 40 %
with HTML of 5 to 60 KB, 10 % with attachments of 50 KB to 1 MB, 10 % automatic mail, in seven charsets.
"""


def page(results: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = results["parts"]
    bits = [_LEAD, _machine(results)]
    bits += [f"## The goals\n\n{_goals(parts)}"]
    for name, section in _SECTIONS:
        if name in parts:
            bits.append(section(parts[name]) + f"\n\n{_of(parts[name])}")
    skipped = results.get("skipped") or {}
    if skipped:
        bits.append("## Skipped\n\n" + _table(("what", "why"), sorted(skipped.items())))
    missing = [name for name in results.get("all_parts", ()) if name not in parts]
    if missing:
        bits.append("Not measured yet: " + ", ".join(missing) + ".")
    return "\n\n".join(bit.strip() for bit in bits) + "\n"


def plots(parts: Mapping[str, Any]) -> dict[str, str]:
    """File name -> SVG."""
    found: dict[str, str] = {}
    if "stages" in parts:
        rows = tuple((name, (cost,)) for name, cost in parts["stages"]["cpu_us"].items())
        found["stages.svg"] = _bars("CPU microseconds a mail", ("each stage alone",), rows)
    if "memory" in parts:
        table = parts["memory"]["table"]
        rows = tuple((f"{int(size):,} mails", (table[size]["peak_mb"][0],)) for size in table)
        found["memory.svg"] = _bars("Peak memory, MB", ("main process",), rows)
        rows = tuple((f"{int(size):,} mails", (table[size]["cpu_us"][0],)) for size in table)
        found["intake.svg"] = _bars("CPU microseconds a small mail, start-up included", ("intake",), rows)
    if "poll" in parts:
        table = parts["poll"]["table"]
        rows = tuple((f"{int(size):,} old mails", (_round(table[size]["look_ms"]),)) for size in table)
        found["poll.svg"] = _bars("A look with nothing new, ms", ("with sign-in",), rows)
    if "retrieval" in parts:
        table = parts["retrieval"]["table"]
        rows = tuple((name, (_round(row["cpu_us"][0]),)) for name, row in table.items() if name != "getmail6")
        found["retrieval.svg"] = _bars("Fetching, CPU microseconds a mail", ("client",), rows)
    return found


def write(results: Mapping[str, Any], docs: Path) -> None:
    """The page and its plots."""
    folder = docs / "performance"
    folder.mkdir(parents=True, exist_ok=True)
    for name, drawing in plots(results["parts"]).items():
        (folder / name).write_text(drawing, encoding="utf-8")
    (docs / "performance.md").write_text(page(results), encoding="utf-8")


def _bars(title: str, names: tuple[str, ...], rows: tuple[tuple[str, tuple[float, ...]], ...]) -> str:
    return chart.drawing(Bars(title, names, rows))


def _machine(results: Mapping[str, Any]) -> str:
    machine = results.get("machine") or {}
    return f"Machine: {', '.join(str(value) for value in machine.values())}."


def _of(part: Mapping[str, Any]) -> str:
    took = f", {part['minutes']:g} minutes" if "minutes" in part else ""
    load = f", load {part['load'][0]:g} before and {part['load'][1]:g} after" if "load" in part else ""
    return f"*{part.get('form', '?')} form, {part.get('day', '?')}{took}{load}*"


def _goals(parts: Mapping[str, Any]) -> str:
    rows = []
    for goal in goals.of(parts):
        said = "not measured" if goal.met is None else "met" if goal.met else "missed"
        limit = f"{'at least' if goal.least else 'at most'} {_figure(goal.limit)}"
        rows.append((goal.goal, _figure(goal.measured), limit, said, goal.note))
    return _table(("goal", "measured", "limit", "", "how"), rows)


def _retrieval(part: Mapping[str, Any]) -> str:
    heads = ("client", "mails", "mails a second", "CPU µs a mail")
    rows = [
        (name, row["count"], _three(row["per_second"]), _three(row["cpu_us"])) for name, row in part["table"].items()
    ]
    ours = part["table"].get("our fetch layer", {})
    said = [f"our fetch layer, {name}: {_three(value)}" for name, value in ours.items() if name.startswith("cpu /")]
    return (
        "## Fetching\n\n" + _table(heads, rows) + "\n\n" + "; ".join(said)
        + f". A process that does nothing costs {part['interpreter_cpu_s']} s of it.\n\n"
        "![CPU a mail by client](performance/retrieval.svg)"
    )  # fmt: skip


def _stages(part: Mapping[str, Any]) -> str:
    cost = part["cpu_us"]
    whole = part["sum_us"]
    rows = [(name, _figure(value), f"{100 * value / whole:.0f} %") for name, value in cost.items()]
    most = sorted(cost, key=lambda name: -cost[name])[:2]
    return (
        f"## Each stage alone\n\nCPU microseconds a mail, {part['mails']} mails, SQLite.\n\n"
        + _table(("stage", "CPU µs a mail", "share"), rows)
        + f"\n\nTogether {_figure(whole)} µs; the whole pipeline, less start-up, {_figure(part['pipeline_us'])} µs, which is "
        f"{part['pipeline_us'] / whole:.2f} times that. Start-up costs {_three(part['start_up_cpu_s'])} s.\n\n"
        f"The next bottleneck is **{most[0]}** ({_figure(cost[most[0]])} µs), after it {most[1]}: without {most[0]} a mail would "
        f"cost {_figure(part['pipeline_us'] - cost[most[0]])} µs.\n\n![CPU a mail by stage](performance/stages.svg)"
    )


def _pipeline(part: Mapping[str, Any]) -> str:
    heads = (
        "candidate",
        "mails a second",
        "wall s",
        "CPU µs a mail",
        "peak MB",
        "wall / mbsync",
        "wall / durable pull",
    )
    rows = [
        (
            name, _three(row["per_second"]), _three(row["wall_s"]), _three(row["cpu_us"]), _three(row.get("peak_mb")),
            _three(row.get("wall / mbsync")), _three(row.get("wall / imaplib, hashed, written, fsynced")),
        )
        for name, row in part["table"].items()
    ]  # fmt: skip
    return (
        f"## The whole pipeline\n\n{part['mails']} mails: fetched, stored raw with one fsync a batch, parsed, screened, judged "
        "by the shipped model, routed, a case with its deadlines and notices in one commit a batch. Start-up included.\n\n"
        + _table(heads, rows)
    )


def _helpdesk(part: Mapping[str, Any]) -> str:
    rows = []
    for size, table in part["table"].items():
        for name in ("ours", "django-helpdesk"):
            if name in table:
                rows.append((size, name, _three(table[name]["per_second"]), _three(table[name]["cpu_us"])))
        for name in ("throughput ratio", "CPU ratio"):
            if name in table:
                rows.append((size, name, _three(table[name]), ""))
    text = _table(("mails", "", "mails a second", "CPU µs a mail"), rows)
    costs = [(name, row["cases"], _figure(row["cpu_us"])) for name, row in part["escalation"].items()]
    page = f"## Beside django-helpdesk\n\nSQLite, start-up included.\n\n{text}\n\n"
    page += "Escalation of what is due, start-up left out on both sides:\n\n" + _table(
        ("", "cases", "CPU µs a case"), costs
    )
    ours = part["escalation"]["ours"]
    if "digest_us" in ours:
        page += (
            f"\n\nA case of ours took {ours['steps']:.1f} steps at once, each with its event, result and mail; a ticket of "
            f"theirs one. The daily digest, measured apart, costs {_figure(ours['digest_us'])} µs an open case, once a day."
        )
    return page


def _poll(part: Mapping[str, Any]) -> str:
    rows = [
        (size, _figure(row["look_ms"]), _figure(row["ask_ms"]), row["octets"]) for size, row in part["table"].items()
    ]
    return (
        "## A look with nothing new\n\n"
        + _table(
            ("old mails", "whole look with sign-in, ms", "on an open connection, ms", "octets of the answer"), rows
        )
        + "\n\n![A look by old mails](performance/poll.svg)"
    )


def _memory(part: Mapping[str, Any]) -> str:
    rows = [
        (size, _three(row["peak_mb"]), _three(row["reader_peak_mb"]), _three(row["cpu_us"]))
        for size, row in part["table"].items()
    ]
    large = part["one_50_mb"]
    rows.append(("20, one of 50 MB", _figure(large["peak_mb"]), _figure(large["reader_peak_mb"]), ""))
    return (
        "## Memory and growth\n\nSmall mails: the same mix without padding and attachments.\n\n"
        + _table(("mails", "peak MB, desk", "peak MB, reader", "CPU µs a mail, start-up included"), rows)
        + "\n\n![Memory](performance/memory.svg)\n\n![CPU a mail by size of the box](performance/intake.svg)"
    )


def _sweep(part: Mapping[str, Any]) -> str:
    rows = [
        (name, f"{row['cases']:,}", row["due"], *(_figure(row[w]) for w in ("indexed_ms", "scan_ms", "nothing_due_ms")))
        for name, row in part["table"].items()
    ]
    heads = ("database", "open cases", "due", "by index, ms", "full scan, ms", "nothing due, ms")
    return "## Finding what is due\n\n" + _table(heads, rows)


def _deadlines(part: Mapping[str, Any]) -> str:
    return (
        f"## Deadline arithmetic\n\nTwenty business hours from a moment: {_figure(part['table_us'])} µs by the table of open "
        f"hours, {_figure(part['stepping_us'])} µs by stepping from hour to hour."
    )


def _learning(part: Mapping[str, Any]) -> str:
    train, predict = part["train"], part["predict"]
    return (
        f"## Learning\n\nTraining on {train['mails']:,} mails: {_figure(train['train_cpu_s'])} s CPU, {train['features']:,} "
        f"features. The shipped model predicts {_figure(predict['mails_per_cpu_s'])} mails a second and core in batches of 100 "
        f"({_figure(predict['cpu_us'])} µs a mail, reading the words included)." + _sentences(predict)
    )


def _sentences(predict: Mapping[str, Any]) -> str:
    cost = predict.get("with_sentences_cpu_us")
    return f" With the extra `semantic`, which reads whole sentences, a mail takes {_figure(cost)} µs." if cost else ""


def _startup(part: Mapping[str, Any]) -> str:
    rows = [(name, _three(row["wall_s"]), _three(row["cpu_s"])) for name, row in part["table"].items()]
    help_ = part["table"]["triage --help"]
    return (
        "## Start-up\n\n" + _table(("command", "wall s", "CPU s"), rows)
        + f"\n\n`triage --help` takes {_three(help_['wall / python'])} times as long as bare Python and imports "
        f"{', '.join(help_['imports']) or 'nothing heavy'}."
    )  # fmt: skip


def _profile(part: Mapping[str, Any]) -> str:
    rows = [(f"`{place}`", calls, f"{share} %") for place, calls, share in part["functions"]]
    return (
        f"## Profile\n\nThe functions with the most time of their own in the desk's process, {part['mails']} mails (cProfile: "
        "good for shares, not for seconds; `poll` is waiting for the reader).\n\n"
        + _table(("function", "calls", "share"), rows)
    )


_SECTIONS = (
    ("pipeline", _pipeline), ("stages", _stages), ("retrieval", _retrieval), ("helpdesk", _helpdesk), ("poll", _poll),
    ("memory", _memory), ("sweep", _sweep), ("deadlines", _deadlines), ("learning", _learning), ("startup", _startup),
    ("profile", _profile),
)  # fmt: skip


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])


def _three(values: Sequence[float] | None) -> str:
    """Median, and the spread where there is one."""
    if not values:
        return ""
    middle, least, most = values
    return _figure(middle) if least == most else f"{_figure(middle)} ({_figure(least)} to {_figure(most)})"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _round(value: float) -> float:
    return float(f"{value:.3g}")
