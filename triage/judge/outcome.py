"""What a disposition leads to: a case, a forward, an attachment to a case, or the file. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from triage.judge.rule import Assignee
from triage.words import Disposition, Urgency

#: mail with a duty that has a date, or that nobody has been able to read: it always opens a case
ALWAYS_A_CASE = frozenset((Disposition.COMPLAINT, Disposition.DATA_RIGHTS_REQUEST, Disposition.UNREADABLE))
#: flags that make a case of any mail: a payment provider's dispute, a regulator's request, data rights, a data breach
DUTY_FLAGS = frozenset(("chargeback", "regulator", "data_rights_request", "data_breach"))


class Action(StrEnum):
    """What is done with a mail."""

    CASE = "case"  # opens one
    ATTACH = "attach"  # joins the case it belongs to
    FORWARD = "forward"  # people are told by our own notice; no clock runs
    FILE = "file"  # kept with its reason; may be looked at in the audit sample


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of dispositions.yaml. `otherwise` is for ATTACH where no case is found; `to` are names of the roster.

    `urgency` is the least urgency of the case it opens, None = as judged. `audit`: may enter the sample of missed ones.
    """

    action: Action
    otherwise: Action = Action.FILE
    to: tuple[str, ...] = ()
    assignee: Assignee | None = None
    policy: str | None = None
    urgency: Urgency | None = None
    audit: bool = True

    def settle(self, *, belongs: bool, flags: frozenset[str] = frozenset()) -> Action:
        """What is done with one mail of this disposition, given whether a case for it was found, and its flags."""
        if self.action is Action.ATTACH and belongs:
            return Action.ATTACH
        if not DUTY_FLAGS.isdisjoint(flags):
            return Action.ATTACH if belongs else Action.CASE
        return self.otherwise if self.action is Action.ATTACH else self.action
