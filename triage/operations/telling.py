"""Telling people once a day what can wait: the daily digest. What a step of the ladder says stands in `climbing`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from triage.casework import deadline, notice
from triage.casework.card import Card
from triage.casework.case import Case
from triage.desk import Desk
from triage.judge.roster import LEAD, OWNER
from triage.operations import cards, holes, sampling
from triage.operations.casebook import put, replay, told_from
from triage.operations.holes import Holes
from triage.words import State, Urgency
from triage.world.store import cases, learning, register

DIGEST = "digest"  # the kind of run that a daily digest is noted as
CASES_READ_AT_ONCE = 500  # the events of many more would fill the memory

Sections = list[tuple[str, list[tuple[Card, str]]]]


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
        return [(title, sorted(entries, key=pressing)) for title, entries in found if entries]


def pressing(entry: tuple[Card, str]) -> tuple[int, str]:
    """The order of a digest: most urgent first."""
    return (-entry[0].urgency, entry[0].number)


def daily(desk: Desk, failed: Holes) -> int:
    """Once a business day: to each person the cases that are overdue or fall due soon. Returns how many were told.

    A case that cannot be read is on nobody's page: it is added to `failed`, of which the operators hear.
    """
    now = desk.now()
    last, following = digest_times(desk, now)
    with desk.database.read() as tx:
        before = register.last_start(tx, DIGEST)
        if before is not None and before >= last:
            return 0
        # the first digest of a desk is about what was there at its moment: going live floods nobody
        pages = _pages(desk, tx, now, following, failed, known_by=last if before is None else now)
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


def _pages(
    desk: Desk, tx: Connection, now: datetime, following: datetime, failed: Holes, *, known_by: datetime
) -> dict[str, _Page]:
    pages: dict[str, _Page] = {}
    rows = {row["id"]: row for row in cases.rows(tx, everything=False) if row["opened_at"] <= known_by}
    for start in range(0, len(rows), CASES_READ_AT_ONCE):
        for case_id, events in cases.events(tx, list(rows)[start : start + CASES_READ_AT_ONCE]).items():
            with holes.noted(case_id, "listed", failed):
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
