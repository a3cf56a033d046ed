"""Rows as files: each writer takes `Rows` and a file, holds only a few rows at a time, and returns how many there were.

text.py        csv, json, ndjson, geojson, geojsonl: any rows; what commands print is written by these too
geoparquet.py  parquet: products, with their footprints
dataset.py     a folder of such files, one for each partition
geopackage.py  gpkg: the same
frames.py      data frames of pandas and geopandas
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
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
#: What a format may be called: each of its suffixes without the dot.
NAMES = {suffix[1:]: form for form, suffixes in SUFFIXES.items() for suffix in suffixes}
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
    partition: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    watch: Watch = iter,
    **choice: Unpack[Choice],
) -> int:
    """Write the products that match to a file, as `write` does; returns how many.

    Args:
        form: one of NAMES; None: what the path's suffix means.
        partition: write GeoParquet, a file for each of these values (`collection,month`), into a folder at the path; see
            `dataset`.
        columns: of the table `products`; None: all but `pk`, and the footprint where the format holds geometries.
        watch: passes the rows on, and may count them.
        choice: as for `select.rows`. A Parquet file is sorted by tile and time if it says nothing of sort and limit.
    """
    from satcat import select

    form = format_meant(path, form, partitioned=partition is not None)
    names = list(RESULT_COLUMNS if columns is None else columns)
    if form in SPATIAL and "footprint" not in names:
        names.append("footprint")
    if partition is not None:
        from satcat.exports import dataset, partitions

        keys = partitions.keys(partition)
        names = [name for name in names if name not in keys]
        with closing(select.rows_by(connection, filters, names, keys, **choice)) as rows:
            return dataset.write(Rows(names, watch(rows)), keys, path)
    if form == "parquet" and not (choice.get("sort") or choice.get("limit")):
        choice["sort"] = "tile"
    with closing(select.rows(connection, filters, names, **choice)) as rows:
        return write(Rows(names, watch(rows)), path, form)


def format_meant(path: Path, name: str | None, *, partitioned: bool = False) -> str:
    """The format of a name, else of the path's suffix; a partitioned dataset has but one.

    Raises:
        FilterError: it is none, or not that one.
    """
    if name is not None and name not in NAMES:
        raise FilterError(f"there is no format {name!r}: there are {', '.join(FORMATS)}")
    if not partitioned:
        return format_of(path) if name is None else NAMES[name]
    form = NAMES.get(path.suffix.lower()[1:], "parquet") if name is None else NAMES[name]
    if form != "parquet":
        raise FilterError(f"--partition writes a folder of GeoParquet files, not {form}")
    return form
