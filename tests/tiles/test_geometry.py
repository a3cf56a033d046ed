"""Footprints of tiles, look-ups by area, and the rows of the table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely

from satcat import footprints, tiles
from satcat.errors import TileError
from satcat.globe import MAX_MENDED, normal
from satcat.tiles import ids

RECORDED = Path(__file__).parents[3] / "shared" / "recorded" / "odata"


@pytest.fixture(scope="module")
def rows() -> list[tiles.TileRow]:
    return list(tiles.rows())


def test_a_footprint_joins_the_corners_or_follows_the_sides() -> None:
    corners = tiles.footprint("32TNT")
    true = tiles.footprint("32TNT", densify=True)
    assert shapely.get_num_coordinates(corners) == 5
    assert shapely.get_num_coordinates(true) == 81
    assert shapely.symmetric_difference(corners, true).area / true.area < 0.005
    assert tiles.footprint("203033", densify=True) == tiles.footprint("203033")
    with pytest.raises(TileError, match="there is no tile '30twm'"):
        tiles.footprint("30twm")


def test_sides_leave_the_corners_footprint_most_near_the_poles() -> None:
    def off(tile_id: str) -> float:
        whole = tiles.footprint(tile_id, densify=True)
        return float(
            shapely.symmetric_difference(tiles.footprint(tile_id), whole).area / whole.area
        )

    assert off("32NNF") < 0.001
    assert off("33XVP") > 0.005


def test_a_tile_across_180_is_cut_there() -> None:
    shape = tiles.footprint("01CCV")
    assert shape.is_valid and shape.geom_type == "MultiPolygon"
    west, _, east, _ = footprints.box(shape)
    assert west > 170
    assert east < -170


def test_every_tile_has_its_row(rows: list[tiles.TileRow]) -> None:
    assert [row.tile_id for row in rows] == ids.every("mgrs") + ids.every("wrs2")
    assert sum(row.grid == "mgrs" for row in rows) == 56_686
    assert sum(row.west > row.east for row in rows if row.grid == "mgrs") == 298
    assert sum(bool(row.land) for row in rows) == 20_430
    assert {row.land for row in rows if row.grid == "wrs2"} == {None}
    assert {type(value) for row in rows for value in row} == {
        str, int, float, bytes, bool, type(None),
    }  # fmt: skip


def test_rows_agree_with_the_single_look_ups(rows: list[tiles.TileRow]) -> None:
    for row in rows[::301] + [row for row in rows if row.west > row.east][::31]:
        shape = tiles.footprint(row.tile_id)
        assert row.footprint == footprints.to_wkb(shape)
        assert row[3:7] == footprints.box(shape)
        assert (row.grid, row.epsg) == (tiles.grid(row.tile_id), tiles.epsg(row.tile_id))
        true = tiles.footprint(row.tile_id, densify=True)
        assert row.area_km2 == pytest.approx(footprints.area_km2(true), rel=1e-5)


def test_all_footprints_are_in_normal_form(rows: list[tiles.TileRow]) -> None:
    shapes = shapely.from_wkb([row.footprint for row in rows])
    assert shapely.is_valid(shapes).all()
    bounds = shapely.bounds(shapes)
    assert np.abs(bounds[:, ::2]).max() <= 180
    crossing = shapes[shapely.get_num_geometries(shapes) > 1]
    assert len(crossing) == sum(row.west > row.east for row in rows)
    assert all(normal(shape, MAX_MENDED) is shape for shape in crossing)


def test_tiles_that_meet_an_area_are_found_in_order() -> None:
    assert tiles.intersecting(footprints.from_point(-3.7, 40.4)) == ["30TVK"]
    assert tiles.intersecting(footprints.from_point(-0.1, 51.5), "wrs2") == ["201024", "202024"]
    assert tiles.intersecting(footprints.from_point(0, 90)) == []
    near = tiles.intersecting(tiles.footprint("30TWM").buffer(-0.2))
    assert near == ["30TWM"]


def test_an_area_across_180_meets_tiles_on_both_sides() -> None:
    found = tiles.intersecting(footprints.from_bbox(179.5, -17, -179.5, -16))
    assert {tile_id[:2] for tile_id in found} == {"01", "60"}
    west = tiles.intersecting(footprints.from_bbox(179.5, -17, 180, -16))
    east = tiles.intersecting(footprints.from_bbox(-180, -17, -179.5, -16))
    assert found == sorted({*west, *east})


@pytest.mark.parametrize("grid", ["mgrs", "wrs2"])
def test_look_ups_agree_with_trying_every_tile(rows: list[tiles.TileRow], grid: ids.Grid) -> None:
    area = footprints.from_bbox(176, 60, -170, 72)
    held = footprints.to_wkb(area)
    expected = [
        row.tile_id
        for row in rows
        if row.grid == grid and footprints.intersects(row.footprint, held)
    ]
    assert tiles.intersecting(area, grid) == expected
    assert len(expected) > 50


def recorded_tiles() -> Iterator[tuple[str, str]]:
    def walk(value: object) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict):
            name, text = value.get("Name"), value.get("Footprint")
            found = re.match(r"S2._MSI.*_T(\d\d[A-Z]{3})_", name) if isinstance(name, str) else None
            if found and isinstance(text, str):
                yield found[1], text
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    for path in sorted(RECORDED.glob("*.json")):
        yield from walk(json.loads(path.read_text()))


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded answers at {RECORDED}")
def test_recorded_sentinel_2_products_lie_in_their_tiles() -> None:
    seen = 0
    for tile_id, text in recorded_tiles():
        found = footprints.from_odata(text)
        assert found is not None
        assert tiles.footprint(tile_id).buffer(0.01).covers(footprints.load(found.wkb)), tile_id
        seen += 1
    assert seen >= 5
