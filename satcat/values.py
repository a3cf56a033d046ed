"""The values of filters: the one form of each, from whatever people and programs write for it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from functools import lru_cache
from typing import Any

from satcat import names, times
from satcat.errors import FilterError


class COLLECTIONS(Enum):
    """Collections people ask for most; any other name the source knows is as good, as plain text.

    The Landsat members are datasets of USGS; CDSE spells its own `LANDSAT-8` and so on.
    """

    SENTINEL_1 = "SENTINEL-1"
    SENTINEL_2 = "SENTINEL-2"
    SENTINEL_3 = "SENTINEL-3"
    SENTINEL_5P = "SENTINEL-5P"
    SENTINEL_6 = "SENTINEL-6"
    SENTINEL_1_RTC = "SENTINEL-1-RTC"
    GLOBAL_MOSAICS = "GLOBAL-MOSAICS"
    CCM = "CCM"
    COP_DEM = "COP-DEM"
    LANDSAT_8 = "landsat_ot_c2_l1"


_SEPARATOR = re.compile(r"[,;\s]+")
_LEVEL = re.compile(r"(?:LEVEL)?[-_ ]?L?(\d[A-Z0-9]{0,3})", re.ASCII)
_PLATFORM = re.compile(r"S(?:ENTINEL)?[-_ ]?(\d[A-Z])_?", re.ASCII)


def moment(value: Any, *, end: bool = False) -> datetime:
    """An instant; a bare date as an end means that whole day."""
    if isinstance(value, datetime):
        return times.parse(value.isoformat())
    return times.parse_bound(value.isoformat() if isinstance(value, date) else text(value), end=end)


def end(value: Any) -> datetime:
    """The instant before which something ends."""
    return moment(value, end=True)


def text(value: Any) -> str:
    """Text that can be looked for."""
    value = value.value if isinstance(value, Enum) else value
    if not isinstance(value, str) or not value.strip():
        raise FilterError(f"{value!r} is no text to filter by")
    if not value.isprintable():
        raise FilterError(f"{value!r} holds characters that cannot be filtered by")
    return value.strip()


def collection(value: Any) -> str:
    """Known names however they are spelt, as `Sentinel 2`; any other as it is, for the list is open."""
    stated = text(value)
    known = {_letters(name): name for name in (*names.COLLECTIONS, *(m.value for m in COLLECTIONS))}
    return known.get(_letters(stated), stated)


def level(value: Any) -> str:
    """`L2A`, also where `2A` or `Level-2A` is written."""
    stated = text(value).upper()
    match = _LEVEL.fullmatch(stated)
    return f"L{match[1]}" if match else stated


def platform(value: Any) -> str:
    """`S2A`, also where `Sentinel-2A` is written."""
    stated = text(value).upper()
    match = _PLATFORM.fullmatch(stated)
    return f"S{match[1]}" if match else stated


def texts(value: Any) -> tuple[str, ...] | None:
    """Texts, sorted."""
    return tuple(sorted({text(item) for item in _several(value)})) or None


def tile_ids(value: Any) -> tuple[str, ...]:
    """Tiles in their one form, sorted; several may stand in one text."""
    from satcat import tiles

    stated = [tile for item in _several(value) for tile in _SEPARATOR.split(text(item)) if tile]
    if not stated:  # meant as none, taken as all: nobody wants that
        raise FilterError("no tile is named: name one, or leave the filter out")
    return tuple(sorted({tiles.normalise(tile) for tile in stated}))


def percent(value: Any) -> float:
    """A percentage, with or without its sign."""
    found = number(value.strip().removesuffix("%") if isinstance(value, str) else value)
    if not 0 <= found <= 100:
        raise FilterError(f"{value!r} is no percentage from 0 to 100")
    return found


def number(value: Any) -> float:
    """A finite number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise FilterError(f"{value!r} is no number")
    return found


def orbit(value: Any) -> int:
    """An orbit's number, also where `R137` is written."""
    found = number(value.strip().upper().removeprefix("R") if isinstance(value, str) else value)
    if found != int(found) or not 1 <= found <= 999_999:
        raise FilterError(f"{value!r} is no orbit: give a whole number from 1 on")
    return int(found)


def direction(value: Any) -> str:
    """ASCENDING or DESCENDING, or the beginning of one."""
    stated = text(value).upper()
    for known in ("ASCENDING", "DESCENDING"):
        if known.startswith(stated):
            return known
    raise FilterError(f"{value!r} is no direction: write ASCENDING or DESCENDING")


def bbox(value: Any) -> tuple[float, ...]:
    """West, south, east, north."""
    from satcat import footprints

    numbers = _degrees(value, 4, "W,S,E,N, four numbers")
    footprints.from_bbox(*numbers)
    return numbers


def point(value: Any) -> tuple[float, ...]:
    """Longitude, latitude."""
    from satcat import footprints

    numbers = _degrees(value, 2, "LON,LAT, two numbers")
    footprints.from_point(*numbers)
    return numbers


def geometry(value: Any) -> tuple[str, tuple[str, ...]]:
    """Any accepted form as canonical WKT, and notes on what was mended."""
    from satcat import areas

    if isinstance(value, str):
        return _canonical(value) if areas.is_text(value) else _canonical.__wrapped__(value)
    return _canonical.__wrapped__(value)


def online(value: Any) -> bool:
    """Whether products are at hand at the source."""
    if not isinstance(value, bool):
        raise FilterError(f"{value!r} is neither True, False nor None")
    return value


#: Each filter's form; a geometry comes with its notes.
NORMAL_FORMS: dict[str, Callable[[Any], Any]] = {
    "collection": collection, "start_date": moment, "end_date": end, "processing_level": level,
    "geometry": geometry, "tile_id": tile_ids, "contains": texts, "product_type": text,
    "cloud_cover": percent, "bbox": bbox, "point": point, "name": text, "relative_orbit": orbit,
    "orbit_direction": direction, "platform": platform, "published_since": moment, "online": online,
    "where": text,
}  # fmt: skip


@lru_cache(maxsize=8)
def _canonical(value: Any) -> tuple[str, tuple[str, ...]]:
    from satcat import areas

    area, notes = areas.read(value)
    return str(area.normalize().wkt), notes


def _degrees(value: Any, count: int, form: str) -> tuple[float, ...]:
    """Numbers on the grid that a source is asked with."""
    from satcat.globe import DECIMALS

    stated = _SEPARATOR.split(value.strip("()[] ")) if isinstance(value, str) else list(value)
    numbers = tuple(round(number(item), DECIMALS) + 0.0 for item in stated)
    if len(numbers) != count:
        raise FilterError(f"give {form}, not {len(numbers)}")
    return numbers


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value)


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).upper()
