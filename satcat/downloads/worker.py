"""The worker: a run with some threads that fetch, one that renews their leases, and its caller's thread, which stops them.

Killed, it leaves rows that another run takes over: at once if it can see that the process is dead, else when the lease has
run out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from satcat.api.base import SatelliteAPI
from satcat.api.filenames import Layout
from satcat.api.patience import PATIENT, Patience
from satcat.database import Database
from satcat.downloads import leftovers, parts, queue, slots
from satcat.downloads.busy import Busy
from satcat.downloads.claims import GIVEN_BACK, Claims
from satcat.downloads.identity import worker_name
from satcat.downloads.job import Fetcher, Job
from satcat.downloads.outage import Outage
from satcat.downloads.policy import Verdict, crowded_wait, is_outage, judge
from satcat.downloads.report import DownloadProgress, DownloadReport, Item, Outcome, Silence
from satcat.downloads.target import Target, holds_files
from satcat.downloads.turn import Turn
from satcat.errors import (
    CatalogueBusyError,
    CatalogueError,
    LostClaimError,
    RateLimitedError,
    SatcatError,
    TransferError,
    UnwritableError,
)
from satcat.products import SatelliteImage

logger = logging.getLogger("satcat")

_GLANCE = 0.05  # seconds between looks at whether to stop
_GRACE = 0.8  # seconds that threads have to stop; one that waits for bytes is then left behind


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a run looks at things, in seconds.

    Attributes:
        lease: a worker that is silent for so long has lost its rows.
        beat: between two renewals of the leases, which is also when a row that somebody cancelled is noticed.
        look: between two looks for dead workers and for parked products that are due.
        poll: between two looks at an empty queue.
        patience: for how long a source that gives nothing is waited for, by a run that does not follow.
    """

    lease: float = queue.LEASE.total_seconds()
    beat: float = 5.0
    look: float = 30.0
    poll: float = 1.0
    patience: float = 300.0


#: What is right for a real source.
USUAL = Timing()


def run(
    database: Database,
    api: SatelliteAPI,
    out: Path,
    *,
    workers: int = 4,
    limit: int | None = None,
    follow: bool = False,
    layout: Layout | str = Layout.FLAT,
    account: str | None = None,
    stop: threading.Event | None = None,
    progress: DownloadProgress | None = None,
    on_reread: Callable[[SatelliteImage], None] = lambda product: None,
    patience: Patience = PATIENT,
    timing: Timing = USUAL,
    report: DownloadReport | None = None,
) -> DownloadReport:
    """Fetch what is queued into the folder `out`, until nothing is queued any more.

    Rows that wait for another attempt are waited for; products that are offline are parked, and looked at again by a later
    run, or by this one if it follows. Set `stop`, or press Ctrl-C, and within a second every running row is queued again,
    its bytes kept.

    Args:
        workers: files at a time; all runs of a catalogue together never exceed 4 of one account.
        limit: begin at most so many products.
        layout: the folders in `out` for files: `flat` or `collection/date/tile`.
        follow: do not end; wait for new rows, and for a source that is down.
        account: whose connections these are; kept only as a hash.
        on_reread: is given products that were read again from the source, to store them.
        report: is filled in and returned; so its giver has it also where the run ends by an error, or by Ctrl-C.

    Raises:
        CredentialsError, DiskFullError, UnwritableError, SourceError, CatalogueError: no further product could be fetched;
            running rows are queued again.
        TransferError: `out` cannot be made.
        FilterError: there is no such layout.
    """
    layout, progress, ended = Layout(layout), progress or Silence(), threading.Event()
    busy = Busy(ended, progress.waiting, progress.resumed)
    database = database.outwaiting(busy.goes_on)
    target = database.repeat(partial(_prepared, database, out))
    fetcher = Fetcher(database, api, target, patience, on_reread, layout)
    claims = Claims(
        database,
        api.source,
        slots.account_key(api.source, account),
        timedelta(seconds=timing.lease),
    )
    started = _Run(
        fetcher, claims, _Tickets(limit), follow, stop or threading.Event(), progress, timing, busy, ended,
        report or DownloadReport(),
    )  # fmt: skip
    return started.through(max(1, min(workers, slots.MOST)))


