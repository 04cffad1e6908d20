"""Telling people what a sweep found: one mail a case, a digest in a storm, the rest once a day.

Escalations are written with their case and wait ("batched") until the sweep is through. Then it is known how many there
are: a few go out as they are, a storm as one digest a person and an alarm to the operators. A sweep that dies in
between leaves them to the next one; nothing is dropped. Critical cases never wait for that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from triage.casework import deadline, notice
from triage.casework.card import Card
from triage.casework.case import Case
from triage.casework.deadline import Deadline
from triage.casework.escalate import StepDue
from triage.desk import Desk
from triage.judge.roster import LEAD, OWNER
from triage.operations import cards, sampling
from triage.operations.casebook import outbox_state, put, replay, told_from
from triage.words import State, Urgency
from triage.world.store import cases, learning, outbox, register

DIGEST = "digest"  # the kind of run that a daily digest is noted as
AT_ONCE = 500

Sections = list[tuple[str, list[tuple[Card, str]]]]


# -- the steps of one case -------------------------------------------------------------------------------------------


def steps(
    desk: Desk, tx: Connection, case: Case, taken: Sequence[StepDue], found: Sequence[Deadline], not_before: datetime
) -> None:
    """Put the mails about the steps a case has just taken: all that climbed in one, reminders by themselves."""
    if not taken:
        return
    now, card = desk.now(), cards.card(desk, tx, case)
    climbing = [s for s in taken if s.step > 0]
    if climbing:
        to = dict.fromkeys(address for s in climbing for address in cards.people(desk, case, s.roles, now))
        causes = [_cause(s, found, desk.zone) for s in climbing]
        keys = [s.key for s in climbing]
        told = notice.escalation(card, tuple(to), max(s.step for s in climbing), keys, causes)
        put(desk, tx, told, not_before=not_before, batched=case.urgency is not Urgency.CRITICAL)
    by_key = {(d.target.value, d.name, d.cycle): d for d in found}
    for step in taken:
        named = by_key.get((step.target, step.name, step.cycle))
        if step.step:
            continue
        if named is None:  # not accepted in time: who stands in gets the case as the owner did
            owner = desk.config.roster.emails((case.owner,), now)
            told = notice.assignment(card, owner, case.ownership.seq, case.ownership.why)
            put(desk, tx, told, not_before=not_before)
        elif not _in_a_digest(desk, case, named, now):
            to_remind = cards.people(desk, case, step.roles, now)
            told = notice.reminder(card, to_remind, cards.due(named), step.cycle)
            put(desk, tx, told, not_before=not_before)


def _cause(step: StepDue, found: Iterable[Deadline], zone: str) -> str:
    """One clause about why a step was reached."""
    for d in found:
        if (d.target.value, d.name, d.cycle) == (step.target, step.name, step.cycle):
            when = cards.local(d.due, zone) if d.due else "on hold"
            return f"{(d.name or d.target.value).replace('_', ' ')} due {when}: {step.why}"
    return f"{step.target.replace('_', ' ')}: {step.why}"


def _in_a_digest(desk: Desk, case: Case, clock: Deadline, now: datetime) -> bool:
    """Is the daily digest reminder enough? Not for urgent cases, nor for a clock that began after the last digest and
    ends before the next."""
    if case.urgency >= Urgency.URGENT or clock.due is None:
        return False
    last, following = digest_times(desk, now)
    return clock.start <= last or clock.due > following


# -- after the sweep -------------------------------------------------------------------------------------------------


def release(desk: Desk) -> int:
    """Let go of the escalations that wait for the end of a sweep; returns how many digests they became."""
    with desk.database.read() as tx:
        if not outbox.any_batched(tx):
            return 0
    with desk.database.write() as tx:
        waiting = outbox.batched(tx)
        ids = [row["id"] for row in waiting]
        if len({row["case_id"] for row in waiting}) <= desk.config.notices.storm:
            outbox.set_state(tx, ids, outbox_state(desk))
            return 0
        outbox.set_state(tx, ids, "gathered")
        return _storm(desk, tx, waiting)


def _storm(desk: Desk, tx: Connection, waiting: Sequence[dict[str, Any]]) -> int:
    now = desk.now()
    rows = cases.by_ids(tx, [row["case_id"] for row in waiting])
    lines: dict[int, tuple[Card, str]] = {}
    for start in range(0, len(rows), AT_ONCE):
        events = cases.events(tx, list(rows)[start : start + AT_ONCE])
        lines |= {i: _climbed(desk, replay(told), rows[i]["mailbox"], now) for i, told in events.items()}
    by_address: dict[str, list[int]] = {}
    for row in waiting:
        by_address.setdefault(row["recipient"], []).append(row["case_id"])
    day, part = _day(desk, now), f"storm-{waiting[0]['id']}"
    for address, wanted in by_address.items():
        entries = sorted((lines[i] for i in dict.fromkeys(wanted)), key=_pressing)
        person = desk.config.roster.by_email(address)
        name = person.key if person else hashlib.sha256(address.encode()).hexdigest()[:16]
        put(desk, tx, notice.digest(name, (address,), day.isoformat(), [("Escalations", entries)], part))
    operators = desk.config.roster.emails(desk.config.notices.operators, now)
    counts = [f"{address}: {len(set(wanted))} cases" for address, wanted in sorted(by_address.items())]
    what = f"{len(rows)} cases were escalated in one run; each person got one digest."
    todo = [
        "triage status       was the program down, and since when?",
        "triage cases        the queue, most urgent first",
    ]
    put(desk, tx, notice.alarm(f"{day.isoformat()}:{part}", operators, what, counts, todo))
    return len(by_address)


def _climbed(desk: Desk, case: Case, mailbox: str, now: datetime) -> tuple[Card, str]:
    """A line of the storm's digest: the highest step that was just taken, and what it is about."""
    climbed = [t for t in case.taken if t.step and not t.skipped]
    last = max(climbed, key=lambda t: (t.at, t.step))
    found = deadline.of(case, desk.config.policies, desk.config.calendars, now, history=True)
    due = next(
        (d.due for d in found if (d.target.value, d.name, d.cycle) == (last.target, last.name, last.cycle)), None
    )
    what = f"escalation {last.step}, {(last.name or last.target).replace('_', ' ')}"
    return cards.brief(desk, case, mailbox), what + (f" due {cards.local(due, desk.zone)}" if due else "")


