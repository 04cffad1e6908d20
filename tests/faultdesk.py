"""A desk that reads the fault server, faults that hit one mail, and what must be true at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.quickroom import Clock, Connect, quick_desk
from tests.room import letter
from tests.servers import fault
from tests.servers.fault import Fault, FaultServer, Session
from triage.desk import Desk
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile
from triage.world import inbox

MAILS, POISON = 12, 7
BODY, SIZES = "RFC822.SIZE BODY", "INTERNALDATE"  # what tells the two FETCH commands apart


@contextmanager
def faulty_desk(folder: Path, server: FaultServer, **changes: Any) -> Iterator[tuple[Desk, Clock]]:
    """A desk that reads the fault server, with its short timeouts."""
    server.mails.update({uid: fault.Mail(letter(uid), "20-Nov-2026 14:00:00 +0000") for uid in range(1, MAILS + 1)})
    clock = Clock()
    with quick_desk(folder, reading(server), now=clock, **changes) as desk:
        yield desk, clock


def reading(server: FaultServer) -> Connect:
    """How a desk reaches the server."""
    limits = replace(server.account.limits, piece_octets=128)
    return lambda _mailbox: inbox.open(replace(server.account, limits=limits))


def of(uid: int, what: str, trouble: Fault, times: int = 1000) -> Fault:
    """The trouble, whenever this mail is among those asked for and `what` is asked of it."""
    left = times

    async def only(session: Session, tag: bytes, verb: str, args: str) -> bool:
        nonlocal left
        which, _, items = args.partition(" ")
        if left and what in items and uid in session.chosen(which):
            left -= 1
            return await trouble(session, tag, verb, args)
        return False

    return only


def emptied(text: bytes, only: int | None = None) -> Fault:
    """All (or one) of the mails come with this in place of their text; RFC822.SIZE stays that of the real one."""

    async def nothing(session: Session, tag: bytes, verb: str, args: str) -> bool:
        which, _, what = args.partition(" ")
        for uid in session.chosen(which):
            whole = session.item(uid, what)
            start = whole.find(b" {")
            session.say(whole if only not in (None, uid) or start < 0 else whole[: start + 1] + text + b")")
        session.ok(tag)
        return True

    return nothing


def numbered_anew(value: int, then: Fault) -> Fault:
    """The folder gets another UIDVALIDITY at this moment."""

    async def changed(session: Session, tag: bytes, verb: str, args: str) -> bool:
        session.server.uidvalidity["INBOX"] = value
        return await then(session, tag, verb, args)

    return changed


@dataclass(frozen=True)
class Outcome:
    """After `runs` looks, fifteen minutes apart: mails in cases, stand-ins, and how the first look ended."""

    runs: int = 1
    cases: int = MAILS
    stand_ins: int = 0
    first: str = ""  # "", temporary, permanent
    at_once: int = MAILS  # mails in cases after the first look


def looks(desk: Desk, clock: Clock, count: int) -> list[dict[str, Any]]:
    """So many looks, fifteen minutes apart."""
    done = []
    for _ in range(count):
        done.append(cycle.intake(desk).as_json())
        clock.forward(minutes=15)
    return done


def in_cases(desk: Desk) -> Counter[str]:
    """Message-ID -> on how many cases it stands."""
    return Counter(one for case in look.cases(desk, everything=True) for one in case["message_ids"] if one)


def assert_all_in_once(desk: Desk, expected: Outcome) -> None:
    row = reconcile(desk)[0]
    assert (row["missing"], row["waiting"], row["errors"]) == (0, 0, [])
    assert row["on_server"] == MAILS
    assert row["quarantined"] == expected.stand_ins
    found = in_cases(desk)
    assert not found or max(found.values()) == 1
    assert len(look.cases(desk, everything=True)) == expected.cases
