"""Server marks, last of all and never the truth: a keyword in a shared mailbox, a move in a dedicated one (there also
out of the folders of corrections, once they were carried out).

A mark that fails changes nothing about the case; it stays wanted and is tried again by the next run. `\\Seen` is never set.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.desk import CORRECTIONS, Desk, Mailbox
from triage.errors import TriageError
from triage.world.inbox import Inbox
from triage.world.store import folders, lease
from triage.world.store.folders import Folder

KEYWORD = "$Triaged"
LEASE_SECONDS = 180
AT_ONCE = 100


@dataclass(slots=True)
class Marked:
    """How many marks were set."""

    done: int = 0
    errors: list[str] = field(default_factory=list)


def mark(desk: Desk, mailbox: Mailbox) -> Marked:
    """Set the marks that judged mails of this mailbox still want. Never raises for what the server does."""
    marked = Marked()
    with desk.database.write() as tx:
        held = lease.take(tx, f"intake:{mailbox.name}", desk.identity, desk.now(), LEASE_SECONDS, desk.is_dead)
        known = [folders.ensure(tx, mailbox.name, f.name, f.role) for f in mailbox.read_folders if f.role == "intake"]
        known += [f for f in folders.every(tx) if f.mailbox == mailbox.name and f.role == CORRECTIONS]
        wanted = [at for at in known if folders.wanted_marks(tx, at, 1)]
    if held is None:
        return marked
    try:
        if wanted:
            with desk.inbox(mailbox) as box:
                for at in wanted:
                    _mark_folder(desk, box, mailbox, at, held, marked)
    except TriageError as error:
        marked.errors.append(str(error))
    finally:
        with desk.database.write() as tx:
            lease.release(tx, held, desk.now())
    return marked


def _mark_folder(desk: Desk, box: Inbox, mailbox: Mailbox, at: Folder, held: lease.Lease, marked: Marked) -> None:
    if mailbox.mode == "dedicated":
        for target in (mailbox.processed, mailbox.quarantine):
            box.ensure(target)
    state = box.select(at.name, read_only=False)
    if state.uidvalidity != at.uidvalidity:
        return  # the UIDs we remember mean other mails now; the next collect sorts that out
    while True:
        with desk.database.read() as tx:
            batch = folders.wanted_marks(tx, at, AT_ONCE)
        if not batch:
            return
        desk.reached("12 marking")
        moved: set[int] = set()
        if mailbox.mode == "shared":
            box.mark([uid for _, uid, _ in batch], KEYWORD)
        else:
            for quarantined, target in ((False, mailbox.processed), (True, mailbox.quarantine)):
                uids = [uid for _, uid, bad in batch if bad is quarantined]
                if uids:
                    moved |= set(box.move(uids, target))
        desk.reached("12 marked")
        done = [row for row, uid, _ in batch if mailbox.mode == "shared" or uid in moved]
        with desk.database.write() as tx:
            lease.hold(tx, held, desk.now())
            folders.marks_done(tx, done)
        marked.done += len(done)
        if len(done) < len(batch):
            return  # some stayed where they were; the next run tries again
