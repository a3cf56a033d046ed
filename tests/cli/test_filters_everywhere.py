"""One list of filters for every command that picks products: each has all of them, and none ignores one."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from satcat.cli import options
from satcat.filters import SCOPE_FIELDS
from tests.cli.conftest import Run, spawn
from tests.test_docs import ALL

PICKING = {"sync", "query", "report coverage", "report calendar", "mark", "unmark", "export"}

#: Each filter as it may be typed, so that it lets through some of the mirror's products, but for the last two sets below.
TYPED = {
    "collection": "--collection SENTINEL-2",
    "product_type": "--product-type S2MSI2A",
    "processing_level": "--level L2A",
    "tile_id": "--tile 30TWM",
    "start_date": "--start 2024-07-01",
    "end_date": "--end 2024-07-01",
    "cloud_cover": "--cloud 20",
    "bbox": "--bbox -2.5,42.9,-2.4,43",
    "geometry": "--geometry POINT(-2.5\u00a043)",
    "point": "--point -2.4,41.7",
    "name": "--name S2A*",
    "contains": "--contains R094",
    "relative_orbit": "--relative-orbit 94",
    "orbit_direction": "--orbit-direction descending",
    "platform": "--platform S2A",
    "published_since": "--published-since 2024-07-01",
    "online": "--offline",
    "where": "--where cloud_cover>50",
}


#: What all products of the mirror share, and what none of them has.
SAME_FOR_ALL = {"collection", "product_type", "processing_level"}
SET_FOR_NONE = {"orbit_direction", "online"}


def filters_of(words: str) -> dict[str, Any]:
    """The filters among a command's options, and what each takes."""
    return {
        str(param.name): (
            param.opts,
            param.secondary_opts,
            param.multiple,
            param.metavar,
            param.help,
        )
        for param in ALL[words].params
        if isinstance(param, click.Option) and param.name in options._FIELDS
    }


def test_every_command_that_picks_products_has_every_filter_and_no_other_command_has_some() -> None:
    assert {words for words in ALL if "collection" in filters_of(words)} == PICKING
    for words in PICKING:
        assert filters_of(words) == filters_of("query"), words
    assert set(filters_of("query")) == set(options._FIELDS)
    assert set(TYPED) == set(options._FIELDS.values())


def number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found, text
    return int(found[1].replace(",", ""))


def counts(run: Run, folder: Path) -> dict[str, Callable[[list[str]], int]]:
    """How many products each command finds by filters."""

    def export(words: list[str]) -> int:
        out = folder / "out.csv"
        out.unlink(missing_ok=True)
        assert run("export", str(out), *words).code == 0
        with out.open(newline="") as file:
            return len(list(csv.DictReader(file)))

    def report(words: list[str]) -> int:
        done = run("report", "coverage", "-f", "json", *words)
        return sum(row["products"] or 0 for row in json.loads(done.out))

    def unmark(words: list[str]) -> int:
        run("mark", "--all")
        return number(r"unmarked ([\d,]+) product", run("unmark", *words).out)

    found = {
        "query": lambda words: len(run("query", "-f", "ids", *words).out.split()),
        "mark": lambda words: number(r"would mark ([\d,]+) product", run("mark", "--dry-run", *words).out),
        "unmark": unmark,
        "report coverage": report,
        "export": export,
    }  # fmt: skip
    return {words: count for words, count in found.items() if words in PICKING}


def test_each_filter_finds_the_same_number_of_products_in_every_command(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    count = counts(run, tmp_path)
    assert set(count) == PICKING - {"sync", "report calendar"}
    every = count["query"]([])
    for field, typed in TYPED.items():
        words = [word.replace("\u00a0", " ") for word in typed.split(" ", 1)]
        found = {name: how(words) for name, how in count.items() if name != "unmark"}
        found["unmark"] = count["unmark"](words)
        run("unmark", "--all")
        assert len(set(found.values())) == 1, (typed, found)
        assert (found["query"] == every) == (field in SAME_FOR_ALL), (typed, found)
        assert (found["query"] == 0) == (field in SET_FOR_NONE), (typed, found)


@pytest.mark.parametrize(
    "field", sorted(set(TYPED) - set(SCOPE_FIELDS) - {"start_date", "end_date"})
)
def test_sync_refuses_what_makes_no_scope_with_the_reason(
    run: Run, tmp_path: Path, field: str
) -> None:
    words = TYPED[field].split(" ", 1)
    done = run("sync", "--collection", "SENTINEL-2", *words)
    assert done.code == 2
    assert done.err.startswith(f"satcat: {words[0]}")
    assert "mirror without it" in done.err or "offline queries only" in done.err
    assert not (tmp_path / "satcat.db").exists()


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["--geometry", "LINESTRING (0 0, 1 1)"], "cannot be searched for: give a polygon or a point"),
        (["--platform", "S1A"], "SENTINEL-2 has S2A, S2B"),
        (["--tile", "203033"], "SENTINEL-2 has MGRS tiles"),
        (["--level", "L9"], "SENTINEL-2 has L0, L1B, L1C, L2A"),
    ],
)  # fmt: skip
def test_sync_refuses_what_the_source_cannot_be_asked(
    run: Run, tmp_path: Path, typed: list[str], reason: str
) -> None:
    done = run("sync", "--collection", "SENTINEL-2", *typed)
    assert done.code == 2
    assert reason in done.err
    assert not (tmp_path / "satcat.db").exists()


def test_an_outline_too_long_for_the_source_is_refused_with_a_box_to_ask_for(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    places = [[-3 + i / 5000, 42 + (i % 7) / 1000] for i in range(1500)] + [[-2.7, 43], [-3, 43]]
    area = {"type": "Polygon", "coordinates": [places]}
    (tmp_path / "a.geojson").write_text(json.dumps(area))
    done = run("sync", "--collection", "SENTINEL-2", "--geometry", "a.geojson")
    assert done.code == 2
    assert "ask for --bbox -3,42,-2.7,43 round it, and use the geometry offline" in done.err
    assert run("query", "--geometry", "a.geojson", "-f", "ids").out


def test_an_area_comes_from_standard_input(mirror: str, tmp_path: Path) -> None:
    square = (
        '{"type": "Polygon", "coordinates": [[[-3, 42], [-2.9, 42], [-2.9, 42.1], [-3, 42.1]]]}'
    )
    piped = spawn(tmp_path, {}, "query", "--geometry", "-", "-f", "ids", stdin=square)
    named = spawn(tmp_path, {}, "query", "--bbox", "-3,42,-2.9,42.1", "-f", "ids")
    assert (piped.code, piped.out) == (0, named.out)
    assert piped.out
    assert "--geometry: a ring was not closed: taken to end where it starts\n" in piped.err


def test_numbers_may_be_words_of_their_own(run: Run, mirror: str) -> None:
    same = run("query", "--bbox=-3,42,-2.9,42.1", "-f", "ids").out
    assert same
    for words in ("-3 42 -2.9 42.1", "-3, 42, -2.9, 42.1", "-3.0 +42. -2.9 42.10"):
        assert run("query", "--bbox", *words.split(), "-f", "ids").out == same
    assert run("query", "--bbox", "-3 42 -2.9 42.1", "-f", "ids").out == same


def test_nothing_found_is_followed_by_what_may_be_meant(run: Run, mirror: str) -> None:
    assert "longitude comes first" in run("query", "--point", "42.05,-2.95").err
    assert "did you mean S2MSI2A?" in run("mark", "--product-type", "S2MSI2a", "--dry-run").err
    assert "did you mean" not in run("query", "--product-type", "S2MSI2A").err
