"""Dovecot and PostgreSQL for the benchmark: those of the tests, with generated boxes as folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.servers import dovecot, postgres

USER = "bench"  # and the password


class Missing(Exception):
    """What a measurement needs is not there; the words say what."""


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach a folder of the running Dovecot."""

    port: int
    user: str
    password: str
    maildir: str

    def place(self, folder: str) -> dict[str, Any]:
        """As a job wants it."""
        found = {**asdict(self), "folder": folder}
        del found["maildir"]
        return found


@contextmanager
def serving(boxes: Mapping[str, Path]) -> Iterator[Server]:
    """Dovecot with one folder for each of these Maildirs. Raises Missing."""
    if reason := dovecot.missing():
        raise Missing(reason)
    with dovecot.server() as running:
        for name, box in boxes.items():
            add(running.maildir, name, box)
        # The tests' password is no ASCII, which imaplib's LOGIN, and so most peers, cannot say.
        known = running.maildir.parent.parent / "passwords"
        line = known.read_text(encoding="utf-8").replace(dovecot.USER, USER, 1).replace(dovecot.PASSWORD, USER, 1)
        with known.open("a", encoding="utf-8") as file:
            file.write(line)
        yield Server(running.port, USER, USER, str(running.maildir))


def add(maildir: Path, name: str, box: Path) -> None:
    """A folder with the mails of a box: hard links where the file system allows, so that 6 GB cost nothing."""
    owner = maildir.parent.stat()
    maildir.mkdir(exist_ok=True)
    folder = maildir / f".{name}"
    for part in ("new", "tmp"):
        (folder / part).mkdir(parents=True)
    try:
        shutil.copytree(box / "cur", folder / "cur", copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(folder / "cur", ignore_errors=True)
        shutil.copytree(box / "cur", folder / "cur")
    for path in (maildir, folder, *(folder / part for part in ("cur", "new", "tmp"))):
        os.chown(path, owner.st_uid, owner.st_gid)


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of an empty database. Raises Missing."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix="triage-pg-") as folder,
            postgres.server(Path(folder)) as url,
            postgres.fresh_database(url) as fresh,
        ):
            yield fresh
    except RuntimeError as why:
        raise Missing(str(why)) from None
