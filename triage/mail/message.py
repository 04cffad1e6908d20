"""Raw bytes -> Message. Whatever the bytes are, the result is a Message that lists its defects; nothing is raised."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from triage.mail import address, charset, headers, markup, mime, report, smime
from triage.mail.address import NOBODY, Address
from triage.mail.defects import DEFECTS, Defect, Found
from triage.mail.mime import Limits, Part
from triage.mail.report import DeliveryReport, ReportedRecipient

__all__ = [
    "DEFECTS",
    "Address",
    "Attachment",
    "Defect",
    "DeliveryReport",
    "Limits",
    "Message",
    "ReportedRecipient",
    "parse",
]

#: headers that name a mailbox this copy was delivered to
_DELIVERED = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "x-forwarded-to",
    "resent-to",
)
_ENCRYPTED = frozenset({"application/pgp-encrypted", "application/x-pgp-encrypted", "multipart/encrypted"})
_PKCS7 = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_READ_AS_TEXT = frozenset({"text/plain", "text/enriched", "text/richtext", "text/markdown", "text/html"})
_MOST_IDS = 100
_METHOD = re.compile(rb"^METHOD:\s?([A-Za-z]{3,20})", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that came with a mail. `size` is in bytes, decoded; the content itself stays in the raw mail."""

    name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Message:
    """What a mail says. Texts hold no NUL and no lone surrogate; `date` is the sender's claim, aware UTC."""

    message_id: str  # in angle brackets; made from the bytes when the mail has none
    message_id_given: bool
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]  # oldest first, as written
    subject: str
    from_: Address
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    recipients: tuple[str, ...]  # every address this copy is known to have gone to
    date: datetime | None
    headers: tuple[tuple[str, str], ...]  # all fields, top to bottom, decoded
    text: str  # every plain text of the mail; "" when it has HTML only
    html: str
    attachments: tuple[Attachment, ...]
    embedded: tuple[Message, ...]  # mails attached as message/rfc822
    delivery_report: DeliveryReport | None
    defects: tuple[Defect, ...]
    size: int
    sha256: str  # of the exact bytes as fetched: the key of the content (K2)
    logical_key: str  # the same for two deliveries of one mail, whatever trace headers they got (K3)

    def header(self, name: str) -> str | None:
        """The topmost field of this name, in any case of letters; the topmost is the one our own server wrote."""
        wanted = name.lower()
        return next((v for n, v in self.headers if n.lower() == wanted), None)

    def header_all(self, name: str) -> list[str]:
        """Every field of this name, top to bottom."""
        wanted = name.lower()
        return [v for n, v in self.headers if n.lower() == wanted]

    def has(self, defect: str) -> bool:
        return any(d.name == defect for d in self.defects)


def parse(raw: bytes, limits: Limits = Limits()) -> Message:
    """Read one mail. Never raises because of the mail; takes time linear in its bytes."""
    return _parse(raw, mime.Budget(limits, Found()), 0)


def _parse(raw: bytes, budget: mime.Budget, depth: int) -> Message:
    digest = hashlib.sha256(raw).hexdigest()
    found = budget.found if depth == 0 else Found()
    own = mime.Budget(budget.limits, found, budget.parts)
    size = len(raw)
    if not raw:
        found.add("empty")
    if b"\r" in raw and b"\n" not in raw:
        found.add("bare_cr", "the whole mail")
        raw = raw.replace(b"\r", b"\n")
    root = mime.split(raw, own, depth)
    content = _Content(raw, own, depth)
    delivery_report = report.read(raw, root, own)
    content.read(root)
    budget.parts = own.parts
    return _message(raw, root, content, delivery_report, digest, size)


