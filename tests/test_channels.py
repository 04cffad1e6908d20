"""Channels beside mail, on a real web server: what goes there, once, tried again, and never more than a notice shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conversation import Lent
from tests.room import desk_in, edit, furnish, letter
from triage.demo.servers import ImapServer, SmtpSink
from triage.desk import Desk
from triage.errors import ConfigInvalid, InsecureConnection, SendFailed, SendRefused
from triage.operations import cycle, setup
from triage.operations.send import send_due
from triage.world import config
from triage.world.channels import Channel
from triage.world.settings import Secret
from triage.world.store import outbox

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LATE = MONDAY + timedelta(days=2)
URL = "TRIAGE_TEST_CHANNEL"


class Hook:
    """A web hook: what was posted, and the answer that it gives (status codes, the last for ever)."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.answers = [200]
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
                if status == 200:
                    hook.got.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Place:
    """A desk with a channel, and a clock."""

    def __init__(
        self, folder: Path, imap: ImapServer, smtp: SmtpSink, hook: Hook, patch: pytest.MonkeyPatch, reader: Lent
    ) -> None:
        self.folder, self.imap, self.smtp, self.hook, self.clock = folder, imap, smtp, hook, [MONDAY]
        self.reader = reader
        patch.setenv(URL, hook.url)
        furnish(
            folder, host=imap.host, port=imap.port, user=imap.user, password=imap.password, smtp_port=smtp.port,
            folders={"intake": ["INBOX"], "sent": None},
        )  # fmt: skip
        self.channels({"name": "team", "url": {"env": URL}, "urgency": "normal"})

    def channels(self, *parts: dict[str, Any]) -> None:
        path = self.folder / "config" / "notices.yaml"
        if "\nchannels:" not in path.read_text():
            path.write_text(path.read_text() + "channels: []\n")
        edit(path, {("channels",): list(parts)})

    @contextmanager
    def desk(self) -> Iterator[Desk]:
        with desk_in(self.folder, now=lambda: self.clock[0]) as desk:
            desk.reader = self.reader
            yield desk

    def overdue(self, desk: Desk, count: int = 1, **headers: str) -> None:
        for number in range(1, count + 1):
            self.imap.deliver(letter(number, "My parcel with the GREEN lamp has not come.", **headers), MONDAY)
        self.clock[0] = MONDAY
        cycle.run(desk)
        self.clock[0] = LATE
        cycle.run(desk)


@pytest.fixture
def place(
    tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink, hook: Hook, monkeypatch: pytest.MonkeyPatch, reader: Lent
) -> Place:  # fmt: skip
    return Place(tmp_path, imap_server, smtp_sink, hook, monkeypatch, reader)


def rows(desk: Desk) -> list[tuple[str, int]]:
    """(state, attempts) of what is for the channel."""
    with desk.database.read() as tx:
        return [(r["state"], r["attempts"]) for r in outbox.listing(tx, 500) if r["recipient"].startswith("channel:")]


def test_an_escalation_goes_to_the_channel_once_and_to_people_by_mail(place: Place) -> None:
    with place.desk() as desk:
        place.overdue(desk)
        cycle.run(desk)
        assert rows(desk) == [("sent", 0)]
    (told,) = place.hook.got
    assert told["title"].startswith("escalation 3: delivery")
    assert told["message"].splitlines()[-1] == "triage case C-2026-000001"
    assert any(b"Escalation 3" in m.raw for m in place.smtp.messages)


def test_nothing_the_customer_wrote_but_a_redacted_subject_goes_there(place: Place) -> None:
    with place.desk() as desk:
        place.overdue(desk, subject="Card 4111 1111 1111 1111 charged, call 07700 900133")
    said = json.dumps(place.hook.got)
    assert "GREEN" not in said and "customer1@example.com" not in said and "[#" not in said
    assert "4111" not in said and "900133" not in said


def test_a_restricted_case_is_a_number(place: Place) -> None:
    with place.desk() as desk:
        place.imap.deliver(
            letter(1, "My parcel never came and I cannot go on, there is no point in living.", subject="Goodbye lamp"), MONDAY
        )  # fmt: skip
        cycle.run(desk)
        place.clock[0] = LATE
        cycle.run(desk)
    said = json.dumps(place.hook.got)
    assert "restricted case" in said and "lamp" not in said


