"""Intake from end to end on real servers: nothing lost, nothing doubled, the mailbox untouched."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.room import NOW, desk_in, furnish, letter
from tests.servers.courier import Courier
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from triage.demo.servers import ImapServer, SmtpSink
from triage.operations import cycle, look
from triage.operations.reconcile import reconcile
from triage.world import inbox

Deliver = Callable[[list[bytes]], list[int]]


class Box:
    """A mailbox on some server, empty at first, and how to write the config for it."""

    def __init__(self, account: inbox.MailboxAccount, password: str, folder: str) -> None:
        self.account, self.password, self.folder = account, password, folder

    def deliver(self, *mails: bytes, at: datetime = NOW - timedelta(hours=1)) -> list[int]:
        with inbox.open(self.account) as box:
            return [box.append(self.folder, raw, at) or 0 for raw in mails]

    def furnish(self, folder: Path, **more: Any) -> None:
        folders = {
            "intake": [self.folder],
            "sent": None,
            "processed": f"{self.folder}-done",
            "quarantine": f"{self.folder}-bad",
        }
        furnish(
            folder, host=self.account.host, port=self.account.port, user=self.account.user, password=self.password,
            folders=folders, **more,
        )  # fmt: skip

    def flags(self) -> dict[int, Any]:
        """Every UID with its flags, as an independent client sees them."""
        import imapclient

        with imapclient.IMAPClient(self.account.host, self.account.port, ssl=False) as client:
            (client.login if self.password.isascii() else client.plain_login)(self.account.user, self.password)
            prefix = client.namespace().personal[0][0] if client.has_capability("NAMESPACE") else ""
            client.select_folder(self.folder if self.folder == "INBOX" else prefix + self.folder, readonly=True)
            found = client.fetch(client.search("ALL"), ["FLAGS"])
            return {uid: set(entry[b"FLAGS"]) - {b"\\Recent"} for uid, entry in found.items()}


PROOF = pytest.mark.proof


@pytest.fixture(params=["pymap", "dovecot", pytest.param("cyrus", marks=PROOF), pytest.param("courier", marks=PROOF)])
def box(request: pytest.FixtureRequest) -> Iterator[Box]:
    """An empty mailbox on the embedded server and on real ones: Dovecot, and in `make proof` Cyrus and Courier."""
    if request.param == "pymap":
        server: ImapServer = request.getfixturevalue("imap_server")
        with inbox.open(server.account) as client:
            for suffix in ("-done", "-bad"):
                client.ensure(f"INBOX{suffix}")
        yield Box(server.account, server.password, "INBOX")
        return
    running: Dovecot | Cyrus | Courier = request.getfixturevalue(request.param)
    name = f"box-{uuid.uuid4().hex[:8]}"
    account = running.account()
    with inbox.open(account) as client:
        for suffix in ("", "-done", "-bad"):
            client.ensure(name + suffix)
    yield Box(account, account.sign_in.read(), name)


def test_two_hundred_mails_come_in_and_a_second_run_adds_nothing(box: Box, tmp_path: Path, smtp_sink: SmtpSink) -> None:
    box.deliver(*(letter(n) for n in range(200)))
    before = box.flags()
    box.furnish(tmp_path, smtp_port=smtp_sink.port)
    with desk_in(tmp_path) as desk:
        first = cycle.run(desk)["mailboxes"][0]
        register = look.cases(desk, everything=True)
        second = cycle.run(desk)["mailboxes"][0]
        assert (first["found"], first["stored"], first["opened"]) == (200, 200, 200)
        assert (second["found"], second["opened"]) == (0, 0)
        assert look.cases(desk, everything=True) == register
        row = reconcile(desk)[0]
    assert (row["on_server"], row["known"], row["in_cases"], row["missing"]) == (200, 200, 200, 0)
    assert box.flags() == before


def test_every_open_case_has_an_owner_and_a_next_deadline(box: Box, tmp_path: Path) -> None:
    broken = (
        b"X-Nothing: else\r\n\r\n" if box.account.name == "cyrus" else b"\xff no header"
    )  # Cyrus takes no such mail
    box.deliver(letter(1), letter(2, "I was charged twice."), letter(3, "What are your opening hours?"), broken)
    box.furnish(tmp_path, notices="off")
    with desk_in(tmp_path) as desk:
        cycle.run(desk)
        open_cases = look.cases(desk)
    assert len(open_cases) >= 3
    assert all(case["owner"] and case["next_deadline"] for case in open_cases)


def test_the_clock_runs_from_the_arrival_in_the_mailbox_not_from_the_date_header(box: Box, tmp_path: Path) -> None:
    arrived = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
    box.deliver(letter(1, Date="Mon, 1 Jan 2035 00:00:00 +0000"), at=arrived)
    box.furnish(tmp_path, notices="off")
    with desk_in(tmp_path) as desk:
        cycle.run(desk)
        case = look.cases(desk)[0]
    assert case["received_at"] == "2026-11-20T10:00:00Z"


def test_the_same_mail_delivered_again_is_known(box: Box, tmp_path: Path) -> None:
    """The same bytes, and the same mail with other trace headers (To and an alias): one case."""
    box.deliver(letter(1), letter(1), b"Received: from elsewhere\r\n" + letter(1))
    box.furnish(tmp_path, notices="off")
    with desk_in(tmp_path) as desk:
        got = cycle.run(desk)["mailboxes"][0]
        assert got["opened"] == 1 and got["known"] + got["duplicates"] == 2
        assert reconcile(desk)[0]["missing"] == 0


def test_another_mail_under_a_known_message_id_is_a_mail_of_its_own(box: Box, tmp_path: Path) -> None:
    box.deliver(letter(1), letter(1, "Something else is broken.", sender="Other <other@example.net>"))
    box.furnish(tmp_path, notices="off")
    with desk_in(tmp_path) as desk:
        cycle.run(desk)
        assert len(look.cases(desk)) == 2


def test_mail_from_before_the_start_is_recorded_and_opens_no_case_until_it_is_asked_for(
    box: Box, tmp_path: Path
) -> None:
    from triage.operations.backfill import backfill

    box.deliver(letter(1), at=NOW - timedelta(days=9))
    box.deliver(letter(2), at=NOW - timedelta(days=3))
    box.deliver(letter(3))
    box.furnish(tmp_path, start_from=(NOW - timedelta(days=1)).isoformat())
    with desk_in(tmp_path) as desk:
        got = cycle.run(desk)["mailboxes"][0]
        assert (got["before_start"], got["opened"]) == (2, 1)
        assert reconcile(desk)[0]["missing"] == 0
        backfill(desk, NOW - timedelta(days=5), None, lambda line: None)
        assert len(look.cases(desk)) == 2
        assert reconcile(desk)[0]["missing"] == 0


def test_a_dedicated_mailbox_is_emptied_only_after_the_mail_is_judged(box: Box, tmp_path: Path) -> None:
    box.deliver(letter(1), letter(2))
    box.furnish(tmp_path, notices="off", mode="dedicated")
    with desk_in(tmp_path) as desk:
        assert cycle.run(desk)["mailboxes"][0]["marked"] == 2
        assert len(look.cases(desk)) == 2
    with inbox.open(box.account) as client:
        assert client.select(box.folder).exists == 0
        assert client.select(f"{box.folder}-done").exists == 2


def test_a_shared_mailbox_keeps_its_mail_unseen(box: Box, tmp_path: Path) -> None:
    box.deliver(letter(1))
    box.furnish(tmp_path, notices="off", mode="shared")
    with desk_in(tmp_path) as desk:
        assert cycle.run(desk)["mailboxes"][0]["marked"] == 1
    assert all(b"\\Seen" not in flags for flags in box.flags().values())


def test_a_mailbox_that_fails_does_not_stop_the_others(box: Box, tmp_path: Path) -> None:
    from tests.room import edit

    box.deliver(letter(1))
    box.furnish(tmp_path, notices="off")
    path = tmp_path / "config" / "mailboxes.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text + text[text.index("  - name:") :], encoding="utf-8")
    down = {"name": "down", "port": 9, "user": "nobody", "addresses": ["down@alderfinch.example"]}
    edit(path, {("mailboxes", 0, key): value for key, value in down.items()})
    with desk_in(tmp_path) as desk:
        outcome = cycle.run(desk)
    down, good = outcome["mailboxes"]
    assert down["mailbox"] == "down" and down["errors"]
    assert good["opened"] == 1
    assert outcome["exit_code"] == 75


def test_a_refused_sign_in_is_not_tried_again_at_once_and_a_person_is_needed(box: Box, tmp_path: Path) -> None:
    import os

    from tests.room import PASSWORD

    box.furnish(tmp_path, notices="off")
    os.environ[PASSWORD] = "wrong"
    with desk_in(tmp_path) as desk:
        first = cycle.run(desk)
        again = cycle.run(desk)
        assert first["exit_code"] == 1 and again["exit_code"] == 1
        assert look.status(desk)["mailboxes"][0]["circuit"]
        assert look.status(desk)["mailboxes"][0]["failures"] == 1  # the second run did not even try
    os.environ[PASSWORD] = box.password
    with desk_in(tmp_path, now=NOW + timedelta(hours=2)) as desk:
        assert cycle.run(desk)["exit_code"] == 0
        assert look.status(desk)["mailboxes"][0]["circuit"] is None


def test_a_missing_folder_is_an_error_not_an_empty_mailbox(box: Box, tmp_path: Path) -> None:
    box.furnish(tmp_path, notices="off")
    from tests.room import edit

    edit(tmp_path / "config" / "mailboxes.yaml", {("mailboxes", 0, "folders", "intake"): ["Complaints-2019"]})
    with desk_in(tmp_path) as desk:
        outcome = cycle.run(desk)
    assert outcome["exit_code"] == 1
    assert "Complaints-2019" in outcome["mailboxes"][0]["errors"][0]


def test_nobody_is_told_of_backfilled_mail(box: Box, tmp_path: Path, smtp_sink: SmtpSink) -> None:
    from triage.operations.backfill import backfill

    box.deliver(letter(1), at=NOW - timedelta(days=9))
    box.furnish(tmp_path, start_from=(NOW - timedelta(days=1)).isoformat(), smtp_port=smtp_sink.port)
    with desk_in(tmp_path) as desk:
        cycle.run(desk)
        backfill(desk, NOW - timedelta(days=20), None, lambda line: None)
        cycle.run(desk)
        assert [case["next_deadline"]["state"] for case in look.cases(desk)] == ["breached"]
    assert smtp_sink.messages == []
