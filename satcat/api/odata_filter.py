"""SearchFilters as OData `$filter` clauses, for CDSE's catalogue.

Each clause stands for itself; a request joins them with `and`. Whatever OData cannot say, or the collection's products do
not carry, is refused: a filter on an attribute that is not there gives no rows instead of an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from satcat import names, times
from satcat.errors import FilterError
from satcat.filters import SearchFilters, option
from satcat.times import Interval

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SENSING_START = "ContentDate/Start"
PUBLICATION = "PublicationDate"

#: No limit of a URL is documented; common servers stop at 8,192 characters. The rest is for dates and options.
_MOST_CHARACTERS = 7500
_SLICE_TILES = 50
_SLICE_CHARACTERS = 3500

_NAME_PATTERN = (
    "OData can say NAME, NAME*, *NAME, *NAME* and A*B only; use --contains, or filter offline"
)


def product_clauses(filters: SearchFilters) -> list[str]:
    """What a listing of `Products` asks for, less the sensing interval.

    Raises:
        FilterError: no collection, or a filter that cannot be said.
    """
    filters.refuse(["where"], "is for offline queries only")
    collection = _collection(filters)
    clauses = [*name_clauses(filters), *_attribute_clauses(filters, collection)]
    if filters.online is not None:
        clauses.append(f"Online eq {str(filters.online).lower()}")
    if filters.published is not None:
        clauses.append(f"{PUBLICATION} ge {times.to_text(filters.published)}")
    if filters.name is not None:
        clauses += _name_pattern(filters.name)
    _refuse_long(filters, len(_encoded(clauses)))
    return clauses


def name_clauses(filters: SearchFilters) -> list[str]:
    """The part that a listing of `DeletedProducts` asks for as well: collection, name and place."""
    collection = _collection(filters)
    clauses = [f"Collection/Name eq {_quoted(collection)}"]
    if filters.platform is not None:
        clauses.append(
            f"startswith(Name,{_quoted(names.platform_prefix(collection, filters.platform))})"
        )
    if filters.processing_level is not None:
        clauses.append(_contains(names.level_marker(collection, filters.processing_level)))
    if filters.relative_orbit is not None:
        marker = names.relative_orbit_marker(collection, filters.relative_orbit)
        clauses += [_contains(marker)] if marker else []
    clauses += [_contains(text) for text in filters.texts]
    if filters.tiles:
        clauses.append(_any(_tile_clauses(collection, filters.tiles)))
    if (area := filters.area) is not None:
        clauses.append(_any(_intersects(area)))
    return clauses


def interval_clauses(field: str, interval: Interval) -> list[str]:
    """The half-open interval of one date."""
    clauses = []
    if interval.start is not None:
        clauses.append(f"{field} ge {times.to_text(interval.start)}")
    if interval.end is not None:
        clauses.append(f"{field} lt {times.to_text(interval.end)}")
    return clauses


def instant_clause(field: str, instant: datetime) -> str:
    """One instant of one date."""
    return f"{field} eq {times.to_text(instant)}"


def slices(filters: SearchFilters) -> list[SearchFilters]:
    """Cut a long list of tiles so that each part fits into a request; the same tiles give the same parts."""
    groups: list[list[str]] = []
    fixed = len(_encoded(product_clauses(replace(filters, tile_id=None))))
    room = 0
    for tile in filters.tiles:
        length = len(_encoded(_tile_clauses(_collection(filters), [tile]))) + len("+or+")
        if not groups or len(groups[-1]) == _SLICE_TILES or length > room:
            groups.append([])
            room = _SLICE_CHARACTERS - fixed
        groups[-1].append(tile)
        room -= length
    return [replace(filters, tile_id=tuple(group)) for group in groups] or [filters]


def _refuse_long(filters: SearchFilters, length: int) -> None:
    if length <= _MOST_CHARACTERS:
        return
    said = f"these filters make a request of {length:,} characters, more than {_MOST_CHARACTERS:,}"
    area = filters.area
    if filters.geometry is None or area is None:
        raise FilterError(f"{said}: give fewer tiles")
    raise FilterError(
        f"{option('geometry')}: {said}: simplify its outline, or ask for --bbox {_box_round(area)} round it, "
        "and use the geometry offline"
    )


def _box_round(area: BaseGeometry) -> str:
    """`W,S,E,N` of a box that holds the area, in thousandths of a degree."""
    from satcat.footprints import box

    west, south, east, north = box(area)
    sides = [math.floor(1000 * low) for low in (west, south)]
    sides += [math.ceil(1000 * high) for high in (east, north)]
    return ",".join(f"{side / 1000:g}" for side in sides)


def _encoded(clauses: Iterable[str]) -> str:
    return quote_plus(" and ".join(clauses))


def _collection(filters: SearchFilters) -> str:
    if filters.collection is None:
        raise FilterError("--collection: the source needs one, SENTINEL-2 for example")
    return filters.collection


def _attribute_clauses(filters: SearchFilters, collection: str) -> Iterator[str]:
    if filters.product_type is not None:
        _require(filters, "product_type", "productType")
        yield _attribute("String", "productType", "eq", _quoted(filters.product_type))
    if filters.cloud_cover is not None:
        _require(filters, "cloud_cover", "cloudCover")
        yield _attribute("Double", "cloudCover", "le", _decimal(filters.cloud_cover))
    orbit = filters.relative_orbit
    if orbit is not None and names.relative_orbit_marker(collection, orbit) is None:
        _require(filters, "relative_orbit", "relativeOrbitNumber")
        yield _attribute("Integer", "relativeOrbitNumber", "eq", str(orbit))
    if filters.orbit_direction is not None:
        _require(filters, "orbit_direction", "orbitDirection")
        yield _attribute("String", "orbitDirection", "eq", _quoted(filters.orbit_direction))


def _require(filters: SearchFilters, field: str, attribute: str) -> None:
    collection = _collection(filters)
    if not names.has_attribute(collection, attribute):
        filters.refuse(
            [field], f"products of {collection} carry no {attribute} to ask the source for"
        )


def _attribute(kind: str, name: str, operator: str, value: str) -> str:
    cast = f"OData.CSC.{kind}Attribute"
    return (
        f"Attributes/{cast}/any(att:att/Name eq '{name}' and att/{cast}/Value {operator} {value})"
    )


def _tile_clauses(collection: str, tiles: Iterable[str]) -> list[str]:
    from satcat.tiles import footprint

    clauses = []
    for tile in tiles:
        marker = names.tile_marker(collection, tile)
        clauses += _intersects(footprint(tile)) if marker is None else [_contains(marker)]
    return clauses


def _intersects(area: BaseGeometry) -> list[str]:
    from satcat.footprints import odata_literals

    literals = odata_literals(area)
    return [f"OData.CSC.Intersects(area=geography'SRID=4326;{literal}')" for literal in literals]


def _name_pattern(pattern: str) -> list[str]:
    """What a pattern means, where OData can say exactly that; `A*B` only if both ends cannot overlap."""
    if "?" in pattern:
        raise FilterError(f"{option('name')} {pattern}: {_NAME_PATTERN}")
    pieces = re.split(r"\*+", pattern)
    match pieces:
        case [whole]:
            return [f"Name eq {_quoted(whole)}"]
        case ["", text, ""] if text:
            return [_contains(text)]
        case [first, last] if not _overlap(first, last):
            starts = [f"startswith(Name,{_quoted(first)})"] if first else []
            return [*starts, f"endswith(Name,{_quoted(last)})"] if last else starts
    raise FilterError(f"{option('name')} {pattern}: {_NAME_PATTERN}")


def _overlap(first: str, last: str) -> bool:
    """Tell whether one text could be both the end of `first` and the start of `last`."""
    return any(first.endswith(last[:n]) for n in range(1, min(len(first), len(last)) + 1))


def _contains(text: str) -> str:
    return f"contains(Name,{_quoted(text)})"


def _any(clauses: list[str]) -> str:
    return clauses[0] if len(clauses) == 1 else f"({' or '.join(clauses)})"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def _decimal(number: float) -> str:
    """At least two decimals, never an exponent, and no digit lost."""
    short = f"{number:.2f}"
    return short if float(short) == number else f"{Decimal(repr(number)):f}"
