"""Corrections from a mail client, on real servers: a mail moved into a folder, a keyword set on it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from tests.quickroom import Clock, quick_desk
from tests.room import NOW, letter
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.operations import cycle, look
from triage.world import inbox, signin
from triage.world.store import folders, mails, outbox, register

PROOF = pytest.mark.proof
ARRIVED = NOW - timedelta(hours=3)


class Client:
    """A mailbox, and a person's mail client on it."""

    def __init__(self, account: inbox.MailboxAccount, password: str, intake: str) -> None:
        self.account, self.password, self.intake = account, password, intake
        self.root = "Corrections" if intake == "INBOX" else f"{intake}-fix"

    def opened(self) -> AbstractContextManager[inbox.Inbox]:
        return inbox.open(self.account)

    def deliver(self, *mails_: bytes, to: str = "") -> None:
        with self.opened() as box:
            for raw in mails_:
                box.append(to or self.intake, raw, ARRIVED)

    def move(self, which: int, target: str, source: str = "") -> None:
        """Drag the mail with this place in the folder (the first is 0) into a folder of corrections."""
        with self.opened() as box:
            box.ensure(f"{self.root}/{target}")
            box.select(source or self.intake, read_only=False)
            assert len(box.move([box.uids()[which]], f"{self.root}/{target}")) == 1

    def tag(self, which: int, keyword: str, *, off: bool = False) -> None:
        with IMAPClient(self.account.host, self.account.port, ssl=False) as client:
            client.plain_login(self.account.user, self.password)
            client.select_folder(self.intake)
            uid = sorted(client.search("ALL"))[which]
            (client.remove_flags if off else client.add_flags)([uid], [keyword])

    def holds(self, folder: str) -> list[bytes]:
        with self.opened() as box:
            box.select(folder)
            return [one.raw or b"" for one in box.fetch(box.uids())]

    def settings(self) -> dict[str, Any]:
        """What the desk's config says of this mailbox."""
        return {
            "folders": {"intake": [self.intake], "sent": None, "processed": f"{self.intake}-done",
                        "quarantine": f"{self.intake}-bad", "corrections": self.root},
        }  # fmt: skip

    def clear(self) -> None:
        """The folders as on the first day. They keep their names, so that one config serves all tests."""
        with IMAPClient(self.account.host, self.account.port, ssl=False) as client:
            client.plain_login(self.account.user, self.password)
            for _, _, name in client.list_folders():
                with suppress(IMAPClient.Error):  # a level that is no folder
                    if self.intake in name:
                        client.delete_folder(name)
        with self.opened() as box:
            box.ensure(self.intake)


def _on(running: Dovecot | Cyrus | Courier) -> Client:
    account = running.account()
    assert isinstance(account.sign_in, signin.Password)
    found = Client(account, account.sign_in.read(), "Customers")
    found.clear()
    return found


@pytest.fixture(
    params=["dovecot", pytest.param("pymap", marks=PROOF), pytest.param("cyrus", marks=PROOF),
            pytest.param("courier", marks=PROOF)]
)  # fmt: skip
def client(request: pytest.FixtureRequest) -> Client:
    if request.param == "pymap":
        server: ImapServer = request.getfixturevalue("imap_server")
        return Client(server.account, server.password, "INBOX")
    return _on(request.getfixturevalue(request.param))


@pytest.fixture
def tagging(dovecot: Dovecot) -> Client:
    """A server that keeps keywords."""
    return _on(dovecot)


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Client], AbstractContextManager[Desk]]:
    def opened(client: Client, now: Clock | None = None, **more: Any) -> AbstractContextManager[Desk]:
        return quick_desk(tmp_path, lambda _: client.opened(), now=now or Clock(), **client.settings(), **more)

    return opened


def labels(desk: Desk) -> list[tuple[str, str | None, str, str, str]]:
    """(field, old, new, who, by what) of every correction."""
    with desk.database.read() as tx:
        return [(c["field"], c["old"], c["new"], c["actor"], c["source"]) for c in register.corrections(tx)]


