"""The attributes of an OData record: those that have a column, and what is left.

Where the collection spells a fact in its names, the name gives the column, because that is what a filter on it asks for;
anything else comes from the attribute, and from the name where that is missing. An attribute is left out only if a column
holds exactly its value, so that nothing the source said is lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from satcat import names
from satcat.api import odata_fields as fields
from satcat.api.odata_fields import Reader
from satcat.products import AttributeValue

_MAX_ATTRIBUTES = 500
_MAX_NAME = 200
_MAX_ORBIT = 2**31 - 1

_LEVEL = re.compile(r"(?:S\dMSI|LEVEL[ _-]?|L)?(\d)([A-Z]?)", re.ASCII)
_FAMILY = re.compile(r"(SENTINEL|LANDSAT)-?(\d{1,2})P?", re.ASCII)


def attributes(reader: Reader, listed: object) -> dict[str, AttributeValue]:
    """Every attribute, name to value; a name that comes twice with another value is kept as `name#2`."""
    found: dict[str, AttributeValue] = {}
    items = listed if isinstance(listed, list) else []
    if listed is not None and not isinstance(listed, list):
        reader.keep("Attributes", listed)
    if len(items) > _MAX_ATTRIBUTES:
        reader.warn(f"it has {len(items)} attributes, {_MAX_ATTRIBUTES} are kept")
    for item in items[:_MAX_ATTRIBUTES]:
        name = item.get("Name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            reader.warn(f"an attribute has no name: {str(fields.scalar(item))[:80]}")
            continue
        key, value = _key(name), item.get("Value")
        if key not in found and type(value) is str and value.isprintable() and len(value) < 1000:
            found[key] = value  # as nearly all are, thirty in each product
        else:
            _add(reader, found, key, value)
    return found


@lru_cache(maxsize=512)
def _key(name: str) -> str:
    return fields.storable(name, _MAX_NAME)


def columns(found: Mapping[str, AttributeValue], name: str, collection: str) -> dict[str, Any]:
    """The columns that attributes or the name give."""
    parts = names.parse(name, collection)
    values: dict[str, Any] = {"platform": parts.platform}
    if parts.platform is None and not names.decides(collection, "platform"):
        values["platform"] = _platform(found)
    decided = _decided(collection)
    for column, spellings, read in _COLUMNS:
        values[column] = named = getattr(parts, column, None)
        if column in decided:
            continue
        for key in spellings:
            said = found.get(key)
            if said is not None:
                stated = read(said)
                values[column] = named if stated is None else stated
                break
    return values


@lru_cache(maxsize=64)
def _decided(collection: str) -> set[str]:
    return {column for column, _, _ in _COLUMNS if names.decides(collection, column)}


def left_over(
    found: Mapping[str, AttributeValue],
    values: Mapping[str, Any],
    start: datetime,
    end: datetime | None,
) -> dict[str, AttributeValue]:
    """The attributes whose exact value no column holds."""
    left = dict(found)
    for column, spellings, _ in _COLUMNS:
        for key in spellings:
            value = left.get(key)
            if value is not None and _same(value, values[column]):
                del left[key]
    for key, held in (("beginningDateTime", start), ("endingDateTime", end)):
        value = left.get(key)
        if value is not None and fields.instant(value) == held:
            del left[key]
    return left


def _add(reader: Reader, found: dict[str, AttributeValue], name: str, value: object) -> None:
    if isinstance(value, str) and len(value) > fields.MAX_TEXT:
        reader.warn(f"{name} has {len(value)} characters, {fields.MAX_TEXT} are kept")
    kept = fields.scalar(value)
    key, number = name, 1
    while key in found and not _same(found[key], kept):
        number += 1
        key = f"{name}#{number}"
    found[key] = kept


def _same(one: AttributeValue, other: object) -> bool:
    """Equal and of one JSON type; numbers by value."""
    if isinstance(one, int | float) and not isinstance(one, bool):
        return isinstance(other, int | float) and not isinstance(other, bool) and one == other
    return type(one) is type(other) and one == other


def _platform(found: Mapping[str, AttributeValue]) -> str | None:
    """`SENTINEL-2` and `A` as `S2A`, `LANDSAT-8` as `L8`; what is neither stays as it is."""
    name = fields.text(found.get("platformShortName"))
    if name is None:
        return None
    serial = fields.text(found.get("platformSerialIdentifier")) or ""
    match = _FAMILY.fullmatch(name.upper())
    if match is None:
        return name
    return f"S{match[2]}{serial}" if match[1] == "SENTINEL" else f"L{match[2]}"


def _level(value: object) -> str | None:
    """`S2MSI2A` as `L2A`, `LEVEL1` and 1 as `L1`."""
    said = fields.text(str(value) if isinstance(value, int) else value)
    match = _LEVEL.fullmatch(said.upper()) if said else None
    return f"L{match[1]}{match[2]}" if match else said


def _direction(value: object) -> str | None:
    said = fields.text(value)
    return said and said.upper()


def _orbit(value: object) -> int | None:
    return fields.integer(value, _MAX_ORBIT) or None


#: Column, the spellings of its attribute (newest first), how it is read.
_COLUMNS: tuple[tuple[str, tuple[str, ...], Callable[[object], Any]], ...] = (
    ("product_type", ("productType",), fields.text),
    ("processing_level", ("processingLevel", "processing:level"), _level),
    ("processing_baseline", ("processingBaseline",), fields.text),
    ("instrument", ("instrumentShortName",), fields.text),
    ("tile_id", ("tileId",), fields.text),
    ("relative_orbit", ("relativeOrbitNumber",), _orbit),
    ("absolute_orbit", ("orbitNumber",), _orbit),
    ("orbit_direction", ("orbitDirection",), _direction),
    ("polarisation", ("polarisationChannels",), fields.text),
    ("cloud_cover", ("cloudCover",), fields.finite),
)
