"""Results on stdout, or in a file: the options -f, --columns and -o."""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from operator import getitem
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from satcat.cli.formats import FORMATS, Get, Writer
from satcat.cli.table import NO_WORDS, Words
from satcat.errors import FilterError, SatcatError

F = TypeVar("F", bound=Callable[..., Any])


def output(function: F) -> F:
    """Add -f, --columns and -o; the command gets them as one argument, `out`."""

    @wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        out = Output(kwargs.pop("format"), kwargs.pop("columns"), kwargs.pop("output"))
        return function(*args, out=out, **kwargs)

    for add in (
        click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
                     help="Write to this file, whole or not at all."),
        click.option("--columns", metavar="A,B,…", help="Only these columns, in this order."),
        click.option("-f", "--format", "format", type=click.Choice(FORMATS), default="table",
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
        words: Mapping[str, Words] = NO_WORDS,
    ) -> int:
        """Write rows and return how many there were.

        Args:
            columns: all that there are; --columns picks from them.
            get: gives a row's value of a column; of `footprint` too (WKB), where geojson is possible.
            in_table: what a table shows if --columns says nothing; None: all.
            words: how a table words a column's known values, where not as any other value.

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
                return writer.table(rows, width, words)
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
            with (
                _beside(self.path) if _may_be_replaced(self.path) else _in_place(self.path) as file
            ):
                yield file
        except OSError as error:
            raise SatcatError(f"-o {self.path} cannot be written: {error.strerror}") from error


def _may_be_replaced(path: Path) -> bool:
    """A device or a pipe, such as /dev/null, is written to; put a file in its place and it is gone for everyone."""
    return path.is_file() or not path.exists()


def _in_place(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="")


@contextmanager
def _beside(path: Path) -> Iterator[TextIO]:
    """A file that takes the path's place when it is whole; where the path is a link, that of what it points to."""
    path = path.resolve()
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8", newline="", delete=False
    ) as file:
        part = Path(file.name)
        try:
            yield file  # type: ignore[misc]
            file.close()
            part.chmod(0o666 & ~_umask())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
