"""One normal form for geometry on the globe: lon/lat degrees, WGS 84, edges straight in lon/lat.

Normal is: two-dimensional, valid, within ±180° and ±90°, cut at 180° where it crosses (RFC 7946,
section 3.1.9), closed along ±90° where it goes round a pole, and no edge over more than 180° of
longitude. A geometry in normal form passes unchanged, so that normalising is idempotent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import MultiLineString, MultiPoint, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from satcat.errors import FootprintError

Array: TypeAlias = npt.NDArray[np.float64]

#: Dimensions, as `shapely.get_dimensions` gives them.
POINT, LINE, POLYGON = 0, 1, 2

#: Decimals of a degree that a source is asked with; 9 are a tenth of a millimetre.
DECIMALS = 9

MAX_VERTICES = 100_000
#: What a hostile product may cost: mending grows with the square of what crosses, 600 random
#: vertices take 0.8 s. Recorded footprints have up to 580.
MAX_MENDED = 600


def normal(geometry: BaseGeometry, mendable: int, vertices: int = MAX_VERTICES) -> BaseGeometry:
    """The normal form; a step over more than 180° of longitude is read as crossing 180°.

    Raises:
        FootprintError: not on the globe, of more than `vertices`, winding round it more than once,
            or crossing itself with more than `mendable` vertices.
    """
    coordinates = shapely.get_coordinates(geometry)
    if not 0 < len(coordinates) <= vertices:
        raise FootprintError(f"a geometry of {len(coordinates)} vertices: give 1 to {vertices}")
    (west, south), (east, north) = (
        coordinates.min(axis=0).tolist(),
        coordinates.max(axis=0).tolist(),
    )
    if not (south >= -90 and north <= 90):  # so that NaN fails too
        raise FootprintError(f"latitude {south:g} to {north:g} leaves ±90: longitude comes first")
    if not (west >= -360 and east <= 360):
        raise FootprintError(f"longitude {west:g} to {east:g} leaves ±360")
    if geometry.has_z:
        geometry = shapely.force_2d(geometry)
    crosses = west < -180 or east > 180 or (east - west > 180 and any(map(_leaps, paths(geometry))))
    if not crosses and shapely.is_valid(geometry):
        return geometry
    parts = shapely.get_parts(geometry)
    try:
        pieces = [piece for part in parts for piece in _pieces(part, mendable)]
        return collected(pieces, mendable)
    except shapely.GEOSException as error:  # no input is known to do this
        raise FootprintError(f"a geometry that GEOS cannot cut: {error}") from None


def are_normal(geometries: Any) -> npt.NDArray[np.bool_]:
    """Tell, of many geometries at once, which are seen at a glance to be in normal form, and on one side of 180°.

    Of the others (None too) nothing is said.
    """
    west, south, east, north = shapely.bounds(geometries).T
    inside = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)  # False for NaN
    small = (east - west <= 180) & (shapely.get_num_coordinates(geometries) <= MAX_VERTICES)
    flat = ~shapely.has_z(geometries)
    found: npt.NDArray[np.bool_] = inside & small & flat & shapely.is_valid(geometries)
    return found


def paths(geometry: BaseGeometry) -> list[Array]:
    """The coordinates of each ring, line or point."""
    parts = shapely.get_parts(geometry)
    if shapely.get_dimensions(geometry) == POLYGON:
        parts = shapely.get_rings(parts)
    return [shapely.get_coordinates(part) for part in parts]


def densified(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry with vertices on its wide edges, so that these can be read in one way only."""
    return shapely.segmentize(geometry, 120)


def turns(ring: Array) -> int:
    """How often a ring goes round the globe, eastward counted positive."""
    if _runs_round(ring):
        return 0
    lon = _unrolled(ring[:, 0])
    return round(float(lon[-1] - lon[0]) / 360)


def cut(geometry: BaseGeometry) -> list[BaseGeometry]:
    """The pieces, each moved to within ±180°, of a geometry that may run on beyond."""
    west, _, east, _ = geometry.bounds
    if not (west < -180 or east > 180):
        return [geometry]
    first, last = math.floor((west + 180) / 360), math.ceil((east + 180) / 360)
    pieces = []
    for turn in range(first, max(first + 1, last)):
        offset = 360.0 * turn
        piece = shapely.intersection(geometry, shapely.box(offset - 180, -90, offset + 180, 90))
        pieces.append(_moved(piece, -offset))
    return pieces


