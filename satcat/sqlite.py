"""Catalogues in SQLite files: pragmas, transactions, the lock beside the file.

A write takes SQLite's write lock at its beginning (`BEGIN IMMEDIATE`), for a read that turns into a write fails at once
when another process has written meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, RootTransaction, event
from sqlalchemy.exc import DBAPIError, DisconnectionError

from satcat import filesystems, locks
from satcat.batches import batches
from satcat.database import Database
from satcat.errors import (
    CatalogueBusyError,
    CatalogueDamagedError,
    CatalogueError,
    CatalogueForeignError,
    CatalogueMissingError,
)
from satcat.models import tiles

logger = logging.getLogger("satcat")

#: "SATC", so that `file` and others can tell a catalogue from any other SQLite database.
APPLICATION_ID = 0x53415443
#: In bytes. A product's id and tile lie at random in their indexes, so that each product that is stored writes some pages
#: whole, twice: with 16 KiB half as much again would be written, and 4 KiB hold rows of 1.5 kB badly.
PAGE_SIZE = 8192
_CHECKPOINT = 1 << 26  # bytes of log
_MIN_SQLITE = (3, 38, 0)
_LOOK = 2000  # milliseconds between two looks at whether to wait on
_TURN = 0.5  # seconds that a thread queues up behind the others


class SqliteDatabase(Database):
    """A catalogue in one file."""

    _errors: ClassVar[tuple[type[Exception], ...]] = (DBAPIError, sqlite3.Error)

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._turn = threading.Lock()

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.name)

    @classmethod
    def at(cls, path: Path, *, create: bool) -> Self:
        """Open the file whatever its schema version is, or make a new one."""
        if sqlite3.sqlite_version_info < _MIN_SQLITE:
            raise CatalogueError(
                f"SQLite {sqlite3.sqlite_version} is too old: satcat needs 3.38 or newer"
            )
        if not path.exists():
            if not create:
                raise CatalogueMissingError(str(path))
            if not path.parent.is_dir():
                raise CatalogueError(f"the folder {path.parent} does not exist: create it first")
        elif path.is_dir():
            raise CatalogueForeignError(str(path), "it is a folder")
        return cls(str(path), _engine(path, create=create))

    @property
    def full_name(self) -> str:
        """The file's whole path."""
        return str(self.path.resolve())

    def identity(self) -> object:
        """The file itself, which may have several paths."""
        if not self.path.exists():
            return None
        found = self.path.stat()
        return found.st_dev, found.st_ino

    def size_bytes(self) -> int:
        """Bytes of the file and of the log beside it."""
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())

    @contextlib.contextmanager
    def syncing(self, purpose: str) -> Iterator[None]:
        """Hold the lock that one sync at a time may hold, by whatever way the catalogue is reached.

        Raises:
            CatalogueLockedError: another process holds it.
        """
        file = self.path.resolve()
        lock = file.with_name(file.name + "-lock")
        with locks.hold(lock, purpose, of=str(self.path)):
            yield

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def _writing(self, *, durable: bool) -> Iterator[Connection]:
        with self._under(("synchronous", "FULL") if durable else None) as connection:
            yield connection

    @contextlib.contextmanager
    def _migrating(self) -> Iterator[Connection]:
        """With foreign keys off: else rebuilding a table would delete the rows that refer to it."""
        with self._under(("foreign_keys", "OFF")) as connection:
            before = _dangling(connection)
            yield connection
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            more = _dangling(connection) - before
            if more:
                tables = ", ".join(sorted(more))
                raise CatalogueDamagedError(
                    self.name, f"{more.total()} rows of {tables} would refer to nothing"
                )

    @contextlib.contextmanager
    def _under(self, pragma: tuple[str, str] | None) -> Iterator[Connection]:
        """A write, with a pragma set meanwhile: inside a transaction that has no effect."""
        with self._in_turn(), self.engine.connect() as opened:
            driver: Any = opened.connection.driver_connection
            connection = opened.execution_options(satcat_write=True)
            meanwhile = _set(driver, *pragma) if pragma else contextlib.nullcontext()
            with meanwhile, self._begun(connection):
                yield connection

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let our threads queue up: one that waits for SQLite's lock sleeps ever longer, and others overtake it.

        Only a courtesy: whoever waits for long asks SQLite all the same, which knows of other processes too.
        """
        ours = self._turn.acquire(timeout=_TURN)
        try:
            yield
        finally:
            if ours:
                self._turn.release()

    def _begun(self, connection: Connection) -> RootTransaction:
        if self._goes_on is None:
            return connection.begin()
        driver: Any = connection.connection.driver_connection
        (usual,) = driver.execute("PRAGMA busy_timeout").fetchone()
        with _set(driver, "busy_timeout", str(min(usual, _LOOK))):
            while True:
                try:
                    return connection.begin()
                except DBAPIError as error:
                    known = self.named(error.orig)
                    if not isinstance(known, CatalogueBusyError) or not self._goes_on(known):
                        raise

    def _table_names(self, connection: Connection) -> set[str]:
        return set(connection.scalars(sa.text("SELECT name FROM sqlite_master")))

    def _fill_tiles(self, connection: Connection) -> None:
        from satcat.tiles import rows

        statement = f"INSERT INTO tiles VALUES ({', '.join('?' * len(tiles.columns))})"
        for part in batches(rows(), 1000):
            connection.exec_driver_sql(statement, [tuple(row) for row in part])

    def named(self, error: object) -> BaseException | None:
        """What the driver complains of, in our own words; None: unknown."""
        return KeyboardInterrupt() if is_interrupt(error) else _translate(self.name, error)


class _AsItIs(sqlite3.Connection):
    """A connection that was told that the file does not change; whose `state` it had then."""

    state: tuple[int, ...] | None = None


def _connect(path: Path) -> sqlite3.Connection:
    """Connect in whatever way the file allows just now: others may write where we may not."""
    how: dict[str, Any] = {"timeout": 30, "check_same_thread": False}
    if not filesystems.is_frozen(path):
        connection: sqlite3.Connection = sqlite3.connect(path, **how)
        return connection
    state = filesystems.state(path)
    as_it_is: _AsItIs = sqlite3.connect(filesystems.uri(path), uri=True, factory=_AsItIs, **how)
    as_it_is.state = state
    return as_it_is


def _fits(connection: sqlite3.Connection, path: Path) -> bool:
    """Tell whether a connection still reads the file in the way that `_connect` would now."""
    if not isinstance(connection, _AsItIs):
        return not filesystems.is_frozen(path)
    return filesystems.is_frozen(path) and connection.state == filesystems.state(path)


@contextlib.contextmanager
def _set(driver: sqlite3.Connection, pragma: str, value: str) -> Iterator[None]:
    """Set a pragma, and afterwards what it was before."""
    (usual,) = driver.execute(f"PRAGMA {pragma}").fetchone()
    driver.execute(f"PRAGMA {pragma} = {value}")
    try:
        yield
    finally:
        driver.execute(f"PRAGMA {pragma} = {usual}")


def _engine(path: Path, *, create: bool) -> Engine:
    path = path.absolute()  # once, for the process may go to another folder
    url = sa.URL.create("sqlite", database=str(path))  # as text, a path could hold a ? of its own
    # a thread may have any number of iterators open, each with a connection of its own
    engine = sa.create_engine(url, creator=lambda: _connect(path), max_overflow=-1)
    if filesystems.is_frozen(path):
        logger.warning("%s is read as it is, for its folder cannot be written to", path)
    if not filesystems.takes_files(path.parent):

        @event.listens_for(engine, "checkout")
        def _on_checkout(connection: sqlite3.Connection, record: Any, _: object) -> None:
            was_used = record.info.get("used", False)  # forgotten with the connection
            record.info["used"] = True
            if was_used and not _fits(connection, path):
                raise DisconnectionError  # the pool makes another

    wal_is_safe = not filesystems.is_network(path)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = (
            None  # SQLAlchemy's "begin" below says when a transaction starts
        )
        _set_pragmas(connection, create=create, wal_is_safe=wal_is_safe)
        register_functions(connection)
        heed_signals(connection)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("satcat_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    if not wal_is_safe:
        logger.warning(
            "%s is on a network file system: using a rollback journal, which is slower", path
        )
    return engine


def _set_pragmas(connection: sqlite3.Connection, *, create: bool, wal_is_safe: bool) -> None:
    def pragma(name: str) -> object:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    if create and pragma("page_count") == 0:  # only a new file takes a page size
        connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    journal = "wal" if wal_is_safe else "delete"
    # the mode is kept in the file: another program's database is not for us to change
    if pragma("application_id") == APPLICATION_ID and pragma("journal_mode") != journal:
        with contextlib.suppress(
            sqlite3.OperationalError
        ):  # a read-only or busy file keeps what it has
            connection.execute(f"PRAGMA journal_mode = {journal}")
    # without a log, NORMAL might lose the file in a power cut, and not only the last transactions
    safe = "NORMAL" if wal_is_safe else "FULL"
    # each checkpoint rewrites every page touched since the last one
    pages = _CHECKPOINT // int(str(pragma("page_size")))
    connection.executescript(
        f"PRAGMA synchronous = {safe}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -24576;"
        f"PRAGMA wal_autocheckpoint = {pages}; PRAGMA journal_size_limit = {_CHECKPOINT};"
    )


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection `ST_Intersects(footprint, area)`, both WKB, as PostGIS has it."""

    def intersects(footprint: bytes | None, area: bytes) -> bool | None:
        from satcat import footprints

        return footprints.intersects(footprint, area)

    connection.create_function("ST_Intersects", 2, intersects, deterministic=True)


