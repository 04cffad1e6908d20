"""Writing a case: events are applied as they are added and saved together, with the row, its next due moment and the
notices, in the caller's transaction.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from triage.casework import case as casework
from triage.casework import deadline, escalate
from triage.casework.case import Case, Event, Kind
from triage.casework.hours import BusinessCalendar
from triage.casework.notice import Kind as NoticeKind
from triage.casework.notice import Notice, in_channel
from triage.casework.quiet import Quiet
from triage.desk import Desk
from triage.mail import tokens
from triage.operations import brake
from triage.words import Urgency
from triage.world.channels import PREFIX as CHANNEL
from triage.world.store import cases, outbox

log = logging.getLogger(__name__)

#: what ends a clock
_FINISHES = frozenset({Kind.REPLIED, Kind.CLOSED, Kind.REVIEWED, Kind.STATUTORY_MET, Kind.MERGED_INTO, Kind.ABSORBED})

#: notices without a case to which people may answer
_ANSWERED = frozenset({NoticeKind.DIGEST, NoticeKind.AUDIT, NoticeKind.FORWARD, NoticeKind.ANSWER})


#: what moves no clock: the deadlines worked out before it stand
_MOVES_NO_CLOCK = frozenset({Kind.ESCALATED, Kind.ASSIGNED, Kind.CLOSE_OFFERED, Kind.NOTED})


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written of one case: its new events and its row. `was` is (owner, open?) as the row says it."""

    case_id: int
    seen: int  # the seq of the last event when it was read
    values: Mapping[str, Any]
    was: tuple[str, bool]
    events: Sequence[Mapping[str, Any]] = ()
    addresses: frozenset[str] = frozenset()
    number: str = ""


class Draft:
    """One case in one transaction. `case` is always the state after the last added event."""

    def __init__(self, desk: Desk, tx: Connection, case: Case | None = None, *, mailbox: str = "") -> None:
        self._desk, self._tx, self._seen = desk, tx, case.last_seq if case else 0
        self._case, self._mailbox = case, mailbox
        self._was = (case.owner, case.is_open) if case else ("", True)  # as the row says it, see `reserve`
        self._events: list[tuple[Event, str | None]] = []
        self._deadlines: tuple[deadline.Deadline, ...] | None = None

    @property
    def case(self) -> Case:
        if self._case is None:
            raise LookupError("the draft has no event yet")
        return self._case

    @property
    def deadlines(self) -> tuple[deadline.Deadline, ...]:
        """Every deadline of the case as it stands now."""
        if self._deadlines is None:
            self._deadlines = deadlines(self._desk, self.case, self._desk.now())
        return self._deadlines

    def add(
        self, kind: Kind, at: datetime, data: Mapping[str, Any] | None = None, *, actor: str = "desk",
        mail_id: int | None = None, key: str | None = None,
    ) -> Case:  # fmt: skip
        """Add an event. Raises NotAllowed, leaving the draft as it was. `key`: this may happen once in all."""
        if kind in (Kind.URGENCY_SET, Kind.POLICY_SET) and self._case is not None:
            self.record_results()
        seq = self._case.last_seq + 1 if self._case else 1
        event = casework.make(
            seq, kind, at, data or {}, actor=actor, mail_id=mail_id, recorded_at=max(at, self._desk.now())
        )
        self._case = casework.apply(self._case, event)
        if kind not in _MOVES_NO_CLOCK:
            self._deadlines = None
        self._events.append((event, key))
        return self._case

    def record_results(self) -> int:
        """Write down what was met or breached so far, before a change of rules could make it look otherwise. Returns
        how many breaches are new."""
        desk, now = self._desk, self._desk.now()
        found = deadline.of(self.case, desk.config.policies, desk.config.calendars, now, history=True)
        results = deadline.unrecorded(self.case, found)
        for data in results:
            self.add(Kind.DEADLINE_RECORDED, now, data)
        return sum(data["state"] == "breached" for data in results)

    def save(self) -> Case:
        """Write the new events and the row. Raises CaseMoved where somebody else wrote meanwhile."""
        write(self._tx, [self.changes()])
        return self.case

    def changes(self) -> Changes:
        """What `save` writes, for a caller that writes many cases together. Without a new event only the next due moment
        is written anew: nothing was to be done although the moment had come."""
        if any(event.kind in _FINISHES for event, _ in self._events):
            self.record_results()  # what is finished stays as it was, whatever becomes of the rules
        case, seen, was = self.case, self._seen, self._was
        moment, what = _next_due(self._desk, case, self.deadlines, self._desk.now())
        if not self._events:
            return Changes(case.id, seen, {"next_due_at": moment, "next_target": what}, was)
        values = {
            "version": case.last_seq, "status": case.status.value, "customer": case.customer,
            "customer_name": case.customer_name, "subject": case.subject, "language": case.language,
            "disposition": case.disposition.value, "complaint_type": case.complaint_type,
            "urgency": int(case.urgency), "owner": case.owner, "pool": case.pool, "policy": case.policy,
            "review": case.review is not None, "step": max((t.step for t in case.taken if not t.skipped), default=0),
            "received_at": case.received_at, "opened_at": case.opened_at,
            "closed_at": case.closing.at if case.closing else None, "next_due_at": moment, "next_target": what,
            "config_version": self._desk.config.version,
        }  # fmt: skip
        events = [self._row(event, key) for event, key in self._events]
        self._seen, self._events, self._was = case.last_seq, [], (case.owner, case.is_open)
        return Changes(case.id, seen, values, was, events, case.participants, case.number)

    def _row(self, event: Event, key: str | None) -> dict[str, Any]:
        return {
            "case_id": self.case.id, "seq": event.seq, "kind": event.kind.value, "at": event.at,
            "recorded_at": event.recorded_at, "actor": event.actor, "mail_id": event.mail_id,
            "data": dict(event.data), "config_version": self._desk.config.version, "key": key,
        }  # fmt: skip


