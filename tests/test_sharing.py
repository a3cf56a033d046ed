"""Sharing a catalogue: with other processes, which may be killed, and with people who use plain SQL."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.errors import CatalogueError, CatalogueLockedError
from satcat.models import SCHEMA_VERSION, downloads, products, tiles
from satcat.sqlite import PAGE_SIZE
from tests.engines import SYNCHRONOUS, WRITE_LOCK, plainly

CREATE = """
import sys
from satcat.database import Database
print("ready", flush=True)
sys.stdin.readline()
with Database.open(sys.argv[1], create=True) as made, made.read() as connection:
    print(made.version(), flush=True)
"""


def creator(path: Path) -> subprocess.Popen[str]:
    """A process that is about to make a catalogue, as soon as it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", CREATE, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def count_tiles(catalogue: Database) -> int:
    with catalogue.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tiles)) or 0


# Several processes


def test_two_processes_may_make_one_catalogue_at_once(tmp_path: Path) -> None:
    path = tmp_path / "satcat.db"
    makers = [creator(path) for _ in range(2)]
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    assert [maker.communicate()[0] for maker in makers] == [f"{SCHEMA_VERSION}\n"] * 2
    with Database.open(path) as opened:
        made = count_tiles(opened)
    assert made > 50_000


@pytest.mark.parametrize("after", [0.05, 0.3, 0.8])
def test_a_catalogue_whose_making_was_killed_can_be_made_again(
    tmp_path: Path, after: float
) -> None:
    path = tmp_path / "satcat.db"
    maker = creator(path)
    assert maker.stdin is not None
    maker.stdin.write("go\n")
    maker.stdin.flush()
    time.sleep(after)
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    with Database.open(path, create=True) as made, made.read() as connection:
        assert made.version() == SCHEMA_VERSION
        assert connection.exec_driver_sql("PRAGMA page_size").scalar_one() == PAGE_SIZE
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
    with Database.open(path) as opened:
        assert count_tiles(opened) > 50_000


def test_a_write_waits_for_another_writer(catalogue_path: Path) -> None:
    other = sqlite3.connect(catalogue_path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO downloads (product_id) VALUES ('theirs')")
    release = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    release.start()
    started = time.monotonic()
    with Database.open(catalogue_path) as opened, opened.write() as connection:
        connection.execute(sa.insert(downloads).values(product_id="ours"))
        assert set(connection.scalars(sa.select(downloads.c.product_id))) == {"theirs", "ours"}
    assert time.monotonic() - started >= 0.25
    release.join()
    other.close()


@WRITE_LOCK
def test_many_threads_write_without_losing_anything(database: Database) -> None:
    def add(number: int) -> None:
        for _ in range(20):
            with database.write() as connection:
                # a read that turns into a write: without the lock from the beginning this would fail
                high = connection.scalar(sa.select(sa.func.max(downloads.c.priority))) or 0
                connection.execute(
                    sa.insert(downloads).values(product_id=f"{number}-{high}", priority=high + 1)
                )

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        priorities = connection.scalars(sa.select(downloads.c.priority)).all()
    assert sorted(priorities) == list(range(1, 81))


def test_a_read_sees_one_state_to_its_end(database: Database, address: str) -> None:
    counted = sa.select(sa.func.count()).select_from(downloads)
    with database.read() as connection:
        assert connection.scalar(counted) == 0
        plainly(address, "INSERT INTO downloads (product_id) VALUES ('a')")
        assert connection.scalar(counted) == 0
    with database.read() as connection:
        assert connection.scalar(counted) == 1


@pytest.mark.parametrize("durable", [False, True])
def test_a_write_that_fails_stores_nothing(database: Database, durable: bool) -> None:
    with pytest.raises(ZeroDivisionError), database.write(durable=durable) as connection:
        connection.execute(sa.insert(downloads).values(product_id="a"))
        raise ZeroDivisionError
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(downloads)) == 0


@SYNCHRONOUS
def test_a_durable_write_is_synchronised_and_the_next_one_is_quick_again(
    database: Database,
) -> None:
    with database.write(durable=True) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1


def test_a_lock_that_is_never_let_go_is_one_line(
    catalogue_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(catalogue_path) as opened:
        with opened.read() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 50")  # instead of 30 seconds
        other = sqlite3.connect(catalogue_path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CatalogueError, match="in use by another program"):
            opened.write().__enter__()
        other.close()


def test_one_sync_at_a_time(database: Database, address: str) -> None:
    with (
        database.syncing("satcat sync"),
        Database.open(address) as second,
        pytest.raises(CatalogueLockedError, match="satcat sync"),
        second.syncing("satcat verify"),
    ):
        pass


# People with sqlite3 or psql


def test_products_are_marked_from_any_tool(
    database: Database, address: str, add_products: Callable[..., None]
) -> None:
    add_products(
        {"id": "clear"}, {"id": "cloudy", "cloud_cover": 80.0}, {"id": "archived", "online": False}
    )
    mark = """
        INSERT INTO downloads (product_id)
        SELECT id FROM products WHERE tile_id = '30TWM' AND cloud_cover < 20 AND online AND sensing_start >= '2024-06-01'
        ON CONFLICT DO NOTHING"""
    plainly(address, mark, mark)
    with database.read() as connection:
        row = connection.execute(sa.select(downloads)).mappings().one()
    assert row["product_id"] == "clear"
    assert (row["status"], row["priority"], row["attempts"], row["claim"]) == ("queued", 0, 0, 0)
    assert row["verification"] == "none"
    assert row["include"] is None
    assert abs(row["requested_at"].timestamp() - time.time()) < 60


@pytest.mark.parametrize("change", ["status = 'finished'", "verification = 'yes'", "status = NULL"])
def test_a_queue_with_words_of_their_own_is_refused_by_the_database(
    address: str, change: str
) -> None:
    plainly(address, "INSERT INTO downloads (product_id) VALUES ('a')")
    with pytest.raises(Exception, match=r"(?i)constraint"):
        plainly(address, f"UPDATE downloads SET {change}")


def test_a_row_number_is_never_used_twice(
    database: Database, address: str, add_products: Callable[..., None]
) -> None:
    add_products({}, {})
    plainly(address, "DELETE FROM products")
    add_products({})
    with database.read() as connection:
        assert connection.scalars(sa.select(products.c.pk)).all() == [3]


def test_a_foreign_key_of_theirs_that_forbids_a_change_is_one_line(
    database: Database, address: str, add_products: Callable[..., None]
) -> None:
    add_products({"id": "a"})
    plainly(
        address,
        "CREATE TABLE notes (id TEXT REFERENCES products (id))",
        "INSERT INTO notes VALUES ('a')",
    )
    with pytest.raises(CatalogueError, match="ON DELETE CASCADE"), database.write() as connection:
        connection.execute(sa.delete(products))
