"""What a person does to cases: each an event with who, when and why, in a transaction of its own.

A verb is a function that adds events to a draft and says in a sentence what was done. Bulk forms apply one verb to
every open case that fits; `dry_run` does all of it but the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.case import Kind
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed
from triage.judge import route
from triage.judge.route import Facts
from triage.operations import answering, cards, merging, opening
from triage.operations.casebook import Draft, put, read
from triage.operations.deed import Deed
from triage.words import Disposition, Urgency
from triage.world.reader import Reading
from triage.world.store import cases, mails, register

Verb = Callable[[Deed], str]


class _Undo(Exception):
    """Carries the result of a dry run out of its transaction, which is rolled back."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row


def act(
    desk: Desk, verb: str, ids: Sequence[str], where: Mapping[str, str], *, actor: str, at: datetime | None = None,
    dry_run: bool = False, **data: Any,
) -> list[dict[str, Any]]:  # fmt: skip
    """Apply a verb to the named cases, or to every open case that fits `where`; one result a case.

    Raises NotFound, NotAllowed or Misuse for named cases; in bulk, what is not allowed is said in the case's result.
    """
    with desk.database.read() as tx:
        wanted = [cases.find(tx, one) for one in ids] if ids else _fitting(tx, where)
    done = []
    for case_id in wanted:
        try:
            done.append(_one(desk, verb, case_id, actor, at or desk.now(), dry_run, data))
        except NotAllowed as error:
            if len(wanted) == 1 or ids:
                raise
            with desk.database.read() as tx:
                done.append({"id": cases.by_ids(tx, [case_id])[case_id]["number"], "done": False, "said": error.detail})
    return done


_COLUMNS = {
    "owner": "owner", "type": "complaint_type", "urgency": "urgency", "status": "status", "mailbox": "mailbox",
    "customer": "customer", "pool": "pool", "disposition": "disposition",
}  # fmt: skip


def _fitting(tx: Connection, where: Mapping[str, str]) -> list[int]:
    chosen: dict[str, Any] = {}
    for key, value in where.items():
        if key not in _COLUMNS:
            raise Misuse(f"--where knows no {key!r}.", fix=f"Use one of {', '.join(_COLUMNS)}.")
        try:
            chosen[_COLUMNS[key]] = int(Urgency.of(value)) if key == "urgency" else value
        except ValueError as error:
            raise Misuse(str(error)) from None
    return [row["id"] for row in cases.rows(tx, everything=False, where=chosen)]


def _one(
    desk: Desk, verb: str, case_id: int, actor: str, at: datetime, dry_run: bool, data: Mapping[str, Any]
) -> dict[str, Any]:
    try:
        with desk.database.write() as tx:
            draft = Draft(desk, tx, read(tx, case_id))
            said = VERBS[verb](Deed(desk, tx, draft, actor, at, data))
            case = draft.save()
            row = {
                "id": case.number,
                "done": not dry_run,
                "said": said,
                "status": case.status.value,
                "owner": case.owner,
            }
            if dry_run:
                raise _Undo(row)
            return row
    except _Undo as undone:
        return undone.row


# -- the verbs -------------------------------------------------------------------------------------------------------


def _assign(deed: Deed) -> str:
    roster, to = deed.desk.config.roster, deed.data["to"]
    pool = to if to in roster.pools else None
    if pool:
        facts = Facts(complaint_type=deed.draft.case.complaint_type, language=deed.draft.case.language)
        chosen = route.from_pool(roster.pools[pool], facts, roster, opening.load(deed.tx), deed.at)
    elif to in roster.people:
        chosen = to
    else:
        known = ", ".join([*roster.people, *roster.pools])
        raise Misuse(f"Nobody is called {to!r}.", fix=f"config/people.yaml has {known}.")
    deed.add(Kind.ASSIGNED, owner=chosen, pool=pool, why=deed.data["why"], rule="by hand")
    case = deed.draft.save()
    card = cards.card(deed.desk, deed.tx, case)
    owner = roster.emails((case.owner,), deed.at)
    put(deed.desk, deed.tx, notice.assignment(card, owner, case.ownership.seq, deed.data["why"]))
    return f"now with {cards.name_of(deed.desk, chosen)}"


