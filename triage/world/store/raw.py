"""The raw mail, content-addressed: the bytes that came, before anything reads them.

On one machine they lie in append-only segment files under `raw/`, one fsync a batch; where several machines share a
PostgreSQL register they lie in the database (`in_database`). A row in `blob` is written only after its bytes are
durable, so a crash leaves at most bytes that nobody names.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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

    def write(
        self, bodies: Iterable[bytes], known: Callable[[Collection[str]], Collection[str]] = lambda _: ()
    ) -> list[Location]:
        """Make the bytes durable and return where they lie, in order. Raises DiskFull; nothing is named until then.

        `known` says which addresses the register has already: those bytes are not written again. A folder that was
        numbered anew doubles no file, and what was forgotten does not come back onto the disk.
        """
        kept = [(hashlib.sha256(body).hexdigest(), body) for body in bodies]
        have = known([sha for sha, _ in kept])
        if self.in_database:
            return [Location(sha, len(body), None, None, None if sha in have else body) for sha, body in kept]
        try:
            fresh = iter(self._append([(sha, body) for sha, body in kept if sha not in have]))
            return [Location(sha, len(body), None, None, None) if sha in have else next(fresh) for sha, body in kept]
        except OSError as error:
            self._name = None  # a torn segment is left behind and never appended to again
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise DiskFull(
                    f"Writing mail to {self.folder} failed: {error.strerror}.",
                    fix="Free some space; nothing was lost, the next run fetches again.",
                ) from error
            raise

    def _append(self, kept: list[tuple[str, bytes]]) -> list[Location]:
        if not kept:
            return []
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
        """The bytes of each address; b"" for a mail that was forgotten. Raises InvariantBroken where bytes are gone or
        changed that nobody asked to forget."""
        wanted = list(shas)
        rows = tx.execute(select(blob).where(blob.c.sha256.in_(wanted))).all()
        found: dict[str, bytes] = {}
        for row in rows:
            if row.forgotten_at is not None:
                found[row.sha256] = b""
                continue
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

    def first(self, tx: Connection, shas: Sequence[str], octets: int) -> list[str]:
        """As many of the first of these mails as have so many octets together; nothing of them is read."""
        lengths = dict(tx.execute(select(blob.c.sha256, blob.c.length).where(blob.c.sha256.in_(shas))).tuples().all())
        room = itertools.accumulate(lengths.get(sha, octets + 1) for sha in shas)
        return [sha for sha, used in zip(shas, room, strict=True) if used <= octets]

    def blank(self, ranges: Iterable[tuple[str, int, int]]) -> None:
        """Overwrite (segment, offset, length) with zeros, durably. Other mails of the segment stay where they are.

        What a copy-on-write file system, a snapshot or the flash of the drive keeps of it is out of reach from here.
        """
        by_segment: dict[str, list[tuple[int, int]]] = {}
        for segment, offset, length in ranges:
            by_segment.setdefault(segment, []).append((offset, length))
        for segment, places in by_segment.items():
            try:
                descriptor = os.open(self.folder / segment, os.O_WRONLY)
            except FileNotFoundError:
                continue  # gone already, which is what was asked for
            try:
                end = os.fstat(descriptor).st_size
                for offset, length in places:
                    at, stop = offset, min(offset + length, end)
                    while at < stop:
                        at += os.pwrite(descriptor, bytes(min(stop - at, 2**20)), at)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def unnamed(self, tx: Connection) -> list[tuple[str, int, int]]:
        """(segment, offset, length) of bytes that no row names: what a crash left between write and commit."""
        gaps: list[tuple[str, int, int]] = []
        for path in sorted(self.folder.glob("*.seg")):
            query = select(blob.c.offset, blob.c.length).where(blob.c.segment == path.name).order_by(blob.c.offset)
            at = 0
            for row in tx.execute(query):
                if row.offset > at:
                    gaps.append((path.name, at, row.offset - at))
                at = max(at, row.offset + row.length)
            if path.stat().st_size > at:
                gaps.append((path.name, at, path.stat().st_size - at))
        return gaps

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


def every(tx: Connection) -> list[str]:
    """The address of every stored mail, forgotten ones too."""
    return list(tx.execute(select(blob.c.sha256).order_by(blob.c.segment, blob.c.offset, blob.c.sha256)).scalars())
