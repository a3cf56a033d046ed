"""Comparing two catalogues: digests of every table, and which rows differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from satcat.copying.rows import Digest, Row, Shape
from satcat.database import Database
from satcat.models import account_slots, metadata, tile_months, tile_years
from satcat.sync.report import Silence, SyncProgress

#: What triggers make of the products.
DERIVED = (tile_months, tile_years)
#: Who uses a connection just now means nothing in another catalogue.
LEFT_OUT = (account_slots,)
#: All else; tables that others refer to come before these.
COPIED = tuple(
    table for table in metadata.sorted_tables if table not in DERIVED and table not in LEFT_OUT
)
_STEP = 1000  # rows between two looks at the progress


@dataclass(frozen=True, slots=True)
class Compared:
    """A table of two catalogues.

    Attributes:
        different: rows that are not in both, or not alike; 0 also where nobody has counted.
        example: the first of them, for people.
    """

    table: str
    source: Digest
    target: Digest
    different: int = 0
    example: str | None = None

    @property
    def equal(self) -> bool:
        """Whether both hold the same rows."""
        return self.source == self.target


def compare(
    source: Database, target: Database, watch: SyncProgress | None = None
) -> list[Compared]:
    """Compare two catalogues, table by table, each as it is at one moment."""
    watch = watch or Silence()
    compared = []
    with source.read() as left, target.read() as right:
        for table in (*COPIED, *DERIVED):
            watch.begin(f"comparing {table.name}", count(left, table), "rows")
            compared.append(_compare(left, right, Shape(table), watch))
    watch.end()
    return compared


def digests(
    connection: Connection, watch: SyncProgress, tables: Iterable[Table] = (*COPIED, *DERIVED)
) -> dict[str, Digest]:
    """The digests of whole tables, by name."""
    made = {}
    for table in tables:
        watch.begin(f"checking {table.name}", count(connection, table), "rows")
        made[table.name] = Digest()
        with Shape(table).read(connection) as rows:
            for number, row in enumerate(rows, 1):
                made[table.name].add(row)
                if number % _STEP == 0:
                    watch.advance(_STEP)
    watch.end()
    return made


def count(connection: Connection, table: Table) -> int:
    """How many rows a table has."""
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _compare(left: Connection, right: Connection, shape: Shape, watch: SyncProgress) -> Compared:
    source, target = Digest(), Digest()
    different = 0
    example = None
    with shape.read(left) as mine, shape.read(right) as other:
        for number, (here, there) in enumerate(_pairs(shape, mine, other), 1):
            for row, made in ((here, source), (there, target)):
                if row is not None:
                    made.add(row)
            if here != there:
                different += 1
                example = example or shape.name(here or there or ())
            if number % _STEP == 0:
                watch.advance(_STEP)
    return Compared(shape.table.name, source, target, different, example)


def _pairs(
    shape: Shape, left: Iterator[Row], right: Iterator[Row]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of the same key together, None where one side has none; both sides come in the order of the key."""
    here, there = next(left, None), next(right, None)
    while here is not None or there is not None:
        if here is None or there is None:
            order = 1 if here is None else -1
        else:
            mine, other = shape.key(here), shape.key(there)
            order = (mine > other) - (mine < other)
        yield here if order <= 0 else None, there if order >= 0 else None
        if order <= 0:
            here = next(left, None)
        if order >= 0:
            there = next(right, None)
