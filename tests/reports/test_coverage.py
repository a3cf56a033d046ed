"""Coverage per tile: against plain Python, and what it says where the mirror does not vouch."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from statistics import fmean, median
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import tiles, times
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import downloads
from satcat.products import SatelliteImage
from satcat.reports.coverage import COUNTS, TileCoverage, coverage
from satcat.reports.groups import Key
from tests.engines import PLAN

Make = Callable[..., SatelliteImage]
TILES = ("30TWM", "30TXM", "31TCJ")
START = times.parse_bound("2024-01-01")
BY_TYPE = ("tile", "product-type")
BY_MONTH = (*BY_TYPE, "month")


def table(
    connection: Connection, by: tuple[str, ...] = BY_TYPE, **filters: Any
) -> list[TileCoverage]:
    return list(coverage(connection, SearchFilters(**filters), by=by))


def short(rows: list[TileCoverage]) -> list[tuple[Any, ...]]:
    return [(row.tile_id, row.period, row.products, row.mirrored) for row in rows]


def expected(
    images: list[SatelliteImage],
    done: set[str],
    *,
    by: tuple[str, ...] = BY_TYPE,
    clear: float = 20.0,
) -> list[TileCoverage]:
    """The same numbers, by hand; everything is mirrored. The shares are measured elsewhere."""
    groups = defaultdict(list)
    for image in images:
        if image.tile_id is not None:
            stored = times.to_text(image.sensing_start)
            kind = (image.collection, image.product_type) if "product-type" in by else ()
            orbit = image.relative_orbit if "orbit" in by else None
            period = stored[:7] if "month" in by else stored[:4] if "year" in by else None
            groups[image.tile_id, kind, orbit, period].append(image)
    rows = []
    for (tile, _, _, period), members in groups.items():
        clouds = [image.cloud_cover for image in members if image.cloud_cover is not None]
        bright = [
            image
            for image in members
            if (image.cloud_cover or 0) <= clear and image.cloud_cover is not None
        ]
        days = sorted({image.sensing_start.date() for image in members})
        gaps = [(after - before).days for before, after in pairwise(days)]
        rows.append(
            TileCoverage(
                tile_id=tile, period=period,
                collection=only(image.collection for image in members),
                product_type=only(image.product_type for image in members),
                relative_orbit=only(image.relative_orbit for image in members) if "orbit" in by else None,
                products=len(members), clear_products=len(bright),
                looks=len(days), clear_looks=len({image.sensing_start.date() for image in bright}),
                median_gap_days=median(gaps) if gaps else None, longest_gap_days=max(gaps, default=None),
                min_cloud_cover=min(clouds, default=None),
                mean_cloud_cover=pytest.approx(fmean(clouds)) if clouds else None,
                median_cloud_cover=median(clouds) if clouds else None,
                first_sensing=min(image.sensing_start for image in members),
                last_sensing=max(image.sensing_start for image in members),
                size_bytes=sum(image.size_bytes or 0 for image in members),
                downloaded=sum(image.id in done for image in members), mirrored="complete",
            )
        )  # fmt: skip

    def place(row: TileCoverage) -> tuple[Any, ...]:
        kind = (row.collection, row.product_type) if "product-type" in by else (None, None)
        return Key(row.tile_id, *kind, row.relative_orbit, row.period).order

    return sorted(rows, key=place)


LOOKS = {"products", "looks", "clear_looks", "median_gap_days", "longest_gap_days", "downloaded"}


def told_of(row: TileCoverage) -> tuple[Any, ...]:
    return (row.tile_id, row.period, *(getattr(row, name) for name in sorted(LOOKS)))


def only(values: Iterable[Any]) -> Any:
    """The one value that all have, None if they differ."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


