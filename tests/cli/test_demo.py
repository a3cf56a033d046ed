"""The demo goes the whole way, whatever the person's settings are, and touches nobody's folder."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from satcat import demo
from satcat.errors import FilterError
from tests.engines import CATALOGUE_FILE

pytestmark = CATALOGUE_FILE


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The demo's folder and all that it printed, run by somebody whose settings would break it."""
    home = tmp_path_factory.mktemp("home")
    (home / "satcat.toml").write_text("[sync]\nmax_delete = 0\n[query]\nlimit = 1\n")
    (home / ".netrc").write_text("machine 127.0.0.1 login thief password thief\n")
    hostile = {
        "HOME": str(home), "SATCAT_DB": "/nowhere/x.db", "CDSE_CATALOGUE_URL": "http://127.0.0.1:9",
        "CDSE_PASSWORD": "wrong", "HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9", "SATCAT_QUERY_LIMIT": "1",
    }  # fmt: skip
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "satcat", "--db", "ignored.db", "demo"], cwd=home, env=os.environ | hostile,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert time.monotonic() - began < 60
    return home / "satcat-demo", done.stdout


def test_each_command_is_shown_as_typed_with_its_output(shown: tuple[Path, str]) -> None:
    _, text = shown
    typed = re.findall(r"^\$ satcat (\w+)", text, re.MULTILINE)
    assert typed == [
        "sync", "status", "query", "sql", "report", "mark", "download", "verify", "sync", "sql", "verify",
    ]  # fmt: skip
    for said in (
        "added",
        "windows done",
        "not mirrored",
        "marked",
        "checked",
        "1 deleted",
        "Duplicated product",
    ):
        assert said in text
    assert "the mirror holds exactly what the source lists" in text
    assert "\x1b" not in text


def test_the_catalogue_and_the_files_stay(shown: tuple[Path, str]) -> None:
    folder, _ = shown
    with sqlite3.connect(folder / "satcat.db") as connection:
        paths = [
            path
            for (path,) in connection.execute("SELECT path FROM downloads WHERE status = 'done'")
        ]
    connection.close()
    assert {Path(path) for path in paths} == set((folder / "products").glob("*.zip")) != set()


def test_the_source_can_be_started_again_as_it_was(shown: tuple[Path, str]) -> None:
    folder, text = shown
    port = int(re.findall(r"satcat sandbox --port (\d+)", text)[0])
    with sqlite3.connect(folder / "satcat.db") as connection:
        (url,) = connection.execute("SELECT url FROM scopes").fetchone()
        (name, md5) = connection.execute("SELECT name, md5 FROM products ORDER BY id").fetchone()
    connection.close()
    with demo.sandbox(port=port) as source:
        assert source.catalogue_url == url
        (product,) = [p for p in source.catalogue.products.values() if p.name == name][:1]
        assert product.size_bytes > 0
        assert len(md5) == 32


def test_it_replaces_its_own_folder_and_no_other(tmp_path: Path) -> None:
    own = tmp_path / "own"
    demo._prepare(own)
    (own / "satcat.db").write_text("old")
    demo._prepare(own)
    assert [path.name for path in own.iterdir()] == [demo._MARKER]
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(own)
    (own / "kept").write_text("kept")
    for refused in (other, link, other / "thesis.tex"):
        with pytest.raises(FilterError, match="another folder"):
            demo._prepare(refused)
    assert (other / "thesis.tex").read_text() == "mine"
    assert (own / "kept").exists()


def test_sizes_and_rate_of_the_pretend_source_can_be_chosen() -> None:
    source = demo.sandbox(products=30, size=7_000, rate=500)
    assert {product.size_bytes for product in source.catalogue.products.values()} == {7_000}
    assert source.settings.rate == 500


def test_the_command_hands_on_what_was_chosen(tmp_path: Path) -> None:
    words = ("sandbox", "--products", "5", "--size", "7000", "--rate", "70000")
    process = subprocess.Popen(
        [sys.executable, "-m", "satcat", *words], cwd=tmp_path, text=True, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        url = line.removeprefix("export CDSE_CATALOGUE_URL=")
        with urlopen(f"{url}/Products?$top=5") as answer:
            listed = json.load(answer)["value"]
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert [product["ContentLength"] for product in listed] == [7_000] * 5
