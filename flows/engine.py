"""How an operation becomes a Prefect task, and how a flow ends.

One task a batch, never one a mail: a task costs 4 to 37 ms. Neither arguments nor results are kept (they could hold
mail), and the Desk cannot be hashed, hence NO_CACHE. What is Temporary is retried; what is Permanent waits for a
person.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from triage.errors import Temporary, TriageError
from triage.world import logs
from triage.world.discretion import discreet

logs.start()  # each run is a process of its own, without our command line

RETRY_AFTER = (2.0, 10.0)  # seconds; a mailbox that fails longer is tried again by the next scheduled run


Say = Callable[[str], Any]
_listeners: list[Say] = []  # whoever runs the flows in this process and wants to see them work


@contextmanager
def heard_by(say: Say) -> Iterator[None]:
    """While this lasts, progress is told to `say` too, for people at a terminal."""
    _listeners.append(say)
    try:
        yield
    finally:
        _listeners.remove(say)


def voice(log: logging.Logger | logging.LoggerAdapter[logging.Logger]) -> Say:
    """Tells progress to the run's log in Prefect and to whoever listens. Lines of our own: never mail text."""

    def say(line: str) -> None:
        log.info(line)
        for listener in _listeners:
            listener(line)

    return say


class Outcome(Protocol):
    """What an operation of `triage.operations.cycle` returns."""

    def trouble(self) -> TriageError | None: ...
    def as_json(self) -> dict[str, Any]: ...


def is_temporary(_task: Task[..., Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what may work next time."""
    return isinstance(state.result(raise_on_failure=False), Temporary)


def as_task(operation: Callable[..., Any], *arguments: Any) -> Any:
    """Run the operation as a task of the current flow run and return what it returns."""
    as_prefect_task = task(
        name=operation.__name__.replace("_", "-"),
        persist_result=False,
        cache_policy=NO_CACHE,
        retries=len(RETRY_AFTER),
        retry_delay_seconds=list(RETRY_AFTER),
        retry_condition_fn=is_temporary,
    )
    return as_prefect_task(discreet(operation))(*arguments)


def ended(outcome: Outcome) -> dict[str, Any]:
    """The counts of a run that left nothing behind. A flow that returns plain data ends Completed whatever happened in
    it, so what was left behind is raised here, at its end, with the counts attached."""
    found = outcome.as_json()
    trouble = outcome.trouble()
    if trouble is not None:
        trouble.outcome = found  # type: ignore[attr-defined]
        raise trouble
    return found
