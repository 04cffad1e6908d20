"""routing.yaml, dispositions.yaml, judging.yaml: who owns what, what becomes of a mail, when a person decides."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from triage.judge.roster import Pick
from triage.world.config.part import Email, Language, Name, Names, Part, Texts
from triage.world.config.team_parts import Languages


def _at_least(value: object) -> object:
    """`urgency: urgent` is a list of one; the rest is left to the model."""
    return [value] if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_at_least)]


class WhenPart(Part):
    """Conditions; all of them must hold. Within one, any of its values is enough."""

    type: Names | None = None
    """Complaint type."""
    secondary: Names | None = None
    """A second complaint type of the same mail."""
    any_type: Names | None = None
    """Complaint type, first or second."""
    flag: Names | None = None
    """A risk flag or history flag."""
    urgency: Words | None = None
    """critical, urgent, normal or low."""
    language: Annotated[tuple[str, ...], BeforeValidator(_at_least)] | None = None
    """ISO 639-1, or und for unknown."""
    mailbox: Names | None = None
    """Name of a mailbox in mailboxes.yaml."""
    customer: Texts | None = None
    """Addresses, domains (with their sub-domains), or names of `customer_groups`."""
    disposition: Names | None = None
    """What the mail is treated as."""
    words: Texts | None = None
    """Whole words or phrases in the subject or the customer's own text."""
    confidence_below: float | Literal["threshold"] | None = None
    """The type's probability is below this number, or below the threshold of judging.yaml."""
    customer_has_open_case: bool | None = None
    """The customer has an open case already."""
    names_staff: bool | None = None
    """The mail names one of our people."""
    needs_review: bool | None = None
    """The program is not sure enough and asks a person."""

    def asked(self) -> dict[str, Any]:
        """Only the conditions that are written down, in the order of the list above."""
        return {key: value for key in type(self).model_fields if (value := getattr(self, key)) is not None}


class OwnerPart(Part):
    """Who gets the case: a pool with how to pick, or (as plain text) a person, a role or same_owner."""

    pool: Name
    """A pool of people.yaml. A person, role or `same_owner` may stand here too."""
    pick: Pick | None = None
    """least_open, round_robin or in_order; default: as the pool says."""
    match: Annotated[tuple[Literal["language", "skill"], ...], BeforeValidator(_at_least)] = ()
    """language: those who speak it first. skill: those who know the type first."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: object) -> object:
        return {"pool": value} if isinstance(value, str) else value


class FactsPart(Part):
    """A case in small, for `examples`."""

    type: Name | None = None
    """Complaint type."""
    secondary: Names = ()
    """Further complaint types."""
    disposition: Name = "complaint"
    """What the mail is treated as."""
    urgency: str = "normal"
    """critical, urgent, normal or low."""
    flags: Names = ()
    """Risk flags and history flags."""
    language: str = "en"
    """ISO 639-1, or und."""
    mailbox: str = ""
    """Name of the mailbox it came to."""
    customer: str = "customer@example.org"
    """The customer's address."""
    confidence: float = 1.0
    """Probability of the complaint type; the threshold counts as 0.60 here."""
    review: bool = False
    """Whether a person is asked to decide."""
    open_owner: Name | None = None
    """Who has this customer's open case."""
    previous_owner: Name | None = None
    """Who handled it before."""
    names_staff: Names = ()
    """People whom the mail names."""
    text: str = ""
    """The customer's words."""


class ExamplePart(Part):
    """A case and what the lead expects of it."""

    facts: FactsPart
    """The case."""
    owner: Name | None = None
    """The person or pool that must get it."""
    policy: Name | None = None
    """The policy it must get."""


class RulePart(Part):
    """One rule."""

    name: Name
    """Unique; it stands in every explanation."""
    when: WhenPart = WhenPart()
    """Conditions that must all hold."""
    unless: WhenPart = WhenPart()
    """The rule is passed over where any of these holds."""
    otherwise: bool = False
    """Only for the last rule: it takes what is left."""
    owner: OwnerPart
    """A person, role, same_owner, or {pool, pick, match}."""
    policy: Name | None = None
    """A policy of policies.yaml; default: as under `policies` below, else standard."""
    inform: Names = ()
    """People, roles or pools told besides the owner."""
    never_owner: Names = ()
    """named_person, previous_owner, or a person."""
    restrict_text: bool = False
    """Notices carry none of the customer's words."""
    acknowledge: Literal["allowed", "never"] = "allowed"
    """never: no automatic receipt."""
    covers: Names = ()
    """Only for the last rule: complaint types that are meant to end there."""
    examples: tuple[ExamplePart, ...] = ()
    """Cases that must come out by this rule; tried at every check."""

    @model_validator(mode="after")
    def _conditions(self) -> Self:
        plain = not self.when.asked() and not self.unless.asked()
        if self.otherwise and not plain:
            raise ValueError(f"The rule {self.name!r} is `otherwise` and has conditions. | Remove one of the two.")
        if not self.otherwise and plain and self.owner.pool != "same_owner":
            raise ValueError(
                f"The rule {self.name!r} has no conditions. | Add `when`, or `otherwise: true` if it is the last."
            )
        return self


