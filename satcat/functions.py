"""SQL that each database spells in its own way: an instant's text, patterns, lists of values, texts joined.

What is compiled for SQLite means the same in PostgreSQL; a statement built of these runs on both. Those that are true or
false say no type, for SQLAlchemy compares what is of type Boolean with 1 in SQLite, which then uses no index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine

from satcat.canonical import UNSTORABLE
from satcat.columns import Text


class unindexed(ColumnElement[Any]):  # noqa: N801 - spelt as an SQL function, as those below
    """A column that must not choose the index: SQLite's unary plus.

    Without it an equality of the collection looks better to SQLite than a few candidates do, and takes 200 times as
    long on ten million products.
    """

    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.column = column
        self.type = column.type


@compiles(unindexed)
def _indexed_anywhere(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.column, **options))


@compiles(unindexed, "sqlite")
def _unindexed_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "+" + str(compiler.process(element.column, **options))


class as_text(FunctionElement[str]):  # noqa: N801
    """An instant in its stored form, 2024-06-01T10:56:21.024000Z."""

    type = sa.Text()
    inherit_cache = True


@compiles(as_text, "sqlite")
def _text_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(as_text, "postgresql")
def _text_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    instant = compiler.process(element.clauses, **options)
    form = """YYYY-MM-DD"T"HH24:MI:SS.US"Z\""""
    return f"to_char(({instant}) AT TIME ZONE 'UTC', '{form}') COLLATE \"C\""


class as_number(FunctionElement[float]):  # noqa: N801
    """The number that a text begins with, 0 if it begins with none, as SQLite casts; NULL for NULL."""

    type = sa.Double()
    inherit_cache = True


@compiles(as_number, "sqlite")
def _number_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS REAL)"


@compiles(as_number, "postgresql")
def _number_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    # not more digits than a float may have
    number = r"'^\s*([-+]?(?:\d{1,200}(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,2}(?!\d))?)'"
    begun = f"CAST(substring({text} FROM {number}) AS double precision)"
    return f"coalesce({begun}, CASE WHEN {text} IS NOT NULL THEN 0 END)"


class _Glob(TypeDecorator[str]):
    """A pattern with * and ?: a regular expression in PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return _regex(value) if dialect.name == "postgresql" else value


class _is_like(FunctionElement[bool]):  # noqa: N801
    inherit_cache = True


@compiles(_is_like, "sqlite")
def _like_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({text} GLOB {pattern})"


@compiles(_is_like, "postgresql")
def _like_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({text} ~ {pattern})"


def is_like(text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether a text is as SQLite's GLOB says: * is any text, ? one character, [0-9] one of these; capitals matter."""
    return _is_like(text, sa.bindparam(None, pattern, type_=_Glob()))


def _regex(pattern: str) -> str:
    """A GLOB pattern as a regular expression of PostgreSQL's."""
    parts = re.findall(r"\[\^?\]?[^\]]*\]|.", pattern, re.DOTALL)
    said = {"*": ".*", "?": "."}
    return f"^{''.join(said.get(part) or _bracketed(part) for part in parts)}$"


def _bracketed(part: str) -> str:
    if len(part) == 1:
        return re.escape(part)
    return "[" + part[1:-1].replace("\\", "\\\\").replace("[", "\\[") + "]"


class _contains(FunctionElement[bool]):  # noqa: N801
    inherit_cache = True


@compiles(_contains)
def _contains_anywhere(element: Any, compiler: Any, **options: Any) -> str:
    where = "strpos" if compiler.dialect.name == "postgresql" else "instr"
    return f"({where}({compiler.process(element.clauses, **options)}) > 0)"


def contains(text: ColumnElement[Any], part: str) -> ColumnElement[bool]:
    """Whether a text has another in it; capitals matter."""
    return _contains(text, sa.bindparam(None, part, type_=sa.Text()))


class joined(FunctionElement[str]):  # noqa: N801
    """An aggregate: texts joined in any order, `joined(column, separator)`; NULL if there are none."""

    type = sa.Text()
    inherit_cache = True


@compiles(joined, "sqlite")
def _joined_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **options)})"


@compiles(joined, "postgresql")
def _joined_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    text, separator = (compiler.process(each, **options) for each in element.clauses)
    return f"string_agg(CAST({text} AS text), {separator})"


class joined_once(FunctionElement[str]):  # noqa: N801
    """An aggregate: the distinct values in any order, with commas between; NULL if there are none."""

    type = sa.Text()
    inherit_cache = True


@compiles(joined_once, "sqlite")
def _once_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"group_concat(DISTINCT {compiler.process(element.clauses, **options)})"


