"""One claimed product: from its row to a verified file under its final name.

The order of the last steps makes it safe to be killed at any instant: the bytes are checked and on the disk, the row says
which file is about to appear where, the file gets its name, the row says that it is there. A file that an earlier, killed
worker had finished is known by the row or by the published checksum, and is not fetched again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api import transfer
from satcat.api.base import Answer, Node, SatelliteAPI
from satcat.api.filenames import Layout, final_name, folders, marks, part_name
from satcat.api.hashing import hash_file
from satcat.api.partfile import PartFile, make_folders
from satcat.api.patience import Patience
from satcat.api.transfer import Brought
from satcat.database import Database
from satcat.downloads import queue
from satcat.downloads.busy import outwaited
from satcat.downloads.queue import Claimed, Held
from satcat.downloads.slots import Slot
from satcat.downloads.target import Target
from satcat.errors import (
    NameTakenError,
    ProductGoneError,
    ProductOfflineError,
    TransferError,
)
from satcat.models import deleted_products, downloads, products
from satcat.products import SatelliteImage
from satcat.select import image

#: So many earlier claims are looked through for a part file to go on with.
_OLDER_CLAIMS = 100


@dataclass(slots=True, eq=False)
class Job:
    """A claimed row on its way.

    `stop` ends its transfer, and `answer` is what it reads; `lost` says that the row is no longer ours; `placed` is where
    its file has got its name; `parts` are the places of its part files, and `gathering` is the hidden folder for some files
    of a product; `note` says which those were; `thread` is the one that works at it.
    """

    claimed: Claimed
    slot: Slot
    stop: threading.Event = field(default_factory=threading.Event)
    lost: bool = False
    bytes_done: int = 0
    bytes_fetched: int = 0
    placed: str | None = None
    parts: list[Path] = field(default_factory=list)
    gathering: Path | None = None
    note: str | None = None
    answer: Answer | None = None
    thread: threading.Thread = field(default_factory=threading.current_thread)

    def end(self) -> None:
        """Stop its transfer, also one that waits for bytes. From any thread."""
        self.stop.set()
        if self.answer is not None:
            self.answer.cut()

    def reads(self, answer: Answer) -> None:
        """Note what the transfer reads now; it is cut at once if the job was ended while its head was waited for."""
        self.answer = answer
        if self.stop.is_set():
            answer.cut()

    @property
    def own_parts(self) -> list[Path]:
        """Those of its part files that are of this claim, and not of earlier ones."""
        return [path for path in self.parts if path.name.endswith(f".{self.claimed.claim}.part")]

    @property
    def path(self) -> str | None:
        """Where the row's file is, None if there is none."""
        known = (self.placed, self.claimed.path)
        return next((path for path in known if path and os.path.lexists(path)), None)


