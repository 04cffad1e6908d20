"""results.json -> the section of docs/quality.md between two marks. Pure but for `write`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.quality.sets import NAMES, RANKING
from benchmarks.quality.variants import SHIPPED

BEGIN, END = "<!-- public sets -->", "<!-- end of public sets -->"

_LEAD = """\
## The trainer on public data

Written by `make bench-quality DATA=DIR` (`python -m benchmarks.quality`); the sets themselves are not part of the project.
"Ours" is the trainer as it ships (`triage.learn.train.fit`), each public class taken for a complaint type; the anchors are
scikit-learn with settings fixed beforehand. Choices are made by five-fold cross-validation on the training part, and the
test part is opened once a release. Intervals are 95 %: Wilson's for accuracy, else bootstrap over texts (that of the
calibration error leans upwards: a resample is rougher than the sample). ECE: of the likeliest class, 15 bins of equal mass.
Selective: accuracy on the 80 % of texts that are surest. Coverage: share of texts, the surest first, answered with 95 %
accuracy. A row without test figures was tried after the test part had been opened; one without the cross-validated figure is
no longer among the contenders."""

_CHOICE = (("accuracy", "accuracy"), ("macro_f1", "macro-F1"), ("ece", "ECE"), ("selective", "selective"),
           ("coverage", "coverage"))  # fmt: skip
_RANKING = (("average_precision", "average precision"), ("recall", "recall at precision .5"),
            ("missed", "urgent missed at 20 % review"), ("ece", "ECE"))  # fmt: skip
_WITH_INTERVAL = ("accuracy", "macro_f1", "average_precision", "missed")


def section(results: Mapping[str, Any]) -> str:
    """The whole section, marks included."""
    sets = results.get("sets", {})
    bits = [BEGIN, _LEAD]
    bits += [_of_set(name, sets[name]) for name in NAMES if name in sets]
    if any("variants" in one for one in sets.values()):
        bits.append(_variants(sets))
    missing = [name for name in NAMES if name not in sets]
    if missing:
        bits.append("Not measured yet: " + ", ".join(missing) + ".")
    return "\n\n".join([*bits, END])


def insert(page: str, new: str) -> str:
    """The page with what stands between the marks replaced; at the end where there are no marks."""
    before, begun, rest = page.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if begun and ended:
        return before + new + after
    return page.rstrip("\n") + "\n\n" + new + "\n"


def write(results: Mapping[str, Any], path: Path) -> None:
    """Put the section into the page at `path`."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(insert(page, section(results)), encoding="utf-8")


def _of_set(name: str, one: Mapping[str, Any]) -> str:
    columns = _RANKING if name == RANKING else _CHOICE
    release = next(reversed(one.get("opened", {})), "")
    opened: Mapping[str, Any] = one["opened"][release] if release else {}
    rows = opened.get("rows", {})
    crossed = one["cross_validated"]
    first = columns[0][0]
    head = ["model", f"{columns[0][1]}, cross-validated", *(title for _, title in columns), "CPU s"]
    lines = []
    for rival in dict.fromkeys([*rows, *crossed]):
        known, test = crossed.get(rival, {}), rows.get(rival, {})
        cells = [_cell(key, test.get(key), bare=rival == "commonest class") for key, _ in columns]
        lines.append([rival, _cell(first, known.get(first)), *cells, f"{known['cpu_s']:.0f}" if known else ""])
    sizes = f"{one['classes']} classes, {one['train']:,} training texts, {one['test']:,} test texts"
    if one.get("urgent") is not None:
        sizes += f" of which {one['urgent']} urgent; training before 2024, test from 2024 on"
    taken = "; ".join(f"{count} {why}" for why, count in one["dropped"].items() if count)
    words = [f"### {name}", f"{sizes}.{f' Taken out: {taken}.' if taken else ''}", _table(head, lines)]
    said = [f"Test part opened for release {release} on {opened['day']}."] if opened else ["Test part not opened yet."]
    said += [f"{rival} less the best anchor ({opened['best_anchor']}), on the same texts: {_signed(apart)}."
             for rival, apart in opened.get("against_best", {}).items()]  # fmt: skip
    said += _outside(opened.get("outside", {}))
    said += _control(one.get("control"))
    return "\n\n".join([*words, "\n".join(f"* {line}" for line in said)])


def _outside(outside: Mapping[str, Mapping[str, float]]) -> list[str]:
    if not outside:
        return []
    told = "; ".join(f"{rival} {_short(one['auroc'])}, {_short(one['recall'])}" for rival, one in outside.items())
    return [
        "Texts of no class, by the largest margin (area under the curve; share found when 5 % of the others are"
        f" rejected): {told}."
    ]


def _control(control: Mapping[str, Any] | None) -> list[str]:
    if not control:
        return []
    what = "average_precision" if "average_precision" in control else "accuracy"
    title = "average precision (mean, least and most of three)" if what != "accuracy" else what
    verdict = "at chance" if control["at_chance"] else "ABOVE CHANCE: the measurement leaks"
    return [f"Ours on shuffled labels: {title} {_range(control[what])}, chance is up to"
            f" {_short(control['chance'])}: {verdict}."]  # fmt: skip


def _variants(sets: Mapping[str, Mapping[str, Any]]) -> str:
    columns: dict[str, Mapping[str, Any]] = {}
    for name in NAMES:
        for key, title in (("variants", name), ("variants_by_source", f"{name}, by source")):
            if key in sets.get(name, {}):
                columns[title] = sets[name][key]
    tried = dict.fromkeys(variant for one in columns.values() for variant in one)
    rows = [[variant, *(_variant(variant, one.get(variant)) for one in columns.values())] for variant in tried]
    texts = ", ".join(f"{title} {one[SHIPPED.name]['texts']:,}" for title, one in columns.items())
    return "\n\n".join([
        "### Other settings of the trainer",
        "One change at a time, cross-validated on the training part (`--variants`). The first line is the accuracy"
        f" ({RANKING}: average precision) of the settings as they ship, the others the paired difference to it."
        " By source: each of the three collections of the training part is left out in turn, so that what a model has"
        f" learnt of the way a collection was cleaned does not help it. Texts: {texts}.",
        _table(["setting", *columns], rows),
    ])  # fmt: skip


def _variant(name: str, one: Mapping[str, Any] | None) -> str:
    if not one:
        return ""
    return _range(next(iter(one.values()))) if name == SHIPPED.name else _signed(one["against_shipped"])


def _cell(key: str, figure: Sequence[float] | None, *, bare: bool = False) -> str:
    if figure is None or (bare and key in ("ece", "selective", "coverage")):
        return ""  # one confidence for all texts: there are no surest ones
    return _range(figure) if key in _WITH_INTERVAL else _short(figure[0])


def _range(figure: Sequence[float]) -> str:
    return f"{_short(figure[0])} ({_short(figure[1])}-{_short(figure[2])})"


def _signed(figure: Sequence[float]) -> str:
    value, low, high = (f"{number:+.3f}".replace("0.", ".", 1) for number in figure)
    return f"{value} ({low} to {high})"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
