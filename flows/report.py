"""Report: the day's figures as an artifact in Prefect and a line in its log."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact

from triage.desk import open_desk
from triage.operations import look
from triage.world.discretion import discreet


@flow(name="report", persist_result=False, validate_parameters=False)
@discreet
def report(days: int = 7) -> dict[str, Any]:
    """Figures only: no name, no address, no word of any mail."""
    with open_desk(last_good=True) as desk:
        figures = look.report(desk, days)
    create_markdown_artifact(key="triage-report", markdown=look.report_markdown(figures), description=f"{days} days")
    return figures