def test_a_channel_that_fails_is_tried_again_and_told_once(place: Place) -> None:
    place.hook.answers = [500, 200]
    with place.desk() as desk:
        place.overdue(desk)
        assert (rows(desk), place.hook.got) == ([("pending", 1)], [])
        send_due(desk)  # not before the pause is over
        assert rows(desk) == [("pending", 1)]
        for _ in range(2):
            place.clock[0] += timedelta(minutes=5)
            send_due(desk)
        assert (rows(desk), len(place.hook.got)) == ([("sent", 1)], 1)


def test_a_channel_is_told_although_the_mail_server_is_down_and_the_other_way_round(place: Place) -> None:
    edit(place.folder / "config" / "notices.yaml", {("smtp", "port"): 9})
    with place.desk() as desk:
        place.overdue(desk)
        assert rows(desk) == [("sent", 0)]
    place.hook.answers = [500]
    edit(place.folder / "config" / "notices.yaml", {("smtp", "port"): place.smtp.port})
    with place.desk() as desk:
        place.clock[0] += timedelta(hours=2)
        cycle.run(desk)
        assert place.smtp.messages


def test_only_the_kinds_and_urgencies_that_were_asked_for(place: Place) -> None:
    place.channels({"name": "team", "url": {"env": URL}, "urgency": "urgent"},
                   {"name": "all", "url": {"env": URL}, "urgency": "low", "kinds": ["assignment"]})  # fmt: skip
    with place.desk() as desk:
        place.imap.deliver(letter(1), MONDAY)
        cycle.run(desk)
    assert [told["title"].partition(":")[0] for told in place.hook.got] == ["normal"]


def test_a_storm_is_one_message(place: Place) -> None:
    edit(place.folder / "config" / "notices.yaml", {("storm",): 3})
    with place.desk() as desk:
        place.overdue(desk, count=5)
    digests = [told for told in place.hook.got if "of your cases" in told["title"]]
    assert len(digests) == 1 and digests[0]["message"].count("C-2026-") == 5
    assert not [told for told in place.hook.got if told["title"].startswith("escalation")]


@pytest.mark.parametrize(("mode", "state"), [("off", ["held"]), ("me", [])])
def test_off_holds_it_back_and_me_sends_nothing_to_others(place: Place, mode: str, state: list[str]) -> None:
    edit(place.folder / "config" / "notices.yaml", {("mode",): mode})
    if mode == "me":
        path = place.folder / "config" / "notices.yaml"
        path.write_text(path.read_text() + "me: me@alderfinch.example\n")
    with place.desk() as desk:
        place.overdue(desk)
        assert [one for one, _ in rows(desk)] == state
    assert place.hook.got == []


def test_a_channel_that_left_the_config_is_refused_for_good(place: Place) -> None:
    place.hook.answers = [500]
    with place.desk() as desk:
        place.overdue(desk)
    place.channels()
    with place.desk() as desk:
        place.clock[0] += timedelta(minutes=5)
        send_due(desk)
        assert rows(desk) == [("refused", 2)]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("json://hooks.example.com/x", InsecureConnection),
        ("nonsense", SendRefused),
        ("json://127.0.0.1:9/x", SendFailed),
    ],
)
def test_a_wrong_address_says_so_without_showing_it(url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Channel("team", Secret(url)).send("title", "text")
    assert url not in str(caught.value) and "team" in str(caught.value)


def test_the_check_opens_a_channel_and_sends_nothing(place: Place) -> None:
    part = config.load(place.folder / "config").notices.channels[0]
    assert setup._channel(part).startswith("escalation, alarm from normal on")
    assert place.hook.got == []


def test_two_channels_of_one_name_are_refused_with_the_line(place: Place) -> None:
    part = {"name": "team", "url": {"env": URL}}
    place.channels(part, part)
    with pytest.raises(ConfigInvalid, match="two channels named 'team'"):
        config.load(place.folder / "config")
