"""business.yaml, mailboxes.yaml and notices.yaml: our own side, where mail comes from, and what goes out."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BeforeValidator, Field, field_validator, model_validator

from triage.casework.notice import LETTER_WORDS
from triage.world.config.part import Email, Language, Name, Names, Part, Texts
from triage.world.tls import is_loopback

_LETTER_WORD = re.compile(r"\{(\w+)\}")
_SIZE = re.compile(r"(\d{1,6}) ?(kib|mib|gib)")
_FACTOR = {"kib": 2**10, "mib": 2**20, "gib": 2**30}


def _bytes(value: object) -> object:
    """ "16 MiB" -> 16777216; a whole number is taken as bytes."""
    found = _SIZE.fullmatch(value.strip().casefold()) if isinstance(value, str) else None
    return int(found[1]) * _FACTOR[found[2]] if found else value


Bytes = Annotated[int, BeforeValidator(_bytes), Field(ge=1024, le=2**32)]


class RetentionPart(Part):
    """How long the words and addresses of customers are kept. Figures about cases stay."""

    keep_years: float | None = Field(default=None, gt=0, le=30)
    """A law makes you keep a closed case so long: until then `triage forget` refuses, with the date."""
    keep_why: str = Field(default="", max_length=200)
    """That law, as the refusal names it. Needed with keep_years."""
    forget_years: float | None = Field(default=None, gt=0, le=100)
    """`triage forget --expired` empties what ended longer ago than this. Not set: nothing expires."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.keep_years is not None and not self.keep_why:
            raise ValueError("keep_years needs keep_why. | Name the law that makes you keep it.")
        if self.keep_years is not None and self.forget_years is not None and self.forget_years < self.keep_years:
            raise ValueError("forget_years is shorter than keep_years. | What must be kept cannot expire.")
        return self


