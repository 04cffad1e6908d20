"""One thing that one person does to one case, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework.case import Kind
from triage.desk import Desk
from triage.operations.casebook import Draft


class Deed:
    """One verb on one case: the draft it adds events to, who does it, when it was true, and what else was said."""

    def __init__(
        self, desk: Desk, tx: Connection, draft: Draft, actor: str, at: datetime, data: Mapping[str, Any]
    ) -> None:
        self.desk, self.tx, self.draft, self.actor, self.at, self.data = desk, tx, draft, actor, at, data

    def add(self, kind: Kind, **data: Any) -> None:
        """Add an event of this person, now; empty values are left out."""
        kept = {name: value for name, value in data.items() if value not in ("", None, [])}
        self.draft.add(kind, self.at, kept, actor=self.actor)
