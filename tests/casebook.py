"""A story told of one case, for tests. Facts go in, and times come out, as the calendar's wall shows them.

story = Story().opens("Fri 20 Nov 2026 16:30")
assert story.due("first_response") == "Mon 23 Nov 2026 12:30"
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from triage.casework import case as cases
from triage.casework import deadline, escalate
from triage.casework.events import Event, make
from triage.casework.hours import BusinessCalendar
from triage.casework.ladder import Ladder
from triage.casework.policy import Limit, Policies, Policy, Span, Targets
from triage.words import Target, Urgency

NINE_TO_FIVE = ((9 * 60, 17 * 60),)
NINE_TO_HALF_FIVE = ((9 * 60, 17 * 60 + 30),)
WEEKEND: tuple[tuple[tuple[int, int], ...], ...] = ((), ())
HOLIDAYS = frozenset({date(2026, 12, 25), date(2026, 12, 28), date(2027, 1, 1), date(2027, 3, 26), date(2027, 3, 29)})

#: the calendar of the twenty scenarios: London, Monday to Friday 09:00-17:00, five holidays
STD = BusinessCalendar("std", "Europe/London", (NINE_TO_FIVE,) * 5 + WEEKEND, HOLIDAYS)
#: the calendar of the sample threads: London, Monday to Friday 09:00-17:30, a business day of 510 minutes
SAMPLES = BusinessCalendar("samples", "Europe/London", (NINE_TO_HALF_FIVE,) * 5 + WEEKEND)
#: never closed
ALWAYS = BusinessCalendar("always", "Europe/London", (((0, 1440),),) * 7)


def at(text: str, zone: str = "Europe/London") -> datetime:
    """ "Fri 20 Nov 2026 16:30" (or with seconds) on that zone's wall, as UTC; the weekday must be right."""
    pattern = "%a %d %b %Y %H:%M:%S" if text.count(":") == 2 else "%a %d %b %Y %H:%M"
    local = datetime.strptime(text, pattern)
    assert f"{local:%a}" == text[:3], f"{text} was a {local:%A}"
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def wall(moment: datetime | None, zone: str = "Europe/London") -> str | None:
    """A moment as the wall of that zone shows it; seconds only when there are any."""
    if moment is None:
        return None
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%a %d %b %Y %H:%M}" + (f":{local:%S}" if local.second else "")


def targets(
    first: Span, *, next: Span | None = None, resolution: Span | None = None, update: Span | None = None
) -> Targets:
    """Targets of which a test names only the ones it is about; the silence clock is out of the way."""
    return Targets(first, update or Span(500, "bd"), next, resolution)


def flat(wanted: Targets) -> dict[Urgency, Targets]:
    """The same targets at every urgency."""
    return dict.fromkeys(Urgency, wanted)


#: a ladder without the clocks that a test is not about: nobody has to accept, nothing climbs by itself
QUIET = {"accept": dict.fromkeys(Urgency, Span(500, "bd")), "climb": {}, "repeat": {}}


