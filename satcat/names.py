"""Product names: what their grammar says, and what a filter means by name, per collection.

The catalogue's attributes are often missing, the name never is. So where a collection spells its level, tile, platform
or relative orbit in the name, the name decides: online a filter asks whether the name contains a marker, and the local
column is read from the very same marker. Both therefore always agree; `decides` says where this holds.

Grammars: ESA's product naming of each Sentinel mission, USGS's of Landsat Collection 2, Earth Explorer file names
(`S1A_OPER_AUX_POEORB_...`) for auxiliary files. Attribute lists: `Attributes(<COLLECTION>)` of CDSE, June 2026.
"""

from __future__ import annotations

import re
from collections.abc import Container
from types import MappingProxyType
from typing import Literal, NamedTuple

from satcat.errors import FilterError


class NameParts(NamedTuple):
    """What a product's name says; None where it does not say."""

    platform: str | None = None
    product_type: str | None = None
    processing_level: str | None = None
    processing_baseline: str | None = None
    tile_id: str | None = None
    relative_orbit: int | None = None
    absolute_orbit: int | None = None
    polarisation: str | None = None


_LANDSAT_LEVELS = {"L1": "_L1", "L2": "_L2"}
_LEVELS = MappingProxyType(
    {
        "SENTINEL-1": {"L0": "_0S", "L1": "_1S", "L2": "_2S"},
        "SENTINEL-2": {"L0": "MSI_L0_", "L1B": "MSI_L1B", "L1C": "MSIL1C", "L2A": "MSIL2A"},
        "SENTINEL-3": {"L0": "_0_", "L1": "_1_", "L2": "_2_"},
        "SENTINEL-5P": {"L0": "_L0__", "L1B": "_L1B_", "L2": "_L2__"},
        "SENTINEL-6": {"L0": "_0__", "L1A": "_1A_", "L1B": "_1B_", "L2": "_2__"},
        "LANDSAT-8": _LANDSAT_LEVELS,
        "LANDSAT-9": _LANDSAT_LEVELS,
    }
)
_PLATFORMS = MappingProxyType(
    {
        "SENTINEL-1": ("S1A", "S1B", "S1C", "S1D"),
        "SENTINEL-2": ("S2A", "S2B", "S2C", "S2D"),
        "SENTINEL-3": ("S3A", "S3B", "S3C", "S3D"),
        "SENTINEL-5P": ("S5P",),
        "SENTINEL-6": ("S6A", "S6B", "S6C"),
    }
)
_TILE_MARKERS = MappingProxyType(
    {
        "SENTINEL-2": ("MGRS", "_T{}_"),
        "GLOBAL-MOSAICS": ("MGRS", "_{}_"),
        "LANDSAT-8": ("WRS-2", "_{}_"),
        "LANDSAT-9": ("WRS-2", "_{}_"),
    }
)
_ORBIT_MARKERS = MappingProxyType({"SENTINEL-2": "_R{:03d}_"})

_FILTERABLE = frozenset({"cloudCover", "relativeOrbitNumber", "orbitDirection", "productType"})
_ATTRIBUTES = MappingProxyType(
    {
        "SENTINEL-1": _FILTERABLE - {"cloudCover"},
        "SENTINEL-2": _FILTERABLE - {"orbitDirection"},
        "SENTINEL-3": _FILTERABLE,
        "SENTINEL-5P": frozenset({"productType"}),
        "SENTINEL-6": frozenset({"productType", "relativeOrbitNumber"}),
        "SENTINEL-1-RTC": _FILTERABLE - {"cloudCover"},
        "ENVISAT": frozenset({"productType"}),
        "LANDSAT-5": frozenset({"productType", "cloudCover"}),
        "LANDSAT-7": frozenset({"productType", "cloudCover"}),
        "LANDSAT-8": frozenset({"productType", "cloudCover"}),
        "LANDSAT-9": frozenset({"productType", "cloudCover"}),
    }
)

#: Collections of the source that this module knows something of.
COLLECTIONS = tuple(sorted({*_LEVELS, *_TILE_MARKERS, *_ATTRIBUTES}))

_POLARISATIONS = {
    "SH": "HH",
    "SV": "VV",
    "DH": "HH&HV",
    "DV": "VV&VH",
    "HH": "HH",
    "HV": "HV",
    "VH": "VH",
    "VV": "VV",
}