@compiles(joined_once, "postgresql")
def _once_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    value = compiler.process(element.clauses, **options)
    return f"string_agg(DISTINCT CAST({value} AS text), ',')"


class json_array(FunctionElement[str]):  # noqa: N801
    """These values as the text of one JSON array."""

    type = sa.Text()
    inherit_cache = True


@compiles(json_array, "sqlite")
def _array_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **options)})"


@compiles(json_array, "postgresql")
def _array_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST(json_build_array({compiler.process(element.clauses, **options)}) AS text)"


class exactly(FunctionElement[str]):  # noqa: N801
    """A number as text with all its digits; SQLite's own keeps but 15."""

    type = sa.Text()
    inherit_cache = True


@compiles(exactly, "sqlite")
def _exactly_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    number = compiler.process(element.clauses, **options)
    return f"CASE WHEN {number} IS NOT NULL THEN printf('%!.17g', {number}) END"


@compiles(exactly, "postgresql")
def _exactly_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS text)"


class _Listed(TypeDecorator[Any]):
    """Any number of values as one parameter: a JSON text, or an array."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name != "postgresql":
            return dialect.type_descriptor(sa.Text())
        return dialect.type_descriptor(sa.ARRAY(self.of))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        # what no text can be, none is
        possible = [one for one in value if not isinstance(one, str) or not UNSTORABLE.search(one)]
        return possible if dialect.name == "postgresql" else json.dumps(possible)


class _each(FunctionElement[Any]):  # noqa: N801
    name = "each"
    inherit_cache = True


@compiles(_each, "sqlite")
def _each_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_each, "postgresql")
def _each_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **options)}) AS value)"


def each(
    values: Iterable[str] | Iterable[int], like: ColumnElement[Any] | None = None
) -> sa.Select[Any]:
    """A row for each of these texts or numbers, however many: they are one bound parameter.

    Args:
        like: a column of their type; None: of texts. No value tells of its type where there is none.
    """
    listed = list(values)
    is_number = like is not None and isinstance(like.type, sa.Integer)
    kind: TypeEngine[Any] = sa.BigInteger() if is_number else Text
    given = sa.bindparam(None, listed, type_=_Listed(kind))
    table = _each(given).table_valued(sa.column("value", kind))
    return sa.select(table.c.value)


def insert_or_leave(dialect: Dialect, table: sa.Table) -> Any:
    """An INSERT that passes over rows whose key is there already, be it by another's writing at the same moment.

    The result's `rowcount` is how many were inserted.
    """
    inserted: Any
    if dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as on_server

        inserted = on_server(table).on_conflict_do_nothing()
    else:
        from sqlalchemy.dialects.sqlite import insert

        inserted = insert(table).on_conflict_do_nothing()
    return inserted.execution_options(preserve_rowcount=True)


def analyze(connection: Connection, tables: Iterable[sa.Table]) -> None:
    """Let a server know at once what it holds now; of itself it would, a minute later. SQLite does without.

    A table that somebody else is just vacuuming, say, is left to the server.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"ANALYZE (SKIP_LOCKED) {', '.join(table.name for table in tables)}"
        )


class alone_with(FunctionElement[Any]):  # noqa: N801
    """Wait until no other transaction is alone with what is so called, and be it until this one ends: `alone_with("x")`.

    For what cannot be locked because it is not there yet. SQLite has one writer at a time.
    """

    inherit_cache = True


@compiles(alone_with, "sqlite")
def _alone_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return "NULL"


@compiles(alone_with, "postgresql")
def _alone_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    what = compiler.process(element.clauses, **options)
    # the first number is "SATD": not the locks of `satcat.postgresql`
    return f"pg_advisory_xact_lock({0x53415444}, hashtext(current_schema() || ' ' || CAST({what} AS text)))"


class within(FunctionElement[bool]):  # noqa: N801
    """Whether an instant lies in a period of its stored form, `within(start, '2024-06')`; by an index."""

    inherit_cache = True


@compiles(within, "sqlite")
def _within_in_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    start, period = (compiler.process(each, **options) for each in element.clauses)
    return f"({start} > {period} AND {start} < {period} || '~')"  # "~" follows whatever a time has


@compiles(within, "postgresql")
def _within_in_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    start, period = (compiler.process(each, **options) for each in element.clauses)
    first = f"CAST(rpad({period}, 10, '-01-01') AS timestamp)"
    length = f"CASE length({period}) WHEN 4 THEN interval '1 year' WHEN 7 THEN interval '1 month' ELSE interval '1 day' END"
    return f"({start} >= {first} AT TIME ZONE 'UTC' AND {start} < ({first} + {length}) AT TIME ZONE 'UTC')"
