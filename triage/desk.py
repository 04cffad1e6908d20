"""The desk: what the program holds open while it works. Opened once, passed to every operation.

`Judge` is the part that needs no register (to try out a mail); `Desk` adds the register, the raw mail and the servers.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from triage.errors import ConfigInvalid, NotFound, SendRefused
from triage.judge.urgency import Thresholds
from triage.mail.screen import Ours
from triage.world import accounts, channels, clock, config, inbox, mailer, settings, signin
from triage.world.config import Config, MailboxPart, ServerPart
from triage.world.reader import Reader
from triage.world.settings import Settings
from triage.world.store import register
from triage.world.store.database import Database, migrate
from triage.world.store.raw import RawStore
from triage.world.tls import Tls

if TYPE_CHECKING:
    from triage.judge.classify import Model

ALWAYS = datetime(1971, 1, 1, tzinfo=UTC)
CORRECTIONS = "corrections"  # the role of the folders into which people move mail to correct it


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """A folder that is read, and what its mail is: intake (customers), sent (our own), corrections (known mail that a
    person put there)."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox as the operations see it."""

    part: MailboxPart

    @property
    def name(self) -> str:
        return self.part.name

    @property
    def mode(self) -> str:
        """read_only, shared or dedicated."""
        return self.part.mode

    @property
    def every(self) -> int:
        """Seconds between two looks."""
        return self.part.every

    @property
    def start_from(self) -> datetime:
        """Mail that arrived before is recorded and starts no clock. Aware UTC."""
        return self.part.start_from or ALWAYS

    @property
    def max_bytes(self) -> int:
        return self.part.limits.message_bytes

    @property
    def processed(self) -> str:
        return self.part.folders.processed

    @property
    def quarantine(self) -> str:
        return self.part.folders.quarantine

    @property
    def corrections(self) -> str:
        """The folder in whose folders people put mail to correct it; "" for none."""
        return self.part.folders.corrections or ""

    @property
    def read_folders(self) -> tuple[FolderSpec, ...]:
        """Intake folders first: a customer's mail is known before our answer to it."""
        intake = tuple(FolderSpec(name, "intake") for name in self.part.folders.intake)
        sent = tuple(FolderSpec(name, "sent") for name in self.part.folders.sent)
        return intake + sent


class Judge:
    """Config, model and keys: all that judging a mail takes."""

    def __init__(self, found: Settings, conf: Config, now: Callable[[], datetime]) -> None:
        self.settings, self.config, self.now = found, conf, now
        self.secret = found.signing_key
        self.instance = conf.business.domains[0]
        self.id_host = conf.business.domains[0]

    @property
    def zone(self) -> str:
        return self.config.business.zone

    @property
    def ours(self) -> Ours:
        """Our own side of the conversation."""
        business = self.config.business
        return Ours(
            domains=frozenset(d.casefold() for d in business.domains),
            intake=frozenset(a for box in self.config.mailboxes for a in box.addresses),
            web_forms=frozenset(business.web_forms),
            authserv_id=business.authserv_id or "",
            secret=self.secret,
            instance=self.instance,
            id_host=self.id_host,
        )

    def ours_for(self, domain: str, authserv_id: str) -> Ours:
        """Our side as a mail shows it that is tried out: the domain it was sent to counts as ours."""
        ours = self.ours
        return replace(ours, domains=ours.domains | {domain}, authserv_id=ours.authserv_id or authserv_id)

    @cached_property
    def model(self) -> Model:
        """The model in use, verified before it is loaded. Raises ModelUntrusted."""
        from triage.world import artefact

        return artefact.load(self.model_folder, semantic=None if self.config.judging.sentences else False)

    @cached_property
    def model_folder(self) -> Path:
        """Models trained here come first; the shipped one serves until there is one."""
        from triage.world import artefact

        own = self.settings.models
        return artefact.current(own if (own / "current").is_file() else shipped_models())

    @cached_property
    def thresholds(self) -> Thresholds:
        """Figures of judging.yaml over those of the model's card over defaults."""
        card = self.model.card.get("thresholds") or {}
        return self.config.thresholds({name: float(value) for name, value in card.items() if _number(value)})


