"""What comes out: tables for people, and forms that scripts read back as they went in."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from satcat import footprints, terminal, wording
from satcat.cli import output, table
from satcat.exports import text
from satcat.exports.rows import Rows
from satcat.models import products
from satcat.products import RESULT_COLUMNS
from tests.cli.conftest import Run
from tests.engines import CATALOGUE_FILE


def written(form: str, rows: list[dict[str, object]]) -> str:
    file = io.StringIO()
    names = list(rows[0])
    given = Rows(names, ([row[name] for name in names] for row in rows))
    assert text.WRITERS[form](given, file) == len(rows)
    return file.getvalue()


def test_machine_formats_hold_all_columns_but_pk_and_footprint() -> None:
    every = [column.name for column in products.columns]
    assert sorted(RESULT_COLUMNS) == sorted(set(every) - {"pk", "footprint"})


cells = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(st.lists(st.fixed_dictionaries({"a": cells, "b": cells}), min_size=1, max_size=5))
def test_any_text_comes_back_from_csv_and_json(rows: list[dict[str, object]]) -> None:
    back = list(csv.DictReader(io.StringIO(written("csv", rows), newline="")))
    assert back == [{k: v or "" for k, v in row.items()} for row in rows]
    assert json.loads(written("json", rows)) == rows
    assert [json.loads(line) for line in written("ndjson", rows).split("\n")[:-1]] == rows


@given(st.text(), st.integers(18, 40))
def test_no_text_drives_the_terminal_or_breaks_a_line(said: str, width: int) -> None:
    file = io.StringIO()
    table.write(file, ["name", said], [[said, "x"]], width)
    lines = file.getvalue().split("\n")
    assert len(lines) == 4
    assert all(line.isprintable() and terminal.width(line) <= width for line in lines)


@given(st.lists(st.sampled_from([3, 9, 40]), min_size=1, max_size=30), st.integers(10, 130))
def test_a_table_is_never_wider_than_the_terminal(cells: list[int], width: int) -> None:
    file = io.StringIO()
    headings = [f"c{number}" for number in range(len(cells))]
    table.write(file, headings, [["x" * count for count in cells]], width)
    heading, *lines = file.getvalue().splitlines()
    assert max(map(len, [heading, *lines])) <= max(
        width, 21
    )  # one column of 8 and the count of the rest
    shown = [name for name in heading.split() if name in headings]
    assert shown == headings[: len(shown)]
    left_out = len(headings) - len(shown)
    assert heading.endswith(f"+{left_out} column{'s' * (left_out > 1)}") is bool(left_out)


def test_wide_and_combining_characters_keep_columns_aligned() -> None:
    file = io.StringIO()
    table.write(file, ["place", "n"], [["東京", 1], ["Zu\u0308rich", 2], ["Rome", 3]])
    assert file.getvalue().splitlines()[2:] == ["東京    1", "Zu\u0308rich  2", "Rome    3"]
    file = io.StringIO()
    table.write(file, ["place", "n"], [["東京都千代田区", 1]], 12)
    assert file.getvalue().splitlines()[2] == "東京都千…  1"


def test_values_are_in_the_stored_form() -> None:
    row = {
        "at": datetime(2024, 6, 1, 10, tzinfo=UTC), "wkb": b"\x01\xff", "online": True, "cloud": 26.537797,
        "attributes": {"ä": 1}, "unknown": None, "formula": "=1+1",
    }  # fmt: skip
    assert written("csv", [row]).splitlines()[1] == (
        '2024-06-01T10:00:00.000000Z,01ff,true,26.537797,"{""ä"": 1}",,=1+1'
    )
    assert json.loads(written("ndjson", [row])) == row | {
        "at": "2024-06-01T10:00:00.000000Z",
        "wkb": "01ff",
    }


def test_a_table_shows_unknown_values_as_a_dash_and_aligns_numbers() -> None:
    file = io.StringIO()
    table.write(file, ["tile_id", "n"], [["30TWM", 5], [None, 120]])
    assert file.getvalue() == "tile_id    n\n-------  ---\n30TWM      5\n-        120\n"


def test_a_table_gives_up_long_headings_before_values() -> None:
    file = io.StringIO()
    table.write(file, ["mean_cloud_cover", "name"], [[1.5, "n" * 20]], 32)
    assert "n" * 20 in file.getvalue()


@pytest.mark.parametrize("form", output.FORMATS)
def test_rows_stream(tmp_path: Path, form: str) -> None:
    point = footprints.to_wkb(footprints.from_point(1, 2))
    rows = Rows(["id", "footprint"], ((f"{n:036d}", point) for n in range(10_000)))
    with (tmp_path / "out").open("w") as file:
        tracemalloc.start()
        if form == "table":
            table.write(file, rows.columns, rows.values)
        else:
            text.WRITERS[form](rows, file)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_500_000


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_450_000_000, "1.4 GB"),
        (250e9, "250 GB"),
        (2e15, "2.0 PB"),
    ],
)
def test_sizes(number: float | None, said: str) -> None:
    assert wording.size(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "less than a second"),
        (59, "59 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_401, "1 d"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said


def test_columns_are_chosen_and_ordered(run: Run, mirror: str) -> None:
    done = run("query", "--columns", "tile_id,id", "-f", "csv", "--limit", "1", "-q")
    assert done.out.splitlines()[0] == "tile_id,id"
    assert done.err == ""


def test_geojson_is_a_feature_collection(run: Run, mirror: str) -> None:
    done = json.loads(run("query", "--tile", "30TWM", "-f", "geojson").out)
    ids = run("query", "--tile", "30TWM", "-f", "ids").out.split()
    assert (done["type"], [f["id"] for f in done["features"]]) == ("FeatureCollection", ids)
    assert {f["geometry"]["type"] for f in done["features"]} == {"Polygon"}
    assert all(f["properties"]["tile_id"] == "30TWM" for f in done["features"])


def test_a_file_is_written_whole_or_not_at_all(run: Run, mirror: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run("query", "-f", "csv", "-o", "out.csv").code == 0
    before = out.read_text()
    assert (
        run(
            "sql",
            "SELECT id, abs(-9223372036854775807 - (pk > 3)) FROM products",
            "-f",
            "csv",
            "-o",
            "out.csv",
        ).code
        != 0
    )
    assert out.read_text() == before
    assert {path.name for path in tmp_path.iterdir()} <= {
        "out.csv",
        "satcat.db",
        "satcat.db-wal",
        "satcat.db-shm",
    }


def test_a_reader_that_leaves_ends_it_quietly(mirror: str) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    process = subprocess.Popen(
        [sys.executable, "-m", "satcat", "--db", mirror, "sql", endless, "-f", "csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"x\n"
    process.stdout.close()
    _, err = process.communicate(timeout=30)
    assert (err, process.returncode) == (b"", 141)


def test_the_suffix_of_a_file_says_the_format_where_nothing_else_does(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    for suffix in ("csv", "json", "ndjson", "geojson", "jsonl", "CSV"):
        path = tmp_path / f"out.{suffix}"
        assert run("query", "--limit", "2", "-o", str(path)).code == 0
        form = {"jsonl": "ndjson"}.get(suffix, suffix.lower())
        assert path.read_text() == run("query", "--limit", "2", "-f", form).out
    table = run("query", "--limit", "2").out
    for path, words in ((tmp_path / "out.txt", ()), (tmp_path / "out.csv", ("-f", "table"))):
        run("query", "--limit", "2", "-o", str(path), *words)
        assert path.read_text() == table
    refused = run("query", "-o", str(tmp_path / "out.gpkg"))
    assert (refused.code, "`satcat export` writes gpkg" in refused.err) == (2, True)
    assert not (tmp_path / "out.gpkg").exists()


def test_ids_alone_have_no_other_columns(run: Run, mirror: str) -> None:
    refused = run("query", "-f", "ids", "--columns", "name")
    assert (refused.code, "leave --columns out" in refused.err) == (2, True)


@pytest.mark.parametrize("character_set", ["ascii", "latin-1", "utf-8"])
def test_what_machines_read_is_utf_8_whatever_the_terminal_shows(
    mirror: str, character_set: str
) -> None:
    command = (sys.executable, "-m", "satcat", "--db", mirror, "sql", "SELECT 'é…' AS \"ü\"")
    environment = os.environ | {"PYTHONIOENCODING": character_set}
    for form, expected in (("csv", "ü\né…\n"), ("ndjson", '{"ü": "é…"}\n')):
        done = subprocess.run(
            [*command, "-f", form], env=environment, capture_output=True, check=True
        )
        assert done.stdout.decode() == expected
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert "\n" in done.stdout.decode(character_set)


def test_sql_keeps_columns_of_one_name_apart(run: Run, mirror: str) -> None:
    assert run("sql", "SELECT 1 AS a, 2 AS a", "-f", "csv").out == "a,a_2\n1,2\n"
    three = run("sql", "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a_2", "-f", "csv").out
    assert three == "a,a_3,a_2,a_2_2\n1,2,3,4\n"


def test_a_pipe_is_written_to_and_not_replaced(run: Run, mirror: str, tmp_path: Path) -> None:
    """A file in the place of /dev/null would be the end of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        done = run("query", "-f", "ids", "-o", "pipe")
        assert (done.code, reader.communicate(timeout=30)[0]) == (0, run("query", "-f", "ids").out)
    assert pipe.is_fifo()


