"""The canary: sent by SMTP to the mailbox's own address, known by its signature when it comes in, missed when not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.mails import OURS, SECRET
from tests.quickroom import Clock, quick_desk
from tests.room import letter
from tests.servers.fault import FaultServer, Mail
from triage.demo.servers import SmtpSink
from triage.desk import Desk
from triage.mail import body, message, screen, tokens
from triage.operations import canary, cycle, look
from triage.world import inbox
from triage.world.config.desk_parts import SmtpPart


@contextmanager
def desk_with_canary(folder: Path, server: FaultServer, sink: SmtpSink, **changes: Any) -> Iterator[tuple[Desk, Clock]]:
    clock = Clock()
    changes = {"notices": "on", "canary": True, **changes}
    with quick_desk(folder, lambda _box: inbox.open(server.account), now=clock, **changes) as desk:
        part = SmtpPart(host="127.0.0.1", port=sink.port, tls="none")
        desk.config = _with_smtp(desk, part)
        yield desk, clock


def _with_smtp(desk: Desk, part: SmtpPart) -> Any:
    from dataclasses import replace

    return replace(desk.config, notices=desk.config.notices.model_copy(update={"smtp": part}))


def deliver(server: FaultServer, sink: SmtpSink) -> None:
    """The mail system does its work: what was sent to the mailbox's address comes in, with its trace headers."""
    for one in sink.messages:
        if "complaints@alderfinch.example" in one.recipients:
            uid = len(server.mails) + 1
            server.mails[uid] = Mail(b"Received: from a by b\r\n" + one.raw, "20-Nov-2026 15:00:05 +0000")
    sink.messages.clear()


def alarms(desk: Desk) -> list[str]:
    return [row["subject"] for row in look.notices(desk, 999) if row["kind"] == "alarm"]


def test_a_canary_goes_out_once_an_hour_comes_in_and_is_filed_as_no_case(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    with FaultServer() as server, desk_with_canary(tmp_path, server, smtp_sink) as (desk, clock):
        cycle.run(desk)
        assert [one.recipients for one in smtp_sink.messages] == [("complaints@alderfinch.example",)]
        deliver(server, smtp_sink)
        clock.forward(minutes=1)
        assert cycle.run(desk)["mailboxes"][0]["filed"] == {"internal": 1}
        (filed,) = look.filed(desk, 9)
        assert filed["reason"] == "our own test mail got through"
        clock.forward(minutes=50)
        cycle.run(desk)
        assert smtp_sink.messages == [] and look.cases(desk) == [] and alarms(desk) == []
        (figure,) = look.status(desk)["intake"]["canary"]
        assert figure["sent_at"] == "2026-11-20T15:00:00Z" and figure["arrived_at"] == "2026-11-20T15:01:00Z"
        clock.forward(minutes=10)
        cycle.run(desk)
        assert len(smtp_sink.messages) == 1


def test_a_canary_that_does_not_come_in_within_a_quarter_of_an_hour_raises_the_alarm_once(
    tmp_path: Path, smtp_sink: SmtpSink
) -> None:
    with FaultServer() as server, desk_with_canary(tmp_path, server, smtp_sink) as (desk, clock):
        cycle.run(desk)
        clock.forward(minutes=15)
        assert canary.tend(desk) == 0
        clock.forward(minutes=1)
        assert canary.tend(desk) == 1
        assert canary.tend(desk) == 1
        assert len(alarms(desk)) == 1 and "did not come in" in alarms(desk)[0]


def test_no_canary_flies_unless_it_was_asked_for_or_while_notices_are_off(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    for changes in ({"canary": False}, {"notices": "off"}):
        with (
            FaultServer() as server,
            desk_with_canary(tmp_path / str(changes), server, smtp_sink, **changes) as (desk, _),
        ):
            cycle.run(desk)
            assert smtp_sink.messages == []


def test_nobody_else_can_have_a_complaint_filed_as_a_canary() -> None:
    """The signature is ours alone: a foreign one, and one of another installation, are a person's mail."""
    good = tokens.canary("complaints.20261120T150000", OURS.instance, SECRET)
    other = tokens.canary("complaints.20261120T150000", "desk-2", SECRET)
    for value, kind in ((good, "canary"), (other, "person"), (good[:-1] + "g", "person"), ("", "person")):
        mail = message.parse(letter(1, X_Triage_Canary=value))
        seen = screen.judge(mail, body.words(mail), OURS, mail.date)  # type: ignore[arg-type]
        assert seen.kind.value == kind


def test_the_status_tells_what_waits_and_what_could_not_be_had(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    with FaultServer() as server, desk_with_canary(tmp_path, server, smtp_sink, canary=False) as (desk, clock):
        raw = letter(1)
        server.mails[1] = Mail(raw, "20-Nov-2026 14:00:00 +0000")
        cycle.run(desk)
        found = look.status(desk)["intake"]
        assert found == {
            "oldest_unprocessed": None, "last_clean_scan": "2026-11-20T15:00:00Z", "quarantined": 0, "unfetchable": 0,
            "epoch_changes": 0, "bytes_last_day": len(raw), "canary": [],
        }  # fmt: skip
        clock.forward(days=1, minutes=1)
        assert look.status(desk)["intake"]["bytes_last_day"] == 0
        assert any("times numbered anew" in line for _, lines in look.status_text(look.status(desk)) for line in lines)
