"""What the people of the simulation do: customers write, chase, thank and come back; staff look, answer, ask, close.

Staff do it through the same operations as the command line, customers through events as the intake writes them. While
the program is down people go on: what they mailed is found afterwards and counts from the time it was sent.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from triage.casework import notice
from triage.casework.case import Case, Kind
from triage.desk import Desk
from triage.errors import NotAllowed
from triage.judge import route
from triage.judge.route import Facts
from triage.operations import act, cards, newcase, opening
from triage.operations.casebook import Draft, put, read
from triage.operations.imagined import START, Complaint, World
from triage.operations.newcase import NewCase
from triage.words import Disposition, Status, Urgency
from triage.world.store import cases

_AFTERWARDS = timedelta(minutes=10)  # what is found so much later happened while the program was down
_LEADERS = ("lead", "lead_deputy", "manager", "director")

Do = Callable[[datetime], None]


class Habits:
    """The agenda of everybody. `cases` mirrors the open ones as the register has them."""

    def __init__(self, desk: Desk, world: World) -> None:
        self.desk, self.world, self.random = desk, world, Random(world.seed * 7919 + 1)
        self.cases: dict[int, Case] = {}
        self.answers: Counter[str] = Counter()
        self._agenda: list[tuple[datetime, int, Do]] = []
        self._count = 0
        self._forgotten: dict[tuple[int, str], bool] = {}
        for complaint in world.inbox:
            self.later(complaint.at, partial(self._complains, complaint))
        for person, pace in world.pace.items():
            self.later(START + timedelta(minutes=self.random.uniform(0, pace)), partial(self._looks, person))

    def later(self, at: datetime, do: Do) -> None:
        """Put something on the agenda."""
        self._count += 1
        heapq.heappush(self._agenda, (at.replace(microsecond=0), self._count, do))

    def next_at(self) -> datetime:
        """When somebody next does something; somebody always does."""
        return self._agenda[0][0]

    def run(self, until: datetime) -> None:
        """Everything up to that moment, in order."""
        while self._agenda and self._agenda[0][0] <= until:
            at, _, do = heapq.heappop(self._agenda)
            do(at)

    def saw(self, case: Case) -> None:
        """Keep the mirror as the register is."""
        if case.is_open:
            self.cases[case.id] = case
        else:
            self.cases.pop(case.id, None)

    # -- customers ---------------------------------------------------------------------------------------------------

    def _complains(self, new: Complaint, at: datetime) -> None:
        desk = self.desk
        with desk.database.write() as tx:
            theirs = cases.rows(tx, everything=False, where={"customer": new.customer})
            facts = Facts(
                complaint_type=new.complaint_type, urgency=new.urgency, flags=frozenset(new.flags),
                language=new.language, mailbox=desk.mailboxes[0].name, customer=new.customer,
                confidence=new.confidence, review=new.review,
                customer_open_owner=theirs[-1]["owner"] if theirs else None,
            )  # fmt: skip
            found = NewCase(
                mailbox=desk.mailboxes[0].name, received_at=at, disposition=Disposition.COMPLAINT, urgency=new.urgency,
                customer=new.customer, routed=route.decide(
                    desk.config.ruleset, facts, desk.config.roster, opening.load(tx), desk.now()
                ),
                why="imagined", key=f"opened:{new.number}", complaint_type=new.complaint_type,
                flags=[{"name": flag} for flag in new.flags], subject=f"Complaint {new.number}", language=new.language,
            )  # fmt: skip
            draft = newcase.draft(desk, tx, opening.next_number(desk, tx), found)
            if new.review:
                draft.add(Kind.REVIEW_WANTED, desk.now(), {"reasons": ["imagined doubt"]})
            case = draft.save()
            owner = desk.config.roster.emails((case.owner,), desk.now())
            put(desk, tx, notice.assignment(cards.card(desk, tx, case), owner, case.ownership.seq))
        self.saw(case)
        if case.urgency is Urgency.CRITICAL:
            self.later(desk.now() + timedelta(minutes=self.random.uniform(5, 100)), partial(self._is_called, case.id))
        if self.random.random() < 0.35:
            self.later(at + timedelta(hours=self.random.uniform(20, 96)), partial(self._chases, case.id))

    def _chases(self, case_id: int, at: datetime) -> None:
        case = self.cases.get(case_id)
        if case is not None and case.is_chase(at):
            self._writes(case_id, at)
            if self.random.random() < 0.6:
                self.later(at + timedelta(hours=self.random.uniform(20, 60)), partial(self._chases, case_id))

    def _writes(self, case_id: int, at: datetime) -> None:
        """An answer, a chase, or "still not fixed"; the events that the intake would write."""
        with self.desk.database.write() as tx:
            draft = Draft(self.desk, tx, read(tx, case_id))
            before = draft.case
            if before.status is Status.MERGED:
                return
            if before.status is Status.CLOSED:
                draft.add(Kind.REOPENED, at, {"by": "customer", "why": "imagined"})
            draft.add(Kind.CUSTOMER_WROTE, at)
            if before.is_open and before.is_chase(at):
                draft.add(Kind.CHASED, at)
                raised = (
                    Urgency.URGENT if len(draft.case.chases) > 1 else Urgency(min(before.urgency + 1, Urgency.URGENT))
                )
                self._raise(draft, at, raised, "history")
            if before.status is Status.CLOSED:
                self._raise(draft, at, Urgency.URGENT, "reopened")
            case = draft.save()
        self.saw(case)
        if before.status is Status.CLOSED and case.urgency is Urgency.CRITICAL:
            self.later(self.desk.now() + timedelta(minutes=30), partial(self._is_called, case_id))

    @staticmethod
    def _raise(draft: Draft, at: datetime, wanted: Urgency, basis: str) -> None:
        if wanted > draft.case.urgency:
            draft.add(Kind.URGENCY_SET, at, {"urgency": wanted.word, "basis": basis, "why": "imagined"})

    def _thanks(self, case_id: int, at: datetime) -> None:
        with self.desk.database.write() as tx:
            draft = Draft(self.desk, tx, read(tx, case_id))
            if draft.case.status is not Status.MERGED:
                draft.add(Kind.CUSTOMER_THANKED, at)
            self.saw(draft.save())

    # -- staff -------------------------------------------------------------------------------------------------------

    def _looks(self, person: str, at: datetime) -> None:
        """A member of staff takes a look at their cases and does one thing."""
        calendar = self.desk.config.calendar
        pause = timedelta(minutes=self.world.pace[person] * self.random.uniform(0.5, 1.5))
        if not calendar.is_open(at) or not self.desk.config.roster.here(person, at):
            opens = calendar.next_open(at + timedelta(hours=6))
            self.later(
                max(opens, at + pause) + timedelta(minutes=self.random.uniform(0, 30)), partial(self._looks, person)
            )
            return
        self.later(at + pause, partial(self._looks, person))
        down = self.desk.now() - at > _AFTERWARDS
        if not down:
            self._leads(person)
        mine = [case for case in self.cases.values() if case.owner == person and not self._forgets(case, person)]
        owed = [case for case in mine if case.unanswered and case.hold is None and case.unanswered[0].at < at]
        if owed:
            self._answers(max(owed, key=lambda c: (c.urgency, -c.unanswered[0].at.timestamp())), person, at, down)
        elif mine and not down:
            self._tidies(self.random.choice(mine), person)

    def _is_called(self, case_id: int, at: datetime) -> None:
        """A critical case is looked at day and night, until it is closed."""
        case = self.cases.get(case_id)
        if case is None:
            return
        down = self.desk.now() - at > _AFTERWARDS
        if case.unanswered or self.random.random() < 0.5:
            self._answers(case, case.owner, at, down)
        elif not down:
            self._tidies(case, case.owner)
        if not down:
            self._does("ack", case, case.owner, why="called")
        self.later(at + timedelta(minutes=self.random.uniform(60, 260)), partial(self._is_called, case_id))

    def _leads(self, person: str) -> None:
        """Who leads takes note of escalations, mostly."""
        roles = self.desk.config.roster.roles
        if not any(person in roles.get(role, ()) for role in _LEADERS):
            return
        for case in list(self.cases.values()):
            if (
                any(t.step and not t.skipped and t.acknowledged_at is None for t in case.taken)
                and self.random.random() < 0.5
            ):
                self._does("ack", case, person, why="imagined")

    def _forgets(self, case: Case, person: str) -> bool:
        """Some cases slip somebody's mind until an escalation calls them back."""
        if any(t.step and not t.skipped for t in case.taken):
            return False
        key = (case.id, person)
        if key not in self._forgotten:
            self._forgotten[key] = self.random.random() > self.world.care[person]
        return self._forgotten[key]

    def _answers(self, case: Case, person: str, at: datetime, down: bool) -> None:
        if case.review is not None and not down:
            self._does("confirm", case, person, why="")
            return
        dice = self.random.random()
        response = "holding" if dice < 0.05 else "final" if dice < 0.4 else "answer"
        self._does("replied", case, person, at=at, channel="mail", response=response, note="")
        self.answers[person] += 1
        with self.desk.database.write() as tx:
            case = read(tx, case.id)
        self.saw(case)
        if not down and self.random.random() < 0.06:
            self._promises(case, person)
        if not down and case.may_hold() and self.random.random() < 0.2:
            self._does("hold", case, person, why="imagined question")
            if self.random.random() < 0.85:
                self.later(at + timedelta(hours=self.random.expovariate(1 / 30)), partial(self._writes, case.id))
        elif self.random.random() < 0.3:
            follows = self._writes if self.random.random() < 0.5 else self._thanks
            self.later(at + timedelta(hours=self.random.uniform(1, 48)), partial(follows, case.id))

    def _promises(self, case: Case, person: str) -> None:
        now = self.desk.now()
        with self.desk.database.write() as tx:
            draft = Draft(self.desk, tx, read(tx, case.id))
            due = now + timedelta(hours=self.random.uniform(12, 72))
            data = {"promise": f"p{draft.case.last_seq}", "text": "I write to you by then", "due": due.isoformat()}
            draft.add(Kind.PROMISED, now, {**data, "type": "contact", "by": person}, actor=person)
            self.saw(draft.save())

    def _tidies(self, case: Case, person: str) -> None:
        """Nothing is owed here: accept it, close it, or hand it on."""
        dice = self.random.random()
        if case.ownership.accepted_at is None:
            self._does("accept", case, person)
        elif case.replies and not case.unanswered and case.hold is None and dice < 0.5:
            self._does("close", case, person, outcome="upheld", cause="imagined", reason="", why="")
            if self.random.random() < 0.12:
                self.later(
                    self.desk.now() + timedelta(days=self.random.uniform(0.5, 8)), partial(self._writes, case.id)
                )
        elif dice > 0.97:
            self._does("assign", case, person, to=self.random.choice(list(self.world.pace)), why="imagined hand-off")

    def _does(self, verb: str, case: Case, person: str, *, at: datetime | None = None, **data: Any) -> None:
        """One command, as the command line would give it."""
        try:
            act.act(self.desk, verb, [case.number], {}, actor=person, at=at, **data)
        except NotAllowed:
            pass  # somebody was faster
