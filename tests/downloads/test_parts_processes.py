"""Parts of products under real processes: killed at any instant, stopped past the lease, two at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.models import downloads
from satcat.sandbox import Sandbox, packages
from tests.downloads.test_processes import WORKER, start, statuses, stop_past_lease, wait_until
from tests.engines import address_of


@pytest.fixture
def parts(publish: Callable[..., list[str]], database: Database) -> Callable[..., list[str]]:
    """Publish products of which two bands are wanted."""

    def parts(number: int, **fields: Any) -> list[str]:
        ids = publish(number, **fields)
        with database.write() as connection:
            connection.execute(sa.update(downloads).values(include="*_B0[48]_10m.jp2\n*MTD*.xml"))
        return ids

    return parts


def wrong(out: Path, sandbox: Sandbox, ids: list[str]) -> list[str]:
    """Files in finished folders that are not as at the source, and folders that lack one that is wanted."""
    found = []
    for product_id in ids:
        record = sandbox.catalogue.products[product_id]
        folder = out / record.name
        if not folder.exists():
            continue
        whole = {f.path.partition("/")[2]: b"".join(f.pieces) for f in packages.files(record)}
        asked = {n for n in whole if "_B02" not in n and "_B03" not in n}
        here = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}  # fmt: skip
        found += [n for n, content in here.items() if whole.get(n) != content]
        found += sorted(asked ^ set(here))
    return found


def test_a_folder_under_its_name_is_complete_and_right_whoever_is_killed(
    parts: Callable[..., list[str]], run: Callable[..., Any], database: Database, sandbox: Sandbox, out: Path
) -> None:  # fmt: skip
    sandbox.settings.rate = 6_000_000
    ids = parts(8, size_bytes=1_500_000)
    for kind in ("corrupt", "cut", "html", "truncated"):
        sandbox.faults.next(kind, match="_10m.jp2)/$value", after=200_000)
    chance = random.Random(11)
    for _ in range(4):
        child = start(database, out, sandbox)
        time.sleep(chance.uniform(0.1, 0.7))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert wrong(out, sandbox, ids) == []
    sandbox.settings.rate = None
    run()
    assert statuses(database) == ["done"] * 8
    assert wrong(out, sandbox, ids) == []
    assert len(list(out.iterdir())) == 8  # nothing hidden is left


def test_files_that_a_killed_worker_brought_are_not_fetched_again(
    parts: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], database: Database,
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    sandbox.settings.rate = 1_000_000
    (one,) = parts(1, size_bytes=4_000_000)
    child = start(database, out, sandbox)
    wait_until(lambda: list(out.glob(".*.parts/**/*_B04_10m.jp2")))
    child.send_signal(signal.SIGKILL)
    child.communicate()
    sandbox.settings.rate = None
    sandbox.log.clear()
    assert run().done == 1 and row(one).claim == 2
    fetched = [str(request) for request in sandbox.log.matching("$value")]
    assert fetched and not any("_B04" in f or "manifest" in f for f in fetched)
    assert wrong(out, sandbox, [one]) == []


#: Kills the process when the hidden folder is about to get its name, or just after.
KILLED_AT = """
import os, signal, sys, threading
renaming = None
def hook(event, args):
    global renaming
    is_after = event == "open" and renaming == threading.get_ident()
    is_before = event == "os.rename" and str(args[0]).endswith(".parts")
    if is_after or (is_before and sys.argv[3] == "before"):
        os.kill(os.getpid(), signal.SIGKILL)
    if is_before:
        renaming = threading.get_ident()
sys.addaudithook(hook)
"""


@pytest.mark.parametrize("place", ["before", "after"])
def test_killed_in_the_last_steps_the_folder_is_known(
    place: str, parts: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any],
    database: Database, sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = parts(1)
    child = subprocess.run(
        [sys.executable, "-c", KILLED_AT + WORKER, address_of(database), str(out), place],
        env={**os.environ, **sandbox.environment}, stdout=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL and row(one).status == "running"
    named = [path.name for path in out.glob("[!.]*")]
    assert named == ([] if place == "before" else [sandbox.catalogue.products[one].name])
    sandbox.log.clear()
    assert run().done == 1 and not sandbox.log.matching("$value")
    assert row(one).path == str(out / sandbox.catalogue.products[one].name)
    assert wrong(out, sandbox, [one]) == []


def test_a_worker_stopped_past_its_lease_changes_nothing_when_it_wakes(
    parts: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], database: Database,
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    sandbox.settings.rate = 1_000_000
    (one,) = parts(1, size_bytes=3_000_000)
    child = start(database, out, sandbox)
    wait_until(lambda: any(path.stat().st_size > 100_000 for path in out.glob(".*.part")))
    stop_past_lease(database, child)  # in the midst of a file
    sandbox.settings.rate = None
    assert run().done == 1
    finished = row(one)
    child.send_signal(signal.SIGCONT)
    child.communicate()
    assert row(one) == finished
    assert wrong(out, sandbox, [one]) == []
    assert [path.name for path in out.glob("[!.]*")] == [Path(finished.path).name]


def test_two_workers_share_rows_of_parts_and_four_connections(
    parts: Callable[..., list[str]], database: Database, sandbox: Sandbox, out: Path
) -> None:
    ids = parts(12, size_bytes=400_000)
    children = [start(database, out, sandbox) for _ in range(2)]
    for child in children:
        child.communicate()
    assert statuses(database) == ["done"] * 12
    assert sandbox.log.peak("$value") <= 4
    assert wrong(out, sandbox, ids) == [] and len(list(out.iterdir())) == 12