def write(tx: Connection, changed: Sequence[Changes]) -> None:
    """Write what was changed of these cases, each named once, in a few statements whatever their number.

    Raises CaseMoved where somebody else wrote one of them meanwhile: then nothing may be kept of this transaction.
    """
    cases.save_all(tx, [(one.case_id, one.seen, one.values, one.was) for one in changed])
    cases.append(tx, [row for one in changed for row in one.events])
    cases.add_keys_all(tx, ((one.case_id, "address", address) for one in changed for address in one.addresses))
    for one in changed:
        if one.events:
            kinds, urgency = [row["kind"] for row in one.events], Urgency(one.values["urgency"]).word
            log.info("case saved", extra={"case": one.number, "events": kinds, "urgency": urgency})


def next_due(desk: Desk, case: Case, now: datetime) -> tuple[datetime | None, str | None]:
    """When something of this case next changes, and what falls due next. An open case that has climbed the whole ladder
    is looked at again every business day: it is never forgotten, and the daily digest names it."""
    return _next_due(desk, case, deadlines(desk, case, now), now)


def _next_due(
    desk: Desk, case: Case, found: Sequence[deadline.Deadline], now: datetime
) -> tuple[datetime | None, str | None]:
    calendar = calendar_of(desk, case)
    moment = escalate.next_moment(case, found, desk.config.ladder, calendar, now)
    if moment is None and case.is_open:
        moment = calendar.start_of_business(calendar.business_day_after(calendar.local_date(now), 1))
    ahead = deadline.next_deadline(found)
    return moment, (ahead.name or ahead.target.value) if ahead else None


def deadlines(desk: Desk, case: Case, now: datetime) -> tuple[deadline.Deadline, ...]:
    """Every deadline of the case, recomputed."""
    return deadline.of(case, desk.config.policies, desk.config.calendars, now)


def reserve(desk: Desk, tx: Connection, mailbox: str, number: str, received_at: datetime) -> int:
    """A row for a case about to be opened in this transaction; `Draft.save` fills it. Returns the case's id."""
    return cases.create(
        tx,
        {
            "number": number, "version": 0, "status": "open", "mailbox": mailbox, "customer": "", "owner": "",
            "disposition": "complaint", "urgency": 0, "policy": "", "review": False, "step": 0,
            "received_at": received_at, "opened_at": received_at, "config_version": "",
        },
    )  # fmt: skip


def read(tx: Connection, case_id: int) -> Case:
    """The case as its events tell it, its row locked for this transaction."""
    cases.lock(tx, case_id)
    return replay(cases.events(tx, [case_id])[case_id])


def replay(rows: Sequence[Mapping[str, Any]]) -> Case:
    """Stored events -> the case."""
    return casework.replay(event_of(row) for row in rows)


def event_of(row: Mapping[str, Any]) -> Event:
    """A stored event."""
    return Event(
        row["seq"], Kind(row["kind"]), row["at"], row["recorded_at"], row["actor"], row["mail_id"], row["data"]
    )


