"""What a soak takes away from the desk: mail server, network, database server, room on the disk."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tests.servers import dovecot

SMALL = 320 * 1024 * 1024  # octets of the disk that is filled; a PostgreSQL with two segments of log needs about 90 MB


class Server:
    """A Dovecot that can be killed and comes back with its mail."""

    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="dc-"))
        self.base.chmod(0o755)
        ports = dovecot._free_ports(2)
        self.dovecot = dovecot._prepare(self.base, ports[0], ports[1])
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [dovecot.PROGRAM, "-F", "-c", self.base / "dovecot.conf"], stderr=subprocess.DEVNULL
        )
        dovecot._wait(self._process, self.dovecot)

    def stop(self, how: int) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)

    def gone(self) -> None:
        self.stop(signal.SIGTERM)
        shutil.rmtree(self.base, ignore_errors=True)


class Network:
    """A TCP relay in front of the mail server that can be cut: open connections break, new ones are refused."""

    def __init__(self, target: int) -> None:
        self._target, self._up = target, True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        self._writers -= {writer, back}

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await source.read(65536):
                target.write(piece)
                await target.drain()
        target.close()

    def cut(self) -> None:
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        self._up = False
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        self._up = True


class Disk:
    """A small disk of its own (tmpfs, root only) that can be filled to the last octet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SMALL},mode=0755", "tmpfs", folder], capture_output=True, check=False
        ) if shutil.which("mount") else None  # fmt: skip
        self.small = done is not None and done.returncode == 0
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def gone(self) -> None:
        if self.small:
            subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)
