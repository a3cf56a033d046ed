"""What a downloaded file is called: pure rules from the product's name and from its first bytes.

Multi-file products arrive as a zip called after the product, single-file ones (S5P `.nc`, `.EOF`, `.tgz`, `.tar`) as that
file. The first bytes decide, for no table of product types is complete; the source's own words only choose between
spellings. Every name, of a file or of a layout's folder, is safe as one part of a path on any system, however hostile the
catalogue's text is.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from enum import StrEnum

from satcat.errors import FilterError
from satcat.products import SatelliteImage

#: The longest name that common file systems take, in bytes of UTF-8.
LONGEST = 255
#: How many first bytes `kind` needs: a tar archive says what it is at byte 257.
HEAD_BYTES = 512

_FOLDERS = (".safe", ".sen3")
#: Kinds of file, each with its suffixes; the first one is used where nobody says otherwise.
_SUFFIXES = {
    "zip": (".zip",),
    "hdf5": (".nc", ".nc4", ".h5", ".he5", ".hdf", ".hdf5"),
    "netcdf": (".nc", ".cdf"),
    "gzip": (".tgz", ".gz"),
    "tar": (".tar",),
    "tiff": (".tif", ".tiff"),
    "xml": (".EOF", ".xml", ".kml"),
}
#: Endings of those files of packages that start as messages of a server do.
_TEXTS = {
    "html": (".html", ".htm", ".xhtml"),
    "json": (".json", ".geojson"),
    "xml": (".xml", ".safe", ".html", ".xhtml", ".xsd", ".xsl", ".xslt", ".gml", ".kml", ".svg", ".eof", ".gfs", ".vrt", ".qml"),
}  # fmt: skip
_KNOWN = frozenset(suffix.lower() for suffixes in _SUFFIXES.values() for suffix in suffixes)
_FORBIDDEN = frozenset('<>:"/\\|?*')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)", re.IGNORECASE)


class Layout(StrEnum):
    """Which folders files are put into."""

    FLAT = "flat"
    NESTED = "collection/date/tile"

    @classmethod
    def _missing_(cls, value: object) -> Layout:
        raise FilterError(f"no layout is called {value!r}: it is {' or '.join(cls)}")


def folders(product: SatelliteImage, layout: Layout) -> tuple[str, ...]:
    """The folders, from the outermost on, that a product's file lies in; the date is that of its sensing, UTC.

    A product without a tile has no folder for it.
    """
    if layout is Layout.FLAT:
        return ()
    date = product.sensing_start.date().isoformat()
    names = (product.collection, date, *filter(None, [product.tile_id]))
    return tuple(_bounded(_safe(name), "") for name in names)


def kind(head: bytes) -> str | None:
    """Tell from a file's first bytes what it is: a key of the table of suffixes, `html`, `json`, or None."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if head.startswith((b"CDF\x01", b"CDF\x02", b"CDF\x05")):
        return "netcdf"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "tiff"
    if text.startswith((b"<!doctype html", b"<html")) or (
        text.startswith(b"<") and b"<html" in text
    ):
        return "html"
    if text.startswith(b"<"):
        return "xml"
    if text.startswith((b"{", b"[")):
        return "json"
    return None


def is_package(product: SatelliteImage) -> bool:
    """Tell whether a product is a folder of files by its name, and so arrives as a zip."""
    return product.name.lower().endswith(_FOLDERS)


def is_message(product: SatelliteImage, head: bytes) -> bool:
    """Tell whether a body is a web page or an error message instead of a product: what starts as HTML, JSON or XML.

    XML is what some products are; their names say so.
    """
    found = kind(head)
    own = _split(product.name)[1].lower()
    return found in ("html", "json") or (
        found == "xml" and own not in map(str.lower, _SUFFIXES["xml"])
    )


def is_message_for(name: str, head: bytes) -> bool:
    """Tell the same of one file of a package: those hold pages, schemas and texts, which their names say as well."""
    texts = _TEXTS.get(kind(head) or "")
    return texts is not None and not name.lower().endswith(texts)


