"""`triage run --engine prefect`: the flows that `triage serve` schedules, one after the other, with one server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from triage.operations import cycle, keeper
from triage.world import settings


def through_prefect(names: Sequence[str] | None, say: Callable[[str], Any]) -> dict[str, Any]:
    """A whole cycle through the flows; the stable form of `triage run --json`."""
    with keeper.prefect_server(settings.load().prefect, say):
        from prefect.logging.handlers import APILogWorker

        from triage.flows.dispatch import dispatch
        from triage.flows.engine import heard_by
        from triage.flows.intake import intake
        from triage.flows.watch import watch

        with heard_by(say):
            taken = _outcome(intake(list(names) if names else None, return_state=True))
            watched = _outcome(watch(return_state=True))
            sent = _outcome(dispatch(return_state=True))
        APILogWorker.drain_all(
            timeout=5, at_exit=False
        )  # the server is about to end; what is still in the queue would be lost with a complaint
        return cycle.joined(taken, watched, sent)


def _outcome(state: Any) -> dict[str, Any]:
    """What the flow returned, or what it had done when it failed loudly at its end."""
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        outcome = getattr(result, "outcome", None)
        if outcome is None:
            raise result
        result = outcome
    found: dict[str, Any] = result
    return found
