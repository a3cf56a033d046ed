"""A partitioned dataset holds just what the catalogue holds, for every reader; it is there whole, or as it was before."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import geopandas
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import shapely

from satcat import SearchFilters, cli, locks
from satcat.catalogue import Catalogue
from satcat.database import Database
from satcat.errors import FilterError, MissingLibraryError, SatcatError
from satcat.exports import folders
from satcat.exports.partitions import KEYS, UNKNOWN
from satcat.products import RESULT_COLUMNS
from tests.engines import address_of
from tests.exports.conftest import SHAPES, fields, geometry

ALL = SearchFilters()
START = datetime(2024, 6, 1, 10, 56, 21, 24_657, tzinfo=UTC)
COLLECTIONS = [
    "SENTINEL-2",
    "SENTINEL-1",
    "../../x",
    "a/b",
    "x=y%2F",
    "é 日本😀",
    UNKNOWN,
    "",
    "\n'\"*",
]


@pytest.fixture
def many(catalogue: Catalogue, add_products: Callable[..., None]) -> Catalogue:
    """The seven, and sixty more of hostile collections, over three years."""
    shapes = [*SHAPES.values(), None]
    add_products(
        *(
            fields(
                number, shapes[number % len(shapes)], collection=COLLECTIONS[number % len(COLLECTIONS)],
                sensing_start=START + timedelta(days=number * 17), product_type=("S2MSI1C", None)[number % 2],
                relative_orbit=(137, None, 8)[number % 3], online=(True, False, None)[number % 3],
            )
            for number in range(60)
        )
    )  # fmt: skip
    return catalogue


def files(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


def hidden(folder: Path) -> list[Path]:
    return list(folder.glob(".*"))


def read_by_duckdb(folder: Path) -> list[dict[str, Any]]:
    connection = duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": "false"})
    glob = f"{folder}/**/*.parquet".replace("'", "''")
    found = connection.sql(
        f"SELECT * REPLACE (geometry::BLOB AS geometry) FROM read_parquet('{glob}', hive_partitioning = true)"
    )
    return list(found.to_arrow_table().to_pylist())


def read_by_pyarrow(folder: Path) -> list[dict[str, Any]]:
    return list(ds.dataset(folder, partitioning="hive").to_table().to_pylist())


def assert_holds(rows: list[dict[str, Any]], catalogue: Catalogue, keys: list[str]) -> None:
    """Row by row and column by column; a partition's value may come back as a text or as a number."""
    held = catalogue.search(ALL)
    assert sorted(row["id"] for row in rows) == sorted(held)
    for row in rows:
        product = held[row["id"]]
        for name in RESULT_COLUMNS:
            expected, found = getattr(product, name), row[name]
            if name in keys:
                expected = {True: "true", False: "false", None: None}.get(expected, str(expected))
                found = (
                    found
                    if found is None
                    else str(found).lower()
                    if name == "online"
                    else str(found)
                )
                expected = expected or None
                if name == "collection" and expected == UNKNOWN:
                    expected = (
                        row[name] and UNKNOWN
                    )  # pyarrow reads the word as unknown, however it is spelt
            elif name == "attributes":
                found = json.loads(found)
            assert found == expected, (name, row["id"])
        for period, form in (("year", "%Y"), ("month", "%Y-%m"), ("day", "%Y-%m-%d")):
            if period in keys:
                assert str(row[period]) == product.sensing_start.strftime(form)
        shape = geometry(product.footprint)
        if shape is None:
            assert (row["geometry"], row["bbox"]) == (None, None)
        else:
            assert shapely.from_wkb(bytes(row["geometry"])).normalize() == shape.normalize()
            assert tuple(row["bbox"].values()) == shape.bounds


@pytest.mark.parametrize("read", [read_by_duckdb, read_by_pyarrow])
@pytest.mark.parametrize(
    "keys",
    [
        ["collection", "month"],
        ["year", "collection"],
        ["tile_id", "relative_orbit", "online", "day"],
        ["product_type"],
    ],
    ids=",".join,
)
def test_readers_get_the_rows_of_the_catalogue(
    many: Catalogue, tmp_path: Path, keys: list[str], read: Callable[[Path], list[dict[str, Any]]]
) -> None:
    assert many.export(tmp_path / "lake", ALL, partition=keys) == 67
    assert_holds(read(tmp_path / "lake"), many, keys)


def test_every_key_can_be_read_back(many: Catalogue, tmp_path: Path) -> None:
    many.export(tmp_path / "lake", ALL, partition=KEYS)
    assert_holds(read_by_duckdb(tmp_path / "lake"), many, list(KEYS))


