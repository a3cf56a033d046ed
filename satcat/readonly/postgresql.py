"""People's own SQL in PostgreSQL: in a read-only transaction, on a connection that is closed afterwards.

What the role may do beyond the catalogue's tables, the server's administrator decides: analysts get a role that reads.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from datetime import date, datetime
from itertools import chain
from typing import Any

import psycopg
from psycopg.adapt import Loader
from psycopg.types import TypeInfo

from satcat import times
from satcat.canonical import to_json
from satcat.database import Database
from satcat.errors import FilterError, SatcatError
from satcat.postgresql import PATIENT
from satcat.readonly.rows import Rows

# What is quoted or a comment, a cast, a parameter, a per cent sign (which the driver would take for one of its own).
_TOKENS = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\2\$|::)|:([A-Za-z_]\w*)|%""",
    re.DOTALL,
)
_IS_QUERY = re.compile(
    r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|values|table)\b", re.IGNORECASE | re.DOTALL
)
_STOPPED = "57014"
_HAS_SRID = 0x20000000
_BATCH = 2000  # rows in memory at once


class ServerRows(Rows):
    """The rows of a statement on a catalogue on a server."""

    def __init__(
        self, database: Database, statement: str, params: Mapping[str, Any], seconds: float | None
    ) -> None:
        self._database, self._seconds = database, seconds
        text, asked = _placed(statement)
        _check(asked, params)
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._open = ExitStack()
        try:
            with database.translated():
                connection = database.engine.connect().execution_options(**options)
                self._open.callback(connection.close)
                self._open.callback(connection.invalidate)  # with whatever the statement may set
                connection.begin()
            driver: Any = connection.connection.driver_connection
            driver.execute(PATIENT)
            _set(driver, "cursor_tuple_fraction", "1")  # all rows are wanted
            if seconds is not None:
                _set(driver, "statement_timeout", f"{max(1, round(seconds * 1000))}ms")
            cursor = driver.cursor("satcat_rows") if _IS_QUERY.match(text) else driver.cursor()
            self._open.callback(_close, cursor)
            if geometry := TypeInfo.fetch(driver, "geometry"):
                cursor.adapters.register_loader(geometry.oid, _GeometryLoader)
            values = {name: params[name] for name in asked}
            found, self.columns = _run(cursor, text, values)
        except psycopg.Error as error:
            self.close()
            raise self._named(error) from None
        except UnicodeEncodeError as error:
            self.close()
            raise FilterError(f"the SQL cannot be run: {error}") from None
        except BaseException:
            self.close()
            raise
        self.rows = self._read(found)

    def close(self) -> None:
        """Read no further. The connection goes too."""
        self._open.close()

    def _read(self, found: Iterator[Any]) -> Iterator[tuple[Any, ...]]:
        try:
            for row in found:
                yield tuple(map(_plain, row))
        except psycopg.Error as error:
            raise self._named(error) from None
        finally:
            self.close()

    def _named(self, error: psycopg.Error) -> SatcatError:
        if error.sqlstate == _STOPPED and self._seconds is not None:
            return SatcatError(
                f"the SQL took longer than {self._seconds:g} s: narrow it, or allow more time"
            )
        known = self._database.named(error)
        if isinstance(known, SatcatError) and error.sqlstate not in ("25006", "42501"):
            return known
        said = " ".join(str(error).split())
        if error.sqlstate == "25006" or "multiple commands" in said:
            return FilterError(f"the SQL is refused ({said}): give one statement that only reads")
        return FilterError(f"the SQL cannot be run: {said}")


def _set(driver: Any, name: str, value: str) -> None:
    driver.execute("SELECT set_config(%s, %s, true)", [name, value])


def _close(cursor: Any) -> None:
    with suppress(psycopg.Error):  # of a transaction that failed
        cursor.close()


def _run(
    cursor: Any, text: str, values: dict[str, Any]
) -> tuple[Iterator[tuple[Any, ...]], list[str]]:
    """The rows, a few at a time, and the columns' names."""
    found: Iterator[tuple[Any, ...]]
    if isinstance(cursor, psycopg.ServerCursor):
        cursor.itersize = _BATCH
        found = iter(cursor.execute(text, values))
    else:  # EXPLAIN, SHOW: what no cursor is declared for, and always has rows
        stream = cursor.stream(text, values)
        first = next(stream, None)
        found = chain([] if first is None else [first], stream)
    if cursor.description is None:
        raise FilterError("the SQL is no statement that gives rows: write a SELECT")
    return found, [column.name for column in cursor.description]


def _placed(statement: str) -> tuple[str, list[str]]:
    """The statement with the driver's placeholders for `:name`, and these names."""
    asked: list[str] = []

    def place(found: re.Match[str]) -> str:
        name = found[3]
        if name is None:
            return found[0].replace("%", "%%")
        asked.append(name)
        return f"%({name})s"

    return _TOKENS.sub(place, statement), list(dict.fromkeys(asked))


def _check(asked: list[str], params: Mapping[str, Any]) -> None:
    for name in asked:
        if name not in params:
            raise FilterError(
                f"the SQL's parameter :{name} has no value: give one, as --param {name}=VALUE"
            )
    for name in params:
        if name not in asked:
            raise FilterError(
                f"the SQL has no parameter :{name}: write it so, or leave its value out"
            )


class _GeometryLoader(Loader):
    """PostGIS prints a geometry in hexadecimal: WKB with its SRID in between."""

    def load(self, data: Any) -> bytes:
        raw = bytes.fromhex(bytes(data).decode())
        order = "<I" if raw[0] else ">I"
        (kind,) = struct.unpack_from(order, raw, 1)
        if not kind & _HAS_SRID:
            return raw
        return raw[:1] + struct.pack(order, kind & ~_HAS_SRID) + raw[9:]


def _plain(value: Any) -> Any:
    """A value as SQLite would have it: instants in the stored form, days and JSON as text."""
    if isinstance(value, datetime):
        return times.to_text(value) if value.tzinfo else value.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    return to_json(value) if isinstance(value, (dict, list)) else value
