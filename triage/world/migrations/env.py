"""Alembic runs here with the connection that `store.database.migrate` opened: one transaction, no ini file."""

from __future__ import annotations

from alembic import context

from triage.world.schema import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
