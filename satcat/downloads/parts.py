"""Some files of a product: from a row with patterns to a folder that holds just those, each verified.

The files gather in a hidden folder that belongs to the product, and stay there whoever is killed; when all are there and on
the disk, it gets its name. So a folder under its name holds all that its row asked for. A row that asks for more later has
it added to its folder. The package's manifest comes along, for it holds the files' checksums; without one, the sizes in the
source's listing are what a file is checked against. That a folder is not the whole product is said by its row (`include`).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from satcat.api import transfer
from satcat.api.base import Node
from satcat.api.filenames import folder_name, is_safe, marks, parts_name
from satcat.api.hashing import hash_file, stop_if
from satcat.api.partfile import PartFile, disk_error, make_folders, sync_folder
from satcat.api.patience import patiently
from satcat.downloads import gathering, manifest, patterns
from satcat.downloads.job import Fetcher, Job
from satcat.downloads.manifest import FolderTree
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
    package = _listing(fetcher, job, product)
    if package.is_single:  # the product is that file, and its checksum is published
        return fetcher.fetch(job, product, on_progress)
    try:
        return _Gathering(fetcher, job, product, package, on_progress).through()
    except (
        ChecksumMismatchError
    ):  # it may have been replaced since, or its manifest was fetched wrong
        package = _listing(fetcher, job, product)
        again = _Gathering(fetcher, job, product, package, on_progress, is_last=True)
        again.forget_manifest()
        return again.through()


@dataclass(frozen=True, slots=True)
class _Package:
    """What was found of a package: its own folder's name, the wanted files, its manifest, and how many files it has."""

    folder: str
    wanted: tuple[Node, ...]
    manifest: Node | None
    seen: str
    is_single: bool = False

    @property
    def files(self) -> tuple[Node, ...]:
        """The files to bring: the manifest, which the others are checked against, then those."""
        own = () if self.manifest is None else (self.manifest,)
        return (*own, *(node for node in self.wanted if node != self.manifest))


def _listing(fetcher: Fetcher, job: Job, product: SatelliteImage) -> _Package:
    """Find the wanted files.

    Raises:
        FilterError, PackageError: there are none, or none that can be kept.
    """
    wanted = patterns.parse(job.claimed.include)
    with fetcher.listed(product):
        top, files, passed = _walk(fetcher, job, product, wanted)
    seen = f"{len(files)} or more" if passed else str(len(files))
    matching = [node for node in files if patterns.matches(wanted, node.path)]
    if not matching:
        raise FilterError(
            f"{product.name}: no file matches {' or '.join(wanted)}; its package has {seen}"
        )
    if top.is_folder:
        _check_names(product.name, matching)
    own = [node for node in files if node.path.lower() in manifest.NAMES and top.is_folder]
    matching.sort(key=lambda node: node.path)
    first = own[0] if own else None
    return _Package(top.steps[0], tuple(matching), first, seen, not top.is_folder)


def _walk(
    fetcher: Fetcher, job: Job, product: SatelliteImage, wanted: Sequence[str]
) -> tuple[Node, list[Node], bool]:
    """The package's own folder, or its only file; the files in all folders that may hold a wanted one; if any was passed."""

    def entries(folder: Node | None) -> list[Node]:
        if folder is not None and not is_safe(folder.steps):
            raise _unsafe(product.name, folder)
        return patiently(lambda: fetcher.api.nodes(product, folder), fetcher.patience, job.stop)

    top = entries(None)
    if len(top) != 1:
        raise PackageError(
            f"{product.name}: its package lists {len(top)} entries on top, not one folder"
        )
    files, left, seen, passed = [], list(top), 0, False
    while left:
        node = left.pop()
        if not node.is_folder:
            files.append(node)
        elif node == top[0] or patterns.may_match_below(wanted, node.path):
            below = entries(node)
            seen += len(below)
            if seen > _MOST_ENTRIES or len(node.steps) > _DEEPEST:
                raise PackageError(
                    f"{product.name}: its package has over {_MOST_ENTRIES:,} entries, or {_DEEPEST} folders in each other"
                )
            left += below
        else:
            passed = True
    return top[0], files, passed


