"""A lease with fencing: one run at a time per mailbox, and a zombie that wakes up writes nothing.

The database is the only judge; a work pool's concurrency limit is a courtesy on top of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from triage.errors import Temporary
from triage.world.schema import lease


class LeaseLost(Temporary):
    """Another run took over this work."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do one named piece of work; runs out `seconds` after it was last renewed; `fence` only grows."""

    name: str
    owner: str
    fence: int
    seconds: int


def take(
    tx: Connection,
    name: str,
    owner: str,
    now: datetime,
    seconds: int,
    dead: Callable[[str], bool] = lambda owner: False,
) -> Lease | None:
    """Take the lease, or None where somebody else holds it.

    `dead(owner)` may know that the holder is gone (a process of this machine that no longer runs): its lease is taken
    over at once instead of after it has run out.
    """
    until = now + timedelta(seconds=seconds)
    row = tx.execute(select(lease.c.owner, lease.c.until, lease.c.fence).where(lease.c.name == name)).first()
    if row is None:
        try:
            with tx.begin_nested():
                tx.execute(insert(lease).values(name=name, owner=owner, until=until, fence=1))
        except IntegrityError:
            return None  # somebody else was first by a hair
        return Lease(name, owner, 1, seconds)
    # A clock that stepped back leaves leases that seem to run for ever: none is longer than asked for.
    if row.owner and now < row.until <= until and not dead(row.owner):
        return None
    done = tx.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.fence == row.fence, lease.c.owner == row.owner)
        .values(owner=owner, until=until, fence=row.fence + 1)
    )
    return Lease(name, owner, row.fence + 1, seconds) if done.rowcount == 1 else None


def hold(tx: Connection, held: Lease, now: datetime) -> None:
    """Assert inside a write transaction that the lease is still ours, and renew it. Raises LeaseLost."""
    done = tx.execute(
        update(lease)
        .where(lease.c.name == held.name, lease.c.owner == held.owner, lease.c.fence == held.fence)
        .values(until=now + timedelta(seconds=held.seconds))
    )
    if done.rowcount != 1:
        raise LeaseLost(f"{held.name} belongs to another run now.", fix="Nothing was written; nothing is to be done.")


def release(tx: Connection, held: Lease, now: datetime) -> None:
    """Give the lease back; the fence stays, so that it can only grow."""
    tx.execute(update(lease).where(lease.c.name == held.name, lease.c.fence == held.fence).values(until=now, owner=""))
