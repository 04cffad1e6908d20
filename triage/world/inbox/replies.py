"""What an IMAP server's replies say (RFC 3501, RFC 9051): chunks of bytes in, records out. Pure, linear in its input.

A reply is a list of chunks: text, literal, text, literal ... text. It always has an odd length; literals are never
copied. FLAGS are read nowhere: servers mix unsolicited FETCH replies in, and they say nothing we decide by.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

#: quoted string | parenthesis | BODY[section]<origin> | atom. Every alternative runs to the end of the text when its
#: closing mark is missing, so no start is ever tried twice over the same bytes.
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.?)*+(?:"|$)|[()]|BODY(?:\.PEEK)?\[[^\]]*+(?:\]|$)[^\s()"]*+|[^\s()"]++', re.IGNORECASE | re.DOTALL
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_ORIGIN = re.compile(rb"<(\d{1,10})>\Z")
_CODE = re.compile(rb"\[([A-Za-z0-9-]++)(?: (\([^)]*+\)|[^\]]*+))?\]")  # flags in parentheses may hold a "]"
_DATE = re.compile(rb"([ \d]?\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\Z")
_NAMES = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MONTHS = {name.lower(): i for i, name in enumerate(_NAMES, start=1)}

#: a token is bytes; a literal is a tuple of one, so that it is told apart without being copied
Token = bytes | tuple[bytes]


class Garbled(Exception):
    """The server's reply could not be read. Carries a fixed phrase, never the reply: it may hold mail text."""


@dataclass(frozen=True, slots=True)
class Untagged:
    """One line beginning with "*": its name in upper case, the number before it, and what follows."""

    name: bytes
    number: int | None
    chunks: list[bytes]


@dataclass(frozen=True, slots=True)
class Item:
    """The parts of one FETCH reply that are used."""

    uid: int | None
    size: int | None
    internaldate: datetime | None
    has_body: bool  # a BODY[...] item was there, be it NIL
    body: bytes | None
    origin: int | None  # the offset of a partial fetch


def untagged(chunks: list[bytes]) -> Untagged:
    """Split "* 12 FETCH (..." or "* OK [...] text"."""
    word, _, rest = chunks[0][2:].partition(b" ")
    number = None
    if word.isdigit():
        number = _number(word)
        word, _, rest = rest.partition(b" ")
    chunks[0] = rest
    return Untagged(word.upper(), number, chunks)


def code(text: bytes) -> tuple[str, bytes]:
    """The response code and its data: b"[COPYUID 1 2 3] done" -> ("COPYUID", b"1 2 3"); ("", b"") without one."""
    if not text.startswith(b"["):
        return "", b""
    found = _CODE.match(text)
    return (found[1].decode("ascii").upper(), found[2] or b"") if found else ("", b"")


def fetch_item(chunks: Sequence[bytes]) -> Item:
    """Read one FETCH reply, whatever the order of its items and whatever else the server put in."""
    tokens = _tokens(chunks)
    if next(tokens, b"") != b"(":
        raise Garbled("a FETCH reply without its list")
    uid = size = origin = when = body = None
    has_body = False
    for key in tokens:
        if key == b")":
            return Item(uid, size, when, has_body, body, origin)
        if not isinstance(key, bytes) or key == b"(":
            break
        value = next(tokens, b")")
        if value == b"(":
            _skip(tokens)
            continue
        if value == b")":
            break
        name = key.upper()
        if name == b"UID":
            uid = _number(value)
        elif name == b"RFC822.SIZE":
            size = _number(value)
        elif name == b"INTERNALDATE":
            when = moment(_string(value) or b"")
        elif name.startswith(b"BODY["):  # spelling and section differ between servers; we ask for one at a time
            has_body, body = True, _string(value)
            found = _ORIGIN.search(name)
            origin = int(found[1]) if found else None
    raise Garbled("a FETCH reply that does not end")


def numbers(text: bytes) -> list[int]:
    """The numbers of a SEARCH reply."""
    if text.translate(None, b"0123456789 "):
        raise Garbled("a SEARCH reply with something else than numbers")
    return [_number(word) for word in text.split()]


