"""Files that hold an area: what kind each is, its content tells. Zips are read in memory and bounded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath

from shapely.geometry.base import BaseGeometry

from satcat.areas import geopackage, kml, shapefiles, texts
from satcat.areas.words import reason
from satcat.errors import FootprintError
from satcat.terminal import short

#: What a file, and what a member of a zip may hold: more is no outline any more.
MOST_BYTES = 100_000_000

_FORMS = "give WKT, GeoJSON, or a file: GeoJSON, WKT, KML, KMZ, GeoPackage, shapefile"
_SIDECARS = {".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix"}
_SQLITE, _ZIP = b"SQLite format 3\0", b"PK\x03\x04"
_READ_IN_ZIPS = {".kml", ".shp", ".gpkg", ".geojson", ".json", ".wkt"}


def read(name: str, notes: list[str]) -> list[BaseGeometry]:
    """The geometries of a file, or of the part of it that `FILE:PART` or `FILE#PART` names."""
    path, part = _located(name)
    data = _bytes(path)
    wal = Path(f"{path}-wal")
    if data.startswith(_SQLITE) and wal.is_file() and wal.stat().st_size:
        notes.append(
            f"{path.name} is open in another program: what was not saved into it yet is not read"
        )
    beside = None
    if data.startswith(shapefiles.MAGIC):
        prj = next((p for s in (".prj", ".PRJ") if (p := path.with_suffix(s)).is_file()), None)
        beside = _text(_bytes(prj), str(prj)) if prj else None
    return read_content(data, str(path), part, notes, prj=beside)


def read_content(
    data: bytes, name: str, part: str | None, notes: list[str], *, prj: str | None = None
) -> list[BaseGeometry]:
    """The geometries of a file's content."""
    if len(data) > MOST_BYTES:
        raise FootprintError(f"{short(name)} is too large: at most {MOST_BYTES:,} bytes")
    if data.startswith(_ZIP):
        return _zipped(data, name, part, notes)
    if data.startswith(_SQLITE):
        return geopackage.read(data, name, part, notes)
    if part is not None:
        raise FootprintError(f"{short(name)} has no layers: leave {part!r} out")
    if data.startswith(shapefiles.MAGIC):
        return texts.from_geojson(shapefiles.geometries(data, prj, notes), notes)
    if Path(name).suffix.lower() in _SIDECARS:
        raise FootprintError(f"{short(name)} is a part of a shapefile: give the .shp beside it")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return texts.from_geojson(kml.geometries(data.lstrip(b" \t\r\n")), notes)
    text = _text(data, name).strip()
    if not text:
        raise FootprintError(f"{short(name)} is empty")
    if not texts.is_one(text):  # what else is in the file is nobody's business
        raise FootprintError(f"{short(name)} is no kind of file known here: {_FORMS}")
    return texts.read(text, notes)


def _located(name: str) -> tuple[Path, str | None]:
    """The file, and the part of it that is meant."""
    try:
        for text in (name, name.removeprefix("@")):
            path = Path(text).expanduser()
            if path.exists():
                return path, None
            for separator in "#:":
                before, found, part = text.rpartition(separator)
                if found and part and Path(before).expanduser().is_file():
                    return Path(before).expanduser(), part
    except (OSError, ValueError, RuntimeError):  # too long for a name, a NUL, an unknown ~user
        pass
    raise FootprintError(f"{short(name)}: no such file, and no WKT or GeoJSON: {_FORMS}")


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise FootprintError(f"{short(str(path))} is no file: {_FORMS}")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FootprintError(f"{short(str(path))} cannot be read: {error.strerror}") from None
    if len(data) > MOST_BYTES:
        raise FootprintError(f"{short(str(path))} is too large: at most {MOST_BYTES:,} bytes")
    return data


def _text(data: bytes, name: str) -> str:
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # as Windows' shells write files
    try:
        return data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise FootprintError(
            f"{short(name)} is no text, and no kind of file known here: {_FORMS}"
        ) from None


# Zips


def _zipped(data: bytes, name: str, part: str | None, notes: list[str]) -> list[BaseGeometry]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            chosen = _chosen(archive.namelist(), name, part)
            content = _member(archive, chosen)
            stem = PurePosixPath(chosen).with_suffix("")
            beside = [n for n in archive.namelist() if n.lower() == f"{stem}.prj".lower()]
            prj = _text(_member(archive, beside[0]), beside[0]) if beside else None
    except FootprintError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile raises whatever its decompressors do
        raise FootprintError(f"{short(name)} is no zip that can be read: {reason(error)}") from None
    if content.startswith(_ZIP):
        raise FootprintError(f"{short(name)} holds another zip: unpack it")
    return read_content(content, chosen, None, notes, prj=prj)


def _chosen(held: list[str], name: str, part: str | None) -> str:
    """The one member that holds geometry: a KMZ's first KML, a zip's only shapefile."""
    found = [n for n in held if PurePosixPath(n).suffix.lower() in _READ_IN_ZIPS]
    found = [n for n in found if "__MACOSX" not in n]
    if part is not None:
        found = [n for n in found if part in (n, PurePosixPath(n).name, PurePosixPath(n).stem)]
    elif "doc.kml" in found:
        return "doc.kml"
    if not found:
        what = "no .kml, .shp, .gpkg or .geojson" if part is None else f"no {part!r}"
        raise FootprintError(f"{short(name)} holds {what}")
    if len(found) > 1:
        some = ", ".join(PurePosixPath(n).name for n in found[:10])
        raise FootprintError(f"{short(name)} holds several: write {name}:NAME with one of {some}")
    return found[0]


def _member(archive: zipfile.ZipFile, member: str) -> bytes:
    with archive.open(member) as opened:
        data = opened.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise FootprintError(f"{short(member)} is too large: at most {MOST_BYTES:,} bytes")
    return data
