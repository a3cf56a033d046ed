"""GeoPackage (OGC 12-128r19): the geometries of one layer, read in memory by SQLite; the file is not touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from shapely.geometry.base import BaseGeometry

from satcat.areas import wkb
from satcat.areas.words import CONVERT, note_closed, reason, refuse_other_than_wgs84
from satcat.errors import FootprintError

_LAYERS = """
    SELECT g.table_name, g.column_name, g.srs_id, s.organization, s.organization_coordsys_id
    FROM gpkg_geometry_columns g LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id ORDER BY 1
"""
_ENVELOPES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}  # bytes of a header's envelope, by its kind
# A hostile view could run for ever; to read a million rows takes a third of this.
_STEPS, _MOST_STEPS = 100_000, 300
_MOST_BYTES = 100_000_000


class _Layer(NamedTuple):
    name: str
    column: str
    srs_id: int
    organization: str | None
    code: int | None


def read(data: bytes, name: str, layer: str | None, notes: list[str]) -> list[BaseGeometry]:
    """The geometries of a GeoPackage's only layer, or of the one that is named."""
    connection = sqlite3.connect(":memory:")
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    try:
        # as a file in journal mode: one in WAL mode cannot be opened in memory
        connection.deserialize(data[:18] + b"\1\1" + data[20:])
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        steps = iter(range(_MOST_STEPS))
        connection.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
        chosen = _choose([_Layer(*row) for row in connection.execute(_LAYERS)], name, layer)
        _check_reference(chosen)
        column, table = _quoted(chosen.column), _quoted(chosen.name)
        rows = connection.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")
        return list(_geometries((row[0] for row in rows), notes))
    except (sqlite3.Error, UnicodeDecodeError, OverflowError, TypeError) as error:
        raise FootprintError(f"{name} is no GeoPackage that can be read: {reason(error)}") from None
    finally:
        connection.close()


def _choose(layers: list[_Layer], name: str, layer: str | None) -> _Layer:
    named = ", ".join(str(found.name) for found in layers[:10])
    if not layers:
        raise FootprintError(f"{name} has no layer with geometries")
    if layer is None and len(layers) > 1:
        raise FootprintError(f"{name} has several layers: write {name}:LAYER with one of {named}")
    for found in layers:
        if layer in (None, found.name):
            return found
    raise FootprintError(f"{name} has no layer {layer!r}; there are: {named}")


def _check_reference(layer: _Layer) -> None:
    if layer.srs_id == -1:
        raise FootprintError(f"the layer {layer.name} has no reference system: {CONVERT}")
    organization = (layer.organization or "EPSG").upper()
    code = layer.srs_id if layer.code is None else layer.code
    refuse_other_than_wgs84(
        f"{organization}:{code}", code if organization in ("EPSG", "NONE") else None
    )


def _geometries(blobs: Iterator[object], notes: list[str]) -> Iterator[BaseGeometry]:
    closed = total = 0
    for blob in blobs:
        found = _wkb(blob)
        total += len(found or b"")
        if total > _MOST_BYTES:
            raise FootprintError(
                f"the layer has over {_MOST_BYTES:,} bytes of geometry: simplify it"
            )
        if found is not None:
            geometry, was_open = wkb.read(found)
            closed += was_open
            yield geometry
    note_closed(closed, notes)


def _wkb(blob: object) -> bytes | None:
    """The WKB after the header of a GeoPackage's geometry; None if that says that it is empty."""
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP":
        raise FootprintError("a geometry has no GeoPackage header")
    flags = blob[3]
    envelope = _ENVELOPES.get(flags >> 1 & 7)
    if envelope is None or flags & 0x20:
        raise FootprintError("a geometry has a header of an unknown kind")
    return None if flags & 0x10 else blob[8 + envelope :]


def _quoted(name: object) -> str:
    doubled = str(name).replace('"', '""')
    return f'"{doubled}"'
