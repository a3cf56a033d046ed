"""Cursors: per slice and feed, the source's time up to which that feed is known."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api.base import Feed
from satcat.models import sync_cursors
from satcat.sync.scopes import Scope

DELETION = "deletion"
FEEDS = (Feed.PUBLICATION.value, Feed.MODIFICATION.value, DELETION)


def start(connection: Connection, scope: Scope, slice_: int, at: datetime) -> None:
    """Give a slice its cursors, before its first listing; one that has them keeps them."""
    mine = sa.and_(sync_cursors.c.scope_id == scope.id, sync_cursors.c.slice == slice_)
    known = set(connection.scalars(sa.select(sync_cursors.c.feed).where(mine)))
    rows = [
        {"scope_id": scope.id, "slice": slice_, "feed": feed, "position": at}
        for feed in FEEDS
        if feed not in known
    ]
    if rows:
        connection.execute(sa.insert(sync_cursors), rows)


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


def hold_back(connection: Connection, scope: Scope, now: datetime, began: datetime) -> None:
    """Set cursors that are ahead of the source's clock to when this run began.

    They were set by an answer from a wrong clock; what is published until then would be missed.
    """
    ahead = sa.and_(sync_cursors.c.scope_id == scope.id, sync_cursors.c.position > now)
    connection.execute(sa.update(sync_cursors).where(ahead).values(position=began))


def advance(
    connection: Connection, scope: Scope, slice_: int, feed: str, reached: datetime
) -> None:
    """Move a cursor forward; a listing that starts before it, for its overlap, does not move it back."""
    further = sync_cursors.c.position < reached
    moved = sa.update(sync_cursors).where(_cursor(scope, slice_, feed), further)
    connection.execute(moved.values(position=reached))
