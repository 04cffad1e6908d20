"""Escalation: when each step is reached, that it is taken once, what makes it jump, and when it rests.

Calendar SAMPLES (London, 09:00-17:30) with the default targets and the default ladder: reminder at 75 %, step 1 at due,
step 2 at +50 % (critical +30 min by the clock, urgent +4 h), step 3 at +100 % (critical +1 h, urgent +8 h).
"""

from __future__ import annotations

import contextlib
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.casebook import QUIET, SAMPLES, Story, at, targets, wall
from triage.casework import escalate
from triage.casework.escalate import acceptance_due
from triage.casework.ladder import Ladder, Step
from triage.casework.policy import Limit, Span
from triage.casework.standards import PACKS, TARGETS
from triage.errors import NotAllowed
from triage.words import Target, Urgency

CALM = Ladder(**QUIET)  # type: ignore[arg-type]


def desk(urgency: str = "normal", ladder: Ladder = CALM) -> Story:
    return Story(TARGETS, calendar=SAMPLES, urgency=urgency, ladder=ladder)


def answer_steps(taken: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(when, step) for when, step in taken if step.startswith("first_response")]


# -- the default ladder -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("urgency", "received", "moments"),
    [
        # 510 min from Mon 10:00; 75 % = 382.5 min; due Tue 10:00; +255 min; +510 min
        ("normal", "Mon 02 Mar 2026 10:00", ["Mon 02 16:25", "Tue 03 10:00", "Tue 03 14:15", "Wed 04 10:00"]),
        ("urgent", "Mon 02 Mar 2026 10:00", ["Mon 02 13:00", "Mon 02 14:00", "Tue 03 09:30", "Tue 03 13:30"]),
        ("critical", "Fri 06 Mar 2026 18:45", ["Fri 06 19:30", "Fri 06 19:45", "Fri 06 20:15", "Fri 06 20:45"]),
    ],
)
def test_the_default_steps(urgency: str, received: str, moments: list[str]) -> None:
    story = desk(urgency).opens(received)
    taken = answer_steps(story.sweeps(received, "Thu 12 Mar 2026 17:30"))
    assert taken == [(f"{m[:6]} Mar 2026 {m[7:]}", f"first_response/{level}") for level, m in enumerate(moments)]


def test_who_is_told() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    roles = []
    for now in ("Mon 02 Mar 2026 13:00", "Mon 02 Mar 2026 14:00", "Tue 03 Mar 2026 09:30", "Tue 03 Mar 2026 13:30"):
        roles += [step.roles for step in story.steps(now)]
        story.sweep(now)
    assert roles == [("owner",), ("owner", "lead"), ("lead_deputy", "manager"), ("manager", "director")]


def test_silence_reminds_the_owner_first_then_tells_the_lead() -> None:
    # sample t03: silence runs out Fri 12 Jun 09:40; half a span (765 min) later the lead: Mon 15 Jun 13:55
    story = desk().opens("Mon 08 Jun 2026 16:50").replies("Tue 09 Jun 2026 09:40")
    (step,) = story.steps("Fri 12 Jun 2026 09:40")
    assert (step.target, step.step, step.roles) == ("update", 0, ("owner",))
    story.sweep("Fri 12 Jun 2026 09:40")
    assert [s for s in story.steps("Mon 15 Jun 2026 09:00") if s.target == "update"] == []
    (step,) = [s for s in story.steps("Mon 15 Jun 2026 13:55") if s.target == "update"]
    assert (step.step, step.roles) == (1, ("owner", "lead"))


# -- once, and in one piece -------------------------------------------------------------------------------------------


def test_the_chased_case_of_sample_t01() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00")
    assert story.sweep("Mon 02 Mar 2026 13:05") == []
    story.writes("Mon 02 Mar 2026 13:10").tell("chased", "Mon 02 Mar 2026 13:10")
    story.raised("Mon 02 Mar 2026 13:10", "urgent", "history")
    taken = story.sweeps("Mon 02 Mar 2026 13:10", "Tue 03 Mar 2026 08:35")
    story.writes("Tue 03 Mar 2026 08:40").tell("chased", "Tue 03 Mar 2026 08:40")
    taken += story.sweeps("Tue 03 Mar 2026 08:40", "Tue 03 Mar 2026 09:15")
    story.replies("Tue 03 Mar 2026 09:20")  # ten minutes before step 2
    taken += story.sweeps("Tue 03 Mar 2026 09:20", "Tue 03 Mar 2026 14:10")
    assert taken == [("Mon 02 Mar 2026 13:10", "first_response/0"), ("Mon 02 Mar 2026 14:00", "first_response/1")]


