"""The tables of the register, and the only column types it uses for time and text.

SQLite and PostgreSQL alike. Every time is a `Utc` (SQLite would give back a naive one), every text is `Clean`
(PostgreSQL refuses NUL). Unique constraints carry the promise "nothing doubled": a step that runs twice meets them.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite gives row ids only to INTEGER PRIMARY KEY


class Utc(TypeDecorator[datetime]):
    """An aware UTC moment, kept as microseconds since 1970 so that both databases compare it exactly.

    Raises ValueError on a naive time: a time without a zone is a five-hour error waiting to happen.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive time cannot be stored: {value!r}")
        gap = value.astimezone(UTC) - _EPOCH
        return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return (
            None
            if value is None
            else datetime.fromtimestamp(value // 1_000_000, UTC).replace(microsecond=value % 1_000_000)
        )


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clean(TypeDecorator[str]):
    """Text without NUL and without lone surrogates, which PostgreSQL and UTF-8 refuse."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else clean(value)


class Json(TypeDecorator[Any]):
    """A JSON value as clean text: the same bytes in both databases, keys in the order given."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        if value is None:
            return None
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return clean(_ESCAPED_NUL.sub(r"\1", written) if "\\u0000" in written else written)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


#: a mail may spell the escape out: in `\\u0000` the second backslash belongs to the first
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def clean(text: str) -> str:
    """`text` without NUL and with lone surrogates replaced."""
    text = text.replace("\x00", "")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text


folder = Table(
    "folder",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mailbox", String(200), nullable=False),  # the name of the mailbox in config
    Column("name", String(500), nullable=False),  # the folder's path as configured
    Column("role", String(40), nullable=False),  # intake, sent, corrections
    Column("epoch", Integer, nullable=False, default=0),  # counts UIDVALIDITY changes; UIDVALIDITY itself may go down
    Column("uidvalidity", BigInteger),
    Column("low_uid", BigInteger, nullable=False, default=1),  # below it every UID is in a terminal state
    Column("quiet", Json),  # (uidnext, exists) at the end of the last clean run: the cheap skip
    Column("last_ok_at", Utc),
    Column("last_full_at", Utc),  # last comparison of the whole UID set
    Column("failures", Integer, nullable=False, default=0),
    Column("retry_at", Utc),  # back-off: not tried before
    Column("circuit", Clean),  # why a person is needed; NULL = closed
    Column("keywords", Json),  # [HIGHESTMODSEQ or NULL, moment]: when people's keywords were last looked for
    UniqueConstraint("mailbox", "name"),
)

blob = Table(
    "blob",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("length", BigInteger, nullable=False),
    Column("segment", String(200)),  # file under raw/, with offset; or
    Column("offset", BigInteger),
    Column("body", LargeBinary),  # the bytes themselves, where several machines share the register
    Column("forgotten_at", Utc),  # the bytes are gone on purpose; the hash stays, so that the mail stays known
)
Index("ix_blob_to_blank", blob.c.sha256, sqlite_where=blob.c.forgotten_at.is_not(None) & blob.c.segment.is_not(None),
      postgresql_where=blob.c.forgotten_at.is_not(None) & blob.c.segment.is_not(None))  # fmt: skip

mail = Table(
    "mail",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sha256", String(64), ForeignKey("blob.sha256"), nullable=False, unique=True),  # the exact bytes (K2)
    Column("logical_key", String(64)),  # the mail apart from its trace headers (K3); NULL until read
    Column("duplicate_of", Id, ForeignKey("mail.id")),
    Column("direction", String(3), nullable=False),  # in, out
    Column("mailbox", String(200), nullable=False),
    Column("folder", String(500), nullable=False),
    Column("received_at", Utc, nullable=False),  # INTERNALDATE of the first delivery: the clock's start
    Column("stored_at", Utc, nullable=False),
    Column("state", String(20), nullable=False),  # stored, judged, quarantined, duplicate
    Column("attempts", Integer, nullable=False, default=0),
    Column("message_id", Clean),
    Column("message_id_reused", Boolean, nullable=False, default=False),
    Column("subject", Clean),
    Column("from_email", Clean),
    Column("from_name", Clean),
    Column("customer", Clean),  # whose mail it is: Reply-To of a web form, original sender of a forward
    Column("date_claimed", Utc),  # the Date header: recorded, never believed
    Column("effective_at", Utc),  # when the clock starts: received_at, or the original date of a forward
    Column("outcome", String(20)),  # case, attached, filed, forwarded, quarantined
    Column("disposition", String(40)),
    Column("reason", Clean),
    Column("case_id", Id, ForeignKey("cases.id")),
    Column("verdict", Json),  # the whole judgement with its evidence
    Column("config_version", String(64)),
    Column("judged_at", Utc),
    Column("last_error", Clean),
)
Index("ix_mail_open_state", mail.c.received_at, mail.c.id, sqlite_where=mail.c.state == "stored",
      postgresql_where=mail.c.state == "stored")  # fmt: skip
Index("ix_mail_case_id", mail.c.case_id)
Index("ix_mail_message_id", mail.c.message_id)
Index("ix_mail_customer", mail.c.customer)
Index("uq_mail_logical_key", mail.c.logical_key, unique=True, sqlite_where=mail.c.duplicate_of.is_(None),
      postgresql_where=mail.c.duplicate_of.is_(None))  # fmt: skip

delivery = Table(
    "delivery",
    metadata,
    Column("id", Id, primary_key=True),
    Column("folder_id", Id, ForeignKey("folder.id"), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("state", String(20), nullable=False),  # seen; terminal: stored, before_start, vanished, unfetchable
    Column("first_seen", Utc, nullable=False),
    Column("internaldate", Utc),
    Column("size_announced", BigInteger),
    Column("size_got", BigInteger),
    Column("mail_id", Id, ForeignKey("mail.id")),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Clean),
    Column("mark", String(20)),  # what is still to be done: NULL = nothing, wanted (a server mark), correct; or done
    UniqueConstraint("folder_id", "epoch", "uid"),
)
Index("ix_delivery_mail_id", delivery.c.mail_id)
Index("ix_delivery_unfinished", delivery.c.folder_id, delivery.c.uid, sqlite_where=delivery.c.state == "seen",
      postgresql_where=delivery.c.state == "seen")  # fmt: skip
Index("ix_delivery_mark", delivery.c.folder_id, delivery.c.uid, sqlite_where=delivery.c.mark == "wanted",
      postgresql_where=delivery.c.mark == "wanted")  # fmt: skip
Index("ix_delivery_correct", delivery.c.id, sqlite_where=delivery.c.mark == "correct",
      postgresql_where=delivery.c.mark == "correct")  # fmt: skip

cases = Table(
    "cases",
    metadata,
    Column("id", Id, primary_key=True),
    Column("number", String(40), nullable=False, unique=True),  # C-2026-000123
    Column("version", Integer, nullable=False),  # the seq of its last event: a writer that saw less must start over
    Column("status", String(20), nullable=False),
    Column("mailbox", String(200), nullable=False),
    Column("customer", Clean, nullable=False),
    Column("customer_name", Clean),
    Column("subject", Clean),
    Column("language", String(8)),
    Column("disposition", String(40), nullable=False),
    Column("complaint_type", String(80)),
    Column("urgency", Integer, nullable=False),
    Column("owner", Clean, nullable=False),
    Column("pool", Clean),
    Column("policy", String(80), nullable=False),
    Column("review", Boolean, nullable=False, default=False),
    Column("step", Integer, nullable=False, default=0),
    Column("received_at", Utc, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("next_due_at", Utc),  # when something of this case next changes; written in the event's transaction
    Column("next_target", String(80)),  # what that is
    Column("config_version", String(64), nullable=False),  # the config its next_due_at was computed with
)
Index("ix_cases_next_due_at", cases.c.next_due_at, sqlite_where=cases.c.next_due_at.is_not(None),
      postgresql_where=cases.c.next_due_at.is_not(None))  # fmt: skip
Index("ix_cases_status_owner", cases.c.status, cases.c.owner)
Index("ix_cases_customer", cases.c.customer)

event = Table(
    "event",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case_id", Id, ForeignKey("cases.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("at", Utc, nullable=False),  # when it happened
    Column("recorded_at", Utc, nullable=False),  # when the program learned of it
    Column("actor", Clean, nullable=False),
    Column("mail_id", Id, ForeignKey("mail.id")),
    Column("data", Json, nullable=False),
    Column("config_version", String(64), nullable=False),
    Column("key", String(200), unique=True),  # the natural key of what may happen once
    UniqueConstraint("case_id", "seq"),
)

case_key = Table(
    "case_key",
    metadata,
    Column("case_id", Id, ForeignKey("cases.id"), primary_key=True),
    Column("kind", String(20), primary_key=True),  # address, order, token
    Column("value", String(320), primary_key=True),
)
Index("ix_case_key_kind_value", case_key.c.kind, case_key.c.value)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),
    Column("kind", String(40), nullable=False),
    Column("case_id", Id, ForeignKey("cases.id")),
    Column("recipient", Clean, nullable=False),
    Column("subject", Clean, nullable=False),
    Column("text", Clean, nullable=False),
    Column("headers", Json, nullable=False),
    Column("message_id", Clean, nullable=False),
    # pending, sent, held (notices are off), refused, batched, gathered (in a digest)
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("sent_at", Utc),
    Column("last_error", Clean),
)
Index("ix_outbox_pending", outbox.c.not_before, sqlite_where=outbox.c.state == "pending",
      postgresql_where=outbox.c.state == "pending")  # fmt: skip
