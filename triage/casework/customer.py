"""The customer's card, from mail alone: addresses, cases and outcomes, promises, money, language, contact wishes. Pure.

History only raises: it is shown to help, and never makes an answer slower (the fairness figure watches over that).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.casework import said, wordings
from triage.casework.case import Case
from triage.judge import sentences
from triage.words import Disposition, Status

REPEAT = timedelta(days=90)  # the same type again within this time is a repeat failure
_WISHES = 5


@dataclass(frozen=True, slots=True)
class Known:
    """One of the customer's cases."""

    number: str
    label: str  # complaint type or disposition
    status: str
    outcome: str  # of the last closing; "" while open
    received_at: datetime
    urgency: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Everything the mailbox tells about one customer. Times are aware UTC; newest case first."""

    addresses: tuple[str, ...]
    names: tuple[str, ...]
    languages: tuple[str, ...]
    cases: tuple[Known, ...]
    open_promises: tuple[str, ...]
    kept: int
    broken: int
    refunds: tuple[str, ...]  # sums that our mails spoke of as paid back
    wishes: tuple[str, ...]  # the customer's own words
    chases: int

    def lines(self) -> tuple[str, ...]:
        """The card in a few lines, for a notice: wishes first, then what is open, then what was."""
        found = [f'asks: "{wish}"' for wish in self.wishes]
        found += [f"{k.number} {k.label}, {k.status}{f' ({k.outcome})' if k.outcome else ''}" for k in self.cases[:5]]
        if len(self.cases) > 5:
            found.append(f"and {len(self.cases) - 5} earlier cases")
        if self.kept or self.broken:
            found.append(f"our promises to them: {self.kept} kept, {self.broken} broken")
        if self.refunds:
            found.append(f"paid back or promised: {', '.join(self.refunds)}")
        if len(self.addresses) > 1:
            found.append(f"also writes from {len(self.addresses) - 1} other addresses")
        return tuple(found)


def card(cases: Iterable[Case], wishes: Sequence[str]) -> Customer:
    """The card of the customer whose cases these are. Merged cases are left out: their mails count in the other."""
    mine = sorted((c for c in cases if c.status is not Status.MERGED), key=lambda c: c.received_at, reverse=True)
    promises = [p for c in mine for p in c.promises]
    addresses = dict.fromkeys(a for c in mine for a in (c.customer, *sorted(c.participants)))
    return Customer(
        addresses=tuple(addresses),
        names=tuple(dict.fromkeys(c.customer_name for c in mine if c.customer_name)),
        languages=tuple(dict.fromkeys(c.language for c in mine if c.language != "und")),
        cases=tuple(_known(c) for c in mine),
        open_promises=tuple(p.text for p in promises if p.state == "open"),
        kept=sum(p.state == "kept" for p in promises),
        broken=sum(p.state in ("broken", "done_late") for p in promises),
        refunds=tuple(
            dict.fromkeys(f.value for c in mine for r in c.replies for f in r.facts if f.kind == "refund")
        ),
        wishes=tuple(dict.fromkeys(wishes))[:_WISHES],
        chases=sum(len(c.chases) for c in mine),
    )  # fmt: skip


def _known(case: Case) -> Known:
    outcome = case.closings[-1].outcome if case.status is Status.CLOSED and case.closings else ""
    label = (case.complaint_type or case.disposition.value).replace("_", " ")
    return Known(case.number, label, case.status.value.replace("_", " "), outcome, case.received_at, case.urgency.word)


def repeated(case: Case, others: Iterable[Case]) -> Case | None:
    """The newest earlier case of the same customer and type, received within the 90 days before; None if there is none."""
    if case.disposition is not Disposition.COMPLAINT or case.complaint_type is None:
        return None
    same = [
        other
        for other in others
        if other.id != case.id
        and other.status is not Status.MERGED
        and other.complaint_type == case.complaint_type
        and timedelta(0) <= case.received_at - other.received_at <= REPEAT
    ]
    return max(same, key=lambda other: other.received_at, default=None)


def wishes(text: str, language: str) -> tuple[str, ...]:
    """How the customer wants to be written to or called, in their own words: "please don't phone, I'm deaf"."""
    read = sentences.read(text)
    found: dict[str, None] = {}
    for one in said.languages(language, len(read.words)):
        for hit in wordings.section(one, "wish").scan(read.sentences, read.words):
            found.setdefault(said.quote(read, read.sentences[hit.sentence])[:200])
    return tuple(found)[:_WISHES]