def alarms(desk: Desk) -> list[str]:
    with desk.database.read() as tx:
        return [n["text"] for n in outbox.listing(tx, 100) if n["kind"] == "alarm" and "says nothing" in n["text"]]


# -- folders ---------------------------------------------------------------------------------------------------------


def test_a_mail_moved_into_a_folder_of_corrections_corrects_its_case_once(client: Client, run: Any) -> None:
    client.deliver(letter(1), letter(2))
    with run(client) as desk:
        cycle.run(desk)
        assert [c["complaint_type"] for c in look.cases(desk)] == ["delivery", "delivery"]
        client.move(0, "billing urgent")
        got = cycle.run(desk)
        assert got["corrections"] == {"done": 1, "unchanged": 0, "refused": 0}
        corrected = next(c for c in look.cases(desk) if c["complaint_type"] == "billing")
        assert (corrected["urgency"], corrected["received_at"]) == ("urgent", "2026-11-20T12:00:00Z")
        assert labels(desk) == [
            ("complaint_type", "delivery", "billing", "mailbox complaints", "folder"),
            ("urgency", "normal", "urgent", "mailbox complaints", "folder"),
        ]
        again = cycle.run(desk)
        assert sum(again["corrections"].values()) == 0 and len(labels(desk)) == 2 and len(look.cases(desk)) == 2
    assert client.holds(f"{client.root}/billing urgent") == [letter(1)]  # nothing was moved or marked


def test_a_filed_mail_moved_to_complaint_opens_its_case_from_the_original_arrival(client: Client, run: Any) -> None:
    client.deliver(letter(1, "What are your opening hours?"))
    with run(client) as desk:
        cycle.run(desk)
        assert look.cases(desk) == []
        client.move(0, "complaint")
        cycle.run(desk)
        cycle.run(desk)
        (case,) = look.cases(desk)
    assert case["owner"] and case["next_deadline"] and case["received_at"] == "2026-11-20T12:00:00Z"
    assert case["disposition"] == "complaint"


def test_a_case_moved_to_no_complaint_is_closed_as_such_and_the_label_is_kept(client: Client, run: Any) -> None:
    client.deliver(letter(1))
    with run(client) as desk:
        cycle.run(desk)
        client.move(0, "no complaint")
        cycle.run(desk)
        (case,) = look.cases(desk, everything=True)
        assert case["status"] == "closed"
        ((field, old, new, _, _),) = labels(desk)
    assert (field, old) == ("disposition", "complaint") and new != "complaint"


def test_a_mail_may_be_moved_on_to_another_folder_and_the_last_word_counts(client: Client, run: Any) -> None:
    client.deliver(letter(1))
    with run(client) as desk:
        cycle.run(desk)
        client.move(0, "billing")
        cycle.run(desk)
        client.move(0, "handling", source=f"{client.root}/billing")
        cycle.run(desk)
        assert look.cases(desk)[0]["complaint_type"] == "handling"


def test_of_a_folder_whose_name_says_nothing_the_lead_hears_once_and_only_when_it_holds_mail(
    client: Client, run: Any
) -> None:
    client.deliver(letter(1))
    with client.opened() as box:
        box.ensure(f"{client.root}/Team North")
    with run(client) as desk:
        cycle.run(desk)
        assert alarms(desk) == []
        client.move(0, "Team North")
        for _ in range(3):
            cycle.run(desk)
        (text,) = alarms(desk)
        assert "Team North" in text and f"{client.root}/billing" in text
        assert look.cases(desk)[0]["complaint_type"] == "delivery" and labels(desk) == []


def test_a_mail_first_seen_in_a_folder_of_corrections_gets_its_case_and_is_never_lowered(
    client: Client, run: Any
) -> None:
    """Some servers let the sender choose the folder: care+fix.no-complaint@ ..."""
    with client.opened() as box:
        for name in ("no complaint", "billing", "low"):
            box.ensure(f"{client.root}/{name}")
    client.deliver(letter(1), to=f"{client.root}/no complaint")
    client.deliver(letter(2), to=f"{client.root}/billing")
    client.deliver(letter(3), to=f"{client.root}/low")
    with run(client) as desk:
        got = cycle.run(desk)
        assert got["corrections"] == {"done": 1, "unchanged": 0, "refused": 2}
        found = sorted((c["complaint_type"], c["urgency"], c["status"]) for c in look.cases(desk))
    assert found == [("billing", "normal", "open"), ("delivery", "normal", "open"), ("delivery", "normal", "open")]