class InformPart(Part):
    """People told of every such case, whichever rule gives it its owner."""

    name: Name
    """What the line is about."""
    when: WhenPart
    """Conditions that must all hold."""
    inform: Names = Field(min_length=1)
    """People, roles or pools."""


class PolicyLinePart(Part):
    """The policy of such cases, unless their rule names one."""

    name: Name
    """What the line is about."""
    when: WhenPart
    """Conditions that must all hold."""
    policy: Name
    """A policy of policies.yaml."""


class AlwaysPart(Part):
    """What no rule can undo."""

    never_owner: Names = ("named_person",)
    """named_person: a case never goes to somebody the mail names."""
    restrict_text: Names = ("self_harm",)
    """Flags with which notices carry none of the customer's words."""
    acknowledge_never: Names = ("self_harm", "legal_threat", "regulator")
    """Flags with which no automatic receipt is sent."""


class RoutingFile(Part):
    """routing.yaml"""

    always: AlwaysPart = AlwaysPart()
    """What holds for every case."""
    customer_groups: dict[Name, Texts] = {}
    """Names for lists of addresses and domains."""
    rules: tuple[RulePart, ...] = Field(min_length=1)
    """The rules. The first that matches wins; the last has `otherwise: true`."""
    inform: tuple[InformPart, ...] = ()
    """Who else is told, besides what rules say."""
    policies: tuple[PolicyLinePart, ...] = ()
    """Policies by condition; the first that holds counts."""
    default_policy: Name = "standard"
    """The policy of all others."""


class OutcomePart(Part):
    """What becomes of mail of one disposition."""

    outcome: Literal["case", "forward", "file", "attach"]
    """case: opens one. attach: to its case, else as `otherwise`. forward: our notice to people. file: kept."""
    otherwise: Literal["case", "file", "forward"] = "file"
    """For attach: what happens where no case is found."""
    to: Names = ()
    """For forward: people, roles or pools."""
    owner: OwnerPart | None = None
    """For case: who owns it; default: as routing.yaml says."""
    policy: Name | None = None
    """For case: its policy; default: as routing.yaml says."""
    urgency: str | None = None
    """For case: at least this urgency; default: normal."""
    audit: bool = True
    """May turn up in the sample that a person looks through for missed complaints."""

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        forwards = self.outcome == "forward" or (self.outcome == "attach" and self.otherwise == "forward")
        if forwards and not self.to:
            raise ValueError("A mail that is forwarded needs somebody to go to. | Add `to: [name]`.")
        return self


class DispositionsFile(Part):
    """dispositions.yaml"""

    dispositions: dict[str, OutcomePart]
    """Every disposition and what it leads to."""


Share = Annotated[float, Field(ge=0, le=1)]


class ThresholdsPart(Part):
    """Probabilities at which the program decides by itself. What is not written is as the model's card says."""

    type_confidence: Share | None = None
    """Below it a person looks at the complaint type."""
    disposition_confidence: Share | None = None
    """Needed to file a mail as no complaint without a look; below it counts as one."""
    secondary_share: Share | None = None
    """A further type at or above this is a second issue."""
    urgent_score: Share | None = None
    """From this probability on a mail is urgent."""
    critical_score: Share | None = None
    """From this probability on a mail is critical."""
    look_score: Share | None = None
    """From this probability of urgent or critical on a person looks; the level stays."""
    low_confidence: Share | None = None
    """Only from this probability on may a mail be of low urgency."""
    in_scope: Share | None = None
    """Below it a mail is unlike anything the model has seen, and a person looks."""
    flag_score: Share | None = None
    """From this probability on a learned flag is raised."""
    look_alike: Share | None = None
    """Below this probability a wording of a flag is taken for a look-alike and raises nothing."""


class JudgingFile(Part):
    """judging.yaml"""

    thresholds: ThresholdsPart = ThresholdsPart()
    """Probabilities from which the program decides by itself."""
    languages: Languages = ("en", "de", "fr", "es", "it", "nl", "pt")
    """Languages the team wants judged without a look, of the seven the classifier knows; mail in another one goes to review
    and is never of low urgency."""
    sentences: bool = True
    """Read whole sentences too where the extra complaint-triage[semantic] is installed: surer, about ten milliseconds a mail
    and 150 MB of memory more."""
    audit_share: float = Field(default=0.05, ge=0, le=1)
    """Share of "no complaint" decisions that a person looks through every week."""
    audit_least: int = Field(default=10, ge=0, le=1000)
    """At least so many of them."""
    audit_owner: Name = "lead"
    """Person, role or pool whose job the looking is; one named person gets each week's sample."""
    audit_days: int = Field(default=5, ge=1, le=30)
    """Business days in which it is to be done; then lead and manager are told."""


__all__ = ["DispositionsFile", "Email", "JudgingFile", "Language", "OutcomePart", "RoutingFile", "RulePart", "WhenPart"]
