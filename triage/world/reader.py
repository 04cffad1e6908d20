"""A child process that reads mail and may die of it: raw bytes -> Message and Body, within limits of time and memory.

The parsers are C code and mail is hostile, so reading happens where it can be killed. One child lives for many mails;
a batch goes in at once and the results stream back in order, so that, when the child dies, the mail it died of is the
first without a result. That mail is tried once more alone (the machine may have been busy), then given up as
Unreadable. What the child sends is not trusted: only our own frozen records are unpickled, and nothing is called.
"""

from __future__ import annotations

import io
import os
import pickle
import resource
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from triage.mail import body, message
from triage.mail.body import Body, Forwarded
from triage.mail.message import Address, Attachment, Defect, DeliveryReport, Message, ReportedRecipient

K = TypeVar("K")

_HEAD = struct.Struct(">Q")
_CHUNK = 1 << 18
_LARGEST_RESULT = 1 << 26
_OUT_OF_MEMORY = 12  # the exit code the child uses


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail that was read."""

    message: Message
    body: Body


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A mail that could not be read, and what happened: the child's end or the parser's fault, never mail text."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReaderLimits:
    """What one mail may cost. Processor time is the real limit; wall time only catches a child that sleeps."""

    cpu_seconds: float = 10.0
    wall_seconds: float = 60.0
    memory_bytes: int = 1 << 30  # of address space, for the whole child


class _Died(Exception):
    """The child ended before it had answered."""


class Reader:
    """The parent's side. One thread at a time. The child starts with the first batch and ends with `close`."""

    def __init__(self, limits: ReaderLimits = ReaderLimits(), mail: message.Limits = message.Limits()) -> None:
        self.limits, self.mail = limits, mail
        self.deaths = 0
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def read(self, mails: Sequence[tuple[K, bytes]]) -> list[tuple[K, Reading | Unreadable]]:
        """Read a batch. Every mail gets a result, in the order given; one that kills the child costs no other."""
        results: list[Reading | Unreadable] = []
        while len(results) < len(mails):
            died = self._run([raw for _, raw in mails[len(results) :]], results)
            if died is not None:
                suspect = mails[len(results)][1]
                again = self._run([suspect], results)
                if again is not None:
                    results.append(Unreadable(str(again)))
        return [(key, result) for (key, _), result in zip(mails, results, strict=True)]

    def close(self) -> None:
        """End the child. Safe to call twice; a later `read` starts a new one."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()

    def _run(self, raws: list[bytes], results: list[Reading | Unreadable]) -> _Died | None:
        """Send `raws` and append their results as they come. Returns how the child died, if it did."""
        try:
            self._converse(self._alive(), raws, results)
        except _Died as died:
            self.deaths += 1
            self.close()
            return died
        except BaseException:
            self.close()  # a half-finished conversation cannot be taken up again
            raise
        return None

    def _converse(self, child: subprocess.Popen[bytes], raws: list[bytes], results: list[Reading | Unreadable]) -> None:
        """Write and read at the same time: each side would wait for the other once both pipes were full."""
        assert child.stdin is not None and child.stdout is not None
        into, out = child.stdin.fileno(), child.stdout.fileno()
        waiting = deque(memoryview(piece) for raw in raws for piece in (_HEAD.pack(len(raw)), raw) if piece)
        answered, buffer = 0, bytearray()
        deadline = time.monotonic() + self.limits.wall_seconds
        with selectors.DefaultSelector() as ready:
            ready.register(out, selectors.EVENT_READ)
            ready.register(into, selectors.EVENT_WRITE)
            while answered < len(raws):
                events = ready.select(max(deadline - time.monotonic(), 0))
                if not events and time.monotonic() >= deadline:
                    child.kill()
                    raise _Died(f"reading took more than {self.limits.wall_seconds:g} s")
                for key, _ in events:
                    if key.fd == into:
                        if not _push(into, waiting):
                            ready.unregister(into)
                    elif not _pull(out, buffer):
                        raise _Died(self._obituary(child))
                while (frame := _frame(buffer)) is not None:
                    results.append(_unpickled(frame))
                    answered += 1
                    deadline = time.monotonic() + self.limits.wall_seconds

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self.close()
        if self._child is None:
            self._child = self._start()
        return self._child

    def _start(self) -> subprocess.Popen[bytes]:
        """A fresh interpreter that has none of our secrets in its environment and is no target of Ctrl-C."""
        limits, mail = self.limits, self.mail
        numbers = (mail.parts, mail.depth, mail.header_bytes, mail.text_chars)
        code = f"from triage.world import reader; reader.serve({limits.cpu_seconds}, {limits.memory_bytes}, {numbers})"
        package = str(Path(body.__file__).resolve().parents[2])
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join(p for p in (package, *sys.path) if p),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OPENBLAS_NUM_THREADS": "1",  # each thread of numpy would count as address space
                "LC_ALL": "C.UTF-8",
            },
            start_new_session=True,
        )
        assert child.stdin is not None and child.stdout is not None
        os.set_blocking(child.stdin.fileno(), False)
        os.set_blocking(child.stdout.fileno(), False)
        return child

    def _obituary(self, child: subprocess.Popen[bytes]) -> str:
        code = child.wait()
        if code == -signal.SIGPROF:
            return f"reading took more than {self.limits.cpu_seconds:g} s of processor time"
        if code == _OUT_OF_MEMORY:
            return f"reading took more than {self.limits.memory_bytes >> 20} MiB of memory"
        if code < 0:
            return f"the parser crashed ({signal.Signals(-code).name})"
        return f"the reader ended with code {code}"


def _push(into: int, waiting: deque[memoryview]) -> bool:
    """Write what fits; False when all is written or the child no longer listens (its end shows on the other pipe)."""
    try:
        while waiting:
            piece = waiting[0]
            sent = os.write(into, piece[:_CHUNK])
            if sent < len(piece):
                waiting[0] = piece[sent:]
            else:
                waiting.popleft()
    except BlockingIOError:
        return True
    except BrokenPipeError:
        waiting.clear()
    return False


def _pull(out: int, buffer: bytearray) -> bool:
    """Read what is there; False at the end of the stream."""
    try:
        data = os.read(out, _CHUNK)
    except BlockingIOError:
        return True
    buffer += data
    return bool(data)


def _frame(buffer: bytearray) -> bytes | None:
    """Take the first whole frame out of the buffer."""
    if len(buffer) < _HEAD.size:
        return None
    (length,) = _HEAD.unpack_from(buffer)
    if length > _LARGEST_RESULT:
        raise _Died("the reader sent nonsense")
    end = _HEAD.size + length
    if len(buffer) < end:
        return None
    frame = bytes(buffer[_HEAD.size : end])
    del buffer[:end]
    return frame


_RECORDS: dict[tuple[str, str], type] = {
    (record.__module__, record.__qualname__): record
    for record in (
        *(Reading, Unreadable, Message, Body, Forwarded, Address, Attachment, Defect, DeliveryReport),
        *(ReportedRecipient, datetime, timedelta, timezone),
    )
}


class _OnlyRecords(pickle.Unpickler):
    """Unpickles our records and nothing else: a child that a mail has taken over can hand back data, no code."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _RECORDS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is no record of a mail") from None