def _prepared(database: Database, out: Path) -> Target:
    """The folder, with nothing left over in it."""
    with database.read() as connection:
        target = Target.open(out, lambda folder: holds_files(connection, folder))
    leftovers.sweep(database, target.path)
    return target


class _Tickets:
    """How many products a run may still begin."""

    def __init__(self, limit: int | None) -> None:
        self._left = limit
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            if self._left is None:
                return True
            if self._left <= 0:
                return False
            self._left -= 1
            return True

    def give_back(self) -> None:
        with self._lock:
            if self._left is not None:
                self._left += 1

    @property
    def are_out(self) -> bool:
        with self._lock:
            return self._left is not None and self._left <= 0


class _Run:
    """One run: its threads, and what came of their jobs."""

    def __init__(
        self,
        fetcher: Fetcher,
        claims: Claims,
        tickets: _Tickets,
        follow: bool,
        stop: threading.Event,
        progress: DownloadProgress,
        timing: Timing,
        busy: Busy,
        ended: threading.Event,
        report: DownloadReport,
    ) -> None:
        self.fetcher, self.claims, self.tickets, self.follow = fetcher, claims, tickets, follow
        self.stop, self.progress, self.timing = stop, progress, timing
        self.outage = Outage(
            None if follow else timing.patience, progress.waiting, progress.resumed
        )
        self.turn = Turn(progress.waiting, progress.resumed)
        self.lock = threading.Lock()  # guards the two below
        self.report = report
        self.fatal: Exception | None = None
        self.busy, self.ended = busy, ended  # `ended`: whoever wished so
        self.left = threading.Semaphore(0)  # one for each thread that fetches no more

    def through(self, workers: int) -> DownloadReport:
        began = time.monotonic()
        self.claims.look_round()
        threads = [
            threading.Thread(target=self._thread, args=(worker_name(n),), daemon=True, name=f"download-{n}")
            for n in range(workers)
        ]  # fmt: skip
        threads.insert(0, threading.Thread(target=self._heart, daemon=True, name="download-leases"))
        try:
            for thread in threads:
                thread.start()
            self._watch(workers)
        finally:
            self._close(threads)
            self.report.seconds = time.monotonic() - began
        if self.fatal is not None:
            raise self.fatal
        return self.report

    def _watch(self, workers: int) -> None:
        """Wait until so many threads have ended, or somebody wants to stop.

        Nothing is written here: Ctrl-C strikes in this thread, and in the midst of a transaction would leave it open.
        """
        for _ in range(workers):
            while not self.left.acquire(timeout=_GLANCE):  # Ctrl-C would upset a join of the thread
                if self.stop.is_set() or self.ended.is_set():
                    return
                self.claims.end_unrenewed()

    def _heart(self) -> None:
        """Renew leases as long as the run lasts."""
        looked = time.monotonic()
        try:
            while not self.ended.wait(self.timing.beat):
                try:
                    self.claims.renew()
                    self.busy.passed()
                    if time.monotonic() - looked >= self.timing.look:
                        self.claims.look_round()
                        looked = time.monotonic()
                except CatalogueBusyError:  # outwaited, unless the run ends
                    continue
                except CatalogueError as error:  # a lease lasts several beats
                    logger.warning("could not renew the downloads' leases: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller's thread must hear of it
            self._end(error)

    def _close(self, threads: list[threading.Thread]) -> None:
        self.ended.set()

        def join(deadline: float) -> None:
            for thread in threads:
                if thread.ident is not None:
                    thread.join(max(0.0, deadline - time.monotonic()))

        left = self.claims.close(join, _GRACE)
        for job in left:
            self._count(job, Outcome("released"))
        if left:
            hold = partial(self.claims.hold_on, left, self.timing.beat)
            threading.Thread(target=hold, daemon=True, name="download-slots").start()

    def _thread(self, worker: str) -> None:
        try:
            while not self.ended.is_set():
                job = self._next(worker)
                if job is not None:
                    self._do(job)
                elif not self._more_to_come():
                    return
        except CatalogueBusyError:  # the run ends, else it would have been outwaited
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller's thread must hear of it
            self._end(error)
        finally:
            self.left.release()

    def _next(self, worker: str) -> Job | None:
        if not self.claims.is_any_ready() or not self.outage.may_try():
            return None
        if not self.tickets.take():
            return None
        job = self.claims.take(worker)
        self.busy.passed()
        if job is not None:
            self.turn.given()
            return job
        self.tickets.give_back()
        if not self.claims.is_any_held():
            self.turn.refused()
        return None

    def _more_to_come(self) -> bool:
        """Wait a little; tell whether there may be something to claim then."""
        if self.tickets.are_out:
            return False
        if not self.follow and not self.claims.is_any_waiting():
            return False
        self.ended.wait(self.timing.poll)
        return True

    def _do(self, job: Job) -> None:
        item = Item(job.claimed.product_id, job.claimed.product_id)
        try:
            product = self.fetcher.product(job.claimed)
            only_parts = job.claimed.include is not None
            item = Item(product.id, product.name, None if only_parts else product.size_bytes)
            self.progress.started(item)
            file = self._fetch(job, product, item)
            self.claims.finish(job, file)
            outcome = Outcome("done", file=file, note=job.note)
        except Exception as error:  # noqa: BLE001 - judged, and raised by the caller's thread if it ends the run
            if not self.claims.holds(job):  # given back already, for it did not stop in time
                return
            outcome = self._settle(job, error)
        if outcome.status == "cancelled":
            leftovers.discard(self.fetcher.database, job)
        self._count(job, outcome)
        self.progress.finished(item, outcome)

    def _fetch(self, job: Job, product: SatelliteImage, item: Item) -> queue.Held:
        """Fetch the product; "too many connections" is waited out here, for it says nothing of the product."""

        def advance(done: int, total: int | None) -> None:
            if job.bytes_fetched:
                self.outage.passed()
            self.progress.advanced(item, done, total, job.bytes_fetched)

        fetch = Fetcher.fetch if job.claimed.include is None else parts.fetch
        refusals = 0
        while True:
            try:
                return fetch(self.fetcher, job, product, advance)
            except RateLimitedError as error:
                if error.down or self.outage.trouble(error):
                    raise
                refusals += 1
                job.stop.wait(crowded_wait(refusals, error.retry_after))

    def _settle(self, job: Job, error: Exception) -> Outcome:
        """Give the row back as the error demands."""
        if job.lost or isinstance(error, LostClaimError):
            self.claims.give_back(job, GIVEN_BACK, None)
            return Outcome("cancelled")
        error = self._cause(error)
        outage = is_outage(error) and self.outage.trouble(error)
        verdict = judge(error, job.claimed.attempts)
        if verdict.status == "offline":
            verdict = verdict.after(self.claims.looks(job))
        said = None if verdict == GIVEN_BACK else _line(error)
        if not self.claims.give_back(job, verdict, said):
            return Outcome("cancelled")
        if verdict.ends_run or outage:
            self._end(error)
        if verdict.status in ("queued", "offline"):
            self.tickets.give_back()
        return Outcome(_word(verdict), said, wait=verdict.wait or None)

    def _cause(self, error: Exception) -> Exception:
        """An error of one file, or that its whole folder is gone."""
        if isinstance(error, TransferError | OSError):
            try:
                self.fetcher.target.check()
            except UnwritableError as gone:
                return gone
            except TransferError:
                return error
        return error

    def _count(self, job: Job, outcome: Outcome) -> None:
        with self.lock:
            self.report.count(outcome, job.bytes_fetched)

    def _end(self, error: Exception) -> None:
        with self.lock:
            self.fatal = self.fatal or error
        self.ended.set()


def _word(verdict: Verdict) -> str:
    if verdict.status != "queued":
        return verdict.status
    return "retry" if verdict.counts else "released"


def _line(error: Exception) -> str:
    """An error in one line, bounded: it may hold text from outside."""
    said = str(error)
    if not isinstance(error, SatcatError | OSError):
        logger.debug("nobody foresaw this", exc_info=error)
        said = f"unexpected {error!r}; run again with -vv, and please report this"
    return " ".join(said.split())[:500]
