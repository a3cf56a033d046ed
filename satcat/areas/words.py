"""What the readers of areas say: what was mended, and why something cannot be used."""

from __future__ import annotations

import re

from satcat.errors import FootprintError

#: Longitude and latitude on WGS 84: in two and in three dimensions, and as GeoPackage spells "some degrees".
_WGS84 = {4326, 4979, 0}
CONVERT = "give longitude and latitude on WGS 84: ogr2ogr -t_srs EPSG:4326 new.gpkg FILE"


def refuse_other_than_wgs84(named: str, code: int | None) -> None:
    """Raise FootprintError for coordinates that are in another reference system."""
    if code not in _WGS84:
        raise FootprintError(f"the coordinates are in {named}; {CONVERT}")


def note_closed(number: int, notes: list[str]) -> None:
    """Note that rings were closed."""
    if number:
        rings = "a ring was" if number == 1 else f"{number:,} rings were"
        notes.append(f"{rings} not closed: taken to end where it starts")


def reason(error: Exception) -> str:
    """The reader's complaint in one line, less the name of the exception in GEOS."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\w+Exception: ", "", line)[:100] or type(error).__name__
