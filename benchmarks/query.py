"""Picking products, beside DuckDB: on a native table and on Parquet, sorted by tile and time, and on one sorted by time.

Every engine starts from the same question and ends with the ids of the same products, which is checked; areas are
compared exactly, in DuckDB's case by the same vectorised code on what its boxes leave. The engines take turns within each
round, each asked once before it is timed; figures are medians over the rounds, in one process; DuckDB takes all cores.
satcat is timed from SearchFilters to ids, statements made anew each time, and from SearchFilters to objects.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.report import Figures, Result
from satcat import Catalogue, SearchFilters, select
from satcat.overlap import Area

AREA = "POLYGON ((-2 41,1.5 40.2,4 41.5,6.5 43.2,6 46,3.2 47.4,0.5 46.8,-2.2 45.5,-3 43,-2 41))"
MONTH = {"start_date": "2023-06-01", "end_date": "2023-06-30"}
YEAR = {"start_date": "2023-01-01", "end_date": "2023-12-31"}
POINT = (1.5, 43.5)
#: DuckDB's spatial extension is no part of its package: boxes in SQL, the rest as satcat does it.
COLUMNS = (
    "id, name, collection, product_type, processing_level, tile_id, cloud_cover, sensing_start, west, south, east, north, "
    "footprint, size_bytes"
)
#: DuckDB's own tables; goals are held against the faster one.
NATIVE = {"DuckDB": "products", "DuckDB by time": "by_time"}
Ask = Callable[[], list[str]]
#: The ids of products that match, the newest first, of so many at most.
Engine = Callable[[SearchFilters, int | None], list[str]]
Taken = dict[str, tuple[float, int]]  # of each engine: milliseconds, and rows
OURS = ("satcat", "satcat, objects")
WITH_GOALS = 1_000_000  # products, from which on the goals count


class Question(NamedTuple):
    """What is asked, within how many ms, and how much faster than DuckDB; on PostGIS in how many ms; how many are wanted."""

    what: str
    fields: dict[str, Any]
    most: float | None = None
    times: float | None = None
    postgis: float | None = None
    limit: int | None = None


def questions(tile: str, name: str) -> list[Question]:
    s2 = {"collection": "SENTINEL-2"}
    clear = {"processing_level": "L2A", "cloud_cover": 20, "tile_id": tile}
    typed = {**s2, "product_type": "S2MSI2A", "geometry": AREA}
    return [
        Question("tile, level, month, cloud", {**s2, **clear, **MONTH}, 1, 3),
        Question("point, month", {"point": POINT, **MONTH}, 5, 3, 25),
        Question("polygon, month", {"geometry": AREA, **MONTH}, 15, 1, 25),
        Question("polygon, type, month", {**typed, **MONTH}),
        Question("polygon, year", {"geometry": AREA, **YEAR}, 200),
        Question("one product by its name", {"name": name}),
        Question("the newest 20 of a collection", s2, limit=20),
    ]


class Duck:
    """The same products in DuckDB, in a table of its own or in Parquet."""

    def __init__(self, connection: Any, table: str) -> None:
        self.connection, self.table = connection, table

    def ask(self, filters: SearchFilters, limit: int | None = None) -> list[str]:
        said, values = ["true"], list[Any]()
        for sign, moment in ((">=", filters.start), ("<", filters.end)):
            if moment is not None:
                said.append(f"sensing_start {sign} ?")
                values.append(moment.replace(tzinfo=None))
        equal = ("collection", "product_type", "processing_level", "name")
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
            return [row[0] for row in self._rows("id", said, values, limit)]
        area = Area(filters.area)
        west, south, east, north = area.geometry.bounds
        said.append("south <= ? AND north >= ?")
        said.append("(west <= ? AND east >= ? OR west > east AND (west <= ? OR east >= ?))")
        found = self._rows("id, footprint", said, [*values, north, south, east, west, east, west])
        if not found:
            return []
        ids, stored = zip(*found, strict=True)
        return [id for id, fits in zip(ids, area.touches(stored).tolist(), strict=True) if fits]

    def _rows(
        self, columns: str, said: list[str], values: list[Any], limit: int | None = None
    ) -> list[Any]:
        text = (
            f"SELECT {columns} FROM {self.table} WHERE {' AND '.join(said)} "
            f"ORDER BY sensing_start DESC, id {'' if limit is None else f'LIMIT {limit}'}"
        )
        rows: list[Any] = self.connection.execute(text, values).fetchall()
        return rows


def ducks(catalogue: Path, folder: Path) -> dict[str, Duck]:
    """DuckDB on a native table and on a Parquet file, made in the folder where they are not there yet."""
    if find_spec("duckdb") is None or find_spec("pyarrow") is None:
        return {}
    duckdb = import_module("duckdb")
    connection = duckdb.connect(str(folder / "products.duckdb"))
    file = folder / "products.parquet"
    if not file.exists():
        load(connection, catalogue)
        how = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000"
        path = str(file).replace("'", "''")
        connection.execute(f"COPY products TO '{path}' ({how})")
        connection.execute("CREATE TABLE by_time AS FROM products ORDER BY sensing_start")
    tables = {**NATIVE, "Parquet": "'" + str(file).replace("'", "''") + "'"}
    return {name: Duck(connection, table) for name, table in tables.items()}


def fastest(took: dict[str, float]) -> float | None:
    """The least milliseconds of DuckDB's own tables; None, where it is not installed."""
    return min((took[name] for name in NATIVE if name in took), default=None)


