"""Moving mail from the selected folder to another one, so that it is never lost, nor doubled by a second try.

MOVE (RFC 6851) where the server has it. Else COPY, `\\Deleted` and UID EXPUNGE, after a look into the destination: a
try that broke off after COPY has left its copies there. A plain EXPUNGE is never sent, nor CLOSE: both would remove
what people have marked `\\Deleted` themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, Protocol

from imapclient import DELETED

from triage.errors import MailboxProtocol
from triage.world.inbox import reading
from triage.world.inbox.account import FolderState, MailboxAccount
from triage.world.inbox.client import Client
from triage.world.inbox.names import NameSpace
from triage.world.inbox.replies import Item
from triage.world.inbox.transport import Refused

_CANDIDATES = 50  # mails of the same size looked at in the destination


class Box(Protocol):
    """What moving needs of an open mailbox (session.Inbox)."""

    account: MailboxAccount
    capabilities: frozenset[str]
    state: FolderState | None

    @property
    def closed(self) -> bool: ...
    @property
    def space(self) -> NameSpace: ...
    def select(self, folder: str, read_only: bool = True) -> FolderState: ...
    def still_there(self, uids: Iterable[int]) -> set[int]: ...
    def items(self, uids: list[int], what: bytes, doing: str) -> dict[int, Item]: ...
    def doing(self, doing: str, *, keep_refusal: bool = False) -> AbstractContextManager[Client]: ...
    def missing(self, folder: str, refusal: Refused) -> NoReturn: ...


@dataclass(frozen=True, slots=True)
class _Mark:
    """What tells a mail from another one without its text."""

    size: int
    message_id: bytes
    internaldate: datetime | None  # compared only where there is no Message-ID: not every server copies it

    def same(self, other: _Mark) -> bool:
        if self.size != other.size or self.message_id != other.message_id:
            return False
        return bool(self.message_id) or self.internaldate == other.internaldate


def move(inbox: Box, batches: list[list[int]], folder: str) -> dict[int, int | None]:
    """Old UID -> new UID, None where the new one is unknown; what is not in the answer is still here."""
    moved: dict[int, int | None] = {}
    for uids in batches:
        if "MOVE" in inbox.capabilities:
            moved.update(_by_move(inbox, uids, folder))
        else:
            moved.update(_by_copy(inbox, uids, folder))
    return moved


def _by_move(inbox: Box, uids: list[int], folder: str, tries: int = 3) -> dict[int, int | None]:
    path = inbox.space.to_server(folder)
    again = False
    try:
        with inbox.doing(f"moving mail to {folder}", keep_refusal=True) as client:
            try:
                client.move(uids, path)
            except Refused as refusal:
                if refusal.code != "EXPUNGEISSUED":
                    raise
                again = True  # another worker or a person took one; the others may or may not have been moved
            moved = reading.copied(client, uids)
    except Refused as refusal:
        inbox.missing(folder, refusal)
    rest = [uid for uid in uids if uid not in moved]
    if not rest:
        return moved
    # A UID that is gone before MOVE is passed over in silence, with a plain OK: gone is as good as moved.
    there = inbox.still_there(rest)
    moved.update((uid, None) for uid in rest if uid not in there)
    if there and again and tries > 1:
        moved.update(_by_move(inbox, sorted(there), folder, tries - 1))
    return moved


def _by_copy(inbox: Box, uids: list[int], folder: str) -> dict[int, int | None]:
    source = inbox.state
    assert source is not None  # Inbox.move has looked
    here = _marks(inbox, uids)
    there = inbox.still_there([uid for uid in uids if uid not in here])
    moved: dict[int, int | None] = {uid: None for uid in uids if uid not in here and uid not in there}
    if not here:
        return moved

    done: dict[int, int | None] = dict(_found_in(inbox, folder, source.folder, here))
    rest = [uid for uid in here if uid not in done]
    if rest:
        path = inbox.space.to_server(folder)
        try:
            with inbox.doing(f"copying mail to {folder}", keep_refusal=True) as client:
                client.copy(rest, path)
                copied = reading.copied(client, rest)
        except Refused as refusal:
            inbox.missing(folder, refusal)
        done.update(copied)
        unproven = {uid: here[uid] for uid in rest if uid not in copied}
        if unproven:  # no COPYUID: believe only what is seen to be there
            taken = {uid for uid in done.values() if uid}
            done.update(_found_in(inbox, folder, source.folder, unproven, taken))
    if inbox.state is None or inbox.state.uidvalidity != source.uidvalidity:
        raise MailboxProtocol("The folder changed its UIDVALIDITY during a move.", where=inbox.account.name)
    if done:
        _remove(inbox, sorted(done))
    moved.update(done)
    return moved


def _remove(inbox: Box, uids: list[int]) -> None:
    """Only after the copy is proven. Without UIDPLUS the mails stay, marked `\\Deleted`, for a person's program."""
    with inbox.doing("removing moved mail") as client:
        client.add_flags(uids, [DELETED], silent=True)
        if "UIDPLUS" in inbox.capabilities:
            client.uid_expunge(uids)


def _found_in(
    inbox: Box, folder: str, source: str, wanted: dict[int, _Mark], taken: set[int] | None = None
) -> dict[int, int]:
    """Which of these mails the destination holds already; each mail there stands for one here. Opens `source` again."""
    found: dict[int, int] = {}
    used = set(taken or ())
    try:
        inbox.select(folder, read_only=True)
        for size in sorted({mark.size for mark in wanted.values()}):
            criteria = b"SMALLER %d" % (size + 1) + (b" LARGER %d" % (size - 1) if size else b"")
            with inbox.doing(f"looking into {folder}") as client:
                hits = sorted(reading.search(client, criteria))[-_CANDIDATES:]
            for new, there in _marks(inbox, hits).items():
                old = next((u for u, mark in wanted.items() if u not in found and mark.same(there)), None)
                if old is not None and new not in used:
                    found[old] = new
                    used.add(new)
    finally:
        if not inbox.closed:
            inbox.select(source, read_only=False)
    return found


def _marks(inbox: Box, uids: list[int]) -> dict[int, _Mark]:
    if not uids:
        return {}
    what = b"(UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
    items = inbox.items(uids, what, "comparing mails")
    return {uid: _mark(item) for uid, item in items.items() if item.size is not None}


def _mark(item: Item) -> _Mark:
    value = (item.body or b"").partition(b":")[2]
    return _Mark(item.size or 0, b"".join(value.split()), item.internaldate)
