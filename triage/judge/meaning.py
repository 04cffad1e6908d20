"""What a word means, as 64 numbers: words of like meaning lie close, in seven languages and across them.

The table `meaning.npz` was distilled once from Google's Universal Sentence Encoder multilingual v3 (Apache-2.0) by
`python -m triage.learn.distil`: each word was encoded alone and the 512 numbers were reduced to 64 by their principal
components, one byte each. Reading it needs numpy only and costs a dictionary look-up a word. It teaches the
classifier that
"landlady" is near "landlord" although only one of them was in the training mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

SIZE = 64
_PREFIX_FROM = 4  # a longer word is read as its longest known beginning, if that is most of it


class Table:
    """Plain words (`triage.judge.concepts.plain`) and their vectors."""

    def __init__(self, words: Sequence[str], vectors: NDArray[np.int8], scale: NDArray[np.float32]) -> None:
        self.place = {word: place for place, word in enumerate(words)}
        self.vectors = vectors.astype(np.float32) * scale  # (words, SIZE)
        self._found: dict[str, int | None] = {}

    def find(self, word: str) -> int | None:
        """The row of a word: itself, or its longest beginning in the table with at least two thirds of its letters."""
        found = self.place.get(word)
        if found is None and word not in self._found:
            shortest = max(_PREFIX_FROM, -(-2 * len(word) // 3))
            starts = (self.place.get(word[:end]) for end in range(len(word) - 1, shortest - 1, -1))
            nearest = next((row for row in starts if row is not None), None)
            if len(self._found) < 100_000:
                self._found[word] = nearest
            return nearest
        return self._found[word] if found is None else found


@cache
def table() -> Table:
    """The shipped table, read once."""
    with (files("triage.judge") / "meaning.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        words = stored["words"].tobytes().decode("utf-8").split("\n")
        return Table(words, stored["vectors"], stored["scale"])
