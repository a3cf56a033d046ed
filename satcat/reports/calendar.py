"""A year of one tile, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import choice, mirrored, space, times
from satcat.conditions import check_where, where_errors
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.functions import as_text, joined_once
from satcat.models import products
from satcat.reports import expected
from satcat.reports.expected import AHEAD, COMPLETE
from satcat.reports.groups import Key
from satcat.times import Interval
from satcat.vouched import NOT_MIRRORED

_LAST = 9999  # the year that no other follows


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What there is of a tile on one day, UTC.

    `mirrored` is as in TileCoverage, or `ahead` for a day that is still to come. `products` is None where none is stored
    and the mirror does not vouch for that. `cloud_cover` is that of the clearest product, in percent; orbits, platforms and
    types are distinct, with commas between.
    """

    date: date
    products: int | None = None
    cloud_cover: float | None = None
    relative_orbits: str | None = None
    platforms: str | None = None
    product_types: str | None = None
    downloaded: int | None = None
    mirrored: str = NOT_MIRRORED


COLUMNS = tuple(f.name for f in fields(Day))


def calendar(
    connection: Connection, filters: SearchFilters, year: int | None = None
) -> Iterator[Day]:
    """Yield every day of a year, whether or not anything was sensed.

    Args:
        filters: name one tile; times are those of the year.
        year: None: the last one with a product that matches.

    Raises:
        FilterError: not one tile, or no year.
    """
    if len(filters.tiles) != 1:
        raise FilterError("a calendar is of one tile: give --tile once")
    if filters.start or filters.end:
        raise FilterError("a calendar is of a whole year: give --year instead of --start and --end")
    check_where(connection, filters)
    year = _last_year(connection, filters) if year is None else year
    asked = filters.within(interval(year))
    states = expected.States(mirrored.survey(connection, asked), asked, by_type=False)
    found = {row.date: row for row in _days(connection, asked)}
    key = Key(filters.tiles[0], filters.collection, filters.product_type)
    now = times.now()
    day = datetime(year, 1, 1, tzinfo=UTC)
    while day.year == year:
        following = day + timedelta(days=1)
        state = states.of(key, Interval(day, following)) if day < now else AHEAD
        held = found.get(day.date())
        nothing = (
            Day(date=day.date(), products=0, downloaded=0)
            if state == COMPLETE
            else Day(date=day.date())
        )
        yield replace(held or nothing, mirrored=state)
        day = following


def interval(year: int) -> Interval:
    """The instants of a year from 1 to 9998.

    Raises:
        FilterError: any other year.
    """
    if not 1 <= year < _LAST:
        raise FilterError(f"--year {year}: give a year from 1 to {_LAST - 1}")
    return Interval(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC))


def _last_year(connection: Connection, filters: SearchFilters) -> int:
    with where_errors(filters):
        found = space.matches(connection, filters)
        last: datetime | None = connection.scalar(
            sa.select(sa.func.max(products.c.sensing_start)).where(*found)
        )
    if last is None:
        raise FilterError(f"nothing is stored of tile {filters.tiles[0]} that matches: give --year")
    return last.year


def _days(connection: Connection, filters: SearchFilters) -> Iterator[Day]:
    c = products.c
    day = sa.func.substr(as_text(c.sensing_start), 1, 10, type_=sa.Text())
    listed = [joined_once(column) for column in (c.relative_orbit, c.platform, c.product_type)]
    statement = (
        sa.select(
            day,
            sa.func.count(),
            sa.func.min(c.cloud_cover),
            *listed,
            sa.func.count(sa.case((choice.is_downloaded(), 1))),
        )
        .where(*space.matches(connection, filters))
        .group_by(day)
    )
    with where_errors(filters):
        for text, number, cloud, orbits, platforms, types, downloaded in connection.execute(
            statement
        ):
            yield Day(
                date=date.fromisoformat(text), products=number, cloud_cover=cloud, relative_orbits=_sorted(orbits),
                platforms=_sorted(platforms), product_types=_sorted(types), downloaded=downloaded,
            )  # fmt: skip


def _sorted(listed: str | None) -> str | None:
    return None if listed is None else ",".join(sorted(str(listed).split(",")))