def load(connection: Any, catalogue: Path) -> None:
    pa = import_module("pyarrow")
    rows = sqlite3.connect(catalogue).execute(
        f"SELECT {COLUMNS} FROM products ORDER BY tile_id, sensing_start"
    )
    names = COLUMNS.split(", ")
    values = COLUMNS.replace("sensing_start", "sensing_start::TIMESTAMP AS sensing_start")
    types = "TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, DOUBLE, TIMESTAMP, DOUBLE, DOUBLE, DOUBLE, DOUBLE, BLOB, BIGINT"
    typed = ", ".join(f"{n} {t}" for n, t in zip(names, types.split(", "), strict=True))
    connection.execute(f"CREATE TABLE products ({typed})")
    while page := rows.fetchmany(200_000):
        arrow = pa.table(dict(zip(names, map(list, zip(*page, strict=True)), strict=True)))
        connection.register("page", arrow)
        connection.execute(f"INSERT INTO products SELECT {values} FROM page")
        connection.unregister("page")


def measure(asks: dict[str, Ask], rounds: int) -> Taken:
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


@contextmanager
def engine(where: str | Path, name: str) -> Iterator[dict[str, Engine]]:
    """satcat on a catalogue: to ids, and to objects."""
    with Catalogue.open(where, create=False) as catalogue, catalogue.database.read() as connection:

        def ids(filters: SearchFilters, limit: int | None) -> list[str]:
            return [row.id for row in select.rows(connection, filters, ["id"], limit=limit)]

        def objects(filters: SearchFilters, limit: int | None) -> list[str]:
            return [image.id for image in select.iterate(connection, filters, limit=limit)]

        yield {name: ids, f"{name}, objects": objects}


def clearest_tile(path: Path) -> str:
    """The tile with most clear products in the month that is asked for."""
    with sqlite3.connect(path) as connection:
        (tile,) = connection.execute(
            "SELECT tile_id FROM tile_months WHERE month = '2023-06' AND product_type = 'S2MSI2A' "
            "ORDER BY clear_products DESC, tile_id LIMIT 1"
        ).fetchone()
    return str(tile)


def some_name(path: Path) -> str:
    """The name of a product in the middle of the catalogue, which no other has."""
    with sqlite3.connect(path) as connection:
        (name,) = connection.execute(
            "SELECT name FROM products WHERE pk >= (SELECT max(pk) / 2 FROM products) "
            "AND (SELECT count(*) FROM products AS other WHERE other.name = products.name) = 1 "
            "ORDER BY pk LIMIT 1"
        ).fetchone()
    return str(name)


def figures(path: Path, count: int, rounds: int, postgis: str | None = None) -> Figures:
    """What is told of the catalogue at `path`, of so many products; DuckDB's files are kept beside it.

    Args:
        postgis: the URL of a catalogue with the same products.
    """
    with engine(path, "satcat") as ours, _maybe(postgis) as server:
        engines = {
            **ours,
            **{name: duck.ask for name, duck in ducks(path, path.parent).items()},
            **server,
        }
        found: list[tuple[Question, Taken]] = []
        for question in questions(clearest_tile(path), some_name(path)):
            filters = SearchFilters(**question.fields)
            asks: dict[str, Ask] = {
                name: partial(ask, filters, question.limit) for name, ask in engines.items()
            }
            found.append((question, measure(asks, rounds)))
    lines = [line for question, took in found for line in _lines(question, took, count)]
    points = {question.what: {str(count): took["satcat"][0]} for question, took in found}
    points |= {
        f"rows: {question.what}": {str(count): float(took["satcat"][1])} for question, took in found
    }
    return Figures(lines, _detail(list(engines), found), points)


@contextmanager
def _maybe(url: str | None) -> Iterator[dict[str, Engine]]:
    if url is None:
        yield {}
        return
    with engine(url, "PostGIS") as found:
        yield found


def _lines(question: Question, took: Taken, count: int) -> Iterator[Result]:
    mine, rows = took["satcat"]
    others = {
        name: ms for name, (ms, _) in took.items() if name not in OURS and "objects" not in name
    }
    beside = ", ".join(f"{name} {ms:.2f} ms ({ms / mine:.1f} ×)" for name, ms in others.items())
    asked: list[str] = []
    met: list[bool | None] = []
    if question.most is not None:
        asked.append(f"≤ {question.most:g} ms")
        met.append(mine <= question.most)
    if question.times is not None:
        asked.append("not behind DuckDB" if question.times == 1 else f"{question.times:g} × DuckDB")
        duck = fastest(others)
        met.append(None if duck is None else duck >= question.times * mine)
    what = f"{count:,} products: {question.what}"
    yield Result(what, f"{mine:.2f} ms to {rows:,} ids, {took['satcat, objects'][0]:.2f} ms to objects",
                 beside or "DuckDB is not installed", ", ".join(asked),
                 met=_all(met) if asked and count >= WITH_GOALS else None)  # fmt: skip
    if question.postgis is not None and "PostGIS" in others:
        on = others["PostGIS"]
        yield Result(f"{what}, in PostgreSQL with PostGIS", f"{on:.2f} ms", f"SQLite {mine:.2f} ms", f"≤ {question.postgis:g} ms",
                     met=on <= question.postgis if count >= WITH_GOALS else None)  # fmt: skip


def _all(met: list[bool | None]) -> bool | None:
    """Whether all holds; None, if what was not measured decides."""
    return False if False in met else None if None in met else True


def _detail(engines: list[str], found: list[tuple[Question, Taken]]) -> str:
    lines = [
        f"| question | rows | {' | '.join(f'{name}, ms' for name in engines)} |",
        f"|---|--:|{'--:|' * len(engines)}",
    ]
    for question, took in found:
        cells = " | ".join(f"{took[name][0]:.2f}" for name in engines)
        lines.append(f"| {question.what} | {took['satcat'][1]:,} | {cells} |")
    return "\n".join(lines)
