"""One look at one mailbox: what it holds (lease, line, counts), and how it goes on when the line breaks.

A connection that failed is never used again (a late reply would be taken for the answer to the next question). A new
one must find the folder it left: a UID means nothing under another UIDVALIDITY (RFC 3501 section 2.3.1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeVar

from sqlalchemy import Connection

from triage.casework import notice
from triage.desk import Desk, Mailbox
from triage.errors import MailboxProtocol, MailboxUnreachable, Temporary, TriageError
from triage.operations.casebook import put
from triage.world.inbox import FolderState, Inbox
from triage.world.store import lease

T = TypeVar("T")

RECONNECTS = 3  # a look; a server that drops more connections than this is left alone until the next one
BROKEN = (MailboxUnreachable, MailboxProtocol)  # trouble that may pass with a new connection or a smaller question


class Renumbered(Temporary):
    """The folder was made anew by the server while it was read."""


@dataclass(slots=True)
class Collected:
    """What one mailbox gave: numbers only, never mail."""

    mailbox: str
    found: int = 0
    stored: int = 0
    known: int = 0
    before_start: int = 0
    vanished: int = 0
    unfetchable: int = 0
    bytes: int = 0
    new_epochs: int = 0
    reconnects: int = 0
    errors: list[str] = field(default_factory=list)
    error_kind: str = ""  # temporary, permanent, busy


class Line:
    """The connection of one look, opened anew up to three times."""

    def __init__(self, desk: Desk, mailbox: Mailbox) -> None:
        self._desk, self._mailbox = desk, mailbox
        self._open = ExitStack()
        self._box: Inbox | None = None
        self._at: FolderState | None = None
        self.reconnects = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def dead(self) -> bool:
        """Nothing more can be asked in this look."""
        return self._box is not None and self._box.closed and self.reconnects >= RECONNECTS

    def connect(self) -> Inbox:
        """The connection; a new one where there is none or the last one is closed."""
        if self._box is None or self._box.closed:
            self._open.close()
            self._box = self._open.enter_context(self._desk.inbox(self._mailbox))
        return self._box

    def select(self, folder: str) -> FolderState:
        """Open a folder by EXAMINE: marks are set later, on a connection of their own."""
        self._at = None
        self._at = self.ask(lambda box: box.select(folder, read_only=True))
        return self._at

    def ask(self, question: Callable[[Inbox], T]) -> T:
        """Ask, and ask again on a new connection where this one broke. A refusal is not repeated."""
        while True:
            box = self.connect()
            try:
                return question(box)
            except BROKEN as error:
                if not box.closed:
                    raise
                self.mend(error)

    def mend(self, error: TriageError) -> None:
        """After trouble: nothing where the connection is still good, else a new one with the same folder open.

        Raises `error` when there were too many, Renumbered when the folder is not the one that was left.
        """
        while self._box is None or self._box.closed:
            if self.reconnects >= RECONNECTS:
                raise error
            self.reconnects += 1
            try:
                box = self.connect()
                again = box.select(self._at.folder, read_only=True) if self._at else None
            except BROKEN as still:
                error = still
                continue
            if self._at and again and again.uidvalidity != self._at.uidvalidity:
                raise Renumbered(
                    f"The UIDVALIDITY of {again.folder} changed between two connections.", where=self._mailbox.name
                )


@dataclass(frozen=True, slots=True)
class Round:
    """What the steps of one look share."""

    desk: Desk
    mailbox: Mailbox
    held: lease.Lease
    line: Line
    got: Collected

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction that fails where another run has taken over. Raises LeaseLost."""
        with self.desk.database.write() as tx:
            lease.hold(tx, self.held, self.desk.now())
            yield tx


def alarm(desk: Desk, tx: Connection, key: str, what: str, details: Sequence[str], todo: Sequence[str]) -> None:
    """Tell the operators, once for each key."""
    to = desk.config.roster.emails(desk.config.notices.operators, desk.now())
    put(desk, tx, notice.alarm(key, to, what, details, todo))
