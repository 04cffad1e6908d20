"""Forgetting a person: nothing of them is left in the data, everything else is as it was, and their mail stays known."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import func, insert, select, text, update

from tests.room import NOW, desk_in, edit, furnish, letter
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed, NotFound
from triage.operations import act, customers, cycle, export, forget, look
from triage.operations.casebook import replay
from triage.operations.forget import MustBeKept
from triage.operations.reconcile import reconcile
from triage.world import schema
from triage.world.store import cases, database, privacy
from triage.world.store.database import Database, migrate, schema_revision

ANNA = "anna.winter@example.org"
TRACES = ("anna.winter", "Winter", "Anna", "a green kettle", "Kettle trouble", "kettle", "REF-778812")
WHY = "request of 20 November"


def from_anna(number: int, words: str, **headers: str) -> bytes:
    sender = f"Anna Winter <{ANNA.title()}>"  # upper and lower case are one address
    return letter(number, words, sender=sender, subject="Kettle trouble REF-778812", **headers)


@pytest.fixture
def here(tmp_path: Path, imap_server: ImapServer) -> Path:
    """A desk whose mailbox holds two mails of Anna and three of others."""
    imap_server.deliver_all([
        (letter(1), NOW), (from_anna(2, "My parcel with a green kettle is broken. I will go to the ombudsman."), NOW),
        (letter(3, "I was charged twice."), NOW),
        (from_anna(4, "Any news of the kettle? Anna", In_Reply_To="<m2@example.com>"), NOW),
        (letter(5, "What are your opening hours?"), NOW),
    ])  # fmt: skip
    furnish(
        tmp_path, host=imap_server.host, port=imap_server.port, user=imap_server.user, password=imap_server.password,
        folders={"intake": ["INBOX"], "sent": None}, notices="off",
    )  # fmt: skip
    return tmp_path


@pytest.fixture
def desk(here: Path) -> Iterator[Desk]:
    """The desk after its first run, Anna's case closed; SQLite and files."""
    with desk_in(here) as opened:
        cycle.run(opened)
        close_annas(opened)
        yield opened


@pytest.fixture
def either_desk(here: Path, database_url: str) -> Iterator[Desk]:
    """The same on each database; beside PostgreSQL, raw mail lies in the database."""
    with desk_in(here, database_url) as opened:
        cycle.run(opened)
        close_annas(opened)
        yield opened


def close_annas(desk: Desk) -> str:
    number = next(row["id"] for row in look.cases(desk) if row["customer"] == ANNA)
    act.act(
        desk,
        "close",
        [number],
        {},
        actor="ines",
        at=None,
        dry_run=False,
        outcome="",
        cause="",
        reason="withdrawn",
        why="",
    )
    return str(number)


def everything(desk: Desk) -> str:
    """All rows of all tables as text."""
    with desk.database.read() as tx:
        rows = [
            tx.execute(table.select()).all()
            for table in schema.metadata.sorted_tables
            if table.name != "config_version"
        ]
    return json.dumps([[str(row) for row in table] for table in rows], ensure_ascii=False)


def test_no_row_and_no_byte_of_the_raw_mail_names_them_any_more(either_desk: Desk) -> None:
    desk = either_desk
    before = everything(desk)
    assert all(trace in before for trace in ("anna.winter", "Winter", "Kettle trouble"))
    done = forget.forget(desk, ANNA.upper(), why=f"{WHY} by {ANNA}", actor="ines")
    assert (done.mails, len(done.cases)) == (2, 1)
    after = everything(desk)
    assert [trace for trace in TRACES if trace.lower() in after.lower()] == []
    assert done.alias in after and WHY in after
    if desk.database.sqlite:  # nor do free pages, the write-ahead log or the segments
        kept = b"".join(path.read_bytes() for path in desk.settings.data.rglob("*") if path.is_file())
        assert [trace for trace in TRACES if trace.lower().encode() in kept.lower()] == []
    assert any("backups" in line for line in done.left) and any("complaints/INBOX" in line for line in done.left)


