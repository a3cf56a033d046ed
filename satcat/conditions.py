"""SearchFilters -> SQL conditions on the table `products`, but for tiles and areas, which are in `space`.

Every filter means here what it means online (see `names`). Values are bound; only a person's own condition is SQL text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import products

Condition: TypeAlias = ColumnElement[bool]
_Wrap: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[Any]]

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]""")


class unindexed(ColumnElement[Any]):  # noqa: N801 - compiled like an operator, so spelt as one
    """A column that must not choose the index: SQLite's unary plus.

    Without it an equality of the collection looks better to SQLite than a few candidates do, and takes 200 times as
    long on ten million products.
    """

    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column
        self.type = column.type


@compiles(unindexed)
def _anywhere(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.column, **options))


@compiles(unindexed, "sqlite")
def _in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "+" + str(compiler.process(element.column, **options))


def conditions(filters: SearchFilters, wrap: _Wrap) -> list[Condition]:
    """All that the filters say but for tiles and areas; `wrap` is put round columns that lead an index."""
    c = products.c
    asked = (
        (wrap(c.collection), filters.collection),
        (c.product_type, filters.product_type),
        (c.processing_level, filters.processing_level),
        (c.platform, filters.platform),
        (c.relative_orbit, filters.relative_orbit),
        (c.orbit_direction, filters.orbit_direction),
        (c.online, filters.online),
    )
    found: list[Condition] = [column == value for column, value in asked if value is not None]
    found += sensed(wrap(c.sensing_start), filters)
    if filters.published is not None:
        found.append(c.publication_date >= filters.published)
    if filters.cloud_cover is not None:
        found.append(c.cloud_cover <= filters.cloud_cover)
    found += [sa.func.instr(c.name, text) > 0 for text in filters.texts]
    if filters.name is not None:
        found.append(wrap(c.name).op("GLOB", is_comparison=True)(filters.name.replace("[", "[[]")))
    if filters.where is not None:
        found.append(sa.literal_column(_enclosed(filters.where), sa.Boolean()))
    return found


def check_where(connection: Connection, filters: SearchFilters) -> None:
    """Raise FilterError, in the database's words, if it cannot run the filters' SQL condition. Runs nothing."""
    if filters.where is not None:
        condition = _enclosed(filters.where)
        with where_errors(filters):
            connection.exec_driver_sql(f"EXPLAIN SELECT 1 FROM products WHERE {condition}").close()


@contextmanager
def where_errors(filters: SearchFilters) -> Iterator[None]:
    """Name what the database finds wrong with the filters' SQL condition as FilterError."""
    try:
        yield
    except DBAPIError as error:
        told = getattr(error.orig, "sqlite_errorname", "")
        if filters.where is None or told != "SQLITE_ERROR":
            raise
        raise FilterError(f"--where {filters.where}: {error.orig}") from None


def each(values: Iterable[Any]) -> sa.Select[Any]:
    """A row for each of these texts or numbers, however many: they are one bound parameter."""
    table = sa.func.json_each(json.dumps(list(values))).table_valued("value")
    return sa.select(table.c.value)


def is_one_of(column: ColumnElement[Any], values: Iterable[Any]) -> Condition:
    """As `in_`, for any number of values."""
    listed = list(values)
    return column == listed[0] if len(listed) == 1 else column.in_(each(listed))


def as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column that may choose the index."""
    return column


def sensed(start: ColumnElement[Any], filters: SearchFilters) -> list[Condition]:
    """What the filters say of the sensing start."""
    found = []
    if filters.start is not None:
        found.append(start >= filters.start)
    if filters.end is not None:
        found.append(start < filters.end)
    return found


def _enclosed(where: str) -> str:
    """A person's SQL condition in parentheses, which nothing in it can close."""
    bare = _QUOTED.sub("''", where)
    for unusable in ("'", '"', "`", "[", ";", "--", "/*", "?", ":", "@", "$"):
        if unusable in bare.replace("''", ""):
            raise FilterError(f"--where {where}: a condition cannot hold a bare {unusable}")
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        raise FilterError(f"--where {where}: its parentheses do not match")
    return f"({where})"
