"""Products for scripts to publish: what is given is kept, the rest made up to fit."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from satcat.sandbox import generator, others, packages, sentinel2
from satcat.sandbox.records import Record, as_instants
from satcat.sandbox.sentinel2 import TYPES, Datatake

_RECORD_FIELDS = {field.name for field in dataclass_fields(Record) if field.init}
_LEVELS = {product_type: level for level, product_type in TYPES.items()}


class Publisher:
    """Makes up products, the same ones in the same order for the same seed."""

    def __init__(self, seed: int, package_bytes: tuple[int, int]) -> None:
        self._rng = random.Random(f"publisher {seed}")
        self._package_bytes = package_bytes
        self._lock = threading.Lock()

    def make(self, now: datetime, *, collection: str = "SENTINEL-2", **fields: Any) -> Record:
        """A product published at `now` and sensed some time in 2024, unless given otherwise.

        Fields are those of `Record`, and for Sentinel-2 also `level`, `baseline`, `platform` and
        `relative_orbit`, which together with `tile_id` and `sensing_start` make the name.

        Raises:
            TypeError: there is no such field.
            ValueError: there can be no package of that size and name.
        """
        fields = as_instants(fields)
        with self._lock:
            start = fields.get("sensing_start") or generator.random_instant(self._rng)
            if collection in others.MAKERS:
                record = others.MAKERS[collection](self._rng, start, self._size(fields))
            else:
                record = self._sentinel2(start, fields)
        unknown = fields.keys() - _RECORD_FIELDS
        if unknown:
            raise TypeError(f"a product has no field {', '.join(sorted(unknown))}")
        if "sensing_start" in fields and record.sensing_end == record.sensing_start:
            fields.setdefault("sensing_end", start)
        fields.setdefault("publication_date", now)
        fields.setdefault("modification_date", fields["publication_date"])
        fields.setdefault("origin_date", fields["publication_date"] - timedelta(minutes=20))
        made = replace(record, collection=collection, **fields)
        packages.files(made)
        return _to_milliseconds(made) if made.style == "2023" else made

    def _size(self, fields: Mapping[str, Any]) -> int:
        return fields.get("size_bytes") or self._rng.randrange(*self._package_bytes)

    def _sentinel2(self, start: datetime, fields: dict[str, Any]) -> Record:
        tile_id = fields.get("tile_id") or self._rng.choice(sentinel2.TILES)
        level = fields.pop("level", None) or _LEVELS.get(fields.get("product_type", ""), "L2A")
        footprint = fields.get("footprint") or next(iter(sentinel2.tracks(tile_id).values()))
        datatake = Datatake(fields.pop("platform", "S2B"), fields.pop("relative_orbit", 137), start)
        cloud_cover = sentinel2.cloud_cover(self._rng, start.date())
        return sentinel2.make(
            self._rng,
            datatake,
            tile_id,
            footprint,
            cloud_cover,
            level=level,
            baseline=fields.pop("baseline", "05.10"),
            size_bytes=self._size(fields),
        )


def _to_milliseconds(record: Record) -> Record:
    """Times as coarse as the service kept them before September 2024.

    So that filters and listing agree.
    """
    return replace(
        record,
        sensing_start=_cut(record.sensing_start),
        sensing_end=_cut(record.sensing_end),
        origin_date=_cut(record.origin_date),
        publication_date=_cut(record.publication_date),
        modification_date=_cut(record.modification_date),
    )


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
