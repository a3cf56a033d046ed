"""Writing rows in their canonical form, as fast as each database takes them, and what its next row is numbered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain

import sqlalchemy as sa
from sqlalchemy import Connection, Table, UniqueConstraint
from sqlalchemy.exc import IntegrityError

from satcat.batches import batches
from satcat.copying.rows import Key, Row, Shape
from satcat.errors import CatalogueError
from satcat.functions import each

#: Classes of PostgreSQL's errors that a row is to blame for: data, constraints, limits, and PostGIS's own.
_OF_ROWS = ("22", "23", "54", "XX")
#: Rows of one INSERT, for triggers make each statement dear; SQLite binds at most 32,766 values.
_AT_ONCE = 100


def insert(connection: Connection, shape: Shape, rows: Sequence[Row]) -> None:
    """Insert rows. Raises CatalogueError for a row that the database does not take."""
    if connection.dialect.name == "postgresql":
        _copy(connection, shape, rows)
    else:
        _insert(connection, shape, rows)


def _insert(connection: Connection, shape: Shape, rows: Sequence[Row]) -> None:
    table = shape.table
    names = ", ".join(column.name for column in table.columns)
    one = f"({', '.join('?' * len(table.columns))})"
    for part in batches(rows, _AT_ONCE):
        statement = f"INSERT INTO {table.name} ({names}) VALUES {', '.join([one] * len(part))}"
        try:
            connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))
        except IntegrityError as error:
            raise _refused(shape.name(part[0]), len(part), error.orig) from error


def _copy(connection: Connection, shape: Shape, rows: Sequence[Row]) -> None:
    import psycopg

    from satcat.postgresql import copy

    table = shape.table
    try:
        copy(connection, table.name, [column.name for column in table.columns], rows)
    except psycopg.Error as error:
        by_driver = error.sqlstate is None and isinstance(error, psycopg.DataError)
        if not by_driver and (error.sqlstate or "")[:2] not in _OF_ROWS:
            raise
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        at = _place(error.diag.context or "", rows)
        name, number = shape.name(rows[at or 0]), len(rows) if at is None else 1
        raise _refused(name, number, said) from error


def _place(context: str, rows: Sequence[Row]) -> int | None:
    """Which row is to blame: the server says it, where the driver has not refused a text with a zero byte; None: unknown."""
    if line := re.search(r"COPY \w+, line (\d+)", context):
        return int(line[1]) - 1
    with_zero = (
        place for place, row in enumerate(rows) if any("\0" in v for v in row if type(v) is str)
    )
    return next(with_zero, None)


def _refused(name: str, number: int, said: object) -> CatalogueError:
    others = f", or one of the {number - 1:,} after it," if number > 1 else ""
    return CatalogueError(
        f"{name}{others} cannot be copied ({said}): mend the source, where `satcat db check` may tell more, "
        "and run the same command again"
    )


def clear(
    connection: Connection,
    shape: Shape,
    after: Key | None,
    until: Key | None,
    rows: Sequence[Row] = (),
) -> None:
    """Delete what is in this range of keys, and what elsewhere has a unique value of the rows that are to come there."""
    table = shape.table
    connection.execute(sa.delete(table).where(*shape.between(after, until)))
    places = {column.name: place for place, column in enumerate(table.columns)}
    for constraint in table.constraints:
        if rows and isinstance(constraint, UniqueConstraint):
            (column,) = constraint.columns
            values = each([row[places[column.name]] for row in rows])
            connection.execute(sa.delete(table).where(column.in_(values)))


def numbered(tables: Iterable[Table]) -> list[Table]:
    """Those whose rows the database numbers."""
    return [table for table in tables if table.autoincrement_column is not None]


def last_number(connection: Connection, table: Table) -> int:
    """The highest number that a row of this table has ever had, as far as the database keeps it."""
    column = table.autoincrement_column
    if connection.dialect.name == "postgresql":
        kept = sa.text(
            f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {_sequence(connection, table)}"
        )
        given = connection.scalar(kept)
    else:
        kept = sa.text("SELECT max(seq) FROM sqlite_sequence WHERE name = :name")
        given = connection.scalar(kept, {"name": table.name})
    return max(given or 0, connection.scalar(sa.select(sa.func.max(column))) or 0)


def number_after(connection: Connection, table: Table, last: int) -> None:
    """Let the next row of this table have a number above this one."""
    if connection.dialect.name == "postgresql":
        sequence = _sequence(connection, table)
        said = sa.text("SELECT setval(CAST(:sequence AS regclass), :number, :given)")
        connection.execute(said, {"sequence": sequence, "number": max(last, 1), "given": last > 0})
    elif table.dialect_kwargs.get("sqlite_autoincrement"):
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (table.name, last))


def _sequence(connection: Connection, table: Table) -> str:
    """The quoted name of the sequence that numbers a table's rows."""
    column = table.autoincrement_column
    assert column is not None
    found = connection.scalar(sa.select(sa.func.pg_get_serial_sequence(table.name, column.name)))
    return str(found)
