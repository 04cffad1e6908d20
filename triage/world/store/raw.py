"""The raw mail, content-addressed: the bytes that came, before anything reads them.

On one machine they lie in append-only segment files under `raw/`, one fsync a batch; where several machines share a
PostgreSQL register they lie in the database (`in_database`). A row in `blob` is written only after its bytes are
durable, so a crash leaves at most bytes that nobody names.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select

from triage.errors import DiskFull, InvariantBroken
from triage.world.schema import blob

SEGMENT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Location:
    """Where a mail's bytes lie: a segment file and offset, or, with `body`, in the row itself."""

    sha256: str
    length: int
    segment: str | None
    offset: int | None
    body: bytes | None

    def row(self) -> dict[str, object]:
        return {
            "sha256": self.sha256, "length": self.length, "segment": self.segment,
            "offset": self.offset, "body": self.body,
        }  # fmt: skip


class RawStore:
    """Writes batches of mails durably and reads them back, checking every byte by its address."""

    def __init__(self, folder: Path, *, in_database: bool = False) -> None:
        self.folder, self.in_database = folder, in_database
        self._name: str | None = None

    def write(self, bodies: Iterable[bytes]) -> list[Location]:
        """Make the bytes durable and return where they lie, in order. Raises DiskFull; nothing is named until then."""
        kept = [(hashlib.sha256(body).hexdigest(), body) for body in bodies]
        if self.in_database:
            return [Location(sha, len(body), None, None, body) for sha, body in kept]
        try:
            return self._append(kept)
        except OSError as error:
            self._name = None  # a torn segment is left behind and never appended to again
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise DiskFull(
                    f"Writing mail to {self.folder} failed: {error.strerror}.",
                    fix="Free some space; nothing was lost, the next run fetches again.",
                ) from error
            raise

    def _append(self, kept: list[tuple[str, bytes]]) -> list[Location]:
        fresh = self._name is None or (self.folder / self._name).stat().st_size >= SEGMENT_BYTES
        if fresh:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._name = f"{uuid.uuid4().hex}.seg"  # one writer a file: no two processes ever share an offset
        path = self.folder / str(self._name)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            offset = os.fstat(descriptor).st_size
            places = []
            for sha, body in kept:
                places.append(Location(sha, len(body), str(self._name), offset, None))
                offset += len(body)
            whole = b"".join(body for _, body in kept)
            view = memoryview(whole)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            _fsync_folder(self.folder)
        return places

    def read(self, tx: Connection, shas: Iterable[str]) -> Mapping[str, bytes]:
        """The bytes of each address. Raises InvariantBroken where they are gone or changed."""
        wanted = list(shas)
        rows = tx.execute(select(blob).where(blob.c.sha256.in_(wanted))).all()
        found: dict[str, bytes] = {}
        for row in rows:
            body = row.body if row.segment is None else self._slice(row.segment, row.offset, row.length)
            if hashlib.sha256(body).hexdigest() != row.sha256:
                raise InvariantBroken(
                    f"The raw mail {row.sha256[:12]} in {row.segment or 'the database'} is not what was stored.",
                    fix="Restore the data folder from a backup; `triage reconcile` lists what else is missing.",
                )
            found[row.sha256] = body
        missing = set(wanted) - set(found)
        if missing:
            raise InvariantBroken(f"{len(missing)} raw mails are named but not stored.", fix="Restore from a backup.")
        return found

    def _slice(self, segment: str, offset: int, length: int) -> bytes:
        try:
            with (self.folder / segment).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return b""


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
