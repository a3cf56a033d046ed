"""Walking windows: several are fetched at once, by threads; one thread, the caller's, writes them.

Each page is stored in one transaction with how far the walk has come. A walk that was interrupted goes on there; rows
at that very instant are listed again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection

from satcat.api.base import Page
from satcat.products import SatelliteImage
from satcat.sync import rejects, store, windows
from satcat.sync.fetch import Fetched, Fetchers
from satcat.sync.job import Job
from satcat.sync.ledger import Tally
from satcat.sync.windows import Window

logger = logging.getLogger("satcat")


@dataclass(slots=True)
class Walk:
    """How far the walk of one window has come.

    Attributes:
        settled: what was listed before `position`; there, nothing can follow any more.
        open: the ids at `position`, where more may follow.
        ids: every id this process saw in this walk, for a product may move to a later sensing start meanwhile.
    """

    window: Window
    published_before: datetime
    counted: int | None
    settled: Tally
    position: datetime | None
    tries: int = 1
    open: set[str] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    nameless: int = 0

    def take(self, page: Page[SatelliteImage]) -> None:
        """Count what a page lists."""
        listed = {row.id: row.sensing_start for row in page.rows if row.id not in self.ids}
        self.ids |= listed.keys()
        self.nameless += sum(1 for reject in page.rejects if reject.id is None)
        rejected = {r.id for r in page.rejects if r.id is not None and r.id not in self.ids}
        self.ids |= rejected
        if page.position is not None and page.position != self.position:
            self.settled += Tally.of(self.open)
            self.open, self.position = set(), page.position
        at_end = {
            i for i, start in listed.items() if self.position is None or start >= self.position
        }
        self.settled += Tally.of((listed.keys() - at_end) | rejected)
        self.open |= at_end

    @property
    def listed(self) -> Tally:
        """Everything listed so far."""
        return self.settled + Tally.of(self.open)

    @property
    def proven(self) -> bool:
        """Whether the first count proves the walk; one answer that all is empty is not believed, it fits itself."""
        return bool(self.counted) and self.listed.count == self.counted and not self.nameless


class Walker:
    """Walks the windows of one scope that are not complete."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._walks: dict[int, Walk] = {}
        self._parts: set[int] = set()  # ids of windows whose rows the progress already expects
        self.proven: set[int] = set()  # ids of the windows that this run completed

    def run(self, pending: list[Window]) -> None:
        """Walk these windows; each ends complete or as a mismatch, which the report counts.

        Raises:
            SourceError: the first that ended a walk; what was stored stays.
        """
        with Fetchers(self._job.options.connections, self._fetch, self._job.stop) as fetchers:
            for window in pending:
                self._start(window, fetchers)
            for fetched in fetchers.results():
                self._handle(fetched, fetchers)

    def _start(
        self, window: Window, fetchers: Fetchers[Window, Page[SatelliteImage]], tries: int = 1
    ) -> None:
        resumed = window.resume_at is not None and window.published_before is not None
        before = window.published_before if resumed else None
        self._walks[window.id] = Walk(
            window=window,
            published_before=before or self._job.clock.now,
            counted=window.counted if resumed else None,
            settled=window.seen if resumed else Tally(),
            position=window.resume_at if resumed else None,
            tries=tries,
        )
        fetchers.put(window)

    def _fetch(self, window: Window) -> Iterator[Page[SatelliteImage]]:
        """The listing of one window; runs in a fetcher's thread."""
        walk = self._walks[window.id]
        return self._job.api.pages(
            self._job.scope.slices[window.slice],
            window.interval,
            published_before=walk.published_before,
            resume_at=walk.position,
            count=walk.counted is None,
        )

    def _handle(
        self,
        fetched: Fetched[Window, Page[SatelliteImage]],
        fetchers: Fetchers[Window, Page[SatelliteImage]],
    ) -> None:
        walk = self._walks[fetched.task.id]
        page = fetched.item
        self._job.clock.see(page.server_time)
        if walk.counted is None and page.count is not None:
            if page.count > windows.MOST and self._cut(walk, page, fetchers):
                fetchers.drop(fetched.task)
                return
            if walk.window.id not in self._parts:
                self._job.progress.expect(page.count)
        self._store(walk, page)
        if page.last:
            self._end(walk, fetchers)

    def _cut(
        self,
        walk: Walk,
        page: Page[SatelliteImage],
        fetchers: Fetchers[Window, Page[SatelliteImage]],
    ) -> bool:
        """Put smaller windows in the place of one that is too large; False if it cannot be cut."""
        window, counted = walk.window, page.count or 0
        filters = self._job.scope.slices[window.slice].within(window.interval)
        held = self._job.api.bounds(filters)
        if held is None:
            return False
        parts = windows.cut(window.interval, held, counted)
        if len(parts) < 2:
            return False
        with self._job.database.write() as connection:
            made = windows.replace(connection, self._job.scope, window, parts)
        logger.debug(
            "%s holds %d products: cut into %d windows", window.interval, counted, len(made)
        )
        if window.id not in self._parts:
            self._job.progress.expect(counted)
        self._parts |= {part.id for part in made}
        del self._walks[window.id]
        for part in made:
            self._start(part, fetchers)
        return True

    def _store(self, walk: Walk, page: Page[SatelliteImage]) -> None:
        """One page, one transaction: its rows, its rejects, and how far the walk has come."""
        first = walk.counted is None
        if first:
            walk.counted = page.count or 0
        since = walk.position or walk.window.interval.start
        walk.take(page)
        at = page.server_time or self._job.clock.now
        with self._job.database.write() as connection:
            if first:
                windows.begin(connection, walk.window, walk.published_before, walk.counted or 0)
            stored = store.store(
                connection, page.rows, scope_id=self._job.scope.id, slice_=walk.window.slice, at=at
            )
            scope_id, slice_ = self._job.scope.id, walk.window.slice
            rejects.keep(connection, scope_id, slice_, "window", page, at, since)
            if page.last and walk.proven:
                self._complete(connection, walk)
            elif walk.position is not None:
                windows.reach(connection, walk.window, walk.position, walk.settled)
        self._job.report.take(stored)
        self._job.progress.advance(len(page.rows))

    def _complete(self, connection: Connection, walk: Walk) -> None:
        windows.complete(connection, walk.window, walk.listed, walk.published_before)
        rejects.settle_nameless_in(connection, self._job.scope.id, walk.window, self._job.clock.now)
        self._job.report.windows += 1
        self.proven.add(walk.window.id)

    def _end(self, walk: Walk, fetchers: Fetchers[Window, Page[SatelliteImage]]) -> None:
        """Settle a walk that its first count did not prove: count again, walk again, at last say so."""
        del self._walks[walk.window.id]
        if walk.proven:
            return
        filters = self._job.scope.slices[walk.window.slice]
        counted = self._job.api.count(
            filters, walk.window.interval, published_before=walk.published_before
        )
        if walk.listed.count == counted and not walk.nameless:
            with self._job.database.write() as connection:
                self._complete(connection, walk)
            return
        error = f"the source counts {counted} products but lists {walk.listed.count}"
        if walk.nameless:
            error = f"{walk.nameless} records without id, name or sensing start"
        with self._job.database.write() as connection:
            windows.mismatch(connection, walk.window, error)
        if walk.tries < windows.WALKS and not walk.nameless:
            logger.info("%s: %s; listing it again", walk.window.interval, error)
            self._start(_fresh(walk.window), fetchers, walk.tries + 1)
            return
        self._job.progress.say(f"{walk.window.interval}: {error}; the next sync lists it again")


def _fresh(window: Window) -> Window:
    """The window with nothing walked."""
    return replace(
        window, status="pending", published_before=None, resume_at=None, seen=Tally(), counted=None
    )