def test_late_on_arrival_escalates_once_at_the_highest_step_and_is_no_fault_of_the_engine() -> None:
    story = desk().opens("Wed 29 Apr 2026 13:20", recorded="Fri 08 May 2026 10:40")
    (step,) = [s for s in story.steps("Fri 08 May 2026 10:40") if s.target == "first_response"]
    assert (step.step, step.late, wall(step.due_at)) == (3, False, "Fri 08 May 2026 10:40")
    assert len(step.skipped) == 3
    # the final answer was due Wed 6 May 13:20; its step comes in the same mail
    assert story.sweep("Fri 08 May 2026 10:40") == ["first_response/3", "resolution/1"]
    assert story.sweep("Fri 08 May 2026 10:45") == []


def test_overdue_by_a_raise_escalates_once_from_the_raise() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").raised("Mon 02 Mar 2026 15:00", "urgent", "history")
    (step,) = story.steps("Mon 02 Mar 2026 15:00")
    assert (step.step, step.why, wall(step.due_at)) == (1, "overdue by raise", "Mon 02 Mar 2026 15:00")


def test_a_new_run_of_the_clock_climbs_anew() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    story.sweep("Mon 02 Mar 2026 14:00")
    story.replies("Mon 02 Mar 2026 15:00").writes("Tue 03 Mar 2026 09:00")
    (step,) = story.steps("Tue 03 Mar 2026 13:00")
    assert (step.target, step.step, step.key) == ("next_response", 1, f"1/next_response/{story.case.last_seq}/1")


def test_messages_wait_for_opening_hours_and_critical_ones_do_not() -> None:
    story = desk().opens("Tue 20 Oct 2026 09:05").replies("Tue 20 Oct 2026 11:30")
    due = at("Fri 23 Oct 2026 17:30")
    story.tell("promised", "Tue 20 Oct 2026 11:30", promise="bill", text="by Friday", due=due, type="action")
    (step,) = [s for s in story.steps("Fri 23 Oct 2026 17:30") if s.target == "promise"]
    assert wall(step.due_at) == "Fri 23 Oct 2026 17:30"
    assert wall(step.deliver_at) == "Mon 26 Oct 2026 09:00"  # sample t02: quiet hours, and the clocks have changed
    alarm = desk("critical").opens("Fri 20 Mar 2026 18:45")
    (step,) = alarm.steps("Fri 20 Mar 2026 19:45")
    assert wall(step.deliver_at) == "Fri 20 Mar 2026 19:45"


def test_a_closed_or_answered_case_escalates_nothing() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00").replies("Mon 02 Mar 2026 16:00")
    assert story.steps("Mon 02 Mar 2026 17:00") == ()  # late, answered: in the report, no alarm
    story.closes("Mon 02 Mar 2026 17:00")
    assert (story.steps("Mon 30 Mar 2026 17:00"), story.next_moment("Mon 30 Mar 2026 17:00")) == ((), None)


def test_while_the_customer_is_asked_a_late_resolution_climbs_no_further() -> None:
    story = Story(targets(Span(4, "h"), resolution=Span(8, "h"))).opens("Mon 23 Nov 2026 09:00")
    story.replies("Mon 23 Nov 2026 10:00").sweeps("Mon 23 Nov 2026 15:00", "Mon 23 Nov 2026 17:00")  # due 17:00, step 1
    story.tell("held", "Tue 24 Nov 2026 10:00", via="command")  # 1 h after due
    assert story.sweeps("Tue 24 Nov 2026 10:00", "Fri 27 Nov 2026 17:00", 60) == []
    story.writes("Mon 30 Nov 2026 09:00").replies("Mon 30 Nov 2026 09:05")
    # step 2 stands half a span, 4 h, after due: 1 h on Tuesday, 3 h on Monday
    assert story.sweeps("Mon 30 Nov 2026 09:05", "Mon 30 Nov 2026 15:00") == [("Mon 30 Nov 2026 12:00", "resolution/2")]


