"""The forms that results can have; each writer takes rows as they come and holds none of them.

Instants are in the stored form, bytes hexadecimal, unknown values nothing (csv) or null. CSV cells are the data as they are,
also where a spreadsheet would take one for a formula.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TextIO, TypeAlias

from satcat import times
from satcat.cli import table
from satcat.cli.table import NO_WORDS, Words
from satcat.errors import FilterError

#: Gives the value of a row's column.
Get: TypeAlias = Callable[[Any, str], Any]

FORMATS = ("table", "csv", "json", "ndjson", "geojson", "ids")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes rows in one of the formats; each method returns how many rows there were."""

    file: TextIO
    columns: list[str]
    get: Get

    def table(
        self, rows: Iterable[Any], width: int | None = None, words: Mapping[str, Words] = NO_WORDS
    ) -> int:
        """A table for people; cells are cut to fit `width` characters."""
        values = ([self.get(row, name) for name in self.columns] for row in rows)
        return table.write(self.file, self.columns, values, width, words)

    def csv(self, rows: Iterable[Any]) -> int:
        """Comma-separated values with a header line."""
        writer = csv.writer(_UnixLines(self.file))
        writer.writerow(self.columns)
        return _drain(
            writer.writerow([_flat(self.get(row, name)) for name in self.columns]) for row in rows
        )

    def json(self, rows: Iterable[Any]) -> int:
        """One array of objects."""
        return self._joined("[", (self._object(row) for row in rows), "]")

    def ndjson(self, rows: Iterable[Any]) -> int:
        """One object a line."""
        return _drain(self.file.write(_dump(self._object(row)) + "\n") for row in rows)

    def geojson(self, rows: Iterable[Any]) -> int:
        """A FeatureCollection (RFC 7946); lon/lat degrees."""
        start = '{"type": "FeatureCollection", "features": ['
        return self._joined(start, (self._feature(row) for row in rows), "]}")

    def ids(self, rows: Iterable[Any]) -> int:
        """One id a line, as `mark --ids` reads them."""
        return _drain(self.file.write(f"{self.get(row, self.columns[0])}\n") for row in rows)

    def _joined(self, before: str, items: Iterable[Any], after: str) -> int:
        total = 0
        for total, item in enumerate(items, 1):  # if the first cannot be made, nothing is written
            self.file.write((f"{before}\n" if total == 1 else ",\n") + _dump(item))
        self.file.write(("" if total else before) + f"\n{after}\n")
        return total

    def _object(self, row: Any) -> dict[str, Any]:
        return {name: _finite(self.get(row, name)) for name in self.columns}

    def _feature(self, row: Any) -> dict[str, Any]:
        from satcat import footprints

        try:
            wkb = self.get(row, "footprint")
        except (KeyError, AttributeError):
            raise FilterError("-f geojson: the result has no column footprint") from None
        properties = self._object(row)
        properties.pop("footprint", None)
        geometry = footprints.to_geojson(wkb) if wkb else None
        feature = {"type": "Feature", "geometry": geometry, "properties": properties}
        return feature | ({"id": properties["id"]} if "id" in properties else {})


class _UnixLines:
    """Ends each row in a plain newline. Asked to do so itself, csv would no longer quote a carriage return."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        """Take a row as csv ends it, in CR LF."""
        self._file.write(row[:-2] + "\n")


def _drain(writes: Iterable[object]) -> int:
    total = 0
    for _ in writes:
        total += 1
    return total


def _finite(value: Any) -> Any:
    """JSON has no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_stored)


def _stored(value: Any) -> str:
    """What JSON has no type for, in the form in which the catalogue keeps it."""
    if isinstance(value, datetime):
        return times.to_text(value)
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex()
    return str(value)


def _flat(value: Any) -> Any:
    """A CSV cell."""
    if value is None or isinstance(value, (str, float)):
        return value
    if isinstance(value, (bool, dict, list, tuple)):
        return _dump(value)
    return value if isinstance(value, int) else _stored(value)
