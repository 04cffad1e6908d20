"""The watchdog for cron: says when the program does not work, independent of Prefect and of the outbox.

It looks at what the register knows of good scans, and writes to the operators by itself. It is quiet about a trouble it
has told of for a day, and says once when the trouble is over. What it told is kept in a file of the data folder,
because the database may be the trouble.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any

from triage.desk import last_good_config, smtp_account
from triage.errors import ConfigInvalid, Misuse, TriageError
from triage.mail import tokens
from triage.world import clock, config, mailer, settings
from triage.world.config import Config
from triage.world.settings import Settings
from triage.world.store import folders
from triage.world.store.database import Database

AGAIN_AFTER = timedelta(days=1)
_FILE = "watchdog.json"
_SPAN = re.compile(r"(\d{1,5})(m|h|d)")


@dataclass(frozen=True, slots=True)
class Watched:
    """What was found, and whom it was told to (nobody: told lately, or notices are off)."""

    troubles: tuple[str, ...]
    told: tuple[str, ...]
    failed: str = ""  # why nobody could be told

    @property
    def exit_code(self) -> int:
        return 1 if self.troubles else 0

    def text(self) -> str:
        lines = list(self.troubles) or ["every folder had a good scan lately"]
        if self.told:
            lines.append(f"told: {', '.join(self.told)}")
        if self.failed:
            lines.append(f"nobody could be told: {self.failed}")
        return "\n".join(lines)


def span(text: str) -> timedelta:
    """15m, 2h, 1d. Raises Misuse."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise Misuse(f"{text!r} is no span of time.", fix="Write 15m, 2h or 1d.")
    return timedelta(minutes=int(found[1]) * {"m": 1, "h": 60, "d": 1440}[found[2]])


def watch(max_age: timedelta, found: Settings | None = None, now: datetime | None = None) -> Watched:
    """Look once. Never raises for what is wrong with the desk: that is what it is there to tell."""
    found, now = found or settings.load(), now or clock.now()
    conf, troubles = _look(found, max_age, now)
    said = _said(found)
    if not troubles and not said:
        return Watched((), ())
    if troubles and said.get("troubles") == _causes(troubles) and now < _moment(said) + AGAIN_AFTER:
        return Watched(tuple(troubles), ())
    if conf is None or conf.notices.mode == "off" or conf.notices.smtp is None:
        return Watched(tuple(troubles), (), "notices are off or not configured" if troubles else "")
    to = _recipients(conf, now)
    try:
        _send(conf, found, to, troubles, now)
    except TriageError as error:
        return Watched(tuple(troubles), (), str(error))
    _remember(found, troubles, now)
    return Watched(tuple(troubles), to)


def _look(found: Settings, max_age: timedelta, now: datetime) -> tuple[Config | None, list[str]]:
    """The config that can be had, and what is wrong."""
    conf: Config | None = None
    try:
        conf = config.load(found.config)
    except ConfigInvalid:
        pass  # the program says so itself, and goes on with the last good one: so do we
    try:
        database = Database(found.database_url)
        try:
            conf = conf or last_good_config(database)
            with database.read() as tx:
                seen = {(f.mailbox, f.name): f for f in folders.every(tx)}
        finally:
            database.close()
    except Exception as error:  # noqa: BLE001 - no table, no file, no server: all of it is the trouble
        return conf, [f"the register cannot be read ({type(error).__name__})"]
    if conf is None:
        return None, ["there is no config that the program accepts"]
    troubles = []
    for box in conf.mailboxes:
        for name in box.folders.intake or box.folders.sent:
            at = seen.get((box.name, name))
            last = at.last_ok_at if at else None
            if last is None or now - last > max_age:
                why = f" ({at.circuit})" if at and at.circuit else ""
                troubles.append(
                    f"{box.name}/{name}: last good scan {f'{last:%Y-%m-%d %H:%M} UTC' if last else 'never'}{why}"
                )
    return conf, troubles


def _recipients(conf: Config, now: datetime) -> tuple[str, ...]:
    if conf.notices.mode == "me" and conf.notices.me:
        return (conf.notices.me,)
    return tuple(conf.roster.emails(conf.notices.operators, now))


def _send(conf: Config, found: Settings, to: Sequence[str], troubles: Sequence[str], now: datetime) -> None:
    assert conf.notices.smtp is not None
    sender = conf.notices.sender or conf.mailboxes[0].addresses[0]
    with mailer.open(smtp_account(conf.notices.smtp, found, clock.now)) as server:
        for address in to:
            mail = EmailMessage()
            mail["From"], mail["To"] = sender, address
            mail["Subject"] = (
                "triage: THE DESK IS NOT READING MAIL" if troubles else "triage: the desk reads mail again"
            )
            mail["Date"] = format_datetime(now)
            mail["Message-ID"] = make_msgid(domain=conf.business.domains[0])
            mail["Auto-Submitted"] = "auto-generated"
            mail[tokens.LOOP_HEADER] = tokens.loop_marker(conf.business.domains[0], found.signing_key)
            mail.set_content(_text(troubles))
            server.send(mail)


def _text(troubles: Sequence[str]) -> str:
    if not troubles:
        return "Every folder had a good scan lately. No mail was lost: what came meanwhile is taken in with its own dates.\n"
    page = ["No complaint that came since then has an owner.", "", *(f"  - {line}" for line in troubles)]
    page += ["", "What to do", "  triage status     what the program knows", "  triage check      tries everything",
             "  triage serve      is it running? (systemctl status triage)"]  # fmt: skip
    return "\n".join(page) + "\n"


# -- what was told ---------------------------------------------------------------------------------------------------


def _causes(troubles: Sequence[str]) -> list[str]:
    return sorted(line.partition(":")[0] for line in troubles)


def _said(found: Settings) -> dict[str, Any]:
    try:
        said = json.loads((found.data / _FILE).read_text(encoding="utf-8"))
        return said if isinstance(said, dict) and _moment(said) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _moment(said: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(said["at"])


def _remember(found: Settings, troubles: Sequence[str], now: datetime) -> None:
    path: Path = found.data / _FILE
    if not troubles:
        path.unlink(missing_ok=True)
        return
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"troubles": _causes(troubles), "at": now.isoformat()}), encoding="utf-8")
    part.replace(path)
