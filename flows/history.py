"""Prefect's own history after a crash: runs that nobody works on any more are called crashed.

Without that they would count as running for ever, and hold the one place that each flow has.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed

AT_ONCE = 200


def end_orphans() -> int:
    """Call every unfinished run crashed; returns how many. Only for a server that nobody else uses."""
    kinds = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=kinds)))
    ended = 0
    with get_client(sync_client=True) as client:
        while runs := client.read_flow_runs(flow_run_filter=wanted, limit=AT_ONCE):
            for run in runs:
                client.set_flow_run_state(run.id, Crashed(message="the program was ended while this ran"), force=True)
            ended += len(runs)
    return ended


def forget_missed(now: datetime) -> int:
    """Delete the scheduled runs whose moment passed while nobody worked; returns how many. Only for a server that nobody
    else uses. Hundreds of them would be started and cancelled at once, for which Prefect's SQLite is no match."""
    passed = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=cast(Any, now)),
    )
    gone = 0
    with get_client(sync_client=True) as client:
        while runs := client.read_flow_runs(flow_run_filter=passed, limit=AT_ONCE):
            for run in runs:
                client.delete_flow_run(run.id)
            gone += len(runs)
    return gone
