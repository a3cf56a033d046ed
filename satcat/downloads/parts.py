"""Some files of a product: from a row with patterns to a folder that holds just those, each verified.

The files gather in a hidden folder that belongs to the product, and stay there whoever is killed; when all are there and on
the disk, it gets its name. So a folder under its name holds all that its row asked for. A row that asks for more later has
it added to its folder. The package's manifest comes along, for it holds the files' checksums; without one, the sizes in the
source's listing are what a file is checked against. That a folder is not the whole product is said by its row (`include`).
"""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from satcat.api import transfer
from satcat.api.base import Node
from satcat.api.filenames import folder_name, is_safe, marks, parts_name
from satcat.api.hashing import hash_file, stop_if
from satcat.api.partfile import PartFile, disk_error, sync_folder
from satcat.api.patience import patiently
from satcat.downloads import manifest, patterns, queue
from satcat.downloads.job import Fetcher, Job
from satcat.downloads.queue import Held
from satcat.errors import (
    ChecksumMismatchError,
    FilterError,
    NameTakenError,
    PackageError,
    TransferError,
)
from satcat.products import SatelliteImage

_MOST_ENTRIES = 20_000  # of a package; the largest real ones have some hundreds
_DEEPEST = 16  # folders in folders; real ones have six


def fetch(
    fetcher: Fetcher, job: Job, product: SatelliteImage, on_progress: transfer.OnProgress
) -> Held:
    """Bring the wanted files of a product here; those that are here already and right are kept.

    Raises:
        FilterError: no file of the package matches.
        PackageError: its files cannot be kept under the names that the source gives them.
        LostClaimError, TransferError, SourceError, CredentialsError
    """
    product = fetcher.ready(product)
    work = _Work(fetcher, job, product, on_progress)
    package = work.listing()
    if package.is_single:  # the product is that file, and its checksum is published
        return fetcher.fetch(job, product, on_progress)
    try:
        return work.through(package)
    except ChecksumMismatchError:  # it may have been replaced since it was listed
        fresh = work.listing()
        if fresh == package:
            raise
        return work.through(fresh)


@dataclass(frozen=True, slots=True)
class _Package:
    """What was found of a package: its own folder's name, the wanted files, its manifest, and how many were seen."""

    folder: str
    wanted: tuple[Node, ...]
    manifest: Node | None
    seen: int
    is_single: bool = False


@dataclass(slots=True)
class _Work:
    """One claimed row's way from a listing to its folder."""

    fetcher: Fetcher
    job: Job
    product: SatelliteImage
    on_progress: transfer.OnProgress
    done: int = 0  # bytes of the files that are there

    def listing(self) -> _Package:
        """Find the wanted files.

        Raises:
            FilterError, PackageError: there are none, or none that can be kept.
        """
        wanted = patterns.parse(self.job.claimed.include)
        with self.fetcher.listed(self.product):
            package = self._walk(wanted)
        if not package.wanted:
            raise FilterError(
                f"{self.product.name}: no file matches {' or '.join(wanted)}; its package was looked through: "
                f"{package.seen} files where one could be"
            )
        _check_names(self.product.name, package.wanted)
        return package

    def _walk(self, wanted: Sequence[str]) -> _Package:
        top = self._entries(None)
        if len(top) != 1:
            raise PackageError(
                f"{self.product.name}: its package lists {len(top)} folders on top, not one"
            )
        single = not top[0].is_folder
        files, left, seen = [], list(top), 0
        while left:
            node = left.pop()
            seen += 1
            if seen > _MOST_ENTRIES or len(node.steps) > _DEEPEST:
                raise PackageError(
                    f"{self.product.name}: its package has over {_MOST_ENTRIES:,} entries, or {_DEEPEST} folders in each other"
                )
            if not node.is_folder:
                files.append(node)
            elif len(node.steps) == 1 or patterns.may_match_below(wanted, node.path):
                left += self._entries(node)
        found = sorted((f for f in files if patterns.matches(wanted, f.path)), key=lambda f: f.path)
        listed = [f for f in files if f.path.lower() in manifest.NAMES and not single]
        own = listed[0] if listed else None
        return _Package(top[0].steps[0], tuple(found), own, len(files), single)

    def _entries(self, folder: Node | None) -> list[Node]:
        if folder is not None and not is_safe(folder.steps):
            raise _unsafe(self.product.name, folder)
        return patiently(
            lambda: self.fetcher.api.nodes(self.product, folder),
            self.fetcher.patience, self.job.stop,
        )  # fmt: skip

    def through(self, package: _Package) -> Held:
        """Bring the files into their folder, and give it its name."""
        root = self._root()
        self.done = 0
        files = list(package.wanted)
        if package.manifest is not None:
            self._bring(root, package.manifest)
            files = _with_checksums(root, [f for f in files if f != package.manifest])
        for node in files:
            self._bring(root, node)
        if package.manifest is not None:
            files.append(package.manifest)
        _make_durable(root, files)
        sizes = [size for node in files if (size := _size(root, node)) is not None]
        if len(sizes) < len(files):
            raise TransferError(f"{root}: files vanished from it: try again")
        return self._place(root, package, sum(sizes), _verification(files, package.manifest))

    def _root(self) -> Path:
        """The row's folder if it has one, else the hidden one."""
        own = Path(self.job.claimed.path or "")
        if self.job.claimed.path and own.is_dir():
            return own
        return self.fetcher.make_folder(self.product) / parts_name(self.product)

    def _bring(self, root: Path, node: Node) -> None:
        """Bring one file under its name, unless it is there and right."""
        stop_if(self.job.stop)
        target = root.joinpath(*node.steps[1:])
        parts = self.fetcher.part_files(root.parent, self.job, self.product, node.path)
        if _is_right(target, node, self.job):
            PartFile.clear(parts)
        else:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise disk_error(target.parent, error) from error
            with PartFile.resuming(parts[0], parts[1:]) as part:
                self.fetcher.bring(
                    self.job, self.product, part, self.on_progress, node=node, before=self.done
                )
                with self.fetcher.naming(self.job):
                    part.place(target, replace=True)
        self.done += target.stat().st_size
        self.job.bytes_done = self.done
        self.on_progress(self.done, None)

    def _place(self, root: Path, package: _Package, size_bytes: int, verification: str) -> Held:
        """Give the folder the first name that is free; one that has its name keeps it."""
        own = self.job.claimed.path
        if str(root) == own:
            hidden = self.fetcher.possible_folders(self.product)[0] / parts_name(self.product)
            shutil.rmtree(hidden, ignore_errors=True)
            return Held(own, size_bytes, None, None, verification)
        for mark in marks(self.product):
            target = root.parent / folder_name(self.product, package.folder, mark=mark)
            if os.path.lexists(target):
                if str(target) == own:  # a worker that was thought dead has placed it just now
                    raise TransferError(f"{own} appeared meanwhile: try again")
                continue
            held = Held(str(target), size_bytes, None, None, verification)
            try:
                with self.fetcher.database.write(durable=True) as connection:
                    queue.announce(connection, self.job.claimed, held)
                with self.fetcher.naming(self.job):
                    root.rename(target)
                sync_folder(target.parent)
            except NameTakenError:
                continue
            except OSError as error:
                raise disk_error(target, error) from error
            self.job.placed = held.path
            return held
        raise NameTakenError(str(root.parent / folder_name(self.product, package.folder)))