def pairs(chunks: Sequence[bytes]) -> dict[str, str]:
    """The list in a STATUS reply: {"UIDNEXT": "5", "MAILBOXID": "F12"}; the folder name before it is skipped."""
    tokens = _tokens(chunks)
    for token in tokens:
        if token == b"(":
            break
    found: dict[str, str] = {}
    for key in tokens:
        if key == b")":
            return found
        value = next(tokens, b")")
        inner = [value]
        if value == b"(":
            inner = []
            for token in tokens:
                if token == b")":
                    break
                inner.append(token)
        found[_text(key).upper()] = " ".join(_text(token) for token in inner)
    raise Garbled("a STATUS reply that does not end")


def listed(chunks: Sequence[bytes]) -> tuple[frozenset[str], str, bytes]:
    """A LIST reply: attributes in lower case, delimiter ("" for a flat name space), name as sent (modified UTF-7)."""
    tokens = _tokens(chunks)
    if next(tokens, b"") != b"(":
        raise Garbled("a LIST reply without attributes")
    attributes = set()
    for token in tokens:
        if token == b")":
            break
        attributes.add(_text(token).lower())
    delimiter = next(tokens, b"NIL")
    name = next(tokens, None)
    if name is None:
        raise Garbled("a LIST reply without a name")
    given = name if isinstance(name, bytes) and not name.startswith(b'"') else (_string(name) or b"")
    return frozenset(attributes), (_string(delimiter) or b"").decode("ascii", "replace"), given


def namespace(chunks: Sequence[bytes]) -> tuple[str, str]:
    """Prefix and delimiter of the first personal name space (RFC 2342): (("INBOX." ".")) NIL NIL -> "INBOX.", "."."""
    tokens = _tokens(chunks)
    if next(tokens, b"NIL") != b"(" or next(tokens, b")") != b"(":
        return "", ""
    prefix, delimiter = next(tokens, b"NIL"), next(tokens, b"NIL")
    return tuple((_string(t) or b"").decode("ascii", "replace") for t in (prefix, delimiter))  # type: ignore[return-value]


def uid_set(text: bytes, most: int) -> list[int]:
    """b"3:5,9" -> [3, 4, 5, 9]. More than `most` numbers is refused before they are written out."""
    found: list[int] = []
    for part in text.split(b","):
        low, _, high = part.partition(b":")
        first, last = sorted((_number(low), _number(high or low)))
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


def moment(text: bytes) -> datetime | None:
    """INTERNALDATE b"17-Jul-1996 02:44:25 -0700" in UTC; None when it is no date."""
    found = _DATE.match(text)
    if not found:
        return None
    month = _MONTHS.get(found[2].lower())
    day, year, hour, minute, second = (int(found[i]) for i in (1, 3, 4, 5, 6))
    offset = timedelta(hours=int(found[8]), minutes=int(found[9])) * (-1 if found[7] == b"-" else 1)
    try:
        return datetime(year, month or 0, day, hour, minute, second, tzinfo=timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write_moment(at: datetime) -> bytes:
    """An aware moment as INTERNALDATE, in UTC. strftime's month names would depend on the machine's language."""
    utc = at.astimezone(UTC)
    return b"%2d-%s-%04d %s +0000" % (utc.day, _NAMES[utc.month - 1], utc.year, f"{utc:%H:%M:%S}".encode())


def _tokens(chunks: Sequence[bytes]) -> Iterator[Token]:
    for i, chunk in enumerate(chunks):
        if i % 2:
            yield (chunk,)
        else:
            yield from _TOKEN.findall(chunk)


def _skip(tokens: Iterator[Token]) -> None:
    depth = 1
    for token in tokens:
        depth += (token == b"(") - (token == b")")
        if not depth:
            return
    raise Garbled("a list that does not end")


def _string(token: Token) -> bytes | None:
    """nstring: literal, quoted string or NIL; an atom is taken as it is (some servers forget the quotes)."""
    if isinstance(token, tuple):
        return token[0]
    if token.startswith(b'"'):
        inner = token[1:-1]
        return _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner
    return None if token.upper() == b"NIL" else token


def _text(token: Token) -> str:
    return (_string(token) or b"").decode("ascii", "replace")


def _number(token: Token) -> int:
    if isinstance(token, tuple) or not token.isdigit() or len(token) > 20:
        raise Garbled("something else where a number belongs")
    return int(token)
