"""The tile grids: Sentinel-2's MGRS tiles (`30TWM`), Landsat's WRS-2 paths and rows (`203033`).

Names are checked without loading numpy or shapely; the geometry is loaded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from satcat.tiles.ids import Grid, epsg, exists, grid, normalise, read_list

if TYPE_CHECKING:
    from satcat.tiles.geometry import TileRow, footprint, intersecting, rows

__all__ = [
    "Grid",
    "TileRow",
    "epsg",
    "exists",
    "footprint",
    "grid",
    "intersecting",
    "normalise",
    "read_list",
    "rows",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from satcat.tiles import geometry

    return getattr(geometry, name)
