"""The parts that an event's data is made of: each reader gives the value in normal form, or says what it must be.

A reader raises ValueError with the rest of a sentence that starts with the field's name: "must be a list".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from triage.words import Urgency

TEXT_LIMIT, NAME_LIMIT, LIST_LIMIT = 4_000, 500, 100_000

Read = Callable[[Any], Any]


def moment(value: object) -> datetime:
    """Read a moment of event data: an ISO 8601 string with its zone, or an aware datetime. UTC, whole seconds."""
    return _parsed(value) if isinstance(value, str) else _utc(value)


@lru_cache(maxsize=8192)  # an event's moments are read as it is checked, again as it is applied, and at every replay
def _parsed(value: str) -> datetime:
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a moment such as 2026-11-23T09:00:00+00:00") from None
    return _utc(read)


def _utc(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise ValueError("must be a moment such as 2026-11-23T09:00:00+00:00")
    if value.tzinfo is None:
        raise ValueError("must carry its time zone")
    try:
        if value.tzinfo is not UTC:
            value = value.astimezone(UTC)
        if value.microsecond:
            value = value.replace(microsecond=0)
    except OverflowError:
        raise ValueError("lies outside the years 1975 to 2300") from None
    if not 1975 <= value.year <= 2300:
        raise ValueError("lies outside the years 1975 to 2300")
    return value


@dataclass(frozen=True, slots=True)
class Part:
    """One field: how it is read, whether it must be there, and what stands for it when it is not."""

    read: Read
    required: bool = True
    default: Any = None

    def optional(self, default: Any = None) -> Part:
        return Part(self.read, required=False, default=default)


def fields(parts: Mapping[str, Part], given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields in normal form, defaults filled in; ValueError names the first field that is wrong."""
    if not given.keys() <= parts.keys():
        unknown = sorted(str(key) for key in given if key not in parts)
        raise ValueError(f"carries no {unknown[0]!r}; it carries {', '.join(parts) or 'nothing'}")
    found: dict[str, Any] = {}
    for label, part in parts.items():
        value = given.get(label)
        if value is not None:
            try:
                found[label] = part.read(value)
            except ValueError as wrong:
                raise ValueError(f"is wrong: {label!r} {wrong}") from None
        elif part.required:
            raise ValueError(f"needs {label!r}")
        elif part.default is not None:
            found[label] = list(part.default) if isinstance(part.default, list) else part.default
    return found


def _text(value: object) -> str:
    """Text that may stem from a mail is cut, not refused; what no database stores (NUL, lone surrogates) goes."""
    if not isinstance(value, str):
        raise ValueError("must be text")
    value = value[:TEXT_LIMIT].replace("\x00", "")
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode("utf-8", "replace").decode()
    return value


def _name(value: object) -> str:
    found = _text(value)
    if not found.strip():
        raise ValueError("must not be empty")
    if len(found) > NAME_LIMIT:
        raise ValueError(f"must be at most {NAME_LIMIT} characters long")
    return found


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise ValueError("must be a whole number from 0")
    return value


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _urgency(value: object) -> str:
    if isinstance(value, Urgency):
        return value.word
    try:
        return Urgency.of(_text(value)).word
    except ValueError:
        raise ValueError("must be low, normal, urgent or critical") from None


TEXT = Part(_text)
NAME = Part(_name)
NUMBER = Part(_number)
YES = Part(_yes)
WHEN = Part(lambda value: moment(value).isoformat())
URGENCY = Part(_urgency)


def one_of(choices: Iterable[str]) -> Part:
    """One of a closed list of words."""
    allowed = tuple(str(choice) for choice in choices)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return Part(read)


def many(item: Part) -> Part:
    """A list."""

    def read(value: object) -> list[Any]:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            raise ValueError("must be a list")
        values = list(value)
        if len(values) > LIST_LIMIT:
            raise ValueError(f"must have at most {LIST_LIMIT} entries")
        return [item.read(one) for one in values]

    return Part(read)


def record(**parts: Part) -> Part:
    """An object with these fields."""

    def read(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError("must hold objects")
        try:
            return fields(parts, value)
        except ValueError as wrong:
            raise ValueError(f"holds an object that {wrong}") from None

    return Part(read)
