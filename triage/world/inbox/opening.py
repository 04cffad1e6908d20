"""Connect and sign in."""

from __future__ import annotations

import ssl

from triage.errors import InsecureConnection, SignInRefused, TriageError
from triage.world import signin, tls
from triage.world.inbox import replies, trouble
from triage.world.inbox.account import MailboxAccount
from triage.world.inbox.session import Inbox
from triage.world.inbox.wire import Bye, Cut, Refused, Rejected, Wire
from triage.world.tls import Tls


def open_inbox(account: MailboxAccount) -> Inbox:
    """Connect, verify, sign in. Use as a context manager.

    Raises MailboxUnreachable, MailboxThrottled, MailboxProtocol (try again later), SignInRefused, InsecureConnection
    (a person is needed), and Permanent when the password cannot be read.
    """
    tls.refuse_clear_text(account.host, account.tls, account.name)
    context = tls.context(account.ca_file, account.name) if account.tls is not Tls.NONE else None
    wire: Wire | None = None
    failure: TriageError
    try:
        first = context if account.tls is Tls.IMPLICIT else None
        # twice: servers announce the size of a mail too small, and the limit is there for absurd claims only
        wire = Wire(account.host, account.port, first, account.timeouts, 2 * account.limits.largest_mail)
        kind, text = wire.greeting()
        known = replies.code(text)
        if account.tls is Tls.STARTTLS and context:
            _upgrade(wire, context, kind, account)
            known = "", b""
        if kind != b"PREAUTH":
            offered = known[1].upper().split() if known[0] == "CAPABILITY" else _capabilities(wire)
            _sign_in(wire, frozenset(offered), account)
        return Inbox(account, wire, frozenset(word.decode("ascii", "replace") for word in _capabilities(wire)))
    except TriageError:
        if wire:
            wire.close()
        raise
    except trouble.TROUBLE as error:
        failure = trouble.explain(error, account, "connecting")
    except BaseException:
        if wire:
            wire.close()
        raise
    if wire:
        wire.close()
    raise failure  # outside the handler: what the server sent does not travel along as the error's context


def _upgrade(wire: Wire, context: ssl.SSLContext, greeting: bytes, account: MailboxAccount) -> None:
    """STARTTLS or nothing: a server, or someone in between, that does not offer it gets no password."""
    failure: TriageError
    if greeting == b"PREAUTH":  # signed in before TLS: STARTTLS is not allowed any more (RFC 9051, 11.1)
        raise InsecureConnection("The server offers no STARTTLS.", where=account.name)
    try:
        wire.start_tls(context)
        return
    except (Refused, Rejected) as error:
        failure = InsecureConnection(
            f"The server refused STARTTLS: {trouble.said(error.text)}.",
            fix="Use tls: implicit, usually on port 993.",
            where=account.name,
        )
    raise failure


def _capabilities(wire: Wire) -> list[bytes]:
    lines = wire.run(b"CAPABILITY").lines(b"CAPABILITY")
    return lines[-1].chunks[0].upper().split() if lines else []


def _sign_in(wire: Wire, offered: frozenset[bytes], account: MailboxAccount) -> None:
    if isinstance(account.sign_in, signin.Bearer):
        _with_token(wire, account.sign_in, account)
    else:
        _with_password(wire, account.sign_in.read(), offered, account)


def _with_password(wire: Wire, password: str, offered: frozenset[bytes], account: MailboxAccount) -> None:
    failure: TriageError
    try:
        if b"AUTH=PLAIN" in offered:
            wire.run(b"AUTHENTICATE PLAIN", answer=signin.plain(account.user, password).answer)
        elif b"LOGINDISABLED" in offered:
            raise SignInRefused("The server allows no password on this connection.", where=account.name)
        else:
            words = (replies.quoted(_line(account.user)), replies.quoted(_line(password)))
            wire.run(b"LOGIN", *words)
        return
    except (Refused, Rejected, Bye) as error:
        failure = _refusal(error, account, secret=password)
    raise failure


def _with_token(wire: Wire, method: signin.Bearer, account: MailboxAccount) -> None:
    """With one try for a fresh token: the kept one may have been revoked before its time."""
    failure: TriageError | None = None
    refused = ""
    for fresh in (False, True):
        token = method.token(fresh=fresh)
        if failure and token == refused:
            raise failure
        exchange = signin.bearer(method.mechanism, account.user, token, account.host, account.port)
        try:
            wire.run(f"AUTHENTICATE {method.mechanism}".encode(), answer=exchange.answer)
            return
        except (Refused, Rejected, Bye, Cut) as error:
            if isinstance(error, Cut) and not exchange.refusal:
                raise
            failure, refused = _refusal(error, account, secret=token, detail=exchange.refusal), token
            usable = isinstance(error, Refused)
        if not usable or not isinstance(failure, SignInRefused):
            break
    if failure:
        raise failure


def _refusal(error: Exception, account: MailboxAccount, *, secret: str, detail: str = "") -> TriageError:
    text = error.text if isinstance(error, Refused | Rejected | Bye) else b""
    if isinstance(error, Bye) and not detail:
        return trouble.explain(error, account, "signing in")
    return trouble.refused_sign_in(text, account, secret=secret, detail=detail)


def _line(text: str) -> bytes:
    if any(c in text for c in "\r\n\0"):
        raise SignInRefused("The user name contains a line break or NUL.")
    return text.encode()