def _check_names(name: str, nodes: Iterable[Node]) -> None:
    """Make sure that every file can have its name on any system, beside all others.

    Raises:
        PackageError: one leads elsewhere, is reserved, or differs from another only by case.
    """
    spellings: dict[tuple[str, ...], tuple[str, ...]] = {}
    files = set()
    for node in nodes:
        if not is_safe(node.steps[1:]):
            raise _unsafe(name, node)
        for depth in range(1, len(node.steps)):
            steps = node.steps[1 : depth + 1]
            alike = tuple(unicodedata.normalize("NFC", step).casefold() for step in steps)
            if spellings.setdefault(alike, steps) != steps or alike in files:
                raise PackageError(
                    f"{name}: two of its files cannot be kept beside each other: {'/'.join(steps)[:200]!r}"
                )
        files.add(alike)


def _unsafe(name: str, node: Node) -> PackageError:
    return PackageError(f"{name}: its package holds a name that is not safe: {node.path[:200]!r}")


def _with_checksums(root: Path, nodes: Iterable[Node]) -> list[Node]:
    """The files with the checksums that the fetched manifest gives them; as they are if it cannot be read."""
    listed: dict[str, manifest.Listed] = {}
    with suppress(manifest.ManifestError):
        listed = {file.path: file for file in manifest.load(manifest.FolderTree(root)).files}
    return [
        replace(node, algorithm=file.algorithm, checksum=file.checksum) if (file := listed.get(node.path)) else node
        for node in nodes
    ]  # fmt: skip


def _verification(nodes: Sequence[Node], own: Node | None) -> str:
    """What all files could be checked by; nothing lists a checksum of the manifest itself."""
    others = [node for node in nodes if node != own]
    if others and all(node.checksum is not None for node in others):
        return "manifest"
    return "none" if any(node.size_bytes is None for node in nodes) else "size_only"


def _is_right(path: Path, node: Node, job: Job) -> bool:
    try:
        if not path.is_file() or node.size_bytes != path.stat().st_size:
            return False
        return node.algorithm is None or hash_file(path, node.algorithm, job.stop) == node.checksum
    except OSError:  # what cannot be read is fetched again
        return False


def _size(root: Path, node: Node) -> int | None:
    try:
        return root.joinpath(*node.steps[1:]).stat().st_size
    except OSError:
        return None


def _make_durable(root: Path, nodes: Iterable[Node]) -> None:
    """Bring the names of all folders to the disk; the files are there."""
    folders = {root.joinpath(*node.steps[1:depth]) for node in nodes for depth in range(1, len(node.steps))}  # fmt: skip
    for folder in (*sorted(folders, reverse=True), root.parent):
        sync_folder(folder)
