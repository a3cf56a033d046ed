"""The queue: one row of `downloads` per product that people want.

People may insert and delete rows and set `status` and `priority` by plain SQL at any time, so a worker owns a row only as
long as its claim holds. Every write of a worker tests it: the row is still running, under this claim and worker, and wants
the same files of the product. A COMMIT may be stored although nobody heard of it, for the server died: to write the same
once more is no error.
Each function works inside the caller's transaction. All times are the database's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from satcat.columns import Instant, utc_now
from satcat.downloads import attempts
from satcat.downloads.policy import MOST_ATTEMPTS, Verdict
from satcat.downloads.rowlocks import if_free
from satcat.errors import LostClaimError, NameTakenError
from satcat.functions import alone_with
from satcat.models import downloads, products

#: A worker that is silent for so long has lost its claims.
LEASE = timedelta(seconds=60)
_FAR = timedelta(days=1)  # longer than any lease or wait
_HOPEFUL = ("queued", "running", "failed", "offline")
#: Which files of the product; only blanks, as people may write them, mean the whole.
_INCLUDE = sa.func.nullif(sa.func.trim(downloads.c.include, " \t\r\n"), "")


#: A row that had its attempts and is queued all the same was queued by somebody who wants them anew.
_ANEW = sa.case((downloads.c.attempts >= MOST_ATTEMPTS, 0), else_=downloads.c.attempts)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A row that a worker holds, and what the row knew of its file when it was claimed.

    `verified_at` None: the file at `path` was announced, but never seen there.
    """

    product_id: str
    claim: int
    worker: str
    attempts: int
    include: str | None
    path: str | None
    size_bytes: int | None
    checksum_algorithm: str | None
    checksum: str | None
    verification: str
    verified_at: datetime | None
    bytes_done: int


@dataclass(frozen=True, slots=True)
class Held:
    """A verified file of a download, or a folder with the wanted files of it: that has no checksum of its own."""

    path: str
    size_bytes: int
    checksum_algorithm: str | None
    checksum: str | None
    verification: str


def clock(connection: Connection) -> datetime:
    """The database's clock, which all workers share."""
    now: datetime = connection.execute(sa.select(sa.type_coerce(utc_now(), Instant))).scalar_one()
    return now


def is_over(until: ColumnElement[datetime | None], now: datetime) -> ColumnElement[bool]:
    """A lease or a wait has run out; so has one that ends too far ahead, for then a clock has been set back."""
    return sa.or_(until.is_(None), until <= now, until > now + _FAR)


def claim(
    connection: Connection, worker: str, source: str, *, lease: timedelta = LEASE
) -> Claimed | None:
    """Claim the next row for a worker; None if there is none.

    A row whose worker is silent comes first, for its file is half here; then the highest priority, then the oldest
    request. Rows that wait (`not_before`) and products of another source are left alone.
    """
    now = clock(connection)
    candidates = (*_candidates(now, source), _any_due(now, source))
    row = connection.execute(
        sa.update(downloads)
        .where(downloads.c.product_id == sa.func.coalesce(*map(_locked, candidates)))
        .values(
            status="running", worker=worker, claim=_next_claim(), lease_until=now + lease,
            started_at=now, finished_at=None, not_before=None, include=_INCLUDE, attempts=_ANEW,
        )
        .returning(*(downloads.c[name] for name in Claimed.__dataclass_fields__))
    ).first()  # fmt: skip
    if row is None:
        return None
    claimed = Claimed(*row)
    attempts.begin(connection, claimed.product_id, claimed.claim, worker, now)
    return claimed


def is_ready(connection: Connection, source: str) -> bool:
    """Tell whether `claim` would find a row now."""
    found = _candidates(clock(connection), source)
    return any(connection.scalar(candidate) is not None for candidate in found)


def is_waiting(connection: Connection, source: str) -> bool:
    """Tell whether any row is queued, be it for later."""
    queued = sa.select(downloads.c.product_id).where(downloads.c.status == "queued", _of(source))
    return connection.scalar(queued.limit(1)) is not None


