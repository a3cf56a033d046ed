"""The server that the tests start for themselves: skipped or required where there is none, and gone when they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.postgres import Server

ROOT = Path(__file__).parents[1]
ONE = "tests/test_sharing.py::test_a_read_sees_one_state_to_its_end"
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"
START = """
import os, signal
from tests.postgres import OwnServer
OwnServer._prepare = lambda self: ""
folder = OwnServer().folder
print(folder, (folder / "data" / "postmaster.pid").read_text().split()[0], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def pytest_on_postgresql(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *words,
        "--engine",
        "postgresql",
    ]
    given = {"PYTEST_ADDOPTS": "", "SATCAT_TEST_POSTGRESQL": NOWHERE} | environment
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SATCAT_", "PYTEST_"))
    }
    return subprocess.run(command, cwd=ROOT, env=kept | given, capture_output=True, text=True)


def test_where_no_server_can_be_had_its_tests_are_skipped_with_the_reason() -> None:
    done = pytest_on_postgresql(ONE)
    assert done.returncode == 0
    assert (
        "no PostgreSQL: postgresql+psycopg://nobody@127.0.0.1:9/nothing: connection failed"
        in done.stdout
    )
    assert "1 skipped" in done.stdout


def test_where_a_server_is_required_there_is_no_skipping() -> None:
    done = pytest_on_postgresql(ONE, SATCAT_REQUIRE_POSTGRESQL="1")
    assert done.returncode == 1
    assert "no PostgreSQL: " in done.stdout and "1 error" in done.stdout


def test_what_has_no_catalogue_or_is_about_sqlite_is_left_out_and_not_skipped() -> None:
    done = pytest_on_postgresql("tests/test_times.py", "tests/test_snapshots.py", "--co")
    assert done.returncode == 5  # nothing is left
    assert "deselected" in done.stdout and "skipped" not in done.stdout


def test_a_server_is_gone_when_its_tests_were_killed(postgres: Server) -> None:
    if "SATCAT_TEST_POSTGRESQL" in os.environ:
        pytest.skip("the tests use a server that others run")
    killed = subprocess.run(
        [sys.executable, "-c", START], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert killed.returncode == -signal.SIGKILL
    place, pid = killed.stdout.split()
    folder = Path(place)
    assert folder.name.startswith("satcat-pg-")
    deadline = time.monotonic() + 30
    while folder.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    line = Path(f"/proc/{pid}/cmdline")  # empty, where nobody takes note of its end
    assert not line.exists() or line.read_bytes() == b""
