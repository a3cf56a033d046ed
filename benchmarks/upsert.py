"""The database's part of a sync: satcat's store of pages that are read already, beside a plain `executemany` upsert.

The plain upsert writes the same rows into a catalogue with the same tables, indexes and triggers, in transactions of the
same size; the two take turns, page by page. Seconds are of CPU.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import listed
from satcat import times
from satcat.api import odata_parse
from satcat.database import Database
from satcat.models import products, scopes
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


_NAMES = [column.name for column in products.columns if column.name != "pk"]
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
    spent = dict.fromkeys(("rows", "store", "raw", "rows again", "store again", "raw again"), 0.0)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with catalogue(folder / "store.db") as ours, catalogue(folder / "raw.db") as theirs:
        raw = theirs.engine.raw_connection().driver_connection
        assert isinstance(raw, sqlite3.Connection)
        for again in ("", " again"):
            for number, page in enumerate(pages(count)):
                with _timed(spent, "rows" + again):
                    made = [
                        (*rows.stored(image), times.to_text(now), times.to_text(now))
                        for image in page
                    ]

                def mine(page: list[Any] = page, again: str = again) -> None:
                    with _timed(spent, "store" + again), ours.write() as connection:
                        store.store(connection, page, scope_id=1, at=now)

                def plain(made: Any = made, again: str = again) -> None:
                    with _timed(spent, "raw" + again):
                        raw.execute("BEGIN IMMEDIATE")
                        raw.executemany(_UPSERT, made)
                        raw.executemany(_LINK, [(row[rows.ID],) for row in made])
                        raw.execute("COMMIT")

                for arm in (mine, plain) if number % 2 else (plain, mine):
                    arm()
        assert raw.execute("SELECT count(*) FROM scope_products").fetchone() == (count,)
    return spent


@contextmanager
def _timed(spent: dict[str, float], what: str) -> Iterator[None]:
    began = time.process_time()
    yield
    spent[what] += time.process_time() - began
