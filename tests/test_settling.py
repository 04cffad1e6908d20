"""Settling a batch in which something breaks: only the mail that breaks it pays, and a row that cannot be written loses
the transaction as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.quickroom import Clock, quick_desk
from tests.room import NOW, letter
from triage.desk import Desk
from triage.errors import WriteCollided
from triage.mail import thread
from triage.operations import take_in
from triage.operations.take_in import take_in_batch
from triage.world import schema
from triage.world.store import cases, folders, gathering, loads, mails, outbox
from triage.world.store.database import Database
from triage.world.store.gathering import NotWritten, together
from triage.world.store.mails import Waiting

MAILS, POISON = 6, 3


def _no_mailbox(_: Any) -> Any:
    raise AssertionError("these mails are stored already")


def _store(desk: Desk, arrived: Sequence[bytes], first: int) -> None:
    """Mails as the intake stores them, under UIDs from `first` on, a minute apart."""
    with desk.database.write() as tx:
        at = folders.enter_epoch(tx, folders.ensure(tx, "complaints", "INBOX", "intake"), 1)
        folders.record_seen(tx, at, range(first, first + len(arrived)), NOW)
        found = [
            mails.Arrival(row.id, place, NOW - timedelta(minutes=60 - row.uid))
            for row, place in zip(folders.unfinished(tx, at), desk.raw.write(arrived), strict=True)
        ]
        mails.store(tx, found, mailbox="complaints", folder_name="INBOX", direction="in", now=NOW, mark=None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Six mails of six customers, stored and not judged yet."""
    with quick_desk(tmp_path, _no_mailbox, now=Clock()) as opened:
        _store(opened, [letter(number) for number in range(1, MAILS + 1)], 1)
        yield opened


def _outcomes(desk: Desk) -> dict[str, int]:
    with desk.database.read() as tx:
        return mails.tally(tx)


# -- a hole that one mail finds ----------------------------------------------------------------------------------------


def test_a_mail_whose_keys_break_the_look_up_of_its_batch_is_quarantined_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch asks is looked up before any mail is settled: the first run must end all six, not the twelfth."""
    whole = thread.candidates

    def hole(message: Any, *rest: Any) -> Any:
        if message.from_.email == f"customer{POISON}@example.com":
            raise KeyError("a hole in the program")
        return whole(message, *rest)

    monkeypatch.setattr(thread, "candidates", hole)
    assert take_in_batch(desk)["complaints"].quarantined == 1
    assert _outcomes(desk) == {"case": MAILS - 1, "quarantined": 1}


def _hole(*_: Any) -> Any:
    raise KeyError("a hole in the program")


def test_mails_whose_look_up_fails_ask_one_by_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails in the middle: what was looked up until then is forgotten, for it could be the half of an answer."""
    known: list[bool] = []
    settle = take_in._settle

    def asked(desk: Desk, tx: Any, *rest: Any) -> Any:
        known.append(bool((found := gathering.known(tx, mails._Known)) and found.by_message_id))
        return settle(desk, tx, *rest)

    monkeypatch.setattr(outbox, "look_up", _hole)
    monkeypatch.setattr(take_in, "_settle", asked)
    take_in_batch(desk)
    assert _outcomes(desk) == {"case": MAILS}
    assert known == [False] * MAILS


def test_who_has_how_much_is_counted_anew_after_a_mail_that_was_undone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case that the third mail had opened is gone again; whom the next ones go to is weighed without it."""
    whole = take_in._settle

    def hole(desk: Desk, tx: Any, mail: Waiting, *rest: Any) -> Any:
        if mail.id > POISON:
            open_ = schema.cases.c.status.in_(loads.OPEN)
            counted = select(schema.cases.c.owner, func.count()).where(open_).group_by(schema.cases.c.owner)
            assert {who: count for who, count in loads.open_counts(tx).items() if count} == {
                row[0]: row[1] for row in tx.execute(counted)
            }
        settled = whole(desk, tx, mail, *rest)
        if mail.id == POISON:
            raise KeyError("a hole in the program")
        return settled

    monkeypatch.setattr(take_in, "_settle", hole)
    take_in_batch(desk)
    assert _outcomes(desk) == {"case": MAILS - 1, "quarantined": 1}


def test_a_case_that_cannot_be_read_keeps_no_new_mail_of_its_customer_out(desk: Desk) -> None:
    """A new matter is weighed against the customer's other cases; one of them is told in a kind of event that this
    program does not know."""
    take_in_batch(desk)
    with desk.database.write() as tx:
        (old,) = cases.with_key(tx, "address", ["customer1@example.com"])["customer1@example.com"]
        tx.execute(update(schema.event).where(schema.event.c.case_id == old).values(kind="dreamt_of"))
    new = letter(1, "I was charged for a lamp.", subject="A lamp", Message_ID="<another@example.com>")
    _store(desk, [new], MAILS + 1)
    assert take_in_batch(desk)["complaints"].opened == 1
    assert _outcomes(desk) == {"case": MAILS + 1}


# -- a row that cannot be written --------------------------------------------------------------------------------------

UNWRITABLE = (
    "\ud800"  # a lone surrogate in a plain column: both drivers raise UnicodeEncodeError, no error of a database
)


def _case(tx: Any, number: int) -> int:
    return cases.create(tx, {
        "number": f"C-{number}", "version": 0, "status": "open", "mailbox": "box", "customer": f"c{number}@example.com",
        "disposition": "complaint", "urgency": 1, "owner": "ann", "policy": "p", "review": False, "step": 0,
        "received_at": NOW, "opened_at": NOW, "config_version": "1",
    })  # fmt: skip


def test_a_row_that_cannot_be_written_loses_the_transaction_whichever_part_meets_it(database: Database) -> None:
    """The row of one mail waits and is written when the next mail asks something. That one is not to be undone alone: of
    the first mail a half would be kept."""
    with database.write() as tx:
        one, two = _case(tx, 1), _case(tx, 2)
    with pytest.raises(NotWritten) as end, database.write() as tx, together(tx):
        with database.apart(tx):
            for case_id in (one, two):
                cases.lock(tx, case_id)
            cases.save(tx, one, 0, {"next_target": UNWRITABLE})
            cases.save(tx, two, 0, {"step": 1})
        with pytest.raises(NotWritten), database.apart(tx):
            cases.rows(tx, everything=True)
        cases.save(tx, two, 0, {"step": 3})  # whoever goes on all the same writes nothing
    assert UNWRITABLE not in str(end.value)
    with database.read() as tx:
        assert {row["step"] for row in cases.rows(tx, everything=True)} == {0}


def test_an_event_that_is_there_already_loses_a_batch_at_its_end(database: Database) -> None:
    row = {
        "seq": 1, "kind": "noted", "at": NOW, "recorded_at": NOW, "actor": "desk", "mail_id": None, "data": {},
        "config_version": "1", "key": "once",
    }  # fmt: skip
    with pytest.raises(WriteCollided), database.write() as tx, together(tx):
        for number in (1, 2):
            cases.append(tx, [{**row, "case_id": _case(tx, number)}])
