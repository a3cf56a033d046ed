"""The database's part of a sync: satcat's store of pages that are read already, beside a plain `executemany` upsert.

The plain upsert writes the same rows into a catalogue with the same tables, indexes and triggers, in transactions of the
same size; the two take turns, page by page. Seconds are of CPU.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import listed
from satcat import times
from satcat.api import odata_parse
from satcat.database import Database
from satcat.models import scopes
from satcat.products import SOURCE_COLUMNS
from satcat.sync import rows, store

PAGE = 1000


def pages(count: int) -> Iterator[list[Any]]:
    """Pages of products, read."""
    for start in range(0, count, PAGE):
        body = b",".join(listed.record(n) for n in range(start, min(count, start + PAGE)))
        parsed = odata_parse.products(json.loads(b"[%s]" % body), "SENTINEL-2")
        yield [one.row for one in parsed]


@contextmanager
def catalogue(path: Path) -> Iterator[Database]:
    """A new catalogue with one scope."""
    with Database.open(path, create=True) as database:
        about = {"name": "all", "source": "cdse", "url": "x", "collection": "SENTINEL-2"}
        with database.write() as connection:
            connection.execute(sa.insert(scopes).values(**about, filters="{}", slices="[]"))
        yield database


_NAMES = (*SOURCE_COLUMNS, "content_hash", "first_seen_at", "changed_at")
_UPSERT = (
    f"INSERT INTO products ({', '.join(_NAMES)}) VALUES ({', '.join('?' * len(_NAMES))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in _NAMES if n != 'id')} "
    "WHERE content_hash <> excluded.content_hash"
)
_LINK = (
    "INSERT INTO scope_products (scope_id, slice, pk) SELECT 1, 0, pk FROM products WHERE id = ? "
    "ON CONFLICT DO NOTHING"
)


def database_part(count: int, folder: Path) -> dict[str, float]:
    """Seconds of CPU of satcat's store, of the making of rows in it, and of the raw upsert of the same rows."""
    spent = dict.fromkeys(("rows", "store", "raw"), 0.0)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with catalogue(folder / "store.db") as ours, catalogue(folder / "raw.db") as theirs:
        pooled = theirs.engine.raw_connection()
        raw = pooled.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        for number, page in enumerate(pages(count)):
            with _timed(spent, "rows"):
                made = [
                    (*rows.stored(image), times.to_text(now), times.to_text(now)) for image in page
                ]

            def mine(page: list[Any] = page) -> None:
                with _timed(spent, "store"), ours.write() as connection:
                    store.store(connection, page, scope_id=1, at=now)

            def plain(made: Any = made) -> None:
                with _timed(spent, "raw"):
                    raw.execute("BEGIN IMMEDIATE")
                    raw.executemany(_UPSERT, made)
                    raw.executemany(_LINK, [(row[rows.ID],) for row in made])
                    raw.execute("COMMIT")

            for arm in (mine, plain) if number % 2 else (plain, mine):
                arm()
        pooled.close()
    _compare(folder / "store.db", folder / "raw.db", count)
    return spent


def _compare(ours: Path, theirs: Path, count: int) -> None:
    """Both arms must have written the same: rows, boxes, summaries and what the scope lists."""
    with closing(sqlite3.connect(ours)) as connection:
        connection.execute("ATTACH ? AS theirs", (str(theirs),))
        listed = ("SELECT count(*) FROM main.products", "SELECT count(*) FROM scope_products")
        assert [connection.execute(one).fetchone() for one in listed] == [(count,)] * 2
        for table in ("products", "products_rtree", "tile_months", "tile_years", "scope_products"):
            for one, other in (("main", "theirs"), ("theirs", "main")):
                left = f"SELECT * FROM {one}.{table} EXCEPT SELECT * FROM {other}.{table} LIMIT 1"
                assert connection.execute(left).fetchone() is None, table


@contextmanager
def _timed(spent: dict[str, float], what: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[what] += time.process_time() - began
