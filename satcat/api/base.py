"""What a source is: the few operations that mirroring, downloading and searching are built on.

Listings come as pages. A listing is complete or raises; a page says up to which instant everything before it has been
listed (`position`), so that whoever stores pages can go on from there after any interruption.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults
from satcat.times import Interval

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Listed:
    """A product as `ids` lists it."""

    id: str
    modification_date: datetime | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """The source's word that it deleted a product."""

    id: str
    name: str
    deletion_date: datetime
    cause: str | None = None
    sensing_start: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot be stored: it lacks its id, name or sensing start. `raw` is its JSON."""

    raw: str
    error: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[RowT]):
    """One response of a listing.

    Attributes:
        rows: in the listing's order; rows that the same walk has given before are left out.
        rejects: records of this page that are no usable row.
        position: every row before this instant has been listed; rows at it may still follow. None if nothing was.
        last: the listing ends here.
        server_time: the source's clock when it answered (HTTP `Date`), None if it did not say.
        count: the rows that the source counts for the whole listing, on its first page, if asked for.
        warnings: fields that were unreadable and became None, one line each, with the product's id.
    """

    rows: list[RowT]
    rejects: list[Reject] = field(default_factory=list)
    position: datetime | None = None
    last: bool = False
    server_time: datetime | None = None
    count: int | None = None
    warnings: list[str] = field(default_factory=list)


class Feed(StrEnum):
    """The dates by which a source can be followed."""

    PUBLICATION = "publication"
    MODIFICATION = "modification"


@dataclass(frozen=True, slots=True)
class Node:
    """One file, or one folder, of a product's package.

    Attributes:
        steps: the names of the folders that lead to it, the package's own folder first, and its own name; each as the
            source says it, so none of them is to be trusted as a path.
        size_bytes: of a file; None if the source does not say.
        checksum: what a file's bytes should hash to, if known, by `algorithm`.
    """

    steps: tuple[str, ...]
    size_bytes: int | None = None
    is_folder: bool = False
    algorithm: str | None = None
    checksum: str | None = None

    @property
    def path(self) -> str:
        """The path inside the package's folder; the bare name of a product that is one file."""
        return "/".join(self.steps[1:] or self.steps)


class Answer(Protocol):
    """The bytes of one file, as they arrive."""

    size: int | None  #: the whole file's size in bytes, if the source says so
    start: int  #: the offset of the first byte that `chunks` gives
    etag: str | None
    filename: str | None  #: the file's name, if the source says so; not to be trusted as a path

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the body as it arrives, at most `size` bytes at once; nothing any more once it is cut, but an error."""

    def cut(self) -> None:
        """Break the connection, from any thread, so that nobody waits for bytes any more."""


class SatelliteAPI(ABC):
    """A source of products.

    Mirroring is built on `clock`, `pages`, `count`, `ids`, `changes`, `deletions` and `get`; downloading on `open`, and on
    `nodes` where single files can be had; `search` and `download` are for people. Nothing touches the network before it is
    asked to.
    All intervals are half-open, all dates UTC. Every method may raise SourceError.
    """

    #: The name of the source in the table `products`.
    source: str
    #: Where its catalogue is, as stored with each scope.
    url: str
    #: How many requests were sent so far.
    requests_sent: int

    @abstractmethod
    def clock(self, filters: SearchFilters) -> datetime | None:
        """The source's clock now, by one cheap request of the same collection; None if it does not tell."""

    @abstractmethod
    def slices(self, filters: SearchFilters) -> list[SearchFilters]:
        """Cut filters that are too long for one request into several, always the same way."""

    @abstractmethod
    def check(self, filters: SearchFilters) -> None:
        """Raise FilterError if the source cannot say these filters. Sends nothing."""

    @abstractmethod
    def pages(
        self,
        filters: SearchFilters,
        window: Interval,
        *,
        published_before: datetime | None = None,
        resume_at: datetime | None = None,
        count: bool = True,
    ) -> Iterator[Page[SatelliteImage]]:
        """List the products whose sensing start is in the window, ascending and complete.

        Products published at `published_before` or later are left out, also of the count. With `resume_at` the walk
        starts at that sensing start; the count is that of the whole window all the same.
        """

    @abstractmethod
    def ids(
        self, filters: SearchFilters, window: Interval, *, published_before: datetime | None = None
    ) -> Iterator[Page[Listed]]:
        """As `pages`, but only each product's id and modification date."""

    @abstractmethod
    def count(
        self, filters: SearchFilters, window: Interval, *, published_before: datetime | None = None
    ) -> int:
        """How many products `pages` would list."""

    @abstractmethod
    def bounds(self, filters: SearchFilters) -> Interval | None:
        """The sensing starts of the first and (just past) the last product; None if there is none."""

    @abstractmethod
    def changes(
        self, filters: SearchFilters, feed: Feed, since: datetime, before: datetime
    ) -> Iterator[Page[SatelliteImage]]:
        """List products by publication or modification date in `since <= date < before`, ascending, complete."""

    @abstractmethod
    def deletions(
        self, filters: SearchFilters, since: datetime, before: datetime
    ) -> Iterator[Page[Deletion]] | None:
        """List deletions by deletion date, ascending, complete. None: the source does not tell of deletions.

        May list products that the filters leave out.
        """

    @abstractmethod
    def get(
        self, ids: Iterable[str], collection: str
    ) -> Iterator[tuple[str, SatelliteImage | Reject | None]]:
        """Ask for each product at its own address; None means that the source says there is none."""

    def nodes(self, product: SatelliteImage, folder: Node | None = None) -> list[Node]:
        """What is in one folder of a product's package, by one request; None: what is on top, mostly one folder.

        Empty folders may be left out.

        Raises:
            FilterError: this source gives whole products only.
            ProductGoneError, ProductOfflineError: it cannot be had, or not now.
        """
        raise FilterError(f"{self.source} gives whole products only: mark without --include")

    @abstractmethod
    def open(
        self,
        product: SatelliteImage,
        *,
        node: Node | None = None,
        start: int = 0,
        etag: str | None = None,
    ) -> AbstractContextManager[Answer]:
        """Ask for the bytes of a product, or of one file of it, from `start` on, if they are still those of `etag`.

        The source may answer from byte 0 all the same: look at the answer's `start`.
        """

    @abstractmethod
    def search(self, filters: SearchFilters) -> SearchResults:
        """Every product that matches, newest sensing first, then by id."""

    def bulk_search(self, filters: SearchFilters) -> SearchResults:
        """The same as `search`, which already reads every page; kept for users of sat_download."""
        return self.search(filters)

    @abstractmethod
    def download(
        self,
        image_id: str,
        outname: str | Path,
        verbose: int = 0,
        *,
        stop: threading.Event | None = None,
    ) -> Path:
        """Fetch one product to exactly `outname`, resuming, retrying and verifying; returns its path.

        Args:
            verbose: above 0, say on stderr that the file is there.
            stop: once it is set, the transfer ends with TransferStoppedError; another one goes on from there.
        """

    @abstractmethod
    def close(self) -> None:
        """Close connections."""
