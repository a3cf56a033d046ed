"""A run of `satcat copy`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times
from satcat.copying import target as targets
from satcat.copying import writing
from satcat.copying.comparing import COPIED, DERIVED, Compared, count, digests
from satcat.copying.rows import Digest, Key, Row, Shape, pieces
from satcat.database import Database
from satcat.errors import CatalogueError, DifferencesError
from satcat.functions import analyze
from satcat.models import downloads, metadata, products
from satcat.sync.report import Silence, SyncProgress


@dataclass(slots=True)
class CopyReport:
    """What came of a copy.

    Attributes:
        at: this machine's clock when the source was looked at.
        tables: all that was compared.
        written: rows that were written; the others were there.
        own: the source's tables and views that are not satcat's. They are not copied.
        running: downloads that were under way.
    """

    at: datetime
    tables: list[Compared] = field(default_factory=list)
    written: int = 0
    own: list[str] = field(default_factory=list)
    running: int = 0

    @property
    def products(self) -> int:
        """How many products both hold."""
        return next(each.source.rows for each in self.tables if each.table == products.name)


def copy(source: Database, where: str, watch: SyncProgress | None = None) -> CopyReport:
    """Make a catalogue equal to the source, as this is now; goes on with an unfinished copy.

    Args:
        where: path or URL of the target, which is made if there is none.

    Raises:
        FilterError: the target is the source, or holds something else.
        CatalogueError: one of them cannot be used, or a value of the source cannot be kept.
        CatalogueLockedError: another process is at the target.
        DifferencesError: somebody else wrote to the target.
    """
    watch = watch or Silence()
    with targets.begun(source, where) as target:
        with source.read() as reading:
            _stay(reading)
            run = _Copying(reading, target, watch)
            run.copy()
            numbers = {t: writing.last_number(reading, t) for t in writing.numbered(COPIED)}
        with target.write(durable=True) as connection:
            for table, number in numbers.items():
                writing.number_after(connection, table, number)
            found = digests(connection, watch)
            run.report.tables = [Compared(t, made, found[t]) for t, made in run.digests.items()]
            _insist(run.report.tables, source, target)
            analyze(connection, (*COPIED, *DERIVED))
            targets.end(connection)
    return run.report


class _Copying:
    """Copying what a transaction sees of the source, table by table."""

    def __init__(self, reading: Connection, target: Database, watch: SyncProgress) -> None:
        self._reading, self._target, self._watch = reading, target, watch
        self.digests: dict[str, Digest] = {}
        self.report = CopyReport(times.now(), own=_own_tables(reading))

    def copy(self) -> None:
        """Copy every table, and make the digests of all."""
        running = sa.select(sa.func.count()).where(downloads.c.status == "running")
        self.report.running = self._reading.scalar(running) or 0
        for table in COPIED:
            self._watch.begin(f"copying {table.name}", count(self._reading, table), "rows")
            self._copy(Shape(table))
        self.digests |= digests(self._reading, self._watch, DERIVED)

    def _copy(self, shape: Shape) -> None:
        made = self.digests[shape.table.name] = Digest()
        last = self._last(shape)
        after: Key | None = None
        with shape.read(self._reading) as rows:
            for piece in pieces(rows, made):
                until = shape.key(piece[-1])
                is_new = last is None or (after is not None and after >= last)
                self._put(shape, piece, after, until, is_new=is_new)
                after = until
                self._watch.advance(len(piece))
        with self._target.write() as connection:
            writing.clear(connection, shape, after, None)

    def _last(self, shape: Shape) -> Key | None:
        """The last key of what an earlier run wrote; there is nothing after it."""
        keys = sa.select(*shape.keys).order_by(*(key.desc() for key in shape.keys)).limit(1)
        with self._target.read() as connection:
            found = connection.execute(keys).first()
        return None if found is None else tuple(found)

    def _put(
        self, shape: Shape, piece: list[Row], after: Key | None, until: Key, *, is_new: bool
    ) -> None:
        """Let the target hold these rows, and no others in this range of keys."""
        with self._target.write() as connection:
            if not is_new:
                with shape.read(connection, after, until) as held:
                    if list(islice(held, len(piece) + 1)) == piece:
                        return
                writing.clear(connection, shape, after, until, piece)
            writing.insert(connection, shape, piece)
        self.report.written += len(piece)


def _stay(reading: Connection) -> None:
    """Let a server not end this transaction while long writes to the target keep it waiting."""
    if reading.dialect.name == "postgresql":
        reading.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")


def _insist(tables: list[Compared], source: Database, target: Database) -> None:
    """Raise unless both are equal."""
    wrong = [found.table for found in tables if not found.equal]
    if not wrong:
        return
    if set(wrong) <= {table.name for table in DERIVED}:
        raise CatalogueError(
            f"{source.name} counts its own products wrongly in {', '.join(wrong)}: mend it with "
            f"`satcat --db {source.name} verify --repair`, and copy again"
        )
    raise DifferencesError(
        f"{target.name} differs from {source.name} in {', '.join(wrong)}: another program wrote to it meanwhile; "
        "stop that, and run the same command again"
    )


def _own_tables(connection: Connection) -> list[str]:
    """Tables and views that people made."""
    found = sa.inspect(connection)
    ours = {*metadata.tables, "alembic_version", "tile_coverage"}
    ours |= {"spatial_ref_sys", "geometry_columns", "geography_columns"}  # PostGIS's
    return [
        name
        for name in (*found.get_table_names(), *found.get_view_names())
        if name not in ours and not name.startswith("products_rtree")
    ]
