"""GeoParquet 1.1: columns, compressed with zstd, with WKB footprints and a box for each; the extra `parquet`.

Rows that come sorted by tile and time let readers skip most of a file. A footprint that crosses 180° has two parts, so
that its box spans all longitudes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from satcat.batches import batches
from satcat.errors import MissingLibraryError
from satcat.exports.fields import Kind, geometries, kind_of
from satcat.exports.rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 5_000  # rows in memory at once as Python's objects
_ROW_GROUP = 100_000  # rows that a reader takes or skips together
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_GEOMETRY, _BOX = "geometry", "bbox"


def write(rows: Rows, path: Path, *, row_group: int = _ROW_GROUP) -> int:
    """Write products into a new file; returns how many.

    Args:
        row_group: how many rows a reader takes or skips together; so many are in memory, compact.

    Raises:
        MissingLibraryError: pyarrow is not installed.
    """
    check_library()
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = _File(rows.columns)
    waiting: list[pa.RecordBatch] = []
    total = held = 0
    # Arrow's own copy of the schema would have no "geo", and geopandas looks there where it reads a folder of files
    with pq.ParquetWriter(path, file.schema, compression="zstd", store_schema=False) as writer:
        for batch in batches(rows.values, min(_BATCH, row_group)):
            waiting.append(file.record_batch(batch))
            held += len(batch)
            total += len(batch)
            if held >= row_group:
                writer.write_table(pa.Table.from_batches(waiting), row_group)
                waiting, held = [], 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting), row_group)
        writer.add_key_value_metadata({"geo": json.dumps(file.metadata())})
    return total


def check_library() -> None:
    """Raise MissingLibraryError if pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingLibraryError("GeoParquet", "pyarrow", "parquet") from None


class _File:
    """What a file will hold, and what of its footprints has been seen."""

    def __init__(self, columns: Sequence[str]) -> None:
        import pyarrow as pa

        self._columns = columns
        types = {
            Kind.TEXT: pa.string(), Kind.INTEGER: pa.int64(), Kind.NUMBER: pa.float64(), Kind.FLAG: pa.bool_(),
            Kind.INSTANT: pa.timestamp("us", tz="UTC"), Kind.JSON: pa.string(),
        }  # fmt: skip
        self._kinds = {name: kind_of(name) for name in columns if name != "footprint"}
        self._box = pa.struct([(side, pa.float64()) for side in _SIDES])
        fields = [(name, types[kind]) for name, kind in self._kinds.items()]
        self.schema = pa.schema([*fields, (_GEOMETRY, pa.binary()), (_BOX, self._box)])
        self._types: set[str] = set()
        self._bounds: list[tuple[float, ...]] = []

    def record_batch(self, batch: list[Sequence[Any]]) -> pa.RecordBatch:
        """These rows as columns."""
        import pyarrow as pa

        held = dict(zip(self._columns, zip(*batch, strict=True), strict=True))
        made = [
            pa.array(map(_text, held[name]) if kind is Kind.JSON else held[name], self.schema.field(name).type)
            for name, kind in self._kinds.items()
        ]  # fmt: skip
        return pa.record_batch([*made, *self._shapes(held["footprint"])], schema=self.schema)

    def _shapes(self, footprints: Sequence[bytes | None]) -> tuple[pa.Array, pa.Array]:
        """The columns geometry and bbox."""
        import numpy as np
        import pyarrow as pa
        import shapely

        shapes = geometries(footprints)
        known = ~shapely.is_missing(shapes)
        self._types |= {shape.geom_type for shape in shapes[known]}
        sides = shapely.bounds(shapes)
        if known.any():
            low, high = sides[known].min(axis=0), sides[known].max(axis=0)
            self._bounds.append((*low[:2].tolist(), *high[2:].tolist()))
        boxes = pa.StructArray.from_arrays(
            [pa.array(sides[:, place], mask=~known) for place in range(4)], _SIDES, mask=pa.array(~known)
        )  # fmt: skip
        wkbs = np.asarray(shapely.to_wkb(shapes, output_dimension=2, byte_order=1), dtype=object)
        return pa.array(wkbs, pa.binary()), boxes

    def metadata(self) -> dict[str, Any]:
        """What GeoParquet says of the file; without a `crs` it is OGC:CRS84, longitude and latitude, WGS 84."""
        column: dict[str, Any] = {
            "encoding": "WKB",
            "geometry_types": sorted(self._types),
            "orientation": "counterclockwise",
            "edges": "planar",
            "covering": {"bbox": {side: [_BOX, side] for side in _SIDES}},
        }
        if self._bounds:
            west, south, east, north = zip(*self._bounds, strict=True)
            column["bbox"] = [min(west), min(south), max(east), max(north)]
        return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)
