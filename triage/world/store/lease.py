"""A lease with fencing: one run at a time per mailbox, and a zombie that wakes up writes nothing.

The database is the only judge; a work pool's concurrency limit is a courtesy on top of it.
"""

from __future__ import annotations

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
    """The right to do one named piece of work until `until`; `fence` grows with every holder."""

    name: str
    owner: str
    fence: int
    until: datetime


def take(tx: Connection, name: str, owner: str, now: datetime, seconds: int) -> Lease | None:
    """Take the lease, or None where somebody else holds it. The holder itself may take it again (renewal)."""
    until = now + timedelta(seconds=seconds)
    row = tx.execute(select(lease.c.owner, lease.c.until, lease.c.fence).where(lease.c.name == name)).first()
    if row is None:
        try:
            with tx.begin_nested():
                tx.execute(insert(lease).values(name=name, owner=owner, until=until, fence=1))
        except IntegrityError:
            return None  # somebody else was first by a hair
        return Lease(name, owner, 1, until)
    if row.until > now and row.owner != owner:
        return None
    fence = row.fence if row.owner == owner and row.until > now else row.fence + 1
    done = tx.execute(
        update(lease)
        .where(lease.c.name == name, lease.c.fence == row.fence, lease.c.owner == row.owner)
        .values(owner=owner, until=until, fence=fence)
    )
    return Lease(name, owner, fence, until) if done.rowcount == 1 else None


def hold(tx: Connection, held: Lease) -> None:
    """Assert inside a write transaction that the lease is still ours. Raises LeaseLost."""
    query = select(lease.c.fence).where(lease.c.name == held.name, lease.c.owner == held.owner).with_for_update()
    if tx.execute(query).scalar() != held.fence:
        raise LeaseLost(f"{held.name} belongs to another run now.", fix="Nothing was written; nothing is to be done.")


def release(tx: Connection, held: Lease, now: datetime) -> None:
    """Give the lease back; the fence stays, so that it can only grow."""
    tx.execute(update(lease).where(lease.c.name == held.name, lease.c.fence == held.fence).values(until=now, owner=""))
