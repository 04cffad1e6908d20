"""Take in: from stored mail to a case, an attachment to a case, the file, or quarantine. Steps 9 and 10 of intake.

Each mail ends in exactly one of them, in one transaction with its events, deadlines and notices, under unique keys.
Reading and judging happen before the transaction; threading and routing inside it, where they see the mail before.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from triage.desk import Desk
from triage.errors import NotAllowed, TriageError
from triage.mail.message import Message
from triage.mail.screen import Kind
from triage.operations import belonging, by_reply, joining, opening, outbound
from triage.operations.belonging import Keys
from triage.operations.judging import Judged, Unjudged, judge
from triage.operations.opening import Settled
from triage.world import clock
from triage.world.reader import Reading, Unreadable
from triage.world.store import gathering, loads, mails, shares
from triage.world.store.mails import Waiting
from triage.world.store.shares import Share

log = logging.getLogger(__name__)

BATCH = 100
AHEAD = 16 << 20  # octets of raw mail that are read ahead, beside the batch in hand
CROWD_TRIES = 3  # after so many batches that died, the batch is halved at every further death, down to the oldest mail
PATIENCE = 60.0  # seconds that a judged batch waits for another run that has what came before it
LAST_TRY = 12  # by then it died at least three times with nothing else in hand; a person sees it unread


@dataclass(slots=True)
class TakenIn:
    """What became of the mails of one mailbox."""

    opened: int = 0
    attached: int = 0
    duplicates: int = 0
    outbound: int = 0
    quarantined: int = 0
    filed: Counter[str] = field(default_factory=Counter)

    def add(self, other: TakenIn) -> None:
        self.opened += other.opened
        self.attached += other.attached
        self.duplicates += other.duplicates
        self.outbound += other.outbound
        self.quarantined += other.quarantined
        self.filed.update(other.filed)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "filed": dict(sorted(self.filed.items()))}

    def sentence(self) -> str:
        """One line of progress."""
        return (
            f"{self.opened} cases opened, {self.attached} mails attached, {sum(self.filed.values())} filed, "
            f"{self.quarantined} quarantined, {self.duplicates} known already"
        )


def take_in_batch(desk: Desk) -> dict[str, TakenIn]:
    """Take in the next stored mails, oldest first; mailbox -> what became of them, empty when none is left for us.

    Several runs share the work: each judges a stretch that no other has, and settles it when nothing that came before
    it in the same mailboxes is still in another run's hands.
    """
    with desk.database.read() as tx:
        if not mails.waiting(tx, 1):
            return {}
    with desk.database.write() as tx:
        taken = shares.take(tx, BATCH, desk.identity, desk.now(), desk.is_dead, _company)
        if taken is None:
            return {}
        share, waiting = taken
        mails.count_attempt(tx, [mail.id for mail in waiting])
    desk.reached("9 counted")
    try:
        return _settle_batch(desk, share, waiting)
    finally:
        with suppress(TriageError), desk.database.write() as tx:
            shares.give_back(tx, share)


def _company(first: Waiting) -> int:
    """Reading has a process of its own, so most deaths here are restarts and no mail's fault: a batch that died again
    and again only gets smaller, in the order of arrival, until it is through or one mail stands accused."""
    return BATCH >> max(0, first.attempts + 1 - CROWD_TRIES)


def _settle_batch(desk: Desk, share: Share, waiting: Sequence[Waiting]) -> dict[str, TakenIn]:
    with desk.database.read() as tx:
        raw = desk.raw.read(tx, [mail.sha256 for mail in waiting])
    readings = _read(desk, waiting, raw)
    _read_ahead(desk, waiting)
    judged = _judge(desk, waiting, readings)
    desk.reached("9 judged")
    counts: dict[str, TakenIn] = {waiting[0].mailbox: TakenIn()}
    if not _our_turn(desk, waiting):
        with desk.database.write() as tx:
            mails.count_attempt(tx, [mail.id for mail in waiting], -1)  # nothing died; what came before goes first
        return counts
    with desk.database.write() as tx:
        free = mails.still_stored(tx, [mail.id for mail in waiting])
        batch = [(mail, judged[mail.id], readings[mail.id]) for mail in waiting if mail.id in free]
        for mail, settled in settle(desk, tx, batch):
            _count(counts.setdefault(mail.mailbox, TakenIn()), settled)
        shares.give_back(tx, share)
        desk.reached("10 before commit")
    desk.reached("10 committed")
    return counts


def _our_turn(desk: Desk, waiting: Sequence[Waiting]) -> bool:
    """Wait until the runs that have what came before are through. False where one of them died or takes too long."""
    until = clock.monotonic() + PATIENCE
    while clock.monotonic() < until:
        with desk.database.read() as tx:
            before = shares.before(tx, waiting)
            others = shares.living(tx, desk.identity, desk.now(), desk.is_dead) if before else []
        if not before:
            return True
        if not all(any(place in share for share in others) for place in before):
            return False
        clock.sleep(0.1)
    return False


def _read(desk: Desk, waiting: Sequence[Waiting], raw: Mapping[str, bytes]) -> dict[int, Reading | Unreadable]:
    """Parse in the killable reader; a mail that outlived every try is not read at all."""
    found: dict[int, Reading | Unreadable] = {}
    for mail in waiting:
        if len(waiting) == 1 and mail.attempts + 1 >= LAST_TRY:
            found[mail.id] = Unreadable(f"reading it failed {mail.attempts} times")
    wanted = [(mail.id, raw[mail.sha256]) for mail in waiting if mail.id not in found]
    found.update(desk.reader.read(wanted))
    return found


def _read_ahead(desk: Desk, waiting: Sequence[Waiting]) -> None:
    """Have the reader begin with the mails that come next, while these are judged and settled.

    It is a guess that nothing depends on: no share is taken and no attempt is counted before those mails are in hand,
    and whoever they go to reads them anew if need be. Other runs at work have the machine busy as it is, and a batch
    that has died before is left to itself. Trouble shows again when it is their turn.
    """
    with suppress(TriageError, OSError), desk.database.read() as tx:
        if shares.living(tx, desk.identity, desk.now(), desk.is_dead):
            return
        following = mails.waiting(tx, BATCH, after=shares.place(waiting[-1]))
        if any(mail.attempts for mail in following) or any(mail.attempts for mail in waiting):
            return
        wanted = desk.raw.first(tx, [mail.sha256 for mail in following], AHEAD)
        if wanted:
            raw = desk.raw.read(tx, wanted)
            desk.reader.ahead([raw[sha] for sha in wanted])


def _judge(
    desk: Desk, waiting: Sequence[Waiting], readings: Mapping[int, Reading | Unreadable]
) -> dict[int, Judged | Unreadable]:
    """Judge all that could be read; one that breaks the judge is quarantined alone."""
    found: dict[int, Judged | Unreadable] = {}
    asked: list[tuple[int, Unjudged]] = []
    for mail in waiting:
        reading = readings[mail.id]
        if mail.fault:
            found[mail.id] = Unreadable(mail.fault)  # a stand-in: only its header is the mail's
        elif isinstance(reading, Unreadable):
            found[mail.id] = reading
        else:
            asked.append((mail.id, Unjudged(reading.message, reading.body, mail.received_at, desk.ours)))
    try:
        found.update(zip((i for i, _ in asked), judge(desk, [one for _, one in asked]), strict=True))
    except TriageError:
        raise  # the model, the disk: not the mail's fault
    except Exception:  # some mail of the batch found a hole; below it is found out which
        log.exception("judging a batch failed; judging one by one")
        for mail_id, one in asked:
            try:
                found[mail_id] = judge(desk, [one])[0]
            except TriageError:
                raise
            except Exception as error:  # noqa: BLE001 - the mail is kept, shown and owned; the batch goes on
                log.error("mail %s cannot be judged: %s", mail_id, type(error).__name__)
                found[mail_id] = Unreadable(f"judging it failed ({type(error).__name__})")
    return found


def settle(
    desk: Desk, tx: Connection, batch: Sequence[tuple[Waiting, Judged | Unreadable, Reading | Unreadable]]
) -> list[tuple[Waiting, Settled]]:
    """Settle the mails of a batch, in their order: each sees what became of those before it. What all of them ask of
    the register is looked up once, and what they write goes there together (issue 8)."""
    with gathering.together(tx):
        known = belonging.look_up(desk, tx, [(mail, one) for mail, one, _ in batch if isinstance(one, Judged)])
        return [
            (mail, _settle_safely(desk, tx, mail, judged, reading, known.get(mail.id)))
            for mail, judged, reading in batch
        ]


def _settle_safely(
    desk: Desk, tx: Connection, mail: Waiting, judged: Judged | Unreadable, reading: Reading | Unreadable,
    keys: Keys | None,
) -> Settled:  # fmt: skip
    """Settle it; a mail that finds a hole in the program is quarantined and costs the batch nothing."""
    try:
        with desk.database.apart(tx):
            return _settle(desk, tx, mail, judged, reading, keys)
    except (TriageError, SQLAlchemyError) as error:
        if not isinstance(error, NotAllowed):
            raise  # the register, the disk, another writer: not the mail's fault
        hole: Exception = error  # what the mail asks for cannot be done to its case: it would fail at every run
    except Exception as error:  # noqa: BLE001 - the mail is kept, shown and owned; the batch goes on
        hole = error
    loads.count_anew(tx)
    log.error("mail %s cannot be settled: %s", mail.id, type(hole).__name__)
    why = f"settling it failed ({type(hole).__name__})"
    return opening.quarantine(desk, tx, mail, why, reading.message if isinstance(reading, Reading) else None)


def _settle(
    desk: Desk, tx: Connection, mail: Waiting, judged: Judged | Unreadable, reading: Reading | Unreadable,
    keys: Keys | None,
) -> Settled:  # fmt: skip
    if isinstance(judged, Unreadable):
        head = reading.message if isinstance(reading, Reading) else None
        return opening.quarantine(desk, tx, mail, judged.reason, head)
    twin = _twin(tx, mail, judged.message)
    if twin is not None:
        mails.duplicate(tx, mail.id, twin, desk.now())
        return Settled("duplicate")
    common = _columns(tx, desk, mail, judged)
    if mail.direction == "out":
        return outbound.record(desk, tx, mail, judged, common, keys)
    answer = by_reply.of(desk, tx, judged)
    if answer is not None:
        by_reply.note(desk, tx, mail, judged, answer)
        if answer.to_a_list:
            why = f"answers our {answer.to['kind']}"
            mails.judged(tx, mail.id, {**common, "outcome": "filed", "disposition": "internal", "reason": why})
            return Settled("filed", "internal")
    threading = belonging.find(desk, tx, judged, keys)
    if threading.case_id is not None:
        return joining.attach(desk, tx, mail, judged, threading, common)
    if judged.screening.kind is Kind.STAFF_REPLY:  # copied in on a colleague's answer: as if found in a Sent folder
        return outbound.record(desk, tx, mail, judged, common, keys)
    return opening.settle(desk, tx, mail, judged, threading, common)


def _twin(tx: Connection, mail: Waiting, message: Message) -> int | None:
    """The same mail delivered another way: other trace headers, the same content."""
    found = mails.by_logical_key(tx, message.logical_key)
    return found if found is not None and found != mail.id else None


def _columns(tx: Connection, desk: Desk, mail: Waiting, judged: Judged) -> dict[str, Any]:
    """What the mail's row says whatever becomes of it."""
    message, screening = judged.message, judged.screening
    return {
        "state": "judged", "logical_key": message.logical_key, "message_id": message.message_id,
        "message_id_reused": message.message_id_given and mails.message_id_known(tx, message.message_id, mail.id),
        "subject": message.subject[:1000], "from_email": message.from_.email, "from_name": message.from_.name[:200],
        "customer": screening.customer.email, "date_claimed": message.date, "effective_at": screening.received_at,
        "disposition": judged.verdict.disposition.value, "reason": judged.verdict.reason,
        "verdict": opening.verdict_json(judged), "config_version": desk.config.version, "judged_at": desk.now(),
        "last_error": None,
    }  # fmt: skip


def _count(taken: TakenIn, settled: Settled) -> None:
    if settled.outcome == "case":
        taken.opened += 1
    elif settled.outcome == "attached":
        taken.attached += 1
    elif settled.outcome == "duplicate":
        taken.duplicates += 1
    elif settled.outcome == "quarantined":
        taken.quarantined += 1
    elif settled.outcome == "outbound":
        taken.outbound += 1
    else:
        taken.filed[settled.disposition] += 1