Index("ix_outbox_batched", outbox.c.id, sqlite_where=outbox.c.state == "batched",
      postgresql_where=outbox.c.state == "batched")  # fmt: skip
Index("ix_outbox_message_id", outbox.c.message_id)
Index("ix_outbox_case_id", outbox.c.case_id)

lease = Table(
    "lease",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("until", Utc, nullable=False),
    Column("fence", BigInteger, nullable=False),
)

counter = Table(
    "counter",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

correction = Table(
    "correction",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mail_id", Id, ForeignKey("mail.id"), nullable=False),
    Column("case_id", Id, ForeignKey("cases.id")),
    Column("field", String(40), nullable=False),
    Column("old", Clean),
    Column("new", Clean, nullable=False),
    Column("actor", Clean, nullable=False),
    Column("at", Utc, nullable=False),
    Column("source", String(20), nullable=False),  # cli, folder, keyword, reply, audit
    Column("reason", Clean),
)
Index("ix_correction_mail_id", correction.c.mail_id)

correction_request = Table(
    "correction_request",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(200), nullable=False, unique=True),  # what was done in the mail client, once
    Column("source", String(20), nullable=False),  # folder, keyword, reply
    Column("mail_id", Id, ForeignKey("mail.id")),  # what it is about: a mail, or
    Column("case_id", Id, ForeignKey("cases.id")),  # a case
    Column("actor", Clean, nullable=False),  # a person of config/people.yaml; or the mailbox: IMAP does not say who
    Column("at", Utc, nullable=False),  # when it was found
    Column("asked", Clean, nullable=False),  # the folder's name, the keyword, the words of the line
    Column("outcome", String(20), nullable=False),  # waiting; done, unchanged, refused
    Column("said", Clean, nullable=False),  # what became of it, in a sentence
    Column("told_at", Utc),  # when a digest named it; NULL = not yet
)
Index("ix_correction_request_waiting", correction_request.c.id,
      sqlite_where=correction_request.c.outcome == "waiting",
      postgresql_where=correction_request.c.outcome == "waiting")  # fmt: skip