@dataclass
class Desk(Judge):
    """Everything that is open."""

    settings: Settings
    config: Config
    now: Callable[[], datetime]
    database: Database
    reached: Callable[[str], None] = field(default=lambda step: None)
    reader: Reader = field(default_factory=Reader)
    _sign_ins: dict[str, signin.SignIn] = field(default_factory=dict, init=False, repr=False)
    refused: ConfigInvalid | None = None  # the config files as they are now are not those that run

    def __post_init__(self) -> None:
        super().__init__(self.settings, self.config, self.now)
        # One machine keeps raw mail in files beside SQLite; several share a PostgreSQL register and keep it there.
        self.raw = RawStore(self.settings.raw, in_database=not self.database.sqlite)
        self.identity = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"

    @cached_property
    def mailboxes(self) -> tuple[Mailbox, ...]:
        return tuple(Mailbox(part) for part in self.config.mailboxes)

    def mailbox(self, name: str) -> Mailbox:
        """Raises NotFound with the names there are."""
        for mailbox in self.mailboxes:
            if mailbox.name == name:
                return mailbox
        known = ", ".join(box.name for box in self.mailboxes)
        raise NotFound(f"No mailbox is called {name!r}.", fix=f"config/mailboxes.yaml has: {known}.")

    def started(self, mailbox: str) -> datetime:
        """When the desk went live for a mailbox; nobody is told of what came before. A mailbox that left the config
        has no such moment."""
        return next((box.start_from for box in self.mailboxes if box.name == mailbox), ALWAYS)

    def is_dead(self, owner: str) -> bool:
        """Is the holder of a lease a process of this machine that no longer runs?"""
        host, _, rest = owner.partition("/")
        pid = rest.partition("/")[0]
        if host != socket.gethostname() or not pid.isdigit():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return int(pid) == os.getpid() and owner != self.identity  # an earlier desk of this very process

    def _sign_in(self, part: MailboxPart) -> signin.SignIn:
        """Kept for the life of the desk, and with it a token that is still good."""
        found = self._sign_ins.get(part.name) or accounts.sign_in(part, part.name, self.settings.data, self.now)
        if found is None:
            raise NotFound(f"Nothing says how {part.name} signs in.", fix="Add password or oauth to mailboxes.yaml.")
        self._sign_ins[part.name] = found
        return found

    @contextmanager
    def inbox(self, mailbox: Mailbox) -> Iterator[inbox.Inbox]:
        """A signed-in connection to the mailbox's server."""
        part = mailbox.part
        account = inbox.MailboxAccount(
            name=part.name, host=part.host, port=part.port, tls=Tls(part.tls), user=part.user,
            sign_in=self._sign_in(part),
            ca_file=Path(part.ca_file) if part.ca_file else None,
            limits=inbox.Limits(
                batch_mails=part.limits.batch_messages, batch_octets=part.limits.batch_bytes,
                largest_mail=part.limits.message_bytes,
            ),
        )  # fmt: skip
        with inbox.open(account) as box:
            yield box

    def mailer(self) -> mailer.Mailer:
        """The SMTP connection, made with the first mail."""
        part = self.config.notices.smtp
        if part is None:
            raise NotFound("No SMTP server is configured.", fix="Add `smtp` to config/notices.yaml.")
        return mailer.open(smtp_account(part, self.settings, self.now))

    def channel(self, name: str) -> channels.Channel:
        """A channel beside mail. Raises SendRefused where it left the config, SecretMissing."""
        part = next((one for one in self.config.notices.channels if one.name == name), None)
        if part is None:
            raise SendRefused("There is no such channel any more.", where=name)
        return channels.Channel(name, settings.secret_of(part.url, name))

    @property
    def reply_address(self) -> str:
        """Where replies to our notices come in: the first address of the first mailbox."""
        return self.config.mailboxes[0].addresses[0]

    def close(self) -> None:
        self.reader.close()
        self.database.close()


def smtp_account(part: ServerPart, found: Settings, now: Callable[[], datetime]) -> mailer.SmtpAccount:
    """The SMTP server of config/notices.yaml."""
    return mailer.SmtpAccount(
        name="notices", host=part.host, port=part.port, tls=Tls(part.tls), user=part.user or "",
        sign_in=accounts.sign_in(part, "smtp", found.data, now),
        ca_file=Path(part.ca_file) if part.ca_file else None,
    )  # fmt: skip


def shipped_models() -> Path:
    """The models that came with the program: beside the package in a checkout, inside it in a wheel."""
    here = Path(__file__).resolve().parent
    inside = here / "models"
    return inside if inside.is_dir() else here.parent / "models"


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@contextmanager
def open_desk(
    found: Settings | None = None,
    *,
    conf: Config | None = None,
    now: Callable[[], datetime] = clock.now,
    reached: Callable[[str], None] = lambda step: None,
    last_good: bool = False,
) -> Iterator[Desk]:
    """Open the desk: settings, config, register at the newest schema. Raises ConfigInvalid, DatabaseUnavailable ...

    `last_good`: for what runs unattended. Where the config files are refused, the last version the program ran with
    goes on, and `desk.refused` says what is wrong with the files.
    """
    found = found or settings.load()
    refused: ConfigInvalid | None = None
    if conf is None:
        try:
            conf = config.load(found.config)
        except ConfigInvalid as error:
            if not last_good:
                raise
            refused = error
    with open_register(found) as database:
        conf = conf or last_good_config(database)
        if conf is None:
            assert refused is not None
            raise refused
        desk = Desk(found, conf, now, database, reached, refused=refused)
        try:
            yield desk
        finally:
            desk.reader.close()


@contextmanager
def open_register(found: Settings) -> Iterator[Database]:
    """The database at the newest schema. Raises DatabaseUnavailable ..."""
    database = Database(found.database_url)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def last_good_config(database: Database) -> Config | None:
    """The config the program last ran with that it still accepts; None where there never was one."""
    with database.read() as tx:
        versions = register.config_versions(tx)
    for row in versions:
        try:
            return config.load_files({name: text.encode() for name, text in row["files"].items()})
        except ConfigInvalid:
            continue  # kept by an older program that knew other keys
    return None


@contextmanager
def open_judge() -> Iterator[Judge]:
    """What judging alone takes: the config of this desk, or the shipped one where there is none yet."""
    found = settings.load()
    folder = found.config if found.config.is_dir() else config.shipped()
    yield Judge(found, config.load(folder), clock.now)
