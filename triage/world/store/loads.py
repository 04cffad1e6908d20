"""Who has how many open cases: counted once a transaction and kept up to date by what it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event, func, select

from triage.world.schema import cases

OPEN = ("open", "on_hold")


@dataclass(slots=True)
class _Loads:
    """Who has how much, counted once a transaction and kept up to date by what it writes: the count is linear in the
    open cases, and a batch of mails asks for it a hundred times."""

    open_cases: dict[str, int]
    last_assigned: dict[str, datetime]

    def moved(self, was: tuple[str, bool] | None, now: tuple[str, bool], opened_at: datetime) -> bool:
        """A case went from (owner, open?) to another. False where only a new count can tell: an owner gave one away."""
        if was is not None and was[0] not in ("", now[0]):
            return False
        for place, by in ((was, -1), (now, 1)):
            if place is not None and place[1]:
                self.open_cases[place[0]] = self.open_cases.get(place[0], 0) + by
        if was is not None and was[0] == "" != now[0]:
            self.last_assigned.pop("", None)
        self.last_assigned[now[0]] = max(opened_at, self.last_assigned.get(now[0], opened_at))
        return True


_loads: WeakKeyDictionary[Connection, _Loads] = WeakKeyDictionary()


@event.listens_for(Engine, "begin")
def _fresh(tx: Connection) -> None:
    _loads.pop(tx, None)


def count_anew(tx: Connection) -> None:
    """Some of what this transaction wrote was undone: what was counted no longer holds."""
    _loads.pop(tx, None)


def _load(tx: Connection) -> _Loads:
    found = _loads.get(tx)
    if found is None:
        counts = select(cases.c.owner, func.count()).where(cases.c.status.in_(OPEN)).group_by(cases.c.owner)
        latest = select(cases.c.owner, func.max(cases.c.opened_at)).group_by(cases.c.owner)
        found = _Loads(
            {row[0]: row[1] for row in tx.execute(counts)}, {row[0]: row[1] for row in tx.execute(latest)}
        )  # fmt: skip
        _loads[tx] = found
    return found


def open_counts(tx: Connection) -> Mapping[str, int]:
    """Owner -> open cases."""
    return _load(tx).open_cases


def last_assigned(tx: Connection) -> Mapping[str, datetime]:
    """Owner -> when a case was last given to them: what round robin needs, and it survives a restart."""
    return _load(tx).last_assigned


def opened(tx: Connection, values: Mapping[str, Any]) -> None:
    """A case was opened; `values` is its row."""
    if known := _loads.get(tx):
        known.moved(None, (values["owner"], values["status"] in OPEN), values["opened_at"])


def changed(tx: Connection, was: tuple[str, bool] | None, values: Mapping[str, Any]) -> None:
    """A case was written; `was` is (owner, open?) as it was read, None where that is not known."""
    if "owner" in values and (known := _loads.get(tx)):
        now = (values["owner"], values["status"] in OPEN)
        if was is None or not known.moved(was, now, values["opened_at"]):
            del _loads[tx]
