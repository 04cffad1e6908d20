"""The sample of filed mail: every week a person looks through some of what was filed as no complaint.

Whatever files a complaint by mistake does so in silence; only looking finds out how often. Each week's sample is drawn
by hash from the mails filed in the week before (the same register gives the same sample), goes to one person with a
deadline, and its answers give the missed-complaint rate with its interval.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.notice import Mail
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed
from triage.insight import drift
from triage.judge.roster import LEAD, MANAGER
from triage.mail.kinds import DISPOSITIONS, Kind
from triage.operations import corrections, hints
from triage.operations.casebook import put
from triage.operations.corrections import Corrected, Wish
from triage.words import Disposition
from triage.world.store import learning, register

RUN = "audit"  # the kind of run that a week's draw is noted as
BACK = 8  # weeks that are made up for after an outage
REPORTED = timedelta(weeks=12)  # answers older than this say little about today


# -- drawing ---------------------------------------------------------------------------------------------------------


def draw(desk: Desk) -> int:
    """Draw the sample of every week that is over and has none; returns how many mails people are asked about."""
    monday = _monday(desk, desk.now())
    with desk.database.read() as tx:
        done = {str(run["counts"].get("week")) for run in register.runs_of(tx, RUN)}
    back = range(1, 2 if not done else BACK + 1)  # a new desk begins with the last week
    weeks = [start for n in back if week_of(start := monday - timedelta(weeks=n)) not in done]
    asked = 0
    for start in sorted(weeks):
        asked += _draw_week(desk, start)
    _remind(desk)
    return asked


def week_of(monday: date) -> str:
    """2026-W47."""
    year, week, _ = monday.isocalendar()
    return f"{year}-W{week:02d}"


def chosen(week: str, pool: Sequence[str], share: float, least: int) -> list[str]:
    """The share of the pool (sha256 of each mail), at least so many; by hash, so that nobody can choose and anybody can
    repeat it."""
    size = min(len(pool), max(math.ceil(share * len(pool)), least))
    return sorted(pool, key=lambda sha: hashlib.sha256(f"{week}:{sha}".encode()).digest())[:size]


def _draw_week(desk: Desk, start: date) -> int:
    week, judging, now = week_of(start), desk.config.judging, desk.now()
    owner = desk.config.roster.find(judging.audit_owner, now)
    due = desk.config.calendar.add_days(now, judging.audit_days)
    with desk.database.write() as tx:
        if any(run["counts"].get("week") == week for run in register.runs_of(tx, RUN)):
            return 0  # another run was first
        filed = learning.filed_between(tx, _midnight(desk, start), _midnight(desk, start + timedelta(weeks=1)))
        pool = {row["sha256"]: row["id"] for row in filed if _may_be_missed(desk, row)}
        mails = [pool[sha] for sha in chosen(week, list(pool), judging.audit_share, judging.audit_least)]
        common = {"week": week, "owner": owner, "drawn_at": now, "due_at": due}
        learning.sample(tx, [{**common, "mail_id": one} for one in sorted(mails)])
        register.note_run(tx, RUN, now, {"week": week, "filed": len(pool), "drawn": len(mails)})
        if mails:
            rows = [mail_of(row) for row in learning.sampled(tx, open_only=True) if row["week"] == week]
            to = desk.config.roster.emails((owner,), now)
            put(desk, tx, notice.audit(week, rows, to, due, len(pool), desk.zone))
    return len(mails)


def _may_be_missed(desk: Desk, row: Mapping[str, Any]) -> bool:
    """Only what its header proves to be no person's mail may be left out, and only where the config says so. Our own
    signed mail (the canary) is never in question."""
    outcome = desk.config.outcomes[Disposition(row["disposition"])]
    kind = ((row["verdict"] or {}).get("screening") or {}).get("kind")
    if kind in (Kind.CANARY, Kind.OWN_LOOP):
        return False
    proven = kind in {k.value for k in Kind} and DISPOSITIONS[Kind(kind)] == row["disposition"]
    return outcome.audit or not proven


def _monday(desk: Desk, at: datetime) -> date:
    day = at.astimezone(ZoneInfo(desk.zone)).date()
    return day - timedelta(days=day.weekday())


def _midnight(desk: Desk, day: date) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(desk.zone)).astimezone(desk.now().tzinfo)


def _remind(desk: Desk) -> None:
    """A sample that nobody looked through in time: the lead and the manager hear of it, once a week's sample."""
    now = desk.now()
    with desk.database.read() as tx:
        late = [row for row in learning.sampled(tx, open_only=True) if row["due_at"] < now]
    for week in sorted({row["week"] for row in late}):
        mine = [row for row in late if row["week"] == week]
        people = ", ".join(sorted({row["owner"] for row in mine}))
        what = f"The sample of filed mail of {week} has not been looked through; it was due {mine[0]['due_at']:%d %b}."
        details = [
            f"{len(mine)} mails are open, with {people}",
            "Until then nobody knows how many complaints are missed.",
        ]
        todo = ["triage audit        lists them", "triage audit --ok   none of them was a complaint"]
        to = desk.config.roster.emails((LEAD, MANAGER), now)
        with desk.database.write() as tx:
            put(desk, tx, notice.alarm(f"audit:{week}", to, what, details, todo))


