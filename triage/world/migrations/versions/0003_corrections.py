"""Corrections from the mail client, and the sample of filed mail that people look through."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from triage.world import schema

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("folder", sa.Column("keywords", schema.Json(), nullable=True))
    to_correct = sa.text("mark = 'correct'")
    op.create_index(
        "ix_delivery_correct", "delivery", ["id"], unique=False, sqlite_where=to_correct, postgresql_where=to_correct
    )
    _requests()
    _sample()


def _requests() -> None:
    op.create_table(
        "correction_request",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("mail_id", schema.Id, nullable=True),
        sa.Column("case_id", schema.Id, nullable=True),
        sa.Column("actor", schema.Clean(), nullable=False),
        sa.Column("at", schema.Utc(), nullable=False),
        sa.Column("asked", schema.Clean(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("said", schema.Clean(), nullable=False),
        sa.Column("told_at", schema.Utc(), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_correction_request_case_id_cases")),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_correction_request_mail_id_mail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_request")),
        sa.UniqueConstraint("key", name=op.f("uq_correction_request_key")),
    )
    for name, column, where in (
        ("waiting", "id", "outcome = 'waiting'"),
        ("untold", "id", "told_at IS NULL"),
        ("mail_id", "mail_id", None),
    ):
        only = sa.text(where) if where else None
        op.create_index(
            f"ix_correction_request_{name}", "correction_request", [column], unique=False, sqlite_where=only,
            postgresql_where=only,
        )  # fmt: skip


def _sample() -> None:
    op.create_table(
        "audit_sample",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("mail_id", schema.Id, nullable=False),
        sa.Column("week", sa.String(length=8), nullable=False),
        sa.Column("owner", schema.Clean(), nullable=False),
        sa.Column("drawn_at", schema.Utc(), nullable=False),
        sa.Column("due_at", schema.Utc(), nullable=False),
        sa.Column("answered_at", schema.Utc(), nullable=True),
        sa.Column("answer", sa.String(length=20), nullable=True),
        sa.Column("actor", schema.Clean(), nullable=True),
        sa.ForeignKeyConstraint(["mail_id"], ["mail.id"], name=op.f("fk_audit_sample_mail_id_mail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_sample")),
        sa.UniqueConstraint("mail_id", name=op.f("uq_audit_sample_mail_id")),
    )
    still_open = sa.text("answered_at IS NULL")
    op.create_index(
        "ix_audit_sample_open", "audit_sample", ["id"], unique=False, sqlite_where=still_open,
        postgresql_where=still_open,
    )  # fmt: skip
