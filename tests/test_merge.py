"""Merging a duplicate and splitting it off again: what a mail brought to a case goes where the mail goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.bothsides import MONDAY, Room
from triage.casework.case import Case
from triage.errors import NotAllowed
from triage.operations import act, complaints_register, customers, promises, replies
from triage.operations.sweep import sweep
from triage.world.store import cases as store
from triage.world.store import mails

MARGOT, KITTO = "margot@example.com", "kitto@example.org"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def do(room: Room, verb: str, case: str, **data: Any) -> str:
    (done,) = act.act(room.desk, verb, [case], {}, actor="priya", **{"why": "a test", **data})
    return str(done["said"])


def merge(room: Room, duplicate: Case, into: Case) -> str:
    return do(room, "merge", duplicate.number, into=into.number)


def two_mails_of_margot(room: Room) -> tuple[Case, Case]:
    """The same matter told twice, from two addresses; the second was answered, with a promise and a sum."""
    room.customer("My parcel VG-118402 is broken.", sender=f"Margot Ellery <{MARGOT}>")
    room.customer(
        "The parcel I wrote about is broken. I will go to the ombudsman. Please do not phone me.", MONDAY + HOUR,
        number=2, sender="M Ellery <m.ellery@work.example>",
    )  # fmt: skip
    room.reply("We will refund £80 by Friday.", MONDAY + 2 * HOUR, to="m.ellery@work.example", answers=2)
    first, second = room.cases()
    return first, second


def state(case: Case) -> list[tuple[str, str, str]]:
    return [(p.name, p.text, p.state) for p in case.promises]


def test_the_case_that_stays_holds_the_promises_sums_dangers_and_people_of_the_duplicate(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    assert merge(room, second, first) == f"merged into {first.number}, with 1 of our promises"
    held, gone = room.cases()
    assert state(held) == [("1", "We will refund £80 by Friday", "open")]
    assert [f.value for c in held.replies for f in c.facts if f.value] == ["80.00 GBP"]
    assert ({f.name for f in second.flags} - {f.name for f in held.flags}, held.urgency) == (set(), second.urgency)
    assert held.participants == {MARGOT, "m.ellery@work.example"}
    assert held.unanswered == ()  # our answer came after both mails
    assert [p["id"] for p in promises.listing(room.desk, everything=True)] == [f"{held.number}/1"]
    assert gone.merged_into == held.id


def test_names_of_promises_are_given_once_and_a_settled_one_stays_settled(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    room.reply("I will call you by Wednesday.", MONDAY + 3 * HOUR, to=MARGOT, answers=1)
    do(room, "merge", second.number, into=first.number)
    assert [p.name for p in room.cases()[0].promises] == ["1", "2"]
    promises.settle(room.desk, f"{first.number}/2", "keep", actor="priya")
    assert state(room.cases()[0])[1][2] == "kept"
    room.reply("We will send a new kettle by Thursday.", MONDAY + 4 * HOUR, to=MARGOT, answers=1)
    assert [p.name for p in room.cases()[0].promises] == ["1", "2", "3"]


def test_a_promise_broken_and_escalated_before_the_merge_is_not_escalated_again(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    room.clock[0] = MONDAY + 5 * DAY  # Saturday after the Friday
    sweep(room.desk)
    merge(room, second, first)
    before = [t for t in room.cases()[0].taken if t.target == "promise"]
    assert [(t.step, t.skipped) for t in before] == [(1, False)]
    room.clock[0] = MONDAY + 5 * DAY + HOUR
    sweep(room.desk)
    assert [t for t in room.cases()[0].taken if t.target == "promise"] == before
    room.clock[0] = MONDAY + 7 * DAY + 8 * HOUR  # Monday evening: one business day after it was due
    sweep(room.desk)
    assert [t.step for t in room.cases()[0].taken if t.target == "promise"] == [1, 2]


def test_undoing_a_merge_gives_back_mails_answers_sums_and_promises(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    merge(room, second, first)
    do(room, "split", first.number, merged=second.number, mail_ids=[])
    held, _, again = room.cases()
    assert (state(held), held.replies, held.participants, len(held.unanswered)) == ([], (), {MARGOT}, 1)
    assert state(again) == [("1", "We will refund £80 by Friday", "open")]
    assert [f.value for c in again.replies for f in c.facts if f.value] == ["80.00 GBP"]
    assert (again.customer, again.received_at) == ("m.ellery@work.example", second.received_at)
    assert (again.urgency, {f.name for f in again.flags}) == (second.urgency, {f.name for f in second.flags})
    assert "regulator" not in {f.name for f in held.flags}
    assert customers.look_up(room.desk, MARGOT)["wishes"] == ()
    assert customers.look_up(room.desk, "m.ellery@work.example")["wishes"] == ("Please do not phone me",)


def wrongly_merged(room: Room) -> Case:
    """Two customers in one case, and an answer that names the second one's order."""
    room.customer("My parcel VG-118402 is broken.", sender=f"Margot Ellery <{MARGOT}>")
    room.customer("My parcel OL-36640 never came. You can also use kitto.home@example.net.", MONDAY + HOUR, number=2,
                  sender=f"Ambrose Kitto <{KITTO}>", Cc="son@example.org")  # fmt: skip
    first, second = room.cases()
    merge(room, second, first)
    room.reply(
        "Dear Mr Kitto, OL-36640 comes on Friday. I will call you by Wednesday.", MONDAY + 2 * HOUR, to=KITTO, answers=2
    )
    return room.cases()[0]