def _unpickled(frame: bytes) -> Reading | Unreadable:
    try:
        result = _OnlyRecords(io.BytesIO(frame)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise _Died("the reader sent nonsense") from error
    if not isinstance(result, Reading | Unreadable):
        raise _Died("the reader sent nonsense")
    return result


def serve(cpu_seconds: float, memory_bytes: int, mail: tuple[int, int, int, int]) -> None:
    """The child: read frames from standard input and answer each on standard output, until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold customers' mail
    limits = message.Limits(*mail)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(_HEAD.size)) == _HEAD.size:
        try:
            raw = source.read(_HEAD.unpack(head)[0])
            # The kernel ends the process when the timer runs out, also in the middle of C code.
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
            answer = pickle.dumps(_answer(raw, limits), protocol=5)
            signal.setitimer(signal.ITIMER_PROF, 0)
            sink.write(_HEAD.pack(len(answer)) + answer)
            sink.flush()
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)


def _answer(raw: bytes, limits: message.Limits) -> Reading | Unreadable:
    try:
        parsed = message.parse(raw, limits)
        return Reading(parsed, body.words(parsed))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a fault of ours must cost one mail only; the place is told, no text
        tb = error.__traceback__
        while tb is not None and tb.tb_next is not None:
            tb = tb.tb_next
        place = f"{Path(tb.tb_frame.f_code.co_filename).name}:{tb.tb_lineno}" if tb is not None else "?"
        return Unreadable(f"the parser failed: {type(error).__name__} at {place}")
