"""Where coverage falls short: periods of too few looks, also where nothing is stored at all."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from satcat import times
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.reports.shortfalls import Shortfall, shortfalls

Make = Callable[..., SatelliteImage]
START = times.parse_bound("2024-06-01")
JUNE = {"start_date": "2024-06-01", "end_date": "2024-06-30"}


def told(
    connection: Connection, days: int, least: int | None = None, **asked: Any
) -> list[tuple[Any, ...]]:
    rows = shortfalls(connection, SearchFilters(**asked), days=days, least=least)
    return [(row.tile_id, row.gap_start, row.gap_end, row.looks, row.mirrored) for row in rows]


def june(day: int) -> date:
    return date(2024, 6, 1) + timedelta(days=day - 1)


def test_gaps_reach_from_look_to_look_and_to_the_ends_of_the_asked_time(
    connection: Connection,
    make_product: Make,
    keep: Callable[..., None],
    mirror: Callable[..., None],
) -> None:
    mirror("2024-06-01", "2024-07-01", tile_id=["30TWM", "30TXM"])
    for day, cloud in ((4, 90.0), (9, 5.0), (10, None), (24, 20.0)):
        keep(
            make_product(sensing_start=START + timedelta(days=day - 1, hours=11), cloud_cover=cloud)
        )
    tiles = ["30TWM", "30TXM", "33UUP"]
    assert told(connection, 10, tile_id=tiles, **JUNE) == [
        ("30TWM", june(10), june(24), 0, "complete"),
        ("30TXM", june(1), june(31), 0, "complete"),
        ("33UUP", june(1), june(31), None, "not mirrored"),
    ]  # fmt: skip
    assert told(connection, 7, 1, tile_id="30TWM", **JUNE) == [
        ("30TWM", june(1), june(9), 0, "complete"),
        ("30TWM", june(9), june(24), 0, "complete"),
    ]  # fmt: skip
    assert told(connection, 14, 2, tile_id="30TWM", **JUNE) == [
        ("30TWM", june(1), june(31), 2, "complete")
    ]
    assert told(connection, 30, tile_id="30TWM", **JUNE) == []


def test_a_gap_says_whether_its_own_time_is_mirrored(
    connection: Connection,
    make_product: Make,
    keep: Callable[..., None],
    mirror: Callable[..., None],
) -> None:
    mirror("2024-06-10", "2024-07-01", tile_id="30TWM")
    keep(make_product(sensing_start=START + timedelta(days=11)))
    assert told(connection, 5, tile_id="30TWM", **JUNE) == [
        ("30TWM", june(1), june(12), None, "partly"), ("30TWM", june(12), june(31), 0, "complete"),
    ]  # fmt: skip


def test_without_a_first_day_gaps_begin_with_the_first_look(
    connection: Connection,
    make_product: Make,
    keep: Callable[..., None],
    mirror: Callable[..., None],
) -> None:
    mirror(None, None, tile_id=["30TWM", "30TXM"])
    keep(*(make_product(sensing_start=START + timedelta(days=day)) for day in (0, 20)))
    rows = told(connection, 15, tile_id=["30TWM", "30TXM"], end_date="2024-06-30")
    assert rows == [
        ("30TWM", june(1), june(21), 0, "complete"), ("30TXM", None, None, 0, "complete"),
    ]  # fmt: skip


def test_every_gap_is_told_and_no_other(
    connection: Connection,
    make_product: Make,
    keep: Callable[..., None],
    mirror: Callable[..., None],
) -> None:
    mirror("2024-06-01", "2024-07-01")
    chance = random.Random(3)
    days: dict[str, set[int]] = {"30TWM": set(), "30TXM": set(), "31TCJ": set()}
    for _ in range(18):
        tile, day = chance.choice(list(days)), chance.randint(1, 30)
        days[tile].add(day)
        keep(make_product(tile_id=tile, sensing_start=START + timedelta(days=day - 1)))
    expected = [
        Shortfall(
            tile_id=tile, collection="SENTINEL-2", product_type="S2MSI2A", gap_start=june(before), gap_end=june(after),
            gap_days=after - before, looks=0, mirrored="complete",
        )
        for tile, looks in sorted(days.items())
        for before, after in zip([1, *sorted(looks)], [*sorted(looks), 31], strict=True)
        if after - before > 4
    ]  # fmt: skip
    assert list(shortfalls(connection, SearchFilters(**JUNE), days=4)) == expected


def test_gaps_are_not_split_by_periods(connection: Connection) -> None:
    with pytest.raises(FilterError, match="month"):
        list(shortfalls(connection, SearchFilters(), ("tile", "month"), days=5))
