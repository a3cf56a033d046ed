"""The ledger of windows: which intervals of a slice are listed, proven, or still to do.

Windows tile a slice's interval without gap or overlap. A window aims at 2,800 rows, which three pages hold with what they
repeat of each other; one that holds more than 5,000 is cut before it is walked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine import Row

from satcat import times
from satcat.models import sync_windows
from satcat.sync.ledger import Tally
from satcat.sync.scopes import Scope
from satcat.times import Interval

AIM = 2800  # rows a window
MOST = 5000  # rows; above, a window is cut
WALKS = 3  # of one window in one run, before a count that does not fit is believed
_PAGE = 1000  # rows a request
_PARTS = 10_000  # that one window is cut into at most, whatever the source counts

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """One window of the ledger.

    Attributes:
        published_before: only products published before this are walked, and counted.
        resume_at: the sensing start up to which the walk under way is stored, and `seen` what it had listed before it.
        listed: the source's own count and digest, when it was last shown complete.
        listed_at: the source's clock then.
    """

    id: int
    slice: int
    interval: Interval
    status: str
    published_before: datetime | None
    resume_at: datetime | None
    seen: Tally
    counted: int | None
    listed_at: datetime | None
    id_digest: str | None


def to_walk(connection: Connection, scope: Scope) -> list[Window]:
    """The windows that are not complete, by slice and time."""
    return _windows(connection, scope, sync_windows.c.status != "complete")


def all_of(connection: Connection, scope: Scope) -> list[Window]:
    """Every window of the scope, by slice and time."""
    return _windows(connection, scope, sa.true())


def oldest(connection: Connection, scope: Scope) -> list[Window]:
    """The complete windows, those listed longest ago first."""
    complete = sync_windows.c.status == "complete"
    return sorted(_windows(connection, scope, complete), key=by_proof)


def by_proof(window: Window) -> tuple[bool, datetime, int]:
    """A key that sorts by when windows were proven; those whose last listing proved nothing come last."""
    return (window.status != "complete", window.listed_at or _EPOCH, window.id)


def _windows(
    connection: Connection, scope: Scope, condition: sa.ColumnElement[bool]
) -> list[Window]:
    in_order = (
        sync_windows.c.slice,
        sync_windows.c.window_start.is_not(None),
        sync_windows.c.window_start,
    )
    rows = connection.execute(
        sa.select(sync_windows)
        .where(sync_windows.c.scope_id == scope.id, condition)
        .order_by(*in_order)
    )
    return [_window(row) for row in rows]


def _window(row: Row[tuple[object, ...]]) -> Window:
    return Window(
        id=row.id,
        slice=row.slice,
        interval=Interval(row.window_start, row.window_end),
        status=row.status,
        published_before=row.published_before,
        resume_at=row.resume_at,
        seen=Tally.read(row.seen_count, row.seen_digest),
        counted=row.server_count,
        listed_at=row.listed_at,
        id_digest=row.id_digest,
    )


def begin(connection: Connection, window: Window, published_before: datetime, counted: int) -> None:
    """A walk starts: note its bound and the count it is to come to."""
    _update(
        connection,
        window.id,
        status="pending",
        published_before=published_before,
        server_count=counted,
        resume_at=None,
        seen_count=0,
        seen_digest=None,
        error=None,
    )


def reach(connection: Connection, window: Window, resume_at: datetime, seen: Tally) -> None:
    """The walk is stored up to this sensing start."""
    _update(
        connection, window.id, resume_at=resume_at, seen_count=seen.count, seen_digest=seen.digest
    )


def complete(connection: Connection, window: Window, listed: Tally, at: datetime) -> None:
    """The source listed as many distinct ids as it counts: the window is proven, as of that time."""
    _update(
        connection,
        window.id,
        status="complete",
        server_count=listed.count,
        id_digest=listed.digest,
        listed_at=at,
        resume_at=None,
        seen_count=0,
        seen_digest=None,
        attempts=0,
        error=None,
    )


def mismatch(connection: Connection, window: Window, error: str) -> None:
    """The window could not be proven; the next sync walks it again."""
    _update(
        connection,
        window.id,
        status="mismatch",
        resume_at=None,
        seen_count=0,
        seen_digest=None,
        attempts=sync_windows.c.attempts + 1,
        error=error,
    )


def _update(connection: Connection, window_id: int, **values: object) -> None:
    connection.execute(
        sa.update(sync_windows).where(sync_windows.c.id == window_id).values(**values)
    )


def replace(
    connection: Connection, scope: Scope, window: Window, parts: Sequence[Interval]
) -> list[Window]:
    """Put parts in the place of a window."""
    connection.execute(sa.delete(sync_windows).where(sync_windows.c.id == window.id))
    rows = [
        {
            "scope_id": scope.id,
            "slice": window.slice,
            "window_start": part.start,
            "window_end": part.end,
        }
        for part in parts
    ]
    made = connection.execute(sa.insert(sync_windows).returning(sync_windows), rows)
    return sorted((_window(row) for row in made), key=lambda part: part.id)


def requests_for(rows: int) -> int:
    """How many requests list so many rows, at the least."""
    return max(1, math.ceil(rows / _PAGE))


def cut(interval: Interval, held: Interval, counted: int) -> list[Interval]:
    """Cut an interval so that evenly spread rows would make windows of the size aimed at.

    Args:
        held: from the first sensing start in the interval to just past the last: where the cuts fall.
        counted: the rows in it.

    Returns:
        The parts, in order, cut at whole seconds; the first and last are open where the interval is. Only the
        interval itself if it cannot be cut.
    """
    assert held.start is not None
    first, last = _whole_seconds(held.start), _whole_seconds(held.end or times.LAST) + 1
    parts = min(max(2, math.ceil(counted / AIM)), _PARTS, last - first)
    cuts = [
        _EPOCH + timedelta(seconds=first + (last - first) * n // parts) for n in range(1, parts)
    ]
    edges = [
        interval.start,
        *(c for c in cuts if c in interval and c != interval.start),
        interval.end,
    ]
    return [Interval(start, end) for start, end in pairwise(edges)]


def _whole_seconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(seconds=1)


def gaps_and_overlaps(windows: Sequence[Window], slices: int, interval: Interval) -> list[str]:
    """Say where the windows of a scope do not tile its interval, slice by slice."""
    found = []
    for slice_ in range(slices):
        mine = [window.interval for window in windows if window.slice == slice_]
        found += [f"no window covers {left} (slice {slice_})" for left in interval.minus(mine)]
        for before, after in pairwise(mine):
            if before.intersection(after):
                found.append(f"windows {before} and {after} overlap (slice {slice_})")
    return found
