"""Records as the JSON of the service: keys, order, types and spellings of recorded answers."""

from __future__ import annotations

import json
from collections.abc import Collection
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
    AttributeValue,
    Deletion,
    Record,
    Style,
    TypedValue,
    attributes,
    value_type,
)

#: What `$select` may name, and the JSON key that it stands for (the service spells one of them differently).
SELECTABLE = {
    name: name
    for name in ("Id", "Name", "ContentType", "ContentLength", "OriginDate", "PublicationDate",
                 "ModificationDate", "Online", "EvictionDate", "S3Path", "Checksum", "ContentDate",
                 "Footprint")
} | {"Geofootprint": "GeoFootprint"}  # fmt: skip

_NEVER = {"2025": "9999-12-31T23:59:59.999999Z", "2023": ""}
_SPELLINGS_2023 = {"granuleIdentifier": "granuleidentifier", "datastripId": "datastripidentifier"}
_FOLDERS = {
    "SENTINEL-1": "Sentinel-1/SAR", "SENTINEL-2": "Sentinel-2/MSI", "SENTINEL-3": "Sentinel-3/OLCI",
    "SENTINEL-5P": "Sentinel-5P/TROPOMI",
}  # fmt: skip


def product(record: Record, expand: Collection[str], base: str) -> dict[str, Any]:
    """One element of a Products answer; `base` is the catalogue's URL, for the links in it."""
    checksum, size = _checksum(record)
    said = {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": record.id,
        "Name": record.name,
        "ContentType": "application/octet-stream",
        "ContentLength": size,
        "OriginDate": _instant(record.origin_date, record.style),
        "PublicationDate": _instant(record.publication_date, record.style),
        "ModificationDate": _instant(record.modification_date, record.style),
        "Online": record.online,
        "EvictionDate": _eviction(record),
        "S3Path": s3_path(record),
        "Checksum": checksum,
        "ContentDate": _content_date(record),
        **_footprints(record.footprint),
    }
    if "Attributes" in expand:
        said["Attributes"] = _attributes(record)
    if "Assets" in expand:
        said["Assets"] = _assets(record, base)
    if "Locations" in expand:
        said["Locations"] = [_location(record, said, base)]
    return _overridden(said, record)


def deletion(entry: Deletion, expand: Collection[str]) -> dict[str, Any]:
    """One element of a DeletedProducts answer."""
    record = entry.record
    checksum, size = _checksum(record)
    said = {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": record.id,
        "Name": record.name,
        "ContentType": "application/octet-stream",
        "ContentLength": size,
        "OriginDate": _instant(record.origin_date, record.style),
        "Checksum": checksum,
        **_footprints(record.footprint),
        "ContentDate": _content_date(record),
    }
    if "Attributes" in expand:
        said["Attributes"] = _attributes(record)
    said["DeletionDate"] = _instant(entry.deletion_date, "2025")
    said["DeletionCause"] = entry.cause
    return said


def s3_path(record: Record) -> str:
    """Where the product lies in object storage."""
    kind = record.product_type
    if kind.startswith("S2MSI"):
        kind = f"L{kind[5:]}_N{record.name.partition('_N')[2][:4]}"
    if kind.startswith("AUX"):
        return f"/eodata/Sentinel-1/AUX/{kind}/{record.sensing_start:%Y/%m/%d}/{record.name}"
    folder = _FOLDERS.get(record.collection, record.collection)
    return f"/eodata/{folder}/{kind}/{record.sensing_start:%Y/%m/%d}/{record.name}"


def _instant(moment: datetime, style: Style) -> str:
    text = times.to_text(moment)
    return text if style == "2025" else text[:23] + "Z"


def _eviction(record: Record) -> str:
    return (
        _instant(record.eviction_date, record.style)
        if record.eviction_date
        else _NEVER[record.style]
    )


def _content_date(record: Record) -> dict[str, str]:
    return {
        "Start": _instant(record.sensing_start, record.style),
        "End": _instant(record.sensing_end, record.style),
    }


def _footprints(wkt: str | None) -> dict[str, Any]:
    if wkt is None:
        return {"Footprint": None, "GeoFootprint": None}
    return {"Footprint": f"geography'SRID=4326;{wkt}'", "GeoFootprint": _geojson(wkt)}


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
    hashed = record.publication_date + timedelta(seconds=6)
    return [
        {"Value": md5, "Algorithm": "MD5", "ChecksumDate": times.to_text(hashed)},
        {"Value": blake3, "Algorithm": "BLAKE3", "ChecksumDate": times.to_text(hashed)},
    ], record.size_bytes


def _attributes(record: Record) -> list[dict[str, Any]]:
    return [_attribute(record, name, value) for name, value in attributes(record).items()]


def _attribute(record: Record, name: str, value: AttributeValue) -> dict[str, Any]:
    kind = value_type(value)
    said: Any = value.value if isinstance(value, TypedValue) else value
    if record.style == "2023":
        name = _SPELLINGS_2023.get(name, name)
        if name == "processingLevel" and record.collection == "SENTINEL-1":
            name = "processing:level"
    if isinstance(said, datetime):
        said = _instant(said, record.style)
        if record.style == "2023":
            said = said.removesuffix("Z") + "+00:00"
    return {
        "@odata.type": f"#OData.CSC.{kind}Attribute",
        "Name": name,
        "Value": said,
        "ValueType": kind,
    }


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


def _overridden(said: dict[str, Any], record: Record) -> dict[str, Any]:
    if record.wire is None:
        return said
    said |= record.wire
    return {key: value for key, value in said.items() if value is not REMOVED}