@pytest.fixture
def images(
    connection: Connection,
    make_product: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> list[SatelliteImage]:
    """Three months of products, all mirrored."""
    chance = random.Random(7)
    made = [
        make_product(
            tile_id=chance.choice([*TILES, None]),
            collection=chance.choice(["SENTINEL-2", "SENTINEL-2", "GLOBAL-MOSAICS"]),
            product_type=chance.choice(["S2MSI2A", "S2MSI1C", None]),
            relative_orbit=chance.choice([None, 94, 137]),
            cloud_cover=chance.choice([None, 0.0, 20.0, 20.1, chance.uniform(0, 100)]),
            size_bytes=chance.choice([None, 10, 1000]),
            sensing_start=START + timedelta(days=chance.uniform(0, 91)),
        )
        for _ in range(300)
    ]
    keep(*made)
    mirror(None, None)
    mirror(None, None, collection="GLOBAL-MOSAICS")
    return made


@pytest.mark.parametrize(
    "by",
    [
        BY_TYPE,
        BY_MONTH,
        ("tile",),
        ("tile", "year"),
        ("month",),
        ("tile", "orbit"),
        (*BY_MONTH, "orbit"),
    ],
    ids=",".join,
)
@pytest.mark.parametrize(
    "narrow",
    [{}, {"collection": "SENTINEL-2"}, {"product_type": "S2MSI1C"}, {"tile_id": ["30TWM", "31TCJ"]}, {"cloud_cover": 20},
     {"start_date": "2024-01-10", "end_date": "2024-03-09"}, {"start_date": "2024-02-01", "end_date": "2024-02-29"},
     {"where": "size_bytes IS NOT NULL"}],
    ids=str,
)  # fmt: skip
def test_the_numbers_are_those_counted_by_hand(
    connection: Connection,
    images: list[SatelliteImage],
    narrow: dict[str, Any],
    by: tuple[str, ...],
) -> None:
    done = {image.id for image in images[::3]}
    rows = [{"product_id": id, "status": "done"} for id in done]
    rows += [{"product_id": image.id, "status": "failed"} for image in images[1::3]]
    connection.execute(sa.insert(downloads), rows)
    part = {"product_id": images[2].id, "status": "done", "include": "*.jp2"}
    connection.execute(sa.insert(downloads).values(part))
    filters = SearchFilters(**narrow)
    meant = [
        image for image in images
        if filters.collection in (None, image.collection)
        and filters.product_type in (None, image.product_type)
        and (not filters.tiles or image.tile_id in filters.tiles)
        and (filters.cloud_cover is None or (image.cloud_cover is not None and image.cloud_cover <= 20))
        and image.sensing_start in filters.interval
        and (filters.where is None or image.size_bytes is not None)
    ]  # fmt: skip
    found = list(coverage(connection, filters, by=by))
    with_products = [row for row in found if row.products]
    assert with_products == expected(meant, done, by=by)
    assert all(row.mirrored == "complete" for row in found)
    quick = list(coverage(connection, filters, by=by, columns=COUNTS))
    told = [
        (r.tile_id, r.product_type, r.period, r.products, r.clear_products, r.size_bytes)
        for r in found
    ]
    assert [
        (r.tile_id, r.product_type, r.period, r.products, r.clear_products, r.size_bytes)
        for r in quick
    ] == told
    gaps = list(coverage(connection, filters, by=by, columns=LOOKS))
    assert [told_of(row) for row in gaps] == [told_of(row) for row in found]
    assert expected(meant, done, by=by, clear=50) == [
        row for row in coverage(connection, filters, by=by, clear=50) if row.products
    ]


@pytest.mark.parametrize("columns", [COUNTS, LOOKS - {"downloaded"}], ids=["counts", "looks"])
@pytest.mark.parametrize(
    "asked",
    [
        {"start_date": "2024-02-01", "end_date": "2024-02-29"},
        {"start_date": "2024-01-01", "end_date": "2024-12-31"},
        {},
    ],
    ids=["month", "year", "ever"],
)
@pytest.mark.parametrize("by", [BY_TYPE, ("tile",), ("tile", "year"), BY_MONTH], ids=",".join)
def test_counts_and_looks_of_whole_months_do_not_read_the_products(
    connection: Connection,
    images: list[SatelliteImage],
    columns: set[str],
    asked: dict[str, str],
    by: tuple[str, ...],
) -> None:
    filters = SearchFilters(collection="SENTINEL-2", **asked)
    before = list(coverage(connection, filters, by, columns=columns))
    assert sum(row.products or 0 for row in before) > 0
    connection.exec_driver_sql("ALTER TABLE products RENAME TO hidden")
    assert list(coverage(connection, filters, by, columns=columns)) == before


def test_a_tile_that_is_not_mirrored_is_said_so_and_not_counted_as_0(
    connection: Connection,
    make_product: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> None:
    mirror("2024-06-01", "2024-07-01", tile_id=["30TWM", "30TXM"])
    keep(make_product(tile_id="30TWM"))
    june = {"start_date": "2024-06-01", "end_date": "2024-06-30"}
    assert short(table(connection, tile_id=TILES, **june)) == [
        ("30TWM", None, 1, "complete"), ("30TXM", None, 0, "complete"), ("31TCJ", None, None, "not mirrored"),
    ]  # fmt: skip
    assert table(connection, tile_id="31TCJ", **june)[0].size_bytes is None
    assert table(connection, tile_id="30TXM", **june)[0].downloaded == 0
    longer = {"start_date": "2024-05-01", "end_date": "2024-06-30"}
    assert short(table(connection, tile_id=TILES, **longer)) == [
        ("30TWM", None, 1, "partly"), ("30TXM", None, None, "partly"), ("31TCJ", None, None, "not mirrored"),
    ]  # fmt: skip


def test_every_month_that_was_asked_for_has_a_row(
    connection: Connection,
    make_product: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> None:
    mirror("2024-05-15", "2024-08-01", tile_id="30TWM")
    keep(make_product())
    asked = {"start_date": "2024-04-01", "end_date": "2024-07-31"}
    assert short(table(connection, BY_MONTH, tile_id="30TWM", **asked)) == [
        ("30TWM", "2024-04", None, "not mirrored"), ("30TWM", "2024-05", None, "partly"),
        ("30TWM", "2024-06", 1, "complete"), ("30TWM", "2024-07", 0, "complete"),
    ]  # fmt: skip
    from_mid_may = {"start_date": "2024-05-20", "end_date": "2024-06-30"}
    assert short(table(connection, BY_MONTH, tile_id="30TWM", **from_mid_may)) == [
        ("30TWM", "2024-05", 0, "complete"), ("30TWM", "2024-06", 1, "complete"),
    ]  # fmt: skip


def test_months_run_over_the_end_of_a_year_and_stop_at_the_present(
    connection: Connection, mirror: Callable[..., None]
) -> None:
    mirror(None, None, tile_id="30TWM")
    winter = {"start_date": "2023-11-01", "end_date": "2024-02-29", "tile_id": "30TWM"}
    assert [row.period for row in table(connection, BY_MONTH, **winter)] == [
        "2023-11", "2023-12", "2024-01", "2024-02",
    ]  # fmt: skip
    this_month = times.to_text(times.now())[:7]
    ahead = {"start_date": f"{this_month}-01", "end_date": "9999-12-30", "tile_id": "30TWM"}
    assert [row.period for row in table(connection, BY_MONTH, **ahead)] == [this_month]


def test_a_type_is_complete_though_another_is_not(
    connection: Connection,
    make_product: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> None:
    mirror("2024-06-01", "2024-07-01", product_type="S2MSI2A")
    mirror("2024-06-01", "2024-06-15", product_type="S2MSI1C")
    keep(make_product(), make_product(product_type="S2MSI1C", processing_level="L1C"))
    rows = table(connection, tile_id="30TWM", start_date="2024-06-01", end_date="2024-06-30")
    assert [(row.product_type, row.mirrored) for row in rows] == [
        ("S2MSI1C", "partly"), ("S2MSI2A", "complete"),
    ]  # fmt: skip


def test_what_is_held_of_a_tile_by_chance_is_not_vouched_for_by_another_collection(
    connection: Connection,
    make_over: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> None:
    june = ("2024-06-01", "2024-07-01")
    mirror(*june, tile_id="30TWM", processing_level="L2A")
    mirror(*june, collection="SENTINEL-1", bbox=(-4, 42, -2, 44))  # 30TWM reaches further south
    radar = {
        "collection": "SENTINEL-1",
        "product_type": "IW_GRDH_1S",
        "tile_id": None,
        "processing_level": "L1",
    }
    keep(make_over(tiles.footprint("30TWM"), **radar), make_over(tiles.footprint("30TWM")))
    asked = {"tile_id": "30TWM", "start_date": june[0], "end_date": "2024-06-30"}
    told = {row.collection: row.mirrored for row in table(connection, **asked)}
    assert told == {"SENTINEL-1": "not mirrored", "SENTINEL-2": "complete"}


def test_a_level_that_a_mirrored_collection_does_not_have_is_not_vouched_for_by_it(
    connection: Connection, mirror: Callable[..., None]
) -> None:
    mirror("2024-06-01", "2024-07-01", collection="SENTINEL-3")
    june = {"tile_id": "01CCV", "start_date": "2024-06-01", "end_date": "2024-06-30"}
    assert short(table(connection, processing_level="L2A", **june)) == [
        ("01CCV", None, None, "not mirrored")
    ]
    assert short(table(connection, processing_level="L2", **june)) == [
        ("01CCV", None, 0, "complete")
    ]


@pytest.mark.parametrize("by", [("tile",), ("tile", "month")], ids=",".join)
def test_time_that_lies_ahead_is_not_told_as_nothing(
    connection: Connection, mirror: Callable[..., None], by: tuple[str, ...]
) -> None:
    mirror(None, None, tile_id="30TWM")
    ahead = {"tile_id": "30TWM", "start_date": "9000-01-01", "end_date": "9000-02-28"}
    assert short(table(connection, by, **ahead)) == [("30TWM", None, None, "ahead")]


def test_an_empty_catalogue_knows_nothing_of_any_tile(connection: Connection) -> None:
    assert short(table(connection, tile_id=TILES)) == [
        (t, None, None, "not mirrored") for t in TILES
    ]
    assert table(connection) == []


def test_a_sensing_start_at_the_end_of_time_is_a_month_like_any_other(
    connection: Connection,
    make_product: Make,
    mirror: Callable[..., None],
    keep: Callable[..., None],
) -> None:
    mirror(None, None)
    keep(make_product(sensing_start=times.parse("9999-12-31T23:59:59Z")))
    assert [row.period for row in table(connection, BY_MONTH)] == ["9999-12"]


@pytest.mark.parametrize(
    ("by", "filters", "words"),
    [
        (("tile", "platform"), {}, "--by tile,platform"),
        (("month", "year"), {}, "not both"),
        (("tile",), {"where": "nope"}, "nope"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    connection: Connection, by: tuple[str, ...], filters: dict[str, Any], words: str
) -> None:
    with pytest.raises(FilterError, match=words):
        table(connection, by, **filters)


@pytest.mark.parametrize("by", [("tile",), ("tile", "month")], ids=",".join)
def test_nothing_lies_before_the_first_instant_of_all(
    connection: Connection, images: list[SatelliteImage], by: tuple[str, ...]
) -> None:
    asked = SearchFilters(tile_id="30TWM", end_date="0001-01-01T00:00:00Z")
    for columns in (None, COUNTS):
        (row,) = coverage(connection, asked, by=by, columns=columns)
        assert row.products == 0


def plan(connection: Connection, asked: SearchFilters, **how: Any) -> str:
    """How SQLite finds the counts of a report, step by step."""
    said: list[str] = []
    raw: Any = connection.connection.dbapi_connection
    raw.set_trace_callback(said.append)
    list(coverage(connection, asked, columns=COUNTS, **how))
    raw.set_trace_callback(None)
    (counts,) = [text for text in said if re.search(r"FROM tile_(months|years)", text)]
    return "\n".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {counts}"))


@PLAN
@pytest.mark.parametrize("by", [BY_TYPE, BY_MONTH], ids=",".join)
@pytest.mark.parametrize("end", ["2024-01-31", "2024-12-31"], ids=["month", "year"])
def test_summaries_are_read_in_the_order_of_the_report(
    connection: Connection, end: str, by: tuple[str, ...]
) -> None:
    asked = SearchFilters(collection="SENTINEL-2", start_date="2024-01-01", end_date=end)
    assert "TEMP B-TREE" not in plan(connection, asked, by=by)


@PLAN
@pytest.mark.parametrize("by", [BY_TYPE, BY_MONTH], ids=",".join)
def test_another_share_of_cloud_is_counted_from_an_index_alone_and_in_order(
    connection: Connection, by: tuple[str, ...]
) -> None:
    asked = SearchFilters(collection="SENTINEL-2", start_date="2023-01-01", end_date="2024-12-31")
    steps = plan(connection, asked, by=by, clear=50)
    assert "SEARCH products USING COVERING INDEX ix_products_tile" in steps
    assert "TEMP B-TREE" not in steps
