"""What the program remembers about itself: runs, config versions, corrections, counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from triage.world.schema import config_version, correction, counter, run
from triage.world.store import gathering

_NEXT = (
    update(counter)
    .where(counter.c.name == bindparam("of"))
    .values(value=counter.c.value + 1)
    .returning(counter.c.value)
)
_COUNT = update(counter).where(counter.c.name == bindparam("of")).values(value=bindparam("last"))


BROKEN_OFF = "did not reach its end"  # the error of a run that ended by no reason of ours


@dataclass(slots=True)
class _Counted:
    """Counters whose rows a batch has locked, with the number given last."""

    last: dict[str, int] = field(default_factory=dict)


def next_number(tx: Connection, name: str) -> int:
    """The next value of a counter; the row is locked until the transaction ends, so no number is given twice."""
    counted = gathering.known(tx, _Counted)
    if counted is not None and name in counted.last:
        counted.last[name] += 1
        gathering.write(tx, _COUNT, [{"of": name, "last": counted.last[name]}])
        return counted.last[name]
    value = int(tx.execute(_NEXT, {"of": name}).scalar() or 0)
    if not value:
        value = 1
        tx.execute(insert(counter).values(name=name, value=1))
    if counted is not None:
        counted.last[name] = value
    return value


def start_run(tx: Connection, kind: str, now: datetime, mailbox: str | None = None) -> int:
    """Note that a run began."""
    result = tx.execute(insert(run).values(kind=kind, mailbox=mailbox, started_at=now, counts={}).returning(run.c.id))
    return int(result.scalar_one())


def end_run(tx: Connection, run_id: int, now: datetime, counts: Mapping[str, Any], error: str | None) -> None:
    """Note how a run ended."""
    tx.execute(
        update(run).where(run.c.id == run_id).values(ended_at=now, ok=error is None, counts=dict(counts), error=error)
    )


def last_runs(tx: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest runs, newest first."""
    return [dict(row._mapping) for row in tx.execute(select(run).order_by(run.c.id.desc()).limit(limit))]


def runs_since(tx: Connection, since: datetime) -> list[dict[str, Any]]:
    """Runs that began after that moment, oldest first."""
    return [dict(row._mapping) for row in tx.execute(select(run).where(run.c.started_at >= since).order_by(run.c.id))]


def note_run(tx: Connection, kind: str, now: datetime, counts: Mapping[str, Any]) -> None:
    """Note something that is done in this very transaction."""
    end_run(tx, start_run(tx, kind, now), now, counts, None)


def last_start(tx: Connection, kind: str) -> datetime | None:
    """When a run of this kind last began."""
    query = select(run.c.started_at).where(run.c.kind == kind).order_by(run.c.started_at.desc()).limit(1)
    return tx.execute(query).scalar()


def runs_of(tx: Connection, kind: str) -> list[dict[str, Any]]:
    """All runs of a kind, oldest first."""
    return [dict(row._mapping) for row in tx.execute(select(run).where(run.c.kind == kind).order_by(run.c.id))]


def note_config(tx: Connection, version: str, files: Mapping[str, str], author: str, now: datetime) -> bool:
    """Keep the config this run works with; True where this version was not used before."""
    done = tx.execute(update(config_version).where(config_version.c.version == version).values(last_used_at=now))
    if done.rowcount:
        return False
    tx.execute(
        insert(config_version).values(
            version=version, first_used_at=now, last_used_at=now, author=author, files=dict(files)
        )
    )
    return True


def config_versions(tx: Connection) -> list[dict[str, Any]]:
    """Every config the program ran with, newest first."""
    query = select(config_version).order_by(config_version.c.last_used_at.desc())
    return [dict(row._mapping) for row in tx.execute(query)]


def note_correction(tx: Connection, values: Mapping[str, Any]) -> None:
    """A person set right what the program judged: kept as a label."""
    tx.execute(insert(correction).values(**values))


def corrections(tx: Connection) -> list[dict[str, Any]]:
    """All corrections, oldest first."""
    return [dict(row._mapping) for row in tx.execute(select(correction).order_by(correction.c.id))]


def last_ok(tx: Connection, kind: str) -> bool:
    """Was the last run of this kind that ended a good one? False where there is none."""
    query = select(run.c.ok).where(run.c.kind == kind, run.c.ended_at.is_not(None)).order_by(run.c.id.desc()).limit(1)
    return bool(tx.execute(query).scalar())
