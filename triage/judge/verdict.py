"""Screening, model and cues -> the verdict on one mail: what it is, what must be put right, how soon, how sure.

Rules set floors and the model may raise; a rule never changes a probability. What the headers prove (screening) stands
unless a dated duty hides in it. In doubt it is a complaint and a person looks: every doubt is a named review reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from triage.judge import disposition, sources, urgency
from triage.judge.cues import Cues, Flag
from triage.judge.dates import CustomerDate
from triage.judge.disposition import FROM_A_CUSTOMER, Mail, Predicted, Screened
from triage.judge.urgency import Decided, History, Reason, Thresholds, WorkingDays
from triage.mail.body import Body
from triage.mail.message import Message
from triage.words import Disposition, Urgency

__all__ = ["History", "Predicted", "Reason", "Screened", "Thresholds", "Verdict", "of"]

#: the label guide's tie-breaks 1 and 2
_TYPE_BY_FLAG = {"data_breach": ("privacy_security",), "discrimination": ("staff_conduct", "premises_access")}
_FLOOR_OF_A_TYPE = 0.05  # a rule turns to a type only where the model gives it at least this


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the desk holds of one mail. `urgency` is None where nothing waits for an answer; `confidence` holds the
    model's own probabilities of what was decided; `guesses` the two likeliest types for the reviewer."""

    disposition: Disposition
    reason: str
    complaint_type: str | None
    secondary: tuple[str, ...]
    urgency: Urgency | None
    flags: tuple[Flag, ...]
    customer_dates: tuple[CustomerDate, ...]
    confidence: Mapping[str, float]
    review: bool
    review_reasons: tuple[str, ...]
    reasons: tuple[Reason, ...]
    language: str
    model: str
    guesses: tuple[tuple[str, float], ...]
    terms: tuple[tuple[str, float], ...]


def of(
    message: Message,
    body: Body,
    screening: Screened,
    cues: Cues,
    prediction: Predicted,
    thresholds: Thresholds,
    calendar: WorkingDays,
    *,
    history: History = History(),
    learned_flags: Mapping[str, float] | None = None,
) -> Verdict:
    """The verdict on one mail.

    `history` is what the mailbox knows of the case. `learned_flags` (default: the prediction's own) are flag
    probabilities: at or above `thresholds.flag_score` they raise the flag beside the cues. Never raises because of the
    mail.
    """
    learned = prediction.flags if learned_flags is None else learned_flags
    denied = disposition.look_alikes(body, cues, prediction, learned, thresholds)
    mail = Mail(
        message, body, screening, cues, prediction, thresholds, calendar, history,
        disposition.all_flags(message, screening, cues, prediction, learned, thresholds, denied), denied,
        sources.score(message, body), disposition.is_clear(message, body, cues),
    )  # fmt: skip
    kind, reason = disposition.of(mail)
    if disposition.MAY_BE_A_COMPLAINT not in mail.doubts:  # else every flag counts as in a complaint
        mail.flags = disposition.flags_that_bear(mail, kind)
    if any(flag.floor is Urgency.CRITICAL for flag in mail.look_alikes):
        mail.doubt("a wording of a danger, taken for a look-alike: look")
    if kind is Disposition.COMPLAINT:
        return _complaint(mail, reason)
    return _other(mail, kind, reason)


def _complaint(mail: Mail, reason: str) -> Verdict:
    kind, secondary, why = _type(mail)
    decided = _urgency(mail)
    _doubts_of_a_complaint(mail, kind, decided)
    full = _verdict(mail, Disposition.COMPLAINT, reason, decided)
    reasons = (*full.reasons, *((Reason("rule", decided.urgency, why),) if why else ()))
    shares = mail.prediction.complaint_type
    confidence = {**full.confidence, "type": shares.get(kind, 0.0)}
    return replace(full, complaint_type=kind, secondary=secondary, reasons=reasons, confidence=confidence)


def _urgency(mail: Mail) -> Decided:
    return urgency.decide(
        mail.prediction.urgency, (*mail.flags, *mail.cues.rules), mail.stated, mail.dates,
        mail.screening.received_at, mail.calendar, mail.thresholds, history=mail.history,
        clear=mail.clear and mail.body.language_supported, glance=mail.cues.needs_glance, public=mail.has("public"),
    )  # fmt: skip


