"""Where tiles lie: footprints, which of them meet an area, and the rows of the table `tiles`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from satcat import footprints
from satcat.batches import batches
from satcat.globe import collected, cut
from satcat.tiles import ids, mgrs, wrs2
from satcat.tiles.ids import Grid

Geometries: TypeAlias = npt.NDArray[np.object_]

_AT_ONCE = 5000  # tiles whose rows are made at once


class TileRow(NamedTuple):
    """A row of the table `tiles`: degrees, WKB of the corners, km² of the true tile."""

    tile_id: str
    grid: Grid
    epsg: int | None
    west: float
    south: float
    east: float
    north: float
    footprint: bytes
    area_km2: float
    land: bool | None


def footprint(tile_id: str, *, densify: bool = False) -> BaseGeometry:
    """A tile's polygon in lon/lat, cut at 180°.

    It joins the four corners. An MGRS tile is a square in UTM, which straight lon/lat sides leave
    by up to 3 km above 80°; `densify` puts 20 points on each side, for measuring. WRS-2 tiles are
    always as USGS draws them.

    Raises:
        TileError: there is no such tile; ids are in the form that `normalise` gives.
    """
    if ids.grid(tile_id) == "wrs2":
        shapes = wrs2.polygons([tile_id])
    else:
        shapes = mgrs.polygons([tile_id], mgrs.FINE if densify else 1)
    return collected(cut(shapes[0]))


def footprints_of(tile_ids: Sequence[str]) -> dict[str, BaseGeometry]:
    """The polygons of many known tiles of one grid, by id, in the order given; as `footprint`."""
    if not tile_ids:
        return {}
    return dict(zip(tile_ids, _cut_polygons(ids.grid(tile_ids[0]), tile_ids), strict=True))


def intersecting(geometry: BaseGeometry, grid: Grid = "mgrs") -> list[str]:
    """The ids, in order, of the tiles that share a point with a geometry in normal form."""
    tile_ids, tree = _index(grid)
    return [tile_ids[place] for place in np.sort(tree.query(geometry, predicate="intersects"))]


def rows() -> Iterator[TileRow]:
    """Every tile of both grids, MGRS first, by id."""
    yield from rows_of(ids.every("mgrs"))
    yield from rows_of(ids.every("wrs2"))


def rows_of(tile_ids: Sequence[str]) -> Iterator[TileRow]:
    """These known tiles, those of MGRS first."""
    land = ids.with_land()
    squares = [tile_id for tile_id in tile_ids if ids.grid(tile_id) == "mgrs"]
    if squares:
        held = [tile_id in land for tile_id in squares]
        yield from _rows("mgrs", squares, mgrs.areas(squares).tolist(), held)
    scenes = [tile_id for tile_id in tile_ids if ids.grid(tile_id) == "wrs2"]
    if scenes:
        yield from _rows("wrs2", scenes, wrs2.areas(scenes).tolist(), [None] * len(scenes))


def _rows(
    grid: Grid, tile_ids: list[str], areas: list[float], land: Sequence[bool | None]
) -> Iterator[TileRow]:
    """The polygons of some thousands at a time: those of all would stay in memory for good, scattered as they are."""
    for part in batches(zip(tile_ids, areas, land, strict=True), _AT_ONCE):
        shapes = _cut_polygons(grid, [tile_id for tile_id, *_ in part])
        boxes = shapely.bounds(shapes).tolist()
        for place in np.flatnonzero(shapely.get_num_geometries(shapes) > 1):
            boxes[place] = footprints.box(shapes[place])
        stored = shapely.to_wkb(shapes, output_dimension=2, byte_order=1).tolist()
        for (tile_id, area, holds_land), box, wkb in zip(part, boxes, stored, strict=True):
            west, south, east, north = box
            epsg = ids.epsg(tile_id)
            yield TileRow(tile_id, grid, epsg, west, south, east, north, wkb, area, holds_land)


@cache
def _index(grid: Grid) -> tuple[list[str], shapely.STRtree]:
    tile_ids = ids.every(grid)
    return tile_ids, shapely.STRtree(_cut_polygons(grid, tile_ids))


def _cut_polygons(grid: Grid, tile_ids: Sequence[str]) -> Geometries:
    shapes = wrs2.polygons(tile_ids) if grid == "wrs2" else mgrs.polygons(tile_ids)
    for place in np.flatnonzero(np.abs(shapely.bounds(shapes)[:, ::2]).max(axis=1) > 180):
        shapes[place] = collected(cut(shapes[place]))
    return shapes