def heed_signals(connection: sqlite3.Connection) -> None:
    """Let Ctrl-C end a statement that runs for long: SQLite comes back to Python now and then.

    What a signal raises there, sqlite3 turns into an error of its own; `is_interrupt` knows it.
    """
    connection.set_progress_handler(lambda: 0, 1_000_000)


def is_interrupt(error: object) -> bool:
    """Tell whether this is what sqlite3 makes of a KeyboardInterrupt."""
    return getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT"


def _dangling(connection: Connection) -> Counter[str]:
    """How many rows of each table refer to rows that are not there."""
    return Counter(row[0] for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))


def _translate(where: str, error: object) -> CatalogueError | None:
    text, file = str(error), Path(where)
    if "file is not a database" in text or "file is encrypted" in text:
        return CatalogueForeignError(where, "the file is no SQLite database")
    if "malformed" in text and filesystems.is_frozen(file) and filesystems.is_fresh(file):
        return CatalogueError(
            f"{where} was read as it is, and may have been written meanwhile: try again ({text})"
        )
    if "malformed" in text or "Could not decode to UTF-8" in text:
        return CatalogueDamagedError(where, text)
    if "disk I/O error" in text:  # what a quota gives, too
        return CatalogueError(
            f"{where} cannot be read or written ({text}): check the disk and its quota"
        )
    if "database is locked" in text:
        return CatalogueBusyError(where)
    if "FOREIGN KEY constraint failed" in text:
        return CatalogueError(
            f"{where}: a row of a table of your own refers to one that is to go: declare its foreign key with "
            "ON DELETE CASCADE, or do without"
        )
    if "readonly database" in text or "unable to open database" in text:
        return CatalogueError(f"{where} cannot be opened for this ({text}): check its permissions")
    if "full" in text and isinstance(error, sqlite3.OperationalError):
        return CatalogueError(
            f"{where} cannot grow ({text}): make room on its disk, and where temporary files go "
            "(SQLITE_TMPDIR, else /var/tmp); nothing stored is lost"
        )
    return None
