"""Types of columns that both databases hold, each in its own way: instants, JSON, and the database's clock."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from satcat import times

#: Prints an object as `Json` keeps it in SQLite.
to_json = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


class Instant(TypeDecorator[datetime]):
    """An aware datetime: fixed-width UTC text in SQLite, timestamptz in PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        on_server = dialect.name == "postgresql"
        return dialect.type_descriptor(DateTime(timezone=True) if on_server else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return times.to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return times.parse(value) if isinstance(value, str) else value


class Json(TypeDecorator[dict[str, Any]]):
    """A JSON object: canonical text in SQLite, jsonb in PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(Text())
        from sqlalchemy.dialects.postgresql import JSONB  # a twentieth of a second to load

        return dialect.type_descriptor(JSONB())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value) if isinstance(value, str) else value


class utc_now(FunctionElement[datetime]):  # noqa: N801 - an SQL function, spelt as one
    """The database's clock, in the stored form."""

    inherit_cache = True


@compiles(utc_now)
def _now_anywhere(element: Any, compiler: Any, **options: Any) -> str:
    return "now()"


@compiles(utc_now, "sqlite")
def _now_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))"
