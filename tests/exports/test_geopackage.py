"""A GeoPackage is one by the letter of OGC 12-128, and other programs read from it what the catalogue holds."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import geopandas
import pytest
import shapely

from satcat import SearchFilters, times
from satcat.catalogue import Catalogue
from satcat.errors import FilterError
from satcat.products import RESULT_COLUMNS
from tests.exports.conftest import LINE, fields, geometry

ALL = SearchFilters()


@pytest.fixture
def file(catalogue: Catalogue, tmp_path: Path) -> Path:
    path = tmp_path / "out.gpkg"
    assert catalogue.export(path, ALL) == 7
    return path


def ask(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_it_says_what_it_is(file: Path) -> None:
    head = file.read_bytes()[:100]
    assert (head[:16], head[68:72]) == (b"SQLite format 3\0", b"GPKG")  # requirements 1 and 2
    assert struct.unpack(">I", head[60:64]) == (10400,)
    assert ask(file, "PRAGMA integrity_check") == [("ok",)]  # 6
    assert ask(file, "PRAGMA foreign_key_check") == []  # 7


def test_its_own_tables_hold_what_the_standard_wants(file: Path) -> None:
    systems = ask(
        file, "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys"
    )
    assert systems == [(-1, "NONE", -1), (0, "NONE", 0), (4326, "EPSG", 4326)]  # 11
    contents = "SELECT table_name, data_type, min_x, min_y, max_x, max_y, srs_id FROM gpkg_contents"
    assert ask(file, contents) == [("products", "features", -180, -17, 180, 90, 4326)]
    (changed,) = ask(file, "SELECT last_change FROM gpkg_contents")[0]
    assert times.parse(changed) <= times.now()  # 15
    assert ask(file, "SELECT * FROM gpkg_geometry_columns") == [
        ("products", "geom", "MULTIPOLYGON", 4326, 0, 0)
    ]  # 22-27, 146
    assert ask(file, "SELECT * FROM gpkg_extensions") == [
        (
            "products",
            "geom",
            "gpkg_rtree_index",
            "http://www.geopackage.org/spec140/#extension_rtree",
            "write-only",
        )
    ]  # 75, 78


def test_columns_have_types_of_the_standard(file: Path) -> None:
    columns = {row[1]: (row[2], row[5]) for row in ask(file, "PRAGMA table_info(products)")}
    assert list(columns) == ["fid", "geom", *RESULT_COLUMNS]
    assert columns["fid"] == ("INTEGER", 1)  # 29
    assert columns["geom"] == ("MULTIPOLYGON", 0)  # 31
    assert {of_type for of_type, _ in columns.values()} == {
        "INTEGER", "MULTIPOLYGON", "TEXT", "DOUBLE", "DATETIME", "BOOLEAN",
    }  # 5  # fmt: skip
    types = {row[0] for row in ask(file, "SELECT DISTINCT typeof(geom) FROM products")}
    assert types == {"blob", "null"}
    for (moment,) in ask(file, "SELECT sensing_start FROM products"):
        assert moment == f"{times.parse(moment):%Y-%m-%dT%H:%M:%S}.024Z"


def test_each_blob_has_the_header_of_the_standard(file: Path) -> None:
    blobs = [blob for (blob,) in ask(file, "SELECT geom FROM products WHERE geom NOTNULL")]
    assert len(blobs) == 6
    for blob in blobs:  # 19
        magic, version, flags, srs, *envelope = struct.unpack_from("<2sBBi4d", blob)
        shape = shapely.from_wkb(blob[40:])
        assert (magic, version, flags, srs) == (b"GP", 0, 3, 4326)
        west, south, east, north = shape.bounds
        assert envelope == [west, east, south, north]
        assert shape.geom_type == "MultiPolygon"


UPDATES = {
    "a new row": "INSERT INTO products (geom) SELECT geom FROM products WHERE fid = 1",
    "a new row without geometry": "INSERT INTO products (geom) VALUES (NULL)",
    "an upsert": "INSERT INTO products (fid, geom) SELECT fid, geom FROM products WHERE fid = 2"
    " ON CONFLICT (fid) DO UPDATE SET geom = (SELECT geom FROM products WHERE fid = 3)",
    "another geometry": "UPDATE products SET geom = (SELECT geom FROM products WHERE fid = 5) WHERE fid = 1",
    "a geometry at last": "UPDATE products SET geom = (SELECT geom FROM products WHERE fid = 5) WHERE geom IS NULL",
    "no geometry any more": "UPDATE products SET geom = NULL WHERE fid = 1",
    "another number": "UPDATE products SET fid = 100 WHERE fid = 1",
    "another number, no geometry": "UPDATE products SET fid = 100, geom = NULL WHERE fid = 1",
    "something else": "UPDATE products SET cloud_cover = 1",
    "no row": "DELETE FROM products WHERE fid > 3",
}


@pytest.mark.parametrize("statement", UPDATES.values(), ids=UPDATES)
def test_its_triggers_keep_the_index_right(file: Path, statement: str) -> None:
    def side(place: int) -> Callable[[bytes | None], float | None]:
        return lambda blob: None if blob is None else struct.unpack_from("<8x4d", blob)[place]

    with closing(sqlite3.connect(file)) as connection:
        for place, name in enumerate(("ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")):
            connection.create_function(name, 1, side(place), deterministic=True)
        connection.create_function("ST_IsEmpty", 1, lambda blob: None if blob is None else 0)
        connection.execute(statement)
        wanted = "SELECT fid, {} FROM products WHERE geom NOTNULL ORDER BY fid"
        boxes = wanted.format("ST_MinX(geom), ST_MaxX(geom), ST_MinY(geom), ST_MaxY(geom)")
        indexed = connection.execute("SELECT * FROM rtree_products_geom ORDER BY id").fetchall()
        assert indexed == connection.execute(boxes).fetchall()
        assert connection.execute("SELECT rtreecheck('rtree_products_geom')").fetchall() == [
            ("ok",)
        ]


def test_the_checker_of_gdal_finds_nothing(
    file: Path, catalogue: Catalogue, add_products: Callable[..., None]
) -> None:
    """Its package wants GDAL itself, which the checker does not: CI installs it alone."""
    checker = pytest.importorskip("osgeo_utils.samples.validate_gpkg")
    how: dict[str, Any] = {
        "abort_at_first_error": False,
        "extra_checks": True,
        "warning_as_error": True,
    }
    assert checker.check(str(file), **how) == []
    add_products(fields(7, LINE))
    catalogue.export(file, ALL, columns=["id", "eviction_date"])
    assert checker.check(str(file), **how) == []
    catalogue.export(file, SearchFilters(tile_id="33UUP"))
    assert checker.check(str(file), **how) == []
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TRIGGER rtree_products_geom_update6")
    assert checker.check(str(file), **how) != []


def test_geopandas_reads_from_it_what_the_catalogue_holds(file: Path, catalogue: Catalogue) -> None:
    held = catalogue.search(ALL)
    read = geopandas.read_file(file).set_index("id")
    assert list(read.index) == list(held)
    assert read.crs.to_epsg() == 4326
    for id, product in held.items():
        row = read.loc[id]
        assert row["name"] == product.name
        assert row["size_bytes"] == product.size_bytes
        assert json.loads(row["attributes"]) == product.attributes
        expected = geometry(product.footprint)
        assert (row.geometry is None) is (expected is None)
        parts = shapely.get_parts(expected) if expected else None
        assert parts is None or row.geometry == shapely.MultiPolygon(shapely.orient_polygons(parts))
    assert set(geopandas.read_file(file, bbox=(2.4, 41.4, 2.6, 41.6))["name"]) >= {"S2B_0.SAFE"}
    assert len(geopandas.read_file(file, bbox=(30, 30, 31, 31))) == 0


def test_a_layer_may_hold_footprints_alone(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "bare.gpkg"
    total = catalogue.export(path, SearchFilters(), columns=["footprint"])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM products").fetchone() == (total,)
        assert [row[1] for row in connection.execute("PRAGMA table_info(products)")] == [
            "fid",
            "geom",
        ]


def test_a_layer_with_lines_says_so(
    catalogue: Catalogue, add_products: Callable[..., None], tmp_path: Path
) -> None:
    add_products(fields(7, LINE))
    path = tmp_path / "lines.gpkg"
    catalogue.export(path, ALL)
    assert ask(path, "SELECT geometry_type_name FROM gpkg_geometry_columns") == [("GEOMETRY",)]
    assert ("geom", "GEOMETRY") in [row[1:3] for row in ask(path, "PRAGMA table_info(products)")]
    assert set(geopandas.read_file(path).geom_type.dropna()) == {"MultiPolygon", "LineString"}


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_file_that_is_open_elsewhere_is_left_alone(
    file: Path, catalogue: Catalogue, suffix: str
) -> None:
    """Its log would be taken for the new file's, and spoil it."""
    log = file.with_name(file.name + suffix)
    log.write_bytes(b"x")
    before = file.read_bytes()
    with pytest.raises(FilterError, match="open in another program"):
        catalogue.export(file, ALL)
    log.unlink()
    assert file.read_bytes() == before
