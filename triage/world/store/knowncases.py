"""What a batch of mails knows of cases: what it wrote itself, and what it looked up for all its mails at once."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from triage.world.schema import cases
from triage.world.store.loads import OPEN

Row = dict[str, Any]
_BLANK = dict.fromkeys(cases.c.keys())


@dataclass(slots=True)
class Known:
    """`rows` and `events` are whole, of the cases that the batch opened or locked: nobody else can change them. What was
    looked up is kept up to date by what the batch writes; a case that it writes without its lock makes it forget."""

    rows: dict[int, Row] = field(default_factory=dict)
    events: dict[int, list[Row]] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)  # opened by the batch
    keys: dict[tuple[str, str], list[int]] = field(default_factory=dict)  # (kind, value) -> cases in order
    of_cases: dict[tuple[int, str], set[str]] = field(default_factory=dict)  # (case, kind) -> values, where looked up
    customers: dict[str, dict[int, Row]] = field(default_factory=dict)  # address -> cases: the open ones, and our own

    def opened(self, case_id: int, values: Mapping[str, Any]) -> None:
        self.rows[case_id] = {**_BLANK, **values, "id": case_id}
        self.events[case_id] = []
        self.new.add(case_id)

    def saved(self, case_id: int, seen: int, values: Mapping[str, Any], moved: Callable[[], Exception]) -> bool:
        """The row is to be written. True where it says just that already; raises what `moved` makes where it is not as
        the writer saw it."""
        row = self.rows.get(case_id)
        if row is None:
            self.customers.clear()
            return False
        if row["version"] != seen:
            raise moved()
        if row.items() >= values.items():
            return True
        if values.get("customer", row["customer"]) != row["customer"]:
            self.customers.pop(row["customer"], None)  # whoever had it is looked up anew
        row.update(values)
        if row["customer"] in self.customers:
            self.customers[row["customer"]][case_id] = row
        return False

    def told(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Events were added. False where one is of a case whose events are not known."""
        for row in rows:
            if row["case_id"] in self.events:
                self.events[row["case_id"]].append(dict(row))
        return all(row["case_id"] in self.events for row in rows)

    def keyed(self, keys: Iterable[tuple[int, str, str]]) -> None:
        """Keys were added: (case id, kind, value)."""
        for case_id, kind, value in keys:
            held = self.keys.get((kind, value))
            if held is not None and case_id not in held:
                insort(held, case_id)
            if (case_id, kind) in self.of_cases:
                self.of_cases[case_id, kind].add(value)

    def owner_of(self, customer: str) -> str | None:
        """Who has the open case of a customer who was looked up; of several the last of the queue, as `cases` says."""
        mine = [row for row in self.customers[customer].values() if row["status"] in OPEN]
        return str(min(mine, key=_last_in_queue)["owner"]) if mine else None


def _last_in_queue(row: Row) -> tuple[int, bool, float, int]:
    due = row["next_due_at"]
    return row["urgency"], due is not None, -due.timestamp() if due else 0.0, -row["id"]
