"""Rebuilding a table without losing what hangs on it.

SQLite changes most of a table's definition only by making it anew: Alembic's batch mode copies the rows to a new table,
drops the old one, and renames. With the old table go its triggers (and so the spatial index and the counts would quietly
stop following) and the indexes that Alembic cannot read, people's own among them; a view on it stops the renaming.
A migration that needs that writes

    with keeping(op.get_bind(), "products"), op.batch_alter_table(
        "products", table_kwargs={"sqlite_autoincrement": True}
    ) as batch:
        batch.alter_column(...)

What batch mode cannot see it must be told: `sqlite_autoincrement` here, `sqlite_with_rowid=False` for tables without
rowid. Prefer `op.add_column`, which needs none of this. Foreign keys must be off, as `Database.migrating` leaves them:
else the dropped table takes every row that refers to it along. Inside the block no trigger of the catalogue runs: change
rows before it or after it. Indexes, triggers and views of our own are changed after it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from satcat.errors import CatalogueError

# Views first, for triggers may be on them. The column -2 of an index is an expression.
_ASIDE = """
    SELECT type, name, sql FROM sqlite_master AS made
    WHERE sql IS NOT NULL AND (type IN ('view', 'trigger') OR type = 'index' AND (
        tbl_name = ? OR EXISTS (SELECT 1 FROM pragma_index_xinfo(made.name) WHERE cid = -2)))
    ORDER BY type = 'view' DESC, rowid
"""


@contextmanager
def keeping(connection: Connection, table: str) -> Iterator[None]:
    """Set aside what a rebuild of `table` would lose or stumble over, and put it back as it was.

    That is all views and triggers, for SQLite looks through every one when it renames a table, the table's indexes, and
    those on expressions, which SQLAlchemy cannot read, also of the tables that it refers to.
    What the block makes anew under the same name stays as the block made it. Row numbers go on where they were, so that
    no number is used twice.

    Raises:
        CatalogueError: one of them does not fit the rebuilt table; it is named.
    """
    if connection.dialect.name != "sqlite":  # which changes tables in place
        yield
        return
    found = connection.exec_driver_sql(_ASIDE, (table,)).all()
    aside = [(row.type, row.name, row.sql) for row in found]
    last = _last_row_number(connection, table)
    for kind, name, _ in reversed(aside):
        connection.exec_driver_sql(f"DROP {kind} IF EXISTS {_quoted(name)}")
    yield
    if last is not None:
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))
    _put_back(connection, table, aside)


def _put_back(connection: Connection, table: str, aside: list[tuple[str, str, str]]) -> None:
    made = {
        tuple(row) for row in connection.exec_driver_sql("SELECT type, name FROM sqlite_master")
    }
    for kind, name, sql in aside:
        if (kind, name) in made:
            continue
        try:
            connection.exec_driver_sql(sql)
        except DBAPIError as error:
            raise CatalogueError(
                f"the {kind} {name} does not fit the table {table} of the new schema ({error.orig}): "
                "drop it, upgrade, and make it anew"
            ) from error


def _last_row_number(connection: Connection, table: str) -> int | None:
    row = connection.exec_driver_sql(
        "SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)
    ).one_or_none()
    return None if row is None else int(row.seq)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
