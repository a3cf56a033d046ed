"""The one place that opens a catalogue: a file or a server's database, its version, its transactions, its lock.

`Database.read()` and `Database.write()` are the only transactions. What is SQLite's alone is in `sqlite`, and what is
PostgreSQL's in `postgresql`.
"""

from __future__ import annotations

import contextlib
import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from satcat.errors import (
    CatalogueBusyError,
    CatalogueError,
    CatalogueForeignError,
    CatalogueMissingError,
    CatalogueOutdatedError,
    CatalogueUnfinishedError,
    FilterError,
)  # fmt: skip
from satcat.models import SCHEMA_VERSION, products, tiles, unfinished_copy
from satcat.wording import without_password

#: What URLs of PostgreSQL begin with.
_ON_SERVER = ("postgresql", "postgresql+psycopg", "postgres")
_T = TypeVar("_T")
_PAUSE = 0.05  # seconds before work is repeated
_OURS = {"alembic_version", "products", "downloads", "sync_windows"}


class Database(ABC):
    """One open catalogue. Safe to share between threads; each transaction takes its own connection.

    Attributes:
        name: what people call it by: the file's path, or the URL without its password.
    """

    #: What SQLAlchemy raises, and the driver where SQLAlchemy is passed by.
    _errors: ClassVar[tuple[type[Exception], ...]] = (DBAPIError,)

    def __init__(
        self,
        name: str,
        engine: Engine,
        goes_on: Callable[[CatalogueBusyError], bool] | None = None,
    ) -> None:
        self.name = name
        self.engine = engine
        self._goes_on = goes_on

    @property
    def path(self) -> Path:
        """The file. Raises CatalogueError: a server keeps the catalogue."""
        raise CatalogueError(f"{self.name} is kept by a server, not in a file")

    @staticmethod
    def open(where: str | Path, *, create: bool = False) -> Database:
        """Open the catalogue at a path or URL, and check its schema version.

        Args:
            create: make a new catalogue where there is none.

        Raises:
            CatalogueMissingError, CatalogueForeignError, CatalogueOutdatedError, CatalogueDamagedError,
            CatalogueUnfinishedError
        """
        database = Database.connect(where, create=create)
        try:
            if database.version() is None:
                if not create:
                    raise CatalogueMissingError(database.name)
                database.upgrade()
            database.check_version()
            database.check_finished()
        except BaseException:
            database.close()
            raise
        return database

    @staticmethod
    def connect(where: str | Path, *, create: bool = False) -> Database:
        """Open the file or the server's database whatever its schema version is; for upgrades."""
        url = _url(where)
        if url is not None and url.drivername in _ON_SERVER:
            from satcat.postgresql import PostgresDatabase

            return PostgresDatabase.at(url)
        from satcat.sqlite import SqliteDatabase

        return SqliteDatabase.at(_path(where, url), create=create)

    def outwaiting(self, goes_on: Callable[[CatalogueBusyError], bool]) -> Self:
        """The same catalogue for somebody who waits for a lock, or for the server, as long as it takes.

        Args:
            goes_on: asked every few seconds meanwhile whether to go on waiting.
        """
        same = copy.copy(self)
        same._goes_on = goes_on  # noqa: SLF001 - it is one of us
        return same

    def repeat(self, work: Callable[[], _T]) -> _T:
        """Do work, and all of it again when a transaction of it is cut short and somebody outwaits that.

        A lock was not to be had in the midst of it, or the server ended the session. The COMMIT may be stored although
        nobody heard of it, so the work must be safe to repeat.
        """
        while True:
            try:
                return work()
            except CatalogueBusyError as error:
                if self._goes_on is None or not self._goes_on(error):
                    raise
                time.sleep(_PAUSE)

    def close(self) -> None:
        """Close every connection; SQLite then folds its log back into the one file."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the catalogue and writes nothing."""
        with self.translated(), self._reading() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction that is stored whole or not at all.

        Args:
            durable: survive a power cut too, not only a killed process; for what cannot be fetched again cheaply.
        """
        with self.translated(), self._writing(durable=durable) as connection:
            yield connection

    @contextlib.contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A write for migrations.

        Raises:
            CatalogueDamagedError: it would leave rows that refer to nothing, more than there were; nothing is stored.
        """
        with self.translated(), self._migrating() as connection:
            yield connection

    @abstractmethod
    def syncing(self, purpose: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock that one sync at a time may hold, by whatever way the catalogue is reached.

        Raises:
            CatalogueLockedError: another process holds it.
        """

    @property
    def full_name(self) -> str:
        """The name, as it is understood from every folder."""
        return self.name

    @abstractmethod
    def identity(self) -> object:
        """What tells this catalogue from every other, by whatever way it is reached; None: it is not there yet."""

    @abstractmethod
    def size_bytes(self) -> int:
        """What the catalogue takes on disk."""

    def version(self) -> str | None:
        """The schema version; None for a database that is still empty."""
        with self.read() as connection:
            names = self._table_names(connection)
            if not names:
                return None
            if not names >= _OURS:
                raise CatalogueForeignError(self.name, "there are tables, and not satcat's")
            versions = list(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))
        if len(versions) != 1 or not str(versions[0]).isdigit():
            raise CatalogueForeignError(self.name, f"of an unknown schema {versions}")
        return str(versions[0])

    def check_version(self) -> None:
        """Raise CatalogueOutdatedError unless this satcat made the schema."""
        found = self.version()
        if found != SCHEMA_VERSION:
            raise CatalogueOutdatedError(self.name, found or "none", SCHEMA_VERSION)

    def check_finished(self) -> None:
        """Raise CatalogueUnfinishedError if a copy of another catalogue was begun here, and is not whole yet."""
        with self.read() as connection:
            if unfinished_copy.name in self._table_names(connection):
                source = connection.scalar(sa.select(unfinished_copy.c.source))
                raise CatalogueUnfinishedError(
                    f"{self.name} is an unfinished copy: `satcat copy {source} {self.name}` goes on with it; or remove it"
                )

    def upgrade(self) -> str:
        """Bring the schema to this satcat's version, in one transaction; returns that version.

        A catalogue of a newer satcat is refused. The tile grids are filled in where they are missing.
        """
        from satcat.upgrades import upgrade

        found = self.version()
        if found is not None and found > SCHEMA_VERSION:
            self.check_version()
        with self.migrating() as connection:
            upgrade(connection)
            if connection.scalar(sa.select(sa.func.count()).select_from(tiles)) == 0:
                self._fill_tiles(connection)
        return SCHEMA_VERSION

    # What each engine does in its own way

    @abstractmethod
    def _reading(self) -> contextlib.AbstractContextManager[Connection]: ...

    @abstractmethod
    def _writing(self, *, durable: bool) -> contextlib.AbstractContextManager[Connection]: ...

    @abstractmethod
    def _migrating(self) -> contextlib.AbstractContextManager[Connection]: ...

    @abstractmethod
    def _table_names(self, connection: Connection) -> set[str]:
        """Of everything that is there; empty for a new database."""

    @abstractmethod
    def _fill_tiles(self, connection: Connection) -> None: ...

    @abstractmethod
    def named(self, error: object) -> BaseException | None:
        """What the driver complains of, in our own words; None: unknown."""

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """Name what the database itself complains of in our own words."""
        try:
            yield
        except self._errors as error:
            known = self.named(getattr(error, "orig", error))
            if known is None:
                raise
            raise known from (None if isinstance(known, KeyboardInterrupt) else error)


def _url(where: str | Path) -> sa.URL | None:
    """The URL, if it is one and of a database that satcat knows.

    Raises:
        FilterError: it is another one.
    """
    text = str(where)
    if "://" not in text:
        return None
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # which may quote a password
        url = None
    if url is not None and "@" in (
        url.host or ""
    ):  # the driver would name what follows the first one
        raise FilterError("--db: in the password of a URL, write %40 for @, and %25 for %")
    kinds = ("sqlite", *_ON_SERVER)
    named = url is not None and (url.database or "service" in url.query)  # of ~/.pg_service.conf
    if url is None or url.drivername not in kinds or not named or url.database == ":memory:":
        shown = "" if url is None else " " + without_password(url.render_as_string())
        raise FilterError(
            f"--db{shown}: give a path, or a URL such as sqlite:///satcat.db or postgresql+psycopg://user@host/name"
        )
    return url


def _path(where: str | Path, url: sa.URL | None) -> Path:
    return Path(where) if url is None else Path(url.database or "")


def count_products(connection: Connection) -> int:
    """How many products the catalogue holds."""
    return connection.scalar(sa.select(sa.func.count()).select_from(products)) or 0