def test_wishes_and_the_addresses_they_named_go_too(here: Path, imap_server: ImapServer) -> None:
    words = "Please do not phone me about the kettle, use anna.home@example.net instead."
    other = "My parcel OL-36640 never came. Please do not phone me."
    imap_server.deliver_all([
        (from_anna(6, words, In_Reply_To="<m2@example.com>"), NOW),
        (letter(7, other, sender="B <b@example.org>"), NOW),
    ])  # fmt: skip
    with desk_in(here) as desk:
        cycle.run(desk)
        close_annas(desk)
        assert 'Contact wish: "Please do not phone me about' in everything(desk).replace("\\", "")
        forget.forget(desk, ANNA, why=WHY, actor="ines")
        after = everything(desk)
        assert "anna.home@example.net" not in after and "phone me about" not in after
        assert customers.look_up(desk, "b@example.org")["wishes"] == ("Please do not phone me",)


def merged_with(desk: Desk, imap_server: ImapServer) -> tuple[str, str]:
    """Anna wrote from her office too, with a promise of ours; that case was merged into the one of her office."""
    office = from_anna(8, "My parcel is broken.").replace(b"Anna.Winter@Example.Org", b"a.w@office.example")
    imap_server.deliver_all([(office.replace(b"Anna Winter", b"A W").replace(b"Kettle trouble REF-778812", b"x"), NOW)])
    cycle.run(desk)
    numbers = {row["customer"]: row["id"] for row in look.cases(desk)}
    act.act(desk, "replied", [numbers[ANNA]], {}, actor="ines", channel="phone", response="answer", note="")
    act.act(desk, "merge", [numbers[ANNA]], {}, actor="ines", into=numbers["a.w@office.example"], why="one person")
    return numbers[ANNA], numbers["a.w@office.example"]


def test_a_merged_case_is_forgotten_on_the_case_that_took_it_in(here: Path, imap_server: ImapServer) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        _, stays = merged_with(desk, imap_server)
        with pytest.raises(MustBeKept, match=f"{stays} is open"):
            forget.forget(desk, ANNA, why=WHY, actor="ines")
        given: dict[str, Any] = {"outcome": "", "cause": "", "reason": "withdrawn", "why": ""}
        act.act(desk, "close", [stays], {}, actor="ines", **given)
        forget.forget(desk, ANNA, why=WHY, actor="ines")
        assert [trace for trace in TRACES if trace.lower() in everything(desk).lower()] == []


def test_everybody_else_and_every_figure_is_as_it_was(desk: Desk) -> None:
    figures = look.report(desk, 7)
    others = [row for row in look.cases(desk, everything=True) if row["customer"] != ANNA]
    done = forget.forget(desk, ANNA, why=WHY, actor="ines")
    assert look.report(desk, 7) == figures
    assert [row for row in look.cases(desk, everything=True) if row["customer"] != done.alias] == others
    page = look.case(desk, done.cases[0])
    assert page["status"] == "closed" and page["complaint_type"] and page["deadlines"]
    assert page["subject"] == forget.GONE and page["customer"] == done.alias
    with desk.database.read() as tx:
        for row in cases.rows(tx, everything=True):  # every case still replays to its row
            told = replay(cases.events(tx, [row["id"]])[row["id"]])
            assert (told.customer, told.subject, told.last_seq) == (row["customer"], row["subject"], row["version"])
        shas = list(tx.execute(select(schema.blob.c.sha256)).scalars())
        bodies = desk.raw.read(tx, shas)
    assert sorted(len(body) > 0 for body in bodies.values()) == [False, False, True, True, True]


