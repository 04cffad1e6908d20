"""Connect and sign in."""

from __future__ import annotations

import ssl

from triage.errors import InsecureConnection, SignInRefused, TriageError
from triage.world import signin, tls
from triage.world.inbox import replies, trouble
from triage.world.inbox.account import MailboxAccount
from triage.world.inbox.client import Client, understood
from triage.world.inbox.session import Inbox
from triage.world.inbox.transport import Bye, Cut, Refused, Rejected
from triage.world.tls import Tls

_NO_STARTTLS = "Use tls: implicit, usually on port 993."


def open_inbox(account: MailboxAccount) -> Inbox:
    """Connect, verify, sign in. Use as a context manager.

    Raises MailboxUnreachable, MailboxThrottled, MailboxProtocol (try again later), SignInRefused, InsecureConnection
    (a person is needed), and Permanent when the password cannot be read.
    """
    tls.refuse_clear_text(account.host, account.tls, account.name)
    context = tls.context(account.ca_file, account.name) if account.tls is not Tls.NONE else None
    client: Client | None = None
    failure: TriageError
    try:
        client = Client(account, context if account.tls is Tls.IMPLICIT else None)
        if account.tls is Tls.STARTTLS and context:
            _upgrade(client, context, account)
        if client.imap.state == "NONAUTH":
            _sign_in(client, account)
        return Inbox(account, client, _capabilities(client))
    except TriageError:
        if client:
            client.shutdown()
        raise
    except trouble.TROUBLE as error:
        failure = trouble.explain(error, account, "connecting")
    except BaseException:
        if client:
            client.shutdown()
        raise
    if client:
        client.shutdown()
    raise failure  # outside the handler: what the server sent does not travel along as the error's context


def _capabilities(client: Client) -> frozenset[str]:
    with understood():
        return frozenset(word.decode("ascii", "replace").upper() for word in client.capabilities())


def _upgrade(client: Client, context: ssl.SSLContext, account: MailboxAccount) -> None:
    """STARTTLS or nothing: a server, or someone in between, that does not offer it gets no password."""
    failure: TriageError
    # signed in before TLS (PREAUTH): STARTTLS is not allowed any more (RFC 9051, 11.1)
    if client.imap.state != "NONAUTH" or "STARTTLS" not in _capabilities(client):
        raise InsecureConnection("The server offers no STARTTLS.", fix=_NO_STARTTLS, where=account.name)
    try:
        with understood():
            client.starttls(context)
        return
    except (Refused, Rejected) as error:
        detail = f"The server refused STARTTLS: {trouble.said(error.text)}."
        failure = InsecureConnection(detail, fix=_NO_STARTTLS, where=account.name)
    raise failure


def _sign_in(client: Client, account: MailboxAccount) -> None:
    if isinstance(account.sign_in, signin.Bearer):
        _with_token(client, account.sign_in, account)
    else:
        _with_password(client, account.sign_in.read(), account)


def _with_password(client: Client, password: str, account: MailboxAccount) -> None:
    failure: TriageError
    offered = _capabilities(client)
    try:
        if "AUTH=PLAIN" in offered:
            with understood():
                client.sasl_login("PLAIN", signin.plain(account.user, password))
        elif "LOGINDISABLED" in offered:
            raise SignInRefused("The server allows no password on this connection.", where=account.name)
        else:
            # imaplib sends the user name as it stands, without quotes, and ASCII alone
            user = replies.quoted(_line(account.user)).decode()
            client.imap._encoding = "utf-8"
            with understood():
                client.login(user, _line(password).decode())
        return
    except (Refused, Rejected, Bye) as error:
        failure = _refusal(error, account, secret=password)
    raise failure


def _with_token(client: Client, method: signin.Bearer, account: MailboxAccount) -> None:
    """With one try for a fresh token: the kept one may have been revoked before its time.

    By `sasl_login`: `oauth2_login` answers the server's reason for a refusal with the token again, and loses it.
    """
    failure: TriageError | None = None
    refused = ""
    for fresh in (False, True):
        token = method.token(fresh=fresh)
        if failure and token == refused:
            raise failure
        exchange = signin.bearer(method.mechanism, account.user, token, account.host, account.port)
        try:
            with understood():
                client.sasl_login(method.mechanism, exchange)
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