def _message(
    raw: bytes, root: Part, content: _Content, delivery_report: DeliveryReport | None, digest: str, size: int
) -> Message:
    found = content.budget.found
    fields = root.by_name()
    senders = _addresses(fields, "from")
    sender = next((a for a in senders if a.email), senders[0] if senders else NOBODY)
    if not sender.email:
        found.add("no_sender")
    elif len(senders) > 1:
        found.add("several_senders", str(len(senders)))
    given, message_id = _message_id(_one(fields, "message-id"), digest, found)
    to, cc = _addresses(fields, "to"), _addresses(fields, "cc")
    written_date = _one(fields, "date")
    date = _date(written_date, found)
    text, html = content.texts()
    subject = headers.text(fields.get("subject", [b""])[0])[:2000]
    return Message(
        message_id=message_id,
        message_id_given=bool(given),
        in_reply_to=headers.ids(_one(fields, "in-reply-to"))[:_MOST_IDS],
        references=headers.ids(_one(fields, "references"))[-_MOST_IDS:],
        subject=subject,
        from_=sender,
        reply_to=_addresses(fields, "reply-to"),
        to=to,
        cc=cc,
        recipients=_recipients(fields, to, cc),
        date=date,
        headers=tuple((name, headers.text(value, found)) for name, value in root.fields),
        text=text,
        html=html,
        attachments=tuple(content.attachments),
        embedded=tuple(content.embedded),
        delivery_report=delivery_report,
        size=size,
        sha256=digest,
        logical_key=_logical_key(
            raw[root.start :], given, senders, date.isoformat() if date else written_date, subject
        ),
        defects=found.all(),
    )


def _one(fields: dict[str, list[bytes]], name: str) -> str:
    """The topmost field of this name, its encoded words left as they are."""
    values = fields.get(name)
    return headers.raw_text(values[0]) if values else ""


def _addresses(fields: dict[str, list[bytes]], name: str) -> tuple[Address, ...]:
    values = fields.get(name)
    return address.parse(", ".join(map(headers.raw_text, values))) if values else ()


def _recipients(fields: dict[str, list[bytes]], to: tuple[Address, ...], cc: tuple[Address, ...]) -> tuple[str, ...]:
    delivered = [a for name in _DELIVERED for a in _addresses(fields, name)]
    return tuple(dict.fromkeys(a.email for a in (*delivered, *to, *cc) if a.email))


def _message_id(written: str, digest: str, found: Found) -> tuple[str, str]:
    """(the id as given, "" if none; the id to use). A made one is the same for the same bytes, never random."""
    if not written:
        found.add("no_message_id")
        return "", f"<{digest[:32]}@intake.invalid>"
    ids = headers.ids(written)
    if ids:
        return ids[0], ids[0]
    found.add("malformed_message_id")
    kept = "".join(written.split()).strip("<>")[:900]
    return (f"<{kept}>", f"<{kept}>") if kept else ("", f"<{digest[:32]}@intake.invalid>")


def _date(written: str, found: Found) -> datetime | None:
    if not written:
        found.add("no_date")
        return None
    moment = headers.date(written)
    if moment is None:
        found.add("unreadable_date")
    return moment


def _logical_key(body: bytes, given: str, senders: tuple[Address, ...], date: str, subject: str) -> str:
    """One key for one logical mail: id, sender, date, subject and body, without the trace headers of its way.

    Line ends count as CRLF and line ends at the close do not count (RFC 6376 3.4.3), because servers change both.
    A missing Message-ID stays empty here: a made one would differ between two deliveries.
    """
    body = _canonical(body)
    sender = ",".join(a.email or a.name for a in senders)
    parts = (given, sender, " ".join(date.split()), " ".join(subject.split()), hashlib.sha256(body).hexdigest())
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "replace")).hexdigest()


def _canonical(body: bytes) -> bytes:
    """With CRLF at every line end and none at the close."""
    if body.count(b"\n") != body.count(b"\r\n"):
        return body.replace(b"\r\n", b"\n").rstrip(b"\n").replace(b"\n", b"\r\n")
    end = len(body)  # as servers send it: nothing to put right, so nothing to copy
    while body.endswith(b"\r\n", 0, end):
        end -= 2
    return body[:end]


