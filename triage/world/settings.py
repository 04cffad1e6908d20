"""Environment and secrets: where config and data lie, how the database is reached, the key that signs.

TRIAGE_CONFIG, TRIAGE_DATA, TRIAGE_DATABASE_URL and TRIAGE_SECRET; the last two also as TRIAGE_..._FILE, the name of a
file that holds the value (systemd credentials, Docker secrets). Where passwords of mailboxes are found stands in the
config, see `secret_of`. No secret is ever shown by repr(), str() or a log line.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit, urlunsplit

from triage.errors import Misuse, Permanent

_KEY_FILE = "secret.key"
_SHORTEST_KEY = 32


class SecretMissing(Permanent):
    """A password or key is not there."""


class Secret:
    """A value that is only seen where it is used. No dataclass: `asdict` would look inside."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"


class SecretSource(Protocol):
    """Where a secret is found: exactly one of these is set (see `SecretPart` of the config)."""

    @property
    def env(self) -> str | None: ...
    @property
    def file(self) -> str | None: ...
    @property
    def keyring(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are. Paths are absolute. `raw`, `models`, `lock` ... are below `data`."""

    config: Path
    data: Path
    database: Secret
    secret: Secret

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL, with its password: for the engine alone."""
        return self.database.reveal()

    @property
    def database_shown(self) -> str:
        """The URL as people and logs may see it: without its password."""
        return without_password(self.database.reveal())

    @property
    def signing_key(self) -> bytes:
        """The key behind case tokens and Message-IDs."""
        return self.secret.reveal().encode()

    @property
    def raw(self) -> Path:
        """Folder of the mails as they were fetched."""
        return self.data / "raw"

    @property
    def models(self) -> Path:
        """Folder of models trained here; the shipped one is used until there is a `current` in it."""
        return self.data / "models"

    @property
    def prefect(self) -> Path:
        """Folder of our own Prefect server."""
        return self.data / "prefect"


def load(
    config: Path | str | None = None, data: Path | str | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """Settings from arguments, else the environment, else ./config and ./data.

    Creates the data folder (mode 0700) and, where TRIAGE_SECRET is not set, a key in it (mode 0600) on first use.
    Raises Permanent where that cannot be done, Misuse for a key that is too short.
    """
    env = os.environ if environ is None else environ
    folder = config_folder(config, env)
    data_folder = Path(data or env.get("TRIAGE_DATA") or "data").expanduser().resolve()
    try:
        data_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        fix = "Set TRIAGE_DATA to a folder that can be written."
        raise Permanent(f"The data folder {data_folder} cannot be made: {error.strerror}.", fix=fix) from None
    url = _value("TRIAGE_DATABASE_URL", env) or f"sqlite:///{quote(str(data_folder / 'triage.db'))}"
    return Settings(folder, data_folder, Secret(_with_driver(url)), _signing_key(data_folder, env))


def config_folder(config: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """The folder of the config: the argument, else TRIAGE_CONFIG, else ./config. Absolute; it need not be there."""
    env = os.environ if environ is None else environ
    return Path(config or env.get("TRIAGE_CONFIG") or "config").expanduser().resolve()


def secret_of(source: SecretSource, user: str = "") -> Secret:
    """The password that a config's {env|file|keyring} names, read now; of a file its first line, blanks and all.

    Raises SecretMissing, with what to do.
    """
    if source.env is not None:
        found, place = os.environ.get(source.env, ""), f"the environment variable {source.env}"
    elif source.file is not None:
        path = Path(source.file).expanduser()
        found, place = _text(path).partition("\n")[0].removesuffix("\r"), f"the file {path}"
    else:
        service = source.keyring or ""
        found, place = _from_keyring(service, user), f"the keyring entry {service}/{user}"
    if not found:
        raise SecretMissing(f"There is no password in {place}.", fix="Set it, then run triage check.")
    if any(c in found for c in "\r\n\0"):
        raise SecretMissing(f"The password in {place} contains a line break or NUL.")
    return Secret(found)


def _from_keyring(service: str, user: str) -> str:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise SecretMissing(
            "A password is to come from the keyring, which is not installed.",
            fix="Install complaint-triage[keyring].",
        ) from None
    try:
        return keyring.get_password(service, user) or ""
    except KeyringError as error:
        raise SecretMissing(f"The keyring could not be opened ({type(error).__name__}).") from None


def without_password(url: str) -> str:
    """A database URL with its password replaced by ***."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user, _, place = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{place}"))


def _value(name: str, env: Mapping[str, str]) -> str:
    """The variable itself, else the contents of the file that NAME_FILE names."""
    if env.get(name):
        return env[name]
    file = env.get(f"{name}_FILE")
    return _read(Path(file).expanduser()) if file else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise SecretMissing(
            f"The file {path} cannot be read: {why}.", fix="Check the path and who may read it."
        ) from None


def _read(path: Path) -> str:
    found = _text(path).strip()
    if not found:
        raise SecretMissing(f"The file {path} is empty.", fix="Write the secret into it, and nothing else.")
    return found


def _with_driver(url: str) -> str:
    """`postgres://` and `postgresql://` are meant for psycopg 3, the driver that is installed."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme in ("postgres", "postgresql") else url


def _signing_key(data: Path, env: Mapping[str, str]) -> Secret:
    given = _value("TRIAGE_SECRET", env)
    if given:
        if len(given) < _SHORTEST_KEY:
            fix = "Make one with: python3 -c 'import secrets; print(secrets.token_hex(32))'"
            raise Misuse(f"TRIAGE_SECRET is shorter than {_SHORTEST_KEY} characters.", fix=fix)
        return Secret(given)
    path = data / _KEY_FILE
    try:
        # Written under a name of our own, then linked: two processes that start together end up with one key.
        fresh = path.with_name(f"{_KEY_FILE}.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
    except OSError as error:
        raise Permanent(f"The key {path} cannot be written: {error.strerror}.", fix="Set TRIAGE_SECRET.") from None
    return Secret(_read(path))
