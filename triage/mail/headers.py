"""The header of a mail or part: lines, encoded words (RFC 2047), parameters (RFC 2231), ids and dates.

Everything works on the bytes as they came and takes time linear in them; nothing raises because of the mail.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from urllib.parse import unquote_to_bytes

from triage.mail import charset
from triage.mail.defects import Found

_NAME = re.compile(rb"([\x21-\x39\x3b-\x7e]+)[ \t]*:")
_ID = re.compile(r"<[^<>\s]{1,990}>")
_CONTROLS = dict.fromkeys((*range(1, 32), 127), " ")
_MOST_LINES = 5_000
#: headers that prove that a nameless line before them stands inside the header, not at the start of the text
_KNOWN = frozenset(
    b"from to cc bcc subject date message-id mime-version content-type content-transfer-encoding received reply-to "
    b"in-reply-to references return-path sender delivered-to content-disposition dkim-signature".split()
)


def split(raw: bytes, most: int, found: Found) -> tuple[list[tuple[str, bytes]], int]:
    """Cut `raw` into its header fields (name, value still folded) and the offset where the body begins."""
    fields: list[tuple[str, list[bytes]]] = []
    at = _after_mbox_line(raw)
    while at < len(raw):
        if at > most or len(fields) > _MOST_LINES:
            found.add("headers_cut")
            return _folded(fields), _after_blank_line(raw, at)
        end = raw.find(b"\n", at)
        end = len(raw) if end < 0 else end
        line = raw[at : min(end, at + most)].rstrip(b"\r")
        name = _NAME.match(line)
        if not line.strip() and not (line and fields and _header_goes_on(raw, end + 1)):
            return _folded(fields), end + 1
        if line[:1] in b" \t" and fields:
            fields[-1][1].append(line)
        elif name:
            fields.append((name[1].decode("ascii"), [line[name.end() :]]))
        elif fields and _is_known_header(raw, end + 1):
            found.add("bad_header_line")
            fields[-1][1].append(b" " + line)
        else:
            found.add("no_blank_line" if fields else "no_headers")
            return _folded(fields), at
        at = end + 1
    return _folded(fields), len(raw)


def _after_mbox_line(raw: bytes) -> int:
    """The offset behind a "From someone Mon Jan 5 ..." line, the separator of mbox files (RFC 4155)."""
    end = raw.find(b"\n", 0, 1000) + 1 if raw.startswith((b"From ", b">From ")) else 0
    return end if end and _NAME.match(raw, end) else 0


def _folded(fields: list[tuple[str, list[bytes]]]) -> list[tuple[str, bytes]]:
    return [(name, lines[0] if len(lines) == 1 else b"\n".join(lines)) for name, lines in fields]


def _header_goes_on(raw: bytes, at: int) -> bool:
    """Behind a line of spaces only: RFC 5322 4.2 lets it be part of a folded field, careless mail ends headers so."""
    return raw[at : at + 1] in (b" ", b"\t") or _is_known_header(raw, at)


def _is_known_header(raw: bytes, at: int) -> bool:
    name = _NAME.match(raw[at : at + 100])
    return name is not None and name[1].lower() in _KNOWN


def _after_blank_line(raw: bytes, at: int) -> int:
    ends = [i + len(mark) for mark in (b"\n\r\n", b"\n\n") if (i := raw.find(mark, max(at - 2, 0))) >= 0]
    return min(ends, default=len(raw))


def text(value: bytes, found: Found | None = None) -> str:
    """A header's value as text: unfolded, decoded, without control characters."""
    plain = raw_text(value, found)
    return words(plain, found) if "=?" in plain else plain


def raw_text(value: bytes, found: Found | None = None) -> str:
    """A header's value as text, its encoded words left as they are."""
    if b"\r" in value and found is not None and b"\r" in value.replace(b"\r\n", b"\n"):
        found.add("bare_cr", "header")
    if value.isascii():
        plain = value.decode("ascii")
    else:
        decoded = charset.decode(value, "utf-8")
        if decoded.used != "utf-8" and found is not None:
            found.add("raw_8bit_header", decoded.used)
        plain = decoded.text
    # RFC 5322 2.2.3: unfolding removes the line break only; the space after it belongs to the value.
    if not plain.isprintable():
        plain = plain.replace("\r\n", "").replace("\n", "").replace("\x00", "").translate(_CONTROLS)
    return plain.strip()


