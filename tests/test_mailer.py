"""Handing mail to an SMTP server: what is sent, what is tried again, and what never is."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage

import pytest

from triage.demo.servers import SmtpSink
from triage.errors import InsecureConnection, SendFailed, SendRefused, SignInRefused, TriageError
from triage.world import mailer, signin
from triage.world.mailer import SmtpAccount
from triage.world.tls import Tls


def account(port: int, **changes: object) -> SmtpAccount:
    plain = SmtpAccount(
        "out", "127.0.0.1", port, Tls.NONE, connect_seconds=1, read_seconds=0.5, hostname="desk.example"
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def notice(to: str = "lead@example.org", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Desk <desk@example.org>"
    mail["To"] = to
    mail["Subject"] = "Überfällig: C-2026-000123"
    for name, value in headers.items():
        mail[name] = value
    mail.set_content("Grüße\nOne line beginning with a dot:\n.\n")
    return mail


def test_several_notices_share_one_connection(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        for n in range(3):
            assert out.send(notice(f"lead{n}@example.org")) == ()
    assert [m.recipients for m in smtp_sink.messages] == [(f"lead{n}@example.org",) for n in range(3)]
    assert smtp_sink.connections == 1
    assert smtp_sink.messages[0].sender == "desk@example.org"
    assert b"\r\n.\r\n" in smtp_sink.messages[0].raw.replace(b"\r\n..\r\n", b"\r\n.\r\n")


def test_a_session_is_renewed_after_so_many_mails(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port, per_connection=2)) as out:
        for _ in range(5):
            out.send(notice())
    assert (len(smtp_sink.messages), smtp_sink.connections) == (5, 3)


def test_nothing_is_opened_when_nothing_is_sent(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)):
        pass
    assert smtp_sink.connections == 0


def test_bcc_is_in_the_envelope_and_not_in_the_mail(smtp_sink: SmtpSink) -> None:
    mail = notice(Cc="second@example.org", Bcc="hidden@example.org")
    with mailer.open(account(smtp_sink.port)) as out:
        out.send(mail)
    (got,) = smtp_sink.messages
    assert got.recipients == ("lead@example.org", "second@example.org", "hidden@example.org")
    assert b"hidden@" not in got.raw
    assert mail["Bcc"] == "hidden@example.org"  # the caller's mail is not changed


def test_automatic_mail_has_an_empty_envelope_sender(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        out.send(notice(), sender="")
    assert smtp_sink.messages[0].sender == ""


def test_a_refused_recipient_is_reported_and_the_others_get_the_mail(smtp_sink: SmtpSink) -> None:
    smtp_sink.refuse = {"gone@example.org": "550 5.1.1 no such user", "full@example.org": "452 4.2.2 full"}
    with mailer.open(account(smtp_sink.port)) as out:
        refused = out.send(notice("lead@example.org, gone@example.org, full@example.org"))
        out.send(notice())
    assert {(r.address, r.code, r.for_good) for r in refused} == {
        ("gone@example.org", 550, True),
        ("full@example.org", 452, False),
    }
    assert smtp_sink.messages[0].recipients == ("lead@example.org",)
    assert smtp_sink.connections == 1


@pytest.mark.parametrize(
    ("refuse", "refuse_data", "expected"),
    [
        ({"lead@example.org": "550 5.1.1 no such user"}, "", SendRefused),
        ({"lead@example.org": "451 4.7.1 greylisted"}, "", SendFailed),
        ({}, "552 5.3.4 too big", SendRefused),
        ({}, "452 4.3.1 no space", SendFailed),
        ({}, "554 5.7.1 looks like spam", SendRefused),
        ({"lead@example.org": "530 5.7.0 authentication required"}, "", SendRefused),
    ],
)
def test_later_and_never_are_told_apart_and_the_session_goes_on(smtp_sink, refuse, refuse_data, expected) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        smtp_sink.refuse, smtp_sink.refuse_data = refuse, refuse_data
        with pytest.raises(TriageError) as caught:
            out.send(notice())
        assert type(caught.value) is expected
        smtp_sink.refuse, smtp_sink.refuse_data = {}, ""
        out.send(notice())
    assert (len(smtp_sink.messages), smtp_sink.connections) == (1, 1)


def test_one_later_among_many_nevers_is_later(smtp_sink: SmtpSink) -> None:
    smtp_sink.refuse = {"a@example.org": "550 no", "b@example.org": "450 later"}
    with mailer.open(account(smtp_sink.port)) as out, pytest.raises(SendFailed, match="450"):
        out.send(notice("a@example.org, b@example.org"))


def test_an_international_address_needs_smtputf8(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        out.send(notice("jürgen@example.org"))
    (got,) = smtp_sink.messages
    assert got.recipients == ("jürgen@example.org",)
    assert "SMTPUTF8" in got.options
    assert "jürgen@example.org".encode() in got.raw
    with SmtpSink(smtputf8=False) as old, mailer.open(account(old.port)) as out:
        with pytest.raises(SendRefused, match="SMTPUTF8"):
            out.send(notice("jürgen@example.org"))
        out.send(notice())
        assert len(old.messages) == 1


@pytest.mark.parametrize("address", ["a@b.c>\r\nRCPT TO:<x@y.z", "a b@example.org", "a@b.c\0"])
def test_an_address_cannot_carry_a_command(smtp_sink: SmtpSink, address: str) -> None:
    with mailer.open(account(smtp_sink.port)) as out, pytest.raises(SendRefused):
        out.send(notice(), recipients=[address])
    assert not smtp_sink.messages


def test_a_mail_without_recipient_or_with_a_broken_text_is_refused(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        with pytest.raises(SendRefused, match="no recipient"):
            out.send(notice(), recipients=[])
        broken = notice()
        broken._payload = "\ud800"  # type: ignore[attr-defined]
        with pytest.raises(SendRefused, match="cannot be written"):
            out.send(broken)
        out.send(notice())
    assert len(smtp_sink.messages) == 1


def test_a_connection_the_server_closed_between_two_notices_is_made_anew(smtp_sink: SmtpSink) -> None:
    with mailer.open(account(smtp_sink.port)) as out:
        out.send(notice())
        assert out._smtp is not None and out._smtp.sock is not None
        out._smtp.sock.shutdown(socket.SHUT_RDWR)
        out.send(notice())
    assert (len(smtp_sink.messages), smtp_sink.connections) == (2, 2)


# Servers that fail


@pytest.fixture
def scripted() -> Iterator[list[bytes | None]]:
    """The replies of a server that says one after each command; None closes the connection. The port comes first."""
    replies: list[bytes | None] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                for reply in list(replies):
                    if reply is None:
                        break
                    client.sendall(reply + b"\r\n")
                    if not lines.readline():
                        break
                else:
                    lines.readline()  # say nothing more

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    replies.append(str(listener.getsockname()[1]).encode())
    yield replies
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(2)


HELLO = b"250-here\r\n250 AUTH PLAIN XOAUTH2"


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([b"554 go away"], SendFailed),  # a block list today may be gone tomorrow
        ([b"421 busy"], SendFailed),
        ([None], SendFailed),
        ([b"220 hi", b"250 here", None], SendFailed),
        ([b"220 hi", b"250 here", b"421 4.7.0 too many"], SendFailed),
        ([b"220 hi", b"250 here", b"550 5.7.1 sender not allowed", b"250 reset"], SendRefused),
        ([b"220 hi", b"250 here", b"530 5.7.0 sign in first", b"250 reset"], SignInRefused),
        ([b"220 hi", b"250 here", b"250 ok", b"250 ok", b"354 go", None], SendFailed),
        ([b"220 hi", b"250 here", b"250 ok"], SendFailed),  # silence
        ([], SendFailed),  # silence from the start
        ([b"200 what", b"\xff\xff"], SendFailed),
    ],
)
def test_a_failing_server_ends_in_the_right_error(scripted, replies, expected) -> None:
    port = int(scripted.pop())
    scripted.extend(replies)
    with mailer.open(account(port)) as out, pytest.raises(TriageError) as caught:
        out.send(notice())
    assert type(caught.value) is expected


@pytest.mark.parametrize("use", [lambda out: out.send(notice()), lambda out: out.check()], ids=["send", "check"])
@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"535 5.7.8 bad credentials tell-no-one", SignInRefused),
        (b"534 5.7.9 application-specific password required", SignInRefused),
        (b"454 4.7.0 temporary authentication failure", SendFailed),
    ],
)
def test_a_refused_sign_in_is_told_from_a_temporary_one(scripted, reply, expected, use) -> None:
    port = int(scripted.pop())
    scripted.extend([b"220 hi", HELLO, reply])
    with_password = account(port, user="desk", sign_in=signin.Password(lambda: "tell-no-one"))
    with mailer.open(with_password) as out, pytest.raises(TriageError) as caught:
        use(out)
    assert type(caught.value) is expected
    assert "tell-no-one" not in str(caught.value)


def test_a_refused_token_keeps_the_servers_reason(scripted) -> None:
    port = int(scripted.pop())
    challenge = b"334 eyJzdGF0dXMiOiI0MDAiLCJzY29wZSI6Im1haWwifQ=="  # {"status":"400","scope":"mail"}
    scripted.extend([b"220 hi", HELLO, challenge, b"535 5.7.8 not accepted"])
    with_token = account(port, user="desk", sign_in=signin.Bearer(lambda *, fresh=False: "stolen"))
    with mailer.open(with_token) as out, pytest.raises(SignInRefused, match="status 400, scope mail") as caught:
        out.send(notice())
    assert "stolen" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_password_with_letters_beyond_ascii_signs_in() -> None:
    with SmtpSink("desk", "geheim ü") as sink:
        good = account(sink.port, user="desk", sign_in=signin.Password(lambda: "geheim ü"))
        with mailer.open(good) as out:
            out.send(notice())
        assert len(sink.messages) == 1
        with mailer.open(account(sink.port)) as out, pytest.raises(SignInRefused):  # sign-in demanded, none given
            out.send(notice())


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_a_check_signs_in_and_sends_nothing() -> None:
    with SmtpSink("desk", "geheim ü") as sink:
        good = account(sink.port, user="desk", sign_in=signin.Password(lambda: "geheim ü"))
        with mailer.open(good) as out:
            out.check()
            out.check()
        assert (len(sink.messages), sink.connections) == (0, 1)


@pytest.mark.parametrize(
    ("reply", "expected"), [(b"250 ok", None), (b"421 4.3.2 shutting down", SendFailed), (b"502 no", SendRefused)]
)
def test_a_check_ends_as_the_server_answers(scripted, reply, expected) -> None:
    port = int(scripted.pop())
    scripted.extend([b"220 hi", HELLO, reply])
    with mailer.open(account(port)) as out:
        if expected is None:
            out.check()
        else:
            with pytest.raises(expected):
                out.check()


def test_nobody_listens() -> None:
    with mailer.open(account(1)) as out, pytest.raises(SendFailed, match="refused"):
        out.check()
    with mailer.open(account(1)) as out, pytest.raises(SendFailed, match="refused"):
        out.send(notice())


def test_clear_text_is_for_this_machine_only(smtp_sink: SmtpSink) -> None:
    with pytest.raises(InsecureConnection):
        mailer.open(account(25, host="mail.example.org"))
    with mailer.open(account(smtp_sink.port, tls=Tls.STARTTLS)) as out, pytest.raises(InsecureConnection):
        out.send(notice())  # not offered
    with mailer.open(account(smtp_sink.port, tls=Tls.IMPLICIT)) as out, pytest.raises(SendFailed):
        out.send(notice())  # no TLS on this port
    assert not smtp_sink.messages


def test_closing_never_raises(smtp_sink: SmtpSink) -> None:
    out = mailer.open(account(smtp_sink.port))
    out.send(notice())
    smtp = out._smtp
    assert isinstance(smtp, smtplib.SMTP)
    smtp.close()
    out.close()
    out.close()
