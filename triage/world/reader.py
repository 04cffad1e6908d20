"""A child process that reads mail and may die of it: raw bytes -> Message and Body, within limits of time and memory.

The parsers are C code and mail is hostile, so reading happens where it can be killed. One child lives for many mails;
a batch goes in at once and the results come back in order, so that, when the child dies, the mail it died of is the
first without a result. That mail is tried once more alone (the machine may have been busy), then given up as
Unreadable. What the child sends is not trusted: only our own frozen records are unpickled, and nothing is called.

Mails and answers lie in two files without a name; the pipes carry numbers of eight octets only, and never fill up. So
the child reads a whole batch without anybody attending to it: `ahead` begins one while the desk is busy with the last.
"""

from __future__ import annotations

import io
import itertools
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
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
_LARGEST_RESULT = 1 << 26
_LARGEST_ANSWERS = 1 << 28  # of a portion together; a hundred ordinary mails have two megabytes
_PORTION = 1 << 24  # octets of mail that the child is given at once: they lie in memory twice
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
        self._mails = self._answers = -1  # the files between the child and us; no other child ever sees them
        self._asked: list[bytes] = []  # what the child was given and we have not collected

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def ahead(self, raws: Sequence[bytes]) -> None:
        """Begin to read the first of these mails (16 MiB of them), while the caller does something else. A `read` that
        starts with the same mails collects them; any other gives up what was begun. Raises OSError, and nothing is begun
        then."""
        if self._asked:
            self.close()
        self._send(_portion(list(raws)))

    def read(self, mails: Sequence[tuple[K, bytes]]) -> list[tuple[K, Reading | Unreadable]]:
        """Read a batch. Every mail gets a result, in the order given; one that kills the child costs no other."""
        raws = [raw for _, raw in mails]
        if self._asked != raws[: len(self._asked)]:
            self.close()  # begun ahead, and not what is wanted now
        results: list[Reading | Unreadable] = []
        while len(results) < len(raws):
            died = self._run(self._asked or _portion(raws[len(results) :]), results)
            if died is not None:
                again = self._run([raws[len(results)]], results)
                if again is not None:
                    results.append(Unreadable(str(again)))
        return [(key, result) for (key, _), result in zip(mails, results, strict=True)]

    def close(self) -> None:
        """End the child. Safe to call twice; a later `read` starts a new one."""
        child, self._child, self._asked = self._child, None, []
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            os.close(self._mails)
            os.close(self._answers)

    def _run(self, raws: list[bytes], results: list[Reading | Unreadable]) -> _Died | None:
        """Have `raws` read and append their results as they come. Returns how the child died, if it did."""
        try:
            if not self._asked:
                self._send(raws)
            self._collect(results)
        except _Died as died:
            self.deaths += 1
            self.close()
            return died
        except BaseException:
            self.close()  # a half-finished conversation cannot be taken up again
            raise
        return None

    def _send(self, raws: list[bytes]) -> None:
        child = self._alive()
        assert child.stdin is not None
        try:
            for file in (self._mails, self._answers):
                os.ftruncate(file, 0)
            os.lseek(self._mails, 0, os.SEEK_SET)
            with open(self._mails, "wb", closefd=False) as batch:
                for raw in raws:
                    batch.write(_HEAD.pack(len(raw)))
                    batch.write(raw)
            os.lseek(self._mails, 0, os.SEEK_SET)  # the child reads through the same open file, from where it stands
            with suppress(BrokenPipeError):  # its end shows when its answers are awaited
                os.write(child.stdin.fileno(), _HEAD.pack(len(raws)))
        except BaseException:
            self.close()  # it may have been told or not
            raise
        self._asked = raws

    def _collect(self, results: list[Reading | Unreadable]) -> None:
        """Append the results of what was sent, each as soon as it is there."""
        child, at = self._child, 0
        assert child is not None and child.stdout is not None
        out = child.stdout.fileno()
        ready = select.poll()
        ready.register(out, select.POLLIN)
        for _ in self._asked:
            if not ready.poll(self.limits.wall_seconds * 1000):
                raise _Died(f"reading took more than {self.limits.wall_seconds:g} s")
            head = os.read(out, _HEAD.size)
            if not head:
                raise _Died(self._obituary(child))
            length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else _LARGEST_RESULT + 1
            if length > _LARGEST_RESULT:
                raise _Died("the reader sent nonsense")
            results.append(_unpickled(os.pread(self._answers, length, at)))
            at += length
        self._asked = []

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
        told = f"{limits.cpu_seconds}, {limits.memory_bytes}, {numbers}, *map(int, sys.argv[1:])"
        code = f"import sys; from triage.world import reader; reader.serve({told})"
        package = str(Path(body.__file__).resolve().parents[2])
        files = self._mails, self._answers = _nameless("mails"), _nameless("answers")
        return subprocess.Popen(
            [sys.executable, "-c", code, *map(str, files)],
            pass_fds=files,
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

    def _obituary(self, child: subprocess.Popen[bytes]) -> str:
        code = child.wait()
        if code == -signal.SIGPROF:
            return f"reading took more than {self.limits.cpu_seconds:g} s of processor time"
        if code == _OUT_OF_MEMORY:
            return f"reading took more than {self.limits.memory_bytes >> 20} MiB of memory"
        if code < 0:
            return f"the parser crashed ({signal.Signals(-code).name})"
        return f"the reader ended with code {code}"


def _portion(raws: list[bytes]) -> list[bytes]:
    """As many of the first as may be given to the child at once, and never none."""
    fit = sum(octets <= _PORTION for octets in itertools.accumulate(map(len, raws)))
    return raws[: max(fit, 1)]


def _nameless(what: str) -> int:
    """A file that nobody else can open and that goes with the processes that have it: in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(f"triage-{what}")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


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


def serve(cpu_seconds: float, memory_bytes: int, mail: tuple[int, int, int, int], mails: int, answers: int) -> None:
    """The child: for each number on standard input read so many mails from the file `mails`, put the answers one behind
    the other into the file `answers`, and tell the length of each on standard output. Until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_ANSWERS, _LARGEST_ANSWERS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold customers' mail
    limits = message.Limits(*mail)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(head := source.read(_HEAD.size)) == _HEAD.size:
        at = 0
        with open(mails, "rb", closefd=False) as batch:
            for _ in range(_HEAD.unpack(head)[0]):
                try:
                    raw = batch.read(_HEAD.unpack(batch.read(_HEAD.size))[0])
                    # The kernel ends the process when the timer runs out, also in the middle of C code.
                    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
                    answer = pickle.dumps(_answer(raw, limits), protocol=5)
                    signal.setitimer(signal.ITIMER_PROF, 0)
                    at += os.pwrite(answers, answer, at)
                    sink.write(_HEAD.pack(len(answer)))
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
