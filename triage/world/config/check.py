"""Collects problems while one checked model after another is turned into the records of the house."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from triage.errors import Problem
from triage.world.config.part import nearest
from triage.world.config.source import Path, Source


@dataclass(slots=True)
class Check:
    """The files read, and what was found wrong (`problems`) or unwise (`warnings`) so far."""

    sources: dict[str, Source]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def wrong(self, file: str, path: Path, what: str, fix: str = "") -> None:
        self.problems.append(self.sources[file].problem(path, what, fix))

    def unwise(self, file: str, path: Path, what: str, fix: str = "") -> None:
        self.warnings.append(self.sources[file].problem(path, what, fix))

    def clean(self, *files: str) -> bool:
        """Has nothing been found wrong in these files so far?"""
        return not any(problem.where.startswith(tuple(f"{name}:" for name in files)) for problem in self.problems)

    def where(self, file: str, path: Path) -> str:
        return f"{file}:{self.sources[file].line(path)}"

    def known(self, file: str, path: Path, name: str, names: Iterable[str], sort: str) -> bool:
        """Is `name` one of `names`? If not, a problem that suggests the nearest."""
        everything = list(names)
        if name in everything:
            return True
        self.wrong(file, path, f"There is no {sort} {name!r}.", nearest(name, everything))
        return False

    def each_known(self, file: str, path: Path, given: Iterable[str], names: Iterable[str], sort: str) -> bool:
        everything = list(names)
        found = [self.known(file, (*path, number), name, everything, sort) for number, name in enumerate(given)]
        return all(found)
