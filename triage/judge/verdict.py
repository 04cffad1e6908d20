"""Screening, model and cues -> the verdict on one mail: what it is, what must be put right, how soon, how sure.

Rules set floors and the model may raise; a rule never changes a probability. What the headers prove (screening) stands
unless a dated duty hides in it. In doubt it is a complaint and a person looks: every doubt is a named review reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from triage.judge import sources, urgency
from triage.judge.cues import Cues, Flag
from triage.judge.dates import CustomerDate
from triage.judge.urgency import Decided, History, Reason, Thresholds, WorkingDays
from triage.mail.body import Body
from triage.mail.message import Message
from triage.words import COMPLAINT_TYPES, Disposition, Urgency

__all__ = ["History", "Reason", "Thresholds", "Verdict", "of"]

#: these make a mail a complaint whatever the model says
_DANGERS = frozenset({"self_harm", "safety_injury", "data_breach", "fraud"})
#: only headers prove these; where the model alone says so, a person confirms
_BY_HEADERS = frozenset(
    {Disposition.BOUNCE, Disposition.AUTOREPLY, Disposition.INTERNAL, Disposition.BEFORE_START, Disposition.UNREADABLE}
)
#: a person's mail, in which a customer's date or danger counts
_FROM_A_CUSTOMER = frozenset(
    {
        Disposition.CASE_FOLLOWUP,
        Disposition.CUSTOMER_ACK,
        Disposition.ENQUIRY,
        Disposition.REQUEST,
        Disposition.PRAISE,
        Disposition.SUGGESTION,
        Disposition.DATA_RIGHTS_REQUEST,
        Disposition.MISDIRECTED,
    }
)
_SETTLED = 0.10  # P(complaint) below which a date or a lesser flag leaves the model's disposition alone
_ANSWER_SHARE = 0.35  # P(ack) + P(praise) at which thanks without anything else closes
_FEW_WORDS = 4
_TYPE_BY_FLAG = {"data_breach": ("privacy_security",), "discrimination": ("staff_conduct", "premises_access")}
_FLOOR_OF_A_TYPE = 0.05  # a rule turns to a type only where the model gives it at least this


class Screened(Protocol):
    """What a verdict needs of the screening; `triage.mail.screen.Screening` is one."""

    @property
    def disposition(self) -> Disposition | None: ...
    @property
    def reason(self) -> str: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def authenticated(self) -> str: ...


class Predicted(Protocol):
    """What a verdict needs of the model; `triage.judge.classify.Prediction` is one. Probabilities by name."""

    @property
    def disposition(self) -> Mapping[str, float]: ...
    @property
    def complaint_type(self) -> Mapping[str, float]: ...
    @property
    def urgency(self) -> Mapping[str, float]: ...
    @property
    def terms(self) -> Sequence[tuple[str, float]]: ...
    @property
    def model(self) -> str: ...
    @property
    def in_scope(self) -> float: ...


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


@dataclass(slots=True)
class _Mail:
    """Everything the judgement of one mail looks at; `doubts` is the only thing that grows."""

    message: Message
    body: Body
    screening: Screened
    cues: Cues
    prediction: Predicted
    thresholds: Thresholds
    calendar: WorkingDays
    history: History
    flags: tuple[Flag, ...]
    score: sources.Score | None
    clear: bool
    doubts: list[str] = field(default_factory=list)

    @property
    def complaint(self) -> float:
        return self.prediction.disposition.get(Disposition.COMPLAINT, 0.0)

    @property
    def stated(self) -> tuple[Flag, ...]:
        return self.cues.history

    @property
    def is_answer(self) -> bool:
        return bool(self.message.in_reply_to or self.message.references)

    def has(self, *names: str) -> bool:
        return any(flag.name in names for flag in self.flags)

    def floors(self) -> list[Flag]:
        return [flag for flag in self.flags if flag.floor]

    def doubt(self, reason: str) -> None:
        if reason not in self.doubts:
            self.doubts.append(reason)


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

    `history` is what the mailbox knows of the case; `learned_flags` are a model's flag probabilities, if it has any: at or
    above `thresholds.flag_score` they raise the flag beside the cues. Never raises because of the mail.
    """
    mail = _Mail(
        message, body, screening, cues, prediction, thresholds, calendar, history,
        _all_flags(message, screening, cues, prediction, learned_flags or {}, thresholds),
        sources.score(message, body), _clear(message, body, cues),
    )  # fmt: skip
    disposition, reason = _disposition(mail)
    mail.flags = _flags_that_bear(mail, disposition)
    if disposition is Disposition.COMPLAINT:
        return _complaint(mail, reason)
    return _other(mail, disposition, reason)


