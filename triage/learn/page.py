"""An evaluation as one HTML page: tables and inline SVG plots, no script, no request to anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}
table{border-collapse:collapse;margin:.6rem 0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #dde2e8}
th:first-child,td:first-child{text-align:left}caption{text-align:left;color:#566}
.plots{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0}figcaption{color:#566;max-width:20rem;font-size:.9rem}
.scroll{overflow-x:auto}.quiet{color:#566}td.text{text-align:left;max-width:34rem}
@media (prefers-color-scheme:dark){body{background:#14181d;color:#dde3ea}th,td{border-color:#333b45}
figcaption,caption,.quiet{color:#9aa6b2}svg{color:#dde3ea}}
"""

#: the figures of `rates` in words, in the order shown
RATES = {
    "complaint_kept": "complaints kept as complaint or seen by a person",
    "others_filed_right": "other mail filed rightly",
    "type_right": "type right",
    "type_right_or_acceptable": "type right or acceptable",
    "type_among_two_guesses": "type among the two best guesses",
    "auto_routed": "complaints routed without a look",
    "auto_routed_right": "of these, type right or acceptable",
    "urgency_right": "urgency exact",
    "urgency_right_or_acceptable": "urgency exact or acceptable",
    "critical_recall": "critical found",
    "urgent_missed": "urgent or critical sent to normal or low",
    "urgent_missed_unseen": "of these, not even looked at by a person (share of urgent)",
    "calm_raised": "normal or low raised",
    "reviewed": "mail that a person looks at first",
}


def render(report: Mapping[str, Any], title: str, made: str) -> str:
    """The page of a report of `triage.learn.evaluate.evaluate`. `made` is a line on when and on what."""
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1><p class=quiet>{escape(made)}</p>",
            f"<p>{report['mails']} mails, {report['complaints']} of them complaints.",
            "Intervals are 95 %, drawn over customers.</p>",
            _rates(report["rates"]),
            _plots(report["type"], report["urgency"]),
            _classes("Types", report["type"]["per_class"]),
            _confusion("Types: label down, decision across", report["type"]["confusion"]),
            _classes("Urgency", report["urgency"]["per_class"]),
            _confusion("Urgency: label down, decision across", report["urgency"]["confusion"]),
            _confusion("Dispositions: label down, decision across", report["dispositions"]),
            _flags(report["flags"]),
            _languages(report["languages"]),
            _worst(report["worst"]),
        )
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}\n{body}\n</html>\n'


def _plots(kind: Mapping[str, Any], urgency: Mapping[str, Any]) -> str:
    reliable = [(row["confidence"], row["right"]) for row in kind["reliability"]]
    risky = [(row["confidence"], row["right"]) for row in urgency["reliability"]]
    routed = [(row["share"], row["right"]) for row in kind["coverage"]]
    flagged = [(row["flagged"], row["missed"]) for row in urgency["missed_against_flagged"]]
    plots = (
        _plot(reliable, ("confidence in the type", "share right"), f"Reliability of the type. ECE {kind['ece']:.3f}."),
        _plot(risky, ("P(urgent or critical)", "share urgent"), f"Reliability of urgency. ECE {urgency['ece']:.3f}."),
        _plot(routed, ("share routed", "share right"), "Type: the share right among the surest mails.", line=True),
        _plot(
            flagged,
            ("share flagged", "urgent missed"),
            "Urgent mail missed if only this share is looked at.",
            line=True,
        ),
    )
    return f"<h2>How sure, how right</h2><div class=plots>{''.join(plots)}</div>"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _rate(row: Mapping[str, Any]) -> str:
    if row["rate"] is None:
        return "<td>–<td>–<td>0"
    return f"<td>{_percent(row['rate'])}<td>{_percent(row['low'])} to {_percent(row['high'])}<td>{row['n']}"


