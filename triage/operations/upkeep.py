"""Upkeep: what a cycle does besides mail: note the config it runs with, recompute what another config computed."""

from __future__ import annotations

import getpass

from triage.desk import Desk
from triage.operations.casebook import next_due, read
from triage.world.store import cases, register

AT_ONCE = 200


def note_config(desk: Desk) -> bool:
    """Keep the config this run works with; True where this version was not used before."""
    try:
        author = getpass.getuser()
    except (OSError, KeyError):
        author = "unknown"
    with desk.database.write() as tx:
        return register.note_config(tx, desk.config.version, desk.config.files, author, desk.now())


def recompute_stale(desk: Desk) -> int:
    """After a change of config, open cases get the next due moment that it gives them; in batches."""
    done = 0
    while True:
        with desk.database.write() as tx:
            batch = cases.stale(tx, desk.config.version, AT_ONCE)
            for case_id in batch:
                case = read(tx, case_id)
                moment, what = next_due(desk, case, desk.now())
                values = {"next_due_at": moment, "next_target": what, "config_version": desk.config.version}
                cases.save(tx, case_id, case.last_seq, values)
        if not batch:
            return done
        done += len(batch)
