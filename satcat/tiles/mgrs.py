"""The Sentinel-2 tiles: 56,686 squares of 109.8 km, named after the 100 km squares of the MGRS.

Which names exist is data (see README.md beside this file); where a tile lies follows from its name:

- `30TWM` is UTM zone 30, latitude band T, column W, row M. Columns run A-H, J-R, S-Z in turn from
  zone to zone; rows run A-V and start over every 2,000 km, five letters on in even zones. The band
  tells which 2,000 km are meant.
- The tile's upper-left corner is that of its square, easting rounded down to 60 m, northing up. In
  the south EPSG:327ZZ adds 10,000 km to northings; the north is EPSG:326ZZ.

Checked against ESA's tiling table (V20150622): the upper-left corners of all tiles are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely

from satcat import footprints
from satcat.tiles import utm

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Geometries: TypeAlias = npt.NDArray[np.object_]

#: The side of a tile in metres.
SIDE = 109_800.0
#: Points on each side of a ring that follows the true sides within a metre or so below 80°.
FINE = 20

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"  # neither I nor O, which look like digits
_ROWS = 20  # letters until the rows start over


class Corners(NamedTuple):
    """UTM zones and upper-left corners, in metres; northings count from the equator."""

    zone: Integers
    easting: Array
    northing: Array


def corners(tile_ids: Sequence[str]) -> Corners:
    """Where these known tiles lie."""
    codes = np.array(tile_ids, dtype="U5").view(np.uint32).reshape(-1, 5).astype(np.int64)
    zone = 10 * (codes[:, 0] - ord("0")) + codes[:, 1] - ord("0")
    places = np.zeros(128, dtype=np.int64)
    places[[ord(letter) for letter in _LETTERS]] = range(len(_LETTERS))
    band, column, row = places[codes[:, 2:]].T
    column = column - 8 * ((zone - 1) % 3) + 1
    row = (row - 5 * (zone % 2 == 0)) % _ROWS
    # Of all squares with this row letter, the one whose middle is nearest to the band's.
    row = row + _ROWS * np.round((_band_middles()[band - 2] - row - 0.5) / _ROWS)
    return Corners(
        zone=zone,
        easting=np.floor(column * 100_000 / 60) * 60,
        northing=np.ceil((row + 1) * 100_000 / 60) * 60,
    )


@cache
def _band_middles() -> Array:
    """The northing from the equator of the middle of each band, C to X, in units of 100 km."""
    middles = np.arange(-76.0, 80, 8)
    middles[-1] = 78  # X reaches from 72° to 84°
    _, northing = utm.project(np.zeros_like(middles), middles)
    return northing / 100_000


def polygons(tile_ids: Sequence[str], points_per_side: int = 1) -> Geometries:
    """The polygon of each of these known tiles, counter-clockwise from the upper-left corner.

    Longitudes run on beyond ±180° where a tile crosses that.
    """
    where = corners(tile_ids)
    distinct, which = _distinct(where)
    rings = _rings(distinct, points_per_side)[which]
    rings[:, :, 0] += 6 * where.zone[:, np.newaxis] - 183
    return np.asarray(shapely.polygons(rings))


def areas(tile_ids: Sequence[str]) -> Array:
    """The area of each of these known tiles in km², of its true sides."""
    distinct, which = _distinct(corners(tile_ids))
    return np.asarray(
        shapely.area(footprints.equal_area(shapely.polygons(_rings(distinct, FINE))))
    )[which]


def _distinct(where: Corners) -> tuple[Array, Integers]:
    """The distinct corners (easting, northing), and which of them each tile has: zones are alike.

    So the long series runs for 1,500 squares in place of 56,686.
    """
    pairs = np.column_stack([where.easting, where.northing])
    distinct, which = np.unique(pairs, axis=0, return_inverse=True)
    return distinct, which.reshape(-1)


def _rings(upper_left: Array, points_per_side: int) -> Array:
    """Closed rings (tile, vertex, lon/lat) of squares; longitudes from the central meridian."""
    steps = SIDE * np.arange(points_per_side) / points_per_side
    start, end = np.zeros_like(steps), np.full_like(steps, SIDE)
    east = np.concatenate([start, steps, end, SIDE - steps, [0]])
    south = np.concatenate([steps, end, SIDE - steps, start, [0]])
    lon, lat = utm.unproject(upper_left[:, :1] + east, upper_left[:, 1:] - south)
    return np.stack([lon, lat], axis=-1)
