"""The processes that one `triage serve` has started, found again by a mark in their environment.

Prefect gives each run a session of its own, so a process group does not hold them together; the environment is handed
down to every one. Where there is no /proc (not Linux) only the processes whose numbers were written down are found.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from triage.world import clock

MARK = "TRIAGE_STARTED_BY"
_FILE = "started-*.json"


@dataclass(slots=True)
class Started:
    """Who started what: kept on the disk, so that whoever comes after a kill -9 can end what was left."""

    mark: str
    pid: int
    born: str  # of the starter: a process number may be used again
    children: list[int]


@contextmanager
def family(folder: Path) -> Iterator[Started]:
    """Everything started inside carries one mark, and is gone afterwards. Ends first what a dead starter left here."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    end_orphans(folder)
    mine = Started(secrets.token_hex(12), os.getpid(), _born(os.getpid()), [])
    path = folder / f"started-{mine.pid}.json"
    before = os.environ.get(MARK)
    os.environ[MARK] = mine.mark
    path.write_text(json.dumps(asdict(mine)), encoding="utf-8")
    try:
        yield mine
    finally:
        end(mine, 1.0)
        path.unlink(missing_ok=True)
        os.environ.pop(MARK, None)
        if before is not None:
            os.environ[MARK] = before


def adopt(folder: Path, mine: Started, pid: int) -> None:
    """Write down a child's number."""
    mine.children.append(pid)
    (folder / f"started-{mine.pid}.json").write_text(json.dumps(asdict(mine)), encoding="utf-8")


def end_orphans(folder: Path) -> int:
    """End what dead starters of this folder left running. Returns how many processes."""
    ended = 0
    for path in folder.glob(_FILE):
        try:
            known = Started(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            path.unlink(missing_ok=True)  # torn by a full disk; nothing can be known from it
            continue
        if known.pid != os.getpid() and _born(known.pid) == known.born and known.born:
            continue  # it lives
        ended += len(members(known))
        end(known, 3.0)
        path.unlink(missing_ok=True)
    return ended


def end(known: Started, seconds: float) -> None:
    """SIGTERM to all of them, SIGKILL to those that are left after `seconds`. Children of this process are reaped."""
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, 1.0)):
        for pid in members(known):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
        stop = clock.monotonic() + patience
        while members(known) and clock.monotonic() < stop:
            clock.sleep(0.05)


def members(known: Started) -> list[int]:
    """The living processes that carry the mark, but not the starter itself."""
    _reap(known.children)
    proc = Path("/proc")
    if not (proc / "self" / "environ").exists():
        return [pid for pid in known.children if _alive(pid)]
    wanted = f"{MARK}={known.mark}".encode()
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def _reap(children: list[int]) -> None:
    for pid in children:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _born(pid: int) -> str:
    """When a process started, in the kernel's words; "" where it is gone (or there is no /proc and it is not us)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return stat.rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "unknown" if not Path("/proc/self").exists() and _alive(pid) else ""
