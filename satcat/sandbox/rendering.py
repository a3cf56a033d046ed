"""Records as the JSON of the service: keys, order, types and spellings of recorded answers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import shapely

from satcat import times
from satcat.sandbox import packages
from satcat.sandbox.predicates import geometry
from satcat.sandbox.records import (
    REMOVED,
    TILE,
    AttributeValue,
    Deletion,
    Record,
    Shared,
    Style,
    TypedValue,
    own_attributes,
    value_type,
)

#: What `$select` may name, and the JSON key that it stands for (the service spells one of them
#: differently).
SELECTABLE = {
    name: name
    for name in (
        "Id",
        "Name",
        "ContentType",
        "ContentLength",
        "OriginDate",
        "PublicationDate",
        "ModificationDate",
        "Online",
        "EvictionDate",
        "S3Path",
        "Checksum",
        "ContentDate",
        "Footprint",
    )
} | {"Geofootprint": "GeoFootprint"}

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_NEVER = {"2025": "9999-12-31T23:59:59.999999Z", "2023": ""}
_SPELLINGS_2023 = {"granuleIdentifier": "granuleidentifier", "datastripId": "datastripidentifier"}
_FOLDERS = {
    "SENTINEL-1": "Sentinel-1/SAR",
    "SENTINEL-2": "Sentinel-2/MSI",
    "SENTINEL-3": "Sentinel-3/OLCI",
    "SENTINEL-5P": "Sentinel-5P/TROPOMI",
}


def product(
    record: Record, expand: Collection[str], base: str, keys: Collection[str] | None = None
) -> str:
    """One element of a Products answer, in JSON.

    `base` is the catalogue's URL, `keys` what `$select` leaves (None: all).
    """
    said = _head(record) | {
        "PublicationDate": _instant(record.publication_date, record.style),
        "ModificationDate": _instant(record.modification_date, record.style),
        "Online": record.online,
        "EvictionDate": _eviction(record),
        "S3Path": s3_path(record),
    }
    if "Assets" in expand:
        said["Assets"] = _assets(record, base)
    if "Locations" in expand:
        said["Locations"] = [_location(record, said, base)]
    wire = dict(record.wire or {})
    said = {key: value for key, value in (said | wire).items() if value is not REMOVED}
    return _joined(record, said, keys, "Attributes" in expand and "Attributes" not in wire)


def deletion(entry: Deletion, expand: Collection[str], keys: Collection[str] | None = None) -> str:
    """One element of a DeletedProducts answer."""
    said = _head(entry.record) | {
        "DeletionDate": _instant(entry.deletion_date, "2025"),
        "DeletionCause": entry.cause,
    }
    return _joined(entry.record, said, keys, "Attributes" in expand)


def s3_path(record: Record) -> str:
    """Where the product lies in object storage."""
    kind = record.product_type
    if kind.startswith("S2MSI"):
        kind = f"L{kind[5:]}_N{record.name.partition('_N')[2][:4]}"
    if kind.startswith("AUX"):
        return f"/eodata/Sentinel-1/AUX/{kind}/{record.sensing_start:%Y/%m/%d}/{record.name}"
    folder = _FOLDERS.get(record.collection, record.collection)
    return f"/eodata/{folder}/{kind}/{record.sensing_start:%Y/%m/%d}/{record.name}"


def _head(record: Record) -> dict[str, Any]:
    """What both entity sets say of a product."""
    checksum, size = _checksum(record)
    wkt = record.footprint
    return {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": record.id,
        "Name": record.name,
        "ContentType": "application/octet-stream",
        "ContentLength": size,
        "OriginDate": _instant(record.origin_date, record.style),
        "Checksum": checksum,
        "ContentDate": {
            "Start": _instant(record.sensing_start, record.style),
            "End": _instant(record.sensing_end, record.style),
        },
        "Footprint": None if wkt is None else f"geography'SRID=4326;{wkt}'",
        "GeoFootprint": None if wkt is None else _geojson(wkt),
    }


def _joined(
    record: Record, said: dict[str, Any], keys: Collection[str] | None, expanded: bool
) -> str:
    """The JSON of an element; its attributes, the bulk of it, come as ready-made text."""
    if keys is not None:
        said = {key: value for key, value in said.items() if key in keys}
    text = _dumps(said)
    return f'{text[:-1]},"Attributes":[{_attributes(record)}]}}' if expanded else text


# One instant is written up to four times for a product, and by every tile of its datatake.
@lru_cache(maxsize=1 << 14)
def _instant(moment: datetime, style: Style) -> str:
    text = times.to_text(moment)
    return text if style == "2025" else text[:23] + "Z"


def _eviction(record: Record) -> str:
    return (
        _instant(record.eviction_date, record.style)
        if record.eviction_date
        else _NEVER[record.style]
    )


@lru_cache(maxsize=1 << 14)
def _geojson(wkt: str) -> Any:
    parsed = geometry(wkt)
    return None if parsed is None else json.loads(shapely.to_geojson(parsed))


def _checksum(record: Record) -> tuple[list[dict[str, str]], int]:
    """The published checksums and size, of which late ones are not there yet."""
    if record.checksums == "late":
        return [], 0
    md5, blake3 = packages.digests(record)
    if record.checksums == "stale":
        md5, blake3 = md5[::-1], blake3[::-1]
    if record.checksums == "restless":
        md5, blake3 = secrets.token_hex(16), secrets.token_hex(32)
    hashed = record.publication_date + timedelta(seconds=6)
    return [
        {"Value": md5, "Algorithm": "MD5", "ChecksumDate": times.to_text(hashed)},
        {"Value": blake3, "Algorithm": "BLAKE3", "ChecksumDate": times.to_text(hashed)},
    ], record.size_bytes


def _attributes(record: Record) -> str:
    own = _texts(own_attributes(record), record.collection, record.style)
    if isinstance(record.attributes, Shared):
        others = _shared_texts(record.attributes, record.collection, record.style)
    else:
        others = _texts(record.attributes, record.collection, record.style)
    return ",".join(filter(None, (own, others.replace(TILE, record.tile_id or ""))))


def _texts(values: Mapping[str, AttributeValue], collection: str, style: Style) -> str:
    return ",".join([_attribute(name, value, collection, style) for name, value in values.items()])


@lru_cache(maxsize=1 << 13)
def _shared_texts(values: Shared, collection: str, style: Style) -> str:
    return _texts(values, collection, style)


def _attribute(name: str, value: AttributeValue, collection: str, style: Style) -> str:
    kind = value_type(value)
    said: Any = value.value if isinstance(value, TypedValue) else value
    if isinstance(said, datetime):
        said = _instant(said, style)
        if style == "2023":
            said = said.removesuffix("Z") + "+00:00"
    before, after = _frame(name, kind, collection, style)
    return f"{before}{_dumps(said)}{after}"


@lru_cache(maxsize=1024)
def _frame(name: str, kind: str, collection: str, style: Style) -> tuple[str, str]:
    """What stands before and after an attribute's value."""
    if style == "2023":
        name = _SPELLINGS_2023.get(name, name)
        if name == "processingLevel" and collection == "SENTINEL-1":
            name = "processing:level"
    start = f'{{"@odata.type":"#OData.CSC.{kind}Attribute","Name":{_dumps(name)},"Value":'
    return start, f',"ValueType":"{kind}"}}'


def _assets(record: Record, base: str) -> list[dict[str, Any]]:
    if record.collection != "SENTINEL-2":
        return []
    id = uuid5(NAMESPACE_URL, record.id)
    link = f"{base}/Assets({id})/$value"
    return [{"Type": "QUICKLOOK", "Id": str(id), "DownloadLink": link, "S3Path": s3_path(record)}]


def _location(record: Record, said: dict[str, Any], base: str) -> dict[str, Any]:
    return {
        "FormatType": "Extracted",
        "DownloadLink": f"{base}/Products({record.id})/$value",
        "ContentLength": said["ContentLength"],
        "Checksum": said["Checksum"],
        "S3Path": said["S3Path"],
    }
