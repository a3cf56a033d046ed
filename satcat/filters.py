"""SearchFilters: the one description of which products are meant.

OData `$filter`, local SQL, saved scopes and command-line options are all made from it, so that a filter means the same
online and offline. Values are checked and brought into one form when the object is made; it never changes afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from satcat import times
from satcat.errors import FilterError, TimeError
from satcat.times import Interval
from satcat.values import NORMAL_FORMS

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

Moment: TypeAlias = str | date | datetime

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
        geometry: products that touch it; lon/lat degrees. WKT or GeoJSON, the path of such a file or of a KML, KMZ,
            GeoPackage or shapefile (`FILE:LAYER` for one of several), its bytes, or a shapely geometry.
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

    Attributes:
        notes: what was mended in the geometry to make it one.

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
    notes: tuple[str, ...] = field(default=(), init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        typed = self.start_date, self.end_date
        for name in NORMAL_FORMS:
            value = getattr(self, name)
            if value is not None:
                value = _normal(name, value)
                if name == "geometry":
                    value, notes = value
                    object.__setattr__(self, "notes", notes)
                object.__setattr__(self, name, value)
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
        return [f.name for f in fields(self) if f.init and self.is_set(f.name)]

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
        if self.bbox is None and self.point is None and self.geometry is None:
            return None
        from satcat import (
            footprints,
        )  # for its libraries, which a query without an area does without

        if self.bbox is not None:
            return footprints.from_bbox(*self.bbox)
        if self.point is not None:
            return footprints.from_point(*self.point)
        assert self.geometry is not None
        return footprints.from_wkt(self.geometry)

    def within(self, interval: Interval) -> SearchFilters:
        """The same filters on another sensing interval."""
        return replace(self, start_date=interval.start, end_date=interval.end)

    def refuse(self, names: Iterable[str], reason: str) -> None:
        """Raise FilterError, naming its option, if one of these filters is set."""
        for name in names:
            if self.is_set(name):
                raise FilterError(f"{option(name, getattr(self, name))}: {reason}")

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
        return NORMAL_FORMS[name](value)
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
        return ",".join(f"{number:.12g}" for number in value)
    return str(_plain(value))


def _plain(value: Any) -> Any:
    return times.to_text(value) if isinstance(value, datetime) else value
