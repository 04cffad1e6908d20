"""It says when it cannot work: watchdog, heartbeat, alarms, health figures, and logs that quote no mail."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.room import NOW, desk_in, edit, furnish, letter
from triage.demo.servers import ImapServer, SmtpSink
from triage.errors import ConfigInvalid, InvariantBroken, Misuse
from triage.mail import message
from triage.operations import alarms, cycle, heartbeat, look, watchdog
from triage.world import config, health, logs, schema, settings, systemd
from triage.world.settings import Settings

MAX_AGE = timedelta(minutes=15)


@pytest.fixture
def here(tmp_path: Path, imap_server: ImapServer, smtp_sink: SmtpSink) -> Path:
    imap_server.deliver_all([(letter(n), NOW) for n in range(2)])
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        smtp_port=smtp_sink.port, folders={"intake": ["INBOX"], "sent": None},
    )  # fmt: skip
    return tmp_path


def found(here: Path) -> Settings:
    return settings.load(here / "config", here / "data", {"TRIAGE_SECRET": "s" * 40})


def subjects(sink: SmtpSink) -> list[str]:
    return [message.parse(one.raw).subject for one in sink.messages]


# -- the watchdog ----------------------------------------------------------------------------------------------------


def test_the_watchdog_is_quiet_while_mail_is_read_and_tells_once_when_it_is_not(
    here: Path, smtp_sink: SmtpSink
) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
    smtp_sink.messages.clear()
    dog = lambda minutes: watchdog.watch(MAX_AGE, found(here), NOW + timedelta(minutes=minutes))  # noqa: E731
    assert dog(15).exit_code == 0 and smtp_sink.messages == []
    first = dog(16)
    assert first.exit_code == 1 and first.told and "complaints/INBOX" in first.text()
    assert dog(21).exit_code == 1 and dog(21).told == (), "it goes on failing, and writes once a day"
    assert len(smtp_sink.messages) == len(first.told)
    assert dog(16 + 24 * 60).told, "after a day it says so again"
    smtp_sink.messages.clear()
    with desk_in(here, now=NOW + timedelta(days=2)) as desk:
        cycle.intake(desk)
    again = dog(2 * 24 * 60 + 1)
    assert again.exit_code == 0 and subjects(smtp_sink) == ["triage: the desk reads mail again"] * len(again.told)
    smtp_sink.messages.clear()
    assert dog(2 * 24 * 60 + 2).told == () and smtp_sink.messages == []


def test_the_watchdog_works_when_the_register_cannot_be_read(here: Path, smtp_sink: SmtpSink) -> None:
    with desk_in(here) as desk:
        cycle.intake(desk)
    (here / "data" / "triage.db").write_bytes(b"this is no database" * 1000)
    told = watchdog.watch(MAX_AGE, found(here), NOW)
    assert told.exit_code == 1 and "register cannot be read" in told.text()
    assert subjects(smtp_sink) == ["triage: THE DESK IS NOT READING MAIL"] * len(told.told) != []


def test_the_watchdog_uses_the_last_good_config_and_says_when_nobody_can_be_told(
    here: Path, smtp_sink: SmtpSink
) -> None:
    with desk_in(here) as desk:
        cycle.intake(desk)
    (here / "config" / "people.yaml").write_text("no: people\n")
    assert watchdog.watch(MAX_AGE, found(here), NOW + timedelta(hours=1)).told
    (here / "data" / "watchdog.json").unlink()
    smtp_sink.stop()
    alone = watchdog.watch(MAX_AGE, found(here), NOW + timedelta(hours=1))
    assert alone.exit_code == 1 and alone.told == () and "nobody could be told" in alone.text()


def test_a_mailbox_that_was_never_read_is_a_trouble_and_notices_off_send_nothing(
    here: Path, smtp_sink: SmtpSink
) -> None:
    edit(here / "config" / "notices.yaml", {("mode",): "off"})
    with desk_in(here):
        pass
    told = watchdog.watch(MAX_AGE, found(here), NOW)
    assert told.exit_code == 1 and "never" in told.text() and smtp_sink.messages == []


@pytest.mark.parametrize(("text", "minutes"), [("15m", 15), ("2h", 120), ("1d", 1440)])
def test_spans(text: str, minutes: int) -> None:
    assert watchdog.span(text) == timedelta(minutes=minutes)


@pytest.mark.parametrize("text", ["", "15", "0m", "-3m", "1w", "m"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(Misuse):
        watchdog.span(text)


# -- the heartbeat ---------------------------------------------------------------------------------------------------


class Outside:
    """A web server that notes what it is asked, and answers as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.code = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                outer.asked.append((self.command, self.path, self.rfile.read(size)))
                self.send_response(outer.code)
                if outer.code == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/ping/s3cr3t-token"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def outside() -> Iterator[Outside]:
    served = Outside()
    yield served
    served.server.shutdown()
    served.server.server_close()


def test_the_heart_beats_after_a_good_cycle_and_not_after_a_bad_one(
    here: Path, outside: Outside, imap_server: ImapServer
) -> None:
    edit(here / "config" / "notices.yaml", {("heartbeat",): outside.address})
    with desk_in(here) as desk:
        cycle.run(desk)
        assert outside.asked == [("GET", "/ping/s3cr3t-token", b"")], "once, and nothing is told but that we live"
        imap_server.stop()
        cycle.run(desk)
        assert len(outside.asked) == 1