def collected(pieces: Sequence[BaseGeometry], mendable: int = MAX_VERTICES) -> BaseGeometry:
    """One geometry of the parts that have the highest dimension; overlaps are merged."""
    parts = shapely.get_parts(pieces)
    parts = parts[~shapely.is_empty(parts)]
    if not len(parts):
        raise FootprintError("a geometry that holds nothing")
    dimensions = shapely.get_dimensions(parts)
    highest = int(dimensions.max())
    kept = parts[dimensions == highest].tolist()
    if len(kept) == 1:
        return kept[0]  # type: ignore[no-any-return]
    return _mended((MultiPoint, MultiLineString, MultiPolygon)[highest](kept), mendable)


def _leaps(path: Array) -> bool:
    """Tell whether an edge spans more than 180° of longitude."""
    return bool((np.abs(np.diff(path[:, 0])) > 180).any())


def _pieces(part: BaseGeometry, mendable: int) -> list[BaseGeometry]:
    """A point, line or polygon within ±180°, in as many pieces as that takes."""
    if shapely.get_dimensions(part) == POLYGON:
        shell, *holes = (_inside(ring, mendable) for ring in paths(part))
        return [shapely.difference(shell, shapely.union_all(holes))] if holes else [shell]
    path = shapely.get_coordinates(part)
    if shapely.get_dimensions(part) == POINT:
        return [_moved(part, -360.0 * math.copysign(abs(path[0, 0]) > 180, path[0, 0]))]
    path[:, 0] = _unrolled(path[:, 0])
    line = shapely.LineString(path)
    if len(path) > mendable and not line.is_simple:  # cutting it adds a vertex at each crossing
        raise FootprintError(
            f"a line that crosses itself has over {mendable} vertices: simplify it"
        )
    return cut(shapely.make_valid(line))


def _inside(ring: Array, mendable: int) -> BaseGeometry:
    """What a ring holds, within ±180°."""
    polygon = densified(Polygon(ring)) if _runs_round(ring) else _closed(ring)
    return collected(cut(_mended(polygon, mendable)), mendable)


def _closed(ring: Array) -> BaseGeometry:
    """The ring with longitudes that run on across 180°, closed along a pole if it goes round it."""
    lon = _unrolled(ring[:, 0])
    turns = round((lon[-1] - lon[0]) / 360)
    if abs(turns) > 1 or np.ptp(lon) > 720:
        raise FootprintError("a ring winds round the globe more than once")
    path = np.column_stack([lon, ring[:, 1]])
    if turns:
        pole = math.copysign(90, ring[:, 1].mean())
        path = np.vstack([path, [(lon[-1] - turns * step, pole) for step in range(0, 361, 90)]])
    return Polygon(path)


def _runs_round(ring: Array) -> bool:
    """Tell whether wide edges are meant as written: from one end of the map to the other.

    So does a box of the world, or a polar cap already closed along its pole. Global rasters may end
    one cell short.
    """
    steps = np.abs(np.diff(ring[:, 0]))
    wide = steps[steps > 180]
    if not wide.size or not Polygon(ring).is_valid:
        return False
    return bool((wide == 360).all() or (wide.min() > 359.9 and np.ptp(ring[:, 1]) > 90))


def _unrolled(lon: Array) -> Array:
    """Longitudes that run on across 180°, each step the short way."""
    steps = np.diff(lon)
    turns = np.where(np.abs(steps) > 180, -np.round(steps / 360), 0)
    unrolled: Array = lon + 360 * np.concatenate([[0], np.cumsum(turns)])
    return unrolled


def _mended(geometry: BaseGeometry, mendable: int) -> BaseGeometry:
    """The geometry if valid, else one that covers all its rings go round, overlaps included."""
    if geometry.is_valid:
        return geometry
    if shapely.get_num_coordinates(geometry) > mendable:
        raise FootprintError(
            f"a ring that crosses itself has over {mendable} vertices: simplify it"
        )
    return shapely.make_valid(geometry, method="structure", keep_collapsed=True)


def _moved(geometry: BaseGeometry, by: float) -> BaseGeometry:
    """The geometry moved east by degrees."""
    return shapely.transform(geometry, lambda lonlat: np.add(lonlat, (by, 0.0)))
