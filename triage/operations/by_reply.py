"""A colleague answers one of our notices with a line: "#123 billing urgent", "mail 45 ok", "no complaint".

Who may do that: somebody of config/people.yaml, from their own address, as an answer to a notice that was sent to that
very address in the last weeks (its Message-ID is signed and known to nobody else), in a mail that no check found forged
(decisions on authentication: unknown is the usual case on a small server, only a failure counts against a mail). And
only about what that notice shows. Nothing that a customer writes can meet this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from triage.casework import notice
from triage.casework.notice import Kind
from triage.desk import Desk
from triage.judge import correction
from triage.judge.correction import ALL, Order
from triage.mail import authenticity, screen
from triage.operations import hints
from triage.operations.casebook import put
from triage.operations.judging import Judged
from triage.world.store import cases, learning, outbox
from triage.world.store.mails import Waiting

FRESH = timedelta(days=30)  # an older notice is no longer answered
MOST_LINES = 50
MOST_ANSWERS = 5  # a day to one address: two machines must not talk to each other
_SCREENED = (screen.Kind.INTERNAL, screen.Kind.STAFF_REPLY, screen.Kind.PERSON)
_LISTS = (Kind.DIGEST, Kind.AUDIT, Kind.FORWARD)
_ABOUT_A_CASE = (Kind.ASSIGNMENT, Kind.REVIEW, Kind.REMINDER, Kind.ESCALATION, Kind.NEWS, Kind.INFORM)
_MAIL = re.compile(r"^ {0,2}mail (\d{1,9})  ", re.MULTILINE)
_LOOKS_LIKE_ONE = re.compile(r"#|mail \d|m?\d{1,9}\s*:|[A-Za-z]{1,5}-\d{4}-\d", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answer:
    """A colleague's reply to a notice of ours."""

    by: str  # the key of the person
    to: Mapping[str, Any]  # the notice, as its row in the outbox

    @property
    def to_a_list(self) -> bool:
        """The notice has no case: the reply is ours to read and nobody else's."""
        return self.to["kind"] in _LISTS


def of(desk: Desk, tx: Connection, judged: Judged) -> Answer | None:
    """The answer that this mail is, None for any other mail."""
    message, screening = judged.message, judged.screening
    ids = (*message.in_reply_to, *message.references[-1:])
    if screening.kind not in _SCREENED or not ids or screening.authenticated == "fail" or screening.forwarded_by:
        return None
    sender = message.from_.email
    person = desk.config.roster.by_email(sender)
    by = person.key if person else "operator" if sender == (desk.config.notices.me or "").casefold() != "" else ""
    if not by or authenticity.says_forged(message):
        return None
    for row in outbox.with_message_ids(tx, ids):
        fresh = desk.now() - row["created_at"] <= FRESH
        if row["recipient"].casefold() == sender and fresh and row["kind"] in (*_LISTS, *_ABOUT_A_CASE):
            return Answer(by, row)
    return None


def note(desk: Desk, tx: Connection, mail: Waiting, judged: Judged, answer: Answer) -> None:
    """Note what the reply asks for; `corrections` carries it out. What is not understood is told to the sender."""
    types = hints.titles(desk)
    lines = [line.strip() for line in judged.body.own.splitlines() if line.strip()][:MOST_LINES]
    if not answer.to_a_list:
        lines = lines[:1]  # below it people write to each other
    lost: list[str] = []
    for number, line in enumerate(lines):
        order = correction.line(line, types)
        found = _about(desk, tx, answer, order) if order is not None else []
        for part, target in enumerate(found):
            values = {"key": f"reply:{mail.id}:{number}:{part}", "source": "reply", "actor": answer.by, **target}
            learning.ask(tx, {**values, "at": desk.now(), "asked": _words(order)})
        if not found and (answer.to_a_list or _LOOKS_LIKE_ONE.match(line)):
            lost.append(line)
    if lost:
        _tell(desk, tx, mail, answer, lost)


def _words(order: Order | None) -> str:
    if order is None:
        return ""
    return "ok" if order.correction.confirm else str(order.correction)


def _about(desk: Desk, tx: Connection, answer: Answer, order: Order) -> list[dict[str, int]]:
    """The case or mails that an order means, of those that the notice shows; nothing where it is not clear."""
    row = answer.to
    listed = [int(found) for found in _MAIL.findall(row["text"])]
    if row["kind"] == Kind.FORWARD:
        listed = [int(row["key"].partition(">")[0].rpartition(":")[2])]
    if order.target == ALL:
        return [{"mail_id": one} for one in listed]
    if order.is_mail:
        return [{"mail_id": int(order.target)}] if int(order.target) in listed else []
    shown = _cases(desk, tx, row)
    if not order.target:
        alone = [{"case_id": one} for one in shown.values()] or [{"mail_id": one} for one in listed]
        return alone if len(alone) == 1 else []
    wanted = order.target.rpartition("-")[2]
    hits = [
        one for number, one in shown.items()
        if number == order.target or ("-" not in order.target and int(number.rpartition("-")[2]) == int(wanted))
    ]  # fmt: skip
    return [{"case_id": hits[0]}] if len(hits) == 1 else []


def _cases(desk: Desk, tx: Connection, row: Mapping[str, Any]) -> dict[str, int]:
    """Number -> id of the cases that a notice is about."""
    if row["case_id"] is not None:
        return {str(found["number"]): one for one, found in cases.by_ids(tx, [row["case_id"]]).items()}
    prefix = re.escape(desk.config.business.case_prefix)
    return cases.by_numbers(tx, re.findall(rf"^  ({prefix}-\d{{4}}-\d{{1,9}})  ", row["text"], re.MULTILINE))


def _tell(desk: Desk, tx: Connection, mail: Waiting, answer: Answer, lost: list[str]) -> None:
    to = answer.to["recipient"]
    if outbox.written_since(tx, Kind.ANSWER.value, to, desk.now() - timedelta(days=1)) >= MOST_ANSWERS:
        return
    kinds = ", ".join(desk.config.complaint_types)
    about = "" if answer.to["case_id"] is not None else "#123 "
    examples = [f"{about}billing urgent", f"{about}no complaint", "mail 45 ok", f"complaint types: {kinds}"]
    put(desk, tx, notice.answer(str(mail.id), (to,), lost, examples))
