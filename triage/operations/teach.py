"""Teaching: train a candidate, put it through the gate, promote it or keep it aside; and go back."""

from __future__ import annotations

import getpass
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.desk import Desk, Judge, shipped_models
from triage.errors import Misuse, NotFound, TooLittleToLearn
from triage.judge.classify import words_of
from triage.learn import dataset, workbench
from triage.learn.example import LEARNABLE, Example
from triage.words import Disposition, Urgency
from triage.world import artefact
from triage.world.reader import Reading
from triage.world.store import mails, register

Say = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Taught:
    """What a training gave: the candidate, whether the gate let it pass, and whether it is in use now."""

    name: str
    accepted: bool
    promoted: bool
    own_mails: int
    reasons: tuple[str, ...]
    figures: Mapping[str, Any]

    def as_counts(self) -> dict[str, Any]:
        return {
            "model": self.name, "accepted": self.accepted, "promoted": self.promoted, "own_mails": self.own_mails,
            "reasons": list(self.reasons), "figures": dict(self.figures),
        }  # fmt: skip

    def text(self) -> str:
        """The outcome for people."""
        state = "in use from now on" if self.promoted else "kept aside"
        lines = [f"{self.name}: the gate {'let it pass' if self.accepted else 'refused it'}; {state}."]
        return "\n".join([*lines, *(f"  {reason}" for reason in self.reasons)])


def retrain(
    desk: Desk, *, source: str = "cases", columns: Mapping[str, str] | None = None, promote: bool = True, seed: int = 1,
    say: Say = lambda line: None,
) -> Taught:  # fmt: skip
    """Train on the starter corpus and `source`; promoted only through the gate. Raises TooLittleToLearn, Misuse."""
    own = examples(desk, source, columns)
    if source == "cases" and not own:
        raise TooLittleToLearn(
            "Nobody has corrected anything yet, and the shipped model was trained on all the rest.",
            fix="`triage correct` sets a case right, or name a labelled file: --from FILE.csv.",
        )
    folder = _own_models(desk)
    say(f"training on the starter corpus and {len(own)} mails of your own")
    found = workbench.train_model(
        own, corpus_folder(), folder, desk.now(), seed, lambda what, done: say(f"{done:4.0%} {what}"),
        name=_new_name(folder, desk),
    )  # fmt: skip
    accepted = found.decision.passed
    if accepted and promote:
        workbench.promote(folder, found.folder.name, desk.now(), _me())
    return Taught(
        found.folder.name, accepted, accepted and promote, len(own),
        tuple(f"{rule.name}: {rule.why}" for rule in found.decision.rules), found.card.get("heldout") or {},
    )  # fmt: skip


def _new_name(folder: Path, desk: Judge) -> str:
    stem = f"{desk.now():%Y%m%d}"
    taken = {path.name for path in folder.glob(f"{stem}-*")}
    return next(name for n in range(1, 10_000) if (name := f"{stem}-{n}") not in taken)


def corpus_folder() -> Path:
    """The starter corpus that came with the program."""
    return shipped_models() / "corpus"


def _own_models(desk: Judge) -> Path:
    """The folder of models made here; the shipped one is copied into it first, so that a way back exists."""
    folder = desk.settings.models
    if not (folder / "current").is_file():
        shipped = artefact.current(shipped_models())
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / shipped.name).is_dir():
            shutil.copytree(shipped, folder / shipped.name)
        artefact.promote(folder, shipped.name, desk.now(), "triage", "the shipped model")
    return folder


def examples(desk: Desk, source: str, columns: Mapping[str, str] | None = None) -> tuple[Example, ...]:
    """Labelled mail: "cases" (what people said here), or a file. Raises Misuse, DatasetInvalid."""
    if source == "cases":
        if columns:
            raise Misuse("--columns is for a labelled file.", fix="Name one with --from FILE.csv.")
        return tuple(_corrected(desk))
    path = Path(source)
    if not path.is_file():
        raise Misuse(f"There is no file {source}.", fix="Write --from cases, or name a labelled .csv or .jsonl file.")
    return tuple(dataset.read(path, columns, tuple(desk.config.complaint_types)))


def _corrected(desk: Desk) -> list[Example]:
    """What people set right or agreed to, whatever way they said it, as labelled mail: the customer's words, the labels
    that stand now. The last word about a mail counts."""
    with desk.database.read() as tx:
        changes = register.corrections(tx)
        rows = {mail_id: mails.get(tx, mail_id) for mail_id in {c["mail_id"] for c in changes}}
        raw = desk.raw.read(tx, {row["sha256"] for row in rows.values() if row})
    labels: dict[int, dict[str, Any]] = {}
    for change in changes:
        row = rows[change["mail_id"]]
        if row is None or not raw[row["sha256"]]:  # forgotten
            continue
        kept = labels.setdefault(change["mail_id"], _judged(row))
        kept["at"] = change["at"]
        if change["field"] == "flag":
            kept["flags"] = [flag for flag in kept["flags"] if change["new"] != f"not {flag}"]
        elif change["field"] in ("complaint_type", "urgency", "disposition"):
            kept[change["field"]] = change["new"]
    labels = {one: kept for one, kept in labels.items() if _learnable(kept)}
    readings = desk.reader.read([(mail_id, raw[rows[mail_id]["sha256"]]) for mail_id in labels])  # type: ignore[index]
    found = []
    for mail_id, reading in readings:
        if isinstance(reading, Reading):
            found.append(_example(mail_id, reading, rows[mail_id] or {}, labels[mail_id]))
    return found


def _learnable(label: Mapping[str, Any]) -> bool:
    """A complaint needs a type; what the program finds by itself is nothing to learn."""
    if label["disposition"] == Disposition.COMPLAINT:
        return bool(label["complaint_type"])
    return label["disposition"] in LEARNABLE


