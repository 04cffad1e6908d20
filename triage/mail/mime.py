"""The parts of a mail (RFC 2045, 2046): cut by slices, at most so many and so deep, in time linear in the bytes.

The standard library's parser tests every line against every open boundary and recurses without a limit; this one
searches for one boundary at a time inside one slice. A test compares the two on mails that are sound.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

from triage.mail import headers
from triage.mail.defects import Found

_IDENTITY = frozenset({"", "7bit", "8bit", "binary", "7bits", "8bits", "none", "plain", "text/plain", "text/html"})
_UU = frozenset({"xuuencode", "uuencode", "xuue", "uue"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one mail may cost. Beyond a limit the rest is not read and a defect says so."""

    parts: int = 500
    depth: int = 10
    header_bytes: int = 262_144
    text_chars: int = 400_000  # of plain text, and again of HTML


@dataclass(slots=True)
class Part:
    """A node of the MIME tree. `start` and `end` are offsets of its body in the bytes that were split."""

    fields: list[tuple[str, bytes]]
    content_type: str
    params: dict[str, str]
    disposition: str
    filename: str
    encoding: str  # without spaces and hyphens: "quotedprintable", "8bit"; senders write "8-bit" and "quoted printable"
    start: int
    end: int
    children: list[Part] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        return self.content_type.startswith("multipart/")

    def by_name(self) -> dict[str, list[bytes]]:
        """The folded values of each header field, top to bottom, by its name in lower case."""
        found: dict[str, list[bytes]] = {}
        for name, value in self.fields:
            found.setdefault(name.lower(), []).append(value)
        return found

    def leaves(self) -> list[Part]:
        """The parts that hold content, in order."""
        if not self.children:
            return [self]
        return [leaf for child in self.children for leaf in child.leaves()]


@dataclass(slots=True)
class Budget:
    """What is left of the limits while one mail, with all the mails inside it, is read."""

    limits: Limits
    found: Found
    parts: int = 0

    def spend(self) -> bool:
        self.parts += 1
        if self.parts > self.limits.parts:
            self.found.add("too_many_parts", f"more than {self.limits.parts}")
            return False
        return True


def split(raw: bytes, budget: Budget, depth: int = 0) -> Part:
    """The tree of `raw`. `depth` counts from the outermost mail."""
    return _split(raw, 0, len(raw), "text/plain", budget, depth)


def _split(raw: bytes, start: int, end: int, default: str, budget: Budget, depth: int) -> Part:
    slice_ = raw[start:end] if depth == 0 else raw[start : min(end, start + budget.limits.header_bytes + 4)]
    fields, body = headers.split(slice_, budget.limits.header_bytes, budget.found if depth == 0 else Found())
    part = _describe(fields, default, start + body, end)
    if part.is_multipart:
        if depth >= budget.limits.depth:
            budget.found.add("too_deep", f"deeper than {budget.limits.depth}")
            part.content_type = "application/octet-stream"
            return part
        spans = _spans(raw, part, budget)
        if spans is None:
            part.content_type = "text/plain"
            return part
        inner = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
        for one, two in spans:
            if not budget.spend():
                break
            part.children.append(_split(raw, one, two, inner, budget, depth + 1))
    return part


def _describe(fields: list[tuple[str, bytes]], default: str, start: int, end: int) -> Part:
    raw_type = raw_place = raw_encoding = b""
    for name, value in reversed(fields):
        lower = name.lower()
        if lower == "content-type":
            raw_type = value
        elif lower == "content-disposition":
            raw_place = value
        elif lower == "content-transfer-encoding":
            raw_encoding = value
    content_type, params = headers.parameters(headers.raw_text(raw_type[:20_000]))
    disposition, place = headers.parameters(headers.raw_text(raw_place[:20_000])) if raw_place else ("", {})
    if content_type.count("/") != 1 or " " in content_type:
        # RFC 2045 5.2 says text/plain for an unreadable type; "text" alone and "html" alone do occur.
        content_type = "text/html" if content_type in ("html", "text html") else default
    filename = place.get("filename") or params.get("name") or ""
    if "=?" in filename:  # QUIRK: forbidden by RFC 2047 5, done by most
        filename = headers.words(filename)
    encoding = "".join(headers.raw_text(raw_encoding[:200]).lower().partition(";")[0].replace("-", " ").split())
    return Part(fields, content_type, params, disposition, filename[:250], encoding, start, end)


