"""A slot is given up only when its connection is closed, whatever keeps a worker from renewing it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.api.base import Answer
from satcat.database import Database
from satcat.downloads import identity, slots
from satcat.downloads.job import Job
from satcat.models import account_slots, downloads
from satcat.sandbox import Sandbox
from tests.engines import WRITE_LOCK

from .conftest import TIMING

Publish = Callable[..., list[str]]
Run = Callable[..., Any]


def wait_until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def slots_held(database: Database) -> int:
    with database.read() as connection:
        return connection.scalar(sa.select(sa.func.count(account_slots.c.worker))) or 0


def test_a_transfer_that_waits_for_bytes_is_cut_when_the_run_stops(
    publish: Publish, run: Run, row: Callable[[str], Any], sandbox: Sandbox, watcher: Any,
    database: Database, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (one,) = publish()
    sandbox.faults.next("drip", rate=1000, match="$value")
    reads = Job.reads

    def began(job: Job, answer: Answer) -> None:
        reads(job, answer)
        watcher.stop.set()

    monkeypatch.setattr(Job, "reads", began)
    run(stop=watcher.stop, progress=watcher)
    assert (row(one).status, row(one).attempts) == ("queued", 0)
    assert slots_held(database) == 0
    wait_until(lambda: sandbox.log.matching("$value")[0].ended)


def test_a_transfer_that_does_not_stop_keeps_its_slot(
    publish: Publish, run: Run, row: Callable[[str], Any], sandbox: Sandbox, watcher: Any,
    database: Database,
) -> None:  # fmt: skip
    (one,) = publish()
    sandbox.faults.next(
        "slow", seconds=3, match="$value"
    )  # what has not been answered cannot be cut
    sandbox.faults.on_request(lambda request: watcher.stop.set(), match="$value")
    run(stop=watcher.stop)
    assert row(one).status == "queued"
    assert sandbox.log.matching("$value")[0].ended is not None or slots_held(database) == 1


@pytest.fixture
def left_behind(
    publish: Publish, run: Run, sandbox: Sandbox, watcher: Any
) -> Iterator[Callable[[float], threading.Event]]:
    """A run that was stopped while its worker waited for an answer; gives what lets the source answer."""
    answered = threading.Event()

    def left_behind(lease: float) -> threading.Event:
        publish()
        sandbox.faults.next("drip", rate=1000, match="$value")
        began = [watcher.stop.set, lambda: answered.wait(60)]
        sandbox.faults.on_request(lambda request: [each() for each in began], match="$value")
        run(stop=watcher.stop, workers=1, timing=replace(TIMING, lease=lease))
        assert sandbox.log.matching("$value")[0].ended is None
        return answered

    yield left_behind
    answered.set()


def test_an_answer_that_comes_after_the_stop_is_not_read(
    left_behind: Callable[[float], threading.Event], sandbox: Sandbox
) -> None:
    left_behind(5).set()
    wait_until(lambda: sandbox.log.matching("$value")[0].ended, 5)


def test_a_slot_is_kept_until_what_was_left_behind_has_ended_and_is_free_then(
    left_behind: Callable[[float], threading.Event], database: Database
) -> None:
    answered = left_behind(1)
    with database.read() as connection:
        account = connection.scalar(sa.select(account_slots.c.account).limit(1))
    time.sleep(1.5)  # longer than the lease
    with database.write() as connection:
        taken = [slots.acquire(connection, account, "another") for _ in range(4)]
        assert taken.count(None) == 1
        for slot in taken:
            if slot is not None:
                slots.release(connection, slot)
    answered.set()
    wait_until(lambda: slots_held(database) == 0)


@WRITE_LOCK
def test_a_worker_that_cannot_renew_its_lease_lets_go_of_the_source_before_it_is_over(
    publish: Publish, run: Run, sandbox: Sandbox, database: Database
) -> None:
    publish()
    sandbox.faults.next("drip", rate=1000, match="$value")
    worker = threading.Thread(target=run, kwargs={"timing": replace(TIMING, lease=6)})
    worker.start()
    wait_until(lambda: sandbox.log.matching("$value"))
    with closing(sqlite3.connect(database.path, isolation_level=None, timeout=30)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        wait_until(lambda: sandbox.log.matching("$value")[0].ended)
        over = "SELECT count(*) FROM account_slots WHERE lease_until <= strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')"
        assert somebody.execute(over).fetchone() == (0,)
        somebody.execute("ROLLBACK")
    worker.join()
    with database.read() as connection:
        found = connection.execute(sa.select(downloads.c.status, downloads.c.attempts)).one()
    assert found == ("done", 0)


@pytest.mark.parametrize(("threads", "is_dead"), [(1, True), (3, False)])
def test_a_process_is_dead_when_its_last_thread_is(
    threads: int, is_dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = identity.worker_name(0)
    stat = Path("/proc/self/stat").read_text()
    head, _, rest = stat.rpartition(")")
    fields = rest.split()
    fields[0], fields[17] = "Z", str(threads)
    read = Path.read_text

    def zombie(path: Path, *args: Any, **options: Any) -> str:
        return (
            f"{head}) {' '.join(fields)}" if path.name == "stat" else read(path, *args, **options)
        )

    monkeypatch.setattr(Path, "read_text", zombie)
    assert identity.is_dead(name) is is_dead
