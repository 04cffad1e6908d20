"""Taking in: a mail that breaks the program costs no other mail its case, and a restart costs no mail anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.quickroom import Clock, quick_desk
from tests.room import letter
from tests.servers.fault import FaultServer, Mail
from triage.desk import Desk
from triage.errors import DatabaseUnavailable, NotAllowed
from triage.operations import look, take_in
from triage.operations.collect import collect
from triage.operations.take_in import LAST_TRY, take_in_batch
from triage.world import inbox
from triage.world.reader import Unreadable
from triage.world.store import mails
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