def heartbeat(
    connection: Connection, held: Iterable[tuple[Claimed, int, int]], *, lease: timedelta = LEASE
) -> list[Claimed]:
    """Renew claims; returns those that are lost.

    A row that somebody has locked is left as it is, for as long nobody can take it either.

    Args:
        held: each with the bytes that are here, and those that this attempt took from the network.
    """
    now = clock(connection)
    lost = []
    for claimed, bytes_done, bytes_fetched in held:
        renewed = {"lease_until": now + lease, "bytes_done": bytes_done}
        free = sa.update(downloads).where(if_free(*_ours(claimed))).values(**renewed)
        if connection.execute(free).rowcount:
            attempts.fetched(connection, claimed.product_id, claimed.claim, bytes_fetched)
        elif connection.scalar(sa.select(sa.func.count()).where(*_ours(claimed))) == 0:
            lost.append(claimed)
    return lost


def announce(connection: Connection, claimed: Claimed, file: Held) -> None:
    """Note which verified file is about to get which name, so that whoever comes after a crash knows it as ours.

    Raises:
        LostClaimError: the row is no longer this worker's.
        NameTakenError: the name is that of another download.
    """
    connection.execute(sa.select(alone_with(file.path)))  # two may want a name that no row has yet
    taken = sa.select(downloads.c.product_id).where(
        downloads.c.path == file.path, downloads.c.product_id != claimed.product_id
    )
    if connection.scalar(taken.limit(1)) is not None:
        raise NameTakenError(file.path)
    known = sa.case((downloads.c.path == file.path, downloads.c.verified_at), else_=None)
    _must_write(connection, claimed, {**_columns(file), "verified_at": known})


def confirm(connection: Connection, claimed: Claimed) -> None:
    """Make sure that the row is this worker's, and stays so until the transaction ends.

    Raises:
        LostClaimError: it is not.
    """
    _must_write(connection, claimed, {"status": "running"})


def finish(connection: Connection, claimed: Claimed, file: Held, *, bytes_fetched: int) -> None:
    """Note that the file is there. The transaction should be durable: the file is not fetched again.

    Raises:
        LostClaimError: the row is no longer this worker's.
    """
    now = clock(connection)
    done = {
        "status": "done", "worker": None, "lease_until": None, "error": None, "finished_at": now,
        "verified_at": now, "bytes_done": file.size_bytes,
    }  # fmt: skip
    _must_write(connection, claimed, {**_columns(file), **done}, outcome="done")
    attempts.end(connection, claimed.product_id, claimed.claim, now, "done", bytes_fetched)


def settle(
    connection: Connection,
    claimed: Claimed,
    verdict: Verdict,
    *,
    error: str | None = None,
    path: str | None = None,
    bytes_done: int | None = None,
    bytes_fetched: int = 0,
) -> None:
    """Give the row back with what was decided.

    Args:
        path: where a file of the product is all the same, None if there is none.
        bytes_done: that are here; None leaves what the row says.

    Raises:
        LostClaimError: the row is no longer this worker's.
    """
    now = clock(connection)
    waits = verdict.status == "queued"
    wait = verdict.wait if verdict.status in ("queued", "offline") else 0.0
    values: dict[str, Any] = {
        "status": verdict.status, "worker": None, "lease_until": None, "path": path,
        "not_before": now + timedelta(seconds=wait) if wait else None,
        "finished_at": None if waits else now,
        "attempts": downloads.c.attempts + int(verdict.counts),
    }  # fmt: skip
    if error is not None:
        values["error"] = error
    if bytes_done is not None:
        values["bytes_done"] = bytes_done
    outcome = "retry" if waits and verdict.counts else "released" if waits else verdict.status
    _must_write(connection, claimed, values, outcome=outcome)
    attempts.end(connection, claimed.product_id, claimed.claim, now, outcome, bytes_fetched, error)


def reap(connection: Connection, is_dead: Callable[[str], bool]) -> int:
    """Queue the rows of workers that are dead at once, without waiting for their lease; returns how many."""
    running = downloads.c.status == "running"
    workers = connection.scalars(
        sa.select(downloads.c.worker).where(running, downloads.c.worker.is_not(None)).distinct()
    )
    dead = [worker for worker in workers if is_dead(worker)]
    freed = (
        sa.update(downloads)
        .where(if_free(running, downloads.c.worker.in_(dead)))
        .values(status="queued", worker=None, lease_until=None)
    )
    return connection.execute(freed).rowcount if dead else 0


