"""What a run holds of the queue: rows, each with the right to a connection, taken and given back together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from satcat.database import Database
from satcat.downloads import attempts, queue, slots
from satcat.downloads.busy import outwaited
from satcat.downloads.identity import is_dead
from satcat.downloads.job import Job
from satcat.downloads.policy import Verdict
from satcat.downloads.queue import Held
from satcat.downloads.slots import Slot
from satcat.errors import CatalogueBusyError, CatalogueError, LostClaimError

logger = logging.getLogger("satcat")

#: What becomes of a row that nobody is to blame for.
GIVEN_BACK = Verdict("queued", counts=False)


class Claims:
    """The jobs of one run. Safe to share between its threads."""

    def __init__(self, database: Database, source: str, account: str, lease: timedelta) -> None:
        self.database, self._source = database, source
        self._account, self._lease = account, lease
        self._lock = threading.Lock()  # guards the two below
        self._jobs: set[Job] = set()
        self._closed = False
        self._taking: set[str] = (
            set()
        )  # workers who ask for a row, and have not heard what came of it
        self._asking: float | None = None  # since when the leases are to be renewed, and are not

    @outwaited
    def is_any_ready(self) -> bool:
        """Whether `take` would find a row."""
        with self.database.read() as connection:
            return queue.is_ready(connection, self._source)

    @outwaited
    def is_any_waiting(self) -> bool:
        """Whether any row is queued, be it for later."""
        with self.database.read() as connection:
            return queue.is_waiting(connection, self._source)

    @outwaited
    def take(self, worker: str) -> Job | None:
        """Take a row and the right to a connection; None if one of them is not to be had.

        What the run holds is renewed before: after a night's sleep its leases have run out, and its own rows are not free.
        What an attempt took whose COMMIT was cut short is given back first.
        """
        again = worker in self._taking
        self._taking.add(worker)
        with self.database.write() as connection:
            if again:
                queue.reap(connection, worker.__eq__)
                slots.reap(connection, worker.__eq__)
            self._renew(connection)
            slot = slots.acquire(connection, self._account, worker, lease=self._lease)
            job = None if slot is None else self._claim(connection, worker, slot)
        self._taking.discard(worker)
        if job is None:
            return None
        with self._lock:
            if not self._closed:
                self._jobs.add(job)
                return job
        self.give_back(job, GIVEN_BACK, None)
        return None

    def _claim(self, connection: Connection, worker: str, slot: Slot) -> Job | None:
        claimed = queue.claim(connection, worker, self._source, lease=self._lease)
        if claimed is None:
            slots.release(connection, slot)
            return None
        return Job(claimed, slot, bytes_done=claimed.bytes_done)

    def is_any_held(self) -> bool:
        """Whether the run is at any row."""
        with self._lock:
            return bool(self._jobs)

    def holds(self, job: Job) -> bool:
        """Whether the job has not been given back yet."""
        with self._lock:
            return job in self._jobs

    @outwaited
    def finish(self, job: Job, file: Held) -> None:
        """Note that the job's file is here. Raises LostClaimError."""
        with self.database.write(durable=True) as connection:
            queue.finish(connection, job.claimed, file, bytes_fetched=job.bytes_fetched)
            slots.release(connection, job.slot)
        self._forget(job)

    @outwaited
    def give_back(
        self, job: Job, verdict: Verdict, error: str | None, *, is_connected: bool = False
    ) -> bool:
        """Write the verdict; False if the row was no longer ours.

        The slot of a job that may still be connected is kept; see `hold_on`.
        """
        ours = True
        with self.database.write() as connection:
            try:
                queue.settle(
                    connection, job.claimed, verdict,
                    error=error, path=job.path,
                    bytes_done=job.bytes_done, bytes_fetched=job.bytes_fetched,
                )  # fmt: skip
            except LostClaimError:
                ours = False
            if not is_connected:
                slots.release(connection, job.slot)
        self._forget(job)
        # by itself, for who has claimed the row may be stopped in the midst of noting the same
        if not ours:
            with self.database.write() as connection:
                one, now = job.claimed, queue.clock(connection)
                attempts.end(connection, one.product_id, one.claim, now, "lost", job.bytes_fetched)
        return ours

    @outwaited
    def looks(self, job: Job) -> int:
        """How often the job's product was found offline before."""
        with self.database.read() as connection:
            return attempts.times_offline(connection, job.claimed.product_id)

    def renew(self) -> None:
        """Renew every lease, note the bytes, and stop the jobs that are no longer ours."""
        self._asking = self._asking or time.monotonic()
        with self.database.write() as connection:
            self._renew(connection)
        self._asking = None

    def _renew(self, connection: Connection) -> None:
        with self._lock:
            jobs = list(self._jobs)
        if self._asking is not None:
            self._asking = time.monotonic()
        held = [(job.claimed, job.bytes_done, job.bytes_fetched) for job in jobs]
        lost = queue.heartbeat(connection, held, lease=self._lease)
        without = slots.renew(connection, [job.slot for job in jobs], lease=self._lease)
        for job in jobs:
            job.lost = job.lost or job.claimed in lost
            if job.lost or job.slot in without:
                job.end()

    def end_unrenewed(self) -> None:
        """End every job if the catalogue has been too busy to renew the leases: before these are over, not after.

        Else others might take the slots while the connections are still open.
        """
        asking = self._asking
        if asking is not None and time.monotonic() - asking > self._lease.total_seconds() / 3:
            self._end_all()

    @outwaited
    def look_round(self) -> None:
        """Free what dead workers held, and queue the parked products that are due."""
        with self.database.write() as connection:
            freed = queue.reap(connection, is_dead)
            slots.reap(connection, is_dead)
            woken = queue.wake(connection, self._source)
        if freed:
            logger.info("took over %d downloads of a worker that is no longer there", freed)
        if woken:
            logger.debug("%d products that were offline are looked at again", woken)

    def close(self, join: Callable[[float], None], grace: float) -> list[Job]:
        """Stop every job, and give back the rows of those that do not listen; returns these.

        Args:
            join: waits for the threads until an instant of the monotonic clock.
            grace: seconds that they have.
        """
        with self._lock:
            self._closed = True
        self._end_all()
        join(time.monotonic() + grace)
        with self._lock:
            left, self._jobs = self._jobs, set()
        try:
            for job in left:
                self.give_back(job, GIVEN_BACK, None, is_connected=True)
        except CatalogueBusyError as error:  # they are free when the process is seen to be gone
            logger.warning("%s; what was on its way goes on with the next run", error)
        return list(left)

    def hold_on(self, left: list[Job], beat: float) -> None:
        """Keep the slots of jobs that were left behind until their threads have ended: so long they may be connected.

        Args:
            beat: seconds between two renewals.
        """
        while left:
            left[0].thread.join(beat)
            over = [job for job in left if not job.thread.is_alive()]
            left = [job for job in left if job not in over]
            try:
                with self.database.write() as connection:
                    slots.renew(connection, [job.slot for job in left], lease=self._lease)
                    for job in over:
                        slots.release(connection, job.slot)
            except CatalogueError as error:  # a lease lasts several beats, and is over some time
                logger.debug("could not renew what was left behind: %s", error)

    def _end_all(self) -> None:
        with self._lock:
            jobs = list(self._jobs)
        for job in jobs:
            job.end()

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._jobs.discard(job)
