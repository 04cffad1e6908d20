"""Which texts are near-duplicates: the same mail again, or one template with other names and numbers.

Two texts are twins if they share too many runs of five words, or of twelve letters, for their size: over `JACCARD` of
all runs of both, or over `CONTAINED` of the runs of the shorter one. Names, numbers and addresses are masked before.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zlib import crc32

from triage.judge import wording

JACCARD = 0.30
CONTAINED = 0.50
_WORDS, _LETTERS = 5, 12
_COMMON = 25  # a run in more texts than this is a phrase of the language and proves nothing
_SKETCH = 12  # smallest run numbers of a text by which twins find each other in large data


@dataclass(frozen=True, slots=True)
class Twin:
    """Places of two texts, the earlier first, and the larger of the two shares."""

    first: int
    second: int
    share: float


def runs(words: Sequence[str]) -> tuple[frozenset[int], frozenset[int]]:
    """(runs of words, runs of letters) of plain words as numbers; a text shorter than a run is one run."""
    by_word = {crc32(" ".join(words[i : i + _WORDS]).encode()) for i in range(max(1, len(words) - _WORDS + 1))}
    letters = "".join(words)
    by_letter = {crc32(letters[i : i + _LETTERS].encode()) for i in range(max(1, len(letters) - _LETTERS + 1))}
    return frozenset(by_word), frozenset(by_letter)


def shared(a: frozenset[int], b: frozenset[int]) -> float:
    """0 below both limits, else the larger of Jaccard and containment. Fewer than 8 runs in one: only equal sets
    count."""
    common = len(a & b)
    if min(len(a), len(b)) < 8:
        return 1.0 if a == b else 0.0
    jaccard, contained = common / len(a | b), common / min(len(a), len(b))
    return max(jaccard, contained) if jaccard > JACCARD or contained > CONTAINED else 0.0


def twins(texts: Sequence[tuple[str, str, str]]) -> list[Twin]:
    """Every pair of near-duplicates among (subject, text, language). For corpora: compares all that share a rare
    run."""
    found = [runs(wording.words(*text)) for text in texts]
    pairs: dict[tuple[int, int], float] = {}
    for kind in (0, 1):
        holders: dict[int, list[int]] = defaultdict(list)
        for place, sets in enumerate(found):
            for run in sets[kind]:
                holders[run].append(place)
        met: Counter[tuple[int, int]] = Counter()
        for places in holders.values():
            if 1 < len(places) <= _COMMON:
                met.update((a, b) for i, a in enumerate(places) for b in places[i + 1 :])
        for a, b in met:
            share = shared(found[a][kind], found[b][kind])
            if share:
                pairs[a, b] = max(share, pairs.get((a, b), 0.0))
    return [Twin(a, b, round(share, 3)) for (a, b), share in sorted(pairs.items())]


def without_twins(texts: Iterable[Sequence[str]]) -> list[int]:
    """The places of the texts (as plain words) that are no twin of an earlier one. For large data: time grows linearly.

    A twin is looked for among the texts that share one of the smallest run numbers, at most 20 of them.
    """
    kept: list[int] = []
    holders: dict[int, list[frozenset[int]]] = defaultdict(list)
    for place, words in enumerate(texts):
        by_word = {crc32(" ".join(words[i : i + _WORDS]).encode()) for i in range(max(1, len(words) - _WORDS + 1))}
        own = frozenset(by_word)
        sketch = sorted(own)[:_SKETCH]
        if any(shared(own, other) for run in sketch for other in holders[run][:20]):
            continue
        kept.append(place)
        for run in sketch:
            holders[run].append(own)
    return kept
