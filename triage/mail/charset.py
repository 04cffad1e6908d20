"""Bytes of a mail -> text, whatever the mail says about its character set.

The order is: declared, strict UTF-8, detected, Windows-1252 with replacement. A declared set that decodes is still
doubted in one case: text that is declared Latin-1 but is valid UTF-8 is UTF-8 (no Latin-1 sentence is so by chance).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import lru_cache

from resiliparse.parse.encoding import detect_encoding

#: what mail calls it -> the superset that real mail means (the WHATWG encoding standard makes the same choices)
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
}
#: names that Python does not know
_ALIASES = {
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "x-euc-jp": "euc_jp",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "windows-874": "cp874",
    "unicode-1-1-utf-7": "utf_7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "cp-850": "cp850",
    "ansi": "cp1252",
}
#: codecs that are no character sets: idna and punycode take quadratic time (bpo-98433), the escapes read programs
_REFUSED = frozenset({"idna", "punycode", "unicode_escape", "raw-unicode-escape", "unicode-escape", "undefined"})
#: rare sets that detection names for short Western text
_UNLIKELY = frozenset(
    {"iso8859-3", "iso8859-4", "iso8859-10", "iso8859-13", "iso8859-14", "iso8859-16", "cp1257", "cp852"}
)
_HIGH = bytes(range(128, 256))
_ENOUGH = 6  # bytes beyond ASCII that detection needs to tell more than nonsense
_SINGLE_BYTE_WEST = frozenset({"cp1252", "iso8859-15", "cp1254", "mac-roman", "cp1250", "iso8859-2", "cp437", "cp850"})


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text and the codec that was used; `true` says that it is what the mail declared, no guess."""

    text: str
    used: str
    true: bool


@lru_cache(maxsize=256)
def codec(name: str) -> str | None:
    """The Python codec for a character set's name in a mail, or None when there is none (or none that is safe)."""
    plain = name.strip().strip("\"'").strip().lower()[:60]
    plain = _ALIASES.get(plain, plain)
    try:
        found = codecs.lookup(plain).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return None
    if found in _REFUSED or not getattr(codecs.lookup(plain), "_is_text_encoding", True):
        return None
    return _MEANT.get(found, found)


def decode(data: bytes, declared: str = "") -> Decoded:
    """`data` as text without NUL and lone surrogates. Never raises."""
    if data.isascii() and not (declared and _is_shifting(declared)):
        return Decoded(_clean(data.decode("ascii")), "ascii", not declared or codec(declared) is not None)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Decoded(_clean(data.decode("utf-16", "replace")), "utf-16", declared.lower().startswith("utf-16"))
    text, used, true = _decode(data, declared)
    return Decoded(_clean(text.removeprefix("\ufeff")), used, true)


def _decode(data: bytes, declared: str) -> tuple[str, str, bool]:
    wanted = codec(declared) if declared else None
    if wanted and (wanted not in _SINGLE_BYTE_WEST or not _is_utf8(data)):
        text = _strict(data, wanted)
        # QUIRK: "us-ascii" over 8-bit data is no promise at all, so the guess below decides.
        if text is not None and not _is_plain_ascii(declared):
            return text, wanted, True
    text = _strict(data, "utf-8")
    if text is not None:
        return text, "utf-8", not declared
    high = len(data) - len(data.translate(None, _HIGH))
    if wanted == "utf-8":  # a text cut in the middle of a letter, or one bad byte: still UTF-8
        loose = data.decode("utf-8", "replace")
        bad = loose.count("\ufffd")
        if high - bad >= 6 * bad:  # a letter has two bytes or more
            return loose, "utf-8", False
    guess = codec(detect_encoding(data, html5_compatible=False) or "") if high >= _ENOUGH else None
    text = _strict(data, guess) if guess and guess not in _UNLIKELY else None
    if text is not None and guess is not None:
        return text, guess, False
    return data.decode("cp1252", "replace"), "cp1252", False


def _strict(data: bytes, name: str) -> str | None:
    try:
        return data.decode(name)
    except (UnicodeError, LookupError, ValueError):
        return None


def _is_utf8(data: bytes) -> bool:
    return _strict(data, "utf-8") is not None


def _is_plain_ascii(declared: str) -> bool:
    return codec(declared) == "cp1252" and "ascii" in declared.lower()


@lru_cache(maxsize=256)
def _is_shifting(declared: str) -> bool:
    """Character sets whose text is 7-bit but not ASCII."""
    name = codec(declared) or ""
    return name.startswith(("iso2022", "utf-7", "utf_7", "hz", "utf-16", "utf-32"))


def _clean(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # lone surrogates, out of UTF-7 or UTF-16
        return text.encode("utf-8", "replace").decode("utf-8")
    return text
