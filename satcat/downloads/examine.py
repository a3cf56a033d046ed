"""Whether a file or folder on disk is the product that it is called after, and how that is known. Offline; changes nothing.

A package is right if its size and its strongest published checksum are the catalogue's. A zip of another size may be
another package of the same product (older services made their own, and people pack again): then the manifest inside
decides. A folder is right by its manifest alone, for checksums are published of packages only.
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from satcat.api.filenames import HEAD_BYTES, is_message, kind
from satcat.api.hashing import hash_file, increments
from satcat.api.transfer import published
from satcat.api.zips import zip_is_whole
from satcat.downloads import manifest, patterns
from satcat.downloads.manifest import Checked, FolderTree, ManifestError, Tree, ZipTree
from satcat.errors import ChecksumMismatchError
from satcat.products import SatelliteImage

#: The kinds of `verification` that say more than a size.
THOROUGH = ("checksum", "manifest", "structure")
_NAMED = 3  # files that a verdict names
_NO_ZIP = (zipfile.BadZipFile, ValueError, NotImplementedError)


class State(StrEnum):
    """What something on disk turned out to be; `adopt --help` words each."""

    RIGHT = "right"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    PARTIAL = "partial"
    CORRUPT = "corrupt"
    UNVERIFIED = "unverified"
    AMBIGUOUS = "ambiguous"
    UNREADABLE = "unreadable"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found. `size_bytes`: of the file, or of a folder's listed files; `verification` as in `downloads`."""

    state: State
    detail: str = ""
    size_bytes: int | None = None
    verification: str = "none"
    checksum_algorithm: str | None = None
    checksum: str | None = None

    @property
    def is_thorough(self) -> bool:
        """More than the size was looked at."""
        return self.verification in THOROUGH


@dataclass(frozen=True, slots=True)
class Examiner:
    """How to look at things.

    Attributes:
        hashing: False: at sizes alone.
        on_bytes: is told how many more bytes have been hashed.
    """

    hashing: bool = True
    stop: threading.Event | None = None
    on_bytes: Callable[[int], object] = lambda number: None

    def folder(self, folder: Path, include: str | None = None) -> Verdict:
        """Look at a product's folder.

        Args:
            include: patterns of the only files that it is to hold, as in `downloads`.

        Raises:
            TransferStoppedError: `stop` was set.
        """
        try:
            return self._by_manifest(FolderTree(folder), patterns.parse(include))
        except ManifestError as error:
            return Verdict(State.UNVERIFIED, f"{error}: nothing tells whether it is whole")

    def file(self, path: Path, product: SatelliteImage) -> Verdict:
        """Look at a product's file.

        Raises:
            TransferStoppedError: `stop` was set.
        """
        try:
            size = path.stat().st_size
            if not path.is_file():  # to open a pipe might wait for ever
                return Verdict(State.UNREADABLE, "it is no regular file")
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
            return self._package(path, product, size, head)
        except OSError as error:
            return Verdict(State.UNREADABLE, f"it cannot be read ({error.strerror})")

    def _package(self, path: Path, product: SatelliteImage, size: int, head: bytes) -> Verdict:
        expected, algorithm, checksum = published(product)
        if size == 0:
            return Verdict(State.CORRUPT, "it is empty", 0)
        if is_message(product, head) and size != expected:
            return Verdict(State.CORRUPT, "it holds a message instead of the product", size)
        if expected is not None and size != expected:
            otherwise = State.PARTIAL if size < expected else State.CORRUPT
            why = f"{size} bytes instead of {expected}"
            return self._repacked(path, size, head, Verdict(otherwise, why, size))
        if algorithm is None or checksum is None:
            return self._without_checksum(path, product, size, head)
        if not self.hashing:
            return Verdict(State.RIGHT, "", size, "size_only" if expected else "none")
        actual = hash_file(path, algorithm, self.stop, increments(self.on_bytes))
        if actual == checksum:
            return Verdict(State.RIGHT, "", size, "checksum", algorithm, actual)
        wrong = Verdict(State.CORRUPT, f"{algorithm} is {actual}, not {checksum}", size)
        return wrong if expected is not None else self._repacked(path, size, head, wrong)

    def _repacked(self, path: Path, size: int, head: bytes, otherwise: Verdict) -> Verdict:
        """What is not the published package may still hold the whole product."""
        if kind(head) != "zip":
            return otherwise
        try:
            with zipfile.ZipFile(path) as archive:
                inside = self._by_manifest(ZipTree(archive, size))
        except ManifestError as error:
            return Verdict(State.UNVERIFIED, f"{otherwise.detail}, and {error}", size)
        except _NO_ZIP:
            return otherwise
        if inside.state is not State.RIGHT:
            return Verdict(inside.state, inside.detail, size)
        why = "packed otherwise than at the source; all its files are right"
        return Verdict(State.RIGHT, why, size, inside.verification)

    def _without_checksum(
        self, path: Path, product: SatelliteImage, size: int, head: bytes
    ) -> Verdict:
        """Nothing is published but perhaps the size: a zip shows by itself whether it is whole."""
        known = "none" if product.size_bytes is None else "size_only"
        if kind(head) != "zip":
            return Verdict(State.RIGHT, "no checksum is published", size, known)
        try:
            with zipfile.ZipFile(path) as archive:
                inside = self._by_manifest(ZipTree(archive, size))
            return Verdict(inside.state, inside.detail, size, inside.verification)
        except _NO_ZIP as error:
            return Verdict(State.PARTIAL, f"its end is missing ({error})", size)
        except ManifestError:
            pass
        try:
            if self.hashing and zip_is_whole(path, product.name, self.stop):
                known = "structure"
        except ChecksumMismatchError as error:
            return Verdict(State.CORRUPT, f"its structure is {error.actual}", size)
        return Verdict(State.RIGHT, "no checksum is published", size, known)

    def _by_manifest(self, tree: Tree, include: tuple[str, ...] = ()) -> Verdict:
        checked = manifest.check(
            tree, only=lambda path: not include or patterns.matches(include, path),
            hashing=self.hashing, stop=self.stop, on_bytes=self.on_bytes,
        )  # fmt: skip
        if checked.files == 0:
            raise ManifestError("its manifest lists none of these files")
        if checked.right:
            by_size = f"{checked.unhashed} of {checked.files} files by their size alone"
            if (
                checked.unhashed == checked.files
            ):  # the manifest has no checksums, or none were asked for
                return Verdict(State.RIGHT, "", checked.bytes, "size_only")
            return Verdict(
                State.RIGHT, by_size if checked.unhashed else "", checked.bytes, "manifest"
            )
        state = State.CORRUPT if checked.wrong else State.PARTIAL
        return Verdict(state, trouble(checked), checked.bytes)


def trouble(checked: Checked) -> str:
    """What a look by the manifest found wrong; the first few files by name."""
    parts = []
    if checked.wrong:
        parts.append(
            f"{len(checked.wrong)} of {checked.files} files altered: {_some(checked.wrong)}"
        )
    if checked.missing:
        parts.append(f"{len(checked.missing)} of {checked.files} files missing: {_some(checked.missing)}")  # fmt: skip
    return "; ".join(parts)


def _some(items: list[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(items[:_NAMED]) + more
