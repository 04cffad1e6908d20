"""What one batch of mails writes, gathered, and what it has looked up: fewer and larger statements for the same rows.

A statement of one row costs ten times a row among many (issue 8). Rows wait only until the next statement that could
read them, and are written before it: nothing ever reads the database without them, and nothing has to know of them.
What a batch has looked up is kept up to date by what it writes, and is all forgotten when one of its parts is undone.
Outside of `together` rows are written at once and nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.base import Executable

from triage.errors import Temporary, TriageError

Known = TypeVar("Known")
Wanted = TypeVar("Wanted", int, str)
Row = Mapping[str, Any]

#: the option of a statement whose caller knows that it neither reads nor changes a row that may wait
READS_NOTHING = {"triage_reads_nothing": True}


class NotWritten(Temporary):
    """Some row of the transaction could not be written, so that all of it is undone."""


class _Waiting(NamedTuple):
    """A row that is to be written by `statement`; `unless_all` makes the error to raise where that changes no row."""

    statement: Executable
    row: Row
    unless_all: Callable[[], Exception] | None


class Gathering:
    """The rows of one transaction that wait, and what it knows."""

    __slots__ = ("_columns", "_facts", "_lost", "_part", "_sent", "_tx", "_waiting")

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self._waiting: list[_Waiting] = []
        self._columns: dict[tuple[int, Any], tuple[str, ...]] = {}  # (statement, row's name) -> what it writes there
        self._part = 0  # so many of those that wait are of earlier parts
        self._sent: list[_Waiting] = []  # of earlier parts, and written within this one
        self._facts: dict[type[Any], Any] = {}
        self._lost: Exception | None = None  # why the transaction is lost

    def add(
        self, statement: Executable, rows: Iterable[Row], unless_all: Callable[[], Exception] | None, name: str | None
    ) -> None:
        """`name` is the column that names the row in the database: what is written to it keeps its order."""
        for row in rows:
            columns = tuple(row)
            if name is not None and self._columns.setdefault((id(statement), row[name]), columns) != columns:
                self.send()  # a statement writes all rows with the same columns, and would overtake what lies between
                self._columns[id(statement), row[name]] = columns
            self._waiting.append(_Waiting(statement, row, unless_all))

    def known(self, kind: type[Known]) -> Known:
        """What is known of one kind; nothing at first."""
        found = self._facts.get(kind)
        if found is None:
            found = self._facts[kind] = kind()
        known: Known = found
        return known

    def send(self) -> None:
        """Write what waits: a statement for all rows that name the same columns, in the order in which each began.

        Whose row it is that cannot be written nobody knows here, and some were written before it: the transaction is
        lost then, and every further try says so. Raises NotWritten for what neither the database nor the house raised.
        """
        if self._lost is not None:
            raise self._lost
        if not self._waiting:
            return
        rows, self._waiting, self._columns = self._waiting, [], {}
        self._sent += rows[: self._part]
        self._part = 0
        try:
            self._execute(rows)
        except (TriageError, SQLAlchemyError) as error:
            self._lost = error
            raise
        except Exception as error:
            fix = "Nothing was written; the mails of the batch are tried again, in the end one by one."
            self._lost = NotWritten(f"The driver refused it ({type(error).__name__}).", fix=fix)
            raise self._lost from error

    def _execute(self, rows: Sequence[_Waiting]) -> None:
        alike: dict[tuple[int, tuple[str, ...]], list[_Waiting]] = {}
        for one in rows:
            alike.setdefault((id(one.statement), tuple(one.row)), []).append(one)
        for some in alike.values():
            statement, _, unless_all = some[0]
            done = self._tx.execute(statement, [dict(one.row) for one in some])
            if unless_all is not None and done.rowcount != len(some):
                raise unless_all()

    def begin_part(self) -> None:
        self._part, self._sent = len(self._waiting), []

    def undo_part(self) -> None:
        """The part was undone: its rows are dropped, those of earlier parts are written (again), and nothing is known."""
        self._waiting, self._part, self._sent, self._columns = self._sent + self._waiting[: self._part], 0, [], {}
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
    tx: Connection, statement: Executable, rows: Iterable[Row], unless_all: Callable[[], Exception] | None = None,
    *, name: str | None = None,
) -> None:  # fmt: skip
    """Execute a statement for each row, now or with others like it. `unless_all` makes the error to raise where fewer
    rows were changed than named. `name` is the column that names the row to be changed: what several statements change
    of one row happens in the order in which it was said."""
    held = _open.get(tx) or Gathering(tx)
    held.add(statement, rows, unless_all, name)
    if tx not in _open:
        held.send()


def stretches(wanted: Iterable[Wanted]) -> list[list[Wanted]]:
    """What is looked up at once, in lists that both databases take."""
    whole = list(wanted)
    return [whole[start : start + 500] for start in range(0, len(whole), 500)]


@event.listens_for(Engine, "before_execute")
def _waiting_first(tx: Connection, _statement: Any, _many: Any, _params: Any, options: Mapping[str, Any]) -> None:
    held = _open.get(tx)
    if held is not None and "triage_reads_nothing" not in options:
        held.send()
