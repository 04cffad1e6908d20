"""What a written date is made of, by language: read once from `lexicon/calendar.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

UNITS = ("hour", "day", "business", "week", "month")
_DAYS_AHEAD = {"today": 0, "tomorrow": 1, "after": 2}


@dataclass(frozen=True, slots=True)
class CalendarWords:
    """The words of one language, folded. Days are offsets from today."""

    weekdays: dict[str, int]  # Monday is 0
    months: dict[str, int]  # January is 1
    relative: dict[tuple[str, ...], int]  # words -> days from today
    evening: frozenset[tuple[str, ...]]  # relative words that mean the evening
    units: dict[str, str]  # word -> one of UNITS
    lead_in: frozenset[str]  # "in two days", "within 14 days"
    day_article: frozenset[str]  # words before a bare day number: "le 14", "dia 14"
    hour_words: frozenset[str]  # "6 Uhr", "6 am"
    before_hour: frozenset[str]  # "a las 6", "um 6"
    last: frozenset[str]  # last Friday
    next: frozenset[str]  # next Friday
    week_after: frozenset[str]  # Monday week, jueves de la semana que viene
    weekend: frozenset[str]
    past: frozenset[str]  # verbs that put a bare weekday into the past
    future: frozenset[str]  # words that put it into the future after all


@cache
def _data() -> dict[str, dict[str, str]]:
    return tomllib.loads(files("triage.judge.lexicon").joinpath("calendar.toml").read_text("utf-8"))


@cache
def numbers() -> dict[str, int]:
    """Number words of all languages: two, zwei, deux ... -> 2."""
    return {word: int(number) for number, words in _data()["numbers"].items() for word in words.split()}


@cache
def load(language: str) -> CalendarWords:
    """The calendar words of one of the seven languages. Raises KeyError on another."""
    data = _data()[language]
    plain = {name: frozenset(data[name].split()) for name in CalendarWords.__slots__ if name in _PLAIN}
    return CalendarWords(
        weekdays=_numbered(data["weekdays"], 0),
        months=_numbered(data["months"], 1),
        relative={form: ahead for key, ahead in _DAYS_AHEAD.items() for form in _forms(data[key])},
        evening=frozenset(_forms(data["evening"])),
        units={word: unit for unit in UNITS for word in data[unit].split()},
        **plain,
    )


_PLAIN = frozenset(CalendarWords.__slots__) - {"weekdays", "months", "relative", "evening", "units"}


def _numbered(words: str, first: int) -> dict[str, int]:
    """ "a|b c" from `first` up: {a: first, b: first, c: first + 1}."""
    return {form: first + n for n, forms in enumerate(words.split()) for form in forms.split("|")}


def _forms(forms: str) -> list[tuple[str, ...]]:
    return [tuple(form.split()) for form in forms.split("|")]
