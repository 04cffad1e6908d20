"""Collect: from the server to durable raw mail, steps 0 to 8 of the intake protocol.

The server holds nothing that correctness needs. A crash after any step leaves a state from which the next run goes
on; `desk.reached(step)` lets a test crash the process right after each of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from triage.desk import Desk, FolderSpec, Mailbox
from triage.errors import MailboxThrottled, SignInRefused, Temporary, TriageError
from triage.world.inbox import Fact, Inbox
from triage.world.store import folders, lease, mails
from triage.world.store.folders import Delivery, Folder

LEASE_SECONDS = 180  # longer than any single wait for the server
BATCH_MAILS, BATCH_BYTES = 100, 16 * 1024 * 1024
FACTS_AT_ONCE = 500
TRIES = 3  # an omitted UID becomes a visible case after so many runs
FULL_SCAN_EVERY = timedelta(hours=1)
PROBE_AFTER = timedelta(hours=1)  # a refused sign-in is tried again so rarely that no account gets locked


@dataclass(slots=True)
class Collected:
    """What one mailbox gave: numbers only, never mail."""

    mailbox: str
    found: int = 0
    stored: int = 0
    known: int = 0
    before_start: int = 0
    vanished: int = 0
    unfetchable: int = 0
    bytes: int = 0
    new_epochs: int = 0
    errors: list[str] = field(default_factory=list)
    error_kind: str = ""  # temporary, permanent


def collect(desk: Desk, mailbox: Mailbox) -> Collected:
    """Fetch what is new in one mailbox. Never raises for what the mailbox does: the outcome carries the error."""
    got = Collected(mailbox.name)
    with desk.database.write() as tx:
        held = lease.take(tx, f"intake:{mailbox.name}", desk.identity, desk.now(), LEASE_SECONDS, desk.is_dead)
    if held is None:
        got.errors.append("another run is at this mailbox")
        got.error_kind = "busy"
        return got
    desk.reached("0 lease")
    try:
        _whole_mailbox(desk, mailbox, held, got)
    finally:
        with desk.database.write() as tx:
            lease.release(tx, held, desk.now())
    return got


def _whole_mailbox(desk: Desk, mailbox: Mailbox, held: lease.Lease, got: Collected) -> None:
    now = desk.now()
    with desk.database.write() as tx:
        lease.hold(tx, held, now)
        known = {spec.name: folders.ensure(tx, mailbox.name, spec.name, spec.role) for spec in mailbox.read_folders}
    waiting = [f for f in known.values() if f.retry_at and f.retry_at > now]
    if waiting:
        got.errors.append(waiting[0].circuit or f"backing off until {waiting[0].retry_at:%H:%M} UTC")
        got.error_kind = "permanent" if waiting[0].circuit else "temporary"
        return
    try:
        with desk.inbox(mailbox) as box:
            desk.reached("1 connected")
            for spec in mailbox.read_folders:
                try:
                    _one_folder(desk, box, mailbox, spec, known[spec.name], held, got)
                except TriageError as error:
                    _note_failure(desk, [known[spec.name]], error, got)
                    if box.closed:
                        break
    except TriageError as error:
        _note_failure(desk, list(known.values()), error, got)


def _note_failure(desk: Desk, at: Sequence[Folder], error: TriageError, got: Collected) -> None:
    """Remember the failure where the next run looks: back-off for a throttle, a circuit for what needs a person."""
    now = desk.now()
    failures = max(folder.failures for folder in at)
    retry_at: datetime | None = None
    circuit: str | None = None
    if isinstance(error, MailboxThrottled):
        retry_at = now + timedelta(minutes=min(60, 2 ** min(failures, 6)))
    elif isinstance(error, SignInRefused):
        retry_at, circuit = now + PROBE_AFTER, str(error)
    elif not isinstance(error, Temporary):
        circuit = str(error)
    got.errors.append(str(error))
    got.error_kind = "temporary" if isinstance(error, Temporary) and got.error_kind != "permanent" else "permanent"
    with desk.database.write() as tx:
        for folder in at:
            folders.note_failure(tx, folder, retry_at, circuit)


def _one_folder(
    desk: Desk, box: Inbox, mailbox: Mailbox, spec: FolderSpec, known: Folder, held: lease.Lease, got: Collected
) -> None:
    now = desk.now()
    state = box.select(spec.name, read_only=True)  # marks are set later, on a connection of their own
    with desk.database.write() as tx:
        lease.hold(tx, held, now)
        at = folders.enter_epoch(tx, known, state.uidvalidity)
        pending = folders.unfinished(tx, at)
    got.new_epochs += at.epoch != known.epoch
    desk.reached("2 epoch")
    full = at.last_full_at is None or now - at.last_full_at >= FULL_SCAN_EVERY or now < at.last_full_at
    quiet = (state.uidnext, state.exists)
    if at.quiet == quiet and not full and not pending:
        with desk.database.write() as tx:
            folders.note_ok(tx, at, now, quiet, full=False)
        return
    got.found += _scan(desk, box, at, 1 if full else at.low_uid, state.uidnext - 1, held)
    desk.reached("4 seen")
    with desk.database.read() as tx:
        pending = folders.unfinished(tx, at)
    pending = _ask_facts(desk, box, mailbox, at, pending, held, got)
    desk.reached("5 facts")
    for batch in _batches(pending, mailbox.max_bytes):
        _one_batch(desk, box, mailbox, spec, at, batch, held, got)
    with desk.database.write() as tx:
        lease.hold(tx, held, desk.now())
        folders.raise_low_uid(tx, at, state.uidnext)
        left = folders.unfinished(tx, at)
        folders.note_ok(tx, at, desk.now(), None if left else quiet, full=full)
    desk.reached("13 low uid")


def _scan(desk: Desk, box: Inbox, at: Folder, low: int, high: int, held: lease.Lease) -> int:
    """Steps 3 and 4: every UID the server lists and the register does not know gets its row."""
    new = 0
    if high < low:
        return 0
    on_server = sorted(uid for uid in box.uids(low, high) if low <= uid <= high)
    desk.reached("3 searched")
    for start in range(0, len(on_server), 5000):
        part = on_server[start : start + 5000]
        with desk.database.write() as tx:
            lease.hold(tx, held, desk.now())
            known = folders.known_uids(tx, at, part[0], part[-1])
            new += folders.record_seen(tx, at, (uid for uid in part if uid not in known), desk.now())
    return new


def _ask_facts(
    desk: Desk, box: Inbox, mailbox: Mailbox, at: Folder, pending: list[Delivery], held: lease.Lease, got: Collected
) -> list[Delivery]:
    """Step 5: size and INTERNALDATE, the clock's start. What arrived before the start is left on the server."""
    kept: list[Delivery] = []
    for start in range(0, len(pending), FACTS_AT_ONCE):
        part = pending[start : start + FACTS_AT_ONCE]
        facts = box.facts([d.uid for d in part])
        # A server that gives no INTERNALDATE leaves only the moment at which we saw the mail.
        told = [(d.id, facts[d.uid].size, facts[d.uid].internaldate or desk.now()) for d in part if d.uid in facts]
        early = [row for row, _, at_ in told if at_ < mailbox.start_from]
        with desk.database.write() as tx:
            lease.hold(tx, held, desk.now())
            folders.record_facts(tx, told)
            folders.finish(tx, early, "before_start")
        got.before_start += len(early)
        silent = [d for d in part if d.uid not in facts]
        _settle_absent(desk, box, mailbox, at, silent, held, got)
        skip = set(early)
        by_row = {row: (size, internaldate) for row, size, internaldate in told}
        kept += [Delivery(d.id, d.uid, d.attempts, *by_row[d.id]) for d in part if d.id in by_row and d.id not in skip]
    return kept


