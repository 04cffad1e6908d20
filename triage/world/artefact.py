"""The folder of models: `models/<name>/model.joblib` and `card.json`; `models/current` holds the name in use.

Beside it may lie `semantic.joblib`, the same training with a sentence encoder (`triage.judge.encoder`): it is taken where the
encoder is installed, and the card's key `semantic` holds the thresholds and figures that go with it.

joblib files can run code when they are loaded, so nothing is loaded before the card is read, the sha256 of every file
is compared with it, and the libraries are the card's. A model without a card, a file that the card does not name, a
changed byte or another major version is refused as ModelUntrusted, with what was expected and what was found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from triage.errors import ModelUntrusted, NotFound
from triage.judge import encoder
from triage.judge.features import Features
from triage.judge.linear import Head, LinearModel
from triage.judge.weigh import Forest, Weighing

FORMAT = 2  # of the model file; raised when its layout changes
_READ = (1, FORMAT)  # format 1 has no second stage
CARD, MODEL, SEMANTIC, CURRENT, HISTORY = "card.json", "model.joblib", "semantic.joblib", "current", "history.jsonl"
_LIBRARIES = ("numpy", "scipy", "joblib", "scikit-learn")
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")
_LARGEST_CARD = 1_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One model of the folder, as `triage models list` shows it."""

    name: str
    current: bool
    card: Mapping[str, Any]


def save(model: LinearModel, folder: Path, card: Mapping[str, Any], semantic: LinearModel | None = None) -> Path:
    """Write the model and its card into a new folder named like the model; whole or not at all. Returns the folder.

    `semantic` is the same training with sentences; its own `card` becomes the key `semantic`.

    Added to the card: `name`, `format`, `libraries`, `files` (sha256 and size of each). Raises FileExistsError.
    """
    _checked(folder.name)
    if folder.exists():
        raise FileExistsError(folder)
    unfinished = folder.parent / f".{folder.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    parts = {MODEL: model} | ({SEMANTIC: semantic} if semantic else {})
    for name, part in parts.items():
        joblib.dump(_taken_apart(part), unfinished / name, compress=("zlib", 9))
    full = {
        **card,
        **({"semantic": {**semantic.card, "encoder": _encoder_version()}} if semantic else {}),
        "name": folder.name,
        "format": FORMAT,
        "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        "files": {
            name: {"sha256": _sha256(unfinished / name), "bytes": (unfinished / name).stat().st_size} for name in parts
        },
    }
    text = json.dumps(full, indent=1, sort_keys=True, ensure_ascii=False, default=_plain)
    _write(unfinished / CARD, text + "\n")
    unfinished.rename(folder)
    return folder


def verify(folder: Path) -> dict[str, Any]:
    """The card of a model whose files and libraries are what the card says; else ModelUntrusted. Loads nothing."""
    card = read_card(folder)
    if card.get("format") not in _READ:
        raise _untrusted(
            folder, f"its format is {card.get('format')!r}, this program reads {' and '.join(map(str, _READ))}"
        )
    for library, trained in dict(card.get("libraries", {})).items():
        if library not in _LIBRARIES:
            continue
        found = metadata.version(library)
        if found.split(".")[0] != str(trained).split(".")[0]:
            raise _untrusted(folder, f"it was trained with {library} {trained}, installed is {found}")
    named = dict(card.get("files", {}))
    if MODEL not in named:
        raise _untrusted(folder, f"the card does not name {MODEL}")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.is_symlink()}
    strange = present - set(named) - {CARD}
    if strange:
        raise _untrusted(folder, f"the card does not name {', '.join(sorted(strange))}")
    for name, stated in sorted(named.items()):
        path = folder / name
        if name not in present or path.is_symlink():
            raise _untrusted(folder, f"{name} is missing")
        digest = _sha256(path)
        if digest != stated.get("sha256"):
            raise _untrusted(
                folder, f"{name} has sha256 {digest[:12]}..., the card says {str(stated.get('sha256'))[:12]}..."
            )
    return card


def read_card(folder: Path) -> dict[str, Any]:
    """The card as it stands, unchecked. Raises ModelUntrusted where there is none that can be read."""
    path = folder / CARD
    try:
        if path.stat().st_size > _LARGEST_CARD:
            raise _untrusted(folder, "its card is too large")
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _untrusted(folder, f"its card cannot be read ({type(error).__name__})") from error
    if not isinstance(card, dict):
        raise _untrusted(folder, "its card is no record")
    return card


def load(folder: Path, *, semantic: bool | None = None) -> LinearModel:
    """The verified model, ready to predict: the semantic one where there is one and its encoder is installed (None), only it
    (True), or the plain one (False). Its name ends in "+sentences" then, its card holds the semantic figures."""
    card = verify(folder)
    if semantic is not False and SEMANTIC in card["files"] and _encoder_fits(card):
        merged = {**card, **card["semantic"]}
        return _put_together(joblib.load(folder / SEMANTIC), f"{folder.name}+sentences", merged)
    if semantic:
        raise _untrusted(folder, f"it has no semantic part that the installed {encoder.PACKAGE} can read")
    return _put_together(joblib.load(folder / MODEL), folder.name, card)


def _encoder_version() -> str:
    return metadata.version(encoder.PACKAGE)


def _encoder_fits(card: Mapping[str, Any]) -> bool:
    """Another version may give other numbers: then the plain model serves."""
    stated = str(dict(card.get("semantic") or {}).get("encoder", ""))
    return encoder.available() and _encoder_version().split(".")[:2] == stated.split(".")[:2]


