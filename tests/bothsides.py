"""A desk that sees both sides of the conversation: customers' mails come in, our answers lie in a Sent folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conversation import Lent
from tests.room import desk_in, furnish, letter
from triage.casework.case import Case
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.operations import cycle
from triage.operations.casebook import replay
from triage.world import inbox
from triage.world.store import cases as store
from triage.world.store import outbox

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
AGENT = "Priya Nandan <priya.nandan@alderfinch.example>"
CUSTOMER = "customer1@example.com"


class Room:
    """A desk with an intake folder and a Sent folder, and a clock that is set."""

    def __init__(self, desk: Desk, imap: ImapServer, clock: list[datetime]) -> None:
        self.desk, self.imap, self.clock, self.count = desk, imap, clock, 100

    def customer(self, text: str, at: datetime = MONDAY, *, number: int = 1, **more: str) -> None:
        self._run(letter(number, text, Date=f"{at:%a, %d %b %Y %H:%M:%S} +0000", **more), at, "INBOX")

    def reply(
        self, text: str, at: datetime, *, sender: str = AGENT, to: str = CUSTOMER, answers: int = 1, **more: str
    ) -> None:
        self.count += 1
        mail = letter(
            self.count, text, sender=sender, to=to, subject="Re: Complaint number 1", In_Reply_To=f"<m{answers}@example.com>",
            Date=f"{at:%a, %d %b %Y %H:%M:%S} +0000", **more,
        )  # fmt: skip
        self._run(mail.replace(b"@example.com>\r\nIn-Reply", b"@alderfinch.example>\r\nIn-Reply"), at, "Sent")

    def _run(self, raw: bytes, at: datetime, folder: str) -> None:
        self.clock[0] = at
        self.imap.deliver(raw, at, folder)
        cycle.run(self.desk)

    def cases(self) -> list[Case]:
        with self.desk.database.read() as tx:
            ids = sorted(row["id"] for row in store.rows(tx, everything=True))
            return [replay(told) for told in store.events(tx, ids).values()]

    def told(self, kind: str) -> list[tuple[str, str]]:
        with self.desk.database.read() as tx:
            return [(row["recipient"], row["text"]) for row in outbox.listing(tx, 500) if row["kind"] == kind]


@pytest.fixture(scope="module")
def reader() -> Iterator[Lent]:
    lent = Lent()
    yield lent
    lent.stop()


@pytest.fixture
def room(imap_server: ImapServer, tmp_path: Path, reader: Lent) -> Iterator[Room]:
    with inbox.open(imap_server.account) as box:
        box.ensure("Sent")
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        folders={"intake": ["INBOX"], "sent": "Sent"}, notices="off",
    )  # fmt: skip
    clock = [MONDAY]
    opened: Callable[..., AbstractContextManager[Desk]] = desk_in
    with opened(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        yield Room(desk, imap_server, clock)
