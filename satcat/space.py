"""Where: the tiles and areas of SearchFilters -> conditions on `products`, exactly.

SQLite finds products quickly by tile or by the R*Tree, whose boxes in space and time hold more than what matches. What a
box leaves open is decided here, by comparing footprints with the area thousands at a time; the conditions then name the
keys that are left. So whatever is built on them (windows, counts, limits, INSERTs) needs no geometry of its own. An area
that a million products touch takes some 200 MB meanwhile, and SQLite's cache as much again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from satcat import names
from satcat.conditions import Condition, as_it_is, conditions, each, is_one_of, sensed, unindexed
from satcat.filters import SearchFilters
from satcat.models import products
from satcat.times import Interval

if TYPE_CHECKING:
    from satcat.overlap import Area, Flags, Keys

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # day 0 of the R*Tree
_NEVER = 1e7  # days before and after it
# SQLite's julianday() rounds to milliseconds, so that a day may come out later than the instant itself.
_ROUNDING = 1 / 86_400  # a second, in days
_BATCH = 10_000  # footprints in memory at once

# What lies in one area lies on pages all over the file, and is read twice: 256 MB, if there is as much to read.
_LARGE_CACHE = "PRAGMA cache_size = -262144"

# Boxes first, by CROSS JOIN: with the R*Tree first SQLite would look up the times alone, and test every box on them.
_ENTRIES = """
    SELECT abs(entry.pk), entry.west, entry.south, entry.east, entry.north
    FROM json_each(?) AS box CROSS JOIN products_rtree AS entry
    WHERE entry.west <= json_extract(box.value, '$[2]') AND entry.east >= json_extract(box.value, '$[0]')
      AND entry.south <= json_extract(box.value, '$[3]') AND entry.north >= json_extract(box.value, '$[1]')
      AND entry.last_day >= ? AND entry.first_day <= ?
"""
_TILED = products.alias("tiled")
_OUTLINED = products.c.footprint.is_not(None)


def matches(
    connection: Connection, filters: SearchFilters, among: Sequence[Condition] = ()
) -> list[Condition]:
    """The conditions that hold for the products that match and for no others, and the quick way to them.

    Args:
        among: conditions that few products meet; then only these are looked at.
    """
    named, touched, area = _named_tiles(filters), _touched_tiles(filters), filters.area
    by_tile = _by_tile(filters, named) if named else None
    few = list(among)
    if by_tile is not None and touched is None:
        few.append(products.c.pk.in_(by_tile))
    placed = bool(few) or touched is not None or area is not None
    found = [*few, *conditions(filters, unindexed if placed else as_it_is)]
    if touched is not None:
        found += _in_tiles(connection, filters, touched, by_tile, found, few=bool(few))
    if area is not None:
        keys = _touching(connection, area, filters.interval, found, few=bool(few))
        found += [is_one_of(products.c.pk, keys), _OUTLINED]
    return found


def covering(connection: Connection, area: Any, least: float, chosen: list[Condition]) -> list[int]:
    """The keys of those chosen that cover at least this share of the area."""
    from satcat.overlap import Area

    ready = Area(area)
    return _tested(connection, chosen, lambda stored: ready.is_covered(stored, least))


def _in_tiles(
    connection: Connection, filters: SearchFilters, touched: Any, by_tile: Select[Any] | None,
    found: list[Condition], *, few: bool,
) -> list[Condition]:  # fmt: skip
    """Of the tiles that mean their footprints; what has a tile id of its own goes by that."""
    if by_tile is None:
        keys = _touching(connection, touched, filters.interval, found, few=few)
        return [is_one_of(products.c.pk, keys), _OUTLINED]
    untiled = sa.and_(products.c.tile_id.is_(None), _OUTLINED)
    keys = _touching(connection, touched, filters.interval, [*found, untiled], few=few)
    either = sa.union_all(by_tile, each(keys))
    own = is_one_of(unindexed(products.c.tile_id), filters.tiles)
    return [products.c.pk.in_(either), sa.or_(untiled, own)]


def _touching(
    connection: Connection, area: Any, interval: Interval, found: list[Condition], *, few: bool
) -> list[int]:
    """The keys of products that touch the area: all that `found` holds for, and maybe some others.

    Args:
        few: start from `found`, which few products meet, and not from the R*Tree.
    """
    from satcat.overlap import Area

    ready = Area(area)
    if few:
        return _tested(connection, found, ready.touches)
    connection.exec_driver_sql(_LARGE_CACHE).close()
    sure, open_ = _by_index(connection, ready, interval)
    if not open_:
        return sure
    return sure + _tested(connection, [is_one_of(products.c.pk, open_), *found], ready.touches)


def _by_index(
    connection: Connection, area: Area, interval: Interval
) -> tuple[list[int], list[int]]:
    """The keys of products whose box lies in the area whole, and of others whose box meets one of it."""
    import numpy as np

    first = -_NEVER if interval.start is None else _day(interval.start) - _ROUNDING
    last = _NEVER if interval.end is None else _day(interval.end) + _ROUNDING
    rows = connection.exec_driver_sql(_ENTRIES, (json.dumps(area.boxes()), first, last))
    sure: list[Keys] = [np.empty(0, np.int64)]
    met: list[Keys] = [np.empty(0, np.int64)]
    for page in rows.partitions(_BATCH):
        table = np.fromiter(chain.from_iterable(page), np.float64).reshape(-1, 5)
        surely, maybe = area.sort_out(table[:, 1:])
        sure.append(table[surely, 0].astype(np.int64))
        met.append(table[maybe, 0].astype(np.int64))
    inside = np.unique(np.concatenate(sure))
    return inside.tolist(), np.setdiff1d(np.concatenate(met), inside).tolist()


def _tested(
    connection: Connection, found: list[Condition], test: Callable[[Sequence[bytes]], Flags]
) -> list[int]:
    """The keys of those of these products whose footprint passes the test."""
    statement = sa.select(products.c.pk, products.c.footprint).where(*found, _OUTLINED)
    passed: list[int] = []
    for page in connection.execute(statement).partitions(_BATCH):
        keys, stored = zip(*page, strict=True)
        passed += [key for key, fits in zip(keys, test(stored).tolist(), strict=True) if fits]
    return passed


def _by_tile(filters: SearchFilters, tile_ids: Iterable[str]) -> Select[Any]:
    """From the tile index alone: it holds these columns, so that only rows that match them are looked up."""
    c = _TILED.c
    # with statistics at hand, SQLite might rather skip through the index that ends in the sensing start
    found = [is_one_of(c.tile_id, tile_ids), *sensed(unindexed(c.sensing_start), filters)]
    if filters.product_type is not None:
        found.append(c.product_type == filters.product_type)
    if filters.processing_level is not None:
        found.append(c.processing_level == filters.processing_level)
    if filters.cloud_cover is not None:
        found.append(c.cloud_cover <= filters.cloud_cover)
    return sa.select(c.pk).where(*found)


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


def _day(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(days=1)
