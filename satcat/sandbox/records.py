"""What the sandbox's catalogue holds: products, and deletions of products.

Records never change: a modification puts a new record in the place of the old one, so that a page
that is being answered, or a snapshot, keeps what it has. They are small, so that hundreds of
thousands fit in memory: what the tiles of one datatake have in common is shared, the JSON is made
for each answer (`rendering`), and the bytes of the package are made from the id (`packages`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from satcat import times

Checksums: TypeAlias = Literal["right", "stale", "late", "restless"]
Style: TypeAlias = Literal["2025", "2023"]


class TypedValue(NamedTuple):
    """A value whose JSON type is not its `ValueType`, as seen on the real service."""

    value: str | float | bool
    value_type: str


AttributeValue: TypeAlias = str | int | float | bool | datetime | TypedValue


class Shared(dict[str, AttributeValue]):
    """Attributes that many records have in common; never changed, and hashed by identity.

    So that their JSON is made once (`rendering`).
    """

    __hash__ = object.__hash__  # type: ignore[assignment]


#: In `Record.wire`: this key is left out of the JSON.
REMOVED: Final = object()

#: In a shared attribute: stands for the product's own tile.
TILE: Final = "{tileId}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One product.

    Times are UTC, sizes bytes, cloud cover percent, `footprint` WKT in lon lat degrees.

    Attributes:
        size_bytes: size of the package, exactly; the listing shows it as ContentLength.
        attributes: OData attributes, by name, that have no field here; `{tileId}` in a text stands
            for the tile.
        style: "2023" is written as in that year: 3 fraction digits, "+00:00", other attribute
            names, EvictionDate "".
        checksums: "right", "stale" (those of an older package), "late" (none yet, and
            ContentLength 0) or "restless" (others in each answer, and never right).
        version: another one has other bytes under the same id, name and size.
        corrupt: the bytes that are delivered are not those of the checksum.
        wire: keys of the product's JSON to replace as they are, or to leave out (`REMOVED`).
    """

    id: str
    name: str
    collection: str
    product_type: str
    sensing_start: datetime
    sensing_end: datetime
    origin_date: datetime
    publication_date: datetime
    modification_date: datetime
    eviction_date: datetime | None = None
    online: bool = True
    size_bytes: int
    footprint: str | None = None
    tile_id: str | None = None
    cloud_cover: float | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    style: Style = "2025"
    checksums: Checksums = "right"
    version: int = 1
    corrupt: bool = False
    wire: Mapping[str, Any] | None = None
    #: MD5 and BLAKE3 of the package, one after the other; `packages.digests` fills it in.
    digests: bytes | None = field(init=False, default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Deletion:
    """One entry of DeletedProducts: the record as it was, when it went, and why."""

    record: Record
    deletion_date: datetime
    cause: str

    @property
    def id(self) -> str:
        """The deleted product's id."""
        return self.record.id


def attribute(record: Record, name: str) -> AttributeValue | None:
    """The value of one OData attribute; None if the product does not carry it."""
    value = record.attributes.get(name)
    if value is None:
        own = _OWN.get(name)
        return None if own is None else own(record)
    if isinstance(value, str):
        return value.replace(TILE, record.tile_id or "")
    return value


def own_attributes(record: Record) -> dict[str, AttributeValue]:
    """The attributes that come from fields, less those that `Record.attributes` holds."""
    return {
        name: value
        for name, get in _OWN.items()
        if (value := get(record)) is not None and name not in record.attributes
    }


def value_type(value: AttributeValue) -> str:
    """The `ValueType` that the service states for a value."""
    return value.value_type if isinstance(value, TypedValue) else _VALUE_TYPES[type(value)]


def stamp(moment: datetime) -> str:
    """An instant as product names write it, `20240604T110619`."""
    return f"{moment:%Y%m%dT%H%M%S}"


def as_instants(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a record, with dates that were given as text read."""
    dates = ("_date", "sensing_start", "sensing_end")
    return {
        k: as_instant(v) if k.endswith(dates) and v is not None else v for k, v in fields.items()
    }


def as_instant(value: datetime | str) -> datetime:
    """An instant, from text if need be."""
    return times.parse_bound(value) if isinstance(value, str) else value.astimezone(UTC)


_VALUE_TYPES = {
    str: "String",
    bool: "Boolean",
    int: "Integer",
    float: "Double",
    datetime: "DateTimeOffset",
}

_OWN: dict[str, Callable[[Record], AttributeValue | None]] = {
    "tileId": lambda r: r.tile_id,
    "cloudCover": lambda r: r.cloud_cover,
    "productType": lambda r: r.product_type,
    "beginningDateTime": lambda r: r.sensing_start,
    "endingDateTime": lambda r: r.sensing_end,
}
