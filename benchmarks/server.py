"""A PostgreSQL server with PostGIS that is thrown away, and the same products in it as in a file."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from satcat.database import Database
from satcat.models import products
from tests.postgres import OwnServer, UnavailableError

#: The server of the tests is made for many small databases; these are what docs/postgresql.md advises, for this much memory.
_SETTINGS = {
    "shared_buffers": "'2GB'", "effective_cache_size": "'8GB'", "maintenance_work_mem": "'512MB'", "work_mem": "'32MB'",
    "random_page_cost": "1.1", "max_wal_size": "'8GB'",
}  # fmt: skip


@contextmanager
def started() -> Iterator[OwnServer | None]:
    """A server whose files lie in memory, with settings for a machine of this size; None, where there can be none."""
    try:
        if find_spec("psycopg") is None:
            raise UnavailableError("its driver psycopg is not installed")
        server = _set_up()
    except UnavailableError as error:
        print(f"without PostgreSQL: {error}", file=sys.stderr)
        yield None
        return
    try:
        yield server
    finally:
        server.stop()


def _set_up() -> OwnServer:
    server = OwnServer()
    try:
        engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for name, value in _SETTINGS.items():
                connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = {value}")
        server.control("restart")
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def new(server: OwnServer | None, wanted: bool = True) -> Iterator[str | None]:
    """The address of a new catalogue; None without a server, or if it isn't wanted."""
    if server is None or not wanted:
        yield None
        return
    address = server.new(Path())
    try:
        yield address
    finally:
        server.drop(address)


def fill(address: str, path: Path) -> None:
    """Copy the products of a catalogue in a file; what triggers keep is made on the way."""
    from satcat.postgresql import copy

    names = [column.name for column in products.columns]
    with sqlite3.connect(path) as file, Database.open(address) as database:
        rows = file.execute(f"SELECT {', '.join(names)} FROM products ORDER BY pk")
        with database.write() as connection:
            copy(connection, "products", names, rows)
        with database.engine.connect().execution_options(
            isolation_level="AUTOCOMMIT"
        ) as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
