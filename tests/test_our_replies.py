"""Where our own answers are found: in Sent folders, or in a mailbox that gathers copies (docs/our-replies.md)."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bothsides import MONDAY
from tests.conversation import Lent
from tests.room import desk_in, edit, furnish, letter
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.errors import ConfigInvalid
from triage.operations import cycle, setup, unseen
from triage.operations.casebook import replay
from triage.world import config, inbox
from triage.world.store import cases

HOUR = timedelta(hours=1)


def ours(number: int, to: int, **headers: str) -> bytes:
    mail = letter(
        number, "It is on its way.", sender="Priya <priya@alderfinch.example>", to=f"customer{to}@example.com",
        In_Reply_To=f"<m{to}@example.com>", Date="Mon, 23 Nov 2026 11:00:00 +0000", **headers,
    )  # fmt: skip
    return mail.replace(f"<m{number}@example.com>".encode(), f"<r{number}@alderfinch.example>".encode())


def furnished(folder: Path, imap: ImapServer, folders: dict[str, Any], *names: str) -> Path:
    with inbox.open(imap.account) as box:
        for name in names:
            box.ensure(name)
    furnish(
        folder, host=imap.host, port=imap.port, user=imap.user, password=imap.password, folders=folders, notices="off"
    )
    return folder


def copies_too(folder: Path) -> None:
    """A second mailbox that only gathers copies of our mail."""
    path = folder / "config" / "mailboxes.yaml"
    first = config.load(folder / "config").mailboxes[0].model_dump(mode="json", exclude_none=True, exclude={"limits"})
    copies = {
        "name": "copies",
        "addresses": ["copies@alderfinch.example"],
        "folders": {"intake": [], "sent": ["Copies"]},
    }
    edit(path, {("mailboxes",): [first, {**first, **copies}]})


def answered(desk: Desk) -> list[bool]:
    with desk.database.read() as tx:
        ids = sorted(row["id"] for row in cases.rows(tx, everything=True))
        return [bool(replay(told).replies) for told in cases.events(tx, ids).values()]


def run(desk: Desk, clock: list[datetime], at: datetime) -> None:
    clock[0] = at
    cycle.run(desk)


def test_several_sent_folders_are_read(tmp_path: Path, imap_server: ImapServer, reader: Lent) -> None:
    furnished(tmp_path, imap_server, {"intake": ["INBOX"], "sent": ["Sent", "Sent Items"]}, "Sent", "Sent Items")
    clock = [MONDAY]
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        imap_server.deliver_all([(letter(1), MONDAY), (letter(2), MONDAY)])
        run(desk, clock, MONDAY)
        imap_server.deliver(ours(11, to=1), MONDAY + HOUR, "Sent")
        imap_server.deliver(ours(12, to=2), MONDAY + HOUR, "Sent Items")
        run(desk, clock, MONDAY + 2 * HOUR)
        assert answered(desk) == [True, True]


def test_a_mailbox_of_copies_shows_the_answers_of_every_other_one(
    tmp_path: Path, imap_server: ImapServer, reader: Lent
) -> None:
    furnished(tmp_path, imap_server, {"intake": ["INBOX"], "sent": None}, "Copies")
    copies_too(tmp_path)
    clock = [MONDAY]
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        imap_server.deliver_all([(letter(1), MONDAY), (letter(2), MONDAY)])
        run(desk, clock, MONDAY)
        imap_server.deliver(ours(11, to=1), MONDAY + HOUR, "Copies")
        run(desk, clock, MONDAY + 2 * HOUR)
        assert answered(desk) == [True, False]
        clock[0] = MONDAY + timedelta(days=4)
        assert unseen.alarm(desk) == 1  # the mailbox has no Sent folder, but copies should come


def test_a_copy_that_lands_in_the_intake_folder_counts_too(
    tmp_path: Path, imap_server: ImapServer, reader: Lent
) -> None:
    furnished(tmp_path, imap_server, {"intake": ["INBOX"], "sent": None})
    clock = [MONDAY]
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        imap_server.deliver(letter(1), MONDAY)
        run(desk, clock, MONDAY)
        imap_server.deliver(ours(11, to=1), MONDAY + HOUR)
        run(desk, clock, MONDAY + 2 * HOUR)
        assert answered(desk) == [True]


def test_a_mailbox_of_which_nothing_is_read_is_refused(tmp_path: Path, imap_server: ImapServer) -> None:
    furnished(tmp_path, imap_server, {"intake": [], "sent": None})
    with pytest.raises(ConfigInvalid, match="no folder of this mailbox is read"):
        config.load(tmp_path / "config")


def test_the_check_says_how_far_answers_are_seen(tmp_path: Path, imap_server: ImapServer, reader: Lent) -> None:
    def said() -> tuple[str, str]:
        with desk_in(tmp_path, now=lambda: MONDAY + 3 * HOUR) as desk:
            line = setup._answers(desk)
            return line.state, line.said

    furnished(tmp_path, imap_server, {"intake": ["INBOX"], "sent": "Sent"}, "Sent")
    clock = [MONDAY]
    with desk_in(tmp_path, now=lambda: clock[0]) as desk:
        desk.reader = reader
        imap_server.deliver_all([(letter(1), MONDAY), (letter(2), MONDAY)])
        run(desk, clock, MONDAY)
        imap_server.deliver(ours(11, to=1), MONDAY + HOUR, "Sent")
        run(desk, clock, MONDAY + 2 * HOUR)
    assert said() == ("ok", "a mail of ours was seen on 1 of 2 cases of the last 30 days")
    edit(tmp_path / "config" / "mailboxes.yaml", {("mailboxes", 0, "folders"): {"intake": ["INBOX"], "sent": None}})
    assert said()[0] == "warn"
