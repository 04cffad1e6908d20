"""The servers that the demonstration and the tests stand on do what they say."""

from __future__ import annotations

import smtplib
import socket
from datetime import UTC, datetime

import pytest
from imapclient import IMAPClient

from tests.servers.fault import FaultServer
from triage.demo.servers import ImapServer, SmtpSink
from triage.world import inbox

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def test_the_mailbox_in_memory_takes_mail_and_gives_it_back(imap_server: ImapServer) -> None:
    uid = imap_server.deliver(b"Subject: one\r\n\r\ntext\r\n", AT)
    more = imap_server.deliver_all([(b"Subject: %d\r\n\r\n" % n, None) for n in range(3)], "Processed")
    assert len(set(more)) == 3
    with IMAPClient("127.0.0.1", imap_server.port, ssl=False, timeout=5) as client:
        client.normalise_times = False
        client.login(imap_server.user, imap_server.password)
        assert {name for _, _, name in client.list_folders()} == {"INBOX", "Processed", "Quarantine"}
        client.select_folder("INBOX", readonly=True)
        got = client.fetch([uid], ["BODY.PEEK[]", "INTERNALDATE", "FLAGS"])[uid]
    assert (got[b"BODY[]"], got[b"INTERNALDATE"]) == (b"Subject: one\r\n\r\ntext\r\n", AT)
    assert b"\\Seen" not in got[b"FLAGS"]


def test_servers_run_side_by_side_and_are_gone_when_stopped() -> None:
    with ImapServer() as first, ImapServer(user="other", password="word") as second, SmtpSink() as sink:
        ports = {first.port, second.port, sink.port}
        assert len(ports) == 3
        with inbox.open(second.account) as box:
            assert box.select("INBOX").exists == 0
    for port in ports:
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port), 1)


def test_the_sink_keeps_envelope_and_bytes() -> None:
    with SmtpSink() as sink:
        sink.refuse = {"no@example.org": "550 no"}
        with smtplib.SMTP("127.0.0.1", sink.port, timeout=5) as smtp:
            refused = smtp.sendmail("a@example.org", ["b@example.org", "no@example.org"], b"Subject: x\r\n\r\nhi\r\n")
        assert refused == {"no@example.org": (550, b"no")}
        (got,) = sink.messages
    assert (got.sender, got.recipients, got.raw) == ("a@example.org", ("b@example.org",), b"Subject: x\r\n\r\nhi\r\n")


def test_the_fault_server_without_a_fault_is_an_ordinary_server() -> None:
    """Seen by a client that is not ours."""
    with FaultServer({4: b"Subject: x\r\n\r\nhi\r\n"}) as server:
        with IMAPClient("127.0.0.1", server.port, ssl=False, timeout=5) as client:
            client.login("intake", "s3cret")
            assert client.select_folder("INBOX")[b"UIDNEXT"] == 5
            assert client.search("UID 1:9") == [4]
            assert client.fetch([4], ["BODY.PEEK[]"])[4][b"BODY[]"] == b"Subject: x\r\n\r\nhi\r\n"
        assert server.commands[-1] == "LOGOUT"
        assert "LOGIN ***" in server.commands
