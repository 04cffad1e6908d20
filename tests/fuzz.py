"""A fuzzer for all that reads mail: message, body, screen, thread. Nothing a stranger sends may raise, hang or explode.

    python -m tests.fuzz --minutes 60 --seed 1        prints figures; crashes end as tests/mail/fuzz/<place>.eml

Half of the mails are fixtures with their bytes, lines and parts damaged; half are built from a grammar of MIME with
hostile values in every slot. The same seed gives the same mails. A crash is cut down to the least that still crashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.fuzzmails import damaged, grown
from tests.mails import FOLDER, OURS
from triage.mail import body, message, screen, thread
from triage.words import Status

KEPT = FOLDER / "fuzz"
FUZZED = Path(__file__).resolve().parent.parent / "docs" / "fuzzed.jsonl"  # every run, for the hours in all
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECONDS = 5.0  # of processor time one mail may take; honest mail takes a few milliseconds
LARGEST = 1 << 20  # octets of the record of one mail, beyond twenty times the mail itself


class Slow(Exception):
    """The mail took too long."""


class Wrong(Exception):
    """The result is not what was promised."""


def examine(raw: bytes) -> None:
    """All that intake does with the text of a mail. Raises what a mail must not be able to raise."""
    parsed = message.parse(raw)
    words = body.words(parsed)
    screening = screen.judge(parsed, words, OURS, NOON)
    keys = thread.candidates(parsed, words, screening, OURS)
    known = thread.CaseRef(7, "C-2026-000007", Status.OPEN, None, frozenset({parsed.from_.email}), parsed.subject)
    thread.decide(keys, {}, screening, NOON)
    thread.decide(keys, dict.fromkeys(keys, (known,)), screening, NOON)
    record = len(pickle.dumps((parsed, words, screening, keys)))
    if record > LARGEST + 20 * len(raw):
        raise Wrong(f"a record of {record} octets from a mail of {len(raw)}")
    if not parsed.message_id or len(parsed.logical_key) != 64 or parsed.sha256 != hashlib.sha256(raw).hexdigest():
        raise Wrong("a mail without its keys")
    if (parsed.date is not None and parsed.date.tzinfo is None) or screening.received_at.tzinfo is None:
        raise Wrong("a time without a zone")


def trial(raw: bytes) -> str:
    """Where and how the mail broke the program, "" if it did not."""

    def late(_signal: int, _frame: object) -> None:
        raise Slow

    old = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        examine(raw)
    except Exception as error:  # noqa: BLE001 - the whole point
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        return _place(error)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)
    return ""


def _place(error: BaseException) -> str:
    """Innermost line of our own code: two crashes there are one crash."""
    place = "?"
    tb = error.__traceback__
    while tb is not None:
        path = Path(tb.tb_frame.f_code.co_filename)
        if "triage" in path.parts:
            place = f"{path.stem}-{tb.tb_frame.f_code.co_name}"
        tb = tb.tb_next
    return f"{type(error).__name__}-{place}"


# -- running ---------------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """What a run of the fuzzer saw."""

    mails: int = 0
    octets: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    crashes: dict[str, bytes] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)


def hunt(seconds: float, seed: int, say: Callable[[str], None] = lambda line: None) -> Found:
    """Fuzz for so long. Every crash is kept once for each place, cut down."""
    dice = random.Random(seed)
    seeds = [path.read_bytes() for path in sorted(FOLDER.glob("*.eml"))]
    found, began, told = Found(), time.monotonic(), time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        raw = damaged(dice, seeds) if dice.random() < 0.5 else grown(dice)
        before = time.process_time()
        place = trial(raw)
        found.slowest = max(found.slowest, time.process_time() - before)
        found.mails += 1
        found.octets += len(raw)
        if place:
            found.times[place] += 1
            if place not in found.crashes:
                say(f"crash: {place}")
                found.crashes[place] = raw if place.startswith("Slow") else smaller(raw, place)
        if now - told > 60:
            told = now
            say(f"{found.mails} mails, {len(found.crashes)} places")
    found.seconds = time.monotonic() - began
    return found


def smaller(raw: bytes, place: str, tries: int = 600) -> bytes:
    """The mail without all that the crash does not need."""
    size = len(raw) // 2
    while size and tries > 0:
        at = 0
        while at < len(raw) and tries > 0:
            tries -= 1
            less = raw[:at] + raw[at + size :]
            if trial(less) == place:
                raw = less
            else:
                at += size
        size //= 2
    return raw


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    found = hunt(given.minutes * 60, given.seed, lambda line: print(line, flush=True))
    KEPT.mkdir(exist_ok=True)
    for place, raw in found.crashes.items():
        (KEPT / f"{place.lower()}.eml").write_bytes(raw)
    figures = {
        "seed": given.seed, "minutes": round(found.seconds / 60, 1), "mails": found.mails,
        "mib": round(found.octets / 2**20, 1), "slowest_cpu_seconds": round(found.slowest, 2), "crashes": dict(found.times),
    }  # fmt: skip
    print(json.dumps(figures))
    with FUZZED.open("a", encoding="utf-8") as book:
        book.write(json.dumps(figures) + "\n")
    return 1 if found.crashes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
