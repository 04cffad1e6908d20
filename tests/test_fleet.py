"""Two workers, a PostgreSQL server and eight mailboxes: one worker is killed half way, and the register is the one that
a single process makes. In `make proof` with a Prefect work pool and TRIAGE_FLEET_MAILS mails (2,000 where not set)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import fleet
from tests.fleet import MAILBOXES, POOL, Fleet
from tests.test_serve import wait_for
from triage.desk import Desk


@contextmanager
def place(folder: Path, mails: int) -> Iterator[Fleet]:
    try:
        with fleet.fleet(folder, mails) as found:
            yield found
    except RuntimeError as why:
        pytest.skip(str(why))


def compare(found: Fleet) -> tuple[fleet.Content, list[str]]:
    """The fleet's register, and where it is not the one of a single process."""
    alone = found.alone()
    with found.desk() as desk:
        assert fleet.wrong(desk) == []
        together = fleet.content(desk)
        assert owners_of_their_pools(desk, together)
    return together, fleet.differences(alone, together)


def owners_of_their_pools(desk: Desk, found: fleet.Content) -> bool:
    """Which member owns a case may differ; that it is a member (or who stands in for the pool) may not."""
    roster = desk.config.roster
    return all(owner in roster.people for people in found.pools.values() for owner in people)


def test_two_workers_of_whom_one_is_killed_make_the_register_of_a_single_process(tmp_path: Path) -> None:
    """Plain processes; the order in which they look at the mailboxes is turned round, so that they meet."""
    with place(tmp_path, 400) as found:
        for name, boxes in (("one", MAILBOXES), ("two", MAILBOXES[::-1])):
            found.start(name, "-m", "tests.fleet", "--work", *boxes)
        assert wait_for(lambda: found.settled() >= 150, 120), found.log("one") + found.log("two")
        assert found.kill("one") >= 1
        assert found.settled() < 380, "it was killed in the middle of the work"
        assert wait_for(lambda: found.delivered() == 400 and found.left() == 0, 120), found.log("two")
        found.stop()
        together, different = compare(found)
    assert not different, "\n".join(different)
    assert len(together.mails) == 400 - 8, "eight of the 400 are copies of others"
    assert len(together.cases) > 200


@pytest.mark.proof
def test_a_work_pool_of_which_one_worker_is_killed_makes_the_register_of_a_single_process(
    tmp_path: Path, record_property: Any
) -> None:
    """A Prefect server and the register on PostgreSQL, two workers of a process pool, the shipped deployments."""
    mails = int(os.environ.get("TRIAGE_FLEET_MAILS", "2000"))
    with place(tmp_path, mails) as found, fleet.work_pool(found):
        began = time.monotonic()
        for name in ("one", "two"):
            found.start(name, "-m", "prefect", "worker", "start", "--pool", POOL, "--limit", "3", "--name", name)
        assert wait_for(lambda: found.settled() >= mails // 2, 60 + mails), found.log("one") + found.log("two")
        killed = found.kill("one")
        half = time.monotonic() - began
        assert killed > 1, "the worker was running flows"
        settled = found.settled()
        assert settled < 0.9 * mails, "it was killed in the middle of the work"
        assert wait_for(lambda: found.delivered() == mails and found.left() == 0, 600 + mails), found.log("two")
        took = time.monotonic() - began
        found.stop()
        together, different = compare(found)
    row = (mails, len(MAILBOXES), f"{half:.0f}", killed, settled, f"{took:.0f}", len(together.mails), len(together.cases),
           len(different))  # fmt: skip
    record_property("fleet", "|".join(str(one) for one in row))
    assert not different, "\n".join(different)
    assert len(together.mails) == mails - mails // 50
