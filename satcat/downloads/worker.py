"""The worker: claims rows, fetches their files, and leaves the queue right however it ends.

A run has some threads that fetch, one that renews their leases, and its caller's thread, which stops them. Killed, it leaves
rows that another run takes over: at once if it can see that the process is dead, else when the lease has run out.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from satcat.api.base import SatelliteAPI
from satcat.api.partfile import check_folder
from satcat.api.patience import PATIENT, Patience
from satcat.database import Database
from satcat.downloads import parts, queue, slots
from satcat.downloads.identity import is_dead, worker_name
from satcat.downloads.job import Fetcher, Job
from satcat.downloads.policy import Verdict, is_outage, judge
from satcat.errors import CatalogueError, LostClaimError, NoTokenError, TransferError
from satcat.products import SatelliteImage

logger = logging.getLogger("satcat")

#: So many failures in a row to reach the source, with no success between, mean that it is down.
_OUTAGE = 4
_LONGEST_PAUSE = 600.0  # seconds, of a run that follows while the source is down
_MOST_DOUBLINGS = 20  # of a pause; an outage of days would otherwise leave the range of numbers
_GRACE = 0.8  # seconds that threads have to stop; one that waits for bytes is then left behind
_GIVEN_BACK = Verdict("queued", counts=False)


class DownloadProgress(Protocol):
    """Who wants to see a run. Called from several threads at once."""

    def started(self, product: SatelliteImage, total: int | None) -> None:
        """A product's turn has come; `total` is its size in bytes, if known."""

    def advanced(self, product: SatelliteImage, done: int) -> None:
        """So many bytes of it are here; fewer than before when it had to start again."""

    def finished(self, product: SatelliteImage, outcome: str) -> None:
        """Its turn is over: `done`, a status, `retry` (later), or `released`."""


class _Silent:
    def started(self, product: SatelliteImage, total: int | None) -> None: ...
    def advanced(self, product: SatelliteImage, done: int) -> None: ...
    def finished(self, product: SatelliteImage, outcome: str) -> None: ...


