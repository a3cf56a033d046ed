"""Writers beside each other, as PostgreSQL lets them: they wait for a row, or pass over it, and none undoes another's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times
from satcat.database import Database
from satcat.downloads import marks, queue, recording, slots
from satcat.downloads.examine import State, Verdict
from satcat.downloads.queue import Claimed, Held
from satcat.downloads.rowlocks import hold
from satcat.errors import NameTakenError
from satcat.models import products
from satcat.sync import store
from tests.engines import address_of, plainly
from tests.postgres import Server

FILE = Held("/products/one.zip", 1, "blake3", "00", "checksum")
BAND, OTHER = "*_B02_10m.jp2", "*_B03_10m.jp2"


@pytest.fixture(scope="module")
def catalogues(postgres: Server) -> Server:
    return postgres


@pytest.fixture
def queued(add_products: Callable[..., None], database: Database) -> Callable[[int], list[str]]:
    """Queue new products; gives their ids, the oldest request first."""

    def queued(number: int, include: str | None = None) -> list[str]:
        add_products(*[{} for _ in range(number)])
        with database.write() as connection:
            ids = list(connection.scalars(sa.select(products.c.id).order_by(products.c.id)))
            for one in ids:
                marks.mark(connection, [one], include=include)
        return ids

    return queued


class Later:
    """Somebody else's transaction, which waits for the one that is open now."""

    def __init__(self, database: Database, work: Callable[[Connection], Any]) -> None:
        self.came: Any = None

        def do() -> None:
            try:
                with database.write() as connection:
                    self.came = work(connection)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                self.came = error

        self.thread = threading.Thread(target=do)
        self.thread.start()
        self.thread.join(0.5)
        assert self.thread.is_alive(), f"it waited for nobody: {self.came}"

    def came_to(self) -> Any:
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.came


@contextmanager
def person(database: Database, *statements: str) -> Iterator[None]:
    """Somebody with psql who leaves a transaction open for a while."""
    url = database.engine.url.set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        for statement in statements:
            connection.execute(statement.encode())
        yield


def claim(database: Database, worker: str = "w") -> Claimed | None:
    with database.write() as connection:
        return queue.claim(connection, worker, "cdse")


def claimed(database: Database, worker: str = "w") -> Claimed:
    found = claim(database, worker)
    assert found is not None
    return found


def test_two_files_that_would_get_one_name_at_once_get_two(
    database: Database, queued: Callable[[int], list[str]]
) -> None:
    queued(2)
    one, two = claimed(database), claimed(database)
    with database.write() as connection:
        queue.announce(connection, one, FILE)
        other = Later(database, lambda c: queue.announce(c, two, FILE))
    assert isinstance(other.came_to(), NameTakenError)


def test_two_who_ask_for_parts_of_one_product_at_once_both_get_theirs(
    database: Database, add_products: Callable[..., None], row: Callable[[str], Any]
) -> None:
    add_products({"id": "a" * 36})
    with database.write() as connection:
        marks.mark(connection, ["a" * 36], include=BAND)
        other = Later(database, lambda c: marks.mark(c, ["a" * 36], include=OTHER))
    other.came_to()
    assert row("a" * 36).include == f"{BAND}\n{OTHER}"


def test_more_that_is_asked_for_while_a_worker_finishes_is_fetched(
    database: Database, queued: Callable[..., list[str]], row: Callable[[str], Any]
) -> None:
    (one,) = queued(1, BAND)
    mine = claimed(database)
    with database.write() as connection:
        queue.finish(connection, mine, FILE, bytes_fetched=1)
        other = Later(database, lambda c: marks.mark(c, [one], include=OTHER))
    assert other.came_to().widened == 1
    assert (row(one).status, row(one).include) == ("queued", f"{BAND}\n{OTHER}")


def test_a_right_file_is_not_noted_over_a_worker_who_has_just_begun(
    database: Database, queued: Callable[[int], list[str]], row: Callable[[str], Any], tmp_path: Path
) -> None:  # fmt: skip
    (one,) = queued(1)
    right = Verdict(State.RIGHT, size_bytes=1, verification="checksum")
    found = recording.Holding(one, tmp_path / "file", right, times.now())

    def adopt(connection: Connection) -> recording.Noted:
        hold(connection, [one])
        return recording.record(connection, found)

    with database.write() as connection:
        assert queue.claim(connection, "w", "cdse") is not None
        other = Later(database, adopt)
    assert other.came_to().what == "running"
    assert row(one).status == "running"


