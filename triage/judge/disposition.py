"""What a mail is: screening, a survey's score, danger, plain cases, then the model with its threshold.

What the headers prove stands. In doubt it is a complaint and a person looks; every doubt is named on the mail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from triage.judge import sources, urgency
from triage.judge.cues import Cues, Flag
from triage.judge.dates import CustomerDate
from triage.judge.outcome import DUTY_FLAGS
from triage.judge.urgency import History, Reason, Thresholds, WorkingDays
from triage.mail.body import Body
from triage.mail.message import Message
from triage.words import FLAGS, Disposition, Urgency

#: these make a mail a complaint unless the model is all but sure that it is none; then a person looks
_DANGERS = frozenset({"self_harm", "safety_injury", "data_breach", "fraud"})
#: only headers prove these; where the model alone says so, a person confirms
_BY_HEADERS = frozenset(
    {Disposition.BOUNCE, Disposition.AUTOREPLY, Disposition.INTERNAL, Disposition.BEFORE_START, Disposition.UNREADABLE}
)
#: a person's mail, in which a customer's date or danger counts
FROM_A_CUSTOMER = frozenset(
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
_LEANS = 0.60  # P(no complaint) from which a doubtful mail keeps the name that the model gives it
#: the doubt that makes a mail count as a complaint although it has another name: a case, an owner, and the clock
#: of a complaint until a person has looked (decisions: "disposition doubt counts as a complaint")
MAY_BE_A_COMPLAINT = "may be a complaint"


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
    @property
    def flags(self) -> Mapping[str, float]: ...


@dataclass(slots=True)
class Mail:
    """Everything the judgement of one mail looks at; `doubts` is the only thing that grows. `look_alikes` are wordings of
    a flag that were not taken for it."""

    message: Message
    body: Body
    screening: Screened
    cues: Cues
    prediction: Predicted
    thresholds: Thresholds
    calendar: WorkingDays
    history: History
    flags: tuple[Flag, ...]
    look_alikes: tuple[Flag, ...]
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

    @property
    def dates(self) -> tuple[CustomerDate, ...]:
        """The customer's dates and, where a regulator writes, the terms it sets."""
        if any(flag.rule == sources.FROM_REGULATOR for flag in self.flags):
            return (*self.cues.dates, *(replace(one, kind="regulator") for one in self.cues.terms))
        return self.cues.dates

    def has(self, *names: str) -> bool:
        return any(flag.name in names for flag in self.flags)

    def floors(self) -> list[Flag]:
        return [flag for flag in self.flags if flag.floor]

    def doubt(self, reason: str) -> None:
        if reason not in self.doubts:
            self.doubts.append(reason)


def all_flags(
    message: Message,
    screening: Screened,
    cues: Cues,
    prediction: Predicted,
    learned: Mapping[str, float],
    thresholds: Thresholds,
    denied: Sequence[Flag] = (),
) -> tuple[Flag, ...]:
    """The flags of the wordings that are not `denied`, of the headers, and those that the model alone sees."""
    not_meant = {flag.name for flag in denied}
    found = {flag.name: flag for flag in cues.flags if flag.name not in not_meant}
    if screening.authenticated != "fail":  # a forged sender is no regulator
        for flag in sources.flags(message):
            known = found.get(flag.name)
            if known is None or (known.floor or 0) < (flag.floor or 0):
                found[flag.name] = flag
    for name, share in learned.items():
        if share >= thresholds.flag_score and name not in found and name in FLAGS:
            terms = tuple(term for term, _ in prediction.terms[:4])
            found[name] = Flag(name, terms, True, _LEARNED_FLOOR.get(name), f"model {prediction.model}: {share:.2f}")
    return tuple(found.values())


#: wordings that are never taken for anything else: danger to life, and what sets a duty with a date
_ALWAYS_MEANT = DUTY_FLAGS | {"self_harm", "safety_injury"}


def look_alikes(
    body: Body, cues: Cues, prediction: Predicted, learned: Mapping[str, float], thresholds: Thresholds
) -> tuple[Flag, ...]:
    """Wordings of a flag in a mail that is all but surely without it ("legally privileged", a nurse's question). None where
    the model cannot know: in a language it has not learnt, in a mail unlike any it has seen."""
    if not body.language_supported or prediction.in_scope < thresholds.in_scope:
        return ()
    cut = min(thresholds.look_alike, thresholds.flag_score)  # never deny what the model itself would raise
    return tuple(f for f in cues.flags if f.name not in _ALWAYS_MEANT and learned.get(f.name, 1.0) < cut)


#: a learned flag cannot tell live from past nor quote: a person looks. A danger to life is never taken as past.
_LEARNED_FLOOR = {"safety_injury": Urgency.CRITICAL, "self_harm": Urgency.CRITICAL} | dict.fromkeys(
    ("data_breach", "fraud", "legal_threat", "regulator", "vulnerable", "discrimination", "chargeback"), Urgency.URGENT
)


def is_clear(message: Message, body: Body, cues: Cues) -> bool:
    """Is there enough to judge by: some words of the sender's own, not just "see attached"?"""
    words = len(body.own.split(None, 12))
    return words >= _FEW_WORDS and not (words < 2 * _FEW_WORDS and message.attachments)


def of(mail: Mail) -> tuple[Disposition, str]:
    screened = mail.screening.disposition
    if mail.score and screened in (None, Disposition.SYSTEM_NOTICE, Disposition.NEWSLETTER):
        return _of_score(mail, mail.score)
    if screened is not None:
        return screened, mail.screening.reason
    if any(flag.rule == sources.FROM_REGULATOR for flag in mail.flags):
        return Disposition.CASE_FOLLOWUP, "a regulator writes"
    return _of_words(mail)


