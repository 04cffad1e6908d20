"""Serve: the flows on their schedules, unattended on one machine.

`triage.operations.keeper` starts the Prefect server where PREFECT_API_URL names none; this module registers the
deployments with it and runs what falls due, each run in a process of its own.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from datetime import timedelta

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval

from triage.flows import automations, history
from triage.flows.alarm import alarm
from triage.flows.dispatch import dispatch
from triage.flows.intake import intake
from triage.flows.report import report
from triage.flows.retrain import retrain
from triage.flows.watch import watch
from triage.operations import wakeup
from triage.operations.keeper import OWN_SERVER
from triage.world import clock

log = logging.getLogger(__name__)

FIRST_WITHIN = 120.0  # seconds in which the deployments are registered, on a machine however slow

#: the next tick must not start while the last one still works: it is dropped, and the one after that comes soon
ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)


def deployments(every: int, zone: str) -> list[RunnerDeployment]:
    """What runs when: intake and dispatch every `every` seconds, watch with them, report daily, retrain weekly."""
    # A third of an interval apart: three runs that start in the same second fight for Prefect's SQLite, and for the cores.
    third = timedelta(seconds=every) / 3
    ticks = [Interval(3 * third, anchor_date=clock.now() + n * third) for n in range(3)]
    plan = [
        (intake, ticks[0]),
        (watch, ticks[1]),
        (dispatch, ticks[2]),
        (report, Cron("0 7 * * *", timezone=zone)),
        (retrain, Cron("0 3 * * 0", timezone=zone)),
    ]
    found = [
        flow.to_deployment(name=flow.name, schedule=schedule, concurrency_limit=ONE_AT_A_TIME, tags=[automations.TAG])
        for flow, schedule in plan
    ]
    return [*found, alarm.to_deployment(name=alarm.name, concurrency_limit=ONE_AT_A_TIME)]


def _first_look(api: str) -> None:
    """The first runs come at once, not an interval after the start: a desk that was down has mail waiting."""
    end = clock.monotonic() + FIRST_WITHIN
    for flow in (intake, watch, dispatch):
        while clock.monotonic() < end:
            try:
                wakeup.trigger(api, flow.name, {})
                break
            except OSError:  # not registered yet
                clock.sleep(0.5)
    try:
        automations.register(pool=not os.environ.get(OWN_SERVER))
    except Exception as error:  # noqa: BLE001 - the desk works without; Prefect's client raises what its HTTP library does
        log.error("the automations could not be registered: %s", type(error).__name__)


def run(every: int, zone: str) -> None:
    """Serve until SIGTERM or SIGINT. A server of our own first forgets the runs that a crash left unfinished."""
    logging.getLogger("prefect").setLevel(logging.WARNING)
    if os.environ.get(OWN_SERVER):
        history.end_orphans()
        history.forget_missed(clock.now())
    threading.Thread(target=_first_look, args=(os.environ["PREFECT_API_URL"],), daemon=True).start()
    serve(*deployments(every, zone), pause_on_shutdown=False, limit=3, print_starting_message=False)


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2])
