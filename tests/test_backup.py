"""Backup and restore while mail comes in, and a deep check that finds what is damaged."""

from __future__ import annotations

import os
import stat
import tarfile
import threading
from pathlib import Path

import pytest
from sqlalchemy import text, update

from tests.room import NOW, desk_in, furnish, letter
from triage.demo.servers import ImapServer
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed
from triage.operations import backup, cycle, deep, look
from triage.operations.backup import BackupDamaged
from triage.operations.reconcile import reconcile
from triage.world import schema, settings
from triage.world.store import outbox


@pytest.fixture
def here(tmp_path: Path, imap_server: ImapServer) -> Path:
    imap_server.deliver_all([(letter(n), NOW) for n in range(6)])
    furnish(
        tmp_path / "desk", host=imap_server.host, port=imap_server.port, user=imap_server.user,
        password=imap_server.password, folders={"intake": ["INBOX"], "sent": None}, notices="off",
    )  # fmt: skip
    return tmp_path / "desk"


def restored(source: Path, target: Path) -> backup.Restored:
    target.mkdir()
    return backup.restore(source, settings.load(target / "config", target / "data", {}))


def states(desk: Desk) -> dict[str, str]:
    return {line.name: line.state for line in deep.check(desk)}


def test_what_is_restored_is_what_was_there(here: Path, tmp_path: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        kept = backup.backup(desk, tmp_path / "copy.tar")
        before = look.cases(desk, everything=True)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    found = restored(kept.path, tmp_path / "new")
    assert found.sound and {line.state for line in found.lines} == {"ok"}
    with desk_in(tmp_path / "new") as desk:
        assert look.cases(desk, everything=True) == before
        assert reconcile(desk, content=True)[0]["missing"] == 0
        assert cycle.run(desk)["mailboxes"][0]["stored"] == 0, "the restored desk knows all its mail"
    for path in (tmp_path / "new" / "data").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name.startswith("triage.db-"), path


def test_a_backup_made_while_mail_comes_in_is_whole(here: Path, imap_server: ImapServer, tmp_path: Path) -> None:
    """Three copies during a run of 60 mails; each restores to a register whose every mail is there."""
    imap_server.deliver_all([(letter(n), NOW) for n in range(100, 160)])
    with desk_in(here) as desk, desk_in(here) as other:
        for mailbox in desk.mailboxes:
            mailbox.part.limits.__dict__["batch_messages"] = 5  # many small commits
        run = threading.Thread(target=cycle.run, args=(desk,))
        run.start()
        copies = [backup.backup(other, tmp_path / f"{n}.tar").path for n in range(3)]
        run.join()
    for n, copy in enumerate(copies):
        assert restored(copy, tmp_path / f"new{n}").sound


def test_a_folder_with_data_is_never_filled(here: Path, tmp_path: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        copy = backup.backup(desk, tmp_path / "copy.tar").path
        with pytest.raises(Misuse, match="there already"):
            backup.backup(desk, copy)
    with pytest.raises(NotAllowed, match="holds data"):
        backup.restore(copy, settings.load(here / "config", here / "data", {}))


def test_a_damaged_or_foreign_file_is_refused_and_leaves_the_folder_empty(here: Path, tmp_path: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        copy = backup.backup(desk, tmp_path / "copy.tar").path
    body = bytearray(copy.read_bytes())
    at = body.find(b"customer3@example.com")  # inside the database or a segment
    body[at : at + 8] = b"Customer"
    (tmp_path / "bent.tar").write_bytes(body)
    (tmp_path / "cut.tar").write_bytes(copy.read_bytes()[:-40_000])
    (tmp_path / "text.tar").write_text("no tar file")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(here / "config" / "people.yaml", "raw/../../escaped")
    for name in ("bent", "cut", "text", "evil"):
        with pytest.raises(BackupDamaged):
            restored(tmp_path / f"{name}.tar", tmp_path / f"into-{name}")
        left = {path.name for path in (tmp_path / f"into-{name}" / "data").iterdir()}
        assert left <= {"secret.key"} and not (tmp_path / "escaped").exists()
    with pytest.raises(Misuse, match="no file"):
        restored(tmp_path / "none.tar", tmp_path / "into-none")


def test_postgresql_names_its_own_tool_and_what_else_to_keep(here: Path, postgres_url: str, tmp_path: Path) -> None:
    from tests.servers.postgres import fresh_database

    with (
        fresh_database(postgres_url) as url,
        desk_in(here, url) as desk,
        pytest.raises(NotAllowed, match=r"pg_dump.*config.*secret\.key"),
    ):
        backup.backup(desk, tmp_path / "copy.tar")


# -- the deep check --------------------------------------------------------------------------------------------------


def test_a_sound_register_passes(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        assert set(states(desk).values()) == {"ok"}


def test_one_changed_byte_of_one_mail_is_found_and_named(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        segment = next(desk.settings.raw.glob("*.seg"))
        descriptor = os.open(segment, os.O_WRONLY)
        os.pwrite(descriptor, b"X", 40)
        os.close(descriptor)
        line = next(line for line in deep.check(desk) if line.name == "raw mail")
        assert line.failed and line.said.startswith("1 of 6 mails")


@pytest.mark.parametrize(
    ("table", "values", "named"),
    [
        (schema.cases, {"urgency": 1, "owner": "nobody"}, "urgency, owner"),
        (schema.cases, {"status": "closed"}, "status"),
        (schema.event, {"data": {"nonsense": True}}, "cannot be replayed"),
    ],
)
def test_a_case_that_is_not_what_its_events_say_is_found(
    here: Path, table: object, values: dict[str, object], named: str
) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        with desk.database.write() as tx:
            column = table.c.id if table is schema.cases else table.c.case_id  # type: ignore[attr-defined]
            tx.execute(update(table).where(column == 1).values(**values))  # type: ignore[arg-type]
        line = next(line for line in deep.check(desk) if line.name == "cases")
        assert line.failed and "C-2026-000001" in line.said and named in line.said


def test_the_deep_check_writes_nothing(here: Path) -> None:
    with desk_in(here) as desk:
        cycle.run(desk)
        with desk.database.read() as tx:
            before = (tx.execute(text("SELECT total_changes()")).scalar(), outbox.tally(tx))
        deep.check(desk)
        with desk.database.read() as tx:
            assert (tx.execute(text("SELECT total_changes()")).scalar(), outbox.tally(tx)) == before
