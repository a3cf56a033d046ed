"""What there is of each tile: products, looks, gaps, cloud, the share really covered, and whether the mirror vouches."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import chain, repeat
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import mirrored, names, space, tiles, times
from satcat.batches import batches
from satcat.conditions import check_where, where_errors
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.mirrored import Survey
from satcat.models import products
from satcat.reports import expected, footprinted, looks, tiled
from satcat.reports.expected import COMPLETE, PARTLY, Row
from satcat.reports.groups import AOI, CLEAR, Group, Grouping, Key, merged
from satcat.reports.shares import Place
from satcat.tiles import Grid
from satcat.vouched import NOT_MIRRORED

#: What rows can be split by beside the tile.
SPLITS = ("product-type", "orbit", "month", "year")
#: Up to so many products the shares that are really covered are measured without being asked for.
FEW = 20_000

_BATCH = 100  # rows in memory at once: of more, Python's garbage collector has much to look through


# They are many, and a frozen dataclass takes four times as long to make.
class TileCoverage(NamedTuple):
    """The products of one tile, and product type, orbit or period.

    `mirrored` is `complete`, `partly` or `not mirrored`, of the tile and time that were asked for, or `ahead` of time that
    is still to come. Numbers are None where nothing is stored and the mirror does not vouch for that; 0 means that there
    is none. `period` is `2024-06` or `2024`.
    A look is a day with a product, a clear look one with a clear product. Gaps are the days between neighbouring looks,
    None where there are fewer than two. `covered_percent` is the share of the tile that footprints cover together,
    `clear_percent` that of clear products; None where it was not measured. Cloud cover is in percent, None where no
    product states it. `size_bytes` leaves unknown sizes out; `downloaded` counts whole products.
    """

    tile_id: str
    collection: str | None = None
    product_type: str | None = None
    relative_orbit: int | None = None
    period: str | None = None
    products: int | None = None
    clear_products: int | None = None
    looks: int | None = None
    clear_looks: int | None = None
    first_sensing: datetime | None = None
    last_sensing: datetime | None = None
    median_gap_days: float | None = None
    longest_gap_days: int | None = None
    covered_percent: float | None = None
    clear_percent: float | None = None
    min_cloud_cover: float | None = None
    mean_cloud_cover: float | None = None
    median_cloud_cover: float | None = None
    size_bytes: int | None = None
    downloaded: int | None = None
    mirrored: str = NOT_MIRRORED


COLUMNS = TileCoverage._fields
#: What costs nothing to tell: it stands in the table tile_months.
COUNTS = {
    "tile_id", "collection", "product_type", "relative_orbit", "period", "products", "clear_products", "size_bytes",
    "mirrored",
}  # fmt: skip
#: What needs every footprint.
SHARES = {"covered_percent", "clear_percent"}


def coverage(
    connection: Connection,
    filters: SearchFilters,
    by: Sequence[str] = ("tile", "product-type"),
    *,
    columns: Collection[str] | None = None,
    clear: float = CLEAR,
    area: bool | None = None,
    aoi: bool = False,
    grid: Grid | None = None,
) -> Iterator[TileCoverage]:
    """Yield a row for each tile (and what else it is split by), by tile, collection, type, orbit and period.

    Every tile that was asked for has a row, and every period between the asked start and end, whether or not there are
    products. Products of collections without tile ids count for each tile that their footprint touches.

    Args:
        by: `tile`, and of `product-type`, `orbit`, and `month` or `year`, those that split its rows.
        columns: only these are wanted; the others may stay None. Counts, looks and gaps of whole months are read from
            summaries, without a look at the products.
        clear: up to which cloud cover, in percent, a product is clear.
        area: measure the shares that are really covered; None: where at most `FEW` products match.
        aoi: tell of the whole area asked for too, in rows of the tile `AOI`, which come first.
        grid: only tiles of this grid.

    Raises:
        FilterError: another `by`, or an unknown column; `aoi` without an area; a `--where` that is no condition.
    """
    report = _Report(connection, filters, by, columns, clear, area=area, grid=grid)
    with where_errors(filters):
        found = chain(report.of_area() if aoi else (), report.of_tiles())
        for batch in batches(found, _BATCH):
            yield from report.told(batch)


def rows(
    connection: Connection,
    filters: SearchFilters,
    by: Sequence[str],
    *,
    columns: Collection[str],
    clear: float,
    grid: Grid | None = None,
) -> tuple[Survey, Iterator[Row]]:
    """What is mirrored of it, and the groups that `coverage` would tell of with the rows that have none."""
    report = _Report(connection, filters, by, columns, clear, area=False, grid=grid)
    return report.survey, report.of_tiles()


def measures_area(connection: Connection, filters: SearchFilters) -> bool:
    """Tell whether so few products match that measuring what they cover is quick."""
    with where_errors(filters):
        found = space.matches(connection, filters)
        some = sa.select(products.c.pk).where(*found).limit(FEW + 1).subquery()
        return (connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= FEW


def check_by(by: Sequence[str], *, periods: bool = True) -> None:
    """See that rows can be split so; without `periods` not by month or year.

    Raises:
        FilterError: they cannot.
    """
    split = set(by) - {"tile"}
    if unknown := split - set(SPLITS):
        raise FilterError(
            f"--by {','.join(by)}: no {' nor '.join(sorted(unknown))}; there are tile, {', '.join(SPLITS)}"
        )
    if {"month", "year"} <= split:
        raise FilterError(f"--by {','.join(by)}: give month or year, not both")
    if not periods and (named := {"month", "year"} & split):
        raise FilterError(f"--by {','.join(by)}: gaps are told whole, not by {named.pop()}")


def _grouping(by: Sequence[str], wanted: set[str], clear: float, *, outlines: bool) -> Grouping:
    check_by(by)
    split = set(by)
    if unknown := wanted - set(COLUMNS):
        raise FilterError(f"no column {', '.join(sorted(unknown))}; there are {', '.join(COLUMNS)}")
    return Grouping(
        types="product-type" in split,
        orbits="orbit" in split,
        period=next((name for name in ("month", "year") if name in split), None),
        clear=clear,
        looks=not wanted <= (COUNTS | SHARES | {"downloaded"}),
        instants=bool(wanted & {"first_sensing", "last_sensing"}),
        clear_looks="clear_looks" in wanted,
        clouds=bool(wanted & {"min_cloud_cover", "mean_cloud_cover"}),
        medians="median_cloud_cover" in wanted,
        downloads="downloaded" in wanted,
        outlines=outlines,
    )


class _Report:
    """One report on its way."""

    def __init__(
        self,
        connection: Connection,
        filters: SearchFilters,
        by: Sequence[str],
        columns: Collection[str] | None,
        clear: float,
        *,
        area: bool | None,
        grid: Grid | None,
    ) -> None:
        check_where(connection, filters)
        wanted = set(columns) if columns is not None else set(COLUMNS)
        drawn = bool(wanted & SHARES) and (
            measures_area(connection, filters) if area is None else area
        )
        self.connection, self.filters, self.grid = connection, filters, grid
        self.grouping = _grouping(by, wanted, clear, outlines=drawn)
        survey = mirrored.survey(connection, filters)
        self.tiles = expected.tiles(connection, filters, survey, grid)
        if filters.area is not None and self.tiles:  # of an area it is known tile by tile
            survey = mirrored.survey(connection, replace(filters, tile_id=self.tiles))
        self.survey = survey
        self._states = expected.States(survey, filters, by_type=self.grouping.types)
        self._measured: tuple[str, Place] | None = None

    def of_area(self) -> Iterator[Row]:
        """The rows of the whole area."""
        area = self.filters.area
        if area is None:
            raise FilterError("--aoi: give an area, by --geometry or --bbox")
        found = footprinted.groups(self.connection, self.filters, self.grouping, {AOI: area})
        return expected.complete(found, [AOI], self.filters, self.survey, self.grouping)

    def of_tiles(self) -> Iterator[Row]:
        """The rows of the tiles."""
        both = heapq.merge(self._tiled(), self._untiled(), key=lambda group: group.key.order)
        found = merged(both, self.grouping)
        return expected.complete(found, self.tiles, self.filters, self.survey, self.grouping)

    def told(self, rows: list[Row]) -> Iterator[TileCoverage]:
        """These rows in numbers."""
        groups = [row.group for row in rows if row.group is not None]
        numbers = self._numbers(groups)
        for key, group in rows:
            state = self._state(key)
            if group is not None:
                values = next(numbers)
            else:
                values = self._nothing if state == COMPLETE else {}
            yield TileCoverage(*key, mirrored=state, **values)

    def _state(self, key: Key) -> str:
        """How much of a row is mirrored; of a whole area, what is true of all its tiles."""
        if key.tile is not None or not self.tiles:
            return self._states.of(key)
        states = {self._states.of(key._replace(place=tile)) for tile in self.tiles}
        return states.pop() if len(states) == 1 else PARTLY

    def _tiled(self) -> Iterator[Group]:
        if self.filters.collection and names.tile_grid(self.filters.collection) is None:
            return iter(())
        found = tiled.groups(self.connection, self.filters, self.grouping)
        if self.grid is None:
            return found
        return (group for group in found if self.grid == expected.grid_of(group.key.place))

    def _untiled(self) -> Iterator[Group]:
        """Groups of products without tile ids, matched to the tiles wanted, or to all."""
        asked = self.filters.collection
        collections = [
            name
            for name in ([asked] if asked else stored_collections(self.connection))
            if names.tile_grid(name) is None
        ]
        if not collections:
            return iter(())
        named = self.filters.area is not None or self.survey.tiles
        asked_for = self.tiles if named else tiles.every(self.grid or "mgrs")
        shapes: dict[str, Any] = {}
        for grid in ("mgrs", "wrs2"):
            shapes |= tiles.footprints_of([t for t in asked_for if expected.grid_of(t) == grid])
        narrowed = [products.c.collection.in_(collections)]
        if asked is None:  # what has a tile id all the same stands among those that have
            narrowed.append(products.c.tile_id.is_(None))
        places = dict(sorted(shapes.items()))
        return footprinted.groups(self.connection, self.filters, self.grouping, places, *narrowed)

    def _numbers(self, groups: list[Group]) -> Iterator[dict[str, Any]]:
        """The numbers of each group; shares where they are wanted and known."""
        grouping = self.grouping
        told = _looks(groups, grouping) if grouping.looks and groups else repeat({}, len(groups))
        for group, of_looks in zip(groups, told, strict=True):
            numbers = {
                "products": group.products, "clear_products": group.clear_products, "size_bytes": group.size_bytes,
                **of_looks,
            }  # fmt: skip
            if grouping.downloads:
                numbers["downloaded"] = group.downloaded
            if group.outlines.wkb:
                shares = self._place(group.key.place).shares(group.outlines)
                numbers |= {"covered_percent": shares.covered, "clear_percent": shares.clear}
            yield numbers

    def _place(self, name: str) -> Place:
        """The place, ready for measuring; rows of one place follow each other."""
        if self._measured is None or self._measured[0] != name:
            shape = self.filters.area if name == AOI else tiles.footprint(name, densify=True)
            assert shape is not None
            self._measured = name, Place(shape)
        return self._measured[1]

    @cached_property
    def _nothing(self) -> dict[str, Any]:
        """The numbers of a row without products that the mirror vouches for."""
        grouping = self.grouping
        zero = {"products": 0, "clear_products": 0, "size_bytes": 0}
        zero |= {"looks": 0} if grouping.looks else {}
        zero |= {"clear_looks": 0} if grouping.clear_looks else {}
        zero |= {"downloaded": 0} if grouping.downloads else {}
        return zero | ({"covered_percent": 0.0, "clear_percent": 0.0} if grouping.outlines else {})


def stored_collections(connection: Connection) -> list[str]:
    """The collections of which there are products; looks at one entry of the index for each."""
    first = sa.select(sa.func.min(products.c.collection).label("name")).cte("held", recursive=True)
    following = sa.select(sa.func.min(products.c.collection)).where(
        products.c.collection > first.c.name
    )
    held = first.union_all(sa.select(following.scalar_subquery()).where(first.c.name.is_not(None)))
    return [name for name in connection.scalars(sa.select(held.c.name)) if name is not None]


def _looks(groups: list[Group], grouping: Grouping) -> Iterator[dict[str, Any]]:
    """What days, instants and clouds tell of each group."""
    every = looks.measure(np.concatenate([g.days for g in groups]), [len(g.days) for g in groups])
    clear = looks.measure(
        np.concatenate([g.clear_days for g in groups]), [len(g.clear_days) for g in groups]
    )
    told = (numbers.tolist() for numbers in (*every, clear.days))
    for group, days, median, longest, clear_days in zip(groups, *told, strict=True):
        yield {
            "looks": days,
            "clear_looks": clear_days if grouping.clear_looks else None,
            "median_gap_days": None if isnan(median) else median,
            "longest_gap_days": None if isnan(longest) else int(longest),
            "first_sensing": times.parse(group.first) if group.first else None,
            "last_sensing": times.parse(group.last) if group.last else None,
            "min_cloud_cover": group.min_cloud_cover,
            "mean_cloud_cover": group.mean_cloud_cover,
            "median_cloud_cover": statistics.median(group.clouds) if group.clouds else None,
        }
