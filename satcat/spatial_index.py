"""The index of footprints and sensing times: which boxes meet some boxes in an interval.

SQLite has an R*Tree beside the products, PostgreSQL two GiST indexes on them: one of footprints as they are, one of
those that cross 180 degrees, moved to 0...360 where they are in one piece. A box is west, south, east, north with
west <= east, so that an area across 180 degrees has two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection, CursorResult

from satcat.columns import SRID, Instant
from satcat.times import Interval

Box: TypeAlias = tuple[float, float, float, float]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # day 0 of the R*Tree
_NEVER = 1e7  # days before and after it
# SQLite's julianday() rounds to milliseconds, so that a day may come out later than the instant itself.
_ROUNDING = 1 / 86_400  # a second, in days

# What lies in one area lies on pages all over the file, and is read twice: 256 MB, if there is as much to read.
_LARGE_CACHE = "PRAGMA cache_size = -262144"

# Boxes first, by CROSS JOIN: with the R*Tree first SQLite would look up the times alone, and test every box on them.
_IN_SQLITE = """
    SELECT abs(entry.pk), entry.west, entry.south, entry.east, entry.north
    FROM json_each(?) AS box CROSS JOIN products_rtree AS entry
    WHERE entry.west <= json_extract(box.value, '$[2]') AND entry.east >= json_extract(box.value, '$[0]')
      AND entry.south <= json_extract(box.value, '$[3]') AND entry.north >= json_extract(box.value, '$[1]')
      AND entry.last_day >= ? AND entry.first_day <= ?
"""

_ENVELOPE = f"ST_MakeEnvelope(box.west + {{0}}, box.south, box.east + {{0}}, box.north, {SRID})"
# Either end of a footprint across 180 degrees is an entry of its own, as in the R*Tree.
_IN_POSTGRESQL = f"""
    WITH box AS MATERIALIZED (
        SELECT * FROM unnest(:wests, :souths, :easts, :norths) AS box (west, south, east, north)
    ), across AS (
        SELECT p.pk, p.west, p.south, p.east, p.north
        FROM box JOIN products AS p ON p.west > p.east AND (
            ST_ShiftLongitude(p.footprint) && {_ENVELOPE.format(0)}
            OR ST_ShiftLongitude(p.footprint) && {_ENVELOPE.format(360)})
        WHERE TRUE {{during}}
    )
    SELECT p.pk, p.west, p.south, p.east, p.north
    FROM box JOIN products AS p ON p.west <= p.east AND p.footprint && {_ENVELOPE.format(0)}
    WHERE TRUE {{during}}
    UNION ALL SELECT pk, west, south, 180, north FROM across
    UNION ALL SELECT pk, -180, south, east, north FROM across
"""
_SIDES = ("wests", "souths", "easts", "norths")


def entries(connection: Connection, boxes: Sequence[Box], interval: Interval) -> CursorResult[Any]:
    """The key and box of products whose box meets one of these and whose sensing start is in the interval.

    There may be others that are near, and one product several times. A product across 180 degrees has a box on either side.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_LARGE_CACHE).close()
        first = -_NEVER if interval.start is None else _day(interval.start) - _ROUNDING
        last = _NEVER if interval.end is None else _day(interval.end) + _ROUNDING
        return connection.exec_driver_sql(_IN_SQLITE, (json.dumps(boxes), first, last))
    # no cursor on the server: each look into one takes a journey there and back
    return connection.execute(*_on_server(boxes, interval))


def is_any_met(connection: Connection, boxes: Sequence[Box]) -> bool:
    """Tell whether the box of any product meets one of these."""
    if connection.dialect.name == "sqlite":
        return entries(connection, boxes, Interval(None, None)).first() is not None
    statement, given = _on_server(boxes, Interval(None, None))
    met = sa.exists(statement.columns(sa.column("pk")).subquery("met").select())
    return bool(connection.scalar(sa.select(met), given))


def _on_server(boxes: Sequence[Box], interval: Interval) -> tuple[sa.TextClause, dict[str, Any]]:
    """The statement and its values; the planner is told of no bound that there is not."""
    bounds = {"start": interval.start, "end": interval.end}
    during = "".join(
        f" AND p.sensing_start {sign} :{name}"
        for name, sign in (("start", ">="), ("end", "<"))
        if bounds[name] is not None
    )
    given: dict[str, Any] = {name: moment for name, moment in bounds.items() if moment is not None}
    kinds: list[Any] = [sa.bindparam(name, type_=Instant()) for name in given]
    sides = zip(*boxes, strict=True) if boxes else ((), (), (), ())
    given.update(zip(_SIDES, map(list, sides), strict=True))
    kinds += [sa.bindparam(name, type_=sa.ARRAY(sa.Double())) for name in _SIDES]
    return sa.text(_IN_POSTGRESQL.format(during=during)).bindparams(*kinds), given


def _day(moment: datetime) -> float:
    return (moment - _EPOCH) / timedelta(days=1)
