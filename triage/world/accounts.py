"""How the config says that an account signs in -> `signin.SignIn`: a password, or OAuth 2.0 tokens (RFC 6749).

A refresh token that the endpoint replaces is kept in the data folder (`oauth/NAME.json`, readable by its owner only) before
the new access token is used, for the endpoint may stop taking the old one. A person who puts another token into the
configured place wins over the kept one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from triage.errors import Permanent
from triage.world import settings, signin
from triage.world.oauth import RefreshToken, TokenEndpoint
from triage.world.settings import SecretSource

#: token endpoint, scope with client credentials, scope with a refresh token; {tenant} is the organisation's
_PROVIDERS = {
    "microsoft": (
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        "https://outlook.office365.com/.default",
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
    ),
    "google": ("https://oauth2.googleapis.com/token", "https://mail.google.com/", "https://mail.google.com/"),
}


class OAuth(Protocol):
    """What the config says of OAuth; `triage.world.config.OAuthPart` is one."""

    @property
    def provider(self) -> str | None: ...
    @property
    def tenant(self) -> str | None: ...
    @property
    def token_url(self) -> str | None: ...
    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> SecretSource | None: ...
    @property
    def refresh_token(self) -> SecretSource | None: ...
    @property
    def scope(self) -> str | None: ...
    @property
    def mechanism(self) -> signin.Mechanism: ...


class Account(Protocol):
    """What the config says of an account."""

    @property
    def user(self) -> str | None: ...
    @property
    def password(self) -> SecretSource | None: ...
    @property
    def oauth(self) -> OAuth | None: ...


def sign_in(account: Account, name: str, data: Path, now: Callable[[], datetime]) -> signin.SignIn | None:
    """How this account signs in; None where the config names no user. Secrets are read at the moment of use."""
    user, password, oauth = account.user or "", account.password, account.oauth
    if oauth is not None:
        return signin.Bearer(signin.KeptToken(_endpoint(oauth, user, name, data, now), now), oauth.mechanism)
    if not user or password is None:
        return None
    return signin.Password(lambda: settings.secret_of(password, user).reveal())


def secrets_there(account: Account) -> None:
    """Raises SecretMissing where a secret that the config names cannot be read."""
    named = (account.oauth.client_secret, account.oauth.refresh_token) if account.oauth else (account.password,)
    for source in named:
        if source is not None:
            settings.secret_of(source, account.user or "")


def _endpoint(oauth: OAuth, user: str, name: str, data: Path, now: Callable[[], datetime]) -> TokenEndpoint:
    url, by_client, by_refresh = _PROVIDERS.get(oauth.provider or "", ("", "", ""))
    secret, refresh = oauth.client_secret, oauth.refresh_token
    return TokenEndpoint(
        url=oauth.token_url or url.format(tenant=oauth.tenant or "common"),
        client_id=oauth.client_id,
        scope=oauth.scope or (by_refresh if refresh else by_client),
        now=now,
        client_secret=(lambda: settings.secret_of(secret, user).reveal()) if secret else None,
        refresh=_kept(refresh, user, data / "oauth" / f"{name}.json") if refresh else None,
    )


def _kept(source: SecretSource, user: str, path: Path) -> RefreshToken:
    def first() -> tuple[str, str]:
        given = settings.secret_of(source, user).reveal()
        return given, hashlib.sha256(given.encode()).hexdigest()

    def read() -> str:
        given, digest = first()
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return given
        except (OSError, ValueError) as error:
            why = f"The kept token {path.name} cannot be read ({type(error).__name__})."
            raise Permanent(why, fix=f"Remove {path}; then the configured token is used again.") from None
        return str(kept["token"]) if kept.get("after") == digest else given

    def keep(token: str) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"after": first()[1], "token": token}, file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)

    return RefreshToken(read, keep)
