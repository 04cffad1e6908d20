"""Setting up: write a config, check everything, try calendar arithmetic."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from triage.casework.hours import BusinessCalendar
from triage.desk import Desk, Judge, Mailbox, smtp_account
from triage.errors import ConfigInvalid, Misuse, Temporary, TriageError
from triage.judge import correction
from triage.operations import hints, unseen
from triage.world import accounts, channels, clock, config, mailer, prefect_history, settings
from triage.world.config import Answers, Config
from triage.world.inbox import Inbox
from triage.world.settings import Settings
from triage.world.store import folders
from triage.world.store.database import Database, migrate


def init(
    folder: Path | None, *, address: str, host: str, user: str, smtp_host: str, lead: str, zone: str, business: str
) -> str:
    """Write a commented config for one's own mailbox; returns what was done and what comes next."""
    for name, value in (("--address", address), ("--lead", lead)):
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
            raise Misuse(f"{name} {value!r} is no mail address.")
    if zone not in available_timezones():
        raise Misuse(f"{zone!r} is no time zone.", fix="Use a name such as Europe/London or America/New_York.")
    place = folder or settings.config_folder()
    answers = Answers(
        business=business or address.rpartition("@")[2], address=address, host=host, user=user or address,
        name=lead.partition("@")[0].replace(".", " ").title(), email=lead, start_from=clock.now(), zone=zone,
        country="GB" if zone == "Europe/London" else None, subdivision="ENG" if zone == "Europe/London" else None,
        smtp_host=smtp_host or None,
    )  # fmt: skip
    done = config.write_starter(place, answers)
    lines = [f"{len(done.written)} files written to {place}, {len(done.kept)} that were there left alone."]
    lines += [
        "",
        "Passwords never stand in the config. Set them in the environment:",
        f"  export {answers.password}=...        the mailbox {address}",
        f"  export {answers.smtp_password}=...   the SMTP server (not needed while notices are off)",
        "",
        "Then",
        f"  triage --config {place} check        tries everything, one line a check",
        f"  triage --config {place} run          one cycle; read_only: the mailbox is not touched",
        f"  triage --config {place} cases        the queue",
        "",
        "Mail from before now opens no case; `triage backfill --since DATE` takes it in on purpose.",
        'Notices are off: `triage run` shows what would go out. Set `mode: me` in notices.yaml, later `mode: "on"`.',
    ]
    return "\n".join(lines)


# -- check -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One check: what was checked, "ok", "warn" or "fail", what was found, and what to do."""

    name: str
    state: str
    said: str
    fix: str = ""

    @property
    def failed(self) -> bool:
        return self.state == "fail"

    def as_json(self) -> dict[str, Any]:
        return {"check": self.name, "state": self.state, "said": self.said, "fix": self.fix}

    def __str__(self) -> str:
        return f"{self.state:<4}  {self.name:<22} {self.said}" + (f" -> {self.fix}" if self.fix else "")


def check(*, offline: bool) -> list[Line]:
    """Check everything that the desk needs; a check that fails stops only what depends on it."""
    lines: list[Line] = []
    try:
        found = settings.load()
        lines.append(Line("data folder", "ok", str(found.data)))
    except TriageError as error:
        return [_failed("data folder", error)]
    conf = _check_config(found, lines)
    _check_database(found, lines)
    if conf is None:
        return lines
    desk = Judge(found, conf, clock.now)
    _try(lines, "model", lambda: _model(desk, conf))
    for part in conf.mailboxes:
        _try(lines, f"{'oauth' if part.oauth else 'password'} {part.name}", lambda part=part: _secrets(part))  # type: ignore[misc]
    for channel in conf.notices.channels:
        _try(lines, f"channel {channel.name}", lambda channel=channel: _channel(channel))  # type: ignore[misc]
    if not offline:
        _check_servers(found, conf, lines)
    lines += _prefect(found)
    said = {"off": "off: nothing goes out, `triage run` shows what would", "me": f"all to {conf.notices.me}",
            "on": "on: owners, leads and managers are written to"}[conf.notices.mode]  # fmt: skip
    lines.append(Line("notices", "ok", said))
    return lines


