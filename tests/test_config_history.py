"""The config's versions: each is kept with who and when, a refused edit stops nothing, and the way back loses nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.deskbook import settled, write
from triage.cli import app, load_commands
from triage.desk import Desk, open_desk
from triage.errors import ConfigInvalid, NotFound
from triage.operations import cycle, look, upkeep, versions
from triage.world import config, settings
from triage.world.settings import Settings
from triage.world.store import outbox

FIRST = settled()
SECOND = settled({("policies.yaml", ("policies", "standard", "normal", "first_response")): "6 h"})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A config folder with the first version, and an empty register; the environment points there."""
    monkeypatch.setenv("TRIAGE_CONFIG", str(write(FIRST, tmp_path / "config")))
    monkeypatch.setenv("TRIAGE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("TRIAGE_DATABASE_URL", raising=False)
    return settings.load()


def ran(minute: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program ran with the files as they are."""
    monkeypatch.setenv("TRIAGE_NOW", f"2026-11-23T09:{minute:02d}:00Z")
    with open_desk(last_good=True) as desk:
        upkeep.note_config(desk)


@pytest.fixture
def twice(place: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The first version ran, then the second, which lies in the folder."""
    ran(1, monkeypatch)
    write(SECOND, place.config)
    ran(2, monkeypatch)
    yield place


def spoil(place: Settings) -> int:
    """An unknown pool in a rule; gives the line."""
    path = place.config / "routing.yaml"
    text = path.read_text(encoding="utf-8")
    wrong = "owner: {pool: biling, pick: least_open, match: language}"
    right = "owner: {pool: billing, pick: least_open, match: language}"
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return text[: text.index(right)].count("\n") + 1


# -- kept ------------------------------------------------------------------------------------------------------------


def test_every_version_that_ran_is_kept_with_its_times_and_author_and_what_changed(twice: Settings) -> None:
    found = versions.history()
    assert [row["version"] for row in found["versions"]] == [SECOND.version, FIRST.version]
    assert [row["changed"] for row in found["versions"]] == [["policies.yaml"], []]
    assert [row["in_folder"] for row in found["versions"]] == [True, False]
    assert all(row["author"] for row in found["versions"])
    assert (found["files_now"], found["refused"], found["undone"]) == (SECOND.version, [], [])


def test_a_version_is_shown_as_it_was_by_its_first_digits(twice: Settings) -> None:
    found = versions.show(FIRST.version[:8])
    assert found["files"] == dict(FIRST.files)
    assert "first_response: 6 h" in found["differences"]
    with pytest.raises(NotFound, match="No version"):
        versions.show("zzzz")
    with pytest.raises(NotFound):
        versions.show("")


# -- a bad edit ------------------------------------------------------------------------------------------------------


def test_a_bad_edit_leaves_the_last_good_version_running_and_tells_the_operators_once(
    twice: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = spoil(twice)
    for minute in (3, 4, 5):
        ran(minute, monkeypatch)
    with open_desk(last_good=True) as desk:
        assert desk.config.version == SECOND.version
        assert desk.refused is not None and f"routing.yaml:{line}" in str(desk.refused)
        (alarm,) = _alarms(desk)
    assert f"routing.yaml:{line}" in alarm["text"] and "triage config undo" in alarm["text"]
    assert alarm["recipient"] == "ines.calder@alderfinch.example"


def test_another_bad_edit_is_told_of_again(twice: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(twice)
    ran(3, monkeypatch)
    (twice.config / "people.yaml").write_text("people: {", encoding="utf-8")
    ran(4, monkeypatch)
    with open_desk(last_good=True) as desk:
        assert len(_alarms(desk)) == 2


def test_a_cycle_and_the_status_say_that_the_files_were_refused(twice: Settings) -> None:
    line = spoil(twice)
    with open_desk(last_good=True) as desk:
        desk.__dict__["mailboxes"] = ()
        desk.__dict__["model_folder"] = Path("none")
        done = cycle.intake(desk)
        status = look.status(desk)
    assert any(f"routing.yaml:{line}" in said for said in done.as_json()["config_refused"])
    titles = dict(look.status_text(status))
    assert any(f"routing.yaml:{line}" in said for said in titles["Config"])


def test_commands_of_people_fail_loudly_with_file_and_line(twice: Settings) -> None:
    line = spoil(twice)
    with pytest.raises(ConfigInvalid, match=rf"routing\.yaml:{line}"), open_desk():
        pass
    done = CliRunner().invoke(app_with_commands(), ["check", "--offline"])
    assert done.exit_code == 1 and f"routing.yaml:{line}" in done.output


def test_without_a_version_that_ever_ran_there_is_nothing_to_go_on_with(place: Settings) -> None:
    spoil(place)
    with pytest.raises(ConfigInvalid), open_desk(last_good=True):
        pass


def test_a_mended_config_is_in_force_at_the_next_run(twice: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(twice)
    ran(3, monkeypatch)
    write(FIRST, twice.config)
    with open_desk(last_good=True) as desk:
        assert desk.config.version == FIRST.version and desk.refused is None


# -- undo ------------------------------------------------------------------------------------------------------------


def test_undo_brings_the_version_before_back_byte_by_byte_and_keeps_what_was_there(twice: Settings) -> None:
    done = versions.undo(by="anna")
    assert config.load(twice.config).version == FIRST.version == done["version"]
    assert done["changed"] == ["policies.yaml"]
    kept = Path(done["kept"])
    assert {path.name: path.read_text("utf-8") for path in kept.iterdir()} == dict(SECOND.files)
    (told,) = versions.history()["undone"]
    assert (told["by"], told["from"], told["to"]) == ("anna", SECOND.version, FIRST.version)


def test_undo_twice_is_back_where_it_was(twice: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    versions.undo()
    ran(3, monkeypatch)
    versions.undo()
    assert config.load(twice.config).version == SECOND.version


def test_undo_of_a_refused_edit_brings_back_what_is_running(twice: Settings) -> None:
    spoil(twice)
    spoiled = (twice.config / "routing.yaml").read_text("utf-8")
    (twice.config / "notes.yaml").write_text("a: 1", encoding="utf-8")  # no part of a config: refused as well
    done = versions.undo()
    assert config.load(twice.config).version == SECOND.version
    kept = Path(done["kept"])
    assert (kept / "routing.yaml").read_text("utf-8") == spoiled
    assert (kept / "notes.yaml").read_text("utf-8") == "a: 1"


def test_undo_to_a_named_version(twice: Settings) -> None:
    versions.undo(FIRST.version[:10])
    assert config.load(twice.config).version == FIRST.version


def test_undo_without_an_earlier_version_changes_nothing(place: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(1, monkeypatch)
    with pytest.raises(NotFound, match="never ran with another"):
        versions.undo()
    assert not (place.config / versions.KEPT).exists()


# -- the commands ----------------------------------------------------------------------------------------------------


def app_with_commands() -> typer.Typer:
    load_commands()
    return app


def test_the_commands_print_the_history_and_a_version_and_the_schemas(twice: Settings) -> None:
    run = CliRunner()
    cli = app_with_commands()
    done = run.invoke(cli, ["config", "history"])
    assert done.exit_code == 0 and FIRST.version[:12] in done.output and "these files" in done.output
    done = run.invoke(cli, ["config", "show", SECOND.version[:12], "--file", "policies.yaml"])
    assert done.output == SECOND.files["policies.yaml"]
    done = run.invoke(cli, ["config", "schema", "routing"])
    assert json.loads(done.output)["title"] == "routing.yaml"


def test_schemas_are_written_for_editors(tmp_path: Path) -> None:
    versions.schema(out=tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {Path(name).stem for name in config.FILES}


def _alarms(desk: Desk) -> list[dict[str, object]]:
    with desk.database.read() as tx:
        return [row for row in outbox.listing(tx, 1000) if row["kind"] == "alarm"]
