"""Esri shapefiles, read by pyshp, the extra `[shapefile]`: the outlines alone, without attributes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

from satcat.areas.words import CONVERT, reason
from satcat.errors import FootprintError

#: How a .shp file begins.
MAGIC = b"\0\0\x27\x0a"
_HEADER = 100  # bytes
_WGS84_NAMES = re.compile(
    r'GEOGCS\["(GCS_WGS_1984|WGS[ _]?(19)?84|World Geodetic System 1984)"', re.IGNORECASE
)


def geometries(shp: bytes, prj: str | None, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Yield each geometry as GeoJSON has it; `prj` is the text of the .prj file."""
    _check_projection(prj, notes)
    try:
        import shapefile
    except ImportError:
        raise FootprintError(
            "shapefiles need pyshp: pip install 'satcat-mirror[shapefile]'; or give a GeoPackage"
        ) from None
    if len(shp) < _HEADER or len(shp) != 2 * int.from_bytes(shp[24:28]):  # it counts in words
        raise FootprintError(
            "this shapefile is cut or damaged: its size is not what its header says"
        )
    shapefile.VERBOSE = False  # it would warn of what is mended here
    try:
        with shapefile.Reader(shp=io.BytesIO(shp)) as reader:
            for shape in reader.iterShapes():
                if shape.shapeType != shapefile.NULL:
                    found = shape.__geo_interface__
                    yield {"type": found["type"], "coordinates": _flat(found["coordinates"])}
    except Exception as error:  # noqa: BLE001 - pyshp raises whatever damage leads to
        raise FootprintError(f"this shapefile cannot be read: {reason(error)}") from None


def _flat(coordinates: Any) -> Any:
    """The same places without height and measure."""
    if coordinates and isinstance(coordinates[0], (int, float)):
        return list(coordinates[:2])
    return [_flat(inner) for inner in coordinates]


def _check_projection(prj: str | None, notes: list[str]) -> None:
    if prj is None:
        notes.append(
            "the shapefile has no .prj: its coordinates are taken for longitude and latitude"
        )
        return
    stated = prj.strip()
    if _WGS84_NAMES.match(stated) or (stated.startswith("GEOGCRS") and "WGS 84" in stated[:60]):
        return
    named = re.match(r'\w+\["([^"]{1,80})"', stated)
    what = f"the reference system {named[1]}" if named else "an unknown reference system"
    raise FootprintError(f"the shapefile is in {what}; {CONVERT}")
