"""The soak as a proof: see tests/soak.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers import dovecot
from tests.soak import Soak


@pytest.mark.proof
def test_three_minutes_of_faults_leave_everything_whole(tmp_path: Path) -> None:
    if why := dovecot.missing():
        pytest.skip(why)
    tally = Soak(tmp_path, 180, seed=2).run()
    assert tally.wrong == []
    assert tally.delivered > 100 and tally.notices > 50 and len(tally.faults) == 5
