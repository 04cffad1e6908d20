"""Two cases joined, and one case split: everything a mail brought to a case goes where the mail goes.

A merge carries the duplicate's mails with the facts they state, our promises with the steps taken for them, chases,
flags, limits of law and urgency; history only raises. A split is the way back, also for a wrong merge: the mails named,
and our answers that went to nobody but the people who leave, take all of that along, so that no trace of one customer
stays on the case of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.casework.history import Contact, Promise
from triage.desk import Desk
from triage.errors import NotAllowed
from triage.operations import cards, customers, opening, replies
from triage.operations.casebook import Draft, put, read, reserve
from triage.operations.deed import Deed
from triage.words import Disposition, Urgency
from triage.world.reader import Reading
from triage.world.store import cases, mails

Row = Mapping[str, Any]

_KEPT_KEYS = ("order", replies.STATED)


def merge(deed: Deed) -> str:
    """Join this case, the duplicate, into another one, which keeps the earlier receipt."""
    into = cases.find(deed.tx, deed.data["into"])
    twin = deed.draft.case
    if into == twin.id:
        raise NotAllowed("A case cannot be merged into itself.")
    target = Draft(deed.desk, deed.tx, read(deed.tx, into))
    first = target.case.promised + 1
    target.add(
        Kind.ABSORBED, deed.at,
        {"case_id": twin.id, "received_at": twin.received_at.isoformat(), "contacts": [_told(c) for c in twin.contacts],
         "promises": [_brought(twin, p, str(first + n)) for n, p in enumerate(twin.promises)],
         "chases": [{"at": c.at.isoformat(), "mail_id": c.mail_id, "evidence": list(c.evidence)} for c in twin.chases],
         "participants": sorted(twin.participants), "restrict_text": twin.restrict_text, "why": deed.data["why"]},
        actor=deed.actor,
    )  # fmt: skip
    _raised(deed, target, twin)
    deed.add(Kind.MERGED_INTO, case_id=into, why=deed.data["why"])
    case = target.save()
    mails.move_to_case(deed.tx, twin.id, into)
    for kind in _KEPT_KEYS:
        cases.add_keys(deed.tx, into, [(kind, value) for value in cases.keys_of(deed.tx, [twin.id], kind)[twin.id]])
    brought = f", with {len(twin.promises)} of our promises" if twin.promises else ""
    _tell_owner(deed, case, f"{twin.number} was merged into this case{brought}")
    return f"merged into {case.number}{brought}"


def _raised(deed: Deed, target: Draft, twin: Case) -> None:
    """What the duplicate knew of danger, law and haste holds for the case that stays: history only raises."""
    held = {flag.name for flag in target.case.flags}
    for flag in twin.flags:
        if flag.name not in held:
            data = {"name": flag.name, "evidence": list(flag.evidence), "rule": flag.rule, "live": flag.live}
            target.add(Kind.FLAGGED, deed.at, {"flags": [data]}, actor=deed.actor, mail_id=flag.mail_id)
    limits = {limit.name for limit in target.case.statutory}
    for limit in twin.statutory:
        if limit.name not in limits:
            due = {"due": limit.due.isoformat()} if limit.due else {}
            data = {"name": limit.name, "why": f"from {twin.number}", **due}
            target.add(Kind.STATUTORY_SET, limit.start or twin.received_at, data, actor=deed.actor)
            if limit.met_at is not None:
                target.add(Kind.STATUTORY_MET, limit.met_at, {"name": limit.name}, actor=deed.actor)
    if twin.urgency > target.case.urgency:
        data = {"urgency": twin.urgency.word, "basis": "history", "why": f"{twin.number} was {twin.urgency.word}"}
        target.add(Kind.URGENCY_SET, deed.at, data, actor=deed.actor)


def _told(contact: Contact) -> dict[str, Any]:
    return {
        "at": contact.at.isoformat(), "direction": "in" if contact.inbound else "out", "mail_id": contact.mail_id,
        "owed": contact.owed, "response": contact.response, "by": contact.by, "channel": contact.channel,
        "facts": _facts(contact),
    }  # fmt: skip


def _facts(contact: Contact) -> list[dict[str, str]]:
    return [{"kind": f.kind, "value": f.value, "quote": f.quote} for f in contact.facts]


def _brought(twin: Case, promise: Promise, name: str) -> dict[str, Any]:
    """A promise of the duplicate under its new name; what was escalated for it is not escalated again."""
    taken = [
        {"label": step.key.rpartition("/")[2], "step": step.step, "at": step.at.isoformat(),
         "delivered_at": step.delivered_at.isoformat(), "skipped": step.skipped, "acknowledged_at": _iso(step.acknowledged_at),
         "by": step.acknowledged_by}
        for step in twin.taken if step.target == "promise" and step.cycle == promise.seq
    ]  # fmt: skip
    return {
        "promise": name, "text": promise.text, "type": promise.type, "made_at": promise.made_at.isoformat(),
        "due": promise.due.isoformat(), "assumed": promise.assumed, "by": promise.by, "state": promise.state,
        "settled_at": _iso(promise.settled_at), "mail_id": promise.mail_id, "taken": taken,
    }  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _tell_owner(deed: Deed, case: Case, what: str) -> None:
    """Whoever did not do it themselves hears of it: they answer for what it brought."""
    if deed.actor != case.owner:
        owner = deed.desk.config.roster.emails((case.owner,), deed.desk.now())
        put(deed.desk, deed.tx, notice.news(cards.card(deed.desk, deed.tx, case), owner, case.last_seq, what))


# -- one becomes two ---------------------------------------------------------------------------------------------------


def split(deed: Deed) -> str:
    """Give mails of a case a case of their own: same owner, its clock from the first of those mails, with the answers,
    facts and promises that belong to them."""
    case = deed.draft.case
    stored = {m["id"]: m for m in mails.of_case(deed.tx, case.id)}
    wanted = _wanted(deed, case, stored)
    spoken = {c.mail_id: c for c in case.contacts if c.mail_id is not None}
    begins = [c for c in case.contacts if c.inbound and c.mail_id in wanted]
    stays = {c.mail_id for c in case.contacts if c.inbound and c.mail_id not in wanted}
    if not begins:
        raise NotAllowed("A case begins with a mail of the customer, and none of these is one.")
    if not stays:
        raise NotAllowed("A case keeps at least one of the customer's mails.")
    readings = _readings(deed, stored)
    people = {i: _people(deed.desk, m, readings.get(i)) for i, m in stored.items() if m["direction"] == "in"}
    coming = {address for i, some in people.items() if i in wanted for address in some}
    leaving = coming - {a for i, some in people.items() if i not in wanted for a in some} - {case.customer}
    wanted |= _answers_to(deed.tx, case, leaving) & set(stored)
    promises = [p for p in case.promises if p.mail_id in wanted]
    fresh = _opened(deed, case, [stored[i] for i in sorted(wanted)], stored[begins[0].mail_id or 0], sorted(coming))
    for mail_id in sorted(wanted - {begins[0].mail_id}, key=lambda m: _at(stored[m])):
        _retold(deed, fresh, stored[mail_id], spoken.get(mail_id))
    for mail_id in sorted(people.keys() & readings.keys() & wanted):
        customers.remember(fresh, readings[mail_id].body, _at(stored[mail_id]), mail_id)
    for number, promise in enumerate(promises, start=1):
        _repromised(fresh, promise, str(number))
    new = fresh.save()
    deed.add(
        Kind.SPLIT_OFF, mail_ids=sorted(wanted), case_id=new.id, participants=sorted(leaving), why=deed.data["why"]
    )
    _flags_of(deed.draft, [m for i, m in stored.items() if i not in wanted])
    mails.reassign(deed.tx, sorted(wanted), new.id)
    cases.drop_keys(deed.tx, case.id, {("address", address) for address in leaving})
    outbound = {i for i, m in stored.items() if m["direction"] == "out"}
    _keys_apart(deed, (case.id, *case.absorbed), new.id, readings, wanted, outbound)
    _tell_owner(deed, new, f"it was split from {case.number}")
    return f"{len(wanted)} mails went to {new.number}"


def _wanted(deed: Deed, case: Case, stored: Mapping[int, Row]) -> set[int]:
    """The mails asked for: by number, or all that a merged case brought."""
    wanted = set(deed.data.get("mail_ids") or ())
    unknown = sorted(wanted - set(stored))
    if unknown:
        known = ", ".join(map(str, stored))
        raise NotAllowed(f"Mail {unknown[0]} is not on case {case.number}; it has {known}.")
    if deed.data.get("merged"):
        twin = cases.find(deed.tx, deed.data["merged"])
        brought = [e["data"] for e in cases.events(deed.tx, [case.id])[case.id] if e["kind"] == Kind.ABSORBED.value]
        told = next((data for data in reversed(brought) if data["case_id"] == twin), None)
        if told is None:
            raise NotAllowed(f"{deed.data['merged']} was not merged into {case.number}.")
        filed = [e["mail_id"] for e in cases.events(deed.tx, [twin])[twin] if e["mail_id"] is not None]
        wanted |= {*filed, *(c.get("mail_id") for c in told["contacts"])} & set(stored)
    return wanted


def _readings(deed: Deed, stored: Mapping[int, Row]) -> dict[int, Reading]:
    """The mails read again; what cannot be read, or was forgotten, is left out."""
    raw = deed.desk.raw.read(deed.tx, [m["sha256"] for m in stored.values()])
    found = deed.desk.reader.read([(i, raw[m["sha256"]]) for i, m in stored.items() if raw[m["sha256"]]])
    return {i: reading for i, reading in found if isinstance(reading, Reading)}


def _people(desk: Desk, row: Row, reading: Reading | None) -> set[str]:
    """The customer's side of one of their mails: whose it is, and whom they copied in."""
    mine = row["customer"] or row["from_email"]
    copied = opening.copied_in(desk, reading.message) if reading else ()
    return {address for address in (mine, *copied) if address}


