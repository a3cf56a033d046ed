"""WKB from outside: looked through before GEOS, which trusts it, reads it."""

from __future__ import annotations

import struct

import shapely
from shapely.geometry.base import BaseGeometry

from satcat.areas.words import reason
from satcat.errors import FootprintError

_POINT, _LINE, _POLYGON = 1, 2, 3
_GATHERINGS = (4, 5, 6, 7)
_PLACE = (16, 24, 24, 32)  # bytes: XY, XYZ, XYM, XYZM
_DEEPEST = 3  # a polygon in a multi-polygon in a collection


def read(wkb: bytes) -> tuple[BaseGeometry, bool]:
    """The geometry, and whether a ring of it had to be closed."""
    try:
        end = _end(wkb, 0, 0)
        if end > len(wkb):
            raise FootprintError("a geometry's WKB ends too soon")
        try:
            return shapely.from_wkb(wkb), False
        except shapely.GEOSException:
            fixed = shapely.from_wkb(wkb, on_invalid="fix")
            if fixed is None:
                raise
            return fixed, True
    except (struct.error, IndexError):
        raise FootprintError("a geometry's WKB ends too soon") from None
    except (shapely.GEOSException, ValueError) as error:
        raise FootprintError(f"a geometry's WKB cannot be read: {reason(error)}") from None


def _end(wkb: bytes, at: int, depth: int) -> int:
    """Where a geometry ends; nesting that could overrun the stack of GEOS's reader is refused."""
    order = "<" if wkb[at] else ">"
    (kind,) = struct.unpack_from(f"{order}I", wkb, at + 1)
    dimensions, shape = divmod(kind, 1000)
    at += 5
    if dimensions >= len(_PLACE) or not _POINT <= shape <= _GATHERINGS[-1]:
        raise FootprintError(
            f"a geometry of WKB kind {kind} is not known here: give straight edges"
        )
    place = _PLACE[dimensions]
    if shape == _POINT:
        return at + place
    (count,) = struct.unpack_from(f"{order}I", wkb, at)
    at += 4
    if shape == _LINE:
        return int(at + count * place)
    if shape in _GATHERINGS and depth == _DEEPEST:
        raise FootprintError("a geometry's collections are nested too deep")
    for _ in range(count):  # a count that is too high meets the end of the bytes
        if shape == _POLYGON:
            (places,) = struct.unpack_from(f"{order}I", wkb, at)
            at += 4 + places * place
        else:
            at = _end(wkb, at, depth + 1)
    return at
