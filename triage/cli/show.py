"""How things look on a terminal: tables, moments, JSON lines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from triage.errors import Misuse


def emit(rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object a line."""
    for row in rows:
        print(json.dumps(row, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    raise TypeError(type(value).__name__)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], widest: dict[str, int] | None = None) -> str:
    """Columns as wide as their longest cell, or as `widest` allows; cells are cut with an ellipsis."""
    limits = [(widest or {}).get(head, 60) for head in heads]
    cut = [[_cut(visible(cell), limit) for cell, limit in zip(row, limits, strict=True)] for row in rows]
    widths = [max(len(head), *(len(row[i]) for row in cut)) if cut else len(head) for i, head in enumerate(heads)]
    lines = [list(heads), ["-" * width for width in widths], *cut]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def visible(text: str) -> str:
    """Hostile text cannot move the cursor: control characters become spaces."""
    return "".join(character if character.isprintable() else " " for character in str(text))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


def local(moment: datetime | str | None, zone: str) -> str:
    """A moment (or its ISO 8601 text) as people of the desk read it: `Tue 24 Nov 13:00`."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return "-" if moment is None else f"{moment.astimezone(ZoneInfo(zone)):%a %d %b %H:%M}"


def written(path: Path, text: str) -> str:
    """Write a page, and say where. Raises Misuse where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}.") from None
    return f"written to {path}"


_MOMENT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|\+00:00)")


def in_words(text: str, zone: str) -> str:
    """A line of ours with its moments as people of the desk read them, and nothing that moves the cursor."""
    return _MOMENT.sub(lambda match: local(match[0], zone), visible(text))


def heading(text: str) -> str:
    text = visible(text)
    return f"\n{text}\n{'=' * len(text)}"


def progress(line: str) -> None:
    """A line of progress, kept apart from what a command prints."""
    print(f"  {line}", file=sys.stderr, flush=True)
