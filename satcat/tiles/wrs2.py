"""Landsat's WRS-2 grid by day: 233 paths by 124 rows, `PPPRRR`.

All paths are one ground track, turned west by 360/233° each time; so a row has one shape, kept for
where a path 0 would be.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from satcat import footprints
from satcat.tiles.ids import PATHS, ROWS

Array: TypeAlias = npt.NDArray[np.float64]
Geometries: TypeAlias = npt.NDArray[np.object_]


def polygons(tile_ids: Sequence[str]) -> Geometries:
    """The polygon of each of these known tiles; longitudes run on where it crosses ±180°."""
    path, row = _numbers(tile_ids)
    shapes = _templates()[row]
    west, _, east, _ = shapely.bounds(shapes).T
    turned = -path * (360 / PATHS)
    turned -= 360 * np.round((turned + (west + east) / 2) / 360)
    coordinates = shapely.get_coordinates(shapes)
    coordinates[:, 0] += np.repeat(turned, shapely.get_num_coordinates(shapes))
    return np.asarray(shapely.set_coordinates(shapes, coordinates))


def areas(tile_ids: Sequence[str]) -> Array:
    """The area of each of these known tiles in km²."""
    _, row = _numbers(tile_ids)
    return np.asarray(shapely.area(footprints.equal_area(_templates())))[row]


@cache
def _templates() -> Geometries:
    """The polygon of each row, in the order of ROWS, before any turn."""
    packed = files("satcat.tiles").joinpath("wrs2_row_templates.json.gz").read_bytes()
    rings = json.loads(gzip.decompress(packed))
    return np.array([shapely.Polygon(rings[str(row)]) for row in ROWS])


def _numbers(tile_ids: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The path of each tile, and its row as a place in ROWS."""
    numbers = np.array(tile_ids, dtype=np.int64)
    return numbers // 1000, np.searchsorted(ROWS, numbers % 1000)
