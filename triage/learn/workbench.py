"""What `triage train`, `triage evaluate` and `triage models` do, one function each: labelled mail in, model folders
out.

A trained model is a candidate: it lies in the models folder under a new name and nothing uses it until `promote`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from triage.errors import TooLittleToLearn
from triage.judge import encoder
from triage.judge.classify import Model
from triage.judge.linear import LinearModel
from triage.learn import corpus, dataset, evaluate, gate, judged, page, train, tune
from triage.learn.example import Example
from triage.learn.judged import Judge
from triage.learn.train import Progress
from triage.world import artefact

TRAIN, HELDOUT, TRICKY = "train", "heldout", "tricky"  # parts of a corpus folder
_TEST_SHARE = 0.2
_OWN_WEIGHT_FROM = 200  # own labelled mails from which a fifth of them is kept for the test


def quiet(what: str, done: float) -> None:
    """No progress."""


@dataclass(frozen=True, slots=True)
class Material:
    """What a model is trained and tested on: near-duplicates are out, and no customer is in two parts."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    tricky: tuple[Example, ...]

    @property
    def digest(self) -> str:
        """sha256 over the training mails with their labels, in order: the same digest and seed give the same model."""
        found = hashlib.sha256()
        for e in self.train:
            line = [
                e.id,
                e.group,
                e.subject,
                e.text,
                e.language,
                str(e.disposition),
                e.complaint_type,
                e.urgency,
                e.flags,
                e.types,
            ]
            found.update(json.dumps([*line, e.urgencies], ensure_ascii=False, default=str).encode() + b"\n")
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model beside the decision of the gate."""

    folder: Path
    card: Mapping[str, Any]
    report: Mapping[str, Any]
    decision: gate.Decision


def material(source: Sequence[Example], corpus_dir: Path | None, seed: int) -> Material:
    """The composed corpus and a team's own mail together. Own mail is split by customer and time, the corpus by its
    folders."""
    own = dataset.without_duplicates(source) if source else ()
    known, test = list(own), []
    if len(own) >= _OWN_WEIGHT_FROM:
        parts = dataset.split(own, _TEST_SHARE, seed)
        known, test = list(parts.train), list(parts.test)
    tricky: tuple[Example, ...] = ()
    if corpus_dir is not None:
        composed = _part(corpus_dir, TRAIN)
        known = [*composed, *known]
        test = [*_part(corpus_dir, HELDOUT), *test]
        tricky = _part(corpus_dir, TRICKY)
    if not test and known:
        parts = dataset.split(known, _TEST_SHARE, seed)
        known, test = list(parts.train), list(parts.test)
    if not known:
        raise TooLittleToLearn("There is no labelled mail.")
    return Material(tuple(known), tuple(test), tricky)


def _part(corpus_dir: Path, name: str) -> tuple[Example, ...]:
    return corpus.read(corpus_dir / name) if (corpus_dir / name).is_dir() else ()


def train_model(
    source: Sequence[Example],
    corpus_dir: Path | None,
    models_dir: Path,
    now: datetime,
    seed: int = 1,
    progress: Progress = quiet,
    *,
    name: str | None = None,
    judge: Judge | None = None,
    notes: Mapping[str, Any] | None = None,
    semantic: bool | None = None,
) -> Candidate:
    """Train on `source` and the corpus, test on held-out mail, write `models_dir/<name>` with its card.

    `name` is the date and the data by default. The gate compares with the model in use; nothing is promoted. `notes` go
    into the card (for example the agreement of a second labelling). `semantic`: train with sentences too (None: where the
    encoder is installed and the data is small); report and gate are then those of the semantic part, and the plain part has
    to pass the gate as well. Raises TooLittleToLearn, FileExistsError.
    """
    stuff = material(source, corpus_dir, seed)
    folder = models_dir / (name or f"{now.astimezone(UTC):%Y%m%d}-{stuff.digest[:8]}")
    if folder.exists():
        raise FileExistsError(folder)
    decide = judge or judged.House((*stuff.train[: tune.MOST], *stuff.test, *stuff.tricky))
    current = in_use(models_dir)
    plain = _part_of(stuff, folder.name, seed, progress, decide, current, semantic=False)
    both = encoder.available() and len(stuff.train) < train.LARGE if semantic is None else semantic
    richer = _part_of(stuff, folder.name, seed, progress, decide, current, semantic=True) if both else None
    best = richer or plain
    decision = gate.both(plain.decision, richer.decision) if richer else plain.decision
    card = {
        **plain.model.card,
        "trained_at": now.astimezone(UTC).isoformat(timespec="seconds"),
        "data": {
            "sha256": stuff.digest,
            "train": len(stuff.train),
            "test": len(stuff.test),
            "tricky": len(stuff.tricky),
        },
        "heldout": summary(plain.report),
        "gate": decision.record(),
        **(notes or {}),
    }
    if richer:
        chosen = ("thresholds", "settings", "oof")
        richer.model.card = {
            **{key: richer.model.card[key] for key in chosen},
            "heldout": summary(richer.report),
        }
    artefact.save(plain.model, folder, card, richer.model if richer else None)
    progress("done", 1.0)
    return Candidate(folder, card, best.report, decision)


@dataclass(frozen=True, slots=True)
class _Part:
    """One trained model of the folder, tested."""

    model: LinearModel
    report: Mapping[str, Any]
    decision: gate.Decision


def _part_of(
    stuff: Material, name: str, seed: int, progress: Progress, decide: Judge, current: Model | None, *, semantic: bool
) -> _Part:
    settings = train.Settings.for_size(len(stuff.train), semantic=semantic)
    signs = decide.signs if isinstance(decide, judged.House) else None
    trained = train.fit(stuff.train, seed, progress, settings, signs)
    model = trained.model
    progress("judging what was left out", 0.0)
    limits = tune.tune(stuff.train, trained.unseen, model.card["thresholds"], decide, progress)
    model.name = f"{name}+sentences" if semantic else name
    model.card = {**model.card, "name": name, "thresholds": limits}
    report = evaluate.evaluate(model, stuff.test, seed, decide) if stuff.test else {}
    progress("asking the gate", 0.5)
    return _Part(model, report, gate.check(model, current, stuff.test, stuff.tricky, judge=decide, seed=seed))


def in_use(models_dir: Path) -> Model | None:
    """The model in use, or None where there is none yet."""
    if not (models_dir / artefact.CURRENT).is_file():
        return None
    return artefact.load(artefact.current(models_dir))


def summary(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a report that belong into a card."""
    if not report:
        return {}
    return {
        "rates": report["rates"],
        "type_macro_f1": report["type"]["macro_f1"],
        "type_ece": report["type"]["ece"],
        "urgency_ece": report["urgency"]["ece"],
        "flags": {"recall": report["flags"]["recall"], "precision": report["flags"]["precision"]},
        "mails": report["mails"],
        "complaints": report["complaints"],
    }


