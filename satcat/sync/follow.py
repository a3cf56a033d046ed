"""Following a source: what it published, changed and deleted since the last time.

Every listing starts an overlap before its cursor, for products become visible a little after their dates. It goes beyond
the source's clock, which is told in whole seconds or not at all: so what was published a moment ago comes at once. The
cursor itself never passes that clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from satcat import names
from satcat.api.base import Deletion, Feed, Page
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.sync import cursors, lateness, rejects, store
from satcat.sync.job import Job
from satcat.sync.mend import Mender

_AHEAD = timedelta(days=2)  # a source that tells no time is taken to be up to a day behind
_TOLD = timedelta(seconds=1)  # how exactly a source tells its time


class Follower:
    """Follows one scope."""

    def __init__(self, job: Job, mender: Mender) -> None:
        self._job, self._mender = job, mender

    def run(self) -> None:
        """Bring every cursor up to now. Deletions come last, for they tell of what was listed before them."""
        clock = self._job.clock
        with self._job.database.write() as connection:
            cursors.hold_back(connection, self._job.scope, clock.now, clock.began)
        for slice_, filters in enumerate(self._job.scope.slices):
            within = filters.within(self._job.scope.interval)
            for feed in Feed:
                self._follow_changes(slice_, within, feed)
            self._follow_deletions(slice_, within)

    def _bounds(self, slice_: int, feed: str) -> tuple[datetime, datetime, datetime]:
        """The cursor, from when to list, and how far that proves; the latter is taken before the listing."""
        with self._job.database.read() as connection:
            cursor = cursors.position(connection, self._job.scope, slice_, feed)
            nameless = rejects.first_nameless(connection, self._job.scope.id, slice_, feed)
        since = min(cursor, nameless or cursor) - self._job.options.overlap
        return cursor, since, max(self._job.clock.now, cursor)

    def _follow_changes(self, slice_: int, filters: SearchFilters, feed: Feed) -> None:
        cursor, since, until = self._bounds(slice_, feed)
        nameless: set[str] = set()
        for page in self._job.api.changes(filters, feed, since, until + _AHEAD):
            self._job.clock.see(page.server_time)
            nameless |= {reject.raw for reject in page.rejects if reject.id is None}
            self._store(slice_, feed, page, cursor, since, until)
            since = page.position or since
        self._settle(slice_, feed, nameless)

    def _settle(self, slice_: int, feed: str, nameless: set[str]) -> None:
        """A feed was listed to its end: of the records without id, only these are still wrong."""
        at = self._job.clock.now
        with self._job.database.write() as connection:
            rejects.settle_nameless(connection, self._job.scope.id, slice_, feed, nameless, at)

    def _store(
        self,
        slice_: int,
        feed: Feed,
        page: Page[SatelliteImage],
        cursor: datetime,
        since: datetime,
        until: datetime,
    ) -> None:
        """One page, one transaction: its rows, its rejects, and the cursor as far as the page proves it."""
        at = page.server_time or self._job.clock.now
        reached = _reached(page, until)
        with self._job.database.write() as connection:
            if feed is Feed.PUBLICATION:
                self._job.report.late += lateness.note(
                    connection, self._job.scope, page.rows, cursor, at
                )
            stored = store.store(
                connection, page.rows, scope_id=self._job.scope.id, slice_=slice_, at=at
            )
            rejects.keep(connection, self._job.scope.id, slice_, feed, page, at, since)
            if reached is not None:
                cursors.advance(connection, self._job.scope, slice_, feed, reached)
        self._job.report.take(stored)

    def _follow_deletions(self, slice_: int, filters: SearchFilters) -> None:
        _, since, until = self._bounds(slice_, cursors.DELETION)
        pages = self._job.api.deletions(filters, since, until + _AHEAD)
        if pages is None:  # this source does not tell: only listing again shows what is gone
            pages = iter([Page(rows=[], last=True)])
        nameless: set[str] = set()
        for page in pages:
            self._job.clock.see(page.server_time)
            nameless |= {reject.raw for reject in page.rejects if reject.id is None}
            self._believe(slice_, page.rows)
            reached, at = _reached(page, until), self._job.clock.now
            with self._job.database.write() as connection:
                scope = self._job.scope
                rejects.keep(connection, scope.id, slice_, cursors.DELETION, page, at, since)
                if reached is not None:
                    cursors.advance(connection, scope, slice_, cursors.DELETION, reached)
            since = page.position or since
        self._settle(slice_, cursors.DELETION, nameless)

    def _believe(self, slice_: int, deletions: Sequence[Deletion]) -> None:
        """Act on one page of deletions.

        A record counts at once only if nothing that is held of the product is as late as it: a product that was deleted
        and then came back is not killed again by its old record. Otherwise the product itself is asked for.
        """
        word = {deletion.id: deletion for deletion in deletions}
        at = self._job.clock.now
        with self._job.database.write() as connection:
            held = store.held(connection, word)
            dead = [i for i, row in held.items() if _is_later(word[i], row)]
            doubtful = [i for i in held if i not in set(dead)]
            self._job.report.deleted += store.bury(
                connection, dead, kind="deleted", at=at, deletions=word
            )
            unheld = [d for i, d in word.items() if i not in held and self._concerns(d)]
            store.note_deletions(connection, unheld, self._job.scope.collection, at)
        if doubtful:
            self._mender.fetch(doubtful, slice_)
            with self._job.database.write() as connection:
                # what is gone is now known to be deleted
                still = store.held(connection, doubtful)
                gone = [word[i] for i in doubtful if i not in still]
                store.note_deletions(connection, gone, self._job.scope.collection, at)

    def _concerns(self, deletion: Deletion) -> bool:
        """Whether a product never held could have been in the scope, as far as its name says."""
        wanted = self._job.scope.filters.product_type
        said = names.parse(deletion.name, self._job.scope.collection).product_type
        return wanted is None or said is None or said == wanted


def _reached(page: Page[SatelliteImage] | Page[Deletion], until: datetime) -> datetime | None:
    """How far a page lets its cursor go: never past `until`, where rows may still be to come."""
    if page.last:
        return until
    return page.position and min(page.position, until)


def _is_later(deletion: Deletion, held: store.Held) -> bool:
    changed = held.changed_at and held.changed_at + _TOLD
    dates = (held.publication_date, held.modification_date, changed)
    return all(date is None or deletion.deletion_date > date for date in dates)
