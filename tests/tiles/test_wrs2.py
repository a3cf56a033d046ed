"""WRS-2 tiles against what USGS states of them."""

from __future__ import annotations

import json
from pathlib import Path

import pyproj
import pytest
import shapely

from satcat.tiles import ids, wrs2

RECORDED = Path(__file__).parents[3] / "shared/recorded/usgs/kapadia-usgs/scene-search.json"


@pytest.mark.parametrize(
    ("tile_id", "lon", "lat"),
    [
        ("044034", -122.42, 37.77),  # San Francisco
        ("015033", -77.04, 38.90),  # Washington
        ("201024", -0.10, 51.50),  # London
        ("199026", 2.35, 48.86),  # Paris
        ("204033", -9.14, 38.72),  # Lisbon
        ("231062", -60.00, -3.10),  # Manaus
        ("089083", 151.20, -33.87),  # Sydney
    ],
)
def test_cities_lie_in_the_scenes_that_show_them(tile_id: str, lon: float, lat: float) -> None:
    assert wrs2.polygons([tile_id])[0].contains(shapely.Point(lon, lat))


def test_the_first_path_crosses_the_equator_at_64_6_west() -> None:
    centre = wrs2.polygons(["001060"])[0].centroid
    assert (centre.x, centre.y) == (pytest.approx(-64.6, abs=0.05), pytest.approx(0, abs=0.01))


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded answer at {RECORDED}")
def test_a_recorded_scene_covers_its_tile() -> None:
    (scene,) = json.loads(RECORDED.read_text())["data"]["results"]
    tile_id = scene["displayId"].split("_")[2]
    covered = shapely.from_geojson(json.dumps(scene["spatialCoverage"]))
    tile = wrs2.polygons([tile_id])[0]
    assert tile.intersection(covered).area / tile.area > 0.97


def test_paths_go_west_and_close_round_the_globe() -> None:
    first, second, last = wrs2.polygons(["001033", "002033", "233033"])
    step = 360 / 233
    assert first.centroid.x - second.centroid.x == pytest.approx(step)
    assert last.centroid.x - first.centroid.x == pytest.approx(step)


def test_rows_go_south_from_the_last_two() -> None:
    lats = [shape.centroid.y for shape in wrs2.polygons([f"100{row:03}" for row in ids.ROWS])]
    by_track = lats[-2:] + lats[:-2]
    assert by_track.index(max(by_track)) <= 2
    assert by_track[3:-3] == sorted(by_track[3:-3], reverse=True)


def test_areas_agree_with_proj() -> None:
    tile_ids = [f"100{row:03}" for row in ids.ROWS]
    ellipsoid = pyproj.Geod(ellps="WGS84")
    areas = wrs2.areas(tile_ids)
    for shape, area in zip(wrs2.polygons(tile_ids), areas, strict=True):
        expected, _ = ellipsoid.geometry_area_perimeter(shapely.segmentize(shape, 0.05))
        assert area == pytest.approx(abs(expected) / 1e6, rel=1e-4)
