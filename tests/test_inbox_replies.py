"""The usual reply is read the short way: it says what the libraries below would have read in it."""

from __future__ import annotations

import random
from datetime import datetime

import pytest
from imapclient.datetime_util import parse_to_datetime

from tests.servers import fault
from tests.servers.fault import FaultServer, mail
from triage.world import inbox
from triage.world.inbox import replies
from triage.world.inbox.transport import Transport


def _imapclients(text: bytes) -> datetime | None:
    try:
        return replies._utc(parse_to_datetime(text, normalise=False))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def test_a_date_is_the_moment_that_imapclient_reads_or_none_where_it_reads_none() -> None:
    draw = random.Random(20)
    months = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec Foo jan".split()
    dates = 0
    for _ in range(5_000):
        day = b"%2d" % draw.randint(0, 32) if draw.random() < 0.5 else b"%02d" % draw.randint(0, 32)
        year = draw.choice([draw.randint(1970, 2100), draw.randint(0, 9999)])
        hour, minute, second = (draw.randint(0, most) for most in (24, 60, 61))
        zone = draw.choice((b"+", b"-")) + b"%02d%02d" % (draw.randint(0, 25), draw.randint(0, 65))
        text = b"%s-%s-%04d %02d:%02d:%02d %s" % (day, draw.choice(months), year, hour, minute, second, zone)
        assert replies.moment(text) == _imapclients(text), text
        dates += replies.moment(text) is not None
    assert dates > 2_500  # so both kinds were met


@pytest.mark.parametrize(
    "lines",
    [
        ["* 1 FETCH (UID 1 RFC822.SIZE 20)", "* 2 FETCH (UID 2 RFC822.SIZE 30)", "* 3 EXISTS", "* 3 FETCH (UID 3 FLAGS ())"],
        ["* 1 FETCH (UID 1 BODY[] {3}", "a)b)", "* 2 FETCH (UID 2 BODY[] NIL)"],
        ["* 2 FETCH (UID 1 BODY[] {26}", "* 9 FETCH (UID 9 SIZE 9)", ")"],  # a mail that looks like a reply
        ["* OK still here", "* 1 FETCH (UID 1)", "* 2 FETCH (UID 2) ", "* 1 EXPUNGE", "* 7 FETCH (UID 7)"],
    ],
)  # fmt: skip
def test_replies_in_one_line_are_collected_as_imaplib_collects_them(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for short in (True, False):
        with FaultServer({uid: mail(uid) for uid in (1, 2, 3)}) as server:
            server.on("UID FETCH", fault.answer(*lines, "{tag} OK done"))
            with inbox.open(server.account) as box, monkeypatch.context() as patch:
                if not short:
                    patch.setattr(Transport, "_fetch_lines", lambda self: None)
                box.select("INBOX")
                assert box._client is not None
                imap = box._client.imap
                kind, parts = imap.uid("FETCH", "1:*", "(UID)")
                found.append((kind, parts, imap.exists, imap.news))
    assert found[0] == found[1]
    assert found[0][0] == "OK" and len(found[0][1]) >= 2
