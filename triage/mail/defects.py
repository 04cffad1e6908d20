"""What is wrong with a mail, by name. A bad mail is still a mail: it becomes a Message that lists its defects."""

from __future__ import annotations

from dataclasses import dataclass, field

#: every defect a Message can carry, with what it means
DEFECTS = {
    "empty": "the mail has no bytes at all",
    "no_headers": "the mail begins with text where its header should be",
    "no_blank_line": "the header runs into the text without the blank line between (RFC 5322 2.1)",
    "bad_header_line": "a header line has no name; it was taken as part of the line before it",
    "headers_cut": "the header is longer than the limit; the rest of it was not read",
    "bare_cr": "a line ends with a lone CR, or a header holds one",
    "nul": "NUL bytes were removed from a text",
    "raw_8bit_header": "a header holds 8-bit bytes that are not UTF-8 (RFC 6532 allows UTF-8 only)",
    "encoded_word": "a header holds a malformed encoded word (RFC 2047)",
    "charset": "the text is not in the character set it declares; the detail names both",
    "transfer_encoding": "the transfer encoding is unknown, or its data are damaged (RFC 2045 6)",
    "no_sender": "there is no usable From address",
    "several_senders": "From names more than one address; the first is taken",
    "no_message_id": "there is no Message-ID; one was made from the bytes of the mail",
    "malformed_message_id": "the Message-ID is not of the form <left@right>",
    "no_date": "there is no Date",
    "unreadable_date": "the Date cannot be read",
    "boundary_missing": "a multipart names no boundary (RFC 2046 5.1)",
    "boundary_not_found": "the boundary of a multipart does not occur in it",
    "boundary_not_closed": "a multipart ends without its closing boundary",
    "too_many_parts": "the mail has more parts than the limit; the rest was not read",
    "too_deep": "parts are nested deeper than the limit; the inner ones were not read",
    "text_cut": "a text is longer than the limit; the rest was not read",
    "encrypted": "the text is encrypted and cannot be read here",
    "signature_unread": "an opaque S/MIME signature could not be unwrapped",
    "tnef": "winmail.dat: Outlook packed text and files in a form that is not opened here",
    "calendar": "the mail carries a calendar invitation or answer; the detail names the method",
}

_MOST = 50  # a hostile mail can have a million defects; fifty tell the story


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing wrong with a mail: `name` is a key of DEFECTS, `detail` says where or what (never mail text)."""

    name: str
    detail: str = ""


@dataclass(slots=True)
class Found:
    """Collects defects while a mail is read: each once, at most fifty."""

    defects: dict[Defect, None] = field(default_factory=dict)

    def add(self, name: str, detail: str = "") -> None:
        if len(self.defects) < _MOST:
            self.defects[Defect(name, detail[:120])] = None

    def all(self) -> tuple[Defect, ...]:
        return tuple(self.defects)
