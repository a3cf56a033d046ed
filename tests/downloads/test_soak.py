"""Workers that are killed and stopped at any moment, a source that lies, and people at the queue: every file is right."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import pytest
import sqlalchemy as sa
from blake3 import blake3

from satcat.database import Database
from satcat.downloads import queue, slots
from satcat.models import account_slots, download_attempts, downloads, products
from satcat.sandbox import Sandbox, packages
from tests.engines import WRITE_LOCK

from .soak import LEASE, Soak, Worker
from .soak_people import INCLUDES, Mixed
from .soak_worker import COMMIT, Orders, Trap, begin

Publish = Callable[..., list[str]]


@pytest.fixture
def orders(sandbox: Sandbox, address: str, tmp_path: Path, out: Path) -> Orders:
    sandbox.settings.sessions = 100_000  # every process logs in
    urls = {
        "catalogue_url": sandbox.catalogue_url,
        "download_url": sandbox.download_url,
        "token_url": sandbox.token_url,
    }
    return Orders(address, tmp_path, out, urls, lease=LEASE)


@pytest.fixture
def mixed(publish: Publish, sandbox: Sandbox, database: Database) -> Callable[[int], Mixed]:
    """Publish products of every sort."""

    def alter(ids: set[str], table: sa.Table = products, **values: Any) -> None:
        key = table.c.id if table is products else table.c.product_id
        with database.write() as connection:
            connection.execute(sa.update(table).where(key.in_(ids)).values(**values))

    def mixed(number: int) -> Mixed:
        one_name = publish(1, size_bytes=200_000)
        name = sandbox.catalogue.products[one_name[0]].name
        ids = [
            *one_name,
            *publish(1, name=name, size_bytes=210_000),
            *publish(2, collection="SENTINEL-5P", size_bytes=150_000),
            *publish(number, size_bytes=300_000),
        ]
        zips = set(publish(3, size_bytes=120_000))
        singles = set(publish(2, collection="SENTINEL-5P", size_bytes=130_000))
        for one in zips | singles:
            sandbox.catalogue.late_checksum(one)
        alter(zips, blake3=None, md5=None, size_bytes=None)
        alter(singles, blake3=None, md5=None)
        partial = set(publish(number // 5, size_bytes=400_000))
        alter(partial, downloads, include=INCLUDES[0])
        return Mixed([*ids, *zips, *singles, *partial], zips | singles, partial)

    return mixed


@pytest.mark.parametrize(
    ("kills", "number", "seed"),
    [
        pytest.param(20, 12, 1, id="short"),
        pytest.param(500, 80, 2, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
    ],
)
def test_whoever_is_killed_or_stopped_whatever_the_source_does_every_file_is_right(
    kills: int, number: int, seed: int, mixed: Callable[..., Any], orders: Orders, sandbox: Sandbox,
    database: Database, out: Path, run: Callable[..., Any], capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    sandbox.settings.token_seconds = 3
    soak = Soak(orders, sandbox, mixed(number), int(os.environ.get("SOAK_SEED", seed)))
    began = time.monotonic()
    try:
        with soak.truth.watched(out) as wrong:
            soak.rage(lambda: soak.ends["killed"] >= kills)
            soak.settle()
            run()  # which cleans up
    finally:
        soak.close()
        with capsys.disabled():
            sys.stdout.write(f"\n{soak.figures}, {time.monotonic() - began:.0f} s\n")
    assert wrong == {}
    assert soak.odd == []
    assert sandbox.accounts.logins <= len(soak.workers)
    assert soak.crowd() <= slots.MOST
    assert_all_is_done_once(soak, database, out)


def assert_all_is_done_once(soak: Soak, database: Database, out: Path) -> None:
    with database.read() as connection:
        rows = connection.execute(sa.select(downloads)).all()
        attempts = connection.execute(sa.select(download_attempts)).all()
        held = connection.scalars(sa.select(account_slots.c.worker)).all()
    assert {row.product_id: row.status for row in rows} == dict.fromkeys(soak.people.ids, "done")
    for row in rows:
        if row.include is not None:
            assert soak.truth.missing(row.product_id, row.include, Path(row.path)) == [], row
        else:
            found = blake3(Path(row.path).read_bytes()).hexdigest()
            assert found in soak.truth.of[row.product_id], row
            assert row.checksum_algorithm != "blake3" or found == row.checksum
        done = sum(a.product_id == row.product_id and a.outcome == "done" for a in attempts)
        assert done == 1 + soak.people.undone[row.product_id], row
    assert [a for a in attempts if a.outcome is None] == []
    # another host's dead hold theirs until the lease is over
    assert [worker for worker in held if worker and is_of_this_host(worker)] == []
    files = {held_as(path, out) for path in out.rglob("*") if path.is_file()}
    forgotten = {soak.sandbox.catalogue.products[one].name for one in soak.people.forgotten}
    assert {row.path for row in rows} <= files
    for other in files - {row.path for row in rows}:  # right, see above, but its row was deleted
        assert any(Path(other).name.startswith(name.removesuffix(".SAFE")) for name in forgotten)


def is_of_this_host(worker: str) -> bool:
    return worker.startswith(f"{socket.gethostname()}:")


def held_as(path: Path, out: Path) -> str:
    """What a row says of a file: where it is, or its product's folder."""
    folders = [p for p in path.parents if p.name.endswith((".SAFE", ".parts")) and out in p.parents]
    return str(folders[-1] if folders else path)


