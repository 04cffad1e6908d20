"""A team's own labelled mail, as CSV or JSON lines, and how it is split: nothing near the same in training and test.

Columns (CSV header or JSON keys; `mapping` renames the file's own): `text` is needed and one of `disposition` or
`type`; `subject`, `urgency`, `language`, `customer`, `received`, `flags` and `id` may be there. Every problem is
named with file:line.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from triage.errors import Misuse, Problem
from triage.judge import wording
from triage.learn import similar
from triage.learn.example import LEARNABLE, Example
from triage.mail import language
from triage.words import COMPLAINT_TYPES, FLAGS, HISTORY_FLAGS, Disposition, Urgency

COLUMNS = ("id", "subject", "text", "disposition", "type", "urgency", "flags", "language", "customer", "received")
_MOST_PROBLEMS = 20
_LONGEST = 1_000_000  # characters of one field
#: signs of a quote, signature or forwarded mail; cutting a text without any would cost time and change nothing
_HISTORY = re.compile(
    r"^[ \t]{0,4}(?:>|--\s*$|_{5}|-{5}|(?:from|von|de|da|van|sent|gesendet|envoy[eé])\s?:)"
    r"|^[ \t]{0,4}(?:on|am|le|el|il|op|em)\b.{0,200}:\s*$"
    r"|confidential|vertraulich|confidentiel",
    re.IGNORECASE | re.MULTILINE,
)


class DatasetInvalid(Misuse):
    """The labelled file was refused as a whole."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = [f"  {p}" for p in self.problems[:_MOST_PROBLEMS]]
        if len(self.problems) > _MOST_PROBLEMS:
            shown.append(f"  and {len(self.problems) - _MOST_PROBLEMS} more")
        super().__init__("\n" + "\n".join(shown))

    def __reduce__(self) -> tuple[object, ...]:
        return DatasetInvalid, (self.problems,)


def read(
    path: Path, mapping: Mapping[str, str] | None = None, types: Collection[str] = COMPLAINT_TYPES
) -> tuple[Example, ...]:
    """The examples of a .csv or .jsonl file. `mapping`: our column -> the file's; `types`: the complaint types in use.

    Raises DatasetInvalid with every problem found, NotFound's message through OSError where there is no file.
    """
    source = dict(mapping or {})
    unknown = sorted(set(source) - set(COLUMNS))
    if unknown:
        raise DatasetInvalid([Problem(path.name, f"no column is called {', '.join(unknown)}.", _choice())])
    problems: list[Problem] = []
    examples = []
    for row, where in _rows(path, source):
        found = _example(row, where, types)
        if isinstance(found, Example):
            examples.append(found)
        else:
            problems.extend(found)
    if problems:
        raise DatasetInvalid(problems)
    if not examples:
        raise DatasetInvalid([Problem(path.name, "holds no labelled mail.")])
    return tuple(examples)


def _choice() -> str:
    return f"Ours are: {', '.join(COLUMNS)}."


