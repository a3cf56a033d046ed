"""Coverage of every tile in a month and in a year, beside DuckDB on the same rows: counts, and looks and gaps.

The counts stand in satcat's tables of summaries, which a sync keeps, but for those of another limit of cloud. Answers are
compared, then each is timed in turns. Compared are medians of the statements alone, to tuples of Python, which in satcat's
case are all those that the report runs; the whole report, from filters to objects, stands beside them. Gaps are found
in Python, from the days that the summaries have: there the whole report is compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from benchmarks import query
from benchmarks.report import Figures, Result
from satcat import Catalogue, SearchFilters
from satcat.reports.coverage import COUNTS

MONTH = SearchFilters(collection="SENTINEL-2", start_date="2023-06-01", end_date="2023-06-30")
YEAR = SearchFilters(collection="SENTINEL-2", start_date="2023-01-01", end_date="2023-12-31")
_WHERE = (
    "FROM products WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL "
    "AND sensing_start >= '2023-01-01' AND sensing_start < '2024-01-01'"
)
_COUNTED_IN_DUCK = """
    collection, count(*), count(CASE WHEN cloud_cover <= 20 THEN 1 END), sum(size_bytes)::BIGINT
"""
_COUNTS = f"""
    SELECT tile_id, product_type, strftime(sensing_start, '%Y-%m'), {_COUNTED_IN_DUCK} {_WHERE} GROUP BY 1, 2, 3, 4
"""
_TOTALS = f"""
    SELECT tile_id, product_type, {_COUNTED_IN_DUCK}
    FROM products WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL
    AND sensing_start >= '2023-{{first}}-01' AND sensing_start < '{{end}}-01' GROUP BY 1, 2, 3
"""
_GAPS = f"""
    WITH days AS (SELECT DISTINCT tile_id, product_type, sensing_start::DATE AS day {_WHERE}),
    gaps AS (SELECT *, day - lag(day) OVER (PARTITION BY tile_id, product_type ORDER BY day) AS gap FROM days)
    SELECT tile_id, product_type, count(*), max(gap) FROM gaps GROUP BY 1, 2
