"""IDLE (RFC 2177): waiting for news without asking. It wakes a run; the schedule remains the truth."""

from __future__ import annotations

from time import monotonic

from triage.world.inbox.client import Client, understood

ROUND = 9 * 60.0  # seconds; routers forget a silent connection long before the half hour RFC 2177 speaks of
POLL = 30.0  # seconds between NOOPs where the server has no IDLE


def idle_round(client: Client, seconds: float) -> None:
    """IDLE until EXISTS grows or the time is up, then DONE. RECENT is not looked at: it may never come."""
    client.imap.noop()  # some servers announce in IDLE only what comes after it began
    if client.imap.news:
        return
    client.idle()
    until = monotonic() + seconds
    while not client.imap.news and (left := until - monotonic()) > 0:
        client.hear(left)
    client.imap.begin()
    with understood():
        client.idle_done()
