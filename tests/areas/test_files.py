"""Areas in files: KML, KMZ, GeoPackage, shapefile; round trips, and whatever hostile people send."""

from __future__ import annotations

import builtins
import re
import sqlite3
import struct
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satcat import areas
from satcat.areas import files
from satcat.errors import FootprintError
from tests.areas import making
from tests.areas.test_texts import SHAPE, refusal, shape

HOLED = shapely.box(0, 0, 9, 9).difference(shapely.box(1, 1, 2, 2))
APART = shapely.union_all([HOLED, shapely.box(20, 0, 21, 1)])
SHAPES = [
    SHAPE, HOLED, APART, shapely.Point(1.5, -2.25), shapely.MultiPoint([(1, 2), (3, 4)]),
    shapely.LineString([(0, 0), (1, 1), (2, 0)]), shapely.MultiLineString([[(0, 0), (1, 1)], [(5, 5), (6, 6)]]),
]  # fmt: skip


def in_each_format(folder: Path, *shapes: Any) -> dict[str, Path]:
    """The same shapes in a file of each format."""
    text = making.kml(*shapes)
    folder.joinpath("a.kml").write_text(text)
    made = {"kml": folder / "a.kml"}
    made["prefixed kml"] = folder / "b.xml"
    made["prefixed kml"].write_text(making.kml(*shapes, prefix="kml", altitude=""))
    made["kmz"] = making.zipped(
        folder / "a.kmz", {"doc.kml": text, "files/other.kml": "<kml/>", "x.png": b"\x89PNG"}
    )
    blobs = [making.blob(each, envelope=number % 2) for number, each in enumerate(shapes)]
    made["gpkg"] = making.gpkg(folder / "a.gpkg", {"areas": [*blobs, None]})
    made["wal gpkg"] = making.gpkg(folder / "b.gpkg", {'an "odd" name; --': blobs}, wal=True)
    made["zipped gpkg"] = making.zipped(folder / "gpkg.zip", {"a.gpkg": made["gpkg"].read_bytes()})
    (folder / "shp").mkdir()
    made["shp"] = making.shp(folder / "shp" / "a.shp", *shapes)
    made["zipped shp"] = making.shp_zip(folder / "a.zip", folder / "shp", inside="sub folder/")
    return made


@pytest.mark.parametrize("given_shape", SHAPES, ids=lambda each: each.geom_type)
def test_each_format_gives_back_what_was_written(given_shape: Any, tmp_path: Path) -> None:
    for kind, path in in_each_format(tmp_path, given_shape).items():
        assert shape(path).equals(given_shape), kind
        renamed = path.with_name(f"{path.stem}.dat")
        if kind not in ("shp", "wal gpkg"):
            assert shape(path.rename(renamed)).equals(given_shape), kind


def test_several_shapes_are_their_union(tmp_path: Path) -> None:
    for kind, path in in_each_format(tmp_path, SHAPE, shapely.box(3, 2, 5, 4)).items():
        assert shape(path).equals(shapely.box(1, 2, 5, 4)), kind