def _answers_to(tx: Connection, case: Case, leaving: set[str]) -> set[int]:
    """Our mails on the case that went to those people and to nobody else of the customer's side."""
    stays = (case.participants | {case.customer}) - leaving
    found = set()
    for events in cases.events(tx, [case.id, *case.absorbed]).values():
        for event in events:
            to = set(event["data"].get("to") or ()) if event["kind"] == Kind.REPLIED.value else set()
            if event["mail_id"] is not None and to & leaving and not to & stays:
                found.add(int(event["mail_id"]))
    return found


def _at(row: Row) -> datetime:
    at: datetime = row["effective_at"] or row["received_at"]
    return at


def _opened(deed: Deed, case: Case, moved: Sequence[Row], first: Row, people: Sequence[str]) -> Draft:
    """The new case from its first mail, as urgent as its mails were judged."""
    verdict, at = first["verdict"] or {}, _at(first)
    inbound = [m for m in moved if m["direction"] == "in"]
    judged = [Urgency.of(word) for m in inbound if (word := (m["verdict"] or {}).get("urgency"))]
    number = opening.next_number(deed.desk, deed.tx)
    fresh = Draft(deed.desk, deed.tx)
    fresh.add(
        Kind.OPENED, at,
        {"case_id": reserve(deed.desk, deed.tx, first["mailbox"], number, at), "number": number,
         "disposition": Disposition.COMPLAINT.value, "complaint_type": verdict.get("complaint_type") or case.complaint_type,
         "urgency": max(judged, default=case.urgency).word, "flags": verdict.get("flags") or [],
         "customer": first["customer"] or case.customer, "customer_name": first["from_name"] or "",
         "participants": list(people), "subject": first["subject"] or "",
         "language": verdict.get("language") or case.language, "owner": case.owner, "pool": case.pool,
         "policy": case.policy, "restrict_text": case.restrict_text, "split_from": case.id,
         "why": deed.data["why"] or f"split from {case.number}"},
        actor=deed.actor, mail_id=first["id"],
    )  # fmt: skip
    _flags_of(fresh, inbound)
    return fresh


