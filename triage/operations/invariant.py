"""The invariant, checked at the end of every run: no open case without exactly one owner and a next deadline."""

from __future__ import annotations

from triage.desk import Desk
from triage.errors import InvariantBroken
from triage.world.store import cases


def check(desk: Desk) -> None:
    """Raises InvariantBroken with the case numbers; whoever runs it must hear of this."""
    with desk.database.read() as tx:
        broken = cases.without_deadline_or_owner(tx)
    if broken:
        raise InvariantBroken(
            f"{len(broken)} open cases have no owner or no next deadline: {', '.join(broken[:10])}.",
            fix="`triage case ID` shows each; please report how it came about.",
        )
