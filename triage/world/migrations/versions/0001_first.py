"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from triage.world import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.String(length=200), nullable=True),
        sa.Column("offset", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blob")),
    )
    op.create_table(
        "cases",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("mailbox", sa.String(length=200), nullable=False),
        sa.Column("customer", schema.Clean(), nullable=False),
        sa.Column("customer_name", schema.Clean(), nullable=True),
        sa.Column("subject", schema.Clean(), nullable=True),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("disposition", sa.String(length=40), nullable=False),
        sa.Column("complaint_type", sa.String(length=80), nullable=True),
        sa.Column("urgency", sa.Integer(), nullable=False),
        sa.Column("owner", schema.Clean(), nullable=False),
        sa.Column("pool", schema.Clean(), nullable=True),
        sa.Column("policy", sa.String(length=80), nullable=False),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("received_at", schema.Utc(), nullable=False),
        sa.Column("opened_at", schema.Utc(), nullable=False),
        sa.Column("closed_at", schema.Utc(), nullable=True),
        sa.Column("next_due_at", schema.Utc(), nullable=True),
        sa.Column("next_target", sa.String(length=80), nullable=True),
        sa.Column("config_version", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
    )
    op.create_index("ix_cases_customer", "cases", ["customer"], unique=False)
    op.create_index(
        "ix_cases_next_due_at",
        "cases",
        ["next_due_at"],
        unique=False,
        sqlite_where=sa.text("next_due_at IS NOT NULL"),
        postgresql_where=sa.text("next_due_at IS NOT NULL"),
    )
    op.create_index("ix_cases_status_owner", "cases", ["status", "owner"], unique=False)
    op.create_table(
        "config_version",
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("first_used_at", schema.Utc(), nullable=False),
        sa.Column("last_used_at", schema.Utc(), nullable=False),
        sa.Column("author", schema.Clean(), nullable=False),
        sa.Column("files", schema.Json(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_config_version")),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counter")),
    )
    op.create_table(
        "folder",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("mailbox", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("role", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=True),
        sa.Column("low_uid", sa.BigInteger(), nullable=False),
        sa.Column("quiet", schema.Json(), nullable=True),
        sa.Column("last_ok_at", schema.Utc(), nullable=True),
        sa.Column("last_full_at", schema.Utc(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", schema.Utc(), nullable=True),
        sa.Column("circuit", schema.Clean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folder")),
        sa.UniqueConstraint("mailbox", "name", name=op.f("uq_folder_mailbox_name")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("until", schema.Utc(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "run",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("mailbox", sa.String(length=200), nullable=True),
        sa.Column("started_at", schema.Utc(), nullable=False),
        sa.Column("ended_at", schema.Utc(), nullable=True),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("counts", schema.Json(), nullable=False),
        sa.Column("error", schema.Clean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index("ix_run_kind_started_at", "run", ["kind", "started_at"], unique=False)
    op.create_table(
        "case_key",
        sa.Column("case_id", schema.Id, nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=320), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_key_case_id_cases")),
        sa.PrimaryKeyConstraint("case_id", "kind", "value", name=op.f("pk_case_key")),
    )
    op.create_index("ix_case_key_kind_value", "case_key", ["kind", "value"], unique=False)
    op.create_table(
        "mail",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("logical_key", sa.String(length=64), nullable=True),
        sa.Column("duplicate_of", schema.Id, nullable=True),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("mailbox", sa.String(length=200), nullable=False),
        sa.Column("folder", sa.String(length=500), nullable=False),
        sa.Column("received_at", schema.Utc(), nullable=False),
        sa.Column("stored_at", schema.Utc(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("message_id", schema.Clean(), nullable=True),
        sa.Column("message_id_reused", sa.Boolean(), nullable=False),
        sa.Column("subject", schema.Clean(), nullable=True),
        sa.Column("from_email", schema.Clean(), nullable=True),
        sa.Column("from_name", schema.Clean(), nullable=True),
        sa.Column("customer", schema.Clean(), nullable=True),
        sa.Column("date_claimed", schema.Utc(), nullable=True),
        sa.Column("effective_at", schema.Utc(), nullable=True),
        sa.Column("outcome", sa.String(length=20), nullable=True),
        sa.Column("disposition", sa.String(length=40), nullable=True),
        sa.Column("reason", schema.Clean(), nullable=True),
        sa.Column("case_id", schema.Id, nullable=True),
        sa.Column("verdict", schema.Json(), nullable=True),
        sa.Column("config_version", sa.String(length=64), nullable=True),
        sa.Column("judged_at", schema.Utc(), nullable=True),
        sa.Column("last_error", schema.Clean(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_mail_case_id_cases")),
        sa.ForeignKeyConstraint(["duplicate_of"], ["mail.id"], name=op.f("fk_mail_duplicate_of_mail")),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name=op.f("fk_mail_sha256_blob")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.UniqueConstraint("sha256", name=op.f("uq_mail_sha256")),
    )
    op.create_index("ix_mail_case_id", "mail", ["case_id"], unique=False)
    op.create_index("ix_mail_customer", "mail", ["customer"], unique=False)
    op.create_index("ix_mail_message_id", "mail", ["message_id"], unique=False)
    op.create_index(
        "ix_mail_open_state",
        "mail",
        ["received_at", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'stored'"),
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.create_index(
        "uq_mail_logical_key",
        "mail",
        ["logical_key"],
        unique=True,
        sqlite_where=sa.text("duplicate_of IS NULL"),
        postgresql_where=sa.text("duplicate_of IS NULL"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("case_id", schema.Id, nullable=True),
        sa.Column("recipient", schema.Clean(), nullable=False),
        sa.Column("subject", schema.Clean(), nullable=False),
        sa.Column("text", schema.Clean(), nullable=False),
        sa.Column("headers", schema.Json(), nullable=False),
        sa.Column("message_id", schema.Clean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", schema.Utc(), nullable=False),
        sa.Column("created_at", schema.Utc(), nullable=False),
        sa.Column("sent_at", schema.Utc(), nullable=True),
        sa.Column("last_error", schema.Clean(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_outbox_case_id_cases")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
    )
    op.create_index("ix_outbox_case_id", "outbox", ["case_id"], unique=False)
    op.create_index(
        "ix_outbox_batched",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'batched'"),
        postgresql_where=sa.text("state = 'batched'"),
    )
    op.create_index("ix_outbox_message_id", "outbox", ["message_id"], unique=False)
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["not_before"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "correction",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("mail_id", schema.Id, nullable=False),
        sa.Column("case_id", schema.Id, nullable=True),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("old", schema.Clean(), nullable=True),
        sa.Column("new", schema.Clean(), nullable=False),
        sa.Column("actor", schema.Clean(), nullable=False),
        sa.Column("at", schema.Utc(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("reason", schema.Clean(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_correction_case_id_cases")),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_correction_mail_id_mail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction")),
    )
    op.create_index("ix_correction_mail_id", "correction", ["mail_id"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("folder_id", schema.Id, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("first_seen", schema.Utc(), nullable=False),
        sa.Column("internaldate", schema.Utc(), nullable=True),
        sa.Column("size_announced", sa.BigInteger(), nullable=True),
        sa.Column("size_got", sa.BigInteger(), nullable=True),
        sa.Column("mail_id", schema.Id, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", schema.Clean(), nullable=True),
        sa.Column("mark", sa.String(length=20), nullable=True),
        sa.ForeignKeyConstraint(["folder_id"], ["folder.id"], name=op.f("fk_delivery_folder_id_folder")),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_delivery_mail_id_mail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("folder_id", "epoch", "uid", name=op.f("uq_delivery_folder_id_epoch_uid")),
    )
    op.create_index("ix_delivery_mail_id", "delivery", ["mail_id"], unique=False)
    op.create_index(
        "ix_delivery_mark",
        "delivery",
        ["folder_id", "uid"],
        unique=False,
        sqlite_where=sa.text("mark = 'wanted'"),
        postgresql_where=sa.text("mark = 'wanted'"),
    )
    op.create_index(
        "ix_delivery_unfinished",
        "delivery",
        ["folder_id", "uid"],
        unique=False,
        sqlite_where=sa.text("state = 'seen'"),
        postgresql_where=sa.text("state = 'seen'"),
    )
    op.create_table(
        "event",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("case_id", schema.Id, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", schema.Utc(), nullable=False),
        sa.Column("recorded_at", schema.Utc(), nullable=False),
        sa.Column("actor", schema.Clean(), nullable=False),
        sa.Column("mail_id", schema.Id, nullable=True),
        sa.Column("data", schema.Json(), nullable=False),
        sa.Column("config_version", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_event_case_id_cases")),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_event_mail_id_mail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_event_case_id_seq")),
        sa.UniqueConstraint("key", name=op.f("uq_event_key")),
    )
