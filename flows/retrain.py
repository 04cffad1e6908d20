"""Retrain: a candidate from the starter corpus and what people corrected; promoted only through the gate."""

from __future__ import annotations

from typing import Any

from prefect import flow, get_run_logger

from triage.desk import open_desk
from triage.operations import teach
from triage.world.discretion import discreet


@flow(name="retrain", persist_result=False, validate_parameters=False)
@discreet
def retrain() -> dict[str, Any]:
    """A refused candidate is kept aside and is no failure: the model in use goes on."""
    log = get_run_logger()
    with open_desk(last_good=True) as desk:
        outcome = teach.retrain(desk, say=log.info)
    return outcome.as_counts()
