"""A fleet on PostgreSQL: whoever is killed or stopped and whatever the server suffers, nothing is lost or done twice."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads import slots
from satcat.downloads.busy import Busy
from satcat.downloads.report import DownloadReport
from satcat.models import downloads
from satcat.sandbox import Sandbox
from tests.postgres import OwnServer, Server

from .conftest import TIMING
from .fleet import Fleet
from .soak import Soak, Worker
from .soak_worker import Orders, Trap, begin
from .test_soak import assert_all_is_done_once, mixed, orders

__all__ = ["mixed", "orders"]  # fixtures


@pytest.fixture(scope="module")
def server(postgres: Server) -> Iterator[OwnServer]:
    """A server that may be restarted."""
    if isinstance(postgres, OwnServer):
        yield postgres
        return
    own = OwnServer()
    yield own
    own.stop()


@pytest.fixture(scope="module")
def catalogues(server: OwnServer) -> Server:
    """These tests' catalogues are in PostgreSQL, whatever those of others are in."""
    return server


@pytest.mark.parametrize(
    ("strikes", "number", "processes", "seed"),
    [
        pytest.param(15, 8, 4, 3, id="short"),
        pytest.param(250, 60, 8, 4, id="long", marks=[pytest.mark.long, pytest.mark.timeout(2400)]),
    ],
)
def test_a_fleet_loses_nothing_and_does_nothing_twice_whatever_its_server_suffers(
    strikes: int, number: int, processes: int, seed: int, mixed: Callable[..., Any], orders: Orders,
    sandbox: Sandbox, database: Database, out: Path, run: Callable[..., Any], server: OwnServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    orders = replace(orders, lease=2.0, beat=0.25)
    chance = int(os.environ.get("SOAK_SEED", seed))
    fleet = Fleet(orders, sandbox, mixed(number), chance, server, processes=processes)
    began = time.monotonic()
    try:
        with fleet.truth.watched(out) as wrong:
            fleet.rage(until=lambda: fleet.struck >= strikes and fleet.restarts > 0)
            fleet.settle(120)
            run()  # which cleans up
    finally:
        fleet.close()
        with capsys.disabled():
            sys.stdout.write(f"\n{fleet.figures}, {time.monotonic() - began:.0f} s\n")
    assert wrong == {}
    assert fleet.odd == []
    assert fleet.crowd() <= slots.MOST
    assert_all_is_done_once(fleet, database, out)
    assert_all_was_fetched(fleet)


def test_a_restart_of_the_server_does_not_interrupt_a_transfer(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], sandbox: Sandbox,
    server: OwnServer, out: Path, watcher: Any,
) -> None:  # fmt: skip
    sandbox.settings.rate = 400_000
    (one,) = publish(size_bytes=3_000_000)
    reports: list[DownloadReport] = []
    how = {"timing": replace(TIMING, lease=120), "progress": watcher}
    worker = threading.Thread(target=lambda: reports.append(run(**how)))
    worker.start()
    wait_until(lambda: row(one).bytes_done > 100_000)
    server.control("restart", "-m", "immediate")
    worker.join(60)
    (report,) = reports
    assert (report.done, report.failed, report.skipped) == (1, 0, 0)
    assert (row(one).status, row(one).claim) == ("done", 1)
    assert len(sandbox.log.matching("$value")) == 1
    assert watcher.waits == []  # it was over before anybody had to hear of it


def test_a_server_that_stays_away_is_told_once_and_outlived(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], sandbox: Sandbox,
    server: OwnServer, watcher: Any, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Busy.__init__, "__defaults__", (1.0,))
    sandbox.settings.rate, sandbox.settings.ranges = 400_000, "honour"
    ids = publish(6, size_bytes=600_000)
    reports: list[DownloadReport] = []
    worker = threading.Thread(target=lambda: reports.append(run(progress=watcher)))
    worker.start()
    wait_until(lambda: "done" in watcher.outcomes)
    server.control("stop", "-m", "fast")
    try:
        wait_until(lambda: watcher.waits)
        time.sleep(TIMING.lease)  # longer than any lease
    finally:
        server.control("start")
    worker.join(60)
    (said, seconds) = watcher.waits
    assert re.fullmatch(r"the server of postgresql\S+ does not answer \(.+\)", said)
    assert seconds > TIMING.lease
    (report,) = reports
    assert (report.done, report.failed) == (6, 0)
    assert {row(one).status for one in ids} == {"done"}
    assert sandbox.log.peak("$value") <= slots.MOST


def test_what_another_hosts_dead_worker_held_is_free_when_its_lease_is_over(
    publish: Callable[..., list[str]],
    run: Callable[..., Any],
    row: Callable[[str], Any],
    orders: Orders,
) -> None:
    (one,) = publish()
    trap = Trap("satcat.api.partfile:PartFile.write")
    dead = begin(replace(orders, host="elsewhere", lease=6, threads=1, trap=trap))
    dead.join(20)
    assert row(one).worker.startswith("elsewhere:")
    assert run().done == 0  # nobody here can say whether it is dead
    assert row(one).worker.startswith("elsewhere:")
    wait_until(lambda: run().done == 1)
    assert (row(one).status, row(one).claim) == ("done", 2)


def test_a_worker_that_was_stopped_with_a_row_in_its_hands_delays_nobody_else(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], orders: Orders,
    database: Database, out: Path,
) -> None:  # fmt: skip
    publish(3)
    impatient = {"options": "-c idle_in_transaction_session_timeout=4s"}
    url = database.engine.url.update_query_dict(impatient).render_as_string(hide_password=False)
    trap = Trap("os:link", signal=signal.SIGSTOP)
    told = replace(orders, database=url, host="elsewhere", threads=1, trap=trap, beat=100)
    late = Worker(told, begin(told))
    try:
        wait_until(lambda: late.look() or late.stopped)
        assert run().done == 2  # the third is locked, though its lease is soon over
        wait_until(lambda: run().done == 1)  # the server has ended the session
        before = database_rows(database)
        late.go_on()
        late.process.join(20)
        assert late.end() == "ended"
    finally:
        late.kill()
        late.process.join()
    assert database_rows(database) == before
    assert {status for _, status, _ in before} == {"done"}
    assert sorted(map(str, out.iterdir())) == sorted(path for _, _, path in before)


def database_rows(database: Database) -> list[Any]:
    columns = (downloads.c.product_id, downloads.c.status, downloads.c.path)
    with database.read() as connection:
        return list(connection.execute(sa.select(*columns).order_by(columns[0])))


def wait_until(true: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_all_was_fetched(soak: Soak) -> None:
    """The source, too, says that every product was fetched."""
    asked = " ".join(request.path for request in soak.sandbox.log.matching("$value"))
    assert [one for one in soak.people.ids if one not in asked] == []
