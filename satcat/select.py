"""SearchFilters -> SELECT: picking products of the catalogue, and in what order they come."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row, Select

from satcat.conditions import (
    Condition,
    check_where,
    conditions,
    is_one_of,
    matches,
    where_errors,
)  # fmt: skip
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import products
from satcat.products import SatelliteImage, SearchResults

#: Short names for columns that people sort, choose and group by, beside the columns' own.
SHORT_NAMES = {
    "cloud": "cloud_cover", "tile": "tile_id", "level": "processing_level", "type": "product_type",
    "orbit": "relative_orbit", "baseline": "processing_baseline", "date": "sensing_start", "size": "size_bytes",
}  # fmt: skip

#: What a sensing start can be grouped by, and how many characters of its stored form say so.
PERIODS = {"year": 4, "month": 7, "day": 10}

_SORTABLE = [c.name for c in products.columns if c.name not in ("pk", "footprint", "attributes")]
_IMAGE_FIELDS = tuple(f.name for f in fields(SatelliteImage))
_SECOND = 19  # characters of an instant's stored form, down to the second
_SUFFIX = re.compile(r"\.(SAFE|SEN3|nc|EOF|zip|tar|tgz)$", re.IGNORECASE)
#: So many characters of an id, or more, may stand for it.
MIN_PREFIX = 8
_BATCH = 500  # rows in memory at once
_MOST_ROWS = 2**63 - 1  # SQLite's largest number


class Choice(TypedDict, total=False):
    """Which of the products that match, and in what order: the options of `select_products`."""

    sort: str | None
    limit: int | None
    latest: bool
    best: str | None
    per: Sequence[str] | None


def select_products(
    filters: SearchFilters,
    *,
    sort: str | None = None,
    limit: int | None = None,
    latest: bool = False,
    best: str | None = None,
    per: Sequence[str] | None = None,
) -> Select[Any]:
    """Every column of the products that match, newest sensing first, then by id.

    Args:
        sort: a column to order by instead, `-column` for descending; unknown values come last.
        limit: at most so many.
        latest: of those that match, only the newest version of each scene: the highest baseline, then the newest
            publication. A scene is what one platform sensed at one second of one tile (without tiles: until one second,
            on one orbit) at one level and type.
        best: of those that match (with `latest`, of what that leaves), one product for each group of `per`: the one
            with the lowest value in this column, `-column` for the highest; then the newest sensing.
        per: the groups: columns, or `year`, `month` and `day` of the sensing start.

    Raises:
        FilterError: no such column; `best` without `per`; a limit below 1; a `--where` that is no condition. Whether
            the database can run it, `check_where` says.
    """
    if limit is not None and limit < 1:
        raise FilterError(f"--limit {limit}: give a number from 1 on")
    most = None if limit is None else min(limit, _MOST_ROWS)
    chosen = matches(filters)
    if latest:
        chosen = [_first_of_each(_scene(), _newest_version(), chosen)]
    if best is not None or per is not None:
        if best is None or not per:
            raise FilterError("--best COLUMN and --per GROUP,... belong together: give both")
        chosen = [_first_of_each([group(name) for name in per], _order("--best", best), chosen)]
    return sa.select(products).where(*chosen).order_by(*_order("--sort", sort)).limit(most)


def count(connection: Connection, filters: SearchFilters) -> int:
    """How many products match."""
    check_where(connection, filters)
    statement = sa.select(sa.func.count()).select_from(products).where(*matches(filters))
    with where_errors(filters):
        return connection.scalar(statement) or 0


def iterate(
    connection: Connection, filters: SearchFilters, **choice: Unpack[Choice]
) -> Iterator[SatelliteImage]:
    """Yield the products that match, a few in memory at a time; `choice` as for `select_products`."""
    statement = select_products(filters, **choice)
    check_where(connection, filters)
    with where_errors(filters):
        for row in connection.execute(statement, execution_options={"yield_per": _BATCH}):
            yield image(row)


def rows(
    connection: Connection, filters: SearchFilters, columns: Sequence[str], **choice: Unpack[Choice]
) -> Iterator[Row[Any]]:
    """Yield these columns of the products that match, as `iterate` does; nothing else is read."""
    wanted = [products.c[name] for name in columns]
    statement = select_products(filters, **choice).with_only_columns(*wanted)
    check_where(connection, filters)
    with where_errors(filters):
        yield from connection.execute(statement, execution_options={"yield_per": _BATCH})


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
        return set(connection.scalars(sa.select(products.c.id).where(among, *conditions(filters))))


def find(connection: Connection, id_or_name: str) -> list[SatelliteImage]:
    """The product with this id, or else those with this name, or else the one whose id begins so.

    A name may belong to several products; its suffix does not matter. The beginning of an id counts from 8 characters
    on. Empty if there is none.

    Raises:
        FilterError: several ids begin so.
    """
    text = id_or_name.strip()
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


def column(option: str, name: str) -> ColumnElement[Any]:
    """The column that a person named, if products can be ordered by it; FilterError names near ones."""
    known = SHORT_NAMES.get(name, name)
    if known not in _SORTABLE:
        near = difflib.get_close_matches(name, [*SHORT_NAMES, *_SORTABLE], n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "`satcat schema` lists them"
        raise FilterError(f"{option} {name}: there is no such column; {hint}")
    return products.c[known]


def group(name: str) -> ColumnElement[Any]:
    """What products are grouped by: a column, or a period of the sensing start as text, `2024-06`."""
    if name in PERIODS:
        return sa.func.substr(products.c.sensing_start, 1, PERIODS[name], type_=sa.Text())
    return column("--per", name)


def _order(option: str, name: str | None) -> list[ColumnElement[Any]]:
    newest = [products.c.sensing_start.desc(), products.c.id]
    if name is None:
        return newest
    by = column(option, name.removeprefix("-"))
    return [(by.desc() if name.startswith("-") else by.asc()).nulls_last(), *newest]


def _first_of_each(
    groups: list[ColumnElement[Any]], order: list[ColumnElement[Any]], chosen: list[Condition]
) -> Condition:
    """Narrow what was chosen to the first product of each group."""
    place = sa.func.row_number().over(partition_by=groups, order_by=order)
    ranked = sa.select(products.c.pk, place.label("place")).where(*chosen).subquery()
    return products.c.pk.in_(sa.select(ranked.c.pk).where(ranked.c.place == 1))


def _scene() -> list[ColumnElement[Any]]:
    """What all versions of a scene share. Fractions of a second do differ between versions."""
    c = products.c
    untiled = c.tile_id.is_(None)
    unknown = sa.or_(c.platform.is_(None), c.product_type.is_(None))
    return [
        c.collection, c.platform, c.product_type, c.processing_level, c.tile_id,
        sa.func.substr(c.sensing_start, 1, _SECOND),
        sa.case((untiled, sa.func.substr(c.sensing_end, 1, _SECOND))),
        sa.case((untiled, c.absolute_orbit)),
        sa.case((unknown, c.id)),  # nothing tells that two of these are one scene
    ]  # fmt: skip


def _newest_version() -> list[ColumnElement[Any]]:
    c = products.c
    return [
        sa.cast(c.processing_baseline, sa.Double()).desc().nulls_last(),
        c.processing_baseline.desc().nulls_last(),
        c.publication_date.desc().nulls_last(),
        c.origin_date.desc().nulls_last(),
        c.id,
    ]


def _images(connection: Connection, condition: Condition) -> list[SatelliteImage]:
    statement = sa.select(products).where(condition).order_by(*_order("--sort", None)).limit(100)
    return [image(row) for row in connection.execute(statement)]


def _between(text: ColumnElement[Any], start: str, end: str) -> Condition:
    return sa.and_(text >= start, text < end)


def stem(name: str) -> str:
    """A product's name without its suffixes."""
    while match := _SUFFIX.search(name):
        name = name[: match.start()]
    return name
