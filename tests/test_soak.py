"""The soak, see tests/soak.py: a short one always, three minutes of each engine as a proof."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.servers import dovecot, postgres
from tests.soak import Pace, Soak, Tally, report

QUICK = Pace(pause=(0.4, 1.5), fault=(1.5, 3.5), down=(0.8, 1.8))


def soak(seconds: float, seed: int, **how: Any) -> Tally:
    if why := dovecot.missing():
        pytest.skip(why)
    if postgres.binaries() is None:
        how["database"] = "sqlite"
    # Not pytest's folder: the database server runs as another user.
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        Path(folder).chmod(0o755)
        return Soak(Path(folder), seconds, seed, **how).run()


def test_three_quarters_of_a_minute_of_faults_leaves_everything_whole() -> None:
    """Each kind once or twice: process, mail server, network, SMTP, database, disk."""
    tally = soak(45, 3, pace=QUICK)
    assert tally.wrong == []
    assert tally.delivered > 30 and tally.notices > 20 and len(tally.faults) >= 5


@pytest.mark.proof
@pytest.mark.parametrize("engine", ["plain", "serve"])
def test_three_minutes_of_faults_leave_everything_whole(engine: str, record_property: Any) -> None:
    tally = soak(180 if engine == "plain" else 300, 2, engine=engine)
    record_property("soak", report(tally))
    assert tally.wrong == []
    assert tally.delivered > 100 and tally.notices > 50 and len(tally.faults) >= 5
