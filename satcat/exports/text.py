"""The forms that are text; each writer takes rows as they come, holds none of them, and returns how many there were.

Instants are in the stored form, footprints WKT, other bytes hexadecimal, unknown values nothing (csv) or null. CSV cells
are the data as they are, also where a spreadsheet would take one for a formula.
"""

from __future__ import annotations

import csv as csv_library
import json as json_library
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TextIO, TypeAlias

from satcat import times
from satcat.errors import FilterError
from satcat.exports.rows import Rows

Writer: TypeAlias = Callable[[Rows, TextIO], int]


def csv(rows: Rows, file: TextIO) -> int:
    """Comma-separated values with a header line."""
    writer = csv_library.writer(_UnixLines(file))
    writer.writerow(rows.columns)
    return _drain(writer.writerow(map(_cell, row)) for row in worded(rows))


def json(rows: Rows, file: TextIO) -> int:
    """One array of objects."""
    return _joined(file, "[", _objects(rows), "]")


def ndjson(rows: Rows, file: TextIO) -> int:
    """One object a line."""
    return _lines(file, _objects(rows))


def geojson(rows: Rows, file: TextIO) -> int:
    """A FeatureCollection (RFC 7946); lon/lat degrees."""
    start = '{"type": "FeatureCollection", "features": ['
    return _joined(file, start, _features(rows), "]}")


def geojsonl(rows: Rows, file: TextIO) -> int:
    """One GeoJSON feature a line."""
    return _lines(file, _features(rows))


def ids(rows: Rows, file: TextIO) -> int:
    """The first column, one a line, as `mark --ids` reads ids."""
    return _drain(file.write(f"{row[0]}\n") for row in rows.values)


WRITERS: Mapping[str, Writer] = MappingProxyType(
    {"csv": csv, "json": json, "ndjson": ndjson, "geojson": geojson, "geojsonl": geojsonl, "ids": ids}
)  # fmt: skip


def _objects(rows: Rows) -> Iterator[dict[str, Any]]:
    for row in worded(rows):
        yield dict(zip(rows.columns, map(_finite, row), strict=True))


def _features(rows: Rows) -> Iterator[dict[str, Any]]:
    from satcat import footprints

    if "footprint" not in rows.columns:
        raise FilterError("GeoJSON: the result has no column footprint")
    place = list(rows.columns).index("footprint")
    for row in rows.values:
        properties = dict(zip(rows.columns, map(_finite, row), strict=True))
        del properties["footprint"]
        geometry = footprints.to_geojson(row[place]) if row[place] else None
        feature = {"type": "Feature", "geometry": geometry, "properties": properties}
        yield feature | ({"id": properties["id"]} if "id" in properties else {})


def worded(rows: Rows) -> Iterable[Sequence[Any]]:
    """The rows with their footprints as WKT."""
    if "footprint" not in rows.columns:
        return rows.values
    place = list(rows.columns).index("footprint")
    return (_with_wkt(row, place) for row in rows.values)


def _with_wkt(row: Sequence[Any], place: int) -> Sequence[Any]:
    from satcat import footprints

    if not isinstance(row[place], (bytes, memoryview)):
        return row
    return [*row[:place], footprints.to_wkt(bytes(row[place])), *row[place + 1 :]]


def _joined(file: TextIO, before: str, items: Iterable[Any], after: str) -> int:
    total = 0
    for total, item in enumerate(items, 1):  # if the first cannot be made, nothing is written
        file.write((f"{before}\n" if total == 1 else ",\n") + _dump(item))
    file.write(("" if total else before) + f"\n{after}\n")
    return total


def _lines(file: TextIO, items: Iterable[Any]) -> int:
    return _drain(file.write(_dump(item) + "\n") for item in items)


def _drain(writes: Iterable[object]) -> int:
    total = 0
    for _ in writes:
        total += 1
    return total


class _UnixLines:
    """Ends each row in a plain newline. Asked to do so itself, csv would no longer quote a carriage return."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        """Take a row as csv ends it, in CR LF."""
        self._file.write(row[:-2] + "\n")


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dump(value: Any) -> str:
    return json_library.dumps(value, ensure_ascii=False, default=_stored)


def _stored(value: Any) -> str:
    """What JSON has no type for, in the form in which the catalogue keeps it."""
    if isinstance(value, datetime):
        return times.to_text(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return str(value)


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, (bool, dict, list, tuple)):
        return _dump(value)
    return value if isinstance(value, int) else _stored(value)
