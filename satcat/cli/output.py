"""Results on stdout, or in a file: tables for people, csv, json, ndjson, geojson and ids for scripts.

Rows are written as they come; nothing holds them all. Machine formats give instants in the stored form, bytes as
hexadecimal, unknown values as nothing (csv) or null. CSV cells are the data as they are, also where a spreadsheet would
take one for a formula. Only tables escape control characters, for only tables are meant for a terminal.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from operator import getitem
from pathlib import Path
from typing import Any, TextIO, TypeAlias, TypeVar

import click

from satcat import times
from satcat.cli import wording
from satcat.errors import FilterError, SatcatError

F = TypeVar("F", bound=Callable[..., Any])
#: Gives the value of a row's column.
Get: TypeAlias = Callable[[Any, str], Any]

FORMATS = ("table", "csv", "json", "ndjson", "geojson", "ids")
_SAMPLE = 1000  # rows that a table's column widths are made from
_NARROWEST = 8  # characters that a column is never cut below


def output(function: F) -> F:
    """Add -f, --columns and -o; the command gets them as one argument, `out`."""

    @wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        out = Output(kwargs.pop("format_"), kwargs.pop("columns"), kwargs.pop("out_file"))
        return function(*args, out=out, **kwargs)

    for add in (
        click.option("-o", "out_file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
                     help="Write to this file, whole or not at all."),
        click.option("--columns", metavar="A,B,…", help="Only these columns, in this order."),
        click.option("-f", "--format", "format_", type=click.Choice(FORMATS), default="table",
                     show_default=True, help="How to print results."),
    ):  # fmt: skip
        gathered = add(gathered)
    return gathered  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Output:
    """Where results go, and in which form."""

    format: str = "table"
    columns: str | None = None
    path: Path | None = None

    def write(
        self,
        rows: Iterable[Any],
        columns: Sequence[str],
        *,
        get: Get = getitem,
        in_table: Sequence[str] | None = None,
    ) -> int:
        """Write rows and return how many there were.

        Args:
            columns: all that there are; --columns picks from them.
            get: gives a row's value of a column; of `footprint` too (WKB), where geojson is possible.
            in_table: what a table shows if --columns says nothing; None: all.

        Raises:
            FilterError: --columns names one that there is not, or the format needs one that there is not.
        """
        chosen = self._chosen(columns, in_table)
        with self._opened() as file:
            writer = Writer(file, chosen, get)
            if self.format == "table":
                width = (
                    None if self.path or not file.isatty() else shutil.get_terminal_size().columns
                )
                return writer.table(rows, width)
            write: Callable[[Iterable[Any]], int] = getattr(writer, self.format)
            return write(rows)

    def _chosen(self, columns: Sequence[str], in_table: Sequence[str] | None) -> list[str]:
        if self.format == "ids":
            named = [name for name in ("id", "product_id") if name in columns]
            if not named:
                raise FilterError("-f ids: the result has no column id or product_id")
            return named[:1]
        if self.columns is None:
            return list((in_table if self.format == "table" else None) or columns)
        wanted = [name.strip() for name in self.columns.split(",")]
        for name in wanted:
            if name not in columns:
                near = difflib.get_close_matches(name, columns, n=3) or columns
                raise FilterError(
                    f"--columns {name!r}: no such column; there are {', '.join(near)}"
                )
        return wanted

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        if self.path is None:
            yield sys.stdout
            return
        try:
            with tempfile.NamedTemporaryFile(
                "w", dir=self.path.parent, prefix=f".{self.path.name}.", encoding="utf-8", newline="",
                delete=False,
            ) as file:  # fmt: skip
                part = Path(file.name)
                try:
                    yield file  # type: ignore[misc]
                    file.close()
                    part.chmod(0o666 & ~_umask())
                    part.replace(self.path)
                finally:
                    part.unlink(missing_ok=True)
        except OSError as error:
            raise SatcatError(f"-o {self.path} cannot be written: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes rows in one of the formats; each method returns how many rows there were."""

    file: TextIO
    columns: list[str]
    get: Get

    def table(self, rows: Iterable[Any], width: int | None = None) -> int:
        """A table for people; cells are cut to fit `width` characters."""
        cells = ([self.get(row, name) for name in self.columns] for row in rows)
        sample = list(itertools.islice(cells, _SAMPLE))
        if not sample:
            return 0
        right = [_all_numbers(values) for values in zip(*sample, strict=True)]
        texts = [[_cell(value) for value in row] for row in sample]
        widths = _fit(
            [max(map(len, column)) for column in zip(self.columns, *texts, strict=True)], width
        )
        lines = [self.columns, ["-" * w for w in widths], *texts]
        total = 0
        for total, line in enumerate(
            itertools.chain(lines, ([_cell(v) for v in r] for r in cells)), -1
        ):
            self.file.write(_line(line, widths, right))
        return total

    def csv(self, rows: Iterable[Any]) -> int:
        """Comma-separated values with a header line."""
        writer = csv.writer(self.file, lineterminator="\n")
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
        self.file.write(before)
        for total, item in enumerate(items, 1):
            self.file.write(("\n" if total == 1 else ",\n") + _dump(item))
        self.file.write(f"\n{after}\n")
        return total

    def _object(self, row: Any) -> dict[str, Any]:
        return {name: self.get(row, name) for name in self.columns}

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


def _drain(writes: Iterable[object]) -> int:
    total = 0
    for _ in writes:
        total += 1
    return total


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


def _cell(value: Any) -> str:
    """A table's cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return wording.moment(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return wording.printable(str(_flat(value))).replace("\n", "\\n")


def _all_numbers(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in known
    )


def _fit(widths: list[int], limit: int | None) -> list[int]:
    """Take from the widest columns until a line fits, down to what can still be read."""
    while limit is not None and sum(widths) + 2 * (len(widths) - 1) > limit:
        widest = widths.index(max(widths))
        if widths[widest] <= _NARROWEST:
            break
        widths[widest] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    shown = (
        _cut(text, width).rjust(width) if to_right else _cut(text, width).ljust(width)
        for text, width, to_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(shown).rstrip() + "\n"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