@dataclass(frozen=True, slots=True)
class Fetcher:
    """What every job of a run shares.

    Attributes:
        on_reread: is given each product that had to be read again from the source, to store it.
        layout: the folders in `out` that files are put into. What an earlier run put into others is known all the same.
    """

    database: Database
    api: SatelliteAPI
    target: Target
    patience: Patience
    on_reread: Callable[[SatelliteImage], None]
    layout: Layout = Layout.FLAT

    @property
    def out(self) -> Path:
        """The folder that files go to."""
        return self.target.path

    @outwaited
    def product(self, claimed: Claimed) -> SatelliteImage:
        """The product of a row, as the catalogue holds it.

        Raises:
            ProductGoneError: the catalogue holds no such product (any more).
        """
        with self.database.read() as connection:
            wanted = sa.select(products).where(products.c.id == claimed.product_id)
            row = connection.execute(wanted).first()
            if row is None:
                raise ProductGoneError(_what_is_known(connection, claimed.product_id))
        return image(row)

    def fetch(self, job: Job, product: SatelliteImage, on_progress: transfer.OnProgress) -> Held:
        """Bring the product's file here and give it its final name; a right one that is here already is taken.

        Raises:
            LostClaimError, TransferError, SourceError, CredentialsError
        """
        product = self.ready(product)
        parts = job.parts = [
            path
            for folder in self.possible_folders(product)
            for path in self.part_files(folder, job, product)
        ]
        if (found := self._already_here(job, product)) is not None:
            PartFile.clear(parts)
            return found
        self.make_folder(product)
        with PartFile.resuming(parts[0], parts[1:]) as part:
            brought = self.bring(job, product, part, on_progress)
            return self._place(job, part, brought)

    def ready(self, product: SatelliteImage) -> SatelliteImage:
        """Make sure that files can be written, and that the product is at hand; gives it as last read.

        Raises:
            UnwritableError, DiskFullError, ProductOfflineError
        """
        self.target.check()
        if product.online is not False:
            return product
        fresh = self._read_again(product)  # what the catalogue says may be old
        if fresh.online is False:
            raise ProductOfflineError(
                f"{product.name}: in the source's archive; order it there, then retry"
            )
        return fresh

    def make_folder(self, product: SatelliteImage) -> Path:
        """Where the product's file goes; the folders of the layout are made if need be."""
        return make_folders(self.out, folders(product, self.layout))

    def possible_folders(self, product: SatelliteImage) -> list[Path]:
        """Where its file may be: the folder of this layout, then those of the others."""
        layouts = (self.layout, *(layout for layout in Layout if layout is not self.layout))
        return [self.out.joinpath(*folders(product, layout)) for layout in layouts]

    def part_files(
        self, folder: Path, job: Job, product: SatelliteImage, of: str = ""
    ) -> list[Path]:
        """Where this claim collects the bytes of a product, or of one file `of` it; then where earlier claims did."""
        claims = range(job.claimed.claim, max(0, job.claimed.claim - _OLDER_CLAIMS), -1)
        return [folder / part_name(product, claim, of) for claim in claims]

    def bring(
        self, job: Job, product: SatelliteImage, part: PartFile, on_progress: transfer.OnProgress,
        *, node: Node | None = None, before: int = 0,
    ) -> Brought:  # fmt: skip
        """Complete a part file, and count its bytes.

        Args:
            node: the file that is wanted of the product's package; `before`: the bytes of those that are here.
        """

        def count(done: int, total: int | None) -> None:
            job.bytes_fetched += max(0, before + done - job.bytes_done)
            job.bytes_done = before + done
            on_progress(before + done, total)

        job.bytes_done = before + part.size
        with self.listed(product):
            return transfer.bring(
                self.api, product, part, node=node,
                on_progress=count, on_hashed=lambda done: on_progress(before + done, None),
                on_answer=job.reads, stop=job.stop, patience=self.patience, reread=self._read_again,
            )  # fmt: skip

    @contextmanager
    def listed(self, product: SatelliteImage) -> Iterator[None]:
        """Ask the source's catalogue when its download host says that a product is offline, or gone.

        Raises:
            ProductOfflineError: as the download host says; the catalogue's word is what counts at the next look.
            ProductGoneError: the catalogue agrees.
            TransferError: it lists the product all the same.
        """
        try:
            yield
        except ProductOfflineError:
            self._read_again(product)
            raise
        except ProductGoneError:
            self._read_again(product)
            raise TransferError(
                f"{product.name}: the catalogue lists it, but it cannot be had: try again later"
            ) from None

    @outwaited
    def announce(self, job: Job, file: Held) -> None:
        """Note durably which file is about to get its name.

        Raises:
            LostClaimError, NameTakenError
        """
        with self.database.write(durable=True) as connection:
            queue.announce(connection, job.claimed, file)

    def name(self, job: Job, give: Callable[[], object]) -> None:
        """Call `give`, which gives a file its final name or takes one away, while the row is this worker's and stays so.

        So one that was stopped for longer than its lease cannot put its file in the place of its successor's.

        Raises:
            LostClaimError: the row is no longer this worker's.
        """
        given = False

        def named() -> None:
            nonlocal given
            with self.database.write() as connection:
                queue.confirm(connection, job.claimed)
                if not given:
                    give()
                given = True

        self.database.repeat(named)

    def _read_again(self, product: SatelliteImage) -> SatelliteImage:
        fresh = transfer.read(self.api, product)
        self.on_reread(fresh)
        return fresh

    def _already_here(self, job: Job, product: SatelliteImage) -> Held | None:
        """A file that is known to be this product's, bit by bit."""
        claimed = job.claimed
        if (
            claimed.path
            and transfer.published(product)[1] is None
            and _is_as_stored(claimed, job.stop)
        ):
            return Held(
                claimed.path, claimed.size_bytes or 0, claimed.checksum_algorithm or "",
                claimed.checksum or "", claimed.verification,
            )  # fmt: skip
        places = [claimed.path] if claimed.path else []
        names = [final_name(product, mark=mark) for mark in marks(product)]
        places += [str(f / name) for f in self.possible_folders(product) for name in names]
        for place in places:
            found = (
                None
                if self._is_anothers(place, product)
                else transfer.check_file(Path(place), product, job.stop)
            )
            if found is not None:
                return Held(
                    place,
                    found.size_bytes,
                    found.checksum_algorithm,
                    found.checksum,
                    found.verification,
                )
        return None

    @outwaited
    def _is_anothers(self, place: str, product: SatelliteImage) -> bool:
        if not os.path.lexists(place):
            return False
        other = sa.select(downloads.c.product_id).where(
            downloads.c.path == place, downloads.c.product_id != product.id
        )
        with self.database.read() as connection:
            return connection.scalar(other.limit(1)) is not None

    def _place(self, job: Job, part: PartFile, brought: Brought) -> Held:
        """Give the file the first name that is free, or that of an earlier, no longer right file of this download.

        Nothing else is ever overwritten. Where the very same bytes have the name, they are taken for it.
        """
        folder = self.make_folder(brought.product)
        for mark in marks(brought.product):
            target = folder / final_name(brought.product, brought.filename, part.head, mark=mark)
            file = Held(
                str(target), brought.size_bytes, brought.checksum_algorithm, brought.checksum,
                brought.verification,
            )  # fmt: skip
            ours = str(target) == job.claimed.path and _is_known(job)
            there = os.path.lexists(target) and not ours
            if there and not _is_as_stored(file, job.stop):
                continue
            try:
                self.announce(job, file)
                if there:
                    self.name(job, part.discard)
                else:
                    self.name(job, partial(part.place, target, replace=ours))
            except NameTakenError:
                continue
            job.placed = file.path
            return file
        raise NameTakenError(str(folder / final_name(brought.product, brought.filename, part.head)))