def _all_flags(
    message: Message,
    screening: Screened,
    cues: Cues,
    prediction: Predicted,
    learned: Mapping[str, float],
    thresholds: Thresholds,
) -> tuple[Flag, ...]:
    found = {flag.name: flag for flag in cues.flags}
    if screening.authenticated != "fail":  # a forged sender is no regulator
        for flag in sources.flags(message):
            known = found.get(flag.name)
            if known is None or (known.floor or 0) < (flag.floor or 0):
                found[flag.name] = flag
    for name, share in learned.items():
        if share >= thresholds.flag_score and name not in found:
            terms = tuple(term for term, _ in prediction.terms[:4])
            found[name] = Flag(name, terms, True, _LEARNED_FLOOR.get(name), f"model {prediction.model}: {share:.2f}")
    return tuple(found.values())


#: a learned flag cannot tell live from past nor quote: urgent, and a person looks
_LEARNED_FLOOR = {
    name: Urgency.URGENT
    for name in "safety_injury self_harm data_breach fraud legal_threat regulator vulnerable discrimination chargeback".split()
}


def _clear(message: Message, body: Body, cues: Cues) -> bool:
    """Is there enough to judge by: some words of the sender's own, not just "see attached"?"""
    words = len(body.own.split(None, 12))
    return words >= _FEW_WORDS and not (words < 2 * _FEW_WORDS and message.attachments)


# --- what it is -----------------------------------------------------------------------------------------------------


def _disposition(mail: _Mail) -> tuple[Disposition, str]:
    screened = mail.screening.disposition
    if mail.score and screened in (None, Disposition.SYSTEM_NOTICE, Disposition.NEWSLETTER):
        return _of_score(mail, mail.score)
    if screened is not None:
        return screened, mail.screening.reason
    if any(flag.rule == "sender is a regulator" for flag in mail.flags):
        return Disposition.CASE_FOLLOWUP, "a regulator writes"
    return _of_words(mail)


def _of_score(mail: _Mail, score: sources.Score) -> tuple[Disposition, str]:
    """A survey answer or a review: a low mark with words is a complaint, a review of three stars and less always."""
    if score.kind == "review":
        mail.flags = (*mail.flags, Flag("public", (score.written,), True, None, "review notification"))
        if mail.screening.authenticated == "fail":
            mail.doubt("sender not authenticated")
        if score.negative:
            return Disposition.COMPLAINT, f"negative review ({score.written})"
        return Disposition.REVIEW_NOTIFICATION, f"positive review ({score.written})"
    if score.negative and score.comment:
        return Disposition.COMPLAINT, f"low survey score with words ({score.written})"
    if score.comment and mail.complaint >= mail.thresholds.disposition_confidence:
        mail.doubt("survey answer may hold a complaint")
    return Disposition.SURVEY_RESPONSE, f"survey score ({score.written})"


def _of_words(mail: _Mail) -> tuple[Disposition, str]:
    """No header settles it: danger first, then the plain cases the cues prove, then the model with its threshold."""
    dangers = [flag for flag in mail.floors() if flag.name in _DANGERS]
    likely = _likeliest_other(mail.prediction)
    if dangers or mail.cues.needs_glance:
        if mail.complaint < 0.5:
            mail.doubt("flag in what looks like no complaint")
        if likely is Disposition.CASE_FOLLOWUP and mail.complaint < 0.5:
            return likely, "follow-up with a danger in it"
        return Disposition.COMPLAINT, f"flag {dangers[0].name if dangers else 'self_harm idiom'}"
    if _only_thanks(mail):
        settled = Disposition.CUSTOMER_ACK if mail.is_answer else _thanks_kind(mail.prediction)
        return settled, "thanks and no new issue"
    if mail.has("data_rights_request") and not mail.cues.not_fixed and len(mail.floors()) == 0 and mail.complaint < 0.5:
        return Disposition.DATA_RIGHTS_REQUEST, "asks for personal data rights and nothing else"
    if not mail.clear:
        mail.doubt("content unclear")
        return Disposition.COMPLAINT, "content unclear: kept as a complaint"
    mass = 1.0 - mail.complaint
    if likely is None or mass < 0.5:
        if mass > 1.0 - mail.thresholds.disposition_confidence:
            mail.doubt("may be no complaint")
        return Disposition.COMPLAINT, f"model: P(complaint) {mail.complaint:.2f}"
    return _not_a_complaint(mail, likely, mass)


