"""What each command does to the catalogue, and what it says of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import SUMMER, Run
from tests.engines import CATALOGUE_FILE, plainly


def test_query_takes_tiles_from_a_file(run: Run, mirror: str, tmp_path: Path) -> None:
    (tmp_path / "tiles.txt").write_text("# mine\n30TWM  # the first\n\n30TWN\n")
    from_file = run("query", "--tile", "@tiles.txt", "-f", "ids").out
    assert from_file == run("query", "--tile", "30TWM", "--tile", "T30TWN", "-f", "ids").out != ""


def test_query_says_what_is_not_mirrored_and_strict_makes_it_an_error(
    run: Run, mirror: str
) -> None:
    asked = ("query", "--tile", "30TWM", "--start", "2024-05-01", "--end", "2024-08-31")
    loose, strict = run(*asked, "-f", "ids"), run(*asked, "-f", "ids", "--strict")
    assert (loose.code, strict.code) == (0, 6)
    assert loose.out == strict.out != ""
    assert "not mirrored: SENTINEL-2 L2A, tile 30TWM, 2024-05-01 … 2024-06-01" in loose.err
    inside = run("query", "--tile", "30TWM", *SUMMER, "--strict")
    assert inside.code == 0
    assert "not mirrored" not in inside.err


def test_query_says_that_it_found_nothing(run: Run, mirror: str) -> None:
    done = run("query", "--tile", "30TWM", "--cloud", "0", "--name", "x*", "-f", "csv")
    assert (done.out.count("\n"), "0 products" in done.err) == (1, True)


def test_show_finds_by_id_by_its_beginning_and_by_name(run: Run, mirror: str) -> None:
    row = json.loads(run("query", "--tile", "30TWM", "--limit", "1", "-f", "json").out)[0]
    for which in (row["id"], row["id"][:8], row["name"], row["name"].removesuffix(".SAFE")):
        shown = run("show", which)
        assert row["md5"] in shown.out
        assert "POLYGON" in shown.out
    assert json.loads(run("show", row["id"], "-f", "json").out) == [row]


def test_marking_says_how_much_and_a_dry_run_marks_nothing(run: Run, mirror: str) -> None:
    asked = ("--tile", "30TWM", *SUMMER)
    wanted = len(run("query", *asked, "-f", "ids").out.splitlines())
    assert run("mark", *asked, "--dry-run").out.startswith(f"would mark {wanted} products (")
    assert "nothing is marked" in run("queue").err
    assert run("mark", *asked).out.startswith(f"marked {wanted} products (")
    assert run("mark", *asked).out == "marked 0 products\n"
    assert run("unmark", "--tile", "30TWM").out == f"unmarked {wanted} products\n"


def test_lists_of_ids_and_names_are_taken_and_what_is_unknown_is_named(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    first, second, third = json.loads(run("query", "--limit", "3", "-f", "json").out)
    nothing = [f"nothing-{n}.SAFE" for n in range(30)]
    lines = [first["id"], second["name"].replace(".SAFE", ".zip"), third["id"][:13], *nothing]
    (tmp_path / "ids.txt").write_text("\n".join(lines))
    marked = run("mark", "--ids", "ids.txt", "--priority", "7")
    assert (marked.code, marked.out.startswith("marked 3 products")) == (1, True)
    said = marked.err.splitlines()
    assert said[0] == "satcat: 30 lines of --ids are of no product in this catalogue:"
    assert said[1:] == [*(f"  {word}" for word in nothing[:20]), "  and 10 more"]
    held = plainly(mirror, "SELECT product_id, priority FROM downloads")
    assert sorted(held) == sorted((p["id"], 7) for p in (first, second, third))
    sooner = ("mark", "--ids", "ids.txt", "--priority", "8")
    assert "3 products asked for already would get this priority" in run(*sooner, "--dry-run").err
    assert "3 products asked for already got this priority" in run(*sooner).err
    assert "priority" in run("queue", "list").out.splitlines()[0]
    again = run("queue", "retry", "--ids", "ids.txt")
    assert (again.code, again.out) == (1, "queued 0 products again\n")
    assert again.err.splitlines()[1:] == said[1:]
    taken_back = run("unmark", "--ids", "ids.txt")
    assert (taken_back.code, taken_back.out) == (1, "unmarked 3 products\n")
    assert taken_back.err.splitlines()[1:] == said[1:]


def test_the_overview_of_the_queue_says_what_waits_why_and_for_how_long(
    run: Run, mirror: str
) -> None:
    run("mark", "--tile", "30TWM", "--where", "cloud_cover < 30")
    ids = [one for (one,) in plainly(mirror, "SELECT product_id FROM downloads")]
    change = "UPDATE downloads SET status = ?, error = ?, not_before = '2999-01-01T00:00:00.000000Z' WHERE product_id = ?"
    plainly(mirror, change, values=("failed", "no luck", ids[0]))
    plainly(mirror, change, values=("failed", "no luck", ids[1]))
    plainly(mirror, change, values=("offline", "archived", ids[2]))
    shown = run("queue").out
    assert "        2 failed: no luck\n" in shown
    assert "in the source's archive, looked at again 2999-01-01 00:00:00 UTC" in shown
    assert "no worker runs" in shown and "% of the 12.0 TB that CDSE allows" in shown
    assert "at 4 × 20 MB/s, which is what CDSE allows; nothing was measured yet" in shown
    seen = json.loads(run("queue", "-f", "json").out)
    assert seen["statuses"]["queued"]["rows"] == len(ids) - 3
    rows = json.loads(run("queue", "list", "--status", "queued", "-f", "json").out)
    assert seen["bytes_left"] == sum(row["size_bytes"] for row in rows)


def test_marking_more_than_the_quota_says_so(run: Run, mirror: str) -> None:
    plainly(mirror, "UPDATE products SET size_bytes = 13000000000000 WHERE pk = 1")
    warning = "quota: 0 B of the last 30 days and 13.0 TB to come; beyond 12.0 TB in 30 days"
    assert warning in run("mark", "--where", "pk = 1", "--dry-run").err
    assert warning in run("mark", "--where", "pk = 1").err
    assert warning in run("queue").out
    assert "quota" not in run("mark", "--where", "pk = 1").err


def test_what_plain_sql_cancelled_is_shown_and_marked_again(run: Run, mirror: str) -> None:
    run("mark", "--tile", "30TWM")
    plainly(mirror, "UPDATE downloads SET status = 'cancelled'")
    queue = json.loads(run("queue", "list", "--status", "cancelled", "-f", "json").out)
    assert len(queue) > 0
    assert {row["status"] for row in queue} == {"cancelled"}
    assert f"{len(queue)} of them again" in run("mark", "--tile", "30TWM").err


def test_report_tells_not_mirrored_from_nothing(run: Run, mirror: str) -> None:
    asked = (
        "--tile",
        "30TWM",
        "--tile",
        "33UUP",
        "--by",
        "tile,month",
        "--start",
        "2024-06-01",
        "--end",
        "2024-06-30",
    )
    rows = {
        row["tile_id"]: row
        for row in json.loads(run("report", "coverage", *asked, "-f", "json").out)
    }
    assert (rows["33UUP"]["products"], rows["33UUP"]["mirrored"]) == (None, "not mirrored")
    assert (rows["30TWM"]["period"], rows["30TWM"]["mirrored"]) == ("2024-06", "complete")
    ids = run(
        "query", "--tile", "30TWM", "--start", "2024-06-01", "--end", "2024-06-30", "-f", "ids"
    ).out.split()
    assert rows["30TWM"]["products"] == len(ids)
    assert run("report", "coverage", *asked, "--strict").code == 6


def test_status_says_how_far_and_how_old(run: Run, mirror: str) -> None:
    shown = run("status").out
    for said in (
        "sentinel-2-l2a-30twm-1-more",
        "1 of 1",
        " ago",
        "sync complete",
        "nothing is marked",
    ):
        assert said in shown


def test_a_removed_scope_leaves_what_a_download_needs(run: Run, mirror: str) -> None:
    (name,) = (row["name"] for row in json.loads(run("scopes", "list", "-f", "json").out))
    kept = run("query", "--limit", "1", "-f", "ids").out
    run("mark", "--name", "*", "--where", f"id = '{kept.strip()}'")
    assert run("scopes", "remove", name, "--yes").code == 0
    assert json.loads(run("scopes", "list", "-f", "json").out) == []
    assert run("query", "-f", "ids").out == kept


@CATALOGUE_FILE
def test_upgrade_makes_a_catalogue_and_leaves_it_be(run: Run, tmp_path: Path) -> None:
    assert run("db", "upgrade", "--db", "new.db").code == 0
    assert run("db", "upgrade", "--db", "new.db").code == 0
    assert "catalogue 0001" in run("db", "current", "--db", "new.db").out
    assert "nothing is mirrored yet" in run("status", "--db", "new.db").out


def test_a_catalogue_of_another_version_names_the_command_that_helps(run: Run, mirror: str) -> None:
    plainly(mirror, "UPDATE alembic_version SET version_num = '0000'")
    done = run("query", "--db", mirror)
    assert (done.code, "db upgrade" in done.err) == (3, True)
    assert "catalogue 0000" in run("db", "current").out


def test_check_names_what_was_altered(run: Run, mirror: str) -> None:
    assert run("db", "check").code == 0
    ((altered,),) = plainly(mirror, "SELECT min(id) FROM products")
    plainly(mirror, "UPDATE products SET cloud_cover = 0.125 WHERE id = ?", values=(altered,))
    done = run("db", "check")
    assert (done.code, f"altered: {altered}" in done.out) == (3, True)


@CATALOGUE_FILE
def test_a_snapshot_is_a_catalogue(run: Run, mirror: str) -> None:
    assert run("db", "snapshot", "copy.db").code == 0
    ids = run("query", "-f", "ids").out
    assert run("query", "--db", "copy.db", "-f", "ids").out == ids != ""


def test_altered_and_missing_files_are_found_and_queued_again(run: Run, mirror: str) -> None:
    run("mark", "--tile", "30TWM", "--where", "cloud_cover < 15")
    assert run("download", "--out", "files").code == 0
    paths = [row["path"] for row in json.loads(run("queue", "list", "-f", "json").out)]
    first, second = map(Path, paths[:2])
    first.write_bytes(b"x" + first.read_bytes()[1:])
    second.unlink()
    done = run("verify", "--files")
    assert done.code == 8
    assert f"altered: {first}" in done.out
    assert f"missing: {second}" in done.out
    assert run("verify", "--files", "--repair").code == 0
    assert [row["status"] for row in json.loads(run("queue", "list", "-f", "json").out)].count(
        "queued"
    ) == 2


def test_verify_prints_its_report_as_json(run: Run, mirror: str) -> None:
    done = run("verify", "--json", "-q")
    report = json.loads(done.out)
    assert (done.code, report["exit_code"], report["differences"]) == (0, 0, [])
    assert report["products_compared"] == len(run("query", "-f", "ids").out.splitlines())


def test_a_dry_run_stores_nothing(run: Run, tmp_path: Path) -> None:
    done = run("sync", "--collection", "SENTINEL-5P", "--dry-run")
    assert (done.code, "nothing was stored" in done.out) == (0, True)
    assert list(tmp_path.iterdir()) == []


def test_without_an_account_a_download_says_what_is_missing(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("mark", "--tile", "30TWM")
    monkeypatch.delenv("CDSE_USERNAME")
    monkeypatch.delenv("CDSE_PASSWORD")
    done = run("download")
    assert (done.code, "CDSE_USERNAME" in done.err) == (5, True)
    monkeypatch.setenv("CDSE_USERNAME", "me")
    monkeypatch.setenv("CDSE_PASSWORD", "wrong")
    done = run("download", "-vv")
    assert done.code == 5
    assert "=wrong" not in done.err
    assert plainly(mirror, "SELECT DISTINCT status FROM downloads") == [("queued",)]


def test_names_from_outside_cannot_drive_the_terminal(run: Run, mirror: str) -> None:
    name = "\x1b]0;pwned\x07\nx"
    plainly(mirror, "UPDATE products SET name = ? WHERE pk = 1", values=(name,))
    for line in (
        ["query"],
        ["sql", "SELECT name FROM products"],
        ["show", run("sql", "SELECT id FROM products WHERE pk = 1", "-f", "ids").out.strip()],
    ):
        done = run(*line)
        assert "\\x1b]0;pwned\\x07\\n" in done.out
        assert "\x1b" not in done.out


@CATALOGUE_FILE
def test_a_copied_file_is_as_good(run: Run, mirror: str, tmp_path: Path) -> None:
    shutil.copy(mirror, tmp_path / "moved.db")
    assert run("query", "--db", "moved.db", "--limit", "1").code == 0


def test_the_layout_of_files_may_stand_in_satcat_toml(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    run("mark", "--tile", "30TWM", "--where", "cloud_cover < 15")
    (tmp_path / "satcat.toml").write_text('[download]\nlayout = "collection/date/tile"\n')
    assert run("download", "--limit", "1").code == 0
    assert run("download", "--layout", "flat").code == 0
    rows = json.loads(run("queue", "list", "-f", "json").out)
    folders = [Path(row["path"]).parent.relative_to(Path("products").absolute()) for row in rows]
    nested = [folder.parts for folder in folders if folder.parts]
    assert len(nested) == 1 < len(folders)
    assert (nested[0][0], nested[0][2]) == ("SENTINEL-2", "30TWM")
    wrong = run("download", "--layout", "by-tile")
    assert wrong.code == 2 and "flat" in wrong.err