def _accept(deed: Deed) -> str:
    deed.add(Kind.ACCEPTED, by=deed.actor)
    return f"accepted by {deed.actor}"


def _replied(deed: Deed) -> str:
    data = deed.data
    deed.add(Kind.REPLIED, by=deed.actor, channel=data["channel"], response=data["response"], note=data["note"])
    answering.kept_by_phone(deed.draft, deed.at, deed.actor)
    return f"answer by {data['channel']} noted; it counts from {cards.local(deed.at, deed.desk.zone)}"


def _hold(deed: Deed) -> str:
    deed.add(Kind.HELD, via="command", why=deed.data["why"])
    return "waits for the customer; the update clock runs on"


def _resume(deed: Deed) -> str:
    deed.add(Kind.RESUMED, why=deed.data["why"])
    return "the clocks run again"


def _details(deed: Deed) -> str:
    """What the register asks for. What was not said stays as it was."""
    known = {name: deed.data.get(name) for name in _DETAILS}
    given = {name: value for name, value in known.items() if value not in ("", None)}
    deed.add(Kind.DETAILED, **given)
    return "entered: " + ", ".join(f"{name.replace('_', '-')} {value}" for name, value in given.items())


_DETAILS = ("product", "remedy", "eligible", "follow_up")


def _close(deed: Deed) -> str:
    data = deed.data
    if any(data.get(name) for name in _DETAILS):
        _details(deed)
    deed.add(Kind.CLOSED, outcome=data["outcome"], cause=data["cause"], reason=data["reason"], why=data["why"])
    owing = [p for p in deed.draft.case.promises if p.state in ("open", "broken")]
    still = f"; still promised: {'; '.join(p.text[:80] for p in owing)} (`triage promises`)" if owing else ""
    return f"closed: {data['outcome'] or data['reason']}{still}"


def _reopen(deed: Deed) -> str:
    deed.add(Kind.REOPENED, by="person", mode=deed.data["mode"], why=deed.data["why"])
    return "open again"


def _note(deed: Deed) -> str:
    deed.add(Kind.NOTED, text=deed.data["text"])
    return "noted"


def _ack(deed: Deed) -> str:
    deed.add(Kind.ACKNOWLEDGED, how="command", why=deed.data["why"])
    return "taken note of"


def _confirm(deed: Deed) -> str:
    """A person agrees: that is a label too, with the old value as the new one."""
    case = deed.draft.case
    deed.add(Kind.REVIEWED, why=deed.data["why"] or "the guess was right")
    _label(deed, "disposition", case.disposition.value, case.disposition.value, confirmed=True)
    _label(deed, "complaint_type", case.complaint_type, case.complaint_type or "", confirmed=True)
    return "the program's guess stands"


def _correct(deed: Deed) -> str:
    """Set right what was judged; the receipt stays, routing runs again, and the correction is kept as a label."""
    data, case = deed.data, deed.draft.case
    if data["complaint_type"] and data["complaint_type"] not in deed.desk.config.complaint_types:
        known = ", ".join(deed.desk.config.complaint_types)
        raise Misuse(f"There is no complaint type {data['complaint_type']!r}.", fix=f"Known: {known}.")
    changed = []
    if data["complaint_type"] or data["secondary"] or data["disposition"]:
        deed.add(
            Kind.CLASSIFIED, disposition=_disposition(data["disposition"]), complaint_type=data["complaint_type"],
            secondary=data["secondary"], why=data["why"],
        )  # fmt: skip
        _label(deed, "complaint_type", case.complaint_type, data["complaint_type"])
        _label(deed, "disposition", case.disposition.value, data["disposition"])
        changed += [data["disposition"], data["complaint_type"], *data["secondary"]]
    if data["urgency"]:
        try:
            wanted = Urgency.of(data["urgency"])
        except ValueError as error:
            raise Misuse(str(error)) from None
        basis = "review" if case.review is not None else "person"
        deed.add(Kind.URGENCY_SET, urgency=wanted.word, basis=basis, why=data["why"])
        _label(deed, "urgency", case.urgency.word, wanted.word)
        changed.append(wanted.word)
    for flag in data["clear_flags"]:
        deed.add(Kind.FLAG_CLEARED, name=flag, why=data["why"])
        _label(deed, "flag", flag, f"not {flag}")
        changed.append(f"not {flag}")
    if case.review is not None:
        deed.add(Kind.REVIEWED, why=data["why"])
    routed = _route_again(deed)
    return f"now {', '.join(part for part in changed if part)}" + (f"; goes to {routed}" if routed else "")


