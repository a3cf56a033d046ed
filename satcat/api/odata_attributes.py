"""The attributes of an OData record: those that have a column, and what is left.

Where the collection spells a fact in its names, the name gives the column, because that is what a filter on it asks for;
anything else comes from the attribute, and from the name where that is missing. An attribute is left out only if a column
holds exactly its value, so that nothing the source said is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from satcat import names
from satcat.api import odata_fields as fields
from satcat.api.odata_fields import Reader
from satcat.api.odata_records import Attribute
from satcat.products import AttributeValue

_MAX_ATTRIBUTES = 500
_MAX_ORBIT = 2**31 - 1

_MISSION, _SERIAL, _LEVEL_NAME = "platformShortName", "platformSerialIdentifier", "processingLevel"

_LEVEL = re.compile(r"(?:S\dMSI|LEVEL[ _-]?|L)?(\d)([A-Z]?)", re.ASCII)
_FAMILY = re.compile(r"(SENTINEL|LANDSAT)-?(\d{1,2})P?", re.ASCII)


def attributes(reader: Reader, listed: object) -> dict[str, AttributeValue]:
    """Every attribute, name to value; a name that comes twice with another value is kept as `name#2`."""
    plain = _plain(listed) if type(listed) is list else None
    return _one_by_one(reader, listed) if plain is None else plain


def _plain(items: list[Any]) -> dict[str, AttributeValue] | None:
    """All at once, if all are as nearly all are: each name once, and no text that a database refuses."""
    try:
        found: dict[str, AttributeValue] = {item.name: item.value for item in items}
    except AttributeError:  # not read as an `Attribute`, for something is wrong
        return None
    texts = [value for value in found.values() if type(value) is str]
    said = "".join([*found, *texts])
    usual = len(found) == len(items) <= _MAX_ATTRIBUTES and len(said) <= fields.MAX_TEXT
    return found if usual and said.isprintable() else None


def _one_by_one(reader: Reader, listed: object) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    items = listed if isinstance(listed, list) else []
    if listed is not None and not isinstance(listed, list):
        reader.keep("Attributes", listed)
    if len(items) > _MAX_ATTRIBUTES:
        reader.warn(f"it has {len(items)} attributes, {_MAX_ATTRIBUTES} are kept")
    named = [(item, *_named(item)) for item in items]
    if nameless := [item for item, name, _ in named if not name]:
        reader.warn(
            f"attributes without a name: {len(nameless)}, such as {fields.brief(nameless[0])}"
        )
    pairs = [(name, value) for _, name, value in named if name]
    for name, value in sorted(pairs, key=_rank)[:_MAX_ATTRIBUTES]:
        kept = fields.storable(name, fields.MAX_NAME)
        reader.altered(f"the name of {kept[:80]}", name, kept)
        _add(reader, found, kept, value)
    return found


def _rank(pair: tuple[str, object]) -> tuple[str, str]:
    """Where an attribute stands, in whatever order they come: the same product is to be stored in the same way."""
    name, value = pair
    return name, json.dumps(fields.scalar(value))


def _named(item: object) -> tuple[str, object]:
    """Its name ("" without one) and its value."""
    if isinstance(item, Attribute):
        return item.name, item.value
    name = item.get("Name") if isinstance(item, dict) else None
    return (
        (name, item.get("Value"))
        if isinstance(item, dict) and isinstance(name, str)
        else ("", None)
    )


def columns(
    found: dict[str, AttributeValue],
    name: str,
    collection: str,
    start: datetime,
    end: datetime | None,
) -> dict[str, Any]:
    """The columns that attributes or the name give; attributes whose exact value a column holds are taken out."""
    parts = names.parse(name, collection)
    platform = parts.platform
    if platform is None and not names.decides(collection, "platform"):
        platform = _platform(found)
    values: dict[str, Any] = {"platform": platform}
    for column, spellings, read, by_name in _plan(collection):
        value, decided = getattr(parts, column, None), by_name
        for key in spellings:
            said = found.get(key)
            if said is None:
                continue
            if not decided:
                stated = read(said)
                value, decided = value if stated is None else stated, True
            if _same(said, value):
                del found[key]
        values[column] = value
    _take_spellings(found, values)
    for key, held in (("beginningDateTime", start), ("endingDateTime", end)):
        if key in found and found[key] is not None and fields.instant(found[key]) == held:
            del found[key]
    return values


def _take_spellings(found: dict[str, AttributeValue], values: Mapping[str, Any]) -> None:
    """Take out what a column says in other words: `SENTINEL-2` and `A` are the platform `S2A`, a level may be the type."""
    said = (found.get(_MISSION), found.get(_SERIAL))
    platform = values["platform"] or ""
    if said == (f"SENTINEL-{platform[1:2]}", platform[2:]) and platform.startswith("S"):
        del found[_MISSION], found[_SERIAL]
    if _LEVEL_NAME in found and found[_LEVEL_NAME] == values["product_type"]:
        del found[_LEVEL_NAME]


@lru_cache(maxsize=64)
def _plan(collection: str) -> list[tuple[str, tuple[str, ...], Callable[[object], Any], bool]]:
    """What to read of each column, and whether the name decides it."""
    return [(*column, names.decides(collection, column[0])) for column in _COLUMNS]


def _add(reader: Reader, found: dict[str, AttributeValue], name: str, value: object) -> None:
    kept = fields.scalar(value)
    if isinstance(value, str) and isinstance(kept, str):
        reader.altered(name, value, kept)
    key, number = name, 1
    while key in found and not _same(found[key], kept):
        number += 1
        key = f"{name}#{number}"
    found[key] = kept


def _same(one: AttributeValue, other: object) -> bool:
    """Equal and of one JSON type; numbers by value."""
    if type(one) is type(other):
        return one == other
    if isinstance(one, int | float) and not isinstance(one, bool):
        return isinstance(other, int | float) and not isinstance(other, bool) and one == other
    return False


def _platform(found: Mapping[str, AttributeValue]) -> str | None:
    """`SENTINEL-2` and `A` as `S2A`, `LANDSAT-8` as `L8`; what is neither stays as it is."""
    name = fields.word(found.get(_MISSION))
    if name is None:
        return None
    serial = fields.word(found.get(_SERIAL)) or ""
    match = _FAMILY.fullmatch(name.upper())
    if match is None:
        return name
    return f"S{match[2]}{serial}" if match[1] == "SENTINEL" else f"L{match[2]}"


def _level(value: object) -> str | None:
    """`S2MSI2A` as `L2A`, `LEVEL1` and 1 as `L1`."""
    said = fields.word(str(value) if isinstance(value, int) else value)
    match = _LEVEL.fullmatch(said.upper()) if said else None
    return f"L{match[1]}{match[2]}" if match else said


def _direction(value: object) -> str | None:
    said = fields.word(value)
    return said and said.upper()


def _orbit(value: object) -> int | None:
    return fields.integer(value, _MAX_ORBIT) or None


#: Column, the spellings of its attribute (newest first), how it is read.
_COLUMNS: tuple[tuple[str, tuple[str, ...], Callable[[object], Any]], ...] = (
    ("product_type", ("productType",), fields.word),
    ("processing_level", ("processingLevel", "processing:level"), _level),
    ("processing_baseline", ("processingBaseline",), fields.word),
    ("instrument", ("instrumentShortName",), fields.word),
    ("tile_id", ("tileId",), fields.word),
    ("relative_orbit", ("relativeOrbitNumber",), _orbit),
    ("absolute_orbit", ("orbitNumber",), _orbit),
    ("orbit_direction", ("orbitDirection",), _direction),
    ("polarisation", ("polarisationChannels",), fields.word),
    ("cloud_cover", ("cloudCover",), fields.finite),
)
