"""Fuzzing in small: the crashes of the past, some seconds of new mails, and a proof that the fuzzer sees what breaks."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests import fuzz
from tests.fuzzmails import damaged, grown
from triage.mail import body

SEED = int(os.environ.get("TRIAGE_FUZZ_SEED", "0"))


@pytest.mark.parametrize("path", sorted(fuzz.KEPT.glob("*.eml")), ids=lambda path: path.stem)
def test_what_once_broke_the_program_is_read_now(path: Path) -> None:
    fuzz.examine(path.read_bytes())


def test_twenty_seconds_of_damaged_and_grown_mails_break_nothing() -> None:
    found = fuzz.hunt(float(os.environ.get("TRIAGE_FUZZ_SECONDS", "20")), SEED)
    assert found.mails > 50
    assert found.crashes == {}


def test_the_same_seed_gives_the_same_mails() -> None:
    fixture = [b"Subject: x\r\n\r\ny\r\n" * 20]
    for make in (lambda dice: damaged(dice, fixture), grown):
        assert [make(random.Random(7)) for _ in range(3)] == [make(random.Random(7)) for _ in range(3)]


def test_a_fault_in_the_program_is_found_named_by_its_place_and_cut_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that cannot stand the letter Q: the least mail that shows it is one octet long."""
    words = body.words

    def broken(message: object) -> object:
        found = words(message)  # type: ignore[arg-type]
        return found if "Q" not in found.own else 1 // 0

    monkeypatch.setattr(fuzz.body, "words", broken)
    raw = b"Subject: x\r\n\r\nDear all,\r\nthe Queue is long.\r\n"
    place = fuzz.trial(raw)
    assert place.startswith("ZeroDivisionError")
    assert len(fuzz.smaller(raw, place)) < 12
