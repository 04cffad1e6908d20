"""A sweep works on many cases in one transaction. What it does to each is told in test_desk_clocks.py and test_escalate.py;
here: that a batch changes nothing about that, costs few statements, and survives a case in which the program fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.deskbook import DeskBook, settled
from triage.casework import escalate
from triage.casework.case import Case, Kind
from triage.operations import casebook, climbing, sweep
from triage.operations.casebook import Draft
from triage.world.config import Config
from triage.world.store import cases, outbox
from triage.world.store.cases import CaseMoved
from triage.world.store.database import Database, migrate

OPENED, LATE = (
    "Mon 23 Nov 2026 10:00",
    "Mon 30 Nov 2026 12:00",
)  # a week later every clock but the statutory one is over


def _desk(
    database: Database, folder: Path, count: int, conf: Config | None = None
) -> tuple[DeskBook, list[int]]:  # fmt: skip
    """A desk with so many open cases, every third of them urgent, nobody has answered any."""
    book = DeskBook(database, folder, conf)
    ids = [book.opens(OPENED, urgency="urgent" if number % 3 == 0 else "normal") for number in range(count)]
    return book, ids


def _register(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All that a sweep writes, row by row."""
    with database.read() as tx:
        return {
            table: [tuple(row) for row in tx.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))]
            for table in ("cases", "event", "outbox", "case_key")
        }


def _new(tmp_path: Path, name: object) -> Database:
    database = Database(f"sqlite:///{tmp_path}/{name}.db")
    migrate(database)
    return database


def test_the_size_of_a_batch_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for at_once in (1, 3, 200):
        monkeypatch.setattr(sweep, "AT_ONCE", at_once)
        database = _new(tmp_path, at_once)
        book, _ = _desk(database, tmp_path / str(at_once), 7)
        swept = book.sweep(LATE)
        assert swept.cases == 7 and swept.escalations >= 14  # first response and resolution of each
        found.append((swept.as_json(), _register(database)))
        database.close()
    assert found[0] == found[1] == found[2]


def test_twice_as_many_cases_take_no_more_statements(tmp_path: Path) -> None:
    counts = []
    for count in (8, 16):
        database = _new(tmp_path, count)
        book, _ = _desk(database, tmp_path / str(count), count)
        said: list[str] = []
        event.listen(database.engine, "before_cursor_execute", lambda *args, said=said: said.append(args[2]))
        assert book.sweep(LATE).cases == count
        counts.append(len(said))
        database.close()
    assert counts[0] == counts[1]


def test_a_case_that_finds_a_hole_in_the_program_stops_no_other(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, ids = _desk(database, tmp_path, 5)
    broken, due, before = ids[2], escalate.due, book.events(ids[2])

    def hole(case: Case, *rest: Any) -> Any:
        if case.id == broken:
            raise ZeroDivisionError("the mail's own words")
        return due(case, *rest)

    monkeypatch.setattr(escalate, "due", hole)
    swept = book.sweep(LATE)
    assert (swept.cases, swept.failed) == (5, 1)
    assert [bool(book.steps(one)) for one in ids] == [True, True, False, True, True]
    assert book.events(broken) == before, "nothing of it is written"
    alarms = [told for told in book.notices("alarm") if "cannot take the steps" in told["text"]]
    assert alarms and f"{book.case(broken).number}: ZeroDivisionError" in alarms[0]["text"]
    assert "own words" not in alarms[0]["text"]

    assert book.sweep(LATE).failed == 1
    assert len([t for t in book.notices("alarm") if "cannot take the steps" in t["text"]]) == len(alarms), "once a day"

    monkeypatch.setattr(escalate, "due", due)
    assert book.sweep(LATE).failed == 0
    assert book.steps(broken), "what was late is done as soon as it can be"


def test_a_storm_reads_the_lines_that_a_dead_sweep_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest of a sweep that was killed before it told anybody is written by the next one, the same word for word."""
    said = []
    for name, dies in (("whole", False), ("killed", True)):
        database = _new(tmp_path, name)
        book, _ = _desk(database, tmp_path / name, 3, settled({("notices.yaml", ("storm",)): 2}))
        if dies:
            with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
                patch.setattr(climbing, "release", _killed)
                book.sweep(LATE)
        book.sweep(LATE)
        said.append([(told["recipient"], told["text"]) for told in book.notices("digest") if "storm" in told["key"]])
        database.close()
    assert said[0] and said[0] == said[1]


def _killed(*_: Any) -> int:
    raise KeyboardInterrupt


def test_of_many_cases_saved_together_one_that_moved_stops_the_transaction(database: Database, tmp_path: Path) -> None:
    book, ids = _desk(database, tmp_path, 3)
    rows = [(one, book.case(one).last_seq, {"step": 2}, None) for one in ids]
    rows[1] = (ids[1], 99, {"step": 2}, None)
    with pytest.raises(CaseMoved), database.write() as tx:
        cases.save_all(tx, rows)
    with database.read() as tx:
        assert {row["step"] for row in cases.by_ids(tx, ids).values()} == {0}


def test_of_many_notices_put_together_each_key_goes_in_once(database: Database, tmp_path: Path) -> None:
    book, _ = _desk(database, tmp_path, 1)
    book.sweep(LATE)
    known = book.notices()[0]
    fresh = {name: known[name] for name in known if name not in ("id", "sent_at", "last_error")}
    rows = [
        {**fresh, "text": "anew"},
        {**fresh, "key": "k1", "text": "first"},
        {**fresh, "key": "k1", "text": "second"},
    ]
    with database.write() as tx:
        outbox.put_all(tx, rows)
        outbox.put_all(tx, rows)
    found = {told["key"]: told["text"] for told in book.notices()}
    assert found["k1"] == "first" and found[known["key"]] == known["text"] != "anew"
    assert len(book.notices()) == len(found)


def test_what_moves_no_clock_leaves_the_deadlines_as_worked_out_before(database: Database, tmp_path: Path) -> None:
    book, (one,) = _desk(database, tmp_path, 1)
    now = book.set(LATE)
    told: dict[Kind, dict[str, Any]] = {
        Kind.NOTED: {"text": "called back"},
        Kind.ESCALATED: {"key": "k", "target": "resolution", "cycle": 1, "step": 1, "due": now},
        Kind.ASSIGNED: {"owner": "somebody", "why": "away"},
        Kind.CLOSE_OFFERED: {},
    }
    assert set(told) == casebook._MOVES_NO_CLOCK
    with database.write() as tx:
        draft = Draft(book.desk, tx, casebook.read(tx, one))
        before = draft.deadlines
        for kind, data in told.items():
            draft.add(kind, now, data)
            assert draft.deadlines is before
            assert casebook.deadlines(book.desk, draft.case, now) == before, kind
        draft.add(Kind.REPLIED, now, {"by": "ines"})
        assert draft.deadlines == casebook.deadlines(book.desk, draft.case, now) != before
