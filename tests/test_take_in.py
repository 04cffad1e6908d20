"""Taking in: a mail that breaks the program costs no other mail its case, and a restart costs no mail anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from tests.quickroom import Clock, quick_desk
from tests.room import letter
from tests.servers.fault import FaultServer, Mail
from triage.desk import Desk
from triage.errors import DatabaseUnavailable, InvariantBroken, NotAllowed
from triage.operations import look, take_in
from triage.operations.collect import collect
from triage.operations.take_in import LAST_TRY, take_in_batch
from triage.world import inbox, schema
from triage.world.reader import Unreadable
from triage.world.store import mails, shares
from triage.world.store.mails import Waiting

MAILS, POISON = 12, 7


@contextmanager
def desk_with_mail(folder: Path) -> Iterator[Desk]:
    """Twelve mails, stored and not judged yet."""
    with FaultServer({uid: letter(uid) for uid in range(1, MAILS + 1)}) as server:
        for mail in server.mails.values():
            mail.internaldate = Mail(b"", "20-Nov-2026 14:00:00 +0000").internaldate
        with quick_desk(folder, lambda _box: inbox.open(server.account), now=Clock()) as desk:
            assert collect(desk, desk.mailboxes[0]).stored == MAILS
            yield desk


class Died(BaseException):
    """The process is gone."""


def _dies_of(poison: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a batch with this mail in it ends the process; None: every batch does."""
    read = take_in._read

    def deadly(desk: Desk, waiting: Sequence[Waiting], raw: Mapping[str, bytes]) -> Any:
        accused = len(waiting) == 1 and waiting[0].attempts + 1 >= LAST_TRY
        if not accused and (poison is None or poison in [mail.id for mail in waiting]):
            raise Died
        return read(desk, waiting, raw)

    monkeypatch.setattr(take_in, "_read", deadly)


def outcomes(desk: Desk) -> dict[str, int]:
    with desk.database.read() as tx:
        return mails.tally(tx)


