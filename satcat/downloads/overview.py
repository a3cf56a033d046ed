"""The queue at a glance: what waits, what runs and how fast, what failed and why, and how long the rest takes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.downloads import marks, quota
from satcat.downloads.identity import is_dead
from satcat.downloads.marks import Tally
from satcat.downloads.queue import LEASE, clock
from satcat.models import download_attempts, downloads, products

#: What differs from one failure to the next of the same kind: checksums, and long numbers.
_PARTICULAR = re.compile(
    r"\b(?:[0-9a-f]{32,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4,})\b"
)
_MOST_REASONS = 20


@dataclass(frozen=True, slots=True)
class Running:
    """A file on its way.

    Attributes:
        bytes_done: that are here, as the worker last told.
        rate: bytes a second since it was started, None if it told nothing yet.
        is_silent: its worker is dead, or did not report in time; another one takes it over.
    """

    product_id: str
    name: str
    host: str
    pid: int | None
    started_at: datetime | None
    bytes_done: int
    size_bytes: int | None
    rate: float | None
    is_silent: bool


@dataclass(frozen=True, slots=True)
class Reason:
    """So many downloads of one status that say the same."""

    status: str
    reason: str
    downloads: int


@dataclass(frozen=True, slots=True)
class Later:
    """Rows that wait for a time: how many, and when the first of them is due."""

    downloads: int
    first_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole queue.

    Attributes:
        statuses: rows and bytes of each status.
        delayed: queued rows that wait after a failure; `parked`: offline ones, and when they are looked at again.
        bytes_left: of queued and running rows of known size; `unknown_sizes` counts the others.
        rate: bytes a second of the last attempts, None if nothing was measured; then `seconds_left` is for what CDSE allows.
        transferred: bytes of the last 30 days, of `quota`.
    """

    at: datetime
    statuses: dict[str, Tally]
    running: list[Running]
    reasons: list[Reason]
    delayed: Later
    parked: Later
    bytes_left: int
    unknown_sizes: int
    rate: float | None
    seconds_left: float
    transferred: int
    quota: int


def overview(connection: Connection) -> Overview:
    """Look at the queue."""
    now = clock(connection)
    missing, unknown = left(connection)
    days = quota.transferred(connection)
    rate = quota.measured_rate(connection)
    allowed = float(quota.CONNECTIONS * quota.RATE)
    return Overview(
        at=now,
        statuses=marks.counts(connection),
        running=_running(connection, now),
        reasons=_reasons(connection),
        delayed=_later(connection, "queued", now),
        parked=_later(connection, "offline", None),
        bytes_left=missing,
        unknown_sizes=unknown,
        rate=rate,
        seconds_left=quota.seconds_needed(missing, rate or allowed, days),
        transferred=sum(days),
        quota=quota.QUOTA,
    )


_WITH_PRODUCTS = downloads.outerjoin(products, products.c.id == downloads.c.product_id)
_NAME = sa.func.coalesce(products.c.name, downloads.c.product_id).label("name")
#: Of the whole product; how large some files of it are, nobody knows before.
_SIZE = sa.case((downloads.c.include.is_(None), products.c.size_bytes))


def left(connection: Connection) -> tuple[int, int]:
    """Bytes that are still to come for what is queued or running, and how many of these are of unknown size."""
    done = downloads.c.bytes_done
    whole = sa.case(
        (downloads.c.status == "queued", _SIZE), else_=0
    )  # its file was lost, or was bad
    missing = sa.case((_SIZE.is_(None), 0), (done < _SIZE, _SIZE - done), else_=whole)
    total, known, rows = connection.execute(
        sa.select(sa.func.sum(missing), sa.func.count(_SIZE), sa.func.count())
        .select_from(_WITH_PRODUCTS)
        .where(downloads.c.status.in_(("queued", "running")))
    ).one()
    return int(total or 0), rows - known


def _running(connection: Connection, now: datetime) -> list[Running]:
    table = download_attempts
    attempt = sa.and_(
        table.c.product_id == downloads.c.product_id, table.c.claim == downloads.c.claim,
        table.c.outcome.is_(None),
    )  # fmt: skip
    rows = connection.execute(
        sa.select(
            downloads.c.product_id, _NAME, downloads.c.worker, downloads.c.lease_until,
            downloads.c.started_at, downloads.c.bytes_done, _SIZE.label("size"), table.c.bytes,
        )
        .select_from(_WITH_PRODUCTS.outerjoin(table, attempt))
        .where(downloads.c.status == "running")
        .order_by(downloads.c.started_at, downloads.c.product_id)
    )  # fmt: skip
    found = []
    for row in rows:
        host, _, rest = (row.worker or "").partition(":")
        pid = rest.partition(":")[0]
        told = min(now, row.lease_until - LEASE) if row.lease_until else now
        seconds = (told - row.started_at).total_seconds() if row.started_at else 0.0
        found.append(
            Running(
                row.product_id, row.name, host, int(pid) if pid.isdecimal() else None, row.started_at,
                row.bytes_done, row.size, row.bytes / seconds if row.bytes and seconds > 0 else None,
                row.lease_until is None or row.lease_until < now or is_dead(row.worker or ""),
            )
        )  # fmt: skip
    return found


def _reasons(connection: Connection) -> list[Reason]:
    failed = sa.or_(
        downloads.c.status.in_(marks.FAILED),
        sa.and_(downloads.c.status == "queued", downloads.c.error.is_not(None)),
    )
    rows = connection.execute(
        sa.select(downloads.c.status, downloads.c.error, _NAME)
        .select_from(_WITH_PRODUCTS)
        .where(failed),
        execution_options={"yield_per": 1000},
    )
    seen = Counter((status, _general(error, name)) for status, error, name in rows)
    ordered = sorted(seen.items(), key=lambda item: (-item[1], item[0]))
    return [Reason(status, reason, n) for (status, reason), n in ordered[:_MOST_REASONS]]


def _general(error: str | None, name: str) -> str:
    """An error without what is particular to its product."""
    if not error:
        return "no reason given"
    return _PARTICULAR.sub("…", error.replace(f"{name}: ", "").replace(name, "…"))


def _later(connection: Connection, status: str, after: datetime | None) -> Later:
    waiting = [downloads.c.status == status]
    if after is not None:
        waiting.append(downloads.c.not_before > after)
    number, first = connection.execute(
        sa.select(sa.func.count(), sa.func.min(downloads.c.not_before)).where(*waiting)
    ).one()
    return Later(number, first)