def _disposition(text: str) -> str:
    if text and text not in {d.value for d in Disposition}:
        raise Misuse(f"There is no disposition {text!r}.", fix=f"Known: {', '.join(d.value for d in Disposition)}.")
    return text


def _label(deed: Deed, field: str, old: str | None, new: str, *, confirmed: bool = False) -> None:
    if not new or (new == old and not confirmed):
        return
    mail = next((m for m in mails.of_case(deed.tx, deed.draft.case.id) if m["direction"] == "in"), None)
    if mail is not None:
        register.note_correction(
            deed.tx,
            {"mail_id": mail["id"], "case_id": deed.draft.case.id, "field": field, "old": old, "new": new,
             "actor": deed.actor, "at": deed.at, "source": deed.data.get("source", "cli"), "reason": deed.data["why"]},
        )  # fmt: skip


def _route_again(deed: Deed) -> str:
    """A corrected case goes to whom the rules now name, unless somebody has accepted it."""
    case, desk = deed.draft.case, deed.desk
    if case.ownership.accepted_at is not None or not case.is_open:
        return ""
    first = next((m for m in mails.of_case(deed.tx, case.id) if m["direction"] == "in"), None)
    facts = Facts(
        complaint_type=case.complaint_type, secondary=case.secondary, disposition=case.disposition, urgency=case.urgency,
        flags=frozenset(f.name for f in case.flags), language=case.language, customer=case.customer, confidence=1.0,
        named_staff=_named(deed, first), previous_owner=case.owner if case.complaint_type == "handling" else None,
    )  # fmt: skip
    routed = route.decide(desk.config.ruleset, facts, desk.config.roster, opening.load(deed.tx), deed.at)
    if routed.owner == case.owner or (routed.pool is not None and routed.pool == case.pool):
        return ""
    deed.add(
        Kind.ASSIGNED, owner=routed.owner, pool=routed.pool, why="routed again after a correction", rule=routed.rule
    )
    now = deed.draft.save()
    card = cards.card(desk, deed.tx, now)
    owner = desk.config.roster.emails((now.owner,), deed.at)
    put(desk, deed.tx, notice.assignment(card, owner, now.ownership.seq))
    return cards.name_of(desk, routed.owner)


def _named(deed: Deed, mail: Mapping[str, Any] | None) -> frozenset[str]:
    """The colleagues whom the customer's own words name: a case never goes to them."""
    if mail is None:
        return frozenset()
    raw = deed.desk.raw.read(deed.tx, [mail["sha256"]])[mail["sha256"]]
    found = deed.desk.reader.read([(0, raw)])[0][1]
    if not isinstance(found, Reading):
        return frozenset()
    text = f"{found.message.subject}\n{found.body.new_text}"
    return route.named_staff(text, deed.desk.config.roster)


VERBS: dict[str, Verb] = {
    "assign": _assign, "accept": _accept, "replied": _replied, "hold": _hold, "resume": _resume, "close": _close,
    "details": _details, "reopen": _reopen, "note": _note, "ack": _ack, "confirm": _confirm, "correct": _correct,
    "merge": merging.merge, "split": merging.split,
}  # fmt: skip
