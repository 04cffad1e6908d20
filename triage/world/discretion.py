"""What an exception says stays here: it may quote the mail that it broke on, and Prefect keeps what exceptions say."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from triage.errors import Permanent, TriageError

P = ParamSpec("P")
R = TypeVar("R")


class Unexpected(Permanent):
    """Something broke that nobody foresaw."""


def discreet(function: Callable[P, R]) -> Callable[P, R]:
    """Of an error of the house only its own words get out, not what it was raised from (a database driver quotes the
    row it could not write); of any other exception only its type and place. Raises TriageError, Unexpected."""

    @functools.wraps(function)
    def call(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return function(*arguments, **named)
        except TriageError as error:
            raised: TriageError = error
        except Exception as error:  # noqa: BLE001 - nothing is swallowed: it goes on, without its words
            last = traceback.extract_tb(error.__traceback__)[-1]
            raised = Unexpected(
                f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}.", fix="Please report this place."
            )
        raised.__cause__ = raised.__context__ = None
        raise raised  # outside the `except`, else Python would chain what was caught to it

    return call
