"""Running by itself: one cycle for cron and people, or for good on Prefect's schedules.

`triage serve` is a small parent that starts two children and looks after them: the Prefect server, and the runner that
starts what falls due. The parent holds no mail and no case; it shows a line a run, and when it ends, all of them end.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from triage.desk import open_desk
from triage.errors import Misuse, Temporary, TriageError
from triage.operations import cycle, processes, wakeup
from triage.operations.processes import Started
from triage.operations.runlines import RunLines
from triage.world import clock, health, settings, systemd

START_SECONDS = 180  # a first start on a busy machine runs migrations for half a minute
STOP_SECONDS = 4  # of the ten that a stop may take; what is killed then is made good by the next start
LOOK_SECONDS = 2.0
OWN_SERVER = "TRIAGE_OWN_SERVER"  # tells the runner that nobody else uses this Prefect server

#: Prefect's own history is for looking at last week, and its telemetry is off
_PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(7 * 86_400),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
}


class ServerDidNotStart(Temporary):
    """Our own Prefect server did not start."""


class ChildDied(Temporary):
    """A process that `triage serve` needs ended by itself."""


class _Stop(BaseException):
    """SIGTERM or SIGINT."""


def one_cycle(names: Sequence[str] | None, say: Callable[[str], Any]) -> dict[str, Any]:
    """One whole cycle in this process, as the stable form that `triage run --json` prints."""
    with open_desk(last_good=True) as desk:
        return cycle.run(desk, names, say=say)


def serve(every: int | None, say: Callable[[str], Any], metrics: int | None = None) -> None:
    """Check the config, start what is needed, and run until SIGTERM or SIGINT; then all is gone within 10 s.

    Raises Misuse where another one serves this data folder, ChildDied where a child ended: start again.
    """
    found = settings.load()
    with open_desk(last_good=True) as desk:
        seconds = every or min(box.every for box in desk.mailboxes)
        zone, waiters = desk.zone, [box.name for box in desk.mailboxes if box.part.idle]
    with _only_one(found.data):
        _stop_on_signals()
        try:
            with processes.family(found.prefect) as mine, ExitStack() as stack:
                url = stack.enter_context(prefect_server(found.prefect, say, mine))
                if metrics is not None:
                    stack.enter_context(health.serving(metrics, wakeup.figures))
                    say(f"health and metrics: http://127.0.0.1:{metrics}/healthz and /metrics")
                runner = _start_runner(found.prefect, mine, seconds, zone)
                say(f"looking at the mailboxes every {seconds} s; stop with Ctrl-C or SIGTERM")
                stack.enter_context(wakeup.waiting(waiters, url))
                _look_after(runner, mine, say)
        except _Stop:
            say("stopped")


def _look_after(runner: subprocess.Popen[bytes], mine: Started, say: Callable[[str], Any]) -> None:
    """Show the runs and tell systemd that all is well, until a signal or a dead child ends it."""
    try:
        systemd.notify("READY=1")
        lines = RunLines()
        while runner.poll() is None:
            try:
                for line in lines.new():
                    say(line)
            except TriageError as error:
                say(f"the register cannot be read: {error}")
            else:
                systemd.notify("WATCHDOG=1")  # nothing but a readable register keeps systemd quiet
            clock.sleep(LOOK_SECONDS)
        raise ChildDied(
            f"The runner ended with {runner.returncode}.", fix="Its log is prefect/runner.log; start again."
        )
    finally:
        systemd.notify("STOPPING=1")
        processes.end(mine, STOP_SECONDS)


def _start_runner(folder: Path, mine: Started, seconds: int, zone: str) -> subprocess.Popen[bytes]:
    with (folder / "runner.log").open("ab") as log:
        command = [sys.executable, "-m", "triage.flows.serve", str(seconds), zone]
        runner = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    processes.adopt(folder, mine, runner.pid)
    return runner


def _stop_on_signals() -> None:
    """The first signal ends the work, further ones do not disturb the clearing up."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise _Stop

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """The kernel gives the lock back when the process dies, however it dies."""
    with (data / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misuse("Another `triage serve` works on this data folder.", fix=f"It is {data}.") from None
        yield


@contextmanager
def prefect_server(folder: Path, say: Callable[[str], Any], mine: Started | None = None) -> Iterator[str]:
    """The API that PREFECT_API_URL names, or a server of our own on SQLite under `folder`. Yields its URL.

    Sets the environment so that this process and its children use it. Call before Prefect is imported. `mine`: the
    caller ends it with all its other processes.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield given
        return
    if mine is None:
        with processes.family(folder) as own, prefect_server(folder, say, own) as url:
            yield url
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    ours = {**_PREFECT, "PREFECT_HOME": str(folder), "PREFECT_UI_API_URL": url, OWN_SERVER: "1"}
    before = {name: os.environ.get(name) for name in (*ours, "PREFECT_API_URL")}
    os.environ.update(ours)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    say("starting the Prefect server ...")
    try:
        with (folder / "server.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        processes.adopt(folder, mine, process.pid)
        _wait_healthy(process, url, folder / "server.log")
        os.environ["PREFECT_API_URL"] = url
        say(f"the Prefect server is up: {url.removesuffix('/api')}")
        yield url
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _wait_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = clock.monotonic() + START_SECONDS
    while clock.monotonic() < end:
        if process.poll() is not None:
            raise ServerDidNotStart(f"It ended with {process.returncode}.", fix=f"Its log is {log}.")
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            clock.sleep(0.3)
    raise ServerDidNotStart(f"It did not answer within {START_SECONDS} s.", fix=f"Its log is {log}.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
