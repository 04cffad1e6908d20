"""`triage serve` as it lives for months: shown runs, a quick and clean stop, a start after kill -9, figures for outside."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.room import NOW, furnish, letter
from tests.test_serve import ROOT, environment, register, running_with, triage, wait_for
from triage.demo.servers import ImapServer, SmtpSink
from triage.operations import processes


@pytest.fixture
def furnished(tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink) -> Iterator[Path]:
    imap_server.deliver_all([(letter(n), NOW) for n in range(3)])
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        smtp_port=smtp_sink.port, folders={"intake": ["INBOX"], "sent": None}, idle=True,
    )  # fmt: skip
    yield tmp_path
    processes.end_orphans(tmp_path / "data" / "prefect")  # of a test that failed half way


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "triage", "serve", *words], cwd=ROOT, env=environment(folder), stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def shown(folder: Path) -> str:
    return (folder / "serve.log").read_text()


def test_it_stops_within_ten_seconds_and_comes_back_after_kill_9(furnished: Path, imap_server: ImapServer) -> None:
    port = processes_port()
    with serving(furnished, "--every", "3600", "--metrics", str(port)) as first:
        assert wait_for(lambda: first.poll() is not None or "Z intake ok" in shown(furnished), 200), shown(furnished)[
            -3000:
        ]
        assert re.search(r"\d\d:\d\d:\d\dZ intake ok, [\d.]+ s: 3 found, 3 stored, 3 opened", shown(furnished))
        assert "healthy 1" in fetched(port, "metrics") and fetched(port, "healthz") == "ok\n"
        second = triage(furnished, "serve")
        assert second.returncode == 2 and "Another" in second.stderr

        # its Prefect server dies; it comes back by itself, and the runner with it or after it
        os.kill(children(furnished)[0], signal.SIGKILL)
        assert wait_for(lambda: "the Prefect server answers again" in shown(furnished), 120), shown(furnished)[-3000:]
        assert "TROUBLE: the Prefect server ended with -9; starting it again" in shown(furnished)

        # the schedule is an hour away: only IDLE can bring the next mail in
        imap_server.deliver(letter(70), NOW)
        assert wait_for(lambda: mails(furnished) == 4, 60), shown(furnished)[-3000:]

        first.kill()
        first.wait()
    left = running_with(str(furnished / "data" / "prefect"))
    assert left, "kill -9 ends only the parent; what follows would prove nothing otherwise"
    pids = {int(p.name) for p in Path("/proc").glob("[0-9]*") if carries(p, str(furnished / "data" / "prefect"))}
    imap_server.deliver(letter(71), NOW)
    with serving(furnished, "--every", "10") as again:
        assert wait_for(lambda: again.poll() is not None or mails(furnished) == 5, 200), shown(furnished)[-3000:]
        assert [told(pid) for pid in pids if not gone(pid)] == [], "the old server and runner were ended"
        began = time.monotonic()
        again.send_signal(signal.SIGTERM)
        assert again.wait(30) == 0
        took = time.monotonic() - began
    assert took < 10, took
    assert shown(furnished).rstrip().endswith("stopped")
    assert running_with(str(furnished / "data" / "prefect")) == []
    assert list((furnished / "data" / "prefect").glob("started-*.json")) == []
    assert len(register(furnished)) == 5


def children(folder: Path) -> list[int]:
    """The processes that `serve` started, in order."""
    (started,) = (folder / "data" / "prefect").glob("started-*.json")
    found: list[int] = json.loads(started.read_text())["children"]
    return found


def carries(entry: Path, text: str) -> bool:
    try:
        return text.encode() in (entry / "environ").read_bytes()
    except OSError:
        return False


def told(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def processes_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetched(port: int, what: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"{error.code}: {error.read().decode()}"


def mails(folder: Path) -> int:
    with sqlite3.connect(f"file:{folder / 'data' / 'triage.db'}?mode=ro", uri=True) as connection:
        return int(connection.execute("SELECT count(*) FROM mail WHERE state = 'judged'").fetchone()[0])


# -- the family of processes -----------------------------------------------------------------------------------------

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def test_grandchildren_in_sessions_of_their_own_are_ended_too(tmp_path: Path) -> None:
    inner = f"import subprocess; subprocess.Popen({SLEEPER!r}, start_new_session=True)"
    with processes.family(tmp_path) as mine:
        subprocess.run([sys.executable, "-c", inner], check=True)
        assert len(processes.members(mine)) == 1
    assert processes.members(mine) == [] and list(tmp_path.iterdir()) == []


def test_who_does_not_listen_to_sigterm_is_killed(tmp_path: Path) -> None:
    with processes.family(tmp_path) as mine:
        child = subprocess.Popen(DEAF, stdout=subprocess.PIPE)
        assert child.stdout is not None and child.stdout.readline() == b"up\n"
        processes.adopt(tmp_path, mine, child.pid)
        child.stdout.close()
    assert processes.members(mine) == []
    assert child.wait() is not None


def test_what_a_dead_starter_left_is_ended_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys\nfrom pathlib import Path\nfrom triage.operations import processes\n"
        f"with processes.family(Path({str(tmp_path)!r})) as mine:\n"
        f"    child = subprocess.Popen({SLEEPER!r}, start_new_session=True)\n"
        "    processes.adopt(Path(sys.argv[1]), mine, child.pid)\n    print(child.pid, flush=True)\n    sys.stdin.read()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert starter.stdout is not None and starter.stdin is not None
    child = int(starter.stdout.readline())
    assert processes.end_orphans(tmp_path) == 0 and Path(f"/proc/{child}").exists()
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    starter.stdin.close()
    assert processes.end_orphans(tmp_path) == 1
    assert wait_for(lambda: not Path(f"/proc/{child}/environ").exists() or gone(child), 5)


def gone(pid: int) -> bool:
    """Ended, although nobody may have reaped it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
