"""Do we see our own answers at all? Open cases on which no mail of ours was ever seen, where a Sent folder is read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from triage.casework import notice
from triage.desk import Desk
from triage.operations.casebook import put
from triage.world.store import cases, register

RUN = "silence"  # the kind of run it is noted as
DAILY = timedelta(hours=24)
RECENT = timedelta(days=30)
QUIET = 3  # business days without a mail of ours: longer than any first response


def alarm(desk: Desk) -> int:
    """Tell the operators once a day; returns how many cases are silent. Every answer may have been given, and only the
    Sent folder, the BCC rule or the sent-copy setting be wrong: nobody can tell from here."""
    now = desk.now()
    watched = _watched(desk)
    with desk.database.read() as tx:
        last = register.last_start(tx, RUN)
        if not watched or (last is not None and last > now - DAILY):
            return 0
        silent = [row for row in cases.without_reply(tx, now - timedelta(days=QUIET)) if row["mailbox"] in watched]
    silent = [row for row in silent if _long(desk, row["opened_at"], now)]
    with desk.database.write() as tx:
        register.note_run(tx, RUN, now, {"cases": len(silent)})
        for mailbox in sorted({row["mailbox"] for row in silent}):
            put(desk, tx, _told(desk, mailbox, [row for row in silent if row["mailbox"] == mailbox]))
    return len(silent)


def looked_for(desk: Desk) -> tuple[set[str], int, int]:
    """(mailboxes whose answers should be seen, cases of the last 30 days, those of them with a mail of ours)."""
    with desk.database.read() as tx:
        return _watched(desk), *cases.with_mail_of_ours(tx, desk.now() - RECENT)


def _watched(desk: Desk) -> set[str]:
    """The mailboxes whose answers should be seen: by a Sent folder of their own, or by a mailbox that gathers copies."""
    roles = {box.name: {spec.role for spec in box.read_folders} for box in desk.mailboxes}
    gathered = any(found == {"sent"} for found in roles.values())
    return {name for name, found in roles.items() if gathered or "sent" in found}


def _long(desk: Desk, opened_at: datetime, now: datetime) -> bool:
    return desk.config.calendar.add_days(opened_at, QUIET) <= now


def _told(desk: Desk, mailbox: str, found: list[dict[str, Any]]) -> notice.Notice:
    day = f"{desk.now():%Y-%m-%d}"
    to = desk.config.roster.emails(desk.config.notices.operators, desk.now())
    what = f"No mail of ours was seen on {len(found)} open cases of {mailbox}"
    details = [f"{row['number']}, owner {row['owner']}, received {row['received_at']:%d %b %Y}" for row in found]
    todo = [
        "Were they answered? Then our Sent folder is not what the desk reads: check `sent` in config/mailboxes.yaml,",
        "or the BCC rule, or the setting that keeps sent copies in the shared mailbox.",
        "triage replied CASE --at TIME    notes an answer that no mail shows",
    ]
    return notice.alarm(f"silent:{mailbox}:{day}", to, what, details, todo)
