"""Types of columns that both databases hold, each in its own way, and the database's clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import DateTime, Dialect, LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from satcat import times
from satcat.canonical import to_json

#: Text that both databases sort by code points.
Text: TypeEngine[str] = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

#: Of footprints: WGS 84, longitude first.
SRID = 4326


class Instant(TypeDecorator[datetime]):
    """An aware datetime: fixed-width UTC text in SQLite, timestamptz in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        on_server = dialect.name == "postgresql"
        return dialect.type_descriptor(DateTime(timezone=True) if on_server else sa.Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return times.to_text(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if isinstance(value, datetime):
            return value.astimezone(UTC)  # the driver's UTC is another object
        return times.parse(value) if isinstance(value, str) else value


class Json(TypeDecorator[dict[str, Any]]):
    """A JSON object: canonical text in SQLite, jsonb in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(sa.Text())
        from sqlalchemy.dialects.postgresql import JSONB  # a twentieth of a second to load

        return dialect.type_descriptor(JSONB())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None or dialect.name == "postgresql":
            return value
        return to_json(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return json.loads(value) if isinstance(value, str) else value


class _Geometry(UserDefinedType[bytes]):
    """PostGIS geometry, which Python sees as WKB."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return f"geometry(Geometry,{SRID})"

    def bind_expression(self, bindvalue: Any) -> Any:
        return sa.func.ST_GeomFromWKB(bindvalue, SRID, type_=self)

    def column_expression(self, colexpr: Any) -> Any:
        return sa.func.ST_AsBinary(colexpr, type_=LargeBinary())


#: An outline: WKB in SQLite, a geometry in PostGIS.
Footprint: TypeEngine[bytes] = LargeBinary().with_variant(_Geometry(), "postgresql")


class utc_now(FunctionElement[datetime]):  # noqa: N801 - an SQL function, spelt as one
    """The database's clock, in the stored form."""

    inherit_cache = True


@compiles(utc_now)
def _now_anywhere(element: Any, compiler: Any, **options: Any) -> str:
    return "clock_timestamp()"  # now() stands still in a transaction


@compiles(utc_now, "sqlite")
def _now_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))"
