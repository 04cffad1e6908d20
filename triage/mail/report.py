"""Reports about mail: undeliverable (RFC 3464), read receipts (RFC 8098), abuse (RFC 5965)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from triage.mail import address, headers
from triage.mail.defects import Found
from triage.mail.mime import Budget, Part, content

_MOST_RECIPIENTS = 100
_READ = 65_536
#: `<someone@example.org>: host ... said: 552 5.2.2 Mailbox full`, as Postfix, qmail and Exim write it
_REFUSED = re.compile(r"^\s{0,8}<?([^\s<>@:]{1,64}@[^\s<>:]{1,190})>?:", re.MULTILINE)
_ALONE = re.compile(r"^[ \t]{0,8}<?([^\s<>@:]{1,64}@[^\s<>:]{1,190})>?[ \t]{0,4}$", re.MULTILINE)
_FINAL = re.compile(
    r"^[ \t]{0,8}Final-Recipient:[^\n;]{0,40};\s{0,4}<?(\S{1,64}@[^\s<>]{1,190})", re.MULTILINE | re.IGNORECASE
)
_STATUS = re.compile(r"\b([45])(?:\.\d{1,3}\.\d{1,3}|\d\d)\b")
_ABOUT = re.compile(r"^[ \t>]{0,8}(?:Original[- ])?Message-ID:\s{0,4}(<[^<>\s]{3,500}>)", re.MULTILINE | re.IGNORECASE)

Family = Literal["delivery", "receipt", "abuse"]


@dataclass(frozen=True, slots=True)
class ReportedRecipient:
    """One recipient of a delivery report; `action` is failed, delayed, delivered, relayed or expanded."""

    email: str
    action: str
    status: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a report says: which family, about which mails, and what became of each recipient."""

    family: Family
    original_ids: tuple[str, ...] = ()
    recipients: tuple[ReportedRecipient, ...] = ()

    @property
    def failed(self) -> tuple[str, ...]:
        """Addresses the mail did not reach. A delay is no failure."""
        return tuple(r.email for r in self.recipients if r.action in ("failed", "") and r.email)


def read(raw: bytes, root: Part, budget: Budget) -> DeliveryReport | None:
    """The report a mail is, or None when it is none. `root` is the tree of `raw`."""
    family = _family(root)
    if family is None:
        return None
    ids: list[str] = []
    recipients: list[ReportedRecipient] = []
    for part in root.leaves():
        kind = part.content_type
        if kind in ("message/delivery-status", "message/global-delivery-status"):
            recipients += _recipients(raw, part, budget)
        elif kind in ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers"):
            fields, _ = headers.split(content(raw, part, Found())[:_READ].lstrip(b"\r\n"), _READ, Found())
            ids += headers.ids(" ".join(headers.raw_text(v) for n, v in fields if n.lower() == "message-id"))
        elif kind in ("message/disposition-notification", "message/feedback-report"):
            for name, value in _blocks(content(raw, part, Found())):
                if name == "original-message-id":
                    ids += headers.ids(value)
    return DeliveryReport(family, tuple(dict.fromkeys(ids)), tuple(recipients))


def _family(root: Part) -> Family | None:
    named = root.params.get("report-type", "").lower() if root.content_type == "multipart/report" else ""
    kinds = {leaf.content_type for leaf in root.leaves()}
    if named == "disposition-notification" or "message/disposition-notification" in kinds:
        return "receipt"
    if named == "feedback-report" or "message/feedback-report" in kinds:
        return "abuse"
    if named == "delivery-status" or kinds & {"message/delivery-status", "message/global-delivery-status"}:
        return "delivery"
    return None


def _recipients(raw: bytes, part: Part, budget: Budget) -> list[ReportedRecipient]:
    """RFC 3464 2.3: one group of fields a recipient, groups apart by blank lines; the first tells of the mail."""
    out: list[ReportedRecipient] = []
    email = action = status = ""

    def flush() -> None:
        if email and len(out) < _MOST_RECIPIENTS:
            out.append(ReportedRecipient(email, action, status))

    for name, value in [*_blocks(content(raw, part, budget.found)), ("", "")]:
        if not name:
            flush()
            email = action = status = ""
        elif name == "final-recipient" or (name == "original-recipient" and not email):
            email = address.clean(value.partition(";")[2] or value)
        elif name == "action":
            action = value.lower().split()[0] if value.split() else ""
        elif name == "status":
            status = value.split()[0] if value.split() else ""
    return out


def _blocks(data: bytes) -> list[tuple[str, str]]:
    """Groups of header fields as one list of (lower-case name, value); an empty name stands between groups."""
    out: list[tuple[str, str]] = []
    for line in data[:_READ].decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if not line.strip():
            out.append(("", ""))
        elif line[0] in " \t" and out and out[-1][0]:
            out[-1] = (out[-1][0], f"{out[-1][1]} {line.strip()}"[:1000])
        elif colon:
            out.append((name.strip().lower(), value.strip()))
    return out


def told_in_text(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(message ids, addresses not reached) that a report without the standard parts tells in its text."""
    text = text[:_READ]
    finds = [
        *((m, _status(text, m.end())) for m in _REFUSED.finditer(text)),
        *((m, _status(text, m.end())) for m in _FINAL.finditer(text)),
        *((m, _status(text, m.end(), least="4")) for m in _ALONE.finditer(text)),  # alone it needs a 5xx below
    ]
    refused = [m[1].strip("<>\"'.").lower() for m, status in finds if status == "5"]
    return tuple(dict.fromkeys(m[1] for m in _ABOUT.finditer(text))), tuple(dict.fromkeys(refused))[:_MOST_RECIPIENTS]


def _status(text: str, at: int, least: str = "5") -> str:
    """The class of the first SMTP status shortly after `at`: "4" is a delay, "5" a failure; `least` if none."""
    found = _STATUS.search(text[at : at + 400])
    return found[1] if found else least
