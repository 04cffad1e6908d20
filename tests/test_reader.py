"""Mail is read in a child process: one mail may kill it, and costs only itself."""

from __future__ import annotations

import fcntl
import os
import pickle
import signal
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mails import expected, mail
from tests.test_serve import wait_for
from triage.mail import body, message
from triage.world import reader
from triage.world.reader import Reader, ReaderLimits, Reading, Unreadable


@pytest.fixture(scope="module")
def one() -> Iterator[Reader]:
    with Reader() as child:
        yield child


def test_a_batch_comes_back_whole_and_in_order(one: Reader) -> None:
    batch = [(p.id, p.values[0]) for p in expected("message")]
    results = one.read(batch)  # type: ignore[arg-type]
    assert [key for key, _ in results] == [key for key, _ in batch]
    for (_, result), (_, raw) in zip(results, batch, strict=True):
        assert isinstance(raw, bytes) and isinstance(result, Reading)
        assert result.message == message.parse(raw) and result.body == body.words(result.message)


def test_an_empty_batch_and_an_empty_mail(one: Reader) -> None:
    assert one.read([]) == []
    ((_, result),) = one.read([("x", b"")])
    assert isinstance(result, Reading) and result.message.has("empty")


def test_the_child_is_kept_from_batch_to_batch(one: Reader) -> None:
    one.read([(1, mail())])
    first = one._child
    one.read([(2, mail())])
    assert one._child is first and first is not None


def test_a_large_batch_does_not_fill_the_pipes(one: Reader) -> None:
    """A pipe holds 64 KiB: a side that only writes would wait for ever."""
    results = one.read([(n, mail("word " * 40_000)) for n in range(30)])
    assert all(isinstance(r, Reading) for _, r in results)


def test_a_child_killed_between_batches_is_replaced(one: Reader) -> None:
    one.read([(1, mail())])
    assert one._child is not None
    os.kill(one._child.pid, signal.SIGKILL)
    one._child.wait()
    ((_, result),) = one.read([(2, mail())])
    assert isinstance(result, Reading)


def alone(text: str) -> Reading:
    """The mail as it is read without a child."""
    parsed = message.parse(mail(text))
    return Reading(parsed, body.words(parsed))


def answered(reader: Reader) -> int:
    """How many answers wait to be collected: each is told by a number of eight octets."""
    assert reader._child is not None and reader._child.stdout is not None
    waiting = fcntl.ioctl(reader._child.stdout.fileno(), termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, sys.byteorder) // 8


def test_a_batch_that_was_begun_ahead_is_read_to_its_end_while_nobody_attends_to_it(one: Reader) -> None:
    """Thirty mails of 200 KB: as many octets as no pipe holds, and answers of the same size."""
    batch = [(n, mail("word " * 40_000)) for n in range(30)]
    one.ahead([raw for _, raw in batch])
    assert wait_for(lambda: answered(one) == 30, 30)
    child = one._child
    ahead = one.read(batch)
    assert one._child is child and ahead == one.read(batch)


def test_a_read_of_more_than_was_begun_ahead_goes_on_with_the_rest(one: Reader) -> None:
    batch = [(n, mail(f"number {n}")) for n in range(5)]
    one.ahead([raw for _, raw in batch[:2]])
    child = one._child
    results = one.read(batch)
    assert one._child is child and results == one.read(batch)


