"""IMAPClient as an intake needs it: on our transport, with the traps of its idle and its folder list closed.

The rest is IMAPClient's own: sign-in, STARTTLS, name space, folders, status, flags, copy, move, append. Its rules
(learned from https://github.com/mjs/imapclient/issues and from trying): lists of whole numbers for UIDs, never "1:*"
(#647); `debug` off, or imaplib writes out every body for a log line; times with their zone.
"""

from __future__ import annotations

import contextlib
import imaplib
import ssl
from collections.abc import Iterator, Sequence
from typing import Any

from imapclient import IMAPClient, SocketTimeout

from triage.world.inbox import names, replies
from triage.world.inbox.account import MailboxAccount
from triage.world.inbox.replies import Garbled, Part
from triage.world.inbox.transport import Bye, Refused, Rejected, Transport

#: what IMAPClient's readers end in when a reply is not what they expect
_UNREADABLE = (
    imaplib.IMAP4.error, ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip

#: attributes, delimiter, name: a row of `list_folders`
Listed = tuple[tuple[bytes, ...], bytes | None, str]


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """Around a call of IMAPClient that reads a reply, and nothing else: a reply it stumbles over is garbled."""
    try:
        yield
    except OSError:  # ssl.SSLCertVerificationError is a ValueError, too
        raise
    except _UNREADABLE:
        raise Garbled("a reply that cannot be read") from None


class Client(IMAPClient):  # type: ignore[misc]  # IMAPClient has no type hints
    """Connected when made, not yet signed in. After any exception but Refused it must not be used again."""

    _imap: Transport

    def __init__(self, account: MailboxAccount, context: ssl.SSLContext | None) -> None:
        """`context` is for TLS from the first byte, None for clear text or a later `starttls`."""
        self._account = account
        wait = SocketTimeout(connect=account.timeouts.connect, read=account.timeouts.read)
        super().__init__(account.host, account.port, ssl=context is not None, ssl_context=context, timeout=wait)
        self._imap.debug = 0
        self.normalise_times = False
        self.folder_encode = True

    @property
    def imap(self) -> Transport:
        """The imaplib object below, for what IMAPClient gives no way to."""
        return self._imap

    def idle(self) -> None:
        """As IMAPClient, which takes whatever the server says before its "+" for a refusal."""
        self._idle_tag = self._imap._command("IDLE")
        while self._imap._get_response() is not None:
            if self._imap.tagged_commands[self._idle_tag]:
                self._imap._get_tagged_response(self._idle_tag)  # raises, unless it is an OK
                raise Garbled("an IDLE that ended before it began")
        self._imap._continues = False

    def hear(self, seconds: float) -> None:
        """Wait while idle until the server says something or `seconds` are over; what it says is counted.

        May return early with nothing. Raises Cut when the connection ends, Bye when the server says so.
        """
        self._imap.begin()
        with understood():
            heard = self.idle_check(seconds)
        for reply in heard:
            match reply:
                case (int(number), bytes(name), *_):
                    self._imap.count(name.decode("ascii", "replace").upper(), number)
                case (b"BYE", *words):
                    raise Bye(b" ".join(word for word in words if isinstance(word, bytes)))

    def _create_IMAP4(self) -> Transport:
        # twice: servers announce the size of a mail too small, and the limit is there for absurd claims only
        largest = 2 * self._account.limits.largest_mail
        return Transport(self.host, self.port, self.ssl_context, self._account.timeouts, largest)

    def _poll_socket(self, sock: Any, timeout: float | None = None) -> Any:
        """A line that came together with the "+" is in our buffer: no socket tells of it."""
        return True if self._imap.has_line else super()._poll_socket(sock, timeout)

    def _select_poll_socket(self, sock: Any, timeout: float | None = None) -> Any:
        return True if self._imap.has_line else super()._select_poll_socket(sock, timeout)

    def _proc_folder_list(self, folder_data: Sequence[Part | None]) -> list[Listed]:
        """One line at a time. IMAPClient gives up the whole list for one name it cannot read: `a[b`, which Dovecot
        sends without quotes, as it may, or a name that is not modified UTF-7."""
        found = []
        for part in folder_data:
            if part:
                line, literal = part if isinstance(part, tuple) else (part, None)
                flags, delimiter, name = replies.listed(line, literal)
                found.append((flags, delimiter, names.decode(name)))
        return found

    def _check_resp(self, expected: str, command: str, kind: str, data: Any) -> None:
        """As IMAPClient, but told apart, and without the server's words in an exception or a log."""
        if kind != expected:
            raise (Refused if kind == "NO" else Rejected)(data[0] if isinstance(data[0], bytes) else b"")
