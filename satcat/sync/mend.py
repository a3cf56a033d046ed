"""Putting products of a scope right, by asking the source for each at its own address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from sqlalchemy import Connection

from satcat.api.base import Reject
from satcat.errors import DeleteLimitError
from satcat.products import SatelliteImage
from satcat.select import matching
from satcat.sync import cursors, lateness, rejects, scopes, store, windows
from satcat.sync.absence import Differences, Listing
from satcat.sync.job import Job
from satcat.sync.scopes import Scope


class Mender:
    """Mends one scope."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._missing = 0  # products that this run's listings lacked

    def mend(self, listing: Listing, found: Differences) -> None:
        """Put a window right, and enter its listing in the ledger.

        Raises:
            DeleteLimitError: too many products are missing from the listing; nothing was changed.
        """
        window = listing.window
        still_here = self.confirm(found.extra, window.slice)
        not_had = self.bring(listing, [*found.missing, *found.stale])
        error = None
        if still_here:
            error = f"the source has {len(still_here)} products that it does not list, such as {still_here[0]}"
        elif not_had:
            error = f"the source lists {len(not_had)} products that it does not give, such as {not_had[0]}"
        with self._job.database.write() as connection:
            if error:
                windows.mismatch(connection, window, error)
            else:
                windows.complete(connection, window, listing.tally, listing.published_before)

    def bring(self, listing: Listing, ids: Sequence[str]) -> list[str]:
        """Fetch these products of a window the cheaper way: one by one, or by listing the window in full.

        They are written whatever their content hash says: as they are held, they differ. Returns those that could not
        be had so.
        """
        if len(ids) <= windows.requests_for(len(listing.ids)):
            return self.fetch(ids, listing.window.slice, force=True)
        return self._list_again(listing, set(ids))

    def _list_again(self, listing: Listing, wanted: set[str]) -> list[str]:
        job, window, since = self._job, listing.window, listing.window.interval.start
        pages = job.api.pages(
            job.scope.slices[window.slice],
            window.interval,
            published_before=listing.published_before,
            count=False,
        )
        for page in pages:
            job.clock.see(page.server_time)
            images = [row for row in page.rows if row.id in wanted]
            with job.database.write() as connection:
                self._store(connection, images, window.slice, linked=True, force=True)
                at = job.clock.now
                rejects.keep(connection, job.scope.id, window.slice, "window", page, at, since)
            since = page.position or since
            wanted -= {image.id for image in images} | {reject.id for reject in page.rejects}
            if not wanted:
                break
        return sorted(wanted)

    def fetch(self, ids: Iterable[str], slice_: int, *, force: bool = False) -> list[str]:
        """Store what the source has of these ids; returns those that are none of the slice.

        A product that does not fit the slice leaves it; one that the source says is gone is buried as vanished.

        Args:
            force: write rows even if their content hash says that nothing changed.
        """
        answers = self._job.api.get(ids, self._job.scope.collection)
        return [i for i, answer in answers if not self._settle(i, answer, slice_, force=force)]

    def confirm(self, ids: Sequence[str], slice_: int) -> list[str]:
        """Ask for products that a complete listing lacks; returns those that exist and should have been listed.

        Raises:
            DeleteLimitError: with those before, there are too many to believe it; none of these was asked for.
        """
        if not ids:  # as nearly always; the limit takes a second to count in a large scope
            return []
        self._missing += len(ids)
        if self._missing > self.delete_limit:
            raise DeleteLimitError(self._missing, self.delete_limit)
        answers = self._job.api.get(ids, self._job.scope.collection)
        return [i for i, answer in answers if self._settle(i, answer, slice_)]

    @cached_property
    def delete_limit(self) -> int:
        """How many products may be missing in one run: of what the scope held when that was first asked."""
        if self._job.options.max_delete is not None:
            return self._job.options.max_delete
        with self._job.database.read() as connection:
            held = scopes.count(connection, self._job.scope)
        return max(1000, held // 100)

    def _settle(
        self,
        product_id: str,
        answer: SatelliteImage | Reject | None,
        slice_: int,
        *,
        force: bool = False,
    ) -> bool:
        """Believe one answer; True if the product exists and fits the slice."""
        scope, report, at = self._job.scope, self._job.report, self._job.clock.now
        with self._job.database.write() as connection:
            if isinstance(answer, Reject):
                rejects.add(connection, scope.id, slice_, "get", answer, at)
                return True
            rejects.settle(connection, scope.id, [product_id], at)
            if answer is None:
                report.deleted += store.bury(connection, [product_id], kind="vanished", at=at)
                return False
            mine = store.in_scope(connection, [product_id], scope.id)
            self._store(connection, [answer], slice_, linked=False, force=force)
            if fits(connection, scope, slice_, product_id):
                store.link(connection, [product_id], scope.id, slice_)
                return True
            store.unlink(connection, product_id, scope.id, slice_)
            report.left += len(mine)
            return False

    def _store(
        self,
        connection: Connection,
        images: Sequence[SatelliteImage],
        slice_: int,
        *,
        linked: bool,
        force: bool = False,
    ) -> None:
        scope, report, at = self._job.scope, self._job.report, self._job.clock.now
        swept_to = cursors.position(connection, scope, slice_, "publication")
        report.late += lateness.note(connection, scope, images, swept_to, at)
        stored = store.store(
            connection,
            images,
            scope_id=scope.id if linked else None,
            slice_=slice_,
            at=at,
            force=force,
        )
        report.take(stored)


def fits(connection: Connection, scope: Scope, slice_: int, product_id: str) -> bool:
    """Try a held product against the filters and interval of a scope's slice."""
    filters = scope.slices[slice_].within(scope.interval)
    return product_id in matching(connection, filters, [product_id])
