"""Fetch: from a list of UIDs to durable raw mail, steps 6 and 7 of the intake protocol, and what to do when it fails.

A batch that fails is asked for again in halves, those last of all, down to the single mail; that one is tried in
pieces, then by its header, and ends as a visible stand-in. So a mail that no server can deliver holds up no other, and
is never passed over in silence (Zammad #2754 stops at such a mail, FreeScout drops it).
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from triage.desk import CORRECTIONS, Desk, FolderSpec
from triage.errors import DiskFull, WriteCollided
from triage.operations.round import BROKEN, Round
from triage.world.inbox import Fact, Inbox
from triage.world.store import folders, mails
from triage.world.store.folders import Delivery, Folder

TRIES = 3  # a mail that failed in so many looks becomes a stand-in
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def bodies(run: Round, spec: FolderSpec, at: Folder, pending: Sequence[Delivery]) -> None:
    """Store the mail of every pending UID, or settle why there is none. Commits as it goes."""
    absent: list[Delivery] = []

    def store(part: list[Delivery]) -> None:
        found = _ask(run, part)
        run.desk.reached("6 fetched")
        keep(run, spec, at, [(d, found[d.uid]) for d in part if d.uid in found])
        absent.extend(d for d in part if d.uid not in found)

    limit = run.mailbox.max_bytes
    asked = [d for d in pending if (d.size or 0) <= limit]
    alone = by_halves(run, batches(run, asked), store)
    stuck = settle_absent(run, absent)
    for item in alone:
        last_resort(run, spec, at, item, "the server fails whenever this mail is asked for")
    for item in stuck:
        if item.attempts + 1 >= TRIES:
            last_resort(run, spec, at, item, "the server lists this mail but does not deliver it")
    for item in (d for d in pending if (d.size or 0) > limit):
        why = f"the mail is larger than {limit // (1024 * 1024)} MiB"
        _stand_in(run, at, item, why, _header(run, item))


def batches(run: Round, pending: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Batches bounded in mails and announced bytes. What failed before comes last, in ever smaller company."""
    limits = run.mailbox.part.limits
    batch: list[Delivery] = []
    size = 0
    for item in sorted(pending, key=lambda d: (d.attempts, d.uid)):
        announced = min(item.size or 0, run.mailbox.max_bytes)
        most = max(1, limits.batch_messages >> item.attempts)
        strangers = batch and batch[0].attempts != item.attempts
        if batch and (strangers or len(batch) >= most or size + announced > limits.batch_bytes):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += announced
    if batch:
        yield batch


def by_halves(
    run: Round, parts: Iterator[list[Delivery]], ask: Callable[[list[Delivery]], None]
) -> list[Delivery]:  # fmt: skip
    """Call `ask` for every part; a part that fails comes again in halves when all others have had their turn. Returns
    those that failed alone. Raises what broke the line when it cannot be mended; failures are counted before that."""
    waiting = deque(parts)
    alone: list[Delivery] = []
    while waiting:
        part = waiting.popleft()
        try:
            ask(part)
        except BROKEN as error:
            with run.write() as tx:
                folders.count_attempts(tx, [d.id for d in part], str(error))
            run.line.mend(error)
            if len(part) == 1:
                alone += part
            else:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
    return alone


def keep(run: Round, spec: FolderSpec, at: Folder, have: Sequence[tuple[Delivery, bytes]]) -> None:
    """Step 7: durable with one fsync, named in one commit. From here the mail cannot be lost."""
    desk = run.desk
    if spec.role == CORRECTIONS:
        have = _of_our_time(run, have)
    locations = desk.raw.write((raw for _, raw in have), partial(_named, desk))
    desk.reached("7a raw durable")
    if have:
        arrivals = [
            mails.Arrival(d.id, location, d.internaldate or desk.now())
            for (d, _), location in zip(have, locations, strict=True)
        ]
        try:
            new = _store(run, spec, at, arrivals)
        except WriteCollided:  # another run stores the same bytes, from another mailbox; now they are known
            new = _store(run, spec, at, arrivals)
        run.got.stored += new
        run.got.known += len(arrivals) - new
        run.got.bytes += sum(arrival.location.length for arrival in arrivals)
    desk.reached("7b stored")


def _store(run: Round, spec: FolderSpec, at: Folder, arrivals: Sequence[mails.Arrival]) -> int:
    with run.write() as tx:
        return mails.store(
            tx, arrivals, mailbox=run.mailbox.name, folder_name=at.name, now=run.desk.now(),
            direction="out" if spec.role == "sent" else "in", mark=_to_do(run, spec.role),
        )  # fmt: skip


def _to_do(run: Round, role: str) -> str | None:
    """What is left to do about a delivery once its mail is judged."""
    if role == CORRECTIONS:
        return "correct"
    return "wanted" if role == "intake" and run.mailbox.mode != "read_only" else None


def _of_our_time(run: Round, have: Sequence[tuple[Delivery, bytes]]) -> Sequence[tuple[Delivery, bytes]]:
    """Old mail that a person put into a folder of corrections: it counts where the desk knows it (a backfill took it
    in). What is older than the start and unknown stays so; going live floods nobody."""
    early = {
        d.id: hashlib.sha256(raw).hexdigest()
        for d, raw in have
        if (d.internaldate or run.desk.now()) < run.mailbox.start_from
    }
    if not early:
        return have
    known = _named(run.desk, set(early.values()))
    unknown = [row for row, sha in early.items() if sha not in known]
    with run.write() as tx:
        folders.finish(tx, unknown, "before_start")
    run.got.before_start += len(unknown)
    return [(d, raw) for d, raw in have if d.id not in set(unknown)]


