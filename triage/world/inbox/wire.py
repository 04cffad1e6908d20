"""One IMAP connection: commands out, whole replies in, everything bounded in time and size.

Written on the socket rather than on imaplib or IMAPClient, whose habits an intake cannot live with: no time-out by
default, a literal allocated at whatever size the server claims, a line limit that a big SEARCH exceeds, an IDLE that
reads half lines and takes a closed connection for silence (mjs/imapclient#519, #565), a refused sign-in that cannot be
told from a dropped one, COPYUID thrown away, and protocol text in exceptions. It is also less work for the processor.

Nothing is logged here, and no exception carries what a mail may have put there.
"""

from __future__ import annotations

import contextlib
import secrets
import selectors
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from triage.world.inbox import replies
from triage.world.inbox.account import MIB, Timeouts
from triage.world.inbox.replies import Garbled, Untagged

_RECEIVE = 128 * 1024
_LONGEST_LINE = 8 * MIB
_STATUS = (b"* OK", b"* NO", b"* BAD", b"* BYE", b"* PREAUTH")


class Refused(Exception):
    """A tagged NO: the command was understood and not done. The connection stays good."""

    def __init__(self, text: bytes, untagged: list[Untagged]) -> None:
        self.text, self.untagged = text, untagged
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
    """The connection ended without a word."""


@dataclass(frozen=True, slots=True)
class Done:
    """A tagged OK: its text, and the untagged replies that came before it."""

    text: bytes
    untagged: list[Untagged]

    def lines(self, name: bytes) -> list[Untagged]:
        return [reply for reply in self.untagged if reply.name == name]

    def code(self, name: str) -> bytes | None:
        """The data of a response code, tagged or untagged (MOVE sends COPYUID untagged, COPY tagged)."""
        for text in (self.text, *(r.chunks[0] for r in self.untagged if r.name == b"OK")):
            found, data = replies.code(text)
            if found == name:
                return data
        return None


