"""Lateness: how long after its publication date a product became visible, known when it missed an earlier sweep.

Kept and reported, so that people can choose the overlap of their syncs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.models import sync_lateness
from satcat.products import SatelliteImage
from satcat.sync import store
from satcat.sync.scopes import Scope


@dataclass(frozen=True, slots=True)
class Lateness:
    """How late products were, in seconds, at most: `late` of them, half within `median`, 99 in 100 within `p99`."""

    late: int
    median: float
    p99: float
    longest: float


def note(
    connection: Connection,
    scope: Scope,
    images: Iterable[SatelliteImage],
    swept_to: datetime,
    at: datetime,
) -> int:
    """Record products that an earlier sweep should have shown and did not; returns how many.

    Args:
        swept_to: the publication date up to which products had been listed before.
        at: the source's clock now: so much later than its publication date a product became visible, at most.
    """
    early = [i for i in images if i.publication_date is not None and i.publication_date < swept_to]
    ids = [image.id for image in early]
    mine = sync_lateness.c.scope_id == scope.id
    noted = sa.select(sync_lateness.c.product_id).where(mine, sync_lateness.c.product_id.in_(ids))
    known = {*store.held(connection, ids), *connection.scalars(noted)}
    rows = [
        {
            "scope_id": scope.id,
            "product_id": image.id,
            "publication_date": image.publication_date,
            "noticed_at": at,
            "late_seconds": (at - image.publication_date).total_seconds(),
        }
        for image in early
        if image.id not in known and image.publication_date is not None
    ]
    if rows:
        connection.execute(sa.insert(sync_lateness), rows)
    return len(rows)


def summary(connection: Connection, scope: Scope) -> Lateness | None:
    """How late the scope's late products were; None if none was."""
    seconds = sync_lateness.c.late_seconds
    mine = sa.select(seconds).where(sync_lateness.c.scope_id == scope.id).order_by(seconds)
    found = list(connection.scalars(mine))
    if not found:
        return None
    last = len(found) - 1
    return Lateness(len(found), found[last // 2], found[last * 99 // 100], found[last])