_S1 = re.compile(
    r"S1[A-Z]_([A-Z0-9]{2}_[A-Z]{3}[A-Z_]_(?:\d[A-Z]|AX))([SDHV][HV])_\d{8}T\d{6}_\d{8}T\d{6}_(\d{6})_",
    re.ASCII,
)
_S1_AUX = re.compile(r"S1[A-Z_]_(AUX_[A-Z0-9]{3})_V\d", re.ASCII)
_S2_TYPE = re.compile(r"_MSIL(\d[A-Z])_")
_S2_BASELINE = re.compile(r"_N(\d\d)\.?(\d\d)(?=[_.]|$)", re.ASCII)
_S2_ORBIT = re.compile(r"_R(\d{3})_", re.ASCII)
_S2_TILE = re.compile(r"_T(\d\d[C-X][A-Z]{2})_", re.ASCII)
_S3_TYPE = re.compile(r"S3[A-Z_]_([A-Z]{2}_[\d_]_[A-Z0-9_]{6})_\d{8}T", re.ASCII)
# duration, cycle and relative orbit: the cycle is no tile
_S3_ORBIT = re.compile(r"_\d{8}T\d{6}_\d{4}_\d{3}_(\d{3})_", re.ASCII)
_S5P = re.compile(r"S5P_[A-Z0-9]{4}_([A-Z0-9_]{10})_\d{8}T\d{6}_\d{8}T\d{6}_(\d{5})_", re.ASCII)
# duration, cycle, pass, orbit of the cycle (half the pass)
_S6 = re.compile(
    r"S6[A-Z_]_([A-Z0-9_]{13})_\d{8}T\d{6}_\d{8}T\d{6}_\d{8}T\d{6}(?:_\d{4}_\d{3}_\d{3}_(\d{3})_)?",
    re.ASCII,
)
_LANDSAT = re.compile(r"L[A-Z](\d\d)_(L\d[A-Z0-9]{2})_(\d{6})_\d{8}_", re.ASCII)
_MOSAIC_TILE = re.compile(r"_mosaic_\d{4}_[MQ]\d+_(\d\d[C-X][A-Z]{2})_", re.ASCII)
_EARTH_EXPLORER_TYPE = re.compile(r"[A-Z0-9]{2}[A-Z_]_[A-Z]{4}_([A-Z]{3}_[A-Z0-9_]{6})_", re.ASCII)


def parse(name: str, collection: str | None = None) -> NameParts:
    """Read a product's name, with or without its suffix.

    The collection decides which level markers count; without it, the one that the name itself tells of.
    """
    home = _home(name)
    found: dict[str, str | int | None] = _READERS.get(home, _landsat)(name) if home else {}
    found["processing_level"] = _level(name, collection if collection in _LEVELS else home)
    if name[:3] in _PLATFORMS.get(home or "", ()):
        found["platform"] = name[:3]
    if "product_type" not in found and (match := _EARTH_EXPLORER_TYPE.match(name)):
        found["product_type"] = match[1]
    return NameParts(**found)  # type: ignore[arg-type]


def decides(collection: str, column: str) -> bool:
    """Tell whether the name alone gives this column, so that a filter on it is a filter on the name."""
    table = _BY_NAME.get(column)
    return table is not None and collection in table


def level_marker(collection: str, level: str) -> str:
    """The text that names of this processing level contain, `MSIL2A`.

    Raises:
        FilterError: the collection does not spell its level in the name, or has no such level.
    """
    levels = _LEVELS.get(collection)
    if levels is None:
        raise FilterError(
            f"--level {level}: {collection} has no level in its names; use --product-type or --contains"
        )
    if level not in levels:
        raise FilterError(f"--level {level}: {collection} has {', '.join(levels)}")
    return levels[level]


def tile_grid(collection: str) -> Literal["mgrs", "wrs2"] | None:
    """The grid along which the collection is cut; None: its products have no tile ids."""
    grid, _ = _TILE_MARKERS.get(collection, (None, None))
    return {"MGRS": "mgrs", "WRS-2": "wrs2"}[grid] if grid else None  # type: ignore[return-value]


def tile_marker(collection: str, tile: str) -> str | None:
    """The text that names of this tile contain, `_T30TWM_`; None: a tile means its footprint here.

    Raises:
        FilterError: the collection is cut along the other grid.
    """
    if collection not in _TILE_MARKERS:
        return None
    grid, pattern = _TILE_MARKERS[collection]
    if tile.isdigit() != (grid == "WRS-2"):
        raise FilterError(f"--tile {tile}: {collection} has {grid} tiles; use --bbox or --geometry")
    return pattern.format(tile)


