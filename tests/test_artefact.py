"""A model on disk: what is saved is what is loaded, and nothing is loaded that the card does not vouch for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import joblib
import pytest

from tests.test_classify import tiny_model
from tests.test_weigh import learnt
from triage.errors import ModelUntrusted, NotFound
from triage.judge.classify import Words
from triage.world import artefact

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAILS = [Words("", "the parcel never arrived", "en"), Words("Rechnung", "doppelt abgebucht", "de")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return artefact.save(tiny_model(), tmp_path / "models" / "tiny", {"data": {"sha256": "0" * 64}})


def change_card(folder: Path, **values: object) -> None:
    path = folder / artefact.CARD
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_a_loaded_model_says_what_the_saved_one_said(folder: Path) -> None:
    before, after = tiny_model().predict(MAILS), artefact.load(folder).predict(MAILS)
    for one, other in zip(before, after, strict=True):
        assert one == other


def test_the_card_names_digest_size_libraries_and_format(folder: Path) -> None:
    card = artefact.verify(folder)
    assert card["name"] == "tiny"
    assert len(card["files"]["model.joblib"]["sha256"]) == 64
    assert card["files"]["model.joblib"]["bytes"] == (folder / "model.joblib").stat().st_size
    assert {"numpy", "joblib", "scikit-learn"} <= set(card["libraries"])


def test_saving_over_a_model_is_refused(folder: Path) -> None:
    with pytest.raises(FileExistsError):
        artefact.save(tiny_model(), folder, {})


def test_the_same_model_is_saved_to_the_same_bytes(tmp_path: Path) -> None:
    one, other = (artefact.save(tiny_model(), tmp_path / name, {}) for name in ("one", "other"))
    assert (one / "model.joblib").read_bytes() == (other / "model.joblib").read_bytes()


def flip_a_byte(folder: Path) -> None:
    path = folder / artefact.MODEL
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def add_a_file(folder: Path) -> None:
    (folder / "extra.pkl").write_bytes(b"x")


def link_the_file(folder: Path) -> None:
    moved = folder.parent / "elsewhere.joblib"
    (folder / artefact.MODEL).rename(moved)
    (folder / artefact.MODEL).symlink_to(moved)


TAMPERING = [
    (flip_a_byte, "sha256"),
    (add_a_file, "extra.pkl"),
    (link_the_file, "missing"),
    (lambda folder: (folder / artefact.MODEL).unlink(), "missing"),
    (lambda folder: (folder / artefact.CARD).unlink(), "card"),
    (lambda folder: (folder / artefact.CARD).write_text("{", encoding="utf-8"), "card"),
    (lambda folder: (folder / artefact.CARD).write_text("[]", encoding="utf-8"), "no record"),
    (lambda folder: change_card(folder, files={}), "does not name"),
    (lambda folder: change_card(folder, format=99), "format"),
    (lambda folder: change_card(folder, libraries={"numpy": "1.26.4"}), "numpy 1.26.4"),
]


@pytest.mark.parametrize(("tamper", "said"), TAMPERING)
def test_a_changed_model_is_refused_before_anything_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tamper: object, said: str
) -> None:
    tamper(folder)  # type: ignore[operator]
    loaded: list[object] = []
    monkeypatch.setattr(joblib, "load", loaded.append)
    with pytest.raises(ModelUntrusted, match=said):
        artefact.load(folder)
    assert loaded == []


def test_the_second_stage_is_kept_with_the_model(tmp_path: Path) -> None:
    model = tiny_model()
    model.weighing = learnt()[0]
    mails = [replace(mail, signs=signs) for mail in MAILS for signs in ((), ("within:2",), ("flag:vulnerable",))]
    loaded = artefact.load(artefact.save(model, tmp_path / "weighing", {}))
    assert [p.urgency for p in loaded.predict(mails)] == [p.urgency for p in model.predict(mails)]
    assert [p.flags for p in loaded.predict(mails)] == [p.flags for p in model.predict(mails)]


def test_a_model_of_the_format_before_is_read(folder: Path) -> None:
    change_card(folder, format=1)
    assert artefact.load(folder).weighing is None


def test_a_newer_minor_version_of_a_library_is_fine(folder: Path) -> None:
    major = __import__("numpy").__version__.split(".")[0]
    change_card(folder, libraries={"numpy": f"{major}.0.1"})
    assert artefact.load(folder).name == "tiny"


def three(models: Path) -> None:
    for name in ("one", "two", "three"):
        artefact.save(tiny_model(), models / name, {})


def test_promote_names_the_model_and_rollback_goes_back_step_by_step(tmp_path: Path) -> None:
    three(tmp_path)
    with pytest.raises(NotFound):
        artefact.current(tmp_path)
    for name in ("one", "two", "three"):
        artefact.promote(tmp_path, name, NOW, "mia", "better")
    assert (tmp_path / "current").read_text(encoding="utf-8") == "three\n"
    assert artefact.rollback(tmp_path, NOW, "mia") == "two"
    assert artefact.rollback(tmp_path, NOW, "mia") == "one"
    assert artefact.current(tmp_path).name == "one"
    with pytest.raises(NotFound):
        artefact.rollback(tmp_path, NOW, "mia")
    steps = [(step["action"], step["model"], step["before"]) for step in artefact.history(tmp_path)]
    assert steps == [
        ("promote", "one", ""), ("promote", "two", "one"), ("promote", "three", "two"),
        ("rollback", "two", "three"), ("rollback", "one", "two"),
    ]  # fmt: skip
    assert artefact.history(tmp_path)[0]["at"] == "2026-03-02T09:00:00+00:00"


def test_promoting_the_model_in_use_changes_nothing(tmp_path: Path) -> None:
    three(tmp_path)
    artefact.promote(tmp_path, "one", NOW, "mia")
    artefact.promote(tmp_path, "one", NOW, "mia")
    assert len(artefact.history(tmp_path)) == 1


def test_a_tampered_model_is_neither_promoted_nor_rolled_back_to(tmp_path: Path) -> None:
    three(tmp_path)
    artefact.promote(tmp_path, "one", NOW, "mia")
    artefact.promote(tmp_path, "two", NOW, "mia")
    flip_a_byte(tmp_path / "one")
    with pytest.raises(ModelUntrusted):
        artefact.rollback(tmp_path, NOW, "mia")
    with pytest.raises(ModelUntrusted):
        artefact.promote(tmp_path, "one", NOW, "mia")
    assert artefact.current(tmp_path).name == "two"


@pytest.mark.parametrize("name", ["../etc", "a/b", "", ".hidden", "Upper", "x" * 80])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        artefact.find(tmp_path, name)


def test_entries_mark_the_model_in_use(tmp_path: Path) -> None:
    three(tmp_path)
    artefact.promote(tmp_path, "two", NOW, "mia")
    assert [(e.name, e.current) for e in artefact.entries(tmp_path)] == [
        ("one", False),
        ("three", False),
        ("two", True),
    ]
