"""The versions of the config: which the program ran with, what stood in one, and going back to it.

None of this needs a config that is sound: going back is what one does when it is not.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from triage.desk import open_register
from triage.errors import ConfigInvalid, NotFound, Permanent
from triage.operations.upkeep import os_user
from triage.world import clock, config, settings
from triage.world.settings import Settings
from triage.world.store import register
from triage.world.store.database import Database

KEPT = "kept"  # the folder in the config folder where `undo` puts what was there
UNDO = "config undo"  # the kind of run that going back is noted as
_SHORTEST = 4  # digits that name a version


@dataclass(frozen=True, slots=True)
class Files:
    """The files in the config folder as they are now. `version` is None where they were refused."""

    texts: Mapping[str, str]
    version: str | None
    refused: tuple[str, ...] = ()


@contextmanager
def _opened(found: Settings | None) -> Iterator[tuple[Settings, Database]]:
    found = found or settings.load()
    with open_register(found) as database:
        yield found, database


def _on_disk(folder: Path) -> Files:
    paths = {name: folder / name for name in config.FILES}
    texts = {name: path.read_text("utf-8", "replace") for name, path in paths.items() if path.is_file()}
    try:
        return Files(texts, config.load(folder).version)
    except ConfigInvalid as error:
        return Files(texts, None, tuple(str(problem) for problem in error.problems))


# -- looking ---------------------------------------------------------------------------------------------------------


def history(found: Settings | None = None) -> dict[str, Any]:
    """Every config the program ran with, newest first; what lies in the folder now; who went back, and when."""
    with _opened(found) as (where, database), database.read() as tx:
        rows, undone = register.config_versions(tx), register.runs_of(tx, UNDO)
    now = _on_disk(where.config)
    before: list[Mapping[str, str]] = [row["files"] for row in rows[1:]]
    return {
        "folder": str(where.config),
        "files_now": now.version,
        "refused": list(now.refused),
        "versions": [
            {"version": row["version"], "author": row["author"], "first_used_at": row["first_used_at"],
             "last_used_at": row["last_used_at"], "in_folder": row["version"] == now.version,
             "changed": changed(older, row["files"])}
            for row, older in zip(rows, [*before, {}], strict=False)
        ],
        "undone": [{"at": run["started_at"], **run["counts"]} for run in undone],
    }  # fmt: skip


def changed(older: Mapping[str, str], newer: Mapping[str, str]) -> list[str]:
    """The files whose text differs; none where there is no older version to compare with."""
    return [name for name in config.FILES if older and older.get(name) != newer.get(name)]


def show(version: str, found: Settings | None = None) -> dict[str, Any]:
    """One version with its files, and how the folder differs from it. Raises NotFound."""
    with _opened(found) as (where, database), database.read() as tx:
        row = _named(register.config_versions(tx), version)
    now = _on_disk(where.config)
    return {**row, "differences": _differences(row["files"], now.texts)}


def _differences(older: Mapping[str, str], newer: Mapping[str, str]) -> str:
    """A unified diff from the version to the folder."""
    lines: list[str] = []
    for name in config.FILES:
        before, after = older.get(name, "").splitlines(), newer.get(name, "").splitlines()
        lines += difflib.unified_diff(before, after, f"{name} (that version)", f"{name} (now)", lineterm="", n=2)
    return "\n".join(lines)


def _named(rows: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """The version that begins so. Raises NotFound."""
    wanted = version.strip().casefold()
    hits = [row for row in rows if len(wanted) >= _SHORTEST and row["version"].startswith(wanted)]
    if len(hits) == 1:
        return hits[0]
    what = f"{len(hits)} versions begin with {version!r}" if hits else f"No version of the config is called {version!r}"
    raise NotFound(f"{what}.", fix="`triage config history` lists them; give more digits.")


# -- going back ------------------------------------------------------------------------------------------------------


def undo(version: str | None = None, *, by: str = "", found: Settings | None = None) -> dict[str, Any]:
    """Write the files of an earlier version back; what was there is kept aside. In force from the next run on.

    Without a version: the one that runs where the files were refused or never ran, else the one that ran before it.
    Raises NotFound where there is none, ConfigInvalid where this program no longer accepts that version.
    """
    now, who = clock.now(), by or os_user()
    with _opened(found) as (where, database):
        with database.read() as tx:
            rows = register.config_versions(tx)
        here = _on_disk(where.config)
        row = _named(rows, version) if version else _before(rows, here.version)
        files = {name: text.encode() for name, text in row["files"].items()}
        config.load_files(files)
        kept = _swap(where.config, files, now)
        with database.write() as tx:
            told = {"by": who, "from": here.version or "refused", "to": row["version"], "kept": kept.name}
            register.note_run(tx, UNDO, now, told)
    return {
        "version": row["version"],
        "changed": changed(here.texts or {"": ""}, row["files"]),
        "by": who,
        "kept": str(kept),
    }


def _before(rows: list[dict[str, Any]], here: str | None) -> dict[str, Any]:
    """The version to go back to from what lies in the folder."""
    for row in rows:
        if row["version"] != here:
            return row
    raise NotFound("The program never ran with another config.", fix="`triage config history` shows what there is.")


def _swap(folder: Path, files: Mapping[str, bytes], now: datetime) -> Path:
    """Put the files in place one by one, each whole; everything that was there lies in a folder of its own before."""
    try:
        kept = _aside(folder, now)
        for name, raw in files.items():
            draft = folder / f".{name}.{os.getpid()}"
            draft.write_bytes(raw)
            draft.replace(folder / name)
        for stray in sorted(folder.glob("*.y*ml")):
            if stray.name not in files:
                stray.unlink()  # no part of a config: it would be refused; it lies in `kept` as well
    except OSError as error:
        raise Permanent(
            f"The config in {folder} cannot be written: {error.strerror}.", fix="Who may write there?"
        ) from None
    return kept


def _aside(folder: Path, now: datetime) -> Path:
    """A copy of every config file that is there."""
    stem = f"{now:%Y%m%dT%H%M%SZ}"
    for number in range(1, 1000):
        kept = folder / KEPT / (stem if number == 1 else f"{stem}-{number}")
        try:
            kept.mkdir(parents=True)
            break
        except FileExistsError:
            continue
    for path in sorted(folder.glob("*.y*ml")):
        (kept / path.name).write_bytes(path.read_bytes())
    return kept


# -- for editors -----------------------------------------------------------------------------------------------------


def schema(name: str = "", out: Path | None = None) -> str:
    """The JSON Schema of one file or of all; with `out` written there, a file each. Raises NotFound."""
    found = dict(config.schemas())
    if name:
        full = name if name in found else f"{name}.yaml"
        if full not in found:
            raise NotFound(f"No config file is called {name!r}.", fix=f"There are {', '.join(found)}.")
        found = {full: found[full]}
    if out is None:
        return json.dumps(found[full] if name else found, indent=1, sort_keys=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for file, text in found.items():
            (out / f"{Path(file).stem}.json").write_text(json.dumps(text, indent=1, sort_keys=True) + "\n", "utf-8")
    except OSError as error:
        raise Permanent(f"The schemas cannot be written to {out}: {error.strerror}.") from None
    return f"{len(found)} schemas written to {out}."
