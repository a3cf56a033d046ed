"""Catalogues in PostgreSQL with PostGIS: one database on a server that many machines share.

Writes run beside each other: what two of them may want at once is taken by row locks, and given up by leases. A session
that does nothing in the middle of a transaction is ended by the server, so that no frozen machine keeps rows from the
others. Passwords come from the URL, or as libpq has them: ~/.pgpass, PGPASSWORD, a service file.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

import sqlalchemy as sa
from sqlalchemy import Connection, event

from satcat import times, wording
from satcat.canonical import integer
from satcat.database import Database
from satcat.errors import (
    CatalogueBusyError,
    CatalogueDamagedError,
    CatalogueError,
    CatalogueLockedError,
    CatalogueUnreachableError,
    MissingLibraryError,
)
from satcat.models import tiles

try:
    import psycopg
    from psycopg.adapt import Loader
    from psycopg.types.datetime import TimestamptzLoader
except ImportError:
    raise MissingLibraryError("a catalogue in PostgreSQL", "psycopg", "postgres") from None

#: "SATC": tells our advisory locks from other programs' ones.
_OURS = 0x53415443
_SETTINGS = {
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "5min",
    "client_min_messages": "warning",
    "jit": "off",  # compiling takes longer than these queries do
}
# Whatever people set: values are read and written by these.
_NEEDED = {
    "timezone": "UTC",
    "datestyle": "ISO",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "off",  # a transaction that only reads says so
}
#: Who pages through results may do nothing for longer than who writes.
PATIENT = """
    SELECT set_config('idle_in_transaction_session_timeout', '1d', true)
    WHERE current_setting('idle_in_transaction_session_timeout') = '5min'
"""
_CONNECTING: dict[str, Any] = {
    "client_encoding": "UTF8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds: what was sent is not waited for any longer
}  # seconds, and how often
_LOOK = 1.0  # seconds between two looks at whether the server is back
_LINGERS = 1.0  # seconds for which the server may not have noticed yet that a session is over
_EXTENSIONS = ("postgis", "btree_gist")
_DURABLY = """
    SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'
"""
# They may be in a schema that the search path leaves out. Without a schema to work in, theirs must not become that.
_REACH_EXTENSIONS = """
    SELECT set_config('search_path', concat_ws(', ', current_setting('search_path'),
        string_agg(DISTINCT quote_ident(nspname), ', ')), false)
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
    WHERE extname = ANY(%s) AND nspname <> ALL(current_schemas(true)) AND current_schema() IS NOT NULL
    HAVING count(*) > 0
"""
# Functions keep the path that they were made under, and others may write than who made them: no "$user" in it.
_NAME_SCHEMAS = """
    SELECT set_config('search_path', string_agg(quote_ident(name), ', '), true) FROM unnest(current_schemas(false)) AS name
"""
_HELD = """
    SELECT a.pid, a.application_name FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :ours AND l.objid = :key
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


#: What waiting does not mend when a session is asked for; the driver gives no code then.
_REFUSALS = (
    "authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist", "not permitted to log in",
    "permission denied", "invalid connection option", "definition of service",
)  # fmt: skip

#: What helps where the server refuses a statement, by its code.
_ADVICE = {
    "23503": "a row of a table of your own refers to one that is to go: declare its foreign key with ON DELETE CASCADE, "
    "or do without",
    "42501": "{said}: ask its owner for the right (GRANT)",
    "57014": "the server broke a statement off ({said}): narrow what is asked for, or have its administrator allow more "
    "(statement_timeout)",
}


