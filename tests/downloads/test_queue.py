"""The queue by itself: claims, leases, fencing, and rows that people write by plain SQL."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.database import Database
from satcat.downloads import marks, queue, slots
from satcat.downloads.identity import is_dead, worker_name
from satcat.downloads.marks import Marked, Tally
from satcat.downloads.policy import Verdict
from satcat.downloads.queue import Claimed, Held
from satcat.errors import LostClaimError, NameTakenError
from satcat.models import download_attempts, downloads, products
from satcat.products import SatelliteImage
from satcat.sync.store import store
from tests.engines import CATALOGUE_FILE, PLAN, plainly

FILE = Held("/data/x.zip", 10, "blake3", "ab" * 32, "checksum")


@pytest.fixture
def hold(
    database: Database, make_product: Callable[..., SatelliteImage]
) -> Callable[..., list[str]]:
    def hold(number: int = 1, **fields: Any) -> list[str]:
        images = [make_product(**fields) for _ in range(number)]
        with database.write() as connection:
            store(connection, images, scope_id=None, at=times.now())
        return [image.id for image in images]

    return hold


@pytest.fixture
def queued(database: Database, hold: Callable[..., list[str]]) -> Callable[..., list[str]]:
    def queued(number: int = 1) -> list[str]:
        ids = hold(number)
        with database.write() as connection:
            marks.mark(connection, ids)
        return ids

    return queued


def claim(database: Database, worker: str = "w", **options: Any) -> Claimed | None:
    with database.write() as connection:
        return queue.claim(connection, worker, "cdse", **options)


def rows(database: Database, *columns: str) -> list[Any]:
    with database.read() as connection:
        chosen = sa.select(*(downloads.c[c] for c in columns)).order_by(downloads.c.product_id)
        return [row[0] if len(columns) == 1 else tuple(row) for row in connection.execute(chosen)]


def change(database: Database, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(sa.update(downloads).values(**values))


def test_a_row_is_claimed_once(database: Database, queued: Callable[..., list[str]]) -> None:
    (one,) = queued()
    claimed = claim(database)
    assert claimed is not None and (claimed.product_id, claimed.claim) == (one, 1)
    assert claim(database) is None
    assert rows(database, "status", "worker", "claim") == [("running", "w", 1)]


def test_many_claimants_never_get_the_same_row(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    ids = queued(40)
    got: list[str] = []

    def work(name: str) -> None:
        while (claimed := claim(database, name)) is not None:
            got.append(claimed.product_id)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(ids)


def test_a_silent_worker_loses_its_row_and_can_write_nothing_more(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    queued()
    late = claim(database, "late", lease=timedelta(seconds=-1))
    second = claim(database, "second")
    assert late is not None and second is not None and second.claim == 2
    with database.write() as connection:
        assert queue.heartbeat(connection, [(late, 5, 5), (second, 7, 6)]) == [late]
    for write in (
        lambda c: queue.announce(c, late, FILE),
        lambda c: queue.confirm(c, late),
        lambda c: queue.finish(c, late, FILE, bytes_fetched=1),
        lambda c: queue.settle(c, late, Verdict("failed")),
    ):
        with pytest.raises(LostClaimError), database.write() as connection:
            write(connection)
    assert rows(database, "status", "worker", "path", "bytes_done") == [
        ("running", "second", None, 7)
    ]
    with database.read() as connection:
        assert connection.scalars(sa.select(download_attempts.c.outcome)).all() == ["lost", None]


def test_a_row_made_again_is_not_that_of_its_former_worker(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    ids = queued()
    former = claim(database, "worker")
    with database.write() as connection:
        connection.execute(sa.delete(downloads))
        marks.mark(connection, ids)
    latter = claim(database, "worker")
    assert former is not None and latter is not None and (former.claim, latter.claim) == (1, 2)
    with pytest.raises(LostClaimError), database.write() as connection:
        queue.finish(connection, former, FILE, bytes_fetched=1)


@pytest.mark.parametrize("status", ["cancelled", "queued", "done"])
def test_what_a_person_sets_holds_against_the_worker(
    status: str, database: Database, queued: Callable[..., list[str]]
) -> None:
    queued()
    claimed = claim(database)
    assert claimed is not None
    change(database, status=status)
    with pytest.raises(LostClaimError), database.write() as connection:
        queue.settle(connection, claimed, Verdict("failed"), error="x")
    assert rows(database, "status", "error") == [(status, None)]


def test_a_running_row_without_lease_is_nobodys(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    queued()
    change(database, status="running")
    assert claim(database) is not None


def test_rows_that_wait_are_left_alone_until_then(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    queued()
    claimed = claim(database)
    assert claimed is not None
    with database.write() as connection:
        queue.settle(connection, claimed, Verdict("queued", wait=60), error="busy")
    assert claim(database) is None
    with database.read() as connection:
        assert not queue.is_ready(connection, "cdse") and queue.is_waiting(connection, "cdse")
    assert rows(database, "status", "attempts", "error") == [("queued", 1, "busy")]
    with database.write() as connection:
        assert marks.retry(connection).rows == 1
    assert claim(database) is not None


def test_a_clock_that_is_set_back_blocks_nothing(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    waiting, held = queued(2)
    assert claim(database, "elsewhere") is not None
    with database.write() as connection:
        taken = [slots.acquire(connection, "a", "elsewhere") for _ in range(4)]
        for table in ("downloads", "account_slots"):
            connection.execute(
                sa.text(f"UPDATE {table} SET lease_until = '2099-01-01T00:00:00.000000Z'")
            )
        connection.execute(
            sa.text(
                "UPDATE downloads SET not_before = '2099-01-01T00:00:00.000000Z' WHERE status = 'queued'"
            )
        )
    assert {claimed.product_id for _ in range(2) if (claimed := claim(database))} == {waiting, held}
    assert claim(database) is None
    with database.write() as connection:
        assert slots.acquire(connection, "a", "here") is not None and all(taken)


def test_what_a_killed_worker_began_comes_before_higher_priorities(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    queued(2)
    first = claim(database, lease=timedelta(seconds=-1))
    assert first is not None
    with database.write() as connection:
        connection.execute(
            sa.update(downloads).where(downloads.c.status == "queued").values(priority=9)
        )
    again = claim(database)
    assert again is not None and again.product_id == first.product_id


@PLAN
def test_the_claim_of_a_long_queue_walks_the_index(database: Database) -> None:
    with database.read() as connection:
        now = queue.clock(connection)
        statement = queue._next(now, "cdse")
        text = str(statement.compile(connection.engine, compile_kwargs={"literal_binds": True}))
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert sum("ix_downloads_queue" in step for step in plan) == 2
    assert not any("TEMP B-TREE" in step for step in plan)


def test_a_name_is_one_downloads(database: Database, queued: Callable[..., list[str]]) -> None:
    queued(2)
    one, other = claim(database), claim(database)
    assert one is not None and other is not None
    with database.write() as connection:
        queue.announce(connection, one, FILE)
        with pytest.raises(NameTakenError):
            queue.announce(connection, other, FILE)
        queue.finish(connection, one, FILE, bytes_fetched=10)
    assert sorted(rows(database, "status")) == ["done", "running"]


def test_dead_workers_are_known_and_only_they(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    said = [
        sys.executable,
        "-c",
        "from satcat.downloads.identity import worker_name; print(worker_name(0))",
    ]
    dead = subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip()
    mine = worker_name(3)
    host, pid, birth, _ = mine.split(":")
    place, _, started = birth.rpartition("-")
    assert is_dead(dead)
    assert is_dead(f"{host}:{pid}:{place}-{int(started) + 1}:3"), (
        "the same pid, started at another time"
    )
    for alive in (
        mine,
        f"elsewhere:{pid}:{birth}:3",
        f"{host}:1:x-y:3",
        f"{host}:{pid}:unknown:3",
        "rubbish",
        "",
    ):
        assert not is_dead(alive), alive
    queued(2)
    claim(database, dead)
    claim(database, mine)
    with database.write() as connection:
        assert queue.reap(connection, is_dead) == 1
    assert sorted(rows(database, "status")) == ["queued", "running"]


def test_a_zombie_is_dead() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, worker_name(0).encode())
        os._exit(0)
    name = os.read(read, 1000).decode()
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert is_dead(name)
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)


def test_four_slots_and_no_more(database: Database) -> None:
    account = slots.account_key("cdse", "somebody")
    assert "somebody" not in account
    with database.write() as connection:
        taken = [slots.acquire(connection, account, "w") for _ in range(4)]
        assert slots.acquire(connection, account, "w") is None
        assert slots.acquire(connection, slots.account_key("cdse", "another"), "w") is not None
        assert taken[2] is not None
        slots.release(connection, taken[2])
        again = slots.acquire(connection, account, "w")
        assert again is not None and (again.slot, again.claim) == (2, 2)
        assert slots.renew(connection, [s for s in taken if s]) == [taken[2]]


def test_the_slot_of_a_silent_worker_is_free(database: Database) -> None:
    account = slots.account_key("cdse", None)
    with database.write() as connection:
        lost = slots.acquire(connection, account, "w", lease=timedelta(seconds=-1))
        held = slots.acquire(connection, account, "v")
        assert lost is not None and held is not None and held.slot == lost.slot
        assert slots.renew(connection, [lost, held]) == [lost]
        slots.release(connection, lost)
        assert slots.renew(connection, [held]) == []


def test_marking_says_what_it_did(database: Database, hold: Callable[..., list[str]]) -> None:
    ids = [*hold(3), *hold(1, size_bytes=None)]
    wanted = sa.select(products)
    with database.write() as connection:
        expected = Marked(new=4, bytes_total=3000, unknown_sizes=1)
        assert marks.preview(connection, wanted) == expected
        assert connection.scalar(sa.select(sa.func.count()).select_from(downloads)) == 0
        assert marks.mark(connection, wanted) == expected
        assert marks.mark(connection, [*ids, ids[0], "unknown"]) == Marked(
            already=4, unknown=("unknown",)
        )


def test_marking_again_requeues_what_did_not_work_out(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    ids = queued(8)
    kept = {"running", "done", "offline", "bad_at_source", "queued"}
    with database.write() as connection:
        for product_id, status in zip(
            ids, [*sorted(kept), "failed", "cancelled", "gone"], strict=True
        ):
            one = sa.update(downloads).where(downloads.c.product_id == product_id)
            connection.execute(one.values(status=status, attempts=3, error="x"))
        expected = Marked(requeued=3, already=5, moved=1, bytes_total=3000)
        assert marks.preview(connection, ids, priority=7) == expected
        assert marks.mark(connection, ids, priority=7) == expected
        assert marks.mark(connection, ids, priority=7) == Marked(already=8)
    again = [r for r in rows(database, "status", "attempts", "error", "priority") if r[1] == 0]
    assert again == [("queued", 0, None, 7)] * 3
    assert sorted(r for r in rows(database, "status") if r != "queued") == sorted(kept - {"queued"})
    assert set(rows(database, "status", "priority")) >= {("queued", 7), ("running", 0), ("done", 0)}


def test_plain_sql_marks_rows(
    database: Database, address: str, hold: Callable[..., list[str]]
) -> None:
    hold(3)
    plainly(
        address,
        "INSERT INTO downloads (product_id) SELECT id FROM products WHERE tile_id = '30TWM' ON CONFLICT DO NOTHING",
    )
    claimed = claim(database)
    assert claimed is not None and claimed.claim == 1
    with database.read() as connection:
        assert marks.counts(connection)["queued"] == Tally(2, 2000)


def test_unmarking_keeps_what_has_a_file(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    ids = queued(3)
    with database.write() as connection:
        done = sa.update(downloads).where(downloads.c.product_id == ids[0])
        connection.execute(done.values(status="done", path="/data/x.zip"))
        assert marks.unmark(connection, ids).rows == 2
        assert marks.unmark(connection, sa.select(products.c.id)).rows == 0
    assert rows(database, "product_id") == [ids[0]]


def test_failures_are_listed_and_tried_again(
    database: Database, queued: Callable[..., list[str]]
) -> None:
    ids = queued(4)
    with database.write() as connection:
        for product_id, status in zip(
            ids, ["failed", "bad_at_source", "done", "queued"], strict=True
        ):
            one = sa.update(downloads).where(downloads.c.product_id == product_id)
            connection.execute(
                one.values(status=status, error=status, attempts=int(status != "queued"))
            )
        failures = list(marks.failures(connection))
        assert [(f.product_id, f.status, f.error) for f in failures] == [
            (ids[0], "failed", "failed"), (ids[1], "bad_at_source", "bad_at_source"),
        ]  # fmt: skip
        assert failures[0].name is not None
        assert marks.retry(connection, [ids[0], "unknown"]).rows == 1
        assert marks.retry(connection).rows == 1
        assert list(marks.failures(connection)) == []
        assert marks.counts(connection)["queued"].rows == 3


def test_many_ids_are_marked_in_batches(database: Database, hold: Callable[..., list[str]]) -> None:
    ids = hold(1200)

    def stream() -> Iterator[str]:
        yield from ids

    with database.write() as connection:
        assert marks.mark(connection, stream()).new == 1200
        assert marks.unmark(connection, stream()).rows == 1200


@CATALOGUE_FILE
def test_database_files_hold_no_account_name(database: Database) -> None:
    with database.write() as connection:
        slots.acquire(connection, slots.account_key("cdse", "someone@example.org"), worker_name(0))
    database.close()
    assert all(
        b"someone@example.org" not in p.read_bytes()
        for p in Path(database.path).parent.glob("*.db*")
    )
