"""Where: the tiles and areas of SearchFilters -> conditions on `products`, exactly.

Products are found quickly by tile or by the spatial index, whose boxes in space and time hold more than what matches. What a
box leaves open is decided here, by comparing footprints with the area thousands at a time; the conditions then name the
keys that are left. So whatever is built on them (windows, counts, limits, INSERTs) needs no geometry of its own. An area
that a million products touch takes some 200 MB meanwhile, and SQLite's cache as much again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import Connection, Select

from satcat import names, spatial_index
from satcat.batches import batches
from satcat.conditions import Condition, as_it_is, beside_tiled, conditions, is_one_of, tiled
from satcat.filters import SearchFilters
from satcat.functions import each, unindexed
from satcat.models import products
from satcat.times import Interval

if TYPE_CHECKING:
    from satcat.overlap import Area, Flags, Keys

_BATCH = 10_000  # keys that one statement names, and rows that a server sends at once
_PAGE = 500  # rows that are objects at once: of more, Python's garbage collector has much to look through
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
    said = conditions
    if by_tile is not None and touched is None:
        few.append(products.c.pk.in_(by_tile))
        said = beside_tiled
    placed = bool(few) or touched is not None or area is not None
    found = [*few, *said(filters, unindexed if placed else as_it_is)]
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
    either = sa.union_all(by_tile, each(keys, products.c.pk))
    own = is_one_of(unindexed(products.c.tile_id), filters.tiles)
    return [products.c.pk.in_(either), sa.or_(untiled, own)]


def _touching(
    connection: Connection, area: Any, interval: Interval, found: list[Condition], *, few: bool
) -> list[int]:
    """The keys of products that touch the area: all that `found` holds for, and maybe some others.

    Args:
        few: start from `found`, which few products meet, and not from the spatial index.
    """
    from satcat.overlap import Area

    ready = Area(area)
    if few:
        return _tested(connection, found, ready.touches)
    sure, open_ = _by_index(connection, ready, interval)
    if not open_:
        return sure
    for part in batches(open_, _BATCH):
        among = [is_one_of(products.c.pk, part), *found]
        sure += _tested(connection, among, ready.touches, streamed=False)
    return sure


def _by_index(
    connection: Connection, area: Area, interval: Interval
) -> tuple[list[int], list[int]]:
    """The keys of products whose box lies in the area whole, and of others whose box meets one of it."""
    import numpy as np

    rows = spatial_index.entries(connection, area.boxes(), interval)
    sure: list[Keys] = [np.empty(0, np.int64)]
    met: list[Keys] = [np.empty(0, np.int64)]
    for page in rows.partitions(_PAGE):
        table = np.fromiter(chain.from_iterable(page), np.float64).reshape(-1, 5)
        surely, maybe = area.sort_out(table[:, 1:])
        sure.append(table[surely, 0].astype(np.int64))
        met.append(table[maybe, 0].astype(np.int64))
    inside = np.unique(np.concatenate(sure))
    return inside.tolist(), np.setdiff1d(np.concatenate(met), inside).tolist()


def _tested(
    connection: Connection, found: list[Condition], test: Callable[[Sequence[bytes]], Flags],
    *, streamed: bool = True,
) -> list[int]:  # fmt: skip
    """The keys of those of these products whose footprint passes the test.

    Args:
        streamed: they may be many; a server then hands them out batch by batch, which takes more journeys.
    """
    statement = sa.select(products.c.pk, products.c.footprint).where(*found, _OUTLINED)
    options = {"yield_per": _BATCH} if streamed else {}
    passed: list[int] = []
    for page in connection.execute(statement, execution_options=options).partitions(_PAGE):
        keys, stored = zip(*page, strict=True)
        passed += [key for key, fits in zip(keys, test(stored).tolist(), strict=True) if fits]
    return passed


def _by_tile(filters: SearchFilters, tile_ids: Iterable[str]) -> Select[Any]:
    """From the tile index alone: it holds these columns, so that only rows that match them are looked up."""
    c = _TILED.c
    # with statistics at hand, SQLite might rather skip through the index that ends in the sensing start
    found = [is_one_of(c.tile_id, tile_ids), *tiled(c, filters, unindexed)]
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
