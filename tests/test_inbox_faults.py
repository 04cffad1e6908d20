"""A mail server that misbehaves: every fault ends in the right error or in a value, and never in a lost mail."""

from __future__ import annotations

import io
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers import fault
from tests.servers.fault import FaultServer
from triage.errors import (
    FolderMissing,
    InsecureConnection,
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    Permanent,
    SignInRefused,
    TriageError,
)
from triage.world import inbox, signin
from triage.world.tls import Tls

HIDDEN = b"the-customers-own-words"


def mail(number: int, padding: int = 0) -> bytes:
    head = b"Message-ID: <%d@example.org>\r\nSubject: %s\r\n\r\n" % (number, HIDDEN)
    return head + b"x" * padding + b"\r\n"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}) as running:
        yield running


# What ends the connection, and what does not


@pytest.mark.parametrize(
    ("verb", "trouble", "expected", "closed"),
    [
        # a tagged NO leaves the connection good; everything else closes it
        ("UID FETCH", fault.no("something is wrong"), MailboxProtocol, False),
        ("UID FETCH", fault.no("[THROTTLED] slow down"), MailboxThrottled, False),
        ("UID FETCH", fault.no("[OVERQUOTA] Account exceeded command or bandwidth limits."), MailboxThrottled, False),
        ("UID FETCH", fault.no("[UNAVAILABLE] later"), MailboxThrottled, False),
        ("UID FETCH", fault.no("Request is throttled. Suggested Backoff Time: 299910 ms"), MailboxThrottled, False),
        ("UID FETCH", fault.bad("Request is throttled. Suggested Backoff Time: 89117 ms"), MailboxThrottled, True),
        ("UID FETCH", fault.bad("what?"), MailboxProtocol, True),
        ("UID FETCH", fault.bad("User is authenticated but not connected."), SignInRefused, True),
        ("UID FETCH", fault.bye("shutting down"), MailboxUnreachable, True),
        ("UID FETCH", fault.bye("[UNAVAILABLE] too many connections"), MailboxThrottled, True),
        ("UID FETCH", fault.close, MailboxUnreachable, True),
        ("UID FETCH", fault.stall, MailboxUnreachable, True),
        ("UID FETCH", fault.drip(0.2), MailboxUnreachable, True),
        ("UID FETCH", fault.cut_literal(20), MailboxUnreachable, True),
        ("UID FETCH", fault.cut_literal(20, then_close=False), MailboxUnreachable, True),
        ("UID FETCH", fault.wrong_literal(-5), MailboxProtocol, True),  # the rest of the mail is taken for a reply
        ("UID FETCH", fault.wrong_literal(+1000), MailboxUnreachable, True),  # waits for what never comes
        ("UID FETCH", fault.answer("* 1 FETCH (UID 1 BODY[] {999999999999}"), MailboxProtocol, True),
        ("UID FETCH", fault.answer("* 1 FETCH (UID 1 BODY[] {" + "9" * 5000 + "}"), MailboxProtocol, True),
        ("UID FETCH", fault.answer("* 1 FETCH ((((((", "{tag} OK"), MailboxProtocol, True),
        ("UID FETCH", fault.answer("x" * 9_000_000), MailboxProtocol, True),
        ("UID FETCH", fault.answer("A1 OK not what was asked"), MailboxProtocol, True),
        ("UID SEARCH", fault.answer("* SEARCH one two", "{tag} OK"), MailboxProtocol, True),
        ("NOOP", fault.bye("bye"), MailboxUnreachable, True),
        ("NOOP", fault.answer("+ go on", "{tag} OK"), MailboxProtocol, True),
    ],
)  # fmt: skip
def test_each_fault_ends_in_its_class_of_error(server, verb, trouble, expected, closed) -> None:
    server.on(verb, trouble)
    with inbox.open(server.account) as box:
        box.select("INBOX")
        with pytest.raises(TriageError) as caught:
            box.fetch([1, 2, 3]) if verb == "UID FETCH" else box.uids()
        assert type(caught.value) is expected
        assert box.closed is closed
        if closed:  # never used again: what comes late would be taken for another answer
            with pytest.raises(MailboxUnreachable, match="closed"):
                box.uids()
        else:
            assert [m.raw for m in box.fetch([1, 2, 3])] == [mail(1), mail(2), mail(3)]


