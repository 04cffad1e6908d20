"""IMAP: find, fetch, mark, move. The server holds no state that correctness needs; the register does.

    with inbox.open(account) as box:
        state = box.select("INBOX", read_only=True)      # compare state.uidvalidity with what the register knows
        new = set(box.uids()) - known
        facts = box.facts(new)
        packed, large = batches(facts, account.limits)
        for uids in packed:
            for mail in box.fetch(uids, facts): ...

What goes wrong on the way ends in five errors. Temporary: MailboxUnreachable, MailboxThrottled, MailboxProtocol.
Permanent: SignInRefused, FolderMissing (and InsecureConnection before anything is said).
"""

from triage.world.inbox.account import (
    Fact,
    Fetched,
    FolderState,
    Limits,
    MailboxAccount,
    Streamed,
    Timeouts,
    batches,
)
from triage.world.inbox.opening import open_inbox
from triage.world.inbox.session import Inbox
from triage.world.tls import Tls

open = open_inbox

__all__ = [
    "Fact",
    "Fetched",
    "FolderState",
    "Inbox",
    "Limits",
    "MailboxAccount",
    "Streamed",
    "Timeouts",
    "Tls",
    "batches",
    "open",
]
