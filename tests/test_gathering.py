"""Settling many mails together stores what settling each by itself stores, to the last row; and rows that wait are seen
by whoever reads, and go with the part that is undone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from tests.room import NOW, desk_in, furnish, letter
from triage.desk import Desk
from triage.mail import tokens
from triage.operations import take_in
from triage.operations.take_in import take_in_batch
from triage.world import schema
from triage.world.store import cases, folders, gathering, mails, outbox, register
from triage.world.store.cases import CaseMoved
from triage.world.store.database import Database
from triage.world.store.gathering import together

OWNER = "ines.calder@alderfinch.example"
TABLES = (schema.mail, schema.delivery, schema.cases, schema.event, schema.case_key, schema.outbox, schema.counter)


# -- a batch is as its mails ------------------------------------------------------------------------------------------


def _mail(draw: random.Random, number: int) -> tuple[bytes, str]:
    """A mail and its direction: new matters and old ones, by every way in which a mail finds its case."""
    who, before = draw.randrange(7), draw.randrange(max(1, number))
    sender = f"Customer {who} <customer{who}@example.com>"
    kind = draw.choice(("new", "new", "answer", "answer", "order", "chase", "reused", "ours", "away", "thanks",
                        "number", "bounce", "odd"))  # fmt: skip
    about = {"In-Reply-To": f"<m{before}@example.com>", "References": f"<x@example.com> <m{before}@example.com>"}
    order = f"My order OL-{33_000 + draw.randrange(5)} has not come."
    texts = {
        "answer": "It is still broken, and nobody has called me. I want my money back.",
        "chase": "Any news? I have been waiting for days and nobody answers me.",
        "thanks": "Thank you, that is solved. All is fine now.",
        "ours": "Dear customer, we are sorry. We will send you a new one by Friday. Is your address right?",
        "away": "I am out of the office until Monday.",
        "bounce": "The mail could not be delivered.",
        "odd": 'A literal \\u0000" in it, and \x07 a bell. Please do not phone me, I am deaf.',
    }
    text = texts.get(kind, order if kind == "order" else f"The invoice of matter {number} is wrong. Please call me.")
    more: dict[str, Any] = {"sender": sender}
    if kind in ("answer", "thanks", "ours", "away", "bounce"):
        more |= {"subject": f"Re: Complaint number {before}", **about}
    if kind == "away":
        more |= {"Auto-Submitted": "auto-replied"}
    if kind == "bounce":
        more |= {"sender": "MAILER-DAEMON@example.com", "Auto-Submitted": "auto-replied"}
    if kind == "ours":
        return letter(number, text, **(more | {"sender": f"Ines Calder <{OWNER}>", "to": sender})), "out"
    if kind == "number":
        more |= {"subject": f"About C-2026-{1 + draw.randrange(30):06d}"}
    if kind == "odd":
        more |= {"subject": 'A \\u0000" subject'}
    if kind == "reused":  # another mail under a known Message-ID
        more |= {"Message-ID": f"<m{before}@example.com>"}
    return letter(number, text, **more), "in"


def _mails(seed: int, count: int) -> list[tuple[bytes, str]]:
    """So many mails; every eighth is an earlier one again, delivered another way."""
    draw = random.Random(seed)
    found: list[tuple[bytes, str]] = []
    for number in range(count):
        raw, direction = _mail(draw, number)
        if number % 8 == 7:
            again, direction = draw.choice(found)
            raw = b"Received: from elsewhere by way %d\r\n" % number + again
        found.append((raw, direction))
    return found


def _replies(desk: Desk) -> list[tuple[bytes, str]]:
    """What comes back on what was sent: to our notices, to signed addresses, under right and wrong tokens."""
    with desk.database.read() as tx:
        sent = outbox.listing(tx, 12)
        rows = cases.rows(tx, everything=True)[:6]
    back = [
        letter(900 + n, "#1 billing urgent" if n % 2 else "I take it.", sender=f"Ines Calder <{OWNER}>",
               subject=f"Re: {row['subject'][:50]}", **{"In-Reply-To": row["message_id"]})
        for n, row in enumerate(sent)
    ]  # fmt: skip
    for n, row in enumerate(rows):
        token = tokens.case_token(row["number"], desk.secret)
        signed = tokens.plus_address(desk.reply_address, row["number"], desk.secret)
        back.append(letter(950 + n, "It is unsafe, my child was hurt by it.", sender=row["customer"],
                           subject=f"Re: {token}", to=signed if n % 2 else ""))  # fmt: skip
        back.append(letter(970 + n, "Hello?", sender="stranger@example.com", subject=f"Re: {token}"))
    return [(raw, "in") for raw in back]


def _store(desk: Desk, arrived: Sequence[tuple[bytes, str]], first: int) -> None:
    """Store mails as the intake does, a second apart."""
    for number, (raw, direction) in enumerate(arrived, start=first):
        (place,) = desk.raw.write([raw])
        with desk.database.write() as tx:
            at = folders.enter_epoch(tx, folders.ensure(tx, "complaints", "INBOX", "intake"), 1)
            folders.record_seen(tx, at, [number], NOW)
            (item,) = folders.unfinished(tx, at)
            arrival = mails.Arrival(item.id, place, NOW - timedelta(hours=30) + timedelta(minutes=9 * number))
            mails.store(
                tx, [arrival], mailbox="complaints", folder_name="INBOX", direction=direction, now=NOW, mark=None
            )


Rows = dict[str, list[tuple[Any, ...]]]


def _taken_in(folder: Path, url: str, seed: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Every row of the register after two rounds of mail, taken in so many at a time; one at a time the plain way, with
    every row written and every question asked by itself."""
    monkeypatch.setattr(take_in, "BATCH", batch)
    monkeypatch.setattr(gathering, "together", (lambda tx: nullcontext()) if batch == 1 else together)
    furnish(folder, host="127.0.0.1", port=1, user="intake", password="s3cret", mode="read_only")
    rows = Rows()
    with desk_in(folder, url, now=NOW) as desk:
        _store(desk, _mails(seed, 70), first=1)
        while take_in_batch(desk):
            pass
        _store(desk, _replies(desk), first=101)
        while take_in_batch(desk):
            pass
        with desk.database.read() as tx:
            for table in TABLES:
                rows[table.name] = [
                    tuple(row) for row in tx.execute(select(table).order_by(*table.primary_key.columns))
                ]
    return rows


