"""Folders: opening, listing, and finding every mail in them, whatever the server says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers import fault
from tests.servers.fault import FaultServer, mail
from triage.errors import (
    FolderMissing,
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    TriageError,
)
from triage.world import inbox


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}) as running:
        yield running


# Searching


def test_a_search_line_of_more_than_a_megabyte_is_read_and_what_was_not_asked_for_dropped(server) -> None:
    line = "* SEARCH " + " ".join(str(uid) for uid in range(1, 200_001))  # 1.3 MB
    server.on("UID SEARCH", fault.answer(line, "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.uids(5, 10) == [5, 6, 7, 8, 9, 10]


def test_a_search_reply_may_come_in_several_lines(server) -> None:
    server.on("UID SEARCH", fault.answer("* SEARCH 1 2", "* SEARCH", "* SEARCH 3", "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.uids() == [1, 2, 3]


def test_a_big_folder_is_searched_in_windows_after_a_noop(server) -> None:
    limits = inbox.Limits(window_uids=2)  # three mails are more than one window holds
    server.mails[6] = fault.Mail(mail(6))
    with inbox.open(replace(server.account, limits=limits)) as box:
        box.select("INBOX")
        assert box.uids() == [1, 2, 3, 6]
        assert box.state is not None and box.state.uidnext == 7
    said = [c for c in server.commands if c.startswith(("NOOP", "UID"))]
    assert said == ["NOOP", "UID FETCH * (UID)", "UID SEARCH UID 1:2", "UID SEARCH UID 3:4", "UID SEARCH UID 5:6"]


def test_a_small_folder_is_one_window_however_far_apart_its_uids_are(server) -> None:
    server.mails[4_000_000_000] = fault.Mail(mail(9))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.uids() == [1, 2, 3, 4_000_000_000]
    assert len([c for c in server.commands if c.startswith("UID SEARCH")]) == 1


def test_gaps_of_billions_are_crossed_in_a_few_questions(server) -> None:
    server.mails[4_000_000_000] = fault.Mail(mail(9))
    with inbox.open(replace(server.account, limits=inbox.Limits(window_uids=2))) as box:
        box.select("INBOX")
        assert box.uids() == [1, 2, 3, 4_000_000_000]
    # windows of 2, 2, 2, 4, 8 ... 2^31: the sum passes 4e9 after 31 doublings
    assert len([c for c in server.commands if c.startswith("UID SEARCH")]) < 40


def test_a_newest_mail_the_server_hides_is_still_searched_for(server) -> None:
    server.on("UID FETCH", fault.answer("{tag} OK"))  # nothing for "*"
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.uids() == [1, 2, 3]


# Folders


def test_a_missing_folder_names_the_similar_ones(server) -> None:
    with inbox.open(server.account) as box:
        with pytest.raises(FolderMissing, match="Similar folders: Processed"):
            box.select("Prozessed")
        with pytest.raises(FolderMissing, match="Similar folders: Processed"):
            box.status("Procesed")
        assert not box.closed
        assert box.select("Processed").exists == 0


def test_a_folder_that_may_not_be_opened_is_told_from_one_that_is_missing(server) -> None:
    server.on("EXAMINE", fault.no("[NOPERM] access denied"))
    with inbox.open(server.account) as box, pytest.raises(FolderMissing, match="refuses it to intake"):
        box.select("INBOX")


def test_a_throttled_select_is_not_a_missing_folder(server) -> None:
    server.on("EXAMINE", fault.no("[LIMIT] too many folders open"))
    with inbox.open(server.account) as box, pytest.raises(MailboxThrottled):
        box.select("INBOX")


@pytest.mark.parametrize("line", ["* OK [UIDNOTSTICKY] not kept", "* OK no uidvalidity here"])
def test_a_folder_without_lasting_uids_is_refused(server, line) -> None:
    lines = ["* 3 EXISTS", line] + (["* OK [UIDVALIDITY 5]"] if "STICKY" in line else [])
    server.on("EXAMINE", fault.answer(*lines, "{tag} OK [READ-ONLY]"))
    with inbox.open(server.account) as box, pytest.raises(MailboxProtocol, match="lasting UIDs"):
        box.select("INBOX")


def test_uidnext_is_found_where_the_server_leaves_it_out(server) -> None:
    server.on("EXAMINE", fault.answer("* 3 EXISTS", "* OK [UIDVALIDITY 5]", "{tag} OK [READ-ONLY]"))
    with inbox.open(server.account) as box:
        box.status("INBOX")
        with pytest.raises(MailboxUnreachable, match="No folder is open"):
            box.uids()
        server.commands.clear()
        with pytest.raises(TriageError):  # our server has no folder open now, and is asked for UID FETCH *
            box.select("INBOX")
    assert "UID FETCH * (UID)" in server.commands


def test_a_folder_that_opens_for_reading_only_says_so(server) -> None:
    server.on("SELECT", fault.answer("* 3 EXISTS", "* OK [UIDVALIDITY 5]", "{tag} OK [READ-ONLY] may not write"))
    with inbox.open(server.account) as box:
        assert box.select("INBOX", read_only=False).read_write is False
        assert box.mark([1], "$Triaged") is False
        assert box.uids() == [1, 2, 3]


def test_a_response_code_ends_at_its_own_bracket_though_the_text_has_more(server) -> None:
    lines = ("* 3 EXISTS", "* OK [UIDVALIDITY 5] valid [for now]", "* OK [UIDNEXT 4] next [UID]")
    flags = "* OK [PERMANENTFLAGS (\\Deleted a]b \\*)] Limited [see help]"
    server.on("EXAMINE", fault.answer(*lines, flags, "{tag} OK [READ-ONLY]"))
    with inbox.open(server.account) as box:
        state = box.select("INBOX")
    assert (state.uidvalidity, state.uidnext, state.permanent_flags) == (5, 4, {"\\Deleted", "a]b", "\\*"})


def test_names_are_mapped_to_a_prefixed_name_space() -> None:
    with FaultServer({}, prefix="INBOX.", delimiter=".") as server, inbox.open(server.account) as box:
        assert box.folders() == ("INBOX", "Processed")
        assert box.ensure("Processed") is False
        assert box.ensure("corrections/billing") is True
        assert box.folders() == ("INBOX", "Processed", "corrections/billing")
        assert 'CREATE "INBOX.corrections.billing"' in server.commands