def evaluate_model(
    folder: Path,
    examples: Sequence[Example],
    out: Path | None,
    now: datetime,
    seed: int = 1,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """The report of a model on labelled mail; with `out`, `evaluation.json` and `evaluation.html` are written there."""
    model = artefact.load(folder)
    report = evaluate.evaluate(model, examples, seed, judge)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        when = now.astimezone(UTC).isoformat(timespec="minutes")
        (out / "evaluation.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        made = f"{when}, {len(examples)} mails the model has not been trained on"
        (out / "evaluation.html").write_text(page.render(report, f"Model {folder.name}", made), encoding="utf-8")
    return report


def promote(models_dir: Path, name: str, now: datetime, by: str, *, force: str = "") -> gate.Decision | None:
    """Put a candidate in use if its gate passed. `force` is a person's reason to do it all the same; it is kept.

    Returns None when promoted, else the decision that stands in the way, read from the card.
    """
    card = artefact.verify(artefact.find(models_dir, name))
    decision = decision_of(card)
    if not decision.passed and not force:
        return decision
    artefact.promote(models_dir, name, now, by, force or "the gate passed")
    return None


def decision_of(card: Mapping[str, Any]) -> gate.Decision:
    """The gate's decision as the card keeps it; a card without one has not passed."""
    stated = dict(card.get("gate") or {})
    rules = tuple(gate.Rule(**rule) for rule in stated.get("rules", ()))
    return gate.Decision(bool(stated.get("passed", False)), rules)


def rollback(models_dir: Path, now: datetime, by: str, why: str = "") -> str:
    """Back to the model before; returns its name."""
    return artefact.rollback(models_dir, now, by, why)


def models(models_dir: Path) -> tuple[artefact.Entry, ...]:
    """Every model of the folder."""
    return artefact.entries(models_dir)


def diff(models_dir: Path, one: str, other: str) -> dict[str, tuple[Any, Any]]:
    """What differs between two cards: dotted key -> (first, second), figures and settings only."""
    first, second = (_flat(artefact.read_card(artefact.find(models_dir, name))) for name in (one, other))
    return {
        key: (first.get(key), second.get(key)) for key in sorted({*first, *second}) if first.get(key) != second.get(key)
    }


def _flat(card: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in card.items():
        if isinstance(value, Mapping):
            found.update(_flat(value, f"{before}{key}."))
        elif not isinstance(value, list):
            found[f"{before}{key}"] = value
    return found