def _pressing(entry: tuple[Card, str]) -> tuple[int, str]:
    return (-entry[0].urgency, entry[0].number)


# -- once a day ------------------------------------------------------------------------------------------------------


def digest_times(desk: Desk, now: datetime) -> tuple[datetime, datetime]:
    """The digest's last moment, which may be now, and its next one: `digest_at` on business days, after quiet hours."""
    calendar, zone, at = desk.config.calendar, ZoneInfo(desk.zone), desk.config.notices.digest_at

    def on(day: date) -> datetime:
        return told_from(desk, Urgency.NORMAL, calendar, datetime.combine(day, at, zone).astimezone(now.tzinfo))

    day = calendar.business_day_after(_day(desk, now) + timedelta(days=1), 0)
    following = on(day)
    while True:
        day -= timedelta(days=1)
        if not calendar.is_business_day(day):
            continue
        moment = on(day)
        if moment <= now:
            return moment, following
        following = moment


def _day(desk: Desk, at: datetime) -> date:
    return at.astimezone(ZoneInfo(desk.zone)).date()


@dataclass(slots=True)
class _Page:
    """What one person's digest lists."""

    overdue: list[tuple[Card, str]] = field(default_factory=list)
    soon: list[tuple[Card, str]] = field(default_factory=list)
    sample: list[notice.Mail] = field(default_factory=list)  # filed mail to look through
    done: list[str] = field(default_factory=list)  # what became of corrections

    def sections(self) -> Sections:
        found = [("Overdue", self.overdue), ("Due before the next digest, or soon after", self.soon)]
        return [(title, sorted(entries, key=_pressing)) for title, entries in found if entries]