def keys(room: Room, case: Case) -> set[str]:
    with room.desk.database.read() as tx:
        return {v for kind in ("address", "order", "stated") for v in store.keys_of(tx, [case.id], kind)[case.id]}


def test_after_a_split_nothing_of_one_customer_is_left_with_the_other(room: Room) -> None:
    held = wrongly_merged(room)
    assert len(held.replies) == 1
    (mail,) = [c.mail_id for c in held.contacts if c.inbound and c.mail_id != 1]
    do(room, "split", held.number, mail_ids=[mail])  # our answer, which went to nobody else, goes along
    held, _, again = room.cases()
    assert (held.participants, held.promises, held.replies) == ({MARGOT}, (), ())
    assert again.participants == {KITTO, "son@example.org"}
    assert [p.text for p in again.promises] == ["I will call you by Wednesday"]
    assert keys(room, held) == {MARGOT, "VG118402"}
    assert keys(room, again) == {KITTO, "son@example.org", "kitto.home@example.net", "OL36640"}
    with room.desk.database.read() as tx:
        assert [len(mails.of_case(tx, c.id)) for c in (held, again)] == [1, 2]
    card = customers.look_up(room.desk, MARGOT)
    assert (card["addresses"], [k["number"] for k in card["cases"]]) == ((MARGOT,), [held.number])
    slip = b"Dear Ms Ellery,\n\nOL-36640 is on its way."
    assert [m["mistake"] for m in replies.check_draft(room.desk, slip, held.number)] == ["other_customer"]


def test_later_mail_finds_the_case_it_was_split_to(room: Room) -> None:
    held = wrongly_merged(room)
    (mail,) = [c.mail_id for c in held.contacts if c.inbound and c.mail_id != 1]
    do(room, "split", held.number, mail_ids=[mail])
    room.customer("Any news about OL-36640?", MONDAY + DAY, number=3, sender="A Kitto <ambrose@work.example>")
    held, _, again = room.cases()
    assert (len(held.contacts), [c.mail_id for c in again.contacts if c.inbound][-1:]) == (1, [4])


def test_the_new_owner_of_a_merge_hears_what_it_brought_and_the_merged_number_leads_there(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    merge(room, second, first)
    assert any(f"{second.number} was merged into this case, with 1 of our promises" in t for _, t in room.told("news"))
    with pytest.raises(NotAllowed, match="merged"):
        promises.settle(room.desk, f"{second.number}/1", "keep", actor="priya")


def test_a_split_needs_a_mail_to_begin_with_and_one_to_stay(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    merge(room, second, first)
    ours = next(c.mail_id for c in room.cases()[0].contacts if not c.inbound)
    with pytest.raises(NotAllowed, match="begins with a mail of the customer"):
        do(room, "split", first.number, mail_ids=[ours])
    with pytest.raises(NotAllowed, match="at least one"):
        do(room, "split", first.number, mail_ids=[1, 2])
    with pytest.raises(NotAllowed, match="was not merged into"):
        do(room, "split", first.number, mail_ids=[], merged=first.number)


def test_the_register_counts_a_promise_once(room: Room) -> None:
    first, second = two_mails_of_margot(room)
    merge(room, second, first)
    assert [len(row["promises"]) for row in complaints_register.rows(room.desk)] == [1, 0]