def _holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every eleventh mail breaks the program after its case was written."""
    whole = take_in._settle

    def hole(desk: Desk, tx: Any, mail: mails.Waiting, *rest: Any) -> Any:
        settled = whole(desk, tx, mail, *rest)
        if mail.id % 11 == 0 and settled.outcome != "quarantined":
            raise KeyError("a hole in the program")
        return settled

    monkeypatch.setattr(take_in, "_settle", hole)


@pytest.mark.parametrize("holes", [False, True])
def test_a_batch_stores_what_its_mails_store_one_by_one(
    database_url: str, tmp_path: Path, holes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same 70 mails and 24 replies, a hundred at a time and one at a time."""
    if holes:
        _holes(monkeypatch)
    sqlite = database_url.startswith("sqlite")
    alone = _taken_in(tmp_path / "alone", "", 8, 1, monkeypatch)
    gathered = _taken_in(tmp_path / "gathered", "" if sqlite else database_url, 8, 100, monkeypatch)
    found = {row[schema.mail.c.keys().index("outcome")] for row in alone["mail"]}
    assert {"case", "attached", "filed", "duplicate"} <= found and ("quarantined" in found) == holes
    for name, rows in alone.items():
        same = gathered[name]
        if not sqlite:  # a sequence of PostgreSQL counts on where something was undone; SQLite's row ids do not
            rows, same = [row[1:] for row in rows], [row[1:] for row in same]
        assert len(same) == len(rows), name
        if sqlite or not holes:
            assert same == rows, name


