"""What differs between two versions of a config file: plain values in, one line a change out. Pure.

Lists whose entries have a name are compared by it, so that a rule that moved is a rule that moved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_LONGEST = 160


@dataclass(frozen=True, slots=True)
class Change:
    """One value that differs. `path` as people read it, "rules.billing.owner"; None where there is nothing."""

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path}: new, {self.after}"
        if self.after is None:
            return f"{self.path}: gone, was {self.before}"
        return f"{self.path}: {self.before} -> {self.after}"


def between(before: Any, after: Any, path: str = "") -> tuple[Change, ...]:
    """Every change from one plain value (dicts, lists, text, numbers) to the other, in the order of the first."""
    if before == after:
        return ()
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _mappings(before, after, path)
    if _named(before) and _named(after):
        old, new = _by_name(before), _by_name(after)
        found = _mappings(old, new, path)
        stayed = [name for name in old if name in new]
        moved = [name for name in new if name in old]
        if stayed != moved:
            found = (*found, Change(f"{path} (order)", ", ".join(stayed), ", ".join(moved)))
        return found
    return (Change(path, _shown(before), _shown(after)),)


def _mappings(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> tuple[Change, ...]:
    found: list[Change] = []
    for key in dict.fromkeys((*before, *after)):
        inside = f"{path}.{key}" if path else str(key)
        if key not in after:
            found.append(Change(inside, _shown(before[key]), None))
        elif key not in before:
            found.append(Change(inside, None, _shown(after[key])))
        else:
            found += between(before[key], after[key], inside)
    return tuple(found)


def _named(value: Any) -> bool:
    """A list of things that each have a name of their own."""
    if not isinstance(value, list) or not value:
        return False
    names = [entry.get("name") for entry in value if isinstance(entry, Mapping)]
    return len(names) == len(value) == len(set(names)) and None not in names


def _by_name(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {str(entry["name"]): {key: value for key, value in entry.items() if key != "name"} for entry in entries}


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "\u2026"