class PostgresDatabase(Database):
    """A catalogue in the first schema of a database's search path.

    What a person sets by `?options=-c name=value` in the URL, or PGOPTIONS, stays as it is.
    """

    _errors: ClassVar[tuple[type[Exception], ...]] = (sa.exc.DBAPIError, psycopg.Error)
    _session: int | None = None  # the server's process that holds our lock of syncing

    @classmethod
    def at(cls, url: sa.URL) -> Self:
        """The database, whatever its schema version is. Nothing is connected yet."""
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={**_CONNECTING, "application_name": _application("")},
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            pool_size=8,
            max_overflow=32,
            json_deserializer=_from_json,
        )
        event.listen(engine, "connect", _prepare)
        return cls(wording.without_password(str(url.render_as_string(hide_password=True))), engine)

    def identity(self) -> object:
        """The server's cluster, the database in it, and the schema."""
        ask = """SELECT system_identifier, current_database(), current_schema() FROM pg_control_system()"""
        with self.read() as connection:
            return tuple(connection.execute(sa.text(ask)).one())

    def size_bytes(self) -> int:
        """Bytes of the server's whole database."""
        with self.read() as connection:
            return int(connection.scalar(sa.text("SELECT pg_database_size(current_database())")))

    @contextlib.contextmanager
    def syncing(self, purpose: str) -> Iterator[None]:
        """Hold the server's lock that one sync at a time may hold; it is free when this process or its session is gone.

        Raises:
            CatalogueLockedError: another process holds it.
        """
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.detach()  # its end frees the lock
            with self.translated():
                self._session = self._lead(connection, purpose)
            try:
                yield
            finally:
                self._session = None

    def _lead(self, connection: Connection, purpose: str) -> int:
        """Take the lock; returns the server's process that holds it."""
        connection.execute(
            sa.text("SELECT set_config('application_name', :name, false)"),
            {"name": _application(purpose)},
        )
        leader, writer = _keys(connection)
        patience = time.monotonic() + _LINGERS
        while not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_OURS, leader))):
            if time.monotonic() < patience:
                time.sleep(0.02)
                continue
            holder = connection.execute(sa.text(_HELD), {"ours": _OURS, "key": leader}).first()
            said = holder.application_name.removeprefix("satcat: ") if holder else ""
            raise CatalogueLockedError(self.name, said or "another process")
        # who led before, and lost the lock with its session, may still be storing: see `_writing`
        connection.execute(sa.select(sa.func.pg_advisory_lock(_OURS, writer)))
        connection.execute(sa.select(sa.func.pg_advisory_unlock(_OURS, writer)))
        return int(connection.scalar(sa.select(sa.func.pg_backend_pid())) or 0)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._connected(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        ) as connection:
            connection.exec_driver_sql(PATIENT)
            yield connection

    @contextlib.contextmanager
    def _writing(self, *, durable: bool) -> Iterator[Connection]:
        """A write; that of a sync is refused when another may have become the leader."""
        with self._connected() as connection:
            if self._session is not None:
                leader, writer = _keys(connection)
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OURS, writer)))
                held = connection.execute(sa.text(_HELD), {"ours": _OURS, "key": leader}).first()
                if held is None or held.pid != self._session:
                    raise CatalogueUnreachableError(
                        self.name, "another may lead by now", "has ended this sync's session"
                    )
            if durable:
                connection.execute(sa.text(_DURABLY))
            yield connection

    @contextlib.contextmanager
    def _migrating(self) -> Iterator[Connection]:
        with self._connected() as connection:
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
            if encoding != "UTF8":
                raise CatalogueError(f"{self.name} is a database in {encoding}: create it in UTF8")
            _, writer = _keys(connection)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OURS, writer)))
            # two schemas of a database share the extensions
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_OURS, -1)))
            for extension in _EXTENSIONS:
                self._install(connection, extension)
            connection.exec_driver_sql(_REACH_EXTENSIONS, (list(_EXTENSIONS),))
            connection.execute(sa.text(_NAME_SCHEMAS))
            yield connection

    def _install(self, connection: Connection, extension: str) -> None:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        except sa.exc.DBAPIError as error:
            said = str(error.orig).splitlines()[0]
            raise CatalogueError(
                f"{self.name} lacks the extension {extension} ({said}): have an administrator install it and run "
                f"CREATE EXTENSION {extension} in this database"
            ) from error

    @contextlib.contextmanager
    def _connected(self, **options: Any) -> Iterator[Connection]:
        """A connection in a transaction; to have it takes as long as `_goes_on` lets it."""
        while True:
            try:
                opened = self.engine.connect()
                break
            except sa.exc.DBAPIError as error:
                known = self.named(error.orig)
                if self._goes_on is None or not isinstance(known, CatalogueBusyError):
                    raise
                if not self._goes_on(known):
                    raise
                time.sleep(_LOOK)
        with opened.execution_options(**options) as connection, connection.begin():
            yield connection

    def _table_names(self, connection: Connection) -> set[str]:
        """Of tables and views in the schema, less those of extensions."""
        if connection.scalar(sa.select(sa.func.current_schema())) is None:
            path = connection.scalar(sa.text("SHOW search_path"))
            raise CatalogueError(
                f"{self.name}: no schema of the search path {path or '(empty)'} is there for this role: "
                "create it, grant its use, or name another"
            )
        return set(
            connection.scalars(
                sa.text(
                    """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')
                    AND relnamespace = to_regnamespace(quote_ident(current_schema()))
                    AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = pg_class.oid AND d.deptype = 'e')"""
                )
            )
        )

    def _fill_tiles(self, connection: Connection) -> None:
        from satcat.tiles import rows

        copy(connection, tiles.name, [column.name for column in tiles.columns], rows())

    def named(self, error: object) -> BaseException | None:
        """What the driver complains of, in our own words; None: unknown."""
        return _translate(self.name, error)