# -- what climbs by itself --------------------------------------------------------------------------------------------


def test_a_step_nobody_acknowledges_climbs_after_four_hours_and_an_acknowledged_one_does_not() -> None:
    ladder = Ladder(**{**QUIET, "climb": {Urgency.LOW: Span(4, "h")}})  # type: ignore[arg-type]
    story = desk("low", ladder).opens("Mon 02 Mar 2026 10:00")  # due Wed 10:00; step 2 by the ladder Thu 10:00
    story.sweep("Wed 04 Mar 2026 10:00")
    assert [s.step for s in story.steps("Wed 04 Mar 2026 14:00")] == [2]
    story.tell("acknowledged", "Wed 04 Mar 2026 11:00")
    assert story.steps("Wed 04 Mar 2026 14:00") == ()
    assert [s.step for s in story.steps("Thu 05 Mar 2026 10:00")] == [2]  # the ladder itself goes on


def test_an_assignment_nobody_accepts_goes_to_the_deputy() -> None:
    ladder = Ladder()
    for urgency, received, limit in [
        ("critical", "Sat 07 Mar 2026 03:00", "Sat 07 Mar 2026 03:15"),  # 15 min by the clock
        ("urgent", "Mon 02 Mar 2026 17:00", "Tue 03 Mar 2026 09:30"),  # one hour of working time
        ("normal", "Mon 02 Mar 2026 10:00", "Tue 03 Mar 2026 17:30"),  # the next business day
    ]:
        story = desk(urgency, ladder).opens(received)
        assert wall(acceptance_due(story.case, ladder, SAMPLES)) == limit
        (step,) = [s for s in story.steps(limit) if s.target == "acceptance"]
        assert step.roles == ("owner_deputy",)
        story.tell("accepted", received)
        assert acceptance_due(story.case, ladder, SAMPLES) is None


def test_the_time_to_accept_starts_anew_with_a_new_owner_or_urgency_and_a_pool_needs_none() -> None:
    ladder = Ladder()
    story = desk("urgent", ladder).opens("Mon 02 Mar 2026 10:00")
    story.tell("assigned", "Mon 02 Mar 2026 10:50", owner="bob", why="out of office")
    assert wall(acceptance_due(story.case, ladder, SAMPLES)) == "Mon 02 Mar 2026 11:50"
    story.raised("Mon 02 Mar 2026 11:40", "critical", "content")
    assert wall(acceptance_due(story.case, ladder, SAMPLES)) == "Mon 02 Mar 2026 11:55"
    pooled = desk("urgent", ladder).opens("Mon 02 Mar 2026 10:00", owner="billing", pool="billing")
    assert acceptance_due(pooled.case, ladder, SAMPLES) is None


def test_a_critical_case_keeps_paging_hourly_until_somebody_takes_note() -> None:
    ladder = Ladder(**{**QUIET, "repeat": {Urgency.CRITICAL: Span(1, "clock_h")}})  # type: ignore[arg-type]
    story = desk("critical", ladder).opens("Fri 20 Mar 2026 18:45")
    pages = [when[-5:] for when, step in story.sweeps("Fri 20 Mar 2026 20:45", "Fri 20 Mar 2026 23:30")]
    assert pages == ["20:45", "21:45", "22:45"]
    story.tell("acknowledged", "Fri 20 Mar 2026 23:30")
    assert answer_steps(story.sweeps("Fri 20 Mar 2026 23:30", "Sat 21 Mar 2026 06:00")) == []


# -- jumps ------------------------------------------------------------------------------------------------------------


def promised(kind: str = "action") -> Story:
    story = desk().opens("Tue 20 Oct 2026 09:05").replies("Tue 20 Oct 2026 11:30")
    due = at("Wed 21 Oct 2026 12:00")
    return story.tell("promised", "Tue 20 Oct 2026 11:30", promise="a", text="by noon", due=due, type=kind)


def test_a_broken_promise_takes_step_1_at_once_and_climbs_each_business_day() -> None:
    assert promised().sweeps("Wed 21 Oct 2026 11:00", "Fri 23 Oct 2026 11:25") == [
        ("Wed 21 Oct 2026 12:00", "promise/1"),
        ("Thu 22 Oct 2026 12:00", "promise/2"),
    ]


