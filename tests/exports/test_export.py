"""`satcat export` and Catalogue.export: the right format, whole or not at all, one set of writers for all."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from satcat import SearchFilters, cli, exports, footprints
from satcat.catalogue import Catalogue
from satcat.database import Database
from satcat.errors import FilterError
from satcat.products import RESULT_COLUMNS
from tests.engines import address_of

ALL = SearchFilters()


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.csv", "csv"), ("a.GeoJSON", "geojson"), ("a.json", "json"), ("a.b.parquet", "parquet"), ("a.jsonl", "ndjson"),
        ("a.geoparquet", "parquet"), ("a.gpkg", "gpkg"), ("a.geojsonl", "geojsonl"),
    ],
)  # fmt: skip
def test_the_suffix_says_the_format(name: str, form: str) -> None:
    assert exports.format_of(Path(name)) == form


@pytest.mark.parametrize("name", ["out", "out.shp", "csv", "-"])
def test_a_suffix_that_says_none_is_refused(name: str) -> None:
    with pytest.raises(FilterError, match=r"\.gpkg.*--format"):
        exports.format_of(Path(name))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"columns": []}, "no column is asked for"),
        ({"columns": ["id", "name", "id"]}, "'id' is asked for twice"),
        ({"columns": ["nme"]}, "no column 'nme'"),
        ({"form": "xlsx"}, "no format 'xlsx'"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "json", "parquet", "gpkg"])
def test_what_cannot_be_exported_is_named_before_a_file_is_begun(
    catalogue: Catalogue, tmp_path: Path, suffix: str, how: dict[str, Any], words: str
) -> None:
    if how == {"columns": []} and suffix in exports.SPATIAL:
        return  # footprints alone
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(FilterError, match=words):
        catalogue.export(folder / f"out.{suffix}", ALL, **how)
    assert list(folder.iterdir()) == []


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_holds_footprints_as_wkt_where_they_are_asked_for(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    held = catalogue.search(ALL)
    catalogue.export(path, ALL)
    rows = read_csv(path)
    assert (list(rows[0]), [row["id"] for row in rows]) == (list(RESULT_COLUMNS), list(held))
    catalogue.export(path, ALL, columns=["id", "name", "footprint"])
    for row in read_csv(path):
        product = held[row["id"]]
        assert row["name"] == product.name
        assert row["footprint"] == (
            footprints.to_wkt(product.footprint) if product.footprint else ""
        )


def test_geojson_and_its_lines_are_features(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.export(tmp_path / "out.geojson", ALL)
    catalogue.export(tmp_path / "out.geojsonl", ALL)
    collection = json.loads((tmp_path / "out.geojson").read_text("utf-8"))
    lines = (tmp_path / "out.geojsonl").read_text("utf-8").split("\n")[:-1]
    assert [json.loads(line) for line in lines] == collection["features"]
    kinds = [
        feature["geometry"] and feature["geometry"]["type"] for feature in collection["features"]
    ]
    assert (kinds.count("Polygon"), kinds.count("MultiPolygon"), kinds.count(None)) == (5, 1, 1)
    assert all("footprint" not in feature["properties"] for feature in collection["features"])


@pytest.mark.parametrize("form", exports.FORMATS)
def test_a_file_is_replaced_whole_or_not_at_all(
    catalogue: Catalogue, tmp_path: Path, form: str
) -> None:
    path = tmp_path / f"out.{form}"
    path.write_text("what was there")

    def breaks(rows: Iterator[Any]) -> Iterator[Any]:
        yield next(rows)
        raise RuntimeError("in the midst of it")

    with pytest.raises(RuntimeError):
        catalogue.export(path, ALL, watch=breaks)
    assert path.read_text() == "what was there"
    assert catalogue.export(path, ALL) == 7
    assert path.read_bytes()[:8] != b"what was"
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith((".", "out"))) == [
        path.name
    ]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def run(*args: str | Path) -> int:
    return cli.run([str(arg) for arg in args])


def test_the_command_says_what_it_wrote(
    catalogue: Catalogue, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "out.csv"
    db = address_of(catalogue.database)
    assert (
        run(
            "export",
            path,
            "--db",
            db,
            "--tile",
            "30TWM",
            "--best",
            "cloud",
            "--per",
            "tile",
            "--columns",
            "name",
        )
        == 0
    )
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"1 product in {path}, {path.stat().st_size} B"
    assert path.read_text() == "name\nS2B_1.SAFE\n"
    assert run("export", path, "--db", db, "-q", "--format", "geojson") == 0
    assert len(json.loads(path.read_text("utf-8"))["features"]) == 7
    assert run("export", path, "--db", db, "-q", "--strict") == 6


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["out.shp"], "the suffix says no format"),
        (["out.csv", "--columns", "nme"], "there are name"),
        (["out.csv", "--columns", "id,id"], "twice"),
        (["satcat.db", "--format", "csv"], "is a satcat catalogue"),
        (["no/out.csv"], "No such file or directory"),
        (["pipe", "--format", "csv"], "is no file"),
        (["out.csv", "--limit", "0"], "limit"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(
    catalogue: Catalogue,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    told: str,
) -> None:
    folder = tmp_path
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SATCAT_DB", address_of(catalogue.database))
    Database.open(folder / "satcat.db", create=True).close()
    os.mkfifo(folder / "pipe")
    assert run("export", "-q", *words) in (1, 2)
    _, err = capfd.readouterr()
    assert told in err
    assert err.count("\n") == 1
    assert not list(folder.glob("*out*"))


def test_a_killed_export_leaves_the_old_file(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "out.gpkg"
    path.write_text("what was there")
    script = """
import sys, time
from satcat import Catalogue, SearchFilters
def slow(rows):
    for row in rows:
        yield row
        print("one", flush=True)
        time.sleep(60)
Catalogue.open(sys.argv[1]).export(sys.argv[2], SearchFilters(), watch=slow)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script, address_of(catalogue.database), path], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"one\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_text() == "what was there"


@pytest.mark.long
@pytest.mark.parametrize("form", exports.FORMATS)
def test_a_million_rows_need_no_memory_for_a_million(tmp_path: Path, form: str) -> None:
    script = """
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import shapely
from satcat import exports
from satcat.exports.rows import Rows
start = datetime(2024, 1, 1, tzinfo=UTC)
wkb = shapely.box(2, 41, 3, 42).wkb
names = ["id", "name", "tile_id", "sensing_start", "cloud_cover", "attributes", "footprint"]
rows = ((f"{n:036d}", f"S2B_{n:060d}", "30TWM", start + timedelta(seconds=n), n / 7, {"n": n}, wkb) for n in range(10**6))
exports.write(Rows(names, rows), Path(sys.argv[1]), sys.argv[2])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / f"out.{form}", form],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < (500 if form == "parquet" else 200)  # MiB
