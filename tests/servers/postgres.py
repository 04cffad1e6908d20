"""A PostgreSQL of our own: Debian's binaries, run as an ordinary user, on a free loopback port, gone after the tests.

`TRIAGE_TEST_DATABASE_URL` names a server to use instead; every test then gets a schema of its own in it.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


def binaries() -> Path | None:
    """The newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Postgres:
    """A server of our own that can be killed and comes back with its data. Raises RuntimeError where none can be had."""

    def __init__(self, folder: Path, *options: str) -> None:
        programs = binaries()
        if programs is None:
            raise RuntimeError("no PostgreSQL server is installed (apt-get install postgresql)")
        user = _ordinary_user()
        data, port = folder / "data", _free_port()
        data.mkdir()
        if user:
            shutil.chown(data, user)
            for parent in (folder, *folder.parents):
                if parent == Path("/tmp"):
                    break
                parent.chmod(parent.stat().st_mode | 0o011)
        run = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        subprocess.run(
            [*run, programs / "initdb", "-D", data, "-U", "triage", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, capture_output=True,
        )  # fmt: skip
        self._command = [
            *run, programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", "", *options,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://triage@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(self.url)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self, how: int) -> None:
        """SIGINT ends it in order; SIGQUIT drops everything at once, as a crash does (PostgreSQL 15 manual, 19.5)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A running server; yields its URL. Raises RuntimeError where none can be had."""
    given = os.environ.get("TRIAGE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    running = Postgres(folder)
    try:
        running.start()
        yield running.url
    finally:
        running.stop(signal.SIGINT)


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """An empty database of the server, dropped afterwards."""
    name = f"triage_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield f"{url.rsplit('/', 1)[0]}/{name}"
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _ordinary_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the PostgreSQL server did not start within 30 s")
