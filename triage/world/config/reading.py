"""A folder of YAML files -> one Config, checked whole: every problem at once, each with its line and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast

from pydantic import BaseModel, ValidationError

from triage.casework.hours import BusinessCalendar
from triage.casework.ladder import Ladder
from triage.casework.policy import Policies
from triage.errors import ConfigInvalid, Problem
from triage.judge import route
from triage.judge.outcome import Outcome
from triage.judge.roster import Roster
from triage.judge.rule import Facts, Ruleset
from triage.judge.urgency import Thresholds
from triage.words import Disposition
from triage.world.config import agreed, crosscheck, ladder, outcomes, routing, source, team
from triage.world.config.check import Check
from triage.world.config.desk_parts import BusinessFile, MailboxesFile, MailboxPart, NoticesFile
from triage.world.config.ladder_parts import EscalationFile
from triage.world.config.part import nearest, problems_of
from triage.world.config.policy_parts import PoliciesFile
from triage.world.config.routing_parts import DispositionsFile, JudgingFile, RoutingFile
from triage.world.config.source import Source
from triage.world.config.team_parts import CalendarsFile, PeopleFile, TypePart, TypesFile

#: every file of a config folder and the model that checks it
FILES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "business.yaml": BusinessFile,
        "mailboxes.yaml": MailboxesFile,
        "complaint_types.yaml": TypesFile,
        "people.yaml": PeopleFile,
        "routing.yaml": RoutingFile,
        "calendars.yaml": CalendarsFile,
        "policies.yaml": PoliciesFile,
        "escalation.yaml": EscalationFile,
        "dispositions.yaml": DispositionsFile,
        "judging.yaml": JudgingFile,
        "notices.yaml": NoticesFile,
    }
)
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the lead decides, compiled. Frozen; two folders with the same bytes give the same version.

    `files` are the texts it was read from: store them under `version`, so that every decision can name the config that
    made it. They never hold a password. `warnings` are unwise, not wrong.
    """

    version: str
    files: Mapping[str, str]
    business: BusinessFile
    mailboxes: tuple[MailboxPart, ...]
    complaint_types: Mapping[str, TypePart]
    roster: Roster
    ruleset: Ruleset
    calendars: Mapping[str, BusinessCalendar]
    policies: Policies
    ladder: Ladder
    outcomes: Mapping[Disposition, Outcome]
    judging: JudgingFile
    notices: NoticesFile
    warnings: tuple[Problem, ...] = ()

    def thresholds(self, card: Mapping[str, float] | None = None) -> Thresholds:
        """Where the program decides by itself: figures of judging.yaml over those of the model's card over defaults."""
        written = self.judging.thresholds.model_dump(exclude_none=True)
        known = {field.name for field in fields(Thresholds)}
        return Thresholds(**{name: value for name, value in (dict(card or {}) | written).items() if name in known})

    def statutory(self, disposition: Disposition, flags: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Names of the limits of law that such a mail starts. (A Route knows them too, from all facts of the case.)"""
        return route.statutory(self.ruleset, Facts(disposition=disposition, flags=flags))

    @property
    def calendar(self) -> BusinessCalendar:
        """The business calendar of the desk."""
        return self.calendars[self.business.calendar]


def load(folder: Path | str) -> Config:
    """Read and check a folder. Raises ConfigInvalid with every problem found."""
    place = Path(folder)
    if not place.is_dir():
        raise ConfigInvalid([Problem(str(place), "There is no such folder.", "`triage init` writes one.")])
    problems: list[Problem] = []
    files: dict[str, bytes] = {}
    for name in FILES:
        try:
            files[name] = (place / name).read_bytes()
        except OSError as error:
            fix = "`triage init` writes what is missing and leaves the rest alone."
            problems.append(Problem(f"{name}:1", f"The file cannot be read: {error.strerror}.", fix))
    for path in sorted(place.glob("*.y*ml")):
        if path.name not in FILES:
            problems.append(Problem(f"{path.name}:1", "This file is not part of a config.", nearest(path.name, FILES)))
    return load_files(files, problems)


def load_files(files: Mapping[str, bytes], found: list[Problem] | None = None) -> Config:
    """The same from bytes, such as a stored version. `found` are problems met before."""
    problems = list(found or [])
    sources: dict[str, Source] = {}
    for name in FILES:
        sources[name], wrong = source.read(name, files[name]) if name in files else (Source(name, ""), ())
        problems += wrong
        if name not in files and not found:
            problems.append(Problem(f"{name}:1", "The file is missing.", "`triage init` writes it."))
    check = Check(sources, problems)
    models = {name: _validate(name, check) for name in FILES if sources[name].text}
    config = _build({name: model for name, model in models.items() if model is not None}, version_of(files), check)
    if config is None or check.problems:
        raise ConfigInvalid(sorted(dict.fromkeys(check.problems), key=_place))
    return config


def version_of(files: Mapping[str, bytes]) -> str:
    """sha256 over names and bytes, in the order of names: 64 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def _place(problem: Problem) -> tuple[str, int]:
    name, _, line = problem.where.rpartition(":")
    return name, int(line) if line.isdigit() else 0


def _validate(name: str, check: Check) -> BaseModel | None:
    """The model of one file; where it has problems they are noted and there is none."""
    read = check.sources[name]
    if read.data is None and any(p.where.startswith(f"{name}:") for p in check.problems):
        return None
    if read.data is not None and not isinstance(read.data, dict):
        check.wrong(name, (), "The file must hold keys with values.", "Look at the shipped example.")
        return None
    try:
        return FILES[name].model_validate(read.data or {})
    except ValidationError as error:
        check.problems += problems_of(read, FILES[name], error)
    return None


def _build(models: Mapping[str, BaseModel], version: str, check: Check) -> Config | None:
    """Names looked up across files, as far as the files are there; None where that is not far enough."""

    def part(name: str, model: type[_Model]) -> _Model | None:
        return cast("_Model | None", models.get(name))

    business, people = part("business.yaml", BusinessFile), part("people.yaml", PeopleFile)
    calendars_file, policies_file = part("calendars.yaml", CalendarsFile), part("policies.yaml", PoliciesFile)
    mailboxes, types = part("mailboxes.yaml", MailboxesFile), part("complaint_types.yaml", TypesFile)
    rules, rows = part("routing.yaml", RoutingFile), part("dispositions.yaml", DispositionsFile)
    judging, notices = part("judging.yaml", JudgingFile), part("notices.yaml", NoticesFile)
    escalation = part("escalation.yaml", EscalationFile)

    zone = business.zone if business and team.zone_known(business.zone) else "UTC"
    roster = team.roster_of(people, zone, check) if people else None
    calendars = team.calendars_of(calendars_file, zone, check) if calendars_file else None
    if business:
        crosscheck.business(business, calendars_file, check)
    if mailboxes:
        crosscheck.mailboxes(mailboxes, check)
    if notices and roster:
        crosscheck.notices(notices, roster, check)
    if judging and roster:
        crosscheck.judging(judging, roster, check)
    if not (business and roster and calendars is not None and policies_file and mailboxes and types and judging):
        return None
    steps = ladder.ladder_of(escalation, roster, check) if escalation else None
    names = tuple(policies_file.policies)
    known = routing.Known(
        types=tuple(types.complaint_types), mailboxes=tuple(m.name for m in mailboxes.mailboxes), policies=names,
        groups=rules.customer_groups if rules else {}, roster=roster,
    )  # fmt: skip
    statutory = agreed.statutory_of(policies_file, known, check)
    table = outcomes.outcomes_of(rows, roster, names, check) if rows else {}
    ruleset = routing.ruleset_of(rules, table, statutory, known, check) if rules else None
    default = ruleset.default_policy if ruleset and ruleset.default_policy in names else names[0]
    sorts = tuple(calendars_file.calendars) if calendars_file else ()
    policies = agreed.policies_of(policies_file, sorts, business.calendar, default, roster.rota is not None, check)
    if ruleset is None or policies is None or steps is None or notices is None or rows is None or check.problems:
        return None
    return Config(
        version=version,
        files=MappingProxyType({name: check.sources[name].text for name in FILES}),
        business=business,
        mailboxes=mailboxes.mailboxes,
        complaint_types=MappingProxyType(dict(types.complaint_types)),
        roster=roster,
        ruleset=ruleset,
        calendars=MappingProxyType(dict(calendars)),
        policies=replace(
            policies, policies={name: replace(policy, version=version) for name, policy in policies.policies.items()}
        ),
        ladder=steps,
        outcomes=MappingProxyType(dict(table)),
        judging=judging,
        notices=notices,
        warnings=tuple(check.warnings),
    )