def _not_a_complaint(mail: _Mail, likely: Disposition, mass: float) -> tuple[Disposition, str]:
    """The model leans to `likely`; filed unseen only above the threshold and with nothing that speaks against."""
    if mass < mail.thresholds.disposition_confidence:
        mail.doubt("may be no complaint")
        return Disposition.COMPLAINT, f"in doubt a complaint: P(no complaint) {mass:.2f}"
    if not mail.body.language_supported:
        mail.doubt("language not supported")
        return Disposition.COMPLAINT, "language not supported: kept as a complaint"
    against = mail.floors() or [flag for flag in mail.stated if flag.floor]
    if against and mail.complaint >= _SETTLED and likely is not Disposition.CASE_FOLLOWUP:
        mail.doubt("flag in what looks like no complaint")
        return Disposition.COMPLAINT, f"flag {against[0].name}"
    if likely in _FROM_A_CUSTOMER and _pressing_dates(mail) and (mail.cues.not_fixed or mail.complaint >= _SETTLED):
        mail.doubt("pressing date in what looks like no complaint")
        return Disposition.COMPLAINT, "the customer's own date is near"
    if against:
        mail.doubt("flag in what looks like no complaint")
    if likely in _BY_HEADERS:
        mail.doubt("no header proves it")
    if likely is Disposition.CUSTOMER_ACK and mail.cues.not_fixed:
        mail.doubt("thanks with a defect in it")
    if likely is Disposition.PRAISE and mail.cues.not_fixed and mail.complaint >= _SETTLED:
        mail.doubt("praise with a defect in it")
    return likely, f"model: P({likely}) {mail.prediction.disposition.get(likely, 0.0):.2f}"


def _likeliest_other(prediction: Predicted) -> Disposition | None:
    """The likeliest disposition that is not a complaint, of those the house knows."""
    known = {
        name: share for name, share in prediction.disposition.items() if name in _NAMES and name != Disposition.COMPLAINT
    }
    return Disposition(max(known, key=lambda name: (known[name], name))) if known else None


_NAMES = frozenset(one.value for one in Disposition)


def _thanks_kind(prediction: Predicted) -> Disposition:
    ack, praise = (prediction.disposition.get(one, 0.0) for one in (Disposition.CUSTOMER_ACK, Disposition.PRAISE))
    return Disposition.CUSTOMER_ACK if ack >= praise else Disposition.PRAISE


def _only_thanks(mail: _Mail) -> bool:
    cues, shares = mail.cues, mail.prediction.disposition
    if not cues.thanks or cues.not_fixed or cues.chase or mail.floors() or cues.history or cues.dates:
        return False
    kind = shares.get(Disposition.CUSTOMER_ACK, 0.0) + shares.get(Disposition.PRAISE, 0.0)
    return kind >= _ANSWER_SHARE and mail.complaint < 0.5


def _pressing_dates(mail: _Mail) -> list[Reason]:
    received = mail.screening.received_at
    found = (urgency.of_date(one, received, mail.calendar) for one in mail.cues.dates)
    return [one for one in found if one]


def _flags_that_bear(mail: _Mail, disposition: Disposition) -> tuple[Flag, ...]:
    """Flags of a matter that is open. Nothing is open in spam, newsletters, automatic mail or praise; there only a
    dated duty counts, or what made the mail public."""
    if disposition in (Disposition.COMPLAINT, Disposition.CASE_FOLLOWUP):
        return mail.flags
    keep = {"public", "data_rights_request"} if disposition in _FROM_A_CUSTOMER else {"public"}
    if disposition is Disposition.SYSTEM_NOTICE:
        keep |= {"chargeback"}
    if disposition in _FROM_A_CUSTOMER and disposition not in (Disposition.PRAISE, Disposition.CUSTOMER_ACK):
        keep |= _DANGERS | {"legal_threat", "regulator", "chargeback"}
    return tuple(flag for flag in mail.flags if flag.name in keep)


