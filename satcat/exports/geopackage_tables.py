"""The tables and triggers that GeoPackage 1.4 prescribes, for a layer `products` with a spatial index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

#: WGS 84, longitude before latitude as the standard has it.
SRID = 4326

_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
    'AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]'
)

#: An empty GeoPackage: "GPKG" in the file's header, version 1.4.
PREAMBLE = f"""
PRAGMA application_id = {int.from_bytes(b"GPKG", "big")};
PRAGMA user_version = 10400;
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT
);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
);
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL,
  z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents (table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id)
);
CREATE TABLE gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name)
);
INSERT INTO gpkg_spatial_ref_sys VALUES
  ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', 'undefined Cartesian coordinate reference system'),
  ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', 'undefined geographic coordinate reference system'),
  ('WGS 84 geodetic', {SRID}, 'EPSG', {SRID}, '{_WGS84}', 'longitude and latitude in degrees, WGS 84');
"""

_FID = "fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL"
_ANY, _AREAS = "GEOMETRY", "MULTIPOLYGON"
_BOX = "ST_MinX(NEW.geom), ST_MaxX(NEW.geom), ST_MinY(NEW.geom), ST_MaxY(NEW.geom)"
_NEW_IS, _NEW_IS_NOT = (
    "(NEW.geom NOTNULL AND NOT ST_IsEmpty(NEW.geom))",
    "(NEW.geom ISNULL OR ST_IsEmpty(NEW.geom))",
)
_OLD_IS, _OLD_IS_NOT = _NEW_IS.replace("NEW", "OLD"), _NEW_IS_NOT.replace("NEW", "OLD")
_FORGET = "DELETE FROM rtree_products_geom WHERE id = OLD.fid;"
_ENTER = f"INSERT OR REPLACE INTO rtree_products_geom VALUES (NEW.fid, {_BOX});"
#: The event, its condition and what is done then, by the names that the standard gives. Update 1 and 3 were withdrawn.
_TRIGGERS = {
    "insert": ("INSERT", _NEW_IS, _ENTER),
    "update2": ("UPDATE OF geom", f"OLD.fid = NEW.fid AND {_NEW_IS_NOT}", _FORGET),
    "update4": (
        "UPDATE",
        f"OLD.fid != NEW.fid AND {_NEW_IS_NOT}",
        "DELETE FROM rtree_products_geom WHERE id IN (OLD.fid, NEW.fid);",
    ),
    "update5": ("UPDATE", f"OLD.fid != NEW.fid AND {_NEW_IS}", f"{_FORGET} {_ENTER}"),
    "update6": (
        "UPDATE OF geom",
        f"OLD.fid = NEW.fid AND {_NEW_IS} AND {_OLD_IS}",
        f"UPDATE rtree_products_geom SET (minx, maxx, miny, maxy) = ({_BOX}) WHERE id = NEW.fid;",
    ),
    "update7": (
        "UPDATE OF geom",
        f"OLD.fid = NEW.fid AND {_NEW_IS} AND {_OLD_IS_NOT}",
        f"INSERT INTO rtree_products_geom VALUES (NEW.fid, {_BOX});",
    ),
    "delete": ("DELETE", "OLD.geom NOTNULL", _FORGET),
}


def layer(columns: Iterable[str]) -> str:
    """SQL that makes the layer, empty; its columns come as SQL declares them."""
    return f"""
CREATE TABLE products ({", ".join((_FID, f"geom {_ANY}", *columns))});
CREATE VIRTUAL TABLE rtree_products_geom USING rtree(id, minx, maxx, miny, maxy);
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)
  VALUES ('products', 'features', 'products', 'satellite products, exported by satcat', {SRID});
INSERT INTO gpkg_geometry_columns VALUES ('products', 'geom', '{_ANY}', {SRID}, 0, 0);
INSERT INTO gpkg_extensions VALUES (
  'products', 'geom', 'gpkg_rtree_index', 'http://www.geopackage.org/spec140/#extension_rtree', 'write-only'
);
"""


def finish(connection: sqlite3.Connection, *, areas_only: bool) -> None:
    """Note the layer's extent and kind of geometry, and keep its index right from now on.

    Args:
        areas_only: it holds nothing but MultiPolygons, so that programs need not look which kinds there are.
    """
    connection.execute(
        "UPDATE gpkg_contents SET (min_x, min_y, max_x, max_y) ="
        " (SELECT min(minx), min(miny), max(maxx), max(maxy) FROM rtree_products_geom)"
    )
    for name, (event, condition, action) in _TRIGGERS.items():
        connection.execute(
            f"CREATE TRIGGER rtree_products_geom_{name} AFTER {event} ON products WHEN {condition} BEGIN {action} END"
        )
    if areas_only:
        _declare_areas(connection)


def _declare_areas(connection: sqlite3.Connection) -> None:
    """Say so in the layer's definition, as SQLite's manual does it where what is stored stays the same."""
    connection.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = ?", (_AREAS,))
    (version,) = connection.execute("PRAGMA schema_version").fetchone()
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'products'",
        (f"geom {_ANY}", f"geom {_AREAS}"),
    )
    connection.execute(f"PRAGMA schema_version = {version + 1}")
    connection.execute("PRAGMA writable_schema = OFF")
