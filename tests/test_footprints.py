"""Reading, storing and measuring footprints and areas of interest."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry

from satcat import footprints
from satcat.errors import FootprintError

RECORDED = Path(__file__).parents[2] / "shared" / "recorded" / "odata"
SQUARE = "POLYGON ((1 2, 3 2, 3 4, 1 4, 1 2))"
SQUARE_JSON = {"type": "Polygon", "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 4], [1, 2]]]}


# Products' footprints


@pytest.mark.parametrize(
    "text",
    [f"geography'SRID=4326;{SQUARE}'", SQUARE, f"SRID=4326;{SQUARE}", f" {SQUARE.lower()}\n"],
)
def test_a_footprint_is_read_from_each_spelling(text: str) -> None:
    found = footprints.from_odata(text)
    assert found is not None
    assert (found.west, found.south, found.east, found.north) == (1, 2, 3, 4)
    assert footprints.to_wkt(found.wkb) == SQUARE
    assert found.wkb == shapely.to_wkb(shapely.from_wkt(SQUARE), byte_order=1)


def test_geojson_counts_only_where_there_is_no_text() -> None:
    assert footprints.from_odata(None, SQUARE_JSON) == footprints.from_odata(SQUARE)
    assert footprints.from_odata("", SQUARE_JSON) == footprints.from_odata(SQUARE)
    assert footprints.from_odata("POINT (5 6)", SQUARE_JSON) == footprints.from_odata("POINT (5 6)")


@pytest.mark.parametrize("text", [None, ""])
def test_no_footprint_is_none(text: str | None) -> None:
    assert footprints.from_odata(text) is None
    assert footprints.from_odata(text, None) is None


def test_a_crossing_footprint_has_a_box_with_west_beyond_east() -> None:
    found = footprints.from_odata(
        "geography'SRID=4326;MULTIPOLYGON (((179 10, -179.5 10, -179.5 12, 179 12, 179 10)))'"
    )
    assert found is not None
    assert (found.west, found.south, found.east, found.north) == (179, 10, -179.5, 12)
    assert footprints.load(found.wkb).area == pytest.approx(3)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "POLYGON",
        "POLYGON EMPTY",
        "POLYGON ((1 2, 3 4",
        "POLYGON ((1 2, 3 4, 5 6, 7 8))",
        "POLYGON ((nan nan, 1 1, 2 2, nan nan))",
        "POLYGON ((0 0, 1e999 1, 0 1, 0 0))",
        "POLYGON ((0 0, 1 91, 0 1, 0 0))",
        "POINT (4e5 5)",
        "SRID=32630;POINT (4 5)",
        "GEOMETRYCOLLECTION (POINT (1 2))",
        "GEOMETRYCOLLECTION (" * 60_000,
        "POLYGON" + "(" * 1_000_000,
        "POLYGON" + " " * 1_000_000 + "x",
        "POINT (" + ") " * 1_000_000 + "x",
        "POLYGON ((" + "0 0, " * 900_000 + "0 0))",
        "geography'" * 300_000,
        "MULTIPOLYGON ((" * 3 + "))",
    ],
    ids=lambda text: text[:30],
)
@pytest.mark.timeout(10)
def test_hostile_text_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(FootprintError) as caught:
        footprints.from_odata(text)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def nested(depth: int) -> Any:
    value: Any = [0, 0]
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        7,
        [],
        {},
        {"type": "Polygon"},
        {"type": ["Polygon"], "coordinates": []},
        {"type": nested(100_000), "coordinates": []},
        {"type": "Polygon", "coordinates": None},
        {"type": "Polygon", "coordinates": [[None]]},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4], [5, 6], [7, 8]]]},
        {"type": "Polygon", "coordinates": [[["1", "2"]]]},
        {"type": "Polygon", "coordinates": {"a": object()}},
        {"type": "Point", "coordinates": [math.nan, 1]},
        {"type": "Point", "coordinates": nested(100_000)},
        {"type": "Point", "coordinates": [0] * 2_000_000},
        {"type": "GeometryCollection", "geometries": [SQUARE_JSON]},
        {"type": "Feature", "geometry": SQUARE_JSON},
    ],
    ids=lambda value: str(len(value)) if isinstance(value, (list, dict)) else None,
)
@pytest.mark.timeout(10)
def test_hostile_geojson_is_refused_in_one_short_line(value: object) -> None:
    with pytest.raises(FootprintError) as caught:
        footprints.from_odata(None, value)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_footprint_that_is_no_text_is_refused() -> None:
    with pytest.raises(FootprintError, match="a footprint is text, not int"):
        footprints.from_odata(5)


@given(st.text("POLYGNMUTI()-+.,eE 0123456789'SRD=;4326zZ", max_size=80))
def test_any_text_gives_a_footprint_or_a_footprint_error(text: str) -> None:
    for stated in (text, f"POLYGON (({text}))", f"geography'SRID=4326;POINT({text})'"):
        try:
            found = footprints.from_odata(stated)
        except FootprintError:
            continue
        assert found is None or footprints.load(found.wkb).is_valid


scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
nests = st.recursive(scalars, lambda inner: st.lists(inner, max_size=5), max_leaves=20)
positions = st.lists(st.floats(-400, 400) | scalars, max_size=4)
rings = st.lists(st.lists(positions, max_size=6), max_size=3)


@given(st.sampled_from(sorted(footprints._KINDS)), nests | positions | rings | st.lists(rings))
def test_any_geojson_gives_a_footprint_or_a_footprint_error(kind: str, coordinates: Any) -> None:
    try:
        found = footprints.from_odata(None, {"type": kind, "coordinates": coordinates})
    except FootprintError:
        return
    assert found is not None and footprints.load(found.wkb).is_valid


def recorded_footprints() -> Iterator[tuple[str | None, object]]:
    def walk(value: object) -> Iterator[tuple[str | None, object]]:
        if isinstance(value, dict):
            if value.get("elided"):
                return
            if "Footprint" in value:
                yield value["Footprint"], value.get("GeoFootprint")
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    for path in sorted(RECORDED.glob("*.json")):
        yield from walk(json.loads(path.read_text()))


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded answers at {RECORDED}")
def test_every_recorded_footprint_is_read_and_agrees_with_its_geojson() -> None:
    read = 0
    for text, geojson in recorded_footprints():
        found = footprints.from_odata(text)
        if found is None:
            continue
        read += 1
        shape = footprints.load(found.wkb)
        assert shape.is_valid and shape.geom_type in ("Polygon", "MultiPolygon")
        assert footprints.from_odata(footprints.to_wkt(found.wkb)) == found
        if geojson is not None:
            other = footprints.from_odata(None, geojson)
            assert other is not None
            assert shapely.symmetric_difference(shape, footprints.load(other.wkb)).area < 1e-6
    assert read > 20


# Boxes and points


def wrapped(lon: float) -> float:
    return -180.0 if lon == 180 else lon


def test_a_box_is_a_polygon() -> None:
    assert footprints.from_bbox(-3.5, 40, -3, 41.25).bounds == (-3.5, 40, -3, 41.25)
    assert footprints.from_bbox(-180, -90, 180, 90).area == 360 * 180
    assert footprints.from_bbox(-170, -60, 170, 60).area == 340 * 120


def test_a_box_with_west_beyond_east_crosses_180() -> None:
    area = footprints.from_bbox(170, -10, -175, 10)
    assert area.area == 15 * 20
    assert footprints.box(area) == (170, -10, -175, 10)
    assert footprints.boxes(area) == [(170, -10, 180, 10), (-180, -10, -175, 10)]


@given(st.floats(-180, 180), st.floats(-90, 89), st.floats(-180, 180), st.floats(0.5, 90))
def test_the_box_of_a_box_is_itself(west: float, south: float, east: float, height: float) -> None:
    stated = (west, south, east, min(90.0, south + height))
    try:
        area = footprints.from_bbox(*stated)
    except FootprintError as error:
        assert "no width" in str(error)  # noqa: PT017 - other boxes raise nothing
        return
    assert area.is_valid
    found = footprints.box(area)
    if west == 180 or east == -180:  # the same meridian by its other name
        stated = (wrapped(west), stated[1], -wrapped(-east), stated[3])
    assert found == stated


@pytest.mark.parametrize(
    ("stated", "complaint"),
    [
        (
            (1, 5, 3, 4),
            "the box 1,5,3,4 has its south not below its north: the order is west,south,east,north",
        ),
        (
            (40, 100, 41, 120),
            "the box 40,100,41,120 leaves ±90° of latitude: the order is west,south,east,north",
        ),
        (
            (170, 0, 190, 5),
            "the box 170,0,190,5 leaves ±180° of longitude: to cross 180°, give west > east",
        ),
        ((5, 0, 5, 1), "the box 5,0,5,1 has no width: give two longitudes"),
        ((180, 0, -180, 1), "the box 180,0,-180,1 has no width: give two longitudes"),
    ],
)
def test_a_box_that_cannot_be_meant_is_refused(stated: tuple[float, ...], complaint: str) -> None:
    with pytest.raises(FootprintError) as caught:
        footprints.from_bbox(*stated)
    assert str(caught.value) == complaint


def test_a_point_is_longitude_then_latitude() -> None:
    assert footprints.from_point(-3.7, 40.4) == shapely.Point(-3.7, 40.4)
    assert footprints.boxes(footprints.from_point(5, 6)) == [(5, 6, 5, 6)]
    with pytest.raises(FootprintError, match="5,91 is not on the globe: longitude comes first"):
        footprints.from_point(5, 91)


# Stored forms


def test_a_stored_footprint_is_given_as_wkt_and_geojson() -> None:
    wkb = footprints.to_wkb(shapely.from_wkt("POINT Z (0.1 -0.30000000000000004 7)"))
    assert footprints.to_wkt(wkb) == "POINT (0.1 -0.30000000000000004)"
    assert footprints.to_geojson(wkb) == {
        "type": "Point",
        "coordinates": (0.1, -0.30000000000000004),
    }


@given(
    st.lists(st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=1, max_size=9),
    st.sampled_from([shapely.MultiPoint, shapely.LineString, shapely.Polygon]),
)
def test_wkb_and_wkt_hold_every_digit(points: Any, kind: Callable[..., BaseGeometry]) -> None:
    shape = kind((points * 3)[:9])
    wkb = footprints.to_wkb(shape)
    assert footprints.load(wkb).equals_exact(shape, 0)
    assert shapely.from_wkt(footprints.to_wkt(wkb)).equals_exact(shape, 0)


@pytest.mark.parametrize("damage", [b"", b"\x01", b"nonsense", b"\x01\x03\0\0\0\xff\xff\xff\xff"])
def test_a_damaged_stored_footprint_is_named(damage: bytes) -> None:
    with pytest.raises(FootprintError, match="the stored footprint is damaged"):
        footprints.load(damage)


def test_footprints_are_tried_against_an_area_from_many_threads() -> None:
    area = footprints.to_wkb(shapely.Point(0, 0).buffer(10, quad_segs=64))
    near = footprints.to_wkb(shapely.box(9, -1, 11, 1))
    far = footprints.to_wkb(shapely.box(9, 9, 11, 11))
    answers: list[tuple[bool, bool, bool]] = []

    def ask() -> None:
        for _ in range(200):
            found = (footprints.intersects(shape, area) for shape in (near, far, None))
            answers.append(tuple(found))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(True, False, False)] * 800


# What OData is asked


def test_literals_are_closed_counter_clockwise_and_short() -> None:
    clockwise = shapely.Polygon([(0, 0), (0, 1.5), (1 / 3, 1e-10)], [])
    assert footprints.odata_literals(clockwise) == ["POLYGON((0 0,0.333333333 0,0 1.5,0 0))"]
    assert footprints.odata_literals(shapely.Point(-0.0000000001, 1e-7)) == ["POINT(0 0.0000001)"]


def test_each_part_and_each_hole_has_its_literal() -> None:
    holed = shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2))
    literals = footprints.odata_literals(shapely.union_all([holed, shapely.box(20, 0, 21, 1)]))
    assert len(literals) == 2
    shape = max(map(shapely.from_wkt, literals), key=shapely.area)
    assert shape.equals(holed)
    assert shapely.is_ccw(shapely.get_rings(shape)).tolist() == [True, False]


def test_lines_have_no_literal() -> None:
    with pytest.raises(FootprintError, match="a LineString cannot be searched for"):
        footprints.odata_literals(shapely.LineString([(0, 0), (1, 1)]))


# Areas


@given(st.floats(-180, 150), st.floats(-80, 50), st.floats(1, 30), st.floats(1, 29))
def test_areas_agree_with_proj(west: float, south: float, width: float, height: float) -> None:
    corners = [(west, south), (west + width, south), (west + width / 3, south + height)]
    triangle = shapely.Polygon(corners)
    fine = shapely.segmentize(triangle, 0.01)  # short geodesics keep to the straight lon/lat edge
    square_metres, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(fine)
    assert footprints.area_km2(triangle) == pytest.approx(abs(square_metres) / 1e6, rel=5e-5)


def test_the_area_of_the_world_is_that_of_the_ellipsoid() -> None:
    assert footprints.area_km2(footprints.from_bbox(-180, -90, 180, 90)) == pytest.approx(
        510_065_621.724, rel=1e-9
    )


PAGE = [
    (f"geography'SRID=4326;{SQUARE}'", None),
    (SQUARE, None),
    ("geography'SRID=3857;POINT (1 2)'", None),
    ("geography'POLYGON ((170 0, -170 0, -170 10, 170 10, 170 0))'", None),
    ("geography'POLYGON ((0 0, 1 1, 1 0, 0 1, 0 0))'", None),
    ("geography'POLYGON ((0 0, 1 1))'", None),
    ("geography'POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))'", None),
    ("geography'POLYGON Z ((0 0 1, 1 0 1, 1 1 1, 0 0 1))'", None),
    ("geography'POINT (1e999 0)'", None),
    ("geography'POINT (0 95)'", None),
    ("geography'POLYGON EMPTY'", None),
    ("geography'LINESTRING (0 0, 5 5)'", None),
    ("", {"type": "Point", "coordinates": [3, 4]}),
    (None, {"type": "Point", "coordinates": [3, "x"]}),
    (None, None),
    (5, None),
    ([], {"type": "Point", "coordinates": [3, 4]}),
    ("x" * 5_000_000, None),
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PAGE), max_size=8))
def test_a_page_of_footprints_is_read_as_each_of_them_alone(said):
    def alone(text, geojson):
        try:
            return footprints.from_odata(text, geojson)
        except FootprintError as error:
            return str(error)

    found = footprints.from_odata_page(said)
    assert [str(f) if isinstance(f, FootprintError) else f for f in found] == [
        alone(*both) for both in said
    ]


def test_every_kind_of_footprint_has_its_place_in_a_page():
    found = footprints.from_odata_page(PAGE)
    kinds = [type(each).__name__ for each in found]
    assert kinds.count("FootprintError") == 9 and kinds.count("NoneType") == 1, kinds
