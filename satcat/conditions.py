"""SearchFilters -> SQL conditions on the table `products`.

Every filter means here what it means online (see `names`). The conditions alone say which products match; `candidates`
adds what makes SQLite start from the tile index or from the R*Tree instead of reading a whole collection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.visitors import InternalTraversal

from satcat import names
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import products, products_rtree

Condition: TypeAlias = ColumnElement[bool]
_Wrap: TypeAlias = Callable[[ColumnElement[Any]], ColumnElement[Any]]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # day 0 of the R*Tree
# SQLite's julianday() rounds to milliseconds, so that a day may come out later than the instant itself.
_ROUNDING = 1 / 86_400  # a second, in days
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


def matches(filters: SearchFilters) -> list[Condition]:
    """The conditions that hold for the products that match and for no others, and the quick way to them."""
    found = candidates(filters)
    return [*found, *conditions(filters, _left_to_sqlite if not found else unindexed)]


def conditions(filters: SearchFilters, wrap: _Wrap = unindexed) -> list[Condition]:
    """What holds for the products that match, and for no others; `wrap` is put round columns that lead an index."""
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
    found += _sensed(wrap(c.sensing_start), filters)
    if filters.published is not None:
        found.append(c.publication_date >= filters.published)
    if filters.cloud_cover is not None:
        found.append(c.cloud_cover <= filters.cloud_cover)
    found += [sa.func.instr(c.name, text) > 0 for text in filters.texts]
    if filters.name is not None:
        found.append(wrap(c.name).op("GLOB", is_comparison=True)(filters.name.replace("[", "[[]")))
    if filters.where is not None:
        found.append(sa.literal_column(_enclosed(filters.where), sa.Boolean()))
    if filters.area is not None:
        found.append(_touches(filters.area))
    return [*found, *_of_tiles(filters, wrap)]


def candidates(filters: SearchFilters) -> list[Condition]:
    """A redundant condition that finds few products quickly and holds for all that match; empty if there is none.

    The list that SQLite makes of the sub-select has each key once, also where a footprint has two entries.
    """
    tile_ids, touched = _named_tiles(filters), _touched_tiles(filters)
    if tile_ids and touched is None:
        return [products.c.pk.in_(_by_tile(filters, tile_ids))]
    if filters.area is not None:
        return [products.c.pk.in_(_by_area(filters, filters.area))]
    if touched is None:
        return []
    by_area = _by_area(filters, touched)
    either = sa.union_all(_by_tile(filters, tile_ids), by_area) if tile_ids else by_area
    return [products.c.pk.in_(either)]


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


def is_one_of(column: ColumnElement[Any], values: Iterable[str]) -> Condition:
    """As `in_`, for any number of values: they are one bound parameter."""
    each = sa.func.json_each(json.dumps(list(values))).table_valued("value")
    return column.in_(sa.select(each.c.value))


# Conditions


def _left_to_sqlite(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column


def _sensed(start: ColumnElement[Any], filters: SearchFilters) -> list[Condition]:
    found = []
    if filters.start is not None:
        found.append(start >= filters.start)
    if filters.end is not None:
        found.append(start < filters.end)
    return found


def _of_tiles(filters: SearchFilters, wrap: _Wrap) -> list[Condition]:
    tile_ids, touched = _named_tiles(filters), _touched_tiles(filters)
    named = is_one_of(wrap(products.c.tile_id), tile_ids)
    if touched is None:
        return [named] if tile_ids else []
    if not tile_ids:
        return [_touches(touched)]
    return [sa.or_(named, sa.and_(products.c.tile_id.is_(None), _touches(touched)))]


def _named_tiles(filters: SearchFilters) -> tuple[str, ...]:
    """The tiles that products are asked for by their tile id."""
    if filters.collection is None:
        return filters.tiles
    markers = [names.tile_marker(filters.collection, tile) for tile in filters.tiles]
    return filters.tiles if any(markers) else ()


@lru_cache(maxsize=8)
def _touched_tiles(filters: SearchFilters) -> Any:
    """The area of the tiles that products without tile ids are asked for by; None if there are none."""
    collection = filters.collection
    if not filters.tiles or (collection is not None and _named_tiles(filters)):
        return None
    import shapely

    from satcat import tiles

    return shapely.union_all([tiles.footprint(tile) for tile in filters.tiles])


def _touches(area: Any) -> Condition:
    from satcat import footprints

    wkb = sa.literal(footprints.to_wkb(area), sa.LargeBinary())
    return sa.func.ST_Intersects(products.c.footprint, wkb, type_=sa.Boolean()).is_(True)


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


# Candidates


def _by_tile(filters: SearchFilters, tile_ids: Iterable[str]) -> sa.Select[Any]:
    """From the tile index alone: it holds these columns, so that only rows that match them are looked up."""
    held = products.alias("indexed")
    # with statistics at hand, SQLite might rather skip through the index that ends in the sensing start
    found = [
        is_one_of(held.c.tile_id, tile_ids),
        *_sensed(unindexed(held.c.sensing_start), filters),
    ]
    if filters.product_type is not None:
        found.append(held.c.product_type == filters.product_type)
    if filters.cloud_cover is not None:
        found.append(held.c.cloud_cover <= filters.cloud_cover)
    return sa.select(held.c.pk).where(*found)


def _by_area(filters: SearchFilters, area: Any) -> sa.Select[Any]:
    """From the R*Tree: entries that meet a box of the area and the sensing interval."""
    boxes = _boxes(area)
    sides = [sa.func.json_extract(boxes.c.value, f"$[{place}]") for place in range(4)]
    entry = products_rtree.c
    found = [
        entry.west <= sides[2], entry.east >= sides[0], entry.south <= sides[3], entry.north >= sides[1],
    ]  # fmt: skip
    if filters.start is not None:
        found.append(entry.last_day >= _day(filters.start) - _ROUNDING)
    if filters.end is not None:
        found.append(entry.first_day <= _day(filters.end) + _ROUNDING)
    # The outer join only sets the order: with the R*Tree first SQLite would look up the times alone, and test every box
    # on what they leave. A box that meets nothing gives NULL, which is no product's key.
    boxed = boxes.outerjoin(products_rtree, sa.and_(*found))
    return sa.select(sa.func.abs(entry.pk)).select_from(boxed)


def _boxes(area: Any) -> Any:
    import shapely

    from satcat import footprints

    parts = [box for part in shapely.get_parts(area) for box in footprints.boxes(part)]
    return sa.func.json_each(json.dumps(parts)).table_valued("value", name="box")


def _day(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(days=1)
