"""The two engines that catalogues are kept in, as the tests see them."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from satcat.database import Database

ANY_VALUE = pytest.mark.sqlite_only("PostgreSQL takes no value that is not of the column's type")
CATALOGUE_FILE = pytest.mark.sqlite_only("is about the catalogue's file")
PLAN = pytest.mark.sqlite_only("looks at SQLite's plan of a query")
RTREE = pytest.mark.sqlite_only("PostgreSQL keeps its index of places itself")
SYNCHRONOUS = pytest.mark.sqlite_only("every transaction of PostgreSQL survives a power cut")
WRITE_LOCK = pytest.mark.sqlite_only("one writer at a time: PostgreSQL locks rows")


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


def plainly(address: str | Path, *statements: str, values: Sequence[Any] = ()) -> list[Any]:
    """Do as people do, with sqlite3 or psql, and give the rows of the last statement.

    Foreign keys are off in SQLite. A statement marks the places of values by `?`.
    """
    with contextlib.closing(_connected(str(address))) as connection:
        for statement in statements:
            rows = _told(connection, statement, values)
        connection.commit()
        return rows


class BlockedError(Exception):
    """Somebody else has locked what is to be edited."""


@contextlib.contextmanager
def editing(address: str, table: str, *, patience: float) -> Iterator[Callable[..., list[Any]]]:
    """A transaction of somebody with sqlite3 or psql in which nobody else writes to a table.

    Args:
        patience: seconds to wait for it, and in it for any row.

    Raises:
        BlockedError: it took longer.
    """
    with contextlib.closing(_connected(address, patience)) as connection:
        try:
            if isinstance(connection, sqlite3.Connection):
                connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute(f"SET lock_timeout = {int(1000 * patience)}")
                connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield lambda statement, *values: _told(connection, statement, values)
            connection.commit()
        except Exception as error:
            text = str(error)
            if "database is locked" in text or "lock timeout" in text:
                raise BlockedError from error
            raise


def address_of(database: Database) -> str:
    """The path or URL of an open catalogue."""
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.render_as_string(hide_password=False)


def _connected(address: str, patience: float = 30) -> Any:
    if "://" not in address:
        return sqlite3.connect(address, timeout=patience)
    import psycopg

    return psycopg.connect(address.replace("+psycopg", ""))


def _told(connection: Any, statement: str, values: Sequence[Any]) -> list[Any]:
    if values and not isinstance(connection, sqlite3.Connection):
        statement = statement.replace("%", "%%").replace("?", "%s")
    cursor = connection.execute(statement, values) if values else connection.execute(statement)
    return [tuple(row) for row in cursor] if cursor.description else []
