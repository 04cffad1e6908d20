"""The cases of one transaction: read together in a few statements, changed in memory, written together.

A sweep of many cases would else spend most of its time on single statements. Whoever uses a batch holds the rows of its
cases (`cases.due` locks them), so that what was read stays true until it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from triage.casework.card import Card
from triage.casework.case import Case
from triage.casework.deadline import Deadline
from triage.casework.notice import Notice
from triage.desk import Desk
from triage.operations import cards, customers
from triage.operations.casebook import Changes, Draft, entries, replay, write
from triage.world.store import cases, mails, outbox


class Batch:
    """Several cases in one transaction. Nothing is written before `write`, and nothing of a case that was not kept."""

    def __init__(self, desk: Desk, tx: Connection, case_ids: Iterable[int], now: datetime) -> None:
        self._desk, self._tx, self._now = desk, tx, now
        self._rows = cases.by_ids(tx, case_ids)
        self._events = cases.events(tx, self._rows)
        self._places = mails.first_of_cases(tx, self._rows)
        self._cases: dict[int, Case] = {}
        self._people: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        self._owners: dict[str, tuple[str, ...]] = {}
        self._changed: list[Changes] = []
        self._letters: list[dict[str, Any]] = []

    def case(self, case_id: int) -> Case:
        """The case with what was kept of it so far."""
        if case_id not in self._cases:
            self._cases[case_id] = replay(self._events[case_id])
        return self._cases[case_id]

    def draft(self, case_id: int) -> Draft:
        """The case, to be changed and kept."""
        return Draft(self._desk, self._tx, self.case(case_id))

    def people(self, case: Case, roles: Sequence[str]) -> tuple[str, ...]:
        """The addresses behind the roles of a step: most cases of a batch ask for the same few."""
        asked = (tuple(roles), case.owner)
        if asked not in self._people:
            self._people[asked] = cards.people(self._desk, case, roles, self._now)
        return self._people[asked]

    def owner(self, case: Case) -> tuple[str, ...]:
        """Where a notice for the owner of the case goes."""
        if case.owner not in self._owners:
            self._owners[case.owner] = self._desk.config.roster.emails((case.owner,), self._now)
        return self._owners[case.owner]

    def mailbox(self, case: Case) -> str:
        """The mailbox the case came to."""
        return str(self._rows[case.id]["mailbox"])

    def card(self, case: Case, found: Sequence[Deadline]) -> Card:
        """`cards.card` of the case, whose deadlines these are."""
        mailbox, folder, message_id = self._places.get(case.id, ("", "", ""))
        place = (mailbox or self.mailbox(case), folder or "INBOX", message_id)
        return cards.filled(self._desk, self._tx, case, found, place, self._history(case))

    def _history(self, case: Case) -> tuple[str, ...]:
        """The lines about the customer; other cases of theirs that cannot be read are left out."""
        if "@" not in case.customer:
            return ()
        ids = self._of_customer.get(customers.key_of(case.customer), [])
        return customers.among(ids, self._events, self.case, without=case.id).lines()

    @cached_property
    def _of_customer(self) -> dict[str, list[int]]:
        """Address -> the cases of each customer of the batch, newest last; their events are read too."""
        addresses = {customers.key_of(row["customer"]) for row in self._rows.values() if "@" in row["customer"]}
        found = {
            address: ids[-customers.MOST :] for address, ids in cases.with_key(self._tx, "address", addresses).items()
        }
        unread = {one for ids in found.values() for one in ids} - self._events.keys()
        self._events |= cases.events(self._tx, sorted(unread))
        return found

    def keep(self, draft: Draft, told: Iterable[tuple[Notice, datetime, bool]]) -> None:
        """The draft and its notices, each with the moment before which it stays and whether it waits for the end of the
        sweep, belong to what will be written."""
        changes = draft.changes()
        row = {**self._rows[changes.case_id], **changes.values}
        letters = [
            entry
            for notice, not_before, batched in told
            for entry in entries(self._desk, notice, row, self._now, not_before=not_before, batched=batched)
        ]
        self._rows[changes.case_id], self._cases[changes.case_id] = row, draft.case
        self._changed.append(changes)
        self._letters += letters

    def write(self) -> None:
        """Write all that was kept. Raises CaseMoved."""
        write(self._tx, self._changed)
        outbox.put_all(self._tx, self._letters)
