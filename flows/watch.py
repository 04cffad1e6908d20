"""Watch: take every step of every case that has fallen due."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from triage.desk import open_desk
from triage.flows.engine import as_task, ended, voice
from triage.operations import cycle
from triage.world.discretion import discreet


@flow(name="watch", persist_result=False, validate_parameters=False)
@discreet
def watch() -> dict[str, Any]:
    """Reminders, escalations and stand-ins; then the invariant: no open case without one owner and a next deadline."""
    log = get_run_logger()
    with open_desk(last_good=True) as desk:
        outcome = cycle.watch(desk, call=as_task, say=voice(log))
    found: dict[str, Any] = ended(outcome)
    return found