def _put_together(parts: Mapping[str, Any], name: str, card: Mapping[str, Any]) -> LinearModel:
    features = Features(
        {
            kind: {name: first + i for i, name in enumerate(names)}
            for kind, (first, names) in parts["vocabulary"].items()
        },
        np.asarray(parts["weight"], dtype=np.float32),
        dict(parts["share"]),
        np.asarray(parts["middle"], dtype=np.float32),
        np.asarray(parts.get("centre", np.zeros(encoder.WIDTH)), dtype=np.float32),
    )
    heads = {
        name: Head(
            tuple(head["labels"]),
            np.asarray(head["weights"], dtype=np.float32),
            head["bias"],
            head["scale"],
            head["shift"],
            head["independent"],
        )
        for name, head in parts["heads"].items()
    }
    return LinearModel(name, features, heads, parts["familiar"], card, _weighing(parts.get("weighing")))


def _weighing(parts: Mapping[str, Any] | None) -> Weighing | None:
    if parts is None:
        return None
    forests = [Forest(**one) for one in parts["forests"]]
    return Weighing(tuple(parts["signs"]), forests[0], tuple(forests[1:]), parts["flags"])


def current(models_dir: Path) -> Path:
    """The folder of the model in use. Raises NotFound where none is named or it is not there."""
    try:
        name = (models_dir / CURRENT).read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise NotFound(f"{models_dir / CURRENT} names no model.", fix="Run `triage models promote NAME`.") from error
    return find(models_dir, name)


def find(models_dir: Path, name: str) -> Path:
    """The folder of the named model. Raises NotFound; a name is no path."""
    folder = models_dir / _checked(name)
    if not (folder / CARD).is_file():
        raise NotFound(f"No model {name!r} in {models_dir}.", fix="`triage models list` shows what is there.")
    return folder


def entries(models_dir: Path) -> tuple[Entry, ...]:
    """Every model with a card, by name."""
    used = (models_dir / CURRENT).read_text(encoding="utf-8").strip() if (models_dir / CURRENT).is_file() else ""
    folders = sorted(path.parent for path in models_dir.glob(f"*/{CARD}") if _NAME.match(path.parent.name))
    return tuple(Entry(folder.name, folder.name == used, read_card(folder)) for folder in folders)


def promote(models_dir: Path, name: str, now: datetime, by: str, why: str = "") -> None:
    """Put a verified model in use and write it into the history. Promoting the model in use changes nothing."""
    verify(find(models_dir, name))
    before = (models_dir / CURRENT).read_text(encoding="utf-8").strip() if (models_dir / CURRENT).is_file() else ""
    if before != name:
        _put(models_dir, name, {"action": "promote", "model": name, "before": before, "by": by, "why": why}, now)


def rollback(models_dir: Path, now: datetime, by: str, why: str = "") -> str:
    """Put the model back in use that the last promotion replaced; returns its name. A second one goes one further back.

    Raises NotFound where nothing was promoted before, ModelUntrusted where the old model was changed since.
    """
    used = current(models_dir).name
    stack: list[str] = []
    for step in history(models_dir):
        if step["action"] == "promote":
            stack.append(str(step["before"]))
        elif stack:
            stack.pop()
    if not stack or not stack[-1]:
        raise NotFound("No model was in use before this one.")
    name = stack[-1]
    verify(find(models_dir, name))
    _put(models_dir, name, {"action": "rollback", "model": name, "before": used, "by": by, "why": why}, now)
    return name


def history(models_dir: Path) -> tuple[dict[str, Any], ...]:
    """Every promotion and rollback, oldest first: at, action, model, before, by, why."""
    path = models_dir / HISTORY
    if not path.is_file():
        return ()
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def _put(models_dir: Path, name: str, step: Mapping[str, Any], now: datetime) -> None:
    line = json.dumps({"at": now.astimezone(UTC).isoformat(timespec="seconds"), **step}, ensure_ascii=False)
    with (models_dir / HISTORY).open("a", encoding="utf-8") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    _write(models_dir / f".{CURRENT}.new", name + "\n")
    (models_dir / f".{CURRENT}.new").replace(models_dir / CURRENT)


def _taken_apart(model: LinearModel) -> dict[str, Any]:
    """The model as plain lists and arrays: no class of ours is named in the file, so it outlives our modules."""
    features = model.features
    vocabulary = {
        kind: (min(known.values(), default=0), sorted(known, key=known.__getitem__))
        for kind, known in features.vocabulary.items()
    }
    return {
        "vocabulary": vocabulary,
        "weight": features.weight.astype(np.float32),
        "share": dict(features.share),
        "middle": features.middle.astype(np.float32),
        **({"centre": features.centre.astype(np.float32)} if features.semantic else {}),
        "familiar": np.asarray(model.familiar, dtype=np.float64),
        **({"weighing": _weighing_apart(model.weighing)} if model.weighing else {}),
        "heads": {
            name: {
                "labels": list(head.labels),
                "weights": head.weights.astype(np.float16),  # what the trainer rounded to: nothing is lost
                "bias": head.bias,
                "scale": head.scale,
                "shift": head.shift,
                "independent": head.independent,
            }
            for name, head in model.heads.items()
        },
    }


def _weighing_apart(weighing: Weighing) -> dict[str, Any]:
    forests = (weighing.complaint, *weighing.urgency)
    return {
        "signs": list(weighing.signs),
        "forests": [{one.name: getattr(forest, one.name) for one in fields(forest)} for forest in forests],
        "flags": weighing.flags,
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise NotFound(f"{name!r} is no name of a model (small letters, digits, dot, dash).")
    return name


def _untrusted(folder: Path, what: str) -> ModelUntrusted:
    return ModelUntrusted(f"{folder.name}: {what}.", fix="Promote another model, or train anew with `triage train`.")


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} does not go into a card")
