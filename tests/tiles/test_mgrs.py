"""MGRS tiles: corners from names, against PROJ and what is known of single tiles."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely

from satcat import tiles
from satcat.tiles import ids, mgrs


@pytest.mark.parametrize(
    ("tile_id", "zone", "easting", "northing"),
    [
        ("32TNT", 32, 499_980, 5_300_040),
        ("30TWM", 30, 499_980, 4_700_040),
        ("30TXM", 30, 600_000, 4_700_040),
        ("31TCG", 31, 300_000, 4_700_040),
        ("33UUP", 33, 300_000, 5_400_000),
        ("54PXA", 54, 600_000, 1_600_020),
        ("18LZR", 18, 799_980, -900_000),
    ],
)
def test_a_name_gives_the_upper_left_corner(
    tile_id: str, zone: int, easting: float, northing: float
) -> None:
    found = mgrs.corners([tile_id])
    assert (found.zone[0], found.easting[0]) == (zone, easting)
    assert found.northing[0] == northing


def test_no_two_tiles_share_a_corner() -> None:
    found = mgrs.corners(ids.every("mgrs"))
    assert len(set(zip(*(column.tolist() for column in found), strict=True))) == 56_686


def test_every_tile_lies_in_its_latitude_band() -> None:
    tile_ids = ids.every("mgrs")
    lat = shapely.get_y(shapely.centroid(mgrs.polygons(tile_ids)))
    band = np.array(["CDEFGHJKLMNPQRSTUVWX".index(tile_id[2]) for tile_id in tile_ids])
    south = np.where(band == 0, -84, -80 + 8 * band)  # the tiles beyond 80° S are named C, too
    north = np.where(band == 19, 84, -72 + 8 * band)
    assert np.all(lat > south - 1) and np.all(lat < north + 1)


def test_all_corners_agree_with_proj() -> None:
    tile_ids = ids.every("mgrs")
    found = mgrs.corners(tile_ids)
    rings = shapely.get_coordinates(mgrs.polygons(tile_ids)).reshape(-1, 5, 2)
    codes = np.array([tiles.epsg(tile_id) for tile_id in tile_ids])
    side = mgrs.SIDE
    offsets = np.array([(0, 0), (0, -side), (side, -side), (side, 0), (0, 0)])
    for code in np.unique(codes):
        mine = codes == code
        to_lonlat = pyproj.Transformer.from_crs(int(code), 4326, always_xy=True)
        easting = found.easting[mine, None] + offsets[:, 0]
        northing = found.northing[mine, None] + offsets[:, 1] + (1e7 if code > 32700 else 0)
        lon, lat = to_lonlat.transform(easting, northing)
        east = (rings[mine, :, 0] - lon + 180) % 360 - 180
        metres = 111_320 * np.hypot(east * np.cos(np.radians(lat)), rings[mine, :, 1] - lat)
        assert metres.max() < 1e-3


def test_areas_agree_with_proj() -> None:
    tile_ids = ids.every("mgrs")[::997]
    ellipsoid = pyproj.Geod(ellps="WGS84")
    for tile_id, area in zip(tile_ids, mgrs.areas(tile_ids), strict=True):
        fine = shapely.segmentize(mgrs.polygons([tile_id], 100)[0], 0.05)
        expected, _ = ellipsoid.geometry_area_perimeter(fine)
        assert area == pytest.approx(expected / 1e6, rel=1e-4)