# -- rows that wait --------------------------------------------------------------------------------------------------


def _number(number: int) -> dict[str, Any]:
    return {
        "number": f"C-{number}", "version": 0, "status": "open", "mailbox": "box", "customer": f"c{number}@example.com",
        "disposition": "complaint", "urgency": 1, "owner": "ann", "policy": "p", "review": False, "step": 0,
        "received_at": NOW, "opened_at": NOW, "config_version": "1",
    }  # fmt: skip


def _owners(tx: Any) -> list[str]:
    return [row["owner"] for row in cases.rows(tx, everything=True)]


def test_who_reads_finds_what_waits(database: Database) -> None:
    with database.write() as tx, together(tx):
        one = cases.create(tx, _number(1))
        cases.save(tx, one, 0, {"owner": "ben", "status": "open", "opened_at": NOW, "customer": "c1@example.com"})
        cases.add_keys(tx, one, [("address", "a@example.com")])
        assert _owners(tx) == ["ben"]
        assert cases.with_key(tx, "address", ["a@example.com"]) == {"a@example.com": [one]}


@pytest.mark.parametrize("read_in_between", [False, True])
def test_an_undone_part_takes_its_own_rows_along_and_no_others(database: Database, read_in_between: bool) -> None:
    with database.write() as tx, together(tx):
        one = cases.create(tx, _number(1))
        cases.add_keys(tx, one, [("order", "A1")])
        with pytest.raises(LookupError), database.apart(tx):
            two = cases.create(tx, _number(2))
            cases.add_keys(tx, one, [("order", "A2")])
            if read_in_between:
                assert _owners(tx) == ["ann", "ann"]  # which writes what waits, within the part
            cases.add_keys(tx, two, [("order", "A3")])
            raise LookupError
        cases.add_keys(tx, one, [("order", "A4")])
    with database.read() as tx:
        assert _owners(tx) == ["ann"]
        assert cases.keys_of(tx, [one], "order") == {one: {"A1", "A4"}}


def test_no_number_is_given_twice_and_none_left_out(database: Database) -> None:
    with database.write() as tx, together(tx):
        given = [register.next_number(tx, "case-2026") for _ in range(3)]
        with pytest.raises(LookupError), database.apart(tx):
            given.append(register.next_number(tx, "case-2026"))
            raise LookupError
        given.append(register.next_number(tx, "case-2026"))
    with database.write() as tx:
        assert [*given, register.next_number(tx, "case-2026")] == [1, 2, 3, 4, 4, 5]  # the first 4 was undone


def test_a_case_that_is_not_as_it_was_read_is_not_written(database: Database) -> None:
    with database.write() as tx:
        one = cases.create(tx, _number(1))
    with pytest.raises(CaseMoved), database.write() as tx, together(tx):
        cases.lock(tx, one)
        cases.save(tx, one, 3, {"next_due_at": NOW})
    with pytest.raises(CaseMoved), database.write() as tx, together(tx):
        cases.save(tx, one, 3, {"next_due_at": NOW})  # without its lock the database itself says so


def test_a_notice_is_put_once(database: Database) -> None:
    row: dict[str, Any] = {
        "key": "k", "kind": "alarm", "case_id": None, "recipient": "a@example.com", "subject": "s", "text": "t",
        "headers": {}, "message_id": "<1@x>", "state": "held", "not_before": NOW, "created_at": NOW,
    }  # fmt: skip
    with database.write() as tx, together(tx):
        assert [outbox.put(tx, row), outbox.put(tx, row)] == [True, False]
    with database.write() as tx, together(tx):
        assert not outbox.put(tx, row)


def test_outside_of_a_batch_rows_are_written_at_once(database: Database) -> None:
    with database.write() as tx:
        one = cases.create(tx, _number(1))
        cases.add_keys(tx, one, [("order", "A1")])
        assert tx.exec_driver_sql("SELECT count(*) FROM case_key").scalar() == 1
        assert gathering.of(tx) is None