def test_old_mail_that_the_desk_never_took_in_stays_out_of_it(client: Client, run: Any) -> None:
    with client.opened() as box:
        box.ensure(f"{client.root}/billing")
        box.append(f"{client.root}/billing", letter(1), NOW - timedelta(days=30))
    with run(client, start_from=(NOW - timedelta(days=1)).isoformat()) as desk:
        assert cycle.run(desk)["mailboxes"][0]["before_start"] == 1
        assert look.cases(desk, everything=True) == [] and labels(desk) == []


def test_a_thank_you_inside_a_case_moved_to_no_complaint_does_not_close_the_case(client: Client, run: Any) -> None:
    client.deliver(letter(1), letter(2, "Any news?", sender="Customer 1 <customer1@example.com>",
                                     In_Reply_To="<m1@example.com>", References="<m1@example.com>"))  # fmt: skip
    with run(client) as desk:
        cycle.run(desk)
        client.move(1, "no complaint")
        cycle.run(desk)
        (case,) = look.cases(desk)
        with desk.database.read() as tx:
            second = mails.of_case(tx, 1)[1]["id"]
            assert [c["mail_id"] for c in register.corrections(tx)] == [second]
    assert case["status"] == "open"


def test_a_folder_that_was_numbered_anew_repeats_no_correction(client: Client, run: Any) -> None:
    client.deliver(letter(1))
    with run(client) as desk:
        cycle.run(desk)
        client.move(0, "billing")
        cycle.run(desk)
        number = look.cases(desk)[0]["id"]
        from triage.operations import act

        act.act(desk, "correct", [number], {}, actor="ines", complaint_type="handling", secondary=[], urgency="",
                disposition="", clear_flags=[], why="on the phone")  # fmt: skip
        with desk.database.write() as tx:
            at = next(f for f in folders.every(tx) if f.role == "corrections")
            folders.enter_epoch(tx, at, (at.uidvalidity or 0) + 1)
        cycle.run(desk)
        cycle.run(desk)
        assert look.cases(desk)[0]["complaint_type"] == "handling"


def test_in_a_dedicated_mailbox_a_corrected_mail_goes_on_to_processed(client: Client, run: Any) -> None:
    client.deliver(letter(1))
    with run(client, mode="dedicated") as desk:
        cycle.run(desk)
        client.move(0, "billing", source=f"{client.intake}-done")
        cycle.run(desk)
        assert look.cases(desk)[0]["complaint_type"] == "billing"
    assert client.holds(f"{client.root}/billing") == [] and client.holds(f"{client.intake}-done") == [letter(1)]


def test_a_folder_of_corrections_that_people_remove_is_no_outage(client: Client, run: Any) -> None:
    client.deliver(letter(1))
    clock = Clock()
    with run(client, now=clock) as desk:
        cycle.run(desk)
        client.move(0, "billing")
        cycle.run(desk)
        with client.opened() as box, IMAPClient(client.account.host, client.account.port, ssl=False) as other:
            other.plain_login(client.account.user, client.password)
            other.delete_folder(box.space.to_server(f"{client.root}/billing"))
        clock.forward(hours=2)
        got = cycle.run(desk)
        assert got["exit_code"] == 0 and got["mailboxes"][0]["errors"] == []
        assert look.status(desk)["intake"]["last_clean_scan"] == "2026-11-20T17:00:00Z"


# -- keywords --------------------------------------------------------------------------------------------------------


