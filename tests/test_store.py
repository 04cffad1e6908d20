"""The register: what is committed is durable, what is stored twice is stored once, and one run at a time holds a lease.

Every test runs on SQLite and on a real PostgreSQL.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import StatementError

from triage.errors import DiskFull, InvariantBroken, Permanent
from triage.world import schema
from triage.world.store import cases, folders, lease, mails, outbox, register
from triage.world.store.database import HEAD, Database, migrate, schema_revision
from triage.world.store.raw import RawStore

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def test_a_fresh_database_is_brought_to_the_newest_schema_and_a_second_time_changes_nothing(database: Database) -> None:
    migrate(database)
    with database.read() as tx:
        assert schema_revision(tx) == HEAD


def test_a_database_of_a_newer_program_is_refused(database: Database) -> None:
    with database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Permanent, match="newer"):
        migrate(database)


def test_sqlite_commits_to_the_disk_and_readers_do_not_block(database: Database) -> None:
    if not database.sqlite:
        pytest.skip("about SQLite's pragmas")
    with database.read() as tx:
        assert tx.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert tx.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


def test_a_time_comes_back_aware_and_to_the_microsecond(database: Database) -> None:
    berlin = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    with database.write() as tx:
        tx.execute(insert(schema.lease).values(name="x", owner="", until=berlin, fence=1))
        back = tx.execute(select(schema.lease.c.until)).scalar_one()
    assert back == berlin and back.tzinfo is UTC


def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises((ValueError, StatementError), match="naive"), database.write() as tx:
        tx.execute(insert(schema.lease).values(name="x", owner="", until=datetime(2026, 1, 1), fence=1))


def test_text_loses_nul_and_lone_surrogates(database: Database) -> None:
    with database.write() as tx:
        number = register.start_run(tx, "test", NOW)
        register.end_run(tx, number, NOW, {"a": "x\x00y"}, "bad\x00 \ud800 text")
        row = register.last_runs(tx, 1)[0]
    assert row["error"] == "bad ? text" and row["counts"] == {"a": "xy"}


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        register.next_number(tx, "case")
        raise RuntimeError
    with database.write() as tx:
        assert register.next_number(tx, "case") == 1


# -- leases ----------------------------------------------------------------------------------------------------------


def test_only_one_run_holds_a_lease_and_the_next_one_has_a_higher_fence(database: Database) -> None:
    with database.write() as tx:
        first = lease.take(tx, "intake:a", "one", NOW, 60)
        assert first is not None and lease.take(tx, "intake:a", "two", NOW, 60) is None
        lease.release(tx, first, NOW)
        second = lease.take(tx, "intake:a", "two", NOW, 60)
    assert second is not None and second.fence == first.fence + 1


def test_a_zombie_whose_lease_ran_out_can_write_nothing(database: Database) -> None:
    with database.write() as tx:
        zombie = lease.take(tx, "intake:a", "one", NOW, 60)
        assert zombie is not None
        assert lease.take(tx, "intake:a", "two", NOW + timedelta(seconds=61), 60) is not None
    with pytest.raises(lease.LeaseLost), database.write() as tx:
        lease.hold(tx, zombie, NOW + timedelta(seconds=62))
        register.next_number(tx, "case")
    with database.write() as tx:
        assert register.next_number(tx, "case") == 1


def test_holding_renews_the_lease(database: Database) -> None:
    with database.write() as tx:
        held = lease.take(tx, "intake:a", "one", NOW, 60)
        assert held is not None
        lease.hold(tx, held, NOW + timedelta(seconds=50))
        assert lease.take(tx, "intake:a", "two", NOW + timedelta(seconds=70), 60) is None


def test_a_dead_holder_is_followed_at_once(database: Database) -> None:
    with database.write() as tx:
        lease.take(tx, "intake:a", "dead one", NOW, 60)
        assert lease.take(tx, "intake:a", "two", NOW, 60, dead=lambda owner: owner == "dead one") is not None


def test_a_clock_that_stepped_back_does_not_lock_the_mailbox_for_ever(database: Database) -> None:
    with database.write() as tx:
        lease.take(tx, "intake:a", "one", NOW + timedelta(days=3), 60)
        assert lease.take(tx, "intake:a", "two", NOW, 60) is not None


# -- raw mail --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["segments", "database"])
def raw(request: pytest.FixtureRequest, tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw", in_database=request.param == "database")


def stored(database: Database, raw: RawStore, bodies: list[bytes]) -> list[str]:
    """Take the bodies in as the intake does; returns their addresses."""
    locations = raw.write(bodies)
    with database.write() as tx:
        at = folders.enter_epoch(tx, folders.ensure(tx, "box", "INBOX", "intake"), 7)
        known = folders.known_uids(tx, at, 1, 10_000)
        first = max(known, default=0) + 1
        folders.record_seen(tx, at, range(first, first + len(bodies)), NOW)
        rows = folders.unfinished(tx, at)
        arrivals = [mails.Arrival(d.id, place, NOW) for d, place in zip(rows, locations, strict=True)]
        mails.store(tx, arrivals, mailbox="box", folder_name="INBOX", direction="in", now=NOW, mark=None)
    return [place.sha256 for place in locations]


def test_bytes_come_back_exactly(database: Database, raw: RawStore) -> None:
    bodies = [b"", b"\x00\xff\r\n", b"a" * 100_000, "ü".encode("latin-1")]
    shas = stored(database, raw, bodies)
    with database.read() as tx:
        assert [raw.read(tx, [sha])[sha] for sha in shas] == bodies


def test_the_same_bytes_are_one_mail_with_two_deliveries(database: Database, raw: RawStore) -> None:
    stored(database, raw, [b"one", b"two"])
    stored(database, raw, [b"two", b"three", b"three"])
    with database.read() as tx:
        assert len(mails.waiting(tx, 100)) == 3
        at = folders.every(tx)[0]
        assert folders.tally(tx, at) == {"stored": 5}


def test_changed_bytes_are_noticed(database: Database, tmp_path: Path) -> None:
    raw = RawStore(tmp_path / "raw")
    sha = stored(database, raw, [b"the mail"])[0]
    segment = next((tmp_path / "raw").glob("*.seg"))
    segment.write_bytes(b"the nail")
    with pytest.raises(InvariantBroken, match=sha[:12]), database.read() as tx:
        raw.read(tx, [sha])


def test_missing_bytes_are_noticed(database: Database, tmp_path: Path) -> None:
    raw = RawStore(tmp_path / "raw")
    with pytest.raises(InvariantBroken, match="not stored"), database.read() as tx:
        raw.read(tx, [hashlib.sha256(b"never").hexdigest()])


def test_raw_mail_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    RawStore(tmp_path / "raw").write([b"secret"])
    assert (tmp_path / "raw").stat().st_mode & 0o077 == 0
    assert next((tmp_path / "raw").glob("*.seg")).stat().st_mode & 0o077 == 0


def test_a_full_disk_is_temporary_and_the_next_write_starts_a_new_segment(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = RawStore(tmp_path / "raw")
    stored(database, raw, [b"before"])

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("triage.world.store.raw.os.write", full)
        with pytest.raises(DiskFull, match="No space left"):
            raw.write([b"does not fit"])
    sha = stored(database, raw, [b"after"])[0]
    with database.read() as tx:
        assert raw.read(tx, [sha])[sha] == b"after"
    assert len(list((tmp_path / "raw").glob("*.seg"))) == 2


# -- folders and outbox ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("second", [8, 6])
def test_another_uidvalidity_higher_or_lower_is_a_new_epoch(database: Database, second: int) -> None:
    with database.write() as tx:
        at = folders.enter_epoch(tx, folders.ensure(tx, "box", "INBOX", "intake"), 7)
        folders.record_seen(tx, at, [1, 2], NOW)
        again = folders.enter_epoch(tx, at, second)
        assert again.epoch == at.epoch + 1
        assert folders.known_uids(tx, again, 1, 10) == set()
        assert folders.known_uids(tx, at, 1, 10) == {1, 2}


def test_the_low_uid_never_passes_a_mail_that_is_not_finished(database: Database) -> None:
    with database.write() as tx:
        at = folders.enter_epoch(tx, folders.ensure(tx, "box", "INBOX", "intake"), 7)
        folders.record_seen(tx, at, [3, 4, 5], NOW)
        rows = folders.unfinished(tx, at)
        folders.finish(tx, [rows[0].id, rows[2].id], "vanished")
        folders.raise_low_uid(tx, at, 6)
        assert folders.ensure(tx, "box", "INBOX", "intake").low_uid == 4
        folders.finish(tx, [rows[1].id], "vanished")
        folders.raise_low_uid(tx, at, 6)
        assert folders.ensure(tx, "box", "INBOX", "intake").low_uid == 6


def test_a_notice_with_a_known_key_is_not_written_again(database: Database) -> None:
    row: dict[str, Any] = {
        "key": "reminder:1:first_response:1", "kind": "reminder", "case_id": None, "recipient": "a@example.com",
        "subject": "s", "text": "t", "headers": {}, "message_id": "<1@x>", "state": "pending", "not_before": NOW,
        "created_at": NOW,
    }  # fmt: skip
    with database.write() as tx:
        assert outbox.put(tx, row) is True
        assert outbox.put(tx, {**row, "subject": "other"}) is False
        assert [entry["subject"] for entry in outbox.due(tx, NOW, 10)] == ["s"]
        assert outbox.due(tx, NOW - timedelta(seconds=1), 10) == []


def test_what_a_mail_spells_out_as_an_escape_breaks_no_json() -> None:
    """A NUL goes; the six letters of its escape stay, whatever stands before and behind them."""
    column, dialect, parts = schema.Json(), sqlite.dialect(), ("\\", "u0000", "\x00", '"', "\ud800")
    for length in range(6):
        for letters in product(parts, repeat=length):  # 1 + 5 + ... + 5^5 = 3,906 texts
            written = "".join(letters)
            stored = column.process_bind_param({"text": written}, dialect)
            kept = written.replace("\x00", "").replace("\ud800", "?")
            assert column.process_result_value(stored, dialect) == {"text": kept}, written


def test_no_statement_asks_for_more_than_both_databases_take(database: Database) -> None:
    """65,535 values are the most that PostgreSQL takes, and a hundred mails may name any number of cases."""
    sizes: list[int] = []
    with database.write() as tx:
        event.listen(tx, "before_cursor_execute", lambda *args: sizes.append(len(args[3])))
        many = range(1_200)
        assert cases.by_ids(tx, many) == {}
        assert cases.by_numbers(tx, map(str, many)) == {}
        assert cases.with_key(tx, "order", map(str, many)) == {}
        assert set().union(*cases.keys_of(tx, many, "order").values(), *cases.events(tx, many).values()) == set()
    assert len(sizes) == 5 * 3 and max(sizes) <= 501
