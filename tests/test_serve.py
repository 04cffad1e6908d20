"""Prefect, for real: the flows give the same register as the plain run, a failing mailbox fails the flow, and a
*scheduled* run fires (with the wrong versions side by side it silently never does).
"""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.room import NOW, PASSWORD, furnish, letter
from triage.demo.servers import ImapServer, SmtpSink

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def furnished(tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink) -> Path:
    imap_server.deliver_all([(letter(n), NOW) for n in range(5)])
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        smtp_port=smtp_sink.port, folders={"intake": ["INBOX"], "sent": None},
    )  # fmt: skip
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TRIAGE_"))}
    return {
        **kept, "TRIAGE_CONFIG": str(folder / "config"), "TRIAGE_DATA": str(folder / "data"), PASSWORD: os.environ[PASSWORD],
        **more,
    }  # fmt: skip


def triage(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "triage", *words], cwd=ROOT, env=environment(folder, **env), capture_output=True,
        text=True, timeout=240,
    )  # fmt: skip


def register(folder: Path) -> list[dict[str, Any]]:
    done = triage(folder, "cases", "--all", "--json", TRIAGE_NOW=NOW.isoformat())
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_flows_give_the_same_register_as_a_plain_run(
    furnished: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain = tmp_path_factory.mktemp("plain")
    (plain / "config").symlink_to(furnished / "config")
    fixed = {"TRIAGE_NOW": NOW.isoformat(), "TRIAGE_SECRET": "s" * 40}
    one = triage(plain, "run", "--json", **fixed)
    assert one.returncode == 0, one.stderr
    through = triage(furnished, "run", "--engine", "prefect", "--json", **fixed)
    assert through.returncode == 0, through.stderr
    assert through.stdout.splitlines() == one.stdout.splitlines()
    assert register(furnished) == register(plain) != []


def test_a_scheduled_run_fires_and_sigterm_ends_it_cleanly(furnished: Path) -> None:
    log = (furnished / "serve.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "triage", "serve", "--every", "10"], cwd=ROOT, env=environment(furnished), stdout=log, stderr=log,
    )  # fmt: skip
    try:
        fired = wait_for(lambda: runs(furnished, "intake") and runs(furnished, "dispatch"), 200)
        assert fired, (furnished / "serve.log").read_text()[-3000:]
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert time.monotonic() - began < 30
    finally:
        if process.poll() is None:
            process.kill()
        log.close()
    assert len(register(furnished)) == 5
    assert not running_with(str(furnished / "data" / "prefect")), "no Prefect server is left behind"


def running_with(text: str) -> list[str]:
    """Processes of this machine with the text in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in entry.read_bytes() and entry.parent.name != str(os.getpid()):
                found.append((entry.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended meanwhile, or it is somebody else's
            continue
    return found


def runs(folder: Path, kind: str) -> list[Any]:
    """Runs of this kind that reached their end, as the register noted them."""
    path = folder / "data" / "triage.db"
    if not path.exists():
        return []
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            return connection.execute("SELECT id FROM run WHERE kind = ? AND ended_at IS NOT NULL", (kind,)).fetchall()
        except sqlite3.OperationalError:  # the tables are just being made
            return []


def wait_for(found: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found():
            return True
        time.sleep(0.5)
    return False


def test_no_mail_text_reaches_prefect(furnished: Path) -> None:
    """Personal data stays out of the orchestrator: its database and logs hold counts only."""
    done = triage(furnished, "run", "--engine", "prefect", TRIAGE_NOW=NOW.isoformat())
    assert done.returncode == 0, done.stderr
    kept = b"".join(path.read_bytes() for path in (furnished / "data" / "prefect").rglob("*") if path.is_file())
    assert kept
    for private in (b"customer1@example.com", b"parcel has not come", b"Complaint number 1"):
        assert not re.search(re.escape(private), kept), private
