"""A hole in the program that one case finds: it is logged by its kind, never by its words, and costs no other case
anything."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from triage.errors import NotAllowed, TriageError

log = logging.getLogger(__name__)

Holes = dict[int, str]  # case id -> the kind of error it ended in


@contextmanager
def noted(case_id: int, doing: str, found: Holes | None = None) -> Iterator[None]:
    """Do something with one of many cases; what breaks there goes into the log and into `found`, and the caller goes on
    with the next. `doing` ends the sentence "case 7 cannot be ...".

    Raises what is not the case's fault: trouble with the register, the disk, another writer.
    """
    try:
        yield
    except (TriageError, SQLAlchemyError) as error:
        if not isinstance(error, NotAllowed):
            raise
        hole: Exception = error  # what its events tell cannot be, as a hole in a state machine has it
    except Exception as error:  # noqa: BLE001 - whatever it is, the other cases go on
        hole = error
    else:
        return
    log.error("case %s cannot be %s: %s", case_id, doing, type(hole).__name__)
    if found is not None:
        found[case_id] = type(hole).__name__
