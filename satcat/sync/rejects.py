"""Records that cannot be stored, and fields that could not be read: kept, asked for again, never forgotten."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api.base import Page, Reject
from satcat.batches import batches
from satcat.models import sync_rejects
from satcat.sync import store
from satcat.sync.windows import Window

_OPEN = sync_rejects.c.resolved_at.is_(None) & (sync_rejects.c.kind == "reject")


def keep(
    connection: Connection,
    scope_id: int,
    slice_: int,
    feed: str,
    page: Page[Any],
    at: datetime,
    since: datetime | None,
) -> None:
    """Keep what a page rejects and warns of; what is known already is only seen again.

    Args:
        feed: the listing it came from: `window`, or the name of a cursor.
        since: from where the page lists: no record of it is earlier. The page's own position is that of its last row.
    """
    for reject in page.rejects:
        add(connection, scope_id, slice_, feed, reject, at, position=since)
    for warnings in batches(dict.fromkeys(page.warnings), store.CHUNK):
        _warn(connection, scope_id, slice_, feed, warnings, at)


def _warn(
    connection: Connection, scope_id: int, slice_: int, feed: str, warnings: list[str], at: datetime
) -> None:
    """Keep warnings; all at once, for a whole collection may have a field that cannot be read."""
    mine = [sync_rejects.c.scope_id == scope_id, sync_rejects.c.kind == "warning"]
    again = sa.update(sync_rejects).where(*mine, sync_rejects.c.error.in_(warnings))
    known = set(connection.scalars(again.values(last_at=at).returning(sync_rejects.c.error)))
    about = {"scope_id": scope_id, "slice": slice_, "feed": feed, "kind": "warning"}
    new = [
        {**about, "error": warning, "first_at": at, "last_at": at}
        for warning in warnings
        if warning not in known
    ]
    if new:
        connection.execute(sa.insert(sync_rejects), new)


def add(
    connection: Connection,
    scope_id: int,
    slice_: int,
    feed: str,
    reject: Reject,
    at: datetime,
    position: datetime | None = None,
) -> None:
    """Keep one rejected record, as it was last met."""
    same = (
        sync_rejects.c.raw == reject.raw
        if reject.id is None
        else sync_rejects.c.product_id == reject.id
    )
    mine = sa.and_(sync_rejects.c.scope_id == scope_id, _OPEN, same)
    said = {"error": reject.error, "raw": reject.raw, "last_at": at}
    if not connection.execute(sa.update(sync_rejects).where(mine).values(**said)).rowcount:
        where = {"scope_id": scope_id, "slice": slice_, "feed": feed, "position": position}
        about = {"kind": "reject", "product_id": reject.id, "first_at": at}
        connection.execute(sa.insert(sync_rejects).values(**said, **where, **about))


def open_ids(connection: Connection, scope_id: int) -> list[tuple[str, int]]:
    """Open rejects that have an id: the id and the slice."""
    columns = (sync_rejects.c.product_id, sync_rejects.c.slice)
    mine = (sync_rejects.c.scope_id == scope_id) & sync_rejects.c.product_id.is_not(None)
    return [(r[0], r[1]) for r in connection.execute(sa.select(*columns).where(_OPEN, mine))]


def count(connection: Connection, scope_id: int) -> int:
    """How many rejects of the scope are open."""
    query = sa.select(sa.func.count()).where(_OPEN, sync_rejects.c.scope_id == scope_id)
    return connection.scalar(query) or 0


def settle(connection: Connection, scope_id: int, ids: Sequence[str], at: datetime) -> None:
    """These products are now held, or gone."""
    mine = sa.and_(sync_rejects.c.scope_id == scope_id, sync_rejects.c.product_id.in_(ids))
    connection.execute(sa.update(sync_rejects).where(_OPEN, mine).values(resolved_at=at))


def settle_nameless_in(connection: Connection, scope_id: int, window: Window, at: datetime) -> None:
    """The window was listed without a record that has no id: those found in it before are right now, or gone."""
    position = sync_rejects.c.position
    mine = [sync_rejects.c.scope_id == scope_id, sync_rejects.c.slice == window.slice]
    mine += [sync_rejects.c.feed == "window", sync_rejects.c.product_id.is_(None)]
    if window.interval.start is not None:
        mine.append(sa.or_(position.is_(None), position >= window.interval.start))
    if window.interval.end is not None:
        mine.append(sa.or_(position.is_(None), position <= window.interval.end))
    connection.execute(sa.update(sync_rejects).where(_OPEN, *mine).values(resolved_at=at))


def first_nameless(
    connection: Connection, scope_id: int, slice_: int, feed: str
) -> datetime | None:
    """From where a feed must be listed again, because of records there that have no id to ask for."""
    mine = _nameless(scope_id, slice_, feed)
    first = sa.select(sa.func.min(sync_rejects.c.position)).where(_OPEN, mine)
    found: datetime | None = connection.scalar(first)
    return found


def settle_nameless(
    connection: Connection,
    scope_id: int,
    slice_: int,
    feed: str,
    seen: Collection[str],
    at: datetime,
) -> None:
    """A feed was listed again: records without id that it no longer shows are right now, or gone.

    Args:
        seen: the raw records without id that it showed.
    """
    unseen = _nameless(scope_id, slice_, feed) & sync_rejects.c.raw.not_in(seen)
    connection.execute(sa.update(sync_rejects).where(_OPEN, unseen).values(resolved_at=at))


def _nameless(scope_id: int, slice_: int, feed: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        sync_rejects.c.scope_id == scope_id,
        sync_rejects.c.slice == slice_,
        sync_rejects.c.feed == feed,
        sync_rejects.c.product_id.is_(None),
    )
