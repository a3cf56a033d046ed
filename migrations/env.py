"""Alembic's entry: satcat gives the connection, already in a transaction; developers give a URL."""

from __future__ import annotations

from alembic import context

from satcat.models import metadata


def include_name(name: str | None, kind: str, parents: object) -> bool:
    """Leave SQLite's and people's own tables alone when comparing the database with the models."""
    return kind != "table" or name in metadata.tables


def run(connection: object) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=include_name,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    from satcat.database import Database

    with (
        Database.connect(context.config.get_main_option("sqlalchemy.url"), create=True) as database,
        database._foreign_keys_off() as connection,
    ):
        run(connection)
