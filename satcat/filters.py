"""SearchFilters: the one description of which products are meant.

OData `$filter`, local SQL, saved scopes and command-line options are all made from it, so that a filter means the same
online and offline. Values are checked and brought into one form when the object is made; it never changes afterwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from satcat import times
from satcat.errors import FilterError, TimeError
from satcat.times import Interval

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Moment: TypeAlias = str | date | datetime


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


#: What a scope may be narrowed by: what seldom changes in a product's life. The sensing interval comes on top.
SCOPE_FIELDS = (
    "collection", "product_type", "processing_level", "tile_id", "geometry", "bbox", "point", "contains",
    "platform", "relative_orbit",
)  # fmt: skip

_OPTIONS = {"processing_level": "--level", "tile_id": "--tile", "cloud_cover": "--cloud"}


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """Which products are meant; what is None is left open.

    `start_date` and `end_date` test the sensing start alone: on or after the one, before the other, in UTC; a bare date
    as the end means that whole day. After construction both are instants of a half-open interval, see `interval`.

    Args:
        collection: `SENTINEL-2`; online it is required.
        processing_level: `L2A`.
        geometry: WKT, GeoJSON or the path of a file with one of them; lon/lat degrees. Products that touch it.
        tile_id: one tile or several: MGRS `30TWM` (or `T30TWM`), WRS-2 `203033`.
        contains: a text, or several that must all be in the product's name.
        product_type: `S2MSI2A`.
        cloud_cover: at most so many percent; products of unknown cloud cover are left out.
        bbox: west, south, east, north in degrees; west > east crosses 180°.
        point: lon, lat in degrees.
        name: a pattern for the whole name; `*` is any text, `?` one character; capitals matter.
        relative_orbit: the orbit's number within the repeat cycle.
        orbit_direction: `ASCENDING` or `DESCENDING`.
        platform: `S2A`.
        published_since: on or after this publication date.
        online: True for products that can be downloaded at once, False for archived ones.
        where: offline only: an SQL condition on the columns of `products`.

    Raises:
        FilterError: a value that cannot be meant as given.
    """

    collection: str | None = None
    start_date: Moment | None = None
    end_date: Moment | None = None
    processing_level: str | None = None
    geometry: Any = None
    tile_id: str | Iterable[str] | None = None
    contains: str | Iterable[str] | None = None
    product_type: str | None = None
    cloud_cover: float | None = None
    bbox: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    name: str | None = None
    relative_orbit: int | None = None
    orbit_direction: str | None = None
    platform: str | None = None
    published_since: Moment | None = None
    online: bool | None = None
    where: str | None = None

    def __post_init__(self) -> None:
        typed = self.start_date, self.end_date
        for name in _NORMAL_FORMS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _normal(name, value))
        if self.start and self.end and self.end <= self.start:
            raise TimeError(
                f"--start {typed[0]} --end {typed[1]}: the time between is empty: swap them"
            )
        areas = [name for name in ("geometry", "bbox", "point") if self.is_set(name)]
        if len(areas) > 1:
            raise FilterError(
                f"give one of --geometry, --bbox and --point, not {' and '.join(areas)}"
            )

    def is_set(self, name: str) -> bool:
        """Tell whether this filter narrows anything."""
        return getattr(self, name) is not None

    @property
    def set_names(self) -> list[str]:
        """The filters that narrow anything, in order."""
        return [f.name for f in fields(self) if self.is_set(f.name)]

    @property
    def start(self) -> datetime | None:
        """The first sensing start that is meant."""
        assert self.start_date is None or isinstance(self.start_date, datetime)
        return self.start_date

    @property
    def end(self) -> datetime | None:
        """The first sensing start that is no longer meant."""
        assert self.end_date is None or isinstance(self.end_date, datetime)
        return self.end_date

    @property
    def interval(self) -> Interval:
        """The sensing starts that are meant."""
        return Interval(self.start, self.end)

    @property
    def published(self) -> datetime | None:
        """The first publication date that is meant."""
        assert self.published_since is None or isinstance(self.published_since, datetime)
        return self.published_since

    @property
    def tiles(self) -> tuple[str, ...]:
        """The tiles that are meant, sorted; empty if left open."""
        return tuple(self.tile_id or ())

    @property
    def texts(self) -> tuple[str, ...]:
        """What names must contain, sorted; empty if left open."""
        return tuple(self.contains or ())

    @property
    def area(self) -> BaseGeometry | None:
        """The area that products must touch, lon/lat degrees, split at 180°; None if left open."""
        from satcat import footprints

        if self.bbox is not None:
            return footprints.from_bbox(*self.bbox)
        if self.point is not None:
            return footprints.from_point(*self.point)
        return None if self.geometry is None else footprints.area_of_interest(self.geometry)

    def within(self, interval: Interval) -> SearchFilters:
        """The same filters on another sensing interval."""
        return replace(self, start_date=interval.start, end_date=interval.end)

    def refuse(self, names: Iterable[str], reason: str) -> None:
        """Raise FilterError, naming its option, if one of these filters is set."""
        for name in names:
            if self.is_set(name):
                raise FilterError(f"{option(name)}: {reason}")

    def to_json(self) -> str:
        """The filters that are set as canonical JSON; equal filters give equal text."""
        values = {name: _plain(getattr(self, name)) for name in self.set_names}
        return json.dumps(values, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        """The filters as one would type them."""
        words = []
        for name in self.set_names:
            if name in ("start_date", "end_date"):
                continue
            value = getattr(self, name)
            words.append(f"{option(name, value)} {_typed(name, value)}".strip())
        if self.start or self.end:
            words.append(str(self.interval))
        return " ".join(words)


def option(name: str, value: object = None) -> str:
    """The command-line option of a filter's field."""
    if name == "online":
        return "--offline" if value is False else "--online"
    return _OPTIONS.get(name, "--" + name.removesuffix("_date").replace("_", "-"))


