"""Rows as files: each writer takes `Rows` and a file, holds only a few rows at a time, and returns how many there were.

text.py        csv, json, ndjson, geojson, geojsonl: any rows; what commands print is written by these too
geoparquet.py  parquet: products, with their footprints
geopackage.py  gpkg: the same
frames.py      data frames of pandas and geopandas
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from satcat.errors import FilterError
from satcat.exports import text, whole
from satcat.exports.rows import Rows
from satcat.products import RESULT_COLUMNS

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from satcat.choice import Choice
    from satcat.filters import SearchFilters

#: Passes rows on while they are written.
Watch: TypeAlias = Callable[[Iterator[Any]], Iterator[Any]]

#: The formats of files, each with the suffixes that mean it.
SUFFIXES = {
    "csv": (".csv",),
    "geojson": (".geojson",),
    "parquet": (".parquet", ".geoparquet"),
    "gpkg": (".gpkg",),
    "json": (".json",),
    "ndjson": (".ndjson", ".jsonl"),
    "geojsonl": (".geojsonl", ".geojsons"),
}
FORMATS = tuple(SUFFIXES)
#: Those that hold footprints as geometries.
SPATIAL = ("geojson", "geojsonl", "parquet", "gpkg")


def format_of(path: Path) -> str:
    """The format that a file's suffix means.

    Raises:
        FilterError: it means none.
    """
    for form, suffixes in SUFFIXES.items():
        if path.suffix.lower() in suffixes:
            return form
    known = ", ".join(suffixes[0] for suffixes in SUFFIXES.values())
    raise FilterError(f"{path}: the suffix says no format: end it in {known}, or give --format")


def write(rows: Rows, path: Path, form: str) -> int:
    """Write products to a file, which appears, or replaces what was there, whole or not at all; returns how many.

    Raises:
        FilterError: the path is of a catalogue, or of what cannot be replaced.
        MissingLibraryError: the format needs a library that is not installed.
        SatcatError: the file cannot be written.
    """
    if not whole.may_be_replaced(path):
        raise FilterError(f"{path} is no file: name one")
    with whole.beside(path) as part:
        if form == "parquet":
            from satcat.exports import geoparquet

            return geoparquet.write(rows, part)
        if form == "gpkg":
            from satcat.exports import geopackage

            return geopackage.write(rows, part)
        with part.open("w", encoding="utf-8", newline="") as file:
            return text.WRITERS[form](rows, file)


def export(
    connection: Connection,
    filters: SearchFilters,
    path: Path,
    *,
    form: str | None = None,
    columns: Sequence[str] | None = None,
    watch: Watch = iter,
    **choice: Unpack[Choice],
) -> int:
    """Write the products that match to a file, as `write` does; returns how many.

    Args:
        form: one of FORMATS; None: what the path's suffix means.
        columns: of the table `products`; None: all but `pk`, and the footprint where the format holds geometries.
        watch: passes the rows on, and may count them.
        choice: as for `select.rows`. A Parquet file is sorted by tile and time if it says nothing of sort and limit.
    """
    from satcat import select

    form = form or format_of(path)
    if form not in FORMATS:
        raise FilterError(f"there is no format {form!r}: there are {', '.join(FORMATS)}")
    names = list(RESULT_COLUMNS if columns is None else columns)
    if form in SPATIAL and "footprint" not in names:
        names.append("footprint")
    if form == "parquet" and not (choice.get("sort") or choice.get("limit")):
        choice["sort"] = "tile"
    return write(Rows(names, watch(select.rows(connection, filters, names, **choice))), path, form)
