"""The deep check: every stored mail against its hash, every case against its events, every tombstone against its file."""

from __future__ import annotations

from collections.abc import Iterator

from triage.desk import Desk
from triage.errors import InvariantBroken, TriageError
from triage.operations.casebook import replay
from triage.operations.setup import Line
from triage.world.store import cases, privacy, raw

AT_ONCE = 200
SHOWN = 10
_RESTORE = "Restore the data folder from a backup."


def check(desk: Desk) -> list[Line]:
    """One line a check. Reads everything once; writes nothing, and needs no server."""
    return [_raw(desk), _cases(desk), _invariant(desk), _forgotten(desk)]


def _raw(desk: Desk) -> Line:
    """Every byte of every mail is hashed anew. One that is damaged hides no other."""
    with desk.database.read() as tx:
        shas = raw.every(tx)
    damaged: list[str] = []
    for start in range(0, len(shas), AT_ONCE):
        part = shas[start : start + AT_ONCE]
        with desk.database.read() as tx:
            try:
                desk.raw.read(tx, part)
            except InvariantBroken:
                damaged += [sha for sha in part if not _readable(desk, sha)]
    if damaged:
        named = ", ".join(sha[:12] for sha in damaged[:SHOWN])
        return Line("raw mail", "fail", f"{len(damaged)} of {len(shas)} mails are gone or changed: {named}", _RESTORE)
    return Line("raw mail", "ok", f"{len(shas)} mails hashed, all as they came")


def _readable(desk: Desk, sha: str) -> bool:
    try:
        with desk.database.read() as tx:
            desk.raw.read(tx, [sha])
    except InvariantBroken:
        return False
    return True


def _cases(desk: Desk) -> Line:
    """Every case is rebuilt from its events and compared with the row that queries read."""
    with desk.database.read() as tx:
        ids = sorted(cases.versions(tx))
    wrong: list[str] = []
    for start in range(0, len(ids), AT_ONCE):
        with desk.database.read() as tx:
            part = ids[start : start + AT_ONCE]
            rows, events = cases.by_ids(tx, part), cases.events(tx, part)
        for case_id in part:
            differing = list(_differences(rows[case_id], events[case_id]))
            if differing:
                wrong.append(f"{rows[case_id]['number']} ({', '.join(differing)})")
    if wrong:
        said = f"{len(wrong)} of {len(ids)} cases are not what their events say: {', '.join(wrong[:SHOWN])}"
        return Line("cases", "fail", said, f"The events are the truth; please report it. {_RESTORE}")
    return Line("cases", "ok", f"{len(ids)} cases rebuilt from their events, all the same")


def _differences(row: dict[str, object], events: list[dict[str, object]]) -> Iterator[str]:
    """Names of the columns that differ from what the events tell."""
    try:
        case = replay(events)
    except (TriageError, KeyError, ValueError) as error:
        yield f"the events cannot be replayed: {type(error).__name__}"
        return
    told = {
        "version": case.last_seq, "status": case.status.value, "number": case.number, "customer": case.customer,
        "customer_name": case.customer_name, "subject": case.subject, "language": case.language,
        "disposition": case.disposition.value, "complaint_type": case.complaint_type, "urgency": int(case.urgency),
        "owner": case.owner, "pool": case.pool, "policy": case.policy, "review": case.review is not None,
        "step": max((t.step for t in case.taken if not t.skipped), default=0), "received_at": case.received_at,
        "opened_at": case.opened_at, "closed_at": case.closing.at if case.closing else None,
    }  # fmt: skip
    yield from (name for name, value in told.items() if row[name] != value)


def _invariant(desk: Desk) -> Line:
    with desk.database.read() as tx:
        broken = cases.without_deadline_or_owner(tx)
    if broken:
        return Line("invariant", "fail", f"open without owner or deadline: {', '.join(broken[:SHOWN])}", "Report it.")
    return Line("invariant", "ok", "every open case has one owner and a next deadline")


def _forgotten(desk: Desk) -> Line:
    with desk.database.read() as tx:
        left, done = privacy.to_blank(tx), privacy.notes(tx)
    if left:
        fix = "The next `triage run` overwrites them."
        return Line("forgotten mail", "warn", f"{len(left)} forgotten mails still lie on the disk", fix)
    return Line("forgotten mail", "ok", f"{len(done)} requests carried out, nothing left to overwrite")