def put(
    desk: Desk, tx: Connection, notice: Notice, *, not_before: datetime | None = None, batched: bool = False
) -> bool:
    """A notice into the outbox, a row a recipient; False where it was there already. It waits for the quiet hours.

    `notices: off` keeps it as held: shown, never sent, also when notices are switched on later. `me` sends all of it
    to the one address. `batched`: it waits for `climbing.release`, which knows how many there are.
    """
    now = desk.now()
    row = cases.by_ids(tx, [notice.case_id])[notice.case_id] if notice.case_id is not None else None
    new = False
    for entry in entries(desk, notice, row, now, not_before=not_before, batched=batched):
        held_back = brake.pulled(tx, notice, entry["recipient"] or "", now)
        if held_back:
            entry["state"] = brake.SUPPRESSED
        added = outbox.put(tx, entry)
        new |= added
        if added and held_back:
            put(desk, tx, brake.alarm(held_back, desk.config.roster.emails(desk.config.notices.operators, now), now))
    return new


def entries(
    desk: Desk, notice: Notice, row: Mapping[str, Any] | None, now: datetime, *,
    not_before: datetime | None = None, batched: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of the outbox that a notice makes, without the brake; `row` is that of its case."""
    mode = desk.config.notices.mode
    number = str(row["number"]) if row else "DESK"
    earliest = max(not_before or now, _told_from(desk, notice, row, now))
    state = "batched" if batched else outbox_state(desk)
    if row is not None and row["received_at"] < desk.started(row["mailbox"]):
        state = "held"  # taken in by a backfill: going live floods nobody
    headers = dict(notice.headers)
    headers[tokens.LOOP_HEADER] = tokens.loop_marker(desk.instance, desk.secret)
    if mode == "me":
        headers["X-Triage-For"] = ", ".join(notice.to)
    if notice.case_id is not None and desk.reply_address:
        headers["Reply-To"] = tokens.plus_address(desk.reply_address, number, desk.secret)
    elif notice.kind in _ANSWERED and desk.reply_address:
        headers["Reply-To"] = desk.reply_address
    found = []
    for recipient in [desk.config.notices.me] if mode == "me" else [*notice.to, *_channels(desk, notice, row)]:
        subject, text = (notice.subject, notice.text)
        if recipient and recipient.startswith(CHANNEL):
            subject, text = in_channel(notice)
        key = f"{notice.key}>{hashlib.sha256((recipient or '').encode()).hexdigest()[:8]}"
        serial = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 10**9
        found.append({
            "key": key, "kind": notice.kind.value, "case_id": notice.case_id, "recipient": recipient,
            "subject": subject, "text": text, "headers": headers,
            "message_id": tokens.message_id(number, serial, desk.secret, desk.id_host),
            "state": state, "not_before": earliest, "created_at": now,
        })  # fmt: skip
    return found


def _channels(desk: Desk, notice: Notice, row: Mapping[str, Any] | None) -> list[str]:
    """The channels that a notice goes to beside mail."""
    found = []
    for channel in desk.config.notices.channels:
        urgent = row is None or row["urgency"] >= Urgency.of(channel.urgency)
        if urgent and notice.kind.value in channel.kinds and f"{CHANNEL}{channel.name}" not in notice.to:
            found.append(f"{CHANNEL}{channel.name}")
    return found


def outbox_state(desk: Desk) -> str:
    """The state of a notice that nothing holds up."""
    return "held" if desk.config.notices.mode == "off" else "pending"


def _told_from(desk: Desk, notice: Notice, row: Mapping[str, Any] | None, now: datetime) -> datetime:
    """Quiet hours hold up what is not critical; never an alarm, nor the customer's receipt."""
    if notice.kind in (NoticeKind.ALARM, NoticeKind.ACKNOWLEDGEMENT):
        return now
    if row is None:
        return told_from(desk, Urgency.NORMAL, desk.config.calendar, now)
    policy = desk.config.policies.policy(row["policy"])
    return told_from(desk, Urgency(row["urgency"]), desk.config.calendars[policy.calendar], now)


def told_from(desk: Desk, urgency: Urgency, calendar: BusinessCalendar, now: datetime) -> datetime:
    """From when people may be told: at once of what is critical, else outside the quiet hours."""
    quiet = desk.config.notices.quiet
    hours = Quiet(desk.zone, quiet.outside_calendar, quiet.from_, quiet.until)
    return now if urgency is Urgency.CRITICAL else hours.over(now, calendar)


def calendar_of(desk: Desk, case: Case) -> BusinessCalendar:
    """The calendar the case counts by: its own, else its policy's."""
    policy = desk.config.policies.policy(case.policy)
    return desk.config.calendars[case.calendar or policy.calendar]