def test_a_folder_numbered_anew_brings_nothing_back(either_desk: Desk) -> None:
    desk = either_desk
    forget.forget(desk, ANNA, why=WHY, actor="ines")
    with desk.database.write() as tx:
        tx.execute(update(schema.folder).values(uidvalidity=7))
    box = cycle.run(desk)["mailboxes"][0]
    assert (box["new_epochs"], box["known"], box["opened"], box["stored"]) == (1, 5, 0, 0)
    row = reconcile(desk, content=True)[0]
    assert (row["on_server"], row["missing"], row["differs"], row["errors"]) == (5, 0, 0, [])
    assert "anna" not in everything(desk).lower()
    segments = b"".join(path.read_bytes() for path in desk.settings.raw.glob("*"))
    assert b"kettle" not in segments.lower()


def test_the_same_mail_by_another_way_is_known_and_its_bytes_go_too(desk: Desk, imap_server: ImapServer) -> None:
    """Other trace headers make other bytes; the logical key is the same."""
    forget.forget(desk, ANNA, why=WHY, actor="ines")
    again = from_anna(2, "My parcel with a green kettle is broken. I will go to the ombudsman.")
    imap_server.deliver(b"Received: from elsewhere by mx; Fri, 20 Nov 2026 09:30:00 +0000\r\n" + again, NOW)
    box = cycle.run(desk)["mailboxes"][0]
    assert (box["stored"], box["duplicates"], box["opened"]) == (1, 1, 0)
    assert "kettle" not in everything(desk).lower()
    assert b"kettle" not in b"".join(path.read_bytes() for path in desk.settings.raw.glob("*")).lower()


def test_a_crash_before_the_bytes_are_overwritten_is_made_good_by_the_next_run(here: Path) -> None:
    class Killed(BaseException):
        pass

    def die(step: str) -> None:
        if step == "forget marked":
            raise Killed

    with desk_in(here) as desk:
        cycle.run(desk)
        close_annas(desk)
        desk.reached = die
        with pytest.raises(Killed):
            forget.forget(desk, ANNA, why=WHY, actor="ines")
        assert b"kettle" in b"".join(path.read_bytes() for path in desk.settings.raw.glob("*"))
    with desk_in(here) as desk:
        cycle.run(desk)
        assert b"kettle" not in b"".join(path.read_bytes() for path in desk.settings.raw.glob("*"))
        with desk.database.read() as tx:
            assert privacy.to_blank(tx) == []


