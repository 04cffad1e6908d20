"""Opaque S/MIME signatures (RFC 8551 3.5.2): the signed mail lies inside the DER or BER of a CMS SignedData.

Only the content is taken out; the signature is not checked, so nothing may be trusted because of it.
"""

from __future__ import annotations

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2, RFC 5652 5.1
_OCTETS, _OID, _SEQUENCE, _EXPLICIT = 0x04, 0x06, 0x30, 0xA0
_MOST_PIECES = 100_000


def signed_content(der: bytes) -> bytes | None:
    """The mail inside a SignedData, or None when there is none (a detached signature, an encrypted mail, damage)."""
    try:
        at = _enter(der, 0, _SEQUENCE)
        start, end = _bounds(der, at, _OID)
        if der[start:end] != _SIGNED_DATA:
            return None
        at = _enter(der, _enter(der, end, _EXPLICIT), _SEQUENCE)
        at = _enter(der, _skip(der, _skip(der, at)), _SEQUENCE)  # past version and digestAlgorithms
        at = _enter(der, _skip(der, at), _EXPLICIT)  # past eContentType
        return _octets(der, at)
    except (IndexError, ValueError):
        return None


def _head(der: bytes, at: int) -> tuple[int, int, int]:
    """(tag, start of content, length); the length is -1 in the indefinite form."""
    tag, first = der[at], der[at + 1]
    if first < 0x80:
        return tag, at + 2, first
    if first == 0x80:
        return tag, at + 2, -1
    width = first & 0x7F
    if width > 5:
        raise ValueError("a length of more than 40 bits")
    return tag, at + 2 + width, int.from_bytes(der[at + 2 : at + 2 + width], "big")


def _enter(der: bytes, at: int, tag: int) -> int:
    found, start, _ = _head(der, at)
    if found != tag:
        raise ValueError("not the structure of RFC 5652")
    return start


def _bounds(der: bytes, at: int, tag: int) -> tuple[int, int]:
    found, start, length = _head(der, at)
    if found != tag or length < 0:
        raise ValueError("not the structure of RFC 5652")
    return start, start + length


def _skip(der: bytes, at: int) -> int:
    """The offset behind the value at `at`. Version, algorithms and types never use the indefinite form in practice."""
    _, start, length = _head(der, at)
    if length < 0:
        raise ValueError("indefinite length where none is expected")
    return start + length


def _octets(der: bytes, at: int) -> bytes:
    """An OCTET STRING, whole or in pieces."""
    tag, start, length = _head(der, at)
    if tag == _OCTETS:
        return der[start : start + length]
    if tag != _OCTETS | 0x20:
        raise ValueError("no OCTET STRING")
    stop = start + length if length >= 0 else len(der)
    pieces: list[bytes] = []
    while start < stop and der[start] == _OCTETS and len(pieces) < _MOST_PIECES:
        one, two = _bounds(der, start, _OCTETS)
        pieces.append(der[one:two])
        start = two
    return b"".join(pieces)
