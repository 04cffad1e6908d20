"""Backup and restore of one machine's data, while everything runs.

First a consistent copy of the database (SQLite's backup API), then the raw mail: a row names only bytes that were
durable before it, so every mail of the copied register is in the segments copied after it. Beside PostgreSQL the
database has its own tools, and raw mail lies in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triage import __version__
from triage.desk import Desk, open_desk
from triage.errors import DiskFull, Misuse, NotAllowed, Permanent
from triage.operations import deep
from triage.operations.forget import CARE, InUse, held
from triage.operations.setup import Line
from triage.world import config, settings
from triage.world.settings import Settings

MANIFEST, DATABASE, KEY = "manifest.json", "triage.db", "secret.key"
FORMAT = 1
_TOPS = ("raw", "models", "config")  # folders of a backup, beside its files
_PIECE = 2**20


class BackupDamaged(Permanent):
    """The backup is not what was written."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a backup holds."""

    path: Path
    files: int
    octets: int

    def text(self) -> str:
        return (
            f"{self.files} files, {self.octets / 2**20:.1f} MiB written to {self.path}.\n"
            "It holds customers' mail and the key that signs: keep it as safe as the data folder.\n"
            "Passwords of the mail servers are not in it, nor is Prefect's own history."
        )


def backup(desk: Desk, target: Path) -> Kept:
    """Write one .tar file, readable by its owner only, complete or not at all. Raises NotAllowed beside PostgreSQL."""
    if not desk.database.sqlite:
        raise NotAllowed(
            "The register is on PostgreSQL, which has its own tools.",
            fix=f"Use pg_dump --format=custom (raw mail lies in the database), and keep {desk.settings.config}, "
            f"{desk.settings.models} and {desk.settings.data / KEY} or TRIAGE_SECRET beside it.",
        )
    if target.exists():
        raise Misuse(f"{target} is there already.", fix="Name a new file.")
    with held(desk, [CARE]) as alone:  # no forgetting while we copy
        if not alone:
            raise InUse("A forgetting or another backup is running.", fix="Try again when it is through.")
        part = target.with_name(f".{target.name}.part")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            kept = _write(desk, part, target)
            part.rename(target)
            _fsync(target.parent)
        except OSError as error:
            raise DiskFull(
                f"{target} cannot be written: {error.strerror}.", fix="The data itself is untouched."
            ) from error
        finally:
            part.unlink(missing_ok=True)
    return kept


def _write(desk: Desk, part: Path, target: Path) -> Kept:
    found, sums = desk.settings, {}
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch, _private(part) as file:
        copy = Path(scratch) / DATABASE
        _copy_database(str(desk.database.url.database), copy)
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            sums[DATABASE] = _add(tar, DATABASE, copy)
            for name, path in _others(found):
                sums[name] = _add(tar, name, path)
            manifest = {
                "format": FORMAT, "program": __version__, "made_at": desk.now().isoformat(), "files": sums,
                "config_version": desk.config.version,
            }  # fmt: skip
            _add_bytes(tar, MANIFEST, json.dumps(manifest, indent=1).encode())
        file.flush()
        os.fsync(file.fileno())
    return Kept(target, len(sums), part.stat().st_size)


def _others(found: Settings) -> Iterator[tuple[str, Path]]:
    """(name in the backup, file) of everything beside the database."""
    if (found.data / KEY).is_file():
        yield KEY, found.data / KEY
    for top, folder in (("raw", found.raw), ("models", found.models)):
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            if path.is_file() and not path.is_symlink():
                yield f"{top}/{path.relative_to(folder).as_posix()}", path
    for name in sorted(config.FILES):
        if (found.config / name).is_file():
            yield f"config/{name}", found.config / name


def _copy_database(source: str, target: Path) -> None:
    """All pages of one moment; writers go on meanwhile."""
    read, write = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        read.backup(write)
    finally:
        write.close()
        read.close()


class _Summed(io.RawIOBase):
    """Exactly `size` bytes of a file that may grow while it is read, hashed as they pass."""

    def __init__(self, path: Path, size: int) -> None:
        self._file, self._left, self.sum = path.open("rb"), size, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        piece = self._file.read(min(self._left, size if size >= 0 else self._left))
        self._left -= len(piece)
        self.sum.update(piece)
        return piece

    def close(self) -> None:
        self._file.close()
        super().close()


