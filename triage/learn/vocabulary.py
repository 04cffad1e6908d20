"""Training mail -> the features worth counting (`triage.judge.features.Features`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from triage.judge import meaning
from triage.judge.features import (
    KINDS,
    Analysis,
    Features,
    concept_features,
    letter_features,
    stacked,
    unit,
    word_features,
)


def choose(
    analyses: Sequence[Analysis], share: Mapping[str, float], least: Mapping[str, int], most: Mapping[str, int]
) -> Features:
    """Keep the features of each kind that stand in `least` mails, at most `most` of them, the commonest first.

    Weights are the smoothed inverse document frequency 1 + ln((1 + n) / (1 + df)).
    """
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for mail in analyses:
        if share.get("word"):
            counts["word"].update(set(word_features(mail.words)))
        if share.get("concept"):
            counts["concept"].update(set(concept_features(mail.concepts)))
        if share.get("letters"):
            counts["letters"].update(set(chain.from_iterable(letter_features(w) for w in set(mail.words))))
    vocabulary: dict[str, dict[str, int]] = {}
    weights: list[float] = []
    total = len(analyses)
    for kind in KINDS:
        kept = [(name, n) for name, n in counts[kind].items() if n >= least.get(kind, 1)]
        kept = sorted(sorted(kept, key=lambda one: (-one[1], one[0]))[: most.get(kind, len(kept))])
        vocabulary[kind] = {name: len(weights) + i for i, (name, _) in enumerate(kept)}
        weights.extend(1.0 + np.log((1 + total) / (1 + n)) for _, n in kept)
    middle = np.zeros(meaning.SIZE, dtype=np.float32)
    chosen = Features(vocabulary, np.asarray(weights, dtype=np.float32), dict(share), middle)
    if share.get("meaning"):
        middle[:] = unit(chosen.meanings([mail.words for mail in analyses])).mean(axis=0)
    if chosen.semantic:
        chosen.centre[:] = stacked(analyses).mean(axis=0)
    return chosen