def _is_known(job: Job) -> bool:
    """Whether the file at the row's path was put there by this download: seen there once, or just what was announced."""
    return job.claimed.verified_at is not None or _is_as_stored(job.claimed, job.stop)


def _is_as_stored(file: Claimed | Held, stop: threading.Event) -> bool:
    """Whether the bytes at the path are those that are spoken of."""
    path = Path(file.path or "")
    if file.checksum is None or file.checksum_algorithm is None:
        return False
    try:
        right_size = path.is_file() and path.stat().st_size == file.size_bytes
        return right_size and hash_file(path, file.checksum_algorithm, stop) == file.checksum
    except OSError:  # what cannot be read cannot be known
        return False


def _what_is_known(connection: Connection, product_id: str) -> str:
    """Why a product is not in the catalogue."""
    tombstone = connection.execute(
        sa.select(deleted_products).where(deleted_products.c.id == product_id)
    ).first()
    if tombstone is None:
        return f"{product_id}: no product of this catalogue"
    when = tombstone.deletion_date or tombstone.noticed_at
    how = (
        "deleted by the source" if tombstone.kind == "deleted" else "no longer at the source, seen"
    )
    cause = f": {tombstone.deletion_cause}" if tombstone.deletion_cause else ""
    return f"{tombstone.name or product_id}: {how} on {when:%Y-%m-%d %H:%M:%S} UTC{cause}"
