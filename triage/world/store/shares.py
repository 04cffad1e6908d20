"""Shares of the waiting mail: which run judges which stretch of it, so that several runs do not judge the same mails.

A share is a stretch of the order of arrival, from a first to a last mail, kept as a lease under the name of the stretch.
It is a courtesy that saves work and keeps the order: which run settles a mail is decided by the lock on the mail's row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, or_, select
from sqlalchemy.exc import IntegrityError

from triage.world.schema import lease, mail
from triage.world.store import mails
from triage.world.store.mails import Waiting

SECONDS = 180  # a batch takes seconds; a share whose machine is gone is free again after this
_PREFIX = "judge:"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Place = tuple[datetime, int]  # in the order of arrival


@dataclass(frozen=True, slots=True)
class Share:
    """A stretch, both ends included, and who judges it."""

    first: Place
    last: Place
    owner: str

    def __contains__(self, place: Place) -> bool:
        return self.first <= place <= self.last

    @property
    def name(self) -> str:
        return _PREFIX + "-".join(
            f"{(at - _EPOCH) // timedelta(microseconds=1)}.{n}" for at, n in (self.first, self.last)
        )


def place(waiting: Waiting) -> Place:
    """Where a mail stands in the order of arrival."""
    return waiting.received_at, waiting.id


def take(
    tx: Connection, most: int, owner: str, now: datetime, dead: Callable[[str], bool], fit: Callable[[Waiting], int]
) -> tuple[Share, list[Waiting]] | None:
    """The first stretch of waiting mail that nobody has, or None. `fit` says of its first mail how many the stretch may
    have, up to `most`."""
    taken = living(tx, owner, now, dead)
    found: list[Waiting] = []
    after: Place | None = None
    while page := mails.waiting(tx, most, after=after):
        for one in page:
            free = not any(place(one) in share for share in taken)
            if free:
                found.append(one)
            if found and (not free or len(found) == most):
                break
        if found:
            break
        after = place(page[-1])
    if not found:
        return None
    found = found[: max(1, min(most, fit(found[0])))]
    share = Share(place(found[0]), place(found[-1]), owner)
    values = {"name": share.name, "owner": owner, "until": now + timedelta(seconds=SECONDS), "fence": 1}
    try:
        with tx.begin_nested():
            tx.execute(delete(lease).where(lease.c.name == share.name))  # a dead run's, else it were among the living
            tx.execute(insert(lease).values(**values))
    except IntegrityError:
        return take(tx, most, owner, now, dead, fit)  # another run took the same one at the same moment; now it is seen
    return share, found


def living(tx: Connection, owner: str, now: datetime, dead: Callable[[str], bool]) -> list[Share]:
    """The shares that other runs work on."""
    query = select(lease.c.name, lease.c.owner, lease.c.until).where(lease.c.name.startswith(_PREFIX, autoescape=True))
    return [
        _read(row.name, row.owner)
        for row in tx.execute(query)
        # a clock that stepped back leaves shares that seem to last for ever
        if row.owner != owner and now < row.until <= now + timedelta(seconds=SECONDS) and not dead(row.owner)
    ]


def give_back(tx: Connection, share: Share) -> None:
    """Done, or given up."""
    tx.execute(delete(lease).where(lease.c.name == share.name, lease.c.owner == share.owner))


def before(tx: Connection, batch: Sequence[Waiting]) -> list[Place]:
    """Mails of the same mailboxes that still wait and came before this batch's: settled after it, an answer would come
    before its question. At most a thousand."""
    first: dict[str, Place] = {}
    for one in batch:
        first.setdefault(one.mailbox, place(one))
    earlier = [
        (mail.c.mailbox == name) & or_(mail.c.received_at < at, (mail.c.received_at == at) & (mail.c.id < number))
        for name, (at, number) in first.items()
    ]
    query = select(mail.c.received_at, mail.c.id).where(mail.c.state == "stored", or_(*earlier)).limit(1000)
    return [(row[0], row[1]) for row in tx.execute(query)]


def _read(name: str, owner: str) -> Share:
    ends = []
    for end in name.removeprefix(_PREFIX).split("-"):
        micros, _, number = end.partition(".")
        ends.append((_EPOCH + timedelta(microseconds=int(micros)), int(number)))
    return Share(ends[0], ends[1], owner)
