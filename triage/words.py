"""The closed lists of the house: every name that code, database, pages and config may use, explained on its line.

Complaint types live in `config/complaint_types.yaml` (support leads may add their own); the names below are the
ones the starter model knows.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Urgency(IntEnum):
    """How soon. Ordered: a higher value is more urgent, so `max()` is the rule "the highest wins"."""

    LOW = 1  # minor or already put right; an opinion on a rule; no loss
    NORMAL = 2  # the default: something failed and needs a fix
    URGENT = 3  # legal, regulator, press, vulnerable person, past breach, own date within 3 business days, history
    CRITICAL = (
        4  # injury or live hazard, self-harm, data exposed now, fraud in progress, own date within 1 business day
    )

    @property
    def word(self) -> str:
        """The name used in config, database, JSON and pages: "low", "normal", "urgent", "critical"."""
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Urgency:
        """Read "urgent" or the short form "U2". Raises ValueError on anything else."""
        short = {"U1": cls.CRITICAL, "U2": cls.URGENT, "U3": cls.NORMAL, "U4": cls.LOW}
        upper = word.strip().upper()
        if upper in short:
            return short[upper]
        try:
            return cls[upper]
        except KeyError:
            raise ValueError(f"{word!r} is no urgency; use low, normal, urgent or critical") from None


class Disposition(StrEnum):
    """What a mail is treated as."""

    COMPLAINT = "complaint"  # dissatisfaction where an answer is expected, openly or by implication
    CASE_FOLLOWUP = "case_followup"  # belongs to a case: answers, documents, asks how it stands, a regulator's request
    CUSTOMER_ACK = "customer_ack"  # accepts or thanks, no new issue
    ENQUIRY = "enquiry"  # a question without dissatisfaction
    REQUEST = "request"  # asks for an ordinary act
    PRAISE = "praise"  # thanks or compliments with no hidden defect
    SUGGESTION = "suggestion"  # an idea without dissatisfaction
    DATA_RIGHTS_REQUEST = "data_rights_request"  # access, erasure, "who has my data", and nothing else
    SURVEY_RESPONSE = "survey_response"  # a survey vendor's mail, good score or no text
    REVIEW_NOTIFICATION = "review_notification"  # a review site's mail about a positive review
    AUTOREPLY = "autoreply"  # out of office or automatic receipt
    BOUNCE = "bounce"  # delivery report
    NEWSLETTER = "newsletter"  # list mail
    SUPPLIER_SALES = "supplier_sales"  # suppliers and sales mail
    SYSTEM_NOTICE = "system_notice"  # a machine's notice
    SPAM_PHISHING = "spam_phishing"  # failed authentication with link or archive, look-alike domain
    INTERNAL = "internal"  # own domain without a customer's mail inside
    MISDIRECTED = "misdirected"  # meant for another company
    BEFORE_START = "before_start"  # arrived before the desk went live: recorded, starts no clock
    UNREADABLE = "unreadable"  # quarantined: a visible case until a person has looked


#: the 14 complaint types of the starter model, by the fix test: what single thing would have to be put right?
COMPLAINT_TYPES = (
    "delivery",  # arrival, completeness, correctness or condition on arrival of an order
    "product_fault",  # the thing does not work or last
    "service_failure",  # a service not done or badly done
    "digital_access",  # site, app, login, checkout, bug
    "billing",  # amount or clarity of a charge
    "refund_return",  # return process, or money owed back
    "cancellation_contract",  # ending, renewing or changing a contract
    "sales_misleading",  # what was said before purchase
    "staff_conduct",  # how a person behaved
    "handling",  # how we dealt with the contact
    "privacy_security",  # personal data, unwanted contact, account compromise
    "premises_access",  # place, facilities, accessibility, nuisance to neighbours
    "policy_pricing",  # nothing went wrong; disagrees with a rule, price, range or decision
    "other_unclear",  # dissatisfied, cannot be placed
)

#: risk flags that a mail's words can raise
FLAGS = (
    "safety_injury",
    "self_harm",
    "data_breach",
    "fraud",
    "legal_threat",
    "regulator",
    "press_social",
    "vulnerable",
    "discrimination",
    "chargeback",
    "data_rights_request",
    "churn_threat",
    "wants_manager",
    "threat_to_staff",
    "public",
)

#: flags that come from the mailbox's history (or from the history that the mail itself states)
HISTORY_FLAGS = (
    "chased_1",
    "chased_2",
    "chased_3",
    "broken_promise",
    "repeat_failure",
    "reopened",
    "multi_owner_replies",
)


class Target(StrEnum):
    """What a deadline is for."""

    FIRST_RESPONSE = "first_response"  # the first answer by a person to the customer
    NEXT_RESPONSE = "next_response"  # the answer to the oldest unanswered customer mail after the first response
    UPDATE = "update"  # our own silence while the case is open
    RESOLUTION = "resolution"  # the matter is answered in full
    STATUTORY = "statutory"  # a limit set by law or regulator; never paused
    REVIEW = "review"  # a person's decision that the program is not sure enough to take


class State(StrEnum):
    """The state of a deadline at `now`; computed, never stored."""

    ON_TRACK = "on_track"
    AT_RISK = "at_risk"  # past the reminder mark (75 % of the span)
    BREACHED = "breached"  # due has passed without the thing done, or it was done late
    MET = "met"  # done in time; the very second of the due moment is in time
    ON_HOLD = "on_hold"  # waits for the customer; the clock rests
    CANCELLED = "cancelled"  # no longer wanted (case closed, merged, policy without this target)


class Status(StrEnum):
    """The status of a case."""

    OPEN = "open"
    ON_HOLD = "on_hold"
    CLOSED = "closed"
    MERGED = "merged"