def _flags_of(draft: Draft, rows: Iterable[Row]) -> None:
    """The flags these mails were judged to show, where the case does not hold them (any more)."""
    for row in rows:
        held = {flag.name for flag in draft.case.flags}
        new = [flag for flag in (row["verdict"] or {}).get("flags") or [] if flag["name"] not in held]
        if new and row["direction"] == "in":
            draft.add(Kind.FLAGGED, _at(row), {"flags": new}, mail_id=row["id"])


def _retold(deed: Deed, fresh: Draft, row: Row, spoken: Contact | None) -> None:
    """What a mail was on the old case, it is on the new one."""
    add: Callable[..., object] = fresh.add
    why = {"why": "came with the split"}
    if spoken is None:
        data = {"disposition": row["disposition"] or Disposition.INTERNAL.value, **why}
        add(Kind.MAIL_FILED, _at(row), data, actor=deed.actor, mail_id=row["id"])
    elif spoken.inbound:
        kind = Kind.CUSTOMER_WROTE if spoken.owed else Kind.CUSTOMER_THANKED
        add(kind, spoken.at, {"sender": row["from_email"] or "", **why}, actor=deed.actor, mail_id=row["id"])
    else:
        data = {
            "by": spoken.by, "channel": spoken.channel, "response": spoken.response, "facts": _facts(spoken),
            "note": why["why"],
        }  # fmt: skip
        add(Kind.REPLIED, spoken.at, data, actor=deed.actor, mail_id=row["id"])