def _doubts_of_a_complaint(mail: Mail, kind: str, decided: Decided) -> None:
    limits, shares = mail.thresholds, mail.prediction
    if shares.complaint_type.get(kind, 0.0) < limits.type_confidence:
        mail.doubt("type uncertain")
    if not mail.clear:
        mail.doubt("content unclear")
    if not mail.body.language_supported:
        mail.doubt("language not supported")
    if shares.in_scope < limits.in_scope:
        mail.doubt("unlike anything seen in training")
    risky = shares.urgency.get("urgent", 0.0) + shares.urgency.get("critical", 0.0)
    if risky >= limits.look_score and decided.urgency < Urgency.URGENT:
        mail.doubt("may be urgent")
    if mail.cues.needs_glance:
        mail.doubt("despair idiom: look")
    if any(flag.rule.startswith("model ") and flag.floor for flag in mail.flags):
        mail.doubt("flag seen by the model only")


def _type(mail: Mail) -> tuple[str, tuple[str, ...], str]:
    """Type, further types, and the rule that chose it, if one did. The label guide's tie-breaks 1 and 2 beat the model:
    others' data exposed is privacy_security, discrimination is conduct or premises."""
    shares = mail.prediction.complaint_type
    ranked = sorted(shares, key=lambda name: (-shares[name], name))
    if not ranked:
        return "other_unclear", (), "the model gave no type"
    first, why = ranked[0], ""
    for flag, kinds in _TYPE_BY_FLAG.items():
        best = max(kinds, key=lambda name: shares.get(name, 0.0))
        found = mail.cues.flag(flag)
        if found and found not in mail.look_alikes and first not in kinds and shares.get(best, 0.0) >= _FLOOR_OF_A_TYPE:
            first, why = best, f"tie-break: {flag} is {best}"
            break
    rest = [name for name in ranked if name != first and shares[name] >= mail.thresholds.secondary_share]
    return first, tuple(rest[:2]), why


def _other(mail: Mail, kind: Disposition, reason: str) -> Verdict:
    """No complaint: no type, and no urgency but for a dated duty, a danger or the customer's near date."""
    floors: list[Reason] = [
        Reason("flag", flag.floor, flag.name, flag.evidence)
        for flag in mail.flags
        if flag.floor and (kind in FROM_A_CUSTOMER or kind is Disposition.SYSTEM_NOTICE)
    ]
    dated = kind in FROM_A_CUSTOMER or bool(floors)
    if dated and kind not in (Disposition.PRAISE, Disposition.CUSTOMER_ACK):
        near = disposition.pressing_dates(mail)
        if near and kind in (Disposition.ENQUIRY, Disposition.REQUEST):
            mail.doubt("pressing date in what looks like no complaint")
        floors += near
    if kind is Disposition.CASE_FOLLOWUP:
        floors += [Reason("rule", one.floor, one.name, one.evidence) for one in mail.cues.rules if one.floor]
        floors += [
            Reason("history", one.floor, f"the mail states {one.name}", one.evidence)
            for one in mail.stated
            if one.floor
        ]
    if kind in FROM_A_CUSTOMER and not mail.body.language_supported:
        mail.doubt("language not supported")
    floors.sort(key=lambda one: -one.urgency)
    decided = Decided(floors[0].urgency, tuple(floors)) if floors else None
    if disposition.MAY_BE_A_COMPLAINT in mail.doubts:
        decided = _urgency(mail)  # it counts as a complaint: that has a clock, and goes where its kind belongs
        likely, further, _ = _type(mail)
        return replace(_verdict(mail, kind, reason, decided), complaint_type=likely, secondary=further)
    return _verdict(mail, kind, reason, decided)


def _denied(flag: Flag) -> Reason:
    return Reason("look-alike", Urgency.LOW, f"a wording of {flag.name}, taken for a look-alike", flag.evidence)


def _verdict(mail: Mail, kind: Disposition, reason: str, decided: Decided | None) -> Verdict:
    prediction = mail.prediction
    types = prediction.complaint_type
    ranked = sorted(types, key=lambda name: (-types[name], name))[:2]
    confidence = {"disposition": prediction.disposition.get(kind, 0.0)}
    if decided:
        confidence["urgency"] = prediction.urgency.get(decided.urgency.word, 0.0)
    person = kind is Disposition.COMPLAINT or kind in FROM_A_CUSTOMER
    return Verdict(
        disposition=kind,
        reason=reason,
        complaint_type=None,
        secondary=(),
        urgency=decided.urgency if decided else None,
        flags=(*mail.flags, *(mail.stated if person else ())),
        customer_dates=mail.dates if person or decided else (),
        confidence=confidence,
        review=bool(mail.doubts),
        review_reasons=tuple(mail.doubts),
        reasons=(*(decided.reasons if decided else ()), *map(_denied, mail.look_alikes)),
        language=mail.body.language,
        model=prediction.model,
        guesses=tuple((name, types[name]) for name in ranked),
        terms=tuple(prediction.terms),
    )