@pytest.mark.parametrize(("kind", "steps"), [("contact", 0), ("action", 1)])
def test_a_late_mail_ends_the_alarm_of_a_contact_promise_but_proves_no_action(kind: str, steps: int) -> None:
    story = promised(kind).replies("Wed 21 Oct 2026 12:01")
    assert len([s for s in story.steps("Wed 21 Oct 2026 12:05") if s.target == "promise"]) == steps


def test_a_settled_promise_rests() -> None:
    story = promised().tell("promise_settled", "Wed 21 Oct 2026 12:00", promise="a", state="kept")
    assert story.sweeps("Wed 21 Oct 2026 12:00", "Fri 23 Oct 2026 11:25") == []


def test_the_second_broken_promise_starts_a_level_higher() -> None:
    story = promised()
    story.sweep("Wed 21 Oct 2026 12:00")
    due = at("Thu 22 Oct 2026 10:00")
    story.tell("promised", "Wed 21 Oct 2026 13:00", promise="b", text="by ten", due=due, type="action")
    (step,) = [s for s in story.steps("Thu 22 Oct 2026 10:00") if s.name == "b"]
    assert step.step == 2


def test_the_second_chase_takes_step_1_and_the_third_step_2_until_we_answer() -> None:
    story = desk("low").opens("Mon 02 Mar 2026 10:00")
    for when, jump in [
        ("Mon 02 Mar 2026 12:00", []),
        ("Mon 02 Mar 2026 14:00", ["chase/1"]),
        ("Mon 02 Mar 2026 16:00", ["chase/2"]),
    ]:
        story.writes(when).tell("chased", when)
        assert story.sweep(when) == jump
    story.replies("Mon 02 Mar 2026 16:30")
    assert story.sweep("Mon 02 Mar 2026 17:00") == []


def test_handed_on_twice_the_lead_decides_and_come_back_twice_the_manager_hears() -> None:
    story = desk().opens("Mon 02 Mar 2026 10:00").tell("accepted", "Mon 02 Mar 2026 10:05")
    for number, owner in enumerate(["bob", "cy"]):
        assert [s.target for s in story.steps(f"Mon 02 Mar 2026 10:{10 + number}")] == []
        story.tell("assigned", f"Mon 02 Mar 2026 10:{11 + number}", owner=owner, why="skills")
        story.tell("accepted", f"Mon 02 Mar 2026 10:{11 + number}")
    (step,) = story.steps("Mon 02 Mar 2026 10:12")
    assert (step.target, step.roles) == ("handoff", ("lead",))
    story.sweep("Mon 02 Mar 2026 10:12")
    for day in ("03", "04"):
        weekday = {"03": "Tue", "04": "Wed"}[day]
        story.replies(f"{weekday} {day} Mar 2026 09:00").closes(f"{weekday} {day} Mar 2026 09:00")
        story.writes(f"{weekday} {day} Mar 2026 12:00").tell(
            "reopened", f"{weekday} {day} Mar 2026 12:00", by="customer"
        )
    (step,) = story.steps("Wed 04 Mar 2026 12:00")
    assert (step.target, step.roles) == ("reopened", ("manager",))


def test_the_reminders_of_a_limit_of_law_come_on_their_own_days() -> None:
    limits = {limit.name: limit for limit in PACKS["uk_disp"]}
    story = Story(targets(Span(500, "bd")), limits=limits).opens("Thu 24 Dec 2026 10:00", statutory=["disp_final"])
    taken = story.sweeps("Thu 24 Dec 2026 10:00", "Mon 22 Feb 2027 17:00", 60 * 3)
    assert [(when[:10], step) for when, step in taken] == [
        ("Thu 21 Jan", "statutory/0"),
        ("Thu 11 Feb", "statutory/0"),
        ("Fri 19 Feb", "statutory/1"),
        ("Fri 19 Feb", "statutory/2"),
    ]


# -- the column of the sweep ------------------------------------------------------------------------------------------


