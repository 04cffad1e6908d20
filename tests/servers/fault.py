"""An IMAP server that can be told to misbehave, for what no real server can be made to do.

    with FaultServer({1: b"..."}) as server:
        server.on("UID FETCH", cut_literal(10))            # the next UID FETCH; times=None for every one
        with inbox.open(server.account) as box: ...

`server.commands` lists what the client said (without tags and secrets), so that a test can tell what was not said.
It speaks just enough IMAP for `triage.world.inbox`: one user, two folders, mails by UID.
"""

from __future__ import annotations

import asyncio
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from tests.servers.faults import (
    Fault,
    also_says,
    answer,
    bad,
    bare_ok,
    body,
    bye,
    close,
    cut_literal,
    drip,
    no,
    omit,
    stall,
    wrong_literal,
)
from triage.world import inbox, signin
from triage.world.tls import Tls

_ITEM = re.compile(r"BODY\.PEEK\[([^\]]*)\](?:<(\d+)\.(\d+)>)?")

HIDDEN = b"the-customers-own-words"


@dataclass
class Mail:
    raw: bytes
    internaldate: str = "01-Mar-2026 12:00:00 +0000"
    flags: set[str] = field(default_factory=set)
    size: int | None = None  # what RFC822.SIZE says, when it lies


def mail(number: int, padding: int = 0) -> bytes:
    """A mail that is told from others by its number, with words that must never show in an error or a log."""
    head = b"Message-ID: <%d@example.org>\r\nSubject: %s\r\n\r\n" % (number, HIDDEN)
    return head + b"x" * padding + b"\r\n"


class FaultServer:
    def __init__(
        self,
        mails: dict[int, bytes] | None = None,
        capabilities: str = "IMAP4rev1 UIDPLUS MOVE IDLE NAMESPACE AUTH=PLAIN",
        *,
        prefix: str = "",
        delimiter: str = "/",
        greeting: str = "OK ready",
    ) -> None:
        self.folders: dict[str, dict[int, Mail]] = {
            "INBOX": {uid: Mail(raw) for uid, raw in (mails or {}).items()},
            f"{prefix}Processed": {},
        }
        self.uidvalidity = dict.fromkeys(self.folders, 1700000000)
        self.capabilities, self.prefix, self.delimiter, self.greeting = capabilities, prefix, delimiter, greeting
        self.commands: list[str] = []
        self.port = 0
        self._faults: list[tuple[str, Fault, int | None]] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._sessions: set[Session] = set()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serve()), daemon=True)

    @property
    def mails(self) -> dict[int, Mail]:
        return self.folders["INBOX"]

    @property
    def account(self) -> inbox.MailboxAccount:
        return inbox.MailboxAccount(
            name="faulty",
            host="127.0.0.1",
            port=self.port,
            tls=Tls.NONE,
            user="intake",
            sign_in=signin.Password(lambda: "s3cret"),
            timeouts=inbox.Timeouts(connect=2, read=0.5, command=2),
        )

    def on(self, verb: str, fault: Fault, times: int | None = 1) -> None:
        """Answer the next `times` commands of this verb ("UID FETCH", "NOOP") by `fault`; None: every one."""
        self._faults.append((verb, fault, times))

    def arrive(self, uid: int, raw: bytes) -> None:
        """A mail arrives; sessions in IDLE are told."""

        def come() -> None:
            self.mails[uid] = Mail(raw)
            for session in self._sessions:
                if session.idling:
                    session.say(f"* {len(self.mails)} EXISTS")

        self._loop.call_soon_threadsafe(come)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)
        self._loop.close()

    def fault_for(self, verb: str) -> Fault | None:
        for i, (wanted, fault, times) in enumerate(self._faults):
            if wanted == verb:
                if times is not None:
                    self._faults[i : i + 1] = [(wanted, fault, times - 1)] if times > 1 else []
                return fault
        return None

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._session, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for session in self._sessions:
            session.writer.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(self, reader, writer)
        self._sessions.add(session)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await session.run()
        finally:
            self._sessions.discard(session)
            writer.close()