class BusinessFile(Part):
    """business.yaml"""

    name: str = Field(min_length=1, max_length=200)
    """The name that notices and letters are signed with."""
    domains: Texts = Field(min_length=1)
    """Own mail domains. A mail from one of them is ours, not a customer's."""
    web_forms: Annotated[tuple[Email, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = ()
    """Senders of own web forms: the customer is in Reply-To, and the mail is not dropped as automatic."""
    authserv_id: str | None = None
    """The name your mail server writes first in Authentication-Results. Without it every mail counts as "unknown"."""
    zone: str = "UTC"
    """Time zone of the desk (IANA name): days of absence, dates in notices."""
    calendar: Name = "standard"
    """The business calendar of calendars.yaml that counts where a policy names none."""
    case_prefix: str = Field(default="C", pattern=r"^[A-Z]{1,5}$")
    """Case numbers read PREFIX-YEAR-NUMBER, such as C-2026-000123."""
    languages: tuple[Language, ...] = ("en",)
    """Languages the desk answers in; a mail in another one goes to review."""
    retention: RetentionPart = RetentionPart()
    """How long personal data is kept."""


class SecretPart(Part):
    """Where a password is found. Never the password itself: config is kept and shown."""

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The name of an environment variable."""
    file: str | None = None
    """A file that holds nothing else (systemd credential, Docker secret)."""
    keyring: str | None = None
    """The service name in the system's keyring (needs the extra `keyring`); the user is the account's user."""

    @model_validator(mode="before")
    @classmethod
    def _no_text(cls, value: object) -> object:
        if isinstance(value, str):
            raise ValueError(
                "A password must not stand in a config file. | Write {env: NAME}, {file: PATH} or {keyring: SERVICE}."
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(part is not None for part in (self.env, self.file, self.keyring)) != 1:
            raise ValueError("A password comes from exactly one place. | Give one of env, file and keyring.")
        return self


class OAuthPart(Part):
    """Sign-in by OAuth 2.0 instead of a password, as Microsoft 365 and Google ask for it."""

    provider: Literal["microsoft", "google"] | None = None
    """Sets token_url and scope; null for a server of your own, with both given."""
    tenant: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.-]{1,100}$")
    """The organisation at Microsoft: its id or domain."""
    token_url: str | None = Field(default=None, pattern=r"^https?://")
    """The token endpoint."""
    client_id: str = Field(min_length=1, max_length=300)
    """The application's id."""
    client_secret: SecretPart | None = None
    """Where the application's secret is found. With it alone the application signs in for itself (client credentials)."""
    refresh_token: SecretPart | None = None
    """Where a person's refresh token is found. A newer one that the endpoint gives is kept in the data folder."""
    scope: str | None = None
    """What is asked for; the provider's own by default."""
    mechanism: Literal["XOAUTH2", "OAUTHBEARER"] = "XOAUTH2"
    """How the token is presented; Microsoft and Google take XOAUTH2."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.client_secret is None and self.refresh_token is None:
            raise ValueError("oauth needs a secret. | Give client_secret, refresh_token or both.")
        if self.provider is None and not (self.token_url and self.scope):
            raise ValueError(
                "oauth without a provider needs token_url and scope. | Or set provider: microsoft or google."
            )
        if self.provider == "google" and self.refresh_token is None:
            raise ValueError("Google gives mailbox tokens for a refresh token only. | Give refresh_token.")
        if self.provider == "microsoft" and self.refresh_token is None and self.tenant is None:
            raise ValueError("client credentials belong to an organisation. | Give tenant.")
        return self


class ServerPart(Part):
    """How a server is reached and who signs in."""

    host: str = Field(min_length=1, max_length=253)
    """Name or address of the server."""
    port: int = Field(ge=1, le=65535)
    """993 for IMAP and 465 for SMTP with implicit TLS; 143 and 587 with STARTTLS."""
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    """implicit, starttls, or none (only for this machine itself)."""
    user: str | None = None
    """The name to sign in with."""
    password: SecretPart | None = None
    """Where the password is found."""
    oauth: OAuthPart | None = None
    """Sign-in by OAuth 2.0 instead of a password."""
    ca_file: str | None = None
    """A certificate authority of your own, as a PEM file; else the system's are trusted."""

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError("tls: none is only for this machine itself (127.0.0.1, ::1). | Use implicit or starttls.")
        if self.password is not None and self.oauth is not None:
            raise ValueError("password and oauth are two ways to sign in. | Keep one of them.")
        return self


class FoldersPart(Part):
    """Folders by role. Names as the mail client shows them, levels divided by /."""

    intake: Texts = ("INBOX",)
    """Folders that are read. Junk may be one: a complaint there is still a complaint. Empty for a mailbox that only
    gathers copies of our own mail."""
    sent: Annotated[Texts, BeforeValidator(lambda v: [] if v is None else v)] = ("Sent",)
    """Where our own replies are found; they stop the clocks. One folder or a list; null where nothing shows them."""
    processed: str = "Processed"
    """Where handled mail goes (mode dedicated)."""
    quarantine: str = "Quarantine"
    """Where unreadable mail goes (mode dedicated)."""
    corrections: str | None = "Corrections"
    """A mail moved into a folder inside this one, such as Corrections/billing, is corrected; null: never looked at."""

    @model_validator(mode="after")
    def _read(self) -> Self:
        if not self.intake and not self.sent:
            raise ValueError("no folder of this mailbox is read. | Name one under intake or sent.")
        return self


class LimitsPart(Part):
    """Bounds of one run. What is over a bound is taken in later or as headers only, never dropped."""

    message_bytes: Bytes = 100 * 2**20
    """A larger mail becomes a case from its headers."""
    batch_bytes: Bytes = 16 * 2**20
    """Bytes fetched at once."""
    batch_messages: int = Field(default=100, ge=1, le=500)
    """Mails fetched at once."""
    run_messages: int = Field(default=5000, ge=1, le=1_000_000)
    """Mails taken in by one run; the rest follows in the next."""


class MailboxPart(ServerPart):
    """One mailbox."""

    name: Name
    """A short name of your own; it stands in reports and in routing conditions."""
    addresses: Annotated[tuple[Email, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = Field(
        min_length=1
    )
    """Addresses that customers write to and that end in this mailbox."""
    port: int = Field(default=993, ge=1, le=65535)
    """993 with implicit TLS, 143 with starttls."""
    user: str = Field(min_length=1)
    """The name to sign in with."""
    mode: Literal["read_only", "shared", "dedicated"] = "read_only"
    """read_only: the mailbox is never changed. shared: a keyword marks handled mail. dedicated: it is moved."""
    folders: FoldersPart = FoldersPart()
    """Folders by role."""
    start_from: AwareDatetime | None = None
    """Older mail is recorded but opens no case. `triage init` writes the moment of going live."""
    acknowledge_keyword: str | None = Field(default="$TriageAck", pattern=r"^[A-Za-z0-9$_.-]{1,60}$")
    """A keyword (in Thunderbird: a tag) that a colleague sets on a mail of a case to take note of its escalation."""
    every: int = Field(default=60, ge=10, le=86_400)
    """Seconds between two looks at the mailbox when `triage serve` runs."""
    idle: bool = False
    """`triage serve` keeps a connection that waits for new mail (IMAP IDLE) and looks at once; the schedule stays."""
    canary: bool = False
    """Once an hour a test mail goes by SMTP to the first address and must come in; if it does not, people are told."""
    limits: LimitsPart = LimitsPart()
    """Bounds of one run."""

    @model_validator(mode="after")
    def _signs_in(self) -> Self:
        if self.password is None and self.oauth is None:
            raise ValueError("nothing says how to sign in. | Give password: {env: NAME} or oauth: with its keys.")
        return self


class MailboxesFile(Part):
    """mailboxes.yaml"""

    mailboxes: tuple[MailboxPart, ...] = Field(min_length=1)
    """Every mailbox the desk reads. One that fails never stops the others."""


class SmtpPart(ServerPart):
    """The server that takes our notices."""

    port: int = Field(default=465, ge=1, le=65535)
    """465 with implicit TLS, 587 with starttls."""


class QuietPart(Part):
    """Hours in which notices wait (critical cases excepted)."""

    outside_calendar: bool = True
    """Notices of cases that are not critical wait for opening time."""
    from_: time | None = Field(default=None, alias="from")
    """Further quiet hours: begin, local time."""
    until: time | None = None
    """Further quiet hours: end, local time; may lie after midnight."""


class AcknowledgementPart(Part):
    """When a customer gets an automatic receipt."""

    enabled: bool = False
    """Off by default. Never sent for self-harm, legal or regulator cases, nor to automatic mail."""
    a_day: int = Field(default=1, ge=1, le=10)
    """At most so many to one address in a day."""


class LetterPart(Part):
    """A letter in one language. {number} {owner} {business} {deadline} {name} are filled in."""

    subject: str = Field(min_length=1, max_length=200)
    """The subject line."""
    text: str = Field(min_length=1, max_length=5000)
    """The letter. It names a person and the real deadline."""

    @model_validator(mode="after")
    def _honest(self) -> Self:
        words = set(_LETTER_WORD.findall(self.subject + self.text))
        unknown = sorted(words - set(LETTER_WORDS))
        if unknown:
            known = ", ".join(f"{{{word}}}" for word in LETTER_WORDS)
            raise ValueError(f"The letter names {{{unknown[0]}}}, which nobody fills in. | Known: {known}.")
        missing = [word for word in ("owner", "deadline", "number") if word not in words]
        if missing:
            raise ValueError(f"The letter must name {{{missing[0]}}}. | A receipt says who answers, and by when.")
        return self


class ChannelPart(Part):
    """A channel beside mail: Slack, Teams, Matrix, a web hook ... by apprise (the extra `channels`)."""

    name: Name
    """A short name of your own."""
    url: SecretPart
    """Where its apprise address is found, such as slack://TOKEN/#complaints or jsons://HOST/PATH; it is a secret."""
    kinds: tuple[Literal["assignment", "reminder", "escalation", "review", "alarm"], ...] = Field(
        default=("escalation", "alarm"), min_length=1
    )
    """The notices that go there too: short, with no more of a customer's words than a redacted subject."""
    urgency: Literal["low", "normal", "urgent", "critical"] = "urgent"
    """Only of cases at least so urgent; alarms always."""


class NoticesFile(Part):
    """notices.yaml"""

    mode: Literal["off", "me", "on"] = "off"
    """off: nothing goes out, `triage run` shows what would. me: all of it to one address. on: for real."""
    me: Email | None = None
    """The one address, for mode me."""
    sender: str | None = None
    """From of every notice: an address of your own, such as Triage <triage@example.com>."""
    smtp: SmtpPart | None = None
    """The server that takes notices. Needed for the modes me and on."""
    channels: tuple[ChannelPart, ...] = ()
    """Where notices go beside mail."""
    operators: Names = ("lead",)
    """People or roles told when the program itself is in trouble."""
    heartbeat: str | None = Field(default=None, max_length=500)
    """An address outside that is asked for after each good cycle (https, or this machine); its silence is the alarm."""
    quiet: QuietPart = QuietPart()
    """When notices wait."""
    digest_at: time = time(9)
    """Local time of the daily digest."""
    storm: int = Field(default=20, ge=2, le=10_000)
    """More escalations than this in one run go out as one digest a person, and the operators are told."""
    language: Language = "en"
    """The letter that is taken where the customer's language has none."""
    acknowledgement: AcknowledgementPart = AcknowledgementPart()
    """The automatic receipt to the customer."""
    letters: dict[Language, LetterPart] = {}
    """The receipt in each language."""

    @field_validator("heartbeat")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not parts.hostname or parts.scheme not in ("https", "http"):
            raise ValueError("The heartbeat is no web address. | Write https://HOST/PATH.")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("The heartbeat would not be encrypted. | Use https; http is only for this machine itself.")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.mode == "me" and not self.me:
            raise ValueError("mode: me needs an address under `me`. | Add `me: you@example.com`.")
        if self.mode != "off" and not (self.smtp and self.sender):
            raise ValueError("Notices need `smtp` and `sender`. | Add both, or set mode: off.")
        if self.acknowledgement.enabled and self.language not in self.letters:
            raise ValueError(f"There is no letter in {self.language!r}. | Add it, or disable the acknowledgement.")
        return self


def moment(value: datetime) -> str:
    """A moment as config writes it: whole seconds, UTC."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")