def platform_prefix(collection: str, platform: str) -> str:
    """How names of this platform start, `S2A_`.

    Raises:
        FilterError: the collection's names do not start with the platform, or it has no such platform.
    """
    platforms = _PLATFORMS.get(collection)
    if platforms is None:
        raise FilterError(
            f"--platform {platform}: {collection} has no platform in its names; leave it out"
        )
    if platform not in platforms:
        raise FilterError(f"--platform {platform}: {collection} has {', '.join(platforms)}")
    return f"{platform}_"


def relative_orbit_marker(collection: str, orbit: int) -> str | None:
    """The text that names of this relative orbit contain, `_R070_`; None: it is an attribute."""
    pattern = _ORBIT_MARKERS.get(collection)
    return None if pattern is None else pattern.format(orbit)


def has_attribute(collection: str, name: str) -> bool:
    """Tell whether the collection's products have this attribute, as far as filters use it.

    Of collections without a known list only `productType` is taken for granted: a filter on an attribute that is not
    there gives no rows instead of an error.
    """
    return name in _ATTRIBUTES.get(collection, frozenset({"productType"}))


def _home(name: str) -> str | None:
    """The collection that the name tells of."""
    for start, collection in _STARTS:
        if name.startswith(start):
            return collection
    return f"LANDSAT-{int(match[1])}" if (match := _LANDSAT.match(name)) else None


def _level(name: str, collection: str | None) -> str | None:
    for level, marker in _LEVELS.get(collection or "", {}).items():
        if marker in name:
            return level
    return None


def _sentinel_1(name: str) -> dict[str, str | int | None]:
    if match := _S1.match(name):
        cog = "-COG" if "_COG" in name else ""
        return {
            "product_type": match[1] + cog,
            "polarisation": _POLARISATIONS.get(match[2]),
            "absolute_orbit": int(match[3]),
        }
    return {"product_type": match[1]} if (match := _S1_AUX.match(name)) else {}


def _sentinel_2(name: str) -> dict[str, str | int | None]:
    found: dict[str, str | int | None] = {}
    if match := _S2_TYPE.search(name):
        found["product_type"] = f"S2MSI{match[1]}"
    if match := _S2_BASELINE.search(name):
        found["processing_baseline"] = f"{match[1]}.{match[2]}"
    if match := _S2_ORBIT.search(name):
        found["relative_orbit"] = int(match[1]) or None
    if match := _S2_TILE.search(name):
        found["tile_id"] = match[1]
    return found


def _sentinel_3(name: str) -> dict[str, str | int | None]:
    found: dict[str, str | int | None] = {}
    if match := _S3_TYPE.match(name):
        found["product_type"] = match[1]
    if match := _S3_ORBIT.search(name):
        found["relative_orbit"] = int(match[1]) or None
    return found


def _sentinel_5p(name: str) -> dict[str, str | int | None]:
    match = _S5P.match(name)
    return {"product_type": match[1], "absolute_orbit": int(match[2])} if match else {}


def _sentinel_6(name: str) -> dict[str, str | int | None]:
    match = _S6.match(name)
    if match is None:
        return {}
    return {"product_type": match[1], "relative_orbit": int(match[2]) or None if match[2] else None}


def _landsat(name: str) -> dict[str, str | int | None]:
    match = _LANDSAT.match(name)
    return (
        {"platform": f"L{int(match[1])}", "product_type": match[2], "tile_id": match[3]}
        if match
        else {}
    )


def _mosaic(name: str) -> dict[str, str | int | None]:
    match = _MOSAIC_TILE.search(name)
    return {"tile_id": match[1]} if match else {}


_STARTS = (
    ("S2", "SENTINEL-2"), ("S1", "SENTINEL-1"), ("S3", "SENTINEL-3"), ("S5P", "SENTINEL-5P"), ("S6", "SENTINEL-6"),
    ("Sentinel-1_", "GLOBAL-MOSAICS"), ("Sentinel-2_", "GLOBAL-MOSAICS"),
)  # fmt: skip
_READERS = {
    "SENTINEL-1": _sentinel_1, "SENTINEL-2": _sentinel_2, "SENTINEL-3": _sentinel_3, "SENTINEL-5P": _sentinel_5p,
    "SENTINEL-6": _sentinel_6, "GLOBAL-MOSAICS": _mosaic,
}  # fmt: skip
_BY_NAME: dict[str, Container[str]] = {
    "processing_level": _LEVELS, "platform": _PLATFORMS, "tile_id": _TILE_MARKERS, "relative_orbit": _ORBIT_MARKERS,
}  # fmt: skip
