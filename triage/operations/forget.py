"""Forget a person: words and addresses go from the register and the raw mail, clocks and figures stay.

A tombstone stays as well (content hash and logical key, no text), so that the same mail is known when a mail server
numbers a folder anew. It happens in an order that a crash cannot spoil: the register is emptied and the bytes are named
as forgotten in one transaction, then they are overwritten; `finish` goes on with what a crash left.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from triage.casework import forgetting
from triage.casework.forgetting import GONE
from triage.desk import Desk
from triage.errors import Misuse, NotAllowed, NotFound, Temporary
from triage.operations.casebook import replay
from triage.world.store import cases, lease, mails, privacy

YEAR = timedelta(days=365.25)
LEASE_SECONDS = 600
CARE = "care"  # held by what must see or change the raw store as a whole: forget, backup


class InUse(Temporary):
    """Another run works on the same data."""


class MustBeKept(NotAllowed):
    """The person cannot be forgotten yet."""


@dataclass(slots=True)
class Forgotten:
    """What was done, and what this program cannot reach."""

    alias: str
    cases: list[str] = field(default_factory=list)
    mails: int = 0
    notices: int = 0
    events: int = 0
    left: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "alias": self.alias, "cases": self.cases, "mails": self.mails, "notices": self.notices,
            "events": self.events, "left": self.left,
        }  # fmt: skip

    def text(self) -> str:
        """The answer for people."""
        head = f"Forgotten: {self.mails} mails, {len(self.cases)} cases ({', '.join(self.cases) or 'none'}), "
        head += f"{self.notices} notices, {self.events} events. In their place stands {self.alias}."
        return "\n".join([head, "Left for you:", *(f"  - {line}" for line in self.left)])


def forget(desk: Desk, address: str, *, why: str, actor: str) -> Forgotten:
    """Take one person out. Raises NotFound, NotAllowed, MustBeKept (with the reason and the date), InUse."""
    wanted = address.strip().casefold()
    if "@" not in wanted or any(c.isspace() for c in wanted):
        raise Misuse(f"{address!r} is no mail address.")
    if not why.strip():
        raise Misuse("Forgetting needs a reason.", fix="--why 'request of 3 March' is kept, the address is not.")
    if is_ours(desk, wanted):
        raise NotAllowed(f"{wanted} is one of ours.", fix="A colleague who left is taken out of people.yaml.")
    with _alone(desk) as whole, desk.database.write() as tx:
        case_ids = privacy.cases_of(tx, wanted)
        mail_ids = privacy.mails_of(tx, wanted, case_ids)
        known = privacy.events_about(tx, (), (), wanted) or privacy.notices_about(tx, (), (), (), wanted)
        if not case_ids and not mail_ids and not known:
            raise NotFound("Nothing is known of that address.", fix="Was it another address of the same person?")
        _refuse_kept(desk, tx, case_ids)
        places = sorted({place for mail_id in mail_ids for place in mails.places(tx, mail_id)})
        done = _empty(desk, tx, case_ids, mail_ids, wanted, why=why, actor=actor)
        unread = privacy.waiting(tx)
    finish(desk, whole=whole)
    done.left = _left(desk, wanted, places, unread, whole)
    return done


def forget_expired(desk: Desk, *, actor: str) -> Forgotten:
    """Empty what ended longer ago than `retention: forget_years` of business.yaml. Raises NotAllowed without it."""
    years = desk.config.business.retention.forget_years
    if years is None:
        raise NotAllowed("Nothing expires.", fix="Set `retention: {forget_years: 6}` in config/business.yaml.")
    with _alone(desk) as whole, desk.database.write() as tx:
        case_ids, mail_ids = privacy.expired(tx, desk.now() - years * YEAR)
        mail_ids |= privacy.mails_of(tx, "", case_ids)
        why = f"ended more than {years:g} years ago"
        done = _empty(desk, tx, case_ids, mail_ids, "", why=why, actor=actor)
    finish(desk, whole=whole)
    done.left = _left(desk, "", [], 0, whole)
    return done


def finish(desk: Desk, *, copies: bool = True, whole: bool = False) -> int:
    """Overwrite what is forgotten and still on the disk: after a crash and, with `copies`, other copies of a forgotten
    mail that came since. Returns how many mails. `whole`: no intake runs, so bytes that no row names go too."""
    with desk.database.read() as tx:
        again, pending = privacy.copies_of_forgotten(tx) if copies else set(), privacy.to_blank(tx)
    if again:
        with desk.database.write() as tx:
            rows = privacy.mail_rows(tx, again)
            privacy.empty_mails(tx, again, {row["id"]: _tombstone(row, None) for row in rows}, desk.now())
            pending = privacy.to_blank(tx)
    if pending:
        desk.reached("forget marked")
        desk.raw.blank([(row["segment"], row["offset"], row["length"]) for row in pending])
        desk.reached("forget blanked")
        with desk.database.write() as tx:
            privacy.blanked(tx, [row["sha256"] for row in pending])
    if whole:
        with desk.database.read() as tx:
            gaps = desk.raw.unnamed(tx)
        desk.raw.blank(gaps)
        desk.database.compact()
    return len(pending)


def is_ours(desk: Desk, address: str) -> bool:
    """A colleague's or the desk's own address."""
    domain = address.rpartition("@")[2].casefold()
    return domain in desk.ours.domains or desk.config.roster.by_email(address) is not None


@contextmanager
def _alone(desk: Desk) -> Iterator[bool]:
    """Hold off backups and, where possible, every intake; yields whether no intake runs."""
    with held(desk, [CARE]) as alone:
        if not alone:
            raise InUse("A backup or another forgetting is running.", fix="Try again when it is through.")
        with held(desk, [f"intake:{mailbox.name}" for mailbox in desk.mailboxes]) as quiet:
            yield quiet


@contextmanager
def held(desk: Desk, names: Sequence[str]) -> Iterator[bool]:
    """Hold all of these leases, or none; yields which."""
    got: list[lease.Lease] = []
    with desk.database.write() as tx:
        for name in names:
            one = lease.take(tx, name, desk.identity, desk.now(), LEASE_SECONDS, desk.is_dead)
            if one is None:
                break
            got.append(one)
    try:
        yield len(got) == len(names)
    finally:
        with desk.database.write() as tx:
            for one in got:
                lease.release(tx, one, desk.now())


def _refuse_kept(desk: Desk, tx: Connection, case_ids: Collection[int]) -> None:
    ended_in = cases.merged_into(tx, set(case_ids))  # an answer may be owed on the case that a duplicate went to
    rows = list(cases.by_ids(tx, {*case_ids, *ended_in.values()}).values())
    still_open = [row["number"] for row in rows if row["status"] in cases.OPEN]
    if still_open:
        raise MustBeKept(
            f"{', '.join(still_open)} is open: an answer is owed.",
            fix="Close it with its outcome or a reason, then forget.",
        )
    kept = desk.config.business.retention
    if kept.keep_years is None:
        return
    ends = {row["number"]: row["closed_at"] + kept.keep_years * YEAR for row in rows if row["closed_at"]}
    last = max(ends.values(), default=None)
    if last is not None and last > desk.now():
        numbers = ", ".join(number for number, end in sorted(ends.items()) if end > desk.now())
        raise MustBeKept(
            f"{kept.keep_why} asks to keep {numbers} for {kept.keep_years:g} years after closing, until {last:%d %B %Y}.",
            fix="Answer the request with this date; until then restrict who sees it.",
        )


def _empty(
    desk: Desk, tx: Connection, case_ids: set[int], mail_ids: set[int], address: str, *, why: str, actor: str
) -> Forgotten:
    """The register without the person, in the caller's transaction."""
    now = desk.now()
    done = Forgotten(f"forgotten-{secrets.token_hex(4)}", mails=len(mail_ids))
    rows = cases.by_ids(tx, case_ids)
    done.cases = sorted(row["number"] for row in rows.values())
    done.events = _empty_events(desk, tx, case_ids, mail_ids, address, done.alias)
    changed = privacy.mail_rows(tx, mail_ids)
    privacy.empty_mails(tx, mail_ids, {row["id"]: _tombstone(row, now) for row in changed}, now)
    privacy.forget_keys(tx, case_ids, mail_ids, address)
    for notice in privacy.notices_about(tx, case_ids, done.cases, mail_ids, address):
        privacy.rewrite_notice(tx, notice["id"], _notice(notice, case_ids, done, address))
        done.notices += 1
    if address:
        why = str(forgetting.renamed(why, address, done.alias))
    if mail_ids or case_ids or done.events:
        counts = {"cases": len(case_ids), "mails": len(mail_ids)}
        privacy.note(tx, {"alias": done.alias, "at": now, "actor": actor, "why": why, **counts})
    return done


