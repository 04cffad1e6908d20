"""The canary: a test mail of our own that must come in like a customer's, through SMTP, the mail system and IMAP.

All else can look well while no mail arrives: a forwarding rule gone, a full mailbox, a filter that eats it. Once an hour
it goes to the first address of each mailbox that asks for it (`canary: true`); screening knows it by its signature and
files it. Where it is not back in time, people are told (Zammad's verify mail does the same once, at set-up).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from triage.desk import Desk, Mailbox
from triage.mail import tokens
from triage.operations.round import alarm
from triage.world.store import mails, outbox

KIND = "canary"
EVERY = timedelta(hours=1)
WITHIN = timedelta(minutes=15)  # for the way out, through the mail system, and to the next look at the mailbox


def tend(desk: Desk) -> int:
    """Send the canaries that are due and raise the alarm for those that are missing; returns how many are missing."""
    if desk.config.notices.mode == "off":
        return 0  # nothing leaves the house
    missing = 0
    with desk.database.write() as tx:
        for mailbox in desk.mailboxes:
            if not mailbox.part.canary:
                continue
            last = outbox.last_to(tx, KIND, mailbox.part.addresses[0])
            missing += _missing(desk, tx, mailbox, last)
            if last is None or not timedelta() <= desk.now() - last["created_at"] < EVERY:
                _send(desk, tx, mailbox)
    return missing


def figures(desk: Desk, tx: Connection) -> list[dict[str, Any]]:
    """For the status: when each mailbox's canary last left, and when it was stored."""
    found = []
    for mailbox in desk.mailboxes:
        last = outbox.last_to(tx, KIND, mailbox.part.addresses[0]) if mailbox.part.canary else None
        if last is not None:
            arrived = mails.arrived_at(tx, last["message_id"])
            found.append({"mailbox": mailbox.name, "sent_at": last["sent_at"], "arrived_at": arrived})
    return found


def _send(desk: Desk, tx: Connection, mailbox: Mailbox) -> None:
    now = desk.now()
    mark = f"{mailbox.name}.{now:%Y%m%dT%H%M%S}"
    serial = int(now.timestamp()) % 10**9
    outbox.put(
        tx,
        {
            "key": f"canary:{mark}", "kind": KIND, "case_id": None, "recipient": mailbox.part.addresses[0],
            "subject": f"triage test mail {mark}", "state": "pending", "not_before": now, "created_at": now,
            "text": "The complaint desk sent this to see that mail gets through. Nothing is to be done.\n",
            "headers": {
                "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All",
                tokens.CANARY_HEADER: tokens.canary(mark, desk.instance, desk.secret),
                tokens.LOOP_HEADER: tokens.loop_marker(desk.instance, desk.secret),
            },
            "message_id": tokens.message_id(f"CANARY-{mailbox.name}"[:30], serial, desk.secret, desk.id_host),
        },
    )  # fmt: skip


def _missing(desk: Desk, tx: Connection, mailbox: Mailbox, last: dict[str, Any] | None) -> bool:
    """Is the last one overdue? Says so, once for each canary."""
    now = desk.now()
    if last is None or now - last["created_at"] <= WITHIN or mails.arrived_at(tx, last["message_id"]) is not None:
        return False
    since: datetime = last["created_at"]
    way = (
        "it was handed to the SMTP server" if last["sent_at"] else f"it could not be sent: {last['last_error'] or '?'}"
    )
    alarm(
        desk, tx, f"canary:{last['key']}", f"The test mail to {mailbox.name} did not come in.",
        [f"written {since:%Y-%m-%d %H:%M} UTC", way, "Customers' mail may be missing in the same way."],
        ["triage status     when each folder was last read", "Look for it in the junk folder and in the mail server's log."],
    )  # fmt: skip
    return True
