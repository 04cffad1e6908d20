"""dispositions.yaml -> what each disposition leads to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from triage.judge.outcome import ALWAYS_A_CASE, Action, Outcome
from triage.judge.roster import Roster
from triage.words import Disposition, Urgency
from triage.world.config.check import Check
from triage.world.config.routing import URGENCIES, assignee_of
from triage.world.config.routing_parts import DispositionsFile, OutcomePart

DISPOSITIONS = "dispositions.yaml"
#: what headers prove (or nobody has judged); all other filed mail may be drawn for the sample of missed complaints
_MAY_SKIP = (
    Disposition.AUTOREPLY, Disposition.BOUNCE, Disposition.NEWSLETTER, Disposition.SYSTEM_NOTICE, Disposition.BEFORE_START,
)  # fmt: skip


def outcomes_of(
    file: DispositionsFile, roster: Roster, policies: Iterable[str], check: Check
) -> Mapping[Disposition, Outcome]:
    """What every disposition leads to. All of them must be there, so that nothing is dropped by an oversight."""
    all_names = tuple(d.value for d in Disposition)
    for name in file.dispositions:
        check.known(DISPOSITIONS, ("dispositions", name), name, all_names, "disposition")
    missing = [name for name in all_names if name not in file.dispositions]
    if missing:
        what = f"These dispositions have no row: {', '.join(missing)}."
        check.wrong(DISPOSITIONS, ("dispositions",), what, "Say for each: case, attach, forward or file.")
    rows = {Disposition(name): part for name, part in file.dispositions.items() if name in all_names}
    return {name: _outcome(name, part, roster, tuple(policies), check) for name, part in rows.items()}


def _outcome(name: Disposition, part: OutcomePart, roster: Roster, policies: tuple[str, ...], check: Check) -> Outcome:
    path = ("dispositions", name.value)
    if name in ALWAYS_A_CASE and part.outcome != "case":
        what = f"Mail of the disposition {name.value!r} carries a duty and must open a case."
        check.wrong(DISPOSITIONS, (*path, "outcome"), what, "Write `outcome: case`.")
    names = (*roster.people, *roster.pools, *roster.roles)
    check.each_known(DISPOSITIONS, (*path, "to"), part.to, names, "person, role or pool")
    if part.policy is not None:
        check.known(DISPOSITIONS, (*path, "policy"), part.policy, policies, "policy")
    if not part.audit and name not in _MAY_SKIP:
        what = f"Mail of the disposition {name.value!r} may be a complaint that was missed: it cannot skip the sample."
        skip = ", ".join(d.value for d in _MAY_SKIP)
        check.wrong(
            DISPOSITIONS, (*path, "audit"), what, f"Remove `audit: false`; only {skip} are told by their header."
        )
    urgency = None
    if part.urgency is not None and check.known(DISPOSITIONS, (*path, "urgency"), part.urgency, URGENCIES, "urgency"):
        urgency = Urgency.of(part.urgency)
    owner = (*path, "owner")
    assignee = assignee_of(part.owner, DISPOSITIONS, owner, roster, check) if part.owner else None
    return Outcome(Action(part.outcome), Action(part.otherwise), part.to, assignee, part.policy, urgency, part.audit)