def test_a_link_is_written_through(run: Run, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to("target.txt")
    assert run("query", "-f", "ids", "-o", "link.txt").code == 0
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == run("query", "-f", "ids").out


@CATALOGUE_FILE
@pytest.mark.parametrize(
    "words", [("query", "-q", "-o", "satcat.db"), ("sql", "SELECT 1", "-o", "link")]
)
def test_a_catalogue_is_not_written_over(
    run: Run, mirror: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "link").symlink_to("satcat.db")
    done = run(*words)
    assert (done.code, done.err) == (
        2,
        f"satcat: {mirror} is a satcat catalogue: name another file\n",
    )
    assert run("query", "-f", "ids").code == 0


def test_a_footprint_that_is_asked_for_is_wkt(run: Run, mirror: str) -> None:
    asked = ("query", "--columns", "id,footprint", "--limit", "1", "-q")
    (row,) = csv.DictReader(io.StringIO(run(*asked, "-f", "csv").out))
    assert footprints.from_wkt(row["footprint"]).area > 0.5
    assert json.loads(run(*asked, "-f", "json").out) == [row]
    same = run(
        "sql",
        "SELECT id, footprint FROM products ORDER BY sensing_start DESC, id LIMIT 1",
        "-f",
        "csv",
    ).out
    assert same == run(*asked, "-f", "csv").out
    assert row["footprint"] in run(*asked).out


def test_outer_rings_of_geojson_run_counter_clockwise(run: Run, mirror: str) -> None:
    done = json.loads(run("query", "-f", "geojson", "--columns", "id").out)
    rings = [shapely.LinearRing(f["geometry"]["coordinates"][0]) for f in done["features"]]
    assert rings
    assert all(ring.is_ccw for ring in rings)
    assert {tuple(f["properties"]) for f in done["features"]} == {("id",)}


def test_json_has_no_infinity(run: Run, mirror: str) -> None:
    infinite = "CAST('inf' AS double precision)" if "://" in mirror else "9e999"
    shown = run("sql", f"SELECT {infinite} AS a, 1.5 AS b", "-f", "json").out
    assert json.loads(shown) == [{"a": None, "b": 1.5}]