class Wire:
    """A connection from greeting to close. After any exception but Refused it must not be used again."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, timeouts: Timeouts, largest: int) -> None:
        self.host, self.timeouts, self.largest = host, timeouts, largest
        self.exists = 0  # mails in the selected folder, kept up to date from whatever reply says so
        self.news = False  # the count went up; whoever acts on it sets it back
        self._rest, self._at = b"", 0  # received and not yet read: _rest[_at:]
        # The tag cannot be guessed: a mail that shows through a literal of wrong length cannot pose as a reply.
        self._tag, self._count = secrets.token_hex(4).encode(), 0
        self._deadline = monotonic() + timeouts.connect + timeouts.read
        self.sock = socket.create_connection((host, port), timeout=timeouts.connect)
        try:
            # Without it small commands wait for the server's delayed ACK: 45 ms instead of 2.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if context:
                self.sock = context.wrap_socket(self.sock, server_hostname=host)
            self.sock.settimeout(timeouts.read)
        except BaseException:
            self.close()
            raise

    def greeting(self) -> tuple[bytes, bytes]:
        """b"OK" or b"PREAUTH", and the text. Raises Bye when the server turns us away."""
        kind, _, text = self._response()[0].removeprefix(b"* ").partition(b" ")
        if kind.upper() == b"BYE":
            raise Bye(text)
        if kind.upper() not in (b"OK", b"PREAUTH"):
            raise Garbled("no IMAP greeting")
        return kind.upper(), text

    def start_tls(self, context: ssl.SSLContext) -> None:
        self.run(b"STARTTLS")
        if self._at < len(self._rest):  # said in the clear to be believed inside TLS (CVE-2021-33515)
            raise Garbled("more than the answer to STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=self.host)

    def run(self, *words: bytes, answer: Callable[[bytes], bytes] | None = None) -> Done:
        """Send one command, give its replies. `answer` serves continuation requests (a literal, a SASL exchange)."""
        tag = self.send(*words)
        gathered: list[Untagged] = []
        while True:
            done = self.read_one(tag, gathered)
            if done is None:
                continue
            if isinstance(done, Done):
                return done
            if answer is None:
                raise Garbled("a continuation request nobody waits for")
            self._begin()
            self.sock.sendall(answer(done) + b"\r\n")

    def send(self, *words: bytes) -> bytes:
        """Send a command and give its tag."""
        self._begin()
        self._count += 1
        tag = b"%s.%d" % (self._tag, self._count)
        self.sock.sendall(b" ".join((tag, *words)) + b"\r\n")
        return tag

    def send_line(self, line: bytes) -> None:
        self._begin()
        self.sock.sendall(line + b"\r\n")

    def read_one(self, tag: bytes, gathered: list[Untagged]) -> Done | bytes | None:
        """Read one reply: Done for the tagged OK, bytes for a continuation request, None for an untagged one."""
        chunks = self._response()
        head = chunks[0]
        if head.startswith(b"* "):
            reply = replies.untagged(chunks)
            if reply.name == b"BYE":
                raise Bye(reply.chunks[0])
            if reply.name == b"EXISTS" and reply.number is not None:
                self.news = self.news or reply.number > self.exists
                self.exists = reply.number
            elif reply.name == b"EXPUNGE":
                self.exists = max(0, self.exists - 1)
            gathered.append(reply)
            return None
        if head.startswith(b"+"):
            return head[1:].strip()
        word, _, rest = head.partition(b" ")
        if word != tag:
            raise Garbled("a line that is no reply to what was asked")
        kind, _, text = rest.partition(b" ")  # the text may be missing: RFC 9051 allows it, servers always did
        if kind.upper() == b"OK":
            return Done(text, gathered)
        if kind.upper() == b"NO":
            raise Refused(text, gathered)
        raise Rejected(text)

    def hear(self, seconds: float) -> bool:
        """True once a whole line has arrived, False when `seconds` went by. A line in pieces is neither lost nor
        waited for beyond its time; a closed connection raises Cut."""
        until = monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            while self._rest.find(b"\n", self._at) < 0:
                left = until - monotonic()
                inside_tls = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0
                if left <= 0 or not (inside_tls or selector.select(left)):
                    return False
                self._sip()
        return True

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
        """One line without its line end."""
        end = self._rest.find(b"\n", self._at)
        if end < 0:
            parts = [self._rest[self._at :]]
            length = len(parts[0])
            while end < 0:
                piece = self._receive()
                parts.append(piece)
                end = piece.find(b"\n")
                length += len(piece)
                if length > _LONGEST_LINE:
                    raise Garbled("a line of more than 8 MiB")
            end += length - len(parts[-1])
            self._rest, self._at = b"".join(parts), 0
        line = self._rest[self._at : end]
        self._at = end + 1
        return line[:-1] if line.endswith(b"\r") else line

    def close(self) -> None:
        """Close at once, saying nothing. Safe to call twice, and from another thread to end a stuck command."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self.sock.close()

    def _response(self) -> list[bytes]:
        line = self.readline()
        chunks = [line]
        if line.startswith(_STATUS):
            return chunks
        while line.endswith(b"}") and chunks[0].startswith(b"* "):
            brace = line.rfind(b"{")
            digits = line[brace + 1 : -1]
            if brace < 0 or not digits.isdigit():
                break
            if len(digits) > 12 or int(digits) > self.largest:
                raise Garbled("a literal larger than asked for")
            chunks[-1] = line[:brace]
            chunks.append(self.read(int(digits)))
            line = self.readline()
            chunks.append(line)
        return chunks

    def _begin(self) -> None:
        self._deadline = monotonic() + self.timeouts.command

    def _receive(self) -> bytes:
        if monotonic() > self._deadline:  # a server that drips never runs into the read time-out
            raise TimeoutError
        piece = self.sock.recv(_RECEIVE)
        if not piece:
            raise Cut
        return piece

    def _sip(self) -> None:
        """Take what is there, without waiting: readable may mean half a TLS record, or a session ticket."""
        self.sock.settimeout(0)
        try:
            piece = self.sock.recv(_RECEIVE)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        finally:
            self.sock.settimeout(self.timeouts.read)
        if not piece:
            raise Cut
        self._rest, self._at = self._rest[self._at :] + piece, 0
