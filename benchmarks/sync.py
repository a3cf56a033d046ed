"""Mirroring: products a second from a loopback source to committed and indexed rows, and what of it is the database.

    python -m benchmarks.sync --rows 1e5
    python -m benchmarks.sync --tiny

Seconds are of CPU (user and system) of the one process that is measured, so that a load from elsewhere counts little. The
whole path is `Catalogue.sync`, in a process of its own, with a source that sends prepared pages (`benchmarks.listed`). The
database's part is the same store on pages that are read already, beside a plain `executemany` upsert of the same rows into
a catalogue with the same tables, indexes and triggers, in transactions of the same size; the two take turns, page by page.
The repeat lists everything again: as ids and dates, as each sync does with the windows proven longest ago, and whole,
after every window was declared unproven.
"""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import listed
from benchmarks.report import Result, ram_disk, table
from satcat import Catalogue, ODataAPI, SearchFilters, times
from satcat.api import odata_parse
from satcat.database import Database
from satcat.models import products, scopes
from satcat.sync import rows, store
from satcat.sync.report import SyncOptions

PAGE = 1000
FILTERS = SearchFilters(collection="SENTINEL-2")


def child(path: str, url: str, step: str) -> None:
    """One sync, in a process of its own; prints what it took, and the peak of memory."""
    api = ODataAPI(catalogue_url=url)
    if step == "whole":
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE sync_windows SET status = 'pending'")
    with Catalogue.open(path) as catalogue:
        options = SyncOptions(yes=True, recheck=10**9 if step == "ids" else 0)
        began, busy = time.perf_counter(), time.process_time()
        report = catalogue.sync(api, FILTERS, options=options)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        held = catalogue.count(FILTERS)
    (done,) = report.scopes
    assert done.complete, done
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": peak_memory(), "held": held,
                      "added": done.added, "changed": done.changed, "unchanged": done.unchanged}))  # fmt: skip


def peak_memory() -> float:
    """The most bytes of memory that this process ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024.0


def run(path: Path, url: str, step: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync", "--child", str(path), url, step],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    result: dict[str, float] = json.loads(done.stdout)
    return result


def whole_path(count: int, folder: Path) -> dict[str, dict[str, float]]:
    """First sync, repeat by ids, repeat in full, each with what it took."""
    path = folder / "satcat.db"
    with listed.served(count) as url:
        found = {step: run(path, url, step) for step in ("first", "ids", "whole")}
    assert found["first"]["added"] == found["first"]["held"] == count, found
    assert found["whole"]["unchanged"] >= count and not found["whole"]["added"], found
    found["size"] = {"bytes": path.stat().st_size / count}
    return found


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


def results(count: int) -> list[Result]:
    """What is told of mirroring so many products."""
    with tempfile.TemporaryDirectory(dir=ram_disk()) as folder:
        whole = whole_path(count, Path(folder))
    with tempfile.TemporaryDirectory(dir=ram_disk()) as folder:
        part = database_part(min(count, 200_000), Path(folder))
    of = f"{count:,} products"
    first, ids, again = whole["first"], whole["ids"], whole["whole"]
    rate = {step: count / taken["cpu"] for step, taken in whole.items() if "cpu" in taken}
    ratio = part["raw"] / (part["store"] - part["rows"])
    json_size = sum(len(listed.record(n)) for n in range(1000)) / 1000
    each = 1e6 / min(count, 200_000)
    return [
        Result(f"sync, {of}, whole path", f"{rate['first']:,.0f} products/s of one core ({1e6 / rate['first']:.0f} µs)",
               f"{count / first['seconds']:,.0f}/s by the clock", "≥ 6,000/s", met=rate["first"] >= 6000),
        Result("sync, the database's part", f"{each * (part['store'] - part['rows']):.0f} µs a product",
               f"raw executemany upsert {each * part['raw']:.0f} µs: {ratio:.2f} × its speed", "≥ 0.9 ×", met=ratio >= 0.9),
        Result("repeat sync, all ids and dates listed again", f"{rate['ids']:,.0f} products/s compared",
               f"{count / ids['seconds']:,.0f}/s by the clock", "≥ 15,000/s", met=rate["ids"] >= 15_000),
        Result("every product listed again whole, nothing changed", f"{rate['whole']:,.0f} products/s compared",
               f"{count / again['seconds']:,.0f}/s by the clock"),
        Result("memory of a sync", f"{first['memory'] / 1e6:.0f} MB", f"repeats {again['memory'] / 1e6:.0f} MB", "< 200 MB",
               met=max(first["memory"], again["memory"]) < 200e6),
        Result("size of a catalogue, everything in it", f"{whole['size']['bytes']:,.0f} bytes a product",
               f"{json_size:,.0f} bytes of JSON", "≤ 2,000 bytes from 100,000 on",
               met=whole["size"]["bytes"] <= 2000 if count >= 100_000 else None),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e5)
    parser.add_argument("--tiny", action="store_true", help="3,000 rows")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    print(table(results(3000 if options.tiny else int(options.rows))))


if __name__ == "__main__":
    main()
