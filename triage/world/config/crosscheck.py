"""What must fit together within and between business.yaml, mailboxes.yaml, notices.yaml and the model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parseaddr

from triage.errors import Problem
from triage.judge.roster import Roster
from triage.world.config.check import Check
from triage.world.config.desk_parts import BusinessFile, MailboxesFile, MailboxPart, NoticesFile
from triage.world.config.routing_parts import JudgingFile
from triage.world.config.team import CALENDARS, zone_known
from triage.world.config.team_parts import CalendarsFile

BUSINESS, MAILBOXES, NOTICES, TYPES, JUDGING = (
    "business.yaml", "mailboxes.yaml", "notices.yaml", "complaint_types.yaml", "judging.yaml",
)  # fmt: skip
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


def business(part: BusinessFile, calendars: CalendarsFile | None, check: Check) -> None:
    """Zone, calendar and domains."""
    if not zone_known(part.zone):
        what = f"{part.zone!r} is no time zone."
        check.wrong(BUSINESS, ("zone",), what, "Use a name such as Europe/London, see `timedatectl list-timezones`.")
    if calendars:
        check.known(BUSINESS, ("calendar",), part.calendar, calendars.calendars, f"calendar in {CALENDARS}")
    for number, domain in enumerate(part.domains):
        if not _DOMAIN.fullmatch(domain.casefold()) or len(domain) > 253:
            what = f"{domain[:80]!r} is no domain."
            check.wrong(BUSINESS, ("domains", number), what, "Write what follows the @, such as example.com.")


def mailboxes(file: MailboxesFile, check: Check) -> None:
    """Each mailbox once, each folder in one role."""
    names: dict[str, int] = {}
    addresses: dict[str, str] = {}
    accounts: dict[tuple[str, str, str], str] = {}
    for number, box in enumerate(file.mailboxes):
        path = ("mailboxes", number)
        if box.name in names:
            what = f"There are two mailboxes named {box.name!r}."
            check.wrong(MAILBOXES, (*path, "name"), what, "Give each a name of its own.")
        names.setdefault(box.name, number)
        for address in box.addresses:
            if addresses.setdefault(address, box.name) != box.name:
                what = f"{address} belongs to {addresses[address]} already."
                check.wrong(MAILBOXES, (*path, "addresses"), what, "Name it under one mailbox.")
        for folder in box.folders.intake:
            first = accounts.setdefault((box.host.casefold(), box.user, folder.casefold()), box.name)
            if first != box.name:
                what = f"The folder {folder!r} of this account is read by {first} already."
                check.wrong(MAILBOXES, (*path, "folders", "intake"), what, "Read each folder once.")
        _roles(box, number, check)
        if box.start_from is None:
            what = f"{box.name}: there is no start_from, so every mail in its folders is taken in."
            check.unwise(MAILBOXES, path, what, "Set it to the moment of going live.")


def _roles(box: MailboxPart, number: int, check: Check) -> None:
    """A folder that is read and also written to would feed on itself."""
    roles = [
        *(("sent", folder) for folder in box.folders.sent),
        ("processed", box.folders.processed),
        ("quarantine", box.folders.quarantine),
        ("corrections", box.folders.corrections),
    ]
    taken = {folder.casefold(): "intake" for folder in box.folders.intake}
    if len(taken) < len(box.folders.intake):
        check.wrong(MAILBOXES, ("mailboxes", number, "folders", "intake"), "A folder is named twice.", "Name it once.")
    for role, folder in roles:
        if folder is None:
            continue
        if folder.casefold() in taken:
            what = f"The folder {folder!r} is {taken[folder.casefold()]} and {role} at once."
            check.wrong(MAILBOXES, ("mailboxes", number, "folders", role), what, "Give each role its own folder.")
        taken.setdefault(folder.casefold(), role)


def notices(part: NoticesFile, roster: Roster, check: Check) -> None:
    """The sender is an address, and the operators exist."""
    names = (*roster.people, *roster.roles, *roster.pools)
    check.each_known(NOTICES, ("operators",), part.operators, names, "person, role or pool")
    known = [channel.name for channel in part.channels]
    for number, name in enumerate(known):
        if name in known[:number]:
            check.wrong(NOTICES, ("channels", number, "name"), f"There are two channels named {name!r}.", "Rename one.")
    if part.sender is not None:
        _, address = parseaddr(part.sender)
        if "@" not in address or any(ord(c) < 32 for c in part.sender):
            fix = "Write desk@example.com or Complaint desk <desk@example.com>."
            check.wrong(NOTICES, ("sender",), "The sender is no address.", fix)
    if (part.quiet.from_ is None) != (part.quiet.until is None):
        check.wrong(NOTICES, ("quiet",), "Quiet hours need both `from` and `until`.", "Add the other, or remove both.")


def judging(part: JudgingFile, roster: Roster, check: Check) -> None:
    """Somebody looks through the sample."""
    names = (*roster.people, *roster.roles, *roster.pools)
    check.known(JUDGING, ("audit_owner",), part.audit_owner, names, "person, role or pool")


def labels(types: Iterable[str], learned: Iterable[str], line: int = 1) -> tuple[Problem, ...]:
    """Complaint types of the model that the config does not have: it would give cases a type nobody knows.

    (A type that the model does not know yet is no problem: it is learned from corrections.)
    """
    known = set(types)
    fix = "Add it to complaint_types.yaml, or train a model without it."
    lost = sorted(set(learned) - known)
    return tuple(Problem(f"{TYPES}:{line}", f"The model knows the type {name!r}, the config does not.", fix)
                 for name in lost)  # fmt: skip
