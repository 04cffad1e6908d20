"""One public set -> its figures: every contender cross-validated, the test part where it is opened, the control."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.quality import metrics
from benchmarks.quality.anchors import ANCHORS, LETTERS, NOTHING, WORDS, Contender, Scores
from benchmarks.quality.metrics import IntArray
from benchmarks.quality.ours import Ours
from benchmarks.quality.sets import URGENT, Part, PublicSet, shuffled
from triage.judge import encoder

_CONTROLLED = 1_500  # texts of the control of a choice
_SHUFFLES = 3  # of the control of a ranking
_LIGHT = 100_000  # training texts times classes


class Refused(Exception):
    """The test part stays closed; the words say why."""


def may_open(found: Mapping[str, Any], name: str, release: str, current: str) -> None:
    """Raise Refused where `release` is not the one at hand, or has seen the test part of this set already."""
    if release != current:
        raise Refused(f"the test parts are opened for the release at hand, {current}, not for {release!r}.")
    before = found.get("sets", {}).get(name, {}).get("opened", {}).get(release)
    if before:
        raise Refused(
            f"{name}: the test part was opened for release {release} on {before['day']}; those figures stand."
            " Choices are made by cross-validation (leave --open-test out)."
        )


def contenders(given: PublicSet, *, sentences: bool = True) -> tuple[Contender, ...]:
    """The anchors, ours, and ours with sentences where the encoder is installed and wanted.

    Sentences are 1,536 full columns: with many texts and classes the fits would take hours, and they are left out.
    """
    light = len(given.train.texts) * len(given.classes) <= _LIGHT
    semantic = (Ours("ours + sentences", semantic=True),) if sentences and light and encoder.available() else ()
    return (*ANCHORS, Ours(), *semantic)


def measure(
    given: PublicSet, rivals: Sequence[Contender], seed: int = 1, *, opening: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(figures of the training part, figures of the test part: empty unless `opening`)."""
    truth = _places(given.train, given)
    known: dict[str, Any] = {}
    told: dict[str, Scores] = {}
    outside: dict[str, Any] = {}
    for rival in rivals:
        began = time.process_time()
        fitted = rival.fit(given.train, seed)
        cpu = time.process_time() - began
        known[rival.name] = {**figures(fitted.unseen, truth, given, seed), "kind": rival.kind, "cpu_s": round(cpu, 1)}
        print(f"    {rival.name}: {brief(known[rival.name])}, {cpu:.0f} s", flush=True)
        if opening:
            told[rival.name] = fitted.score(given.test.texts)
            if given.outside and rival.kind != NOTHING:
                beyond = fitted.score(given.outside).largest
                outside[rival.name] = metrics.rejected_outside(told[rival.name].largest, beyond)
    summary = {
        "train": len(given.train.texts), "test": len(given.test.texts), "classes": len(given.classes),
        "urgent": given.test.labels.count(URGENT) if given.ranking else None,
        "dropped": dict(given.dropped), "cross_validated": known,
    }  # fmt: skip
    return summary, _opened(given, told, outside, seed) if opening else {}


def control(given: PublicSet, seed: int = 1) -> dict[str, Any]:
    """Our trainer on shuffled labels. `at_chance` unless it is surely better than always saying the commonest class; of a
    ranking, unless the mean over `_SHUFFLES` shufflings is higher than 97.5 % of such means of random orders."""
    if given.ranking:
        return _control_of_ranking(given, seed)
    part = shuffled(given.train, _CONTROLLED, seed)
    classes = sorted(set(part.labels))
    truth = np.array([classes.index(label) for label in part.labels], dtype=np.intp)
    shares = Ours(folds=3).fit(part, seed).unseen.shares
    reached = metrics.of_choice(shares, truth, seed)["accuracy"]
    commonest = float(np.bincount(truth).max() / len(truth))
    return {"accuracy": reached, "chance": round(commonest, 4), "at_chance": reached[1] <= commonest}


def _control_of_ranking(given: PublicSet, seed: int) -> dict[str, Any]:
    """On all training texts: average precision with few urgent texts is led by the first few of the order."""
    draw, reached = np.random.default_rng(seed), []
    chance = np.zeros((_SHUFFLES, 500))
    for number in range(_SHUFFLES):
        part = shuffled(given.train, len(given.train.texts), seed + number)
        urgent = np.array(part.labels) == URGENT
        scores = Ours(folds=3).fit(part, seed).unseen.shares[:, 1]
        reached.append(metrics.average_precision(scores, urgent))
        chance[number] = [metrics.average_precision(scores, draw.permutation(urgent)) for _ in range(500)]
    mean, limit = float(np.mean(reached)), float(np.quantile(chance.mean(axis=0), 0.975))
    figure = [round(mean, 4), round(min(reached), 4), round(max(reached), 4)]
    return {"average_precision": figure, "chance": round(limit, 4), "at_chance": mean <= limit}


def figures(scores: Scores, truth: IntArray, given: PublicSet, seed: int) -> dict[str, Any]:
    """The figures of a choice or of a ranking."""
    if given.ranking:
        return metrics.of_ranking(scores.shares[:, 1], truth == 1, seed)
    return metrics.of_choice(scores.shares, truth, seed)


def brief(row: Mapping[str, Any]) -> str:
    """The first figure of a row in words."""
    name = next(iter(row))
    value, low, high = row[name]
    return f"{name.replace('_', ' ')} {value:.3f} ({low:.3f} to {high:.3f})"


def best(rows: Mapping[str, Mapping[str, Any]], kinds: Sequence[str] = (WORDS, LETTERS)) -> str:
    """The anchor with the highest first figure among those of these kinds of features."""
    names = [anchor.name for anchor in ANCHORS if anchor.kind in kinds and anchor.name in rows]
    return max(names, key=lambda name: next(iter(rows[name].values()))[0])


def _opened(given: PublicSet, told: Mapping[str, Scores], outside: Mapping[str, Any], seed: int) -> dict[str, Any]:
    truth = _places(given.test, given)
    rows = {name: figures(scores, truth, given, seed) for name, scores in told.items()}
    strongest = best(rows)
    against: dict[str, Any] = {}
    for name in rows:
        if name in {anchor.name for anchor in ANCHORS}:
            continue
        ours, theirs = told[name].shares, told[strongest].shares
        apart = (
            metrics.ranking_difference(ours[:, 1], theirs[:, 1], truth == 1, seed)
            if given.ranking
            else metrics.difference(ours.argmax(axis=1) == truth, theirs.argmax(axis=1) == truth, seed)
        )
        against[name] = apart.as_json()
    return {"rows": rows, "best_anchor": strongest, "against_best": against, "outside": dict(outside)}


def _places(part: Part, given: PublicSet) -> IntArray:
    place = {name: number for number, name in enumerate(given.classes)}
    return np.array([place[label] for label in part.labels], dtype=np.intp)
