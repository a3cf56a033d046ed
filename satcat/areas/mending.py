"""From geometries as they are written to one area in normal form: what is mended is noted, what is unclear refused."""

from __future__ import annotations

import math

import numpy as np
import shapely
from shapely.geometry import MultiLineString, MultiPoint, MultiPolygon
from shapely.geometry.base import BaseGeometry

from satcat.errors import FootprintError
from satcat.globe import DECIMALS, POLYGON, densified, normal, paths, turns

MAX_VERTICES = 1_000_000

_GATHERED = (MultiPoint, MultiLineString, MultiPolygon)  # by dimension


def area(members: list[BaseGeometry], notes: list[str]) -> BaseGeometry:
    """The union of the members, in normal form.

    Raises:
        FootprintError: nothing in it, not on the globe, no telling which way round the globe, points beside polygons.
    """
    parts = _parts(members, notes)
    for part in parts:
        _refuse_off_globe(part)
        _refuse_ambiguous(part)
    _note_invalid(parts, notes)
    _note_wrapped(parts, notes)
    shapes = [normal(part, MAX_VERTICES, MAX_VERTICES) for part in parts]
    flat = [
        shapely.get_dimensions(part) == POLYGON > shapely.get_dimensions(shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
    if all(flat):
        raise FootprintError("this is a polygon without area")
    if any(flat):
        notes.append(f"{sum(flat):,} of its polygons have no area: left out")
    return _snapped(_union([shape for shape, out in zip(shapes, flat, strict=True) if not out]))


def _parts(members: list[BaseGeometry], notes: list[str]) -> list[BaseGeometry]:
    """The members less what is empty in them."""
    vertices = int(shapely.get_num_coordinates(members).sum()) if members else 0
    if vertices > MAX_VERTICES:
        raise FootprintError(f"{vertices:,} vertices are too many: simplify it to {MAX_VERTICES:,}")
    kept: list[BaseGeometry] = []
    empty = 0
    for member in members:
        parts = shapely.get_parts(member)
        full = parts[~shapely.is_empty(parts)]
        empty += len(parts) - len(full) or int(not len(parts))
        if 0 < len(full) < len(parts):
            kept.append(_GATHERED[shapely.get_dimensions(member)](full.tolist()))
        elif len(full):
            kept.append(member)
    if not kept:
        raise FootprintError("there is no geometry in it")
    if empty:
        notes.append(
            "an empty part was left out" if empty == 1 else f"{empty:,} empty parts were left out"
        )
    return kept


def _union(shapes: list[BaseGeometry]) -> BaseGeometry:
    united = shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)
    if united.geom_type == "GeometryCollection":
        raise FootprintError("it mixes polygons, lines or points: give one kind")
    return united


def _refuse_off_globe(geometry: BaseGeometry) -> None:
    """Refuse what is no place in degrees, with a hint where longitude and latitude look swapped."""
    lonlat = shapely.get_coordinates(geometry)
    if not np.isfinite(lonlat).all():
        raise FootprintError("a coordinate is no finite number")
    lon, lat = (float(each[np.abs(each).argmax()]) for each in lonlat.T)
    if abs(lat) > 90 and abs(lon) <= 90 and abs(lat) <= 180:
        raise FootprintError(f"latitude {lat:g} leaves ±90: this looks like lat,lon: swap them")
    if abs(lat) > 90 or abs(lon) > 360:
        raise FootprintError(
            f"the place {lon:g},{lat:g} is not on the globe: longitude comes first, in degrees on WGS 84"
        )


def _refuse_ambiguous(geometry: BaseGeometry) -> None:
    """Refuse edges and outlines that one reads so and another otherwise."""
    is_polygon = shapely.get_dimensions(geometry) == POLYGON
    for path in paths(geometry):
        if not len(path):
            raise FootprintError("a ring in it has no points")
        steps = np.abs(np.diff(path[:, 0]))
        wide = np.flatnonzero((steps > 180) & (steps < 360))
        if wide.size:
            start, end = path[wide[0], 0], path[wide[0] + 1, 0]
            beyond = end + math.copysign(360, start)
            raise FootprintError(
                f"the edge from longitude {start:g} to {end:g} may run either way round: "
                f"write {beyond:g} to cross 180°, or add a vertex in between"
            )
        south, north = path[:, 1].min(), path[:, 1].max()
        if is_polygon and south < 0 < north and turns(path):
            raise FootprintError(
                "the outline goes round the globe on both sides of the equator: "
                "no telling which pole is inside; close it along that pole"
            )


def _goes_round(geometry: BaseGeometry) -> bool:
    """Tell whether a ring goes round a pole."""
    return shapely.get_dimensions(geometry) == POLYGON and any(map(turns, paths(geometry)))


def _note_invalid(parts: list[BaseGeometry], notes: list[str]) -> None:
    wrong = [p for p in parts if not shapely.is_valid(p) and not _goes_round(p)]
    if wrong:
        why = str(shapely.is_valid_reason(wrong[0])).replace("[", " near ").replace("]", "").lower()
        more = f", and {len(wrong) - 1:,} more geometries" if len(wrong) > 1 else ""
        notes.append(f"mended what is not valid: {why}{more}; all that the rings go round is meant")


def _note_wrapped(parts: list[BaseGeometry], notes: list[str]) -> None:
    for west, _, east, _ in shapely.bounds(parts).tolist():
        if west > 180 or east < -180:
            meant = (west + 180) % 360 - 180
            notes.append(f"longitudes are taken round the globe: {west:g} for {meant:g}")
            break


def _snapped(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry on the grid of coordinates that a source is asked with, so that it means the same here and there."""
    rounded = shapely.transform(geometry, lambda lonlat: np.round(lonlat, DECIMALS) + 0.0)
    if rounded.is_valid:
        return rounded
    snapped = shapely.set_precision(geometry, 10.0**-DECIMALS)
    if snapped.is_empty:
        raise FootprintError("there is no area in it that could be told from a point")
    return densified(snapped)
