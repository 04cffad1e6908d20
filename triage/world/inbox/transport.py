"""imaplib's connection under IMAPClient, bounded in time and size, with every kind of trouble told apart.

imaplib provides read, readline, send and shutdown to be overridden. As they come they know no time-out for a server
that drips, allocate a literal at whatever size the server claims, refuse a line of 1,000,000 bytes (a SEARCH of a big
folder; quentinsf/IMAPdedup#65), and lose half a line when the socket does not block, as in IMAPClient's `idle_check`
(mjs/imapclient#519, #565). imaplib turns a refusal, a goodbye and a closed connection into words in exceptions, mail
text among them. Here each is an exception of its own that carries nothing a mail may have put there.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import socket
import ssl
from time import monotonic
from typing import Any

from triage.world.inbox import replies
from triage.world.inbox.account import MIB, Timeouts
from triage.world.inbox.replies import Garbled

_RECEIVE = 128 * 1024
_LONGEST_LINE = 8 * MIB
_STATUS = (b"* OK", b"* NO", b"* BAD", b"* BYE", b"* PREAUTH")
_BARE = (b" OK", b" NO", b" BAD")
_FETCH = re.compile(rb"\* (\d{1,10}) FETCH (\([^\r\n]*+)\r\n")


class Refused(Exception):
    """A tagged NO: the command was understood and not done. The connection stays good."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.code = replies.code(text)[0]
        super().__init__()


class Rejected(Exception):
    """A tagged BAD: the server did not understand."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        super().__init__()


class Bye(Exception):
    """The server says that it closes the connection."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        super().__init__()


class Cut(Exception):
    """The connection ended: without a word, or with the system's error. No OSError: `idle_check` drops those."""

    def __init__(self, cause: OSError | None = None) -> None:
        self.cause = cause
        super().__init__()