def _empty_events(desk: Desk, tx: Connection, case_ids: set[int], mail_ids: set[int], address: str, alias: str) -> int:
    def ours(one: str) -> bool:
        return is_ours(desk, one) or "@" not in one

    changed = privacy.events_about(tx, case_ids, mail_ids, address)
    for row in changed:
        data, actor = row["data"], row["actor"]
        mine = row["case_id"] in case_ids or (row["mail_id"] in mail_ids and row["kind"] != "opened")
        mine = mine or (row["kind"] == "absorbed" and data["case_id"] in case_ids)  # what the duplicate brought
        if mine:
            data = forgetting.scrub(row["kind"], data, alias, ours)
        if address:
            data, actor = forgetting.renamed(data, address, alias), forgetting.renamed(actor, address, alias)
        privacy.rewrite_event(tx, row["id"], data, actor)
    touched = {row["case_id"] for row in changed}
    for case_id, events in cases.events(tx, touched).items():
        case = replay(events)
        name = {"customer": case.customer, "customer_name": case.customer_name, "subject": case.subject}
        privacy.update_case(tx, case_id, name)
    return len(changed)


def _tombstone(row: dict[str, Any], at: datetime | None) -> dict[str, Any]:
    """The mail's row without the person. What became of it stays, as do its times."""
    said = f"forgotten on {at:%Y-%m-%d}" if at else "another copy of a forgotten mail"
    return {
        "message_id": None, "subject": None, "from_email": None, "from_name": None, "customer": None, "last_error": None,
        "reason": said, "verdict": forgetting.without_words(row["verdict"]),
    }  # fmt: skip


