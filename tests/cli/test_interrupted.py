"""Ctrl-C and SIGTERM: the process leaves within a second, says how to go on, and the next one does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from satcat.sandbox import Sandbox, Settings
from tests.cli.conftest import spawn


def start(folder: Path, source: Sandbox, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "satcat", *args], cwd=folder, env=os.environ | source.environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM], ids=lambda s: s.name)
def test_an_interrupted_download_goes_on(tmp_path: Path, signal_: signal.Signals) -> None:
    slow = Settings(rate=20_000)
    with Sandbox(products=300, package_bytes=(200_000, 200_001), settings=slow) as source:
        environment = source.environment
        spawn(tmp_path, environment, "sync", "--collection", "SENTINEL-5P")
        spawn(tmp_path, environment, "mark", "--all")
        process = start(tmp_path, source, "download")
        wait_for(lambda: list(tmp_path.glob("products/.*.part")))
        process.send_signal(signal_)
        began = time.monotonic()
        _, err = process.communicate(timeout=30)
        assert time.monotonic() - began < 3  # on a busy machine; alone it is below 1
        assert process.returncode == 130
        assert err.splitlines()[-1] == "satcat: stopped; run the same command again to go on"
        listed = spawn(tmp_path, environment, "queue", "list", "-f", "json").out
        assert {row["status"] for row in json.loads(listed)} == {"queued"}
        source.settings.rate = None
        done = spawn(tmp_path, environment, "download")
    assert done.code == 0, done.err


def test_sync_every_so_often_survives_an_outage(tmp_path: Path) -> None:
    with Sandbox(products=300) as source:
        spawn(tmp_path, source.environment, "sync", "--collection", "SENTINEL-5P")
        source.faults.next("status", n=1, status=403)
        process = start(tmp_path, source, "sync", "--every", "1s")
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(3)]
        source.catalogue.publish_random(1, collection="SENTINEL-5P")
        wait_for(lambda: "1 added" in process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert sum("complete as of" in line for line in lines) >= 1
    assert "403" in "".join(lines)


ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.mark.parametrize("words", [("sql", ENDLESS), ("query", "--where", f"({ENDLESS}) > 1")])
def test_an_endless_statement_can_be_stopped(
    mirror: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "satcat", "-v", *words], cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        time.sleep(3)  # long enough to be in the statement; nothing tells when
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    finally:
        process.kill()
    assert (process.returncode, "satcat: stopped" in err) == (130, True), err
