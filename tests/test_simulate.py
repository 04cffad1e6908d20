"""Ten invented desks, each swept and audited a few hundred times; and proof that the audit would notice."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.casebook import Story, at, targets
from triage.casework.events import Event, make
from triage.casework.ladder import Ladder
from triage.casework.policy import Span
from triage.errors import InvariantBroken
from triage.insight import audit
from triage.insight.audit import Agreed
from triage.operations import imagined, simulate, sweep
from triage.words import Target


@pytest.fixture(scope="module")
def seventh() -> simulate.Simulation:
    return simulate.simulate(days=8, seed=7, per_day=8)


@pytest.mark.parametrize("seed", [seed for seed in range(1, 11) if seed != 7])
def test_the_invariants_hold_at_every_sweep(seed: int) -> None:
    """`simulate` raises at the first sweep after which anything is wrong."""
    found = simulate.simulate(days=8, seed=seed, per_day=8)
    assert found.sweeps > 300 and found.audits > 100 and found.cases > 30 and found.outages
    assert found.steps.total() > 20


def test_a_simulation_covers_what_it_is_for(seventh: simulate.Simulation) -> None:
    assert seventh.steps[0] and seventh.steps[1] and seventh.steps[2] and seventh.late_steps
    assert {s.target for s in seventh.clocks} >= {
        Target.FIRST_RESPONSE,
        Target.NEXT_RESPONSE,
        Target.UPDATE,
        Target.RESOLUTION,
    }
    assert any(s.met for s in seventh.clocks) and any(s.late for s in seventh.clocks)
    assert sum(n["cases"] for n in seventh.load.values()) == seventh.cases
    assert seventh.digests and seventh.notices["escalation"]


def test_the_same_seed_gives_the_same_desk(seventh: simulate.Simulation) -> None:
    again = simulate.simulate(days=8, seed=7, per_day=8)
    assert again.as_json() == seventh.as_json()
    assert imagined.world(8, 1, 8).inbox != imagined.world(8, 2, 8).inbox


def test_the_figures_are_printed_and_plotted_on_a_page_that_needs_nothing_else(seventh: simulate.Simulation) -> None:
    text, page = seventh.text(), seventh.html()
    assert "first response" in text and "most at once" in text
    assert page.count("<svg") == 3 and "first response, normal" in page
    assert not re.search(r"https?://|<script|<link|<img|url\(|@import", page)


def test_a_sweep_that_forgets_a_step_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof of the proof: with a sweep that does nothing, the simulation stops at once."""
    monkeypatch.setattr(simulate, "sweep", lambda desk: sweep.Swept())
    with pytest.raises(InvariantBroken, match="something is due"):
        simulate.simulate(days=2, seed=1, per_day=8)


# -- the audit by itself ---------------------------------------------------------------------------------------------


def swept() -> Story:
    """First response due Monday 13:00, swept every five minutes until step 2."""
    story = Story(targets(Span(4, "h")), ladder=Ladder()).opens("Mon 23 Nov 2026 09:00")
    story.tell("accepted", "Mon 23 Nov 2026 09:01")
    story.sweeps("Mon 23 Nov 2026 09:05", "Mon 23 Nov 2026 15:00")
    return story


def found(story: Story, events: list[Event], when: str = "Mon 23 Nov 2026 15:00") -> str:
    agreed = Agreed(story.policies, story.calendars, story.ladder)
    return "; ".join(audit.look(events, agreed, at(when)).wrong)


def test_a_sound_history_passes() -> None:
    story = swept()
    assert [e.data["step"] for e in story.events if e.kind == "escalated"] == [0, 1, 2]
    assert found(story, story.events) == ""


def test_a_step_that_is_missing_is_noticed() -> None:
    story = swept()
    assert "was reached" in found(story, [e for e in story.events if e.kind != "escalated" or e.data["step"] < 2])


def test_a_step_taken_before_its_time_is_noticed() -> None:
    story = swept()
    early = [replace(e, at=e.at - timedelta(minutes=10)) if e.kind == "escalated" else e for e in story.events]
    assert "before it was due" in found(story, early)


@pytest.mark.parametrize(("seconds", "said"), [(60, "was a second before"), (-60, "and was not")])
def test_a_step_that_claims_another_due_than_it_had_is_noticed(seconds: int, said: str) -> None:
    story = swept()
    events = []
    for e in story.events:
        if e.kind == "escalated" and e.data["step"] == 2:
            due = (e.at + timedelta(seconds=seconds)).isoformat()
            e = replace(make(e.seq, e.kind, e.at, {**e.data, "due": due}), at=e.at + timedelta(minutes=5))
        events.append(e)
    assert said in found(story, events, "Mon 23 Nov 2026 15:05")


def test_a_breach_written_down_at_the_time_of_the_sweep_is_noticed() -> None:
    story = swept()
    events = [
        replace(e, data={**e.data, "breached_at": at("Mon 23 Nov 2026 14:00").isoformat()})
        if e.kind == "deadline_recorded"
        else e
        for e in story.events
    ]
    assert "not when it was due" in found(story, events)