def words(value: str, found: Found | None = None) -> str:
    """Decode the encoded words of RFC 2047, also malformed ones: spaces and "?" inside, bad base64, split letters."""
    out: list[str] = []
    pending, pending_set = b"", ""  # neighbours in one character set are decoded together: senders split letters

    def flush() -> None:
        nonlocal pending, pending_set
        if pending:
            decoded = charset.decode(pending, pending_set)
            if found is not None and charset.codec(pending_set) is None:
                found.add("encoded_word", f"unknown character set {pending_set}")
            out.append(decoded.text)
        pending, pending_set = b"", ""

    at = 0
    while (start := value.find("=?", at)) >= 0:
        word = _word(value, start)
        if word is None:
            break
        name, data, end = word
        if name:
            between = value[at:start]
            if between.strip() or not pending:
                flush()
                out.append(between)
            elif name != pending_set:
                flush()
            pending, pending_set = pending + data, name
        else:  # "=?" that begins no encoded word
            flush()
            out.append(value[at:end])
            if found is not None:
                found.add("encoded_word")
        at = end
    flush()
    out.append(value[at:])
    return "".join(out).translate(_CONTROLS).strip()


def _word(value: str, start: int) -> tuple[str, bytes, int] | None:
    """(character set, bytes, end) of the encoded word at `start`; an empty set when it is none; None: no more words."""
    one = value.find("?", start + 2)
    two = value.find("?", one + 1) if one >= 0 else -1
    if two < 0:
        return None
    kind = value[one + 1 : two].lower()
    name = value[start + 2 : min(one, start + 80)].partition("*")[0]  # RFC 2231 5: a language may follow the set
    if kind not in ("b", "q") or not 0 < len(name) <= 60 or " " in name:
        return "", b"", start + 2
    stop = value.find("?=", two + 1)
    if stop < 0:
        return None
    body = value[two + 1 : stop].encode("utf-8", "replace")
    if kind == "b":
        return name, base64(body)[0], stop + 2
    return name, binascii.a2b_qp(body, header=True), stop + 2


def base64(data: bytes) -> tuple[bytes, bool]:
    """Decode base64 as far as it goes; the flag says that nothing was wrong with it."""
    try:
        return binascii.a2b_base64(data), True
    except binascii.Error:
        kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data.partition(b"=")[0])
        kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
        return binascii.a2b_base64(kept + b"=" * (-len(kept) % 4)), False


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """`text/plain; charset=utf-8` -> ("text/plain", {"charset": "utf-8"}), with RFC 2231 continuations put together."""
    pieces = _pieces(value)
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[str, bool]]] = {}
    for piece in pieces[1:200]:
        key, sign, content = piece.partition("=")
        key, content = key.strip().lower(), _unquoted(content.strip())
        if not sign or not key:
            continue
        if "*" not in key:
            plain.setdefault(key, content)
            continue
        name, _, number = key.partition("*")
        coded = key.endswith("*")
        number = number.rstrip("*")
        if not number or (number.isascii() and number.isdigit() and len(number) < 4):
            parts.setdefault(name, {}).setdefault(int(number or 0), (content, coded))
    for name, numbered in parts.items():
        plain[name] = _joined(numbered)
    return pieces[0].strip().lower(), plain


def _joined(numbered: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 3 and 4: the pieces in order; the first coded one names the character set."""
    data, name = b"", ""
    for index, number in enumerate(sorted(numbered)):
        content, coded = numbered[number]
        if coded and index == 0 and content.count("'") >= 2:
            name, _, content = content.split("'", 2)
        data += unquote_to_bytes(content) if coded else content.encode("utf-8", "replace")
    return charset.decode(data, name or "utf-8").text.translate(_CONTROLS)


def _pieces(value: str) -> list[str]:
    """Split at ";" outside double quotes."""
    if '"' not in value:
        return value.split(";")
    pieces, start, quoted, skip = [], 0, False, False
    for i, c in enumerate(value):
        if skip:
            skip = False
        elif c == "\\" and quoted:
            skip = True
        elif c == '"':
            quoted = not quoted
        elif c == ";" and not quoted:
            pieces.append(value[start:i])
            start = i + 1
    return [*pieces, value[start:]]


def _unquoted(content: str) -> str:
    if content.startswith('"'):
        content = content[1:]
        end = content.rfind('"')
        content = content[:end] if end >= 0 else content
        return content.replace('\\"', '"').replace("\\\\", "\\")
    return content


def ids(value: str) -> tuple[str, ...]:
    """Message ids in the order of the header, each once, with their angle brackets; "<>" and scraps are left out."""
    found = _ID.findall(value) or [f"<{w.strip('<>,;')}>" for w in value.split()[:50] if "@" in w]
    return tuple(dict.fromkeys(i for i in found if 5 < len(i) < 993 and "@" in i))


def date(value: str) -> datetime | None:
    """A Date header as aware UTC; a missing zone counts as UTC (RFC 5322 4.3). None when it cannot be read."""
    local = local_date(value)
    return local.astimezone(UTC) if local is not None else None


def local_date(value: str) -> datetime | None:
    """A Date header in the zone its sender wrote it in."""
    try:
        t = parsedate_tz(value[:200])
        if t is None:
            return None
        offset = timedelta(seconds=max(-86_340, min(86_340, t[9] or 0)))
        second = min(t[5], 59)  # a leap second
        moment = datetime(t[0], t[1], t[2], t[3], t[4], second, tzinfo=timezone(offset))
        moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment
