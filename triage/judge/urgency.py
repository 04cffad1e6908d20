"""How soon: the highest of the model, the floors of flags and rules, the history and the customer's own dates.

Nothing lowers. Tone is no reason: capitals, swearing and "URGENT" set nothing. Every level reached keeps its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from triage.judge.cues import Cue, Flag
from triage.judge.dates import CustomerDate
from triage.judge.sentences import wordset
from triage.words import Urgency

CRITICAL_DAYS = 1  # business days from receipt to the customer's date
URGENT_DAYS = 3
#: terms set to us by others: the flag already makes them urgent, only the last business day makes them critical
DUTIES = frozenset({"legal", "regulator", "chargeback"})
_MAX_DAYS = 30

#: "look-alike": a wording that was left out, and so sets no level
Source = Literal["model", "flag", "history", "date", "rule", "person", "look-alike"]


class WorkingDays(Protocol):
    """What urgency needs of a business calendar; `triage.casework.hours.BusinessCalendar` is one.

    `zone` is IANA, `windows` the opening hours of seven days (Monday first; empty = closed), `days_off` closed
    dates."""

    @property
    def zone(self) -> str: ...
    @property
    def windows(self) -> Sequence[Sequence[object]]: ...
    @property
    def days_off(self) -> frozenset[date]: ...


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a level holds: who says so, the level, a sentence, and the words or facts that show it."""

    source: Source
    urgency: Urgency
    why: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """What the mailbox knows of the case before this mail. `answered`: a person of ours has answered already."""

    chases: int = 0
    broken_promises: int = 0
    repeat_failure: bool = False
    reopened: bool = False
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where calibrated probabilities turn into decisions. The defaults are cautious; the promoted model's card or the
    configuration sets them."""

    type_confidence: float = 0.60  # below: a person confirms the type
    disposition_confidence: float = 0.70  # mass of "no complaint" needed to file a mail unseen
    secondary_share: float = 0.20  # a further type at or above this is a second issue
    urgent_score: float = 0.50  # P(urgent) + P(critical) at or above: urgent
    critical_score: float = 0.50  # P(critical) at or above: critical
    look_score: float = 0.25  # P(urgent) + P(critical) at or above, level below: a person looks, the level stays
    low_confidence: float = 0.80  # P(low) needed for low
    in_scope: float = 0.50  # below: unlike anything the model has seen
    flag_score: float = 0.60  # a learned flag score at or above raises the flag
    look_alike: float = 0.0  # a wording of a flag with a learned score below is a look-alike and raises nothing


@dataclass(frozen=True, slots=True)
class Decided:
    """The urgency and its reasons, the deciding ones first."""

    urgency: Urgency
    reasons: tuple[Reason, ...]


def business_days(calendar: WorkingDays, received_at: datetime, at: datetime) -> int:
    """Business days after the day of receipt up to and with the day of `at`, in the calendar's zone; at most 30.

    Thursday to Monday is 2 (Friday, Monday). Friday to Saturday is 0: no working day is left. Today is 0.
    """
    zone = ZoneInfo(calendar.zone)
    day, last = received_at.astimezone(zone).date(), at.astimezone(zone).date()
    count = 0
    while day < last and count < _MAX_DAYS:
        day += timedelta(days=1)
        count += bool(calendar.windows[day.weekday()]) and day not in calendar.days_off
    return count


def of_date(one: CustomerDate, received_at: datetime, calendar: WorkingDays) -> Reason | None:
    """The floor of a customer's date: critical within one business day, urgent within three; past dates set none."""
    if one.at < received_at:
        return None
    days = business_days(calendar, received_at, one.at)
    when = one.at.astimezone(ZoneInfo(calendar.zone)).strftime("%a %d %b %Y %H:%M")
    why = f"{one.kind} on {when}, {days} business day{'' if days == 1 else 's'} away"
    if days <= CRITICAL_DAYS:
        return Reason("date", Urgency.CRITICAL, why, (one.evidence,))
    if days <= URGENT_DAYS or one.kind in DUTIES:
        return Reason("date", Urgency.URGENT, why, (one.evidence,))
    return None


def of_model(scores: Mapping[str, float], thresholds: Thresholds, *, may_be_low: bool) -> Reason:
    """The model's own level. Low needs confidence and, by `may_be_low`, a clear mail without flag or chase."""
    critical, urgent, low = scores.get("critical", 0.0), scores.get("urgent", 0.0), scores.get("low", 0.0)
    if critical >= thresholds.critical_score:
        return Reason("model", Urgency.CRITICAL, f"P(critical) {critical:.2f} >= {thresholds.critical_score:.2f}")
    if critical + urgent >= thresholds.urgent_score:
        return Reason(
            "model", Urgency.URGENT, f"P(urgent or critical) {critical + urgent:.2f} >= {thresholds.urgent_score:.2f}"
        )
    if low >= thresholds.low_confidence:
        if may_be_low:
            return Reason("model", Urgency.LOW, f"P(low) {low:.2f} >= {thresholds.low_confidence:.2f}")
        return Reason("rule", Urgency.NORMAL, "low needs a clear mail in a supported language without flag or chase")
    return Reason("model", Urgency.NORMAL, f"P(urgent or critical) {critical + urgent:.2f}, P(low) {low:.2f}")


def of_history(history: History) -> list[Reason]:
    """Floors of the mailbox's history; the first chase is a step up, which `decide` takes."""
    out = []
    if history.chases >= 2:
        out.append(Reason("history", Urgency.URGENT, f"chased {history.chases} times"))
    if history.broken_promises:
        out.append(Reason("history", Urgency.URGENT, f"broken promises: {history.broken_promises}"))
    if history.repeat_failure:
        out.append(Reason("history", Urgency.URGENT, "the same failure again"))
    if history.reopened:
        out.append(Reason("history", Urgency.URGENT, "reopened"))
    return out


def decide(
    scores: Mapping[str, float],
    flags: Sequence[Flag],
    stated: Sequence[Flag],
    dates: Sequence[CustomerDate],
    received_at: datetime,
    calendar: WorkingDays,
    thresholds: Thresholds = Thresholds(),
    *,
    history: History = History(),
    clear: bool = True,
    glance: Cue | None = None,
    public: bool = False,
) -> Decided:
    """The urgency of a mail.

    `scores` are the model's probabilities by level; `flags` with floors (risks and rules), `stated` the history
    that the text states; `clear` is False for unclear content or an unsupported language; `public` mail is raised one
    level, at most to urgent, and so is a first chase.
    """
    if received_at.tzinfo is None:
        raise ValueError("received_at has no time zone")
    received_at = received_at.astimezone(UTC)
    chased = history.chases > 0 or any(one.name.startswith("chased") for one in stated)
    reasons = [of_model(scores, thresholds, may_be_low=clear and not (flags or stated or chased or glance))]
    reasons += [
        Reason("rule" if one.name not in _RISKS else "flag", one.floor, _why(one), one.evidence)
        for one in flags
        if one.floor
    ]
    reasons += [
        Reason("history", one.floor, f"the mail states {one.name}", one.evidence) for one in stated if one.floor
    ]
    reasons += of_history(history)
    reasons += [reason for one in dates if (reason := of_date(one, received_at, calendar))]
    if glance:
        reasons.append(
            Reason("rule", Urgency.URGENT, "a wording of despair, probably an idiom: a person looks", glance.evidence)
        )
    level = max(reason.urgency for reason in reasons)
    for raised, why in ((public, "public: one level up"), (chased, "chased: one level up")):
        if raised and level < Urgency.URGENT:
            level = Urgency(level + 1)
            reasons.append(Reason("history" if "chased" in why else "rule", level, why))
    reasons.sort(key=lambda reason: -reason.urgency)
    return Decided(level, tuple(reasons))


_RISKS = wordset(
    "safety_injury self_harm data_breach fraud legal_threat regulator press_social vulnerable discrimination "
    "chargeback data_rights_request churn_threat wants_manager threat_to_staff public"
)


def _why(flag: Flag) -> str:
    if flag.name == "essential_off":
        who = " for a person who depends on it" if flag.floor == Urgency.CRITICAL else ""
        return f"essential service off{who}"
    past = "" if flag.live else " (past)"
    return f"{flag.name}{past}"
