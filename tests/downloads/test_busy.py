"""A catalogue that another program keeps locked, and runs that slept for longer than their leases."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads.busy import Busy
from satcat.downloads.claims import Claims
from satcat.errors import CatalogueBusyError
from satcat.models import account_slots, downloads
from tests.engines import WRITE_LOCK


@pytest.fixture
def locked(database: Database) -> Callable[[], Any]:
    """Take the write lock, as another program does, until the connection is closed; satcat's own wait for it is short."""

    @sa.event.listens_for(database.engine, "connect")
    def be_impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 20")

    database.engine.dispose()

    def locked() -> Any:
        rival = sqlite3.connect(database.path, isolation_level=None)
        rival.execute("BEGIN IMMEDIATE")
        return closing(rival)

    return locked


@WRITE_LOCK
def test_a_write_waits_for_the_lock_as_long_as_somebody_goes_on_waiting(
    database: Database, locked: Callable[[], Any]
) -> None:
    asked: list[CatalogueBusyError] = []
    with locked() as rival:

        def goes_on(error: CatalogueBusyError) -> bool:
            asked.append(error)
            if len(asked) == 3:
                rival.rollback()
            return True

        with database.outwaiting(goes_on).write() as connection:
            assert connection.execute(sa.text("PRAGMA busy_timeout")).scalar() == 20
    assert len(asked) == 3 and "in use by another program" in str(asked[0])


@WRITE_LOCK
def test_a_write_that_nobody_waits_for_any_more_says_who_is_to_blame(
    database: Database, locked: Callable[[], Any]
) -> None:
    with locked():
        with (
            pytest.raises(CatalogueBusyError, match="in use by another program"),
            database.outwaiting(lambda error: False).write(),
        ):
            pass
        with pytest.raises(CatalogueBusyError), database.write():
            pass


def test_a_long_wait_for_the_catalogue_is_told_once_and_so_is_its_end() -> None:
    said: list[str] = []
    error, ended = CatalogueBusyError("satcat.db"), threading.Event()
    busy = Busy(ended, said.append, lambda seconds: said.append("over"), worth_telling=0.05)
    assert busy.goes_on(error)
    busy.passed()
    assert said == []
    assert busy.goes_on(error)
    time.sleep(0.06)
    assert busy.goes_on(error) and busy.goes_on(error)
    busy.passed()
    busy.passed()
    assert said == [str(error).removesuffix(": close it and try again"), "over"]
    ended.set()
    assert not busy.goes_on(error)


def test_a_run_that_slept_past_its_leases_does_not_take_its_own_row_again(
    publish: Callable[..., list[str]], database: Database
) -> None:
    publish(2)
    claims = Claims(database, "cdse", "account", timedelta(seconds=60))
    first = claims.take("a")
    assert first is not None
    with database.write() as connection:
        for table in (downloads, account_slots):
            held = sa.update(table).where(table.c.worker == "a")
            connection.execute(held.values(lease_until=sa.text("'2020-01-01T00:00:00.000000Z'")))
    second = claims.take("b")
    assert second is not None
    assert second.claimed.product_id != first.claimed.product_id
    assert second.slot.slot != first.slot.slot
    assert not first.lost and not first.stop.is_set()
    assert claims.take("c") is None


@WRITE_LOCK
def test_threads_of_one_process_queue_up_and_never_meet_at_the_lock(database: Database) -> None:
    @sa.event.listens_for(database.engine, "connect")
    def be_most_impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 0")

    database.engine.dispose()
    both = (database, database.outwaiting(lambda error: False))
    start = threading.Barrier(4)

    def write_often(catalogue: Database) -> None:
        start.wait()
        for _ in range(50):
            with catalogue.write() as connection:
                connection.execute(sa.update(account_slots).values(worker=None))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write_often, both * 2))  # raises what one of them raised