@given(
    st.lists(
        st.tuples(
            st.integers(-170_000, 160_000), st.integers(-80_000, 80_000),
            st.integers(1, 9_000), st.integers(1, 9_000),
        ).map(lambda numbers: tuple(number / 1000 for number in numbers)),
        min_size=1,
        max_size=4,
    )
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_random_areas_survive_every_format(
    tmp_path_factory: pytest.TempPathFactory, corners: list[tuple[float, float, float, float]]
) -> None:
    triangles = [
        shapely.Polygon([(x, y), (x + w, y), (x + w / 3, y + h)]) for x, y, w, h in corners
    ]
    whole = shapely.union_all(triangles)
    for kind, path in in_each_format(tmp_path_factory.mktemp("each"), *triangles).items():
        found = areas.read(path).geometry
        assert found.is_valid
        assert shapely.hausdorff_distance(found, whole) < 1e-8, kind


# KML


def test_kml_may_have_rings_left_open_and_tracks(tmp_path: Path) -> None:
    text = making.kml(SHAPE).replace("1.0,2.0,0\n</coordinates>", "</coordinates>")
    assert areas.read(text) == (SHAPE, ("a ring was not closed: taken to end where it starts",))
    track = "<kml><Placemark><gx:Track xmlns:gx='g'><gx:coord>1 2 3</gx:coord><gx:coord>3 4 5</gx:coord></gx:Track></Placemark></kml>"
    assert shape(track).equals(shapely.LineString([(1, 2), (3, 4)]))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<kml><Placemark>", "is no XML: no element found"),
        ("<kml/>", "there is no geometry in it"),
        ("<html></html>", "XML that starts with 'html' is not read: give KML"),
        (
            "<kml><NetworkLink><href>http://x</href></NetworkLink></kml>",
            "only links to another one",
        ),
        ("<kml><Point><coordinates>1;2</coordinates></Point></kml>", "'1;2' is no place"),
        ("<kml><Point><coordinates>42,120</coordinates></Point></kml>", "swap them"),
        ("<kml><Point><coordinates>nan,1</coordinates></Point></kml>", "cannot be read"),
        (
            '<!DOCTYPE kml [<!ENTITY a "1,2">]><kml><Point><coordinates>&a;</coordinates></Point></kml>',
            "DOCTYPE",
        ),
        ('<!DOCTYPE kml SYSTEM "file:///etc/passwd"><kml/>', "DOCTYPE"),
        ("<kml>&undefined;</kml>", "is no XML: undefined entity"),
        ('<?xml version="1.0" encoding="nonsense"?><kml/>', "is no XML"),
        ("<kml>" + "<Folder>" * 100_000, "is no XML"),
        (
            "<kml>" + "<Folder>" * 100_000 + "</Folder>" * 100_000 + "</kml>",
            "there is no geometry in it",
        ),
    ],
    ids=lambda text: text[:40],
)
@pytest.mark.timeout(30)
def test_kml_that_cannot_be_meant_is_refused(text: str, complaint: str) -> None:
    assert complaint in refusal(text)
    assert complaint in refusal(text.encode())