def test_a_right_file_is_noted_in_the_row_that_somebody_has_just_made(
    database: Database, add_products: Callable[..., None], row: Callable[[str], Any], tmp_path: Path
) -> None:  # fmt: skip
    add_products({"id": "a" * 36})
    right = Verdict(State.RIGHT, size_bytes=1, verification="checksum")
    found = recording.Holding("a" * 36, tmp_path / "file", right, times.now())
    with database.write() as connection:
        marks.mark(connection, ["a" * 36], priority=7)
        other = Later(database, lambda c: recording.record(c, found))
    assert other.came_to().what == "done"
    assert (row("a" * 36).status, row("a" * 36).priority) == ("done", 7)


def test_a_product_that_two_store_at_once_is_stored(
    database: Database, make_product: Callable[..., Any]
) -> None:
    image = make_product()

    def keep(connection: Connection) -> store.Stored:
        return store.store(connection, [image], scope_id=None, at=datetime.now().astimezone())

    with database.write() as connection:
        assert keep(connection).added == 1
        other = Later(database, keep)
    assert other.came_to() == store.Stored(unchanged=1)


def test_rows_that_a_person_has_locked_are_passed_over(
    database: Database, queued: Callable[[int], list[str]]
) -> None:
    running, first, second, third = queued(4)
    with database.write() as connection:
        marks.mark(connection, [second], priority=1)
        marks.mark(connection, [first], priority=9)
    high = claimed(database)
    assert high.product_id == first
    with database.write() as connection:
        marks.mark(connection, [running], priority=9)
    with person(database, "UPDATE downloads SET priority = priority + 1 WHERE priority = 9"):
        assert claimed(database, "x").product_id == second
        assert claimed(database, "y").product_id == third
        assert claim(database, "z") is None
        with database.write() as connection:
            assert queue.heartbeat(connection, [(high, 0, 0)]) == []
    assert claimed(database, "z").product_id == running


def test_a_claim_does_not_wait_for_who_is_noting_that_he_lost_the_row(
    database: Database, queued: Callable[[int], list[str]]
) -> None:
    (one,) = queued(1)
    claimed(database)
    plainly(address_of(database), "UPDATE downloads SET status = 'queued'")
    with person(database, "SELECT * FROM download_attempts FOR UPDATE"):
        assert claimed(database).product_id == one


def test_leases_and_a_persons_change_of_all_rows_never_wait_for_each_other(
    database: Database, queued: Callable[[int], list[str]]
) -> None:
    ids = queued(12)
    held = [(claimed(database, str(n)), 0, 0) for n in range(12)]
    ended, lost = threading.Event(), []

    def beat() -> None:
        while not ended.is_set():
            with database.write() as connection:
                lost.extend(queue.heartbeat(connection, held))

    workers = [threading.Thread(target=beat) for _ in range(3)]
    for worker in workers:
        worker.start()
    try:
        for number in range(6):  # a deadlock would end one of these
            order = ids if number % 2 else ids[::-1]
            change = f"UPDATE downloads SET priority = {number} WHERE product_id = "
            with person(database, *(f"{change}'{one}'; SELECT pg_sleep(0.01)" for one in order)):
                pass
    finally:
        ended.set()
        for worker in workers:
            worker.join(20)
    assert lost == []


def test_the_last_slots_go_to_one_worker_each(
    database: Database,
) -> None:
    taken: list[slots.Slot | None] = []

    def take(worker: str) -> None:
        with database.write() as connection:
            taken.append(slots.acquire(connection, "account", worker, lease=timedelta(minutes=1)))

    workers = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(12)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    while (
        len([slot for slot in taken if slot]) < slots.MOST
    ):  # one may be passed over, not given twice
        take("late")
    found = [slot.slot for slot in taken if slot]
    assert sorted(found) == [0, 1, 2, 3]
