"""How much of a place its products really cover: the union of their footprints in it, measured on the ellipsoid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from satcat import footprints
from satcat.footprints import area_km2
from satcat.reports.groups import Outlines

_WHOLE = 100.0


class Shares(NamedTuple):
    """Percent of a place that any product covers, and that any clear one covers."""

    covered: float
    clear: float


class Place:
    """A tile or an area, ready for measuring. Geometries are in normal form."""

    def __init__(self, shape: BaseGeometry) -> None:
        shapely.prepare(shape)
        self.shape = shape
        self.km2 = area_km2(shape)

    def shares(self, outlines: Outlines) -> Shares:
        """What these footprints cover of it; a place without area, a point, is covered or not."""
        if not outlines.wkb:
            return Shares(0.0, 0.0)
        shapes = footprints.usable(outlines.wkb)
        clear = np.array(outlines.clear, bool)
        over = shapely.covers(shapes, self.shape)
        parts = shapes if over.all() else shapely.intersection(shapes, self.shape)
        return Shares(self._share(parts, over), self._share(parts[clear], over[clear]))

    def _share(self, parts: np.ndarray, over: np.ndarray) -> float:
        if over.any():
            return _WHOLE
        if not len(parts) or not self.km2:
            return 0.0
        return min(_WHOLE, _WHOLE * area_km2(shapely.union_all(parts)) / self.km2)