@pytest.mark.parametrize("trouble", [fault.wrong_literal(-5), fault.cut_literal(30), fault.body(HIDDEN * 3)])
def test_no_error_and_no_log_line_carries_mail_text(server, trouble, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("UID FETCH", trouble, times=None)
    text = ""
    try:
        with inbox.open(server.account) as box:
            box.select("INBOX")
            text = repr(box.fetch([1, 2]))
    except TriageError as error:
        chain: BaseException | None = error
        while chain:  # context included: it is what error collectors print
            text += "".join(traceback.format_exception_only(chain)) + repr(chain.args)
            chain = chain.__cause__ or chain.__context__
    assert text
    assert HIDDEN.decode() not in text + caplog.text


def test_a_tagged_ok_without_text_is_an_ok(server) -> None:
    server.on("SELECT", fault.bare_ok)
    with inbox.open(server.account) as box:
        box.select("INBOX")
        server.on("UID FETCH", fault.bare_ok)
        assert [m.raw for m in box.fetch([1])] == [mail(1)]


def test_a_watchdog_can_cut_a_stuck_command_from_another_thread(server) -> None:
    server.on("UID SEARCH", fault.stall)
    account = replace(server.account, timeouts=inbox.Timeouts(connect=2, read=30, command=30))
    with inbox.open(account) as box:
        box.select("INBOX")
        watchdog = threading.Timer(0.2, box.cut)
        watchdog.start()
        with pytest.raises(MailboxUnreachable):
            box.uids()
        assert box.closed


# Fetching


def test_an_omitted_uid_has_no_text_and_is_found_to_be_there_still(server) -> None:
    server.on("UID FETCH", fault.omit(2))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert [(m.uid, m.raw) for m in box.fetch([1, 2, 3])] == [(1, mail(1)), (2, None), (3, mail(3))]
        assert box.still_there([1, 2, 3, 4]) == {1, 2, 3}


def test_a_nil_body_is_no_mail(server) -> None:
    server.on("UID FETCH", fault.body(None))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert [m.raw for m in box.fetch([1, 2])] == [None, None]


def test_an_empty_body_is_no_mail_unless_the_mail_is_empty(server) -> None:
    server.on("UID FETCH", fault.answer("* 1 FETCH (UID 1 RFC822.SIZE 99 BODY[] {0}", ")", "{tag} OK"))
    server.on("UID FETCH", fault.answer("* 1 FETCH (UID 1 RFC822.SIZE 0 BODY[] {0}", ")", "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.fetch([1])[0].raw is None
        assert box.fetch([1])[0].raw == b""


def test_a_size_that_lies_is_asked_for_again_then_accepted_and_recorded(server) -> None:
    server.mails[2].size = 19_189  # Exchange announces other sizes than it sends
    with inbox.open(server.account) as box:
        box.select("INBOX")
        got = box.fetch([1, 2, 3])
    assert [(m.raw, m.asked_again, m.size_mismatch) for m in got] == [
        (mail(1), False, False),
        (mail(2), True, True),
        (mail(3), False, False),
    ]
    assert [c for c in server.commands if c.startswith("UID FETCH")] == [
        "UID FETCH 1:3 (UID RFC822.SIZE BODY.PEEK[])",
        "UID FETCH 2 (UID RFC822.SIZE BODY.PEEK[])",
    ]


def test_a_short_text_that_comes_whole_the_second_time_is_the_mail(server) -> None:
    server.on("UID FETCH", fault.body(b"short"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        (got,) = box.fetch([1])
    assert (got.raw, got.asked_again, got.size_mismatch) == (mail(1), True, False)


def test_a_stand_in_for_an_expunged_mail_is_not_taken_for_the_mail(server) -> None:
    """Courier answers with a small text of its own when the mail went away between SEARCH and FETCH."""
    server.on("UID FETCH", fault.body(b"This message has been removed.\r\n"), times=2)
    server.on("UID SEARCH", fault.answer("* SEARCH", "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.fetch([1])[0].raw is None


def test_sizes_known_from_before_count_more_than_those_beside_the_text(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX")
        facts = box.facts([1])
        server.on("UID FETCH", fault.answer("* 1 FETCH (UID 1 RFC822.SIZE 2 BODY[] {2}", "hi)", "{tag} OK"))
        assert box.fetch([1], facts)[0].raw == mail(1)


def test_unsolicited_replies_change_nothing(server) -> None:
    server.on(
        "UID FETCH",
        fault.also_says(
            "* 2 FETCH (FLAGS (\\Seen))",
            "* 2 FETCH (UID 2 FLAGS (\\Deleted))",
            "* 9 FETCH (UID 77 RFC822.SIZE 1 BODY[] NIL)",
            "* 5 EXISTS",
            "* OK [ALERT] maintenance tonight",
        ),
    )
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert [(m.uid, m.raw) for m in box.fetch([1, 2])] == [(1, mail(1)), (2, mail(2))]


def test_mails_sent_before_a_refusal_because_others_are_gone_are_kept(server) -> None:
    lines = (f"* 1 FETCH (UID 1 RFC822.SIZE {len(mail(1))} BODY[] {{{len(mail(1))}}}", mail(1) + b")")
    server.on("UID FETCH", fault.answer(*lines, "{tag} NO [EXPUNGEISSUED] some are gone"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert [(m.uid, m.raw) for m in box.fetch([1, 2])] == [(1, mail(1)), (2, None)]


def test_a_large_mail_is_written_in_pieces(server) -> None:
    server.mails[4] = fault.Mail(mail(4, padding=2_500))
    account = replace(server.account, limits=inbox.Limits(piece_octets=1_000))
    with inbox.open(account) as box:
        box.select("INBOX")
        for announced in (len(mail(4, 2_500)), 10, 5_000):  # right, too small, too large
            into = io.BytesIO()
            assert box.fetch_large(4, announced, into) == inbox.Streamed(4, len(mail(4, 2_500)), complete=True)
            assert into.getvalue() == mail(4, 2_500)
    assert "UID FETCH 4 (UID BODY.PEEK[]<2000.1000>)" in server.commands


def test_a_mail_beyond_the_hard_cap_is_not_loaded_but_its_header_is(server) -> None:
    server.mails[4] = fault.Mail(mail(4, padding=5_000))
    account = replace(server.account, limits=inbox.Limits(piece_octets=1_000, largest_mail=3_000))
    with inbox.open(account) as box:
        box.select("INBOX")
        into = io.BytesIO()
        assert box.fetch_large(4, 5_100, into) == inbox.Streamed(4, 0, complete=False)
        assert box.fetch_large(4, 10, into) == inbox.Streamed(4, 3_000, complete=False)  # announced small, is large
        assert box.fetch_header(4) == mail(4).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def test_a_large_mail_that_vanishes_half_way_is_not_complete(server) -> None:
    server.mails[4] = fault.Mail(mail(4, padding=2_500))
    account = replace(server.account, limits=inbox.Limits(piece_octets=1_000))
    with inbox.open(account) as box:
        box.select("INBOX")
        server.on("UID FETCH", lambda *a: _go_on())
        server.on("UID FETCH", fault.answer("* 4 FETCH (UID 4 BODY[]<1000> NIL)", "{tag} OK"))
        assert box.fetch_large(4, len(mail(4, 2_500)), io.BytesIO()) == inbox.Streamed(4, 1_000, complete=False)


async def _go_on() -> bool:
    return False


def test_a_server_that_ignores_the_bounds_of_a_piece_is_not_believed(server) -> None:
    server.mails[4] = fault.Mail(mail(4, padding=2_500))
    account = replace(server.account, limits=inbox.Limits(piece_octets=1_000))
    server.on("UID FETCH", fault.body(b"y" * 3_000))
    server.on("UID FETCH", fault.answer("* 4 FETCH (UID 4 BODY[] {3000}", "y" * 3_000 + ")", "{tag} OK"))
    with inbox.open(account) as box:
        box.select("INBOX")
        box.fetch_header(4)
        with pytest.raises(MailboxProtocol, match="bounds"):
            box.fetch_large(4, 2_600, io.BytesIO())
        assert box.closed


def test_a_full_disk_is_not_taken_for_an_outage_of_the_server(server) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with inbox.open(server.account) as box:
        box.select("INBOX")
        with pytest.raises(OSError, match="No space left"):
            box.fetch_large(1, 10, Full())


# Searching


def test_a_search_line_of_more_than_a_megabyte_is_read_and_what_was_not_asked_for_dropped(server) -> None:
    line = "* SEARCH " + " ".join(str(uid) for uid in range(1, 200_001))  # 1.3 MB
    server.on("UID SEARCH", fault.answer(line, "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.uids(5, 10) == [5, 6, 7, 8, 9, 10]


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


def test_names_are_mapped_to_a_prefixed_name_space() -> None:
    with FaultServer({}, prefix="INBOX.", delimiter=".") as server, inbox.open(server.account) as box:
        assert box.folders() == ("INBOX", "Processed")
        assert box.ensure("Processed") is False
        assert box.ensure("corrections/billing") is True
        assert box.folders() == ("INBOX", "Processed", "corrections/billing")
        assert 'CREATE "INBOX.corrections.billing"' in server.commands


# Marking and moving


def test_a_read_only_folder_is_examined_and_nothing_is_marked_or_moved(server) -> None:
    with inbox.open(server.account) as box:
        assert box.select("INBOX").read_write is False
        assert box.mark([1], "$Triaged") is False
        with pytest.raises(Permanent, match="read-only"):
            box.move([1], "Processed")
    assert not [c for c in server.commands if c.startswith(("SELECT", "UID STORE", "UID MOVE"))]


def test_a_keyword_is_set_and_a_system_flag_cannot_be(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        assert box.mark([1, 3], "$Triaged") is True
        for flag in ("\\Seen", "two words", "", "a)b"):
            with pytest.raises(ValueError, match="keyword"):
                box.mark([1], flag)
    assert [sorted(server.mails[uid].flags) for uid in (1, 2, 3)] == [["$Triaged"], [], ["$Triaged"]]


def test_a_move_gives_the_new_uids_and_none_for_what_someone_else_took(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        assert box.move([1, 3, 8], "Processed") == {1: 1, 3: 2, 8: None}
    assert list(server.mails) == [2]


def test_a_move_refused_because_mails_went_away_is_tried_again_for_the_rest(server) -> None:
    server.on("UID MOVE", fault.no("[EXPUNGEISSUED] Some of the requested messages no longer exist."))
    with inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        assert box.move([1, 2, 8], "Processed") == {1: 1, 2: 2, 8: None}


def test_a_move_to_a_full_mailbox_is_tried_again_later(server) -> None:
    server.on("UID MOVE", fault.no("[OVERQUOTA] Quota exceeded"))
    with inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        with pytest.raises(MailboxThrottled):
            box.move([1], "Processed")
        assert not box.closed
    assert sorted(server.mails) == [1, 2, 3]


def test_a_copyuid_that_makes_no_sense_is_not_believed(server) -> None:
    server.on("UID MOVE", fault.answer("* OK [COPYUID 5 1:4294967295 1:4294967295] moved", "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        assert box.move([1, 2], "Processed") == {}  # both are still here


WITHOUT_MOVE = "IMAP4rev1 UIDPLUS IDLE AUTH=PLAIN"


def test_without_move_mails_are_copied_then_removed_one_by_one_and_never_expunged_at_large() -> None:
    with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}, WITHOUT_MOVE) as server:
        server.mails[2].flags.add("\\Deleted")  # a person's doing; not ours to remove
        with inbox.open(server.account) as box:
            box.select("INBOX", read_only=False)
            assert box.move([1, 3, 8], "Processed") == {1: 1, 3: 2, 8: None}
            assert box.state is not None and box.state.folder == "INBOX"
        assert list(server.mails) == [2]
        assert [m.raw for m in server.folders["Processed"].values()] == [mail(1), mail(3)]
        assert not [c for c in server.commands if c.startswith(("EXPUNGE", "CLOSE"))]


@pytest.mark.parametrize("numbered", [True, False])
def test_a_move_that_broke_off_after_its_copy_does_not_double_the_mail(numbered) -> None:
    raw = {uid: mail(uid) if numbered else b"Subject: no id\r\n\r\n%d\r\n" % uid for uid in (1, 2)}
    with FaultServer(raw, WITHOUT_MOVE) as server:
        server.mails[2].internaldate = "02-Mar-2026 12:00:00 +0000"
        server.on("UID STORE", fault.close)
        with inbox.open(server.account) as box:
            box.select("INBOX", read_only=False)
            with pytest.raises(MailboxUnreachable):
                box.move([1, 2], "Processed")
        assert len(server.folders["Processed"]) == 2
        with inbox.open(server.account) as box:
            box.select("INBOX", read_only=False)
            assert box.move([1, 2], "Processed") == {1: 1, 2: 2}
        assert len(server.folders["Processed"]) == 2
        assert not server.mails


def test_a_copy_the_server_does_not_prove_is_looked_for_before_anything_is_removed() -> None:
    with FaultServer({1: mail(1), 2: mail(2)}, WITHOUT_MOVE) as server:
        server.on("UID COPY", fault.answer("{tag} OK done"))  # says so, does nothing
        with inbox.open(server.account) as box:
            box.select("INBOX", read_only=False)
            assert box.move([1, 2], "Processed") == {}
        assert sorted(server.mails) == [1, 2]
        assert not server.mails[1].flags


def test_without_uidplus_the_originals_stay_marked_and_are_not_expunged() -> None:
    with FaultServer({1: mail(1)}, "IMAP4rev1 AUTH=PLAIN") as server:
        with inbox.open(server.account) as box:
            box.select("INBOX", read_only=False)
            assert box.move([1], "Processed") == {1: 1}
        assert server.mails[1].flags == {"\\Deleted"}
        assert not [c for c in server.commands if "EXPUNGE" in c]


def test_a_move_to_a_missing_folder_opens_the_source_again() -> None:
    with FaultServer({1: mail(1)}, WITHOUT_MOVE) as server, inbox.open(server.account) as box:
        box.select("INBOX", read_only=False)
        with pytest.raises(FolderMissing):
            box.move([1], "Prozessed")
        assert box.still_there([1]) == {1}


# Waiting


def test_idle_wakes_when_mail_arrives_and_says_no_when_it_does_not(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.idle(0.1) is False
        timer = threading.Timer(0.1, server.arrive, (4, mail(4)))
        timer.start()
        begun = time.monotonic()
        assert box.idle(10) is True
        assert time.monotonic() - begun < 5
        assert box.idle(0.1) is False  # told once
        assert box.uids() == [1, 2, 3, 4]


def test_mail_that_came_before_idle_began_is_news(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX")
        server.mails[4] = fault.Mail(mail(4))
        assert box.idle(10) is True
        assert "IDLE" not in server.commands


@pytest.mark.parametrize("ending", [fault.close, fault.bye("idle too long"), fault.answer("+ idling", "* BYE")])
def test_a_connection_closed_during_idle_is_not_taken_for_silence(server, ending) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX")
        server.on("IDLE", ending)
        with pytest.raises(MailboxUnreachable):
            box.idle(10)
        assert box.closed


def test_a_connection_that_died_in_silence_is_found_out_at_the_end_of_idle(server) -> None:
    async def deaf(session: fault.Session, tag: bytes, verb: str, args: str) -> bool:
        session.say("+ idling")
        await session.writer.drain()
        return await fault.stall(session, tag, verb, args)

    server.on("IDLE", deaf)
    with inbox.open(server.account) as box:
        box.select("INBOX")
        with pytest.raises(MailboxUnreachable):
            box.idle(0.2)


def test_an_idle_line_in_pieces_is_read_whole(server) -> None:
    async def in_pieces(session: fault.Session, tag: bytes, verb: str, args: str) -> bool:
        session.say("+ idling")
        for piece in (b"* OK still ", b"here\r\n* 4 EX", b"ISTS\r\n"):
            session.writer.write(piece)
            await session.writer.drain()
            await fault.asyncio.sleep(0.05)
        await session.reader.readline()
        session.ok(tag)
        return True

    server.on("IDLE", in_pieces)
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.idle(10) is True
        assert not box.closed


def test_without_idle_the_server_is_asked() -> None:
    with FaultServer({1: mail(1)}, "IMAP4rev1 AUTH=PLAIN") as server, inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.idle(0.05) is False
        server.mails[2] = fault.Mail(mail(2))
        assert box.idle(0.05) is True


# Signing in


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fault.no("[AUTHENTICATIONFAILED] wrong"), SignInRefused),
        (fault.no("[ALERT] Application-specific password required"), SignInRefused),
        (fault.no("[CONTACTADMIN] account locked"), SignInRefused),
        (fault.bad("no such mechanism"), SignInRefused),
        (fault.no("[UNAVAILABLE] directory is down"), MailboxThrottled),
        (fault.no("[ALERT] Too many simultaneous connections. (Failure)"), MailboxThrottled),
        (fault.bye("[LIMIT] too many connections"), MailboxThrottled),
        (fault.bye("going down"), MailboxUnreachable),
        (fault.close, MailboxUnreachable),
        (fault.stall, MailboxUnreachable),
    ],
)
def test_a_refused_sign_in_is_told_from_a_server_that_cannot_now(server, reply, expected) -> None:
    server.on("AUTHENTICATE", reply)
    with pytest.raises(TriageError) as caught:
        inbox.open(server.account)
    assert type(caught.value) is expected
    assert len([c for c in server.commands if c.startswith("AUTHENTICATE")]) == 1  # not tried again


def test_the_password_is_kept_out_of_the_error_though_the_server_repeats_it() -> None:
    with FaultServer(capabilities="IMAP4rev1") as server:
        server.on("LOGIN", fault.bad('syntax error in LOGIN "intake" "s3cret"'))
        with pytest.raises(SignInRefused) as caught:
            inbox.open(server.account)
    assert "s3cret" not in str(caught.value)
    assert "***" in str(caught.value)


def test_login_is_used_where_plain_is_not_offered_and_nothing_where_it_is_disabled() -> None:
    with FaultServer(capabilities="IMAP4rev1") as server:
        inbox.open(server.account).close()
        assert "LOGIN ***" in server.commands
    with FaultServer(capabilities="IMAP4rev1 LOGINDISABLED") as server:
        with pytest.raises(SignInRefused, match="no password"):
            inbox.open(server.account)
        assert "LOGIN ***" not in server.commands


def test_a_refused_token_is_renewed_once() -> None:
    asked: list[bool] = []

    def source(*, fresh: bool = False) -> str:
        asked.append(fresh)
        return f"token-{len(asked)}"

    with FaultServer() as server:
        account = replace(server.account, sign_in=signin.Bearer(source))
        server.on("AUTHENTICATE", fault.no("[AUTHENTICATIONFAILED] expired"))
        with inbox.open(account) as box:
            assert box.select("INBOX").exists == 0
        assert asked == [False, True]
        server.on("AUTHENTICATE", fault.no("[AUTHENTICATIONFAILED] expired"), times=None)
        with pytest.raises(SignInRefused):
            inbox.open(account)
        assert asked == [False, True, False, True]


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        ("BYE [UNAVAILABLE] too many connections from your address", MailboxThrottled),
        ("BYE not today", MailboxUnreachable),
        ("220 mail.example.org ESMTP", MailboxProtocol),
    ],
)
def test_a_greeting_that_turns_us_away(greeting, expected) -> None:
    with FaultServer(greeting=greeting) as server, pytest.raises(TriageError) as caught:
        inbox.open(server.account)
    assert type(caught.value) is expected


def test_nothing_listens(server) -> None:
    with pytest.raises(MailboxUnreachable):
        inbox.open(replace(server.account, port=1))


# Clear text


@pytest.mark.parametrize("host", ["mail.example.org", "192.0.2.1", "localhost.example.org", "127.0.0.1.example.org"])
def test_a_password_does_not_cross_a_network_in_clear_text(server, host) -> None:
    with pytest.raises(InsecureConnection):
        inbox.open(replace(server.account, host=host))


def test_starttls_that_is_refused_or_too_late_gets_no_password() -> None:
    with FaultServer() as server:
        server.on("STARTTLS", fault.bad("unknown command"))
        with pytest.raises(InsecureConnection, match="STARTTLS"):
            inbox.open(replace(server.account, tls=Tls.STARTTLS))
        assert not [c for c in server.commands if c.startswith(("LOGIN", "AUTHENTICATE"))]
    with FaultServer(greeting="PREAUTH welcome") as server, pytest.raises(InsecureConnection):
        inbox.open(replace(server.account, tls=Tls.STARTTLS))


def test_what_is_said_after_starttls_in_the_clear_is_not_believed_inside() -> None:
    with FaultServer() as server:
        server.on("STARTTLS", fault.answer("{tag} OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN"))
        with pytest.raises(MailboxProtocol):
            inbox.open(replace(server.account, tls=Tls.STARTTLS))
