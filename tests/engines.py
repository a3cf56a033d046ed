"""The two engines that catalogues are kept in, as the tests see them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy as sa

#: For what a column of SQLite can hold against its type.
ANY_VALUE = pytest.mark.sqlite_only("PostgreSQL takes no value that is not of the column's type")


class Catalogues(Protocol):
    """Makes catalogues; an address is a path or a URL."""

    def new(self, path: Path, like: str | None = None) -> str:
        """The address of a new catalogue, an empty one or a copy; at `path`, if it is a file."""

    def drop(self, address: str) -> None:
        """Remove a catalogue."""


class Files:
    """Catalogues in SQLite files."""

    def __init__(self, empty: Path) -> None:
        self.empty = empty

    def new(self, path: Path, like: str | None = None) -> str:
        return str(shutil.copy(like or self.empty, path))

    def drop(self, address: str) -> None:
        """It goes with the test's folder."""


def plainly(address: str | Path, *statements: str) -> list[Any]:
    """Do as people do, with sqlite3 or psql, and give the rows of the last statement; in SQLite, foreign keys are off."""
    text = str(address)
    url = sa.make_url(text) if "://" in text else sa.URL.create("sqlite", database=text)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []
