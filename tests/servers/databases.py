"""Databases for tests: SQLite and a real PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import postgres
from triage.world.store.database import Database, migrate


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL; skips where none can be had."""
    try:
        # Not pytest's folder: the next pytest that starts shuts it for all users but its own.
        with tempfile.TemporaryDirectory(prefix="triage-pg-") as folder, postgres.server(Path(folder)) as url:
            yield url
    except RuntimeError as why:
        pytest.skip(str(why))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'triage.db'}"
    else:
        with postgres.fresh_database(request.getfixturevalue("postgres_url")) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty register of each kind, at the newest schema."""
    opened = Database(database_url)
    migrate(opened)
    yield opened
    opened.close()