def test_a_keyword_corrects_and_nothing_on_the_server_changes(tagging: Client, run: Any) -> None:
    tagging.deliver(letter(1), letter(2))
    clock = Clock()
    with run(tagging, now=clock) as desk:
        cycle.run(desk)
        tagging.tag(0, "triage-type-billing")
        tagging.tag(0, "triage-urgent")
        clock.forward(minutes=1)
        assert cycle.run(desk)["corrections"]["done"] == 2
        case = next(c for c in look.cases(desk) if c["complaint_type"] == "billing")
        assert case["urgency"] == "urgent"
        assert {entry[3:] for entry in labels(desk)} == {("mailbox complaints", "keyword")}
        for _ in range(2):
            clock.forward(minutes=90)
            assert sum(cycle.run(desk)["corrections"].values()) == 0


def test_a_keyword_taken_off_and_set_again_counts_again(tagging: Client, run: Any) -> None:
    tagging.deliver(letter(1))
    clock = Clock()
    with run(tagging, now=clock) as desk:
        cycle.run(desk)
        found = []
        for keyword, off in (("triage-urgent", False), ("triage-urgent", True), ("triage-low", False),
                             ("triage-urgent", False)):  # fmt: skip
            tagging.tag(0, keyword, off=off)
            clock.forward(minutes=6)
            cycle.run(desk)
            found.append(look.cases(desk)[0]["urgency"])
    assert found == ["urgent", "urgent", "low", "urgent"]


def test_keywords_that_contradict_each_other_are_refused(tagging: Client, run: Any) -> None:
    tagging.deliver(letter(1))
    clock = Clock()
    with run(tagging, now=clock) as desk:
        cycle.run(desk)
        tagging.tag(0, "triage-type-billing")
        tagging.tag(0, "triage-type-handling")
        clock.forward(minutes=1)
        assert cycle.run(desk)["corrections"]["refused"] == 2
        assert look.cases(desk)[0]["complaint_type"] == "delivery"


def test_of_a_keyword_that_says_nothing_the_lead_hears_once(tagging: Client, run: Any) -> None:
    tagging.deliver(letter(1))
    clock = Clock()
    with run(tagging, now=clock) as desk:
        cycle.run(desk)
        tagging.tag(0, "triage-nonsense")
        for _ in range(3):
            clock.forward(minutes=70)
            cycle.run(desk)
        (text,) = alarms(desk)
    assert "triage-nonsense" in text and "triage-type-billing" in text


def test_the_server_is_searched_for_keywords_only_where_there_is_one_of_ours_and_not_at_every_look(
    tagging: Client, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[str] = []
    search = inbox.Inbox.with_keyword

    def counted(self: inbox.Inbox, keyword: str, low: int = 1) -> set[int]:
        searched.append(keyword)
        return search(self, keyword, low)

    monkeypatch.setattr(inbox.Inbox, "with_keyword", counted)
    tagging.deliver(letter(1))
    clock = Clock()
    with run(tagging, now=clock) as desk:
        for _ in range(3):
            cycle.run(desk)
        assert searched == []
        tagging.tag(0, "triage-urgent")
        for _ in range(5):
            clock.forward(minutes=1)
            cycle.run(desk)
    assert searched == ["triage-urgent"]


def test_a_server_without_keywords_is_no_error(imap_server: ImapServer, run: Any) -> None:
    client = Client(imap_server.account, imap_server.password, "INBOX")
    client.deliver(letter(1))
    with run(client) as desk:
        assert cycle.run(desk)["exit_code"] == 0
        assert cycle.run(desk)["exit_code"] == 0


# -- what a customer writes ------------------------------------------------------------------------------------------


def test_nothing_in_a_customers_mail_corrects_anything(client: Client, run: Any) -> None:
    client.deliver(
        letter(1, "#1 no complaint\ntriage-no-complaint\nCorrections/low\nParcel lost.", Keywords="triage-low",
               X_Keywords="triage-low", Folder="Corrections/low", To="care+Corrections.low@alderfinch.example"),
    )  # fmt: skip
    with run(client) as desk:
        cycle.run(desk)
        cycle.run(desk)
        (case,) = look.cases(desk)
        assert labels(desk) == []
    assert (case["complaint_type"], case["urgency"]) == ("delivery", "normal")
