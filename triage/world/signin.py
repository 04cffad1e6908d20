"""Sign-in: a password or token, read by a callable at the moment of use, and the SASL messages that carry it.

Nothing here is kept in a record that prints itself. Where passwords are found: `settings.secret_of`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol

#: reads a password at the moment of use
Secret = Callable[[], str]

Mechanism = Literal["XOAUTH2", "OAUTHBEARER"]


@dataclass(frozen=True, slots=True)
class Password:
    """Sign in with a password: AUTHENTICATE PLAIN where offered, else LOGIN."""

    read: Secret = field(repr=False)


class TokenSource(Protocol):
    """Gives an access token that is good now. `fresh` asks for a new one: the server refused the last."""

    def __call__(self, *, fresh: bool = False) -> str: ...


@dataclass(frozen=True, slots=True)
class Bearer:
    """Sign in with an OAuth 2.0 access token. Google and Microsoft speak XOAUTH2; OAUTHBEARER is RFC 7628."""

    token: TokenSource = field(repr=False)
    mechanism: Mechanism = "XOAUTH2"


SignIn = Password | Bearer


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and the moment (aware UTC) it stops being good; None when the issuer does not say."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


class KeptToken:
    """A TokenSource that keeps a token until shortly before it expires.

    Servers close a connection whose token ran out, so it is renewed while five minutes are left.
    """

    def __init__(
        self, fetch: Callable[[], Token], now: Callable[[], datetime], margin: timedelta = timedelta(minutes=5)
    ) -> None:
        self._fetch, self._now, self._margin = fetch, now, margin
        self._token: Token | None = None

    def __call__(self, *, fresh: bool = False) -> str:
        token = self._token
        if token is None or fresh or (token.expires_at and token.expires_at - self._margin <= self._now()):
            token = self._token = self._fetch()
        return token.value


class Exchange:
    """One SASL conversation: called with each challenge, gives each answer; keeps what the server said when refusing.

    On refusal the server sends its reason as a challenge, which must be answered before it ends the command: with
    nothing for XOAUTH2 (https://developers.google.com/gmail/imap/xoauth2-protocol#error_response), with one %x01 for
    OAUTHBEARER (RFC 7628, 3.2.3). Sending the token again instead leaves some servers waiting until the time-out.
    """

    def __init__(self, first: bytes, last: bytes = b"") -> None:
        self._first: bytes | None = first
        self._last = last
        self.refusal = ""

    def __call__(self, challenge: bytes = b"") -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        self.refusal = _reason(challenge)
        return self._last

    def answer(self, encoded: bytes) -> bytes:
        """The same in base64, as IMAP continuations and SMTP 334 replies carry it."""
        try:
            challenge = base64.b64decode(encoded)
        except (binascii.Error, ValueError):
            challenge = b""
        return base64.b64encode(self(challenge))


def plain(user: str, password: str) -> Exchange:
    """RFC 4616; UTF-8, so that a password may hold any letter."""
    return Exchange(b"\0" + user.encode() + b"\0" + password.encode())


def bearer(mechanism: Mechanism, user: str, token: str, host: str, port: int) -> Exchange:
    """The token message of XOAUTH2 or OAUTHBEARER."""
    if mechanism == "XOAUTH2":
        return Exchange(f"user={user}\x01auth=Bearer {token}\x01\x01".encode())
    identity = user.replace("=", "=3D").replace(",", "=2C")  # RFC 5801, section 4
    return Exchange(f"n,a={identity},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode(), b"\x01")


def _reason(challenge: bytes) -> str:
    """Status, scope and the like out of the server's JSON; bounded, and nothing when it is something else."""
    try:
        said = json.loads(challenge)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(said, dict):
        return ""
    kept = ((key, said.get(key)) for key in ("status", "error", "schemes", "scope"))
    return ", ".join(f"{key} {str(value)[:100]}" for key, value in kept if isinstance(value, str | int))
