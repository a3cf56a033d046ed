"""Files of areas in each format, made by hand or by pyshp: none of it by the code under test."""

from __future__ import annotations

import io
import sqlite3
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import shapefile
import shapely

WGS84_PRJ = (
    'GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,298.257223563]],'
    'PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'
)
UTM_PRJ = f'PROJCS["WGS_1984_UTM_Zone_30N",{WGS84_PRJ},PROJECTION["Transverse_Mercator"]]'


def kml(*shapes: Any, prefix: str = "", altitude: str = ",0") -> str:
    """A KML document with a placemark for each shape, in folders, as Google Earth nests them."""
    p = f"{prefix}:" if prefix else ""
    space = f"xmlns{':' + prefix if prefix else ''}"
    marks = "".join(
        f"<{p}Folder><{p}Placemark><{p}name>a &lt; b</{p}name>{_kml(each, p, altitude)}</{p}Placemark></{p}Folder>"
        for each in shapes
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{p}kml {space}="http://www.opengis.net/kml/2.2">'
        f"<{p}Document>{marks}</{p}Document></{p}kml>"
    )


def _kml(shape: Any, p: str, altitude: str) -> str:
    def places(line: Any) -> str:
        told = " \n".join(
            f"{x!r},{y!r}{altitude}" for x, y in shapely.get_coordinates(line).tolist()
        )
        return f"<{p}coordinates>\n{told}\n</{p}coordinates>"

    def ring(line: Any, role: str) -> str:
        return f"<{p}{role}><{p}LinearRing>{places(line)}</{p}LinearRing></{p}{role}>"

    if shape.geom_type == "Polygon":
        holes = "".join(ring(hole, "innerBoundaryIs") for hole in shape.interiors)
        return f"<{p}Polygon>{ring(shape.exterior, 'outerBoundaryIs')}{holes}</{p}Polygon>"
    if shape.geom_type in ("Point", "LineString"):
        return f"<{p}{shape.geom_type}>{places(shape)}</{p}{shape.geom_type}>"
    inner = "".join(_kml(part, p, altitude) for part in shape.geoms)
    return f"<{p}MultiGeometry>{inner}</{p}MultiGeometry>"


def zipped(path: Path, members: Mapping[str, bytes | str]) -> Path:
    """A zip of these members."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def blob(shape: Any, *, envelope: int = 0, srs: int = 4326) -> bytes:
    """A geometry as GeoPackage stores it."""
    west, south, east, north = shape.bounds if not shape.is_empty else (0, 0, 0, 0)
    sides = {0: (), 1: (west, east, south, north)}[envelope]
    flags = 1 | envelope << 1 | (0x10 if shape.is_empty else 0)
    head = (
        b"GP" + bytes([0, flags]) + struct.pack("<i", srs) + struct.pack(f"<{len(sides)}d", *sides)
    )
    return head + bytes(shapely.to_wkb(shape, byte_order=1, flavor="iso"))


def gpkg(
    path: Path,
    layers: Mapping[str, Iterable[bytes | None]],
    *,
    srs: int = 4326,
    organization: str = "EPSG",
    wal: bool = False,
) -> Path:
    """A GeoPackage with these layers, whose tables hold these blobs."""
    db = sqlite3.connect(path)
    if wal:
        db.execute("PRAGMA journal_mode = WAL")
    db.executescript(
        """
        PRAGMA application_id = 0x47504B47;
        CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
            organization_coordsys_id INTEGER, definition TEXT, description TEXT);
        INSERT INTO gpkg_spatial_ref_sys VALUES ('none', -1, 'NONE', -1, 'undefined', NULL),
            ('none', 0, 'NONE', 0, 'undefined', NULL);
        CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, srs_id INTEGER);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT, srs_id INTEGER,
            z INTEGER, m INTEGER);
        """
    )
    if srs not in (0, -1):
        values = ("system", srs, organization, srs, "…", None)
        db.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", values)
    for name, blobs in layers.items():
        quoted = '"' + name.replace('"', '""') + '"'
        db.execute(f"CREATE TABLE {quoted} (fid INTEGER PRIMARY KEY, geom BLOB)")
        db.executemany(f"INSERT INTO {quoted} (geom) VALUES (?)", [(each,) for each in blobs])
        db.execute("INSERT INTO gpkg_contents VALUES (?, 'features', ?, ?)", (name, name, srs))
        db.execute(
            "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'GEOMETRY', ?, 0, 0)", (name, srs)
        )
    db.commit()
    db.close()
    return path


def shp(path: Path, *shapes: Any, prj: str | None = WGS84_PRJ) -> Path:
    """A shapefile, with its sidecars; one kind of shape."""
    flat = shapes[0].geom_type.removeprefix("Multi")
    kind = {
        "Point": shapefile.POINT,
        "LineString": shapefile.POLYLINE,
        "Polygon": shapefile.POLYGON,
    }[flat]
    kind = shapefile.MULTIPOINT if shapes[0].geom_type == "MultiPoint" else kind
    with shapefile.Writer(str(path.with_suffix("")), shapeType=kind) as writer:
        writer.field("name", "C")
        for number, shape in enumerate(shapes):
            writer.record(str(number))
            if flat == "Point" and kind == shapefile.POINT:
                writer.point(shape.x, shape.y)
            else:
                writer.shape(shapely.geometry.mapping(shape))
    if prj is not None:
        path.with_suffix(".prj").write_text(prj)
    return path


def shp_zip(path: Path, folder: Path, *, inside: str = "") -> Path:
    """A zip of a shapefile's parts."""
    parts = [p for p in folder.iterdir() if p.suffix in (".shp", ".shx", ".dbf", ".prj")]
    return zipped(path, {f"{inside}{p.name}": p.read_bytes() for p in parts})


def bomb(megabytes: int, name: str) -> bytes:
    """A small zip whose one member is large."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w") as member,
    ):
        for _ in range(megabytes):
            member.write(b" " * 1_000_000)
    return file.getvalue()
