"""From what the config says to how an account signs in; at a real Dovecot with a token of a real endpoint."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.servers.dovecot import TOKEN, USER, Dovecot
from tests.test_oauth import Endpoint, endpoint
from triage.errors import Permanent, SignInRefused
from triage.world import accounts, inbox, signin
from triage.world.config import MailboxPart
from triage.world.settings import SecretMissing
from triage.world.tls import Tls

__all__ = ["endpoint"]  # the fixture
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def part(**values: Any) -> MailboxPart:
    given = {"name": "care", "addresses": ["care@business.example"], "host": "imap.business.example", "user": USER}
    return MailboxPart.model_validate({**given, **values})


def oauth(url: str, **values: Any) -> MailboxPart:
    keys = {"token_url": url, "scope": "mail", "client_id": "desk", "client_secret": {"env": "CLIENT_SECRET"}}
    return part(oauth={**keys, **values})


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIENT_SECRET", "the-secret")
    monkeypatch.setenv("REFRESH", "first-refresh-token")


def bearer(mailbox: MailboxPart, data: Path) -> signin.Bearer:
    found = accounts.sign_in(mailbox, mailbox.name, data, lambda: NOW)
    assert isinstance(found, signin.Bearer)
    return found


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "nothing says how to sign in"),
        ({"password": {"env": "P"}, "oauth": {"provider": "google", "client_id": "x", "refresh_token": {"env": "R"}}},
         "two ways to sign in"),
        ({"oauth": {"provider": "google", "client_id": "x"}}, "oauth needs a secret"),
        ({"oauth": {"client_id": "x", "client_secret": {"env": "S"}}}, "needs token_url and scope"),
        ({"oauth": {"provider": "google", "client_id": "x", "client_secret": {"env": "S"}}}, "refresh token only"),
        ({"oauth": {"provider": "microsoft", "client_id": "x", "client_secret": {"env": "S"}}}, "Give tenant"),
        ({"oauth": {"provider": "microsoft", "tenant": "a.example", "client_id": "x", "client_secret": "hush"}},
         "must not stand in a config file"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        part(**values)


def test_the_providers_bring_their_endpoint_and_scope(endpoint: Endpoint) -> None:
    microsoft = part(oauth={"provider": "microsoft", "tenant": "alderfinch.example", "client_id": "desk",
                            "client_secret": {"env": "CLIENT_SECRET"}, "token_url": endpoint.url})  # fmt: skip
    endpoint.answer = lambda form: (200, {"access_token": "t", "expires_in": 3600})
    assert bearer(microsoft, Path()).token() == "t"
    assert endpoint.forms[-1] == {
        "client_id": "desk", "client_secret": "the-secret", "grant_type": "client_credentials",
        "scope": "https://outlook.office365.com/.default",
    }  # fmt: skip


def test_a_mailbox_is_read_with_a_token_and_the_token_is_asked_for_once(
    dovecot: Dovecot, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.answer = lambda form: (200, {"access_token": TOKEN, "expires_in": 3600})
    method = bearer(oauth(endpoint.url), tmp_path)
    for _ in range(2):
        with inbox.open(dovecot.account(tls=Tls.IMPLICIT, sign_in=method)) as box:
            assert box.select("INBOX").uidvalidity
    assert len(endpoint.forms) == 1


def test_a_token_the_server_refuses_is_asked_for_anew_and_then_a_person_is_needed(
    dovecot: Dovecot, endpoint: Endpoint, tmp_path: Path
) -> None:
    endpoint.answer = lambda form: (200, {"access_token": f"stale-{len(endpoint.forms)}", "expires_in": 3600})
    with pytest.raises(SignInRefused):
        inbox.open(dovecot.account(tls=Tls.IMPLICIT, sign_in=bearer(oauth(endpoint.url), tmp_path)))
    assert len(endpoint.forms) == 2


def test_a_rotated_refresh_token_outlives_the_process_and_is_for_its_owner_only(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"access_token": "t", "expires_in": 3600, "refresh_token": "second-refresh-token"}
    endpoint.answer = lambda form: (200, said)
    mailbox = oauth(endpoint.url, refresh_token={"env": "REFRESH"})
    for _ in range(2):  # two processes
        bearer(mailbox, tmp_path).token()
    assert [form["refresh_token"] for form in endpoint.forms] == ["first-refresh-token", "second-refresh-token"]
    kept = tmp_path / "oauth" / "care.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert "first-refresh-token" not in kept.read_text()
    monkeypatch.setenv("REFRESH", "a-new-consent")  # what a person puts there wins
    bearer(mailbox, tmp_path).token()
    assert endpoint.forms[-1]["refresh_token"] == "a-new-consent"


def test_a_kept_token_that_cannot_be_read_says_what_to_do(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "oauth").mkdir()
    (tmp_path / "oauth" / "care.json").write_text("{", encoding="utf-8")
    mailbox = oauth(endpoint.url, refresh_token={"env": "REFRESH"})
    with pytest.raises(Permanent) as caught:
        bearer(mailbox, tmp_path).token()
    assert "care.json" in caught.value.fix


def test_a_missing_secret_is_named_before_anything_is_tried(endpoint: Endpoint) -> None:
    accounts.secrets_there(oauth(endpoint.url))
    with pytest.raises(SecretMissing, match="NOT_THERE"):
        accounts.secrets_there(oauth(endpoint.url, refresh_token={"env": "NOT_THERE"}))
    assert not endpoint.forms


def test_nothing_prints_the_secret(endpoint: Endpoint, tmp_path: Path) -> None:
    method = bearer(oauth(endpoint.url, refresh_token={"env": "REFRESH"}), tmp_path)
    assert "the-secret" not in repr(method) + json.dumps(str(method))
    assert "first-refresh" not in repr(method)
