"""`satcat copy` as people run it: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run, spawn
from tests.engines import CATALOGUE_FILE, plainly


def test_a_copy_is_told_and_answers_as_its_source(
    run: Run, mirror: str, new_catalogue: Callable[..., str]
) -> None:
    target = new_catalogue()
    done = run("copy", mirror, target)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].split() == ["table", "rows", "digest"]
    assert "39 products, " in done.err.splitlines()[-1]
    assert " equals " in done.err
    asked = ("query", "-f", "csv", "--columns", "id,name,attributes")
    assert run("--db", target, *asked).out == run("--db", mirror, *asked).out
    assert run("--db", target, "db", "check").code == 0


def test_digests_are_for_machines_too(
    run: Run, mirror: str, new_catalogue: Callable[..., str]
) -> None:
    target = new_catalogue()
    copied = json.loads(run("copy", "-q", "-f", "json", mirror, target).out)
    checked = run("copy", "--check", "-f", "json", mirror, target)
    assert checked.code == 0
    assert json.loads(checked.out) == copied
    assert all(row["digest"] == row["digest_of_dst"] for row in copied)
    assert all(row["different"] == 0 and row["rows"] == row["rows_in_dst"] for row in copied)


def test_a_difference_is_named_and_ends_with_8(
    run: Run, mirror: str, new_catalogue: Callable[..., str]
) -> None:
    target = new_catalogue(mirror)
    plainly(
        target, "UPDATE products SET cloud_cover = 1.5 WHERE pk = 3", "DELETE FROM sync_cursors"
    )
    done = run("copy", "--check", mirror, target)
    assert done.code == 8
    (told,) = done.err.splitlines()
    assert "products (the row of products with pk 3)" in told
    assert "sync_cursors" in told
    rows = {line.split()[0]: line.split()[3] for line in done.out.splitlines()[2:]}
    assert (rows["products"], rows["scopes"]) == ("1", "0")


def test_what_is_refused_says_what_to_do(
    run: Run, mirror: str, new_catalogue: Callable[..., str]
) -> None:
    for words, code, told in (
        ((mirror, mirror), 2, "itself: name another"),
        ((mirror, new_catalogue(mirror)), 2, "name a new one to copy to"),
        ((mirror,), 2, "Missing argument 'DST'"),
        ((mirror, "oracle://here/satcat"), 2, "give a path, or a URL"),
        (("missing.db", "new.db"), 3, "no catalogue at missing.db"),
        ((mirror, "nowhere/new.db"), 3, "create it first"),
    ):
        done = run("copy", *words)
        (line,) = done.err.splitlines()
        assert (done.code, done.out, told in line) == (code, "", True), line


def test_no_password_is_shown(run: Run, mirror: str) -> None:
    there = "postgresql+psycopg://satcat:geheim@127.0.0.1:1/satcat?connect_timeout=1"
    for words in ((mirror, there), (there, mirror), ("--check", mirror, there)):
        done = run("copy", "-vv", *words)
        assert done.code == 3
        assert "geheim" not in done.out + done.err
        assert "satcat:***@" in done.err


@CATALOGUE_FILE
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_copy_is_finished_by_the_same_command_and_used_by_none_until_then(
    mirror: str, tmp_path: Path, number: signal.Signals
) -> None:
    source, target = tmp_path / "large.db", tmp_path / "new.db"
    Path(mirror).rename(source)
    many = """INSERT INTO download_attempts (product_id, claim, worker, started_at)
        WITH RECURSIVE n(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM n WHERE k < 200000)
        SELECT 'product ' || k, 1, 'w', '2024-06-01T00:00:00.000000Z' FROM n"""
    plainly(source, many)
    words = [sys.executable, "-m", "satcat", "copy", str(source), str(target)]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not _begun(target):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -9
    else:
        assert process.returncode == 130
        assert err.splitlines()[-1] == "satcat: stopped; run the same command again to go on"
    refused = spawn(tmp_path, {}, "--db", str(target), "status")
    assert refused.code == 3
    assert f"`satcat copy {source} {target}` goes on with it" in refused.err
    done = spawn(tmp_path, {}, "copy", str(source), str(target))
    assert done.code == 0, done.err
    assert spawn(tmp_path, {}, "copy", "--check", str(source), str(target)).code == 0


def _begun(target: Path) -> bool:
    """Whether some of the attempts are stored."""
    try:
        return bool(plainly(target, "SELECT max(id) > 4000 FROM download_attempts")[0][0])
    except Exception:  # noqa: BLE001 - there is no table yet, or it is being made
        return False
