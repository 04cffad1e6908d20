"""Runs that share the waiting mail: none judges what another has, and nothing is settled before what came before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from tests.room import NOW
from triage.errors import WriteCollided
from triage.world import schema
from triage.world.store import shares
from triage.world.store.database import Database
from triage.world.store.mails import Waiting
from triage.world.store.shares import Share


def fill(database: Database, mailboxes: Sequence[str]) -> None:
    """Mail number n (from 1) is of the n-th mailbox and came n minutes after the first moment."""
    with database.write() as tx:
        for n, name in enumerate(mailboxes, start=1):
            tx.execute(schema.blob.insert().values(sha256=f"{n:064}", length=1, body=b"x"))
            tx.execute(schema.mail.insert().values(
                sha256=f"{n:064}", direction="in", mailbox=name, folder="INBOX", received_at=NOW + timedelta(minutes=n),
                stored_at=NOW, state="stored", attempts=0, message_id_reused=False,
            ))  # fmt: skip


def take(
    database: Database, who: str, most: int = 2, dead: str = "", now: datetime = NOW
) -> tuple[Share, list[Waiting]]:
    with database.write() as tx:
        found = shares.take(tx, most, who, now, lambda owner: owner == dead, lambda _first: most)
    assert found is not None
    return found


def ids(taken: tuple[Share, list[Waiting]]) -> list[int]:
    return [one.id for one in taken[1]]


def test_each_run_gets_the_next_stretch_and_none_gets_what_another_has(database: Database) -> None:
    fill(database, ["box"] * 5)
    assert [ids(take(database, who)) for who in ("one", "two", "three")] == [[1, 2], [3, 4], [5]]
    with database.write() as tx:
        assert shares.take(tx, 2, "four", NOW, lambda _: False, lambda _: 2) is None


def test_what_is_given_back_is_the_next_to_be_taken_and_a_stretch_ends_where_anothers_begins(
    database: Database,
) -> None:
    fill(database, ["box"] * 6)
    first, _ = take(database, "one")
    take(database, "two")
    with database.write() as tx:
        shares.give_back(tx, first)
    assert ids(take(database, "three", most=4)) == [1, 2]


def test_the_share_of_a_dead_run_is_free_at_once_and_of_a_lost_machine_after_three_minutes(database: Database) -> None:
    fill(database, ["box"] * 2)
    take(database, "one")
    assert ids(take(database, "two", dead="one")) == [1, 2]
    assert ids(take(database, "three", now=NOW + timedelta(seconds=shares.SECONDS))) == [1, 2]
    assert ids(take(database, "three")) == [1, 2], "a run that starts anew is not in its own way"


def test_before_names_the_waiting_mail_of_the_same_mailboxes_only(database: Database) -> None:
    """1 a, 2 b, 3 a, 4 b: before 3 and 4 came 1 and 2; before 4 alone 2, since 3 is another mailbox's."""
    fill(database, ["a", "b", "a", "b"])
    take(database, "one")
    _, batch = take(database, "two")
    with database.read() as tx:
        assert sorted(number for _, number in shares.before(tx, batch)) == [1, 2]
        assert [number for _, number in shares.before(tx, batch[1:])] == [2]


def test_two_runs_that_write_the_same_row_are_told_apart_from_trouble_with_the_register(database: Database) -> None:
    fill(database, ["box"])
    with pytest.raises(WriteCollided):
        fill(database, ["box"])
