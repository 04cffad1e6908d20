"""Forgetting: bytes that are gone on purpose, and who had them removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from triage.world import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    # A plain ADD COLUMN, on SQLite too: nothing is copied, so it takes no time on a large register.
    op.add_column("blob", sa.Column("forgotten_at", schema.Utc(), nullable=True))
    to_blank = sa.text("forgotten_at IS NOT NULL AND segment IS NOT NULL")
    op.create_index(
        "ix_blob_to_blank", "blob", ["sha256"], unique=False, sqlite_where=to_blank, postgresql_where=to_blank
    )
    op.create_table(
        "forgotten",
        sa.Column("id", schema.Id, nullable=False),
        sa.Column("alias", sa.String(length=40), nullable=False),
        sa.Column("at", schema.Utc(), nullable=False),
        sa.Column("actor", schema.Clean(), nullable=False),
        sa.Column("why", schema.Clean(), nullable=False),
        sa.Column("cases", sa.Integer(), nullable=False),
        sa.Column("mails", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forgotten")),
        sa.UniqueConstraint("alias", name=op.f("uq_forgotten_alias")),
    )
