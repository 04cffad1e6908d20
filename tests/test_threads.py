"""Twelve conversations from end to end through real IMAP, the clock passed in, every expected time exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conversation import EXPECTED, THREADS, Lent, Play, spell, stage
from triage.casework import deadline
from triage.casework.case import Case
from triage.demo.servers import ImapServer
from triage.operations import look
from triage.world import inbox


@pytest.fixture
def imap(imap_server: ImapServer) -> ImapServer:
    """An intake folder and a Sent folder."""
    with inbox.open(imap_server.account) as box:
        box.ensure("Sent")
    return imap_server


@pytest.fixture(scope="module")
def reader() -> Iterator[Lent]:
    """One reader process for all of them."""
    lent = Lent()
    yield lent
    lent.stop()


@pytest.mark.parametrize("name", sorted(THREADS))
def test_the_thread_comes_to_what_is_expected(name: str, imap: ImapServer, tmp_path: Path, reader: Lent) -> None:
    with stage(tmp_path, imap, name, reader) as play:
        play.whole()
        found = play.cases()
        assert len(found) == len(EXPECTED[name]["cases"])
        for case, expected in zip(found, EXPECTED[name]["cases"], strict=True):
            wanted = {"status": "open", "handoffs": 0, **expected}
            assert said(play, case, wanted) == {k: v for k, v in wanted.items() if k not in ("clocks", "told")}
            assert clocks(play, case, wanted["clocks"]) == wanted["clocks"]
            for kind, people in wanted.get("told", {}).items():
                assert sorted(n["recipient"] for n in play.notices(case) if n["kind"] == kind) == people
        if name in EXTRAS:
            EXTRAS[name](play, found)


def said(play: Play, case: Case, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the case is, in the words of the expectation."""
    taken = [t for t in case.taken if not t.skipped]
    every = {
        "customer": case.customer,
        "participants": sorted(case.participants),
        "owner": case.owner,
        "urgency": case.urgency.word,
        "status": case.status.value,
        "received": spell(case.received_at),
        "flags": sorted(flag.name for flag in case.flags),
        "chases": [spell(chase.at) for chase in case.chases],
        "handoffs": case.handoffs,
        "holds": [[spell(hold.at), spell(hold.until)] for hold in case.holds],
        "close_offered": spell(case.close_offered_at),
        "steps": [[t.target, t.step, spell(t.at)] for t in sorted(taken, key=lambda t: (t.at, t.target, t.step))],
        "promises": [[spell(p.due), p.type, p.state] for p in case.promises],
    }
    return {name: every[name] for name in wanted if name in every}


def clocks(play: Play, case: Case, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The clocks that the expectation names, as they stand now."""
    desk = play.desk
    found = {d.target.value: d for d in deadline.of(case, desk.config.policies, desk.config.calendars, desk.now())}
    out = {}
    for name, parts in wanted.items():
        d = found[name]
        every = {
            "due": spell(d.due), "state": d.state.value, "finished": spell(d.finished_at), "start": spell(d.start),
            "reminder": spell(d.reminder_at), "cause": d.cause,
        }  # fmt: skip
        out[name] = {part: every[part] for part in parts}
    return out


# -- what a table cannot say -------------------------------------------------------------------------------------------


def _quiet_hours(play: Play, cases: list[Case]) -> None:
    """t02: the broken promise is told in the first business minute, after the clocks went back."""
    told = {spell(n["not_before"]) for n in play.notices(cases[0]) if n["kind"] == "escalation"}
    assert told == {"2026-10-26 09:00"}


def _both_quotes(play: Play, cases: list[Case]) -> None:
    """t05: owner and lead got both quotes in the run that saw Gareth's mail; the sum is kept as a fact."""
    case = cases[0]
    flag = next(f for f in case.flags if f.name == "multi_owner_replies")
    assert flag.evidence[0].startswith("Your refund of £80 is approved")
    assert flag.evidence[1] == "Made-to-measure items are not eligible for a refund"
    told = [n for n in play.notices(case) if "contradict" in n["subject"]]
    assert {(n["recipient"], spell(n["created_at"])) for n in told} == {
        ("nell@brightloft.example", "2026-05-19 10:10"), ("laura@office.example", "2026-05-19 10:10"),
    }  # fmt: skip
    assert [f.value for c in case.replies for f in c.facts if f.kind == "refund"] == ["80.00 GBP"]
    assert "laura@office.example" in {n["recipient"] for n in play.notices(case) if n["kind"] == "inform"}


def _deputy(play: Play, cases: list[Case]) -> None:
    """t06: the deputy had it in the run that saw the automatic reply, and was told."""
    assert [(o.owner, spell(o.at)) for o in cases[0].owners] == [
        ("dele", "2026-04-15 10:00"),
        ("rosa", "2026-04-15 10:02"),
    ]
    told = [(n["recipient"], spell(n["created_at"])) for n in play.notices(cases[0]) if n["kind"] == "assignment"]
    assert told == [
        ("dele@kestrelfibre.example", "2026-04-15 10:00"),
        ("rosa@kestrelfibre.example", "2026-04-15 10:02"),
    ]


def _bounce(play: Play, cases: list[Case]) -> None:
    """t07: the owner was told in the same run; the second sending is no leak; the case may be closed again."""
    told = [spell(n["created_at"]) for n in play.notices(cases[0]) if "did not reach" in n["subject"]]
    assert told == ["2026-07-16 15:06"]
    assert not [n for n in play.notices(cases[0]) if n["kind"] == "mistake"]
    assert cases[0].why_not_close() == ""


def _stranger(play: Play, cases: list[Case]) -> None:
    """t11: nothing of the first case is shown to the stranger; the attempt is written down for us."""
    mine, other = cases
    assert mine.last_seq and all(n["recipient"] != "r.stubbs@example.net" for n in play.notices(mine))
    history = look.case(play.desk, other.number)["history"]
    assert any(e["kind"] == "noted" and mine.number in e["said"] and "token" in e["said"] for e in history)


def _danger(play: Play, cases: list[Case]) -> None:
    """t12: the safety owner and the lead were told in the same run, with the words of the postscript alone."""
    told = {n["recipient"] for n in play.notices(cases[0]) if spell(n["created_at"]) == "2026-03-20 18:45"}
    assert {"imre@voltigo.example", "laura@office.example"} <= told
    flag = next(f for f in cases[0].flags if f.name == "safety_injury")
    assert all("gave my son a shock" in words for words in flag.evidence)
    assert cases[0].close_offered_at is None


EXTRAS: dict[str, Callable[[Play, list[Case]], None]] = {
    "t02": _quiet_hours,
    "t05": _both_quotes,
    "t06": _deputy,
    "t07": _bounce,
    "t11": _stranger,
    "t12": _danger,
}