def _prefect(found: Settings) -> Iterator[Line]:
    """The history of our own server, where there was one: what is not pruned fills the disk in months."""
    history = prefect_history.read(found.prefect)
    if history is not None:
        fix = "`triage serve` sets its pruning; is another Prefect server started on this folder?"
        stale = history.unpruned(clock.now())
        yield Line("prefect history", "warn" if stale else "ok", history.said(), fix if stale else "")


def _failed(name: str, error: TriageError) -> Line:
    reached = isinstance(error, Temporary)
    fix = error.fix or ("Is it running, and are host and port right?" if reached else "")
    return Line(name, "fail", " ".join(error.detail.split()), fix)


def _try(lines: list[Line], name: str, do: Callable[[], str]) -> None:
    try:
        lines.append(Line(name, "ok", do()))
    except TriageError as error:
        lines.append(_failed(name, error))


def _check_config(found: Settings, lines: list[Line]) -> Config | None:
    try:
        conf = config.load(found.config)
    except ConfigInvalid as error:
        lines += [Line("config", "fail", f"{p.where}: {p.what}", p.fix) for p in error.problems]
        return None
    lines.append(Line("config", "ok", f"{found.config}, version {conf.version[:12]}, {len(conf.ruleset.rules)} rules"))
    lines += [Line("config", "warn", f"{p.where}: {p.what}", p.fix) for p in conf.warnings]
    return conf


def _check_database(found: Settings, lines: list[Line]) -> None:
    def look() -> str:
        database = Database(found.database_url)
        try:
            migrate(database)
            return database.describe()
        finally:
            database.close()

    _try(lines, "database", look)


def _model(desk: Judge, conf: Config) -> str:
    card = desk.model.card
    labels = [label for label in card.get("labels", {}).get("complaint_type", []) if label not in conf.complaint_types]
    if labels:
        raise Misuse(
            f"The model knows the complaint types {', '.join(labels)}, and config/complaint_types.yaml does not.",
            fix="Add them, or train a model on the types you have.",
        )
    return f"{desk.model_folder.name}, trained {card.get('trained_at', 'at an unknown time')}"


def _channel(part: config.ChannelPart) -> str:
    """Its address is one that apprise knows; nothing is sent."""
    channels.Channel(part.name, settings.secret_of(part.url, part.name)).open()
    return f"{', '.join(part.kinds)} from {part.urgency} on; not tried: nothing is sent by a check"


def _secrets(part: config.MailboxPart) -> str:
    accounts.secrets_there(part)
    return "found"


def _check_servers(found: Settings, conf: Config, lines: list[Line]) -> None:
    database = Database(found.database_url)
    desk = Desk(found, conf, clock.now, database)
    try:
        for box in desk.mailboxes:
            lines += _check_mailbox(desk, box.name)
        lines.append(_answers(desk))
        if conf.notices.smtp is not None and conf.notices.mode != "off":
            _try(lines, "smtp", lambda: _smtp(found, conf))
        elif conf.notices.smtp is not None:
            lines.append(Line("smtp", "ok", "not tried: notices are off"))
    finally:
        desk.close()


def _check_mailbox(desk: Desk, name: str) -> Iterator[Line]:
    mailbox = desk.mailbox(name)
    try:
        with desk.inbox(mailbox) as box:
            yield from _reopened(desk, name)
            for spec in mailbox.read_folders:
                try:
                    state = box.select(spec.name, read_only=True)
                    said = f"{state.exists} mails, role {spec.role}, mode {mailbox.mode}"
                    yield Line(f"imap {name}/{spec.name}", "ok", said)
                except TriageError as error:
                    missing_sent = spec.role == "sent"
                    fix = error.fix or "Set `folders` in mailboxes.yaml."
                    if missing_sent:
                        fix += " Without our own mail, answers must be told by `triage replied`; set `sent: null` to say so."
                    yield Line(f"imap {name}/{spec.name}", "fail", error.detail, fix)
                    if box.closed:
                        return
            yield from _check_corrections(desk, box, mailbox)
    except TriageError as error:
        yield _failed(f"imap {name}", error)


