"""OData records of CDSE as products and deletions. Pure: a record in, a row or a reject out; hostile input never raises.

A record without a usable Id, Name or ContentDate/Start is a `Reject`. Any other field that cannot be read becomes None, its
raw value is kept in `attributes` under its OData name, and a warning says so. Where the traps come from: CDSE's release
notes (three fraction digits and EvictionDate "" before 2024, `+00:00` before March 2025) and recorded answers (size 0,
Checksum `[{}]`, values whose type is not the one they declare).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from satcat.api import odata_attributes, odata_fields
from satcat.api.base import Deletion, Listed, Reject
from satcat.api.odata_fields import Reader
from satcat.errors import FootprintError
from satcat.products import SatelliteImage

if TYPE_CHECKING:
    from satcat.footprints import Footprint

RowT = TypeVar("RowT")
#: What became of a record's footprint.
Place: TypeAlias = "Footprint | FootprintError | None"

_SOURCE = "cdse"
_MAX_ID = 128
_MAX_NAME = 512
_MAX_RAW = 100_000
_NEVER = 9999  # the year of an eviction that will not come


@dataclass(slots=True)
class Parsed(Generic[RowT]):
    """What became of one record; `warnings` name the fields that became None."""

    row: RowT | Reject
    warnings: list[str] = field(default_factory=list)


class _UnusableError(Exception):
    """The record lacks what a row cannot do without."""


def products(records: Sequence[object], collection: str) -> list[Parsed[SatelliteImage]]:
    """Read a page of `Products`, found by asking for this collection (the records do not say it)."""
    from satcat import footprints  # for its libraries, which a run of downloads does without

    places = footprints.from_odata_page([_outline(record) for record in records])
    return [_product(*each, collection) for each in zip(records, places, strict=True)]


def product(record: object, collection: str) -> Parsed[SatelliteImage]:
    """Read one record of `Products`."""
    return products([record], collection)[0]


def _product(record: object, place: Place, collection: str) -> Parsed[SatelliteImage]:
    try:
        record, id, name = _identity(record)
        start = odata_fields.instant(_dates(record).get("Start"))
        if start is None:
            raise _UnusableError("its ContentDate/Start is no instant")
    except _UnusableError as error:
        return Parsed(_reject(record, str(error)))
    reader = Reader(id)
    name = _name(reader, name)
    return Parsed(_image(reader, record, name, start, place, collection), reader.warnings)


def deletion(record: object) -> Parsed[Deletion]:
    """Read one record of `DeletedProducts`."""
    try:
        record, id, name = _identity(record)
        moment = odata_fields.instant(record.get("DeletionDate"))
        if moment is None:
            raise _UnusableError("its DeletionDate is no instant")
    except _UnusableError as error:
        return Parsed(_reject(record, str(error)))
    reader = Reader(id)
    row = Deletion(
        id=id,
        name=_name(reader, name),
        deletion_date=moment,
        cause=reader.read(record, "DeletionCause", odata_fields.text),
        sensing_start=odata_fields.instant(_dates(record).get("Start")),
    )
    return Parsed(row, reader.warnings)


def listed(record: object) -> Parsed[Listed]:
    """Read one record of a listing that selects only the id and the modification date."""
    try:
        record, id = _id(record)
    except _UnusableError as error:
        return Parsed(_reject(record, str(error)))
    return Parsed(Listed(id, odata_fields.instant(record.get("ModificationDate"))))


def date_of(record: object, field_name: str) -> datetime | None:
    """One date of a record, by its OData name (`ContentDate/Start`); None if unreadable."""
    value = record
    for name in field_name.split("/"):
        value = value.get(name) if isinstance(value, dict) else None
    return odata_fields.instant(value)


def _image(
    reader: Reader, record: dict[str, Any], name: str, start: datetime, said: Place, collection: str
) -> SatelliteImage:
    end = reader.read(_dates(record), "End", odata_fields.instant)
    md5, blake3 = odata_fields.checksums(reader, record.get("Checksum"))
    place = _footprint(reader, record, said)
    attributes = odata_attributes.attributes(reader, record.get("Attributes"))
    columns = odata_attributes.columns(attributes, name, collection)
    origin, published, modified, evicted = (
        reader.read(record, key, odata_fields.instant)
        for key in ("OriginDate", "PublicationDate", "ModificationDate", "EvictionDate")
    )
    size = reader.read(record, "ContentLength", odata_fields.size)
    online = reader.read(record, "Online", odata_fields.boolean)
    s3_path = reader.read(record, "S3Path", odata_fields.text)
    return SatelliteImage(
        id=reader.id,
        source=_SOURCE,
        name=name,
        collection=collection,
        sensing_start=start,
        sensing_end=end,
        origin_date=origin,
        publication_date=published,
        modification_date=modified,
        eviction_date=None if evicted and evicted.year == _NEVER else evicted,
        online=online,
        size_bytes=size or None,
        s3_path=s3_path,
        md5=md5,
        blake3=blake3,
        west=place.west if place else None,
        south=place.south if place else None,
        east=place.east if place else None,
        north=place.north if place else None,
        footprint=place.wkb if place else None,
        attributes=reader.unreadable | odata_attributes.left_over(attributes, columns, start, end),
        **columns,
    )


def _outline(record: object) -> tuple[object, object]:
    """What a record says of where it is, twice."""
    if not isinstance(record, dict):
        return None, None
    return record.get("Footprint"), record.get("GeoFootprint")


def _footprint(reader: Reader, record: Mapping[str, Any], said: Place) -> Footprint | None:
    if not isinstance(said, FootprintError):
        return said
    text, geojson = _outline(record)
    reader.keep("Footprint" if text is not None else "GeoFootprint", text or geojson)
    return None


def _id(record: object) -> tuple[dict[str, Any], str]:
    if not isinstance(record, dict):
        raise _UnusableError("it is no JSON object")
    id = record.get("Id")
    if not isinstance(id, str) or not is_id(id):
        raise _UnusableError("it has no usable Id")
    return record, id


def is_id(text: str) -> bool:
    """Tell whether this may be a product's id: no blanks, slashes or control characters, and not long."""
    plain = text.isprintable() and not any(mark in text for mark in " /\\")
    return plain and 0 < len(text) <= _MAX_ID and text.strip(".") != ""


def _identity(record: object) -> tuple[dict[str, Any], str, str]:
    record, id = _id(record)
    name = odata_fields.text(record.get("Name"))
    if name is None:
        raise _UnusableError("it has no usable Name")
    return record, id, name


def _name(reader: Reader, name: str) -> str:
    if len(name) > _MAX_NAME:
        reader.warn(f"its Name has more than {_MAX_NAME} characters, and is cut")
    return name[:_MAX_NAME]


def _dates(record: Mapping[str, Any]) -> dict[str, Any]:
    dates = record.get("ContentDate")
    return dates if isinstance(dates, dict) else {}


def _reject(record: object, error: str) -> Reject:
    """The record as it came, at most 100,000 characters of it."""
    try:
        raw = json.dumps(record)[:_MAX_RAW]
    except (RecursionError, ValueError, TypeError):
        raw = "(not printable as JSON)"
    id = record.get("Id") if isinstance(record, dict) else None
    return Reject(raw, error, id if isinstance(id, str) and is_id(id) else None)
