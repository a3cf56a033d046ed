"""Alembic's entry: satcat gives the connection, already in a transaction; developers give a URL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from sqlalchemy import Connection

from satcat.migrations import on_postgresql
from satcat.models import metadata


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave the engines' and people's own tables alone when comparing the database with the models."""
    if kind == "index":
        return name not in on_postgresql.PLACES
    return kind != "table" or name in metadata.tables


def run(connection: Connection) -> None:
    """Run what Alembic was asked for, inside the connection's transaction."""
    schema = None
    if connection.dialect.name == "postgresql":
        schema = connection.scalar(sa.select(sa.func.current_schema()))
        dialect: Any = connection.dialect
        dialect.ischema_names = {**dialect.ischema_names, "geometry": on_postgresql.Geometry}
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table_schema=schema,  # another one on the search path may be a catalogue too
        include_name=include_name,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from satcat.database import Database

    url = context.config.get_main_option("sqlalchemy.url", "satcat.db")
    with Database.connect(url, create=True) as database, database.migrating() as own:
        run(own)
