"""Every error of the house. Temporary is retried by the next run; Permanent waits for a person.

The docstring of a class is the first sentence of its message; `detail` says what was found, `fix` what to do.
"""

from __future__ import annotations

from dataclasses import dataclass


class TriageError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, detail: str, *, fix: str = "", where: str = "") -> None:
        self.detail, self.fix, self.where = detail, fix, where
        super().__init__(detail)

    def __str__(self) -> str:
        head = (type(self).__doc__ or "").strip().splitlines()[0]
        place = f"{self.where}: " if self.where else ""
        tail = f" {self.fix}" if self.fix else ""
        return f"{place}{head} {self.detail}{tail}".strip()

    def __reduce__(self) -> tuple[object, ...]:  # keyword arguments survive pickling between processes
        return _revive, (type(self), self.detail, self.fix, self.where)


def _revive(cls: type[TriageError], detail: str, fix: str, where: str) -> TriageError:
    return cls(detail, fix=fix, where=where)


class Temporary(TriageError):
    """This did not work now and will be tried again."""

    exit_code = 75


class Permanent(TriageError):
    """This needs a person."""

    exit_code = 1


class Misuse(Permanent):
    """The command was not understood."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration file: where (file:line), what, and what to do."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" {self.fix}" if self.fix else "")


class ConfigInvalid(Permanent):
    """The configuration was refused as a whole."""

    def __init__(self, problems: tuple[Problem, ...] | list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n" + "\n".join(f"  {p}" for p in self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        return ConfigInvalid, (self.problems,)


class MailboxUnreachable(Temporary):
    """The mail server could not be reached or dropped the connection."""


class MailboxThrottled(Temporary):
    """The mail server asked us to slow down."""


class MailboxProtocol(Temporary):
    """The mail server answered in a way the program does not understand."""


class SignInRefused(Permanent):
    """The mail server refused the sign-in."""


class FolderMissing(Permanent):
    """A configured folder is not there."""


class InsecureConnection(Permanent):
    """The connection would not be encrypted."""


class SendFailed(Temporary):
    """The mail could not be handed to the SMTP server now."""


class SendRefused(Permanent):
    """The SMTP server refused the mail for good."""


class DatabaseUnavailable(Temporary):
    """The database could not be reached or is busy."""


class WriteCollided(Temporary):
    """Two runs wrote the same at the same moment."""


class DiskFull(Temporary):
    """There is no room left where the data is kept."""


class ModelUntrusted(Permanent):
    """The classifier's files are not what their card says."""


class TooLittleToLearn(Permanent):
    """There are too few labelled mails to train on."""


class NotFound(Misuse):
    """There is no such thing."""


class NotAllowed(Misuse):
    """That cannot be done to this case."""


class InvariantBroken(Permanent):
    """The register contradicts itself."""
