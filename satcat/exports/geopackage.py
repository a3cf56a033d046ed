"""GeoPackage 1.4 (OGC 12-128r19): one SQLite file with a layer `products`, as QGIS opens it; needs no GDAL.

Footprints are MultiPolygons; a layer that also holds lines or points says that it holds any geometry. Instants keep
milliseconds, for the standard knows no finer ones.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from satcat.batches import batches
from satcat.errors import SatcatError
from satcat.exports import geopackage_tables as tables
from satcat.exports.fields import Kind, geometries, kind_of
from satcat.exports.rows import Rows

_BATCH = 1000  # rows in memory at once
_TYPES = {
    Kind.TEXT: "TEXT", Kind.INTEGER: "INTEGER", Kind.NUMBER: "DOUBLE", Kind.FLAG: "BOOLEAN",
    Kind.INSTANT: "DATETIME", Kind.JSON: "TEXT",
}  # fmt: skip
# "GP", version 0, little-endian with an envelope of four numbers, the SRID, the envelope
_HEADER = struct.Struct("<2sBBi4d")
_FLAGS = 0b011
_POLYGON, _MULTIPOLYGON = b"\x01\x03\0\0\0", b"\x01\x06\0\0\0"
_ONE = struct.pack("<I", 1)


def write(rows: Rows, path: Path) -> int:
    """Write products into a new GeoPackage at the path of an empty file; returns how many.

    Raises:
        SatcatError: the file cannot be written.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            # whoever is interrupted here throws the file away
            connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            connection.executescript(tables.PREAMBLE)
            layer = _Layer(connection, rows.columns)
            connection.execute("BEGIN")
            total = layer.fill(rows)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise SatcatError(f"the GeoPackage cannot be written: {error}") from error
    return total


class _Layer:
    """The layer `products` while it is being filled."""

    def __init__(self, connection: sqlite3.Connection, columns: Sequence[str]) -> None:
        self._connection = connection
        self._columns = [name for name in columns if name != "footprint"]
        self._kinds = [kind_of(name) for name in self._columns]
        self._place = list(columns).index("footprint")
        self._total = 0
        self._areas_only = True
        declared = (f'"{n}" {_TYPES[k]}' for n, k in zip(self._columns, self._kinds, strict=True))
        connection.executescript(tables.layer(declared))

    def fill(self, rows: Rows) -> int:
        """Add the rows, and finish the layer."""
        marks = ", ".join("?" * (len(self._columns) + 2))
        insert = f"INSERT INTO products VALUES ({marks})"
        index = "INSERT INTO rtree_products_geom VALUES (?, ?, ?, ?, ?)"
        for batch in batches(rows.values, _BATCH):
            fids = range(self._total + 1, self._total + len(batch) + 1)
            blobs, boxes = self._encoded([row[self._place] for row in batch])
            values = map(self._values, batch)
            self._connection.executemany(
                insert, ((f, b, *v) for f, b, v in zip(fids, blobs, values, strict=True))
            )
            boxed = zip(fids, boxes, strict=True)
            self._connection.executemany(index, ((f, *box) for f, box in boxed if box is not None))
            self._total += len(batch)
        tables.finish(self._connection, areas_only=self._areas_only)
        return self._total

    def _values(self, row: Sequence[Any]) -> list[Any]:
        others = [*row[: self._place], *row[self._place + 1 :]]
        return [_stored(value, kind) for value, kind in zip(others, self._kinds, strict=True)]

    def _encoded(
        self, footprints: list[bytes | None]
    ) -> tuple[list[bytes | None], list[tuple[float, ...] | None]]:
        """Geometries in GeoPackage's binary form, and their boxes: west, east, south, north."""
        import shapely

        shapes = geometries(footprints)
        blobs: list[bytes | None] = []
        boxes: list[tuple[float, ...] | None] = []
        wkbs = shapely.to_wkb(shapes, output_dimension=2, byte_order=1)
        for wkb, bounds in zip(wkbs, shapely.bounds(shapes).tolist(), strict=True):
            if wkb is None:
                blobs.append(None)
                boxes.append(None)
                continue
            if wkb.startswith(_POLYGON):
                wkb = _MULTIPOLYGON + _ONE + wkb  # noqa: PLW2901 - the same footprint
            self._areas_only = self._areas_only and wkb.startswith(_MULTIPOLYGON)
            west, south, east, north = bounds
            box = west, east, south, north
            boxes.append(box)
            blobs.append(_HEADER.pack(b"GP", 0, _FLAGS, tables.SRID, *box) + wkb)
        return blobs, boxes


def _stored(value: Any, kind: Kind) -> Any:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}Z"
    if kind is Kind.JSON and value is not None:
        return json.dumps(value, ensure_ascii=False)
    return value
