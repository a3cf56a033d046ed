"""The main way, as people go it: real processes, a real server, real files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from satcat.sandbox import Sandbox
from tests.cli.conftest import SUMMER, Run, spawn
from tests.engines import plainly


def test_from_nothing_to_verified_files(tmp_path: Path, source: Sandbox) -> None:
    def satcat(*args: str, code: int = 0, stdin: str | None = None) -> str:
        done = spawn(tmp_path, source.environment, *args, stdin=stdin)
        assert done.code == code, done.err
        return done.out

    satcat("sync", "--collection", "SENTINEL-2", "--level", "L2A", "--tile", "30TWM", *SUMMER)
    wanted = json.loads(satcat("query", "--cloud", "30", *SUMMER, "-f", "json"))
    truth = [
        product
        for product in source.catalogue.products.values()
        if product.tile_id == "30TWM" and "_MSIL2A_" in product.name
        and "20240601" <= product.name[11:19] < "20240901" and (product.cloud_cover or 0) <= 30
    ]  # fmt: skip
    assert sorted(row["id"] for row in wanted) == sorted(product.id for product in truth) != []

    ids = satcat("query", "--cloud", "30", *SUMMER, "-f", "ids")
    assert f"marked {len(truth)} products" in satcat("mark", "--ids", "-", stdin=ids)
    satcat("download", "--out", "files")
    published = {row["id"]: row["md5"] for row in wanted}
    for row in json.loads(satcat("queue", "list", "-f", "json")):
        content = Path(row["path"]).read_bytes()
        assert hashlib.md5(content).hexdigest() == published.pop(row["product_id"])
    assert published == {}
    assert "the mirror holds exactly what the source lists" in satcat("verify")
    assert f"{len(truth)} files right" in satcat("verify", "--files")

    address = os.environ.get("SATCAT_DB", tmp_path / "satcat.db")
    ((gone,),) = plainly(address, "SELECT max(id) FROM products")
    plainly(address, "DELETE FROM products WHERE id = ?", values=(gone,))
    assert f"missing: {gone}" in satcat("verify", code=8)
    satcat("verify", "--repair")
    assert satcat("query", "-f", "ids", "--where", f"id = '{gone}'") == f"{gone}\n"


def test_a_sync_is_followed_and_tells_what_was_deleted(tmp_path: Path) -> None:
    with Sandbox(products=300) as source:
        spawn(tmp_path, source.environment, "sync", "--collection", "SENTINEL-5P")
        gone = next(p for p in source.catalogue.products.values() if p.collection == "SENTINEL-5P")
        source.clock.advance(5)
        source.catalogue.delete(gone.id, cause="Corrupted product")
        source.clock.advance(5)
        done = spawn(tmp_path, source.environment, "sync")
        assert "1 deleted" in done.err
    shown = spawn(tmp_path, {}, "show", gone.id)
    assert shown.code == 1
    assert "was deleted at the source" in shown.err
    assert "Corrupted product" in shown.err


def test_what_failed_is_listed_as_mark_reads_it(tmp_path: Path) -> None:
    with Sandbox(products=300) as source:
        spawn(tmp_path, source.environment, "sync", "--collection", "SENTINEL-5P")
        bad, good = [
            p.id for p in source.catalogue.products.values() if p.collection == "SENTINEL-5P"
        ][:2]
        source.catalogue.take_offline(bad)
        spawn(tmp_path, source.environment, "mark", "--ids", "-", stdin=f"{bad}\n{good}\n")
        done = spawn(tmp_path, source.environment, "download")
    assert (done.code, done.out) == (7, f"{bad}\n")
    assert "offline" in done.err
    failed = spawn(tmp_path, {}, "queue", "list", "--failed", "-f", "ids")
    assert failed.out == f"{bad}\n"


def test_a_source_that_is_down_ends_with_4_and_the_mirror_stays_usable(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(products=0) as source:
        monkeypatch.setenv("CDSE_CATALOGUE_URL", source.catalogue_url)
    monkeypatch.setattr("satcat.api.http.HttpClient._wait", lambda *_: None)
    done = run("sync", "--moved")
    assert (done.code, "try again later" in done.err) == (4, True), done.err
    assert len(run("query", "--limit", "1", "-f", "ids").out.splitlines()) == 1


def test_another_source_than_the_mirrored_one_is_refused(mirror: str, tmp_path: Path) -> None:
    with Sandbox(products=0) as source:
        done = spawn(tmp_path, source.environment, "sync")
        assert (done.code, "--moved" in done.err) == (2, True), done.err
