"""Rows in one canonical form, whichever database holds them: equal rows are equal tuples, and hash alike.

Instants are their stored text, JSON is canonical text, truth values are bool, footprints WKB.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy import Column, ColumnElement, Connection, Table

from satcat import times
from satcat.canonical import integer, to_json, whole
from satcat.columns import Instant, Json
from satcat.errors import CatalogueError

#: The values of a table's columns, in their order.
Row: TypeAlias = tuple[Any, ...]
#: The values of its primary key's columns.
Key: TypeAlias = tuple[Any, ...]

#: Rows, and bytes of them, that are in memory at a time, about.
PIECE_ROWS = 5000
PIECE_BYTES = 1 << 24
_FETCHED = 500  # rows from the database at a time


class Shape:
    """How one table is read: in the order of its key, each row in its canonical form."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.keys = list(table.primary_key.columns)
        self._query = sa.select(*map(_readable, table.columns)).order_by(*self.keys)
        names = [column.name for column in table.columns]
        self._places = [names.index(column.name) for column in self.keys]
        kinds = [_kind(column) for column in table.columns]
        self._converted = [
            (n, _CONVERSIONS[kind]) for n, kind in enumerate(kinds) if kind in _CONVERSIONS
        ]
        self._floats = [n for n, kind in enumerate(kinds) if kind is float]
        self._types = [str if kind in (Instant, Json) else kind for kind in kinds]
        self._known: set[tuple[type, ...]] = set()

    @contextmanager
    def read(
        self, connection: Connection, after: Key | None = None, until: Key | None = None
    ) -> Iterator[Iterator[Row]]:
        """The rows whose keys are in this range, both ends open if None; only a few are in memory.

        Raises:
            CatalogueError: a value is none of its column's; says where.
        """
        query = self._query.where(*self.between(after, until))
        with connection.execute(query, execution_options={"yield_per": _FETCHED}) as found:
            yield map(self._canonical, chain.from_iterable(found.partitions()))

    def between(self, after: Key | None, until: Key | None) -> list[ColumnElement[bool]]:
        """Conditions for the rows whose keys are after one and not after another."""
        key = sa.tuple_(*self.keys) if len(self.keys) > 1 else self.keys[0]
        found = []
        for bound, compare in ((after, key.__gt__), (until, key.__le__)):
            if bound is not None:
                found.append(compare(sa.tuple_(*bound) if len(bound) > 1 else bound[0]))
        return found

    def key(self, row: Row) -> Key:
        """The key of a row."""
        return tuple(row[place] for place in self._places)

    def name(self, row: Row) -> str:
        """A row's table and key, for people."""
        named = (f"{c.name} {value}" for c, value in zip(self.keys, self.key(row), strict=True))
        return f"the row of {self.table.name} with {', '.join(named)}"

    def _canonical(self, row: Iterable[Any]) -> Row:
        values = list(row)
        for place, convert in self._converted:
            value = values[place]
            if value is not None:
                try:
                    values[place] = convert(value)
                except (ValueError, TypeError, RecursionError):
                    raise self._odd(values, place) from None
        for place in self._floats:
            value = values[place]
            if value == 0:
                values[place] = 0.0  # SQLite has no zero below zero
            elif value != value:  # noqa: PLR0124 - nor what is no number, which alone is not itself
                raise self._odd(values, place)
        types = tuple(map(type, values))
        if types not in self._known:
            self._check(values, types)
            self._known.add(types)
        return tuple(values)

    def _check(self, values: list[Any], types: tuple[type, ...]) -> None:
        for place, (found, wanted) in enumerate(zip(types, self._types, strict=True)):
            if found not in (wanted, type(None)):
                raise self._odd(values, place)

    def _odd(self, values: list[Any], place: int) -> CatalogueError:
        shown = repr(values[place])
        return CatalogueError(
            f"{self.name(tuple(values))} is damaged: its {self.table.columns[place].name} cannot be "
            f"{shown if len(shown) < 80 else shown[:80] + '…'}; `satcat verify --repair` mends products, "
            "other rows are to be mended by hand"
        )


class Digest:
    """A digest of a table's rows in the order of its key: alike if, and only if, the rows are."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self._pack = msgspec.msgpack.Encoder().encode

    def add(self, row: Row) -> int:
        """Take in the next row; returns its size in bytes."""
        packed = self._pack(row)  # nothing else packs alike
        self._hash.update(packed)
        self.rows += 1
        return len(packed)

    def __str__(self) -> str:
        return self._hash.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.rows, str(self)) == (other.rows, str(other))

    __hash__ = None  # type: ignore[assignment]


def pieces(rows: Iterable[Row], digest: Digest) -> Iterator[list[Row]]:
    """Cut rows into lists that fit in memory whatever the rows hold, and take them into a digest."""
    piece: list[Row] = []
    size = 0
    for row in rows:
        piece.append(row)
        size += digest.add(row)
        if len(piece) == PIECE_ROWS or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _kind(column: Column[Any]) -> type:
    for kind in (Instant, Json):
        if isinstance(column.type, kind):
            return kind
    return column.type.python_type


def _readable(column: Column[Any]) -> ColumnElement[Any]:
    """A column as the database gives it, past SQLAlchemy's conversions, which stumble over what somebody altered."""
    if isinstance(column.type, Json):
        return sa.cast(column, sa.Text)
    if isinstance(column.type, (Instant, sa.Boolean)):
        return sa.type_coerce(column, sa.types.NullType())
    return column


@lru_cache(maxsize=8192)  # neighbours share most of theirs
def _instant(value: str | datetime) -> str:
    if isinstance(value, datetime):
        return times.to_text(value)
    moment = times.parse(value)
    is_stored_form = len(value) == 27 and value[10] == "T" and value[26] == "Z"
    return value if is_stored_form else times.to_text(moment)


def _truth(value: bool | int) -> bool:
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)


def _json(value: str) -> str:
    said = _decode(value)
    if said is None:  # which a driver cannot tell from SQL's NULL
        raise ValueError(value)
    return to_json(said)


# PostgreSQL keeps numbers of JSON as decimals, and prints 1e+16 as 10000000000000000 and -0.0 as 0.0.


def _real(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(text)
    if 1e16 <= abs(number) < 1 << 63:
        return whole(number)
    return number or 0.0


def _constant(text: str) -> float:
    raise ValueError(text)


_decode = json.JSONDecoder(parse_float=_real, parse_int=integer, parse_constant=_constant).decode

_CONVERSIONS: dict[type, Callable[[Any], Any]] = {
    Instant: _instant,
    Json: _json,
    bool: _truth,
}
