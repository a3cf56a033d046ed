"""The reports on the command line: the same numbers in every form, and nothing hidden."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from satcat import tiles

Run = Callable[..., Any]
SUMMER = ("--start", "2024-06-01", "--end", "2024-06-30")


def rows(run: Run, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(run(*words, "-f", "json").out))


def test_table_json_and_sql_agree(run: Run, mirror: str) -> None:
    (told,) = rows(run, "report", "coverage", "--tile", "30TWM", "--no-area")
    (view,) = rows(
        run, "sql",
        "SELECT * FROM tile_coverage WHERE tile_id = '30TWM'",
    )  # fmt: skip
    for name in (
        "product_type",
        "products",
        "clear_products",
        "min_cloud_cover",
        "size_bytes",
        "first_sensing",
    ):
        assert told[name] == view[name], name
    assert told["mean_cloud_cover"] == pytest.approx(view["mean_cloud_cover"], rel=1e-12)
    (told,) = rows(run, "report", "coverage", "--tile", "30TWM", "--no-area", *SUMMER)
    (counts,) = rows(
        run, "sql",
        "SELECT sum(products) AS products, sum(clear_products) AS clear_products, sum(size_bytes) AS size_bytes "
        "FROM tile_months WHERE tile_id = '30TWM' AND month = '2024-06'",
    )  # fmt: skip
    assert {name: told[name] for name in counts} == counts
    (line,) = csv.DictReader(
        io.StringIO(
            run("report", "coverage", "--tile", "30TWM", "--no-area", *SUMMER, "-f", "csv").out
        )
    )
    assert {name: line[name] for name in counts} == {
        name: str(value) for name, value in counts.items()
    }
    table = run("report", "coverage", "--tile", "30TWM", "--no-area", *SUMMER).out
    assert f" {told['products']} " in table.splitlines()[2]
    assert "covered" not in table


def test_only_what_falls_short_is_listed(run: Run, mirror: str) -> None:
    asked = ("--tile", "30TWM", "--tile", "33UUP", *SUMMER)
    every = rows(run, "report", "coverage", *asked)
    most = max(row["clear_looks"] or 0 for row in every)
    assert most > 0
    assert rows(run, "report", "coverage", *asked, "--min-clear", str(most + 1)) == every
    few = rows(run, "report", "coverage", *asked, "--min-clear", str(most))
    assert [row["tile_id"] for row in few] == ["33UUP"]
    gaps = rows(run, "report", "coverage", *asked, "--gaps", "9", "--min-clear", "1")
    assert gaps[-1] == {
        "tile_id": "33UUP", "collection": None, "product_type": None, "relative_orbit": None,
        "gap_start": "2024-06-01", "gap_end": "2024-07-01", "gap_days": 30, "looks": None, "mirrored": "not mirrored",
    }  # fmt: skip
    assert all(gap["gap_days"] > 9 for gap in gaps)
    assert run("report", "coverage", *asked, "--gaps", "9", "--by", "month").code == 2


def test_an_area_has_a_row_of_its_own_and_one_of_each_tile(run: Run, mirror: str) -> None:
    box = "-2.7,41.8,-2.3,42.1"
    told = rows(run, "report", "coverage", "--bbox", box, "--aoi", *SUMMER)
    assert [row["tile_id"] for row in told] == ["AOI", "30TWM"]
    assert told[0]["covered_percent"] == 100
    assert told[0]["mirrored"] == told[1]["mirrored"] == "complete"
    assert run("report", "coverage", "--aoi").code == 2


def test_shares_that_would_take_long_are_left_out_and_that_is_said(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satcat.reports.coverage.FEW", 1)
    done = run("report", "coverage", "--tile", "30TWM", *SUMMER)
    assert "--area measures them" in done.err
    assert "covered_percent" not in done.out
    assert "covered_percent" in run("report", "coverage", "--tile", "30TWM", "--area", *SUMMER).out


def test_a_calendar_draws_a_line_a_month_and_a_character_a_day(run: Run, mirror: str) -> None:
    drawn = run("report", "calendar", "--tile", "30TWM", "--year", "2024")
    head, *months = drawn.out.splitlines()
    assert [line[:7] for line in months] == [f"2024-{month:02}" for month in range(1, 13)]
    days = rows(run, "report", "calendar", "--tile", "30TWM", "--year", "2024")
    assert len(days) == 366
    june = months[5].removeprefix("2024-06  ")
    assert len(june) == 30
    assert months[0].removeprefix("2024-01  ") == "/" * 31
    for mark, day in zip(
        june, (day for day in days if day["date"].startswith("2024-06")), strict=True
    ):
        cloud = day["cloud_cover"]
        assert mark == ("·" if day["products"] == 0 else str(min(int(cloud // 10), 9)))
    assert head.index("16") == len("2024-06  ") + 15
    assert "not mirrored" in drawn.err
    assert run("report", "calendar", "--tile", "30TWM", "--year", "2024", "--strict").code == 6


def test_scopes_are_reported_with_their_completeness_and_age(run: Run, mirror: str) -> None:
    (scope,) = rows(run, "report", "scopes")
    assert scope["state"] == "complete"
    assert scope["windows"] == scope["windows_complete"] > 0
    assert 0 <= scope["age_seconds"] < 3600
    assert scope["last_run_outcome"] == "complete"


def test_tiles_are_found_by_name_point_and_area_without_a_catalogue(
    run: Run, tmp_path: Path
) -> None:
    nowhere = ("--db", str(tmp_path / "none.db"))
    (tile,) = rows(run, "tiles", "T30TWM", *nowhere)
    assert (tile["tile_id"], tile["grid"], tile["epsg"], tile["land"]) == (
        "30TWM",
        "mgrs",
        32630,
        True,
    )
    assert {row["tile_id"] for row in rows(run, "tiles", "--point", "-2.9,42.4", *nowhere)} == {
        "30TWM", "30TWN", "30TVM", "30TVN",
    }  # fmt: skip
    box = rows(run, "tiles", "--bbox", "-4,42,-2,44", *nowhere)
    assert [row["tile_id"] for row in box] == tiles.intersecting(_box(-4, 42, -2, 44))
    landless = rows(run, "tiles", "--bbox", "-12,44,-8,47", "--sea", *nowhere)
    assert landless
    assert not any(row["land"] for row in landless)
    assert {
        row["grid"] for row in rows(run, "tiles", "--point", "-3,43", "--grid", "wrs2", *nowhere)
    } == {"wrs2"}
    shapes = json.loads(run("tiles", "30TWM", "-f", "geojson", *nowhere).out)
    assert shapes["features"][0]["geometry"]["type"] == "Polygon"
    assert run("tiles", *nowhere).code == 2
    assert run("tiles", "30TZZ", *nowhere).code == 2


def _box(*sides: float) -> Any:
    from satcat import footprints

    return footprints.from_bbox(*sides)


def test_what_the_mirror_vouches_for_is_told_in_a_narrow_table_too(run: Run, mirror: str) -> None:
    heading = run("report", "coverage", "--tile", "30TWM", *SUMMER).out.splitlines()[0]
    assert heading.split()[:3] == ["tile_id", "product_type", "mirrored"]


def test_a_wrong_question_is_refused_in_one_line(run: Run, mirror: str) -> None:
    for words in (("--by", "week"), ("--by", "tile,month", "--gaps", "5"), ("--aoi",)):
        told = run("report", "coverage", *words)
        assert (told.code, len(told.err.splitlines())) == (2, 1), told.err