class Transport(imaplib.IMAP4):
    """A connection from greeting to close. After any exception but Refused it must not be used again."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeouts: Timeouts, largest: int) -> None:
        self.timeouts, self.largest, self._context = timeouts, largest, context
        self.exists = 0  # mails in the selected folder, kept up to date from whatever reply says so
        self.news = False  # the count went up; whoever acts on it sets it back
        self._rest, self._at = b"", 0  # received and not yet read: _rest[_at:]
        self._continues = False  # a continuation request may come now
        self._deadline = monotonic() + timeouts.connect + timeouts.read
        super().__init__(host, port, timeouts.connect)

    def begin(self) -> None:
        """Start the time of a command: a server that drips never runs into the read time-out."""
        self._deadline = monotonic() + self.timeouts.command

    def count(self, name: str, number: int) -> None:
        """What "* 12 EXISTS" and "* 3 EXPUNGE" say."""
        if name == "EXISTS":
            self.news = self.news or number > self.exists
            self.exists = number
        elif name == "EXPUNGE":
            self.exists = max(0, self.exists - 1)

    @property
    def has_line(self) -> bool:
        """A whole line has been received and not yet read."""
        return self._rest.find(b"\n", self._at) >= 0

    def cut(self) -> None:
        """End the command under way from another thread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)

    # What imaplib lets its children do

    def read(self, size: int) -> bytes:
        """Exactly `size` octets."""
        end = self._at + size
        if end <= len(self._rest):
            start, self._at = self._at, end
            return self._rest[start:end]
        parts = [self._rest[self._at :]]
        left = size - len(parts[0])
        while True:
            piece = self._receive()
            if len(piece) >= left:
                parts.append(piece[:left])
                self._rest, self._at = piece, left
                return b"".join(parts)
            parts.append(piece)
            left -= len(piece)

    def readline(self) -> bytes:
        """One line with its line end. What has come of a line is kept when the socket does not block."""
        end = self._rest.find(b"\n", self._at)
        if end < 0:
            parts = [self._rest[self._at :]]
            length = len(parts[0])
            try:
                while end < 0:
                    if length > _LONGEST_LINE:
                        raise Garbled("a line of more than 8 MiB")
                    piece = self._receive()
                    parts.append(piece)
                    end = piece.find(b"\n")
                    length += len(piece)
            finally:
                self._rest, self._at = b"".join(parts), 0
            end += length - len(parts[-1])
        line = self._rest[self._at : end + 1]
        self._at = end + 1
        return line

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except OSError as error:
            raise Cut(error) from None

    def shutdown(self) -> None:
        """Close at once, saying nothing. Safe to call twice."""
        with contextlib.suppress(OSError):
            super().shutdown()

    def starttls(self, ssl_context: Any = None) -> Any:
        """As imaplib, but for what came in the clear to be believed inside TLS (CVE-2021-33515)."""
        done = self._simple_command("STARTTLS")
        if self._at < len(self._rest):
            raise Garbled("more than the answer to STARTTLS")
        try:
            self.sock = ssl_context.wrap_socket(self.sock, server_hostname=self.host)
        except OSError as error:
            raise Cut(error) from None
        self._tls_established = True
        self._get_capabilities()
        return done

    # imaplib's inner steps, which IMAPClient builds on too; typeshed leaves them out

    tagpre: Any
    _encoding: str

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        try:
            sock = socket.create_connection((self.host, self.port), timeout)
        except UnicodeError:  # two dots side by side, or a label too long
            raise socket.gaierror from None
        try:
            # Without it small commands wait for the server's delayed ACK: 45 ms instead of 2.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._context:
                sock = self._context.wrap_socket(sock, server_hostname=self.host)
            sock.settimeout(self.timeouts.read)
        except BaseException:
            sock.close()
            raise
        return sock

    def _connect(self) -> None:
        try:
            super()._connect()  # type: ignore[misc]
        except self.error:
            self._check_bye()  # the greeting may have been one
            raise
        except UnicodeDecodeError:
            raise Garbled("capabilities beyond ASCII") from None

    def _command(self, name: str, *args: Any) -> bytes:
        self._continues = self.literal is not None  # AUTHENTICATE and APPEND wait for one
        try:
            tag: bytes = super()._command(name, *args)  # type: ignore[misc]
            return tag
        finally:
            self._continues = name == "IDLE"

    def _new_tag(self) -> bytes:
        self.begin()
        self.untagged_responses.clear()  # what an earlier command left is no answer to this one
        tag: bytes = super()._new_tag()  # type: ignore[misc]
        return tag

    def _get_response(self, *args: Any) -> bytes | None:
        line: bytes | None = self._fetch_lines() or super()._get_response(*args)  # type: ignore[misc]
        if line is None and not self._continues:
            raise Garbled("a continuation request nobody waits for")
        return line

    def _fetch_lines(self) -> bytes | None:
        """FETCH replies that are here, in a line each, as sizes and dates come by the ten thousand: read as imaplib would,
        at a fifth of its cost. Returns the last of them; what else comes, a literal to follow among it, is imaplib's."""
        line = None
        while (found := _FETCH.match(self._rest, self._at)) and found[2].endswith(b")"):
            self._at = found.end()
            self._append_untagged("FETCH", b"%b %b" % found.groups())
            line = found[0]
        return line

    def _get_tagged_response(self, tag: bytes, expect_bye: bool = False) -> tuple[str, list[bytes]]:
        kind, data = super()._get_tagged_response(tag, expect_bye)  # type: ignore[misc]
        if kind == "NO":
            raise Refused(data[-1])
        if kind == "BAD":
            raise Rejected(data[-1])
        return kind, data

    def _get_line(self) -> bytes:
        line = self.readline().removesuffix(b"\n").removesuffix(b"\r")
        if line.endswith(b"}"):
            if line.startswith(_STATUS):
                return line + b" "  # a text that ends like a literal is none
            digits = line[line.rfind(b"{") + 1 : -1]
            if digits.isdigit() and (len(digits) > 12 or int(digits) > self.largest):
                raise Garbled("a literal larger than asked for")
        elif line.endswith(_BARE) and line.startswith(self.tagpre):
            return line + b" "  # RFC 9051 lets a server leave the text out, imaplib does not
        return line

    def _append_untagged(self, kind: str, data: Any) -> None:
        super()._append_untagged(kind, data)  # type: ignore[misc]
        if isinstance(data, bytes) and data.isdigit() and len(data) <= 20:
            self.count(kind, int(data))

    def _check_bye(self) -> None:
        if said := self.untagged_responses.get("BYE"):
            text = said[-1]
            raise Bye(text if isinstance(text, bytes) else b"")

    def _log(self, line: str) -> None:
        """imaplib keeps the last ten lines it sent, passwords among them. Here nothing is kept."""

    def _receive(self) -> bytes:
        if monotonic() > self._deadline:
            self._lost(TimeoutError())
        try:
            piece: bytes = self.sock.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):  # `idle_check` looks without waiting
            raise
        except OSError as error:
            self._lost(error)
        if not piece:
            self._lost()
        return piece

    def _lost(self, cause: OSError | None = None) -> None:
        self._check_bye()  # the server may have said why
        raise Cut(cause)
