"""Sensors without tile ids are matched to tiles by footprint, and whole areas are told of: against shapely."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import shapely
from sqlalchemy import Connection

from satcat import footprints, tiles, times
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.globe import normal
from satcat.products import SatelliteImage
from satcat.reports.coverage import COLUMNS, TileCoverage, coverage, measures_area

Make = Callable[..., SatelliteImage]
START = times.parse_bound("2024-06-01")
S1 = {
    "collection": "SENTINEL-1",
    "product_type": "IW_GRDH_1S",
    "processing_level": "L1",
    "tile_id": None,
}
#: Around 180° and the equator, and in the far north.
WHERE = [(-182.0, -2.0, -178.0, 2.0), (-3.5, 42.0, 1.5, 44.5), (170.0, 74.0, 190.0, 79.0)]
JUNE = {"start_date": "2024-06-01", "end_date": "2024-06-30"}


def table(connection: Connection, **asked: Any) -> dict[str, TileCoverage]:
    how = {
        name: asked.pop(name) for name in ("by", "aoi", "area", "clear", "grid") if name in asked
    }
    return {row.tile_id: row for row in coverage(connection, SearchFilters(**asked), **how)}


def scattered(
    chance: random.Random, make_over: Make, number: int, **fields: Any
) -> list[SatelliteImage]:
    """Products with leaning four-sided footprints."""
    made = []
    for _ in range(number):
        west, south, east, north = chance.choice(WHERE)
        x, y = chance.uniform(west, east), chance.uniform(south, north)
        ring = [(x, y), (x + 2.5, y - 0.3), (x + 2.9, y + 1.4), (x + 0.4, y + 1.7)]
        shape = normal(shapely.Polygon(ring), 1000)
        made.append(
            make_over(
                shape, sensing_start=START + timedelta(days=chance.uniform(0, 30)),
                cloud_cover=chance.choice([None, 5.0, 20.0, 70.0]), **fields,
            )
        )  # fmt: skip
    return made


def shape_of(image: SatelliteImage) -> Any:
    assert image.footprint is not None
    return footprints.load(image.footprint)


@pytest.mark.parametrize("seed", range(4))
def test_a_product_counts_for_every_tile_that_its_footprint_touches(
    connection: Connection, make_over: Make, keep: Callable[..., None], seed: int
) -> None:
    chance = random.Random(seed)
    images = scattered(chance, make_over, 25, **S1)
    keep(*images)
    found = {
        tile: row
        for tile, row in table(connection, collection="SENTINEL-1", **JUNE).items()
        if row.products
    }
    touched = {tile for image in images for tile in tiles.intersecting(shape_of(image))}
    assert set(found) == touched
    for tile in chance.sample(sorted(touched), 25):
        shape = tiles.footprint(tile)
        members = [image for image in images if shape_of(image).intersects(shape)]
        days = {image.sensing_start.date() for image in members}
        clear = [
            image for image in members if image.cloud_cover is not None and image.cloud_cover <= 20
        ]
        row = found[tile]
        assert (row.products, row.clear_products, row.looks) == (
            len(members),
            len(clear),
            len(days),
        )
        assert row.first_sensing == min(image.sensing_start for image in members)
        assert row.last_sensing == max(image.sensing_start for image in members)
        assert row.size_bytes == sum(image.size_bytes or 0 for image in members)
        fine = tiles.footprint(tile, densify=True)
        for told, counted in ((row.covered_percent, members), (row.clear_percent, clear)):
            union = shapely.union_all([shape_of(image) for image in counted])
            share = (
                100 * footprints.area_km2(union.intersection(fine)) / footprints.area_km2(fine)
                if counted
                else 0
            )
            assert told == pytest.approx(share, abs=1e-3)


def test_tiles_that_were_asked_for_have_a_row_whether_or_not_anything_touches_them(
    connection: Connection, make_over: Make, keep: Callable[..., None], mirror: Callable[..., None]
) -> None:
    mirror("2024-06-01", "2024-07-01", collection="SENTINEL-1", bbox=(-10, 35, 5, 50))
    keep(make_over(shapely.box(-3.1, 43, -2.9, 43.2), sensing_start=START, **S1))
    rows = table(connection, collection="SENTINEL-1", tile_id=["30TWM", "30TVN", "33UUP"], **JUNE)
    assert {tile: (row.products, row.mirrored) for tile, row in rows.items()} == {
        "30TVN": (1, "complete"), "30TWM": (0, "complete"), "33UUP": (None, "not mirrored"),
    }  # fmt: skip


def test_every_tile_of_an_area_has_a_row(
    connection: Connection, make_over: Make, keep: Callable[..., None], mirror: Callable[..., None]
) -> None:
    mirror("2024-06-01", "2024-07-01", bbox=(-4, 42, -1, 44))
    area = (-3.2, 42.8, -2.2, 43.4)
    keep(make_over(shapely.box(-3.1, 42.9, -2.9, 43.1), tile_id="30TVN", sensing_start=START))
    rows = table(connection, bbox=area, **JUNE)
    assert sorted(rows) == tiles.intersecting(footprints.from_bbox(*area))
    assert rows["30TVN"].products == 1
    assert {row.mirrored for row in rows.values()} == {"complete"}
    assert [row.products for tile, row in rows.items() if tile != "30TVN"] == [0] * (len(rows) - 1)
    assert rows["30TWN"].covered_percent == 0


@pytest.mark.parametrize("box", [(-4.0, 42.0, -1.0, 44.0), (178.5, -1.0, -179.0, 1.5)])
def test_the_share_of_a_whole_area_is_that_of_the_union_of_all_footprints(
    connection: Connection, make_over: Make, keep: Callable[..., None], box: tuple[float, ...]
) -> None:
    images = scattered(random.Random(5), make_over, 60, **S1)
    tiled = scattered(random.Random(6), make_over, 20)
    keep(*images, *tiled)
    rows = table(connection, bbox=box, by=("tile",), aoi=True, **JUNE)
    assert next(iter(rows)) == "AOI"
    area = footprints.from_bbox(*box)
    members = [image for image in [*images, *tiled] if shape_of(image).intersects(area)]
    union = shapely.union_all([shape_of(image) for image in members])
    assert members
    assert rows["AOI"].products == len(members)
    assert rows["AOI"].covered_percent == pytest.approx(
        100 * footprints.area_km2(union.intersection(area)) / footprints.area_km2(area)
    )


def test_shares_are_left_out_where_they_were_not_asked_for_and_would_take_long(
    connection: Connection,
    make_over: Make,
    keep: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep(*scattered(random.Random(1), make_over, 3))
    assert measures_area(connection, SearchFilters())
    monkeypatch.setattr("satcat.reports.coverage.FEW", 2)
    assert not measures_area(connection, SearchFilters())
    assert table(connection)["30TWM"].covered_percent is None
    assert table(connection, area=True)["30TWM"].covered_percent is not None
    assert table(connection, area=False)["30TWM"].covered_percent is None


def test_shares_of_products_without_footprints_are_not_known(
    connection: Connection, make_product: Make, keep: Callable[..., None]
) -> None:
    keep(make_product())
    assert table(connection)["30TWM"].covered_percent is None


def test_a_whole_area_needs_one(connection: Connection) -> None:
    with pytest.raises(FilterError, match="--aoi"):
        table(connection, aoi=True)


def test_a_row_has_a_value_for_every_column(
    connection: Connection, make_over: Make, keep: Callable[..., None]
) -> None:
    keep(*scattered(random.Random(2), make_over, 12, relative_orbit=94))
    row = next(coverage(connection, SearchFilters(), by=("tile", "product-type", "orbit", "month")))
    assert [name for name in COLUMNS if getattr(row, name) is None] == []


def test_of_an_area_each_tile_says_for_itself_whether_it_is_mirrored(
    connection: Connection, make_over: Make, keep: Callable[..., None], mirror: Callable[..., None]
) -> None:
    mirror("2024-06-01", "2024-07-01", tile_id=["30TWN"])
    keep(make_over(shapely.box(-2.9, 42.9, -2.7, 43.1), tile_id="30TWN", sensing_start=START))
    rows = table(connection, bbox=(-3.2, 42.8, -2.2, 43.4), aoi=True, by=("tile",), **JUNE)
    assert {tile: row.mirrored for tile, row in rows.items() if row.mirrored != "not mirrored"} == {
        "AOI": "partly", "30TWN": "complete",
    }  # fmt: skip
    assert rows["30TVN"].products is None
