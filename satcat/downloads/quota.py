"""What CDSE lets one account transfer, what this catalogue did of that, and how long the rest takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.downloads.queue import clock
from satcat.functions import as_text
from satcat.models import download_attempts

#: Bytes in a rolling period of so many days; beyond, there is one connection of `SLOW_RATE` bytes a second.
QUOTA, DAYS, SLOW_RATE = 12_000_000_000_000, 30, 1_000_000
#: Connections of one account, and bytes a second of each.
CONNECTIONS, RATE = 4, 20_000_000

_DAY = 86_400.0  # seconds
_MEASURED = 200  # attempts that a rate is measured by
_LONGEST = 36_500  # days of a forecast


def transferred(connection: Connection) -> list[int]:
    """Bytes that this catalogue fetched, day by day, today last; also what was thrown away again."""
    now = clock(connection)
    table = download_attempts
    day = sa.func.substr(as_text(table.c.started_at), 1, 10, type_=sa.Text())
    begun = table.c.started_at > now - timedelta(days=DAYS)
    rows = connection.execute(sa.select(day, sa.func.sum(table.c.bytes)).where(begun).group_by(day))
    by_day = {text: int(total) for text, total in rows}
    days = (now - timedelta(days=ago) for ago in range(DAYS, -1, -1))
    first, *rest = (by_day.get(f"{day:%Y-%m-%d}", 0) for day in days)
    rest[0] += first  # the part of that day which is within the period
    return rest


def measured_rate(connection: Connection) -> float | None:
    """Bytes a second of the last attempts, all connections together; None if there were none lately."""
    now = clock(connection)
    table = download_attempts
    lately = sa.and_(table.c.bytes > 0, table.c.started_at > now - timedelta(days=DAYS))
    rows = connection.execute(
        sa.select(table.c.started_at, table.c.finished_at, table.c.bytes)
        .where(lately)
        .order_by(table.c.id.desc())
        .limit(_MEASURED)
    ).all()
    seconds = _covered((row.started_at, row.finished_at or now) for row in rows)
    return sum(row.bytes for row in rows) / seconds if seconds > 0 else None


def seconds_needed(left: int, rate: float, days: Sequence[int]) -> float:
    """How long so many bytes take at a rate (bytes a second), within the quota.

    Args:
        days: what was transferred on each of the last days, today last.
    """
    window = deque(days, maxlen=DAYS)
    passed = 0.0
    rest = float(left)
    for _ in range(_LONGEST):
        room = max(0.0, QUOTA - sum(window))
        fast = min(rest, room, rate * _DAY)
        slow_rate = min(rate, SLOW_RATE)
        slow = min(rest - fast, (_DAY - fast / rate) * slow_rate)
        rest -= fast + slow
        if rest < 1:
            return passed + fast / rate + slow / slow_rate
        passed += _DAY
        window.append(int(fast + slow))
    return passed


def _covered(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Seconds that lie within any of the spans."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
        reached = end if reached is None else max(reached, end)
    return total
