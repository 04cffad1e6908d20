"""Taking note in the mail client: a keyword on a mail of the case acknowledges its escalation.

Looked for only where a case of that mailbox waits to be acknowledged. In a mailbox that may be changed the keyword is
taken off when it was understood, so that it can be set again for the next step; in a read-only one a mail does it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from triage.casework.case import Kind
from triage.desk import Desk, Mailbox
from triage.errors import TriageError
from triage.mail import message
from triage.operations.casebook import Draft, read, replay
from triage.world.inbox import Inbox
from triage.world.store import cases, mails

AT_ONCE = 200  # mails with the keyword that are looked at in one folder and run


@dataclass(slots=True)
class Acknowledged:
    """How many cases were taken note of."""

    done: int = 0
    errors: list[str] = field(default_factory=list)


def acknowledge(desk: Desk, mailbox: Mailbox) -> Acknowledged:
    """Take note of the escalations whose mails carry the keyword. Never raises for what the server does."""
    found, keyword = Acknowledged(), mailbox.part.acknowledge_keyword
    waiting = _waiting(desk, mailbox) if keyword else set()
    if not keyword or not waiting:
        return found
    try:
        with desk.inbox(mailbox) as box:
            for name in _folders(mailbox, box):
                _folder(desk, box, mailbox, name, keyword, waiting, found)
    except TriageError as error:
        found.errors.append(str(error))
    return found


def _waiting(desk: Desk, mailbox: Mailbox) -> set[int]:
    """The open cases of the mailbox with a step that nobody has taken note of."""
    with desk.database.read() as tx:
        events = cases.events(tx, cases.climbed(tx, mailbox.name))
    now = desk.now()
    return {case_id for case_id, told in events.items() if told and replay(told).waits_for_note(now)}


def _folders(mailbox: Mailbox, box: Inbox) -> Iterable[str]:
    """Where a colleague meets the mails of a case: the folders that are read, and where handled mail goes."""
    found = [spec.name for spec in mailbox.read_folders if spec.role == "intake"]
    if mailbox.mode == "dedicated" and mailbox.processed in box.folders():
        found.append(mailbox.processed)
    return found


def _folder(
    desk: Desk, box: Inbox, mailbox: Mailbox, name: str, keyword: str, waiting: set[int], found: Acknowledged
) -> None:  # fmt: skip
    changeable = mailbox.mode != "read_only"
    box.select(name, read_only=not changeable)
    understood = []
    for uid in box.marked(keyword)[-AT_ONCE:]:
        header = box.fetch_header(uid)
        message_id = message.parse(header).message_id if header else ""
        if message_id and _note(desk, message_id, waiting, once=not changeable):
            found.done += 1
            understood.append(uid)
    if understood and changeable:
        box.unmark(understood, keyword)


def _note(desk: Desk, message_id: str, waiting: set[int], *, once: bool) -> bool:
    """Acknowledge the case of that mail; False where nothing waits there, or the mail has done it before."""
    with desk.database.write() as tx:
        stored = mails.ids_by_message_id(tx, [message_id])
        on = set(mails.case_of_message_ids(tx, [message_id]).get(message_id, ())) & waiting
        if len(on) != 1:
            return False
        draft = Draft(desk, tx, read(tx, on.pop()))
        told = cases.events(tx, [draft.case.id])[draft.case.id]
        before = any(e["kind"] == Kind.ACKNOWLEDGED.value and e["mail_id"] in stored for e in told)
        if (once and before) or not draft.case.waits_for_note(desk.now()):
            return False
        data = {"how": "keyword", "why": "marked in the mail client"}
        draft.add(Kind.ACKNOWLEDGED, desk.now(), data, actor="mailbox", mail_id=stored[0] if stored else None)
        draft.save()
    return True