def test_of_several_open_cases_the_owner_is_that_of_the_last_in_the_queue(database: Database) -> None:
    """What a batch remembers of a customer's cases and what the database says, over cases made and changed at random."""
    draw = random.Random(1)
    for _ in range(8):
        with database.write() as tx, together(tx):
            cases.look_up(tx, ["c@example.com"], {})
            for number in range(6):
                due: datetime | None = NOW + timedelta(minutes=draw.randrange(4)) if draw.random() < 0.7 else None
                values = {"urgency": draw.randrange(3), "next_due_at": due, "customer": "c@example.com"}
                values |= {
                    "status": draw.choice(["open", "on_hold", "closed"]),
                    "owner": f"o{number}",
                    "opened_at": NOW,
                }
                one = cases.create(tx, {**_number(1), "number": f"C-{draw.random()}"})
                cases.save(tx, one, 0, values)
                told = cases.owner_of_customer(tx, "c@example.com")
                assert told == tx.execute(cases._OWNER_OF, {"of": "c@example.com"}).scalar()


# -- what is known stays true ----------------------------------------------------------------------------------------


def test_what_is_written_to_one_case_happens_in_the_order_in_which_it_was_said(database: Database) -> None:
    """Rows with the same columns go in one statement; the third save must not overtake the second."""
    whole = {"owner": "ben", "status": "open", "opened_at": NOW}
    with database.write() as tx, together(tx):
        one = cases.create(tx, _number(1))
        cases.save(tx, one, 0, {**whole, "version": 1})
        cases.save(tx, one, 1, {"next_due_at": NOW})
        cases.save(tx, one, 1, {**whole, "version": 2, "owner": "cy"})
    with database.read() as tx:
        row = cases.by_ids(tx, [one])[one]
        assert (row["version"], row["owner"], row["next_due_at"]) == (2, "cy", NOW)


def test_a_case_that_is_written_without_its_lock_is_read_as_it_was_written(database: Database) -> None:
    """Nothing is known of it, and reading a case does not write what waits: its rows may not wait."""
    told = {
        "seq": 1, "kind": "noted", "at": NOW, "recorded_at": NOW, "actor": "desk", "mail_id": None, "data": {},
        "config_version": "1", "key": None,
    }  # fmt: skip
    with database.write() as tx:
        one = cases.create(tx, _number(1))
    with database.write() as tx, together(tx):
        cases.look_up(tx, ["c1@example.com"], {})
        cases.append(tx, [{**told, "case_id": one}])
        assert [row["kind"] for row in cases.events(tx, [one])[one]] == ["noted"]
        assert cases.owner_of_customer(tx, "c1@example.com") == "ann"
        cases.save(tx, one, 0, {"owner": "ben", "status": "open", "opened_at": NOW})
        assert cases.by_ids(tx, [one])[one]["owner"] == "ben"
        assert cases.owner_of_customer(tx, "c1@example.com") == "ben"


def test_a_case_of_another_customer_now_is_no_more_one_of_the_first(database: Database) -> None:
    with database.write() as tx:
        one = cases.create(tx, _number(1))
    with database.write() as tx, together(tx):
        cases.look_up(tx, ["c1@example.com", "c2@example.com"], {})
        cases.lock(tx, one)
        for customer in ("c1@example.com", "c2@example.com"):
            cases.save(tx, one, 0, {"customer": customer, "status": "open", "step": len(customer)})
            assert cases.owner_of_customer(tx, customer) == "ann"
        assert cases.owner_of_customer(tx, "c1@example.com") is None