def _normal(name: str, value: Any) -> Any:
    """A filter's value in its one form; what is wrong with it is said with the option's name."""
    try:
        return _NORMAL_FORMS[name](value)
    except FilterError as error:
        raise type(error)(f"{option(name, value)}: {error}") from None
    except (TypeError, AttributeError):
        kind = type(value).__name__
        raise FilterError(f"{option(name)}: {value!r} is of the wrong type, {kind}") from None


def _typed(name: str, value: Any) -> str:
    if name == "online":
        return ""
    if name in ("tile_id", "contains"):
        return f" {option(name)} ".join(value)
    if name in ("bbox", "point"):
        return ",".join(f"{number:g}" for number in value)
    return str(_plain(value))


def _plain(value: Any) -> Any:
    return times.to_text(value) if isinstance(value, datetime) else value


def _moment(value: Any, *, end: bool = False) -> datetime:
    if isinstance(value, datetime):
        return times.parse(value.isoformat())
    return times.parse_bound(
        value.isoformat() if isinstance(value, date) else _text(value), end=end
    )


def _end(value: Any) -> datetime:
    return _moment(value, end=True)


def _text(value: Any) -> str:
    value = value.value if isinstance(value, Enum) else value
    if not isinstance(value, str) or not value.strip():
        raise FilterError(f"{value!r} is no text to filter by")
    if not value.isprintable():
        raise FilterError(f"{value!r} holds characters that cannot be filtered by")
    return value.strip()


def _upper(value: Any) -> str:
    return _text(value).upper()


def _collection(value: Any) -> str:
    """Known names in whatever capitals; any other as it is, for the list is open."""
    text = _text(value)
    known = {member.value.upper(): member.value for member in COLLECTIONS}
    return known.get(text.upper(), text)


def _texts(value: Any) -> tuple[str, ...] | None:
    values = [value] if isinstance(value, str) else list(value)
    return tuple(sorted({_text(item) for item in values})) or None


def _tiles(value: Any) -> tuple[str, ...] | None:
    from satcat import tiles

    values = [value] if isinstance(value, str) else list(value)
    return tuple(sorted({tiles.normalise(_text(item)) for item in values})) or None


def _percent(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 100:
        raise FilterError(f"{value!r} is no percentage from 0 to 100")
    return number


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FilterError(f"{value!r} is no number")
    return number


def _orbit(value: Any) -> int:
    number = _number(value)
    if number != int(number) or not 1 <= number <= 999_999:
        raise FilterError(f"{value!r} is no orbit: give a whole number from 1 on")
    return int(number)


def _direction(value: Any) -> str:
    text = _upper(value)
    matches = [name for name in ("ASCENDING", "DESCENDING") if name.startswith(text)]
    if not matches:
        raise FilterError(f"{value!r} is no direction: write ASCENDING or DESCENDING")
    return matches[0]


def _bbox(value: Any) -> tuple[float, ...]:
    from satcat import footprints

    numbers = tuple(_number(item) for item in value)
    if len(numbers) != 4:
        raise FilterError(f"give W,S,E,N, four numbers, not {len(numbers)}")
    footprints.from_bbox(*numbers)
    return numbers


def _point(value: Any) -> tuple[float, ...]:
    from satcat import footprints

    numbers = tuple(_number(item) for item in value)
    if len(numbers) != 2:
        raise FilterError(f"give LON,LAT, two numbers, not {len(numbers)}")
    footprints.from_point(*numbers)
    return numbers


def _geometry(value: Any) -> str:
    """Any accepted form as canonical WKT."""
    from satcat import footprints

    if isinstance(value, Mapping):
        value = json.dumps(value)
    area = footprints.area_of_interest(value if isinstance(value, str) else value.wkt)
    return str(area.normalize().wkt)


def _online(value: Any) -> bool:
    if not isinstance(value, bool):
        raise FilterError(f"{value!r} is neither True, False nor None")
    return value


_NORMAL_FORMS: dict[str, Callable[[Any], Any]] = {
    "collection": _collection, "start_date": _moment, "end_date": _end, "processing_level": _upper,
    "geometry": _geometry, "tile_id": _tiles, "contains": _texts, "product_type": _text,
    "cloud_cover": _percent, "bbox": _bbox, "point": _point, "name": _text, "relative_orbit": _orbit,
    "orbit_direction": _direction, "platform": _upper, "published_since": _moment, "online": _online,
    "where": _text,
}  # fmt: skip