class _Content:
    """Collects texts, attachments and attached mails while the tree is walked."""

    def __init__(self, raw: bytes, budget: mime.Budget, depth: int) -> None:
        self.raw, self.budget, self.depth = raw, budget, depth
        self.segments: list[tuple[str, str]] = []  # (plain, html); an alternative gives both of one segment
        self.attachments: list[Attachment] = []
        self.embedded: list[Message] = []

    def read(self, part: Part) -> None:
        found = self.budget.found
        kind = part.content_type
        if kind in _ENCRYPTED:
            found.add("encrypted", kind)
            self._attach(part)
        elif kind == "multipart/alternative":
            self._alternative(part)
        elif kind == "multipart/report":
            self._report(part)
        elif part.is_multipart:
            for child in part.children:
                self.read(child)
        elif kind in ("message/rfc822", "message/global"):
            self._mail(part)
        elif kind in _PKCS7:
            self._pkcs7(part)
        else:
            self._leaf(part)

    def _alternative(self, part: Part) -> None:
        """RFC 2046 5.1.4: each child says the same; the first plain one and the last (best) HTML one are taken."""
        plain = html = ""
        for child in part.children:
            inner = _Content(self.raw, self.budget, self.depth)
            inner.read(child)
            self.attachments += inner.attachments
            self.embedded += inner.embedded
            plain = plain or "\n".join(p for p, _ in inner.segments if p)
            html = "\n".join(h for _, h in inner.segments if h) or html
        if plain or html:
            self.segments.append((plain, html))

    def _report(self, part: Part) -> None:
        """RFC 6522: the first part is for people; the mail reported on is no text of this one."""
        for child in part.children:
            if child.is_multipart or (child.content_type.startswith("text/") and "rfc822" not in child.content_type):
                self.read(child)
            else:
                self._attach(child)

    def _leaf(self, part: Part) -> None:
        kind, found = part.content_type, self.budget.found
        if kind == "application/ms-tnef" or part.filename.lower() == "winmail.dat":
            found.add("tnef")
        elif kind == "text/calendar":
            method = part.params.get("method") or _calendar_method(self.raw[part.start : part.end])
            found.add("calendar", method.upper()[:20])
        elif kind in _READ_AS_TEXT and part.disposition != "attachment" and not (part.filename and self.segments):
            self._text(part)
            return
        self._attach(part)

    def _text(self, part: Part) -> None:
        found, most = self.budget.found, self.budget.limits.text_chars
        data = mime.content(self.raw, part, found)
        if b"\x00" in data and not part.params.get("charset", "").lower().startswith(("utf-16", "utf-32")):
            found.add("nul")
        if len(data) > 4 * most:
            data = data[: 4 * most]
            found.add("text_cut", f"more than {most} characters")
        declared = part.params.get("charset", "")
        decoded = charset.decode(data, declared)
        if not decoded.true:
            found.add("charset", f"{declared[:40] or 'none'} -> {decoded.used}")
        text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
        if len(text) > most:
            text = text[:most]
            found.add("text_cut", f"more than {most} characters")
        if text.lstrip()[:27] == "-----BEGIN PGP MESSAGE-----":
            found.add("encrypted", "OpenPGP")
        self.segments.append(("", text) if part.content_type == "text/html" else (text, ""))

    def _mail(self, part: Part) -> None:
        if self.depth >= self.budget.limits.depth:
            self.budget.found.add("too_deep", f"deeper than {self.budget.limits.depth}")
        elif self.budget.spend():
            inner = mime.content(self.raw, part, self.budget.found).lstrip(b"\r\n")
            self.embedded.append(_parse(inner, self.budget, self.depth + 1))
        self._attach(part)

    def _pkcs7(self, part: Part) -> None:
        """RFC 8551: an envelope is encrypted; a SignedData holds the mail itself."""
        der = mime.content(self.raw, part, self.budget.found)
        inner = smime.signed_content(der)
        if inner is not None and self.depth < self.budget.limits.depth:
            signed = _Content(inner, self.budget, self.depth + 1)
            signed.read(mime.split(inner, self.budget, self.depth + 1))
            self.segments += signed.segments
            self.attachments += signed.attachments
            self.embedded += signed.embedded
        elif part.params.get("smime-type", "").lower() in ("signed-data", "certs-only"):
            self.budget.found.add("signature_unread")
        else:
            self.budget.found.add("encrypted", "S/MIME")
        self._attach(part)

    def _attach(self, part: Part) -> None:
        if part.is_multipart:
            for child in part.children:
                self._attach(child)
            return
        name = part.filename or ("forwarded mail" if part.content_type.startswith("message/rfc822") else "")
        self.attachments.append(Attachment(name, part.content_type[:100], mime.size(self.raw, part)))

    def texts(self) -> tuple[str, str]:
        """(plain, html). Where both kinds stand side by side, not as alternatives, the HTML is turned into text too."""
        if not any(plain for plain, _ in self.segments):
            return "", "\n".join(html for _, html in self.segments)[: self.budget.limits.text_chars]
        plain = "\n".join(self._plain())
        html = "\n".join(html for _, html in self.segments if html)
        return plain[: self.budget.limits.text_chars], html[: self.budget.limits.text_chars]

    def _plain(self) -> Iterator[str]:
        for plain, html in self.segments:
            yield plain or markup.to_text(html)


def _calendar_method(data: bytes) -> str:
    method = _METHOD.search(data[:20_000])
    return method[1].decode("ascii") if method else ""
