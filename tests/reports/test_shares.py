"""Covered shares, against the geodesic areas of PROJ and against a sampled plane."""

from __future__ import annotations

import random

import numpy as np
import pytest
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from satcat import footprints, tiles
from satcat.errors import FootprintError
from satcat.globe import normal
from satcat.reports.groups import Outlines
from satcat.reports.shares import Place

WGS84 = Geod(ellps="WGS84")
#: Temperate, at the equator, near the pole, and across 180°.
TILES = ["30TWM", "31NEA", "33XWJ", "45XWL", "01UBT", "60KXF", "01XDK", "12CWV"]


def geodesic_km2(geometry: BaseGeometry) -> float:
    """The area on the ellipsoid; edges, straight in lon/lat, are cut fine, for geodesics leave them."""
    return (
        abs(
            WGS84.geometry_area_perimeter(
                shapely.segmentize(shapely.orient_polygons(geometry), 0.005)
            )[0]
        )
        / 1e6
    )


def strip(tile: BaseGeometry, chance: random.Random) -> BaseGeometry:
    """A footprint that covers a part of the tile: a swath that leans, as the edge of an orbit does."""
    west, south, east, north = tile.bounds
    if west < -179 and east > 179:  # the part of the tile on this side of 180°
        west, _, east, _ = max(shapely.get_parts(tile), key=lambda part: part.area).bounds
    width, lean = east - west, (east - west) * chance.uniform(-0.3, 0.3)
    left = west + width * chance.uniform(-0.6, 0.8)
    right = left + width * chance.uniform(0.1, 1.2)
    ring = [
        (left, south - 0.1),
        (right, south - 0.1),
        (right + lean, north + 0.1),
        (left + lean, north + 0.1),
    ]
    return normal(shapely.Polygon(np.clip(ring, [-540, -89.9], [540, 89.9])), 100_000)


@pytest.mark.parametrize("tile", TILES)
def test_shares_are_within_a_thousandth_of_geodesic_areas(tile: str) -> None:
    chance = random.Random(tile)
    shape = tiles.footprint(tile, densify=True)
    place = Place(shape)
    assert place.km2 == pytest.approx(geodesic_km2(shape), rel=1e-3)
    for _ in range(10):
        outlines = [strip(shape, chance) for _ in range(chance.randint(1, 4))]
        clear = [chance.random() < 0.5 for _ in outlines]
        told = place.shares(Outlines(tuple(map(footprints.to_wkb, outlines)), tuple(clear)))
        for share, members in (
            (told.covered, outlines),
            (told.clear, [one for one, is_clear in zip(outlines, clear, strict=True) if is_clear]),
        ):
            covered = shapely.intersection(shapely.union_all(members), shape)
            true = 100 * geodesic_km2(covered) / geodesic_km2(shape) if covered.area else 0.0
            assert share == pytest.approx(true, abs=0.1)


def test_a_tile_within_one_footprint_is_covered_whole_and_no_share_exceeds_100() -> None:
    shape = tiles.footprint("30TWM", densify=True)
    place = Place(shape)
    whole = footprints.to_wkb(shapely.box(-5, 40, 0, 45))
    half = footprints.to_wkb(shapely.box(*shape.bounds))
    assert place.shares(Outlines((whole,), (False,))) == (100.0, 0.0)
    assert place.shares(Outlines((half, half), (True, False))) == (100.0, 100.0)
    assert place.shares(Outlines((), ())) == (0.0, 0.0)


def test_a_point_is_covered_or_not() -> None:
    place = Place(shapely.Point(-3, 43))
    over, beside = (footprints.to_wkb(shapely.box(west, 42, -1, 44)) for west in (-4, -2))
    assert place.shares(Outlines((over, beside), (False, True))) == (100.0, 0.0)


def test_a_footprint_that_only_touches_the_tile_covers_nothing() -> None:
    place = Place(shapely.box(0, 0, 1, 1))
    assert place.shares(Outlines((footprints.to_wkb(shapely.box(1, 0, 2, 1)),), (True,))) == (
        0.0,
        0.0,
    )


def test_footprints_that_cross_themselves_are_measured_by_what_they_go_round() -> None:
    place = Place(shapely.box(0, 0, 1, 1))
    hourglass = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    twice = shapely.MultiPolygon([shapely.box(0, 0, 0.5, 1), shapely.box(0, 0, 0.75, 1)])
    endless = shapely.Polygon([(0, 0), (np.inf, 1), (1, 0)])
    right = shapely.box(0.75, 0, 1, 1)
    for crooked, share in ((hourglass, 56.25), (twice, 100.0), (endless, 25.0)):
        stored = tuple(map(footprints.to_wkb, (crooked, right)))
        assert place.shares(Outlines(stored, (True, True))).covered == pytest.approx(share, abs=0.1)


def test_a_stored_footprint_that_is_no_geometry_is_named() -> None:
    with pytest.raises(FootprintError, match="a stored footprint is damaged"):
        Place(shapely.box(0, 0, 1, 1)).shares(Outlines((b"\x01\x02",), (True,)))
