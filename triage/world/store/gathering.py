"""What one batch of mails writes, gathered, and what it has looked up: fewer and larger statements for the same rows.

A statement of one row costs ten times a row among many (issue 8). Rows wait only until the next statement that could
read them, and are written before it: nothing ever reads the database without them, and nothing has to know of them.
What a batch has looked up is kept up to date by what it writes, and is all forgotten when one of its parts is undone.
Outside of `together` rows are written at once and nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.sql.base import Executable

Known = TypeVar("Known")
Row = Mapping[str, Any]

#: the option of a statement whose caller knows that it neither reads nor changes a row that may wait
READS_NOTHING = {"triage_reads_nothing": True}


class Gathering:
    """The rows of one transaction that wait, and what it knows."""

    __slots__ = ("_facts", "_part", "_sent", "_tx", "_waiting")

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._waiting: list[tuple[Executable, Row, Callable[[], Exception] | None]] = []
        self._part = 0  # of those that wait, so many are of earlier parts
        self._sent: list[
            tuple[Executable, Row, Callable[[], Exception] | None]
        ] = []  # ... and were written within this
        self._facts: dict[type[Any], Any] = {}

    def add(self, statement: Executable, rows: Iterable[Row], unless_all: Callable[[], Exception] | None) -> None:
        self._waiting += [(statement, row, unless_all) for row in rows]

    def known(self, kind: type[Known]) -> Known:
        """What is known of one kind; nothing at first."""
        found = self._facts.get(kind)
        if found is None:
            found = self._facts[kind] = kind()
        known: Known = found
        return known

    def send(self) -> None:
        """Write what waits: a statement for all rows that name the same columns, in the order in which each began."""
        if not self._waiting:
            return
        rows, self._waiting = self._waiting, []
        self._sent += rows[: self._part]
        self._part = 0
        alike: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for place, (statement, row, _) in enumerate(rows):
            alike.setdefault((id(statement), tuple(row)), []).append(place)
        for places in alike.values():
            statement, _, unless_all = rows[places[0]]
            done = self._tx.execute(statement, [dict(rows[place][1]) for place in places])
            if unless_all is not None and done.rowcount != len(places):
                raise unless_all()

    def begin_part(self) -> None:
        self._part, self._sent = len(self._waiting), []

    def undo_part(self) -> None:
        """The part was undone: its rows are dropped, those of earlier parts are written (again), and nothing is known."""
        self._waiting, self._part = self._sent + self._waiting[: self._part], 0
        self._facts.clear()
        self.send()


_open: WeakKeyDictionary[Connection, Gathering] = WeakKeyDictionary()


@contextmanager
def together(tx: Connection) -> Iterator[None]:
    """Gather what is written within; all of it is written at the end."""
    held = _open[tx] = Gathering(tx)
    try:
        yield
        held.send()
    finally:
        del _open[tx]


def of(tx: Connection) -> Gathering | None:
    """What the transaction gathers, None where it does not."""
    return _open.get(tx)


def known(tx: Connection, kind: type[Known]) -> Known | None:
    """What the batch knows of one kind; None where nothing is gathered."""
    held = _open.get(tx)
    return None if held is None else held.known(kind)


def write_now(tx: Connection) -> None:
    """Write what waits."""
    if (held := _open.get(tx)) is not None:
        held.send()


def write(
    tx: Connection, statement: Executable, rows: Iterable[Row], unless_all: Callable[[], Exception] | None = None
) -> None:
    """Execute a statement for each row, now or with others like it. `unless_all` makes the error to raise where fewer
    rows were changed than named."""
    held = _open.get(tx) or Gathering(tx)
    held.add(statement, rows, unless_all)
    if tx not in _open:
        held.send()


def stretches(wanted: Iterable[str]) -> list[list[str]]:
    """What is looked up at once, in lists that both databases take."""
    whole = list(wanted)
    return [whole[start : start + 500] for start in range(0, len(whole), 500)]


@event.listens_for(Engine, "before_execute")
def _waiting_first(tx: Connection, _statement: Any, _many: Any, _params: Any, options: Mapping[str, Any]) -> None:
    held = _open.get(tx)
    if held is not None and "triage_reads_nothing" not in options:
        held.send()
