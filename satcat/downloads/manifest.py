"""The manifest of a SAFE or SEN3 product: which files it lists, and whether they are there and right.

A manifest comes from outside, as does all that lies beside it. It is read without document types and entities and up to a
bound; a path in it cannot leave the product, by itself or through a symbolic link; of a zip nothing is unpacked that is
not listed with just that size.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol
from xml.parsers import expat

from satcat.api import zips
from satcat.api.hashing import CHUNK, new_digest, stop_if
from satcat.errors import SatcatError

#: What manifests are called, in lower case: of SAFE, and of SEN3.
NAMES = ("manifest.safe", "xfdumanifest.xml")
#: Bytes; real ones have some 100 kB.
LARGEST = 32 << 20

_PIECE = 1 << 16
_UNREADABLE = (*zips.DAMAGED, *zips.UNREADABLE)
_DRIVE = re.compile(r"[A-Za-z]:")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class ManifestError(SatcatError):
    """There is no manifest that could be used; says why."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A file that a manifest lists.

    Attributes:
        path: from the product's folder, its parts joined by `/`; cannot lead out of it.
        size: bytes; None if the manifest does not say.
        algorithm: as `hashlib` calls it; None, as `checksum`, if there is none that can be computed.
    """

    path: str
    size: int | None = None
    algorithm: str | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says. `product_name`: only SEN3 ones tell."""

    files: tuple[Listed, ...]
    product_name: str | None = None


class Tree(Protocol):
    """A product's files, wherever they are: a folder, or a zip."""

    def manifest(self) -> str | None:
        """The path of the manifest; None if there is none."""

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None if it is not there (or leads elsewhere)."""

    def open(self, path: str) -> IO[bytes]:
        """A file's bytes."""


@dataclass(slots=True)
class Checked:
    """What was found of the listed files.

    Attributes:
        files: how many were looked for; `bytes`: the size of those that are there.
        missing: paths of those that are not there.
        wrong: path and reason of those that are not as listed.
        unhashed: how many are right in size alone, as far as looked.
    """

    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unhashed: int = 0

    @property
    def right(self) -> bool:
        """All are there and as listed."""
        return not self.missing and not self.wrong


def check(
    tree: Tree,
    *,
    only: Callable[[str], bool] = lambda path: True,
    hashing: bool = True,
    stop: threading.Event | None = None,
    on_bytes: Callable[[int], object] = lambda number: None,
) -> Checked:
    """Look at each file that the manifest of a product lists: is it there, of that size, with that checksum?

    Args:
        only: which of the listed paths to look at.
        hashing: False: sizes alone.
        on_bytes: is told how many more bytes have been hashed.

    Raises:
        ManifestError: there is no usable manifest, or it lists no file.
        TransferStoppedError: `stop` was set.
    """
    listed = load(tree).files
    if not listed:
        raise ManifestError("its manifest lists no file")
    found = Checked()
    for file in listed:
        stop_if(stop)
        if not only(file.path):
            continue
        found.files += 1
        try:
            size = tree.size(file.path)
        except OSError as error:
            found.wrong.append(f"{file.path} cannot be read ({_reason(error)})")
            continue
        if size is None:
            found.missing.append(file.path)
            continue
        found.bytes += size
        if file.size not in (None, size):
            found.wrong.append(f"{file.path} has {size} bytes, not {file.size}")
        elif not hashing or file.algorithm is None or file.checksum is None:
            found.unhashed += 1
        elif (why := _hash(tree, file, stop, on_bytes)) is not None:
            found.wrong.append(f"{file.path}: {why}")
    return found


def load(tree: Tree) -> Manifest:
    """Read a product's manifest.

    Raises:
        ManifestError: there is none, or it cannot be used.
    """
    try:
        path = tree.manifest()
        if path is None:
            raise ManifestError("it has no manifest")
        with tree.open(path) as file:
            return parse(file)
    except _UNREADABLE as error:
        raise ManifestError(f"its manifest cannot be read ({_reason(error)})") from None


