"""The sample mails of the demo: invented people, invented firms, reserved domains; a label beside each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from importlib.resources import files
from typing import Any

_OURS = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled mail: `raw` are its bytes, the same at every call; `labels` what a careful reader said."""

    id: str
    raw: bytes
    to_domain: str
    labels: dict[str, Any]


def samples() -> Iterator[Sample]:
    """All sample mails, in order of their date."""
    text = files("triage.demo").joinpath("mails.jsonl").read_text(encoding="utf-8")
    for line in text.splitlines():
        entry = json.loads(line)
        yield Sample(entry["id"], _raw(entry), entry["to"].rsplit("@", 1)[1].rstrip("> "), entry["labels"])


def _raw(entry: dict[str, Any]) -> bytes:
    """The mail as it would have come over the wire."""
    headers = dict(entry.get("headers") or {})
    mail = EmailMessage(policy=SMTP.clone(max_line_length=200))
    mail["From"], mail["To"], mail["Subject"] = entry["from"], entry["to"], entry.get("subject", "")
    mail["Date"] = headers.get("Date") or entry["date"]
    mail["Message-ID"] = headers.get("Message-ID") or f"<{entry['id']}@mail.example>"
    for name, value in headers.items():
        if name.lower() not in _OURS:
            mail[name] = value
    html = entry.get("html")
    mail.set_content(entry.get("text") or "")
    if html:
        mail.add_alternative(html, subtype="html")
    for attachment in entry.get("attachments") or []:
        name = attachment if isinstance(attachment, str) else attachment["name"]
        mail.add_attachment(b"%PDF-1.4\n", maintype="application", subtype="octet-stream", filename=name)
    for depth, part in enumerate(mail.walk()):
        if part.is_multipart():
            part.set_boundary(
                f"=={entry['id']}-{depth}=="
            )  # the library's own is random; a second demo must know the mail
    return mail.as_bytes()
