"""Coverage of every tile in a year, beside DuckDB on the same rows: counts by month, and looks and gaps.

    python -m benchmarks.coverage --rows 1e6
    python -m benchmarks.coverage --tiny

The counts stand in satcat's table of summaries, which a sync keeps; the looks come from the products. Answers are compared,
then each is timed in turns; medians of milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import made_up, query
from benchmarks.report import Result, table
from satcat import Catalogue, SearchFilters
from satcat.reports.coverage import COUNTS

MONTH = SearchFilters(collection="SENTINEL-2", start_date="2023-06-01", end_date="2023-06-30")
YEAR = SearchFilters(collection="SENTINEL-2", start_date="2023-01-01", end_date="2023-12-31")
_WHERE = (
    "FROM products WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL "
    "AND sensing_start >= '2023-01-01' AND sensing_start < '2024-01-01'"
)
_COUNTS = f"""
    SELECT tile_id, product_type, strftime(sensing_start, '%Y-%m'), count(*), count(CASE WHEN cloud_cover <= 20 THEN 1 END)
    {_WHERE} GROUP BY 1, 2, 3
"""
_TOTALS = """
    SELECT tile_id, product_type, count(*), count(CASE WHEN cloud_cover <= 20 THEN 1 END)
    FROM products WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL
    AND sensing_start >= '2023-{first}-01' AND sensing_start < '{end}-01' GROUP BY 1, 2
"""
_GAPS = f"""
    WITH days AS (SELECT DISTINCT tile_id, product_type, sensing_start::DATE AS day {_WHERE}),
    gaps AS (SELECT *, day - lag(day) OVER (PARTITION BY tile_id, product_type ORDER BY day) AS gap FROM days)
    SELECT tile_id, product_type, count(*), max(gap) FROM gaps GROUP BY 1, 2
"""
Rows = set[tuple[Any, ...]]


def results(path: Path, folder: Path, rounds: int) -> list[Result]:
    """What is told of the catalogue at `path`; DuckDB's files are kept in the folder."""
    duck = query.ducks(path, folder).get("DuckDB")
    found = []
    with Catalogue.open(path, create=False) as catalogue:

        def counts() -> Rows:
            rows = catalogue.coverage(YEAR, ("tile", "product-type", "month"), columns=COUNTS)
            return {
                (r.tile_id, r.product_type, r.period, r.products, r.clear_products)
                for r in rows
                if r.products
            }

        def totals(asked: SearchFilters) -> Rows:
            rows = catalogue.coverage(asked, ("tile", "product-type"), columns=COUNTS)
            return {
                (r.tile_id, r.product_type, r.products, r.clear_products)
                for r in rows
                if r.products
            }

        def gaps() -> Rows:
            wanted = {"tile_id", "product_type", "products", "looks", "longest_gap_days"}
            rows = catalogue.coverage(YEAR, ("tile", "product-type"), columns=wanted)
            return {
                (r.tile_id, r.product_type, r.looks, r.longest_gap_days) for r in rows if r.products
            }

        month, year = (
            _TOTALS.format(first="06", end="2023-07"),
            _TOTALS.format(first="01", end="2024-01"),
        )
        for what, ours, text, goal in (
            (
                "counts by tile and type of a month, from the summaries",
                partial(totals, MONTH),
                month,
                1.0,
            ),
            (
                "counts by tile and type of a year, from the summaries",
                partial(totals, YEAR),
                year,
                1.0,
            ),
            ("counts by tile, type and month of a year, from the summaries", counts, _COUNTS, 1.0),
            ("looks and longest gaps by tile and type of a year", gaps, _GAPS, 0.1),
        ):
            theirs = (
                None
                if duck is None
                else lambda text=text: set(duck.connection.execute(text).fetchall())
            )
            found.append(_result(f"coverage: {what}", ours, theirs, goal, rounds))
    return found


def _result(
    what: str, ours: Callable[[], Rows], theirs: Callable[[], Rows] | None, goal: float, rounds: int
) -> Result:
    asked = "ahead of DuckDB" if goal == 1 else f"within {1 / goal:.0f} ×"
    answer = ours()
    if theirs is None:
        return Result(
            what,
            f"{_ms(ours, rounds):.0f} ms, {len(answer):,} rows",
            "DuckDB is not installed",
            asked,
        )
    other = theirs()
    assert answer == other, (what, len(answer), len(other), sorted(answer ^ other)[:4])
    spent = [(_ms(ours, 1), _ms(theirs, 1)) for _ in range(rounds)]
    mine, its = (statistics.median(side) for side in zip(*spent, strict=True))
    return Result(what, f"{mine:.0f} ms, {len(answer):,} rows", f"DuckDB {its:.0f} ms: {its / mine:.2f} × its speed",
                  asked, met=its / mine >= goal)  # fmt: skip


def _ms(run: Callable[[], Rows], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began)
    return 1000 * statistics.median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="20,000 rows, one round")
    options = parser.parse_args()
    count, rounds = (20_000, 1) if options.tiny else (int(options.rows), options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "satcat.db"
        made_up.fill(path, count, tile_count=1000 if options.tiny else made_up.TILES)
        print(table(results(path, path.parent, rounds)))


if __name__ == "__main__":
    main()
