"""Footprints: reading WKT and GeoJSON of the source, boxes, stored and searched forms, areas.

Longitude and latitude in degrees, WGS 84, x = longitude, edges straight in lon/lat. Whatever is
read comes out in the normal form of `satcat.globe`; functions that take a geometry expect it in
that form. Every function that reads raises FootprintError, and nothing else, for what is no usable
geometry.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import lru_cache
from threading import get_ident
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from satcat.errors import FootprintError
from satcat.globe import DECIMALS, MAX_MENDED, Array, are_normal, collected, densified, normal
from satcat.terminal import short

#: West, south, east, north. `west > east` where the box crosses 180°.
Box: TypeAlias = tuple[float, float, float, float]

_MAX_TEXT = 4_000_000
_KINDS = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
# One keyword and then numbers: no NaN, and no nested collections, which overrun the stack of GEOS's
# reader.
_WKT = re.compile(
    r"(?:SRID=(\d{1,9});\s*)?"
    r"((?:MULTI)?(?:POINT|LINESTRING|POLYGON)(?:\s+(?:ZM|Z|M))?\s*\([-+.\dE,()\s]*\))",
    re.IGNORECASE | re.ASCII,
)
_ODATA = re.compile(r"geography'(.*)'", re.IGNORECASE | re.DOTALL)

# In decimals, up to the smallest double; GEOS prints only as many as it takes to read the same.
_EVERY_DIGIT = 400
# WGS 84
_SEMI_MAJOR_KM = 6378.137
_ECCENTRICITY = math.sqrt(0.0066943799901413165)


class Footprint(NamedTuple):
    """A normalised geometry as the tables hold it: little-endian 2-D WKB and box."""

    wkb: bytes
    west: float
    south: float
    east: float
    north: float


def from_odata(text: str | None, geojson: object | None = None) -> Footprint | None:
    """Read a product's `Footprint` text, or without one its `GeoFootprint`; None without both.

    The text is `geography'SRID=4326;POLYGON ((lon lat, ...))'` or bare (E)WKT. A ring that jumps by
    more than 180° of longitude is taken to cross 180°, for so are recorded Sentinel-1 footprints
    written. Lines and points stay such.
    """
    if text is None or text == "":
        return None if geojson is None else of(normal(_read_geojson(geojson), MAX_MENDED))
    if not isinstance(text, str):
        raise FootprintError(f"a footprint is text, not {type(text).__name__}")
    wrapped = _ODATA.fullmatch(text)
    return of(normal(_read_wkt(wrapped[1] if wrapped else text), MAX_MENDED))


def from_odata_page(
    said: Sequence[tuple[object, object]],
) -> list[Footprint | FootprintError | None]:
    """As `from_odata`, of many products at once, which is quicker; errors are given, not raised."""
    texts = np.array([_bare_wkt(text) for text, _ in said], object)
    with np.errstate(all="ignore"):
        geometries = shapely.from_wkt(texts, on_invalid="ignore")
        plain = np.flatnonzero(are_normal(geometries))
    ready = dict(zip(plain.tolist(), _stored(geometries[plain]), strict=True))
    return [ready[n] if n in ready else _from_odata(*both) for n, both in enumerate(said)]


def _bare_wkt(text: object) -> str | None:
    """The WKT of what a source mostly writes; None for anything else."""
    wrapped = _ODATA.fullmatch(text) if isinstance(text, str) and len(text) < _MAX_TEXT else None
    match = wrapped and _WKT.fullmatch(wrapped[1])
    return match[2] if match and match[1] in (None, "4326") else None


def _stored(geometries: Any) -> list[Footprint]:
    """The stored forms of geometries that do not reach from -180° to 180°."""
    wkb = shapely.to_wkb(geometries, output_dimension=2, byte_order=1, include_srid=False)
    boxes = shapely.bounds(geometries).tolist()
    return [Footprint(each, *box) for each, box in zip(wkb.tolist(), boxes, strict=True)]


def _from_odata(text: object, geojson: object) -> Footprint | FootprintError | None:
    try:
        return from_odata(text, geojson)  # type: ignore[arg-type]
    except FootprintError as error:
        return error


def of(geometry: BaseGeometry) -> Footprint:
    """The stored form of a geometry that is in normal form."""
    return Footprint(to_wkb(geometry), *box(geometry))


def from_bbox(west: float, south: float, east: float, north: float) -> BaseGeometry:
    """The polygon of a box in degrees; `west > east` crosses 180°."""
    named = f"the box {west:g},{south:g},{east:g},{north:g}"
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise FootprintError(f"{named} leaves ±180° of longitude: to cross 180°, give west > east")
    if not (-90 <= south <= 90 and -90 <= north <= 90):
        raise FootprintError(f"{named} leaves ±90° of latitude: the order is west,south,east,north")
    if south >= north:
        raise FootprintError(
            f"{named} has its south not below its north: the order is west,south,east,north"
        )
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    pieces = [shapely.box(w, south, e, north) for w, e in spans if w < e]
    if not pieces:
        raise FootprintError(f"{named} has no width: give two longitudes")
    return collected([densified(piece) for piece in pieces])


def from_point(lon: float, lat: float) -> BaseGeometry:
    """The point at a longitude and latitude in degrees."""
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise FootprintError(
            f"the point {lon:g},{lat:g} is not on the globe: longitude comes first"
        )
    return shapely.Point(lon, lat)


def box(geometry: BaseGeometry) -> Box:
    """The box of a geometry in normal form; across 180° it leaves out the widest empty stretch."""
    west, south, east, north = geometry.bounds
    if west > -180 or east < 180:
        return west, south, east, north
    spans = sorted(part.bounds[::2] for part in shapely.get_parts(geometry))
    reached, gap = spans[0][1], (0.0, east, west)
    for start, end in spans[1:]:
        gap = max(gap, (start - reached, reached, start))
        reached = max(reached, end)
    if gap[0] <= 0:
        return west, south, east, north
    return gap[2], south, gap[1], north


def boxes(geometry: BaseGeometry) -> list[Box]:
    """Boxes that hold the geometry, none with `west > east`: two where it crosses 180°."""
    west, south, east, north = box(geometry)
    if west <= east:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east, north)]


def to_wkb(geometry: BaseGeometry) -> bytes:
    """Little-endian 2-D WKB, without an SRID."""
    return shapely.to_wkb(geometry, output_dimension=2, byte_order=1, include_srid=False)


def to_wkt(wkb: bytes) -> str:
    """The WKT of a stored footprint, every digit kept."""
    return str(shapely.to_wkt(load(wkb), rounding_precision=_EVERY_DIGIT))


def to_geojson(wkb: bytes) -> dict[str, Any]:
    """The GeoJSON geometry of a stored footprint; outer rings run counter-clockwise, as RFC 7946 wants."""
    return dict(mapping(shapely.orient_polygons(load(wkb))))


def from_wkt(text: str) -> BaseGeometry:
    """The geometry of WKT that is in normal form."""
    return shapely.from_wkt(text)


def load(wkb: bytes) -> BaseGeometry:
    """The geometry of a stored footprint."""
    try:
        return shapely.from_wkb(wkb)
    except (shapely.GEOSException, TypeError, ValueError) as error:
        raise FootprintError(f"the stored footprint is damaged: {_reason(error)}") from None


def load_all(stored: Sequence[bytes]) -> Any:
    """The geometries of stored footprints, as an array."""
    try:
        return np.asarray(shapely.from_wkb(list(stored)), dtype=object)
    except (shapely.GEOSException, TypeError, ValueError) as error:
        raise FootprintError(f"a stored footprint is damaged: {_reason(error)}") from None


def usable(stored: Sequence[bytes]) -> Any:
    """As `load_all`, ready to be cut and joined: other programs may have stored such as cross themselves."""
    found = load_all(stored)
    bad = np.flatnonzero(~shapely.is_valid(found))
    found[bad] = [_made_usable(shape) for shape in found[bad]]
    return found


def _made_usable(shape: BaseGeometry) -> BaseGeometry:
    if not np.isfinite(shapely.get_coordinates(shape)).all():
        return shapely.Polygon()
    return shapely.make_valid(shape, method="structure")


def intersects(wkb: bytes | None, area_wkb: bytes) -> bool:
    """Tell whether a stored footprint and an area share a point; an unknown one (None) does not."""
    return wkb is not None and bool(shapely.intersects(_prepared(area_wkb, get_ident()), load(wkb)))


@lru_cache(maxsize=32)
def _prepared(area_wkb: bytes, _thread: int) -> BaseGeometry:
    """An area made ready for many tests; one per thread, as GEOS builds its index unlocked."""
    area = load(area_wkb)
    shapely.prepare(area)
    return area


def odata_literals(geometry: BaseGeometry) -> list[str]:
    """The parts of a geometry for OData's Intersects: `POLYGON((lon lat,...))` or `POINT(lon lat)`.

    Only these two are documented upstream, so a geometry of several parts gives several. Outer
    rings run counter-clockwise; coordinates have up to 9 decimals (0.1 mm).
    """
    literals = []
    for part in shapely.get_parts(geometry):
        if part.geom_type == "Point":
            literals.append(f"POINT({_pairs(part)})")
        elif part.geom_type == "Polygon":
            oriented = shapely.orient_polygons(part)
            rings = ",".join(f"({_pairs(ring)})" for ring in shapely.get_rings(oriented))
            literals.append(f"POLYGON({rings})")
        else:
            raise FootprintError(
                f"a {part.geom_type} cannot be searched for: give a polygon or a point"
            )
    return literals


def area_km2(geometry: BaseGeometry) -> float:
    """The area on the ellipsoid in km²; edges are straight in lon/lat."""
    return float(shapely.area(equal_area(geometry)))


def equal_area(geometry: Any) -> Any:
    """Geometries (one, or an array) in a cylindrical equal-area projection of the ellipsoid, in km.

    Edges, straight in lon/lat, are followed in pieces of at most 0.05°: areas of a square degree
    and more are right to 50 ppm up to 80° of latitude.
    Snyder, "Map Projections: A Working Manual" (1987), equations 10-14 and 10-15 with 3-12.
    """
    return shapely.transform(shapely.segmentize(geometry, 0.05), _to_equal_area)


def _to_equal_area(lonlat: Array) -> Array:
    sine = np.sin(np.radians(lonlat[:, 1]))
    product = _ECCENTRICITY * sine
    q = (1 - _ECCENTRICITY**2) * (sine / (1 - product**2) + np.arctanh(product) / _ECCENTRICITY)
    return _SEMI_MAJOR_KM * np.column_stack([np.radians(lonlat[:, 0]), q / 2])


def _read_wkt(text: str) -> BaseGeometry:
    text = text.strip()
    match = _WKT.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise FootprintError(f"{short(text)} is no WKT of a point, line or polygon")
    if match[1] not in (None, "4326"):
        raise FootprintError(
            f"{short(text)} is in SRID {match[1]}: give longitude and latitude, SRID 4326"
        )
    try:
        with np.errstate(all="ignore"):  # 1e999 warns; the infinity it becomes is refused later
            return shapely.from_wkt(match[2])
    except (shapely.GEOSException, ValueError) as error:
        raise FootprintError(f"{short(text)} is no WKT: {_reason(error)}") from None


def _read_geojson(value: object) -> BaseGeometry:
    held = value if isinstance(value, dict) else {}
    kind = held.get("type")
    if not (isinstance(kind, str) and kind in _KINDS):
        named = short(kind) if isinstance(kind, str) else type(kind).__name__
        raise FootprintError(f"{named} is no type of a GeoJSON point, line or polygon")
    try:
        text = json.dumps({"type": kind, "coordinates": held.get("coordinates")}, allow_nan=False)
        if len(text) > _MAX_TEXT:
            raise FootprintError(f"a GeoJSON {kind} of {len(text)} characters is too long")
        return shapely.from_geojson(text)
    except (shapely.GEOSException, TypeError, ValueError, RecursionError) as error:
        raise FootprintError(f"a GeoJSON {kind} cannot be read: {_reason(error)}") from None


def _pairs(geometry: BaseGeometry) -> str:
    return ",".join(
        f"{_decimal(lon)} {_decimal(lat)}"
        for lon, lat in shapely.get_coordinates(geometry).tolist()
    )


def _decimal(value: float) -> str:
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _reason(error: Exception) -> str:
    """The reader's complaint in one line, less the name of the exception in GEOS."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\w+Exception: ", "", line)[:100]
