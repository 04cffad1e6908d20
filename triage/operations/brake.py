"""The brake on what customers get from us automatically: whatever loops, it ends after a few mails.

Two machines that answer each other pass every test of a single mail (RFC 3834 section 2; Zammad, odoo#66329). Counting
what went out to one address is the test that they cannot pass. What is held back stays in the outbox, and people are told.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from triage.casework import notice as notices
from triage.casework.notice import Kind, Notice
from triage.mail import thread
from triage.world.store import cases, outbox

SUPPRESSED = "suppressed"
SAME_IN_AN_HOUR = 2  # to one address about one subject
TO_ONE_IN_A_DAY = 10
IN_AN_HOUR = 100  # to everybody


def pulled(tx: Connection, notice: Notice, recipient: str, now: datetime) -> str:
    """Why this must not go out, or "". Only mail to customers is braked; staff must hear of every case."""
    if notice.kind is not Kind.ACKNOWLEDGEMENT:
        return ""
    hour, day = now - timedelta(hours=1), now - timedelta(days=1)
    if outbox.count_since(tx, notice.kind.value, hour) >= IN_AN_HOUR:
        return f"more than {IN_AN_HOUR} receipts in an hour"
    sent = outbox.to_since(tx, notice.kind.value, recipient, day)
    if len(sent) >= TO_ONE_IN_A_DAY:
        return f"more than {TO_ONE_IN_A_DAY} receipts to one address in a day"
    about = cases.by_ids(tx, [case for case, at in sent if at > hour] + [notice.case_id or 0])
    subjects = [thread.plain_subject(row["subject"] or "") for row in about.values() if row["id"] != notice.case_id]
    mine = about.get(notice.case_id or 0)
    if mine is not None and subjects.count(thread.plain_subject(mine["subject"] or "")) >= SAME_IN_AN_HOUR:
        return f"more than {SAME_IN_AN_HOUR} receipts to one address in an hour about the same subject"
    return ""


def alarm(why: str, to: tuple[str, ...], now: datetime) -> Notice:
    """For the operators, once an hour and reason. No address of a customer stands in it."""
    what = f"Receipts to customers were held back: {why}."
    details = [
        "Two machines may be answering each other.",
        "Every mail has its case, its owner and its clock as usual.",
    ]
    todo = [
        "triage notices     shows what was held back",
        "acknowledgement in config/notices.yaml switches receipts off",
    ]
    return notices.alarm(f"brake:{now:%Y-%m-%dT%H}:{why}", to, what, details, todo)
