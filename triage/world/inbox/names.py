"""Folder names: paths with "/" in the configuration, the server's own spelling on the wire."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from imapclient import imap_utf7

from triage.world.inbox.replies import quoted

_UNOPENABLE = frozenset({b"\\noselect", b"\\nonexistent"})


@dataclass(frozen=True, slots=True)
class NameSpace:
    """Prefix and delimiter of the personal name space: "" and "/" on most servers, "INBOX." and "." on Courier."""

    prefix: str = ""
    delimiter: str = "/"

    def to_server(self, path: str) -> str:
        """ "Processed/2026" -> "INBOX.Processed.2026". A path that already begins with the prefix keeps it."""
        if path.upper() == "INBOX":
            return "INBOX"
        name = path.replace("/", self.delimiter) if self.delimiter else path
        return name if not self.prefix or name.startswith(self.prefix) else self.prefix + name

    def from_server(self, name: str) -> str:
        """The reverse; only a leading prefix is taken off, never the same letters inside a path."""
        if name.upper() == "INBOX":
            return "INBOX"
        name = name.removeprefix(self.prefix) if self.prefix else name
        return name.replace(self.delimiter, "/") if self.delimiter else name


def encode(name: str) -> bytes:
    """A quoted string in modified UTF-7 (RFC 3501, 5.1.3); line breaks and NUL are encoded away with the rest."""
    encoded: bytes = imap_utf7.encode(name)
    return quoted(encoded)


def decode(name: bytes) -> str:
    """A name as sent; one that is not valid modified UTF-7 is shown byte by byte rather than lost."""
    try:
        return str(imap_utf7.decode(name))
    except ValueError:
        return name.decode("ascii", "backslashreplace")


def can_be_opened(attributes: Iterable[bytes]) -> bool:
    """False for a name in a LIST reply that is no folder (RFC 3501, 7.2.2; RFC 5258)."""
    return not any(attribute.lower() in _UNOPENABLE for attribute in attributes)


def similar(wanted: str, names: Iterable[str], most: int = 5) -> list[str]:
    """Names a person may have meant: close spelling of the path or of its last part; the first few when none is."""
    every = sorted(names)
    by_key: dict[str, list[str]] = {}
    for name in every:
        for key in {name.lower(), name.lower().rpartition("/")[2]}:
            by_key.setdefault(key, []).append(name)
    keys = {wanted.lower(), wanted.lower().rpartition("/")[2]}
    close = [hit for key in sorted(keys) for hit in difflib.get_close_matches(key, by_key, n=most, cutoff=0.6)]
    found = list(dict.fromkeys(name for key in close for name in by_key[key]))
    return (found or every)[:most]
