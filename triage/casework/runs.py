"""The runs of each clock: when a target's clock started, what paused it, what ended it. Read off the case alone.

A target can run several times: every customer mail after the first response starts a run of the next response, every
answer of ours a run of the update clock, every re-opening a run of the resolution. Danger in a new mail, or a person's
raise, breaks a run off and starts another one at that moment. Policies and calendars are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from triage.casework.record import Case
from triage.words import Target

#: an interval of epoch seconds; None: it lasts
Pause = tuple[int, int | None]


def stamp(moment: datetime) -> int:
    """Epoch seconds of an event's time, which is whole seconds already."""
    return int(moment.timestamp())


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one target's clock, in epoch seconds. At most one of `finish`, `stop`, `superseded` says its end."""

    target: Target
    cycle: int  # the seq of the event that started it
    start: int
    finish: int | None = None  # the thing was done
    stop: int | None = None  # no longer wanted: closed or merged
    superseded: int | None = None  # another run took over
    pauses: tuple[Pause, ...] = ()
    spent: tuple[tuple[int, int, tuple[Pause, ...]], ...] = ()  # earlier stretches of the same clock, when it resumes
    regime: int = 0  # index of the regime in force at the start

    @property
    def end(self) -> int | None:
        for end in (self.finish, self.stop, self.superseded):
            if end is not None:
                return end
        return None


def merged(pauses: Iterable[Pause]) -> tuple[Pause, ...]:
    """The same pauses in order and without overlap."""
    result: list[Pause] = []
    for start, end in sorted(pauses, key=lambda pause: pause[0]):
        if end is not None and end <= start:
            continue
        if result and (result[-1][1] is None or start <= result[-1][1]):
            last = result[-1][1]
            result[-1] = (result[-1][0], None if end is None or last is None else max(last, end))
        else:
            result.append((start, end))
    return tuple(result)


