"""Showing that a catalogue is complete: what it holds against what the source lists, window by window.

First the catalogue is checked in itself, offline. Then the source is followed, so that news is no difference; then each
window's ids and modification dates are listed and compared, those proven longest ago first; then one page of products
per scope is compared in full.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from satcat import integrity
from satcat.api.base import SatelliteAPI
from satcat.database import Database
from satcat.products import SatelliteImage
from satcat.sync import absence, cursors, engine, runs, store, unlisted, windows
from satcat.sync.absence import Differences, Listing
from satcat.sync.clock import Clock
from satcat.sync.follow import Follower
from satcat.sync.job import Job
from satcat.sync.mend import Mender
from satcat.sync.report import ScopeReport, Silence, SyncOptions, SyncProgress
from satcat.sync.scopes import Scope
from satcat.sync.verdict import Difference, VerifyReport
from satcat.sync.windows import Window

logger = logging.getLogger("satcat")


def verify(
    database: Database,
    api: SatelliteAPI,
    *,
    scope: str | None = None,
    repair: bool = False,
    budget: int | None = None,
    options: SyncOptions | None = None,
    progress: SyncProgress | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> VerifyReport:
    """Compare the catalogue with the source; see `VerifyReport` for what comes of it.

    Args:
        scope: only this scope; None: all of the source's.
        repair: put right what differs.
        budget: requests to spend on windows; the next run goes on with those proven longest ago.

    Raises:
        FilterError: no such scope, or one of another source's address.
        CatalogueLockedError: a sync is under way.
        SourceError: the source could not be reached; what was shown so far is in the ledger.
    """
    options, progress = options or SyncOptions(), progress or Silence()
    report = VerifyReport()
    sent = api.requests_sent
    with database.syncing("satcat verify"):
        todo = engine.chosen(database, api, None, scope, options)
        run = runs.begin(database, "verify", todo[0] if scope else None)
        outcome = "failed"
        try:
            _verify(database, api, todo, report, repair, budget, options, progress, stop)
            outcome = "complete" if report.exit_code == 0 else "incomplete"
        finally:
            progress.end()
            report.requests = api.requests_sent - sent
            runs.end(database, run, outcome, requests=report.requests, report=report.as_json())
    return report


def _verify(
    database: Database,
    api: SatelliteAPI,
    todo: list[Scope],
    report: VerifyReport,
    repair: bool,
    budget: int | None,
    options: SyncOptions,
    progress: SyncProgress,
    stop: Callable[[], bool],
) -> None:
    progress.begin("checking the catalogue itself", None)
    suspects = check_offline(database, todo, report, repair=repair)
    jobs = []
    for scope in todo:
        clock = Clock(api.clock(scope.slices[0]))
        job = Job(database, api, scope, clock, ScopeReport(scope.name), options, progress, stop)
        jobs.append(_Verifier(job, report, repair=repair))
    if repair:
        _mend_suspects(database, api, jobs, suspects, report)
    for verifier in jobs:
        verifier.prepare()
    _compare_windows(api, jobs, report, budget, progress)
    for verifier in jobs:
        verifier.sample()
        verifier.close()


def check_offline(
    database: Database, todo: list[Scope], report: VerifyReport, *, repair: bool
) -> list[str]:
    """Check the catalogue in itself; returns the ids of products that are not what the source said."""
    with database.read() as connection:
        report.findings = list(integrity.check(connection))
        for scope in todo:
            mine = windows.all_of(connection, scope)
            wrong = windows.gaps_and_overlaps(mine, len(scope.slices), scope.interval)
            report.findings += [integrity.Finding("windows", f"{scope.name}: {w}") for w in wrong]
        strangers = store.strangers(connection)
    report.differences += [
        Difference("stranger", product_id, None, "is in no scope, and no download needs it")
        for product_id in strangers
    ]
    if repair:
        _repair_offline(database, report)
    return [f.id for f in report.findings if f.kind == "altered" and f.id is not None]


def _repair_offline(database: Database, report: VerifyReport) -> None:
    with database.write() as connection:
        if any(f.kind in ("spatial index", "tile_months") for f in report.findings):
            integrity.rebuild_derived(connection)
        store.drop_unlisted(connection)
        store.drop_both(connection)
        held = store.held(connection, [f.id for f in report.findings if f.id is not None])

    def is_mended(finding: integrity.Finding) -> bool:
        derived = finding.kind in ("spatial index", "tile_months", "both")
        return derived or (finding.kind == "altered" and finding.id not in held)

    report.mended += [str(finding) for finding in report.findings if is_mended(finding)]
    report.findings = [finding for finding in report.findings if not is_mended(finding)]
    for difference in report.differences:
        difference.repaired = True


def _mend_suspects(
    database: Database,
    api: SatelliteAPI,
    jobs: list[_Verifier],
    suspects: list[str],
    report: VerifyReport,
) -> None:
    """Ask again for products that are not what the source said."""
    mended = unlisted.ask_again(database, api, suspects)
    for verifier in jobs:
        mended |= verifier.ask_again(suspects)
    for finding in [f for f in report.findings if f.kind == "altered" and f.id in mended]:
        report.findings.remove(finding)
        report.mended.append(str(finding))


def _compare_windows(
    api: SatelliteAPI,
    jobs: list[_Verifier],
    report: VerifyReport,
    budget: int | None,
    progress: SyncProgress,
) -> None:
    """Oldest proof first, over all scopes, until the budget is spent; what was found wanting before comes last."""
    began = api.requests_sent
    todo = sorted(
        ((window, verifier) for verifier in jobs for window in verifier.windows),
        key=lambda pair: windows.by_proof(pair[0]),
    )
    progress.begin("comparing windows", len(todo), "windows")
    for n, (window, verifier) in enumerate(todo):
        if budget is not None and api.requests_sent - began >= budget:
            report.windows_left = len(todo) - n
            return
        verifier.compare(window)
        progress.advance(1)


class _Verifier:
    """Verifies one scope."""

    def __init__(self, job: Job, report: VerifyReport, *, repair: bool) -> None:
        self._job, self._report, self._repair = job, report, repair
        self._mender = Mender(job)
        self.windows: list[Window] = []
        self._known_to: dict[int, datetime] = {}
        with job.database.write() as connection:
            for slice_ in range(len(job.scope.slices)):
                cursors.start(connection, job.scope, slice_, job.clock.began)

    def ask_again(self, ids: list[str]) -> set[str]:
        """Write those of these products anew that are in the scope, whatever is held of them; returns which."""
        with self._job.database.read() as connection:
            mine = store.in_scope(connection, ids, self._job.scope.id)
        for product_id, slice_ in mine.items():
            self._mender.fetch([product_id], slice_, force=True)
        return set(mine)

    def prepare(self) -> None:
        """Follow the source, so that news is no difference."""
        job = self._job
        Follower(job, self._mender).run()
        with job.database.read() as connection:
            every = windows.all_of(connection, job.scope)
            for slice_ in range(len(job.scope.slices)):
                known = cursors.position(connection, job.scope, slice_, "modification")
                self._known_to[slice_] = known - job.options.overlap
        self.windows = [window for window in every if window.status != "pending"]
        self._report.windows_unfinished += len(every) - len(self.windows)

    def compare(self, window: Window) -> None:
        """Compare one window; the ledger says what came of it."""
        job = self._job
        listing = absence.list_ids(job.api, job.scope, window, job.clock)
        if not listing.complete:
            where = f"{job.scope.name} {window.interval}"
            self._report.incomplete_listings.append(f"{where}: {listing.doubt}")
            self._doubt(window, listing.doubt)
            return
        found = self._less_pending(listing, self._differences(listing))
        self._report.products_compared += len(listing.ids)
        self._report.windows_compared += 1
        differences = list(self._named(window, found))
        self._report.differences += differences
        if not found:
            with job.database.write() as connection:
                windows.complete(connection, window, listing.tally, listing.published_before)
        elif self._repair:
            self._mender.mend(listing, found)
            left = self._differences(listing)
            for difference in differences:
                difference.repaired = difference.id not in getattr(left, difference.kind)
        else:
            self._doubt(window, f"{len(differences)} products differ from what the source lists")

    def _differences(self, listing: Listing) -> Differences:
        with self._job.database.read() as connection:
            return absence.compare(connection, self._job.scope, listing)

    def _doubt(self, window: Window, error: str) -> None:
        """The ledger does not call the window complete any more, so that the next sync walks it."""
        with self._job.database.write() as connection:
            windows.mismatch(connection, window, error)

    def _less_pending(self, listing: Listing, found: Differences) -> Differences:
        """Leave out what the next sync brings anyway: changes and deletions later than the cursors, less the overlap."""
        slice_ = listing.window.slice
        since = self._known_to[slice_]

        def is_news(product_id: str) -> bool:
            modified = listing.ids[product_id]
            return modified is not None and modified >= since

        gone = self._deleted_since(slice_, since) if found.extra else set()
        settled = Differences(
            missing=[i for i in found.missing if not is_news(i)],
            stale=[i for i in found.stale if not is_news(i)],
            extra=[i for i in found.extra if i not in gone],
        )
        self._report.pending += sum(map(len, (found.missing, found.stale, found.extra)))
        self._report.pending -= sum(map(len, (settled.missing, settled.stale, settled.extra)))
        return settled

    def _deleted_since(self, slice_: int, since: datetime) -> set[str]:
        filters = self._job.scope.slices[slice_].within(self._job.scope.interval)
        later = self._job.clock.now + timedelta(days=1)  # whatever there is by now
        pages = self._job.api.deletions(filters, since, later)
        return {deletion.id for page in pages or () for deletion in page.rows}

    def _named(self, window: Window, found: Differences) -> Iterator[Difference]:
        where = f"{self._job.scope.name} {window.interval}"
        for kind, ids, detail in (
            ("missing", found.missing, "is listed by the source, not held here"),
            ("stale", found.stale, "was modified at the source, not here"),
            ("extra", found.extra, "is held here, not listed by the source"),
        ):
            yield from (Difference(kind, product_id, where, detail) for product_id in ids)

    def sample(self) -> None:
        """Compare a page of products in full, from a window chosen by chance; those that just changed do not count."""
        if not self.windows or self._report.windows_left:
            return
        job, window = self._job, random.choice(self.windows)
        since = self._known_to[window.slice]
        pages = job.api.pages(
            job.scope.slices[window.slice], window.interval, published_before=since, count=False
        )
        rows = [
            row
            for row in next(iter(pages)).rows
            if row.modification_date is None or row.modification_date < since
        ]
        with job.database.read() as connection:
            hashes = store.hashes(connection, [row.id for row in rows])
        wrong = [row for row in rows if hashes.get(row.id, row.content_hash) != row.content_hash]
        self._report.products_sampled += len(rows)
        self._name_sampled(window, wrong)

    def _name_sampled(self, window: Window, wrong: list[SatelliteImage]) -> None:
        """Products of which the source says other things than are held, though it does not say that it changed them."""
        where, detail = f"{self._job.scope.name} {window.interval}", "says something else here"
        self._report.differences += [
            Difference("stale", row.id, where, detail, self._repair) for row in wrong
        ]
        if self._repair:
            with self._job.database.write() as connection:
                store.store(
                    connection,
                    wrong,
                    scope_id=self._job.scope.id,
                    slice_=window.slice,
                    at=self._job.clock.now,
                    force=True,
                )

    def close(self) -> None:
        """Take what following brought into the report."""
        engine.take_stock(self._job)
        self._report.open_rejects += self._job.report.open_rejects
        self._report.news += self._job.report.added + self._job.report.changed
