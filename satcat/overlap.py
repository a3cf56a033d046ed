"""One area against many footprints at a time: which touch it, and how much of it they cover.

All geometry is in the normal form of `satcat.globe`, so that a shape across 180° or round a pole is nothing special.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from satcat import footprints
from satcat.footprints import Box

Flags: TypeAlias = npt.NDArray[np.bool_]
Numbers: TypeAlias = npt.NDArray[np.float64]
Keys: TypeAlias = npt.NDArray[np.int64]

_FEW_BOXES = 64
_CELL = 10  # degrees
#: Shares that differ by no more are alike: areas are right to 50 ppm, rounding included.
_TOLERANCE = 1e-6


class Area:
    """An area made ready for many tests. For one thread: GEOS builds its index unlocked."""

    def __init__(self, geometry: BaseGeometry) -> None:
        self.geometry = shapely.from_wkb(
            shapely.to_wkb(geometry)
        )  # others may use theirs meanwhile
        shapely.prepare(self.geometry)

    def boxes(self) -> list[Box]:
        """Boxes that together hold the area, few even where it has thousands of parts."""
        parts = [box for part in shapely.get_parts(self.geometry) for box in footprints.boxes(part)]
        if len(parts) <= _FEW_BOXES:
            return parts
        cells: dict[tuple[float, float], Box] = {}
        for west, south, east, north in parts:
            cell = (west // _CELL, south // _CELL)
            w, s, e, n = cells.get(cell, (west, south, east, north))
            cells[cell] = (min(w, west), min(s, south), max(e, east), max(n, north))
        return list(cells.values())

    def sort_out(self, boxes: Numbers) -> tuple[Flags, Flags]:
        """Of footprints in these boxes (rows of west, south, east, north): which surely touch the area, and which may.

        Where a box lies in the area whole, so does what it holds. One without width or height is never sure.
        """
        west, south, east, north = boxes.T
        shapes = shapely.box(west, south, east, north)
        flat = (west >= east) | (south >= north)
        sure = np.zeros(len(boxes), dtype=bool)
        if shapely.get_dimensions(self.geometry) == 2:
            sure[~flat] = shapely.contains_properly(self.geometry, shapes[~flat])
        may = flat.copy()
        rest = ~(sure | flat)
        may[rest] = shapely.intersects(self.geometry, shapes[rest])
        return sure, may

    def touches(self, stored: Sequence[bytes]) -> Flags:
        """Which footprints (WKB) share a point with the area."""
        found: Flags = shapely.intersects(self.geometry, _loaded(stored))
        return found

    def share(self, stored: Sequence[bytes]) -> Numbers:
        """How much of the area each footprint (WKB) covers, from 0 to 1, on the ellipsoid."""
        shapes = footprints.usable(stored)
        shares: Numbers = shapely.covered_by(self.geometry, shapes).astype(np.float64)
        rest = np.flatnonzero((shares == 0) & (shapely.get_dimensions(shapes) == 2))
        if rest.size:
            common = shapely.intersection(self.geometry, shapes[rest])
            whole = footprints.area_km2(self.geometry)
            shares[rest] = shapely.area(footprints.equal_area(common)) / whole
        return shares

    def is_covered(self, stored: Sequence[bytes], least: float) -> Flags:
        """Which footprints (WKB) cover at least this share of the area."""
        shares = self.share(stored)
        enough: Flags = (shares >= least - _TOLERANCE) & (shares > 0)
        return enough


def _loaded(stored: Sequence[bytes]) -> Any:
    try:
        return shapely.from_wkb(np.array(stored, dtype=object))
    except (shapely.GEOSException, TypeError, ValueError):
        return np.array([footprints.load(wkb) for wkb in stored], dtype=object)
