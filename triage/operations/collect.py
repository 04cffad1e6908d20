"""Collect: from the server to durable raw mail, steps 0 to 8 of the intake protocol.

The server holds nothing that correctness needs. A crash after any step leaves a state from which the next run goes
on; `desk.reached(step)` lets a test crash the process right after each of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from triage.desk import ALWAYS, CORRECTIONS, Desk, FolderSpec, Mailbox
from triage.errors import FolderMissing, MailboxThrottled, SignInRefused, Temporary, TriageError
from triage.operations import fetch, hints
from triage.operations.round import Collected, Line, Renumbered, Round, alarm
from triage.world.store import folders, lease
from triage.world.store.folders import Delivery, Folder
from triage.world.store.lease import LeaseLost

__all__ = ["Collected", "collect"]

LEASE_SECONDS = 180  # longer than any single wait for the server
FACTS_AT_ONCE = 500
FULL_SCAN_EVERY = timedelta(hours=1)
PROBE_AFTER = timedelta(hours=1)  # a refused sign-in is tried again so rarely that no account gets locked
LONGEST_BACKOFF = timedelta(minutes=72)  # an hour and its jitter; a longer wait is a clock that was wrong
TELL_AFTER = timedelta(hours=1)  # without a good scan, the operators hear of a passing trouble too
COMPARED = 200  # known mails whose size and date are looked at again in a full comparison


def collect(desk: Desk, mailbox: Mailbox) -> Collected:
    """Fetch what is new in one mailbox. Never raises for what the mailbox does: the outcome carries the error."""
    got = Collected(mailbox.name)
    with desk.database.write() as tx:
        held = lease.take(tx, f"intake:{mailbox.name}", desk.identity, desk.now(), LEASE_SECONDS, desk.is_dead)
    if held is None:
        got.errors.append("another run is at this mailbox")
        got.error_kind = "busy"
        return got
    desk.reached("0 lease")
    try:
        _whole_mailbox(desk, mailbox, held, got)
    except LeaseLost as lost:  # a run that slept through its lease: another one does its work, and it writes nothing
        got.errors.append(str(lost))
        got.error_kind = "busy"
    finally:
        with desk.database.write() as tx:
            lease.release(tx, held, desk.now())
    return got


def _whole_mailbox(desk: Desk, mailbox: Mailbox, held: lease.Lease, got: Collected) -> None:
    now = desk.now()
    with Line(desk, mailbox) as line:
        run = Round(desk, mailbox, held, line, got)
        with run.write() as tx:
            known = {f.name: folders.ensure(tx, mailbox.name, f.name, f.role) for f in mailbox.read_folders}
        waiting = [f for f in known.values() if f.retry_at and now < f.retry_at <= now + LONGEST_BACKOFF]
        if waiting:
            until = f"{waiting[0].retry_at:%H:%M} UTC"
            again = (
                f"It is not tried again before {until}, so that the account is not locked; triage check tries at once."
            )
            got.errors.append(f"{waiting[0].circuit} {again}" if waiting[0].circuit else f"backing off until {until}")
            got.error_kind = "permanent" if waiting[0].circuit else "temporary"
            return
        try:
            line.ask(lambda box: None)
            desk.reached("1 connected")
        except TriageError as error:
            _note_failure(run, list(known.values()), error)
            return
        for spec in mailbox.read_folders:
            try:
                _folder(run, spec, known[spec.name])
            except LeaseLost:
                raise
            except TriageError as error:
                _note_failure(run, [known[spec.name]], error)
                if line.dead or isinstance(error, MailboxThrottled | SignInRefused):
                    break  # the other folders are on the same server
            finally:
                got.reconnects = line.reconnects
        if not line.dead and not got.error_kind:
            _corrections(run)
            got.reconnects = line.reconnects


def _corrections(run: Round) -> None:
    """The folders into which people have moved mail to correct it. They come and go as people make and rename them, so
    trouble with one is no outage of the mailbox."""
    try:
        for spec in hints.folders_of(run):
            with run.write() as tx:
                known = folders.ensure(tx, run.mailbox.name, spec.name, spec.role)
            _folder(run, spec, known)
    except FolderMissing:
        return  # renamed or removed since it was listed; the next look lists anew
    except LeaseLost:
        raise
    except TriageError as error:
        run.got.errors.append(str(error))
        run.got.error_kind = "temporary"


def _folder(run: Round, spec: FolderSpec, known: Folder) -> None:
    """One folder; from the start once more where it was made anew under our hands."""
    try:
        _one_folder(run, spec, known)
    except Renumbered:
        with run.desk.database.read() as tx:
            known = next(f for f in folders.every(tx) if f.id == known.id)
        _one_folder(run, spec, known)


def _note_failure(run: Round, at: Sequence[Folder], error: TriageError) -> None:
    """Remember the failure where the next run looks: back-off for a throttle, a circuit for what needs a person."""
    now, got = run.desk.now(), run.got
    failures = max(folder.failures for folder in at)
    retry_at: datetime | None = None
    circuit: str | None = None
    if isinstance(error, MailboxThrottled):
        jitter = random.Random(f"{run.mailbox.name}/{failures}").uniform(0.8, 1.2)  # not all accounts in step
        retry_at = now + timedelta(minutes=jitter * min(60, 2 ** min(failures, 6)))
    elif isinstance(error, SignInRefused):
        retry_at, circuit = now + PROBE_AFTER, str(error)
    elif not isinstance(error, Temporary):
        circuit = str(error)
    got.errors.append(str(error))
    got.error_kind = "temporary" if isinstance(error, Temporary) and got.error_kind != "permanent" else "permanent"
    since = min((f.last_ok_at for f in at if f.last_ok_at), default=None)
    with run.write() as tx:
        for folder in at:
            folders.note_failure(tx, folder, retry_at, circuit)
        if circuit or (since and now - since >= TELL_AFTER):
            # Once for each outage: the key holds the last good scan, which does not move while it lasts.
            key = f"mailbox:{run.mailbox.name}:{at[0].id}:{since or 'never'}"
            what = f"The mailbox {run.mailbox.name} is not being read."
            todo = [
                "triage check      tries it and says what to do",
                "triage status     when each folder was last read",
            ]
            alarm(run.desk, tx, key, what, [str(error), f"last good scan: {since or 'never'}"], todo)


def _one_folder(run: Round, spec: FolderSpec, known: Folder) -> None:
    desk, now = run.desk, run.desk.now()
    state = run.line.select(spec.name)
    with run.write() as tx:
        at = folders.enter_epoch(tx, known, state.uidvalidity)
        pending = folders.unfinished(tx, at)
        highest = folders.highest_uid(tx, at)
    _note_epoch(run, known, at, f"its UIDVALIDITY is {state.uidvalidity}, it was {known.uidvalidity}")
    desk.reached("2 epoch")
    full = at.last_full_at is None or now - at.last_full_at >= FULL_SCAN_EVERY or now < at.last_full_at
    quiet = (state.uidnext, state.exists)
    if at.quiet == quiet and not full and not pending:
        if spec.role == "intake":
            hints.look_for_keywords(run, at, state)
        with run.write() as tx:
            folders.note_ok(tx, at, now, quiet, full=False)
        return
    # UIDs only grow (RFC 3501 section 2.3.1.1). A server that goes back may use old ones for new mail.
    full |= state.uidnext <= highest
    if full and _uses_uids_anew(run, at):
        with run.write() as tx:
            anew = folders.enter_epoch(tx, at, state.uidvalidity, anew=True)
        _note_epoch(run, at, anew, "it gives known UIDs to other mails")
        at = anew
    on_server, new = _scan(run, at, 1 if full else at.low_uid, state.uidnext - 1)
    run.got.found += new
    desk.reached("4 seen")
    with desk.database.read() as tx:
        pending = folders.unfinished(tx, at)
    pending = pending[: max(0, run.mailbox.part.limits.run_messages - run.got.stored)]
    pending = _ask_facts(run, spec, at, pending)
    desk.reached("5 facts")
    fetch.bodies(run, spec, at, pending)
    if spec.role == "intake":
        hints.look_for_keywords(run, at, state)
    with run.write() as tx:
        folders.raise_low_uid(tx, at, state.uidnext)
        left = folders.unfinished(tx, at)
        # A list that is shorter than the folder left something out: what it was, the next full comparison shows.
        whole = full and on_server >= state.exists
        folders.note_ok(tx, at, desk.now(), quiet if not left and whole == full else None, full=whole)
    desk.reached("13 low uid")


def _note_epoch(run: Round, before: Folder, after: Folder, why: str) -> None:
    """A folder that was numbered anew is read again; its mail is known by its content. Somebody should know why."""
    if after.epoch == before.epoch:
        return
    run.got.new_epochs += 1
    key = f"epoch:{after.id}:{after.epoch}"
    what = f"The server has numbered {run.mailbox.name}/{after.name} anew: {why}."
    details = ["Every mail is compared by its content; what is known opens no second case.", "Usual causes: a restore, "
               "a migration, a deleted index, a folder deleted and made again."]  # fmt: skip
    with run.write() as tx:
        alarm(
            run.desk,
            tx,
            key,
            what,
            details,
            ["triage reconcile     compares server and register when the run is through"],
        )


def _uses_uids_anew(run: Round, at: Folder) -> bool:
    """Does a known UID now name another mail? Size and INTERNALDATE both differ then (paperless-ngx #8939)."""
    with run.desk.database.read() as tx:
        known = folders.newest_facts(tx, at, COMPARED)
    if not known:
        return False
    facts = run.line.ask(lambda box: box.facts(known))
    return any(
        fact.internaldate is not None and fact.internaldate != known[uid][1] and fact.size != known[uid][0]
        for uid, fact in facts.items()
    )


def _scan(run: Round, at: Folder, low: int, high: int) -> tuple[int, int]:
    """Steps 3 and 4: every UID the server lists and the register does not know gets its row. Returns how many the
    server listed and how many are new."""
    new = 0
    listed = run.line.ask(lambda box: box.uids(low, high)) if high >= low else []
    on_server = sorted({uid for uid in listed if low <= uid <= high})
    run.desk.reached("3 searched")
    for start in range(0, len(on_server), 5000):
        part = on_server[start : start + 5000]
        with run.write() as tx:
            known = folders.known_uids(tx, at, part[0], part[-1])
            new += folders.record_seen(tx, at, (uid for uid in part if uid not in known), run.desk.now())
    return len(on_server), new


def _ask_facts(run: Round, spec: FolderSpec, at: Folder, pending: list[Delivery]) -> list[Delivery]:
    """Step 5: size and INTERNALDATE, the clock's start. What arrived before the start is left on the server."""
    desk = run.desk
    kept: list[Delivery] = []
    silent: list[Delivery] = []

    def ask(part: list[Delivery]) -> None:
        facts = run.line.connect().facts([d.uid for d in part])
        # A server that gives no INTERNALDATE leaves only the moment at which we saw the mail.
        told = {d.id: (facts[d.uid].size, facts[d.uid].internaldate or desk.now()) for d in part if d.uid in facts}
        start = ALWAYS if spec.role == CORRECTIONS else run.mailbox.start_from
        early = [row for row, (_, at_) in told.items() if at_ < start]
        with run.write() as tx:
            folders.record_facts(tx, [(row, size, at_) for row, (size, at_) in told.items()])
            folders.finish(tx, early, "before_start")
        run.got.before_start += len(early)
        left = set(told) - set(early)
        kept.extend(Delivery(d.id, d.uid, d.attempts, *told[d.id]) for d in part if d.id in left)
        silent.extend(d for d in part if d.id not in told)

    parts = [pending[start : start + FACTS_AT_ONCE] for start in range(0, len(pending), FACTS_AT_ONCE)]
    alone = fetch.by_halves(run, iter(parts), ask)
    stuck = fetch.settle_absent(run, silent)
    for item in (*alone, *stuck):
        if item.attempts + 1 >= fetch.TRIES:
            fetch.last_resort(run, spec, at, item, "the server lists this mail but says nothing of it")
    return kept
