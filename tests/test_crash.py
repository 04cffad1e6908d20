"""Killed at any step, the next run goes on: nothing lost, no case doubled, no notice doubled under another Message-ID."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash import Killer
from tests.room import desk_in, furnish, letter
from triage.demo.servers import ImapServer, SmtpSink
from triage.mail import message
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile

FIRST = 12  # mails there from the beginning; the last but one joins a case


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    with Killer() as running:
        yield running


def prepare(folder: Path, imap: ImapServer, smtp: SmtpSink) -> None:
    mails = [letter(n) for n in range(FIRST - 2)]
    mails.append(letter(50, "Any news?", sender="Customer 1 <customer1@example.com>", In_Reply_To="<m1@example.com>"))
    mails.append(letter(51, "Ein Paket ist nicht angekommen, mein parcel fehlt.", subject="Paket"))
    imap.deliver_all([(raw, None) for raw in mails])
    furnish(
        folder, host=imap.host, port=imap.port, user=imap.user, password=imap.password, smtp_port=smtp.port,
        folders={"intake": ["INBOX"], "sent": None, "processed": "Processed", "quarantine": "Quarantine"},
    )  # fmt: skip


def count(folder: Path, database_url: str, smtp: SmtpSink, mails: int) -> dict[str, int]:
    """After a run that nobody disturbed: what is lost, and what is there twice."""
    with desk_in(folder, database_url) as desk:
        assert cycle.run(desk)["exit_code"] == 0
        again = cycle.run(desk)["mailboxes"][0]
        assert (again["stored"], again["opened"], again["attached"]) == (0, 0, 0)
        row = reconcile(desk, content=True)[0]
        assert (row["on_server"], row["waiting"], row["errors"]) == (mails, 0, [])
        cases = look.cases(desk, everything=True)
    ids = Counter(one for case in cases for one in case["message_ids"])
    assert all(case["owner"] and case["next_deadline"] for case in cases)
    assert len(cases) == mails - 1, "the follow-up joined its case"
    sent = Counter(message.parse(one.raw).message_id for one in smtp.messages)
    told = Counter((one.recipients, message.parse(one.raw).subject) for one in smtp.messages)
    return {
        "lost": mails - len(ids) + row["missing"],
        "doubled": sum(ids.values()) - len(ids),
        "other_id": len(sent) - len(told),  # the same notice under two Message-IDs
        "same_id": sum(sent.values()) - len(sent),  # the window between SMTP and commit
    }


def steps_of_a_run(folder: Path) -> int:
    """How many steps a run of these mails has."""
    seen: list[str] = []
    with ImapServer(folders=["Processed"]) as imap, SmtpSink() as smtp:
        prepare(folder, imap, smtp)
        with desk_in(folder, reached=seen.append) as desk:
            cycle.run(desk)
    return len(seen)


def seconds_of_a_run(folder: Path, killer: Killer) -> float:
    """How long a run of these mails takes here and now, so that the kills fall all over it."""
    with ImapServer(folders=["Processed"]) as imap, SmtpSink() as smtp:
        prepare(folder, imap, smtp)
        began = time.monotonic()
        assert killer.run(folder, f"sqlite:///{folder / 'data' / 'triage.db'}") == 0
        return time.monotonic() - began


def test_a_run_killed_at_each_step_leaves_nothing_lost_and_nothing_doubled(tmp_path: Path, killer: Killer) -> None:
    """A step each of all that the protocol numbers; sending repeats, so of its many steps the first few are enough."""
    total = steps_of_a_run(tmp_path / "count")
    assert total >= 12
    for at in sorted({*range(1, 15), total // 2, total}):
        folder = tmp_path / f"at{at}"
        with ImapServer(folders=["Processed"]) as imap, SmtpSink() as smtp:
            prepare(folder, imap, smtp)
            url = f"sqlite:///{folder / 'data' / 'triage.db'}"
            assert killer.run(folder, url, step=at) == -signal.SIGKILL
            found = count(folder, url, smtp, FIRST)
        assert (found["lost"], found["doubled"], found["other_id"]) == (0, 0, 0), f"killed at step {at}"
        assert found["same_id"] <= 1


def kill_again_and_again(
    kills: int, seed: int, folder: Path, url: str, imap: ImapServer, smtp: SmtpSink, killer: Killer
) -> dict[str, int]:
    """So many kills at moments nobody chose, new mail before each; then a run that is left alone."""
    whole = seconds_of_a_run(folder / "measured", killer)
    prepare(folder, imap, smtp)
    dice = random.Random(seed)
    killed, mails = 0, FIRST
    while killed < kills:
        for _ in range(dice.choice((0, 1, 3))):
            imap.deliver(letter(100 + mails, f"My parcel number {mails} is broken."))
            mails += 1
        killed += killer.run(folder, url, after=dice.uniform(0.0, 1.2 * whole)) == -signal.SIGKILL
    return {"kills": killed, "mails": mails, **count(folder, url, smtp, mails)}


@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_at_random_moments_again_and_again(
    seed: int, tmp_path: Path, database_url: str, imap_server: ImapServer, smtp_sink: SmtpSink, killer: Killer
) -> None:
    """Four times eight kills: two rounds on each database."""
    found = kill_again_and_again(8, seed, tmp_path, database_url, imap_server, smtp_sink, killer)
    assert (found["lost"], found["doubled"], found["other_id"]) == (0, 0, 0)
    assert found["same_id"] <= found["kills"]


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(100, 106))
def test_three_hundred_kills(
    seed: int, tmp_path: Path, database_url: str, imap_server: ImapServer, smtp_sink: SmtpSink, killer: Killer,
    record_property: Any,
) -> None:  # fmt: skip
    """Twelve rounds of twenty-five."""
    found = kill_again_and_again(25, seed, tmp_path, database_url, imap_server, smtp_sink, killer)
    record_property("kills", "|".join(str(value) for value in (database_url.partition(":")[0], *found.values())))
    assert (found["lost"], found["doubled"], found["other_id"]) == (0, 0, 0)
    assert found["same_id"] <= found["kills"]