@pytest.mark.parametrize("code", [302, 500, 0])
def test_an_address_that_does_not_answer_well_stops_nothing_and_is_not_logged(
    here: Path, outside: Outside, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    edit(here / "config" / "notices.yaml", {("heartbeat",): outside.address})
    outside.code = code
    if code == 0:
        outside.server.shutdown()
        outside.server.server_close()
    with desk_in(here) as desk, caplog.at_level(logging.INFO):
        logging.getLogger("triage").propagate = True
        assert cycle.run(desk)["exit_code"] == 0
        assert heartbeat.beat(desk) is False
    assert "heartbeat" in caplog.text and "s3cr3t" not in caplog.text
    assert all(path != "/elsewhere" for _, path, _ in outside.asked)


@pytest.mark.parametrize(
    "address", ["http://example.org/ping", "ftp://example.org/x", "ping", "https://", "file:///etc/passwd"]
)
def test_a_heartbeat_that_is_not_safe_is_refused_by_the_config(here: Path, address: str) -> None:
    edit(here / "config" / "notices.yaml", {("heartbeat",): address})
    with pytest.raises(ConfigInvalid, match="heartbeat"):
        config.load(here / "config")


# -- alarms ----------------------------------------------------------------------------------------------------------


def alarms_to_operators(sink: SmtpSink) -> list[str]:
    return [subject for subject in subjects(sink) if subject.startswith("triage: ")]


def test_an_open_circuit_is_told_once_a_day_until_it_is_closed(here: Path, smtp_sink: SmtpSink) -> None:
    edit(here / "config" / "mailboxes.yaml", {("mailboxes", 0, "folders", "intake"): ["INBOX", "Gone"]})
    per_day = []
    for day in range(3):
        smtp_sink.messages.clear()
        for hour in (0, 6):
            with desk_in(here, now=NOW + timedelta(days=day, hours=hour)) as desk:
                cycle.run(desk)
        per_day.append([s for s in alarms_to_operators(smtp_sink) if "Gone" in s])
    assert [len(told) for told in per_day] == [1, 1, 1] and all("still cannot be read" in t for t, *_ in per_day)
    edit(here / "config" / "mailboxes.yaml", {("mailboxes", 0, "folders", "intake"): ["INBOX"]})
    smtp_sink.messages.clear()
    with desk_in(here, now=NOW + timedelta(days=3)) as desk:
        cycle.run(desk)
    assert not [s for s in alarms_to_operators(smtp_sink) if "Gone" in s], (
        "a folder that is no longer read troubles nobody"
    )


def test_a_broken_invariant_is_raised_and_told_once_a_day(here: Path, smtp_sink: SmtpSink) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        with desk.database.write() as tx:
            tx.execute(update(schema.cases).where(schema.cases.c.id == 1).values(owner=""))
        smtp_sink.messages.clear()
        for _ in range(2):
            with pytest.raises(InvariantBroken, match="C-2026-000001"):
                alarms.check(desk)
        cycle.dispatch(desk)
        assert len([s for s in alarms_to_operators(smtp_sink) if "contradicts itself" in s]) == 1


# -- figures for outside ---------------------------------------------------------------------------------------------


def test_health_and_figures_are_told_on_this_machine_only(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        status = look.status(desk)
    now = NOW

    def figures() -> dict[str, Any]:
        return {**status, "now": now}

    with health.serving(0, figures) as port:
        assert ask(port, "/healthz") == (200, "ok\n")
        code, text = ask(port, "/metrics")
        assert code == 200 and 'triage_cases{status="open"} 2' in text and "triage_healthy 1" in text
        assert 'triage_seconds_since_good_scan{mailbox="complaints",folder="INBOX"} 0' in text
        now = NOW + timedelta(minutes=16)
        code, text = ask(port, "/healthz")
        assert code == 503 and text.startswith("complaints/INBOX: last good scan 2026-11-20")
        assert ask(port, "/etc/passwd")[0] == 404
        with socket.socket() as probe:
            probe.settimeout(2)
            assert probe.connect_ex((lan_address(), port)) != 0 or lan_address().startswith("127.")
        with pytest.raises(Misuse, match=str(port)), health.serving(port, figures):
            pass
    for line in health.exposition(figures()).splitlines():
        assert line.startswith("# ") or float(line.rpartition(" ")[2]) >= 0


def lan_address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_register_that_cannot_be_read_is_not_healthy() -> None:
    def broken() -> dict[str, Any]:
        raise OSError("gone")

    with health.serving(0, broken) as port:
        assert ask(port, "/healthz") == (503, "the register cannot be read: OSError\n")


def test_systemd_hears_what_is_said_and_nothing_happens_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert systemd.notify("READY=1") is False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        assert systemd.notify("WATCHDOG=1") is True
        assert ear.recv(100) == b"WATCHDOG=1"


# -- logs ------------------------------------------------------------------------------------------------------------


def test_a_log_line_is_one_json_object_that_names_the_case_and_quotes_no_mail(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIAGE_LOG", "json")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.start()
    with desk_in(here) as desk:
        cycle.run(desk)
    try:
        raise ValueError("My parcel has not come.")
    except ValueError:
        logging.getLogger("triage.x").exception("judging failed")
    rows = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {row["case"] for row in rows if row["msg"] == "case saved"} == {"C-2026-000001", "C-2026-000002"}
    assert all({"ts", "level", "logger", "msg"} <= set(row) for row in rows)
    assert rows[-1]["error"] == "ValueError" and rows[-1]["at"]
    assert "parcel" not in stream.getvalue() and "customer1" not in stream.getvalue()
    monkeypatch.delenv("TRIAGE_LOG")
    stream.truncate(0)
    logs.start()
    logging.getLogger("triage.x").error("one plain line")
    assert stream.getvalue().count("one plain line") == 1
