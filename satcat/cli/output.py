"""Results on stdout, or in a file: the options -f, --columns and -o."""

from __future__ import annotations

import difflib
import io
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from operator import getitem
from pathlib import Path
from typing import Any, TextIO, TypeAlias, TypeVar

import click

from satcat import exports
from satcat.cli import table
from satcat.cli.table import NO_WORDS, Words
from satcat.errors import FilterError
from satcat.exports import text, whole
from satcat.exports.rows import Rows

#: Gives the value of a row's column.
Get: TypeAlias = Callable[[Any, str], Any]
FORMATS = ("table", "csv", "json", "ndjson", "geojson", "ids")

F = TypeVar("F", bound=Callable[..., Any])


def output(function: F) -> F:
    """Add -f, --columns and -o; the command gets them as one argument, `out`."""

    @wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        form, path = kwargs.pop("format"), kwargs.pop("output")
        out = Output(form or _format_of(path), kwargs.pop("columns"), path)
        return function(*args, out=out, **kwargs)

    for add in (
        click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
                     help="Write to this file, whole or not at all."),
        click.option("--columns", metavar="A,B,…", help="Only these columns, in this order."),
        click.option("-f", "--format", "format", type=click.Choice(FORMATS),
                     help="How to print results.  [default: table; in a FILE what its suffix says]"),
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
        more: Sequence[str] = (),
        words: Mapping[str, Words] = NO_WORDS,
    ) -> int:
        """Write rows and return how many there were.

        Args:
            columns, in_table, more: as for `choose`.
            get: gives a row's value of a column.
            words: how a table words a column's known values, where not as any other value.
        """
        chosen = self.choose(columns, in_table, more)
        values = ([get(row, name) for name in chosen] for row in rows)
        return self.put(Rows(chosen, values), words)

    def choose(
        self,
        columns: Sequence[str],
        in_table: Sequence[str] | None = None,
        more: Sequence[str] = (),
    ) -> list[str]:
        """The columns to write.

        Args:
            columns: those that there are if --columns says nothing.
            in_table: those of a table then; None: all.
            more: what else --columns may ask for.

        Raises:
            FilterError: --columns names one that there is not, or the format needs one that there is not.
        """
        everything = [*columns, *more]
        if self.format == "ids":
            named = [name for name in ("id", "product_id") if name in columns]
            if not named:
                raise FilterError("-f ids: the result has no column id or product_id")
            if self.columns is not None:
                raise FilterError("-f ids prints ids alone: leave --columns out, or take -f csv")
            return named[:1]
        if self.columns is not None:
            chosen = chosen_columns(self.columns, everything)
        else:
            chosen = list((in_table if self.format == "table" else None) or columns)
        if self.format != "geojson" or "footprint" in chosen:
            return chosen
        if "footprint" not in everything:
            raise FilterError("-f geojson: the result has no column footprint")
        return [*chosen, "footprint"]

    def put(self, rows: Rows, words: Mapping[str, Words] = NO_WORDS) -> int:
        """Write rows of chosen columns and return how many there were."""
        with self._opened() as file:
            if self.format != "table":
                return text.WRITERS[self.format](rows, file)
            to_terminal = self.path is None and file.isatty()
            width = shutil.get_terminal_size().columns if to_terminal else None
            return table.write(file, rows.columns, text.worded(rows), width, words)

    def lines(self, lines: Iterable[str]) -> None:
        """Write lines that are drawn for people, in place of a table."""
        with self._opened() as file:
            file.writelines(f"{line}\n" for line in lines)

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        if self.path is None:
            if self.format != "table" and isinstance(sys.stdout, io.TextIOWrapper):
                # as in files, whatever the terminal's character set
                sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
            yield sys.stdout
        elif not whole.may_be_replaced(self.path):
            with whole.told(self.path), _text(self.path) as file:
                yield file
        else:
            with whole.beside(self.path) as part, _text(part) as file:
                yield file


def _format_of(path: Path | None) -> str:
    """What a file's suffix says; else a table."""
    suffix = "" if path is None else path.suffix.lower()
    found = next(
        (form for form, suffixes in exports.SUFFIXES.items() if suffix in suffixes), "table"
    )
    if found not in FORMATS:
        raise FilterError(
            f"{path}: `satcat export` writes {found}; give -f for another format here"
        )
    return found


def chosen_columns(stated: str, columns: Sequence[str]) -> list[str]:
    """The columns that `A,B,…` names.

    Raises:
        FilterError: one is not among those that there are, or stands there twice.
    """
    wanted = [name.strip() for name in stated.split(",")]
    for number, name in enumerate(wanted):
        if name not in columns:
            near = difflib.get_close_matches(name, columns, n=3) or columns
            raise FilterError(f"--columns {name!r}: no such column; there are {', '.join(near)}")
        if name in wanted[:number]:
            raise FilterError(f"--columns {name!r}: it is there twice")
    return wanted


def _text(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")