def _batches(pending: Sequence[Delivery], cap: int) -> Iterator[list[Delivery]]:
    """Batches bounded in count and in announced bytes; a large mail goes alone."""
    batch: list[Delivery] = []
    size = 0
    for item in pending:
        announced = min(item.size or 0, cap)
        if batch and (len(batch) >= BATCH_MAILS or size + announced > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += announced
    if batch:
        yield batch


def _one_batch(
    desk: Desk, box: Inbox, mailbox: Mailbox, spec: FolderSpec, at: Folder, batch: list[Delivery], held: lease.Lease,
    got: Collected,
) -> None:  # fmt: skip
    """Steps 6 and 7: fetch, make durable with one fsync, name in one commit. From here the mail cannot be lost."""
    over = [d for d in batch if (d.size or 0) > mailbox.max_bytes]
    asked = [d for d in batch if (d.size or 0) <= mailbox.max_bytes]
    bodies = _bodies(box, asked)
    desk.reached("6 fetched")
    have = [(d, body) for d in asked if (body := bodies.get(d.uid)) is not None]
    locations = desk.raw.write(body for _, body in have)
    desk.reached("7a raw durable")
    arrivals = [
        mails.Arrival(d.id, location, d.internaldate or desk.now())
        for (d, _), location in zip(have, locations, strict=True)
    ]
    if arrivals:
        with desk.database.write() as tx:
            lease.hold(tx, held, desk.now())
            new = mails.store(
                tx, arrivals, mailbox=mailbox.name, folder_name=spec.name, now=desk.now(),
                direction="out" if spec.role == "sent" else "in",
                mark="wanted" if spec.role == "intake" and mailbox.mode != "read_only" else None,
            )  # fmt: skip
        got.stored += new
        got.known += len(arrivals) - new
        got.bytes += sum(arrival.location.length for arrival in arrivals)
    desk.reached("7b stored")
    _settle_absent(desk, box, mailbox, at, [d for d in asked if d.uid not in bodies], held, got)
    if over:
        limit = mailbox.max_bytes // (1024 * 1024)
        _stand_in(desk, mailbox, at, over, f"the mail is larger than {limit} MiB", held, got)


def _bodies(box: Inbox, asked: Sequence[Delivery]) -> dict[int, bytes]:
    """UID -> raw bytes; a UID that the server left out or answered with NIL is absent."""
    if len(asked) == 1 and (asked[0].size or 0) > BATCH_BYTES:
        with tempfile.TemporaryFile() as file:
            if not box.fetch_large(asked[0].uid, asked[0].size or 0, file).complete:
                return {}
            file.seek(0)
            return {asked[0].uid: file.read()}
    if not asked:
        return {}
    facts = {d.uid: Fact(d.size or 0, d.internaldate) for d in asked}
    return {one.uid: one.raw for one in box.fetch(list(facts), facts) if one.raw is not None}


def _settle_absent(
    desk: Desk, box: Inbox, mailbox: Mailbox, at: Folder, absent: Sequence[Delivery], held: lease.Lease, got: Collected
) -> None:
    """A UID missing from a reply is no proof of deletion: asked for by name, it is gone, or it stays on the list."""
    if not absent:
        return
    there = box.still_there([d.uid for d in absent])
    gone = [d.id for d in absent if d.uid not in there]
    stuck = [d for d in absent if d.uid in there]
    with desk.database.write() as tx:
        lease.hold(tx, held, desk.now())
        folders.finish(tx, gone, "vanished", "a person moved or deleted it before it was fetched")
        folders.count_attempts(tx, [d.id for d in stuck], "the server lists it but does not deliver it")
    got.vanished += len(gone)
    given_up = [d for d in stuck if d.attempts + 1 >= TRIES]
    if given_up:
        _stand_in(desk, mailbox, at, given_up, "the server lists this mail but does not deliver it", held, got)


def _stand_in(
    desk: Desk, mailbox: Mailbox, at: Folder, items: Sequence[Delivery], why: str, held: lease.Lease, got: Collected
) -> None:
    """A mail that cannot be had becomes a visible case: a stand-in that says where to find it takes its place."""
    now = desk.now()
    for item in items:
        text = (
            f"Subject: A mail in {at.name} could not be fetched\r\n"
            f"Date: {item.internaldate or now:%a, %d %b %Y %H:%M:%S +0000}\r\n"
            f"X-Triage-Stand-In: {at.mailbox}/{at.name}/{at.uidvalidity}/{item.uid}\r\n\r\n"
            f"{why}. Mailbox {at.mailbox}, folder {at.name}, UID {item.uid}. Open it in a mail client.\r\n"
        )
        location = desk.raw.write([text.encode("utf-8")])[0]
        arrival = mails.Arrival(item.id, location, item.internaldate or now)
        with desk.database.write() as tx:
            lease.hold(tx, held, now)
            mails.store(
                tx, [arrival], mailbox=mailbox.name, folder_name=at.name, direction="in", now=now, mark=None, fault=why
            )
            folders.finish(tx, [item.id], "unfetchable", why)
        got.unfetchable += 1
