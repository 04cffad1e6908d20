"""What our own side can do to intake: marks that fail, two runs at once, clocks, disks, databases. Nothing is lost."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faultdesk import (
    MAILS,
    POISON,
    Outcome,
    assert_all_in_once,
    faulty_desk,
    in_cases,
    looks,
    reading,
)
from tests.quickroom import quick_desk
from tests.room import NOW, letter
from tests.servers import fault
from tests.servers.fault import FaultServer
from triage.desk import Desk
from triage.errors import DatabaseUnavailable
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile
from triage.world.store import folders, mails

# -- marks -----------------------------------------------------------------------------------------------------------


MOVES = {"a MOVE": "IMAP4rev1 UIDPLUS MOVE AUTH=PLAIN", "a COPY": "IMAP4rev1 UIDPLUS AUTH=PLAIN"}


@pytest.mark.parametrize("way", MOVES)
def test_a_move_that_breaks_off_costs_no_case_and_is_made_good_by_the_next_look(way: str, tmp_path: Path) -> None:
    """Also the destination is made where it is missing; and no mail lies there twice."""
    verb = "UID MOVE" if way == "a MOVE" else "UID STORE"  # a COPY that is done, its originals still there
    with (
        FaultServer(capabilities=MOVES[way]) as server,
        faulty_desk(tmp_path, server, mode="dedicated") as (desk, clock),
    ):
        server.on(verb, fault.close)
        first = looks(desk, clock, 1)[0]
        assert first["mailboxes"][0]["marked"] == 0 and first["mailboxes"][0]["errors"]
        assert len(in_cases(desk)) == MAILS
        assert "Quarantine" in server.folders
        looks(desk, clock, 1)
        assert (len(server.mails), len(server.folders["Processed"])) == (0, MAILS)
        assert {m.raw for m in server.folders["Processed"].values()} == {letter(n) for n in range(1, MAILS + 1)}
        assert len(in_cases(desk)) == MAILS


def test_a_mailbox_that_keeps_no_keywords_is_no_error(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server, mode="shared") as (desk, clock):
        server.on("UID STORE", fault.no("[READ-ONLY] not here"), times=None)
        looks(desk, clock, 2)
        assert_all_in_once(desk, Outcome())


# -- our own side ----------------------------------------------------------------------------------------------------


def test_a_run_whose_lease_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    """The zombie wakes up after its fetch; another desk has done the work meanwhile."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        woken: list[str] = []

        def reached(step: str) -> None:
            if step == "6 fetched" and not woken:
                woken.append(step)
                with quick_desk(tmp_path, reading(server), now=clock) as other:
                    assert cycle.intake(other).as_json()["mailboxes"][0]["opened"] == MAILS

        desk.reached = reached
        box = cycle.intake(desk).as_json()
        assert woken and box["exit_code"] == 0
        assert (box["mailboxes"][0]["stored"], box["mailboxes"][0]["opened"]) == (0, 0)
        with desk.database.read() as tx:
            (at,) = folders.every(tx)
        assert (at.failures, at.circuit) == (0, None)
        desk.reached = lambda step: None
        assert_all_in_once(desk, Outcome())


@pytest.mark.parametrize("step", ["2 epoch", "5 facts", "6 fetched", "10 committed"])
def test_a_clock_that_steps_back_loses_nothing_and_stops_nothing(tmp_path: Path, step: str) -> None:
    """Two days back, in the middle of a run; then two days forward again."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):

        def back(reached: str) -> None:
            if reached == step:
                clock.now = NOW - timedelta(days=2)

        desk.reached = back
        looks(desk, clock, 2)
        assert_all_in_once(desk, Outcome())
        server.arrive(MAILS + 1, letter(MAILS + 1))
        looks(desk, clock, 1)
        clock.now = NOW + timedelta(hours=3)
        looks(desk, clock, 1)
        assert len(in_cases(desk)) == MAILS + 1


def test_a_back_off_written_by_a_clock_that_was_ahead_does_not_last_for_ever(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        clock.now = NOW + timedelta(days=300)
        server.on("UID FETCH", fault.no("[THROTTLED] slow down"))
        looks(desk, clock, 1)
        clock.now = NOW
        looks(desk, clock, 1)
        assert_all_in_once(desk, Outcome())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", _failing(number))
            first = looks(desk, clock, 1)[0]
        assert first["exit_code"] == 75 and "Free some space" in first["mailboxes"][0]["errors"][0]
        assert look.cases(desk) == []
        looks(desk, clock, 1)
        assert_all_in_once(desk, Outcome())


def _failing(number: int) -> Callable[[int], None]:
    def fsync(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    return fsync


def test_a_database_that_is_busy_for_too_long_stops_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        other = sqlite3.connect(tmp_path / "data" / "triage.db", isolation_level=None)

        def busy(step: str) -> None:
            if step == "6 fetched":
                other.execute("BEGIN IMMEDIATE")

        desk.reached = busy
        desk.database.engine.dispose()
        _impatient(desk)
        with pytest.raises(DatabaseUnavailable):
            cycle.intake(desk)
        other.execute("ROLLBACK")
        desk.reached = lambda step: None
        clock.forward(minutes=4)  # the lease that could not be given back runs out after three
        looks(desk, clock, 1)
        assert_all_in_once(desk, Outcome())


def _impatient(desk: Desk) -> None:
    from sqlalchemy import event

    @event.listens_for(desk.database.engine, "connect")
    def _(dbapi: sqlite3.Connection, _record: object) -> None:
        dbapi.execute("PRAGMA busy_timeout=50")


def test_a_mail_whose_stored_bytes_differ_from_the_servers_is_found_by_comparing_content(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        assert reconcile(desk, content=True)[0]["differs"] == 0
        server.mails[POISON].raw = letter(POISON, "Something else altogether.")
        row = reconcile(desk, content=True)[0]
        assert (row["differs"], row["errors"]) == (1, [f"UIDs whose text is not the stored one: [{POISON}]"])


def test_no_run_takes_in_more_than_its_limit_and_the_rest_follows(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server, limits={"run_messages": 5}) as (desk, clock):
        taken = [look["mailboxes"][0]["opened"] for look in looks(desk, clock, 4)]
        assert taken == [5, 5, 2, 0]
        assert_all_in_once(desk, Outcome())
        with desk.database.read() as tx:
            assert mails.tally(tx) == {"case": MAILS}