@dataclass(slots=True)
class _Gathering:
    """One row's files on their way into one folder. `is_last`: they are not going to be fetched once more."""

    fetcher: Fetcher
    job: Job
    product: SatelliteImage
    package: _Package
    on_progress: transfer.OnProgress
    is_last: bool = False
    done: int = 0  # bytes of the files that are there
    total: int | None = None
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        own = self.job.claimed.path
        if own is not None and Path(own).is_dir():
            self.root = Path(own)
        else:
            self.root = self._hidden()
            self.job.gathering = self.root

    def _hidden(self) -> Path:
        """The folder that such files gather in: that of an earlier run if there is one."""
        name = parts_name(self.product)
        places = [folder / name for folder in self.fetcher.possible_folders(self.product)]
        return next((place for place in places if place.is_dir()), places[0])

    def through(self) -> Held:
        """Bring the files into their folder, and give it its name."""
        if self.job.gathering is None:
            return self._gather()
        self.fetcher.make_folder(self.product)
        with gathering.used(self.root):
            return self._gather()

    def _gather(self) -> Held:
        files = self.package.files
        sizes = [node.size_bytes for node in files]
        self.total = sum(size or 0 for size in sizes) if None not in sizes else None
        self.job.note = f"{len(files)} of {self.package.seen} files"
        checked = [self._bring(files[0])] if self.package.manifest is not None else []
        if checked:
            files = self._with_checksums(files)
        for node in files[len(checked) :]:
            self._bring(node)
        here = [self._size(node) for node in files]
        if None in here:
            raise TransferError(f"{self.root}: files vanished from it: try again")
        size = sum(number or 0 for number in here)
        return self._place(size, _verification(files, self.package.manifest))

    def forget_manifest(self) -> None:
        """Take the manifest away, so that it is fetched again."""
        if self.package.manifest is not None:
            target = self._target(self.package.manifest)
            self.fetcher.name(self.job, partial(target.unlink, missing_ok=True))

    def _target(self, node: Node) -> Path:
        return self.root.joinpath(*node.steps[1:])

    def _bring(self, node: Node) -> Node:
        """Bring one file under its name, unless it is there and right."""
        stop_if(self.job.stop)
        target = self._target(node)
        parts = self.fetcher.part_files(self.root.parent, self.job, self.product, node.path)
        self.job.parts += parts
        if _is_right(target, node, self.job):
            PartFile.clear(parts)
        else:
            make_folders(self.root.parent, (self.root.name, *node.steps[1:-1]))
            with PartFile.resuming(parts[0], parts[1:]) as part:
                self.fetcher.bring(
                    self.job, self.product, part, self._advance, node=node, before=self.done
                )
                self.fetcher.name(self.job, partial(part.place, target, replace=True))
        self.done += target.stat().st_size
        self.job.bytes_done = self.done
        self._advance(self.done, None)
        return node

    def _advance(self, done: int, _: int | None) -> None:
        self.on_progress(done, self.total)

    def _with_checksums(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The files with the checksums that the fetched manifest gives them.

        Raises:
            ChecksumMismatchError: it cannot be read; the last time that only means that sizes have to do.
        """
        try:
            listed = {file.path: file for file in manifest.load(FolderTree(self.root)).files}
        except manifest.ManifestError as error:
            if not self.is_last:
                raise ChecksumMismatchError(
                    self.product.name, "manifest", "readable", str(error)
                ) from error
            return tuple(nodes)
        return tuple(
            replace(node, algorithm=file.algorithm, checksum=file.checksum)
            if (file := listed.get(node.path)) is not None
            else node
            for node in nodes
        )

    def _size(self, node: Node) -> int | None:
        try:
            return self._target(node).stat().st_size
        except OSError:
            return None

    def _place(self, size_bytes: int, verification: str) -> Held:
        """Give the folder the first name that is free; one that has its name keeps it."""
        if self.job.gathering is None:
            return Held(str(self.root), size_bytes, None, None, verification)
        folder = self.fetcher.make_folder(self.product)
        for mark in marks(self.product):
            target = folder / folder_name(self.product, self.package.folder, mark=mark)
            if os.path.lexists(target):
                continue
            held = Held(str(target), size_bytes, None, None, verification)
            try:
                self.fetcher.announce(self.job, held)
                self.fetcher.name(self.job, partial(self.root.rename, target))
                sync_folder(folder)
            except NameTakenError:
                continue
            except OSError as error:
                raise disk_error(target, error) from error
            self.job.placed = held.path
            return held
        raise NameTakenError(str(folder / folder_name(self.product, self.package.folder)))


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
