"""Areas as text: WKT and GeoJSON, what is mended in them and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from satcat import areas, footprints
from satcat.errors import FootprintError
from satcat.filters import SearchFilters

SQUARE = "POLYGON ((1 2, 3 2, 3 4, 1 4, 1 2))"
RING = [[1, 2], [3, 2], [3, 4], [1, 4], [1, 2]]
SQUARE_JSON = {"type": "Polygon", "coordinates": [RING]}
SHAPE = shapely.from_wkt(SQUARE)


def feature(geometry: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": geometry}


def collection(*geometries: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [feature(each) for each in geometries]}


def shape(stated: object) -> Any:
    """The area; nothing in it needed mending."""
    geometry, notes = areas.read(stated)
    assert notes == ()
    return geometry


def refusal(stated: object) -> str:
    """Why an area is refused: one short line."""
    with pytest.raises(FootprintError) as caught:
        areas.read(stated)
    said = str(caught.value)
    assert len(said) < 350
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    "text",
    [
        SQUARE, SQUARE.lower(), f"SRID=4326;{SQUARE}", f"srid = 4326; {SQUARE}\n", f"{SQUARE};",
        "POLYGON Z ((1 2 9, 3 2 9, 3 4 9, 1 4 9, 1 2 9))", "POLYGONZ((1 2 9,3 2 9,3 4 9,1 4 9,1 2 9))",
        "POLYGON ZM ((1 2 9 8, 3 2 9 8, 3 4 9 8, 1 4 9 8, 1 2 9 8))",
        "POLYGON ((1 4, 3 4, 3 2, 1 2, 1 4))", "POLYGON ((1 2, 1 2, 3 2, 3 4, 3 4, 1 4, 1 2))",
        f"GEOMETRYCOLLECTION ({SQUARE}, GEOMETRYCOLLECTION (POINT (2 3), {SQUARE}))",
        "POLYGON ((1 2, 3 2, 3 3, 1 3, 1 2))\nPOLYGON ((1 3, 3 3, 3 4, 1 4, 1 3))",
        json.dumps(SQUARE_JSON), json.dumps(feature(SQUARE_JSON)), json.dumps([feature(SQUARE_JSON)]),
        json.dumps(collection(SQUARE_JSON, None, {"type": "GeometryCollection", "geometries": [SQUARE_JSON]})),
        json.dumps(SQUARE_JSON | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}}),
        json.dumps(SQUARE_JSON | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4326"}}}),
        json.dumps(SQUARE_JSON | {"crs": None}),
        json.dumps({"type": "Polygon", "coordinates": [[[*place, 7.5] for place in RING]]}),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_an_area_is_read_from_each_spelling_typed_or_in_a_file(text: str, tmp_path: Path) -> None:
    assert shape(text).equals(SHAPE)
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16")):
        path = tmp_path / f"area {number} (1).txt"
        path.write_text(f"{text}\n", encoding=encoding)
        assert shape(str(path)).equals(SHAPE)
        assert shape(path).equals(SHAPE)
        assert shape(path.read_bytes()).equals(SHAPE)


def test_python_gives_mappings_and_shapes() -> None:
    assert shape(SQUARE_JSON).equals(SHAPE)
    assert shape(shapely.geometry.mapping(SHAPE)).equals(SHAPE)
    assert shape(SHAPE).equals(SHAPE)


def test_a_collection_is_the_union_of_its_members() -> None:
    shifted = {"type": "Polygon", "coordinates": [[[2, 2], [5, 2], [5, 4], [2, 4], [2, 2]]]}
    assert shape(collection(SQUARE_JSON, shifted)).equals(shapely.box(1, 2, 5, 4))


def test_points_and_lines_are_areas_too() -> None:
    assert shape("MULTIPOINT (1 2, 3 4)").wkt == "MULTIPOINT ((1 2), (3 4))"
    assert shape("LINESTRING (0 0, 1 1)").wkt == "LINESTRING (0 0, 1 1)"
    across = shape("LINESTRING (179 0, 181 1)")
    assert footprints.boxes(across) == [(179, 0, 180, 1), (-180, 0, -179, 1)]


def test_an_area_may_cross_180_by_longitudes_beyond_it() -> None:
    area = shape("POLYGON ((179 -20, 181 -20, 181 -15, 179 -15, 179 -20))")
    assert footprints.boxes(area) == [(179, -20, 180, -15), (-180, -20, -179, -15)]


def test_an_area_over_the_whole_map_is_meant() -> None:
    assert shape("POLYGON ((-180 -90, 180 -90, 180 90, -180 90, -180 -90))").area == 360 * 180


def test_an_outline_round_a_pole_holds_that_pole() -> None:
    for lat in (60, -70):
        area = shape(f"POLYGON ((-180 {lat}, -60 {lat}, 60 {lat}, 180 {lat}, -180 {lat}))")
        assert area.area == pytest.approx(360 * (90 - abs(lat)))


# What is mended


@pytest.mark.parametrize(
    ("text", "same", "notes"),
    [
        ("POLYGON ((1 2, 3 2, 3 4, 1 4))", SQUARE, ["a ring was not closed: taken to end where it starts"]),
        (json.dumps({"type": "Polygon", "coordinates": [RING[:-1]]}), SQUARE,
         ["a ring was not closed: taken to end where it starts"]),
        (json.dumps(collection(SQUARE_JSON, {"type": "Polygon", "coordinates": []})), SQUARE,
         ["an empty part was left out"]),
        (f"GEOMETRYCOLLECTION ({SQUARE}, POLYGON EMPTY)", SQUARE, ["an empty part was left out"]),
        ("MULTIPOLYGON (((1 2, 3 2, 3 4, 1 4, 1 2)), EMPTY)", SQUARE, ["an empty part was left out"]),
        ("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))", "MULTIPOLYGON (((0 0, 1 1, 0 2, 0 0)), ((2 0, 2 2, 1 1, 2 0)))",
         ["mended what is not valid: self-intersection near 1 1; all that the rings go round is meant"]),
        ("MULTIPOLYGON (((0 0, 2 0, 2 2, 0 2, 0 0)), ((1 0, 3 0, 3 2, 1 2, 1 0)))", "POLYGON ((0 0, 3 0, 3 2, 0 2, 0 0))",
         ["mended what is not valid: self-intersection near 1 2; all that the rings go round is meant"]),
        (f"GEOMETRYCOLLECTION ({SQUARE}, POLYGON ((0 0, 1 1, 0 0, 0 0)))", SQUARE,
         ["mended what is not valid: too few points in geometry component near 0 0; "
          "all that the rings go round is meant", "1 of its polygons have no area: left out"]),
        ("POLYGON ((350 1, 352 1, 352 3, 350 1))", "POLYGON ((-10 1, -8 1, -8 3, -10 1))",
         ["longitudes are taken round the globe: 350 for -10"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)  # fmt: skip
def test_what_is_mended_is_told(text: str, same: str, notes: list[str]) -> None:
    geometry, told = areas.read(text)
    assert geometry.is_valid
    assert geometry.equals(shapely.from_wkt(same))
    assert list(told) == notes
    filters = SearchFilters(geometry=text)
    assert list(filters.notes) == notes
    assert SearchFilters(geometry=filters.geometry).notes == ()
    assert SearchFilters(geometry=filters.geometry) == filters


# What is refused


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no file: give WKT, GeoJSON, or a file"),
        ("no/such/file.geojson", "'no/such/file.geojson': no such file, and no WKT or GeoJSON"),
        ("a\0b", "no such file, and no WKT or GeoJSON"),
        ("x" * 5000, "no such file, and no WKT or GeoJSON"),
        ("-3, 40, -2, 41", "a box is given with --bbox W,S,E,N, a point with --point LON,LAT"),
        ("POLYGON ((0 0, 1 1", "is no WKT: its parentheses do not match"),
        ("POLYGON ((0 0, 1 1))", "there is no|a polygon without area"),
        ("POLYGON ((0 0))", "is no WKT"),
        ("POINT (1,2)", "is no WKT: Expected number"),
        ("POINT EMPTY", "there is no geometry in it"),
        (f"{SQUARE}; DROP", "it stops to be at 'DROP'"),
        ("CURVEPOLYGON (CIRCULARSTRING (0 0, 1 1, 2 0))", "curves are not known here"),
        ("SRID=3857;POINT (1 2)", "the coordinates are in SRID 3857; give longitude and latitude"),
        ("POINT (40 120)", "latitude 120 leaves ±90: this looks like lat,lon: swap them"),
        ("POINT (440000 4600000)", "the place 440000,4.6e.06 is not on the globe: longitude comes first, in degrees on WGS 84"),
        ("POLYGON ((1e300 0, -1e300 1, 0 1, 1e300 1, -1e300 0, 1e300 0))", "is not on the globe"),
        ("POINT (1e999 0)", "a coordinate is no finite number"),
        ("POINT (400 0)", "the place 400,0 is not on the globe"),
        ("POLYGON ((0 0, 1 1, 0 0, 0 0))", "is a polygon without area"),
        ("GEOMETRYCOLLECTION (POINT (9 9), POLYGON ((0 0, 1 0, 1 1, 0 0)))", "mixes polygons, lines or points"),
        ("{broken", "is no JSON: Expecting property name"),
        ("{}", "NoneType is no type of a GeoJSON point, line or polygon"),
        ('{"type": "FeatureCollection", "features": []}', "there is no geometry in it"),
        ('{"a":' * 100_000, "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("GEOMETRYCOLLECTION (" * 60_000, "is no WKT: its parentheses do not match"),
        ("POLYGON " + "(" * 100_000 + ")" * 100_000, "is no WKT"),
        (
            json.dumps(SQUARE_JSON | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25830"}}}),
            "the coordinates are in 'urn:ogc:def:crs:EPSG::25830'; give longitude and latitude on WGS 84: ogr2ogr",
        ),
        (
            "POLYGON ((-170 -60, 170 -60, 170 60, -170 60, -170 -60))",
            "the edge from longitude -170 to 170 may run either way round: write -190 to",
        ),
        (
            "POLYGON ((179 -20, -179 -20, -179 -15, 179 -15, 179 -20))",
            "the edge from longitude 179 to -179 may run either way round: write 181 to",
        ),
        ("POLYGON ((0 10, 120 -10, 240 10, 360 10, 0 10))", "no telling which pole is inside"),
        (
            "MULTIPOINT (" + ", ".join(["1 2"] * 1_000_001) + ")",
            "1,000,001 vertices are too many: simplify it to 1,000,000",
        ),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
@pytest.mark.timeout(30)
def test_an_area_that_cannot_be_meant_is_refused_with_what_is_wrong(
    text: str, complaint: str
) -> None:
    assert re.search(complaint, refusal(text))


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tif").write_bytes(b"II*\0\xff\xfe")
    (tmp_path / "empty.wkt").touch()
    (tmp_path / "gpx.xml").write_text("<gpx></gpx>")
    assert "is no text, and no kind of file known here" in refusal(tmp_path / "image.tif")
    assert "is empty" in refusal(tmp_path / "empty.wkt")
    (tmp_path / "netrc").write_text("machine x password hidden")
    assert "hidden" not in refusal(tmp_path / "netrc")
    assert "is no file" in refusal(tmp_path)
    assert "XML that starts with 'gpx' is not read: give KML" in refusal(tmp_path / "gpx.xml")
    assert "None" not in refusal(tmp_path / "none.wkt")


@given(
    st.text("POLYGNMUTIECRDSZ()-+.,eE 0123456789=;{}[]\":<>&!?'", max_size=60)
    | st.text(max_size=20)
)
def test_any_text_gives_an_area_or_one_line(text: str) -> None:
    for stated in (
        text,
        f"POLYGON (({text}))",
        f"GEOMETRYCOLLECTION ({text})",
        f"<kml>{text}</kml>",
    ):
        for given_as in (stated, stated.encode()):
            try:
                area = areas.read(given_as).geometry
            except FootprintError as error:
                assert "\n" not in str(error)  # noqa: PT017 - others raise nothing
                continue
            assert area.is_valid and not area.is_empty


scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
positions = st.lists(st.floats(-400, 400) | scalars, max_size=4)
rings = st.lists(st.lists(positions, max_size=6), max_size=3)


@given(
    st.sampled_from(["Point", "LineString", "Polygon", "MultiPolygon", "Feature", "FeatureCollection"]),
    scalars | positions | rings | st.lists(rings, max_size=2),
    st.sampled_from(["coordinates", "geometry", "features", "crs"]),
)  # fmt: skip
def test_any_geojson_gives_an_area_or_one_line(kind: str, value: Any, key: str) -> None:
    try:
        area = areas.read({"type": kind, key: value}).geometry
    except FootprintError as error:
        assert "\n" not in str(error)  # noqa: PT017 - others raise nothing
        return
    assert area.is_valid and not area.is_empty
