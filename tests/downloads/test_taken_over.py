"""A row that changes hands while its files are on their way: nobody removes what another worker goes on with."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.api.base import SatelliteAPI
from satcat.api.partfile import PartFile
from satcat.database import Database
from satcat.downloads import worker
from satcat.models import downloads
from satcat.sandbox import Sandbox
from satcat.sync.store import store

from .conftest import QUICK, TIMING
from .test_connections import wait_until
from .test_processes import start, stop_past_lease

Publish = Callable[..., list[str]]
Run = Callable[..., Any]
Look = Callable[[str], Any]
Begin = Callable[..., threading.Thread]
Held = Callable[[int], tuple[str, threading.Event]]


@pytest.fixture
def change(database: Database) -> Callable[..., None]:
    """Change every row, as plain SQL does."""

    def change(**values: Any) -> None:
        with database.write() as connection:
            connection.execute(sa.update(downloads).values(**values))

    return change


@pytest.fixture
def held(publish: Publish, sandbox: Sandbox, change: Callable[..., None]) -> Iterator[Held]:
    """A row of some files; the so manieth request of the last one is answered when the event is set, earlier ones slowly."""
    go_on = threading.Event()

    def held(number: int) -> tuple[str, threading.Event]:
        (one,) = publish(size_bytes=300_000)
        change(include="*_B0[234]*")
        for _ in range(number - 1):
            sandbox.faults.next("drip", rate=5000, match="_B04")

        def wait(_: object) -> None:
            if fetched(sandbox, "_B04") == number:
                go_on.wait(60)

        sandbox.faults.on_request(wait, match="_B04", n=number)
        return one, go_on

    yield held
    go_on.set()


@pytest.fixture
def begin(run: Run, held: Held, watcher: Any) -> Iterator[Begin]:
    """Begin a run beside the test; it ends with it at the latest."""
    threads = []

    def begin(**options: Any) -> threading.Thread:
        options = {"stop": watcher.stop} | options
        threads.append(threading.Thread(target=run, kwargs=options))
        threads[-1].start()
        return threads[-1]

    yield begin
    watcher.stop.set()
    for thread in threads:
        thread.join()


def gathered(out: Path) -> list[str]:
    """The files of the hidden folder."""
    return sorted(path.name for path in out.glob(".*.parts/**/*") if path.is_file())


def fetched(sandbox: Sandbox, name: str) -> int:
    return sum(name in str(request) for request in sandbox.log.matching("$value"))


def test_who_lost_a_row_to_another_worker_leaves_the_files_that_were_gathered(
    held: Held, begin: Begin, row: Look, change: Callable[..., None], sandbox: Sandbox, watcher: Any, out: Path
) -> None:  # fmt: skip
    one, go_on = held(2)
    running = begin(workers=2, follow=True, progress=watcher, timing=replace(TIMING, beat=1))
    wait_until(lambda: fetched(sandbox, "_B04") == 1)
    here = gathered(out)
    change(status="queued")
    wait_until(lambda: fetched(sandbox, "_B04") == 2 and watcher.outcomes == ["cancelled"])
    assert (row(one).status, row(one).claim) == ("running", 2)
    assert gathered(out) == here and len(here) == 3
    go_on.set()
    wait_until(lambda: row(one).status == "done")
    watcher.stop.set()
    running.join()
    assert watcher.outcomes == ["cancelled", "done"]
    assert [fetched(sandbox, name) for name in ("manifest", "_B02", "_B03")] == [1, 1, 1]
    assert [path.name for path in out.iterdir()] == [Path(row(one).path).name]


def test_a_worker_stopped_past_its_lease_that_wakes_while_another_gathers_takes_nothing_away(
    held: Held, begin: Begin, row: Look, database: Database, sandbox: Sandbox, out: Path
) -> None:  # fmt: skip
    one, go_on = held(2)
    child = start(database, out, sandbox)
    wait_until(lambda: fetched(sandbox, "_B04") == 1)
    stop_past_lease(database, child)
    running = begin()
    wait_until(lambda: fetched(sandbox, "_B04") == 2)
    here = gathered(out)
    child.send_signal(signal.SIGCONT)
    child.communicate()
    assert (row(one).status, row(one).claim) == ("running", 2)
    assert gathered(out) == here and len(here) == 3
    go_on.set()
    running.join()
    assert row(one).status == "done"
    assert [fetched(sandbox, name) for name in ("manifest", "_B02", "_B03")] == [1, 1, 1]
    assert [path.name for path in out.iterdir()] == [Path(row(one).path).name]


def test_a_run_of_another_catalogue_takes_nothing_away_from_one_that_shares_its_folder(
    held: Held, begin: Begin, row: Look, api: SatelliteAPI, sandbox: Sandbox, out: Path, tmp_path: Path
) -> None:  # fmt: skip
    one, go_on = held(1)
    running = begin()
    wait_until(lambda: fetched(sandbox, "_B04") == 1)
    here = gathered(out)
    with Database.open(tmp_path / "another.db", create=True) as another:
        with another.write() as connection:
            images = [image for _, image in api.get([one], "SENTINEL-2")]
            store(connection, images, scope_id=None, at=times.now())
        worker.run(another, api, out, patience=QUICK, timing=TIMING)
    assert gathered(out) == here and len(here) == 3
    go_on.set()
    running.join()
    assert row(one).status == "done" and fetched(sandbox, "manifest") == 1


def test_a_file_that_was_on_its_way_to_the_disk_when_the_run_stopped_is_kept(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, watcher: Any, out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (one,) = publish(size_bytes=1_000_000)
    sync, ended = PartFile.sync, threading.Event()

    def slow(part: PartFile) -> None:
        watcher.stop.set()
        ended.wait(30)
        sync(part)

    monkeypatch.setattr(PartFile, "sync", slow)
    before = threading.enumerate()
    run(workers=1, stop=watcher.stop)
    after = set(threading.enumerate()) - set(before)
    (left,) = (thread for thread in after if thread.name == "download-0")
    ended.set()
    left.join()
    assert row(one).status == "queued"
    assert [path.stat().st_size for path in out.iterdir()] == [1_000_000]
    sandbox.log.clear()
    assert run().done == 1 and not sandbox.log.matching("$value")
