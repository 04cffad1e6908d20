"""Marking, moving and waiting: no mail is lost or doubled, and a dead connection is not taken for silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.servers import fault
from tests.servers.fault import FaultServer, mail
from triage.errors import (
    FolderMissing,
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    Permanent,
)
from triage.world import inbox


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}) as running:
        yield running


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


def test_news_that_comes_in_one_piece_with_the_leave_to_idle_is_heard_at_once(server) -> None:
    """IMAPClient polls the socket, which has nothing more to tell."""

    async def together(session: fault.Session, tag: bytes, verb: str, args: str) -> bool:
        session.writer.write(b"* OK before it\r\n+ idling\r\n* 4 EXISTS\r\n")
        await session.writer.drain()
        await session.reader.readline()
        session.ok(tag)
        return True

    server.on("IDLE", together)
    with inbox.open(server.account) as box:
        box.select("INBOX")
        begun = time.monotonic()
        assert box.idle(10) is True
        assert time.monotonic() - begun < 5


def test_an_idle_that_is_refused_leaves_the_connection_good(server) -> None:
    server.on("IDLE", fault.no("not now"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        with pytest.raises(MailboxProtocol):
            box.idle(5)
        assert box.uids() == [1, 2, 3]


@pytest.mark.parametrize("line", ["", "+ go on", '* BYE "half', "* 5 FETCH ((((", "nonsense", "{tag} OK over"])
def test_nonsense_during_idle_ends_the_connection_and_not_the_run(server, line) -> None:
    server.on("IDLE", fault.answer("+ idling", line))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        with pytest.raises((MailboxProtocol, MailboxUnreachable)):
            box.idle(1)
        assert box.closed


def test_a_watchdog_can_end_an_idle_from_another_thread(server) -> None:
    with inbox.open(server.account) as box:
        box.select("INBOX")
        watchdog = threading.Timer(0.2, box.cut)
        watchdog.start()
        with pytest.raises(MailboxUnreachable):
            box.idle(30)
        watchdog.join()


def test_without_idle_the_server_is_asked() -> None:
    with FaultServer({1: mail(1)}, "IMAP4rev1 AUTH=PLAIN") as server, inbox.open(server.account) as box:
        box.select("INBOX")
        assert box.idle(0.05) is False
        server.mails[2] = fault.Mail(mail(2))
        assert box.idle(0.05) is True
