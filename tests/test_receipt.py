"""The customer's receipt and the brake on it: off by default, honest, once, and never part of a loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.quickroom import Clock, quick_desk
from tests.room import NOW, letter
from tests.servers.fault import FaultServer, Mail
from triage.desk import Desk
from triage.operations import brake, cycle, look
from triage.world import inbox
from triage.world.config import Config
from triage.world.store import outbox


@contextmanager
def desk_with(folder: Path, *mails: bytes, enabled: bool = True, a_day: int = 1) -> Iterator[tuple[Desk, Clock]]:
    """A desk that has looked at these mails once."""
    with FaultServer() as server:
        clock = Clock()
        with quick_desk(folder, lambda _box: inbox.open(server.account), now=clock, notices="on") as desk:
            desk.config = _with_receipts(desk.config, enabled, a_day)
            for uid, raw in enumerate(mails, 1):
                server.mails[uid] = Mail(raw, "20-Nov-2026 14:00:00 +0000")
            cycle.intake(desk)
            yield desk, clock


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


def test_one_address_gets_one_receipt_a_day(tmp_path: Path) -> None:
    same = "Customer <same@example.com>"
    texts = ["My parcel has not come.", "I was charged twice for the lamp.", "The kettle I bought in May is broken."]
    mails = [letter(n, text, sender=same, subject=text) for n, text in enumerate(texts)]
    with desk_with(tmp_path, *mails) as (desk, _):
        assert len(look.cases(desk)) == 3 and len(receipts(desk)) == 1


def test_the_third_receipt_in_an_hour_about_the_same_subject_is_held_back_and_people_are_told(tmp_path: Path) -> None:
    """Ten a day allowed by the config; the brake counts all the same. Reply prefixes make no other subject."""
    same = "Robot <robot@example.com>"
    mails = [letter(n, f"Ticket {n} about a parcel.", sender=same, subject=f"{'Re: ' * n}Ticket") for n in range(4)]
    with desk_with(tmp_path, *mails, a_day=10) as (desk, _):
        assert [row["state"] for row in receipts(desk)] == ["pending", "pending", "suppressed", "suppressed"]
        assert len(look.cases(desk)) == 4  # only what we send is braked
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