class Reader:
    """Reads the runs off one case; the few facts that several targets share are worked out once."""

    __slots__ = ("case", "regimes", "replies", "resume", "stop")

    def __init__(self, case: Case, reopen: str) -> None:
        """`reopen` is the policy's rule, "resume" or "restart", for re-openings that say none themselves."""
        self.case = case
        self.resume = reopen
        self.replies = [(stamp(c.at), c.seq) for c in case.contacts if not c.inbound and c.at >= case.received_at]
        closing = case.closing
        ended = case.merged_at or (closing.at if closing else None)
        self.stop = stamp(ended) if ended is not None and not case.is_open else None
        self.regimes = [(stamp(r.at), stamp(r.start or r.at), r.restarts) for r in case.regimes]

    def first_response(self) -> list[Run]:
        finish = self.replies[0][0] if self.replies else None
        return self._ended(Target.FIRST_RESPONSE, 1, stamp(self.case.received_at), finish, self._closed())

    def next_response(self, *, last_only: bool) -> list[Run]:
        """One run for each oldest unanswered mail after the first response."""
        if not self.replies:
            return []
        runs: list[tuple[int, int, int | None]] = []
        open_run: tuple[int, int] | None = None
        answered = False
        for contact in self.case.contacts:
            if contact.at < self.case.received_at:
                continue
            at = stamp(contact.at)
            if contact.inbound:
                if answered and contact.owed and open_run is None:
                    open_run = (at, contact.seq)
            else:
                answered = True
                if open_run is not None:
                    runs.append((*open_run, at))
                    open_run = None
        if open_run is not None:
            runs.append((*open_run, None))
        pauses = self._closed()
        found = []
        for start, cycle, finish in runs[-1:] if last_only else runs:
            found += self._ended(Target.NEXT_RESPONSE, cycle, start, finish, pauses)
        return found

    def update(self, *, last_only: bool, from_receipt: bool = False) -> list[Run]:
        """Our silence: from each answer to the next one. Closing ends it, re-opening starts it anew.

        `from_receipt` lets it run before the first answer too, for a case whose first response has no clock.
        """
        starts = list(self.replies)
        if from_receipt and not starts:
            starts = [(stamp(self.case.received_at), 1)]
        if not starts:
            return []
        marks: list[tuple[int, int, int | None]] = [(at, seq, None) for at, seq in starts]
        for closing in self.case.closings:
            if closing.reopened_by == "bounce":
                continue
            again = None if closing.reopened_at is None else stamp(closing.reopened_at)
            marks.append((stamp(closing.at), 0, again))
            if again is not None:
                marks.append((again, closing.reopened_seq, None))
        marks.sort(key=lambda mark: (mark[0], mark[1]))
        runs: list[Run] = []
        running: tuple[int, int] | None = None
        shut_until: int | None = 0
        for at, seq, back in marks:
            if running is not None:
                start, cycle = running
                finish, stop = (None, at) if seq == 0 else (at, None)
                runs.append(Run(Target.UPDATE, cycle, start, finish, stop, regime=self.in_force(start)))
                running = None
            if seq == 0:
                shut_until = back
            elif at >= starts[0][0] and (shut_until is not None and at >= shut_until):
                running = (at, seq)
        if running is not None:
            start, cycle = running
            runs.append(Run(Target.UPDATE, cycle, start, stop=self.stop, regime=self.in_force(start)))
        return runs[-1:] if last_only else runs

    def resolution(self, *, last_only: bool) -> list[Run]:
        """From receipt to closing; after a re-opening it goes on with what was left, or starts anew."""
        case = self.case
        pauses: list[Pause] = [(stamp(h.at), None if h.until is None else stamp(h.until)) for h in case.holds]
        runs: list[Run] = []
        start, cycle = stamp(case.received_at), 1
        spent: tuple[tuple[int, int, tuple[Pause, ...]], ...] = ()
        for closing in case.closings:
            if closing.reopened_by == "bounce" and closing.reopened_at is not None:
                pauses.append((stamp(closing.at), stamp(closing.reopened_at)))
        resting = merged(pauses)
        for closing in case.closings:
            if closing.reopened_at is None or closing.reopened_by == "bounce":
                continue
            ended = max(stamp(closing.at), start)
            run = Run(Target.RESOLUTION, cycle, start, ended, None, None, resting, spent, self.in_force(start))
            runs.append(run)
            spent = (*spent, (start, ended, resting)) if (closing.mode or self.resume) == "resume" else ()
            start, cycle = stamp(closing.reopened_at), closing.reopened_seq
        ending = case.closings[-1] if case.closings and case.closings[-1].reopened_at is None else None
        finish = stamp(ending.at) if ending else None
        stop = None if finish is not None else self.stop
        runs.append(Run(Target.RESOLUTION, cycle, start, finish, stop, None, resting, spent, self.in_force(start)))
        return runs[-1:] if last_only else runs

    def review(self) -> list[Run]:
        if not self.case.reviews:
            return []
        review = self.case.reviews[-1]
        finish = stamp(review.reviewed_at) if review.reviewed_at else None
        return self._ended(Target.REVIEW, review.seq, stamp(review.at), finish, ())

    def split(self, run: Run) -> Iterator[Run]:
        """The run, broken off wherever the urgency rose in a way that starts clocks anew."""
        for index, (_, start, restarts) in enumerate(self.regimes):
            if not restarts or index <= run.regime or start <= run.start:
                continue
            if run.end is not None and run.end <= start:
                break
            target, pauses = run.target, run.pauses
            yield Run(target, run.cycle, run.start, None, None, start, pauses, run.spent, run.regime)
            run = Run(target, self.case.regimes[index].seq, start, run.finish, run.stop, None, pauses, (), index)
        yield run

    def _ended(
        self, target: Target, cycle: int, start: int, finish: int | None, pauses: tuple[Pause, ...]
    ) -> list[Run]:
        stop = self.stop if finish is None else None
        if stop is not None and stop <= start:
            return []  # a mail that came after the closing and did not open it again
        return [Run(target, cycle, start, finish, stop, None, pauses, (), self.in_force(start))]

    def _closed(self) -> tuple[Pause, ...]:
        """The times in which nobody waited for an answer: closed, by something that did reach the customer."""
        return merged(
            (stamp(c.at), stamp(c.reopened_at))
            for c in self.case.closings
            if c.reopened_at is not None and c.reopened_by != "bounce"
        )

    def in_force(self, at: int) -> int:
        """The index of the regime in force at that second; the first one before all."""
        for index in range(len(self.regimes) - 1, 0, -1):
            if self.regimes[index][0] <= at:
                return index
        return 0
