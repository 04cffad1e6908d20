"""Running by itself: one cycle for cron and people, or for good on Prefect's schedules.

`triage serve` is a small parent that starts two children and looks after them: the Prefect server, and the runner that
starts what falls due. The parent holds no mail and no case; it shows a line a run, and when it ends, all of them end.
"""

from __future__ import annotations

import fcntl
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from triage.desk import open_desk
from triage.errors import Misuse, TriageError
from triage.operations import cycle, processes, wakeup
from triage.operations.keeper import Child, Keeper, prefect_server
from triage.operations.processes import Started
from triage.operations.runlines import RunLines
from triage.world import clock, health, settings, systemd

STOP_SECONDS = 4  # of the ten that a stop may take; what is killed then is made good by the next start
LOOK_SECONDS = 2.0
SILENCE_SECONDS = 300.0  # without a run, or five intervals: a first start takes half a minute


class _Stop(BaseException):
    """SIGTERM or SIGINT."""


def one_cycle(names: Sequence[str] | None, say: Callable[[str], Any]) -> dict[str, Any]:
    """One whole cycle in this process, as the stable form that `triage run --json` prints."""
    with open_desk(last_good=True) as desk:
        return cycle.run(desk, names, say=say)


def serve(every: int | None, say: Callable[[str], Any], metrics: int | None = None) -> None:
    """Check the config, start what is needed, and run until SIGTERM or SIGINT; then all is gone within 10 s.

    Raises Misuse where another one serves this data folder, ChildDied where a child ends again and again.
    """
    found = settings.load()
    with open_desk(last_good=True) as desk:
        seconds = every or min(box.every for box in desk.mailboxes)
        zone, waiters = desk.zone, [box.name for box in desk.mailboxes if box.part.idle]
    with _only_one(found.data):
        _stop_on_signals()
        try:
            with processes.family(found.prefect) as mine, ExitStack() as stack:
                api = stack.enter_context(prefect_server(found.prefect, say, mine))
                if metrics is not None:
                    stack.enter_context(health.serving(metrics, wakeup.figures))
                    say(f"health and metrics: http://127.0.0.1:{metrics}/healthz and /metrics")
                say(f"looking at the mailboxes every {seconds} s; stop with Ctrl-C or SIGTERM")
                stack.enter_context(wakeup.waiting(waiters, api.url))
                _look_after(Keeper(api, _runner(found.prefect, mine, seconds, zone), say), mine, seconds, say)
        except _Stop:
            say("stopped")


def _look_after(keeper: Keeper, mine: Started, seconds: int, say: Callable[[str], Any]) -> None:
    """Show the runs, keep the children alive and tell systemd that all is well, until a signal ends it."""
    shown = _Shown(seconds, say)
    try:
        systemd.notify("READY=1")
        while True:
            keeper.look()
            if shown.look():
                systemd.notify("WATCHDOG=1")  # nothing but a readable register keeps systemd quiet
            clock.sleep(LOOK_SECONDS)
    finally:
        systemd.notify("STOPPING=1")
        processes.end(mine, STOP_SECONDS)


class _Shown:
    """The runs as lines; and when there are none although there should be, that."""

    def __init__(self, seconds: int, say: Callable[[str], Any]) -> None:
        self._say, self._patience = say, max(SILENCE_SECONDS, 5.0 * seconds)
        self._lines: RunLines | None = None
        self._trouble, self._last = "", clock.monotonic()

    def look(self) -> bool:
        """Can the register be read?"""
        try:
            self._lines = self._lines or RunLines()
            for line in self._lines.new():
                self._last = clock.monotonic()
                self._say(line)
        except TriageError as error:
            if str(error) != self._trouble:
                self._say(f"TROUBLE: the register cannot be read: {error}")
            self._trouble = str(error)
            return False
        if self._trouble:
            self._say("the register can be read again")
            self._trouble = ""
        if clock.monotonic() - self._last > self._patience:
            self._last = clock.monotonic()
            self._say(f"TROUBLE: no run has ended for {self._patience / 60:.0f} minutes; see prefect/runner.log")
        return True


def _runner(folder: Path, mine: Started, seconds: int, zone: str) -> Child:
    command = [sys.executable, "-m", "triage.flows.serve", str(seconds), zone]
    return Child("runner", command, folder / "runner.log", folder, mine)


def _stop_on_signals() -> None:
    """The first signal ends the work, further ones do not disturb the clearing up."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise _Stop

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


@contextmanager
def _only_one(data: Path) -> Iterator[None]:
    """The kernel gives the lock back when the process dies, however it dies."""
    with (data / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Misuse("Another `triage serve` works on this data folder.", fix=f"It is {data}.") from None
        yield
