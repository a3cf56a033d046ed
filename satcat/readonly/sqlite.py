"""People's own SQL on a catalogue in a file: one statement, which can only read.

The file is opened read-only, and SQLite asks `_authorise` about all that a statement is going to do, so that it can
neither attach another file nor change a setting.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from satcat import filesystems
from satcat.errors import CatalogueDamagedError, CatalogueError, FilterError, SatcatError
from satcat.readonly.rows import Rows
from satcat.sqlite import heed_signals, is_interrupt, register_functions

_READS = {
    sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE,
}  # fmt: skip
_PRAGMAS = {
    "compile_options", "foreign_key_list", "function_list", "index_info", "index_list", "index_xinfo",
    "table_info", "table_list", "table_xinfo",
}  # fmt: skip
#: Pragmas that read without an argument and write with one.
_SETTINGS = {
    "application_id",
    "freelist_count",
    "journal_mode",
    "page_count",
    "page_size",
    "user_version",
}
_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}
_MISSING = re.compile(r"did not supply a value for binding (?:parameter )?:?(\w+)")
#: Bytes that a value may have; nothing in a catalogue comes near.
_LONGEST = 100_000_000
_MOST_MEMORY = 1 << 30  # bytes
_STEPS = 10_000  # of SQLite's machine between two looks at the clock: about a millisecond


class FileRows(Rows):
    """The rows of a statement on a catalogue in a file."""

    def __init__(
        self, path: Path, statement: str, params: Mapping[str, Any], seconds: float | None
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._connection = _open(path)
        given = _Params(params)
        try:
            _prepare(self._connection)
            if self._deadline is not None:
                self._connection.set_progress_handler(self._is_late, _STEPS)
            cursor = self._connection.execute(statement, given)
        except (sqlite3.Error, MemoryError, ValueError, OverflowError) as error:
            self.close()
            raise self._named(error) from None
        if unused := given.unused:
            self.close()
            raise FilterError(
                f"the SQL has no parameter :{unused[0]}: write it so, or leave its value out"
            )
        if cursor.description is None:
            self.close()
            raise FilterError("the SQL is no statement that gives rows: write a SELECT")
        self.columns = [column[0] for column in cursor.description]
        self.rows = self._read(cursor)

    def close(self) -> None:
        """Read no further."""
        self._connection.close()

    def _read(self, cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
        try:
            for row in cursor:  # noqa: UP028 - `yield from` would close the cursor, maybe after its connection
                yield row
        except (sqlite3.Error, MemoryError) as error:
            raise self._named(error) from None
        finally:
            self.close()

    def _is_late(self) -> bool:
        """Tell SQLite whether to break off."""
        return self._deadline is not None and time.monotonic() > self._deadline

    def _named(self, error: Exception) -> SatcatError | KeyboardInterrupt:
        if is_interrupt(error) and self._is_late():
            return SatcatError(
                f"the SQL took longer than {self._seconds:g} s: narrow it, or allow more time"
            )
        return _named(self._path, error)


class _Params(dict[str, Any]):
    """Values for a statement's `:name`s; knows which of them it asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return super().__getitem__(name)

    @property
    def unused(self) -> list[str]:
        return [name for name in self if name not in self._asked]


def bound_memory() -> None:
    """Let SQLite take at most 1 GiB in this process, for good.

    For a command; a program may have large databases of its own.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA hard_heap_limit = {_MOST_MEMORY}")


def query(
    path: Path,
    statement: str,
    params: Mapping[str, Any] | None = None,
    *,
    seconds: float | None = None,
) -> Rows:
    """As `readonly.query`, of a file."""
    return FileRows(path, statement, params or {}, seconds)


def _open(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(filesystems.uri(path), uri=True, timeout=30, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise CatalogueError(f"{path} cannot be opened: {error}") from None


def _prepare(connection: sqlite3.Connection) -> None:
    """Take from the connection all that could change anything."""
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    connection.execute("PRAGMA query_only = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    register_functions(connection)
    heed_signals(connection)
    # A virtual table prepares its own writing statements when it is first used, which would be refused later.
    virtual = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    for (name,) in connection.execute(virtual).fetchall():
        quoted = name.replace('"', '""')
        with suppress(sqlite3.OperationalError):  # of a kind that this SQLite does not know
            connection.execute(f'SELECT 1 FROM "{quoted}" LIMIT 0')
    connection.set_authorizer(_authorise)


def _authorise(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    name = (first or "").lower()
    if action in _READS and (second or "").lower() != "load_extension":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_UPDATE and name == "sqlite_master":
        return (
            sqlite3.SQLITE_OK
        )  # how SQLite makes json_each known; people's own UPDATE it refuses itself
    if action == sqlite3.SQLITE_PRAGMA and (
        name in _PRAGMAS or (name in _SETTINGS and second is None)
    ):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _named(path: Path, error: Exception) -> SatcatError | KeyboardInterrupt:
    if is_interrupt(error):
        return KeyboardInterrupt()
    if isinstance(error, MemoryError):
        return FilterError("the SQL cannot be run: it needs more memory than there is for it")
    if getattr(error, "sqlite_errorname", "") in _DAMAGED:
        return CatalogueDamagedError(str(path), str(error))
    if missing := _MISSING.search(str(error)):
        name = missing[1]
        return FilterError(
            f"the SQL's parameter :{name} has no value: give one, as --param {name}=VALUE"
        )
    if "authoriz" in str(error) or "one statement at a time" in str(error):
        return FilterError(f"the SQL is refused ({error}): give one statement that only reads")
    return FilterError(f"the SQL cannot be run: {error}")
