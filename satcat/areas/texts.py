"""Areas as text: WKT and EWKT, one or several; GeoJSON, whatever it is nested in; KML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from satcat.areas import kml
from satcat.areas.words import note_closed, reason, refuse_other_than_wgs84
from satcat.errors import FootprintError
from satcat.terminal import short

_KINDS = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
_RING_DEPTH = {"Polygon": 1, "MultiPolygon": 2}

# Numbers in up to three levels of parentheses: no NaN, and no nesting that overruns the stack of GEOS's reader.
_NUMBERS = r"[-+.\dEMPTY,\s]*+"
_BODY = rf"\({_NUMBERS}(?:\({_NUMBERS}(?:\({_NUMBERS}\){_NUMBERS})*+\){_NUMBERS})*+\)"
_DIMENSIONS = r"(?:\s*(?:ZM|Z|M)\b)?"
_STARTS_AS_WKT = re.compile(
    r"\s*(?:SRID\s*=|(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE)\s*(?:\(|ZM?\b|M\b|EMPTY)"
    r"|GEOMETRYCOLLECTION\b|(?:CURVEPOLYGON|CIRCULARSTRING|COMPOUNDCURVE)\b)",
    re.IGNORECASE,
)
_PIECE = re.compile(
    rf"SRID\s*=\s*(?P<srid>\d{{1,9}})\s*;|(?P<gathers>GEOMETRYCOLLECTION{_DIMENSIONS}\s*(?:\(|EMPTY))|[,;)]"
    rf"|(?P<geometry>(?:MULTI)?(?:POINT|LINESTRING|POLYGON){_DIMENSIONS}\s*(?:{_BODY}|EMPTY))",
    re.IGNORECASE | re.ASCII,
)
_SPACE = re.compile(r"\s*")


def is_one(text: str) -> bool:
    """Tell whether a text is meant as a geometry, not as the name of a file."""
    return text.startswith(("{", "[", "<")) or _STARTS_AS_WKT.match(text) is not None


def read(text: str, notes: list[str]) -> list[BaseGeometry]:
    """The geometries of a text, as they are written but for rings left open."""
    text = text.strip()
    if text.startswith("<"):
        return from_geojson(kml.geometries(text.encode()), notes)
    if text.startswith(("{", "[")):
        return from_geojson(_geojson(text), notes)
    return list(_wkt(text, notes))


# WKT


def _wkt(text: str, notes: list[str]) -> Iterator[BaseGeometry]:
    if text.count("(") != text.count(")"):
        raise FootprintError(f"{short(text)} is no WKT: its parentheses do not match")
    at, closed = _space(text, 0), 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise FootprintError(_complaint(text, at))
        if piece["srid"]:
            refuse_other_than_wgs84(f"SRID {piece['srid']}", int(piece["srid"]))
        if piece["geometry"]:
            geometry, was_open = _parsed(piece["geometry"])
            closed += was_open
            yield geometry
        at = _space(text, piece.end())
    note_closed(closed, notes)


def _parsed(wkt: str) -> tuple[BaseGeometry, bool]:
    """One geometry, and whether a ring of it had to be closed."""
    try:
        with np.errstate(all="ignore"):  # 1e999 warns; the infinity it becomes is refused later
            try:
                return shapely.from_wkt(wkt), False
            except shapely.GEOSException:
                fixed = shapely.from_wkt(wkt, on_invalid="fix")
                if fixed is None:
                    raise
                return fixed, True
    except (shapely.GEOSException, ValueError) as error:
        raise FootprintError(f"{short(wkt)} is no WKT: {reason(error)}") from None


def _complaint(text: str, at: int) -> str:
    word = re.match(r"[A-Za-z]+", text[at:])
    if word and word[0].upper().startswith(("CURVE", "CIRCULAR", "COMPOUND", "MULTICURVE")):
        return f"{short(text)}: curves are not known here: give straight edges"
    return f"{short(text)} is no WKT of points, lines or polygons: it stops to be at {short(text[at:], 20)}"


def _space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


# GeoJSON


def _geojson(text: str) -> Iterator[object]:
    """The geometries of a GeoJSON text, in order, however nested."""
    try:
        waiting = [json.loads(text)]
    except (ValueError, RecursionError) as error:
        raise FootprintError(f"{short(text)} is no JSON: {reason(error)}") from None
    while waiting:
        value = waiting.pop()
        held = value if isinstance(value, dict) else {}
        _check_crs(held.get("crs"))
        if isinstance(value, list):  # as tools gather features
            waiting.extend(reversed(value))
        elif held.get("type") == "Feature":
            waiting.append(held.get("geometry"))
        elif held.get("type") in ("FeatureCollection", "GeometryCollection"):
            inner = held.get("features", held.get("geometries"))
            waiting.extend(reversed(inner) if isinstance(inner, list) else [])
        elif value is not None:  # a Feature may have no geometry
            yield value


def from_geojson(values: Iterable[object], notes: list[str]) -> list[BaseGeometry]:
    """The geometries of GeoJSON objects that are no collections."""
    found = [_from_geojson(value) for value in values]
    note_closed(sum(closed for _, closed in found), notes)
    return [geometry for geometry, _ in found]


def _from_geojson(value: object) -> tuple[BaseGeometry, int]:
    """A geometry, and how many of its rings had to be closed."""
    held = value if isinstance(value, dict) else {}
    kind = held.get("type")
    if not (isinstance(kind, str) and kind in _KINDS):
        named = short(kind) if isinstance(kind, str) else type(kind).__name__
        raise FootprintError(f"{named} is no type of a GeoJSON point, line or polygon")
    coordinates = held.get("coordinates")
    try:
        closed = sum(_close(ring) for ring in _rings(coordinates, _RING_DEPTH.get(kind, 0)))
        plain = json.dumps({"type": kind, "coordinates": coordinates}, allow_nan=False)
        return shapely.from_geojson(plain), closed
    except (shapely.GEOSException, TypeError, ValueError, RecursionError) as error:
        raise FootprintError(f"a GeoJSON {kind} cannot be read: {reason(error)}") from None


def _rings(coordinates: Any, depth: int) -> Iterator[list[Any]]:
    if depth and isinstance(coordinates, list):
        for inner in coordinates:
            if depth > 1:
                yield from _rings(inner, depth - 1)
            elif isinstance(inner, list):
                yield inner


def _close(ring: list[Any]) -> bool:
    """Close a ring that ends elsewhere than it starts; tells whether it did."""
    if len(ring) < 3 or ring[0] == ring[-1]:
        return False
    ring.append(ring[0])
    return True


def _check_crs(crs: Any) -> None:
    """Refuse the `crs` member of old GeoJSON if it names anything but lon/lat on WGS 84."""
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if isinstance(name, str):
        code = re.search(r"(\d+)\s*$", name) if "CRS84" not in name.upper() else None
        known = 4326 if "CRS84" in name.upper() else int(code[1][:9]) if code else None
        refuse_other_than_wgs84(short(name), known)
