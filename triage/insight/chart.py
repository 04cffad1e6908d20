"""Figures to look at: bars as inline SVG, tables, and the page around them. Nothing is fetched from anywhere. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

_ROW, _BAR, _LABEL, _PLOT, _FIGURE = 30, 9, 190, 430, 90

#: colours that also differ in grey; text uses the page's own
_COLOURS = ("#4477aa", "#ee8866", "#999999")

_STYLE = """
:root { color-scheme: light dark; --line: #8886; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
svg { max-width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
.wide { overflow-x: auto; }
"""


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows of bars side by side. `names` are the series; each row has a label and a value for each of them."""

    title: str
    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    stacked: bool = False  # the values of a row are parts of a whole: one bar, drawn to its full width


@dataclass(frozen=True, slots=True)
class Grid:
    """A table."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    none: str = "None."


def page(title: str, lead: Iterable[str], parts: Iterable[Bars | Grid]) -> str:
    """One HTML page that needs nothing but itself."""
    paragraphs = "".join(f"<p>{escape(line)}</p>\n" for line in lead)
    body = "".join(_bars(part) if isinstance(part, Bars) else _grid(part) for part in parts)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><h1>{escape(title)}</h1>\n{paragraphs}{body}</body></html>\n"
    )


def _grid(part: Grid) -> str:
    head = f"<h2>{escape(part.title)}</h2>\n"
    if not part.rows:
        return f"{head}<p>{escape(part.none)}</p>\n"
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in part.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in part.rows)
    return f'{head}<div class="wide"><table><tr>{heads}</tr>\n{rows}</table></div>\n'


def drawing(part: Bars) -> str:
    """The bars alone, as an SVG file of their own on a white ground."""
    drawn = _drawn(part)
    style = "<style>text { font: 13px system-ui, sans-serif; }</style><rect width='100%' height='100%' fill='#fff'/>"
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(">", f">{style}", 1) + "\n"


def _bars(part: Bars) -> str:
    head = f"<h2>{escape(part.title)}</h2>\n"
    return head + (_drawn(part) if part.rows else "<p>Nothing to show.</p>") + "\n"


def _drawn(part: Bars) -> str:
    top = 26
    height = top + _ROW * len(part.rows)
    drawn = [_legend(part.names)]
    most = max((max(values, default=0) for _, values in part.rows), default=0) or 1
    for number, (label, values) in enumerate(part.rows):
        y = top + number * _ROW
        drawn.append(f'<text x="{_LABEL - 8}" y="{y + 15}" text-anchor="end">{escape(label)}</text>')
        drawn.append(_stack(values, y) if part.stacked else _side_by_side(values, y, most))
    width = _LABEL + _PLOT + _FIGURE
    said = escape(
        f"{part.title}: " + "; ".join(f"{label} {_figures(values)}" for label, values in part.rows), quote=True
    )
    size = f'viewBox="0 0 {width} {height}" width="{width}"'
    return f'<svg role="img" aria-label="{said}" {size}>{"".join(drawn)}</svg>'


def _legend(names: Sequence[str]) -> str:
    found, x = [], _LABEL
    for number, name in enumerate(names):
        found.append(f'<rect x="{x}" y="4" width="10" height="10" fill="{_colour(number)}"/>')
        found.append(f'<text x="{x + 15}" y="14">{escape(name)}</text>')
        x += 30 + 8 * len(name)
    return "".join(found)


def _side_by_side(values: Sequence[float], y: int, most: float) -> str:
    found = []
    for number, value in enumerate(values):
        wide = value / most * _PLOT
        found.append(f'<rect x="{_LABEL}" y="{y + 3 + number * (_BAR + 1)}" width="{wide:.1f}" height="{_BAR}" '
                     f'fill="{_colour(number)}"/>')  # fmt: skip
    longest = max(values, default=0) / most * _PLOT
    found.append(f'<text x="{_LABEL + longest + 6:.1f}" y="{y + 15}">{_figures(values)}</text>')
    return "".join(found)


def _stack(values: Sequence[float], y: int) -> str:
    found, x, whole = [], float(_LABEL), sum(values) or 1
    for number, value in enumerate(values):
        wide = value / whole * _PLOT
        found.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{wide:.1f}" height="17" fill="{_colour(number)}"/>')
        x += wide
    found.append(f'<text x="{_LABEL + _PLOT + 6}" y="{y + 15}">{_figures(values)}</text>')
    return "".join(found)


def _figures(values: Sequence[float]) -> str:
    return " / ".join(f"{value:g}" for value in values)


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
