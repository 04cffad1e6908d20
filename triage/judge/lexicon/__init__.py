"""The wordings of each language: `en.txt`, `de.txt` ... in the language of `triage.judge.phrases`. Data, not code."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from triage.judge.phrases import Matcher, phrase, spellings

LANGUAGES = ("en", "de", "fr", "es", "it", "nl", "pt")


@cache
def load(language: str) -> Matcher:
    """The matcher of a language of LANGUAGES, read once. Raises ValueError with file and line on a bad phrase."""
    name = f"{language}.txt"
    return compiled(language, name, files(__package__).joinpath(name).read_text("utf-8"))


def compiled(language: str, name: str, text: str) -> Matcher:
    """The matcher of one file of wordings. Raises ValueError with `name` and line on a bad phrase."""
    lines = _lines(text)
    classes: dict[str, tuple[str, ...]] = {}
    for _, section, line in lines:  # classes first: a phrase may use one that is written below it
        if section.startswith("@"):
            classes[section[1:]] = classes.get(section[1:], ()) + tuple(line.split())
    phrases = []
    for number, section, line in lines:
        if not section.startswith("@"):
            try:
                phrases.append(phrase(section, line, classes))
            except (KeyError, ValueError) as error:
                raise ValueError(f"{name}:{number}: {error}") from error
    words = {name: frozenset(form for word in some for form in spellings(word)) for name, some in classes.items()}
    return Matcher(language, tuple(phrases), words)


def _lines(text: str) -> list[tuple[int, str, str]]:
    """(line number, section, phrase) of every line that says something; # starts a comment."""
    out: list[tuple[int, str, str]] = []
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line:
            out.append((number, section, line))
    return out
