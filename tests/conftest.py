"""Fixtures for all tests. They live beside the servers they start; here they are only made known."""

from tests.bothsides import reader, room
from tests.servers.databases import database, database_url, postgres_url
from tests.servers.fixtures import courier, cyrus, dovecot, imap_server, smtp_sink

__all__ = [
    "courier", "cyrus", "database", "database_url", "dovecot", "imap_server", "postgres_url", "reader", "room", "smtp_sink",
]  # fmt: skip
