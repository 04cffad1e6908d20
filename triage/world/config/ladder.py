"""escalation.yaml -> Ladder, with everybody it tells looked up."""

from __future__ import annotations

from datetime import timedelta

from triage.casework.ladder import Ladder, Step
from triage.casework.policy import Span
from triage.judge.roster import OWNER, OWNER_DEPUTY, Roster
from triage.words import Target, Urgency
from triage.world.config.check import Check
from triage.world.config.ladder_parts import EscalationFile, RepeatPart, SpansPart, StepPart, place_of
from triage.world.config.source import Path

ESCALATION = "escalation.yaml"
_CLOCK_SECONDS = {"clock_min": 60, "clock_h": 3600}


def ladder_of(file: EscalationFile, roster: Roster, check: Check) -> Ladder | None:
    """The ladder; None where it has problems."""
    before = len(check.problems)
    names = (OWNER, OWNER_DEPUTY, *roster.roles, *roster.people, *roster.pools)
    for section in ("steps", "update", "review", "statutory", "promise"):
        for number, part in enumerate(getattr(file, section)):
            check.each_known(ESCALATION, (section, number, "tell"), part.tell, names, "role, person or pool")
    for key, text in (("repeat", span) for span in file.repeat.model_dump().values() if span):
        if Span.of(text).unit not in _CLOCK_SECONDS:
            check.wrong(ESCALATION, (key,), f"Paging every {text} is not possible.", 'Write "1 clock_h".')
    late = Span.of(file.late_after)
    if late.unit not in _CLOCK_SECONDS:
        check.wrong(ESCALATION, ("late_after",), "Lateness is measured on the clock.", 'Write "15 clock_min".')
    if len(check.problems) > before:
        return None
    try:
        return Ladder(
            name=file.name,
            steps=_steps(file.steps),
            by_target={
                Target.UPDATE: _steps(file.update),
                Target.REVIEW: _steps(file.review),
                Target.STATUTORY: _steps(file.statutory),
            },
            promise=_steps(file.promise),
            accept=_spans(file.accept),
            climb=_spans(file.climb),
            repeat=_spans(file.repeat),
            offer_close=Span.of(file.offer_close),
            handoffs=file.handoffs,
            reopenings=file.reopenings,
            late_after=timedelta(seconds=late.amount * _CLOCK_SECONDS[late.unit]),
        )
    except ValueError as error:
        check.wrong(ESCALATION, _culprit(str(error)), f"{str(error).capitalize()}.")
        return None


def _culprit(message: str) -> Path:
    """The list that a message of the ladder is about."""
    words = message.replace(":", ",").replace(",", " ").split()
    return next(((w,) for w in words if w in ("update", "review", "statutory", "promise")), ("steps",))


def _steps(parts: tuple[StepPart, ...]) -> tuple[Step, ...]:
    steps = []
    for part in parts:
        own = {u: place_of(text) for u in Urgency if (text := getattr(part, u.word)) is not None}
        steps.append(Step(part.level, place_of(part.at), part.tell, own, part.name))
    return tuple(steps)


def _spans(part: SpansPart | RepeatPart) -> dict[Urgency, Span]:
    return {u: Span.of(text) for u in Urgency if (text := getattr(part, u.word)) is not None}
