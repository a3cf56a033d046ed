"""Picking products, beside DuckDB: on a native table and on Parquet, both sorted by tile and time.

    python -m benchmarks.query --rows 1e6
    python -m benchmarks.query --catalogue big.db        one that is there already
    python -m benchmarks.query --tiny                    seconds, for continuous integration

Every engine starts from the same question and ends with the ids of the same products, which is checked; areas are
compared exactly, in DuckDB's case by the same vectorised code on what its boxes leave. The engines take turns within each
round, each asked once before it is timed; the table gives medians over the rounds, in one process and on two threads for
DuckDB. satcat is timed from SearchFilters to ids, statements made anew each time, and from SearchFilters to objects.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import made_up
from satcat import Catalogue, SearchFilters, select
from satcat.overlap import Area

AREA = "POLYGON ((-2 41,1.5 40.2,4 41.5,6.5 43.2,6 46,3.2 47.4,0.5 46.8,-2.2 45.5,-3 43,-2 41))"
MONTH = {"start_date": "2023-06-01", "end_date": "2023-06-30"}
YEAR = {"start_date": "2023-01-01", "end_date": "2023-12-31"}
POINT = (1.5, 43.5)
#: DuckDB's spatial extension is no part of its package: boxes in SQL, the rest as satcat does it.
COLUMNS = (
    "id, collection, product_type, processing_level, tile_id, cloud_cover, sensing_start, west, south, east, north, "
    "footprint"
)
Ask = Callable[[], list[str]]


def questions(tile: str) -> dict[str, dict[str, Any]]:
    s2 = {"collection": "SENTINEL-2"}
    clear = {"processing_level": "L2A", "cloud_cover": 20, "tile_id": tile}
    return {
        "tile, level, month, cloud": {**s2, **clear, **MONTH},
        "point, month": {"point": POINT, **MONTH},
        "polygon, month": {"geometry": AREA, **MONTH},
        "polygon, type, month": {**s2, "product_type": "S2MSI2A", "geometry": AREA, **MONTH},
        "polygon, year": {"geometry": AREA, **YEAR},
    }


class Duck:
    """The same products in DuckDB, in a table of its own or in Parquet."""

    def __init__(self, connection: Any, table: str) -> None:
        self.connection, self.table = connection, table

    def ask(self, filters: SearchFilters) -> list[str]:
        said = ["sensing_start >= ?", "sensing_start < ?"]
        bounds = (filters.start, filters.end)
        values: list[Any] = [moment.replace(tzinfo=None) for moment in bounds if moment]
        equal = ("collection", "product_type", "processing_level")
        for name in equal:
            if getattr(filters, name) is not None:
                said.append(f"{name} = ?")
                values.append(getattr(filters, name))
        if filters.tiles:
            said.append("tile_id = ?")
            values.append(filters.tiles[0])
        if filters.cloud_cover is not None:
            said.append("cloud_cover <= ?")
            values.append(filters.cloud_cover)
        if filters.area is None:
            return self._ids("id", said, values)
        area = Area(filters.area)
        west, south, east, north = area.geometry.bounds
        said.append("south <= ? AND north >= ?")
        said.append("(west <= ? AND east >= ? OR west > east AND (west <= ? OR east >= ?))")
        found = self._rows("id, footprint", said, [*values, north, south, east, west, east, west])
        if not found:
            return []
        ids, stored = zip(*found, strict=True)
        return [id for id, fits in zip(ids, area.touches(stored).tolist(), strict=True) if fits]

    def _ids(self, columns: str, said: list[str], values: list[Any]) -> list[str]:
        return [row[0] for row in self._rows(columns, said, values)]

    def _rows(self, columns: str, said: list[str], values: list[Any]) -> list[Any]:
        text = (
            f"SELECT {columns} FROM {self.table} WHERE {' AND '.join(said)} "
            "ORDER BY sensing_start DESC, id"
        )
        rows: list[Any] = self.connection.execute(text, values).fetchall()
        return rows


def ducks(catalogue: Path, folder: Path) -> dict[str, Duck]:
    """DuckDB on a native table and on a Parquet file, made in the folder where they are not there yet."""
    if find_spec("duckdb") is None or find_spec("pyarrow") is None:
        print(
            "DuckDB and pyarrow are not installed (`pip install duckdb pyarrow`): satcat alone.\n"
        )
        return {}
    duckdb = import_module("duckdb")
    connection = duckdb.connect(str(folder / "products.duckdb"))
    connection.execute("SET threads = 2")
    file = folder / "products.parquet"
    if not file.exists():
        load(connection, catalogue)
        how = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000"
        connection.execute(f"COPY products TO '{file}' ({how})")
    return {"DuckDB": Duck(connection, "products"), "Parquet": Duck(connection, f"'{file}'")}


def load(connection: Any, catalogue: Path) -> None:
    pa = import_module("pyarrow")
    rows = sqlite3.connect(catalogue).execute(
        f"SELECT {COLUMNS} FROM products ORDER BY tile_id, sensing_start"
    )
    names = COLUMNS.split(", ")
    values = COLUMNS.replace("sensing_start", "sensing_start::TIMESTAMP AS sensing_start")
    types = "TEXT, TEXT, TEXT, TEXT, TEXT, DOUBLE, TIMESTAMP, DOUBLE, DOUBLE, DOUBLE, DOUBLE, BLOB"
    typed = ", ".join(f"{n} {t}" for n, t in zip(names, types.split(", "), strict=True))
    connection.execute(f"CREATE TABLE products ({typed})")
    while page := rows.fetchmany(200_000):
        arrow = pa.table(dict(zip(names, map(list, zip(*page, strict=True)), strict=True)))
        connection.register("page", arrow)
        connection.execute(f"INSERT INTO products SELECT {values} FROM page")
        connection.unregister("page")


def measure(asks: dict[str, Ask], rounds: int) -> dict[str, tuple[float, int]]:
    """Median milliseconds and rows of each, which take turns; their answers must be equal."""
    spent: dict[str, list[float]] = {name: [] for name in asks}
    answers = {name: ask() for name, ask in asks.items()}  # warm
    first = next(iter(answers.values()))
    for name, answer in answers.items():
        if answer != first:
            sys.exit(
                f"{name} gives {len(answer)} products, and the first one {len(first)}, or another order"
            )
    for _ in range(rounds):
        for name, ask in asks.items():
            ask()  # so that none pays for what the one before it left in the processor's caches
            began = time.perf_counter()
            ask()
            spent[name].append(time.perf_counter() - began)
    return {name: (1000 * statistics.median(times), len(first)) for name, times in spent.items()}


def run(path: Path, folder: Path, rounds: int) -> None:
    others = ducks(path, folder)
    engines = ["satcat", "satcat, objects", *others]
    ratios = "".join(f" {name} / satcat |" for name in others)
    print(f"| question | rows | {' | '.join(f'{name}, ms' for name in engines)} |{ratios}")
    print(f"|---|--:|{'--:|' * (len(engines) + len(others))}")
    with Catalogue.open(path, create=False) as catalogue, catalogue.database.read() as connection:
        tile = connection.exec_driver_sql(
            "SELECT tile_id FROM tile_months WHERE month = '2023-06' AND product_type = 'S2MSI2A' "
            "ORDER BY clear_products DESC, tile_id LIMIT 1"
        ).scalar_one()
        for what, fields in questions(tile).items():
            filters = SearchFilters(**fields)

            def ids(filters: SearchFilters = filters) -> list[str]:
                return [row.id for row in select.rows(connection, filters, ["id"])]

            def objects(filters: SearchFilters = filters) -> list[str]:
                return [image.id for image in select.iterate(connection, filters)]

            asks: dict[str, Ask] = {"satcat": ids, "satcat, objects": objects}
            for name, duck in others.items():
                asks[name] = partial(duck.ask, filters)
            found = measure(asks, rounds)
            cells = [f"{found[name][0]:.2f}" for name in engines]
            cells += [f"{found[name][0] / found['satcat'][0]:.1f}" for name in others]
            print(f"| {what} | {found['satcat'][1]:,} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument(
        "--catalogue", type=Path, help="one that `made_up` has made; keeps DuckDB's files beside it"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tiny", action="store_true", help="20,000 rows, two rounds")
    options = parser.parse_args()
    count, rounds = (20_000, 2) if options.tiny else (int(options.rows), options.rounds)
    if options.catalogue:
        run(options.catalogue, options.catalogue.parent, rounds)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "satcat.db"
        made_up.fill(path, count, tile_count=1000 if options.tiny else made_up.TILES)
        run(path, path.parent, rounds)


if __name__ == "__main__":
    main()
