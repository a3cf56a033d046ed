"""Where coverage falls short: periods of too few looks, tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from satcat.conditions import where_errors
from satcat.filters import SearchFilters
from satcat.mirrored import Survey
from satcat.reports import coverage, expected, looks
from satcat.reports.expected import COMPLETE, Row, States
from satcat.reports.groups import CLEAR
from satcat.reports.looks import Period
from satcat.tiles import Grid
from satcat.times import Interval
from satcat.vouched import NOT_MIRRORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A period in which a tile has too few looks.

    `gap_start` is the day of the look before it, or the first day asked for; `gap_end` the day of the look after it, or the
    day after the last one. Both are None where the asked time has no beginning and there is no look at all. `looks` counts
    those in between, None where the mirror does not vouch for the period.
    """

    tile_id: str
    collection: str | None = None
    product_type: str | None = None
    relative_orbit: int | None = None
    gap_start: date | None = None
    gap_end: date | None = None
    gap_days: int | None = None
    looks: int | None = None
    mirrored: str = NOT_MIRRORED


COLUMNS = tuple(f.name for f in fields(Shortfall))


def shortfalls(
    connection: Connection,
    filters: SearchFilters,
    by: Sequence[str] = ("tile", "product-type"),
    *,
    days: int,
    least: int | None = None,
    clear: float = CLEAR,
    grid: Grid | None = None,
) -> Iterator[Shortfall]:
    """Yield the periods of more than `days` days with fewer than `least` clear looks, by tile.

    The ends of the asked time count like looks; time that lies ahead is left out.

    Args:
        by: as for `coverage`, less periods.
        least: None: any look counts, clear or not, and one is enough.

    Raises:
        FilterError: `by` names a period; else as `coverage`.
    """
    coverage.check_by(by, periods=False)
    survey, rows = coverage.rows(
        connection, filters, by, columns={"looks", "clear_looks"}, clear=clear, grid=grid
    )
    states = expected.States(survey, filters, by_type="product-type" in by)
    with where_errors(filters):
        for row in rows:
            if (asked := _asked(row, survey, states, filters)) is None:
                continue
            for period in _periods(row, asked, days, least):
                yield _told(row, asked, states, period)


def _asked(row: Row, survey: Survey, states: States, filters: SearchFilters) -> Interval | None:
    """The time in which a row can fall short; an end left open is that of what is mirrored. None: it lies ahead."""
    asked = survey.asked
    end = states.end(row.key) if filters.end is None else None
    return (asked and end and asked.intersection(Interval(None, end))) or asked


def _periods(row: Row, asked: Interval, days: int, least: int | None) -> list[Period | None]:
    """A row's short periods; None stands for one that has no beginning."""
    seen = None if row.group is None else row.group.clear_days if least else row.group.days
    assert asked.end is not None
    end = looks.from_date((asked.end - timedelta(microseconds=1)).date()) + 1
    every = looks.NO_DAYS if row.group is None else row.group.days
    every = every[every < end]
    if asked.start is not None:
        first = looks.from_date(asked.start.date())
    elif len(every):
        first = int(every.min())
    else:
        return [None]
    found = looks.short_periods(
        looks.NO_DAYS if seen is None else seen, first, end, longest=days, least=least or 1
    )
    return list(found)


def _told(row: Row, asked: Interval, states: States, period: Period | None) -> Shortfall:
    key = row.key
    start, end = (
        (looks.to_date(period.first), looks.to_date(period.end)) if period else (None, None)
    )
    part = Interval(_midnight(start), _midnight(end)) if start and end else None
    state = states.of(key, part.intersection(asked) if part else None)
    return Shortfall(
        tile_id=key.place, collection=key.collection, product_type=key.product_type,
        relative_orbit=key.relative_orbit, gap_start=start, gap_end=end,
        gap_days=period.end - period.first if period else None,
        looks=(period.looks if period else 0) if state == COMPLETE else None, mirrored=state,
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