@pytest.fixture
def stopped(orders: Orders) -> Iterator[Callable[..., Worker]]:
    """Start a worker that stops itself at a point, and wait until it has, and until its lease is over."""
    made: list[Worker] = []

    def stopped(trap: Trap) -> Worker:
        # no heartbeat, which might hold the catalogue when all threads are stopped
        told = replace(orders, number=len(made), threads=1, trap=trap, beat=100)
        worker = Worker(told, begin(told))
        made.append(worker)
        wait_until(lambda: worker.look() or worker.stopped)
        time.sleep(1.2 * LEASE)
        return worker

    yield stopped
    for worker in made:
        worker.kill()
        worker.process.join()


def digests(sandbox: Sandbox, product_id: str) -> str:
    """What the product's file hashes to now."""
    return packages.digests(sandbox.catalogue.products[product_id])[1]


def go_on(worker: Worker) -> None:
    worker.go_on()
    worker.process.join(20)
    assert worker.end() == "ended"


def wait_until(true: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def hidden(out: Path) -> list[str]:
    return [name for name in os.listdir(out) if name.startswith(".")]


#: Its row says which file is about to appear; the file has not got its name yet.
ANNOUNCED = Trap(
    COMMIT, before=False, signal=signal.SIGSTOP, once="satcat.downloads.queue:announce"
)


def test_a_worker_stopped_before_it_names_its_file_leaves_its_successors_alone(
    stopped: Callable[..., Worker], publish: Publish, run: Callable[..., Any], row: Callable[[str], Any],
    sandbox: Sandbox, database: Database, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    late = stopped(ANNOUNCED)
    assert row(one).path is not None and not Path(row(one).path).exists()
    sandbox.catalogue.replace(one)  # the late one's bytes are no longer right
    with database.write() as connection:
        connection.execute(sa.update(products).values(blake3=digests(sandbox, one), md5=None))
    assert run().done == 1
    go_on(late)
    assert (row(one).status, row(one).claim) == ("done", 2)
    assert blake3(Path(row(one).path).read_bytes()).hexdigest() == digests(sandbox, one)
    assert os.listdir(out) == [Path(row(one).path).name]


def test_a_late_worker_does_not_put_its_older_file_over_the_right_one(
    stopped: Callable[..., Worker], publish: Publish, run: Callable[..., Any], row: Callable[[str], Any],
    sandbox: Sandbox, database: Database, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    run()
    Path(row(one).path).write_bytes(b"altered")
    with database.write() as connection:  # what is there now is this download's, and to be replaced
        connection.execute(sa.update(downloads).values(status="queued"))
    late = stopped(ANNOUNCED)
    sandbox.catalogue.replace(one)
    with database.write() as connection:
        connection.execute(sa.update(products).values(blake3=digests(sandbox, one), md5=None))
    assert run().done == 1
    go_on(late)
    assert blake3(Path(row(one).path).read_bytes()).hexdigest() == digests(sandbox, one)
    assert row(one).checksum == digests(sandbox, one)
    assert os.listdir(out) == [Path(row(one).path).name]


@pytest.mark.parametrize(
    "edit", ["DELETE FROM downloads", "UPDATE downloads SET status = 'cancelled'"]
)
def test_a_file_that_was_called_off_before_it_got_its_name_does_not_appear(
    edit: str, stopped: Callable[..., Worker], publish: Publish, database: Database, out: Path
) -> None:
    publish()
    late = stopped(ANNOUNCED)
    with database.write() as connection:
        connection.execute(sa.text(edit))
    go_on(late)
    assert os.listdir(out) == []


def test_a_worker_stopped_in_mid_transfer_writes_nothing_that_counts(
    stopped: Callable[..., Worker], publish: Publish, run: Callable[..., Any], row: Callable[[str], Any],
    database: Database, sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    sandbox.settings.rate = 2_000_000
    (one,) = publish(size_bytes=2_000_000)
    late = stopped(Trap("satcat.api.partfile:PartFile.write", 3, signal=signal.SIGSTOP))
    sandbox.settings.rate = None
    assert run().done == 1
    before = row(one)
    go_on(late)
    assert row(one) == before and before.claim == 2
    assert os.listdir(out) == [Path(before.path).name]
    with database.read() as connection:
        outcomes = connection.scalars(sa.select(download_attempts.c.outcome)).all()
    assert outcomes == ["lost", "done"]


def test_a_worker_stopped_when_its_file_has_its_name_does_not_finish_the_row_again(
    stopped: Callable[..., Worker], publish: Publish, run: Callable[..., Any], row: Callable[[str], Any],
    database: Database, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    late = stopped(replace(ANNOUNCED, once="satcat.downloads.queue:confirm"))
    report = run()
    assert (report.done, report.bytes) == (1, 0)  # the file is known
    before = row(one)
    go_on(late)
    assert row(one) == before and (before.status, before.claim) == ("done", 2)
    assert os.listdir(out) == [Path(before.path).name]
    with database.read() as connection:
        outcomes = connection.scalars(sa.select(download_attempts.c.outcome)).all()
    assert outcomes == ["lost", "done"]


def test_all_workers_stopped_at_once_go_on_where_they_were(
    stopped: Callable[..., Worker],
    publish: Publish,
    row: Callable[[str], Any],
    sandbox: Sandbox,
    out: Path,
) -> None:
    sandbox.settings.rate = 2_000_000
    (one,) = publish(size_bytes=2_000_000)
    late = stopped(Trap("satcat.api.partfile:PartFile.write", 3, signal=signal.SIGSTOP))
    go_on(late)
    assert (row(one).status, row(one).claim) == ("done", 1)
    assert len(sandbox.log.matching("$value")) == 1


@WRITE_LOCK
def test_a_worker_stopped_with_the_catalogue_in_its_hands_only_delays_the_others(
    stopped: Callable[..., Worker], publish: Publish, run: Callable[..., Any], sandbox: Sandbox,
    database: Database, out: Path,
) -> None:  # fmt: skip
    publish(3)
    late = stopped(Trap("os:link", signal=signal.SIGSTOP))
    others = threading.Thread(target=run)
    others.start()
    time.sleep(0.5)
    assert len(list(out.glob("[!.]*"))) == 0
    go_on(late)
    others.join(20)
    with database.read() as connection:
        assert connection.scalars(sa.select(downloads.c.status)).all() == ["done"] * 3
    assert len(os.listdir(out)) == 3 and hidden(out) == []


def test_three_workers_of_four_share_four_connections_and_log_in_once_each(
    publish: Publish, orders: Orders, sandbox: Sandbox, database: Database
) -> None:
    sandbox.settings.rate, sandbox.settings.token_seconds = 300_000, 2
    publish(24, size_bytes=300_000)
    workers = [begin(replace(orders, number=n, lease=60)) for n in range(3)]
    for worker in workers:
        worker.join(60)
    with database.read() as connection:
        assert connection.scalars(sa.select(downloads.c.status)).all() == ["done"] * 24
        assert set(connection.scalars(sa.select(account_slots.c.worker))) == {None}
    requests = sandbox.log.matching("$value")
    assert {request.user_agent for request in requests} == {"soak 0", "soak 1", "soak 2"}
    assert sandbox.log.peak("$value") == 4
    assert 429 not in [request.status for request in requests]
    assert sandbox.accounts.logins == 3


def test_a_power_cut_at_any_moment_leaves_no_row_that_promises_more_than_is_on_the_disk(
    publish: Publish, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    publish()
    order = []

    def noting(owner: Any, name: str, word: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def noted(*args, **options):
            order.append(word(*args))
            return original(*args, **options)

        monkeypatch.setattr(owner, name, noted)

    def safety(connection: sa.Connection, *_: object) -> str:
        ask = (
            "SHOW synchronous_commit"
            if connection.dialect.name == "postgresql"
            else "PRAGMA synchronous"
        )
        full = connection.exec_driver_sql(ask).scalar() in (2, "on")
        return "durable" if full else "lost in a power cut"

    noting(os, "fsync", lambda handle: "folder" if S_ISDIR(os.fstat(handle).st_mode) else "bytes")
    noting(os, "link", lambda *_: "name")
    noting(queue, "announce", lambda *args: f"announced, {safety(*args)}")
    noting(queue, "finish", lambda *args: f"done, {safety(*args)}")
    run()
    assert order == ["bytes", "announced, durable", "name", "folder", "done, durable"]