@dataclass(slots=True)
class DownloadReport:
    """What a run did. `failed`: given up, or bad at the source; `skipped`: offline, gone or called off meanwhile."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Timing:
    """How often a run looks at things, in seconds."""

    lease: float = queue.LEASE.total_seconds()
    beat: float = 15.0
    poll: float = 1.0


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
    account: str | None = None,
    stop: threading.Event | None = None,
    progress: DownloadProgress | None = None,
    on_reread: Callable[[SatelliteImage], None] = lambda product: None,
    patience: Patience = PATIENT,
    timing: Timing = USUAL,
) -> DownloadReport:
    """Fetch what is queued into the folder `out`, until nothing is queued any more.

    Rows that wait for another attempt are waited for. Set `stop`, or press Ctrl-C, and within a second every running row
    is queued again, its bytes kept.

    Args:
        workers: files at a time; all runs of a catalogue together never exceed 4 of one account.
        limit: begin at most so many products.
        follow: do not end; wait for new rows, and for a source that is down.
        account: whose connections these are; kept only as a hash.
        on_reread: is given products that were read again from the source, to store them.

    Raises:
        CredentialsError, DiskFullError, SourceUnavailableError, CatalogueError: no further product could be fetched;
            running rows are queued again.
        TransferError: `out` cannot be written.
    """
    out = out.absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TransferError(f"cannot make the folder {out} ({error.strerror})") from error
    check_folder(out)
    fetcher = Fetcher(database, api, out, patience, on_reread)
    started = _Run(
        fetcher, slots.account_key(api.source, account), limit, follow, stop or threading.Event(),
        progress or _Silent(), timing,
    )  # fmt: skip
    return started.through(max(1, min(workers, slots.MOST)))


class _Run:
    """One run: its threads, its jobs and what came of them."""

    def __init__(
        self,
        fetcher: Fetcher,
        account: str,
        limit: int | None,
        follow: bool,
        stop: threading.Event,
        progress: DownloadProgress,
        timing: Timing,
    ) -> None:
        self.fetcher, self.database, self.source = fetcher, fetcher.database, fetcher.api.source
        self.account, self.tickets, self.follow = account, limit, follow
        self.stop, self.progress, self.timing = stop, progress, timing
        self.lease = timedelta(seconds=timing.lease)
        self.lock = threading.Lock()  # guards all below
        self.jobs: set[Job] = set()
        self.report = DownloadReport()
        self.outages = 0
        self.fatal: Exception | None = None
        self.ended = threading.Event()  # this run ends, whoever wished so

    def through(self, workers: int) -> DownloadReport:
        began = time.monotonic()
        self._reap()
        threads = [
            threading.Thread(target=self._thread, args=(worker_name(n),), daemon=True, name=f"download-{n}")
            for n in range(workers)
        ]  # fmt: skip
        heart = threading.Thread(target=self._heart, daemon=True, name="download-leases")
        try:
            for thread in (heart, *threads):
                thread.start()
            self._watch(threads)
        finally:
            self._close([*threads, heart])
        self.report.seconds = time.monotonic() - began
        if self.fatal is not None:
            raise self.fatal
        return self.report

    def _watch(self, threads: list[threading.Thread]) -> None:
        """Wait until all threads have ended, or somebody wants to stop.

        Nothing else is done here: Ctrl-C strikes in this thread, and in the midst of a transaction would leave it open.
        """
        while any(thread.is_alive() for thread in threads):
            if self.stop.wait(0.05) or self.ended.is_set():
                return

    def _heart(self) -> None:
        """Renew leases as long as the run lasts."""
        try:
            while not self.ended.wait(self.timing.beat):
                try:
                    self._beat()
                    self._reap()
                except CatalogueError as error:  # busy; a lease lasts several beats
                    logger.warning("could not renew the downloads' leases: %s", error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller's thread must hear of it
            self._end(error)

    def _close(self, threads: list[threading.Thread]) -> None:
        """Stop every thread and give back the rows of those that do not listen."""
        self.ended.set()
        with self.lock:
            running = list(self.jobs)
        for job in running:
            job.stop.set()
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        with self.lock:
            left, self.jobs = self.jobs, set()
        for job in left:
            self._give_back(job, _GIVEN_BACK, None)

    def _thread(self, worker: str) -> None:
        try:
            while not self.ended.is_set():
                job = self._claim(worker)
                if job is not None:
                    self._do(job)
                elif not self._more_to_come():
                    return
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller's thread must hear of it
            self._end(error)

    def _claim(self, worker: str) -> Job | None:
        """Take a ticket, a slot and a row, or nothing."""
        with self.database.read() as connection:
            if not queue.is_ready(connection, self.source):
                return None
        if not self._take_ticket():
            return None
        with self.database.write() as connection:
            slot = slots.acquire(connection, self.account, worker, lease=self.lease)
            claimed = (
                queue.claim(connection, worker, self.source, lease=self.lease) if slot else None
            )
            if slot and not claimed:
                slots.release(connection, slot)
        if slot is None or claimed is None:
            self._return_ticket()
            return None
        job = Job(claimed, slot)
        with self.lock:
            if not self.ended.is_set():
                self.jobs.add(job)
                return job
        self._give_back(job, _GIVEN_BACK, None)
        return None

    def _more_to_come(self) -> bool:
        """Wait a little; tell whether there may be something to claim then."""
        if self.tickets is not None and self.tickets <= 0:
            return False
        if not self.follow:
            with self.database.read() as connection:
                if not queue.is_waiting(connection, self.source):
                    return False
        self.ended.wait(self.timing.poll)
        return True

    def _do(self, job: Job) -> None:
        product = None
        try:
            product = self.fetcher.product(job.claimed)
            only_parts = job.claimed.include is not None
            self.progress.started(product, None if only_parts else product.size_bytes)
            shown = product
            fetch = parts.fetch if only_parts else Fetcher.fetch
            file = fetch(
                self.fetcher, job, product, lambda done, total: self.progress.advanced(shown, done)
            )
            outcome = self._finish(job, file)
        except Exception as error:  # noqa: BLE001 - judged, and raised by the caller's thread if it ends the run
            if job not in self.jobs:  # given back already, for it did not stop in time
                return
            lost = job.lost or isinstance(error, LostClaimError)
            outcome = self._leave(job) if lost else self._settle(job, error)
        if product is not None:
            self.progress.finished(product, outcome)

    def _finish(self, job: Job, file: queue.Held) -> str:
        with self.database.write(durable=True) as connection:
            queue.finish(connection, job.claimed, file, bytes_fetched=job.bytes_fetched)
            slots.release(connection, job.slot)
        self._count(job, "done")
        return "done"

    def _settle(self, job: Job, error: Exception) -> str:
        """Give the row back as the error demands."""
        verdict = judge(error, job.claimed.attempts)
        outage = self._note_outage(error)
        if not self._give_back(job, verdict, None if verdict == _GIVEN_BACK else _line(error)):
            return "released"
        outcome = verdict.status
        if outcome == "queued":
            outcome = "retry" if verdict.counts else "released"
            self._return_ticket()
        self._count(job, outcome)
        if verdict.ends_run or (outage and not self.follow):
            self._end(error)
        pause = self.timing.poll * 2.0 ** min(self.outages, _MOST_DOUBLINGS) if outage else 0.0
        self.ended.wait(min(max(pause, verdict.pause), _LONGEST_PAUSE))
        return outcome

    def _leave(self, job: Job) -> str:
        """Leave a row that is no longer ours."""
        with self.database.write() as connection:
            queue.end_attempt(connection, job.claimed, job.bytes_fetched)
            slots.release(connection, job.slot)
        self._count(job, "cancelled")
        return "cancelled"

    def _give_back(self, job: Job, verdict: Verdict, error: str | None) -> bool:
        """Write the verdict and free the slot; False if the row was no longer ours."""
        ours = True
        with self.database.write() as connection:
            try:
                queue.settle(
                    connection, job.claimed, verdict,
                    error=error, path=job.path, bytes_fetched=job.bytes_fetched,
                )  # fmt: skip
            except LostClaimError:
                ours = False
                queue.end_attempt(connection, job.claimed, job.bytes_fetched)
            slots.release(connection, job.slot)
        if not ours:
            self._count(job, "cancelled")
        return ours

    def _count(self, job: Job, outcome: str) -> None:
        with self.lock:
            self.jobs.discard(job)
            self.report.bytes += job.bytes_fetched
            self.report.done += outcome == "done"
            self.report.failed += outcome in ("failed", "bad_at_source")
            self.report.skipped += outcome in ("offline", "gone", "cancelled")
            if outcome == "done":
                self.outages = 0

    def _note_outage(self, error: Exception) -> bool:
        with self.lock:
            if isinstance(error, NoTokenError):  # nobody will fare better
                self.outages = max(self.outages + 1, _OUTAGE)
            else:
                self.outages = self.outages + 1 if is_outage(error) else 0
            return self.outages >= _OUTAGE

    def _beat(self) -> None:
        """Renew every lease, and stop the jobs that are no longer ours."""
        with self.lock:
            jobs = list(self.jobs)
        with self.database.write() as connection:
            lost = queue.heartbeat(
                connection, [(j.claimed, j.bytes_done) for j in jobs], lease=self.lease
            )
            without = slots.renew(connection, [j.slot for j in jobs], lease=self.lease)
        for job in jobs:
            job.lost = job.lost or job.claimed in lost
            if job.lost or job.slot in without:
                job.stop.set()

    def _reap(self) -> None:
        """Free what dead workers held."""
        with self.database.write() as connection:
            freed = queue.reap(connection, is_dead)
            slots.reap(connection, is_dead)
        if freed:
            logger.info("took over %d downloads of a worker that is no longer there", freed)

    def _take_ticket(self) -> bool:
        with self.lock:
            if self.tickets is None:
                return True
            self.tickets -= 1
            return self.tickets >= 0

    def _return_ticket(self) -> None:
        with self.lock:
            if self.tickets is not None:
                self.tickets += 1

    def _end(self, error: Exception) -> None:
        with self.lock:
            self.fatal = self.fatal or error
        self.ended.set()


def _line(error: Exception) -> str:
    """An error in one line, bounded: it may hold text from outside."""
    return " ".join(str(error).split())[:500]
