"""Walking through a listing that is ordered by a date and given in pages: completely, in order, or not at all.

The walk goes by key: each request asks for the rows at or after the last date seen, and rows known by id are dropped. So
rows that are published or deleted meanwhile shift nothing. `$skip` is used only inside one instant that fills a page; there,
pages overlap by one row, and a mismatch starts the instant again. An instant with more rows than the source can skip
through is listed by another date. The source's own link to the next page is never followed, only its presence counts: a
page that is short and has no link is the last one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

from satcat import times
from satcat.api.base import Page, Reject
from satcat.errors import ListingTooDenseError, MalformedResponseError
from satcat.times import Interval

RowT = TypeVar("RowT")

PAGE_SIZE = 1000
#: The deepest `$skip` that CDSE accepts (since 12 November 2024); deeper is an error 422.
MAX_SKIP = 10_000
_RESTARTS = 5
_LEAST_TIED = 2  # pages inside one instant overlap by a row
_LEADS_NOWHERE = "a page that says there is more, and leads nowhere"


@dataclass(frozen=True, slots=True)
class Request:
    """What one page is asked for by.

    Attributes:
        key: the date that orders the listing, by its OData name.
        interval: which rows, by the key.
        instants: dates that have one value in all rows.
        skip: how many rows to leave out.
        count: whether to ask how many rows there are.
    """

    key: str
    interval: Interval = field(default_factory=Interval)
    instants: tuple[tuple[str, datetime], ...] = ()
    skip: int = 0
    count: bool = False


@dataclass(frozen=True, slots=True)
class Entry(Generic[RowT]):
    """One record of a page; `identity` tells it from others, `key` is the date that orders the listing."""

    identity: str
    key: datetime | None
    row: RowT | Reject
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch(Generic[RowT]):
    """One page as the source gave it.

    `more`: it is full, or names a next one. A full page proves nothing by itself: the link vanishes at the deepest skip.
    """

    entries: list[Entry[RowT]]
    more: bool
    server_time: datetime | None = None
    count: int | None = None

    @property
    def keys(self) -> list[datetime]:
        """The dates of the rows, in order; a record without a readable date has none."""
        return [entry.key for entry in self.entries if entry.key is not None]


class Fetch(Protocol[RowT]):
    """Brings one page, which `check` has accepted."""

    def __call__(self, request: Request) -> Batch[RowT]:
        """Raise SourceError if that cannot be had."""


def check(request: Request, batch: Batch[RowT], where: str) -> None:
    """Refuse a page that cannot be true; asking again may help.

    Raises:
        MalformedResponseError: rows out of order or outside the interval, or a page that leads nowhere.
    """
    keys, interval = batch.keys, request.interval
    if any(later < earlier for earlier, later in pairwise(keys)):
        raise MalformedResponseError(where, f"rows out of order by {request.key}")
    ids = [entry.identity for entry in batch.entries if not isinstance(entry.row, Reject)]
    if len(set(ids)) < len(ids):
        raise MalformedResponseError(where, "a row twice in one page")
    if keys and (keys[0] not in interval or keys[-1] not in interval):
        raise MalformedResponseError(where, f"rows outside of {interval}, which was asked for")
    if batch.more and not keys:
        raise MalformedResponseError(where, _LEADS_NOWHERE)


class Walk(Generic[RowT]):
    """One complete way through a listing.

    Args:
        fetch: brings a page.
        where: the source's name, for errors.
        key: the date to walk by.
        other: the date by which an instant is cut that has too many rows.
        interval: which rows, by the key.
        count: whether the first page shall tell how many rows there are.
        max_skip: how many rows of one instant the source can skip.
        remember: drop rows that this walk has given before even if their date has changed since. Costs memory for
            each row; without it only the ids at one instant are held.
    """

    def __init__(
        self,
        fetch: Fetch[RowT],
        where: str,
        *,
        key: str,
        other: str,
        interval: Interval,
        count: bool = False,
        remember: bool = False,
        max_skip: int = MAX_SKIP,
    ) -> None:
        self._max_skip = max_skip
        self._fetch, self._where, self._key, self._other = fetch, where, key, other
        self._interval, self._count, self._remember = interval, count, remember
        self._given: set[str] = set()
        self._position: datetime | None = None
        self._server_time: datetime | None = None
        self._ended = False

    def pages(self) -> Iterator[Page[RowT]]:
        """Yield the pages in order, each with rows that are new; the last one says that it is."""
        yield from self._by_key(Request(self._key, self._interval, count=self._count))
        if not self._ended:
            yield Page([], position=self._position, last=True, server_time=self._server_time)

    def _by_key(self, request: Request) -> Iterator[Page[RowT]]:
        end = request.interval.end
        while True:
            batch = self._fetch(request)
            yield self._page(request, batch)
            if not batch.more:
                return
            first, after = batch.keys[0], batch.keys[-1]
            if first == after:  # wholly one instant: get through it, and go on behind it
                tie = replace(request, interval=Interval(first, end), count=False)
                behind = yield from self._instant(tie, first, batch)
                if behind is None:
                    return
                after = behind
            if end is not None and after >= end:
                return
            request = replace(request, interval=Interval(after, end), count=False)
            del batch  # before the next one comes: each takes megabytes

    def _instant(
        self, request: Request, instant: datetime, first: Batch[RowT]
    ) -> Generator[Page[RowT], None, datetime | None]:
        """List the rows of the instant with which a listing begins; `first` is its first page, given already.

        Returns from where to go on; None if the listing's end was seen.
        """
        batch: Batch[RowT] | None = first if len(first.entries) >= _LEAST_TIED else None
        for _ in range(_RESTARTS):
            through, behind = yield from self._skip_through(request, instant, batch)
            if through:
                return behind
            batch = None
        moment = times.to_text(instant)
        raise MalformedResponseError(self._where, f"the rows of {moment} shift again and again")

    def _skip_through(
        self, request: Request, instant: datetime, batch: Batch[RowT] | None
    ) -> Generator[Page[RowT], None, tuple[bool, datetime | None]]:
        """List the rows of one instant page by page: whether that was possible, and as `_instant` returns."""
        skip = 0
        if batch is None:
            batch = self._fetch(request)
            yield self._page(request, batch)
        while batch.more and batch.keys[-1] == instant:
            if len(batch.entries) < _LEAST_TIED:
                raise MalformedResponseError(self._where, _LEADS_NOWHERE)
            anchor = batch.entries[-1].identity
            skip += len(batch.entries) - 1
            if skip > self._max_skip:
                yield from self._cut(request, instant)
                return True, times.after(instant)
            batch = self._fetch(replace(request, skip=skip))
            if not batch.entries or batch.entries[0].identity != anchor:
                return False, None
            yield self._page(request, batch)
        return True, batch.keys[-1] if batch.more else None

    def _cut(self, request: Request, instant: datetime) -> Iterator[Page[RowT]]:
        """List the rows of one instant by the other date."""
        if request.instants:
            raise ListingTooDenseError(times.to_text(request.instants[0][1]), self._max_skip)
        yield from self._by_key(Request(self._other, instants=((request.key, instant),)))

    def _page(self, request: Request, batch: Batch[RowT]) -> Page[RowT]:
        outer = not request.instants
        new = self._new(batch.entries)
        if outer and batch.keys and batch.keys[-1] != self._position:
            self._position = batch.keys[-1]
            if not self._remember:
                self._given = {entry.identity for entry in batch.entries}
        self._server_time = batch.server_time
        self._ended = outer and not batch.more
        return Page(
            rows=[entry.row for entry in new if not isinstance(entry.row, Reject)],
            rejects=[entry.row for entry in new if isinstance(entry.row, Reject)],
            position=self._position,
            last=self._ended,
            server_time=batch.server_time,
            count=batch.count,
            warnings=[warning for entry in new for warning in entry.warnings],
        )

    def _new(self, entries: list[Entry[RowT]]) -> list[Entry[RowT]]:
        """Those that were not given yet; from now on they were."""
        new = {entry.identity: entry for entry in entries if entry.identity not in self._given}
        self._given.update(new)
        return list(new.values())
