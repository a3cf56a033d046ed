"""What is wrong is told in one line, with the value and the right exit code; never with a traceback."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from satcat import tiles
from satcat.sandbox import Sandbox
from tests.cli.conftest import Run, spawn
from tests.engines import CATALOGUE_FILE

# command line, exit code, what the line says
WRONG = [
    ("qery", 2, "query"),
    ("query --tiel 30TWM", 2, "--tile"),
    ("query --tile 30TWMX", 2, "30TWMX"),
    ("query --tile 99AAA", 2, "99AAA"),
    ("query --tile @none.txt", 2, "none.txt"),
    ("query --tile=", 2, "--tile: the value is empty"),
    ("query --cloud lots", 2, "lots"),
    ("query --cloud 101", 2, "101"),
    ("query --start June", 2, "June"),
    ("query --start 2024-02-30", 2, "'2024-02-30' is no date"),
    ("query --start 2024-06-03 --end 2024-06-01", 2, "--end 2024-06-01"),
    ("query --start 2024-06-02 --end 2024-06-01", 2, "empty"),
    ("query --bbox 1,2,3", 2, "--bbox"),
    ("query --bbox 1,50,2,40", 2, "50"),
    ("query --point 200,91", 2, "91"),
    ("query --bbox 1,2,3,4 --point 1,2", 2, "give one of"),
    ("query --level L1C --level L2A", 2, "--level: give it once"),
    ("query --online --offline", 2, "--online or --offline: give it once"),
    ("query --point 43.2", 2, "LON,LAT"),
    ("query --geometry text.txt", 2, "'text.txt' is no kind of file known here"),
    ("query --geometry none.kml", 2, "no such file, and no WKT or GeoJSON"),
    ("query --geometry POINT(40,120)", 2, "is no WKT"),
    ("query --geometry 1,2,3,4", 2, "--bbox W,S,E,N"),
    ("query --geometry satcat.db", 2, "no GeoPackage"),
    ("query --geometry LINESTRING(1", 2, "LINESTRING"),
    ("query --where 1=1);DROP", 2, "--where"),
    ("query --where nosuch>1", 2, "nosuch"),
    ("query --sort nosuch", 2, "nosuch"),
    ("query --best cloud", 2, "--per"),
    ("query --limit 0", 2, "--limit"),
    ("query --covers 0.5", 2, "--covers 0.5: of which area?"),
    ("query --covers 0.5 --point 1,2", 2, "--covers 0.5: of which area?"),
    ("query --covers 80 --bbox 1,2,3,4", 2, "as 0.8 for 80 %"),
    ("query --covers most --bbox 1,2,3,4", 2, "most"),
    ("query --covers 180% --bbox 1,2,3,4", 2, "'180%' is no percentage"),
    ("query --covers 0% --bbox 1,2,3,4", 2, "a share above 0"),
    ("query --covers 0 --bbox 1,2,3,4", 2, "a share above 0"),
    ("query --columns nosuch", 2, "nosuch"),
    ("query -f xml", 2, "xml"),
    ("query -o nofolder/out.csv", 1, "nofolder/out.csv"),
    ("query --strict --tile 33UUP", 6, "--strict"),
    ("query --db none.db", 3, "none.db"),
    ("--db none.db query", 3, "none.db"),
    ("query --db text.txt", 3, "text.txt"),
    ("query --db other.db", 3, "other.db"),
    ("query --db ://hidden@x", 2, "--db: give a path"),
    ("query --db mysql://me:hidden@host/x", 2, "mysql://me:***@host/x"),
    ("show 00000000-0000-0000-0000-000000000000", 1, "00000000"),
    ("sql DELETE_FROM_products", 2, "SQL"),
    ("sql", 2, "'SQL|-'"),
    ("queue --db none.db", 3, "none.db"),
    ("adopt . --db none.db", 3, "none.db"),
    ("adopt", 2, "DIR"),
    ("adopt . --only broken", 2, "broken"),
    ("mark --all --priority 99999999999999999999", 2, "--priority"),
    ("scopes --db none.db list", 3, "none.db"),
    ("schema nosuch", 2, "nosuch"),
    ("mark", 2, "--all"),
    ("mark --all --tile 30TWM", 2, "only one of"),
    ("mark --ids none.txt", 2, "none.txt"),
    ("mark --latest", 2, "--all"),
    ("mark --ids none.txt --latest --not-downloaded", 2, "leave --latest, --not-downloaded out"),
    ("mark --all --best cloud", 2, "--per"),
    ("unmark", 2, "--all"),
    ("report coverage --by day", 2, "day"),
    ("sync --level L2A", 2, "--collection"),
    ("sync --collection SENTINEL-2 --cloud 10", 2, "--cloud"),
    ("sync --collection SENTINEL-2 --online", 2, "--online"),
    ("sync --collection SENTINEL-2 --level L9", 2, "L9"),
    ("sync --scope nosuch", 2, "nosuch"),
    ("sync --overlap soon", 2, "soon"),
    ("sync --overlap 999999d", 2, "999999d"),
    ("sync --scope=", 2, "--scope: the value is empty"),
    ("sync --every 0s", 2, "0s"),
    ("sync --dry-run", 2, "--dry-run"),
    ("scopes remove nosuch --yes", 2, "nosuch"),
    ("scopes remove sentinel-2-l2a-30twm-1-more", 2, "--yes"),
    ("verify --subset 1/2", 2, "--files"),
    ("verify --files --subset half", 2, "half"),
    ("verify --files --budget 3", 2, "--files"),
    ("download --workers 5", 2, "--workers"),
    ("db snapshot text.txt", 2, "text.txt"),
    ("db snapshot nofolder/a.db", 2, "nofolder"),
    ("demo full", 2, "full"),
    ("sandbox --port 70000", 2, "70000"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(mirror_template: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a mirror and what is none; commands that are refused leave it as it is."""
    made = tmp_path_factory.mktemp("wrong")
    shutil.copy(mirror_template, made / "satcat.db")
    (made / "text.txt").write_text("no database, but long enough to look like one\n" * 50)
    with sqlite3.connect(made / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    (made / "full").mkdir()
    (made / "full" / "thesis.tex").write_text("mine")
    return made


@CATALOGUE_FILE
@pytest.mark.parametrize(("line", "code", "said"), WRONG, ids=[line for line, _, _ in WRONG])
def test_wrong_input_is_one_line(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, code: int, said: str
) -> None:
    monkeypatch.chdir(folder)
    done = run(*line.split())
    assert (done.code, said in done.err) == (code, True), done.err
    complaints = [text for text in done.err.splitlines() if text.startswith("satcat: ")]
    assert len(complaints) == 1
    assert "Traceback" not in done.err
    assert "hidden" not in done.err
    left = {path.name for path in folder.iterdir() if not path.name.startswith("satcat.db-")}
    assert left == {"satcat.db", "text.txt", "other.db", "full"}


def test_what_is_refused_changes_nothing(run: Run, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    mine = tmp_path / "full" / "thesis.tex"
    mine.write_text("mine")
    run("demo", "full")
    assert mine.read_text() == "mine"
    for line in ("query", "sync", "sync --level L2A", "sync --collection SENTINEL-2 --cloud 10"):
        assert run(*line.split(), "--db", "none.db").code in (2, 3)
        assert not (tmp_path / "none.db").exists()


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_vv(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> None:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr("satcat.catalogue.Catalogue.status", break_down)
    done = run("status")
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "ZeroDivisionError" in done.err
    assert "-vv" in done.err
    assert "Traceback" in run("status", "-vv").err


def test_ctrl_c_says_how_to_go_on(run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("satcat.catalogue.Catalogue.status", interrupt)
    done = run("status")
    assert done.code == 130
    assert "go on" in done.err


def test_a_group_of_commands_alone_shows_its_help(run: Run) -> None:
    for group, command in (("db", "snapshot"), ("scopes", "remove"), ("report", "coverage")):
        done = run(group)
        assert done.code == 2
        assert f"\n  {command} " in done.err
        assert "..." not in done.err.replace("[ARGS]...", "")
        assert "--db PATH" in done.err


def test_a_result_that_cannot_be_made_prints_nothing(run: Run, mirror: str) -> None:
    done = run("sql", "SELECT 1 AS a", "-f", "geojson")
    assert (done.code, done.out) == (2, "")
    assert (
        run("sql", "SELECT 1 AS a WHERE 1 = 0", "-f", "geojson") == done
    )  # not only once there are rows


def test_numbers_without_an_end_are_taken_as_all(run: Run, mirror: str) -> None:
    every = run("query", "-f", "ids").out
    assert run("query", "-f", "ids", "--limit", "9" * 30).out == every


def test_lists_from_windows_are_read(run: Run, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "tiles.txt").write_bytes("\ufeff30TWM\r\n30TWN\r\n".encode())
    assert run("query", "--tile", "@tiles.txt", "-f", "ids").out == run("query", "-f", "ids").out


def test_a_scope_that_is_empty_is_told_of(run: Run) -> None:
    done = run("sync", "--collection", "SENTINEL-22", "--tile", "30TWM")
    assert done.code == 0
    assert re.search(r"satcat (--db \S+ )?scopes remove sentinel-22-30twm$", done.err, re.MULTILINE)
    assert "lists nothing" not in run("sync", "--collection", "SENTINEL-2", "--tile", "30TWM").err


def test_hundreds_of_tiles_can_be_mirrored(run: Run, tmp_path: Path) -> None:
    rows, columns = "ABCDEFGHJKLMNPQRSTUV", "STUVWXYZ"
    names = [f"{zone}T{c}{r}" for zone in (30, 33) for c in columns for r in rows]
    (tmp_path / "tiles.txt").write_text("\n".join(n for n in names if tiles.exists(n)))
    done = run("sync", "--collection", "SENTINEL-2", "--tile", "@tiles.txt", "--dry-run")
    assert done.code == 0, done.err


def test_what_is_not_mirrored_is_named(run: Run, mirror: str) -> None:
    assert "not mirrored: --collection SENTINEL-9" in run("query", "--collection", "SENTINEL-9").err
    assert "not mirrored: part of --bbox -9,40,2,45" in run("query", "--bbox", "-9,40,2,45").err


def test_output_that_nobody_takes_is_one_line(
    run: Run, mirror: str, tmp_path: Path, source: Sandbox
) -> None:
    line = [sys.executable, "-m", "satcat", "status"]
    narrow = {"PYTHONIOENCODING": "ascii"}
    told = spawn(tmp_path, narrow, "status")
    assert (told.code, told.err) == (0, "")
    closed = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *line], cwd=tmp_path, check=False)
    assert closed.returncode == 0
    with Path("/dev/full").open("w") as full:
        failed = subprocess.run(
            line, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (failed.returncode, len(failed.stderr.splitlines())) == (1, 1)
    assert "unexpected" not in failed.stderr
