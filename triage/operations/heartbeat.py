"""The heartbeat: an outside address is asked for after each good cycle, so that silence tells what a dead program cannot.

Nothing is sent but the request itself. The address may be a secret: it is never logged, only its host.
"""

from __future__ import annotations

import http.client
import logging
import urllib.error
import urllib.request
from typing import IO
from urllib.parse import urlsplit

from triage import __version__
from triage.desk import Desk
from triage.world.store import register

log = logging.getLogger(__name__)

SECONDS = 10.0
#: a cycle is good when the last run of each was
CYCLE = ("intake", "watch", "dispatch")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead to an address that nobody wrote into the config."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def beat(desk: Desk) -> bool:
    """Ask for the address where the last run of every kind was good; False where not, or where nobody answered.

    Never raises: an address that does not answer must not stop the work, and its owner will notice the silence.
    """
    address = desk.config.notices.heartbeat
    if address is None or not well(desk):
        return False
    request = urllib.request.Request(address, headers={"User-Agent": f"triage/{__version__}"})
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            answer.read(1024)
    except (OSError, http.client.HTTPException, ValueError) as error:
        host = urlsplit(address).hostname
        log.warning("the heartbeat was not answered", extra={"host": host, "error": type(error).__name__})
        return False
    return True


def well(desk: Desk) -> bool:
    """Did the last finished run of intake, watch and dispatch all reach a good end?"""
    with desk.database.read() as tx:
        return all(register.last_ok(tx, kind) for kind in CYCLE)
