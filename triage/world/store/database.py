"""The database: opened once, brought to the newest schema, and the two kinds of transaction.

SQLite runs in WAL with synchronous FULL, so a commit is on the disk; a writer takes its lock at BEGIN IMMEDIATE, so
that two writers queue for up to 30 s instead of failing half way. PostgreSQL runs the same code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from triage.errors import DatabaseUnavailable, DiskFull, Permanent, WriteCollided
from triage.world.store import gathering

BUSY_SECONDS = 30.0
UNIQUE_VIOLATION = "23505"  # https://www.postgresql.org/docs/15/errcodes-appendix.html


class Database:
    """One engine. `read()` sees a consistent state and blocks nobody; `write()` is one atomic transaction."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise Permanent(
                "The database address cannot be read.",
                fix="Use sqlite:////path/to/triage.db or postgresql://user:password@host/name in TRIAGE_DATABASE_URL.",
            ) from None
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.url = parsed
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.engine = _engine(parsed, self.sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction. Raises DatabaseUnavailable or DiskFull."""
        with _translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction: all of it or nothing. Raises DatabaseUnavailable or DiskFull."""
        with _translated(), self.engine.connect() as connection:
            if self.sqlite:
                connection = connection.execution_options(triage_begin="BEGIN IMMEDIATE")
            with connection.begin():
                yield connection

    @staticmethod
    @contextmanager
    def apart(tx: Connection) -> Iterator[None]:
        """A part of a transaction that is undone alone when it fails; a transaction that is lost as a whole stays so.

        As `begin_nested`, at a quarter of its cost: every mail of a batch has one.
        """
        held = gathering.of(tx)
        tx.exec_driver_sql("SAVEPOINT apart")
        if held is not None:
            held.begin_part()
        try:
            yield
        except SQLAlchemyError:
            raise
        except Exception:  # whatever went wrong with this part, its rows go, and the caller hears of it
            tx.exec_driver_sql("ROLLBACK TO SAVEPOINT apart")
            if held is not None:
                held.undo_part()
            raise
        tx.exec_driver_sql("RELEASE SAVEPOINT apart")

    def compact(self) -> None:
        """SQLite: write the file anew, so that no page and no log keeps what was deleted or overwritten. Waits for
        other writers as a write does. PostgreSQL: nothing, see VACUUM there."""
        if not self.sqlite:
            return
        with _translated(), self.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            try:
                driver.execute("VACUUM")
                driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError as error:
                fix = "Nothing is lost; run the same command again when less is going on."
                raise DatabaseUnavailable(f"The database is too busy to be compacted ({error}).", fix=fix) from error

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def describe(self) -> str:
        """The address without its password, for people and logs."""
        return self.url.render_as_string(hide_password=True)


def _engine(url: Any, sqlite: bool) -> Engine:
    if not sqlite:
        return create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=4, max_overflow=4)
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(dbapi: sqlite3.Connection, _record: Any) -> None:
        # The driver's own BEGIN comes too late and is deferred; ours is sent by the "begin" event below.
        dbapi.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={BUSY_SECONDS * 1000:.0f}",
        ):
            dbapi.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("triage_begin", "BEGIN"))

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Driver errors as errors of the house."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig)
        if "full" in said or "No space" in said:
            raise DiskFull(said, fix="Free some space; the next run goes on where this one stopped.") from error
        if "readonly" in said or "unable to open" in said:
            raise Permanent(
                f"The database cannot be written: {said}.", fix="Check the data folder's owner and permissions."
            ) from error
        raise DatabaseUnavailable(
            said.splitlines()[0], fix="Is the database running and is TRIAGE_DATABASE_URL right?"
        ) from error
    except IntegrityError as error:
        said = str(error.orig)
        if getattr(error.orig, "sqlstate", "") == UNIQUE_VIOLATION or said.startswith("UNIQUE constraint failed"):
            fix = "Nothing was written; the next try finds what the other one wrote."
            raise WriteCollided(said.splitlines()[0].partition(" (")[0], fix=fix) from error
        raise
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(str(error.orig), fix="The next run tries again.") from error
        raise


def schema_revision(connection: Connection) -> str | None:
    """The schema's revision, None in an empty database."""
    inspector_sql = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type='table' AND name='alembic_version'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        " AND tablename = 'alembic_version'",
    }[connection.dialect.name]
    if connection.execute(text(inspector_sql)).first() is None:
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


#: the revision this program works with; the newest file in triage/world/migrations/versions
HEAD = "0003"


def migrate(database: Database) -> None:
    """Bring the schema to HEAD. Safe to call by several processes at once. Raises Permanent on a newer schema."""
    with database.read() as connection:
        if schema_revision(connection) == HEAD:
            return
    # Alembic costs a quarter of a second to import: only a database that needs it pays.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent.parent / "migrations"))
    with database.write() as connection:
        if not database.sqlite:  # SQLite's write lock is already held; PostgreSQL needs one of our own
            connection.execute(text("SELECT pg_advisory_xact_lock(74312026)"))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Permanent(
                f"The database was written by a newer triage ({error}).", fix="Install that version or a newer one."
            ) from None