def _check_corrections(desk: Desk, box: Inbox, mailbox: Mailbox) -> Iterator[Line]:
    """How this mailbox is corrected from a mail client, and folders whose name says nothing to the desk."""
    what, root = f"corrections {mailbox.name}", mailbox.corrections
    keywords = ", ".join(correction.keywords(desk.config.complaint_types))
    if not root:
        yield Line(what, "ok", f"no folders; keywords: {keywords}")
        return
    below = [name for name in box.below(root) if name != root]
    lost = [name for name in below if hints.said(desk, name[len(root) :]) is None]
    if lost:
        said = f"{', '.join(lost[:5])}: the name says nothing to the desk"
        names = ", ".join(correction.names(desk.config.complaint_types))
        yield Line(what, "warn", said, f"Understood, also together, such as {root}/billing urgent: {names}.")
    yield Line(what, "ok", f"{len(below) - len(lost)} folders in {root} are understood; keywords: {keywords}")


def _reopened(desk: Desk, name: str) -> Iterator[Line]:
    """The sign-in works: a mailbox that was left alone because it did not is read by the next run."""
    try:
        with desk.database.write() as tx:
            again = folders.try_again(tx, name)
    except TriageError:
        return  # the line of the database says so
    if again:
        yield Line(f"imap {name}", "ok", "the sign-in works again; the next run reads it")


def _answers(desk: Desk) -> Line:
    """How far we see what we answered: a share near nothing means that sent copies go elsewhere."""
    try:
        watched, opened, answered = unseen.looked_for(desk)
    except TriageError as error:
        return _failed("our answers", error)
    if blind := sorted({box.name for box in desk.mailboxes} - watched):
        what = f"nothing shows the answers to {', '.join(blind)}: only `triage replied` stops their clocks"
        return Line("our answers", "warn", what, "Name a folder under `sent`; docs/our-replies.md says which.")
    return Line("our answers", "ok", f"a mail of ours was seen on {answered} of {opened} cases of the last 30 days")


def _smtp(found: Settings, conf: Config) -> str:
    part = conf.notices.smtp
    if part is None:
        raise Misuse("No SMTP server is configured.")
    with mailer.open(smtp_account(part, found, clock.now)) as server:
        server.check()
    return f"{part.host}:{part.port} answers"


# -- hours -----------------------------------------------------------------------------------------------------------

_AMOUNT = re.compile(r"(\d{1,5})(bd|h|m)")


def hours_add(start: str, amount: str, calendar: str) -> dict[str, Any]:
    """The moment so much working time after `start`."""
    found = _calendar(calendar)
    parts = _AMOUNT.findall(amount.replace(" ", ""))
    if not parts or "".join(f"{n}{u}" for n, u in parts) != amount.replace(" ", ""):
        raise Misuse(f"{amount!r} is no amount of working time.", fix="Write 4h, 90m, 2bd or 3h30m.")
    minutes = sum(int(n) * {"bd": found.day_minutes, "h": 60, "m": 1}[unit] for n, unit in parts)
    end = found.add(clock.parse(start), timedelta(minutes=minutes))
    return {"calendar": found.name, "minutes": minutes, "utc": _iso(end), "local": _local(end, found)}


def hours_between(start: str, end: str, calendar: str) -> dict[str, Any]:
    """The working time between two moments; negative when the second comes first."""
    found = _calendar(calendar)
    first, second = clock.parse(start), clock.parse(end)
    seconds = int(found.between(min(first, second), max(first, second)).total_seconds())
    sign = "-" if second < first else ""
    text = f"{sign}{seconds // 3600} h {seconds % 3600 // 60} min of working time"
    return {"calendar": found.name, "seconds": -seconds if sign else seconds, "text": text}


def _calendar(name: str) -> BusinessCalendar:
    found = settings.config_folder()
    conf = config.load(found if found.is_dir() else config.shipped())
    wanted = name or conf.business.calendar
    if wanted not in conf.calendars:
        raise Misuse(f"There is no calendar {wanted!r}.", fix=f"calendars.yaml has {', '.join(conf.calendars)}.")
    return conf.calendars[wanted]


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _local(moment: datetime, calendar: BusinessCalendar) -> str:
    return f"{moment.astimezone(ZoneInfo(calendar.zone)):%a %d %b %Y %H:%M %Z}"