def test_a_mail_that_ends_the_process_is_found_by_halving_and_shown_to_a_person(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six batches of 12, then 6, 3 and one by one: the mails before it get through, then it stands alone."""
    with desk_with_mail(tmp_path) as desk:
        _dies_of(POISON, monkeypatch)
        deaths = 0
        while True:
            try:
                if not take_in_batch(desk):
                    break
            except Died:
                deaths += 1
        assert outcomes(desk) == {"case": MAILS - 1, "quarantined": 1}
        assert deaths == LAST_TRY - 1


def test_restarts_in_the_middle_of_a_batch_quarantine_no_mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk_with_mail(tmp_path) as desk:
        with monkeypatch.context() as patch:
            _dies_of(None, patch)
            for _ in range(LAST_TRY - 2):
                with pytest.raises(Died):
                    take_in_batch(desk)
        while take_in_batch(desk):
            pass
        assert outcomes(desk) == {"case": MAILS}


@pytest.mark.parametrize("fault", [KeyError("a hole in the program"), NotAllowed("its case does not take that")])
def test_a_mail_that_cannot_be_settled_is_quarantined_and_the_rest_of_its_batch_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    settle = take_in._settle

    def hole(desk: Desk, tx: Any, mail: Waiting, judged: Any, reading: Any, keys: Any) -> Any:
        if mail.id == POISON and not isinstance(judged, Unreadable):
            raise fault
        return settle(desk, tx, mail, judged, reading, keys)

    monkeypatch.setattr(take_in, "_settle", hole)
    with desk_with_mail(tmp_path) as desk:
        assert take_in_batch(desk)["complaints"].quarantined == 1
        assert outcomes(desk) == {"case": MAILS - 1, "quarantined": 1}
        (case,) = [one for one in look.cases(desk) if one["disposition"] == "unreadable"]
        assert case["customer"] == f"customer{POISON}@example.com" and type(fault).__name__ in case["review_reasons"][0]


def test_trouble_with_the_register_is_no_mails_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: Any) -> Any:
        raise DatabaseUnavailable("busy")

    with desk_with_mail(tmp_path) as desk:
        with monkeypatch.context() as patch:
            patch.setattr(take_in, "_settle", busy)
            with pytest.raises(DatabaseUnavailable):
                take_in_batch(desk)
        assert outcomes(desk) == {"waiting": MAILS}
        take_in_batch(desk)
        assert outcomes(desk) == {"case": MAILS}


# -- reading ahead -----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_in, "BATCH", 5)


def begun(desk: Desk) -> list[bytes]:
    """The mails that the reader was given and that are not in hand yet."""
    return desk.reader._asked


def waiting(desk: Desk) -> list[Waiting]:
    with desk.database.read() as tx:
        return mails.waiting(tx, MAILS)


@pytest.mark.usefixtures("small_batches")
def test_the_next_batch_is_begun_while_one_is_settled_and_no_mail_is_read_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve mails in batches of 5, 5 and 2."""
    sent: list[int] = []
    with desk_with_mail(tmp_path) as desk:
        desk.reader.read([])  # what another test began is no part of this
        send = desk.reader._send

        def counted(raws: list[bytes]) -> None:
            sent.append(len(raws))
            send(raws)

        monkeypatch.setattr(desk.reader, "_send", counted)
        left = []
        while take_in_batch(desk):
            left.append(len(begun(desk)))
        assert left == [5, 2, 0] and sent == [5, 5, 2]
        assert outcomes(desk) == {"case": MAILS}


@pytest.mark.usefixtures("small_batches")
def test_what_is_begun_ahead_leaves_no_trace_in_the_register(tmp_path: Path) -> None:
    """A process that ends now leaves those mails as they came: no attempt counted, no share taken."""
    with desk_with_mail(tmp_path) as desk:
        take_in_batch(desk)
        assert len(begun(desk)) == 5
        assert [mail.attempts for mail in waiting(desk)] == [0] * 7
        with desk.database.read() as tx:
            assert shares.living(tx, "anybody else", desk.now(), lambda _owner: False) == []


@pytest.mark.usefixtures("small_batches")
def test_nothing_is_begun_ahead_while_another_run_has_a_share(tmp_path: Path) -> None:
    with desk_with_mail(tmp_path) as desk:
        with desk.database.write() as tx:
            last = shares.place(mails.waiting(tx, MAILS)[-1])
            its = shares.Share(last, last, "another/1/a")
            until = desk.now() + timedelta(minutes=1)
            tx.execute(insert(schema.lease).values(name=its.name, owner=its.owner, until=until, fence=1))
        take_in_batch(desk)
        assert begun(desk) == [] and len(waiting(desk)) == 7


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("number", [1, 6], ids=["in hand", "next"])
def test_nothing_is_begun_ahead_where_a_try_was_counted_before(tmp_path: Path, number: int) -> None:
    """Whoever accuses a mail wants it alone in hand."""
    with desk_with_mail(tmp_path) as desk:
        with desk.database.write() as tx:
            mails.count_attempt(tx, [number])
        take_in_batch(desk)
        assert begun(desk) == [] and len(waiting(desk)) == 7


@pytest.mark.usefixtures("small_batches")
def test_no_more_is_begun_ahead_than_the_octets_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One octet short of three mails: two."""
    with desk_with_mail(tmp_path) as desk:
        monkeypatch.setattr(take_in, "AHEAD", sum(len(letter(uid)) for uid in (6, 7, 8)) - 1)
        take_in_batch(desk)
        assert [len(raw) for raw in begun(desk)] == [len(letter(uid)) for uid in (6, 7)]
        while take_in_batch(desk):
            pass
        assert outcomes(desk) == {"case": MAILS}


@pytest.mark.usefixtures("small_batches")
def test_raw_mail_that_is_damaged_stops_nothing_before_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk_with_mail(tmp_path) as desk:
        damaged = waiting(desk)[5].sha256
        read = desk.raw.read

        def broken(tx: Any, shas: Any) -> Any:
            if damaged in shas:
                raise InvariantBroken("not what was stored")
            return read(tx, shas)

        monkeypatch.setattr(desk.raw, "read", broken)
        assert take_in_batch(desk)["complaints"].opened == 5
        with pytest.raises(InvariantBroken):
            take_in_batch(desk)
