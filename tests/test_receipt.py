"""The customer's receipt and the brake on it: off by default, honest, once, and never part of a loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.quickroom import Clock, quick_desk
from tests.room import NOW, letter
from tests.servers.fault import FaultServer, Mail
from triage.desk import Desk
from triage.operations import brake, cycle, look
from triage.world import inbox, schema
from triage.world.config import Config
from triage.world.store import outbox


@contextmanager
def desk_on(
    server: FaultServer, folder: Path, *mails: bytes, enabled: bool = True, a_day: int = 1
) -> Iterator[tuple[Desk, Clock]]:
    """A desk that has looked at these mails once."""
    clock = Clock()
    with quick_desk(folder, lambda _box: inbox.open(server.account), now=clock, notices="on") as desk:
        desk.config = _with_receipts(desk.config, enabled, a_day)
        take(server, desk, *mails)
        yield desk, clock


@contextmanager
def desk_with(folder: Path, *mails: bytes, enabled: bool = True) -> Iterator[tuple[Desk, Clock]]:
    """The same with a server of its own."""
    with FaultServer() as server, desk_on(server, folder, *mails, enabled=enabled) as found:
        yield found


def take(server: FaultServer, desk: Desk, *mails: bytes, at: str = "20-Nov-2026 14:00:00 +0000") -> None:
    """These mails arrive and are taken in."""
    for raw in mails:
        server.mails[len(server.mails) + 1] = Mail(raw, at)
    cycle.intake(desk)


def _with_receipts(conf: Config, enabled: bool, a_day: int) -> Config:
    from dataclasses import replace

    part = conf.notices.acknowledgement.model_copy(update={"enabled": enabled, "a_day": a_day})
    return replace(conf, notices=conf.notices.model_copy(update={"acknowledgement": part}))


def receipts(desk: Desk) -> list[dict[str, Any]]:
    with desk.database.read() as tx:
        return [row for row in outbox.listing(tx, 9999) if row["kind"] == "acknowledgement"]


def test_no_receipt_is_sent_unless_it_was_switched_on(tmp_path: Path) -> None:
    with desk_with(tmp_path, letter(1), enabled=False) as (desk, _):
        assert receipts(desk) == []


def test_a_receipt_names_a_person_and_the_real_deadline_and_answers_no_machine(tmp_path: Path) -> None:
    with desk_with(tmp_path, letter(1)) as (desk, _):
        (found,) = receipts(desk)
        (case,) = look.cases(desk)
        assert found["recipient"] == "customer1@example.com"
        assert desk.config.roster.people[case["owner"]].name in found["text"]
        assert "{" not in found["text"] + found["subject"]
        assert found["headers"]["Auto-Submitted"] == "auto-replied"
        assert found["headers"]["X-Auto-Response-Suppress"] == "All"
        assert found["state"] == "pending" and found["not_before"] == NOW  # quiet hours do not hold it up


URGENT = "My mother was injured by your heater, it caught fire and she is in hospital."
LEGAL = "My parcel has not come. My solicitor will take you to court."


@pytest.mark.parametrize(
    ("why", "raw"),
    [
        ("urgent: a person writes first", letter(1, URGENT)),
        ("legal: never", letter(1, LEGAL)),
        ("a machine wrote it", letter(1, Auto_Submitted="auto-generated")),
        ("the sender asks for none", letter(1, X_Auto_Response_Suppress="All")),
        ("it is no case", letter(1, "What are your opening hours?", Precedence="bulk")),
        ("nobody reads there", letter(1, sender="no-reply@example.com")),
        ("it is us", letter(1, sender="somebody@alderfinch.example")),
    ],
)
def test_who_gets_no_receipt(why: str, raw: bytes, tmp_path: Path) -> None:
    with desk_with(tmp_path, raw) as (desk, _):
        assert receipts(desk) == [], why


def sent_before(desk: Desk, recipient: str) -> None:
    """As if the receipts so far had gone to this address."""
    with desk.database.write() as tx:
        tx.execute(update(schema.outbox).where(schema.outbox.c.kind == "acknowledgement").values(recipient=recipient))


def test_one_address_gets_one_receipt_a_day(tmp_path: Path) -> None:
    with FaultServer() as server, desk_on(server, tmp_path, letter(1)) as (desk, clock):
        sent_before(desk, "customer2@example.com")
        take(server, desk, letter(2), letter(3))
        assert [row["recipient"] for row in receipts(desk)] == ["customer2@example.com", "customer3@example.com"]
        clock.forward(days=1)
        sent_before(desk, "customer4@example.com")
        take(server, desk, letter(4), at="21-Nov-2026 14:00:00 +0000")
        assert len(receipts(desk)) == 3


def test_the_third_receipt_in_an_hour_about_the_same_subject_is_held_back_and_people_are_told(tmp_path: Path) -> None:
    """Ten a day allowed by the config; the brake counts all the same. Reply prefixes make no other subject."""
    first = [letter(n, subject="Re: " * n + "Ticket") for n in (0, 1)]
    with FaultServer() as server, desk_on(server, tmp_path, *first, a_day=10) as (desk, _):
        sent_before(desk, "customer2@example.com")
        take(server, desk, letter(2, subject="AW: Ticket"))
        assert [row["state"] for row in receipts(desk)] == ["pending", "pending", "suppressed"]
        assert len(look.cases(desk)) == 3  # only what we send is braked
        assert Counter(row["kind"] for row in look.notices(desk, 99))["alarm"] == 1


def test_the_eleventh_receipt_to_one_address_in_a_day_is_held_back(tmp_path: Path) -> None:
    with desk_with(tmp_path, letter(1)) as (desk, _), desk.database.write() as tx:
        (row,) = outbox.listing(tx, 1)[:0] or [
            one for one in outbox.listing(tx, 99) if one["kind"] == "acknowledgement"
        ]
        at = NOW - timedelta(hours=5)
        for n in range(9):
            copy = {k: v for k, v in row.items() if k not in ("id", "attempts")} | {"key": f"k{n}", "created_at": at}
            outbox.put(tx, copy)
        told = _notice(row)
        assert "one address in a day" in brake.pulled(tx, told, row["recipient"], NOW)
        assert brake.pulled(tx, told, "another@example.com", NOW) == ""
        assert brake.pulled(tx, told, row["recipient"], NOW + timedelta(hours=20)) == ""  # the nine are over a day old


def test_the_hundred_and_first_receipt_in_an_hour_is_held_back_whoever_gets_it(tmp_path: Path) -> None:
    with desk_with(tmp_path, letter(1)) as (desk, _), desk.database.write() as tx:
        row = next(one for one in outbox.listing(tx, 99) if one["kind"] == "acknowledgement")
        for n in range(99):
            copy = {k: v for k, v in row.items() if k not in ("id", "attempts")} | {"key": f"k{n}"}
            outbox.put(tx, copy | {"recipient": f"customer{n}@example.net"})
        assert "in an hour" in brake.pulled(tx, _notice(row), "another@example.com", NOW)
        assert brake.pulled(tx, _notice(row), "another@example.com", NOW + timedelta(minutes=61)) == ""


def _notice(row: dict[str, Any]) -> Any:
    from triage.casework.notice import Kind, Notice

    return Notice("new", Kind.ACKNOWLEDGEMENT, row["case_id"], (row["recipient"],), row["subject"], row["text"])