def _judged(row: Mapping[str, Any]) -> dict[str, Any]:
    verdict = row["verdict"] or {}
    return {
        "disposition": row["disposition"], "complaint_type": verdict.get("complaint_type"), "urgency": verdict.get("urgency"),
        "flags": [flag["name"] for flag in verdict.get("flags") or []],
    }  # fmt: skip


def _example(mail_id: int, reading: Reading, row: Mapping[str, Any], label: Mapping[str, Any]) -> Example:
    words = words_of(reading.message, reading.body)
    disposition = Disposition(label["disposition"])
    complaint = disposition is Disposition.COMPLAINT
    urgency = Urgency.of(label["urgency"]) if label["urgency"] and complaint else None
    kind = label["complaint_type"] if complaint else None
    return Example(
        id=f"mail-{mail_id}", group=row.get("customer") or f"mail-{mail_id}", subject=words.subject, text=words.text,
        language=words.language, disposition=disposition, complaint_type=kind, urgency=urgency,
        flags=tuple(label["flags"]), types=(kind,) if kind else (), urgencies=(urgency,) if urgency else (),
        at=row.get("received_at"), source=f"mail {mail_id}",
    )  # fmt: skip


# -- looking at models -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The report on one model."""

    model: str
    report: Mapping[str, Any]
    page: Path | None

    def as_json(self) -> dict[str, Any]:
        return {"model": self.model, **self.report}

    def text(self) -> str:
        """The figures for people."""
        lines = [f"{self.model}, {self.report.get('mails')} mails it was not trained on"]
        for name, rate in self.report.get("rates", {}).items():
            value = rate.get("rate") if isinstance(rate, Mapping) else rate
            low, high = (rate.get("low"), rate.get("high")) if isinstance(rate, Mapping) else (None, None)
            interval = f"  ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
            lines.append(
                f"  {name.replace('_', ' '):<28} {value:.3f}{interval}" if value is not None else f"  {name}: -"
            )
        if self.page:
            lines.append(f"The whole report: {self.page}")
        return "\n".join(lines)


def evaluate(
    desk: Desk, *, on: str = "heldout", model: str = "", html: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Evaluated:  # fmt: skip
    """Report on a model; with `html`, a folder for the page and its JSON."""
    folder = _find(desk, model)
    if on == "heldout":
        from triage.learn import corpus

        held = tuple(corpus.read(corpus_folder() / "heldout"))
    else:
        held = examples(desk, on, columns)
    if not held:
        raise TooLittleToLearn(f"There is no labelled mail in {on}.")
    report = workbench.evaluate_model(folder, held, html, desk.now())
    return Evaluated(folder.name, report, html / "evaluation.html" if html else None)


def _find(desk: Judge, name: str) -> Path:
    if not name:
        return desk.model_folder
    for folder in (desk.settings.models, shipped_models()):
        if (folder / name).is_dir():
            return folder / name
    raise NotFound(f"No model is called {name!r}.", fix="`triage models list` shows them.")


def models(desk: Judge) -> list[dict[str, Any]]:
    """Every model here and the shipped one; the one in use is marked."""
    rows = []
    seen = set()
    for folder in (desk.settings.models, shipped_models()):
        if not folder.is_dir():
            continue
        for entry in workbench.models(folder):
            if entry.name not in seen:
                seen.add(entry.name)
                rows.append(_row(entry.name, entry.card, entry.name == desk.model_folder.name))
    return rows


def _row(name: str, card: Mapping[str, Any], used: bool) -> dict[str, Any]:
    figures = (card.get("heldout") or {}).get("rates") or {}
    return {
        "model": name, "in_use": used, "trained_at": card.get("trained_at"), "data": card.get("data"),
        "gate": (card.get("gate") or {}).get("passed"), "rates": figures,
    }  # fmt: skip


def models_text(rows: list[dict[str, Any]]) -> str:
    """The models for people."""
    if not rows:
        return "There is no model."
    return "\n".join(
        f"{'* ' if row['in_use'] else '  '}{row['model']:<24} trained {row['trained_at'] or '-'}, "
        f"{(row['data'] or {}).get('train', '?')} mails, gate {'passed' if row['gate'] else 'not passed'}"
        for row in rows
    )


def card(desk: Judge, name: str) -> dict[str, Any]:
    """A model's card."""
    return dict(artefact.read_card(_find(desk, name)))


def diff(desk: Judge, one: str, other: str) -> dict[str, Any]:
    """What differs between two cards."""
    first, second = _find(desk, one), _find(desk, other)
    if first.parent != second.parent:
        folder = _own_models(desk)
        return {key: list(pair) for key, pair in workbench.diff(folder, one, other).items()}
    return {key: list(pair) for key, pair in workbench.diff(first.parent, one, other).items()}


def promote(desk: Desk, name: str, *, why: str = "") -> str:
    """Use a model from the next run on. Raises Misuse with the gate's reasons where it refuses and nobody gave one."""
    folder = _own_models(desk)
    refused = workbench.promote(folder, name, desk.now(), _me(), force=why)
    if refused is not None:
        failed = [f"{rule.name}: {rule.why}" for rule in refused.rules if rule.passed is False]
        reasons = "; ".join(failed) or "it was never put to the gate"
        raise Misuse(
            f"The gate refused {name}: {reasons}.", fix="--force REASON promotes it all the same; the reason is kept."
        )
    return f"{name} is in use from the next run on."


def rollback(desk: Desk) -> str:
    """Back to the model before."""
    return f"{workbench.rollback(_own_models(desk), desk.now(), _me())} is in use again."


def _me() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
