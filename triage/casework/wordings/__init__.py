"""How people promise, ask, refuse and put off in each language: `en.txt`, `de.txt` ... Data, not code.

The lines are in the language of `triage.judge.phrases`. What the sections mean stands in `triage.casework.promise`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from triage.judge import lexicon
from triage.judge.phrases import Matcher

LANGUAGES = lexicon.LANGUAGES


@cache
def load(language: str) -> Matcher:
    """The matcher of a language of LANGUAGES, read once. Raises ValueError with file and line on a bad phrase."""
    name = f"{language}.txt"
    return lexicon.compiled(language, name, files(__package__).joinpath(name).read_text("utf-8"))


@cache
def section(language: str, name: str) -> Matcher:
    """The phrases of one section alone, for who asks for nothing else: a tenth of the words to try."""
    whole = load(language)
    return Matcher(language, tuple(one for one in whole.phrases if one.section == name), whole.classes)
