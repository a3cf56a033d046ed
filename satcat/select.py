"""SearchFilters -> SELECT: picking products of the catalogue, and in what order they come."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from typing import Any, TypeAlias, Unpack

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, CursorResult, Row, Select

from satcat import space
from satcat.canonical import UNSTORABLE
from satcat.choice import Choice, chosen, group, order
from satcat.conditions import Condition, check_where, is_one_of, where_errors
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import products
from satcat.products import SatelliteImage, SearchResults

#: Rows as they come. Whoever does not read to the end closes them, before the transaction ends.
Found: TypeAlias = Generator[Row[Any], None, None]

_IMAGE_FIELDS = tuple(f.name for f in fields(SatelliteImage))
_SUFFIX = re.compile(r"\.(SAFE|SEN3|nc|h5|he5|hdf|EOF|zip|tar|tgz|gz|tiff?)$", re.IGNORECASE)
#: So many characters of an id, or more, may stand for it.
MIN_PREFIX = 8
_BATCH = 500  # rows in memory at once
_MOST_GROUPS = 100_000  # files of them would be slow to write and to read
_MOST_ROWS = 2**63 - 1  # SQLite's largest number


def select_products(
    connection: Connection, filters: SearchFilters, **choice: Unpack[Choice]
) -> Select[Any]:
    """Every column of the products that match and are chosen, newest sensing first, then by id.

    Areas are compared with footprints at once; the statement holds what came of it, and is right as long as the
    catalogue does not change: use it in the transaction of this connection.

    Raises:
        FilterError: no such column; `best` without `per`; a limit below 1; `covers` without an area; a `--where` that
            is no condition, or that the database cannot run.
    """
    return _ordered(sa.select(products), connection, filters, choice)


def count(connection: Connection, filters: SearchFilters, **choice: Unpack[Choice]) -> int:
    """How many products match and are chosen."""
    found = _chosen(connection, filters, choice)
    statement = sa.select(sa.func.count()).select_from(products).where(*found)
    with where_errors(filters):
        number = connection.scalar(statement) or 0
    limit = choice.get("limit")
    return number if limit is None else min(number, limit)


def iterate(
    connection: Connection, filters: SearchFilters, **choice: Unpack[Choice]
) -> Iterator[SatelliteImage]:
    """Yield the products that match, a few in memory at a time; `choice` as for `select_products`."""
    with closing(rows(connection, filters, _IMAGE_FIELDS, **choice)) as found:
        for row in found:
            yield SatelliteImage(**dict(zip(_IMAGE_FIELDS, row, strict=True)))


def rows(
    connection: Connection, filters: SearchFilters, columns: Sequence[str], **choice: Unpack[Choice]
) -> Found:
    """Yield these columns of the products that match, as `iterate` does; nothing else is read.

    Raises:
        FilterError: at once for columns that there are not, or twice; later as `select_products`.
    """
    return _rows(connection, filters, _columns(columns), choice)


def rows_by(
    connection: Connection,
    filters: SearchFilters,
    columns: Sequence[str],
    groups: Sequence[str],
    **choice: Unpack[Choice],
) -> Found:
    """Yield what `rows` does, group by group, with the values of the groups at the end of each row.

    Empty texts are there as unknown. Within a group, `sort` says the order; else it is by tile, then newest first.

    Args:
        groups: columns and periods of the sensing start, as for `Choice.per`.

    Raises:
        FilterError: as `rows`; also for more than a hundred thousand groups, before anything is sorted.
    """
    return _rows_by(connection, filters, _columns(columns), [_known(g) for g in groups], choice)


def search(
    connection: Connection, filters: SearchFilters, **choice: Unpack[Choice]
) -> SearchResults:
    """The products that match, by id, in the order of `select_products`."""
    return {product.id: product for product in iterate(connection, filters, **choice)}


def matching(connection: Connection, filters: SearchFilters, ids: Iterable[str]) -> set[str]:
    """Which of these ids are stored and match. Looks at these products alone, however many others match."""
    check_where(connection, filters)
    among = is_one_of(products.c.id, sorted(set(ids)))
    with where_errors(filters):
        found = space.matches(connection, filters, [among])
        return set(connection.scalars(sa.select(products.c.id).where(*found)))


def find(connection: Connection, id_or_name: str) -> list[SatelliteImage]:
    """The product with this id, or else those with this name, or else the one whose id begins so.

    A name may belong to several products; its suffix does not matter. The beginning of an id counts from 8 characters
    on. Empty if there is none.

    Raises:
        FilterError: several ids begin so.
    """
    text = id_or_name.strip()
    if UNSTORABLE.search(text):
        return []
    bare = stem(text)
    # "/" follows "." in ASCII: the name with any suffix
    named = sa.or_(products.c.name == bare, _between(products.c.name, f"{bare}.", f"{bare}/"))
    for condition in (products.c.id == text, named):
        if bare and (found := _images(connection, condition)):
            return found
    if len(text) < MIN_PREFIX:
        return []
    found = _images(connection, _between(products.c.id, text, f"{text}\U0010ffff"))
    if len(found) > 1:
        some = ", ".join(product.id for product in found[:3])
        raise FilterError(f"several products have an id that begins with {text}: {some}")
    return found


def image(row: Row[Any]) -> SatelliteImage:
    """The product of a row of `products`."""
    values = row._mapping
    return SatelliteImage(**{name: values[name] for name in _IMAGE_FIELDS})


def _columns(names: Sequence[str]) -> list[ColumnElement[Any]]:
    for place, name in enumerate(names):
        if name not in products.c:
            raise FilterError(
                f"products has no column {name!r}; `satcat schema products` lists them"
            )
        if name in names[:place]:
            raise FilterError(f"the column {name!r} is asked for twice")
    if not names:
        raise FilterError("no column is asked for: name one, or leave it to None")
    return [products.c[name] for name in names]


def _rows(
    connection: Connection,
    filters: SearchFilters,
    columns: Sequence[ColumnElement[Any]],
    choice: Choice,
) -> Found:
    statement = _ordered(sa.select(*columns), connection, filters, choice)
    with where_errors(filters), _streamed(connection, statement) as found:
        yield from found


def _rows_by(
    connection: Connection,
    filters: SearchFilters,
    columns: Sequence[ColumnElement[Any]],
    groups: Sequence[ColumnElement[Any]],
    choice: Choice,
) -> Found:
    found = _chosen(connection, filters, choice)
    if choice.get("limit") is not None:
        some = _ordered(sa.select(products.c.pk), connection, filters, choice).subquery()
        found = [products.c.pk.in_(sa.select(some.c.pk))]
    distinct = sa.select(*groups).where(*found).distinct().limit(_MOST_GROUPS + 1).subquery()
    by = [*groups, *order("--sort", choice.get("sort") or "tile")]
    with where_errors(filters):
        number = connection.scalar(sa.select(sa.func.count()).select_from(distinct)) or 0
        if number > _MOST_GROUPS:
            raise FilterError(
                f"--partition: more than {_MOST_GROUPS:,} partitions: name fewer keys, or coarser ones, as year"
            )
        statement = sa.select(*columns, *groups).where(*found).order_by(*by)
        with _streamed(connection, statement) as rows_found:
            yield from rows_found


def _streamed(connection: Connection, statement: Select[Any]) -> CursorResult[Any]:
    """The rows, a few in memory at a time."""
    return connection.execute(statement, execution_options={"yield_per": _BATCH})


def _known(name: str) -> ColumnElement[Any]:
    value = group(name)
    return sa.func.nullif(value, "", type_=sa.Text()) if isinstance(value.type, sa.Text) else value


def _ordered(
    statement: Select[Any], connection: Connection, filters: SearchFilters, choice: Choice
) -> Select[Any]:
    limit = choice.get("limit")
    found = _chosen(connection, filters, choice)
    return (
        statement.where(*found)
        .order_by(*order("--sort", choice.get("sort")))
        .limit(None if limit is None else min(limit, _MOST_ROWS))
    )


def _chosen(connection: Connection, filters: SearchFilters, choice: Choice) -> list[Condition]:
    check_where(connection, filters)
    with where_errors(filters):
        return chosen(connection, filters, choice)


def _images(connection: Connection, condition: Condition) -> list[SatelliteImage]:
    statement = sa.select(products).where(condition).order_by(*order("--sort", None)).limit(100)
    return [image(row) for row in connection.execute(statement)]


def _between(text: ColumnElement[Any], start: str, end: str) -> Condition:
    return sa.and_(text >= start, text < end)


def stem(name: str) -> str:
    """A product's name without its suffixes."""
    while match := _SUFFIX.search(name):
        name = name[: match.start()]
    return name
