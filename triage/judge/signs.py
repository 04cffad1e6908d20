"""What the cues found in a mail -> the names of signs that the second stage of the model weighs (`triage.judge.weigh`).

A sign says that something was found, never how it was worded: "flag:vulnerable", "floor:critical", "within:2".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from triage.judge.cues import Cues, Flag

FLAG = "flag:"  # before the name of a flag, live or past
#: a customer's own date, by how far it is from the receipt; calendar days, as no calendar is known here
_NEAR = ((timedelta(0), "past"), (timedelta(days=2), "within:2"), (timedelta(days=5), "within:5"))
_SAID = (
    "thanks", "chase", "not_fixed", "new_matter", "needs_glance", "prior_answer", "prepurchase", "outsider",
    "no_action", "misdirected", "dependant",
)  # fmt: skip


def of(cues: Cues, received_at: datetime) -> tuple[str, ...]:
    """The signs, sorted, each once. `received_at` is aware."""
    return tuple(sorted(set(_signs(cues, received_at))))


def _signs(cues: Cues, received_at: datetime) -> Iterator[str]:
    for flag in cues.flags:
        yield FLAG + flag.name
        yield from _weight(flag)
    for flag in cues.rules:
        yield f"rule:{flag.name}"
        yield from _weight(flag)
    for flag in cues.history:
        yield f"says:{flag.name}"
    for date in cues.dates:
        yield f"date:{date.kind}"
        away = date.at - received_at
        yield next((name for edge, name in _NEAR if away < edge), "later")
    for name in _SAID:
        if getattr(cues, name):
            yield name


def _weight(flag: Flag) -> Iterator[str]:
    if not flag.live:
        yield f"past:{flag.name}"
    if flag.floor:
        yield f"floor:{flag.floor.word}"
