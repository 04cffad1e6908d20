"""The public sets, read from a folder the user names (nothing of them is kept here), and their fixed splits.

| set | texts | test part | source, licence |
|---|---|---|---|
| cfpb5 | complaints about five kinds of products | the 1,000 of a published zero-shot study | CFPB, public domain |
| banking77 | short questions to a bank, 77 intents | the official one | PolyAI, CC-BY-4.0 |
| clinc150 | short questions, 150 intents; a thousand of none | the official one | CLINC, CC-BY-3.0 |
| nhtsa | vehicle complaints; urgent: crash, fire, injury, death | from 2024 on | NHTSA, public domain |

Left out: a set of templated e-commerce complaints, of whose 399 test rows 395 have a near twin in the training part.
"""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

CHOICES = ("cfpb5", "banking77", "clinc150")
RANKING = "nhtsa"
NAMES = (*CHOICES, RANKING)
OTHER, URGENT = "other", "urgent"  # the labels of the ranking, in this order
_FROM = "2024-01-01"  # received from this day on: the test part of the ranking
_FAST = 1_000  # training texts of a fast run
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Part:
    """Texts and their labels, in the order of the file, and from which collection each came, where that is known."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    sources: tuple[str, ...] = ()

    def at(self, places: Sequence[int]) -> Part:
        sources = tuple(self.sources[i] for i in places) if self.sources else ()
        return Part(tuple(self.texts[i] for i in places), tuple(self.labels[i] for i in places), sources)


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A set with its split. No text of the test part, but for case and signs, stands in the training part; `dropped` rows
    were taken out for that, or as repeated. `outside` are texts of no class."""

    name: str
    train: Part
    test: Part
    outside: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.train.labels)))

    @property
    def ranking(self) -> bool:
        return self.name == RANKING


def read(folder: Path, name: str) -> PublicSet:
    """The set `name` of the data folder. Raises FileNotFoundError with the path that is missing."""
    rows = _rows(folder / name / "train.csv")
    if name == RANKING:
        known = [row for row in rows if row["date"] < _FROM]
        return split(name, _part(known), _part([row for row in rows if row["date"] >= _FROM]))
    outside = folder / name / "oos_test.csv"
    texts = tuple(row["text"] for row in _rows(outside)) if outside.exists() else ()
    return split(name, _part(rows), _part(_rows(folder / name / "test.csv")), texts)


def split(name: str, train: Part, test: Part, outside: tuple[str, ...] = ()) -> PublicSet:
    """Training rows that stand in the test part, or earlier in the training part, are dropped. The test part is as given."""
    met = {_plain(text) for text in test.texts}
    kept, leaked = [], 0
    seen: set[str] = set()
    for place, text in enumerate(train.texts):
        words = _plain(text)
        leaked += words in met
        if words not in met and words not in seen:
            kept.append(place)
        seen.add(words)
    dropped = {"in the test part": leaked, "repeated": len(train.texts) - len(kept) - leaked}
    return PublicSet(name, train.at(kept), test, outside, dropped)


def fast(given: PublicSet, seed: int = 1) -> PublicSet:
    """A thousand training texts drawn by seed, and no test part."""
    places = list(range(len(given.train.texts)))
    random.Random(seed).shuffle(places)
    return replace(given, train=given.train.at(sorted(places[:_FAST])), test=Part((), ()), outside=())


def shuffled(part: Part, most: int, seed: int = 1) -> Part:
    """At most `most` texts of the part, each with the label of another: there is nothing to learn."""
    draw = random.Random(seed)
    places = list(range(len(part.texts)))
    draw.shuffle(places)
    found = part.at(places[:most])
    labels = list(found.labels)
    draw.shuffle(labels)
    return Part(found.texts, tuple(labels))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _part(rows: Sequence[Mapping[str, str]]) -> Part:
    sources = tuple(row["src"] for row in rows if "src" in row)
    return Part(tuple(row["text"] for row in rows), tuple(row["label"] for row in rows), sources)


def _plain(text: str) -> str:
    return " ".join(_WORD.findall(text.lower()))
