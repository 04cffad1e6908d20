"""A mail server that misbehaves: every fault ends in the right error or in a value, and never in a lost mail."""

from __future__ import annotations

import io
import logging
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.servers import fault
from tests.servers.fault import HIDDEN, FaultServer, mail
from triage.errors import (
    MailboxProtocol,
    MailboxThrottled,
    MailboxUnreachable,
    SignInRefused,
    TriageError,
)
from triage.world import inbox


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


@pytest.mark.parametrize(
    "trouble", [fault.wrong_literal(-5), fault.wrong_literal(-40), fault.cut_literal(30), fault.body(HIDDEN * 3)]
)
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


def test_a_text_that_ends_like_a_literal_is_none(server) -> None:
    server.on("UID FETCH", fault.also_says("* OK [ALERT] see ticket {99}", "* NO quota at 90% {12}"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
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


def test_what_came_unasked_with_an_earlier_command_is_no_answer(server) -> None:
    server.on("NOOP", fault.also_says("* 1 FETCH (UID 1 RFC822.SIZE 2 BODY[] {2}", "hi)"))
    server.on("UID FETCH", fault.omit(1))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        box.still_there([1])
        assert [m.raw for m in box.fetch([1])] == [None]


def test_a_reply_without_uid_is_nobodys_mail(server) -> None:
    """IMAPClient files it under the UID that equals its sequence number: one mail's text under another's name."""
    server.on("UID FETCH", fault.answer("* 2 FETCH (RFC822.SIZE 5 BODY[] {5}", "hello)", "{tag} OK"))
    with inbox.open(server.account) as box:
        box.select("INBOX")
        assert [m.raw for m in box.fetch([2])] == [None]


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
