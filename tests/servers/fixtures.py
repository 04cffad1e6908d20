"""Fixtures that give a test a server; imported by conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import dovecot as dovecot_server
from triage.demo.servers import ImapServer, SmtpSink


@pytest.fixture(scope="session")
def dovecot() -> Iterator[dovecot_server.Dovecot]:
    """A real Dovecot for the whole run; a test that needs an empty folder makes one of its own."""
    if reason := dovecot_server.missing():
        pytest.skip(reason)
    with dovecot_server.server() as running:
        yield running


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
