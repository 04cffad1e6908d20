"""How well we keep what we promise, by complaint type and promised span. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from triage.casework.case import Case
from triage.casework.history import Promise

#: promised spans by the clock, as a lead thinks of them
SPANS = ((timedelta(hours=26), "a day"), (timedelta(days=4), "2-4 days"), (timedelta(days=9), "a week"))
LONGER = "longer"
ENOUGH = 5  # fewer say nothing about a type and span


@dataclass(frozen=True, slots=True)
class Rate:
    """Promises of one type and span. Dismissed and renegotiated ones count neither way; done late is not kept."""

    complaint_type: str
    span: str
    kept: int
    broken: int
    open: int
    median_days: float | None  # from the promise to what was done, where that is known

    @property
    def rate(self) -> float | None:
        """kept / (kept + broken), None where nothing is settled."""
        settled = self.kept + self.broken
        return self.kept / settled if settled else None


def rates(cases: Iterable[Case]) -> list[Rate]:
    """By type and span, the commonest first; `all` and `any` stand for every type and span.

    What a merged case promised counts on the case that holds it now.
    """
    found: dict[tuple[str, str], list[Promise]] = defaultdict(list)
    for case in (one for one in cases if one.merged_into is None):
        for promise in case.promises:
            span = _span(promise)
            kind = case.complaint_type or case.disposition.value
            for key in ((kind, span), (kind, "any"), ("all", "any")):
                found[key].append(promise)
    out = [_rate(kind, span, some) for (kind, span), some in found.items()]
    return sorted(out, key=lambda r: (-(r.kept + r.broken + r.open), r.complaint_type, r.span))


def _span(promise: Promise) -> str:
    return next((name for most, name in SPANS if promise.due - promise.made_at <= most), LONGER)


def _rate(kind: str, span: str, some: list[Promise]) -> Rate:
    took = [
        (p.settled_at - p.made_at).total_seconds() / 86_400
        for p in some
        if p.settled_at is not None and p.state in ("kept", "done_late")
    ]
    return Rate(
        kind,
        span,
        kept=sum(p.state == "kept" for p in some),
        broken=sum(p.state in ("broken", "done_late") for p in some),
        open=sum(p.state in ("open", "done_unverified") for p in some),
        median_days=round(median(took), 1) if took else None,
    )


def sentence(found: Iterable[Rate], complaint_type: str | None) -> str:
    """What the owner of a new case should know before promising anything; "" where too little is known."""
    mine = [r for r in found if r.complaint_type == complaint_type and r.kept + r.broken >= ENOUGH]
    said = []
    for r in sorted(mine, key=lambda r: r.span != "any"):
        what = "promises" if r.span == "any" else f"promises within {r.span}" if r.span != LONGER else "longer promises"
        after = f", done after {r.median_days:g} days" if r.median_days is not None and r.span != "any" else ""
        said.append(f"{what}: {r.rate:.0%} of {r.kept + r.broken} kept{after}")
    return f"In {(complaint_type or '').replace('_', ' ')}, {'; '.join(said)}" if said else ""