"""
Rows = set[tuple[Any, ...]]
_FEW, _LONG = 3, 1000.0  # rounds of what takes so many milliseconds
_TYPED = ("tile", "product-type")
_GAP_COLUMNS = {"tile_id", "product_type", "products", "looks", "longest_gap_days"}


class Question(NamedTuple):
    """What is asked of the coverage report, what is compared of its rows, and the same of DuckDB."""

    what: str
    filters: SearchFilters
    by: tuple[str, ...]
    columns: set[str]
    compared: tuple[str, ...]
    duck: str
    least: float  # of DuckDB's speed
    clear: float = 20
    finished: bool = (
        False  # the statements alone are not yet the answer: compare the report, to objects
    )

    def rows(self, catalogue: Catalogue) -> Rows:
        found = catalogue.coverage(self.filters, self.by, columns=self.columns, clear=self.clear)
        values = attrgetter(*self.compared)
        return {values(row) for row in found if row.products}


_NUMBERS = ("collection", "products", "clear_products", "size_bytes")
_COUNTED = ("tile_id", "product_type", *_NUMBERS)
QUESTIONS = (
    Question("counts of all tiles and types, one month", MONTH, _TYPED, COUNTS, _COUNTED,
             _TOTALS.format(first="06", end="2023-07"), 1),
    Question("counts of all tiles and types, one year", YEAR, _TYPED, COUNTS, _COUNTED,
             _TOTALS.format(first="01", end="2024-01"), 1),
    Question("counts of all tiles, types and months, one year", YEAR, (*_TYPED, "month"), COUNTS,
             ("tile_id", "product_type", "period", *_NUMBERS), _COUNTS, 1),
    Question("looks and longest gap of all tiles and types, one year", YEAR, _TYPED, _GAP_COLUMNS,
             ("tile_id", "product_type", "looks", "longest_gap_days"), _GAPS, 1, finished=True),
    Question("counts clear up to 50 %, from the products, one year", YEAR, _TYPED, COUNTS, _COUNTED,
             _TOTALS.format(first="01", end="2024-01").replace("<= 20", "<= 50"), 0.1, clear=50),
)  # fmt: skip


def figures(path: Path, count: int, rounds: int, postgis: str | None = None) -> Figures:
    """What is told of the catalogue at `path`, of so many products; DuckDB's files are kept beside it.

    Args:
        postgis: the URL of a catalogue with the same products.
    """
    ducks = query.ducks(path, path.parent)
    lines, points, told = [], {}, []
    with Catalogue.open(path, create=False) as catalogue, ExitStack() as stack:
        server = postgis and stack.enter_context(Catalogue.open(postgis, create=False))
        for question in QUESTIONS:
            answer = question.rows(catalogue)
            arms = _arms(question, catalogue, "satcat's SQL", "to objects")
            for name in filter(ducks.get, query.NATIVE):
                arms[name] = partial(_duck, question, ducks[name])
                _compare(question, answer, set(arms[name]()))
            if server:
                arms |= _arms(question, server, "SQL in PostGIS", "PostGIS, to objects")
                _compare(question, answer, question.rows(server))
            took = _timed(arms, rounds)
            lines.append(_line(question, count, len(answer), took))
            told.append(
                f"| {question.what} | {len(answer):,} | {' | '.join(f'{ms:.1f}' for ms in took.values())} |"
            )
            points[f"coverage: {question.what}"] = {str(count): took["satcat's SQL"]}
            points[f"rows: coverage: {question.what}"] = {str(count): float(len(answer))}
    head = f"| question | rows | {' | '.join(f'{name}, ms' for name in took)} |"
    return Figures(lines, "\n".join([head, f"|---|--:|{'--:|' * len(took)}", *told]), points)


def _compare(question: Question, ours: Rows, theirs: Rows) -> None:
    assert ours == theirs, (question.what, len(ours), len(theirs), sorted(ours ^ theirs)[:4])


def _duck(question: Question, duck: query.Duck) -> Any:
    text = question.duck.replace("FROM products", f"FROM {duck.table}")
    return duck.connection.execute(text).fetchall()


def _arms(
    question: Question, catalogue: Catalogue, sql: str, objects: str
) -> dict[str, Callable[[], Any]]:
    """The report whole, and its statements alone."""
    engine = catalogue.database.engine
    said: list[tuple[str, Any]] = []

    def hear(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            said.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", hear)
    question.rows(catalogue)
    sa.event.remove(engine, "before_cursor_execute", hear)

    def alone() -> None:
        pooled = engine.raw_connection()
        driver: Any = pooled.driver_connection
        for one in said:
            driver.execute(*one).fetchall()
        pooled.close()

    return {sql: alone, objects: lambda: question.rows(catalogue)}


def _timed(arms: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Milliseconds of each, medians, in turns; fewer turns of what takes long."""
    spent = {name: [_ms(run)] for name, run in arms.items()}  # warms
    for number in range(rounds):
        for name, run in arms.items():
            if number < _FEW or spent[name][0] < _LONG:
                spent[name].append(_ms(run))
    return {name: statistics.median(times[1:]) for name, times in spent.items()}


def _ms(run: Callable[[], Any]) -> float:
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def _line(question: Question, count: int, rows: int, took: dict[str, float]) -> Result:
    asked = (
        "ahead of DuckDB" if question.least == 1 else f"within {1 / question.least:.0f} × of DuckDB"
    )
    ours, server = ("satcat's SQL", "SQL in PostGIS")
    if question.finished:
        ours, server = ("to objects", "PostGIS, to objects")
    what, mine = f"{count:,} products: {question.what}", took[ours]
    statements, objects = took["satcat's SQL"], took["to objects"]
    value = f"{statements:.0f} ms of SQL ({objects:.0f} ms to {rows:,} objects)"
    if question.finished:
        value = f"{objects:.0f} ms to {rows:,} objects ({statements:.0f} ms of it SQL, which has no gaps yet)"
    beside = [
        f"{name} {took[name]:.0f} ms ({took[name] / mine:.1f} ×)"
        for name in (*query.NATIVE, server)
        if name in took
    ]
    duck = query.fastest(took) if count >= query.WITH_GOALS else None
    met = None if duck is None else duck >= question.least * mine
    return Result(what, value, ", ".join(beside) or "DuckDB is not installed", asked, met=met)
