"""A sweep works on many cases in one transaction. What it does to each is told in test_desk_clocks.py and test_escalate.py;
here: that a batch changes nothing about that, costs few statements, and survives a case in which the program fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event as events
from sqlalchemy import text, update

from tests.deskbook import DeskBook, settled
from triage.casework import escalate
from triage.casework.case import Case, Kind
from triage.operations import cards, casebook, climbing, sweep
from triage.operations.batch import Batch
from triage.operations.casebook import Draft
from triage.world.config import Config
from triage.world.schema import event
from triage.world.store import cases, outbox
from triage.world.store.cases import CaseMoved
from triage.world.store.database import Database, migrate

OPENED = "Mon 23 Nov 2026 10:00"
LATE = "Mon 30 Nov 2026 12:00"  # a week later every clock but the statutory one is over


def _desk(database: Database, folder: Path, count: int, conf: Config | None = None) -> tuple[DeskBook, list[int]]:
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
        monkeypatch.setattr(sweep, "CASES_A_TRANSACTION", at_once)
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
        events.listen(database.engine, "before_cursor_execute", lambda *args, said=said: said.append(args[2]))
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


# -- a case that cannot be read ----------------------------------------------------------------------------------------


def _ruin(book: DeskBook, *ids: int) -> None:
    """Their last event is of a kind that this program does not know, as after a step back to an older version."""
    for one in ids:
        book.tell(one, Kind.NOTED, OPENED, text="told by the newer one")
        with book.database.write() as tx:
            last = event.c.seq == _version(tx, one)
            tx.execute(update(event).where(event.c.case_id == one, last).values(kind="dreamt_of"))


def _number(book: DeskBook, case_id: int) -> str:
    with book.database.read() as tx:
        return str(cases.by_ids(tx, [case_id])[case_id]["number"])


def _version(tx: Any, case_id: int) -> int:
    return int(cases.by_ids(tx, [case_id])[case_id]["version"])


def _alarms(book: DeskBook) -> list[str]:
    return [told["text"] for told in book.notices("alarm") if "cannot take the steps" in told["text"]]


@pytest.mark.parametrize("tie", ["it is of the same customer", "something was promised on it"])
def test_a_case_that_cannot_be_read_is_left_out_of_the_cards_of_the_others(
    database: Database, tmp_path: Path, tie: str
) -> None:
    book, ids = _desk(database, tmp_path, 4)
    broken, other = ids[1], ids[2]
    if "customer" in tie:
        with database.write() as tx:
            cases.add_keys_all(tx, ((one, "address", "c1@example.com") for one in (broken, other)))
    else:
        book.tell(broken, Kind.PROMISED, OPENED, promise="1", text="by noon", due="2026-12-24T12:00:00+00:00",
                  type="contact", assumed=False, by="ines")  # fmt: skip
    _ruin(book, broken)
    swept = book.sweep(LATE)
    assert (swept.cases, swept.failed) == (4, 1)
    assert [bool(book.steps(one)) for one in ids] == [True, False, True, True]
    (alarm,) = _alarms(book)
    assert "ValueError" in alarm and "dreamt" not in alarm
    if "customer" in tie:  # what can be read of the customer is there
        (told, *_) = [row["text"] for row in book.notices("escalation") if row["case_id"] == ids[0]]
        assert book.case(other).number in told


def test_the_card_of_a_batch_is_the_card_of_the_case(database: Database, tmp_path: Path) -> None:
    book, ids = _desk(database, tmp_path, 3)
    with database.write() as tx:
        cases.add_keys(tx, ids[2], [("address", "c1@example.com")])
    book.set(LATE)
    with database.write() as tx:
        batch = Batch(book.desk, tx, ids[:2], book.clock)
        for one in ids[:2]:
            case = batch.case(one)
            whole = cards.card(book.desk, tx, case)
            assert batch.card(case, casebook.deadlines(book.desk, case, book.clock)) == whole
            assert bool(whole.history) == (one == ids[0])


def test_cases_that_cannot_be_read_do_not_keep_the_rest_of_the_queue_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As many broken ones as go into a transaction stand first in the queue; each is tried once a sweep."""
    monkeypatch.setattr(sweep, "CASES_A_TRANSACTION", 2)
    book, ids = _desk(_new(tmp_path, "queue"), tmp_path, 6)  # the first and the fourth are urgent
    _ruin(book, ids[0], ids[3])
    swept = book.sweep(LATE)
    assert (swept.cases, swept.failed) == (6, 2)
    assert [bool(book.steps(one)) for one in ids] == [False, True, True, False, True, True]
    tried = [record.getMessage() for record in caplog.records if "cannot be swept" in record.getMessage()]
    assert sorted(tried) == [f"case {one} cannot be swept: ValueError" for one in (ids[0], ids[3])]


