"""A year of one tile: every day of it, with what there is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import downloads
from satcat.products import SatelliteImage
from satcat.reports.calendar import Day, calendar

Make = Callable[..., SatelliteImage]
START = times.parse_bound("2024-06-01")
WM = SearchFilters(tile_id="30TWM")


def test_every_day_of_the_year_is_told_with_its_clearest_product(
    connection: Connection,
    make_product: Make,
    keep: Callable[..., None],
    mirror: Callable[..., None],
) -> None:
    mirror("2024-06-01", "2024-07-01", tile_id="30TWM")
    first, second = (
        make_product(sensing_start=START + timedelta(days=3), cloud_cover=cloud, platform=platform, relative_orbit=orbit)
        for cloud, platform, orbit in ((80.0, "S2B", 137), (12.0, "S2A", 94))
    )  # fmt: skip
    other = make_product(tile_id="30TXM", sensing_start=START + timedelta(days=5))
    unknown = make_product(sensing_start=START + timedelta(days=9), cloud_cover=None, platform=None)
    keep(first, second, other, unknown)
    connection.execute(sa.insert(downloads).values(product_id=first.id, status="done"))
    days = {day.date: day for day in calendar(connection, WM)}
    assert list(days) == [date(2024, 1, 1) + timedelta(days=number) for number in range(366)]
    assert days[date(2024, 6, 4)] == Day(
        date=date(2024, 6, 4), products=2, cloud_cover=12.0, relative_orbits="137,94", platforms="S2A,S2B",
        product_types="S2MSI2A", downloaded=1, mirrored="complete",
    )  # fmt: skip
    assert days[date(2024, 6, 10)].cloud_cover is None
    assert days[date(2024, 6, 10)].products == 1
    assert days[date(2024, 6, 6)] == Day(
        date=date(2024, 6, 6), products=0, downloaded=0, mirrored="complete"
    )
    assert days[date(2024, 5, 31)] == Day(date=date(2024, 5, 31), mirrored="not mirrored")


def test_days_to_come_are_said_to_lie_ahead(
    connection: Connection, mirror: Callable[..., None]
) -> None:
    mirror(None, None, tile_id="30TWM")
    year = times.now().year + 1
    assert {day.mirrored for day in calendar(connection, WM, year)} == {"ahead"}


@pytest.mark.parametrize(
    ("asked", "year", "words"),
    [
        ({}, 2024, "one tile"),
        ({"tile_id": ["30TWM", "30TXM"]}, 2024, "one tile"),
        ({"tile_id": "30TWM", "start_date": "2024-06-01"}, 2024, "whole year"),
        ({"tile_id": "30TWM"}, None, "nothing is stored of tile 30TWM"),
        ({"tile_id": "30TWM"}, 9999, "from 1 to 9998"),
    ],
)
def test_what_has_no_calendar_is_refused(
    connection: Connection, asked: dict[str, Any], year: int | None, words: str
) -> None:
    with pytest.raises(FilterError, match=words):
        list(calendar(connection, SearchFilters(**asked), year))
