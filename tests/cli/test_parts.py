"""Some files of each product, by commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
JUNE = ("--tile", "30TWM", "--start", "2024-06-01", "--end", "2024-06-15")
BANDS = ("--include", "*_B0[48]_10m.jp2", "--include", "*MTD*.xml")


@pytest.fixture
def number(run: Run, mirror: str) -> int:
    """How many products these commands mark."""
    return len(run("query", *JUNE, "-f", "ids").out.splitlines())


def test_parts_are_marked_fetched_shown_and_never_counted_as_held(run: Run, number: int) -> None:
    unsized = "(how many bytes shows when their packages are listed)"
    assert run("mark", *JUNE, *BANDS, "--dry-run").out == f"would mark parts of {number} products {unsized}\n"  # fmt: skip
    assert run("mark", *JUNE, *BANDS).out == f"marked parts of {number} products {unsized}\n"
    again = run("mark", *JUNE, *BANDS)
    assert again.out == "marked parts of 0 products\n"
    assert f"{number} products asked for already" in again.err
    queue = run("queue", "list").out
    assert "include" in queue and "*_B0[48]_10m.jp2 *MTD*.xml" in queue
    done = run("download")
    assert done.code == 0 and done.err.count("4 of 6 files)") == number
    rows = json.loads(run("queue", "list", "-f", "json").out)
    assert {(row["status"], row["verification"]) for row in rows} == {("done", "manifest")}
    for row in rows:
        names = [path.name for path in Path(row["path"]).rglob("*.*")]
        assert len(names) == 4 and Path(row["path"]).name == row["name"]
    shown = run("show", rows[0]["product_id"]).out
    assert "done, only *_B0[48]_10m.jp2 *MTD*.xml, " in shown
    held = run("sql", "SELECT sum(downloaded) AS n FROM tile_coverage", "-f", "json").out
    assert json.loads(held)[0]["n"] == 0
    assert run("verify", "--files").code == 0


def test_parts_are_widened_to_more_and_to_the_whole(run: Run, number: int) -> None:
    run("mark", *JUNE, *BANDS)
    run("download")
    more = run("mark", *JUNE, "--include", "*_B02*")
    assert more.out.startswith(f"marked parts of {number} products")
    assert f"{number} of them for more files" in more.err
    run("download")
    dry = run("mark", *JUNE, "--dry-run")
    whole = run("mark", *JUNE)
    assert whole.out == dry.out.replace("would mark", "marked") and f"marked {number} products (" in whole.out  # fmt: skip
    assert whole.err == dry.err
    assert f"{number} of them for the whole, not only parts" in whole.err
    assert f"{number} folders with parts of them stay on disk" in whole.err
    assert run("download").code == 0
    assert len(list(Path("products").glob("*.zip"))) == len(list(Path("products").glob("*.SAFE"))) == number  # fmt: skip
    assert run("mark", *JUNE, *BANDS).out == "marked parts of 0 products\n"


def test_a_pattern_that_fits_nothing_is_a_failure_that_names_it(run: Run, number: int) -> None:
    run("mark", *JUNE, "--include", "*_B99*")
    done = run("download")
    assert done.code == 7 and done.err.count("no file matches *_B99*; its package has 6") >= number


def test_an_empty_pattern_is_wrong_usage(run: Run, mirror: str) -> None:
    ran = run("mark", *JUNE, "--include", " ")
    assert ran.code == 2 and "--include" in ran.err and ran.out == ""