def _of_score(mail: Mail, score: sources.Score) -> tuple[Disposition, str]:
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


def _of_words(mail: Mail) -> tuple[Disposition, str]:
    """No header settles it: danger first, then the plain cases the cues prove, then the model with its threshold."""
    dangers = [flag for flag in mail.floors() if flag.name in _DANGERS]
    likely = _likeliest_other(mail.prediction)
    if (dangers or mail.cues.needs_glance) and (mail.complaint >= _SETTLED or mail.has("self_harm")):
        if mail.complaint < 0.5:
            mail.doubt("flag in what looks like no complaint")
        if likely is Disposition.CASE_FOLLOWUP and mail.complaint < 0.5:
            return likely, "follow-up with a danger in it"
        return Disposition.COMPLAINT, f"flag {dangers[0].name if dangers else 'self_harm idiom'}"
    if _only_thanks(mail):
        settled = Disposition.CUSTOMER_ACK if mail.is_answer else _thanks_kind(mail.prediction)
        if mail.complaint > 1.0 - mail.thresholds.disposition_confidence:  # irony thanks too
            mail.doubt(MAY_BE_A_COMPLAINT)
        return settled, "thanks and no new issue"
    if mail.has("data_rights_request") and not mail.cues.not_fixed and len(mail.floors()) == 0 and mail.complaint < 0.5:
        return Disposition.DATA_RIGHTS_REQUEST, "asks for personal data rights and nothing else"
    if not mail.clear:
        mail.doubt("content unclear")
        return Disposition.COMPLAINT, "content unclear: kept as a complaint"
    mass = 1.0 - mail.complaint
    if likely is None or mass < 0.5:
        if mass > 1.0 - _LEANS:
            mail.doubt("may be no complaint")
        return Disposition.COMPLAINT, f"model: P(complaint) {mail.complaint:.2f}"
    return _not_a_complaint(mail, likely, mass)


def _not_a_complaint(mail: Mail, likely: Disposition, mass: float) -> tuple[Disposition, str]:
    """The model leans to `likely`; filed unseen only above the threshold and with nothing that speaks against."""
    if mass < _LEANS:
        mail.doubt("may be no complaint")
        return Disposition.COMPLAINT, f"in doubt a complaint: P(no complaint) {mass:.2f}"
    if mail.cues.not_fixed and mass < mail.thresholds.disposition_confidence:
        mail.doubt("may be no complaint")
        return Disposition.COMPLAINT, "says that it is not put right"
    if mass < mail.thresholds.disposition_confidence:
        mail.doubt(MAY_BE_A_COMPLAINT)
    if not mail.body.language_supported:
        mail.doubt("language not supported")
        return Disposition.COMPLAINT, "language not supported: kept as a complaint"
    stated = [flag for flag in mail.stated if flag.floor]  # "leaks exactly like the first one" hides in praise too
    against = mail.floors() or stated
    if against and (stated or mail.complaint >= _SETTLED) and likely is not Disposition.CASE_FOLLOWUP:
        mail.doubt("flag in what looks like no complaint")
        mail.doubt(MAY_BE_A_COMPLAINT)
    if likely in FROM_A_CUSTOMER and pressing_dates(mail) and (mail.cues.not_fixed or mail.complaint >= _SETTLED):
        mail.doubt("pressing date in what looks like no complaint")
        return Disposition.COMPLAINT, "the customer's own date is near"
    if any(flag.name in _DANGERS for flag in against):
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
        name: share
        for name, share in prediction.disposition.items()
        if name in _NAMES and name != Disposition.COMPLAINT
    }
    return Disposition(max(known, key=lambda name: (known[name], name))) if known else None


_NAMES = frozenset(one.value for one in Disposition)


def _thanks_kind(prediction: Predicted) -> Disposition:
    ack, praise = (prediction.disposition.get(one, 0.0) for one in (Disposition.CUSTOMER_ACK, Disposition.PRAISE))
    return Disposition.CUSTOMER_ACK if ack >= praise else Disposition.PRAISE


def _only_thanks(mail: Mail) -> bool:
    cues, shares = mail.cues, mail.prediction.disposition
    if not cues.thanks or cues.not_fixed or cues.chase or mail.floors() or cues.history or cues.dates:
        return False
    kind = shares.get(Disposition.CUSTOMER_ACK, 0.0) + shares.get(Disposition.PRAISE, 0.0)
    return kind >= _ANSWER_SHARE and mail.complaint < 0.5


def pressing_dates(mail: Mail) -> list[Reason]:
    received = mail.screening.received_at
    found = (urgency.of_date(one, received, mail.calendar) for one in mail.dates)
    return [one for one in found if one]


def flags_that_bear(mail: Mail, disposition: Disposition) -> tuple[Flag, ...]:
    """Flags of a matter that is open. Nothing is open in spam, newsletters, automatic mail or praise; there only a
    dated duty counts, or what made the mail public."""
    if disposition in (Disposition.COMPLAINT, Disposition.CASE_FOLLOWUP):
        return mail.flags
    keep = {"public", "data_rights_request"} if disposition in FROM_A_CUSTOMER else {"public"}
    if disposition is Disposition.SYSTEM_NOTICE:
        keep |= {"chargeback"}
    if disposition in FROM_A_CUSTOMER:
        keep |= _DANGERS
    return tuple(flag for flag in mail.flags if flag.name in keep)
