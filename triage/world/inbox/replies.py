"""What an IMAP server's replies say, where IMAPClient has no reader or one that does not do. Pure, linear in its input.

FLAGS are read nowhere: servers mix unsolicited FETCH replies in, and they say nothing we decide by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from imapclient.datetime_util import parse_to_datetime
from imapclient.exceptions import ProtocolError
from imapclient.response_parser import parse_fetch_response

_CODE = re.compile(rb"\[([A-Za-z0-9-]++)(?: (\([^)]*+\)|[^\]]*+))?\]")  # flags in parentheses may hold a "]"
_LISTED = re.compile(rb'\(([^)]*+)\) (NIL|"(?:[^"\\]|\\.)*+") (.*)', re.DOTALL | re.IGNORECASE)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_PLAIN = (
    rb'(?:(?:UID (?P<uid>\d{1,10})|RFC822\.SIZE (?P<size>\d{1,15})|INTERNALDATE "(?P<at>[^"]{1,40})"'
    rb"|FLAGS \([^()]*+\)) ?)*+"
)
_WHOLE = re.compile(rb"\d++ \(" + _PLAIN + rb"\)")
_HEAD = re.compile(rb"\d++ \(" + _PLAIN + rb"BODY\[\] \{\d++\}")
_TAIL = re.compile(rb" ?" + _PLAIN + rb"\)")
_COUNT = re.compile(rb"([A-Za-z0-9-]++) (\d++|\([^()]*+\))")
_COUNTS = re.compile(rb"\(((?:[A-Za-z0-9-]++ (?:\d++|\([^()]*+\)) ?)*+)\) *+\Z")
_DATE_TIME = re.compile(rb"([ \d]\d)-([A-Z][a-z]{2})-([1-9]\d{3}) (\d\d):(\d\d):(\d\d) ([+-][01]\d)([0-5]\d)")
_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_ORIGIN = re.compile(rb"<(\d{1,10})>\Z")

#: a FETCH reply as imaplib gives it: (text, literal) pairs, then the text behind the last literal
Part = bytes | tuple[bytes, bytes]


class Garbled(Exception):
    """The server's reply could not be read. Carries a fixed phrase, never the reply: it may hold mail text."""


@dataclass(frozen=True, slots=True)
class Item:
    """The parts of one FETCH reply that are used."""

    uid: int | None
    size: int | None
    internaldate: datetime | None
    has_body: bool  # a BODY[...] item was there, be it NIL
    body: bytes | None
    origin: int | None  # the offset of a partial fetch


def code(text: bytes) -> tuple[str, bytes]:
    """The response code and its data: b"[COPYUID 1 2 3] done" -> ("COPYUID", b"1 2 3"); ("", b"") without one.

    imaplib and IMAPClient read on to the last "]" of the line, and take words of the text behind for data.
    """
    if not text.startswith(b"["):
        return "", b""
    found = _CODE.match(text)
    return (found[1].decode("ascii").upper(), found[2] or b"") if found else ("", b"")


def fetched(parts: Sequence[Part | None]) -> Iterator[Item]:
    """Read what imaplib collected for one FETCH, reply by reply.

    IMAPClient's `fetch` files a reply that names no UID under the UID that happens to equal its sequence number, and
    goes through the text byte by byte in Python: 29 us a reply, where imaplib needs 40 us for all of an average mail.
    So the usual reply is read by a regular expression (3 us), any other by IMAPClient's reader, alone and by its UID.
    """
    reply: list[Part] = []
    for part in parts:
        if part is None:  # imaplib's word for "nothing came"
            continue
        reply.append(part)
        if isinstance(part, bytes):
            yield _usual(reply) or _any(reply)
            reply = []
    if reply:
        raise Garbled("a FETCH reply that does not end")


def _usual(reply: list[Part]) -> Item | None:
    first, last = reply[0], reply[-1]
    if isinstance(first, bytes):
        whole = _WHOLE.fullmatch(first)
        return _item(whole.group("uid", "size", "at"), None) if whole else None
    if len(reply) != 2 or not isinstance(last, bytes):
        return None
    head = _HEAD.fullmatch(first[0])
    if head is None:
        return None
    if last == b")":
        return _item(head.group("uid", "size", "at"), first[1])
    tail = _TAIL.fullmatch(last)
    if tail is None:
        return None
    before, behind = head.group("uid", "size", "at"), tail.group("uid", "size", "at")
    return _item([late or early for early, late in zip(before, behind, strict=True)], first[1])


def _item(said: Sequence[bytes | None], body: bytes | None) -> Item:
    uid, size, at = said
    return Item(
        int(uid) if uid else None,
        int(size) if size else None,
        moment(at) if at else None,
        body is not None,
        body,
        None,
    )


