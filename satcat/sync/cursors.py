"""Cursors: per slice and feed, the source's time up to which that feed is known."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert_on_server
from sqlalchemy.dialects.sqlite import insert as upsert_in_file

from satcat.api.base import Feed
from satcat.models import sync_cursors, sync_lateness
from satcat.products import SatelliteImage
from satcat.sync import store
from satcat.sync.scopes import Scope

DELETION = "deletion"
FEEDS = (Feed.PUBLICATION.value, Feed.MODIFICATION.value, DELETION)


def start(connection: Connection, scope: Scope, slice_: int, at: datetime) -> None:
    """Give a slice its cursors, before its first listing; one that has them keeps them."""
    rows = [{"scope_id": scope.id, "slice": slice_, "feed": feed, "position": at} for feed in FEEDS]
    insert = upsert_in_file if connection.dialect.name == "sqlite" else upsert_on_server
    connection.execute(insert(sync_cursors).on_conflict_do_nothing(), rows)


def position(connection: Connection, scope: Scope, slice_: int, feed: str) -> datetime:
    """The source's time up to which a feed is known."""
    mine = _cursor(scope, slice_, feed)
    found: datetime = connection.execute(
        sa.select(sync_cursors.c.position).where(mine)
    ).scalar_one()
    return found


def followed_to(connection: Connection, scope: Scope) -> datetime | None:
    """The source's time up to which all of the scope is known; None before its first sync."""
    mine = sync_cursors.c.scope_id == scope.id
    lowest = sa.func.min(sync_cursors.c.position)
    found: datetime | None = connection.scalar(sa.select(lowest).where(mine))
    return found


def _cursor(scope: Scope, slice_: int, feed: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        sync_cursors.c.scope_id == scope.id,
        sync_cursors.c.slice == slice_,
        sync_cursors.c.feed == feed,
    )


def advance(
    connection: Connection, scope: Scope, slice_: int, feed: str, reached: datetime
) -> None:
    """Move a cursor forward; a listing that starts before it, for its overlap, does not move it back."""
    further = sync_cursors.c.position < reached
    moved = sa.update(sync_cursors).where(_cursor(scope, slice_, feed), further)
    connection.execute(moved.values(position=reached))


def note_late(
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
