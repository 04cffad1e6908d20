"""Alarm: what Prefect calls when runs fail or crash (see `automations`): tell the operators, and show it in Prefect."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from triage.desk import open_desk
from triage.operations import alarms
from triage.world.discretion import discreet


@flow(name="alarm", persist_result=False, validate_parameters=False)
@discreet
def alarm() -> dict[str, Any]:
    """Counts of runs by kind and end. A run that failed for a known reason has told its own trouble already."""
    with open_desk(last_good=True) as desk:
        found = alarms.broken_runs(desk)
    create_markdown_artifact(
        key="triage-runs", markdown=alarms.runs_markdown(found), description="runs of the last day"
    )
    return found
