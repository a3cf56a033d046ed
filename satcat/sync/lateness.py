"""Lateness: how long after its publication date a product became visible, known when it missed an earlier sweep.

Kept and reported, so that people can choose the overlap of their syncs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert_on_server
from sqlalchemy.dialects.sqlite import insert as upsert_in_file

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
    held = store.held(connection, [image.id for image in early])
    rows = [
        {
            "scope_id": scope.id,
            "product_id": image.id,
            "publication_date": image.publication_date,
            "noticed_at": at,
            "late_seconds": (at - image.publication_date).total_seconds(),
        }
        for image in early
        if image.id not in held and image.publication_date is not None
    ]
    if rows:
        insert = upsert_in_file if connection.dialect.name == "sqlite" else upsert_on_server
        connection.execute(insert(sync_lateness).on_conflict_do_nothing(), rows)
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
