"""The tile grids: Sentinel-2's MGRS tiles (`30TWM`), Landsat's WRS-2 paths and rows (`203033`).

Names are checked without loading numpy or shapely; the geometry is loaded when first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from satcat.tiles.ids import Grid, epsg, every, exists, grid, normalise, read_list

if TYPE_CHECKING:
    from satcat.tiles.geometry import TileRow, footprint, footprints_of, intersecting, rows, rows_of

__all__ = [
    "Grid",
    "TileRow",
    "epsg",
    "every",
    "exists",
    "footprint",
    "footprints_of",
    "grid",
    "intersecting",
    "normalise",
    "read_list",
    "rows",
    "rows_of",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from satcat.tiles import geometry

    return getattr(geometry, name)