def _spans(raw: bytes, part: Part, budget: Budget) -> list[tuple[int, int]] | None:
    """(start, end) of each child; None when the boundary is missing or does not occur."""
    boundary = part.params.get("boundary", "").rstrip().encode("utf-8", "replace")
    if not boundary:
        budget.found.add("boundary_missing")
        first = raw[part.start : part.start + 200].lstrip().split(b"\n", 1)[0].strip()
        if not first.startswith(b"--") or len(first) < 3:
            return None
        boundary = first[2:]  # QUIRK: the first line shows which boundary was meant
    mark = b"--" + boundary
    spans: list[tuple[int, int]] = []
    open_at = -1
    at = part.start if raw.startswith(mark, part.start) else _next(raw, mark, part.start, part.end)
    while at >= 0:
        line_end = raw.find(b"\n", at, part.end)
        line_end = part.end if line_end < 0 else line_end
        tail = raw[at + len(mark) : min(line_end, at + len(mark) + 100)].strip()
        if tail in (b"", b"--"):
            if open_at >= 0:
                spans.append((open_at, _before_newline(raw, at, open_at)))
            open_at = line_end + 1 if not tail else -1
            if tail:
                return spans
            if len(spans) > budget.limits.parts:
                return spans
        at = _next(raw, mark, line_end, part.end)
    if open_at < 0:
        budget.found.add("boundary_not_found")
        return None
    budget.found.add("boundary_not_closed")
    spans.append((min(open_at, part.end), part.end))
    return spans


def _next(raw: bytes, mark: bytes, at: int, end: int) -> int:
    found = raw.find(b"\n" + mark, at, end)
    return found + 1 if found >= 0 else -1


def _before_newline(raw: bytes, at: int, least: int) -> int:
    """RFC 2046 5.1.1: the line break before a boundary belongs to the boundary."""
    at -= 1 if raw[at - 1 : at] == b"\n" else 0
    at -= 1 if raw[at - 1 : at] == b"\r" else 0
    return max(at, least)


def content(raw: bytes, part: Part, found: Found) -> bytes:
    """The bytes of a leaf with its transfer encoding undone, as far as that goes."""
    body = raw[part.start : part.end]
    encoding = part.encoding
    if encoding in _IDENTITY:
        return body
    if encoding == "quotedprintable":
        return binascii.a2b_qp(body)
    if encoding == "base64":
        data, sound = headers.base64(body)
        if not sound:
            found.add("transfer_encoding", "base64 is damaged")
        return data
    if encoding in _UU:
        return _uudecode(body, found)
    found.add("transfer_encoding", f"unknown: {encoding[:40]}")
    return body


def size(raw: bytes, part: Part) -> int:
    """How many bytes a leaf has when decoded, told from the encoded ones (exact for sound base64)."""
    length = part.end - part.start
    if part.encoding != "base64":
        return length
    letters = length - raw.count(b"\n", part.start, part.end) - raw.count(b"\r", part.start, part.end)
    padding = raw.count(b"=", max(part.start, part.end - 6), part.end)
    return max(letters * 3 // 4 - padding, 0)


def _uudecode(body: bytes, found: Found) -> bytes:
    _, begin, rest = body.partition(b"begin ")
    out: list[bytes] = []
    for line in rest.split(b"\n")[1:] if begin else []:
        if line.strip() in (b"end", b"`"):
            break
        try:
            out.append(binascii.a2b_uu(line.rstrip(b"\r")))
        except binascii.Error:
            found.add("transfer_encoding", "uuencode is damaged")
    return b"".join(out)
