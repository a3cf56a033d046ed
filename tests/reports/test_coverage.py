"""Coverage per tile: against plain Python, and what it says where the mirror does not vouch."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import fmean
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times
from satcat.database import Database
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import downloads, scopes, sync_windows
from satcat.products import SatelliteImage
from satcat.reports.coverage import TileCoverage, coverage
from satcat.sync.store import store

Make = Callable[..., SatelliteImage]
TILES = ("30TWM", "30TXM", "31TCJ")
START = times.parse_bound("2024-01-01")
BY_MONTH = ("tile", "month")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def keep(connection: Connection, *images: SatelliteImage) -> None:
    store(connection, images, scope_id=None, at=times.now())


def mirror(connection: Connection, start: str | None, end: str | None, **filters: Any) -> None:
    """Make a scope that is complete."""
    whole = SearchFilters(**{"collection": "SENTINEL-2"} | filters)
    bounds = [None if text is None else times.parse_bound(text) for text in (start, end)]
    number = len(connection.execute(sa.select(scopes.c.id)).all()) + 1
    row = {
        "id": number, "name": f"scope {number}", "source": "cdse", "url": "http://127.0.0.1",
        "collection": whole.collection, "filters": whole.to_json(), "slices": json.dumps([whole.to_json()]),
        "sensing_start": bounds[0], "sensing_end": bounds[1],
    }  # fmt: skip
    connection.execute(sa.insert(scopes).values(row))
    window = {"window_start": bounds[0], "window_end": bounds[1], "status": "complete"}
    connection.execute(sa.insert(sync_windows).values(scope_id=number, slice=0, **window))


def table(
    connection: Connection, by: tuple[str, ...] = ("tile",), **filters: Any
) -> list[TileCoverage]:
    return list(coverage(connection, SearchFilters(**filters), by=by))


def short(rows: list[TileCoverage]) -> list[tuple[Any, ...]]:
    return [(row.tile_id, row.month, row.products, row.mirrored) for row in rows]


def expected(images: list[SatelliteImage], done: set[str], *, months: bool) -> list[TileCoverage]:
    """The same numbers, by hand; everything is mirrored."""
    groups = defaultdict(list)
    for image in images:
        if image.tile_id is not None:
            month = times.to_text(image.sensing_start)[:7] if months else None
            groups[image.tile_id, image.collection, image.product_type, month].append(image)
    rows = []
    for (tile, collection, product_type, month), members in groups.items():
        clouds = [image.cloud_cover for image in members if image.cloud_cover is not None]
        rows.append(
            TileCoverage(
                tile_id=tile, collection=collection, product_type=product_type, month=month,
                products=len(members), clear_products=sum(cloud <= 20 for cloud in clouds),
                min_cloud_cover=min(clouds, default=None),
                mean_cloud_cover=pytest.approx(fmean(clouds)) if clouds else None,
                first_sensing=min(image.sensing_start for image in members),
                last_sensing=max(image.sensing_start for image in members),
                size_bytes=sum(image.size_bytes or 0 for image in members),
                downloaded=sum(image.id in done for image in members), mirrored="complete",
            )
        )  # fmt: skip
    return sorted(
        rows, key=lambda row: (row.tile_id, row.collection, row.product_type or "", row.month or "")
    )


@pytest.fixture
def images(connection: Connection, make_product: Make) -> list[SatelliteImage]:
    """Three months of products, all mirrored."""
    chance = random.Random(7)
    made = [
        make_product(
            tile_id=chance.choice([*TILES, None]),
            collection=chance.choice(["SENTINEL-2", "SENTINEL-2", "LANDSAT-8"]),
            product_type=chance.choice(["S2MSI2A", "S2MSI1C", None]),
            cloud_cover=chance.choice([None, 0.0, 20.0, 20.1, 90.0]),
            size_bytes=chance.choice([None, 10, 1000]),
            sensing_start=START + timedelta(days=chance.uniform(0, 91)),
        )
        for _ in range(300)
    ]
    keep(connection, *made)
    mirror(connection, None, None)
    mirror(connection, None, None, collection="LANDSAT-8")
    return made


@pytest.mark.parametrize("by", [("tile",), BY_MONTH])
@pytest.mark.parametrize(
    "narrow",
    [{}, {"collection": "SENTINEL-2"}, {"product_type": "S2MSI1C"}, {"tile_id": ["30TWM", "31TCJ"]}, {"cloud_cover": 20},
     {"start_date": "2024-01-10", "end_date": "2024-03-09"}, {"start_date": "2024-02-01", "end_date": "2024-02-29"},
     {"where": "size_bytes IS NOT NULL"}],
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
    assert with_products == expected(meant, done, months="month" in by)
    assert all(row.mirrored == "complete" for row in found)
    quick = list(coverage(connection, filters, by=by, counts_only=True))
    assert [(r.tile_id, r.product_type, r.month, r.products, r.clear_products, r.size_bytes) for r in quick] == [
        (r.tile_id, r.product_type, r.month, r.products, r.clear_products, r.size_bytes) for r in found
    ]  # fmt: skip


def test_mere_counts_of_whole_months_do_not_read_the_products(
    connection: Connection, images: list[SatelliteImage]
) -> None:
    filters = SearchFilters(collection="SENTINEL-2", start_date="2024-02-01", end_date="2024-02-29")
    before = list(coverage(connection, filters, counts_only=True))
    assert sum(row.products or 0 for row in before) > 0
    connection.exec_driver_sql("ALTER TABLE products RENAME TO hidden")
    assert list(coverage(connection, filters, counts_only=True)) == before


def test_a_tile_that_is_not_mirrored_is_said_so_and_not_counted_as_0(
    connection: Connection, make_product: Make
) -> None:
    mirror(connection, "2024-06-01", "2024-07-01", tile_id=["30TWM", "30TXM"])
    keep(connection, make_product(tile_id="30TWM"))
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
    connection: Connection, make_product: Make
) -> None:
    mirror(connection, "2024-05-15", "2024-08-01", tile_id="30TWM")
    keep(connection, make_product())
    asked = {"start_date": "2024-04-01", "end_date": "2024-07-31"}
    assert short(table(connection, BY_MONTH, tile_id="30TWM", **asked)) == [
        ("30TWM", "2024-04", None, "not mirrored"), ("30TWM", "2024-05", None, "partly"),
        ("30TWM", "2024-06", 1, "complete"), ("30TWM", "2024-07", 0, "complete"),
    ]  # fmt: skip
    from_mid_may = {"start_date": "2024-05-20", "end_date": "2024-06-30"}
    assert short(table(connection, BY_MONTH, tile_id="30TWM", **from_mid_may)) == [
        ("30TWM", "2024-05", 0, "complete"), ("30TWM", "2024-06", 1, "complete"),
    ]  # fmt: skip


def test_months_run_over_the_end_of_a_year_and_stop_at_the_present(connection: Connection) -> None:
    mirror(connection, None, None, tile_id="30TWM")
    winter = {"start_date": "2023-11-01", "end_date": "2024-02-29", "tile_id": "30TWM"}
    assert [row.month for row in table(connection, BY_MONTH, **winter)] == [
        "2023-11", "2023-12", "2024-01", "2024-02",
    ]  # fmt: skip
    this_month = times.to_text(times.now())[:7]
    ahead = {"start_date": f"{this_month}-01", "end_date": "9999-12-30", "tile_id": "30TWM"}
    assert [row.month for row in table(connection, BY_MONTH, **ahead)] == [this_month]


def test_a_type_is_complete_though_another_is_not(
    connection: Connection, make_product: Make
) -> None:
    mirror(connection, "2024-06-01", "2024-07-01", product_type="S2MSI2A")
    mirror(connection, "2024-06-01", "2024-06-15", product_type="S2MSI1C")
    keep(connection, make_product(), make_product(product_type="S2MSI1C", processing_level="L1C"))
    rows = table(connection, tile_id="30TWM", start_date="2024-06-01", end_date="2024-06-30")
    assert [(row.product_type, row.mirrored) for row in rows] == [
        ("S2MSI1C", "partly"), ("S2MSI2A", "complete"),
    ]  # fmt: skip


def test_an_empty_catalogue_knows_nothing_of_any_tile(connection: Connection) -> None:
    assert short(table(connection, tile_id=TILES)) == [
        (t, None, None, "not mirrored") for t in TILES
    ]
    assert table(connection) == []


def test_a_sensing_start_at_the_end_of_time_is_a_month_like_any_other(
    connection: Connection, make_product: Make
) -> None:
    mirror(connection, None, None)
    keep(connection, make_product(sensing_start=times.parse("9999-12-31T23:59:59Z")))
    assert [row.month for row in table(connection, BY_MONTH)] == ["9999-12"]


@pytest.mark.parametrize(
    ("by", "filters", "words"),
    [
        (("month",), {}, "--by month"),
        (("tile", "platform"), {}, "--by tile,platform"),
        (("tile",), {"collection": "SENTINEL-1", "tile_id": "30TWM"}, "no tile ids"),
        (("tile",), {"where": "nope"}, "no such column: nope"),
    ],
)
def test_what_cannot_be_reported_is_refused(
    connection: Connection, by: tuple[str, ...], filters: dict[str, Any], words: str
) -> None:
    with pytest.raises(FilterError, match=words):
        table(connection, by, **filters)