def parse(file: IO[bytes]) -> Manifest:
    """Read a manifest's XML.

    Raises:
        ManifestError: it is no XML, has a document type, is larger than `LARGEST`, or names a path outside the product.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse  # and with it all entities
    left = LARGEST
    try:
        while chunk := file.read(_PIECE):
            left -= len(chunk)
            if left < 0:
                raise ManifestError(f"its manifest is larger than {LARGEST >> 20} MiB")
            parser.Parse(chunk)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding that nobody reads
        raise ManifestError(f"its manifest is no XML ({error})") from None
    return Manifest(tuple(reader.files), reader.product_name)


def safe_path(href: str) -> str:
    """A path of a manifest, relative to its folder, its parts joined by `/`.

    Raises:
        ManifestError: it leads, or might lead on some system, out of the folder.
    """
    parts = [part for part in href.split("/") if part not in ("", ".")]
    if (
        not parts
        or ".." in parts
        or href.startswith("/")
        or "\\" in href
        or not href.isprintable()
        or _DRIVE.match(href)
        or _SCHEME.match(href)
    ):
        raise ManifestError(f"its manifest names a path that is none: {href[:100]!r}")
    return "/".join(parts)


class _Reader:
    """Collects what a manifest lists, element by element."""

    def __init__(self) -> None:
        self.files: list[Listed] = []
        self.product_name: str | None = None
        self._size: int | None = None
        self._href: str | None = None
        self._algorithm: str | None = None
        self._checksum: str | None = None
        self._collected: list[str] | None = None  # the text of an element that counts

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(" ")[2]:
            case "byteStream":
                size = attributes.get("size", "").strip()
                self._size = int(size) if re.fullmatch(r"[0-9]{1,18}", size) else None
                self._href = self._algorithm = self._checksum = None
            case "fileLocation":
                self._href = self._href or attributes.get("href")
            case "checksum":
                self._algorithm = _algorithm(attributes.get("checksumName", ""))
                self._collected = []
            case "productName":
                self._collected = []

    def text(self, data: str) -> None:
        if self._collected is not None:
            self._collected.append(data)

    def end(self, name: str) -> None:
        match name.rpartition(" ")[2]:
            case "checksum":
                self._checksum = self._text().lower()
            case "productName":
                self.product_name = self._text()[:255] or None
            case "byteStream" if self._href is not None:
                known = self._algorithm is not None and bool(self._checksum)
                digest = (self._algorithm, self._checksum) if known else (None, None)
                self.files.append(Listed(safe_path(self._href), self._size, *digest))
                self._href = None

    def _text(self) -> str:
        text, self._collected = "".join(self._collected or []).strip(), None
        return text

    def refuse(self, *_: object) -> None:
        raise ManifestError("its manifest has a document type, which no product's has")


class FolderTree:
    """The files of a product's folder. Symbolic links count only where they stay inside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = os.path.realpath(folder)

    def manifest(self) -> str | None:
        """The name of the manifest in the folder."""
        with os.scandir(self.folder) as entries:
            return min(
                (entry.name for entry in entries if entry.name.lower() in NAMES), default=None
            )

    def size(self, path: str) -> int | None:
        """The size of a regular file inside."""
        try:
            found = Path(self._real(path)).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file inside: anything else might wait for ever."""
        if self.size(path) is None:
            raise FileNotFoundError(f"{path} is no file")
        return Path(self._real(path)).open("rb", buffering=0)

    def _real(self, path: str) -> str:
        real = os.path.realpath(f"{self._root}/{path}")
        if os.path.commonpath((real, self._root)) != self._root:
            raise FileNotFoundError(f"{path} leads out of the product")
        return real


class ZipTree:
    """The files of a product in an open zip, below its one top folder."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        """Look through the zip's directory.

        Args:
            size: of the zip, in bytes.

        Raises:
            ManifestError: it would unpack to so much that it is no product's.
        """
        self._archive = archive
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > zips.LARGEST_RATIO * size:
            raise ManifestError("it would unpack to hundreds of times its size")
        self._top = ""
        self._manifest: str | None = None
        for entry in entries:
            folder, _, name = entry.filename.rpartition("/")
            if name.lower() in NAMES and "/" not in folder:
                self._top, self._manifest = (f"{folder}/" if folder else ""), name
                break
        self._entries = {entry.filename: entry for entry in entries if not entry.is_dir()}

    def manifest(self) -> str | None:
        """The name of the manifest."""
        return self._manifest

    def size(self, path: str) -> int | None:
        """The size of a file in the zip, unpacked."""
        entry = self._entries.get(self._top + path)
        return None if entry is None else entry.file_size

    def open(self, path: str) -> IO[bytes]:
        """Unpack a file as it is read; it gives at most the bytes of its size, and checks their CRC."""
        return self._archive.open(self._entries[self._top + path])


def _hash(
    tree: Tree,
    file: Listed,
    stop: threading.Event | None,
    on_bytes: Callable[[int], object],
) -> str | None:
    """What is wrong with a file's bytes; None if nothing is."""
    assert file.algorithm is not None
    digest = new_digest(file.algorithm)
    try:
        with tree.open(file.path) as stream:
            while chunk := stream.read(CHUNK):
                stop_if(stop)
                digest.update(chunk)
                on_bytes(len(chunk))
    except _UNREADABLE as error:
        return f"it cannot be read ({_reason(error)})"
    actual = digest.hexdigest()
    return None if actual == file.checksum else f"{file.algorithm} is {actual}, not {file.checksum}"


def _algorithm(name: str) -> str | None:
    """A checksum's name as hashlib spells it: `SHA3-256` is sha3_256."""
    plain = name.strip().lower().replace("-", "_")
    for spelling in (plain, plain.replace("sha_", "sha")):
        if spelling in hashlib.algorithms_guaranteed and not spelling.startswith("shake"):
            return spelling
    return None


def _reason(error: Any) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
