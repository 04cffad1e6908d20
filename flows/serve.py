"""Serve: the flows on their schedules, unattended on one machine.

`triage.operations.unattended` starts the Prefect server where PREFECT_API_URL names none; this module registers the
deployments with it and runs what falls due, each run in a process of its own.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import timedelta

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval

from triage.flows import history
from triage.flows.dispatch import dispatch
from triage.flows.intake import intake
from triage.flows.report import report
from triage.flows.retrain import retrain
from triage.flows.watch import watch
from triage.operations.unattended import OWN_SERVER
from triage.world import clock

FIRST_AFTER = timedelta(seconds=5)

#: the next tick must not start while the last one still works: it is dropped, and the one after that comes soon
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


def deployments(every: int, zone: str) -> list[RunnerDeployment]:
    """What runs when: intake and dispatch every `every` seconds, watch with them, report daily, retrain weekly."""
    # The first tick comes at once, not an interval after the start: a desk that was down has mail waiting.
    tick = Interval(timedelta(seconds=every), anchor_date=clock.now() + FIRST_AFTER)
    plan = [
        (intake, tick),
        (watch, tick),
        (dispatch, tick),
        (report, Cron("0 7 * * *", timezone=zone)),
        (retrain, Cron("0 3 * * 0", timezone=zone)),
    ]
    return [
        flow.to_deployment(name=flow.name, schedule=schedule, concurrency_limit=ONE_AT_A_TIME, tags=["triage"])
        for flow, schedule in plan
    ]


def run(every: int, zone: str) -> None:
    """Serve until SIGTERM or SIGINT. A server of our own first forgets the runs that a crash left unfinished."""
    logging.getLogger("prefect").setLevel(logging.WARNING)
    if os.environ.get(OWN_SERVER):
        history.end_orphans()
    serve(*deployments(every, zone), pause_on_shutdown=False, limit=3, print_starting_message=False)


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2])
