"""Killed at any step, the next run goes on: nothing lost, no case doubled, no notice doubled under another Message-ID."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.room import PASSWORD, desk_in, furnish, letter
from triage.demo.servers import ImapServer, SmtpSink
from triage.mail import message
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile

ROOT = Path(__file__).resolve().parent.parent
MAILS = 12


def prepare(folder: Path, imap: ImapServer, smtp: SmtpSink) -> None:
    mails = [letter(n) for n in range(MAILS - 2)]
    mails.append(letter(50, "Any news?", sender="Customer 1 <customer1@example.com>", In_Reply_To="<m1@example.com>"))
    mails.append(letter(51, "Ein Paket ist nicht angekommen, mein parcel fehlt.", subject="Paket"))
    imap.deliver_all([(raw, None) for raw in mails])
    furnish(
        folder, host=imap.host, port=imap.port, user=imap.user, password=imap.password, smtp_port=smtp.port,
        folders={"intake": ["INBOX"], "sent": None, "processed": "Processed", "quarantine": "Quarantine"},
    )  # fmt: skip


def killed_run(folder: Path, database_url: str, at: int, after: float | None = None) -> int:
    """Run a cycle that dies at the n-th step, or `after` seconds from outside. Returns its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash", str(folder), database_url, str(at)],
        cwd=ROOT, env={**os.environ, PASSWORD: os.environ[PASSWORD]},
    )  # fmt: skip
    if after is not None:
        time.sleep(after)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
    return process.wait(120)


def assert_whole(folder: Path, database_url: str, smtp: SmtpSink) -> None:
    """The state after the run that follows: as if nothing had happened."""
    with desk_in(folder, database_url) as desk:
        assert cycle.run(desk)["exit_code"] == 0
        again = cycle.run(desk)["mailboxes"][0]
        assert (again["stored"], again["opened"], again["attached"]) == (0, 0, 0)
        row = reconcile(desk)[0]
        assert (row["on_server"], row["missing"], row["waiting"]) == (MAILS, 0, 0)
        cases = look.cases(desk, everything=True)
        ids = Counter(one for case in cases for one in case["message_ids"])
        assert len(ids) == MAILS and set(ids.values()) == {1}, "every mail on exactly one case"
        assert len(cases) == MAILS - 1, "the follow-up joined its case"
        assert all(case["owner"] and case["next_deadline"] for case in cases)
    sent = Counter(message.parse(one.raw).message_id for one in smtp.messages)
    texts = Counter((one.recipients, message.parse(one.raw).subject) for one in smtp.messages)
    assert len(texts) == len(sent), "the same notice never leaves under two Message-IDs"
    assert sum(sent.values()) - len(sent) <= 1, "at most the one in the window between SMTP and commit leaves twice"


def steps_of_a_run(tmp_path: Path) -> int:
    """How many steps a run of these mails has."""
    seen: list[str] = []
    with ImapServer(folders=["Processed"]) as imap, SmtpSink() as smtp:
        prepare(tmp_path, imap, smtp)
        with desk_in(tmp_path, reached=seen.append) as desk:
            cycle.run(desk)
    return len(seen)


def test_a_run_killed_at_each_step_leaves_nothing_lost_and_nothing_doubled(tmp_path: Path) -> None:
    """A step each of all that the protocol numbers; sending repeats, so of its many steps the first few are enough."""
    total = steps_of_a_run(tmp_path / "count")
    assert total >= 12
    for at in sorted({*range(1, 15), total // 2, total}):
        folder = tmp_path / f"at{at}"
        with ImapServer(folders=["Processed"]) as imap, SmtpSink() as smtp:
            prepare(folder, imap, smtp)
            url = f"sqlite:///{folder / 'data' / 'triage.db'}"
            assert killed_run(folder, url, at) == -signal.SIGKILL
            assert_whole(folder, url, smtp)


@pytest.mark.parametrize("seed", range(4))
def test_a_run_killed_at_random_moments_again_and_again(
    seed: int, tmp_path: Path, database_url: str, imap_server: ImapServer, smtp_sink: SmtpSink
) -> None:
    """Two kills from outside at a moment nobody chose, then a run that is left alone; on both databases."""
    prepare(tmp_path, imap_server, smtp_sink)
    dice = random.Random(seed)
    for _ in range(2):
        killed_run(tmp_path, database_url, 0, after=dice.uniform(0.6, 4.0))
    with desk_in(tmp_path, database_url) as desk:
        cycle.run(desk)
    assert_whole_after_kills(tmp_path, database_url, smtp_sink)


def assert_whole_after_kills(folder: Path, database_url: str, smtp: SmtpSink) -> None:
    """As above; each kill may have hit the window between SMTP and commit."""
    with desk_in(folder, database_url) as desk:
        row = reconcile(desk)[0]
        assert (row["on_server"], row["missing"], row["waiting"]) == (MAILS, 0, 0)
        ids = Counter(one for case in look.cases(desk, everything=True) for one in case["message_ids"])
        assert len(ids) == MAILS and set(ids.values()) == {1}
    sent = Counter(message.parse(one.raw).message_id for one in smtp.messages)
    texts = Counter((one.recipients, message.parse(one.raw).subject) for one in smtp.messages)
    assert len(texts) == len(sent)
    assert sum(sent.values()) - len(sent) <= 2