def _rates(rates: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(f"<tr><td>{escape(RATES.get(name, name))}{_rate(row)}" for name, row in rates.items())
    return f"<h2>Decisions</h2><table><tr><th>figure<th>rate<th>interval<th>of{rows}</table>"


def _classes(title: str, classes: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{_percent(r['precision'])}<td>{_percent(r['recall'])}<td>{r['f1']:.2f}<td>{r['n']}"
        for name, r in classes.items()
    )
    return f"<h2>{escape(title)}</h2><table><tr><th>class<th>precision<th>recall<th>F1<th>mails{rows}</table>"


def _confusion(title: str, table: Mapping[str, Mapping[str, int]]) -> str:
    across = sorted({name for row in table.values() for name in row})
    head = "".join(f"<th>{escape(name)}" for name in across)
    lines = []
    for name, row in table.items():
        total = max(sum(row.values()), 1)
        cells = "".join(_cell(row.get(other, 0), row.get(other, 0) / total, name == other) for other in across)
        lines.append(f"<tr><td>{escape(name)}{cells}")
    return f"<h3>{escape(title)}</h3><div class=scroll><table><tr><th>{head}{''.join(lines)}</table></div>"


def _cell(count: int, share: float, right: bool) -> str:
    colour = "60,150,90" if right else "200,70,50"
    return f'<td style="background:rgba({colour},{min(share, 1.0):.2f})">{count or ""}'


def _flags(flags: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}<td>{r['hit']}<td>{r['missed']}<td>{r['wrong']}"
        for name, r in flags["per_flag"].items()
    )
    pooled = "; ".join(
        f"{name} {_percent(row['rate'])} ({_percent(row['low'])} to {_percent(row['high'])})"
        for name, row in (("recall", flags["recall"]), ("precision", flags["precision"]))
    )
    head = "<tr><th>flag<th>found<th>missed<th>wrong"
    return f"<h2>Flags</h2><p>All together: {pooled}.</p><table>{head}{rows}</table>"


def _languages(languages: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    rows = "".join(f"<tr><td>{escape(name)}{_rate(r['type'])}{_rate(r['urgency'])}" for name, r in languages.items())
    head = "<tr><th>language<th>type<th>interval<th>of<th>urgency<th>interval<th>of"
    return f"<h2>Languages</h2><table><caption>right or acceptable</caption>{head}{rows}</table>"


def _worst(worst: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(r['id'])}<td>{escape(str(r['type']))}<td>{escape(str(r['decided_type']))}<td>{escape(r['urgency'])}"
        f"<td>{escape(str(r['decided_urgency']))}<td>{'yes' if r['review'] else 'no'}<td class=text>{escape(r['text'])}"
        f"<br><span class=quiet>{escape(', '.join(r['terms']))}</span>"
        for r in worst
    )
    head = (
        "<tr><th>mail<th>type<th>decided<th>urgency<th>decided<th>person looks<th>text, redacted; words that spoke most"
    )
    return f"<h2>Worst mistakes</h2><div class=scroll><table>{head}{rows}</table></div>"


def _plot(points: Sequence[tuple[float, float]], axes: tuple[str, str], caption: str, *, line: bool = False) -> str:
    """A unit square: a line through the points, or the points as dots beside the diagonal they should lie on."""
    size, left, top = 240, 44, 10

    def at(x: float, y: float) -> tuple[str, str]:
        return f"{left + size * min(max(x, 0.0), 1.0):.1f}", f"{top + size * (1 - min(max(y, 0.0), 1.0)):.1f}"

    def path(*through: tuple[float, float]) -> str:
        return "M" + "L".join(" ".join(at(x, y)) for x, y in through)

    drawn = []
    for t in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = at(t, t)
        drawn.append(f'<path d="{path((0, t), (1, t))}{path((t, 0), (t, 1))}" stroke="currentColor" opacity=".12"/>')
        drawn.append(f'<text x="{left - 6}" y="{y}" dy="4" text-anchor="end">{t:g}</text>')
        drawn.append(f'<text x="{x}" y="{top + size + 16}" text-anchor="middle">{t:g}</text>')
    if line and points:
        drawn.append(f'<path d="{path(*points)}" fill="none" stroke="#2a6fdb" stroke-width="2"/>')
    else:
        drawn.append(f'<path d="{path((0, 0), (1, 1))}" stroke="currentColor" stroke-dasharray="4 4" opacity=".5"/>')
        drawn += ['<circle cx="{}" cy="{}" r="4" fill="#2a6fdb"/>'.format(*at(x, y)) for x, y in points]
    across, up = map(escape, axes)
    middle = top + size / 2
    drawn.append(f'<text x="{left + size / 2}" y="{size + 44}" text-anchor="middle">{across}</text>')
    drawn.append(f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{up}</text>')
    box = f'width="{size + left + 16}" height="{size + 52}" font-size="11" fill="currentColor"'
    svg = f'<svg {box} role="img" aria-label="{escape(caption)}">{"".join(drawn)}</svg>'
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"
