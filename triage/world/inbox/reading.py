"""Small questions and readings that the session is made of."""

from __future__ import annotations

from collections.abc import Mapping

from triage.world.inbox import replies
from triage.world.inbox.account import Fact, Fetched, FolderState
from triage.world.inbox.replies import Garbled, Item
from triage.world.inbox.wire import Done, Wire

_MANY = 500_000  # UIDs whose list fits into the longest line that is read


def selected(folder: str, done: Done, exists: int, read_only: bool) -> FolderState:
    validity, following = done.code("UIDVALIDITY"), done.code("UIDNEXT")
    if not validity or not validity.isdigit() or done.code("UIDNOTSTICKY") is not None:
        raise Garbled("a folder without lasting UIDs")  # no mail in it could be told from another
    flags = (done.code("PERMANENTFLAGS") or b"").strip(b"()").decode("ascii", "replace").split()
    mailboxid = (done.code("MAILBOXID") or b"").strip(b"()").decode("ascii", "replace")
    return FolderState(
        folder=folder,
        uidvalidity=int(validity),
        uidnext=int(following) if following and following.isdigit() else 0,
        exists=exists,
        read_write=not read_only and done.code("READ-ONLY") is None,  # servers leave READ-WRITE out, not READ-ONLY
        permanent_flags=frozenset(flags),
        mailboxid=mailboxid or None,
    )


def last_uid(wire: Wire) -> int:
    """The highest UID in the folder, 0 when it is empty."""
    if not wire.exists:
        return 0
    items = [replies.fetch_item(line.chunks) for line in wire.run(b"UID FETCH * (UID)").lines(b"FETCH")]
    return max((item.uid for item in items if item.uid), default=0)


def all_uids(wire: Wire, low: int, high: int, window: int) -> set[int]:
    """Every UID from `low` to `high`, asked in windows. A window that came back sparse is followed by one twice as
    wide, so that gaps of billions, which some servers have, are crossed in a few questions."""
    found: set[int] = set()
    width = max(window, high) if wire.exists <= window else window  # then no reply can be long
    start = low
    while start <= high:
        stop = min(start + width - 1, high)
        hits = {uid for uid in search(wire, b"UID %d:%d" % (start, stop)) if start <= uid <= stop}
        found |= hits
        start = stop + 1
        width = width * 2 if len(hits) < window // 2 else window
        if wire.exists > _MANY:
            width = min(width, _MANY)
    return found


def search(wire: Wire, criteria: bytes) -> list[int]:
    lines = wire.run(b"UID SEARCH", criteria).lines(b"SEARCH")
    return [uid for line in lines for uid in replies.numbers(line.chunks[0])]


def fetched(uid: int, item: Item | None, facts: Mapping[int, Fact] | None, *, asked_again: bool = False) -> Fetched:
    """NIL, nothing, or no octets where some were announced: no text came."""
    known = facts.get(uid) if facts else None
    size = known.size if known else (item.size if item else None)
    raw = item.body if item else None
    if raw is not None and not raw and size:
        raw = None
    return Fetched(uid, raw, size, asked_again)
