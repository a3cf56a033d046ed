"""What goes wrong around a run: folders, files in the way, a busy catalogue, products that cannot be had."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.api.odata import ODataAPI
from satcat.database import Database
from satcat.downloads import worker
from satcat.downloads.report import DownloadReport
from satcat.downloads.worker import Timing
from satcat.errors import CatalogueError, UnwritableError
from satcat.models import downloads, products
from satcat.sandbox import Sandbox
from tests.engines import WRITE_LOCK

Publish = Callable[..., list[str]]
Run = Callable[..., DownloadReport]
Look = Callable[[str], Any]

needs_proc = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc")


def forget(database: Database, *columns: str) -> None:
    """Let the catalogue know nothing of these columns of its products."""
    with database.write() as connection:
        connection.execute(sa.update(products).values(dict.fromkeys(columns)))


@needs_proc
def test_a_folder_that_cannot_be_written_is_said_before_anything_is_asked(
    publish: Publish, row: Look, sandbox: Sandbox, database: Database, api: ODataAPI
) -> None:
    ids = publish(2)
    with pytest.raises(UnwritableError, match="cannot write into the folder /proc"):
        worker.run(database, api, Path("/proc"))
    assert [(row(i).status, row(i).claim) for i in ids] == [("queued", 0)] * 2
    assert not list(sandbox.log)


def test_a_folder_that_goes_away_is_not_made_again_ends_the_run_and_blames_no_product(
    publish: Publish, run: Run, row: Look, out: Path, watcher: Any
) -> None:
    ids = publish(5)
    watcher.on_finish = lambda outcome: shutil.rmtree(out, ignore_errors=True)
    with pytest.raises(UnwritableError, match="No such file"):
        run(workers=1, progress=watcher)
    assert sorted((row(i).status, row(i).attempts) for i in ids) == [
        ("done", 0), *[("queued", 0)] * 4,
    ]  # fmt: skip
    assert not out.exists()
    with pytest.raises(UnwritableError, match="is gone, where files of this catalogue were"):
        run()
    out.mkdir()
    assert run().done == 4


def test_another_folder_in_its_place_as_after_an_unmount_ends_the_run(
    publish: Publish, run: Run, row: Look, out: Path, watcher: Any
) -> None:
    ids = publish(3)

    def unmount(outcome: str) -> None:
        out.rename(out.with_name("unmounted"))
        out.mkdir()

    watcher.on_finish = unmount
    with pytest.raises(UnwritableError, match="another one than when this run began"):
        run(workers=1, progress=watcher)
    assert sorted(row(i).status for i in ids) == ["done", "queued", "queued"]
    assert os.listdir(out) == []


def test_a_folder_that_vanishes_in_mid_transfer_blames_no_product(
    publish: Publish, run: Run, row: Look, out: Path, watcher: Any
) -> None:
    (one,) = publish(size_bytes=1_000_000)
    watcher.on_advance = lambda done: done and shutil.rmtree(out, ignore_errors=True)
    with pytest.raises(UnwritableError, match="is gone"):
        run(workers=1, progress=watcher)
    assert (row(one).status, row(one).attempts, row(one).path) == ("queued", 0, None)
    assert not out.exists()


@needs_proc
def test_a_file_in_the_way_that_cannot_be_read_is_left_alone(
    publish: Publish, run: Run, row: Look, out: Path, database: Database
) -> None:
    (one,) = publish()
    run()
    name = Path(row(one).path)
    name.unlink()
    name.symlink_to("/proc/self/mem")
    forget(database, "size_bytes")
    with database.write() as connection:
        connection.execute(sa.text("UPDATE downloads SET status = 'queued', path = NULL"))
    assert run().done == 1
    assert Path(row(one).path).name == f"{name.stem}_{one[:8]}.zip"
    assert name.is_symlink()


def test_products_that_are_listed_but_cannot_be_had_keep_no_other_from_coming(
    publish: Publish, row: Look, sandbox: Sandbox, database: Database, watcher: Any, out: Path
) -> None:
    *missing, good = publish(7)
    with database.write() as connection:
        last = sa.update(downloads).where(downloads.c.product_id == good)
        connection.execute(last.values(priority=-1))
    watcher.on_finish = lambda outcome: len(watcher.outcomes) == 7 and watcher.stop.set()
    with Sandbox(products=0) as host:
        host.catalogue.add([sandbox.catalogue.products[good]])
        api = ODataAPI(
            "sandbox", "sandbox", catalogue_url=sandbox.catalogue_url,
            download_url=host.download_url, token_url=host.token_url,
        )  # fmt: skip
        report = worker.run(
            database,
            api,
            out,
            workers=1,
            progress=watcher,
            stop=watcher.stop,
            timing=Timing(poll=0.02),
        )
        api.close()
    assert report.done == 1 and row(good).status == "done"
    assert {(row(i).status, row(i).attempts) for i in missing} == {("queued", 1)}
    assert all("cannot be had" in row(i).error for i in missing)


@WRITE_LOCK
def test_a_catalogue_that_is_busy_for_a_while_ends_nothing(
    publish: Publish, run: Run, sandbox: Sandbox, database: Database, watcher: Any
) -> None:
    @sa.event.listens_for(database.engine, "connect")
    def be_impatient(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 20")

    publish(1, size_bytes=4_000_000)
    database.engine.dispose()
    sandbox.settings.rate = 2_000_000
    rival = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)

    def lock(done: int) -> None:
        if done and not rival.in_transaction:
            watcher.on_advance = lambda done: None
            rival.execute("BEGIN IMMEDIATE")
            threading.Timer(0.4, rival.rollback).start()

    watcher.on_advance = lock
    began = time.monotonic()
    assert run(workers=1, progress=watcher).done == 1
    assert time.monotonic() - began > 0.4
    rival.close()


@pytest.mark.sqlite_only("makes SQLite say that the disk fails")
def test_a_file_that_got_its_name_is_known_although_the_row_could_not_be_finished(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, database: Database, out: Path
) -> None:
    (one,) = publish()
    sandbox.catalogue.late_checksum(one)
    forget(database, "size_bytes", "md5", "blake3")
    with database.write() as connection:
        connection.execute(
            sa.text(
                "CREATE TRIGGER busy BEFORE UPDATE ON downloads WHEN NEW.status = 'done' "
                "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
            )
        )
    with pytest.raises(CatalogueError, match="check the disk"):
        run()
    (name,) = os.listdir(out)
    assert (row(one).status, row(one).path) == ("queued", str(out / name))
    with database.write() as connection:
        connection.execute(sa.text("DROP TRIGGER busy"))
    report = run()
    assert (report.done, report.bytes, os.listdir(out)) == (1, 0, [name])
    assert row(one).verification == "structure"


def test_a_product_that_upsets_us_fails_at_last_and_keeps_no_other_from_being_fetched(
    publish: Publish, run: Run, row: Look, api: ODataAPI, watcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    bad, good = publish(2)
    open_ = api.open

    def opened(product: Any, **options: Any) -> Any:
        return open_(product, **options) if product.id != bad else {}[product.id]

    monkeypatch.setattr(api, "open", opened)
    watcher.on_finish = lambda outcome: len(watcher.outcomes) == 2 and watcher.stop.set()
    assert run(workers=1, progress=watcher, stop=watcher.stop).done == 1
    assert (row(good).status, row(bad).status, row(bad).attempts) == ("done", "queued", 1)
    assert row(bad).error.startswith(f"unexpected KeyError('{bad}')")
