"""The processes that `triage serve` lives on: the Prefect server and the runner. Started again where they end by
themselves, and whatever keeps Prefect from answering is said at once and once.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triage.errors import Temporary
from triage.operations import processes
from triage.operations.processes import Started
from triage.world import clock

START_SECONDS = 180  # a first start on a busy machine runs migrations for half a minute
HEALTH_SECONDS = 6.0  # between two questions whether Prefect answers
HUNG_SECONDS = 90.0  # a server of our own that runs and does not answer for so long is ended; the next look starts it
MOST_DEATHS, WITHIN_SECONDS = 10, 900.0  # of one process; more is a fault that a restart does not mend
OWN_SERVER = "TRIAGE_OWN_SERVER"  # tells the runner that nobody else uses this Prefect server

#: Prefect's own history is for looking at last week, and its telemetry is off
_PREFECT = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(7 * 86_400),
    "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P1D",
}

Say = Callable[[str], Any]


class ServerDidNotStart(Temporary):
    """Our own Prefect server did not start."""


class ChildDied(Temporary):
    """A process that `triage serve` needs ended by itself, again and again."""


class Child:
    """One process; its output goes to a file of `folder`."""

    def __init__(self, name: str, command: Sequence[str], log: Path, folder: Path, mine: Started) -> None:
        self.name, self.log = name, log
        self._command, self._folder, self._mine = command, folder, mine
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths: list[float] = []

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        processes.adopt(self._folder, self._mine, self._process.pid)

    @property
    def ended(self) -> int | None:
        """Its exit code; None while it runs or was never started."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def again(self) -> None:
        """Start it anew after it ended. Raises ChildDied where that was done too often."""
        now = clock.monotonic()
        self._deaths = [at for at in self._deaths if now - at < WITHIN_SECONDS] + [now]
        if len(self._deaths) > MOST_DEATHS:
            raise ChildDied(f"The {self.name} ended with {self.ended}.", fix=f"Its log is {self.log}; start again.")
        self.start()


class Api:
    """The Prefect API: of our own server, or of the one that PREFECT_API_URL names (`child` is None then)."""

    def __init__(self, url: str, child: Child | None = None) -> None:
        self.url, self.child = url, child

    def trouble(self) -> str:
        """Why nobody answers there; "" where somebody does."""
        try:
            urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}" if error.code >= 500 else ""
        except (TimeoutError, ConnectionError) as error:
            return str(error) or type(error).__name__
        except urllib.error.URLError as error:
            # A certificate that only Prefect was told to trust is no reason to think that nobody is there.
            away = isinstance(error.reason, ConnectionError | TimeoutError | socket.gaierror | str)
            return str(error.reason) if away else ""
        except OSError as error:
            return str(error)
        return ""


class Keeper:
    """Looks after both for `triage serve`."""

    def __init__(self, api: Api, runner: Child, say: Say) -> None:
        self._api, self._runner, self._say = api, runner, say
        self._trouble: str | None = None  # None: not asked yet
        self._next = 0.0
        self._answered = clock.monotonic()

    def look(self) -> None:
        """Start again what ended; start the runner as soon as Prefect answers. Raises ChildDied."""
        server = self._api.child
        if server is not None and server.ended is not None:
            self._say(f"TROUBLE: the Prefect server ended with {server.ended}; starting it again ({server.log})")
            server.again()
            self._trouble = "it is starting"
            self._next, self._answered = 0.0, clock.monotonic() + START_SECONDS
        if clock.monotonic() >= self._next:
            self._ask()
        if self._trouble:
            return
        if self._runner.ended is not None:
            self._say(f"TROUBLE: the runner ended with {self._runner.ended}; starting it again ({self._runner.log})")
            self._runner.again()
        elif not self._runner.running:
            self._runner.start()

    def _ask(self) -> None:
        self._next = clock.monotonic() + HEALTH_SECONDS
        trouble, before = self._api.trouble(), self._trouble
        place = self._api.url.removesuffix("/api")
        if trouble and not before:
            self._say(f"TROUBLE: the Prefect server {place} does not answer: {trouble}. No mail is read until it does.")
        elif before and not trouble:
            self._say(f"the Prefect server answers again: {place}")
        self._trouble = trouble
        if not trouble:
            self._answered = clock.monotonic()
        elif self._api.child is not None and clock.monotonic() - self._answered > HUNG_SECONDS:
            self._api.child.kill()


@contextmanager
def prefect_server(folder: Path, say: Say, mine: Started | None = None) -> Iterator[Api]:
    """The API that PREFECT_API_URL names, or a server of our own on SQLite under `folder`, healthy.

    Sets the environment so that this process and its children use it. Call before Prefect is imported. `mine`: the
    caller ends it with all its other processes. Raises ServerDidNotStart.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield Api(given.rstrip("/"))
        return
    if mine is None:
        with processes.family(folder) as own, prefect_server(folder, say, own) as api:
            yield api
        return
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    ours = {**_PREFECT, "PREFECT_HOME": str(folder), "PREFECT_UI_API_URL": url, OWN_SERVER: "1"}
    before = {name: os.environ.get(name) for name in (*ours, "PREFECT_API_URL")}
    os.environ.update(ours)
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    say("starting the Prefect server ...")
    try:
        (folder / "server.log").unlink(missing_ok=True)
        api = Api(url, Child("Prefect server", command, folder / "server.log", folder, mine))
        _start(api)
        os.environ["PREFECT_API_URL"] = url
        say(f"the Prefect server is up: {url.removesuffix('/api')}")
        yield api
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _start(api: Api) -> None:
    child = api.child
    assert child is not None
    child.start()
    end = clock.monotonic() + START_SECONDS
    while clock.monotonic() < end:
        if child.ended is not None:
            raise ServerDidNotStart(f"It ended with {child.ended}.", fix=f"Its log is {child.log}.")
        if not api.trouble():
            return
        clock.sleep(0.3)
    raise ServerDidNotStart(f"It did not answer within {START_SECONDS} s.", fix=f"Its log is {child.log}.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