def _named(desk: Desk, shas: Collection[str]) -> set[str]:
    """Which of these bytes the register has already, also those that were forgotten."""
    with desk.database.read() as tx:
        return mails.with_bytes(tx, shas)


def settle_absent(run: Round, absent: Sequence[Delivery]) -> list[Delivery]:
    """A UID missing from a reply is no proof of deletion (MailKit#1615): asked for by name, it is gone, or it stays on
    the list with one more failure. Returns those that are still there."""
    if not absent:
        return []
    there = run.line.ask(lambda box: box.still_there([d.uid for d in absent]))
    gone = [d.id for d in absent if d.uid not in there]
    stuck = [d for d in absent if d.uid in there]
    with run.write() as tx:
        folders.finish(tx, gone, "vanished", "a person moved or deleted it before it was fetched")
        folders.count_attempts(tx, [d.id for d in stuck], "the server lists it but does not deliver it")
    run.got.vanished += len(gone)
    return stuck


def last_resort(run: Round, spec: FolderSpec, at: Folder, item: Delivery, why: str) -> None:
    """A mail that fails alone: in pieces; and, when it has failed often enough, by its header or only by its place."""
    raw = _gently(run, lambda box: _in_pieces(box, item))
    if raw is not None:
        keep(run, spec, at, [(item, raw)])
    elif item.attempts + 1 >= TRIES:
        header = _header(run, item)
        if item.uid in run.line.ask(lambda box: box.still_there([item.uid])):
            _stand_in(run, at, item, why, header)
        else:
            settle_absent(run, [item])


def _ask(run: Round, part: Sequence[Delivery]) -> dict[int, bytes]:
    """UID -> raw bytes; a UID that the server left out or answered with NIL is absent."""
    box = run.line.connect()
    if len(part) == 1 and (part[0].size or 0) > run.mailbox.part.limits.batch_bytes:
        raw = _in_pieces(box, part[0])
        return {} if raw is None else {part[0].uid: raw}
    facts = {d.uid: Fact(d.size or 0, d.internaldate) for d in part}
    return {one.uid: one.raw for one in box.fetch(list(facts), facts) if one.raw is not None}


def _in_pieces(box: Inbox, item: Delivery) -> bytes | None:
    """One mail by partial fetches, which some servers manage where they cannot send it whole."""
    try:
        with tempfile.TemporaryFile() as file:
            if not box.fetch_large(item.uid, item.size or 0, file).complete:
                return None
            file.seek(0)
            return file.read() or None
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"There is no room for a large mail in {tempfile.gettempdir()}: {error.strerror}.",
                fix="Free some space; nothing was lost, the next run fetches again.",
            ) from error
        raise


def _header(run: Round, item: Delivery) -> bytes:
    """The mail's header, empty where not even that can be had."""
    return _gently(run, lambda box: box.fetch_header(item.uid)) or b""


def _gently(run: Round, question: Callable[[Inbox], bytes | None]) -> bytes | None:
    """Ask something that may well fail; None then, on a mended line."""
    try:
        return question(run.line.connect())
    except BROKEN as error:
        run.line.mend(error)
        return None


def _stand_in(run: Round, at: Folder, item: Delivery, why: str, header: bytes) -> None:
    """A mail that cannot be had becomes a visible case: its header, where there is one, and where to find it."""
    desk, now = run.desk, run.desk.now()
    location = desk.raw.write([stand_in(at, item, why, header)])[0]
    with run.write() as tx:
        mails.store(
            tx, [mails.Arrival(item.id, location, item.internaldate or now)], mailbox=run.mailbox.name,
            folder_name=at.name, direction="in", now=now, mark="correct" if at.role == CORRECTIONS else None, fault=why,
        )  # fmt: skip
        folders.finish(tx, [item.id], "unfetchable", why)
    run.got.unfetchable += 1


def stand_in(at: Folder, item: Delivery, why: str, header: bytes) -> bytes:
    """What is stored in place of the mail. With a header it does not name the UID: the same mail under a new UID (the
    folder was renumbered) gives the same bytes, and so the same case."""
    lines = [line for line in header.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n") if line.strip()]
    text = f"{why}.\r\nMailbox {at.mailbox}, folder {at.name}"
    if lines:
        known = hashlib.sha256(header).hexdigest()[:32]
        mark = f"X-Triage-Stand-In: {known}/{item.size or 0}"
        # The body is not there: whatever the header says about its form would mislead the parser.
        lines = _without(lines, (b"content-type", b"content-transfer-encoding", b"mime-version"))
    else:
        mark = f"X-Triage-Stand-In: {at.mailbox}/{at.name}/{at.uidvalidity}/{item.uid}"
        lines = [b"Subject: A mail that could not be fetched"]
        text += f", UID {item.uid}"
    head = b"\r\n".join([mark.encode("utf-8"), *lines])
    return head + f"\r\n\r\n{text}. Open it in a mail client.\r\n".encode()


def _without(lines: Sequence[bytes], names: tuple[bytes, ...]) -> list[bytes]:
    """Header lines without these fields and their continuations."""
    kept: list[bytes] = []
    dropping = False
    for line in lines:
        if not line[:1].isspace():
            dropping = line.partition(b":")[0].strip().lower() in names
        if not dropping:
            kept.append(line)
    return kept
