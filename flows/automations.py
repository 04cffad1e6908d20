"""What Prefect does by itself when runs of ours fail: automations of a self-hosted server.

    python -m triage.flows.automations       registers them with the server of PREFECT_API_URL; safe to repeat

`triage serve` registers the first with its own server; the second is for work pools, run it once after `prefect deploy`.
A runner sees by itself when a run of its own machine dies, and a server on SQLite is spared the heartbeats of every run.
https://docs.prefect.io/v3/advanced/detect-zombie-flows has the pattern of the second one; runs must send heartbeats
(PREFECT_FLOWS_HEARTBEAT_FREQUENCY) for it.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore, EventTrigger, Posture, ResourceSpecification
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment

TAG = "triage"  # on every deployment but `alarm`: an alarm that fails must not call itself
FAILED_OFTEN, WITHIN = 3, timedelta(minutes=30)
HEARTBEAT_SECONDS = 30  # what PREFECT_FLOWS_HEARTBEAT_FREQUENCY is set to; the least that Prefect takes
SILENT_FOR = timedelta(seconds=3 * HEARTBEAT_SECONDS)

_RUNS = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
_OURS = ResourceSpecification({"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"})
_ENDS = {"Completed", "Failed", "Cancelled", "Crashed"}


def failing(alarm: UUID) -> AutomationCore:
    """Runs that fail again and again call `alarm`, the deployment that tells the operators."""
    return AutomationCore(
        name="triage: runs fail",
        description=f"{FAILED_OFTEN} runs failed or crashed within {WITHIN}: the flow `alarm` tells the operators.",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match=_RUNS, match_related=_OURS, posture=Posture.Reactive, threshold=FAILED_OFTEN, within=WITHIN,
        ),
        actions=[RunDeployment(source="selected", deployment_id=alarm, parameters={}, job_variables=None)],
    )  # fmt: skip


def silent() -> AutomationCore:
    """A run whose machine is gone does not stay running for ever."""
    return AutomationCore(
        name="triage: run without a heartbeat",
        description="A run whose machine died is called crashed, so that it does not hold the place of the next one.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{end}" for end in _ENDS)},
            match=_RUNS, match_related=_OURS, for_each={"prefect.resource.id"}, posture=Posture.Proactive, threshold=1,
            within=SILENT_FOR,
        ),
        actions=[_crashed("no heartbeat: its process or its machine is gone")],
    )  # fmt: skip


def _crashed(why: str) -> ChangeFlowRunState:
    return ChangeFlowRunState(state=StateType.CRASHED, name=None, message=why, force=False)


def register(*, pool: bool) -> list[str]:
    """Create them, or bring them to what they are here. Returns their names. Raises what Prefect's client raises."""
    with get_client(sync_client=True) as client:
        alarm = client.read_deployment_by_name("alarm/alarm").id
        wanted = [failing(alarm), *([silent()] if pool else [])]
        for one in wanted:
            known = client.read_automations_by_name(one.name)
            if known:
                client.update_automation(known[0].id, one)
            else:
                client.create_automation(one)
    return [one.name for one in wanted]


if __name__ == "__main__":
    print("\n".join(register(pool=True)))  # noqa: T201 - a command
