"""Mail servers inside this process, for the demonstration and the tests: pymap for IMAP, aiosmtpd for SMTP.

Both listen on a free loopback port that the system chooses, in a thread of their own, and are gone with the process.
They come with the extra `demo`. Nothing is kept on disk.
"""

from __future__ import annotations

import asyncio
import threading
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from triage.errors import Misuse
from triage.world import inbox, signin
from triage.world.tls import Tls

_START = 10.0  # seconds a server may take to start or stop

#: reply codes and texts to give instead of "250 OK", by recipient
Refusals = dict[str, str]


class _Threaded:
    """An asyncio server in a thread. `_serve` runs until the event it is given is set."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name=type(self).__name__, daemon=True)

    def start(self) -> Self:
        self._thread.start()
        if not self._ready.wait(_START) or self._failure:
            raise RuntimeError(f"{type(self).__name__} did not start") from self._failure
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_START)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _main(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(self._stop.wait))
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        except BaseException as error:  # noqa: BLE001 handed to start(), which raises it
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self, stopped: Callable[[], Awaitable[Any]]) -> None:
        raise NotImplementedError


class ImapServer(_Threaded):
    """An IMAP server in memory with one user. MOVE, UIDPLUS, IDLE, OBJECTID; no own keywords, no TLS, no NAMESPACE."""

    def __init__(self, user: str = "intake", password: str = "s3cret", folders: Iterable[str] = ()) -> None:
        super().__init__()
        self.user, self.password = user, password
        self._folders = tuple(folders)

    @property
    def account(self) -> inbox.MailboxAccount:
        """The account to open with `inbox.open`."""
        return inbox.MailboxAccount(
            name="demo",
            host=self.host,
            port=self.port,
            tls=Tls.NONE,
            user=self.user,
            sign_in=signin.Password(lambda: self.password),
            folders={"intake": ("INBOX",)},
        )

    def start(self) -> Self:
        super().start()
        with inbox.open(self.account) as box:
            for folder in self._folders:
                box.ensure(folder)
        return self

    def deliver(self, raw: bytes, internaldate: datetime | None = None, folder: str = "INBOX") -> int:
        """Put one mail into a folder as if it had just come; gives its UID."""
        return self.deliver_all([(raw, internaldate)], folder)[0]

    def deliver_all(self, mails: Iterable[tuple[bytes, datetime | None]], folder: str = "INBOX") -> list[int]:
        """The same for many mails over one connection."""
        with inbox.open(self.account) as box:
            uids = [box.append(folder, raw, at) for raw, at in mails]
        return [uid or 0 for uid in uids]

    async def _serve(self, stopped: Callable[[], Awaitable[Any]]) -> None:
        try:
            from proxyprotocol.reader import ProxyProtocolReader
            from pymap.backend.dict import DictBackend
            from pymap.imap import IMAPServer
            from pysasl.hashing import BuiltinHash
        except ImportError:
            raise Misuse("The built-in mail server needs pymap.", fix="Install complaint-triage[demo].") from None
        options = Namespace(
            debug=False,
            demo_data=False,
            demo_data_resource="pymap.backend.dict",
            demo_user=self.user,
            demo_password=self.password,
            host=self.host,
            port=0,
            cert=None,
            key=None,
            tls=False,
            proxy_protocol=None,
            passlib_cfg=None,
            skip_services=[],
            inherited_sockets=None,
        )
        # few rounds: the password is in this process anyway, and every connection would pay for them
        backend, config = await DictBackend.init(options, hash_context=BuiltinHash(rounds=100))
        config.apply_context()
        imap = ProxyProtocolReader(config.proxy_protocol).get_callback(IMAPServer(backend.login, config))
        async with AsyncExitStack() as stack:
            await backend.start(stack)
            server = await stack.enter_async_context(await asyncio.start_server(imap, self.host, 0))
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await stopped()


@dataclass(frozen=True, slots=True)
class Received:
    """One mail that the sink took: the envelope and the bytes."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    options: tuple[str, ...]  # of MAIL FROM: SMTPUTF8, BODY=8BITMIME, SIZE=...


class SmtpSink(_Threaded):
    """An SMTP server that keeps what it gets in `messages`.

    `refuse` maps a recipient to the reply it gets ("550 5.1.1 no such user", "451 4.7.1 later"); `refuse_data` is the
    reply to every mail text. With `user` and `password` sign-in is demanded.
    """

    def __init__(self, user: str = "", password: str = "", *, smtputf8: bool = True) -> None:
        super().__init__()
        self.messages: list[Received] = []
        self.connections = 0
        self.refuse: Refusals = {}
        self.refuse_data = ""
        self._user, self._password, self._smtputf8 = user, password, smtputf8

    async def _serve(self, stopped: Callable[[], Awaitable[Any]]) -> None:
        try:
            from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
        except ImportError:
            raise Misuse("The built-in SMTP server needs aiosmtpd.", fix="Install complaint-triage[demo].") from None

        def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
            given = (data.login, data.password) if isinstance(data, LoginPassword) else (b"", b"")
            return AuthResult(success=given == (self._user.encode(), self._password.encode()))

        def connection() -> Any:
            self.connections += 1
            return SMTP(
                self,
                hostname="localhost",
                enable_SMTPUTF8=self._smtputf8,
                authenticator=check if self._user else None,
                auth_required=bool(self._user),
                auth_require_tls=False,
            )

        server = await self._loop.create_server(connection, self.host, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        async with server:
            await stopped()

    # Called by aiosmtpd

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if reply := self.refuse.get(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refuse_data:
            return self.refuse_data
        content = envelope.original_content or envelope.content or b""
        options = tuple(str(option) for option in envelope.mail_options or ())
        sender = envelope.mail_from if envelope.mail_from != "<>" else ""
        self.messages.append(Received(sender or "", tuple(envelope.rcpt_tos), bytes(content), options))
        return "250 2.0.0 OK"