def copy(
    connection: Connection, table: str, names: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows by COPY, inside the connection's transaction. Instants may be text, JSON is, and footprints are WKB."""
    columns = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, names))
    statement = psycopg.sql.SQL("COPY {} ({}) FROM STDIN").format(
        psycopg.sql.Identifier(table), columns
    )
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(statement) as into:
        for row in rows:
            into.write_row([each.hex() if isinstance(each, bytes) else each for each in row])


def _application(purpose: str) -> str:
    """What the server calls a session of ours; at most 63 bytes, which others read."""
    return f"satcat: {purpose} (process {os.getpid()} on {socket.gethostname()})".replace(
        "  ", " "
    )[:63]


def _keys(connection: Connection) -> tuple[int, int]:
    """The numbers of the schema's two locks: who leads, and who of the leaders writes just now."""
    schema = connection.scalar(sa.select(sa.func.current_schema())) or ""
    number = zlib.crc32(schema.encode()) & 0x3FFFFFFF
    return number * 2, number * 2 + 1


def _prepare(driver: Any, _: object) -> None:
    theirs = set(re.findall(r"(?:-c\s*|--)([\w-]+)=", driver.info.options))
    for name, value in (_SETTINGS | _NEEDED).items():
        if name in {given.replace("-", "_") for given in theirs} - _NEEDED.keys():
            continue
        driver.execute("SELECT set_config(%s, %s, false)", (name, value))
    driver.execute(_REACH_EXTENSIONS, [list(_EXTENSIONS)])
    driver.commit()
    driver.adapters.register_loader("numeric", _NumericLoader)
    driver.adapters.register_loader("timestamptz", _InstantLoader)


class _InstantLoader(TimestamptzLoader):
    """What Python has no datetime for, as 'infinity', is the last instant or the first."""

    def load(self, data: Any) -> datetime:
        try:
            return super().load(data)
        except psycopg.DataError:
            text = bytes(data).decode()
            early = text.startswith("-") or text.endswith("BC")
            return times.FIRST if early else times.LAST


class _NumericLoader(Loader):
    """Sums of whole numbers are `numeric` in PostgreSQL, and plain numbers here."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def _from_json(text: str) -> Any:
    """JSON as JSONB prints it: with all digits of a number that a float is, and in an order of its own."""
    return json.loads(
        text,
        parse_int=integer,
        object_pairs_hook=lambda pairs: dict(sorted(pairs)),
    )


def _translate(where: str, error: object) -> CatalogueError | None:
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate or ""
    said = " ".join(str(error).split("\n")[0].split())
    if not state and any(words in str(error) for words in _REFUSALS):
        return CatalogueError(
            f"{where} cannot be opened ({_reason(error)}): check --db; a password comes from ~/.pgpass or PGPASSWORD"
        )
    if (
        state.startswith("08")
        or state in ("57P01", "57P02", "57P03", "57P05", "25P03", "53300")
        or (not state and isinstance(error, psycopg.OperationalError))
    ):
        return CatalogueUnreachableError(where, _reason(error))
    if state in ("55P03", "40001", "40P01"):
        return CatalogueBusyError(where)
    if state.startswith("XX"):
        return CatalogueDamagedError(where, said)
    if state in _ADVICE:
        return CatalogueError(f"{where}: {_ADVICE[state].format(said=said)}")
    if state == "25006" or (state == "0A000" and "during recovery" in said):
        return CatalogueError(
            f"{where} cannot be written: the server is read-only, a copy of another perhaps"
        )
    if state.startswith("53"):
        return CatalogueError(
            f"{where} cannot grow ({said}): make room on the server; nothing stored is lost"
        )
    return None


def _reason(error: psycopg.Error) -> str:
    """Why there is no connection, in the server's words, of which the last line says most."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else "no reason given").split("FATAL:")[-1].strip()
