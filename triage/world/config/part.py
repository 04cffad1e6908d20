"""The base of every config model, and pydantic's complaints in the words of the house, each with its line."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from triage.errors import Problem
from triage.world.config.source import Path, Source

#: the name of a person, pool, policy ...: letters, digits, `_`, `-`, `.`
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254, to_lower=True)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]


def _listed(value: object) -> object:
    """One name may be written without the brackets of a list."""
    return [value] if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value


Names = Annotated[tuple[Name, ...], BeforeValidator(_listed)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Part(BaseModel):
    """A piece of config: frozen, no unknown keys, help on every key from the text below it."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean 'x'?" for the known name that looks most like the word, else what is known."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names[:20])}." if names else ""


# -- pydantic's errors as Problems -----------------------------------------------------------------------------------

_WORDS = {
    "missing": "The key {last!r} is missing.",
    "string_type": "{last!r} must be text.",
    "int_type": "{last!r} must be a whole number.",
    "int_parsing": "{last!r} must be a whole number.",
    "int_from_float": "{last!r} must be a whole number.",
    "float_type": "{last!r} must be a number.",
    "float_parsing": "{last!r} must be a number.",
    "bool_type": "{last!r} must be true or false.",
    "bool_parsing": "{last!r} must be true or false.",
    "tuple_type": "{last!r} must be a list.",
    "list_type": "{last!r} must be a list.",
    "dict_type": "{last!r} must hold keys with values.",
    "model_type": "{last!r} must hold keys with values.",
    "model_attributes_type": "{last!r} must hold keys with values.",
    "enum": "{last!r} must be {expected}.",
    "literal_error": "{last!r} must be {expected}.",
    "date_from_datetime_parsing": "{last!r} must be a date such as 2026-12-24.",
    "date_parsing": "{last!r} must be a date such as 2026-12-24.",
    "date_type": "{last!r} must be a date such as 2026-12-24.",
    "datetime_parsing": "{last!r} must be a moment such as 2026-12-24T09:00:00Z.",
    "datetime_from_date_parsing": "{last!r} must be a moment such as 2026-12-24T09:00:00Z.",
    "timezone_aware": "{last!r} must name its zone, such as 2026-12-24T09:00:00Z.",
    "greater_than_equal": "{last!r} must be {ge} or more.",
    "greater_than": "{last!r} must be more than {gt}.",
    "less_than_equal": "{last!r} must be {le} or less.",
    "less_than": "{last!r} must be less than {lt}.",
    "string_pattern_mismatch": "{last!r} is not written as it must be ({pattern}).",
    "too_short": "{last!r} must not be empty.",
    "string_too_short": "{last!r} must not be empty.",
    "time_parsing": "{last!r} must be a time of day such as 09:00.",
    "time_type": "{last!r} must be a time of day such as 09:00, in quotes where YAML asks for it.",
}


def problems_of(source: Source, model: type[BaseModel], error: ValidationError) -> tuple[Problem, ...]:
    """Every complaint with its line. Values are not quoted: a password may stand in the wrong place."""
    return tuple(_problem(source, model, detail) for detail in error.errors(include_url=False, include_input=False))


def _problem(source: Source, model: type[BaseModel], detail: ErrorDetails) -> Problem:
    path: Path = tuple(detail["loc"])
    while path and path not in source.lines and detail["type"] != "missing":
        path = path[:-1]
    last = next((part for part in reversed(detail["loc"]) if isinstance(part, str)), "the file")
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] == "extra_forbidden":
        return source.problem(path, f"The key {last!r} is not known.", nearest(last, _keys(model, path[:-1])))
    if detail["type"] == "value_error":
        what, _, fix = str(context.get("error", detail["msg"])).partition(" | ")
        return source.problem(path, what, fix)
    words = _WORDS.get(detail["type"])
    what = words.format(last=last, **_safe(context)) if words else f"{last!r}: {detail['msg']}."
    return source.problem(path, what)


def _safe(context: Mapping[str, Any]) -> dict[str, Any]:
    names = ("expected", "ge", "gt", "le", "lt", "pattern")
    found = {name: context.get(name, "") for name in names}
    return {name: f"{value:g}" if isinstance(value, float) else value for name, value in found.items()}


def _keys(model: type[BaseModel], path: Sequence[str | int]) -> tuple[str, ...]:
    """The keys that the model knows at this path."""
    at: object = model
    for step in path:
        at = _into(at, step)
    found = _model(at)
    return tuple(f.alias or name for name, f in found.model_fields.items()) if found else ()


def _into(annotation: object, step: str | int) -> object:
    model = _model(annotation)
    if model is not None:
        fields = {f.alias or name: f.annotation for name, f in model.model_fields.items()}
        return fields.get(str(step))
    for option in _options(annotation):
        arguments = [a for a in get_args(option) if a is not Ellipsis]
        if get_origin(option) in (dict, Mapping) or isinstance(step, str):
            if len(arguments) == 2:
                return arguments[1]
        elif arguments:
            return arguments[0]
    return None


def _options(annotation: object) -> list[object]:
    """The annotation without Annotated, Optional and Union."""
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return [annotation]


def _model(annotation: object) -> type[BaseModel] | None:
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None
