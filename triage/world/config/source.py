"""One YAML file -> plain values and the line of each, with every mistake in its writing. Pure.

The node graph is read, not the constructed objects: so that all duplicate keys are found at once, that each value
keeps its line, and that `NO` stays a word and `09:00` a time (YAML 1.2). Tags and merge keys are refused; aliases are
followed but what they unfold to is bounded (a few lines of aliases can stand for billions of values).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from triage.errors import Problem

MOST_BYTES = 1_000_000
MOST_VALUES = 50_000
MOST_DEPTH = 30
_STANDARD = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_STANDARD}{kind}" for kind in "map seq str int float bool null timestamp".split())

Path = tuple[str | int, ...]
Plain = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Source:
    """A file read: its name, its text, its values, and the line (from 1) where each path stands."""

    name: str
    text: str
    data: Plain = None
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of this path, or of the nearest thing around it that is written down."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: Path, what: str, fix: str = "") -> Problem:
        return Problem(f"{self.name}:{self.line(path)}", what, fix)


class _TooMuch(Exception):
    """More than a config file can hold in earnest."""


class _Bounded(Composer):
    """Stops where the nesting is too deep; ruamel's own scanner takes seconds for a few thousand open brackets."""

    warn_double_anchors = False

    def compose_node(self, parent: object, index: object) -> object:
        self.depth = getattr(self, "depth", 0) + 1
        if self.depth > MOST_DEPTH + 1:
            raise _TooMuch
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def read(name: str, raw: bytes) -> tuple[Source, tuple[Problem, ...]]:
    """Parse one file. A file that cannot be parsed gives a Source without data and the reason."""
    if len(raw) > MOST_BYTES:
        return Source(name, ""), (Problem(f"{name}:1", f"The file is larger than {MOST_BYTES} bytes."),)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return Source(name, ""), (Problem(f"{name}:{line}", "The file is not UTF-8.", "Save it as UTF-8."),)
    try:
        yaml = YAML(typ="rt", pure=True)
        yaml.Composer = _Bounded
        return _unfold(name, text, yaml.compose(text.removeprefix("\ufeff")))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = f"This is not YAML: {error.problem or error.context or 'it cannot be read'}."
        return Source(name, text), (Problem(f"{name}:{line}", what, "Check indentation, colons and quotes."),)
    except YAMLError as error:
        return Source(name, text), (Problem(f"{name}:1", f"This is not YAML: {str(error).splitlines()[0]}."),)
    except (RecursionError, _TooMuch):
        fix = f"A file holds at most {MOST_VALUES} values, {MOST_DEPTH} deep, aliases unfolded."
        return Source(name, text), (
            Problem(f"{name}:1", "There is too much in this file, or it contains itself.", fix),
        )
    except ValueError as error:
        return Source(name, text), (Problem(f"{name}:1", f"This is not YAML: {str(error).splitlines()[0]}."),)


def _unfold(name: str, text: str, node: Node | None) -> tuple[Source, tuple[Problem, ...]]:
    lines: dict[Path, int] = {(): 1}
    problems: list[Problem] = []
    count = 0

    def value(node: Node, path: Path) -> Plain:
        nonlocal count
        count += 1
        if count > MOST_VALUES or len(path) > MOST_DEPTH:
            raise _TooMuch
        lines.setdefault(path, node.start_mark.line + 1)
        if str(node.tag) not in _TAGS:
            problems.append(Problem(f"{name}:{lines[path]}", f"The tag {node.tag} is not allowed.", "Write the value."))
        if isinstance(node, MappingNode):
            return mapping(node, path)
        if isinstance(node, SequenceNode):
            return [value(item, (*path, number)) for number, item in enumerate(node.value)]
        return _scalar(node)

    def mapping(node: MappingNode, path: Path) -> Plain:
        found: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode) or str(key_node.tag) == _STANDARD + "merge":
                problems.append(Problem(f"{name}:{line}", "This is no plain key.", "Write `key: value`."))
                continue
            key = str(key_node.value)
            if key in found:
                first = lines[(*path, key)]
                fix = f"It stands in line {first} already; keep one of them."
                problems.append(Problem(f"{name}:{line}", f"The key {key!r} is written twice.", fix))
                continue
            lines[(*path, key)] = line
            found[key] = value(value_node, (*path, key))
        return found

    data = value(node, ()) if node is not None else None
    return Source(name, text, data, lines), tuple(problems)


def _scalar(node: Node) -> Plain:
    """A plain value by its tag. Dates and times stay text: who asks for one parses it."""
    text, kind = str(node.value), str(node.tag).removeprefix(_STANDARD)
    if kind == "null":
        return None
    if kind == "bool" and text.casefold() in ("true", "false"):
        return text.casefold() == "true"
    try:
        if kind == "int":
            return int(text.replace("_", ""), 0) if text.lstrip("+-").startswith(("0x", "0o")) else int(text)
        if kind == "float":
            return float(text)
    except ValueError:
        return text
    return text
