"""What a server can do to intake, and what comes of it: fault x outcome, through the real operations.

The fault server holds twelve mails; most faults hit one of them, or the first command of a kind. Whatever happens, all
that can be had is in the register exactly once, nothing on the server changes, and a mail that cannot be had is a case.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.faultdesk import (
    BODY,
    MAILS,
    POISON,
    SIZES,
    Outcome,
    assert_all_in_once,
    emptied,
    faulty_desk,
    in_cases,
    looks,
    numbered_anew,
    of,
)
from tests.room import letter
from tests.servers import fault
from tests.servers.fault import Fault, FaultServer, Session
from triage.operations import cycle, look
from triage.operations.collect import collect
from triage.operations.reconcile import reconcile
from triage.operations.round import RECONNECTS
from triage.world.store import folders

HUGE = "* SEARCH " + " ".join(str(n) for n in range(10_000_000, 10_130_000))  # 1.1 MB, none of it asked for

ONCE: dict[str, tuple[str, Fault, Outcome]] = {
    "NO to a batch": ("UID FETCH", of(1, BODY, fault.no("cannot now"), 1), Outcome()),
    "BAD to a batch": ("UID FETCH", of(1, BODY, fault.bad("what?"), 1), Outcome()),
    "BYE instead of a batch": ("UID FETCH", of(1, BODY, fault.bye("restarting"), 1), Outcome()),
    "connection cut": ("UID FETCH", of(1, BODY, fault.close, 1), Outcome()),
    "connection cut in a literal": ("UID FETCH", of(1, BODY, fault.cut_literal(9), 1), Outcome()),
    "literal stalls": ("UID FETCH", of(1, BODY, fault.cut_literal(9, then_close=False), 1), Outcome()),
    "no answer": ("UID FETCH", of(1, BODY, fault.stall, 1), Outcome()),
    "literal announced too long": ("UID FETCH", of(1, BODY, fault.wrong_literal(40), 1), Outcome()),
    "literal announced too short": ("UID FETCH", of(1, BODY, fault.wrong_literal(-5), 1), Outcome()),
    "UID left out of a reply": ("UID FETCH", of(1, BODY, fault.omit(POISON), 1), Outcome(2, at_once=MAILS - 1)),
    "body NIL": ("UID FETCH", of(1, BODY, fault.body(None), 1), Outcome(2, at_once=0)),
    "body empty": ("UID FETCH", of(1, BODY, emptied(b"{0}\r\n"), 1), Outcome(2, at_once=0)),
    "unsolicited FETCH": (
        "UID FETCH",
        of(1, BODY, fault.also_says("* 2 FETCH (FLAGS (\\Seen))", "* 99 EXISTS", "* 3 FETCH (UID 99 BODY[] NIL)"), 1),
        Outcome(),
    ),
    "OK without text": ("UID FETCH", of(1, BODY, fault.bare_ok, 1), Outcome()),
    "sizes refused": ("UID FETCH", of(1, SIZES, fault.no("cannot now"), 1), Outcome()),
    "sizes cut": ("UID FETCH", of(1, SIZES, fault.close, 1), Outcome()),
    "UID left out of the sizes": ("UID FETCH", of(1, SIZES, fault.omit(POISON), 1), Outcome(2, at_once=MAILS - 1)),
    "throttled": (
        "UID FETCH", of(1, BODY, fault.no("[THROTTLED] slow down"), 1), Outcome(2, first="temporary", at_once=0)
    ),
    "over quota, BYE": (
        "UID FETCH", of(1, BODY, fault.bye("[OVERQUOTA] bandwidth limit"), 1), Outcome(2, first="temporary", at_once=0)
    ),
    "SEARCH refused": ("UID SEARCH", fault.no("cannot now"), Outcome(2, first="temporary", at_once=0)),
    "SEARCH not understood": ("UID SEARCH", fault.bad("what?"), Outcome()),
    "SEARCH cut": ("UID SEARCH", fault.close, Outcome()),
    "SEARCH line of 1.1 MB": ("UID SEARCH", fault.also_says(HUGE), Outcome()),
    "EXAMINE refused": ("EXAMINE", fault.no("cannot now"), Outcome(2, first="permanent", at_once=0)),
    "EXAMINE cut": ("EXAMINE", fault.close, Outcome()),
    "folder numbered anew between two connections": (
        "UID FETCH", of(1, BODY, numbered_anew(42, fault.close), 1), Outcome()
    ),
    "service unavailable at sign-in": (
        "AUTHENTICATE", fault.no("[UNAVAILABLE] later"), Outcome(2, first="temporary", at_once=0)
    ),
}  # fmt: skip

ALWAYS: dict[str, tuple[Fault, Outcome]] = {
    "one mail always refused": (of(POISON, "BODY", fault.no("broken")), Outcome(3, MAILS, 1, at_once=MAILS - 1)),
    "one mail never in a reply": (of(POISON, "BODY", fault.omit(POISON)), Outcome(3, MAILS, 1, at_once=MAILS - 1)),
    "one mail always NIL": (of(POISON, "BODY", emptied(b"NIL", POISON)), Outcome(3, MAILS, 1, at_once=MAILS - 1)),
    "one mail always empty": (of(POISON, "BODY", emptied(b"{0}\r\n", POISON)), Outcome(3, MAILS, 1, at_once=MAILS - 1)),
    "one mail without a size": (of(POISON, "", fault.omit(POISON)), Outcome(3, MAILS, 1, at_once=MAILS - 1)),
    "one mail always cuts the line": (of(POISON, "BODY", fault.close), Outcome(9, MAILS, 1, "temporary", 6)),
    "one mail always cuts its literal": (
        of(POISON, "BODY.PEEK[]", fault.cut_literal(3)), Outcome(9, MAILS, 1, "temporary", 6)
    ),
    "one mail only comes in pieces": (of(POISON, BODY, fault.no("too large for me")), Outcome()),
}  # fmt: skip


@pytest.mark.parametrize("name", ONCE)
def test_a_fault_that_happens_once_costs_no_mail(name: str, tmp_path: Path, record_property: Any) -> None:
    verb, trouble, expected = ONCE[name]
    with FaultServer() as server:
        with faulty_desk(tmp_path, server) as (desk, clock):
            server.on(verb, trouble, times=None if verb == "UID FETCH" else 1)
            first = looks(desk, clock, 1)[0]
            assert len(in_cases(desk)) == expected.at_once
            box = first["mailboxes"][0]
            assert first["exit_code"] == {"": 0, "temporary": 75, "permanent": 1}[expected.first]
            assert bool(box["errors"]) == bool(expected.first)
            assert box["reconnects"] <= RECONNECTS
            looks(desk, clock, expected.runs - 1)
            assert_all_in_once(desk, expected)
        assert all(not mail.flags for mail in server.mails.values())
    record_property("fault", f"{name}|{expected.runs}|{expected.cases}|{expected.stand_ins}")


@pytest.mark.parametrize("name", ALWAYS)
def test_a_mail_that_can_never_be_had_holds_up_no_other_and_becomes_a_case(
    name: str, tmp_path: Path, record_property: Any
) -> None:
    trouble, expected = ALWAYS[name]
    with FaultServer() as server:
        with faulty_desk(tmp_path, server) as (desk, clock):
            server.on("UID FETCH", trouble, times=None)
            looks(desk, clock, 1)
            assert len(in_cases(desk)) >= expected.at_once
            runs = 1
            while runs < expected.runs and reconcile(desk)[0]["missing"]:
                looks(desk, clock, 1)
                runs += 1
            assert_all_in_once(desk, expected)
            asked = len(server.commands)
            looks(desk, clock, 1)
            assert not [c for c in server.commands[asked:] if c.startswith("UID FETCH") and "BODY" in c]
        assert all(not mail.flags for mail in server.mails.values())
    record_property("fault", f"{name}|{runs}|{expected.cases}|{expected.stand_ins}")


def test_a_stand_in_shows_who_wrote_and_about_what_when_the_header_can_be_had(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("UID FETCH", of(POISON, "BODY.PEEK[]", fault.no("broken")), times=None)
        looks(desk, clock, 3)
        case = next(c for c in look.cases(desk) if c["disposition"] == "unreadable")
        assert (case["customer"], case["subject"]) == (f"customer{POISON}@example.com", f"Complaint number {POISON}")
        assert case["review"] and case["next_deadline"]


def test_the_stand_in_of_a_mail_stays_one_case_when_the_folder_is_numbered_anew(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("UID FETCH", of(POISON, "BODY.PEEK[]", fault.no("broken")), times=None)
        looks(desk, clock, 3)
        server.uidvalidity["INBOX"] = 99
        looks(desk, clock, 3)
        assert len(look.cases(desk, everything=True)) == MAILS
        assert reconcile(desk)[0]["missing"] == 0


def test_a_mail_beyond_the_limit_is_a_case_from_its_header_and_its_text_is_never_asked_for(tmp_path: Path) -> None:
    with FaultServer() as server:
        with faulty_desk(tmp_path, server, limits={"message_bytes": 4096}) as (desk, clock):
            server.mails[POISON] = fault.Mail(letter(POISON, "x" * 5000), "20-Nov-2026 14:00:00 +0000")
            looks(desk, clock, 1)
            assert_all_in_once(desk, Outcome(stand_ins=1))
        fetched = [c for c in server.commands if c.startswith(f"UID FETCH {POISON} ")]
        assert fetched and all("BODY.PEEK[HEADER]" in c for c in fetched)


def test_a_size_that_lies_is_accepted_after_a_second_look(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.mails[POISON].size = 10
        looks(desk, clock, 1)
        assert_all_in_once(desk, Outcome())


def test_a_throttled_mailbox_is_left_alone_for_longer_each_time_and_the_wait_survives_a_restart(
    tmp_path: Path,
) -> None:
    """Waits of 1, 2, 4 minutes, each a fifth more or less."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("UID FETCH", fault.no("[THROTTLED] slow down"), times=None)
        for doubled in (1, 2, 4):
            cycle.intake(desk)
            with desk.database.read() as tx:
                (at,) = folders.every(tx)
            assert at.retry_at is not None
            minutes = (at.retry_at - clock.now).total_seconds() / 60
            assert 0.8 * doubled <= minutes <= 1.2 * doubled
            said = len(server.commands)
            assert "backing off" in collect(desk, desk.mailboxes[0]).errors[0]
            assert len(server.commands) == said
            clock.now = at.retry_at