def test_keys_that_are_dropped_are_found_no_more(database: Database) -> None:
    with database.write() as tx, together(tx):
        one = cases.create(tx, _number(1))
        cases.look_up(tx, [], {"order": ["A1", "A2"]})
        cases.add_keys(tx, one, [("order", "A1"), ("order", "A2")])
        assert cases.keys_of(tx, [one], "order") == {one: {"A1", "A2"}}
        cases.drop_keys(tx, one, [("order", "A1")])
        assert cases.with_key(tx, "order", ["A1", "A2"]) == {"A2": [one]}
        assert cases.keys_of(tx, [one], "order") == {one: {"A2"}}


@pytest.mark.parametrize("looked_up", [False, True])
def test_a_key_is_stored_without_what_no_database_takes(database: Database, looked_up: bool) -> None:
    """A NUL and a lone surrogate, as a mail may spell them in an address."""
    given, stored = "A\ud8001\x00", "A?1"
    with database.write() as tx, together(tx):
        one = cases.create(tx, _number(1))
        if looked_up:
            cases.look_up(tx, [], {"order": [given]})
        cases.add_keys(tx, one, [("order", given), ("order", "\x00")])
        assert cases.with_key(tx, "order", [given]) == {stored: [one]}
    with database.write() as tx:
        assert cases.keys_of(tx, [one], "order") == {one: {stored}}
        cases.drop_keys(tx, one, [("order", given)])
        assert cases.with_key(tx, "order", [given]) == {}


def _mail_rows(tx: Any, case_id: int, count: int) -> list[int]:
    """So many mails on a case, <1@x> and on; their ids."""
    common = {
        "direction": "in", "mailbox": "box", "folder": "INBOX", "received_at": NOW, "stored_at": NOW, "state": "judged",
        "attempts": 0, "message_id_reused": False, "case_id": case_id, "effective_at": NOW,
    }  # fmt: skip
    names = [str(number) for number in range(1, count + 1)]
    tx.execute(insert(schema.blob), [{"sha256": one * 8, "length": 1} for one in names])
    tx.execute(
        insert(schema.mail),
        [{**common, "sha256": one * 8, "logical_key": f"key {one}", "message_id": f"{one}@x"} for one in names],
    )
    return list(tx.execute(select(schema.mail.c.id).order_by(schema.mail.c.id)).scalars())


def test_mails_that_went_to_another_case_are_found_there(database: Database) -> None:
    with database.write() as tx, together(tx):
        one, two, three = (cases.create(tx, _number(number)) for number in (1, 2, 3))
        first, last = _mail_rows(tx, one, 2)
        mails.look_up(tx, [], [], ["1@x", "2@x"])
        mails.move_to_case(tx, one, two)
        assert mails.case_of_message_ids(tx, ["1@x", "2@x"]) == {"1@x": [two], "2@x": [two]}
        mails.look_up(tx, [], [], ["1@x", "2@x"])
        mails.reassign(tx, [last], three)
        assert mails.case_of_message_ids(tx, ["1@x", "2@x"]) == {"1@x": [two], "2@x": [three]}
        assert mails.ids_by_message_id(tx, ["2@x", "1@x"]) == [first, last]


def test_a_mail_that_turned_out_a_duplicate_stands_for_its_content_no_more(database: Database) -> None:
    with database.write() as tx, together(tx):
        first, last = _mail_rows(tx, cases.create(tx, _number(1)), 2)
        mails.look_up(tx, [], ["key 1", "key 2"], ["1@x", "2@x"])
        mails.duplicate(tx, last, first, NOW)
        assert (mails.by_logical_key(tx, "key 1"), mails.by_logical_key(tx, "key 2")) == (first, None)


def test_mails_are_named_in_the_order_of_their_ids_whether_looked_up_or_not(database: Database) -> None:
    with database.write() as tx, together(tx):
        ids = _mail_rows(tx, cases.create(tx, _number(1)), 3)
        asked = ["3@x", "1@x", "2@x"]
        assert mails.ids_by_message_id(tx, asked) == ids
        mails.look_up(tx, [], [], asked)
        assert mails.ids_by_message_id(tx, asked) == ids
