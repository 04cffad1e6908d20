"""The ledger of what we promised: list it, and settle by hand what no mail can prove."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from triage.casework.case import Case, Kind
from triage.casework.history import Promise
from triage.desk import Desk
from triage.errors import Misuse, NotFound
from triage.operations import answering, cards
from triage.operations.casebook import Draft, read, replay
from triage.world.store import cases

RECENT = timedelta(days=180)
VERBS = ("keep", "dismiss", "renegotiate")


def listing(desk: Desk, *, everything: bool = False, case: str | None = None) -> list[dict[str, Any]]:
    """The promises that are open or broken, what is due first at the top, also those of cases closed in the last half
    year; `everything`: all there are. Raises NotFound for a case that is not there.
    """
    with desk.database.read() as tx:
        if case:
            wanted = [cases.find(tx, case)]
        else:
            wanted = [row["id"] for row in cases.rows(tx, everything=everything)]
            wanted += sorted(set(cases.with_promises(tx, desk.now() - RECENT)) - set(wanted))
        events = cases.events(tx, wanted)
    found = []
    for told in (replay(events[one]) for one in wanted if events[one]):
        for promise in () if told.merged_into is not None else told.promises:  # they went to the case that stays
            state = _state(promise, desk.now())
            if everything or case or state in ("open", "broken", "done_unverified"):
                found.append(_row(told, promise, state))
    return sorted(found, key=lambda row: (row["due"], row["id"]))


def _state(promise: Promise, now: datetime) -> str:
    """A promise past its due is broken, also before a sweep has written that down."""
    return "broken" if promise.state == "open" and promise.broken(now) else promise.state


def _row(case: Case, promise: Promise, state: str) -> dict[str, Any]:
    return {
        "id": f"{case.number}/{promise.name}", "case": case.number, "state": state, "type": promise.type,
        "due": promise.due.isoformat().replace("+00:00", "Z"), "assumed": promise.assumed, "by": promise.by,
        "text": promise.text, "made_at": promise.made_at.isoformat().replace("+00:00", "Z"), "owner": case.owner,
    }  # fmt: skip


def settle(
    desk: Desk, wanted: str, verb: str, *, actor: str, at: datetime | None = None, to: datetime | None = None, why: str = ""
) -> dict[str, Any]:  # fmt: skip
    """Settle a promise by hand: kept (late where it was late), dismissed as no promise, or put off to a new date.

    `at` is when it was done, now if not given; `to` the new date. Raises NotFound, NotAllowed, Misuse.
    """
    number, sign, name = wanted.rpartition("/")
    if not sign or verb not in VERBS:
        raise Misuse(f"{wanted!r} is no promise.", fix="Write it as `triage promises` does: C-2026-000123/1.")
    if verb == "renegotiate" and to is None:
        raise Misuse("A renegotiated promise needs its new date.", fix="Add --to 2026-11-27T17:30:00Z.")
    moment = at or desk.now()
    with desk.database.write() as tx:
        draft = Draft(desk, tx, read(tx, cases.find(tx, number)))
        old = next((p for p in draft.case.promises if p.name == name), None)
        if old is None:
            raise NotFound(f"Case {number} has no promise {name!r}.", fix="`triage promises --all` lists them.")
        state = {"keep": "kept", "dismiss": "dismissed", "renegotiate": "renegotiated"}[verb]
        draft.add(Kind.PROMISE_SETTLED, moment, {"promise": name, "state": state, "why": why}, actor=actor)
        said = f"now {next(p for p in draft.case.promises if p.name == name).state.replace('_', ' ')}"
        if verb == "renegotiate" and to is not None:
            new = answering.promised(draft, old.text, old.type, to, moment, actor)
            said = f"put off to {cards.local(to, desk.zone)} as {number}/{new}"
        case = draft.save()
    return {"id": f"{case.number}/{name}", "done": True, "said": said}