def test_nothing_is_outside_the_folder_whatever_values_are_called(
    many: Catalogue, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    many.export(tmp_path / "lake", ALL, partition="collection,type")
    assert set(tmp_path.iterdir()) - before == {tmp_path / "lake"}
    for path in files(tmp_path / "lake"):
        assert len(path.parts) in (1, 3)
        assert path.parts[0] == "_satcat.json" or path.parts[0].startswith("collection=")


def test_each_file_holds_its_partition_alone_and_is_geoparquet(
    many: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "lake"
    many.export(folder, ALL, partition="collection,month")
    file = folder / "collection=SENTINEL-2" / "month=2024-06" / "part-0.parquet"
    assert file.stat().st_mode & 0o777 == 0o666 & ~umask()
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask()
    months = SearchFilters(collection="SENTINEL-2", start_date="2024-06-01", end_date="2024-06-30")
    table = pq.read_table(file, partitioning=None)
    assert table.schema.names == [
        *(name for name in RESULT_COLUMNS if name != "collection"), "geometry", "bbox",
    ]  # fmt: skip
    assert table["id"].to_pylist() == list(many.search(months, sort="tile"))
    about = pq.read_metadata(file)
    geo = json.loads(about.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert {about.row_group(0).column(n).compression for n in range(about.num_columns)} == {"ZSTD"}
    assert len(geopandas.read_parquet(file)) == table.num_rows


def test_geopandas_reads_the_folder(many: Catalogue, tmp_path: Path) -> None:
    many.export(tmp_path / "lake", ALL, partition="month")
    read = geopandas.read_parquet(tmp_path / "lake")
    assert (len(read), read.crs.to_string()) == (67, "OGC:CRS84")
    assert set(read["month"]) >= {"2024-06", "2027-03"}


def test_readers_open_only_the_partitions_that_they_need(many: Catalogue, tmp_path: Path) -> None:
    many.export(tmp_path / "lake", ALL, partition="collection,month")
    wanted = (ds.field("collection") == "SENTINEL-2") & (ds.field("month") == "2024-06")
    found = list(ds.dataset(tmp_path / "lake", partitioning="hive").get_fragments(filter=wanted))
    assert [Path(each.path).parts[-3:-1] for each in found] == [
        ("collection=SENTINEL-2", "month=2024-06")
    ]


def test_the_manifest_lists_every_file_with_its_sum(many: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    many.export(folder, ALL, partition="collection,month")
    said = json.loads((folder / "_satcat.json").read_text("utf-8"))
    assert (said["partition"], said["products"]) == (["collection", "month"], 67)
    assert sorted(Path(file["path"]) for file in said["files"]) == [
        path for path in files(folder) if path.name != "_satcat.json"
    ]
    for file in said["files"]:
        data = (folder / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["size_bytes"], file["sha256"])
        assert pq.read_metadata(folder / file["path"]).num_rows == file["products"]


def test_filters_columns_and_choices_hold(many: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    some = SearchFilters(tile_id="30TWM")
    best: dict[str, Any] = {"best": "cloud", "per": "month"}
    for choice in ({}, best, {"sort": "-cloud", "limit": 5}, {"limit": 1}):
        many.export(folder, some, partition="collection,month", columns=["id"], **choice)
        rows = read_by_pyarrow(folder)
        assert sorted(row["id"] for row in rows) == sorted(many.search(some, **choice))
        assert set(rows[0]) == {"id", "geometry", "bbox", "collection", "month"}
    many.export(folder, ALL, partition="collection", sort="cloud")
    clouds = pq.read_table(folder / "collection=SENTINEL-1" / "part-0.parquet", partitioning=None)
    known = clouds["cloud_cover"].to_pylist()
    assert known == sorted(known)


def test_an_empty_dataset_is_read_as_a_table_without_rows(many: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "lake"
    assert many.export(folder, SearchFilters(tile_id="33UUP"), partition="collection,month") == 0
    assert (read_by_duckdb(folder), read_by_pyarrow(folder)) == ([], [])


def test_a_second_export_keeps_what_is_the_same_and_leaves_nothing_old(
    many: Catalogue, tmp_path: Path, add_products: Callable[..., None]
) -> None:
    folder = tmp_path / "lake"
    many.export(folder, ALL, partition="collection,month")
    before = {path: (folder / path).stat() for path in files(folder)}
    add_products(fields(1, None, collection="SENTINEL-2"))
    with many.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM products WHERE collection = 'SENTINEL-1'")
    many.export(folder, ALL, partition="collection,month")
    after = {path: (folder / path).stat() for path in files(folder)}
    gone = {path for path in before if "SENTINEL-1" in str(path)}
    assert gone and set(before) - set(after) == gone
    changed = {
        path
        for path in after
        if (after[path].st_ino, after[path].st_mtime_ns)
        != (before[path].st_ino, before[path].st_mtime_ns)
    }
    assert changed == {
        Path("_satcat.json"), Path("collection=SENTINEL-2/month=2024-06/part-0.parquet"),
    }  # fmt: skip
    assert_holds(read_by_duckdb(folder), many, ["collection", "month"])
    many.export(folder, ALL, partition="tile")
    assert {path.parts[0].partition("=")[0] for path in files(folder)} == {
        "_satcat.json",
        "tile_id",
    }
    assert hidden(tmp_path) == []


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: (folder / "notes.txt").write_text("mine"),
        lambda folder: (folder / "collection=SENTINEL-2" / "mine.parquet").write_text("mine"),
        lambda folder: (folder / ".git").mkdir() or (folder / ".git" / "HEAD").write_text("mine"),
        lambda folder: (folder / "elsewhere").symlink_to(folder.parent),
        lambda folder: (folder / "_satcat.json").write_text("[]"),
        lambda folder: (folder / "_satcat.json").unlink(),
        lambda folder: (folder / "_satcat.json").write_text('{"files": [{"path": 3}]}'),
    ],
)
def test_a_folder_that_holds_anything_else_is_left_alone(
    many: Catalogue, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    folder = tmp_path / "lake"
    many.export(folder, ALL, partition="collection,month")
    make(folder)
    before = {path: (folder / path).read_bytes() for path in files(folder)}
    with pytest.raises(FilterError, match=r"is no file of a dataset that satcat wrote"):
        many.export(folder, ALL, partition="collection,month")
    assert {path: (folder / path).read_bytes() for path in files(folder)} == before
    assert hidden(tmp_path) == []


def test_an_empty_folder_and_a_link_to_one_are_filled(many: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "lake").symlink_to("real")
    many.export(tmp_path / "lake", ALL, partition="year")
    assert (tmp_path / "lake").is_symlink()
    assert len(files(tmp_path / "real")) == 5
    many.export(tmp_path / "lake", SearchFilters(end_date="2024-12-31"), partition="year")
    assert len(files(tmp_path / "real")) == 2


def test_where_folders_cannot_be_swapped_at_once_they_are_swapped_in_turn(
    many: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    for partition in ("year", "month"):
        many.export(tmp_path / "lake", ALL, partition=partition)
        assert_holds(read_by_pyarrow(tmp_path / "lake"), many, [partition])
    assert hidden(tmp_path) == []
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if target.name == "lake" and "old" not in self.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(SatcatError, match="cannot be written: Input/output error"):
        many.export(tmp_path / "lake", ALL, partition="year")
    assert_holds(read_by_pyarrow(tmp_path / "lake"), many, ["month"])
    assert hidden(tmp_path) == []


def test_folders_are_swapped_in_one_step(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux swaps two names in one step")
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert folders._exchange(tmp_path / "one", tmp_path / "other")
    assert files(tmp_path) == [Path("one/other"), Path("other/one")]
    assert not folders._exchange(tmp_path / "one", tmp_path / "absent")


def test_what_fails_in_the_midst_leaves_the_old_dataset(many: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "lake"

    def breaks(rows: Iterator[Any]) -> Iterator[Any]:
        for number, row in enumerate(rows):
            if number == 30:
                raise RuntimeError("in the midst of it")
            yield row

    with pytest.raises(RuntimeError):
        many.export(folder, ALL, partition="collection,month", watch=breaks)
    assert not folder.exists()
    many.export(folder, ALL, partition="year")
    with pytest.raises(RuntimeError):
        many.export(folder, ALL, partition="collection,month", watch=breaks)
    assert_holds(read_by_pyarrow(folder), many, ["year"])
    assert hidden(tmp_path) == []


SLOW = """
import sys, time
from satcat import Catalogue, SearchFilters
def slow(rows):
    for number, row in enumerate(rows):
        yield row
        if number == 30:
            print("there", flush=True)
            time.sleep(60)
Catalogue.open(sys.argv[1]).export(sys.argv[2], SearchFilters(), partition="collection,month", watch=slow)
"""


def test_a_killed_export_leaves_nothing_that_looks_whole_and_the_next_one_clears_up(
    many: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "lake"
    for before in (None, "year"):
        if before:
            many.export(folder, ALL, partition=before)
        with subprocess.Popen(
            [sys.executable, "-c", SLOW, address_of(many.database), folder], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"there\n"
            (left,) = hidden(tmp_path)
            many.export(tmp_path / "lake2", ALL, partition="year")
            assert left.is_dir()  # a running export's
            process.send_signal(signal.SIGKILL)
        assert folder.exists() == bool(before)
        assert list(left.rglob("*.parquet")) and not (left / "_satcat.json").exists()
        if before:
            assert_holds(read_by_pyarrow(folder), many, [before])
    many.export(folder, ALL, partition="collection,month")
    assert_holds(read_by_pyarrow(folder), many, ["collection", "month"])
    assert hidden(tmp_path) == []


def test_what_a_running_export_writes_is_not_swept_away(many: Catalogue, tmp_path: Path) -> None:
    running = tmp_path / ".lake.x.satcat-part"
    running.mkdir()
    with locks.folder(running) as held:
        assert held
        many.export(tmp_path / "lake", ALL, partition="year")
        assert running.is_dir()
    many.export(tmp_path / "lake", ALL, partition="year")
    assert hidden(tmp_path) == []


def test_killed_at_any_moment_the_dataset_is_the_old_or_the_new_one(
    many: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "lake"
    many.export(folder, ALL, partition="collection")
    script = """
import sys
from satcat import Catalogue, SearchFilters
catalogue = Catalogue.open(sys.argv[1])
print("go", flush=True)
for turn in range(10**6):
    catalogue.export(sys.argv[2], SearchFilters(), partition=("year", "collection")[turn % 2])
"""
    for turn in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", script, address_of(many.database), folder],
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.15 + turn * 0.05)
            process.kill()
        said = json.loads((folder / "_satcat.json").read_text("utf-8"))
        assert sorted(files(folder)) == sorted(
            [Path("_satcat.json"), *(Path(file["path"]) for file in said["files"])]
        )
        assert_holds(read_by_pyarrow(folder), many, said["partition"])


def test_few_files_are_open_at_once_however_many_partitions(
    many: Catalogue, add_products: Callable[..., None], tmp_path: Path
) -> None:
    add_products(*(fields(n, None, sensing_start=START + timedelta(days=n)) for n in range(150)))
    script = """
import resource, sys
from satcat import Catalogue, SearchFilters
catalogue = Catalogue.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
print(catalogue.export(sys.argv[2], SearchFilters(), partition="collection,day"))
"""
    command = [sys.executable, "-c", script, address_of(many.database), tmp_path / "lake"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "217\n"
    assert len(files(tmp_path / "lake")) > 150


def test_two_partitions_that_a_file_system_takes_for_one_are_told(
    many: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satcat.exports.partitions._encoded", lambda value: str(value)[:5])
    with pytest.raises(SatcatError, match="takes this name for that of another partition"):
        many.export(tmp_path / "lake", ALL, partition="collection")
    assert not (tmp_path / "lake").exists()


def test_too_many_partitions_are_refused_before_anything_is_written(
    many: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satcat.select._MOST_GROUPS", 10)
    with pytest.raises(FilterError, match="more than 10 partitions: name fewer keys"):
        many.export(tmp_path / "lake", ALL, partition="collection,month")
    many.export(tmp_path / "lake", ALL, partition="collection")
    assert len(files(tmp_path / "lake")) == 10 - 1 + 1


def test_without_pyarrow_it_says_what_to_install(
    many: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "pyarrow.parquet")
    with pytest.raises(MissingLibraryError, match=r"pip install 'satcat-mirror\[parquet\]'"):
        many.export(tmp_path / "lake", ALL, partition="year")
    assert not (tmp_path / "lake").exists()


def run(*args: str | Path) -> int:
    return cli.run([str(arg) for arg in args])


def test_the_command_says_what_it_wrote(
    many: Catalogue, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "lake.parquet"
    db = address_of(many.database)
    for form in ((), ("-f", "geoparquet"), ("--format", "parquet")):
        assert run("export", folder, "--db", db, "--partition", "year", *form) == 0
        out, err = capfd.readouterr()
        assert out == ""
        assert f"67 products in {folder}, 4 files, " in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lake", "--partition", "yaer"], "did you mean year?"),
        (["lake", "--partition", "name"], "there are collection"),
        (["lake.csv", "--partition", "year"], "not csv"),
        (["lake", "--partition", "year", "-f", "gpkg"], "not gpkg"),
        (["file", "--partition", "year"], "file is a file: name a folder"),
        (["satcat.db", "--partition", "year"], "satcat.db is a file: name a folder"),
        ([".", "--partition", "year"], "is no file of a dataset"),
        (
            ["no/lake", "--partition", "year"],
            "no/lake cannot be written: No such file or directory",
        ),
        (["file/lake", "--partition", "year"], "file/lake cannot be written: Not a directory"),
        (["folder"], "the suffix says no format"),
        (["folder.csv"], "folder.csv is a folder: name a file, or give --partition"),
        (["/proc", "--partition", "year"], "/proc"),
        (["/dev/null", "--partition", "year"], "/dev/null is a file: name a folder"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(
    many: Catalogue,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    told: str,
) -> None:
    folder = tmp_path
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SATCAT_DB", address_of(many.database))
    (folder / "satcat.db").touch()
    (folder / "file").touch()
    (folder / "folder.csv").mkdir()
    assert run("export", "-q", *words) in (1, 2)
    _, err = capfd.readouterr()
    assert told in err
    assert err.count("\n") == 1
    assert not list(folder.glob("*lake*"))


def test_the_folder_where_you_are_is_refused(
    many: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lake").mkdir()
    monkeypatch.chdir(tmp_path / "lake")
    for name in (".", tmp_path / "lake"):
        with pytest.raises(FilterError, match="lake is where you are: name a folder inside it"):
            many.export(name, ALL, partition="year")
    many.export("inner", ALL, partition="year")
    assert len(files(tmp_path / "lake" / "inner")) == 5


UNPRIVILEGED = """
import os, sys
from satcat import cli
os.chdir(sys.argv[1])
def export(name, partition):
    return cli.run(["export", name, "--db", "satcat.db", "-q", "--partition", partition])
denied = {"unreadable": 0o000, "unreadable/year=none": 0o000, "unwritable": 0o555, "unwritable/year=none": 0o555}
for number, (place, mode) in enumerate(denied.items()):
    name, _, inner = place.partition("/")
    assert export(f"{number}{name}", "year") == 0
    os.chmod(os.path.join(f"{number}{name}", inner), mode)
if os.geteuid() == 0:  # to whom nothing is denied
    os.setgid(65534)
    os.setuid(65534)
for number, place in enumerate(denied):
    print(export(f"{number}{place.partition('/')[0]}", "month"))
"""


def test_what_may_not_be_removed_is_not_replaced() -> None:
    if sys.platform == "win32":
        pytest.skip("rights are other ones there")
    with tempfile.TemporaryDirectory() as name:  # pytest's own are for nobody else
        folder = Path(name)
        folder.chmod(0o777)
        Database.open(folder / "satcat.db", create=True).close()
        (folder / "satcat.db").chmod(0o666)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, name], capture_output=True, text=True
        )
        assert done.stdout == "1\n" * 4, done.stderr
        assert done.stderr.count(" cannot be written: Permission denied\n") == 4
        assert hidden(folder) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_a_stopped_export_leaves_nothing(
    many: Catalogue, tmp_path: Path, how: signal.Signals
) -> None:
    script = (
        SLOW.split("Catalogue.open", maxsplit=1)[0]
        + """
from satcat import cli, progress
progress.counted = lambda rows, *args, **kwargs: slow(rows)
sys.argv[1:] = ["export", sys.argv[2], "--db", sys.argv[1], "--partition", "year"]
sys.exit(cli.main())
"""
    )
    command = [sys.executable, "-c", script, address_of(many.database), tmp_path / "lake"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert hidden(tmp_path) != []
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (
        130, "satcat: stopped; run the same command again to go on",
    )  # fmt: skip
    assert hidden(tmp_path) == []
    assert not (tmp_path / "lake").exists()


@pytest.mark.long
def test_a_million_rows_need_no_memory_for_a_million(tmp_path: Path) -> None:
    script = """
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
import shapely
from satcat.exports import dataset
from satcat.exports.rows import Rows
start = datetime(2024, 1, 1, tzinfo=UTC)
wkb = shapely.box(2, 41, 3, 42).wkb
names = ["id", "name", "sensing_start", "cloud_cover", "attributes", "footprint"]
rows = (
    (f"{n:036d}", f"S2B_{n:060d}", start + timedelta(seconds=n), n / 7, {"n": n}, wkb, "30TWM", str(n // 2000))
    for n in range(10**6)
)
dataset.write(Rows(names, rows), ["tile_id", "month"], Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    command = [sys.executable, "-c", script, tmp_path / "lake"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 300  # MiB
    shutil.rmtree(tmp_path / "lake")
