"""Dispatch: send what is due in the outbox."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from triage.desk import open_desk
from triage.flows.engine import as_task, ended, voice
from triage.operations import cycle
from triage.world.discretion import discreet


@flow(name="dispatch", persist_result=False, validate_parameters=False)
@discreet
def dispatch() -> dict[str, Any]:
    """Raises at its end where the SMTP server did not take what was due."""
    log = get_run_logger()
    with open_desk(last_good=True) as desk:
        outcome = cycle.dispatch(desk, call=as_task, say=voice(log))
    found: dict[str, Any] = ended(outcome)
    return found
