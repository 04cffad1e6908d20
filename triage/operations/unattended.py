"""Running by itself: one cycle for cron and people, or for good on Prefect's schedules."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triage.desk import open_desk
from triage.errors import Temporary
from triage.operations import cycle
from triage.world import clock, settings

START_SECONDS = 180  # a first start on a busy machine runs migrations for half a minute
STOP_SECONDS = 8


class ServerDidNotStart(Temporary):
    """Our own Prefect server did not start."""


def one_cycle(names: Sequence[str] | None, say: Callable[[str], Any]) -> dict[str, Any]:
    """One whole cycle in this process, as the stable form that `triage run --json` prints."""
    with open_desk(last_good=True) as desk:
        return cycle.run(desk, names, say=say)


def serve(every: int | None, say: Callable[[str], Any]) -> None:
    """Check the config, start what is needed, run the flows until SIGTERM or SIGINT."""
    found = settings.load()
    with open_desk(last_good=True) as desk:
        seconds = every or min(box.every for box in desk.mailboxes)
        zone = desk.zone
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end the same way: children stopped, state kept
    with prefect_server(found.prefect, say):
        say(f"looking at the mailboxes every {seconds} s; stop with Ctrl-C or SIGTERM")
        from triage.flows.serve import run as serve_flows

        serve_flows(seconds, zone)
    say("stopped")


@contextmanager
def prefect_server(folder: Path, say: Callable[[str], Any]) -> Iterator[str]:
    """The API that PREFECT_API_URL names, or a server of our own on SQLite under `folder`. Yields its URL.

    Sets the environment so that this process and its children use it. Call before Prefect is imported.
    """
    given = os.environ.get("PREFECT_API_URL")
    if given:
        yield given
        return
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_HOME"] = str(folder)
    os.environ["PREFECT_UI_API_URL"] = url
    log = (folder / "server.log").open("ab")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    say("starting the Prefect server ...")
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_healthy(process, url, folder / "server.log")
        os.environ["PREFECT_API_URL"] = url
        say(f"the Prefect server is up: {url.removesuffix('/api')}")
        yield url
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        _stop(process)
        log.close()


def _wait_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = clock.monotonic() + START_SECONDS
    while clock.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            clock.sleep(0.3)
    raise ServerDidNotStart(f"It did not answer within {START_SECONDS} s.", fix=f"Its log is {log}.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The server's whole process group, politely and then not."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