def test_bytes_that_a_crashed_run_left_without_a_name_are_overwritten_too(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        close_annas(desk)
        desk.raw.write([from_anna(9, "a green kettle, never named")])
        forget.forget(desk, ANNA, why=WHY, actor="ines")
        assert b"kettle" not in b"".join(path.read_bytes() for path in desk.settings.raw.glob("*"))
        with desk.database.read() as tx:  # and nobody else's bytes were
            bodies = desk.raw.read(tx, tx.execute(select(schema.blob.c.sha256)).scalars())
        assert sum(len(body) > 0 for body in bodies.values()) == 3


def test_twice_is_once(desk: Desk) -> None:
    forget.forget(desk, ANNA, why=WHY, actor="ines")
    with pytest.raises(NotFound):
        forget.forget(desk, ANNA, why=WHY, actor="ines")
    assert forget.finish(desk, whole=True) == 0


# -- what forbids it -------------------------------------------------------------------------------------------------


def test_an_open_case_is_answered_first(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        with pytest.raises(MustBeKept, match="is open"):
            forget.forget(desk, ANNA, why=WHY, actor="ines")
        assert ANNA in everything(desk)


def test_a_law_that_asks_to_keep_it_is_named_with_the_date(here: Path) -> None:
    """Closed on 20 November 2026; three years of 365.25 days end on 20 November 2029."""
    edit(here / "config" / "business.yaml", {("retention",): {"keep_years": 3, "keep_why": "FCA DISP 1.9.1"}})
    with desk_in(here) as desk:
        cycle.run(desk)
        close_annas(desk)
        with pytest.raises(MustBeKept, match=r"FCA DISP 1\.9\.1 .* until 20 November 2029"):
            forget.forget(desk, ANNA, why=WHY, actor="ines")
    with desk_in(here, now=NOW + timedelta(days=1096)) as desk:
        assert forget.forget(desk, ANNA, why=WHY, actor="ines").mails == 2


@pytest.mark.parametrize(
    ("address", "why", "error"),
    [
        ("nobody@example.net", WHY, NotFound),
        ("anna", WHY, Misuse),
        (ANNA, " ", Misuse),
        ("ines@alderfinch.example", WHY, NotAllowed),
    ],
)
def test_what_cannot_be_forgotten_says_why(here: Path, address: str, why: str, error: type[Exception]) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        with pytest.raises(error):
            forget.forget(desk, address, why=why, actor="ines")


# -- by policy -------------------------------------------------------------------------------------------------------


def test_what_ended_long_ago_expires_and_what_is_open_or_younger_does_not(here: Path) -> None:
    edit(here / "config" / "business.yaml", {("retention",): {"forget_years": 2}})
    with desk_in(here) as desk:
        cycle.run(desk)
        close_annas(desk)
        assert forget.forget_expired(desk, actor="cron").mails == 0
    with desk_in(here, now=NOW + timedelta(days=731)) as desk:
        done = forget.forget_expired(desk, actor="cron")
        assert (len(done.cases), done.mails) == (1, 3)  # Anna's two mails, and the enquiry that was filed
        assert "anna" not in everything(desk).lower()
        assert forget.forget_expired(desk, actor="cron").mails == 0
        with desk.database.read() as tx:
            assert len(cases.rows(tx, everything=False)) == 2 and len(privacy.notes(tx)) == 1


def test_without_a_policy_nothing_expires(here: Path) -> None:
    with desk_in(here) as desk, pytest.raises(NotAllowed, match="forget_years"):
        forget.forget_expired(desk, actor="cron")


# -- what is held about a person -------------------------------------------------------------------------------------


def test_an_export_holds_all_mails_as_they_came_and_nobody_elses(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "for-anna"
    written = export.write(desk, ANNA, folder)
    assert len(written) == 3 and all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in written)
    found = json.loads((folder / "export.json").read_text())
    assert [len(found[name]) for name in ("cases", "mails")] == [1, 2]
    shas = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.eml")}
    assert shas == {mail["sha256"] for mail in found["mails"]}
    assert "customer1@" not in (folder / "export.json").read_text()
    with pytest.raises(Misuse, match="not empty"):
        export.write(desk, ANNA, folder)
    with pytest.raises(NotFound):
        export.export(desk, "nobody@example.net")


# -- the schema ------------------------------------------------------------------------------------------------------


def test_a_register_of_the_first_version_is_brought_forward_with_its_rows(database_url: str) -> None:
    opened = Database(database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parent.parent / "migrations"))
    with opened.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO blob (sha256, length) VALUES ('a', 3)"))
    migrate(opened)
    migrate(opened)
    with opened.write() as tx:
        assert schema_revision(tx) == database.HEAD
        assert tx.execute(select(schema.blob.c.length, schema.blob.c.forgotten_at)).all() == [(3, None)]
        values: dict[str, Any] = {"alias": "x", "at": NOW, "actor": "ines", "why": WHY, "cases": 0, "mails": 0}
        tx.execute(insert(schema.forgotten).values(**values))
        assert isinstance(tx.execute(select(func.max(schema.forgotten.c.at))).scalar(), datetime)
    opened.close()


def test_the_migrations_give_the_tables_that_the_program_uses(database: Database) -> None:
    """Column by column and index by index, so that nobody forgets one of the two places."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.read() as tx:
        differences = compare_metadata(MigrationContext.configure(tx), schema.metadata)
    assert [d for d in differences if not (isinstance(d, list) and d[0][0].startswith("modify"))] == []
