"""What an IMAP server may say, and how it is read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.world.inbox import names, replies
from triage.world.inbox.account import Fact, Limits, batches, chunks
from triage.world.inbox.names import NameSpace
from triage.world.inbox.replies import Garbled


@pytest.mark.parametrize(
    ("reply", "uid", "size", "body", "origin"),
    [
        # the usual one
        ([b"(UID 7 RFC822.SIZE 5 BODY[] ", b"hello", b")"], 7, 5, b"hello", None),
        # another order, and items nobody asked for
        ([b"(FLAGS (\\Seen) BODY[] ", b"hello", b" RFC822.SIZE 5 MODSEQ (12) UID 7)"], 7, 5, b"hello", None),
        # a keyword and a number inside FLAGS that look like an item
        ([b"(FLAGS (UID 99) UID 7 BODY[] ", b"hello", b")"], 7, None, b"hello", None),
        # a quoted string instead of a literal, with an escaped quote and a parenthesis
        ([b'(UID 7 BODY[] "a\\"b)c")'], 7, None, b'a"b)c', None),
        # a small answer to a partial fetch, and the empty one behind the end
        ([b"(UID 7 BODY[]<512> ", b"lo", b")"], 7, None, b"lo", 512),
        ([b'(UID 7 BODY[]<512> "")'], 7, None, b"", 512),
        # NIL: expunged meanwhile (Dovecot)
        ([b"(UID 7 RFC822.SIZE 5 BODY[] NIL)"], 7, 5, None, None),
        # section spelled with quotes (Courier)
        ([b'(UID 7 BODY[HEADER.FIELDS ("MESSAGE-ID")] ', b"Message-ID: <a>", b")"], 7, None, b"Message-ID: <a>", None),
        # unsolicited, without UID: names nobody
        ([b"(FLAGS (\\Deleted))"], None, None, None, None),
        # lower case
        ([b"(uid 7 body[] ", b"x", b")"], 7, None, b"x", None),
    ],
)
def test_a_fetch_reply_is_read_whatever_its_order(reply, uid, size, body, origin) -> None:
    item = replies.fetch_item(reply)
    assert (item.uid, item.size, item.body, item.origin) == (uid, size, body, origin)


@pytest.mark.parametrize(
    "reply",
    [
        [b"UID 7"],
        [b"(UID 7"],
        [b"(UID seven)"],
        [b"(UID 7 BODY[] "],
        [b'(UID 7 BODY[] "never closed)'],
        [b"(UID 7 BODY[never closed "],
        [b"(((((((("],
        [b"(UID 123456789012345678901)"],  # longer than any number of the protocol
    ],
)
def test_a_fetch_reply_that_cannot_be_read_is_garbled(reply) -> None:
    with pytest.raises(Garbled):
        replies.fetch_item(reply)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_bytes_bring_the_readers_down(reply) -> None:
    for read in (replies.fetch_item, replies.pairs, replies.listed, replies.namespace):
        try:
            read(list(reply))
        except Garbled:
            pass
    replies.code(reply[0])
    replies.moment(reply[0])
    names.decode(reply[0])
    try:
        replies.numbers(reply[0])
    except Garbled:
        pass


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),  # 02:44 + 7 h
        (b" 1-Mar-2026 12:00:00 +0530", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),  # 12:00 - 5 h 30
        (b"1-mar-2026 00:30:00 +0100", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        (b"29-Feb-2025 00:00:00 +0000", None),  # 2025 is no leap year
        (b"01-Jan-0001 00:00:00 +1200", None),  # before year 1 in UTC
        (b"01-Mai-2026 00:00:00 +0000", None),
        (b"yesterday", None),
    ],
)
def test_internaldate_is_utc_or_none(text, expected) -> None:
    assert replies.moment(text) == expected


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.timezones()))
@settings(max_examples=50, deadline=None)
def test_internaldate_survives_the_round_trip(at) -> None:
    assert replies.moment(replies.write_moment(at)) == at.astimezone(UTC).replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[UIDNEXT 5] Predicted next UID [really]", ("UIDNEXT", b"5")),
        (b"[PERMANENTFLAGS (\\Deleted a]b \\*)] Limited", ("PERMANENTFLAGS", b"(\\Deleted a]b \\*)")),
        (b"[read-only] open", ("READ-ONLY", b"")),
        (b"Success [THROTTLED]", ("", b"")),  # a code stands in front
        (b"", ("", b"")),
    ],
)
def test_a_response_code_ends_at_its_own_bracket(text, expected) -> None:
    assert replies.code(text) == expected


@given(st.sets(st.integers(1, 300), min_size=1, max_size=80))
def test_a_uid_set_names_exactly_its_uids(uids) -> None:
    written = replies.write_set(sorted(uids))
    assert replies.uid_set(written, len(uids)) == sorted(uids)


def test_a_uid_set_larger_than_asked_for_is_refused_before_it_is_written_out() -> None:
    with pytest.raises(Garbled):
        replies.uid_set(b"1:4294967295", 10)


def test_search_numbers_are_numbers() -> None:
    assert replies.numbers(b"4 7 12") == [4, 7, 12]
    for text in (b"4 7_000", b"4 +7", b"4 (MODSEQ 9)"):
        with pytest.raises(Garbled):
            replies.numbers(text)


def test_uids_are_whole_numbers_and_nothing_else() -> None:
    assert chunks([3, 1, 2, 3], 2) == [[1, 2], [3]]
    for bad in (["1:5"], [0], [True], [-1], ["*"]):
        with pytest.raises(ValueError, match="whole numbers"):
            chunks(bad, 2)  # type: ignore[arg-type]


@given(st.dictionaries(st.integers(1, 10_000), st.integers(0, 5_000), max_size=60))
@settings(deadline=None)
def test_batches_are_bounded_and_hold_every_uid_once(sizes) -> None:
    limits = Limits(batch_mails=7, batch_octets=4_000)
    packed, large = batches({uid: Fact(size, None) for uid, size in sizes.items()}, limits)
    assert sorted([uid for batch in packed for uid in batch] + large) == sorted(sizes)
    assert all(len(batch) <= 7 and sum(sizes[uid] for uid in batch) <= 4_000 for batch in packed)
    assert all(sizes[uid] > 4_000 for uid in large)


@pytest.mark.parametrize(
    ("space", "path", "wire"),
    [
        (NameSpace("", "/"), "Processed/2026", "Processed/2026"),
        (NameSpace("INBOX.", "."), "Processed/2026", "INBOX.Processed.2026"),
        (NameSpace("INBOX.", "."), "inbox", "INBOX"),
        (NameSpace("", "."), "corrections/billing", "corrections.billing"),
    ],
)
def test_paths_are_mapped_to_the_servers_name_space_and_back(space, path, wire) -> None:
    assert space.to_server(path) == wire
    assert space.from_server(wire).upper() == path.upper()


def test_only_a_leading_prefix_is_taken_off() -> None:
    assert NameSpace("INBOX.", ".").from_server("INBOX.Old.INBOX.2020") == "Old/INBOX/2020"
    assert NameSpace("INBOX.", ".").to_server("INBOX/Processed") == "INBOX.Processed"


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("Grüße", b'"Gr&APwA3w-e"'),
        ("A & B", b'"A &- B"'),
        ('say "no"', b'"say \\"no\\""'),
        ("two\r\nA1 LOGOUT", b'"two&AA0ACg-A1 LOGOUT"'),  # no line break reaches the wire
    ],
)
def test_folder_names_are_written_in_modified_utf7(name, encoded) -> None:
    assert names.encode(name) == encoded


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_folder_names_survive_the_round_trip(name) -> None:
    assert names.decode(replies._ESCAPED.sub(rb"\1", names.encode(name)[1:-1])) == name


def test_similar_folders_are_those_a_person_may_have_meant() -> None:
    every = ["INBOX", "Archive/Processed", "Processing", "Sent"]
    assert names.similar("Procesed", every) == ["Archive/Processed", "Processing"]
    assert names.similar("xyzzy", every) == ["Archive/Processed", "INBOX", "Processing", "Sent"]
