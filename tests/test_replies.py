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


def read(parts: list[replies.Part | None]) -> list[replies.Item]:
    return list(replies.fetched(parts))


@pytest.mark.parametrize(
    ("reply", "uid", "size", "body", "origin"),
    [
        # the usual one
        ([(b"1 (UID 7 RFC822.SIZE 5 BODY[] {5}", b"hello"), b")"], 7, 5, b"hello", None),
        # another order, and items nobody asked for
        ([(b"1 (FLAGS (\\Seen) BODY[] {5}", b"hello"), b" RFC822.SIZE 5 UID 7)"], 7, 5, b"hello", None),
        ([(b"1 (BODY[] {5}", b"hello"), b" RFC822.SIZE 5 MODSEQ (12) UID 7)"], 7, 5, b"hello", None),
        # a keyword and a number inside FLAGS that look like an item
        ([(b"1 (FLAGS (UID 99) UID 7 BODY[] {5}", b"hello"), b")"], 7, None, b"hello", None),
        # a quoted string instead of a literal, with an escaped quote and a parenthesis
        ([b'1 (UID 7 BODY[] "a\\"b)c")'], 7, None, b'a"b)c', None),
        # a small answer to a partial fetch, and the empty one behind the end
        ([(b"1 (UID 7 BODY[]<512> {2}", b"lo"), b")"], 7, None, b"lo", 512),
        ([b'1 (UID 7 BODY[]<512> "")'], 7, None, b"", 512),
        # NIL: expunged meanwhile (Dovecot)
        ([b"1 (UID 7 RFC822.SIZE 5 BODY[] NIL)"], 7, 5, None, None),
        # section spelled with quotes (Courier)
        ([(b'1 (UID 7 BODY[HEADER.FIELDS ("X")] {4}', b"X: a"), b")"], 7, None, b"X: a", None),
        # two literals
        ([(b"1 (X-GM-LABELS ({3}", b"abc"), (b") UID 7 BODY[] {5}", b"hello"), b")"], 7, None, b"hello", None),
        # unsolicited, without UID: names nobody
        ([b"7 (FLAGS (\\Deleted))"], None, None, None, None),
        # lower case
        ([(b"1 (uid 7 body[] {1}", b"x"), b")"], 7, None, b"x", None),
    ],
)
def test_a_fetch_reply_is_read_whatever_its_order(reply, uid, size, body, origin) -> None:
    (item,) = read(reply)
    assert (item.uid, item.size, item.body, item.origin) == (uid, size, body, origin)


def test_replies_are_told_apart() -> None:
    one, two = (b"1 (UID 7 BODY[] {2}", b"hi"), (b"2 (UID 8 BODY[] {2}", b"ho")
    assert [(i.uid, i.body) for i in read([one, b")", b"3 (UID 9)", two, b")"])] == [(7, b"hi"), (9, None), (8, b"ho")]
    assert read([None]) == []


@pytest.mark.parametrize(
    "reply",
    [
        [b"1 UID 7"],
        [b"1 (UID 7"],
        [b"1 (UID seven)"],
        [b"1 (UID 7 BODY[] )"],
        [b'1 (UID 7 BODY[] "never closed)'],
        [b"1 (UID 7 BODY[never closed "],
        [b"1 ((((((((("],
        [b"1 " + b"(" * 100_000],
        [(b"1 (UID 7 BODY[] {2}", b"hi")],
        [b""],
    ],
)
def test_a_fetch_reply_that_cannot_be_read_is_garbled(reply) -> None:
    with pytest.raises(Garbled):
        read(reply)


PARTS = st.one_of(st.binary(max_size=60), st.tuples(st.binary(max_size=60).map(lambda b: b + b" {2}"), st.just(b"hi")))


@given(st.lists(PARTS, min_size=1, max_size=5), st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_bytes_bring_the_readers_down(reply, text) -> None:
    for reader, given_ in ((read, reply), (replies.listed, text), (replies.counts, text), (replies.numbers, text)):
        try:
            reader(given_)  # type: ignore[operator]
        except Garbled:
            pass
    replies.code(text)
    replies.moment(text)
    names.decode(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"17-Jul-1996 02:44:25 -0700", datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)),  # 02:44 + 7 h
        (b" 1-Mar-2026 12:00:00 +0530", datetime(2026, 3, 1, 6, 30, tzinfo=UTC)),  # 12:00 - 5 h 30
        (b"1-mar-2026 00:30:00 +0100", datetime(2026, 2, 28, 23, 30, tzinfo=UTC)),
        (b"29-Feb-2025 00:00:00 +0000", None),  # 2025 is no leap year
        (b"31-Dec-9999 23:00:00 -0700", None),  # beyond year 9999 in UTC
        (b"01-Mai-2026 00:00:00 +0000", None),
        (b"yesterday", None),
        (b"01-Mar-2026 12:00:00 -0000", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (b"01-Mar-2026 12:00:00 +9999", None),  # more than a day
    ],
)
def test_internaldate_is_utc_or_none(text, expected) -> None:
    assert replies.moment(text) == expected


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


def test_a_uid_set_with_something_else_than_numbers_is_garbled() -> None:
    for text in (b"", b"1,", b"1:x", b"*", b"1:2:3"):
        with pytest.raises(Garbled):
            replies.uid_set(text, 10)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'(\\HasNoChildren) "/" "say \\"no\\""', ((b"\\HasNoChildren",), b"/", b'say "no"')),
        (b'() "." a[b', ((), b".", b"a[b")),
        (b'(\\Noselect) NIL ""', ((b"\\Noselect",), None, b"")),
        (b'() "\\\\" 12', ((), b"\\", b"12")),
    ],
)
def test_a_list_reply_is_read(line, expected) -> None:
    assert replies.listed(line) == expected


@pytest.mark.parametrize("name", [b"INBOX", b'"a (MESSAGES 9) b"', b"a[b", b"12", b'"q\\""'])
def test_a_status_reply_is_read_whatever_the_name_before_it(name) -> None:
    said = replies.counts(name + b" (messages 3 UIDNEXT 4 MAILBOXID (F12) UIDVALIDITY 5) ")
    assert said == {"MESSAGES": "3", "UIDNEXT": "4", "MAILBOXID": "F12", "UIDVALIDITY": "5"}
    for bad in (b"", b" (MESSAGES three)", b" (MESSAGES 3", b" (((("):
        with pytest.raises(Garbled):
            replies.counts(name + bad)


def test_a_list_reply_with_a_literal_is_named_by_it() -> None:
    assert replies.listed(b'() "/" {5}', b'a"b c') == ((), b"/", b'a"b c')


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