def _notice(row: dict[str, Any], case_ids: set[int], done: Forgotten, address: str) -> dict[str, Any]:
    """A notice without the person: emptied where it is about their case or mail, else without the lines on it."""
    rename: Callable[[Any], Any] = lambda value: forgetting.renamed(value, address, done.alias) if address else value  # noqa: E731
    values = {"recipient": rename(row["recipient"]), "headers": rename(row["headers"]), "last_error": None}
    if row["case_id"] in case_ids or row["key"].startswith("forward:"):
        waits = row["state"] in ("pending", "batched")
        return {**values, "subject": GONE, "text": GONE, "state": "refused" if waits else row["state"]}
    lines = [
        f"  {number}  {GONE}" if (number := next((n for n in done.cases if n in line), "")) else rename(line)
        for line in row["text"].split("\n")
    ]
    return {**values, "subject": rename(row["subject"]), "text": "\n".join(lines)}


def _left(desk: Desk, address: str, places: list[tuple[str, str]], unread: int, whole: bool) -> list[str]:
    """What only people can do."""
    left = [f"the mail itself is still on the server: {box}/{name}" for box, name in places]
    left.append("backups made before now still hold everything: `triage backup` files, snapshots of the disk, dumps")
    left.append("notices that were sent lie in your colleagues' mailboxes and in yours")
    if address and any(address in text.casefold() for text in desk.config.files.values()):
        left.append("the config names the address; earlier versions of it are kept in the register")
    if unread:
        left.append(f"{unread} mails are stored and not read yet; run the command again after the next `triage run`")
    if not whole:
        left.append("an intake was running: traces of crashed runs in the raw store were not looked for; run it again")
    if not desk.database.sqlite:
        left.append("PostgreSQL keeps old rows until it vacuums: VACUUM (FULL), and the write-ahead logs you archive")
    if desk.settings.models.is_dir() and any(desk.settings.models.iterdir()):
        left.append("a model trained here may know words of corrected mails: `triage retrain` makes one without them")
    return left
