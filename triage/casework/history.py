"""The small records a case's history is made of. All times are aware UTC, whole seconds; all are frozen.

`seq` is the number of the event that made the record, so every figure can be led back to its fact. `cycle` numbers a
run of a clock by the event that started it: 1 for what counts from the receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from triage.words import Target, Urgency


@dataclass(frozen=True, slots=True)
class Fact:
    """What one of our answers stated: an amount ("refund" where it is to be paid back), a decision (yes, no), or the way
    to an ombudsman ("signpost")."""

    kind: str  # "refund", "amount", "yes", "no" or "signpost"
    value: str  # of an amount: "80.00 GBP"
    quote: str


@dataclass(frozen=True, slots=True)
class Contact:
    """One thing said between the customer and us. `seq` is unique in the case, also for what a duplicate brought."""

    at: datetime
    seq: int
    inbound: bool
    mail_id: int | None = None
    owed: bool = True  # inbound: is an answer owed? A thank-you is not
    response: str = "answer"  # outbound: "answer", "holding" or "final"
    by: str = ""
    channel: str = "mail"
    facts: tuple[Fact, ...] = ()  # outbound: what it stated


@dataclass(frozen=True, slots=True)
class FlagHeld:
    """A risk flag of the case, with the words that show it."""

    name: str
    evidence: tuple[str, ...]
    rule: str
    live: bool
    seq: int
    mail_id: int | None


@dataclass(frozen=True, slots=True)
class Regime:
    """The urgency, policy and calendar in force from `at` on."""

    at: datetime
    seq: int
    urgency: Urgency
    policy: str
    calendar: str | None
    basis: str  # "opened", "policy", or one of events.BASES
    restarts: bool = False  # do the clocks that are running start anew at `start`?
    start: datetime | None = None  # the mail or decision that brought the change; `at` unless told out of order
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """A wait for the customer; `until` is None while it lasts."""

    at: datetime
    seq: int
    via: str  # "command" or "mail"
    mail_id: int | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """A closing, and its re-opening when there was one. Closed by a mail that bounced, it was never closed."""

    at: datetime
    seq: int
    outcome: str
    cause: str
    reason: str | None
    reopened_at: datetime | None = None
    reopened_seq: int = 0
    reopened_by: str = ""  # "customer", "person" or "bounce"
    mode: str | None = None  # "resume", "restart", or None for the policy's own


@dataclass(frozen=True, slots=True)
class Ownership:
    """Who owns the case since when."""

    owner: str
    pool: str | None
    at: datetime
    seq: int
    why: str
    rule: str = ""
    accepted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """A decision a person was asked for."""

    at: datetime
    seq: int
    reasons: tuple[str, ...]
    reviewed_at: datetime | None = None
    reviewer: str = ""


@dataclass(frozen=True, slots=True)
class Chase:
    """The customer asked again while owed an answer."""

    at: datetime
    seq: int
    mail_id: int | None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Promise:
    """A dated commitment in our own reply."""

    name: str
    text: str
    type: str  # "contact": a mail proves it; "action": needs a tick or the customer's word
    made_at: datetime
    due: datetime
    seq: int
    assumed: bool = False  # undated in the reply; the date is the policy's
    by: str = ""
    state: str = "open"
    settled_at: datetime | None = None
    mail_id: int | None = None  # the reply that made it

    def broken(self, now: datetime) -> bool:
        """Broken from its due moment on, unless something was settled; an answer in that very second keeps it."""
        return self.state == "broken" or (self.state == "open" and now >= self.due)


@dataclass(frozen=True, slots=True)
class Taken:
    """A step of the ladder that was taken or skipped."""

    key: str
    target: str
    name: str
    cycle: int
    step: int
    at: datetime  # when it was taken
    delivered_at: datetime  # when people could know: after the quiet hours
    seq: int
    skipped: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""

    def waits(self, at: datetime) -> bool:
        """Was it taken by then, and nobody has taken note of it?"""
        return self.acknowledged_at is None and not self.skipped and self.at <= at


@dataclass(frozen=True, slots=True)
class Recorded:
    """A result that later changes of rules leave alone."""

    target: Target
    name: str
    cycle: int
    breached: bool
    due: datetime
    breached_at: datetime | None
    cause: str
    seq: int


@dataclass(frozen=True, slots=True)
class Statutory:
    """A limit of law on this case."""

    name: str
    seq: int
    start: datetime | None  # None: the receipt
    due: datetime | None = None  # its own date, when the paper gave one
    met_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ManualDue:
    """A due date set by hand, in force until cleared."""

    target: Target
    due: datetime
    at: datetime
    seq: int
    cleared_at: datetime | None = None
