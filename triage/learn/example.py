"""One labelled mail, whatever file it came from, and how it becomes what a model may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from triage.judge.classify import Words, words_of
from triage.mail import body as mail_body
from triage.mail import message as mail_message
from triage.words import Disposition, Urgency

#: what a model may take a mail for; "unreadable" and "before_start" are found by the program itself
LEARNABLE = tuple(d for d in Disposition if d not in (Disposition.UNREADABLE, Disposition.BEFORE_START))

_OURS = frozenset({"from", "to", "subject", "content-type", "mime-version", "content-transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Example:
    """A mail with its labels.

    `group` is the customer, or the writer of a composed mail: never in training and test both. `complaint_type` and
    `urgency` are None unless the mail is a complaint; a dated duty that is none may have an urgency. `types` and
    `urgencies` hold every value that a careful second reader could give, the label first. `at` is aware UTC, `source`
    "file:line". `clean`: the text holds own words only, nothing has to be cut.
    """

    id: str
    group: str
    subject: str
    text: str
    language: str
    disposition: Disposition
    complaint_type: str | None = None
    urgency: Urgency | None = None
    flags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    urgencies: tuple[Urgency, ...] = ()
    secondary: tuple[str, ...] = ()
    industry: str = ""
    at: datetime | None = None
    source: str = ""
    clean: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_complaint(self) -> bool:
        return self.disposition is Disposition.COMPLAINT

    def raw(self) -> bytes:
        """The mail as bytes, so that it can go the whole way of a received one."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self.headers.get("From", "Customer <customer@example.com>")
        mail["To"] = "care@business.example"
        mail["Subject"] = " ".join(self.subject.split())
        for name, value in self.headers.items():
            if name.lower() not in _OURS:
                mail[name] = " ".join(str(value).split())
        mail.set_content(self.text, cte="base64")
        return mail.as_bytes()

    def words(self) -> Words:
        """The own words as the desk would cut them: no quote, no signature, no disclaimer. The label's language
        counts."""
        if self.clean:
            return Words(self.subject, self.text, self.language)
        message = mail_message.parse(self.raw())
        found = words_of(message, mail_body.words(message))
        return Words(found.subject, found.text, self.language or found.language)
