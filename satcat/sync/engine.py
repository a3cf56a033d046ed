"""A sync, from its lock to its report.

For each scope: list what is not listed yet, follow what changed since, ask again for what was rejected, and list again
the windows that were proven longest ago.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from satcat.api.base import SatelliteAPI
from satcat.database import Database
from satcat.errors import FilterError, SatcatError
from satcat.filters import SearchFilters
from satcat.functions import analyze
from satcat.models import products, scope_products
from satcat.sync import absence, cursors, rejects, runs, scopes, unlisted, windows
from satcat.sync.clock import Clock
from satcat.sync.follow import Follower
from satcat.sync.job import Job
from satcat.sync.mend import Mender
from satcat.sync.report import (
    CONFIRM_ABOVE,
    Plan,
    ScopeReport,
    Silence,
    SyncOptions,
    SyncProgress,
    SyncReport,
)  # fmt: skip
from satcat.sync.scopes import Scope
from satcat.sync.walk import Walker
from satcat.sync.windows import Window
from satcat.times import Interval

logger = logging.getLogger("satcat")

_SECONDS_A_REQUEST = 3.0  # that a full page takes, about; for plans


def sync(
    database: Database,
    api: SatelliteAPI,
    filters: SearchFilters | None = None,
    *,
    scope: str | None = None,
    options: SyncOptions | None = None,
    progress: SyncProgress | None = None,
    confirm: Callable[[int], bool] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> SyncReport:
    """Bring a catalogue up to date: one scope (saved first, if filters are given), or all.

    What goes wrong with the source is in the report, scope by scope: each gets its turn.

    Args:
        scope: the scope's name. With filters: the name to save them under.
        confirm: asked, with their number, before more than a million products are mirrored for the first time; without
            it they are refused.
        stop: looked at often; True ends the sync as Ctrl-C does. What is stored stays.

    Raises:
        FilterError: filters that make no scope, or a scope that is not there.
        CatalogueLockedError: another sync is under way.
        SourceError: a new scope's products could not be counted.
    """
    options, progress = options or SyncOptions(), progress or Silence()
    report = SyncReport()
    with database.syncing("satcat sync"):
        todo = chosen(database, api, filters, scope, options, confirm)
        try:
            for one in todo:
                report.scopes.append(_sync_scope(database, api, one, options, progress, stop))
            if any(done.error is None for done in report.scopes):
                report.error = unlisted.look_after(database, api)
        finally:
            progress.end()
    return report


def plan(api: SatelliteAPI, filters: SearchFilters) -> Plan:
    """What mirroring these filters would take; asks the source for counts."""
    scopes.check(filters, api)
    counts = [api.count(part, filters.interval) for part in api.slices(filters.within(Interval()))]
    cut = [-(-count // windows.AIM) if count > windows.MOST else 1 for count in counts]
    pages = sum(
        max(parts, windows.requests_for(count)) for count, parts in zip(counts, cut, strict=True)
    )
    cutting = sum(3 for parts in cut if parts > 1)
    requests = pages + cutting + len(counts) * len(cursors.FEEDS) + 1
    return Plan(sum(counts), sum(cut), requests, requests * _SECONDS_A_REQUEST)


def chosen(
    database: Database,
    api: SatelliteAPI,
    filters: SearchFilters | None,
    name: str | None,
    options: SyncOptions,
    confirm: Callable[[int], bool] | None = None,
) -> list[Scope]:
    """The scopes meant: those of this name and source, or the one of these filters, which is saved."""
    if filters is None:
        with database.read() as connection:
            found = [scopes.find(connection, name)] if name else scopes.listing(connection)
        mine = [scope for scope in found if scope.source == api.source]
        if not mine:
            raise FilterError(
                "nothing is mirrored yet: give filters, such as --collection SENTINEL-2 --tile 30TWM"
            )
        for scope in mine:
            _check_url(scope, api, options)
        return mine
    scopes.check(filters, api)
    if not options.yes:
        _ask_if_many(database, api, filters, confirm)
    with database.write() as connection:
        saved = scopes.save(connection, api, filters, name)
        _check_url(saved, api, options)  # raising here saves nothing
    return [saved]


def _ask_if_many(
    database: Database,
    api: SatelliteAPI,
    filters: SearchFilters,
    confirm: Callable[[int], bool] | None,
) -> None:
    with database.read() as connection:
        known = {(scope.filters, scope.interval) for scope in scopes.listing(connection)}
    if (filters.within(Interval()), filters.interval) in known:
        return
    expected = plan(api, filters).products
    if expected > CONFIRM_ABOVE and not (confirm and confirm(expected)):
        raise FilterError(
            f"these filters mean {expected:,} products: give --yes if that is meant, or narrow them"
        )


def _check_url(scope: Scope, api: SatelliteAPI, options: SyncOptions) -> None:
    if scope.url != api.url and not options.moved:
        raise FilterError(
            f"scope {scope.name} was mirrored from {scope.url}, not from {api.url}: "
            "give --moved if the catalogue moved there"
        )


def _sync_scope(
    database: Database,
    api: SatelliteAPI,
    scope: Scope,
    options: SyncOptions,
    progress: SyncProgress,
    stop: Callable[[], bool],
) -> ScopeReport:
    report = ScopeReport(scope.name)
    sent = api.requests_sent
    run = runs.begin(database, "sync", scope)
    outcome = "interrupted"
    try:
        clock = Clock(api.clock(scope.slices[0]))
        if not clock.told:
            report.warnings.append(
                "the source does not tell its time: taking this machine's, less a day"
            )
        job = Job(database, api, scope, clock, report, options, progress, stop)
        _sync_job(job)
        outcome = "complete" if report.complete else "incomplete"
    except SatcatError as error:
        report.error = error
        outcome = "failed"
    finally:
        report.requests = api.requests_sent - sent
        counts = {"added": report.added, "changed": report.changed, "deleted": report.deleted}
        said = None if report.error is None else str(report.error)
        runs.end(database, run, outcome, requests=report.requests, error=said, **counts)
    return report


def _sync_job(job: Job) -> None:
    with job.database.write() as connection:
        if job.scope.url != job.api.url:
            scopes.accept_move(connection, job.scope, job.api.url)
        for slice_ in range(len(job.scope.slices)):
            cursors.start(connection, job.scope, slice_, job.clock.began)
        pending = windows.to_walk(connection, job.scope)
    try:
        walker = Walker(job)
        if pending:
            job.progress.begin(job.scope.name, 0)
            walker.run(pending)
            with job.database.write() as connection:
                analyze(connection, (products, scope_products))
        job.progress.begin(f"{job.scope.name}: changes and deletions", None)
        mender = Mender(job)
        Follower(job, mender).run()
        _retry_rejects(job, mender)
        _recheck(job, mender, walker)
    finally:
        take_stock(job)


def take_stock(job: Job) -> None:
    """Write into the report what is still open."""
    with job.database.read() as connection:
        job.report.open_windows = len(windows.to_walk(connection, job.scope))
        job.report.open_rejects = rejects.count(connection, job.scope.id)
        job.report.followed_to = cursors.followed_to(connection, job.scope)


def _retry_rejects(job: Job, mender: Mender) -> None:
    with job.database.read() as connection:
        again = rejects.open_ids(connection, job.scope.id)
    for product_id, slice_ in again:
        mender.fetch([product_id], slice_)


def _recheck(job: Job, mender: Mender, walker: Walker) -> None:
    """List again the ids of the windows proven longest ago, as far as the requests go; one window at the least.

    What this run has just listed is left out. A window that holds too many by now is cut, and its parts are walked.
    """
    if job.options.recheck <= 0:
        return
    with job.database.read() as connection:
        oldest = [w for w in windows.oldest(connection, job.scope) if w.id not in walker.proven]
    limit = job.api.requests_sent + job.options.recheck
    for n, window in enumerate(oldest):
        needed = windows.requests_for(window.counted or 0)
        if n and job.api.requests_sent + needed > limit:
            return
        parts = _cut_outgrown(job, window)
        if parts:
            walker.run(parts)
        else:
            _recheck_window(job, mender, window)


def _cut_outgrown(job: Job, window: Window) -> list[Window]:
    """The windows now in the place of one that outgrew its size; none if it did not, or cannot be cut."""
    with job.database.write() as connection:
        held, span = scopes.extent(connection, job.scope, window.slice, window.interval)
        if span is None or held <= windows.MOST:
            return []
        parts = windows.cut(window.interval, span, held)
        return windows.replace(connection, job.scope, window, parts) if len(parts) > 1 else []


def _recheck_window(job: Job, mender: Mender, window: Window) -> None:
    listing = absence.list_ids(job.api, job.scope, window, job.clock)
    if not listing.complete:
        logger.warning("%s: %s; what is held was left as it is", window.interval, listing.doubt)
        with job.database.write() as connection:
            windows.mismatch(connection, window, listing.doubt)
        return
    with job.database.read() as connection:
        found = absence.compare(connection, job.scope, listing)
    mender.mend(listing, found)
