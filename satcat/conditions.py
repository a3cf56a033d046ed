"""SearchFilters -> SQL conditions on the table `products`, but for tiles and areas, which are in `space`.

Every filter means here what it means online (see `names`). Values are bound; only a person's own condition is SQL text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.exc import DBAPIError

from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.functions import contains, each, is_like
from satcat.models import products

Condition: TypeAlias = ColumnElement[bool]
_Wrap: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[Any]]
#: Of a table, or of an alias of it.
Columns: TypeAlias = sa.ColumnCollection[str, sa.Column[Any]]

# What both databases take for quoted. PostgreSQL's E'...' may have no backslash, for that may quote a quote; `...` and
# [...], quotes of SQLite's alone, hold words only.
_QUOTED = re.compile(
    r"""[eE]'(?:[^'\\]|'')*'|(?<![eE])'(?:[^']|'')*'|"(?:[^"]|"")*"|`[\w ]*`|\[[\w ,]*\]"""
)
_OPERATORS = re.compile(r"::|@>|<@(?!\w)")  # PostgreSQL's; no parameter of SQLite's


def conditions(filters: SearchFilters, wrap: _Wrap) -> list[Condition]:
    """All that the filters say but for tiles and areas; `wrap` is put round columns that lead an index."""
    return [*beside_tiled(filters, wrap), *tiled(products.c, filters, wrap)]


def tiled(c: Columns, filters: SearchFilters, wrap: _Wrap) -> list[Condition]:
    """What the filters say of types, levels, times and clouds: what the index of tiles holds."""
    found = _equal(
        (c.product_type, filters.product_type), (c.processing_level, filters.processing_level)
    )
    if filters.start is not None:
        found.append(wrap(c.sensing_start) >= filters.start)
    if filters.end is not None:
        found.append(wrap(c.sensing_start) < filters.end)
    if filters.cloud_cover is not None:
        found.append(c.cloud_cover <= filters.cloud_cover)
    return found


def beside_tiled(filters: SearchFilters, wrap: _Wrap) -> list[Condition]:
    """The other `conditions`."""
    c = products.c
    found = _equal(
        (wrap(c.collection), filters.collection),
        (c.platform, filters.platform),
        (c.relative_orbit, filters.relative_orbit),
        (c.orbit_direction, filters.orbit_direction),
        (c.online, filters.online),
    )
    if filters.published is not None:
        found.append(c.publication_date >= filters.published)
    found += [contains(c.name, text) for text in filters.texts]
    if filters.name is not None:
        found.append(is_like(wrap(c.name), filters.name.replace("[", "[[]")))
    if filters.where is not None:
        found.append(sa.literal_column(_enclosed(filters.where), sa.Boolean()))
    return found


def check_where(connection: Connection, filters: SearchFilters) -> None:
    """Raise FilterError, in the database's words, if it cannot run the filters' SQL condition. Runs nothing."""
    if filters.where is not None:
        condition = _enclosed(filters.where)
        with where_errors(filters):
            colons = condition.replace(":", "\\:")  # which text() would take for parameters
            connection.execute(sa.text(f"EXPLAIN SELECT 1 FROM products WHERE {colons}")).close()


@contextmanager
def where_errors(filters: SearchFilters) -> Iterator[None]:
    """Name what the database finds wrong with the filters' SQL condition as FilterError."""
    try:
        yield
    except DBAPIError as error:
        if filters.where is None or not _is_of_the_statement(error.orig):
            raise
        said = str(error.orig).splitlines()[0]
        raise FilterError(f"--where {filters.where}: {said}") from None


def _is_of_the_statement(error: object) -> bool:
    """Tell whether the database complains of the statement or its data, and not of a lock or a disk."""
    of_statement = ("22", "42", "0A", "21")  # classes of PostgreSQL's codes
    state = str(getattr(error, "sqlstate", None) or "")
    return getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR" or state[:2] in of_statement


def is_one_of(column: ColumnElement[Any], values: Iterable[Any]) -> Condition:
    """As `in_`, for any number of values."""
    listed = list(values)
    return column == listed[0] if len(listed) == 1 else column.in_(each(listed, column))


def as_it_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column that may choose the index."""
    return column


def _equal(*asked: tuple[ColumnElement[Any], Any]) -> list[Condition]:
    return [column == value for column, value in asked if value is not None]


def _enclosed(where: str) -> str:
    """A person's SQL condition in parentheses, which nothing in it can close."""
    bare = _OPERATORS.sub(" ", _QUOTED.sub(" ", where))
    for unusable in ("'", '"', "`", "[", ";", "--", "/*", "?", ":", "@", "$"):
        if unusable in bare:
            raise FilterError(f"--where {where}: a condition cannot hold a bare {unusable}")
    depth = 0
    for character in bare:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        raise FilterError(f"--where {where}: its parentheses do not match")
    return f"({where})"
