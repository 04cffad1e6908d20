"""IDLE (RFC 2177): waiting for news without asking. It wakes a run; the schedule remains the truth."""

from __future__ import annotations

from time import monotonic

from triage.world.inbox.replies import Untagged
from triage.world.inbox.wire import Bye, Done, Wire

ROUND = 9 * 60.0  # seconds; routers forget a silent connection long before the half hour RFC 2177 speaks of
POLL = 30.0  # seconds between NOOPs where the server has no IDLE


def idle_round(wire: Wire, seconds: float) -> None:
    """IDLE until EXISTS grows or the time is up, then DONE. RECENT is not looked at: it may never come."""
    wire.run(b"NOOP")  # some servers announce in IDLE only what comes after it began
    if wire.news:
        return
    tag = wire.send(b"IDLE")
    gathered: list[Untagged] = []
    until = monotonic() + seconds
    while not isinstance(_going_on(wire.read_one(tag, gathered)), bytes):
        pass
    while not wire.news and (left := until - monotonic()) > 0 and wire.hear(left):
        _going_on(wire.read_one(tag, gathered))
        gathered.clear()
    wire.send_line(b"DONE")
    while not isinstance(wire.read_one(tag, gathered), Done):
        pass


def _going_on(reply: Done | bytes | None) -> bytes | None:
    """Before DONE is sent only the server's leaving ends an IDLE."""
    if isinstance(reply, Done):
        raise Bye(b"IDLE ended by the server")
    return reply
