"""Walking through folders for what may be products: files, and SAFE or SEN3 folders. Knows no catalogue.

Memory stays flat however many files there are: only folders that wait their turn, and those that were seen, are held. Links
are followed, each folder once. Hidden files, as the worker's own part files are, and what is neither file nor folder are
passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from satcat import names
from satcat.api.filenames import HEAD_BYTES, kind
from satcat.downloads import manifest
from satcat.downloads.manifest import FolderTree, ManifestError
from satcat.select import stem

_FOLDERS = (".safe", ".sen3")
#: What lies in a folder of downloads, and not beside a product's own files.
_PACKAGES = (*_FOLDERS, ".zip", ".tar", ".tgz", ".gz", ".part")
_TELLING = (".zip", ".tar", "")
_REPORT = re.compile(r"(.+)\.SAFE-report-.*\.pdf", re.IGNORECASE)
_PRODUCT_URI = re.compile(rb"<PRODUCT_URI>\s*([\w.-]{8,200})\s*</PRODUCT_URI>")
_METADATA = re.compile(r"MTD_\w+\.xml", re.IGNORECASE)
_HEAD = 1 << 16  # bytes of a metadata file that are looked through for the product's name


@dataclass(frozen=True, slots=True)
class Found:
    """Something that may be a product.

    Attributes:
        is_folder: a product's folder; nothing inside was looked for.
        trouble: why it cannot be looked at; None if it can.
    """

    path: Path
    is_folder: bool = False
    trouble: str | None = None

    @property
    def name(self) -> str:
        """What it is called, without suffixes."""
        return stem(self.path.name)

    @property
    def looks_like_a_product(self) -> bool:
        """It is named as products are, or is a product's folder."""
        return self.is_folder or ("." not in self.name and is_product_name(self.name))


def is_product_name(name: str) -> bool:
    """Tell whether a name follows the grammar of some mission's products."""
    return names.parse(name).product_type is not None


def walk(roots: Iterable[Path]) -> Iterator[Found]:
    """Yield what lies under these folders (or is one of these files), in the order of the file system."""
    seen: set[tuple[int, int]] = set()
    waiting = [_absolute(root) for root in roots]
    waiting.reverse()
    while waiting:
        place = waiting.pop()
        if not os.path.isdir(place):  # noqa: PTH112 - hundreds of thousands of Paths would be slow
            yield Found(Path(place))
            continue
        try:
            about = os.stat(place)  # noqa: PTH116
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            if _is_product(place):
                yield _found(place, is_folder=True)
                continue
            yield from _files(place, waiting)
        except OSError as error:
            yield Found(Path(place), trouble=f"the folder cannot be read ({error.strerror})")


def inner_name(found: Found) -> str | None:
    """The product's name as it itself tells, whatever the file or folder is called; None if it does not."""
    with suppress(OSError, ManifestError):
        if found.is_folder:
            name = _folders_word(found.path)
        else:  # opening every other file would take long
            name = _archives_word(found.path) if found.path.suffix.lower() in _TELLING else None
        return stem(name) if name else None
    return None


def _absolute(root: Path) -> str:
    """The place without `..`, by the links it was named with if that is the same."""
    plain = os.path.abspath(root)  # noqa: PTH100
    same = os.path.exists(plain) and os.path.samefile(plain, root)  # noqa: PTH110, PTH121
    return plain if same else os.path.realpath(root)


def _files(folder: str, waiting: list[str]) -> Iterator[Found]:
    """The files of a folder; its folders are put in line."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                waiting.append(entry.path)
            elif entry.is_file():
                yield _found(entry.path)
            elif entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110
                yield Found(Path(entry.path), trouble="the link leads nowhere")


def _found(path: str, *, is_folder: bool = False) -> Found:
    try:
        path.encode()
    except UnicodeEncodeError:
        return Found(Path(path), is_folder, "its path is no UTF-8 text: rename it")
    return Found(Path(path), is_folder)


def _is_product(folder: str) -> bool:
    """A folder is a product by its suffix, by its manifest, or by its name if no package lies in it."""
    own = os.path.basename(folder)  # noqa: PTH119
    if own.lower().endswith(_FOLDERS):
        return True
    named = is_product_name(own)
    empty = True
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower() in manifest.NAMES:
                return True
            if named and (entry.name.lower().endswith(_PACKAGES) or stem(entry.name) == own):
                named = False
            empty = False
    return named and not empty


def _folders_word(folder: Path) -> str | None:
    """What a product's folder says: by its manifest (SEN3), its metadata (Sentinel-2) or its report (Sentinel-1)."""
    for inside in sorted(os.listdir(folder)):  # noqa: PTH208
        if match := _REPORT.fullmatch(inside):
            return match[1]
        path = folder / inside
        if _METADATA.fullmatch(inside) and path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if uri := _PRODUCT_URI.search(file.read(_HEAD)):
                    return uri[1].decode()
    return manifest.load(FolderTree(folder)).product_name


def _archives_word(path: Path) -> str | None:
    """The folder that the first file of a zip or tar lies in."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    name = b""
    if kind(head) == "zip":
        length = int.from_bytes(head[26:28], "little")
        name = head[30 : 30 + length]
    elif kind(head) == "tar":
        name = head[:100].rstrip(b"\0")
    top, slash, _ = name.decode(errors="replace").removeprefix("./").partition("/")
    return top if slash and top.isprintable() else None