def test_a_refused_sign_in_is_told_to_a_person_once_and_not_tried_again_at_once(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("AUTHENTICATE", fault.no("[AUTHENTICATIONFAILED] no"), times=None)
        looks(desk, clock, 3)
        assert server.commands.count("AUTHENTICATE ***") == 1
        assert Counter(n["kind"] for n in look.notices(desk, 99)) == {"alarm": 1}


def test_a_mailbox_out_of_reach_for_an_hour_is_told_to_a_person_once_for_each_outage(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):

        def alarms() -> int:
            return Counter(n["kind"] for n in look.notices(desk, 999))["alarm"]

        for outage in (1, 2):
            looks(desk, clock, 1)
            good, desk.inbox = desk.inbox, _down  # type: ignore[assignment,method-assign]
            looks(desk, clock, 3)
            assert alarms() == outage - 1
            looks(desk, clock, 3)
            assert alarms() == outage
            desk.inbox = good  # type: ignore[method-assign]


def _down(_mailbox: object) -> Any:
    from triage.errors import MailboxUnreachable

    raise MailboxUnreachable("Nothing listens.")


# -- what the folder's numbers do ------------------------------------------------------------------------------------


def test_a_folder_numbered_anew_is_read_again_by_content_and_told_to_a_person(tmp_path: Path) -> None:
    """UIDVALIDITY goes down here: it is compared with `!=`, never with `<`."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        server.folders["INBOX"] = {uid + 40: mail for uid, mail in server.mails.items()}
        server.uidvalidity["INBOX"] = 7
        again = looks(desk, clock, 1)[0]["mailboxes"][0]
        assert (again["new_epochs"], again["known"], again["opened"]) == (1, MAILS, 0)
        assert_all_in_once(desk, Outcome())
        assert Counter(n["kind"] for n in look.notices(desk, 99))["alarm"] == 1


def test_a_folder_numbered_anew_between_two_connections_is_begun_again_in_the_same_look(tmp_path: Path) -> None:
    """No UID that was learnt before the line broke is used after it."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("UID FETCH", of(1, BODY, numbered_anew(42, fault.close), 1), times=None)
        box = looks(desk, clock, 1)[0]["mailboxes"][0]
        assert (box["new_epochs"], box["reconnects"], box["found"]) == (1, 1, 2 * MAILS)
        with desk.database.read() as tx:
            (at,) = folders.every(tx)
            assert (at.uidvalidity, folders.tally(tx, at)) == (42, {"stored": MAILS})


def test_uids_used_again_for_other_mail_are_noticed_though_uidvalidity_stays(tmp_path: Path) -> None:
    """A server that gives out the lowest free UID: three mails expunged, three others under their numbers. Count and
    UIDNEXT are as before, so the hourly comparison is what sees it."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        clock.forward(hours=1)
        for uid in (10, 11, 12):
            raw = letter(uid + 100, "Another matter: my parcel is broken and I was charged.")
            server.mails[uid] = fault.Mail(raw, "20-Nov-2026 15:10:00 +0000")
        looks(desk, clock, 1)
        found = in_cases(desk)
        assert all(found[f"<m{uid + 100}@example.com>"] == 1 for uid in (10, 11, 12))
        assert len(found) == MAILS + 3


def test_a_uidnext_that_goes_back_alone_starts_no_new_epoch(tmp_path: Path) -> None:
    """The fault server derives UIDNEXT from the newest mail, as servers without a memory of it do."""
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        del server.mails[12], server.mails[11]
        again = looks(desk, clock, 1)[0]["mailboxes"][0]
        assert (again["new_epochs"], again["bytes"], again["errors"]) == (0, 0, [])


def test_a_uid_the_search_left_out_is_found_by_the_full_comparison_at_the_latest(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        listed = " ".join(str(uid) for uid in range(1, MAILS + 1) if uid != POISON)
        server.on("UID SEARCH", fault.answer(f"* SEARCH {listed}", "{tag} OK"))
        assert looks(desk, clock, 1)[0]["mailboxes"][0]["opened"] == MAILS - 1
        assert looks(desk, clock, 1)[0]["mailboxes"][0]["opened"] == 1  # eleven of twelve were no whole list


def test_nothing_is_asked_of_a_quiet_folder_but_once_an_hour_its_whole_list(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        for _ in range(8):  # two hours
            said = len(server.commands)
            looks(desk, clock, 1)
            asked = Counter(c.partition(" ")[0] for c in server.commands[said:])
            assert asked["EXAMINE"] == 1
        assert len([c for c in server.commands if c == f"UID SEARCH UID 1:{MAILS}"]) == 3  # at once, then hourly


def test_a_renamed_folder_is_an_error_and_its_mail_is_not_doubled_when_it_comes_back(tmp_path: Path) -> None:
    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        looks(desk, clock, 1)
        server.folders["Renamed"] = server.folders.pop("INBOX")
        server.uidvalidity["Renamed"] = server.uidvalidity["INBOX"]
        assert looks(desk, clock, 1)[0]["exit_code"] == 1
        assert look.status(desk)["mailboxes"][0]["circuit"]
        server.folders["INBOX"] = server.folders.pop("Renamed")
        assert looks(desk, clock, 1)[0]["exit_code"] == 0
        assert_all_in_once(desk, Outcome())


def test_a_mail_that_a_person_takes_away_between_search_and_fetch_is_noted_as_gone(tmp_path: Path) -> None:
    async def taken(session: Session, tag: bytes, verb: str, args: str) -> bool:
        session.mails.pop(POISON, None)
        return False

    with FaultServer() as server, faulty_desk(tmp_path, server) as (desk, clock):
        server.on("UID FETCH", of(1, BODY, taken, 1), times=None)
        box = looks(desk, clock, 1)[0]["mailboxes"][0]
        assert (box["opened"], box["vanished"], box["unfetchable"]) == (MAILS - 1, 1, 0)
        assert reconcile(desk)[0]["missing"] == 0
