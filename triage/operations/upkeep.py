"""Upkeep: what a cycle does besides mail: note the config it runs with, recompute what another config computed."""

from __future__ import annotations

import getpass

from triage.casework import notice
from triage.casework.notice import Notice
from triage.desk import Desk
from triage.errors import ConfigInvalid
from triage.operations.casebook import next_due, put, read
from triage.world import config
from triage.world.store import cases, register

AT_ONCE = 200


def note_config(desk: Desk) -> bool:
    """Keep the config this run works with; True where this version was not used before. Where it goes on with an
    earlier one because the files were refused, the operators hear of it, once for each refused state of the files."""
    with desk.database.write() as tx:
        if desk.refused is not None:
            put(desk, tx, _refusal(desk, desk.refused))
        return register.note_config(tx, desk.config.version, desk.config.files, author(desk), desk.now())


def author(desk: Desk) -> str:
    """Who changed the config last: the owner of the file that was written last, else who runs the program."""
    try:
        files = [path for name in desk.config.files if (path := desk.settings.config / name).is_file()]
        return max(files, key=lambda path: path.stat().st_mtime).owner()
    except (OSError, KeyError, ValueError):
        return os_user()


def os_user() -> str:
    """Whom the operating system runs this program as."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in a container
        return "operator"


def _refusal(desk: Desk, refused: ConfigInvalid) -> Notice:
    places = {p.where.rpartition(":")[0] for p in refused.problems}
    paths = [desk.settings.config / name for name in sorted({*config.FILES, *places}) if name]
    files = {path.name: path.read_bytes() for path in paths if path.is_file()}
    todo = [
        "triage check           says it again, with file and line",
        "triage config undo     brings the files of the version that runs back; yours are kept aside",
    ]
    what = f"The config was refused; version {desk.config.version[:12]} goes on running."
    to = desk.config.roster.emails(desk.config.notices.operators, desk.now())
    key = f"config:{config.version_of(files)[:32]}"
    return notice.alarm(key, to, what, [str(problem) for problem in refused.problems], todo)


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