def test_the_next_moment_walks_from_step_to_step() -> None:
    story = desk("urgent").opens("Mon 02 Mar 2026 10:00")
    seen = []
    for _ in range(4):
        moment = story.next_moment("Mon 02 Mar 2026 10:00")
        assert moment is not None
        seen.append(moment)
        story.sweep(moment)
    assert seen == ["Mon 02 Mar 2026 13:00", "Mon 02 Mar 2026 14:00", "Tue 03 Mar 2026 09:30", "Tue 03 Mar 2026 13:30"]


def test_a_case_on_hold_wakes_when_closing_is_to_be_offered() -> None:
    story = Story(targets(Span(4, "h"), resolution=Span(8, "h")), ladder=CALM).opens("Mon 02 Mar 2026 10:00")
    story.replies("Mon 02 Mar 2026 11:00").tell("held", "Mon 02 Mar 2026 11:00", via="command")
    assert story.next_moment("Mon 02 Mar 2026 11:00") == "Mon 16 Mar 2026 11:00"  # ten business days
    story.tell("close_offered", "Mon 16 Mar 2026 11:00")
    assert story.next_moment("Mon 16 Mar 2026 11:00") != "Mon 16 Mar 2026 11:00"


def random_life(dice: random.Random, start: datetime, end: datetime) -> list[tuple[datetime, str, dict[str, Any]]]:
    """Facts at random moments between the two."""
    facts: list[tuple[datetime, str, dict[str, Any]]] = []
    moment = start
    while moment < end:
        moment += timedelta(minutes=30 * dice.randrange(1, 60))
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("customer_wrote", {}),
            ("replied", {}),
            ("held", {"via": "command"}),
            ("urgency_set", {"urgency": "urgent", "basis": "history"}),
            ("urgency_set", {"urgency": "critical", "basis": "content"}),
            ("chased", {}),
            ("acknowledged", {}),
            ("assigned", {"owner": f"agent{len(facts)}", "why": "skills"}),
        ]
        facts.append((moment, *dice.choice(kinds)))
    return facts


@pytest.mark.parametrize("seed", range(4))
def test_sweeping_only_at_the_next_moment_takes_the_same_steps_as_sweeping_all_the_time(seed: int) -> None:
    start, end = at("Mon 02 Mar 2026 09:00"), at("Tue 10 Mar 2026 17:00")
    facts = random_life(random.Random(seed), start, end)

    def lived(every: bool) -> list[tuple[str, int, datetime]]:
        """The life of the case, swept every 30 minutes or only when `next_moment` says so."""
        story = desk("normal", Ladder()).opens("Mon 02 Mar 2026 09:00")
        told, now = list(facts), start
        while now <= end:
            while told and told[0][0] <= now:
                when, kind, data = told.pop(0)
                with contextlib.suppress(NotAllowed):
                    story.tell(kind, when, **data)
            wake = escalate.next_moment(story.case, story.deadlines(now), story.ladder, SAMPLES, now)
            if every or (wake is not None and wake <= now):
                for step in story.steps(now):
                    assert step.due_at <= now
                story.sweep(now)
            now += timedelta(minutes=30)
        keys = [taken.key for taken in story.case.taken]
        assert len(set(keys)) == len(keys)
        return [(taken.target, taken.step, taken.at) for taken in story.case.taken if not taken.skipped]

    steps = lived(every=True)
    assert steps and steps == lived(every=False)


# -- refused ladders --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((Step(0, 75, ("owner",)),), "nothing climbs"),
        ((Step(1, 100, ("owner",)), Step(1, 150, ("lead",))), "name them apart"),
        ((Step(2, 100, ("owner",)), Step(1, 150, ("lead",))), "from the lowest level up"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_refused(steps: tuple[Step, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Ladder(steps=steps)


def test_a_step_that_tells_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="tells nobody"):
        Step(1, 100, ())


def test_an_opportunity_that_lapses_is_never_climbed() -> None:
    rules = {"try": Limit("try", Span(1, "business_days"), frozenset({"closed"}), lapses=True)}
    story = Story(targets(Span(500, "bd")), limits=rules).opens("Mon 23 Nov 2026 09:00", statutory=["try"])
    assert [s.step for s in story.steps("Tue 24 Nov 2026 16:59")] == [0]  # a reminder that the chance ends
    assert story.steps("Tue 24 Nov 2026 17:00") == ()
    assert story.clock("statutory", "Tue 24 Nov 2026 17:00", "try").target is Target.STATUTORY
