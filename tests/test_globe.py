"""The normal form of geometry: valid, within ±180°, cut there, closed round the poles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from satcat.errors import FootprintError
from satcat.footprints import box
from satcat.globe import MAX_MENDED, MAX_VERTICES, normal

Ring = list[tuple[float, float]]


def normalised(geometry: BaseGeometry) -> BaseGeometry:
    return normal(geometry, MAX_MENDED)


def wrapped(lon: float) -> float:
    return (lon + 180) % 360 - 180


@st.composite
def star_rings(draw: st.DrawFn) -> Ring:
    """A simple ring round a centre, its longitudes running on across 180°; never round a pole."""
    lon, lat = draw(st.floats(-180, 180)), draw(st.floats(-60, 60))
    count = draw(st.integers(3, 12))
    reaches = draw(st.lists(st.floats(0.5, 25), min_size=count, max_size=count))
    angles = [2 * math.pi * step / count for step in range(count)]
    ring = [
        (lon + reach * math.cos(angle), lat + reach * math.sin(angle))
        for reach, angle in zip(reaches, angles, strict=True)
    ]
    if draw(st.booleans()):
        ring.reverse()
    return ring


@st.composite
def polar_rings(draw: st.DrawFn) -> Ring:
    """A ring round the north pole, eastward from some start, longitudes running on."""
    count = draw(st.integers(3, 12))
    start = draw(st.floats(-180, 180))
    lats = draw(st.lists(st.floats(40, 89), min_size=count, max_size=count))
    return [(start + 360 * step / count, lat) for step, lat in enumerate(lats)]


@given(star_rings(), st.booleans())
def test_a_ring_keeps_its_shape_however_its_longitudes_are_written(
    ring: Ring, run_on: bool
) -> None:
    whole = shapely.Polygon(ring)
    assume(whole.is_valid)
    stated = whole if run_on else shapely.Polygon([(wrapped(lon), lat) for lon, lat in ring])

    result = normalised(stated)

    assert result.is_valid
    west, south, east, north = result.bounds
    assert west >= -180 and east <= 180
    assert (south, north) == whole.bounds[1::2]
    assert result.area == pytest.approx(whole.area, rel=1e-9)
    wide = box(result)
    assert (wide[2] - wide[0]) % 360 == pytest.approx(whole.bounds[2] - whole.bounds[0], abs=1e-9)
    assert wrapped(wide[0] - whole.bounds[0]) == pytest.approx(0, abs=1e-9)


@given(star_rings())
def test_normalising_twice_changes_nothing(ring: Ring) -> None:
    once = normalised(shapely.Polygon([(wrapped(lon), lat) for lon, lat in ring]))
    assert shapely.to_wkb(normalised(once)) == shapely.to_wkb(once)


@given(polar_rings(), st.booleans(), st.booleans())
def test_a_ring_round_a_pole_is_closed_along_it(ring: Ring, south: bool, backward: bool) -> None:
    lats = [lat for _, lat in ring]
    steps = zip(lats, lats[1:] + lats[:1], strict=True)
    area = sum((90 - (a + b) / 2) * 360 / len(ring) for a, b in steps)
    stated = [(wrapped(lon), -lat if south else lat) for lon, lat in ring]

    result = normalised(shapely.Polygon(stated[::-1] if backward else stated))

    assert result.is_valid
    assert result.area == pytest.approx(area, rel=1e-9)
    low, high = min(lats), 90.0
    expected = (-180.0, -high, 180.0, -low) if south else (-180.0, low, 180.0, high)
    assert box(result) == pytest.approx(expected)
    assert shapely.to_wkb(normalised(result)) == shapely.to_wkb(result)


@given(st.lists(st.tuples(st.floats(-360, 360), st.floats(-90, 90)), min_size=3, max_size=30))
def test_whatever_the_vertices_the_result_is_normal_or_refused(ring: Ring) -> None:
    try:
        result = normalised(shapely.Polygon(ring))
    except FootprintError:
        return
    assert result.is_valid and not result.is_empty
    assert shapely.box(-180, -90, 180, 90).covers(result)
    again = normalised(result)
    assert shapely.to_wkb(again) == shapely.to_wkb(result)


def test_a_hole_is_kept_across_180() -> None:
    shell = [(170, 0), (-170, 0), (-170, 10), (170, 10)]
    hole = [(-179, 4), (-179, 6), (178, 6), (178, 4)]
    result = normalised(shapely.Polygon(shell, [hole]))
    assert result.area == pytest.approx(200 - 6)
    assert not result.intersects(shapely.Point(179, 5))
    assert not result.intersects(shapely.Point(-179.5, 5))


def test_a_ring_between_two_latitudes_round_the_pole_keeps_its_hole() -> None:
    outer = [(lon, 60) for lon in range(-180, 180, 40)]
    inner = [(lon, 80) for lon in range(-180, 180, 40)]
    assert normalised(shapely.Polygon(outer, [inner])).area == pytest.approx(360 * 20)


@pytest.mark.parametrize(
    "ring",
    [
        [(170, 0), (180, 0), (180, 5), (170, 5)],
        [(170, 0), (-180, 0), (-180, 5), (170, 5)],
        [(170, 0), (180, 0), (-180, 5), (170, 5)],
    ],
)
def test_a_ring_that_only_touches_180_stays_one_polygon(ring: Ring) -> None:
    result = normalised(shapely.Polygon(ring))
    assert result.geom_type == "Polygon"
    assert result.bounds == (170, 0, 180, 5)


def test_a_crossing_ring_with_vertices_on_both_sides_of_180_is_cut_there() -> None:
    ring = [(170, 0), (180, 0), (-180, 0), (-170, 0), (-170, 5), (-180, 5), (180, 5), (170, 5)]
    result = normalised(shapely.Polygon(ring))
    assert result.area == pytest.approx(100)
    assert box(result) == (170, 0, -170, 5)


@pytest.mark.parametrize(
    ("ring", "area"),
    [
        ([(-180, -90), (180, -90), (180, 90), (-180, 90)], 360 * 180),
        ([(-180, -90), (-180, -70), (180, -70), (180, -90)], 360 * 20),
        ([(-180, 80), (179.997, 80), (179.997, -60), (-180, -60)], 359.997 * 140),
    ],
    ids=["the world", "a closed polar cap", "a global raster, one cell short"],
)
def test_edges_right_across_the_map_are_meant(ring: Ring, area: float) -> None:
    assert normalised(shapely.Polygon(ring)).area == pytest.approx(area)


def test_no_edge_of_a_normal_geometry_spans_more_than_half_the_globe() -> None:
    world = normalised(shapely.box(-180, -90, 180, 90))
    assert np.abs(np.diff(shapely.get_coordinates(world)[:, 0])).max() <= 180


def test_a_ring_that_touches_itself_is_mended_to_its_polygons() -> None:
    result = normalised(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))
    assert result.is_valid and result.geom_type == "MultiPolygon"
    assert result.area == pytest.approx(0.5)


def test_what_a_ring_covers_twice_stays_covered() -> None:
    angles = [4 * math.pi * step / 5 for step in range(5)]
    pentagram = shapely.Polygon([(math.cos(angle), math.sin(angle)) for angle in angles])
    assert normalised(pentagram).contains(shapely.Point(0, 0))


def test_overlapping_parts_are_merged() -> None:
    parts = shapely.MultiPolygon([shapely.box(0, 0, 2, 1), shapely.box(1, 0, 3, 1)])
    assert not parts.is_valid
    assert normalised(parts).area == pytest.approx(3)


def test_parts_on_both_sides_of_180_pass_unchanged() -> None:
    parts = shapely.MultiPolygon([shapely.box(175, 0, 180, 1), shapely.box(-180, 0, -170, 1)])
    assert normalised(parts) is parts
    assert box(parts) == (175, 0, -170, 1)


def test_points_and_lines_stay_what_they_are() -> None:
    assert normalised(shapely.Point(182, 5)) == shapely.Point(-178, 5)
    assert normalised(shapely.Point(-180, 5)) == shapely.Point(-180, 5)
    line = normalised(shapely.LineString([(179, 0), (-179, 2)]))
    assert line.wkt == "MULTILINESTRING ((179 0, 180 1), (-180 1, -179 2))"
    points = normalised(shapely.MultiPoint([(1, 2), (-190, 3)]))
    assert points == shapely.MultiPoint([(1, 2), (170, 3)])


def test_a_third_dimension_is_dropped() -> None:
    result = normalised(shapely.from_wkt("POLYGON Z ((0 0 9, 1 0 9, 1 1 9, 0 0 9))"))
    assert not result.has_z


@pytest.mark.parametrize(
    ("geometry", "complaint"),
    [
        (shapely.Point(0, 91), "latitude 91 to 91 leaves ±90: longitude comes first"),
        (shapely.Point(math.nan, 0), "longitude nan to nan leaves ±360"),
        (shapely.Point(math.inf, 0), "longitude inf to inf leaves ±360"),
        (shapely.Point(0, math.nan), "latitude nan to nan leaves ±90: longitude comes first"),
        (shapely.Point(361, 0), "longitude 361 to 361 leaves ±360"),
        (shapely.Polygon(), f"a geometry of 0 vertices: give 1 to {MAX_VERTICES}"),
        (
            shapely.Polygon([(lon % 360 - 180, lon / 40) for lon in range(0, 1080, 100)]),
            "a ring winds round the globe more than once",
        ),
    ],
)
def test_what_is_not_on_the_globe_is_refused(geometry: BaseGeometry, complaint: str) -> None:
    with pytest.raises(FootprintError) as caught:
        normalised(geometry)
    assert str(caught.value) == complaint


@pytest.mark.timeout(30)
def test_a_geometry_too_costly_to_mend_is_refused() -> None:
    tangle = np.random.default_rng(1).uniform(-80, 80, (MAX_VERTICES, 2))
    with pytest.raises(FootprintError, match="over 600 vertices: simplify it"):
        normalised(shapely.Polygon(tangle[:-1]))
    with pytest.raises(FootprintError, match="100001 vertices"):
        normalised(shapely.Polygon(tangle))
    boxes = [shapely.box(*low, *(low + 9)) for low in tangle[:2000]]
    with pytest.raises(FootprintError, match="simplify it"):
        normalised(shapely.MultiPolygon(boxes))


def test_a_line_that_crosses_itself_and_180_degrees_costs_no_more_than_a_little() -> None:
    """Cut, 2,000 such vertices would become two million."""
    tangle = [(100 + 79 * (k * 7919 % 2003) / 2003, k * 7907 % 160 - 80) for k in range(2000)]
    with pytest.raises(FootprintError, match="a line that crosses itself has over 600 vertices"):
        normalised(shapely.LineString([*tangle, (-179, 0)]))
    straight = shapely.LineString([(100 + k / 10, 10) for k in range(1000)])
    assert shapely.length(normalised(straight)) == pytest.approx(99.9)
