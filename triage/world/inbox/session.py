"""An open mailbox: look at folders, list, fetch, mark. What moves mail is in moving.py.

After any error but a refusal (a tagged NO) the connection is closed and stays closed: a reply that came late would be
taken for the answer to the next question, and one mail's text for another's. The caller opens a new Inbox, and compares
UIDVALIDITY before it uses a UID it remembered.

`\\Seen` is never set: bodies are asked for by BODY.PEEK only, and no system flag but `\\Deleted` is ever stored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic, sleep
from types import TracebackType
from typing import BinaryIO, NoReturn

from triage.errors import FolderMissing, MailboxProtocol, MailboxUnreachable, Permanent, TriageError
from triage.world.inbox import moving, names, reading, replies, trouble, waiting
from triage.world.inbox.account import (
    KIB,
    Fact,
    Fetched,
    FolderState,
    MailboxAccount,
    Streamed,
    chunks,
)
from triage.world.inbox.client import Client
from triage.world.inbox.names import NameSpace
from triage.world.inbox.replies import Item, write_set
from triage.world.inbox.transport import Refused

_HEADER_MOST = 256 * KIB
_KEYWORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789$_-.")


def _checked(keyword: str) -> None:
    if not keyword or not set(keyword) <= _KEYWORD:
        raise ValueError(f"{keyword!r} is no IMAP keyword")


class Inbox:
    """One signed-in connection to one account. Not to be shared between threads, but for `cut`."""

    def __init__(self, account: MailboxAccount, client: Client, capabilities: frozenset[str]) -> None:
        self.account, self.capabilities = account, capabilities
        self.state: FolderState | None = None
        self._client: Client | None = client
        self._space: NameSpace | None = None

    def __enter__(self) -> Inbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """True after `close` and after any error but a refusal."""
        return self._client is None

    def close(self) -> None:
        """Sign off politely if the connection is still good; never raises, never expunges."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(*trouble.TROUBLE):
            client.socket().settimeout(min(5.0, self.account.timeouts.read))
            client.logout()
        client.shutdown()

    def cut(self) -> None:
        """Close the socket from another thread (a watchdog): the command under way ends in MailboxUnreachable."""
        if client := self._client:
            client.imap.cut()

    # Folders

    def select(self, folder: str, read_only: bool = True) -> FolderState:
        """Open a folder; with `read_only` by EXAMINE, so that the server itself changes nothing."""
        self.state = None
        path = self.space.to_server(folder)
        try:
            with self.doing(f"opening {folder}", keep_refusal=True) as client:
                found = reading.opened(client, folder, path, read_only)
        except Refused as refusal:
            self.missing(folder, refusal)
        self.state = found
        return found

    def status(self, folder: str) -> FolderState:
        """UIDVALIDITY, UIDNEXT and count without opening the folder: the cheap question of an idle poll."""
        path = self.space.to_server(folder)
        try:
            with self.doing(f"asking about {folder}", keep_refusal=True) as client:
                return reading.status(client, folder, path, with_id="OBJECTID" in self.capabilities)
        except Refused as refusal:
            self.missing(folder, refusal)

    def folders(self) -> tuple[str, ...]:
        """Every folder that can be opened, as paths with "/"."""
        space = self.space
        with self.doing("listing folders") as client:
            rows = client.list_folders()
        return tuple(sorted({space.from_server(name) for flags, _, name in rows if names.can_be_opened(flags)}))

    def below(self, folder: str) -> tuple[str, ...]:
        """The folders inside this one, and itself where it is there: one LIST, however many mails they hold."""
        space = self.space
        with self.doing(f"listing {folder}") as client:
            rows = client.list_folders("", f"{space.to_server(folder)}*")
        found = {space.from_server(name) for flags, _, name in rows if names.can_be_opened(flags)}
        return tuple(sorted(name for name in found if name == folder or name.startswith(f"{folder}/")))

    def ensure(self, folder: str) -> bool:
        """Make sure a folder exists; True if it was created. Raises FolderMissing when the server will not have it."""
        if folder.upper() == "INBOX" or folder in self.folders():
            return False
        path = self.space.to_server(folder)
        try:
            with self.doing(f"creating {folder}", keep_refusal=True) as client:
                client.create_folder(path)
                with contextlib.suppress(Refused):  # mail programs show subscribed folders only
                    client.subscribe_folder(path)
        except Refused as refusal:
            if folder in self.folders():  # someone else was quicker
                return False
            self.missing(folder, refusal)
        return True

    @property
    def space(self) -> NameSpace:
        """The personal name space, asked for once."""
        if self._space is None:
            with self.doing("asking for the name space") as client:
                self._space = reading.name_space(client, "NAMESPACE" in self.capabilities)
        return self._space

    # Mails of the selected folder

    def uids(self, low: int = 1, high: int | None = None) -> list[int]:
        """Every UID from `low` to `high` (default: up to the newest), ascending; after a NOOP, so that it is current.

        Asked in windows of 20,000, never by "n:*" (which always names the newest mail), flag or date.
        """
        state = self._selected()
        with self.doing("asking for new mail") as client:
            client.imap.noop()
            client.imap.news = False
            top = max(state.uidnext - 1, reading.last_uid(client)) if high is None else high
            found = reading.all_uids(client, low, top, self.account.limits.window_uids)
            exists = client.imap.exists
        self.state = replace(state, exists=exists, uidnext=max(state.uidnext, *(uid + 1 for uid in found), 0))
        return sorted(found)

    def still_there(self, uids: Iterable[int]) -> set[int]:
        """Which of these UIDs are in the folder now, asked exactly and after a NOOP."""
        found: set[int] = set()
        self._selected()
        for some in chunks(uids, self.account.limits.facts_mails):
            with self.doing("looking for mails again") as client:
                client.imap.noop()
                found.update(set(some).intersection(reading.search(client, b"UID " + write_set(some))))
        return found

    def with_keyword(self, keyword: str, low: int = 1) -> set[int]:
        """The UIDs from `low` on that carry this keyword."""
        self._selected()
        with self.doing("looking for a keyword") as client:
            found = reading.search(client, b"UID %d:* KEYWORD %s" % (low, _atom(keyword)))
        return {uid for uid in found if uid >= low}  # "n:*" always names the newest mail, too

    def without_keyword(self, keyword: str, uids: Iterable[int]) -> set[int]:
        """Which of these mails are here and do not carry this keyword."""
        found: set[int] = set()
        self._selected()
        for some in chunks(uids, self.account.limits.facts_mails):
            with self.doing("looking for a keyword") as client:
                criteria = b"UID %s UNKEYWORD %s" % (write_set(some), _atom(keyword))
                found.update(set(some).intersection(reading.search(client, criteria)))
        return found

    def facts(self, uids: Iterable[int]) -> dict[int, Fact]:
        """Size and INTERNALDATE of each; a UID the server leaves out is left out."""
        found: dict[int, Fact] = {}
        for some in chunks(uids, self.account.limits.facts_mails):
            for uid, item in self.items(some, b"(UID RFC822.SIZE INTERNALDATE)", "asking for sizes").items():
                if item.size is not None:
                    found[uid] = Fact(item.size, item.internaldate)
        return found

    def fetch(self, uids: Iterable[int], facts: Mapping[int, Fact] | None = None) -> list[Fetched]:
        """The raw text of each UID, in ascending order, in one command per `limits.batch_mails`.

        The octets that came are compared with those announced (in `facts`, else beside the text). Where they differ
        the mail is asked for once more, then accepted as it is. Where they differ because the mail went away
        meanwhile (Courier sends a stand-in, Dovecot NIL, Cyrus nothing) `raw` is None.
        """
        found: list[Fetched] = []
        for some in chunks(uids, self.account.limits.batch_mails):
            items = self.items(some, b"(UID RFC822.SIZE BODY.PEEK[])", "fetching")
            mails = {uid: reading.mail(uid, items.get(uid), facts) for uid in some}
            doubtful = [uid for uid, mail in mails.items() if mail.size_mismatch]
            if doubtful:
                again = self.items(doubtful, b"(UID RFC822.SIZE BODY.PEEK[])", "fetching again")
                there = self.still_there(doubtful)
                for uid in doubtful:
                    item = again.get(uid) if uid in there else None
                    mails[uid] = reading.mail(uid, item, facts, asked_again=True)
            found.extend(mails[uid] for uid in some)
        return found

    def fetch_header(self, uid: int) -> bytes | None:
        """The header block, at most 256 KiB of it: what is kept of a mail beyond the hard cap."""
        what = b"(UID BODY.PEEK[HEADER]<0.%d>)" % _HEADER_MOST
        item = self.items([uid], what, "fetching a header").get(uid)
        return item.body if item else None

    def fetch_large(self, uid: int, size: int, into: BinaryIO) -> Streamed:
        """Write one mail to a file in pieces of 1 MiB; memory holds one piece. `size` is a hint for the last one.

        Stops at `limits.largest_mail`. Errors of the file (a full disk) pass as they are.
        """
        limits = self.account.limits
        written = 0
        while True:
            room = min(limits.piece_octets, limits.largest_mail - written)
            if room <= 0 or size > limits.largest_mail:  # announced beyond the cap: do not load what is not kept
                return Streamed(uid, written, complete=written == size)
            piece = self._piece(uid, written, room)
            if piece is None:  # NIL: behind the end, or expunged meanwhile
                return Streamed(uid, written, complete=0 < size <= written)
            into.write(piece)
            written += len(piece)
            if not piece or (len(piece) < room and written >= size):
                return Streamed(uid, written, complete=True)

    def mark(self, uids: Iterable[int], keyword: str) -> bool:
        """Add a keyword for people to see. False when the folder cannot keep it (read-only, no own keywords):
        a mark on the server is a convenience, never the truth. System flags cannot be set this way.
        """
        _checked(keyword)
        if not self._selected().keeps(keyword):
            return False
        for some in chunks(uids, self.account.limits.facts_mails):
            with self.doing("marking mails") as client:
                client.add_flags(some, [keyword], silent=True)
        return True

    def unmark(self, uids: Iterable[int], keyword: str) -> bool:
        """Take a keyword off again. False when the folder was opened read-only."""
        _checked(keyword)
        if not self._selected().read_write:
            return False
        for some in chunks(uids, self.account.limits.facts_mails):
            with self.doing("taking marks off") as client:
                client.remove_flags(some, [keyword], silent=True)
        return True

    def marked(self, keyword: str) -> list[int]:
        """The UIDs of the selected folder that carry the keyword, ascending."""
        _checked(keyword)
        self._selected()
        with self.doing("looking for a keyword") as client:
            client.imap.noop()
            return sorted(set(reading.search(client, b"KEYWORD " + keyword.encode())))

    def move(self, uids: Iterable[int], folder: str) -> dict[int, int | None]:
        """Move mails; gives old UID -> new UID. None: it left this folder, where to is not known (another program or a
        person moved it, or the server does not say). A UID not in the answer is still here.
        """
        if not self._selected().read_write:
            raise Permanent("A folder opened read-only moves nothing.", where=self.account.name)
        return moving.move(self, chunks(uids, self.account.limits.batch_mails), folder)

    def append(self, folder: str, raw: bytes, at: datetime | None = None, flags: Iterable[str] = ()) -> int | None:
        """Put a mail into a folder (canary, demonstration, tests); gives its UID where the server tells (UIDPLUS).

        Line ends are made CR LF on the way, as IMAP wants them; `at` is aware.
        """
        path = self.space.to_server(folder)
        when = at.astimezone(UTC) if at else None
        try:
            with self.doing(f"adding to {folder}", keep_refusal=True) as client:
                said = client.append(path, raw, tuple(flags), when)
        except Refused as refusal:
            self.missing(folder, refusal)
        name, data = replies.code(said)
        last = data.rpartition(b" ")[2] if name == "APPENDUID" else b""
        return int(last) if last.isdigit() else None

    # Waiting

    def idle(self, seconds: float) -> bool:
        """Wait for new mail in the selected folder; True when there may be some, False when the time went by.

        It only wakes the schedule up early and reads no mail. A dead connection raises MailboxUnreachable: each round
        of at most nine minutes ends with DONE and a NOOP, so silence is never taken for peace.
        """
        self._selected()
        until = monotonic() + seconds
        while True:
            with self.doing("waiting for new mail") as client:
                left = min(until - monotonic(), waiting.ROUND)
                if not client.imap.news and left > 0:
                    if "IDLE" in self.capabilities:
                        waiting.idle_round(client, left)
                    else:
                        sleep(min(left, waiting.POLL))
                if not client.imap.news:
                    client.imap.noop()
                news, client.imap.news = client.imap.news, False  # told once: who is woken may scan elsewhere
            if news or monotonic() >= until:
                return news

    # For this package

    def _selected(self) -> FolderState:
        if self.state is None:
            raise MailboxUnreachable("No folder is open on this connection.", where=self.account.name)
        return self.state

    def items(self, uids: list[int], what: bytes, doing: str) -> dict[int, Item]:
        """FETCH; keeps only replies that name one of these UIDs and hold what was asked for."""
        self._selected()
        body = b"BODY" in what
        with self.doing(doing) as client:
            items = reading.fetch(client, write_set(uids), what)
        wanted = set(uids)
        return {
            item.uid: item
            for item in items
            if item.uid in wanted and (item.has_body if body else item.size is not None)
        }

    def _piece(self, uid: int, offset: int, octets: int) -> bytes | None:
        item = self.items([uid], b"(UID BODY.PEEK[]<%d.%d>)" % (offset, octets), "fetching in pieces").get(uid)
        if item is None or item.body is None:
            return None
        if (item.origin or 0) != offset or len(item.body) > octets:
            self._drop()
            raise MailboxProtocol("The server ignored the bounds of a partial fetch.", where=self.account.name)
        return item.body

    @contextlib.contextmanager
    def doing(self, doing: str, *, keep_refusal: bool = False) -> Iterator[Client]:
        """Run commands; turn trouble into an error of the house and close the connection unless it was a refusal.

        With `keep_refusal` a tagged NO that needs more than the general reading is passed on as Refused.
        """
        if self._client is None:
            raise MailboxUnreachable("The connection is closed.", where=self.account.name)
        failure: TriageError
        try:
            yield self._client
            return
        except Refused as refusal:
            special = trouble.asks_to_wait(refusal.text) or trouble.not_connected(refusal.text)
            if keep_refusal and not special:
                raise
            failure = trouble.explain(refusal, self.account, doing)
        except trouble.TROUBLE as error:
            self._drop()
            failure = trouble.explain(error, self.account, doing)
        except BaseException:
            self._drop()
            raise
        try:
            raise failure
        finally:  # what the server sent does not travel along
            failure.__context__ = None

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client:
            client.shutdown()

    def missing(self, folder: str, refusal: Refused) -> NoReturn:
        """A refusal about a folder: it is not there, or it is and may not be used."""
        every = self.folders()
        words = trouble.said(refusal.text)
        if folder in every:
            detail = f"{folder} is there, but the server refuses it to {self.account.user}: {words}."
            raise FolderMissing(detail, fix="Check the permissions on the folder.", where=self.account.name) from None
        near = ", ".join(names.similar(folder, every)) or "none"
        detail = f"{folder} was not found; the server said {words}. Similar folders: {near}."
        raise FolderMissing(detail, fix="Correct the name or create the folder.", where=self.account.name) from None


def _atom(keyword: str) -> bytes:
    """A keyword as a command may hold it. Raises ValueError for what is none."""
    if not keyword or not set(keyword) <= _KEYWORD:
        raise ValueError(f"{keyword!r} is no IMAP keyword")
    return keyword.encode("ascii")
