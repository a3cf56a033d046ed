"""A consistent copy of a catalogue, made while others use it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from satcat.database import Database
from satcat.errors import CatalogueError, FilterError
from satcat.sqlite import SqliteDatabase


def snapshot(database: Database, target: Path) -> None:
    """Copy the catalogue to a new file, which appears whole or not at all. The copy is compact.

    Raises:
        FilterError: the file exists already, or its folder does not.
        CatalogueError: the copy cannot be written, or a server keeps the catalogue.
    """
    if not isinstance(database, SqliteDatabase):
        raise CatalogueError(
            f"{database.name} is kept by a server, not in a file: copy it with `satcat copy`, or with pg_dump"
        )
    if target.exists():
        raise FilterError(f"{target} exists already: name a new file")
    if not target.absolute().parent.is_dir():
        raise FilterError(f"the folder {target.absolute().parent} does not exist: create it first")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        with database.engine.connect() as connection:
            # SQLite refuses VACUUM inside a transaction, so it goes past SQLAlchemy's
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)
            driver.execute("VACUUM INTO ?", (str(part),))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    except (OSError, sqlite3.OperationalError) as error:
        raise CatalogueError(f"{target} cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)
