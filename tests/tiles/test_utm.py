"""The series against PROJ."""

from __future__ import annotations

import numpy as np
import pyproj

from satcat.tiles import utm


def test_the_projection_agrees_with_proj_both_ways() -> None:
    random = np.random.default_rng(7)
    lon, lat = random.uniform(-20, 20, 20_000), random.uniform(-84.5, 84.5, 20_000)
    central = pyproj.Proj(proj="utm", zone=31, ellps="WGS84")  # 3° E; northings from the equator

    easting, northing = utm.project(lon, lat)

    expected = central(lon + 3, lat)
    assert np.abs(easting - expected[0]).max() < 1e-5
    assert np.abs(northing - expected[1]).max() < 1e-5
    back = utm.unproject(easting, northing)
    assert np.abs(back[0] - lon).max() < 1e-10
    assert np.abs(back[1] - lat).max() < 1e-10