def daily(desk: Desk) -> int:
    """Once a business day: to each person the cases that are overdue or fall due soon. Returns how many were told."""
    now = desk.now()
    last, following = digest_times(desk, now)
    with desk.database.read() as tx:
        before = register.last_start(tx, DIGEST)
        if before is not None and before >= last:
            return 0
        # the first digest of a desk is about what was there at its moment: going live floods nobody
        pages = _pages(desk, tx, now, following, known_by=last if before is None else now)
        said = _learnt(desk, tx, pages, now)
    with desk.database.write() as tx:
        before = register.last_start(tx, DIGEST)
        if before is not None and before >= last:
            return 0  # another sweep was first
        for key, page in pages.items():
            to = (desk.config.roster.people[key].email,)
            told = notice.digest(
                key, to, _day(desk, now).isoformat(), page.sections(), sample=page.sample, done=page.done
            )
            put(desk, tx, told)
        learning.told(tx, said, now)
        register.note_run(tx, DIGEST, now, {"people": len(pages)})
    return len(pages)


def _pages(desk: Desk, tx: Connection, now: datetime, following: datetime, *, known_by: datetime) -> dict[str, _Page]:
    pages: dict[str, _Page] = {}
    rows = {row["id"]: row for row in cases.rows(tx, everything=False) if row["opened_at"] <= known_by}
    for start in range(0, len(rows), AT_ONCE):
        for case_id, events in cases.events(tx, list(rows)[start : start + AT_ONCE]).items():
            _list(desk, replay(events), rows[case_id]["mailbox"], pages, now, following)
    return pages


def _learnt(desk: Desk, tx: Connection, pages: dict[str, _Page], now: datetime) -> list[int]:
    """Put on the pages what is to be looked through, and what became of corrections: on the page of whoever asked. A
    mailbox does not say who did; what was refused there, the lead hears. Returns the requests that are told by it."""
    roster = desk.config.roster
    for row in learning.sampled(tx, open_only=True):
        pages.setdefault(roster.find(row["owner"], now), _Page()).sample.append(sampling.mail_of(row))
    told = learning.untold(tx)
    for row in told:
        if row["actor"] in roster.people:
            pages.setdefault(row["actor"], _Page()).done.append(f'"{row["asked"]}": {row["said"]}')
        elif row["outcome"] == "refused":
            line = f"{row['actor']}, {row['source']} {row['asked']}: not done. {row['said']}"
            pages.setdefault(roster.find(LEAD, now), _Page()).done.append(line)
    return [row["id"] for row in told]


def _list(desk: Desk, case: Case, mailbox: str, pages: dict[str, _Page], now: datetime, following: datetime) -> None:
    """Put the case's most pressing clock on the pages of those who are to hear of it."""
    found = deadline.of(case, desk.config.policies, desk.config.calendars, now)
    clock = deadline.next_deadline(found)
    if clock is None or clock.due is None:
        return
    overdue = clock.state is State.BREACHED
    marks = [clock.due, *([clock.reminder_at] if clock.reminder_at else []), *clock.reminders]
    if not overdue and (case.urgency >= Urgency.URGENT or min(marks) > following):
        return  # an urgent case has its own reminders
    what = f"{(clock.name or clock.target.value).replace('_', ' ')} {'was ' if overdue else ''}due"
    line = (cards.brief(desk, case, mailbox), f"{what} {cards.local(clock.due, desk.zone)}")
    reminders = [step.roles for step in desk.config.ladder.of(clock.target) if step.level == 0]
    roles = (OWNER,) if overdue or not reminders else tuple(dict.fromkeys(role for some in reminders for role in some))
    for key in desk.config.roster.told(roles, case.owner, now) or (desk.config.roster.find(LEAD, now),):
        page = pages.setdefault(key, _Page())
        (page.overdue if overdue else page.soon).append(line)