def _any(reply: list[Part]) -> Item:
    try:
        # by sequence number: only then the UID stays among the items, and its absence is seen
        ((_, said),) = parse_fetch_response(reply, normalise_times=False, uid_is_key=False).items()
    except (ProtocolError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise Garbled("a FETCH reply that cannot be read") from None
    body: Any = None
    name = b""
    for key, value in said.items():  # spelling and section differ between servers; we ask for one at a time
        if isinstance(key, bytes) and key.startswith(b"BODY["):
            name, body = key, value
    origin = _ORIGIN.search(name)
    return Item(
        uid=_number(said.get(b"UID")),
        size=_number(said.get(b"RFC822.SIZE")),
        internaldate=_utc(said.get(b"INTERNALDATE")),
        has_body=bool(name),
        body=body if isinstance(body, bytes) else None,
        origin=int(origin[1]) if origin else None,
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def moment(text: bytes) -> datetime | None:
    """INTERNALDATE b"17-Jul-1996 02:44:25 -0700" in UTC; None when it is no date.

    The usual form (RFC 3501, 9, date-time) is read here, any other by IMAPClient's reader, which takes twice as long.
    """
    try:
        usual = _DATE_TIME.fullmatch(text)
        if usual is None or usual[2] not in _MONTHS:
            return _utc(parse_to_datetime(text, normalise=False))
        day, year, hour, minute, second, ahead = map(int, usual.group(1, 3, 4, 5, 6, 7))
        there = datetime(year, _MONTHS[usual[2]], day, hour, minute, second, tzinfo=UTC)
        return there - timedelta(minutes=60 * ahead + int(usual[7][:1] + usual[8]))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _utc(at: object) -> datetime | None:
    if not isinstance(at, datetime):
        return None
    try:
        # IMAPClient gives no zone for "-0000", which is UTC
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def listed(text: bytes, literal: bytes | None = None) -> tuple[tuple[bytes, ...], bytes | None, bytes]:
    """A LIST reply: attributes, delimiter (None for a flat name space), name as sent (modified UTF-7)."""
    found = _LISTED.fullmatch(text)
    if not found:
        raise Garbled("a LIST reply that cannot be read")
    delimiter = None if found[2].upper() == b"NIL" else _unquoted(found[2])
    return tuple(found[1].split()), delimiter, _unquoted(found[3]) if literal is None else literal


def _unquoted(text: bytes) -> bytes:
    return _ESCAPED.sub(rb"\1", text[1:-1]) if len(text) > 1 and text[:1] == text[-1:] == b'"' else text


def counts(text: bytes) -> dict[str, str]:
    """A STATUS reply, whatever the folder name before it: {"UIDNEXT": "5", "MAILBOXID": "F12"}."""
    found = _COUNTS.search(text)
    if not found:
        raise Garbled("a STATUS reply that cannot be read")
    pairs = ((key.decode("ascii").upper(), value.strip(b"()")) for key, value in _COUNT.findall(found[1]))
    return {key: value.decode("ascii", "replace") for key, value in pairs if len(value) <= 255}


def numbers(text: bytes) -> list[int]:
    """The numbers of a SEARCH reply."""
    words = text.split()
    if text.translate(None, b"0123456789 ") or any(len(word) > 20 for word in words):
        raise Garbled("a SEARCH reply with something else than numbers")
    return [int(word) for word in words]


def uid_set(text: bytes, most: int) -> list[int]:
    """b"3:5,9" -> [3, 4, 5, 9]. More than `most` numbers is refused before they are written out."""
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        ends = (low, high or low)
        if not all(end.isdigit() and len(end) <= 20 for end in ends):
            raise Garbled("a UID set with something else than numbers")
        first, last = sorted(int(end) for end in ends)
        if len(found) + last - first + 1 > most:
            raise Garbled("a UID set larger than asked for")
        found.extend(range(first, last + 1))
    return found


def write_set(uids: Sequence[int]) -> bytes:
    """Ascending UIDs as a set: [3, 4, 5, 9] -> b"3:5,9". A range covers nothing that was not in the list."""
    parts: list[bytes] = []
    start = 0
    for i, uid in enumerate(uids):
        if i + 1 == len(uids) or uids[i + 1] != uid + 1:
            parts.append(b"%d" % uid if start == i else b"%d:%d" % (uids[start], uid))
            start = i + 1
    return b",".join(parts)


def quoted(text: bytes) -> bytes:
    """A quoted string (RFC 3501, 4.3). The text has no CR, LF or NUL."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
