"""Access tokens from an OAuth 2.0 token endpoint (RFC 6749): client credentials, or a refresh token.

Two forms are enough for Microsoft 365 and Google, and need no more than a POST:

* Microsoft 365: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token, client credentials, scope
  https://outlook.office365.com/.default; or a refresh token with https://outlook.office.com/IMAP.AccessAsUser.All.
* Google: https://oauth2.googleapis.com/token with a refresh token for the scope https://mail.google.com/.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from triage.errors import InsecureConnection, Permanent, SignInRefused, Temporary
from triage.world.signin import Secret, Token
from triage.world.tls import is_loopback

_LARGEST_REPLY = 64 * 1024
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token outside this process. The endpoint may give a new one with each use and stop taking the old:
    `keep` stores it, durably, before the access token is used."""

    read: Secret = field(repr=False)
    keep: Callable[[str], None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Calling it fetches one token: hand it to `signin.KeptToken`.

    Raises Temporary when the endpoint cannot be reached or is busy, SignInRefused when it says no.
    """

    url: str
    client_id: str
    scope: str
    now: Callable[[], datetime] = field(repr=False)  # aware UTC
    client_secret: Secret | None = field(default=None, repr=False)
    refresh: RefreshToken | None = field(default=None, repr=False)  # None: client credentials
    seconds: float = 15.0

    def __call__(self) -> Token:
        said = self._post(self._form())
        value, lasts, renewed = said.get("access_token"), said.get("expires_in"), said.get("refresh_token")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise Temporary("The token endpoint gave no access token.", where=self._host)
        if self.refresh and isinstance(renewed, str) and renewed:
            self.refresh.keep(renewed)
        seconds = int(lasts) if isinstance(lasts, int | str) and str(lasts).isdecimal() else None
        return Token(value, self.now() + timedelta(seconds=min(seconds, 86_400)) if seconds else None)

    @property
    def _host(self) -> str:
        return urllib.parse.urlsplit(self.url).hostname or ""

    def _form(self) -> dict[str, str]:
        form = {"client_id": self.client_id, "scope": self.scope, "grant_type": "client_credentials"}
        if self.client_secret:
            form["client_secret"] = self.client_secret()
        if self.refresh:
            form |= {"grant_type": "refresh_token", "refresh_token": self.refresh.read()}
        return form

    def _post(self, form: dict[str, str]) -> dict[str, object]:
        if not (self.url.startswith("https://") or (self.url.startswith("http://") and is_loopback(self._host))):
            raise InsecureConnection(f"The token endpoint {self._host} is not reached by https.", where=self._host)
        request = urllib.request.Request(self.url, urllib.parse.urlencode(form).encode())
        status, body, reason = 0, b"", ""
        try:
            with urllib.request.build_opener(_NoRedirect).open(request, timeout=self.seconds) as reply:
                status, body = reply.status, reply.read(_LARGEST_REPLY)
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read(_LARGEST_REPLY)
        except (urllib.error.URLError, OSError) as error:
            reason = str(getattr(error, "reason", "") or type(error).__name__)[:200]
        if not status:
            raise Temporary(f"The token endpoint could not be reached: {reason}.", where=self._host)
        said = _json(body)
        if status == 200:
            return said
        words = ", ".join(_text(said.get(key)) for key in ("error", "error_description") if said.get(key))
        detail = f"The token endpoint said {status}: {words or 'no reason given'}."
        if status in (408, 425, 429) or status >= 500 or said.get("error") == "temporarily_unavailable":
            raise Temporary(detail, where=self._host)
        if 400 <= status < 500:
            fix = "Check client id, secret, scope and consent; a refresh token that ran out needs a new sign-in."
            raise SignInRefused(detail, fix=fix, where=self._host)
        raise Permanent(detail, fix="Check the address of the token endpoint.", where=self._host)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A form with a secret in it is not sent on to wherever a reply points."""

    def redirect_request(self, *args: object, **more: object) -> None:
        return None


def _json(body: bytes) -> dict[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _text(value: object) -> str:
    return _UNPRINTABLE.sub(" ", str(value))[:300]
