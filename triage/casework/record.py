"""One customer matter: everything that is known about it, and the questions that are asked of it all the time.

The record is frozen; `case.apply` makes the next one. Import it as `case.Case`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.casework.history import (
    Chase,
    Closing,
    Contact,
    FlagHeld,
    Hold,
    ManualDue,
    Ownership,
    Promise,
    Recorded,
    Regime,
    Review,
    Statutory,
    Taken,
)
from triage.words import Disposition, Status, Urgency

MAX_HOLDS = 2  # a third wait would hide silence
CHASE_AFTER = timedelta(minutes=60)  # sooner is an afterthought to the same mail


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the clocks, the notices and the pages need to know about one matter. Times are aware UTC."""

    id: int
    number: str  # as people write it: C-2026-000123
    status: Status
    disposition: Disposition
    customer: str  # address
    received_at: datetime  # the earliest receipt: what the clocks count from
    opened_at: datetime  # when the desk learnt of it
    last_seq: int
    regimes: tuple[Regime, ...]  # urgency, policy and calendar over time; never empty
    owners: tuple[Ownership, ...]  # never empty: the last one owns it
    complaint_type: str | None = None
    secondary: tuple[str, ...] = ()
    customer_name: str = ""
    participants: frozenset[str] = frozenset()
    subject: str = ""
    language: str = "und"
    channel: str = "mail"
    restrict_text: bool = False
    flags: tuple[FlagHeld, ...] = ()
    contacts: tuple[Contact, ...] = ()  # in order of time
    holds: tuple[Hold, ...] = ()
    closings: tuple[Closing, ...] = ()
    reviews: tuple[Review, ...] = ()
    chases: tuple[Chase, ...] = ()
    promises: tuple[Promise, ...] = ()
    promised: int = 0  # promises ever made here, also those that left with a split: no name is given twice
    taken: tuple[Taken, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    statutory: tuple[Statutory, ...] = ()
    manual: tuple[ManualDue, ...] = ()
    product: str = ""  # what the complaint is about, as a person entered it for the register
    remedy: str = ""  # what the customer wants
    eligible: bool | None = None  # under the rules of the regulator, where there is one
    follow_up: str = ""  # what is done so that it does not happen again
    linked: tuple[int, ...] = ()
    absorbed: tuple[int, ...] = ()
    split_from: int | None = None
    merged_into: int | None = None
    merged_at: datetime | None = None
    close_offered_at: datetime | None = None
    acknowledged_at: datetime | None = None  # the automatic receipt to the customer

    # -- what is in force ---------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Open or on hold: somebody owes something."""
        return self.status in (Status.OPEN, Status.ON_HOLD)

    @property
    def urgency(self) -> Urgency:
        return self.regimes[-1].urgency

    @property
    def policy(self) -> str:
        return self.regimes[-1].policy

    @property
    def calendar(self) -> str | None:
        """A calendar of its own, or None for the policy's."""
        return self.regimes[-1].calendar

    @property
    def owner(self) -> str:
        return self.owners[-1].owner

    @property
    def pool(self) -> str | None:
        return self.owners[-1].pool

    @property
    def ownership(self) -> Ownership:
        return self.owners[-1]

    @property
    def hold(self) -> Hold | None:
        """The wait that is on, if one is."""
        return self.holds[-1] if self.status is Status.ON_HOLD else None

    @property
    def closing(self) -> Closing | None:
        return self.closings[-1] if self.status is Status.CLOSED else None

    @property
    def review(self) -> Review | None:
        """The review that is still wanted, if one is."""
        return self.reviews[-1] if self.reviews and self.reviews[-1].reviewed_at is None else None

    # -- who owes whom --------------------------------------------------------------------------------------------

    @property
    def replies(self) -> tuple[Contact, ...]:
        """Our answers that reached the customer since the receipt, in order of time."""
        return tuple(c for c in self.contacts if not c.inbound and c.at >= self.received_at)

    @property
    def last_reply_at(self) -> datetime | None:
        replies = self.replies
        return replies[-1].at if replies else None

    @property
    def unanswered(self) -> tuple[Contact, ...]:
        """The customer's mails that are owed an answer, oldest first."""
        last = self.last_reply_at
        return tuple(c for c in self.contacts if c.inbound and c.owed and (last is None or c.at > last))

    def is_chase(self, at: datetime, after: timedelta = CHASE_AFTER) -> bool:
        """Would a customer's mail of that moment chase an answer? (That it asks for news is for cues to say.)"""
        owed = [c for c in self.unanswered if c.at < at]
        return bool(owed) and at - owed[-1].at >= after

    def waits_for_note(self, at: datetime) -> bool:
        """Is there an escalation by that moment that nobody has taken note of?"""
        return any(t.waits(at) for t in self.taken)

    def may_hold(self) -> bool:
        """Is a(nother) wait for the customer allowed?"""
        return self.status is Status.OPEN and len(self.holds) < MAX_HOLDS

    def why_not_close(self, reason: str | None = None) -> str:
        """The sentence that forbids closing now, or "": a person's answer must stand after the last mail (A6)."""
        if not self.is_open:
            return f"Case {self.number} is {self.status.value}."
        if reason is None and (not self.replies or self.unanswered):
            return (
                "The customer's last mail has no answer yet: answer it, or give a reason "
                "(duplicate, withdrawn, not_a_complaint, unreachable, spam)."
            )
        return ""

    # -- counts that history rules use ------------------------------------------------------------------------------

    @property
    def handoffs(self) -> int:
        """Changes of owner after acceptance."""
        return sum(
            1
            for before, after in zip(self.owners, self.owners[1:], strict=False)
            if before.accepted_at is not None and before.owner != after.owner
        )

    @property
    def reopenings(self) -> int:
        """How often the customer came back after closing. A bounce or a person does not count."""
        return sum(closing.reopened_by == "customer" for closing in self.closings)

    @property
    def repliers(self) -> tuple[str, ...]:
        """The people who answered, in order of their first answer."""
        return tuple(dict.fromkeys(c.by for c in self.replies if c.by))

    def broken_promises(self, now: datetime) -> tuple[Promise, ...]:
        return tuple(sorted((p for p in self.promises if p.broken(now)), key=lambda p: (p.due, p.seq)))
