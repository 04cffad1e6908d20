"""What the fault server can be told to do; each is given to FaultServer.on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.servers.fault import Session

Fault = Callable[["Session", bytes, str, str], Awaitable[bool]]
"""(session, tag, verb, arguments) -> True if the command has been answered, False to go on as usual."""


def answer(*lines: str | bytes) -> Fault:
    """Say exactly this; {tag} stands for the command's tag."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        for line in lines:
            raw = line.encode() if isinstance(line, str) else line
            session.say(raw.replace(b"{tag}", tag))
        return True

    return fault


def no(text: str) -> Fault:
    return answer(f"{{tag}} NO {text}")


def bad(text: str) -> Fault:
    return answer(f"{{tag}} BAD {text}")


def bye(text: str) -> Fault:
    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        session.say(f"* BYE {text}")
        session.writer.close()
        return True

    return fault


async def bare_ok(session: Session, tag: bytes, verb: str, args: str) -> bool:
    """Do it, but end with a tagged OK without any text."""
    session.ok = lambda tag, text="": session.say(tag + b" OK")  # type: ignore[method-assign]
    return False


async def close(session: Session, tag: bytes, verb: str, args: str) -> bool:
    """Close the connection without a word."""
    session.writer.close()
    return True


async def stall(session: Session, tag: bytes, verb: str, args: str) -> bool:
    """Never answer."""
    await asyncio.sleep(60)
    return True


def drip(seconds: float) -> Fault:
    """Send a reply that never ends, one byte at a time."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        session.writer.write(b"* OK ")
        while not session.writer.is_closing():
            session.writer.write(b".")
            await session.writer.drain()
            await asyncio.sleep(seconds)
        return True

    return fault


def cut_literal(octets: int, *, then_close: bool = True) -> Fault:
    """Announce the whole text, send `octets` of it, then close (or say nothing more)."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        which, _, what = args.partition(" ")
        whole = session.item(session.chosen(which)[0], what)
        start = whole.index(b"}\r\n") + 3
        session.writer.write(whole[: start + octets])
        await session.writer.drain()
        if not then_close:
            return await stall(session, tag, verb, args)
        session.writer.close()
        return True

    return fault


def wrong_literal(difference: int) -> Fault:
    """Announce a literal that many octets longer (or shorter) than what is sent."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        which, _, what = args.partition(" ")
        for uid in session.chosen(which):
            whole = session.item(uid, what)
            size = len(session.mails[uid].raw)
            session.say(whole.replace(b"{%d}" % size, b"{%d}" % (size + difference), 1))
        session.ok(tag)
        return True

    return fault


def body(raw: bytes | None) -> Fault:
    """Send this text (None: NIL) for every mail asked for; RFC822.SIZE stays that of the real one."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        which, _, what = args.partition(" ")
        for uid in session.chosen(which):
            session.say(session.item(uid, what, raw))
        session.ok(tag)
        return True

    return fault


def omit(*uids: int) -> Fault:
    """Leave these UIDs out of the reply, as if they had not been asked for."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        which, _, what = args.partition(" ")
        for uid in session.chosen(which):
            if uid not in uids:
                session.say(session.item(uid, what))
        session.ok(tag)
        return True

    return fault


def also_says(*lines: str) -> Fault:
    """Say these untagged lines first, then answer as usual."""

    async def fault(session: Session, tag: bytes, verb: str, args: str) -> bool:
        for line in lines:
            session.say(line)
        return False

    return fault