def test_a_doctype_is_refused_in_every_encoding(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE kml [<!ENTITY a "1">]><kml>&a;</kml>'
    (tmp_path / "a.kml").write_text(text, encoding="utf-16")
    refusal(tmp_path / "a.kml")


# GeoPackage


def test_one_of_several_layers_is_named(tmp_path: Path) -> None:
    made = {"land": [making.blob(SHAPE)], "sea": [making.blob(shapely.box(5, 5, 6, 6))]}
    path = making.gpkg(tmp_path / "a.gpkg", made)
    assert f"{path} has several layers: write {path}:LAYER with one of land, sea" in refusal(path)
    assert shape(f"{path}:land").equals(SHAPE)
    assert shape(f"{path}#sea").equals(shapely.box(5, 5, 6, 6))
    assert f"{path} has no layer 'lake'; there are: land, sea" in refusal(f"{path}:lake")
    (tmp_path / "a.wkt").write_text("POINT (1 2)")
    assert "has no layers: leave 'land' out" in refusal(f"{tmp_path / 'a.wkt'}:land")


@pytest.mark.parametrize(
    ("srs", "organization", "said"),
    [
        (25830, "EPSG", "the coordinates are in EPSG:25830; give longitude and latitude on WGS 84: ogr2ogr"),
        (100000, "ESRI", "the coordinates are in ESRI:100000"),
        (-1, "NONE", "has no reference system"),
    ],
)  # fmt: skip
def test_another_reference_system_is_refused_with_how_to_convert(
    tmp_path: Path, srs: int, organization: str, said: str
) -> None:
    blobs = [making.blob(SHAPE, srs=srs)]
    path = making.gpkg(tmp_path / "a.gpkg", {"a": blobs}, srs=srs, organization=organization)
    assert said in refusal(path)


def test_a_geopackage_is_not_touched_and_what_is_not_saved_is_told(tmp_path: Path) -> None:
    path = making.gpkg(tmp_path / "a.gpkg", {"a": [making.blob(SHAPE)]}, wal=True)
    before = path.read_bytes()
    tmp_path.chmod(0o555)
    assert shape(path).equals(SHAPE)
    tmp_path.chmod(0o755)
    assert (path.read_bytes(), [p.name for p in tmp_path.iterdir()]) == (before, ["a.gpkg"])
    writer = sqlite3.connect(path)
    writer.execute("INSERT INTO a (geom) VALUES (NULL)")
    writer.commit()
    geometry, notes = areas.read(path)
    writer.close()
    assert geometry.equals(SHAPE)
    assert notes == (
        "a.gpkg is open in another program: what was not saved into it yet is not read",
    )


NESTED = b"\1\7\0\0\0\1\0\0\0"  # a collection of one


@pytest.mark.parametrize(
    ("held", "complaint"),
    [
        (b"", "has no GeoPackage header"),
        (b"GP\0\1\0\0\0\0", "ends too soon"),
        (b"GP\0\x0f\0\0\0\0" + bytes(64), "header of an unknown kind"),
        (b"GP\0\x21\0\0\0\0POINT", "header of an unknown kind"),
        (making.blob(SHAPE)[:-8], "ends too soon"),
        (making.blob(SHAPE)[:8] + b"\1\3\0\0\0\xff\xff\xff\xff", "ends too soon"),
        (making.blob(SHAPE)[:8] + b"\1\4\0\0\0\xff\xff\xff\xff", "ends too soon"),
        (making.blob(SHAPE)[:8] + b"\1\2\0\0\0\xff\xff\xff\xff", "ends too soon"),
        (making.blob(SHAPE)[:8] + NESTED * 1_000_000, "nested too deep"),
        (making.blob(SHAPE)[:8] + b"\1\x0a\0\0\0\1\0\0\0", "WKB kind 10 is not known here"),
        (making.blob(SHAPE)[:8] + b"\1\2\0\0\0\1\0\0\0" + bytes(16), "cannot be read"),
        (making.blob(shapely.Polygon()), "there is no geometry in it"),
        ("text", "has no GeoPackage header"),
    ],
    ids=lambda value: str(value[8:18]) if isinstance(value, bytes) else None,
)
@pytest.mark.timeout(30)
def test_geometries_that_are_none_are_refused(tmp_path: Path, held: Any, complaint: str) -> None:
    assert complaint in refusal(making.gpkg(tmp_path / "a.gpkg", {"a": [held]}))


@pytest.mark.parametrize(
    ("statements", "complaint"),
    [
        ("DROP TABLE gpkg_geometry_columns", "no GeoPackage that can be read: no such table"),
        ("DELETE FROM gpkg_geometry_columns", "has no layer with geometries"),
        ("DROP TABLE a", "no such table"),
        ("UPDATE gpkg_geometry_columns SET column_name = NULL", "no such column|no geometry|has no"),
        ("UPDATE gpkg_geometry_columns SET srs_id = 'x'", "the coordinates are in"),
        ("UPDATE gpkg_geometry_columns SET table_name = x'00ff'", "no GeoPackage that can be read"),
        (
            "DROP TABLE a; CREATE VIEW a AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i AS geom FROM n WHERE i < 0",
            "no GeoPackage that can be read: interrupted",
        ),
    ],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_hostile_geopackages_are_refused(tmp_path: Path, statements: str, complaint: str) -> None:
    path = making.gpkg(tmp_path / "a.gpkg", {"a": [making.blob(SHAPE)]})
    with sqlite3.connect(path) as db:
        db.executescript(statements)
    db.close()
    assert re.search(complaint, refusal(path))


# Shapefiles and zips


def test_a_shapefile_without_prj_is_taken_for_lon_lat_with_a_note(tmp_path: Path) -> None:
    path = making.shp(tmp_path / "a.shp", SHAPE, prj=None)
    geometry, notes = areas.read(path)
    assert geometry.equals(SHAPE)
    assert notes == (
        "the shapefile has no .prj: its coordinates are taken for longitude and latitude",
    )


def test_a_shapefile_in_another_system_is_refused(tmp_path: Path) -> None:
    path = making.shp(tmp_path / "a.shp", SHAPE, prj=making.UTM_PRJ)
    assert "the reference system WGS_1984_UTM_Zone_30N; give longitude and latitude" in refusal(
        path
    )
    assert "WGS_1984_UTM_Zone_30N" in refusal(making.shp_zip(tmp_path / "a.zip", tmp_path))
    assert "is a part of a shapefile: give the .shp beside it" in refusal(tmp_path / "a.dbf")


def test_a_shapefile_that_was_cut_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    path = making.shp(tmp_path / "a.shp", SHAPE, shapely.box(5, 5, 6, 6))
    whole = path.read_bytes()
    for left in (len(whole) - 8, len(whole) - 136, 50, 4):
        assert "is cut or damaged" in refusal(whole[:left])


def test_without_pyshp_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = making.shp(tmp_path / "a.shp", SHAPE)
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "shapefile":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'satcat-mirror[shapefile]'" in refusal(path)


def test_zips_are_bounded_and_must_tell_what_is_meant(tmp_path: Path) -> None:
    both = making.zipped(
        tmp_path / "b.zip", {"a.wkt": "POINT (1 2)", "d/b.wkt": "POINT (3 4)", "readme.txt": "x"}
    )
    assert f"holds several: write {both}:NAME with one of a.wkt, b.wkt" in refusal(both)
    assert shape(f"{both}:b").equals(shapely.Point(3, 4))
    assert shape(f"{both}:a.wkt").equals(shapely.Point(1, 2))
    assert "holds no 'c'" in refusal(f"{both}:c")
    none = making.zipped(tmp_path / "n.zip", {"readme.txt": "x"})
    assert "holds no .kml, .shp, .gpkg or .geojson" in refusal(none)
    assert "is too large: at most 100,000,000 bytes" in refusal(making.bomb(101, "doc.kml"))
    assert "is no zip that can be read" in refusal(b"PK\x03\x04 and so on")
    inner = making.zipped(tmp_path / "i.zip", {"../../a.wkt": "POINT (1 2)"})
    assert shape(inner).equals(shapely.Point(1, 2))  # nothing is written anywhere
    assert not list(tmp_path.parent.glob("a.wkt"))
    assert "holds another zip" in refusal(
        making.zipped(tmp_path / "z.zip", {"doc.kml": inner.read_bytes()})
    )


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 20)
    (tmp_path / "a.wkt").write_text("POINT (1 2)" + " " * 20)
    assert "is too large" in refusal(tmp_path / "a.wkt")
    assert "is too large" in refusal(b"POINT (1 2)" + b" " * 20)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A file of each format."""
    return list(in_each_format(tmp_path_factory.mktemp("samples"), HOLED).values())


@given(
    number=st.integers(0, 7),
    damage=st.lists(
        st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6
    ),
    cut=st.none() | st.floats(0, 1),
)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_files_give_an_area_or_one_line(
    samples: list[Path], number: int, damage: list[tuple[float, bytes]], cut: float | None
) -> None:
    data = bytearray(samples[number].read_bytes())
    for place, written in damage:
        at = int(place * (len(data) - 1))
        data[at : at + len(written)] = written
    if cut is not None:
        del data[int(cut * len(data)) :]
    try:
        area = areas.read(bytes(data)).geometry
    except FootprintError as error:
        assert "\n" not in str(error)  # noqa: PT017 - others raise nothing
        return
    assert area.is_valid and not area.is_empty


@given(st.binary(max_size=60), st.integers(0, 7))
def test_any_wkb_gives_a_geometry_or_one_line(data: bytes, kind: int) -> None:
    from satcat.areas import wkb

    for stated in (
        data,
        struct.pack("<BI", 1, kind) + data,
        struct.pack("<BII", 1, kind, 1) + data,
    ):
        try:
            wkb.read(stated)
        except FootprintError as error:
            assert "\n" not in str(error)  # noqa: PT017 - others raise nothing
