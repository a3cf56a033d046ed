"""KML (OGC 12-007) and KMZ: the points, lines and polygons of all placemarks, altitudes dropped.

Documents are hostile until read: a DOCTYPE, and with it every entity, is refused; links are not followed.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from satcat.areas.words import reason
from satcat.errors import FootprintError
from satcat.terminal import short

_LINES = {"LineString": "LineString", "Point": "Point", "LinearRing": "LineString"}


class _NoDoctype(ET.TreeBuilder):
    """Builds a tree, and stops at a DOCTYPE: only there can entities be declared."""

    def doctype(self, name: str, _pubid: str | None, _system: str | None) -> None:
        raise FootprintError("KML with a DOCTYPE is not read: take that line out")


def geometries(data: bytes) -> Iterator[dict[str, Any]]:
    """Yield each geometry as GeoJSON has it, rings as they are written."""
    try:
        root = ET.fromstring(data, ET.XMLParser(target=_NoDoctype()))  # noqa: S314 - no DOCTYPE, no entities
    except (ET.ParseError, ValueError, LookupError) as error:
        raise FootprintError(f"this is no XML: {reason(error)}") from None
    if _name(root) != "kml":
        raise FootprintError(f"XML that starts with {short(_name(root))} is not read: give KML")
    waiting, found = [root], False
    while waiting:
        element = waiting.pop()
        if _name(element) in ("Polygon", *_LINES):
            found = True
            yield _geometry(element)
        elif _name(element) == "Track":
            found = True
            places = [_numbers(e.text, None) for e in element if _name(e) == "coord"]
            yield {"type": "LineString", "coordinates": places}
        else:
            waiting.extend(reversed(element))
    if not found and any(_name(element) == "NetworkLink" for element in root.iter()):
        raise FootprintError(
            "this KML only links to another one: open that link, and give its file"
        )


def _geometry(element: ET.Element) -> dict[str, Any]:
    if _name(element) == "Polygon":
        rings = [e for e in element if _name(e) in ("outerBoundaryIs", "innerBoundaryIs")]
        rings.sort(key=lambda e: _name(e) == "innerBoundaryIs")
        return {"type": "Polygon", "coordinates": [_places(ring) for ring in rings]}
    places = _places(element)
    kind = _LINES[_name(element)]
    return {"type": kind, "coordinates": (places or [[]])[0] if kind == "Point" else places}


def _places(element: ET.Element) -> list[list[float]]:
    texts = [e.text or "" for e in element.iter() if _name(e) == "coordinates"]
    return [_numbers(place, ",") for text in texts for place in text.split()]


def _numbers(text: str | None, separator: str | None) -> list[float]:
    """Longitude and latitude; the altitude after them is dropped."""
    try:
        lon, lat, *_ = (text or "").split(separator)
        return [float(lon), float(lat)]
    except ValueError:
        raise FootprintError(
            f"{short(text or '')} is no place: KML has LON,LAT[,ALTITUDE]"
        ) from None


def _name(element: ET.Element) -> str:
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]