class Session:
    def __init__(self, server: FaultServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server, self.reader, self.writer = server, reader, writer
        self.folder = ""
        self.idling = False

    @property
    def mails(self) -> dict[int, Mail]:
        return self.server.folders[self.folder]

    def say(self, text: str | bytes) -> None:
        self.writer.write((text.encode() if isinstance(text, str) else text) + b"\r\n")

    def ok(self, tag: bytes, text: str = "done") -> None:
        self.say(tag + b" OK " + text.encode())

    async def run(self) -> None:
        self.say(f"* {self.server.greeting}")
        while line := await self.reader.readline():
            tag, _, rest = line.strip().partition(b" ")
            words = rest.decode("utf-8", "replace").split(" ")
            verb = " ".join(words[: 2 if words[0] == "UID" else 1])
            args = rest.decode("utf-8", "replace")[len(verb) + 1 :]
            self.server.commands.append(
                f"{verb} ***" if verb in ("LOGIN", "AUTHENTICATE") else f"{verb} {args}".strip()
            )
            fault = self.server.fault_for(verb)
            if fault is None or not await fault(self, tag, verb, args):
                await self.command(tag, verb, args)
            await self.writer.drain()
            if self.writer.is_closing():
                return

    async def command(self, tag: bytes, verb: str, args: str) -> None:
        match verb:
            case "CAPABILITY":
                self.say(f"* CAPABILITY {self.server.capabilities}")
            case "AUTHENTICATE":
                self.say("+ ")
                await self.reader.readline()
            case "SELECT" | "EXAMINE":
                return self.select(tag, verb, args)
            case "STATUS":
                name, mails = self.named(args.partition(" ")[0])
                if mails is None:
                    return self.say(tag + b" NO [NONEXISTENT] no such folder")
                numbers = f"MESSAGES {len(mails)} UIDNEXT {max(mails, default=0) + 1}"
                self.say(f'* STATUS "{name}" ({numbers} UIDVALIDITY {self.server.uidvalidity[name]})')
            case "NAMESPACE":
                self.say(f'* NAMESPACE (("{self.server.prefix}" "{self.server.delimiter}")) NIL NIL')
            case "LIST":
                for name in self.server.folders:
                    self.say(f'* LIST (\\HasNoChildren) "{self.server.delimiter}" "{name}"')
            case "CREATE":
                name = args.strip('"')
                self.server.folders[name], self.server.uidvalidity[name] = {}, 1_700_000_001
            case "UID SEARCH":
                self.say("* SEARCH" + "".join(f" {uid}" for uid in self.search(args)))
            case "UID FETCH":
                self.fetch(args)
            case "UID STORE":
                which, _, what = args.partition(" ")
                for uid in self.chosen(which):
                    self.mails[uid].flags.update(what.partition("(")[2].rstrip(")").split())
            case "UID COPY" | "UID MOVE":
                return self.copy(tag, args, remove=verb == "UID MOVE")
            case "UID EXPUNGE":
                for uid in self.chosen(args):
                    if "\\Deleted" in self.mails[uid].flags:
                        self.expunge(uid)
            case "IDLE":
                await self.idle()
            case "NOOP" if self.folder:
                self.say(f"* {len(self.mails)} EXISTS")
            case "LOGOUT":
                self.say("* BYE")
        self.ok(tag)
        return None

    def named(self, quoted: str) -> tuple[str, dict[int, Mail] | None]:
        name = quoted.strip('"')
        return name, self.server.folders.get(name)

    def select(self, tag: bytes, verb: str, args: str) -> None:
        name, mails = self.named(args)
        if mails is None:
            return self.say(tag + b" NO [NONEXISTENT] no such folder")
        self.folder = name
        self.say(f"* {len(mails)} EXISTS")
        self.say(f"* OK [UIDVALIDITY {self.server.uidvalidity[name]}] ok")
        self.say(f"* OK [UIDNEXT {max(mails, default=0) + 1}] ok")
        self.say("* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] ok")
        return self.ok(tag, "[READ-WRITE] open" if verb == "SELECT" else "[READ-ONLY] open")

    def chosen(self, which: str) -> list[int]:
        found = []
        for part in which.split(","):
            low, _, high = part.partition(":")
            bounds = [max(self.mails, default=0) if end == "*" else int(end) for end in (low, high or low)]
            found += [uid for uid in self.mails if min(bounds) <= uid <= max(bounds)]
        return sorted(found)

    def search(self, args: str) -> list[int]:
        if args.startswith("UID "):
            return self.chosen(args[4:])
        bounds = dict(re.findall(r"(LARGER|SMALLER) (\d+)", args))
        low, high = int(bounds.get("LARGER", -1)), int(bounds.get("SMALLER", 1 << 40))
        return [uid for uid, mail in sorted(self.mails.items()) if low < len(mail.raw) < high]

    def fetch(self, args: str, **changes: object) -> None:
        which, _, what = args.partition(" ")
        for uid in self.chosen(which):
            self.say(self.item(uid, what))

    def item(self, uid: int, what: str, raw: bytes | None = b"") -> bytes:
        """One FETCH reply; `raw` stands in for the text of the mail when it is given, None for NIL."""
        mail = self.mails[uid]
        number = sorted(self.mails).index(uid) + 1
        parts = [b"UID %d" % uid]
        if "RFC822.SIZE" in what:
            parts.append(b"RFC822.SIZE %d" % (len(mail.raw) if mail.size is None else mail.size))
        if "INTERNALDATE" in what:
            parts.append(f'INTERNALDATE "{mail.internaldate}"'.encode())
        if asked := _ITEM.search(what):
            text = mail.raw if raw == b"" else raw
            name = f"BODY[{asked[1]}]"
            if asked[1].startswith("HEADER"):
                text = mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                if "MESSAGE-ID" in asked[1]:
                    text = b"".join(re.findall(rb"(?im)^message-id:.*\r\n", text)) + b"\r\n"
            if asked[2] is not None:
                name += f"<{asked[2]}>"
                text = (text or b"")[int(asked[2]) : int(asked[2]) + int(asked[3])]
            parts.append(name.encode() + (b" NIL" if text is None else b" {%d}\r\n%s" % (len(text), text)))
        return b"* %d FETCH (%s)" % (number, b" ".join(parts))

    def copy(self, tag: bytes, args: str, *, remove: bool) -> None:
        which, _, target = args.partition(" ")
        name, there = self.named(target)
        if there is None:
            return self.say(tag + b" NO [TRYCREATE] no such folder")
        pairs = []
        for uid in self.chosen(which):
            pairs.append((uid, max(there, default=0) + 1))
            there[pairs[-1][1]] = Mail(self.mails[uid].raw, self.mails[uid].internaldate)
        sets = [",".join(str(pair[i]) for pair in pairs) for i in (0, 1)]
        code = f"[COPYUID {self.server.uidvalidity[name]} {sets[0]} {sets[1]}] " if pairs else ""
        if remove and pairs:
            self.say(f"* OK {code}moved")
            for uid, _ in pairs:
                self.expunge(uid)
            code = ""
        return self.ok(tag, f"{code}done")

    def expunge(self, uid: int) -> None:
        self.say(f"* {sorted(self.mails).index(uid) + 1} EXPUNGE")
        del self.mails[uid]

    async def idle(self) -> None:
        self.say("+ idling")
        await self.writer.drain()
        self.idling = True
        await self.reader.readline()
        self.idling = False


__all__ = [
    "HIDDEN",
    "Fault",
    "FaultServer",
    "Mail",
    "Session",
    "also_says",
    "answer",
    "bad",
    "bare_ok",
    "body",
    "bye",
    "close",
    "cut_literal",
    "drip",
    "mail",
    "no",
    "omit",
    "stall",
    "wrong_literal",
]
