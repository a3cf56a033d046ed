"""People's own SQL on a catalogue: one statement, which can only read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from satcat.database import Database
from satcat.readonly.rows import Rows

__all__ = ["Rows", "query"]


def query(
    database: Database,
    statement: str,
    params: Mapping[str, Any] | None = None,
    *,
    seconds: float | None = None,
) -> Rows:
    """Run one reading statement.

    Args:
        params: values for its `:name`s. They are bound, never pasted into the text.
        seconds: break off when it has not given its last row by then; None: never.

    Raises:
        FilterError: the statement is wrong, is more than one, or would do more than read; the database says what. Or it
            lacks a value, or has no place for one.
        SatcatError: it took too long; also while rows are read.
    """
    if database.engine.dialect.name == "postgresql":
        from satcat.readonly import postgresql

        return postgresql.ServerRows(database, statement, params or {}, seconds)
    from satcat.readonly import sqlite

    return sqlite.query(database.path, statement, params, seconds=seconds)
