"""A product: one catalogue entry, as every source gives it and every table holds it.

`SatelliteImage` is what a search gives, online and offline. Its fields are the columns of the table `products`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeAlias

from satcat import times
from satcat.canonical import to_json, whole

#: What an attribute may hold: JSON's scalars. Numbers are finite, integers fit in 64 bits.
AttributeValue: TypeAlias = str | int | float | bool | None

_FAMILIES = {"S1": "Sentinel-1", "S2": "Sentinel-2", "S3": "Sentinel-3", "S5": "Sentinel-5",
             "S6": "Sentinel-6"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SatelliteImage:
    """One product. Times are UTC; sizes bytes; cloud cover percent; the box lon/lat degrees, WGS 84.

    `west > east` means that the box crosses 180° (RFC 7946). `footprint` is WKB, x = lon. None: unknown.
    `first_seen_at` and `changed_at` are the source's clock when the catalogue first held this product, and when what
    it holds last changed; None on what comes straight from a source.
    """

    id: str
    source: str
    name: str
    collection: str
    sensing_start: datetime
    product_type: str | None = None
    processing_level: str | None = None
    processing_baseline: str | None = None
    platform: str | None = None
    instrument: str | None = None
    tile_id: str | None = None
    relative_orbit: int | None = None
    absolute_orbit: int | None = None
    orbit_direction: str | None = None
    polarisation: str | None = None
    cloud_cover: float | None = None
    sensing_end: datetime | None = None
    origin_date: datetime | None = None
    publication_date: datetime | None = None
    modification_date: datetime | None = None
    eviction_date: datetime | None = None
    online: bool | None = None
    size_bytes: int | None = None
    s3_path: str | None = None
    md5: str | None = None
    blake3: str | None = None
    west: float | None = None
    south: float | None = None
    east: float | None = None
    north: float | None = None
    footprint: bytes | None = field(default=None, repr=False)
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict, repr=False)
    first_seen_at: datetime | None = None
    changed_at: datetime | None = None

    @property
    def content_hash(self) -> str:
        """What shows any alteration of what the source said of this product; see `content_hash`."""
        return content_hash({name: getattr(self, name) for name in SOURCE_COLUMNS})

    @property
    def date(self) -> str:
        """The sensing day, `20240601`."""
        return self.sensing_start.strftime("%Y%m%d")

    @property
    def uuid(self) -> str:
        """Sensing day and platform, `20240601_S2A`: the name sat_download gave this. The product's id is `id`."""
        return f"{self.date}_{self.platform or self.collection}"

    @property
    def sensor(self) -> str:
        """The mission, `Sentinel-2`."""
        return _FAMILIES.get((self.platform or "")[:2], self.collection)

    @property
    def brother(self) -> str:
        """Which of the mission's satellites, `A`; empty if unknown."""
        platform = self.platform or ""
        return platform[-1] if platform else ""

    @property
    def identifier(self) -> str:
        """Mission and satellite, `Sentinel-2A`."""
        return f"{self.sensor}{self.brother}"

    @property
    def filename(self) -> str:
        """The product's name, as the source spells it."""
        return self.name

    @property
    def tile(self) -> str | None:
        """The tile id, `30TWM`."""
        return self.tile_id


#: Search results, newest sensing first, then by id; the keys are product ids.
SearchResults: TypeAlias = dict[str, SatelliteImage]

#: The columns that say what the source said, in table order; the content hash covers just these.
SOURCE_COLUMNS: tuple[str, ...] = tuple(
    f.name for f in fields(SatelliteImage) if f.name not in ("first_seen_at", "changed_at")
)

#: The columns of the table `products` that results have: all but `pk`, and `footprint`, which has to be asked for.
RESULT_COLUMNS: tuple[str, ...] = (
    *(name for name in SOURCE_COLUMNS if name != "footprint"), "content_hash", "first_seen_at", "changed_at",
)  # fmt: skip


#: How many hexadecimal digits a content hash has: half of what SHA-256 gives, for it stands in every row.
HASH_DIGITS = 32


def content_hash(values: Mapping[str, Any]) -> str:
    """What shows any alteration of the source columns in `values`; see `digest`."""
    said = {name: value for name in PLAIN_COLUMNS if (value := values[name]) is not None}
    for name in _INSTANTS:
        if isinstance(moment := said.get(name), datetime):
            said[name] = times.to_text(moment)
    return digest(said, canonical_attributes(values["attributes"]), values["footprint"])


def digest(said: dict[str, Any], attributes: str, footprint: bytes | None) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of what a source said of a product, in three lines.

    The first is a JSON object of the plain columns in `canonical` form, the second that of the attributes, the third the
    footprint as hexadecimal WKB. Whole floats are hashed as integers (databases differ in how they give those back), so
    that a row hashes alike wherever it is kept.

    Args:
        said: the plain columns that are known, instants in their stored form; whole floats in it become integers.
        attributes: their `canonical_attributes`.
    """
    for name in _FLOATS:
        if type(number := said.get(name)) is float:
            said[name] = _number(number)
    text = f"{to_json(said)}\n{attributes}\n{bytes(footprint or b'').hex()}"
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def canonical_attributes(attributes: Mapping[str, AttributeValue]) -> str:
    """The attributes as they are hashed."""
    said = dict(attributes)  # a TypeError for what somebody wrote there instead of them
    return to_json({k: _number(v) if type(v) is float else v for k, v in said.items()})


def _number(value: float) -> float:
    return whole(value) if value.is_integer() else value


#: The source columns that JSON has a form for; in table order, as all of them, of which they are the first.
PLAIN_COLUMNS = SOURCE_COLUMNS[:-2]
assert SOURCE_COLUMNS[-2:] == ("footprint", "attributes")
_KINDS = {f.name: str(f.type) for f in fields(SatelliteImage)}
_INSTANTS = [name for name in PLAIN_COLUMNS if "datetime" in _KINDS[name]]
_FLOATS = [name for name in PLAIN_COLUMNS if "float" in _KINDS[name]]
