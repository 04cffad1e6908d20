"""The records of the mailbox stage: the account to open, and what the server said about folders and mails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from triage.world.signin import SignIn
from triage.world.tls import Tls

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `read` is silence on the line; `command` is the longest a command may take however busy the line is."""

    connect: float = 15.0
    read: float = 60.0
    command: float = 300.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what is asked for at once. Octets are of the raw mail."""

    batch_mails: int = 100  # beyond this a fetch gains nothing
    batch_octets: int = 16 * MIB  # mails announced larger are streamed in pieces
    piece_octets: int = 1 * MIB
    largest_mail: int = 100 * MIB  # what is beyond is not fetched: header only
    window_uids: int = 20_000  # UIDs a SEARCH asks about; its reply stays far below the 1 MB line many clients refuse
    facts_mails: int = 500


@dataclass(frozen=True, slots=True)
class MailboxAccount:
    """One account on one IMAP server. `folders` maps a role (intake, sent, processed ...) to paths written with "/"."""

    name: str
    host: str
    user: str
    sign_in: SignIn = field(repr=False)
    port: int = 993
    tls: Tls = Tls.IMPLICIT
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ca_file: Path | None = None
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder as SELECT, EXAMINE or STATUS describes it.

    The key of a mail is (account, folder, uidvalidity, uid). UIDVALIDITY is neither unique between folders nor does it
    only grow: compare with `!=`. From STATUS, `read_write` and `permanent_flags` are unknown (None).
    """

    folder: str
    uidvalidity: int
    uidnext: int
    exists: int
    read_write: bool | None = None
    permanent_flags: frozenset[str] | None = None
    mailboxid: str | None = None  # RFC 8474; survives a rename
    keywords: frozenset[str] = frozenset()  # words people or programs have set on mails of the folder, now or once
    modseq: int | None = None  # goes up whenever a mail or a flag changes (RFC 7162); None where the server has none

    def keeps(self, keyword: str) -> bool:
        """True if the server says that it stores this keyword for good (RFC 3501, 7.1, PERMANENTFLAGS)."""
        flags = {flag.lower() for flag in self.permanent_flags or ()}
        return bool(self.read_write) and ("\\*" in flags or keyword.lower() in flags)


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of a mail before its text: octets announced, and when it reached the mailbox (aware UTC).

    INTERNALDATE is the moment deadlines run from; None when the server gave none that can be read.
    """

    size: int
    internaldate: datetime | None


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as it came. `raw` None: the server gave no text; ask `still_there` before believing it is gone."""

    uid: int
    raw: bytes | None = field(repr=False)
    size: int | None  # octets announced (RFC822.SIZE): a hint, servers get it wrong
    asked_again: bool = False

    @property
    def size_mismatch(self) -> bool:
        """The octets that came, twice, are not those announced. The mail is accepted, the difference recorded."""
        return self.raw is not None and self.size is not None and len(self.raw) != self.size


@dataclass(frozen=True, slots=True)
class Streamed:
    """A large mail written in pieces. `complete` False: the hard cap was reached, or the server gave nothing."""

    uid: int
    written: int  # octets
    complete: bool


def batches(facts: Mapping[int, Fact], limits: Limits) -> tuple[list[list[int]], list[int]]:
    """Pack UIDs, ascending, into batches bounded in mails and octets; beside them the UIDs to stream one by one."""
    packed: list[list[int]] = []
    large: list[int] = []
    octets = 0
    for uid in sorted(facts):
        size = facts[uid].size
        if size > limits.batch_octets:
            large.append(uid)
            continue
        if not packed or len(packed[-1]) >= limits.batch_mails or octets + size > limits.batch_octets:
            packed.append([])
            octets = 0
        packed[-1].append(uid)
        octets += size
    return packed, large


def chunks(uids: Iterable[int], size: int) -> list[list[int]]:
    """Sorted, without doubles, `size` at a time. Only whole numbers from 1 on are UIDs: no ranges, no "*"."""
    given = list(uids)
    if any(type(uid) is not int or uid < 1 for uid in given):
        raise ValueError("UIDs are whole numbers from 1 on")
    ordered = sorted(set(given))
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]