def is_safe(steps: Iterable[str]) -> bool:
    """Tell whether names from outside may be folders and a file on any system, as they are."""
    return all(step == _safe(step) and len(step.encode()) <= LONGEST for step in steps)


def final_name(
    product: SatelliteImage,
    answer_filename: str | None = None,
    head: bytes = b"",
    *,
    mark: str = "",
) -> str:
    """Name the product's file: `<name without .SAFE or .SEN3><mark><suffix>`.

    Args:
        answer_filename: what the source calls the file; only its suffix is looked at.
        head: the file's first bytes; without them this is a guess, right for most products.
        mark: goes before the suffix and tells files of one name apart, see `marks`.
    """
    stem, own = _split(product.name)
    said = _split(answer_filename or "")[1]
    suffix = _suffix(own, said, head)
    return _bounded(_safe(stem), _safe_mark(mark) + suffix)


def folder_name(product: SatelliteImage, package: str, *, mark: str = "") -> str:
    """Name the folder for some files of a product: `<name without .SAFE or .SEN3><mark><.SAFE or .SEN3, if it has one>`.

    Args:
        package: what the source calls the package's own folder; its ending counts where the product's name has none.
    """
    stem, _ = _split(product.name)
    endings = [ending for name in (product.name, package) for ending in _FOLDERS if name.lower().endswith(ending)]  # fmt: skip
    return _bounded(_safe(stem), _safe_mark(mark) + (endings[0].upper() if endings else ""))


def part_name(product: SatelliteImage, claim: int, of: str = "") -> str:
    """Name the hidden file that collects the bytes while they arrive; no two products, and no two claims, share it.

    Args:
        of: the file's path in the package, if it is one of several.
    """
    stem, file = _safe(_split(product.name)[0]), f".{zlib.crc32(of.encode()):08x}" if of else ""
    return "." + _bounded(stem, f"_{_safe_mark(product.id[:8])}{file}.{claim}.part", LONGEST - 1)


def parts_name(product: SatelliteImage) -> str:
    """Name the hidden folder that collects some files of a product until all are there."""
    stem = _safe(_split(product.name)[0])
    return "." + _bounded(stem, f"_{_safe_mark(product.id)}.parts", LONGEST - 1)


def marks(product: SatelliteImage) -> tuple[str, ...]:
    """The marks to try in turn when another file has the name: none, the first 8 characters of the id, the id."""
    return "", f"_{product.id[:8]}", f"_{product.id}"


def _suffix(own: str, said: str, head: bytes) -> str:
    if not head:
        return own or ".zip"
    allowed = _SUFFIXES.get(kind(head) or "")
    if allowed is None:
        return own or said
    fitting = [suffix for suffix in (own, said) if suffix.lower() in map(str.lower, allowed)]
    return fitting[0] if fitting else allowed[0]


def _split(name: str) -> tuple[str, str]:
    """Cut off what marks a folder, and give a known suffix apart."""
    stem, dot, ending = name.rpartition(".")
    suffix = f"{dot}{ending}"
    if not stem or suffix.lower() not in {*_FOLDERS, *_KNOWN}:
        return name, ""
    if suffix.lower() in _FOLDERS:
        return stem, ""
    inner, _ = _split(stem) if suffix.lower() == ".zip" else (stem, "")
    return inner, suffix


def _safe(stem: str) -> str:
    cleaned = "".join("_" if c in _FORBIDDEN or not c.isprintable() else c for c in stem)
    cleaned = cleaned.lstrip(". ").rstrip(". ") or "product"
    return f"_{cleaned}" if _RESERVED.match(cleaned) else cleaned


def _safe_mark(mark: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", mark[:128])


def _bounded(stem: str, tail: str, longest: int = LONGEST) -> str:
    room = longest - len(tail.encode())
    return stem.encode()[: max(room, 1)].decode(errors="ignore").rstrip(". ") + tail