Index("ix_correction_request_untold", correction_request.c.id, sqlite_where=correction_request.c.told_at.is_(None),
      postgresql_where=correction_request.c.told_at.is_(None))  # fmt: skip
Index("ix_correction_request_mail_id", correction_request.c.mail_id)

audit_sample = Table(
    "audit_sample",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mail_id", Id, ForeignKey("mail.id"), nullable=False, unique=True),
    Column("week", String(8), nullable=False),  # 2026-W47: the week in which the mail was filed
    Column("owner", Clean, nullable=False),  # who looks at it
    Column("drawn_at", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("answered_at", Utc),
    Column("answer", String(20)),  # no_complaint, complaint (missed)
    Column("actor", Clean),
)
Index("ix_audit_sample_open", audit_sample.c.id, sqlite_where=audit_sample.c.answered_at.is_(None),
      postgresql_where=audit_sample.c.answered_at.is_(None))  # fmt: skip

config_version = Table(
    "config_version",
    metadata,
    Column("version", String(64), primary_key=True),
    Column("first_used_at", Utc, nullable=False),
    Column("last_used_at", Utc, nullable=False),
    Column("author", Clean, nullable=False),
    Column("files", Json, nullable=False),  # name -> text, so that every version can be shown and brought back
)

forgotten = Table(
    "forgotten",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alias", String(40), nullable=False, unique=True),  # what stands in place of the address; drawn by lot
    Column("at", Utc, nullable=False),
    Column("actor", Clean, nullable=False),
    Column("why", Clean, nullable=False),
    Column("cases", Integer, nullable=False),
    Column("mails", Integer, nullable=False),
)

run = Table(
    "run",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(40), nullable=False),  # cycle, sweep, send, reconcile, ...
    Column("mailbox", String(200)),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("ok", Boolean),
    Column("counts", Json, nullable=False),
    Column("error", Clean),
)
Index("ix_run_kind_started_at", run.c.kind, run.c.started_at)