def wake(connection: Connection, source: str) -> int:
    """Queue the parked products that are due: their time has come, or the catalogue heard since that they are online.

    So are those that it no longer has, for a worker to say so. Returns how many.
    """
    now = clock(connection)
    known = products.c.id == downloads.c.product_id
    heard = sa.exists().where(
        known, products.c.online, products.c.changed_at > downloads.c.finished_at
    )
    due = sa.or_(is_over(downloads.c.not_before, now), heard, ~sa.exists().where(known))
    woken = (
        sa.update(downloads)
        .where(if_free(downloads.c.status == "offline", _of(source), due))
        .values(status="queued", not_before=None)
    )
    return connection.execute(woken).rowcount


def is_wanted(connection: Connection, product_id: str) -> bool:
    """Tell whether there is a row of the product that may be gone on with, be it when somebody retries."""
    row = sa.select(downloads.c.product_id).where(
        downloads.c.product_id == product_id, downloads.c.status.in_(_HOPEFUL)
    )
    return connection.scalar(row) is not None


def is_taken_over(connection: Connection, claimed: Claimed) -> bool:
    """Tell whether somebody has claimed the row since."""
    row = sa.select(downloads.c.product_id).where(
        downloads.c.product_id == claimed.product_id, downloads.c.claim > claimed.claim
    )
    return connection.scalar(row) is not None


def _candidates(now: datetime, source: str) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """What `claim` looks for, in this order."""
    return _abandoned(now, source), _next(now, source)


def _locked(candidate: sa.Select[Any]) -> ColumnElement[Any]:
    """The row, passing over those that other workers are claiming at this moment."""
    return candidate.with_for_update(skip_locked=True).scalar_subquery()


def _abandoned(now: datetime, source: str) -> sa.Select[Any]:
    """The row whose worker has been silent for longest."""
    silent = is_over(downloads.c.lease_until, now)
    return (
        sa.select(downloads.c.product_id)
        .where(downloads.c.status == "running", silent, _of(source))
        .order_by(downloads.c.lease_until)
        .limit(1)
    )


def _next(now: datetime, source: str) -> sa.Select[Any]:
    """The queued row that is due. Two steps, each walking the index: one sort of a long queue would be slow."""
    due = _is_due(now, source)
    highest = (
        sa.select(downloads.c.priority).where(due).order_by(downloads.c.priority.desc()).limit(1)
    )
    return (
        sa.select(downloads.c.product_id)
        .where(due, downloads.c.priority == highest.scalar_subquery())
        .order_by(downloads.c.requested_at)
        .limit(1)
    )


def _any_due(now: datetime, source: str) -> sa.Select[Any]:
    """A queued row of the highest priority that is free, for somebody may have locked all that come first."""
    key, due = downloads.c.product_id, _is_due(now, source)
    return sa.select(key).where(due).order_by(downloads.c.priority.desc()).limit(1)


def _is_due(now: datetime, source: str) -> ColumnElement[bool]:
    waits_no_more = is_over(downloads.c.not_before, now)
    return sa.and_(downloads.c.status == "queued", waits_no_more, _of(source))


def _next_claim() -> ColumnElement[int]:
    """A number that no claim of this product ever had, also if its row was deleted and made again meanwhile."""
    known = sa.func.coalesce(attempts.last_claim(downloads.c.product_id), 0)
    return sa.case((downloads.c.claim >= known, downloads.c.claim), else_=known) + 1


def _of(source: str) -> ColumnElement[bool]:
    """The product is of this source, or not in the catalogue (then any worker may find that out)."""
    other = sa.select(products.c.pk).where(
        products.c.id == downloads.c.product_id, products.c.source != source
    )
    return ~other.correlate(downloads).exists()


def _columns(file: Held) -> dict[str, Any]:
    return {name: getattr(file, name) for name in Held.__dataclass_fields__}


def _ours(claimed: Claimed) -> tuple[ColumnElement[bool], ...]:
    return (
        downloads.c.product_id == claimed.product_id,
        downloads.c.claim == claimed.claim,
        downloads.c.worker == claimed.worker,
        downloads.c.status == "running",
        downloads.c.include.is_not_distinct_from(
            claimed.include
        ),  # else other files are wanted now
    )


def _must_write(
    connection: Connection, claimed: Claimed, values: dict[str, Any], *, outcome: str = ""
) -> None:
    """Change the worker's row; one that this claim has ended so before is left as it is by now."""
    product_id, change = claimed.product_id, sa.update(downloads).where(*_ours(claimed))
    if connection.execute(change.values(**values)).rowcount == 1:
        return
    if not attempts.has_ended(connection, product_id, claimed.claim, outcome):
        raise LostClaimError(f"{product_id}: cancelled, deleted, or taken over by another worker")