def test_a_batch_is_given_to_the_child_in_portions_that_memory_holds_twice(
    one: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for two of the small ones; a mail that is larger than a portion is one of its own."""
    texts = ["one", "two", "six", "a longer one " * 100, "ten"]
    batch = [(text, mail(text)) for text in texts]
    monkeypatch.setattr(reader, "_PORTION", 2 * len(mail("one")) + 1)
    sent: list[int] = []
    send = one._send

    def counted(raws: list[bytes]) -> None:
        sent.append(len(raws))
        send(raws)

    monkeypatch.setattr(one, "_send", counted)
    assert one.read(batch) == [(text, alone(text)) for text in texts]
    assert sent == [2, 1, 1, 1]
    one.ahead([raw for _, raw in batch])
    assert len(one._asked) == 2 and one.read(batch) == [(text, alone(text)) for text in texts]


def test_where_the_system_has_no_files_in_memory_a_file_without_a_name_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with Reader() as child:
        assert child.read([(1, mail("hello"))]) == [(1, alone("hello"))]
        assert os.fstat(child._mails).st_nlink == 0


def test_a_closed_reader_leaves_no_file_open() -> None:
    with Reader() as child:
        child.read([(1, mail())])
        files = child._mails, child._answers
    for file in files:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)


@pytest.mark.parametrize("wanted", [["other"], ["first"], ["second", "first"], []])
def test_a_read_of_other_mails_gives_up_what_was_begun_ahead(one: Reader, wanted: list[str]) -> None:
    one.ahead([mail("first"), mail("second")])
    results = one.read([(text, mail(text)) for text in wanted])
    assert results == [(text, alone(text)) for text in wanted]


def test_what_was_begun_last_counts(one: Reader) -> None:
    one.ahead([mail("first")])
    one.ahead([mail("second")])
    ((_, result),) = one.read([(1, mail("second"))])
    assert result == alone("second")


#: a child that dies of a mail that says so, instead of a real parser's fault
_MORTAL = """
import os, signal, sys, time
from triage.mail import message
from triage.world import reader
whole = message.parse
def parse(raw, limits):
    if b"CRASH" in raw: os.kill(os.getpid(), signal.SIGSEGV)
    if b"ONCE" in raw and not os.path.exists(sys.argv[1]):
        open(sys.argv[1], "w").close()
        os._exit(3)
    if b"SPIN" in raw:
        while True: pass
    if b"SLEEP" in raw: time.sleep(60)
    if b"EAT" in raw: bytearray(1 << 40)
    if b"FAULT" in raw: raise KeyError("the text of a customer")
    if b"NONSENSE" in raw: os.write(1, b"\\xff" * 64); time.sleep(60)
    return whole(raw, limits)
reader.message.parse = parse
reader.serve(1.0, 1 << 30, (500, 10, 262144, 400000), *map(int, sys.argv[2:]))
"""


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[Reader]:
    start = reader.subprocess.Popen

    def popen(command: list[str], **more: object) -> object:
        return start([command[0], "-c", _MORTAL, f"{tmp_path}/once", *command[3:]], **more)  # type: ignore[call-overload]

    monkeypatch.setattr(reader.subprocess, "Popen", popen)
    with Reader(ReaderLimits(cpu_seconds=1.0, wall_seconds=3.0)) as child:
        yield child


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        ("CRASH", "the parser crashed (SIGSEGV)"),
        ("SPIN", "reading took more than 1 s of processor time"),
        ("SLEEP", "reading took more than 3 s"),
        ("EAT", "reading took more than 1024 MiB of memory"),
        ("NONSENSE", "the reader sent nonsense"),
    ],
)
def test_a_mail_that_kills_the_child_costs_only_itself(mortal: Reader, poison: str, reason: str) -> None:
    texts = ["one", "two", poison, "three", "four"]
    results = mortal.read([(text, mail(text)) for text in texts])
    assert [key for key, _ in results] == texts
    assert [isinstance(r, Reading) for _, r in results] == [True, True, False, True, True]
    assert results[2][1] == Unreadable(reason)
    assert mortal.deaths == 2  # once in the batch, once alone


@pytest.mark.parametrize("poison", ["CRASH", "SPIN", "NONSENSE"])
def test_a_mail_that_kills_the_child_ahead_of_its_turn_costs_only_itself(mortal: Reader, poison: str) -> None:
    texts = ["one", poison, "two"]
    mortal.ahead([mail(text) for text in texts])
    results = mortal.read([(text, mail(text)) for text in texts])
    assert [isinstance(r, Reading) for _, r in results] == [True, False, True]
    assert mortal.deaths == 2  # once ahead, once alone


def test_a_child_that_is_killed_while_it_reads_ahead_costs_no_mail(one: Reader) -> None:
    batch = [(n, mail(f"number {n}")) for n in range(5)]
    one.ahead([raw for _, raw in batch])
    assert one._child is not None
    os.kill(one._child.pid, signal.SIGKILL)
    assert all(isinstance(result, Reading) for _, result in one.read(batch))


def test_a_death_that_does_not_come_back_costs_no_mail(mortal: Reader) -> None:
    """The machine was out of memory for a moment, say: the second try, alone, succeeds."""
    results = mortal.read([(text, mail(text)) for text in ("one", "ONCE", "two")])
    assert all(isinstance(r, Reading) for _, r in results) and mortal.deaths == 1


def test_a_fault_of_the_parser_is_told_by_its_place_without_the_text(mortal: Reader) -> None:
    ((_, fault), (_, after)) = mortal.read([(1, mail("FAULT")), (2, mail("fine"))])
    assert isinstance(fault, Unreadable) and isinstance(after, Reading)
    assert "KeyError" in fault.reason and "customer" not in fault.reason
    assert mortal.deaths == 0


def test_a_batch_of_poison_ends(mortal: Reader) -> None:
    results = mortal.read([(n, mail("CRASH")) for n in range(3)])
    assert all(isinstance(r, Unreadable) for _, r in results)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("echo taken over",)


@pytest.mark.parametrize("thing", [_Evil(), {"a": 1}, b"", print])
def test_a_child_that_was_taken_over_can_hand_back_records_only(thing: object) -> None:
    with pytest.raises(reader._Died):
        reader._unpickled(pickle.dumps(thing))


def test_the_child_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_SECRET", "hush")
    with Reader() as child:
        child.read([(1, mail())])
        assert child._child is not None
        environment = Path(f"/proc/{child._child.pid}/environ")
        if not environment.exists():
            pytest.skip("this system does not show the environment of a process")
        assert b"hush" not in environment.read_bytes()


def test_closing_twice_is_no_fault_and_reading_after_it_starts_anew() -> None:
    child = Reader()
    child.close()
    child.read([(1, mail())])
    child.close()
    child.close()
    assert isinstance(child.read([(2, mail())])[0][1], Reading)
    child.close()