# -- answering -------------------------------------------------------------------------------------------------------


def mail_of(row: Mapping[str, Any]) -> Mail:
    """A row of the sample as a notice names it."""
    return Mail(
        str(row["mail_id"]), (row["disposition"] or "").replace("_", " "), row["reason"] or "",
        row["customer"] or row["from_email"] or "", row["subject"] or "", row["received_at"], row["message_id"] or "",
        row["mailbox"], row["folder"],
    )  # fmt: skip


def listed(desk: Desk) -> list[dict[str, Any]]:
    """What is still to be looked through, with what finds it in any mail client."""
    with desk.database.read() as tx:
        rows = learning.sampled(tx, open_only=True)
    keys = (
        "week",
        "owner",
        "due_at",
        "disposition",
        "reason",
        "subject",
        "received_at",
        "message_id",
        "mailbox",
        "folder",
    )
    return [
        {"mail": r["mail_id"], "from": r["customer"] or r["from_email"], **{key: r[key] for key in keys}} for r in rows
    ]


def answer(desk: Desk, ids: Sequence[int], *, words: str, actor: str) -> list[dict[str, Any]]:
    """A person looked: `words` such as "ok" or "complaint billing urgent" about these mails, or about all that are open.

    Raises Misuse where the words are not understood, NotAllowed for a mail that is not in the sample.
    """
    said = hints.said(desk, words)
    if said is None:
        raise Misuse(f"{words!r} is not understood.", fix="Use --ok, or --complaint with --type and --urgency.")
    still = {row["mail"] for row in listed(desk)}
    if lost := [one for one in ids if one not in still]:
        raise NotAllowed(f"Mail {lost[0]} is not in the open sample.", fix="`triage audit` lists it.")
    done = []
    for mail_id in ids or sorted(still):
        wish = Wish(said, "audit", actor, f'"{words}", in the sample of filed mail')
        outcome, sentence = corrections.set_right(desk, mail_id, wish, Corrected())
        done.append({"mail": mail_id, "done": outcome != "refused", "said": sentence})
    return done


# -- what it says ----------------------------------------------------------------------------------------------------


def figures(desk: Desk, tx: Connection) -> dict[str, Any]:
    """The missed-complaint rate of the last 12 weeks, its exact 95 % interval, and what is still to be looked at."""
    now = desk.now()
    rows = learning.sampled(tx, now - REPORTED)
    answered = [row for row in rows if row["answered_at"] is not None]
    missed = sum(row["answer"] == "complaint" for row in answered)
    low, high = drift.interval(missed, len(answered))
    filed = sum(
        int(run["counts"].get("filed", 0)) for run in register.runs_of(tx, RUN) if run["started_at"] >= now - REPORTED
    )
    return {
        "weeks": len({row["week"] for row in rows}), "filed": filed, "drawn": len(rows), "answered": len(answered),
        "open": len(rows) - len(answered), "overdue": sum(r["answered_at"] is None and r["due_at"] < now for r in rows),
        "missed": missed, "rate": missed / len(answered) if answered else None,
        "low": low if answered else None, "high": high if answered else None,
    }  # fmt: skip


def sentence(found: Mapping[str, Any]) -> str:
    """The figures as the report says them."""
    if not found["drawn"]:
        return "No filed mail has been looked through yet, so nobody knows how many complaints are missed."
    head = f"Of {found['filed']} mails filed as no complaint, {found['drawn']} were drawn and {found['answered']} looked at"
    late = f"; {found['open']} are open, {found['overdue']} of them overdue" if found["open"] else ""
    if not found["answered"]:
        return f"{head}{late}."
    return (
        f"{head}{late}. {found['missed']} of those were complaints: {found['rate']:.1%} missed "
        f"(95 % interval {found['low']:.1%} to {found['high']:.1%})."
    )
