"""Intake: fetch and judge what is new in every mailbox, and mark it on the server."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from triage.desk import open_desk
from triage.flows.engine import as_task, ended, voice
from triage.operations import cycle
from triage.world.discretion import discreet


@flow(name="intake", persist_result=False, validate_parameters=False)
@discreet
def intake(mailboxes: list[str] | None = None) -> dict[str, Any]:
    """One look at every mailbox (or the named ones). Raises at its end where mail was left behind."""
    log = get_run_logger()
    with open_desk(last_good=True) as desk:
        outcome = cycle.intake(desk, mailboxes, call=as_task, say=voice(log))
    found: dict[str, Any] = ended(outcome)
    return found