# --- how soon, and how sure ---------------------------------------------------------------------------------------------


def _complaint(mail: _Mail, reason: str) -> Verdict:
    kind, secondary, why = _type(mail)
    decided = urgency.decide(
        mail.prediction.urgency, (*mail.flags, *mail.cues.rules), mail.stated, mail.cues.dates,
        mail.screening.received_at, mail.calendar, mail.thresholds, history=mail.history,
        clear=mail.clear and mail.body.language_supported, glance=mail.cues.needs_glance, public=mail.has("public"),
    )  # fmt: skip
    _doubts_of_a_complaint(mail, kind, decided)
    full = _verdict(mail, Disposition.COMPLAINT, reason, decided)
    reasons = (*decided.reasons, *((Reason("rule", decided.urgency, why),) if why else ()))
    shares = mail.prediction.complaint_type
    confidence = {**full.confidence, "type": shares.get(kind, 0.0)}
    return replace(full, complaint_type=kind, secondary=secondary, reasons=reasons, confidence=confidence)


def _doubts_of_a_complaint(mail: _Mail, kind: str, decided: Decided) -> None:
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


def _type(mail: _Mail) -> tuple[str, tuple[str, ...], str]:
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
        if found and first not in kinds and shares.get(best, 0.0) >= _FLOOR_OF_A_TYPE:
            first, why = best, f"tie-break: {flag} is {best}"
            break
    rest = [name for name in ranked if name != first and shares[name] >= mail.thresholds.secondary_share]
    return first, tuple(name for name in rest if name in COMPLAINT_TYPES or name in shares)[:2], why


def _other(mail: _Mail, disposition: Disposition, reason: str) -> Verdict:
    """No complaint: no type, and no urgency but for a dated duty, a danger or the customer's near date."""
    floors: list[Reason] = [
        Reason("flag", flag.floor, flag.name, flag.evidence)
        for flag in mail.flags
        if flag.floor and (disposition in _FROM_A_CUSTOMER or disposition is Disposition.SYSTEM_NOTICE)
    ]
    dated = disposition in _FROM_A_CUSTOMER or bool(floors)
    if dated and not (disposition in (Disposition.PRAISE, Disposition.CUSTOMER_ACK)):
        near = _pressing_dates(mail)
        if near and disposition in (Disposition.ENQUIRY, Disposition.REQUEST):
            mail.doubt("pressing date in what looks like no complaint")
        floors += near
    if disposition is Disposition.CASE_FOLLOWUP:
        floors += [Reason("rule", one.floor, one.name, one.evidence) for one in mail.cues.rules if one.floor]
        floors += [Reason("history", one.floor, f"the mail states {one.name}", one.evidence) for one in mail.stated if one.floor]
    if disposition in _FROM_A_CUSTOMER and not mail.body.language_supported:
        mail.doubt("language not supported")
    floors.sort(key=lambda one: -one.urgency)
    decided = Decided(floors[0].urgency, tuple(floors)) if floors else None
    return _verdict(mail, disposition, reason, decided)


def _verdict(mail: _Mail, disposition: Disposition, reason: str, decided: Decided | None) -> Verdict:
    prediction = mail.prediction
    types = prediction.complaint_type
    ranked = sorted(types, key=lambda name: (-types[name], name))[:2]
    confidence = {"disposition": prediction.disposition.get(disposition, 0.0)}
    if decided:
        confidence["urgency"] = prediction.urgency.get(decided.urgency.word, 0.0)
    person = disposition is Disposition.COMPLAINT or disposition in _FROM_A_CUSTOMER
    return Verdict(
        disposition=disposition,
        reason=reason,
        complaint_type=None,
        secondary=(),
        urgency=decided.urgency if decided else None,
        flags=(*mail.flags, *(mail.stated if person else ())),
        customer_dates=mail.cues.dates if person or decided else (),
        confidence=confidence,
        review=bool(mail.doubts),
        review_reasons=tuple(mail.doubts),
        reasons=decided.reasons if decided else (),
        language=mail.body.language,
        model=prediction.model,
        guesses=tuple((name, types[name]) for name in ranked),
        terms=tuple(prediction.terms),
    )