class Story:
    """One case, its rules, and the events told so far."""

    def __init__(
        self,
        wanted: Mapping[Urgency, Targets] | Targets | None = None,
        *,
        calendar: BusinessCalendar = STD,
        ladder: Ladder | None = None,
        limits: Mapping[str, Limit] | None = None,
        reopen: str = "resume",
        urgency: str = "normal",
        policies: Policies | None = None,
    ) -> None:
        if wanted is None:
            wanted = targets(Span(4, "h"))
        each = flat(wanted) if isinstance(wanted, Targets) else wanted
        self.calendars = {calendar.name: calendar}
        self.policies = policies or Policies({"p": Policy("p", calendar.name, each, reopen)}, "p", limits or {})
        self.ladder = ladder or Ladder(**QUIET)  # type: ignore[arg-type]
        self.calendar, self.urgency = calendar, urgency
        self.events: list[Event] = []
        self.case: cases.Case
        self.mails = 0

    def opens(self, when: str, *, recorded: str | None = None, **data: Any) -> Story:
        known: dict[str, Any] = {
            "case_id": 1, "number": "C-1", "disposition": "complaint", "urgency": self.urgency,
            "customer": "c@example.com", "owner": "ann@desk.example", "policy": self.policies.default, **data,
        }  # fmt: skip
        return self.tell("opened", when, mail=True, recorded=recorded, **known)

    def tell(
        self,
        kind: str,
        when: str | datetime,
        *,
        mail: bool | int = False,
        recorded: str | None = None,
        actor: str = "ann@desk.example",
        **data: Any,
    ) -> Story:
        """One fact, at that wall time. `mail=True` gives it a mail number of its own."""
        moment = self.when(when)
        number: int | None = None
        if mail is True:
            self.mails += 1
            number = self.mails
        elif mail:
            number = int(mail)
        known = self.when(recorded) if recorded else moment
        event = make(len(self.events) + 1, kind, moment, data, actor=actor, mail_id=number, recorded_at=known)
        self.case = cases.apply(self.case if self.events else None, event)
        self.events.append(event)
        return self

    def writes(self, when: str, **data: Any) -> Story:
        return self.tell("customer_wrote", when, mail=True, **data)

    def replies(self, when: str, **data: Any) -> Story:
        return self.tell("replied", when, mail=True, **data)

    def raised(self, when: str, urgency: str, basis: str, **data: Any) -> Story:
        return self.tell("urgency_set", when, urgency=urgency, basis=basis, why="a test", **data)

    def closes(self, when: str) -> Story:
        return self.tell("closed", when, outcome="upheld", cause="a fault")

    # -- questions ------------------------------------------------------------------------------------------------

    def when(self, moment: str | datetime) -> datetime:
        return at(moment, self.calendar.zone) if isinstance(moment, str) else moment

    def deadlines(self, now: str | datetime | None = None, *, history: bool = False) -> tuple[deadline.Deadline, ...]:
        moment = self.when(now) if now is not None else self.events[-1].at
        return deadline.of(self.case, self.policies, self.calendars, moment, history=history)

    def clock(self, target: str, now: str | datetime | None = None, name: str = "") -> deadline.Deadline:
        """The one current deadline of that target."""
        found = [d for d in self.deadlines(now) if d.target is Target(target) and d.name == name and not d.superseded]
        assert len(found) == 1, f"{target}: {found}"
        return found[0]

    def due(self, target: str, now: str | datetime | None = None, name: str = "") -> str | None:
        return wall(self.clock(target, now, name).due, self.calendar.zone)

    def state(self, target: str, now: str | datetime | None = None, name: str = "") -> str:
        return self.clock(target, now, name).state.value

    def steps(self, now: str | datetime) -> tuple[escalate.StepDue, ...]:
        """What a sweep at that moment would take, without taking it."""
        moment = self.when(now)
        return escalate.due(self.case, self.deadlines(moment), self.ladder, self.calendar, moment)

    def sweep(self, now: str | datetime) -> list[str]:
        """Take what is due at that moment and put it on the books; "target/level" of each step taken."""
        moment = self.when(now)
        for data in deadline.unrecorded(self.case, self.deadlines(moment, history=True)):
            self.tell("deadline_recorded", moment, actor="desk", **data)
        for promise in self.case.broken_promises(moment):
            if promise.state == "open":
                self.tell("promise_settled", promise.due, actor="desk", promise=promise.name, state="broken")
        taken = []
        for step in self.steps(moment):
            self.tell("escalated", moment, actor="desk", **dict[str, Any](step.data()))
            taken.append(f"{step.target}/{step.step}")
        return taken

    def sweeps(self, start: str, end: str, minutes: int = 5) -> list[tuple[str, str]]:
        """Sweep every few minutes; ("Tue 24 Nov 2026 10:00", "first_response/1") for each step taken."""
        moment, last = self.when(start), self.when(end)
        taken = []
        while moment <= last:
            shown = wall(moment, self.calendar.zone)
            assert shown is not None
            taken += [(shown, step) for step in self.sweep(moment)]
            moment += timedelta(minutes=minutes)
        return taken

    def next_moment(self, now: str | datetime) -> str | None:
        moment = self.when(now)
        found = escalate.next_moment(self.case, self.deadlines(moment), self.ladder, self.calendar, moment)
        return wall(found, self.calendar.zone)
