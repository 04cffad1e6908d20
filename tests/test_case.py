"""The case as a state machine: what each fact changes, what cannot be, and what always holds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.casebook import STD, Story, at, flat, targets, wall
from triage.casework import deadline
from triage.casework.case import Case, apply, replay
from triage.casework.escalate import Ladder, due, next_moment
from triage.casework.events import SHAPES, Event, Kind, check, make
from triage.casework.policy import Policies, Span
from triage.casework.standards import PACKS, default_policy
from triage.errors import NotAllowed
from triage.words import Status, Urgency

MONDAY = "Mon 23 Nov 2026 09:00"


def opened(**data: Any) -> Story:
    return Story(targets(Span(4, "h"), resolution=Span(16, "h"))).opens(MONDAY, **data)


# -- the shape of events ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        ("exploded", {}, "There is no event 'exploded'"),
        ("closed", {"outcome": "great"}, "'outcome' must be one of upheld, partly"),
        ("assigned", {"owner": "bob"}, "needs 'why'"),
        ("assigned", {"owner": " ", "why": "x"}, "'owner' must not be empty"),
        ("noted", {"text": "x", "colour": "red"}, "carries no 'colour'; it carries text"),
        ("urgency_set", {"urgency": "huge", "basis": "person"}, "must be low, normal, urgent or critical"),
        ("flagged", {"flags": [{"evidence": []}]}, "'flags' holds an object that needs 'name'"),
        ("flagged", {"flags": "safety_injury"}, "'flags' must be a list"),
        ("due_set", {"target": "resolution", "due": "2026-11-23T09:00:00"}, "'due' must carry its time zone"),
        ("due_set", {"target": "resolution", "due": "tomorrow"}, "'due' must be a moment such as"),
        ("bounced", {"reply_mail_id": True}, "'reply_mail_id' must be a whole number"),
    ],
)
def test_an_event_of_the_wrong_shape_is_refused_with_a_sentence(kind: str, data: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        make(2, kind, datetime(2026, 11, 23, tzinfo=UTC), data)
    assert sentence in str(refused.value)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(NotAllowed, match="must carry its time zone"):
        make(2, "noted", datetime(2026, 11, 23, 9), {"text": "x"})


def test_data_is_json_with_defaults_and_times_in_utc() -> None:
    data = {"promise": "p1", "text": "by Friday", "due": at("Fri 27 Nov 2026 17:00"), "type": "action"}
    event = make(1, "promised", at(MONDAY), data)
    assert json.loads(json.dumps(event.data)) == event.data
    assert event.data["due"] == "2026-11-27T17:00:00+00:00"
    assert event.data["assumed"] is False


def test_text_from_a_mail_is_cut_not_refused_and_holds_nothing_a_database_cannot_store() -> None:
    event = make(2, "noted", at(MONDAY), {"text": "a\x00b\ud800" + "x" * 10_000})
    assert event.data["text"].startswith("ab?x") and len(event.data["text"]) <= 4_000


def test_every_kind_has_a_shape() -> None:
    assert set(SHAPES) == set(Kind)


# -- opening ----------------------------------------------------------------------------------------------------------


def test_a_case_begins_with_its_opening_and_only_once() -> None:
    with pytest.raises(NotAllowed, match="no case yet"):
        apply(None, make(1, "noted", at(MONDAY), {"text": "x"}))
    with pytest.raises(NotAllowed, match="there already"):
        opened().opens("Mon 23 Nov 2026 10:00")
    with pytest.raises(NotAllowed, match="no events"):
        replay([])


def test_an_event_told_twice_is_refused() -> None:
    story = opened()
    with pytest.raises(NotAllowed, match="told already"):
        apply(story.case, make(1, "noted", at(MONDAY), {"text": "x"}))


def test_the_case_is_what_its_events_say_in_the_order_they_were_told() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").writes("Mon 23 Nov 2026 11:00")
    assert replay(reversed(story.events)) == story.case


# -- answers ----------------------------------------------------------------------------------------------------------


def test_an_answer_found_late_counts_from_when_it_was_sent() -> None:
    story = opened().writes("Mon 23 Nov 2026 10:30")
    story.replies("Mon 23 Nov 2026 10:00", recorded="Mon 23 Nov 2026 11:00")
    assert [wall(c.at) for c in story.case.unanswered] == ["Mon 23 Nov 2026 10:30"]


def test_a_mail_is_put_on_a_case_once() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00")
    with pytest.raises(NotAllowed, match="Mail 2 is on case C-1 already"):
        story.tell("replied", "Mon 23 Nov 2026 10:00", mail=2)


def test_a_phone_answer_cannot_lie_ahead_nor_before_the_complaint() -> None:
    with pytest.raises(NotAllowed, match="before it is given"):
        opened().tell("replied", "Mon 23 Nov 2026 12:00", recorded="Mon 23 Nov 2026 11:00", channel="phone")
    with pytest.raises(NotAllowed, match="not received yet"):
        opened().tell("replied", "Fri 20 Nov 2026 12:00", recorded="Mon 23 Nov 2026 11:00", channel="phone")


def test_the_first_answer_accepts_the_assignment() -> None:
    story = opened()
    assert story.case.ownership.accepted_at is None
    assert wall(story.replies("Mon 23 Nov 2026 10:00").case.ownership.accepted_at) == "Mon 23 Nov 2026 10:00"
    with pytest.raises(NotAllowed, match="accepted case C-1 already"):
        story.tell("accepted", "Mon 23 Nov 2026 11:00")


def test_a_bounced_answer_never_happened() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00", asks=True)
    story.tell("held", "Mon 23 Nov 2026 10:00", via="mail", mail=2)
    story.tell("bounced", "Mon 23 Nov 2026 10:01", reply_mail_id=2)
    assert (story.case.replies, story.case.holds, story.case.status) == ((), (), Status.OPEN)
    with pytest.raises(NotAllowed, match="Mail 9 is no answer"):
        story.tell("bounced", "Mon 23 Nov 2026 10:02", reply_mail_id=9)


def test_a_bounce_opens_what_the_answer_had_closed_and_is_no_reopening_by_the_customer() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 10:05")
    story.tell("bounced", "Mon 23 Nov 2026 10:06", reply_mail_id=2)
    assert (story.case.status, story.case.closings[0].reopened_by, story.case.reopenings) == (Status.OPEN, "bounce", 0)


def test_a_bounce_of_one_answer_leaves_a_case_closed_that_another_one_answered() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").replies("Mon 23 Nov 2026 10:30").closes("Mon 23 Nov 2026 11:00")
    assert story.tell("bounced", "Mon 23 Nov 2026 11:01", reply_mail_id=2).case.status is Status.CLOSED


def test_a_chase_comes_an_hour_after_an_unanswered_mail() -> None:
    story = opened()
    assert [story.case.is_chase(at(f"Mon 23 Nov 2026 {hour}")) for hour in ("09:59", "10:00")] == [False, True]
    story.replies("Mon 23 Nov 2026 10:00")
    assert not story.case.is_chase(at("Mon 23 Nov 2026 15:00"))


# -- waiting ----------------------------------------------------------------------------------------------------------


def test_a_case_waits_for_the_customer_twice_at_most() -> None:
    story = opened().replies(MONDAY)
    for hour in (10, 12):
        story.tell("held", f"Mon 23 Nov 2026 {hour}:00", via="command").writes(f"Mon 23 Nov 2026 {hour + 1}:00")
    assert not story.case.may_hold()
    with pytest.raises(NotAllowed, match="cannot wait again"):
        story.tell("held", "Mon 23 Nov 2026 14:00", via="command")


def test_thanks_end_a_wait_but_are_owed_no_answer() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").tell("held", "Mon 23 Nov 2026 10:00", via="command")
    story.tell("customer_thanked", "Mon 23 Nov 2026 11:00", mail=True)
    assert (story.case.status, story.case.unanswered) == (Status.OPEN, ())


def test_a_mail_from_before_the_question_is_no_answer_to_it() -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").tell("held", "Mon 23 Nov 2026 10:00", via="command")
    assert story.writes("Mon 23 Nov 2026 09:50", recorded="Mon 23 Nov 2026 10:05").case.status is Status.ON_HOLD


def test_a_question_already_answered_makes_nobody_wait() -> None:
    story = opened().writes("Mon 23 Nov 2026 11:00")
    story.replies("Mon 23 Nov 2026 10:00", asks=True).tell("held", "Mon 23 Nov 2026 10:00", via="mail", mail=3)
    assert (story.case.status, wall(story.case.holds[0].until)) == (Status.OPEN, "Mon 23 Nov 2026 11:00")


# -- closing ----------------------------------------------------------------------------------------------------------


def test_a_case_is_not_closed_over_an_unanswered_mail() -> None:
    story = opened()
    with pytest.raises(NotAllowed, match="no answer yet"):
        story.closes("Mon 23 Nov 2026 10:00")
    story.replies("Mon 23 Nov 2026 10:00").writes("Mon 23 Nov 2026 11:00")
    with pytest.raises(NotAllowed, match="no answer yet"):
        story.closes("Mon 23 Nov 2026 12:00")
    assert story.tell("closed", "Mon 23 Nov 2026 12:00", reason="withdrawn").case.status is Status.CLOSED


@pytest.mark.parametrize(("data", "missing"), [({"cause": "x"}, "outcome"), ({"outcome": "upheld"}, "cause")])
def test_closing_a_complaint_needs_outcome_and_cause(data: dict[str, Any], missing: str) -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00")
    with pytest.raises(NotAllowed, match=f"needs its {missing}"):
        story.tell("closed", "Mon 23 Nov 2026 11:00", **data)


def test_a_request_closes_without_an_outcome() -> None:
    story = opened(disposition="request").replies("Mon 23 Nov 2026 10:00")
    assert story.tell("closed", "Mon 23 Nov 2026 11:00").case.status is Status.CLOSED


@pytest.mark.parametrize("kind", ["held", "promised", "escalated", "due_set", "chased", "review_wanted"])
def test_a_closed_case_takes_no_more_work(kind: str) -> None:
    story = opened().replies("Mon 23 Nov 2026 10:00").closes("Mon 23 Nov 2026 11:00")
    with pytest.raises(NotAllowed, match="is closed"):
        story.tell(kind, "Mon 23 Nov 2026 12:00", **EXAMPLES[Kind(kind)])


# -- urgency, owner, promises -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("basis", ["history", "content", "reopened"])
def test_only_a_person_lowers_an_urgency_and_says_why(basis: str) -> None:
    story = opened().raised("Mon 23 Nov 2026 10:00", "urgent", "content")
    with pytest.raises(NotAllowed, match="Only a person lowers"):
        story.raised("Mon 23 Nov 2026 11:00", "low", basis)
    with pytest.raises(NotAllowed, match="needs a reason"):
        story.tell("urgency_set", "Mon 23 Nov 2026 11:00", urgency="low", basis="person")
    assert story.raised("Mon 23 Nov 2026 11:00", "low", "person").case.urgency is Urgency.LOW


def test_a_raise_known_late_still_raises() -> None:
    story = opened().raised("Mon 23 Nov 2026 11:00", "urgent", "person")
    assert story.raised("Mon 23 Nov 2026 10:00", "critical", "content").case.urgency is Urgency.CRITICAL


def test_a_change_of_owner_counts_as_a_hand_off_once_the_first_has_accepted() -> None:
    story = opened().tell("assigned", "Mon 23 Nov 2026 09:10", owner="bob", why="out of office")
    assert story.case.handoffs == 0
    story.tell("accepted", "Mon 23 Nov 2026 09:20").tell("assigned", "Mon 23 Nov 2026 10:00", owner="cy", why="skills")
    assert (story.case.handoffs, story.case.owner) == (1, "cy")
    with pytest.raises(NotAllowed, match="cy owns case C-1 already"):
        story.tell("assigned", "Mon 23 Nov 2026 11:00", owner="cy", why="again")


def promised() -> Story:
    noon = at("Mon 23 Nov 2026 12:00")
    return opened().tell("promised", "Mon 23 Nov 2026 10:00", promise="a", text="by noon", due=noon, type="contact")


@pytest.mark.parametrize(
    ("settled", "when", "state"),
    [
        ("kept", "Mon 23 Nov 2026 12:00:00", "kept"),  # the very second keeps it
        ("kept", "Mon 23 Nov 2026 12:00:01", "done_late"),
        ("renegotiated", "Mon 23 Nov 2026 11:00", "renegotiated"),
        ("dismissed", "Mon 23 Nov 2026 15:00", "dismissed"),
        ("broken", "Mon 23 Nov 2026 12:00", "broken"),
        ("done_unverified", "Mon 23 Nov 2026 11:00", "done_unverified"),
    ],
)
def test_what_becomes_of_a_promise(settled: str, when: str, state: str) -> None:
    story = promised().tell("promise_settled", when, promise="a", state=settled)
    assert story.case.promises[0].state == state


@pytest.mark.parametrize(
    ("first", "then", "when", "words"),
    [
        (None, "renegotiated", "Mon 23 Nov 2026 13:00", "does not unbreak"),
        (None, "broken", "Mon 23 Nov 2026 11:00", "not due yet"),
        ("kept", "broken", "Mon 23 Nov 2026 13:00", "is kept; it cannot become broken"),
        ("dismissed", "kept", "Mon 23 Nov 2026 11:30", "cannot become kept"),
    ],
)
def test_what_cannot_become_of_a_promise(first: str | None, then: str, when: str, words: str) -> None:
    story = promised()
    if first:
        story.tell("promise_settled", "Mon 23 Nov 2026 11:00", promise="a", state=first)
    with pytest.raises(NotAllowed, match=words):
        story.tell("promise_settled", when, promise="a", state=then)


def test_an_open_promise_is_broken_from_its_due_second_on_and_a_call_in_time_known_late_keeps_it() -> None:
    story = promised()
    noon = at("Mon 23 Nov 2026 12:00")
    assert (story.case.broken_promises(noon - timedelta(seconds=1)), len(story.case.broken_promises(noon))) == ((), 1)
    story.tell("promise_settled", "Mon 23 Nov 2026 12:00", promise="a", state="broken")
    story.tell("promise_settled", "Mon 23 Nov 2026 11:50", promise="a", state="kept", recorded="Mon 23 Nov 2026 15:00")
    assert story.case.promises[0].state == "kept"


# -- several cases ----------------------------------------------------------------------------------------------------


def test_a_merged_case_sends_people_to_the_other_one() -> None:
    story = opened().tell("merged_into", "Mon 23 Nov 2026 10:00", case_id=7)
    with pytest.raises(NotAllowed, match="merged into case 7; say it there"):
        story.replies("Mon 23 Nov 2026 11:00")


def test_mails_that_are_split_off_take_their_clock_with_them() -> None:
    story = opened().writes("Mon 23 Nov 2026 10:00").writes("Mon 23 Nov 2026 11:00")
    story.tell("split_off", "Mon 23 Nov 2026 12:00", mail_ids=[1], case_id=5)
    assert (wall(story.case.received_at), len(story.case.contacts)) == ("Mon 23 Nov 2026 10:00", 2)
    with pytest.raises(NotAllowed, match="Nothing of the customer would be left"):
        story.tell("split_off", "Mon 23 Nov 2026 12:30", mail_ids=[2, 3], case_id=6)


def test_escalations_are_acknowledged_together_and_taken_once() -> None:
    story = opened()
    with pytest.raises(NotAllowed, match="no escalation that waits"):
        story.tell("acknowledged", "Mon 23 Nov 2026 10:00")
    story.tell("escalated", "Mon 23 Nov 2026 13:00", **EXAMPLES[Kind.ESCALATED])
    with pytest.raises(NotAllowed, match="taken already"):
        story.tell("escalated", "Mon 23 Nov 2026 13:05", **EXAMPLES[Kind.ESCALATED])
    story.tell("acknowledged", "Mon 23 Nov 2026 13:10", actor="lead")
    assert {(t.skipped, t.acknowledged_by) for t in story.case.taken} == {(True, ""), (False, "lead")}


# -- total, and never without a deadline ------------------------------------------------------------------------------

SOON = at("Wed 25 Nov 2026 12:00").isoformat()
#: one good example of each kind, so that none is forgotten
EXAMPLES: dict[Kind, dict[str, Any]] = {
    Kind.OPENED: {
        "case_id": 1, "number": "C-1", "disposition": "complaint", "urgency": "normal", "customer": "c@example.com",
        "owner": "ann", "policy": "p", "statutory": ["disp_final"],
    },
    Kind.CUSTOMER_WROTE: {}, Kind.CUSTOMER_THANKED: {}, Kind.MAIL_FILED: {"disposition": "autoreply"},
    Kind.REPLIED: {}, Kind.BOUNCED: {"reply_mail_id": 3}, Kind.NOTED: {"text": "x"}, Kind.ACKNOWLEDGEMENT_SENT: {},
    Kind.FLAGGED: {"flags": [{"name": "legal_threat", "evidence": ["court"]}]},
    Kind.FLAG_CLEARED: {"name": "legal_threat", "why": "misread"},
    Kind.CLASSIFIED: {"complaint_type": "billing"}, Kind.URGENCY_SET: {"urgency": "urgent", "basis": "content"},
    Kind.POLICY_SET: {"policy": "fast"}, Kind.ASSIGNED: {"owner": "bob", "why": "skills"}, Kind.ACCEPTED: {},
    Kind.REVIEW_WANTED: {"reasons": ["doubt"]}, Kind.REVIEWED: {}, Kind.HELD: {"via": "command"}, Kind.RESUMED: {},
    Kind.CLOSED: {"outcome": "upheld", "cause": "x"}, Kind.CLOSE_OFFERED: {}, Kind.REOPENED: {"by": "customer"},
    Kind.CHASED: {}, Kind.PROMISED: {"promise": "a", "text": "x", "due": SOON, "type": "action"},
    Kind.PROMISE_SETTLED: {"promise": "a", "state": "dismissed"},
    Kind.ESCALATED: {
        "key": "1/first_response/1/1", "target": "first_response", "cycle": 1, "step": 1, "due": SOON,
        "skipped": ["1/first_response/1/0"],
    },
    Kind.ACKNOWLEDGED: {}, Kind.DUE_SET: {"target": "resolution", "due": SOON},
    Kind.DUE_CLEARED: {"target": "resolution"}, Kind.STATUTORY_SET: {"name": "cfpb_15"},
    Kind.STATUTORY_MET: {"name": "disp_final"}, Kind.STATUTORY_DROPPED: {"name": "cfpb_15", "why": "not ours"},
    Kind.DEADLINE_RECORDED: {"target": "first_response", "cycle": 1, "state": "breached", "due": SOON},
    Kind.MERGED_INTO: {"case_id": 9}, Kind.SPLIT_OFF: {"mail_ids": [1], "case_id": 8}, Kind.LINKED: {"case_id": 4},
    Kind.ABSORBED: {"case_id": 3, "received_at": SOON, "contacts": [{"at": SOON, "direction": "in", "mail_id": 90}]},
    Kind.PARTICIPANT_ADDED: {"address": "d@example.com"},
    Kind.DETAILED: {"product": "Aria kettle", "remedy": "refund", "eligible": True, "follow_up": "seal changed"},
}  # fmt: skip

VARIANTS: list[tuple[Kind, dict[str, Any]]] = [
    *EXAMPLES.items(),
    *[
        (Kind.URGENCY_SET, {"urgency": urgency, "basis": basis, "why": "x"})
        for urgency in ("low", "normal", "critical")
        for basis in ("history", "content", "person", "review")
    ],
    (Kind.URGENCY_SET, {"urgency": "urgent", "basis": "person", "mode": "from_receipt"}),
    (Kind.CLOSED, {"reason": "withdrawn"}),
    (Kind.REOPENED, {"by": "person", "mode": "restart"}),
    (Kind.REPLIED, {"response": "final"}),
    (Kind.POLICY_SET, {"policy": "off"}),
    (Kind.HELD, {"via": "mail"}),
    (Kind.DUE_SET, {"target": "next_response", "due": SOON}),
    (Kind.DUE_SET, {"target": "first_response", "due": SOON}),
    (Kind.SPLIT_OFF, {"mail_ids": [90], "case_id": 11, "participants": ["e@example.com"]}),
    (
        Kind.ABSORBED,
        {
            "case_id": 12,
            "received_at": SOON,
            "participants": ["e@example.com"],
            "restrict_text": True,
            "contacts": [
                {"at": SOON, "direction": "out", "mail_id": 91, "facts": [{"kind": "refund", "value": "80.00 GBP"}]}
            ],
            "chases": [{"at": SOON, "mail_id": 92}],
            "promises": [
                {
                    "promise": "b",
                    "text": "x",
                    "type": "action",
                    "made_at": SOON,
                    "due": SOON,
                    "state": "broken",
                    "settled_at": SOON,
                    "taken": [{"label": "1", "step": 1, "at": SOON, "delivered_at": SOON}],
                }
            ],
        },
    ),
]
steps = st.lists(
    st.tuples(st.sampled_from(VARIANTS), st.integers(-600, 4000), st.sampled_from([None, 1, 2, 3, 4, 5, 6, 7])),
    max_size=25,
)
RULES = Policies(
    {
        "p": default_policy("p", "std"),
        "fast": deadline.Policy("fast", "std", flat(targets(Span(1, "h"), update=Span(2, "h"))), "restart"),
        "off": deadline.Policy("off", "std", default_policy().targets, enabled=False),
    },
    "p",
    {limit.name: limit for pack in PACKS.values() for limit in pack},
)


@given(steps)
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_told_there_is_a_case_or_a_sentence_and_an_open_case_has_an_owner_and_a_next_deadline(
    told: list[tuple[tuple[Kind, dict[str, Any]], int, int | None]],
) -> None:
    moment = at(MONDAY)
    case: Case = apply(None, make(1, "opened", moment, EXAMPLES[Kind.OPENED], mail_id=1))
    accepted: list[Event] = [make(1, "opened", moment, EXAMPLES[Kind.OPENED], mail_id=1)]
    for number, ((kind, data), minutes, mail) in enumerate(told, start=2):
        moment += timedelta(minutes=minutes)
        before = case
        try:
            event = make(number, kind, moment, data, mail_id=mail, recorded_at=moment + timedelta(minutes=5))
            case = apply(case, event)
        except NotAllowed as refused:
            assert str(refused) and case == before
            continue
        accepted.append(event)
        now = moment + timedelta(minutes=7)
        deadlines = deadline.of(case, RULES, {"std": STD}, now)
        every = deadline.of(case, RULES, {"std": STD}, now, history=True)
        assert {d.key for d in deadlines} <= {d.key for d in every}
        assert len({d.key for d in every}) == len(every), "two runs of one clock bear one number"
        taken = due(case, deadlines, Ladder(), STD, now)
        if case.is_open:
            assert case.owner
            assert deadline.next_deadline(deadlines) is not None
            assert next_moment(case, deadlines, Ladder(), STD, now) is not None
        else:
            assert taken == () and next_moment(case, deadlines, Ladder(), STD, now) is None
        assert len({step.key for step in taken}) == len(taken)
        assert all(step.key not in {t.key for t in case.taken} and step.due_at <= now for step in taken)
    assert replay(accepted) == case


def test_an_event_is_checked_once_and_anew_when_it_was_changed() -> None:
    good = make(1, Kind.NOTED, at("Mon 23 Nov 2026 09:00"), {"text": "called back"})
    assert check(good) is good
    with pytest.raises(NotAllowed, match="carries no 'words'"):
        check(replace(good, data={"words": "called back"}))
