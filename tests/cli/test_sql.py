"""`satcat sql` and `satcat schema`: people's own questions."""

from __future__ import annotations

import io
import re

import pytest

from tests.cli.conftest import Run

TYPEOF = pytest.mark.sqlite_only("asks SQLite's typeof()")


def test_sql_takes_values_that_are_bound(run: Run, mirror: str) -> None:
    asked = "SELECT count(*) AS n FROM products WHERE tile_id = :tile AND cloud_cover <= :cloud"
    ran = run("sql", asked, "--param", "tile=30TWM", "--param", "cloud=100", "-f", "csv")
    same = run("query", "--tile", "30TWM", "--cloud", "100", "-f", "ids").out.split()
    assert same
    assert ran.out == f"n\n{len(same)}\n"
    ran = run("sql", asked, "--param", "tile=' OR 1=1 --", "--param", "cloud=100", "-f", "csv")
    assert ran.out == "n\n0\n"


@TYPEOF
def test_a_value_that_is_written_as_a_number_is_one(run: Run, mirror: str) -> None:
    kept = run(
        "sql",
        "SELECT typeof(:a), typeof(:b), typeof(:c)",
        "--param",
        "a=004033",
        "--param",
        "b=-2",
        "--param",
        "c=0.5",
        "-f",
        "csv",
    )
    assert kept.out.splitlines()[1] == "text,integer,real"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("SELECT :tile",), "--param tile=VALUE"),
        (("SELECT 1", "--param", "tile"), "write NAME=VALUE"),
        (("SELECT 1", "--param", "tile=1"), "no parameter :tile"),
        (("SELECT :a", "--param", "a=1", "--param", ":a=2"), "a has a value already"),
        (("SELECT 1", "--time-limit", "0"), "time-limit"),
    ],
)
def test_sql_names_what_is_wrong_with_its_values(
    run: Run, mirror: str, words: tuple[str, ...], told: str
) -> None:
    ran = run("sql", *words)
    assert ran.code == 2
    assert told in ran.err


def test_sql_can_be_limited_in_time_and_read_from_standard_input(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    monkeypatch.setattr("sys.stdin", io.StringIO(endless))
    ran = run("sql", "-", "--time-limit", "0.1")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert "longer than 0.1 s" in ran.err


@TYPEOF
@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "99999999999999999999", "1e3", "007"])
def test_what_is_no_number_of_sqlite_is_text(run: Run, mirror: str, word: str) -> None:
    ran = run("sql", "SELECT typeof(:a), :a", "--param", f"a={word}", "-f", "csv")
    assert ran.out.splitlines()[1] == f"text,{word}"


def test_schema_ends_in_reports_that_run_as_they_are_printed(run: Run, mirror: str) -> None:
    printed = run("schema").out
    reports = re.findall(r"^-- .+\?\n((?:.+\n)+)", printed, re.MULTILINE)
    assert len(reports) >= 5
    for report in reports:
        assert run("sql", report).code == 0
