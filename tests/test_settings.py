"""Settings: where things are, secrets that are never shown, one signing key, and the one clock."""

from __future__ import annotations

import dataclasses
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest

from triage.errors import Misuse, Permanent
from triage.world import clock, config, settings

KEY = "k" * 32


def load(tmp_path: Path, **env: str) -> settings.Settings:
    return settings.load(tmp_path / "config", tmp_path / "data", environ={"TRIAGE_SECRET": KEY} | env)


def test_arguments_win_over_the_environment_and_paths_are_absolute(tmp_path: Path) -> None:
    env = {"TRIAGE_CONFIG": str(tmp_path / "a"), "TRIAGE_DATA": str(tmp_path / "b"), "TRIAGE_SECRET": KEY}
    found = settings.load(environ=env)
    assert (found.config, found.data) == (tmp_path / "a", tmp_path / "b")
    assert settings.load(config=tmp_path / "c", environ=env).config == tmp_path / "c"
    assert found.raw == tmp_path / "b" / "raw"


def test_the_database_is_sqlite_in_the_data_folder_unless_a_url_is_given(tmp_path: Path) -> None:
    assert load(tmp_path).database_url == f"sqlite:///{tmp_path}/data/triage.db"
    given = load(tmp_path, TRIAGE_DATABASE_URL="postgresql://desk:pw@db/triage")
    assert given.database_url == "postgresql+psycopg://desk:pw@db/triage"  # the driver that is installed
    (tmp_path / "url").write_text("postgres://desk:pw@db/triage\n", encoding="utf-8")
    assert load(tmp_path, TRIAGE_DATABASE_URL_FILE=str(tmp_path / "url")).database_url == given.database_url


def test_no_secret_shows_in_repr_str_or_the_shown_url(tmp_path: Path) -> None:
    found = load(tmp_path, TRIAGE_DATABASE_URL="postgresql://desk:topsecret@db:5432/triage?sslmode=require")
    for text in (repr(found), str(found), str(dataclasses.asdict(found)), found.database_shown, f"{found.secret}"):
        assert "topsecret" not in text and KEY not in text
    assert found.database_shown == "postgresql+psycopg://desk:***@db:5432/triage?sslmode=require"


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = settings.load(tmp_path, tmp_path / "data", environ={})
    again = settings.load(tmp_path, tmp_path / "data", environ={})
    assert first.signing_key == again.signing_key and len(first.signing_key) == 64
    key = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_a_key_given_wins_and_a_short_one_is_refused(tmp_path: Path) -> None:
    assert load(tmp_path).signing_key == KEY.encode()
    with pytest.raises(Misuse, match="shorter than 32"):
        load(tmp_path, TRIAGE_SECRET="short")


def test_a_secret_file_that_is_missing_or_empty_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(settings.SecretMissing, match="nowhere"):
        load(tmp_path, TRIAGE_SECRET="", TRIAGE_SECRET_FILE=str(tmp_path / "nowhere"))
    (tmp_path / "empty").touch()
    with pytest.raises(settings.SecretMissing, match="is empty"):
        load(tmp_path, TRIAGE_SECRET="", TRIAGE_SECRET_FILE=str(tmp_path / "empty"))


def test_a_data_folder_that_cannot_be_made_says_what_to_set(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match="TRIAGE_DATA"):
        settings.load(tmp_path, tmp_path / "file" / "data", environ={"TRIAGE_SECRET": KEY})


# -- the clock -------------------------------------------------------------------------------------------------------


def test_the_clock_gives_aware_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAGE_NOW", raising=False)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.now() <= clock.now()


def test_a_fixed_now_is_taken_in_its_zone_and_a_wrong_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_NOW", "2026-11-23T10:30:00+01:00")
    assert clock.now() == datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    for wrong in ("2026-11-23T10:30:00", "yesterday"):  # no zone; no time
        monkeypatch.setenv("TRIAGE_NOW", wrong)
        with pytest.raises(Misuse):
            clock.now()


# -- passwords of mailboxes ------------------------------------------------------------------------------------------


def test_a_password_is_read_from_where_the_config_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = config.SecretPart(env="TRIAGE_TEST_PASSWORD")
    monkeypatch.setenv("TRIAGE_TEST_PASSWORD", "opensesame")
    found = settings.secret_of(source)
    assert found.reveal() == "opensesame" and "opensesame" not in repr(found)
    monkeypatch.setenv("TRIAGE_TEST_PASSWORD", "second")  # read at the moment of use
    assert settings.secret_of(source).reveal() == "second"
    (tmp_path / "password").write_text("from a file\n", encoding="utf-8")
    assert settings.secret_of(config.SecretPart(file=str(tmp_path / "password"))).reveal() == "from a file"


def test_a_password_file_is_its_first_line_with_its_blanks(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes("\ufeffgehéim \r\nrest".encode())
    assert settings.secret_of(config.SecretPart(file=str(path))).reveal() == "gehéim "


@pytest.mark.parametrize("content", [b"", b"\n", b"a\0b", b"\xff\xfe"])
def test_a_password_that_cannot_be_used_needs_a_person(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(settings.SecretMissing, match="password"):
        settings.secret_of(config.SecretPart(file=str(path)))


def test_a_missing_password_names_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAGE_TEST_PASSWORD", raising=False)
    with pytest.raises(settings.SecretMissing, match="TRIAGE_TEST_PASSWORD"):
        settings.secret_of(config.SecretPart(env="TRIAGE_TEST_PASSWORD"))
    with pytest.raises(settings.SecretMissing, match="nowhere"):
        settings.secret_of(config.SecretPart(file=str(tmp_path / "nowhere")))


def test_a_password_comes_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    entries = {("triage", "intake"): "ring"}
    keyring.get_password = lambda service, user: entries.get((service, user))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    source = config.SecretPart(keyring="triage")
    assert settings.secret_of(source, "intake").reveal() == "ring"
    with pytest.raises(settings.SecretMissing, match="triage/other"):
        settings.secret_of(source, "other")
