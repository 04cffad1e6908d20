"""The composed corpus (`models/corpus`): read it, and check it. `python -m triage.learn.corpus check models/corpus`.

JSON lines, one mail each; `docs/quality.md` explains the keys. A corpus with a problem is not trained on: wrong
labels, an id used twice, an address that could be somebody's, or a near-duplicate (also between training and held-out
part) all make the figures in the card worthless.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from triage.errors import Problem
from triage.learn import similar
from triage.learn.example import LEARNABLE, Example
from triage.words import COMPLAINT_TYPES, FLAGS, HISTORY_FLAGS, Disposition, Urgency

KEYS = frozenset(
    [
        "id",
        "writer",
        "lang",
        "industry",
        "subject",
        "text",
        "disposition",
        "type",
        "secondary",
        "urgency",
        "flags",
        "acceptable",
        "from",
        "headers",
        "note",
    ]
)
_NEEDED = ("id", "writer", "lang", "subject", "text", "disposition")
_RESERVED = re.compile(
    r"(?:^|\.)(?:example\.(?:com|org|net)|[a-z0-9-]+\.example|example|test|invalid|localhost)$", re.IGNORECASE
)
_HOST = re.compile(r"(?:[\w.+-]{1,64}@|https?://(?:www\.)?|\bwww\.)([a-z0-9.-]{1,253}\.[a-z]{2,24})\b", re.IGNORECASE)
_UK_MOBILE = re.compile(r"\b07\d{3}[ ]?\d{3}[ ]?\d{3}\b")
_FLAG_NAMES = frozenset((*FLAGS, *HISTORY_FLAGS))
#: programs write these in the same words the world over
_MACHINE_WORDED = (Disposition.BOUNCE, Disposition.AUTOREPLY)
#: mails that are no complaint but carry a dated duty may have an urgency
_DATED = (Disposition.CASE_FOLLOWUP, Disposition.SYSTEM_NOTICE, Disposition.DATA_RIGHTS_REQUEST)


def read(folder: Path) -> tuple[Example, ...]:
    """Every mail below the folder, in order of file and line. Raises ValueError with file:line on what is no example.

    `group` is the writer: mails of one hand share too much to test on.
    """
    return tuple(_example(row, where) for row, where in rows(folder))


def rows(folder: Path) -> Iterable[tuple[Mapping[str, Any], str]]:
    """(record, "file:line") of every line of every .jsonl file below the folder."""
    for path in sorted(folder.rglob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                where = f"{path.name}:{number}"
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise ValueError(f"{where}: no JSON ({error})") from error
                if not isinstance(row, dict):
                    raise ValueError(f"{where}: no record")
                yield row, where


def check(folder: Path) -> list[Problem]:
    """Every problem of the corpus; an empty list means it may be trained on."""
    try:
        found = list(rows(folder))
    except ValueError as error:
        return [Problem(str(folder), str(error))]
    problems: list[Problem] = []
    seen: dict[str, str] = {}
    for row, where in found:
        problems.extend(Problem(where, what) for what in _labels(row))
        problems.extend(Problem(where, what) for what in _names(row))
        earlier = seen.setdefault(str(row.get("id")), where)
        if earlier != where:
            problems.append(Problem(where, f"id {row.get('id')!r} stands also in {earlier}"))
    found = [one for one in found if one[0].get("disposition") not in _MACHINE_WORDED]
    texts = [(str(r.get("subject", "")), str(r.get("text", "")), str(r.get("lang", "en"))) for r, _ in found]
    for twin in similar.twins(texts):
        (first, at), (second, where) = found[twin.first], found[twin.second]
        problems.append(
            Problem(where, f"{second.get('id')} is a near-duplicate ({twin.share:.2f}) of {first.get('id')} ({at})")
        )
    return problems


def _labels(row: Mapping[str, Any]) -> Iterable[str]:
    missing = [key for key in _NEEDED if not isinstance(row.get(key), str)]
    if missing:
        yield f"needs {', '.join(missing)}"
        return
    if unknown := set(row) - KEYS:
        yield f"unknown keys {', '.join(sorted(unknown))}"
    if not str(row["text"]).strip() and not str(row["subject"]).strip():
        yield "neither subject nor text"
    names = [str(d) for d in LEARNABLE]
    if row["disposition"] not in names:
        yield f"disposition {row['disposition']!r} is none of {', '.join(names)}"
        return
    yield from _axes(row)
    for flag in _list(row.get("flags")):
        if flag not in _FLAG_NAMES:
            yield f"unknown flag {flag!r}"


def _axes(row: Mapping[str, Any]) -> Iterable[str]:
    kind, urgency = row.get("type"), row.get("urgency")
    complaint = row["disposition"] == Disposition.COMPLAINT
    acceptable = row.get("acceptable") or {}
    if not isinstance(acceptable, Mapping) or set(acceptable) - {"type", "urgency", "disposition", "flags"}:
        yield "acceptable must hold lists under type and urgency"
        acceptable = {}
    types, levels = _list(acceptable.get("type")), _list(acceptable.get("urgency"))
    if complaint:
        if kind not in COMPLAINT_TYPES:
            yield f"type {kind!r} is no complaint type"
        elif types and types[0] != kind:
            yield "acceptable.type must begin with the label"
        if urgency is None:
            yield "a complaint needs an urgency"
        elif levels and levels[0] != urgency:
            yield "acceptable.urgency must begin with the label"
    elif kind is not None or (urgency is not None and Disposition(str(row["disposition"])) not in _DATED):
        yield f"{row['disposition']} has no type, and an urgency only where a dated duty hides in it"
    for name in (*types, *_list(row.get("secondary"))):
        if name not in COMPLAINT_TYPES:
            yield f"{name!r} is no complaint type"
    for name in (*levels, *([urgency] if urgency is not None else [])):
        if name not in {u.word for u in Urgency}:
            yield f"urgency {name!r} is none of {', '.join(u.word for u in Urgency)}"


def _names(row: Mapping[str, Any]) -> Iterable[str]:
    """Addresses and numbers that could belong to somebody."""
    text = json.dumps([row.get("subject"), row.get("text"), row.get("from"), row.get("headers")], ensure_ascii=False)
    for host in sorted({m.group(1).lower() for m in _HOST.finditer(text)}):
        if not _RESERVED.search(host):
            yield f"{host} is no reserved domain (use example.com or *.example)"
    for number in sorted({m.group() for m in _UK_MOBILE.finditer(text)}):
        if not number.replace(" ", "").startswith("07700900"):
            yield f"{number} is no number kept for fiction"


def _list(value: object) -> Sequence[str]:
    return [str(v) for v in value] if isinstance(value, list) else []


def _example(row: Mapping[str, Any], where: str) -> Example:
    wrong = list(_labels(row))
    if wrong:
        raise ValueError(f"{where}: {wrong[0]}")
    acceptable = row.get("acceptable") or {}
    headers = {str(k): str(v) for k, v in (row.get("headers") or {}).items()}
    if row.get("from"):
        headers["From"] = str(row["from"])
    return Example(
        id=str(row["id"]),
        group=str(row["writer"]),
        subject=str(row["subject"]),
        text=str(row["text"]),
        language=str(row["lang"]),
        disposition=Disposition(row["disposition"]),
        complaint_type=row.get("type"),
        urgency=Urgency.of(row["urgency"]) if row.get("urgency") else None,
        flags=tuple(_list(row.get("flags"))),
        types=tuple(_list(acceptable.get("type"))) or ((row["type"],) if row.get("type") else ()),
        urgencies=tuple(Urgency.of(u) for u in _list(acceptable.get("urgency"))),
        secondary=tuple(_list(row.get("secondary"))),
        industry=str(row.get("industry", "")),
        source=where,
        headers=headers,
    )


def main(arguments: Sequence[str]) -> int:
    """`check FOLDER`: print every problem; 1 if there is one."""
    if len(arguments) != 2 or arguments[0] != "check":
        sys.stderr.write("usage: python -m triage.learn.corpus check FOLDER\n")
        return 2
    problems = check(Path(arguments[1]))
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.stdout.write(f"{len(problems)} problems\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
