"""A desk to test with: the shipped config pointed at a real server, a fixed clock, and a model that is not learnt.

Everything but the clock and the model is real: the mailbox, the database, the raw store, the reader process, SMTP.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triage.desk import Desk, Judge, open_desk
from triage.judge.classify import Prediction, Words
from triage.world import config, settings

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # a Friday, in office hours
PASSWORD = "TRIAGE_TEST_PASSWORD"

#: word in a mail -> what the model makes of it; the first that occurs wins
SAYS: Mapping[str, tuple[str, str, str]] = {
    "thank you for everything": ("customer_ack", "other_unclear", "low"),
    "opening hours": ("enquiry", "other_unclear", "low"),
    "charged": ("complaint", "billing", "normal"),
    "parcel": ("complaint", "delivery", "normal"),
    "broken": ("complaint", "product_fault", "normal"),
}


class WordModel:
    """A model for tests: one word decides, surely."""

    card: Mapping[str, Any] = {"name": "words", "thresholds": {}}

    def predict(self, words: Sequence[Words]) -> list[Prediction]:
        return [self._one(f"{one.subject} {one.text}".lower()) for one in words]

    def _one(self, text: str) -> Prediction:
        found = next((says for word, says in SAYS.items() if word in text), ("complaint", "other_unclear", "normal"))
        disposition, kind, urgency = found
        return Prediction({disposition: 0.95, "praise": 0.05}, {kind: 0.95, "handling": 0.05},
                          {urgency: 0.9, "urgent": 0.05, "critical": 0.05}, ((kind, 1.0),), "words", 1.0)  # fmt: skip


def furnish(
    folder: Path, *, host: str, port: int, user: str, password: str, smtp_port: int = 0, mode: str = "read_only",
    folders: Mapping[str, Any] | None = None, notices: str = "on", domains: Sequence[str] = (), **mailbox: Any,
) -> None:  # fmt: skip
    """Write the shipped config into `folder`/config with these servers in it."""
    place = folder / "config"
    shutil.copytree(config.shipped(), place, dirs_exist_ok=True)
    os.environ[PASSWORD] = password
    values = {"host": host, "port": port, "tls": "none", "user": user, "mode": mode, **mailbox}
    if folders is not None:
        values["folders"] = dict(folders)
    changes = {("mailboxes", 0, name): value for name, value in values.items()}
    edit(place / "mailboxes.yaml", {**changes, ("mailboxes", 0, "password"): {"env": PASSWORD}})
    smtp = {"host": "127.0.0.1", "port": smtp_port or 9, "tls": "none"}
    edit(place / "notices.yaml", {("smtp",): smtp, ("mode",): notices})
    if domains:
        edit(place / "business.yaml", {("domains",): ["alderfinch.example", *domains]})


def edit(path: Path, changes: Mapping[tuple[str | int, ...], Any]) -> None:
    """Set values in a config file."""
    text = path.read_text(encoding="utf-8")
    for where, value in changes.items():
        text = config.edit(text, where, value)
    path.write_text(text, encoding="utf-8")


@contextmanager
def desk_in(
    folder: Path,
    database_url: str = "",
    *,
    now: Callable[[], datetime] | datetime = NOW,
    reached: Callable[[str], None] = lambda step: None,
) -> Iterator[Desk]:
    """The desk of a furnished folder with the test model and a clock that stands."""
    found = settings.load(
        folder / "config", folder / "data",
        {"TRIAGE_DATABASE_URL": database_url, "TRIAGE_SECRET": "s" * 40} if database_url else {"TRIAGE_SECRET": "s" * 40},
    )  # fmt: skip
    clock = now if callable(now) else lambda: now
    with open_desk(found, now=clock, reached=reached) as desk:
        fake(desk)
        yield desk


def fake(desk: Judge) -> None:
    """The test model in place of a learnt one."""
    desk.__dict__["model"] = WordModel()
    desk.__dict__["model_folder"] = Path("words")


def letter(
    number: int,
    text: str = "My parcel has not come.",
    *,
    sender: str = "",
    subject: str = "",
    to: str = "",
    **headers: str,
) -> bytes:
    """A plain customer's mail; the same number gives the same bytes."""
    lines = {
        "From": sender or f"Customer {number} <customer{number}@example.com>",
        "To": to or "complaints@alderfinch.example",
        "Subject": subject or f"Complaint number {number}",
        "Date": "Fri, 20 Nov 2026 09:00:00 +0000",
        "Message-ID": f"<m{number}@example.com>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{head}\r\n{text}\r\n".encode()
