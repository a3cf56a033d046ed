"""Products as rows, in the form in which SQLite keeps them; a page at a time through SQLAlchemy costs twice as much.

PostgreSQL takes the same values by COPY: instants and JSON as text, footprints as WKB.
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection

from satcat import times
from satcat.batches import batches
from satcat.canonical import to_json
from satcat.columns import Instant
from satcat.models import products
from satcat.products import (
    PLAIN_COLUMNS,
    SOURCE_COLUMNS,
    SatelliteImage,
    canonical_attributes,
    digest,
)

# Rows of one INSERT. Triggers make SQLite keep, for each statement, what every page was before it: half the time if a
# statement is one row. It binds at most 32,766 values.
_AT_ONCE = 500
_ROW = f"({', '.join('?' * (len(SOURCE_COLUMNS) + 3))})"
_HASHED = (*SOURCE_COLUMNS, "content_hash")
_ADDED = (*_HASHED, "first_seen_at", "changed_at")
_CHANGED = (*_HASHED, "changed_at", "pk")
_UPDATE = f"UPDATE products SET {', '.join(f'{name} = ?' for name in _CHANGED[:-1])} WHERE pk = ?"

# PostgreSQL changes a page by one statement, so that its triggers run once.
_ASIDE = "CREATE TEMPORARY TABLE IF NOT EXISTS satcat_changed (LIKE products) ON COMMIT DELETE ROWS"
_RELAX = "; ".join(
    f"ALTER TABLE satcat_changed ALTER {column.name} DROP NOT NULL"
    for column in products.columns
    if not column.nullable
)
_FROM_ASIDE = (
    f"UPDATE products SET {', '.join(f'{name} = new.{name}' for name in _CHANGED[:-1])} "
    "FROM satcat_changed AS new WHERE products.pk = new.pk"
)

#: Where these stand in a row to insert.
ID = SOURCE_COLUMNS.index("id")
FIRST_SEEN = len(SOURCE_COLUMNS) + 1


def insert(connection: Connection, rows: list[list[Any]]) -> None:
    """Add products; what `stored` gives of each is followed by first_seen_at and changed_at."""
    if connection.dialect.name == "postgresql":
        from satcat import postgresql

        postgresql.copy(connection, "products", _ADDED, rows)
        return
    for part in batches(rows, _AT_ONCE):
        values = ", ".join([_ROW] * len(part))
        statement = f"INSERT INTO products ({', '.join(_ADDED)}) VALUES {values}"
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))


def update(connection: Connection, rows: list[list[Any]]) -> None:
    """Change products; what `stored` gives of each is followed by changed_at and pk."""
    if connection.dialect.name == "postgresql":
        from satcat import postgresql

        connection.exec_driver_sql(_ASIDE)
        connection.exec_driver_sql(_RELAX)
        postgresql.copy(connection, "satcat_changed", _CHANGED, rows)
        connection.exec_driver_sql(_FROM_ASIDE)
        connection.exec_driver_sql("TRUNCATE satcat_changed")
        return
    connection.exec_driver_sql(_UPDATE, [tuple(row) for row in rows])


_INSTANTS = [
    n for n, name in enumerate(SOURCE_COLUMNS) if isinstance(products.c[name].type, Instant)
]
_values_of = attrgetter(*SOURCE_COLUMNS)


def stored(image: SatelliteImage) -> list[Any]:
    """The values of SOURCE_COLUMNS, in this order, and the content hash."""
    values = list(_values_of(image))
    for place in _INSTANTS:
        moment = values[place]
        if moment is not None:
            values[place] = times.to_text(moment)
    attributes, said = image.attributes, to_json(image.attributes)
    values[-1] = said
    if [value for value in attributes.values() if type(value) is float and value.is_integer()]:
        said = canonical_attributes(attributes)
    plain = {name: value for name, value in zip(PLAIN_COLUMNS, values) if value is not None}  # noqa: B905
    values.append(digest(plain, said, image.footprint))
    return values
