"""Signing in, and what is never sent in clear text."""

from __future__ import annotations

import base64
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers import fault
from tests.servers.fault import FaultServer, mail
from triage.errors import (
    InsecureConnection,
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    SignInRefused,
    TriageError,
)
from triage.world import inbox, signin
from triage.world.tls import Tls


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}) as running:
        yield running


# Signing in


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fault.no("[AUTHENTICATIONFAILED] wrong"), SignInRefused),
        (fault.no("[ALERT] Application-specific password required"), SignInRefused),
        (fault.no("[CONTACTADMIN] account locked"), SignInRefused),
        (fault.bad("no such mechanism"), SignInRefused),
        (fault.no("[UNAVAILABLE] directory is down"), MailboxThrottled),
        (fault.no("[ALERT] Too many simultaneous connections. (Failure)"), MailboxThrottled),
        (fault.bye("[LIMIT] too many connections"), MailboxThrottled),
        (fault.bye("going down"), MailboxUnreachable),
        (fault.close, MailboxUnreachable),
        (fault.stall, MailboxUnreachable),
    ],
)
def test_a_refused_sign_in_is_told_from_a_server_that_cannot_now(server, reply, expected) -> None:
    server.on("AUTHENTICATE", reply)
    with pytest.raises(TriageError) as caught:
        inbox.open(server.account)
    assert type(caught.value) is expected
    assert len([c for c in server.commands if c.startswith("AUTHENTICATE")]) == 1  # not tried again


def test_the_password_is_kept_out_of_the_error_though_the_server_repeats_it() -> None:
    with FaultServer(capabilities="IMAP4rev1") as server:
        server.on("LOGIN", fault.bad('syntax error in LOGIN "intake" "s3cret"'))
        with pytest.raises(SignInRefused) as caught:
            inbox.open(server.account)
    assert "s3cret" not in str(caught.value)
    assert "***" in str(caught.value)


def test_login_is_used_where_plain_is_not_offered_and_nothing_where_it_is_disabled() -> None:
    with FaultServer(capabilities="IMAP4rev1") as server:
        inbox.open(server.account).close()
        assert "LOGIN ***" in server.commands
    with FaultServer(capabilities="IMAP4rev1 LOGINDISABLED") as server:
        with pytest.raises(SignInRefused, match="no password"):
            inbox.open(server.account)
        assert "LOGIN ***" not in server.commands


def test_login_carries_quotes_and_letters_beyond_ascii_and_keeps_nothing(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def listen(session: fault.Session, tag: bytes, verb: str, args: str) -> bool:
        said.append(args)
        return False

    with FaultServer(capabilities="IMAP4rev1") as server:
        server.on("LOGIN", listen)
        account = replace(server.account, user='in "take', sign_in=signin.Password(lambda: 'gehéim\\"'))
        with inbox.open(account) as box:
            assert said == ['"in \\"take" "gehéim\\\\\\""']
            assert "gehéim" not in repr(vars(box._client.imap)) + caplog.text  # type: ignore[union-attr]
        with pytest.raises(SignInRefused, match="line break"):
            inbox.open(replace(account, user="two\r\nlines"))


def test_a_server_that_falls_silent_after_refusing_a_token_has_refused_it(server) -> None:
    async def refuse_and_wait(session: fault.Session, tag: bytes, verb: str, args: str) -> bool:
        session.say("+ ")
        await session.reader.readline()
        session.say(b"+ " + base64.b64encode(b'{"status":"401"}'))
        assert await session.reader.readline() == b"\r\n"  # the empty answer, not the token again
        return await fault.stall(session, tag, verb, args)

    server.on("AUTHENTICATE", refuse_and_wait)
    account = replace(server.account, sign_in=signin.Bearer(lambda *, fresh=False: "stolen"))
    with pytest.raises(SignInRefused, match="status 401"):
        inbox.open(account)


def test_a_refused_token_is_renewed_once() -> None:
    asked: list[bool] = []

    def source(*, fresh: bool = False) -> str:
        asked.append(fresh)
        return f"token-{len(asked)}"

    with FaultServer() as server:
        account = replace(server.account, sign_in=signin.Bearer(source))
        server.on("AUTHENTICATE", fault.no("[AUTHENTICATIONFAILED] expired"))
        with inbox.open(account) as box:
            assert box.select("INBOX").exists == 0
        assert asked == [False, True]
        server.on("AUTHENTICATE", fault.no("[AUTHENTICATIONFAILED] expired"), times=None)
        with pytest.raises(SignInRefused):
            inbox.open(account)
        assert asked == [False, True, False, True]


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        ("BYE [UNAVAILABLE] too many connections from your address", MailboxThrottled),
        ("BYE not today", MailboxUnreachable),
        ("220 mail.example.org ESMTP", MailboxProtocol),
    ],
)
def test_a_greeting_that_turns_us_away(greeting, expected) -> None:
    with FaultServer(greeting=greeting) as server, pytest.raises(TriageError) as caught:
        inbox.open(server.account)
    assert type(caught.value) is expected


def test_nothing_listens(server) -> None:
    with pytest.raises(MailboxUnreachable):
        inbox.open(replace(server.account, port=1))


def test_a_host_that_is_no_name_is_said_not_to_be_found(server) -> None:
    with pytest.raises(MailboxUnreachable, match="not found"):
        inbox.open(replace(server.account, host="mail..example.org", tls=Tls.IMPLICIT))


@pytest.mark.parametrize("capabilities", ["", "IMAP2", "IMAP4rev1 \xe9"])
def test_a_server_that_is_none_of_ours_is_told_from_an_outage(capabilities) -> None:
    with FaultServer(capabilities=capabilities) as server, pytest.raises(MailboxProtocol):
        inbox.open(server.account)


# Clear text


@pytest.mark.parametrize("host", ["mail.example.org", "192.0.2.1", "localhost.example.org", "127.0.0.1.example.org"])
def test_a_password_does_not_cross_a_network_in_clear_text(server, host) -> None:
    with pytest.raises(InsecureConnection):
        inbox.open(replace(server.account, host=host))


WITH_STARTTLS = "IMAP4rev1 STARTTLS AUTH=PLAIN"


@pytest.mark.parametrize(
    ("capabilities", "greeting"),
    [(WITH_STARTTLS, "OK ready"), ("IMAP4rev1 AUTH=PLAIN", "OK ready"), (WITH_STARTTLS, "PREAUTH welcome")],
    ids=["refused", "not offered", "too late"],
)
def test_without_starttls_there_is_no_password(capabilities, greeting) -> None:
    with FaultServer(capabilities=capabilities, greeting=greeting) as server:
        server.on("STARTTLS", fault.bad("unknown command"))
        with pytest.raises(InsecureConnection, match="STARTTLS"):
            inbox.open(replace(server.account, tls=Tls.STARTTLS))
        assert not [c for c in server.commands if c.startswith(("LOGIN", "AUTHENTICATE"))]


def test_what_is_said_after_starttls_in_the_clear_is_not_believed_inside() -> None:
    with FaultServer(capabilities=WITH_STARTTLS) as server:
        server.on("STARTTLS", fault.answer("{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN"))
        with pytest.raises(MailboxProtocol, match="STARTTLS"):
            inbox.open(replace(server.account, tls=Tls.STARTTLS))


def test_a_server_that_hangs_up_instead_of_shaking_hands_is_unreachable() -> None:
    with FaultServer(capabilities=WITH_STARTTLS) as server:
        server.on("STARTTLS", fault.answer("{tag} OK go"))
        with pytest.raises(MailboxUnreachable):
            inbox.open(replace(server.account, tls=Tls.STARTTLS))
