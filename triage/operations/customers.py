"""Who writes to us: the customer's card gathered from the register, and the same failure met again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import customer
from triage.casework.card import local
from triage.casework.case import Case, Kind
from triage.casework.customer import Customer
from triage.desk import Desk
from triage.errors import NotFound
from triage.mail.body import Body
from triage.operations import holes
from triage.operations.casebook import Draft, replay
from triage.words import Status, Urgency
from triage.world.store import cases

WISH = "Contact wish: "  # how a note about it begins
MOST = 40  # cases of one customer that a card looks at, the newest


def _cases_of(tx: Connection, address: str, without: int | None = None) -> tuple[list[Case], list[str]]:
    """The cases an address takes part in, but for the one `without`, and the contact wishes noted on all of them."""
    ids = [one for found in cases.with_key(tx, "address", [key_of(address)]).values() for one in found][-MOST:]
    events = cases.events(tx, ids)
    return _readable(ids, events, lambda one: replay(events[one]), without)


def _readable(
    ids: Sequence[int], events: Mapping[int, Sequence[Mapping[str, Any]]], case: Callable[[int], Case], without: int | None
) -> tuple[list[Case], list[str]]:  # fmt: skip
    """The cases, but for the one `without`, and the wishes noted on all of them. One that cannot be read is left out: it
    must not keep a mail of this customer, nor another case of theirs, from its way."""
    found: list[Case] = []
    wishes: list[str] = []
    for one in ids:
        with holes.noted(one, "read"):
            wishes += _wishes(events[one])
            if events[one] and one != without:
                found.append(case(one))
    return found, wishes


def _wishes(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """The wishes noted on a case, but for those of mails that a split has taken away."""
    gone = {m for row in events if row["kind"] == Kind.SPLIT_OFF.value for m in row["data"]["mail_ids"]}
    noted = [row for row in events if row["kind"] == Kind.NOTED.value and row["mail_id"] not in gone]
    texts = [str(row["data"].get("text", "")) for row in noted]
    return [text.removeprefix(WISH).strip('"') for text in texts if text.startswith(WISH)]


def of(tx: Connection, address: str, *, without: int | None = None) -> Customer:
    """The card of whoever writes from this address; `without` leaves out the case that is being shown."""
    found, wishes = _cases_of(tx, address, without)
    return customer.card(found, wishes)


def look_up(desk: Desk, address: str) -> dict[str, Any]:
    """The stable form of `triage customer ADDRESS --json`. Raises NotFound."""
    with desk.database.read() as tx:
        found, wishes = _cases_of(tx, address)
    if not found:
        raise NotFound(f"No case knows the address {address!r}.", fix="`triage cases --all` lists the customers.")
    return asdict(customer.card(found, wishes))


def remember(draft: Draft, words: Body, at: datetime, mail_id: int) -> None:
    """Note the contact wishes of a mail that came at `at`, each once a case."""
    for wish in customer.wishes(words.new_text, words.language):
        draft.add(Kind.NOTED, at, {"text": f'{WISH}"{wish}"'}, mail_id=mail_id)


def repeat(tx: Connection, draft: Draft, mail_id: int) -> None:
    """The same customer with the same type within 90 days: a repeat failure, urgent where the earlier case was closed."""
    case = draft.case
    others, _ = _cases_of(tx, case.customer) if "@" in case.customer else ([], [])
    earlier = customer.repeated(case, others)
    if earlier is None:
        return
    at, why = case.received_at, f"the same customer and type as {earlier.number}"
    flag = {"name": "repeat_failure", "evidence": [], "rule": why}
    if not any(held.name == "repeat_failure" for held in case.flags):
        draft.add(Kind.FLAGGED, at, {"flags": [flag]}, mail_id=mail_id)
    if earlier.status is Status.CLOSED and case.urgency < Urgency.URGENT:
        data = {"urgency": "urgent", "basis": "history", "why": f"repeat failure: {why}, which was closed"}
        draft.add(Kind.URGENCY_SET, at, data, mail_id=mail_id)


def text(found: dict[str, Any], zone: str) -> str:
    """The card for people."""
    lines = [f"Addresses   {', '.join(found['addresses'])}", f"Names       {', '.join(found['names']) or '-'}",
             f"Languages   {', '.join(found['languages']) or '-'}"]  # fmt: skip
    lines += [f'Wish        "{wish}"' for wish in found["wishes"]]
    lines.append(f"Promises    {found['kept']} kept, {found['broken']} broken, {len(found['open_promises'])} open")
    lines += [f'            open: "{words}"' for words in found["open_promises"]]
    if found["refunds"]:
        lines.append(f"Money       {', '.join(found['refunds'])}")
    lines += ["", "Cases"]
    for one in found["cases"]:
        outcome = f", {one['outcome']}" if one["outcome"] else ""
        what = f"{one['label']}, {one['urgency']}, {one['status']}{outcome}"
        lines.append(f"  {one['number']}  {local(one['received_at'], zone)}  {what}")
    return "\n".join(lines)


def key_of(address: str) -> str:
    """An address as cases are found by it."""
    return address.strip().lower()[:320]


def among(
    ids: Sequence[int], events: Mapping[int, Sequence[Mapping[str, Any]]], case: Callable[[int], Case], *, without: int
) -> Customer:  # fmt: skip
    """`of`, for a caller who has read the events of many customers' cases together; `ids` are those of one customer."""
    return customer.card(*_readable(ids, events, case, without))
