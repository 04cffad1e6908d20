"""Beside the schedule: IMAP IDLE that asks for an intake at once, and the figures of the health endpoint."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from triage.desk import open_desk
from triage.errors import TriageError
from triage.operations import look
from triage.world import clock

log = logging.getLogger(__name__)

IDLE_SECONDS = 300.0  # a server may end IDLE after 30 minutes (RFC 2177); routers forget connections sooner
PAUSE_SECONDS = 60.0  # after trouble; the schedule goes on meanwhile
QUIET_SECONDS = 5.0  # a burst of mail is one intake


@contextmanager
def waiting(mailboxes: Sequence[str], api: str) -> Iterator[None]:
    """Wait for new mail in these mailboxes, a thread each. The thread reads no mail: it only asks for an intake run."""
    stop = threading.Event()
    for name in mailboxes:  # daemons: a connection that hangs must not hold up the end of the program
        threading.Thread(target=_wait, args=(name, api, stop), name=f"idle-{name}", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _wait(name: str, api: str, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            with open_desk(last_good=True) as desk:
                mailbox = desk.mailbox(name)
                with desk.inbox(mailbox) as box:
                    box.select(mailbox.read_folders[0].name, read_only=True)
                    while not stop.is_set():
                        if box.idle(IDLE_SECONDS):
                            trigger(api, "intake", {"mailboxes": [name]})
                            stop.wait(QUIET_SECONDS)
        except (TriageError, OSError) as error:
            log.warning("waiting for mail was interrupted", extra={"mailbox": name, "error": type(error).__name__})
            stop.wait(PAUSE_SECONDS)


def trigger(api: str, flow: str, parameters: Mapping[str, Any]) -> None:
    """Ask Prefect for a run of the flow now; one that runs already makes this one superfluous. Raises OSError."""
    with urllib.request.urlopen(f"{api}/deployments/name/{flow}/{flow}", timeout=10) as answer:
        deployment = json.load(answer)["id"]
    body = json.dumps({"parameters": dict(parameters), "state": {"type": "SCHEDULED"}}).encode()
    request = urllib.request.Request(
        f"{api}/deployments/{deployment}/create_flow_run", body, {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


class _Kept:
    """The figures, made at most every ten seconds however often they are asked for."""

    def __init__(self) -> None:
        self._lock, self._until = threading.Lock(), 0.0
        self._found: Mapping[str, Any] = {}

    def __call__(self) -> Mapping[str, Any]:
        with self._lock:
            if clock.monotonic() >= self._until:
                with open_desk(last_good=True) as desk:
                    self._found = {**look.status(desk), "now": desk.now()}
                self._until = clock.monotonic() + 10.0
            return self._found


figures = _Kept()
