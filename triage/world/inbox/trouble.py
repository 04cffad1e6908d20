"""From what went wrong on the wire to the errors of the house, by the table that decides about retries.

Temporary: unreachable, throttled, protocol. Permanent: sign-in refused, folder missing, insecure connection.
"""

from __future__ import annotations

import imaplib
import re
import socket
import ssl

from triage.errors import (
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    SignInRefused,
    TriageError,
)
from triage.world.inbox.account import MailboxAccount
from triage.world.inbox.replies import Garbled, code
from triage.world.inbox.transport import Bye, Cut, Refused, Rejected
from triage.world.signin import Bearer
from triage.world.tls import untrusted

#: what can go wrong on a connection; anything else is a mistake of ours and is not dressed up as an outage
TROUBLE = (Refused, Rejected, Bye, Cut, Garbled, OSError, imaplib.IMAP4.error)

#: RFC 5530 and what Gmail and others use: come back later
_LATER_CODES = frozenset({"THROTTLED", "OVERQUOTA", "LIMIT", "UNAVAILABLE", "INUSE", "SERVERBUG", "CONTACTADMIN"})
_LATER_WORDS = ("throttled", "too many", "bandwidth limit", "try again later", "server unavailable", "backoff time")
_NO_REASON = re.compile(r"[^\x20-\x7e\xa0-\U0010ffff]+")


def said(text: bytes, secret: str = "") -> str:
    """The server's words, fit to be shown: one line, bounded, without the password some servers repeat."""
    plain = _NO_REASON.sub(" ", text[:1000].decode("utf-8", "replace")).strip()
    if secret:
        plain = plain.replace(secret, "***")
    return f'"{plain[:200]}"' if plain else "no reason given"


def asks_to_wait(text: bytes) -> bool:
    """True when the server's reply, whatever its kind, means: slow down."""
    lowered = text[:1000].lower()
    return code(text)[0] in _LATER_CODES or any(word.encode() in lowered for word in _LATER_WORDS)


def not_connected(text: bytes) -> bool:
    """Microsoft 365 takes the token, then lets no command through to the mailbox (MailKit#1494, imapflow#314)."""
    return b"authenticated but not connected" in text[:1000].lower()


def explain(error: BaseException, account: MailboxAccount, doing: str) -> TriageError:
    """The error of the house for what happened while `doing` ("opening INBOX")."""
    where = account.name
    server = f"{account.host}:{account.port}"
    if isinstance(error, Refused | Rejected | Bye):
        return _from_reply(error, account, doing)
    if isinstance(error, Garbled):
        return MailboxProtocol(f"{server} sent {error} while {doing}.", where=where)
    if isinstance(error, imaplib.IMAP4.error):  # its text may be the reply
        return MailboxProtocol(f"{server} sent something that is no IMAP reply while {doing}.", where=where)
    if isinstance(error, Cut) and error.cause is not None:
        return explain(error.cause, account, doing)
    if isinstance(error, Cut):
        return MailboxUnreachable(f"{server} closed the connection while {doing}.", where=where)
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(error, account.host, account.port, where)
    if isinstance(error, ssl.SSLError):
        fix = "Is this a port for clear text, or for STARTTLS?" if error.reason == "WRONG_VERSION_NUMBER" else ""
        detail = f"TLS with {server} failed while {doing}: {error.reason or 'no reason given'}."
        return MailboxUnreachable(detail, fix=fix, where=where)
    if isinstance(error, TimeoutError):
        return MailboxUnreachable(f"{server} gave no answer in time while {doing}.", where=where)
    if isinstance(error, socket.gaierror):
        detail = f"The host name {account.host} was not found."
        return MailboxUnreachable(detail, fix="Check the name and this machine's DNS.", where=where)
    reason = getattr(error, "strerror", None) or type(error).__name__
    return MailboxUnreachable(f"{server}: {reason} while {doing}.", where=where)


def _from_reply(error: Refused | Rejected | Bye, account: MailboxAccount, doing: str) -> TriageError:
    words = said(error.text)
    if not_connected(error.text):
        return SignInRefused(
            f"Microsoft 365 took the token but gives no access to the mailbox of {account.user}: {words}.",
            fix="Check that IMAP is enabled for the mailbox, that the application may open this mailbox "
            "(IMAP.AccessAsApp with a mailbox permission, or IMAP.AccessAsUser.All), and that user names the mailbox.",
            where=account.name,
        )
    if asks_to_wait(error.text):
        return MailboxThrottled(f"The server said {words} while {doing}.", where=account.name)
    if isinstance(error, Bye):
        return MailboxUnreachable(f"The server said goodbye, {words}, while {doing}.", where=account.name)
    verb = "refused" if isinstance(error, Refused) else "did not understand"
    return MailboxProtocol(f"The server {verb} {doing}: {words}.", where=account.name)


def refused_sign_in(text: bytes, account: MailboxAccount, *, secret: str = "", detail: str = "") -> TriageError:
    """The server said no to user name, password or token. Not retried in the run: repeated failures lock accounts."""
    if asks_to_wait(text) and code(text)[0] != "CONTACTADMIN":
        return MailboxThrottled(f"The server said {said(text, secret)} at sign-in.", where=account.name)
    more = f" ({detail})" if detail else ""
    return SignInRefused(
        f"{account.host} did not let {account.user} in: {said(text, secret)}{more}.",
        fix=_advice(account),
        where=account.name,
    )


def _advice(account: MailboxAccount) -> str:
    name = account.host.lower().rstrip(".")
    if isinstance(account.sign_in, Bearer):
        return "Check that the token is for this mailbox and that its scope covers IMAP, then run triage check."
    if name.endswith((".gmail.com", ".googlemail.com", ".google.com")):
        return "Google takes an app password or OAuth, not the account's own password."
    if name.endswith((".office365.com", ".outlook.com", ".office.com")):
        return "Microsoft 365 takes OAuth only: set up a token (XOAUTH2) and check that IMAP is enabled."
    return "Check user name and password, then run triage check."