def _repromised(fresh: Draft, promise: Promise, name: str) -> None:
    """A promise with what became of it."""
    data = {"promise": name, "text": promise.text, "due": promise.due.isoformat(), "type": promise.type,
            "assumed": promise.assumed, "by": promise.by}  # fmt: skip
    fresh.add(Kind.PROMISED, promise.made_at, data, mail_id=promise.mail_id)
    if promise.settled_at is None:
        return
    at = promise.settled_at
    if promise.state in ("kept", "renegotiated", "done_unverified"):
        at = min(at, promise.due)  # confirmed later, but it was in time
    elif promise.state in ("broken", "done_late"):
        at = max(at, promise.due)
    fresh.add(Kind.PROMISE_SETTLED, at, {"promise": name, "state": promise.state, "why": "came with the split"})


# -- by what later mail finds the case -------------------------------------------------------------------------------


def _keys_apart(
    deed: Deed, old: Sequence[int], new: int, readings: Mapping[int, Reading], moved: set[int], outbound: set[int]
) -> None:  # fmt: skip
    """Numbers and addresses go with the mails that name them; what both name, both keep."""
    gone: set[tuple[str, str]] = set()
    kept: set[tuple[str, str]] = set()
    for mail_id, reading in readings.items():
        (gone if mail_id in moved else kept).update(_keys(deed.desk, reading, outbound=mail_id in outbound))
    cases.add_keys(deed.tx, new, gone)
    for one in old:
        cases.drop_keys(deed.tx, one, gone - kept)


def _keys(desk: Desk, reading: Reading, *, outbound: bool) -> set[tuple[str, str]]:
    message, body = reading.message, reading.body
    if outbound:
        return {("order", number) for number in replies.numbers_in(message, body)}
    stated = {(replies.STATED, address) for address in replies.stated(desk, body)}
    return stated | {("order", number) for number in opening.numbers_in(message, body)}