def test_operators_hear_of_each_case_that_breaks_once_a_day(tmp_path: Path) -> None:
    book, ids = _desk(_new(tmp_path, "days"), tmp_path, 3)
    numbers = [book.case(one).number for one in ids]
    named = []
    for broken, when in ((ids[0], LATE), (None, "Mon 30 Nov 2026 12:05"), (ids[1], "Mon 30 Nov 2026 12:10"),
                         (None, "Mon 30 Nov 2026 12:15"), (None, "Tue 01 Dec 2026 12:00")):  # fmt: skip
        if broken:
            _ruin(book, broken)
            _due_at_once(book, broken)
        book.sweep(when)
        named.append([{number for number in numbers if number in text} for text in _alarms(book)])
    one, both = {numbers[0]}, {numbers[0], numbers[1]}
    assert named == [[one], [one], [one, both], [one, both], [one, both, both]]


def _due_at_once(book: DeskBook, case_id: int) -> None:
    with book.database.write() as tx:
        cases.save(tx, case_id, _version(tx, case_id), {"next_due_at": book.clock})


def test_an_open_case_that_cannot_be_read_ends_no_daily_digest(database: Database, tmp_path: Path) -> None:
    """Nothing of it is due, so that only the digest meets it."""
    book, ids = _desk(database, tmp_path, 3)
    _ruin(book, ids[1])
    with database.write() as tx:
        cases.save(tx, ids[1], _version(tx, ids[1]), {"next_due_at": None})
    swept = book.sweep(LATE)
    assert (swept.cases, swept.failed) == (2, 1) and swept.digests
    (alarm,) = _alarms(book)
    assert book.case(ids[0]).number not in alarm and "ValueError" in alarm
    texts = "".join(told["text"] for told in book.notices("digest"))
    assert [_number(book, one) in texts for one in ids] == [True, False, True]


def test_what_waits_about_a_case_that_cannot_be_read_goes_out_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left behind by a sweep that died; the others become a digest."""
    book, ids = _desk(_new(tmp_path, "left"), tmp_path, 3, settled({("notices.yaml", ("storm",)): 2}))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(climbing, "release", _killed)
        book.sweep(LATE)
    with book.database.write() as tx:
        tx.execute(update(event).where(event.c.case_id == ids[1], event.c.seq == 1).values(kind="dreamt_of"))
    assert book.sweep(LATE).failed == 1
    states = {told["case_id"]: told["state"] for told in book.notices("escalation")}
    assert states == {ids[0]: "gathered", ids[1]: "pending", ids[2]: "gathered"}
    (storm, *_) = [told["text"] for told in book.notices("digest") if "storm" in told["key"]]
    assert [_number(book, one) in storm for one in ids] == [True, False, True]


def test_a_storm_tells_of_a_case_as_its_last_look_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two transactions of a sweep it becomes known that we broke a promise: the case is looked at again, climbs
    once more and is urgent now. The line of its first look must not stay, also where no more lines are kept."""
    monkeypatch.setattr(sweep, "LINES_KEPT", 3)
    book, ids = _desk(_new(tmp_path, "looks"), tmp_path, 3, settled({("notices.yaml", ("storm",)): 2}))

    def reached(step: str) -> None:
        if step == "sweep committed" and not book.case(ids[1]).promises:
            book.tell(ids[1], Kind.PROMISED, OPENED, promise="1", text="by noon", due="2026-11-27T12:00:00+00:00",
                      type="contact", assumed=False, by="ines")  # fmt: skip

    book.desk.reached = reached
    book.sweep(LATE)
    (storm, *_) = [told["text"] for told in book.notices("digest") if "storm" in told["key"]]
    urgency = {line.split()[0]: line.split()[1] for line in storm.split("\n") if line.startswith("  C-")}
    assert urgency == {_number(book, one): word for one, word in zip(ids, ("urgent", "urgent", "normal"), strict=True)}
