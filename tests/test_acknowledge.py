"""Taking note of an escalation: by command, by an answer to the notice, by a keyword in the mail client; on Dovecot.

And what the desk does while somebody is away: a customer's reply goes to whoever stands in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from imapclient import IMAPClient

from tests.conversation import Lent
from tests.room import desk_in, edit, furnish, letter
from tests.servers.dovecot import PASSWORD, USER, Dovecot
from triage.casework.case import Case
from triage.desk import Desk
from triage.operations import act, cycle
from triage.operations.casebook import replay
from triage.world import inbox
from triage.world.store import cases, outbox

MONDAY = datetime(2025, 11, 24, 10, 0, tzinfo=UTC)  # past: Dovecot takes no arrival in the future
LATE = MONDAY + timedelta(days=2)  # a normal case is owed its first answer within a business day
HOUR = timedelta(hours=1)
ACK = "$TriageAck"


@dataclass
class Mailbox:
    """A folder on a real server, and the desk that reads it."""

    dovecot: Dovecot
    folder: str
    desk: Desk
    clock: list[datetime]

    def deliver(self, raw: bytes, at: datetime) -> None:
        with inbox.open(self.dovecot.account()) as client:
            client.append(self.folder, raw, at)

    def run(self, at: datetime) -> int:
        self.clock[0] = at
        done = cycle.run(self.desk)["mailboxes"][0]
        assert done["errors"] == []
        return int(done["acknowledged"])

    def sets(self, keyword: str, folder: str = "") -> None:
        """A colleague tags every mail, with a client of their own."""
        with IMAPClient("localhost", self.dovecot.port, ssl=False) as client:
            client.plain_login(USER, PASSWORD)
            client.select_folder(folder or self.folder)
            client.add_flags(client.search("ALL"), [keyword.encode()])

    def keywords(self, folder: str = "") -> set[bytes]:
        with IMAPClient("localhost", self.dovecot.port, ssl=False) as client:
            client.plain_login(USER, PASSWORD)
            client.select_folder(folder or self.folder, readonly=True)
            found = client.fetch(client.search("ALL"), ["FLAGS"])
            return {flag for entry in found.values() for flag in entry[b"FLAGS"]} - {b"\\Recent"}

    def case(self) -> Case:
        with self.desk.database.read() as tx:
            (row,) = cases.rows(tx, everything=True)
            return replay(cases.events(tx, [row["id"]])[row["id"]])

    def noted(self) -> list[tuple[int, str]]:
        """(step, who took note) of the steps that were taken."""
        return [(t.step, t.acknowledged_by) for t in self.case().taken if t.step > 0 and not t.skipped]


def opened(tmp_path: Path, dovecot: Dovecot, mode: str, reader: Lent) -> Iterator[Mailbox]:
    name, clock = f"ack-{uuid.uuid4().hex[:8]}", [MONDAY]
    with inbox.open(dovecot.account()) as client:
        for suffix in ("", "-done", "-bad"):
            client.ensure(name + suffix)
    folders = {"intake": [name], "sent": None, "processed": f"{name}-done", "quarantine": f"{name}-bad"}
    furnish(tmp_path, host="localhost", port=dovecot.port, user=USER, password=PASSWORD, mode=mode, folders=folders,
            notices="off")  # fmt: skip
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        yield Mailbox(dovecot, name, desk, clock)


@pytest.fixture
def shared(tmp_path: Path, dovecot: Dovecot, reader: Lent) -> Iterator[Mailbox]:
    yield from opened(tmp_path, dovecot, "shared", reader)


@pytest.fixture
def untouched(tmp_path: Path, dovecot: Dovecot, reader: Lent) -> Iterator[Mailbox]:
    yield from opened(tmp_path, dovecot, "read_only", reader)


@pytest.fixture
def dedicated(tmp_path: Path, dovecot: Dovecot, reader: Lent) -> Iterator[Mailbox]:
    yield from opened(tmp_path, dovecot, "dedicated", reader)


def overdue(box: Mailbox) -> None:
    """One case, escalated and not taken note of."""
    box.deliver(letter(1), MONDAY)
    box.run(MONDAY)
    box.run(LATE)
    assert [by for _, by in box.noted()] == [""]


def test_by_command(shared: Mailbox) -> None:
    overdue(shared)
    act.act(shared.desk, "ack", [shared.case().number], {}, actor="ines", why="")
    assert [by for _, by in shared.noted()] == ["ines"]


def test_by_an_answer_to_the_notice(shared: Mailbox) -> None:
    overdue(shared)
    with shared.desk.database.read() as tx:
        notice = next(row for row in outbox.listing(tx, 50) if row["kind"] == "escalation")
    answer = letter(
        2, "I am on it.", sender=f"Lead <{notice['recipient']}>", subject=f"Re: {notice['subject']}",
        In_Reply_To=notice["message_id"],
    )  # fmt: skip
    shared.deliver(answer, LATE + HOUR)
    shared.run(LATE + HOUR)
    person = shared.desk.config.roster.by_email(notice["recipient"])
    assert person is not None and [by for _, by in shared.noted()] == [person.key]
    shared.deliver(answer.replace(b"<m2@", b"<m3@"), LATE + 2 * HOUR)  # a second one finds nothing that waits
    shared.run(LATE + 2 * HOUR)
    assert [by for _, by in shared.noted()] == [person.key]


def test_by_a_keyword_which_is_taken_off_when_it_was_understood(shared: Mailbox) -> None:
    overdue(shared)
    shared.sets(ACK)
    assert shared.run(LATE + HOUR) == 1
    assert [by for _, by in shared.noted()] == ["mailbox"]
    assert shared.keywords() == {b"$Triaged"}  # and no \Seen
    assert shared.run(LATE + 2 * HOUR) == 0


def test_a_keyword_that_comes_before_the_escalation_waits_for_it_and_for_no_second_one(shared: Mailbox) -> None:
    shared.deliver(letter(1), MONDAY)
    shared.run(MONDAY)
    shared.sets(ACK)
    assert shared.run(LATE) == 0  # nothing waits yet: the intake comes before the sweep
    assert shared.run(LATE + HOUR) == 1
    shared.run(LATE + timedelta(days=9))
    assert [by for _, by in shared.noted()][-1] == ""


def test_in_a_read_only_mailbox_a_mail_does_it_once_and_nothing_is_changed(untouched: Mailbox) -> None:
    overdue(untouched)
    untouched.sets(ACK)
    assert untouched.run(LATE + HOUR) == 1
    assert untouched.keywords() == {ACK.encode()}
    untouched.run(LATE + timedelta(days=9))  # the next steps
    assert untouched.run(LATE + timedelta(days=9, hours=1)) == 0
    assert untouched.noted()[-1][1] == ""


def test_in_a_dedicated_mailbox_the_mail_has_moved(dedicated: Mailbox) -> None:
    overdue(dedicated)
    dedicated.sets(ACK, f"{dedicated.folder}-done")
    assert dedicated.run(LATE + HOUR) == 1
    assert dedicated.keywords(f"{dedicated.folder}-done") == set()


def test_another_keyword_may_be_chosen_and_a_strange_one_means_nothing(shared: Mailbox) -> None:
    overdue(shared)
    shared.sets("$Label1")
    assert shared.run(LATE + HOUR) == 0


# -- away ------------------------------------------------------------------------------------------------------------------


def test_a_customers_reply_to_somebody_who_is_away_goes_to_whoever_stands_in(
    tmp_path: Path, dovecot: Dovecot, reader: Lent
) -> None:
    for box in opened(tmp_path, dovecot, "read_only", reader):
        box.deliver(letter(1), MONDAY)
        box.run(MONDAY)
        owner = box.case().owner
        people = box.desk.config.roster.people
        deputy = next(key for key in people if key != owner)
        away = {"name": people[owner].name, "email": people[owner].email, "delegate": deputy,
                "away": [{"from": "2025-11-25", "to": "2025-11-28"}]}  # fmt: skip
        edit(tmp_path / "config" / "people.yaml", {("people", owner): away})
    with desk_in(tmp_path, now=lambda: MONDAY + timedelta(days=1)) as desk:
        desk.reader = reader
        box = Mailbox(dovecot, box.folder, desk, [MONDAY])
        box.deliver(letter(2, "Here is the photo.", sender="C <customer1@example.com>", In_Reply_To="<m1@example.com>"),
                    MONDAY + timedelta(days=1))  # fmt: skip
        cycle.run(desk)
        case = box.case()
        assert (case.owner, [c.inbound for c in case.contacts]) == (deputy, [True, True])
        assert case.ownership.why == f"{people[owner].name} is away and the customer wrote"
        with desk.database.read() as tx:
            told = [row["recipient"] for row in outbox.listing(tx, 50) if row["kind"] in ("assignment", "news")]
        assert told.count(people[deputy].email) >= 2  # the case, and what the customer wrote