def _rows(path: Path, source: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    if path.suffix.lower() == ".csv":
        yield from _csv_rows(path, source)
    elif path.suffix.lower() in (".jsonl", ".ndjson"):
        yield from _json_rows(path, source)
    else:
        raise DatasetInvalid([Problem(path.name, "is neither .csv nor .jsonl.")])


def _csv_rows(path: Path, source: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    csv.field_size_limit(_LONGEST)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        try:
            header = list(reader.fieldnames or ())
            _has_columns(path, header, source)
            for row in reader:
                where = f"{path.name}:{reader.line_num}"
                if None in row or None in row.values():
                    raise DatasetInvalid([Problem(where, f"has not the {len(header)} fields of the header.")])
                yield {ours: row.get(source.get(ours, ours)) or "" for ours in COLUMNS}, where
        except (csv.Error, UnicodeDecodeError) as error:
            raise DatasetInvalid([Problem(f"{path.name}:{reader.line_num}", f"cannot be read ({error}).")]) from error


def _json_rows(path: Path, source: Mapping[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    with path.open(encoding="utf-8-sig") as file:
        first = True
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            where = f"{path.name}:{number}"
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DatasetInvalid([Problem(where, f"is no JSON ({error}).")]) from error
            if not isinstance(row, dict):
                raise DatasetInvalid([Problem(where, "is no record.")])
            if first:
                _has_columns(path, list(row), source)
                first = False
            yield {ours: _text(row.get(source.get(ours, ours))) for ours in COLUMNS}, where


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _has_columns(path: Path, header: Sequence[str], source: Mapping[str, str]) -> None:
    """Refuse a file without the columns that are needed, saying which of its own may be meant."""
    where, listed = f"{path.name}:1", f"The file has: {', '.join(header) or 'no columns'}."
    lacking = sorted(theirs for theirs in source.values() if theirs not in header)
    if lacking:
        near = [hit for name in lacking for hit in difflib.get_close_matches(name, header, n=1)]
        hint = f" Did you mean {near[0]}?" if near else ""
        raise DatasetInvalid([Problem(where, f"has no column {', '.join(lacking)}.", f"{listed}{hint}")])
    has = {ours for ours in COLUMNS if source.get(ours, ours) in header}
    missing = [] if "text" in has else ["text"]
    missing += [] if has & {"disposition", "type"} else ["type"]
    if missing:
        free = [name for name in header if name not in {source.get(ours, ours) for ours in has}]
        options = " ".join("--columns " + shlex.quote(f"{ours}={_meant(ours, free) or 'NAME'}") for ours in missing)
        named = " and no column ".join("type (or disposition)" if ours == "type" else ours for ours in missing)
        raise DatasetInvalid([Problem(where, f"has no column {named}.", f"{listed} Say which one it is: {options}")])


def _meant(ours: str, theirs: Sequence[str]) -> str:
    """The file's own name for one of our columns, as far as a name can tell; "" where none looks like it."""
    plain = {re.sub(r"[^a-z]", "", name.casefold()): name for name in reversed(theirs)}
    for alias in (ours, *_ALIASES[ours]):
        if alias in plain:
            return plain[alias]
    wanted = (ours, *_ALIASES[ours])
    near = [hit for alias in wanted for hit in difflib.get_close_matches(alias, plain, n=1, cutoff=0.75)]
    near += [name for name in plain for alias in wanted if alias in name]
    return plain[near[0]] if near else ""


#: what other programs call these columns
_ALIASES: Mapping[str, Sequence[str]] = {
    "text": ("body", "message", "content", "description", "narrative", "comment", "mail"),
    "type": ("complainttype", "category", "label", "topic", "class", "issue", "disposition"),
}


def _example(row: Mapping[str, str], where: str, types: Collection[str]) -> Example | list[Problem]:
    problems: list[Problem] = []
    kind = row["type"].strip() or None
    name = row["disposition"].strip() or ("complaint" if kind else "")
    if name not in [str(d) for d in LEARNABLE]:
        problems.append(
            Problem(where, f"{name!r} is no disposition.", "A row needs a disposition or a complaint type.")
        )
    if kind is not None and kind not in types:
        problems.append(Problem(where, f"{kind!r} is no complaint type.", f"In use: {', '.join(types)}."))
    if name == Disposition.COMPLAINT and kind is None:
        problems.append(Problem(where, "is a complaint without a type."))
    urgency = None
    if row["urgency"].strip():
        try:
            urgency = Urgency.of(row["urgency"])
        except ValueError as error:
            problems.append(Problem(where, f"{error}."))
    received = None
    if row["received"].strip():
        received = _moment(row["received"].strip())
        if received is None:
            problems.append(
                Problem(where, f"{row['received']!r} is no date.", "Write ISO 8601, such as 2026-03-01T09:30Z.")
            )
    flags = tuple(f.strip() for f in row["flags"].replace(";", ",").split(",") if f.strip())
    for flag in flags:
        if flag not in FLAGS and flag not in HISTORY_FLAGS:
            problems.append(Problem(where, f"{flag!r} is no flag."))
    if not row["text"].strip() and not row["subject"].strip():
        problems.append(Problem(where, "has neither subject nor text."))
    if problems:
        return problems
    identity = row["id"].strip() or where
    return Example(
        id=identity,
        group=row["customer"].strip().casefold() or f"alone:{identity}",
        subject=row["subject"],
        text=row["text"],
        language=row["language"].strip().lower() or language.of(row["text"]),
        disposition=Disposition(name),
        complaint_type=kind,
        urgency=urgency if urgency or name != Disposition.COMPLAINT else Urgency.NORMAL,
        flags=flags,
        types=(kind,) if kind else (),
        urgencies=(urgency,) if urgency else (),
        at=received,
        source=where,
        clean=not _HISTORY.search(row["text"]),
    )


def _moment(text: str) -> datetime | None:
    """ISO 8601; a date or time without a zone is taken as UTC, since only the order matters here."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def without_duplicates(examples: Sequence[Example]) -> tuple[Example, ...]:
    """The examples without near-duplicates of an earlier one; a quarter and more of public complaint rows repeat."""
    plain = (wording.words(e.subject, e.text, e.language) for e in examples)
    return tuple(examples[i] for i in similar.without_twins(plain))


@dataclass(frozen=True, slots=True)
class Split:
    """`unused` are later mails of customers that training knows: they would flatter the test."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    unused: tuple[Example, ...] = ()


def split(examples: Sequence[Example], share: float, seed: int) -> Split:
    """About `share` of the examples for the test: the latest ones where all are dated, else customers drawn by seed.

    No customer is in both parts, and by time no test mail is older than a training mail.
    """
    if all(e.at is not None for e in examples):
        return _by_time(examples, share)
    names = sorted({e.group for e in examples})
    drawn = {name: hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest() for name in names}
    order = sorted(names, key=lambda name: drawn[name])
    sizes = dict.fromkeys(names, 0)
    for example in examples:
        sizes[example.group] += 1
    running = np.cumsum([sizes[name] for name in order])
    test = set(order[: int(np.searchsorted(running, share * len(examples))) + 1])
    return Split(tuple(e for e in examples if e.group not in test), tuple(e for e in examples if e.group in test))


def _by_time(examples: Sequence[Example], share: float) -> Split:
    moments = sorted(e.at for e in examples if e.at is not None)
    edge = moments[min(len(moments) - 1, int(len(moments) * (1 - share)))]
    before = [e for e in examples if e.at is not None and e.at < edge]
    known = {e.group for e in before}
    after = [e for e in examples if e.at is not None and e.at >= edge]
    return Split(
        tuple(before),
        tuple(e for e in after if e.group not in known),
        tuple(e for e in after if e.group in known),
    )
