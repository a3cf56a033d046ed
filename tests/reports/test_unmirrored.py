"""Time that was not mirrored is never told as time without products, whatever ends of it a question leaves open."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
import shapely
from sqlalchemy import Connection

from satcat import mirrored, times
from satcat.errors import FilterError, TimeError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.reports.calendar import calendar
from satcat.reports.coverage import TileCoverage, coverage
from satcat.reports.shortfalls import shortfalls
from tests.engines import ANY_VALUE

Make = Callable[..., SatelliteImage]
Keep = Callable[..., None]
Mirror = Callable[..., None]
TYPES = ("tile", "product-type", "month")
L1C = {"product_type": "S2MSI1C", "processing_level": "L1C"}
SQUARE = shapely.box(-2.3, 41.9, -2.1, 42.1)  # in 30TWM, and in both 200031 and 201031


def at(day: str) -> dict[str, Any]:
    return {"sensing_start": times.parse_bound(day)}


def table(connection: Connection, by: tuple[str, ...], **asked: Any) -> list[TileCoverage]:
    grid = asked.pop("grid", None)
    return list(coverage(connection, SearchFilters(**asked), by, area=False, grid=grid))


def months(rows: list[TileCoverage]) -> list[tuple[Any, ...]]:
    return [(row.product_type, row.period, row.products, row.mirrored) for row in rows]


def test_months_between_two_scopes_are_not_mirrored_though_no_time_was_named(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-01-01", "2024-02-01")
    mirror("2024-04-01", "2024-05-01")
    keep(make_product(**at("2024-01-10")), make_product(**at("2024-04-10")))
    assert [row[1:] for row in months(table(connection, ("tile", "month")))] == [
        ("2024-01", 1, "complete"),
        ("2024-02", None, "not mirrored"),
        ("2024-03", None, "not mirrored"),
        ("2024-04", 1, "complete"),
    ]


def test_a_note_names_the_times_that_an_open_question_was_taken_to_mean(
    connection: Connection, mirror: Mirror
) -> None:
    mirror("2024-01-01", "2024-02-01")
    mirror("2024-04-01", "2024-05-01")
    notes = "\n".join(mirrored.survey(connection, SearchFilters()).notes())
    assert "the times 2024-01-01 … 2024-02-01 and 2024-04-01 … 2024-05-01" in notes


def test_a_type_is_held_to_the_months_in_which_it_is_mirrored_itself(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-01-01", "2024-02-01", processing_level="L2A")
    mirror("2024-01-01", "2024-04-01", processing_level="L1C")
    keep(make_product(**at("2024-01-10")), make_product(**L1C, **at("2024-03-10")))
    assert months(table(connection, TYPES)) == [
        ("S2MSI1C", "2024-01", 0, "complete"),
        ("S2MSI1C", "2024-02", 0, "complete"),
        ("S2MSI1C", "2024-03", 1, "complete"),
        ("S2MSI2A", "2024-01", 1, "complete"),
        ("S2MSI2A", "2024-02", None, "not mirrored"),
        ("S2MSI2A", "2024-03", None, "not mirrored"),
    ]
    assert [row.mirrored for row in table(connection, ("tile", "month"))] == [
        "complete", "partly", "partly",
    ]  # fmt: skip


def test_what_one_scope_has_of_a_type_counts_though_a_wider_one_ended_before(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-01-01", "2024-02-01")
    mirror("2024-01-01", "2024-04-01", processing_level="L2A")
    keep(make_product(**at("2024-03-10")))
    for asked in ({}, {"start_date": "2024-01-01", "end_date": "2024-03-31"}):
        rows = table(connection, TYPES, **asked)
        assert {row.mirrored for row in rows} == {"complete"}
        assert rows[-1][:6] == ("30TWM", "SENTINEL-2", "S2MSI2A", None, "2024-03", 1)


def test_a_gap_ends_where_what_is_mirrored_does_if_no_end_was_named(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-06-01", "2024-07-01")
    keep(make_product(**at("2024-06-05")))

    def gaps(days: int, **asked: Any) -> list[tuple[Any, ...]]:
        found = shortfalls(connection, SearchFilters(tile_id="30TWM", **asked), days=days)
        return [(gap.gap_start, gap.gap_end, gap.looks, gap.mirrored) for gap in found]

    assert gaps(30) == gaps(30, start_date="2024-06-01") == []
    assert gaps(20) == [(date(2024, 6, 5), date(2024, 7, 1), 0, "complete")]
    assert gaps(30, end_date="2024-08-31") == [(date(2024, 6, 5), date(2024, 9, 1), None, "partly")]
    late = gaps(30, start_date="2024-08-01")
    assert [(start, looks, state) for start, _, looks, state in late] == [
        (date(2024, 8, 1), None, "not mirrored")
    ]


def test_a_tile_without_looks_in_what_is_mirrored_falls_short_whatever_came_later(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-06-01", "2024-07-01", tile_id=["30TWM", "30TXM"])
    keep(make_product(**at("2024-09-04")))
    found = shortfalls(connection, SearchFilters(tile_id=["30TWM", "30TXM"]), days=10)
    told = [(gap.tile_id, gap.gap_start, gap.gap_end, gap.looks, gap.mirrored) for gap in found]
    assert told == [(tile, None, None, 0, "complete") for tile in ("30TWM", "30TXM")]


def test_what_is_mirrored_only_of_time_to_come_is_said_to_lie_ahead(
    connection: Connection, mirror: Mirror
) -> None:
    mirror(times.to_text(times.now() + timedelta(days=400)), None, tile_id="30TWM")
    (row,) = table(connection, ("tile",), tile_id="30TWM")
    assert (row.products, row.mirrored) == (None, "ahead")


def test_a_product_that_lies_ahead_is_counted_in_its_month(
    connection: Connection, make_product: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror(None, None)
    ahead = times.now() + timedelta(days=70)
    keep(make_product(sensing_start=ahead))
    start, end = times.now() - timedelta(days=40), times.now() + timedelta(days=100)
    asked = {"start_date": times.to_text(start), "end_date": times.to_text(end)}
    rows = table(connection, ("tile", "month"), tile_id="30TWM", **asked)
    assert sum(row.products or 0 for row in rows) == 1
    assert rows[-1][4:6] == (times.to_text(ahead)[:7], 1) and rows[-1].mirrored == "ahead"


def test_each_tile_has_one_row_where_both_grids_meet_products_without_tile_ids(
    connection: Connection, make_over: Make, keep: Keep, mirror: Mirror
) -> None:
    for collection in ("SENTINEL-1", "SENTINEL-2", "LANDSAT-8"):
        mirror("2024-06-01", "2024-07-01", collection=collection)
    landsat = {"collection": "LANDSAT-8", "product_type": "L1TP", "processing_level": "L1"}
    keep(
        make_over(SQUARE, collection="SENTINEL-1", product_type="GRD", tile_id=None),
        make_over(SQUARE),
        make_over(SQUARE, tile_id="200031", **landsat),
    )
    rows = table(connection, ("tile",), bbox=(-2.25, 41.95, -2.15, 42.05))
    assert [(row.tile_id, row.products) for row in rows] == [
        ("200031", 2), ("201031", 1), ("30TWM", 2),
    ]  # fmt: skip


def test_tiles_of_another_grid_than_asked_have_no_rows(
    connection: Connection, make_over: Make, keep: Keep, mirror: Mirror
) -> None:
    mirror("2024-06-01", "2024-07-01", collection="SENTINEL-1")
    keep(make_over(SQUARE, collection="SENTINEL-1", product_type="GRD", tile_id=None))
    assert table(connection, ("tile",), tile_id="30TWM", grid="wrs2") == []


def test_a_product_with_a_tile_id_counts_once_though_its_collection_is_not_cut_into_tiles(
    connection: Connection, make_over: Make, keep: Keep
) -> None:
    keep(make_over(SQUARE, collection="LANDSAT-7", product_type="L1TP", tile_id="200031"))
    rows = table(connection, ("tile",))
    assert [(row.tile_id, row.products) for row in rows] == [("200031", 1)]


def test_a_tile_id_that_no_grid_has_costs_a_report_only_its_share(
    connection: Connection, make_over: Make, keep: Keep
) -> None:
    keep(make_over(SQUARE), make_over(SQUARE, collection="COP-DEM", tile_id="N45E005"))
    rows = {row.tile_id: row for row in coverage(connection, SearchFilters(), ("tile",))}
    assert rows["N45E005"].products == 1 and rows["N45E005"].covered_percent is None
    assert (rows["30TWM"].covered_percent or 0) > 0


@ANY_VALUE
def test_a_sensing_start_in_another_form_is_named_and_not_misread(
    connection: Connection, make_product: Make, keep: Keep
) -> None:
    keep(make_product(), make_product())
    for said in ("2024-06-01", f"{'2024-06-01T00:00:00.000000+00:00':<54}"):
        connection.exec_driver_sql(
            "UPDATE products SET sensing_start = ? WHERE pk = (SELECT min(pk) FROM products)",
            (said,),
        )
        with pytest.raises(TimeError, match="satcat db check"):
            table(connection, ("tile",))


def test_numbers_that_were_not_wanted_are_not_told_as_0(
    connection: Connection, make_product: Make, keep: Keep
) -> None:
    keep(make_product())
    (row,) = coverage(connection, SearchFilters(), columns={"looks"})
    assert row.looks == 1 and row.clear_looks is None


def test_there_is_no_year_0(connection: Connection, make_product: Make, keep: Keep) -> None:
    keep(make_product())
    with pytest.raises(FilterError, match="--year 0: give a year from 1"):
        list(calendar(connection, SearchFilters(tile_id="30TWM"), 0))
