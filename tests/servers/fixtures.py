"""Fixtures that give a test a server; imported by conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import courier as courier_server
from tests.servers import cyrus as cyrus_server
from tests.servers import dovecot as dovecot_server
from triage.demo.servers import ImapServer, SmtpSink


@pytest.fixture(scope="session")
def dovecot() -> Iterator[dovecot_server.Dovecot]:
    """A real Dovecot for the whole run; a test that needs an empty folder makes one of its own."""
    if reason := dovecot_server.missing():
        pytest.skip(reason)
    with dovecot_server.server() as running:
        yield running


@pytest.fixture(scope="session")
def cyrus() -> Iterator[cyrus_server.Cyrus]:
    """A real Cyrus from unpacked packages; skips where none can be had."""
    try:
        with cyrus_server.server() as running:
            yield running
    except RuntimeError as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def courier() -> Iterator[courier_server.Courier]:
    """A real Courier from unpacked packages; skips where none can be had."""
    try:
        with courier_server.server() as running:
            yield running
    except RuntimeError as why:
        pytest.skip(str(why))


@pytest.fixture
def imap_server() -> Iterator[ImapServer]:
    """An empty mailbox in memory (pymap) with the folders Processed and Quarantine."""
    pytest.importorskip("pymap", reason="pymap is not installed (extra demo)")
    with ImapServer(folders=["Processed", "Quarantine"]) as server:
        yield server


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    """An SMTP server that keeps what it gets (aiosmtpd)."""
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra demo)")
    with SmtpSink() as sink:
        yield sink
