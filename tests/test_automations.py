"""Prefect's automations, on a real server: runs that fail call the flow that tells the operators."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.room import NOW, desk_in, furnish
from tests.test_serve import ROOT, environment
from triage.desk import Desk
from triage.operations import alarms
from triage.world import prefect_history
from triage.world.store import outbox, register

CODE = """
import json, sys, time
from pathlib import Path
from triage.operations.keeper import prefect_server

with prefect_server(Path(sys.argv[1]), lambda line: None):
    from prefect.client.orchestration import get_client
    from prefect.states import Failed
    from triage.flows import automations, serve

    ids = {one.name: one.apply() for one in serve.deployments(3600, "UTC")}
    names = automations.register(pool=True) and automations.register(pool=True)
    with get_client(sync_client=True) as client:
        known = [len(client.read_automations_by_name(name)) for name in names]
        called = []
        for number in range(3):
            run = client.create_flow_run_from_deployment(ids["intake"])
            client.set_flow_run_state(run.id, Failed(message="for the test"), force=True)
            time.sleep(1.5 if number == 1 else 0)
            if number == 1:
                called.append(sum(1 for one in client.read_flow_runs() if one.deployment_id == ids["alarm"]))
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = sum(1 for one in client.read_flow_runs() if one.deployment_id == ids["alarm"])
            if found:
                break
            time.sleep(0.5)
        called.append(found)
    print(json.dumps({"automations": known, "called": called}))
"""


def test_the_third_failed_run_calls_the_alarm_and_registering_twice_makes_no_second_automation(tmp_path: Path) -> None:
    furnish(tmp_path, host="127.0.0.1", port=1, user="intake", password="s3cret")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path / "data" / "prefect")], cwd=ROOT, env=environment(tmp_path),
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"automations": [1, 1], "called": [0, 1]}


def test_a_run_that_breaks_off_again_and_again_is_told_once_a_day(tmp_path: Path) -> None:
    """Two that were killed an hour ago and more, one that found a hole in the program, one known trouble."""
    furnish(tmp_path, host="127.0.0.1", port=1, user="intake", password="s3cret")
    with desk_in(tmp_path) as desk:

        def note(minutes: int, error: str | None, ended: bool = True, kind: str = "intake") -> None:
            with desk.database.write() as tx:
                run = register.start_run(tx, kind, NOW - timedelta(minutes=minutes))
                if ended:
                    register.end_run(tx, run, NOW, {}, error)

        note(20, None)
        note(15, "The mailbox cannot be reached.")
        for minutes in (10, 5):
            note(minutes, f"{register.BROKEN_OFF}: KeyError at take_in.py:7.")
        note(90, None, ended=False)
        assert alarms.broken_runs(desk) == {"intake": {"ok": 1, "trouble": 1, "broken off": 3}}
        assert told(desk) == [], "two within half an hour may happen"
        note(1, register.BROKEN_OFF)
        for _ in range(2):
            alarms.broken_runs(desk)
        assert [subject for subject in told(desk) if "`intake` broke off 3 times within 30 minutes" in subject]
        assert len(told(desk)) == 1
    text = alarms.runs_markdown({"intake": {"ok": 1, "broken off": 4}})
    assert "| intake | 1 | 0 | 4 | 0 |" in text


def told(desk: Desk) -> list[str]:
    with desk.database.read() as tx:
        return [row["subject"] for row in outbox.listing(tx, 50)]


def test_the_age_of_prefects_history_is_told_and_a_history_that_is_not_pruned_is_warned_of(tmp_path: Path) -> None:
    assert prefect_history.read(tmp_path) is None
    with sqlite3.connect(tmp_path / "prefect.db") as connection:
        connection.execute("CREATE TABLE flow_run (end_time TEXT)")
        connection.executemany(
            "INSERT INTO flow_run VALUES (?)", [("2026-11-13 14:59:00.000000",), (None,), ("2026-11-20 09:00:00",)]
        )
    connection.close()
    found = prefect_history.read(tmp_path)
    assert found is not None and found.runs == 2
    assert found.oldest == datetime(2026, 11, 13, 14, 59, tzinfo=UTC)
    assert not found.unpruned(NOW), "seven days and a minute: the next hourly round takes it"
    assert found.unpruned(NOW + timedelta(days=1))
