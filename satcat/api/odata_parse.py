"""OData records of CDSE as products and deletions. Pure: a record in, a row or a reject out; hostile input never raises.

A record without a usable Id, Name or ContentDate/Start is a `Reject`. Any other field that cannot be read becomes None, its
raw value is kept in `attributes` under its OData name, and a warning says so. Where the traps come from: CDSE's release
notes (three fraction digits and EvictionDate "" before 2024, `+00:00` before March 2025) and recorded answers (size 0,
Checksum `[{}]`, values whose type is not the one they declare).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from satcat.api import odata_attributes, odata_fields, odata_records
from satcat.api.base import Deletion, Listed, Reject
from satcat.api.odata_fields import Reader
from satcat.api.odata_records import Record
from satcat.batches import batches
from satcat.errors import FootprintError
from satcat.products import SatelliteImage

if TYPE_CHECKING:
    from satcat.footprints import Footprint

RowT = TypeVar("RowT")
#: What became of a record's footprint.
Place: TypeAlias = "Footprint | FootprintError | None"

_SOURCE = "cdse"
_MAX_ID = 128
_NO_ID = re.compile(r"[ /\\]")
_MAX_NAME = 512
_MAX_RAW = 100_000
_AT_ONCE = 50  # records: all that is made of them on the way fits into a processor's cache
_NEVER = 9999  # the year of an eviction that will not come


@dataclass(slots=True)
class Parsed(Generic[RowT]):
    """What became of one record; `warnings` name the fields that became None."""

    row: RowT | Reject
    record: object
    warnings: list[str] = field(default_factory=list)

    def date(self, field_name: str) -> datetime | None:
        """One date of the record, by its OData name (`ContentDate/Start`); None if unreadable."""
        return _date(self.record, field_name)


class _UnusableError(Exception):
    """The record lacks what a row cannot do without."""


def products(records: Iterable[object], collection: str) -> Iterator[Parsed[SatelliteImage]]:
    """Read a page of `Products`, found by asking for this collection (the records do not say it)."""
    from satcat import footprints  # for its libraries, which a run of downloads does without

    for part in batches(records, _AT_ONCE):
        found = [odata_records.read(record) for record in part]
        places = footprints.from_odata_page([_outline(record) for record in found])
        for each in zip(part, found, places, strict=True):
            yield _product(*each, collection)


def product(record: object, collection: str) -> Parsed[SatelliteImage]:
    """Read one record of `Products`."""
    return next(products([record], collection))


def asked_for(id: str, record: object, collection: str) -> SatelliteImage | Reject:
    """Read the answer to the question for one product; a record that says it is another one is a reject too."""
    row = product(record, collection).row
    if row.id == id:
        return row
    if isinstance(row, Reject) and row.id is None:
        return replace(row, id=id)
    return replace(_reject(record, f"at its address is the record of {row.id}"), id=id)


def _product(raw: object, record: object, place: Place, collection: str) -> Parsed[SatelliteImage]:
    try:
        record, id, name = _identity(record)
        start = odata_fields.instant(record.dates.get("Start"))
        if start is None:
            raise _UnusableError(
                f"its ContentDate/Start is no instant{_instead(record.dates.get('Start'))}"
            )
    except _UnusableError as error:
        return Parsed(_reject(raw, str(error)), record)
    reader = Reader(id)
    name = _name(reader, record, name)
    image = _image(reader, record, name, start, place, collection)
    return Parsed(image, record, reader.warnings)


def deletion(raw: object) -> Parsed[Deletion]:
    """Read one record of `DeletedProducts`."""
    record = odata_records.read(raw)
    try:
        record, id, name = _identity(record)
        moment = odata_fields.instant(record.deletion_date)
        if moment is None:
            raise _UnusableError(f"its DeletionDate is no instant{_instead(record.deletion_date)}")
    except _UnusableError as error:
        return Parsed(_reject(raw, str(error)), record)
    reader = Reader(id)
    row = Deletion(
        id=id,
        name=_name(reader, record, name),
        deletion_date=moment,
        cause=reader.read("DeletionCause", record.deletion_cause, odata_fields.text),
        sensing_start=odata_fields.instant(record.dates.get("Start")),
    )
    return Parsed(row, record, reader.warnings)


def listed(raw: object) -> Parsed[Listed]:
    """Read one record of a listing that selects only the id and the modification date."""
    record = odata_records.read(raw)
    try:
        record, id = _id(record)
    except _UnusableError as error:
        return Parsed(_reject(raw, str(error)), record)
    return Parsed(Listed(id, odata_fields.instant(record.modification_date)), record)


def date_of(raw: object, field_name: str) -> datetime | None:
    """One date of a record, by its OData name (`ContentDate/Start`); None if unreadable."""
    return _date(odata_records.read(raw), field_name)


def _date(record: object, field_name: str) -> datetime | None:
    if not isinstance(record, Record):
        return None
    if field_name == "ContentDate/Start":
        return odata_fields.instant(record.dates.get("Start"))
    return odata_fields.instant(getattr(record, _DATES[field_name]))


_DATES = {
    "PublicationDate": "publication_date",
    "ModificationDate": "modification_date",
    "DeletionDate": "deletion_date",
}


def _image(
    reader: Reader, record: Record, name: str, start: datetime, said: Place, collection: str
) -> SatelliteImage:
    instant = odata_fields.instant
    end = reader.read("End", record.dates.get("End"), instant)
    md5, blake3 = odata_fields.checksums(reader, record.checksum)
    place = _footprint(reader, record, said)
    attributes = odata_attributes.attributes(reader, record.attributes)
    record.attributes = None  # else thirty objects stay until the whole page is read
    columns = odata_attributes.columns(attributes, name, collection, start, end)
    origin = reader.read("OriginDate", record.origin_date, instant)
    published = reader.read("PublicationDate", record.publication_date, instant)
    modified = reader.read("ModificationDate", record.modification_date, instant)
    evicted = reader.read("EvictionDate", record.eviction_date, instant)
    size = reader.read("ContentLength", record.content_length, odata_fields.size)
    online = reader.read("Online", record.online, odata_fields.boolean)
    s3_path = reader.read("S3Path", record.s3_path, odata_fields.text)
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
        attributes=reader.unreadable | attributes,
        **columns,
    )


def _outline(record: object) -> tuple[object, object]:
    """What a record says of where it is, twice."""
    return record.outline if isinstance(record, Record) else (None, None)


def _footprint(reader: Reader, record: Record, said: Place) -> Footprint | None:
    if not isinstance(said, FootprintError):
        return said
    text, geojson = record.outline
    if text is None:
        reader.keep("GeoFootprint", geojson)
        return None
    from satcat import footprints

    reader.keep("Footprint", text)
    (other,) = footprints.from_odata_page([(None, record.geojson)])
    return None if isinstance(other, FootprintError) else other


def _id(record: object) -> tuple[Record, str]:
    if not isinstance(record, Record):
        raise _UnusableError(_no_record(record))
    id = record.id
    if not isinstance(id, str) or not is_id(id):
        raise _UnusableError(f"it has no usable Id{_instead(id)}")
    return record, id


def is_id(text: str) -> bool:
    """Tell whether this may be a product's id: no blanks, slashes or control characters, and not long."""
    plain = text.isprintable() and not _NO_ID.search(text)
    return plain and 0 < len(text) <= _MAX_ID and text.strip(".") != ""


def _identity(record: object) -> tuple[Record, str, str]:
    record, id = _id(record)
    name = odata_fields.text(record.name)
    if name is None:
        raise _UnusableError(f"it has no usable Name{_instead(record.name)}")
    return record, id, name


def _no_record(found: object) -> str:
    if isinstance(found, str) and len(found) > odata_records.MAX_RECORD:
        return f"it has {len(found):,} characters, more than {odata_records.MAX_RECORD:,}"
    return "it cannot be read as a JSON object"


def _instead(value: object) -> str:
    """What stands where something else is needed, in a few words."""
    return "" if value is None else f": {odata_fields.brief(value)}"


def _name(reader: Reader, record: Record, name: str) -> str:
    reader.altered("Name", record.name, name[:_MAX_NAME])
    return name[:_MAX_NAME]


def _reject(raw: object, error: str) -> Reject:
    """The record as it came, at most 100,000 characters of it."""
    try:
        said = json.dumps(odata_records.plain(raw))[:_MAX_RAW]
    except (RecursionError, ValueError, TypeError):
        said = "(not printable as JSON)"
    id = odata_records.id_of(raw)
    return Reject(said, error, id if isinstance(id, str) and is_id(id) else None)