def _add(tar: tarfile.TarFile, name: str, path: Path) -> str:
    size = path.stat().st_size
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    with _Summed(path, size) as file:
        tar.addfile(info, file)
        return file.sum.hexdigest()


def _add_bytes(tar: tarfile.TarFile, name: str, body: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(body), 0o600
    tar.addfile(info, io.BytesIO(body))


def _private(path: Path) -> io.BufferedWriter:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# -- restore ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and what the deep check says of it."""

    made_at: str
    config: Path
    lines: tuple[Line, ...]

    @property
    def sound(self) -> bool:
        return not any(line.failed for line in self.lines)

    def text(self) -> str:
        checks = "\n".join(str(line) for line in self.lines)
        return f"The state of {self.made_at} is back; its config lies in {self.config}.\n{checks}"


def restore(source: Path, found: Settings | None = None) -> Restored:
    """Fill an empty data folder from a backup and check all of it. Raises Misuse, NotAllowed, BackupDamaged.

    A config that is there is left alone; the backup's is put into the data folder then.
    """
    found = found or settings.load()
    taken = [name for name in (DATABASE, "raw") if (found.data / name).exists()]
    if taken:
        raise NotAllowed(
            f"{found.data} holds data already.", fix="Name an empty folder: triage --data NEW restore FILE."
        )
    if not found.database_url.startswith("sqlite"):
        raise NotAllowed("A backup file fills SQLite only.", fix="Unset TRIAGE_DATABASE_URL, or use pg_restore.")
    scratch = Path(tempfile.mkdtemp(dir=found.data, prefix=".restore-"))
    try:
        manifest = _unpack(source, scratch)
        place = found.config if not found.config.exists() else found.data / "config-of-the-backup"
        for name in (KEY, "models", "raw"):  # the database last: until it is there, the folder counts as empty
            if (scratch / name).exists():
                _replace(scratch / name, found.data / name)
        if (scratch / "config").is_dir():
            shutil.copytree(scratch / "config", place, dirs_exist_ok=True)
        (scratch / DATABASE).rename(found.data / DATABASE)
        _fsync(found.data)
    except OSError as error:
        raise DiskFull(f"{found.data} cannot be filled: {error.strerror}.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    with open_desk(replace(settings.load(found.config, found.data), config=place)) as desk:
        lines = deep.check(desk)
    return Restored(str(manifest["made_at"]), place, tuple(lines))


def _replace(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)


def _unpack(source: Path, scratch: Path) -> dict[str, Any]:
    """Every file into `scratch`, each compared with the manifest. Raises BackupDamaged."""
    sums: dict[str, str] = {}
    manifest: dict[str, Any] = {}
    try:
        with tarfile.open(source, mode="r:") as tar:
            for member in tar:
                body = tar.extractfile(member)
                if body is None or not _expected(member.name):
                    raise BackupDamaged(f"{source} holds something that no backup holds: {member.name[:80]!r}.")
                if member.name == MANIFEST:
                    manifest = json.loads(body.read(10 * _PIECE))
                else:
                    sums[member.name] = _extract(body, scratch / member.name)
    except (FileNotFoundError, IsADirectoryError):
        raise Misuse(f"There is no file {source}.") from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise BackupDamaged(
            f"{source} cannot be read ({type(error).__name__}).", fix="Use an earlier backup."
        ) from None
    if manifest.get("format") != FORMAT or DATABASE not in sums:
        raise BackupDamaged(f"{source} has no manifest of this program.", fix="Use a file that `triage backup` wrote.")
    wrong = sorted(name for name in {*sums, *manifest["files"]} if sums.get(name) != manifest["files"].get(name))
    if wrong:
        raise BackupDamaged(f"{len(wrong)} files of {source} are damaged: {wrong[0]}.", fix="Use an earlier backup.")
    return manifest


def _expected(name: str) -> bool:
    parts = name.split("/")
    inside = len(parts) > 1 and parts[0] in _TOPS and all(part not in ("", ".", "..") for part in parts)
    return inside or name in (MANIFEST, DATABASE, KEY)


def _extract(body: Any, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    total = hashlib.sha256()
    with _private(target) as file:
        while piece := body.read(_PIECE):
            total.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return total.hexdigest()
