"""A catalogue whose products are those of a sandbox, and runs of the worker on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.api.odata import ODataAPI
from satcat.api.patience import Patience
from satcat.database import Database
from satcat.downloads import marks, worker
from satcat.downloads.report import DownloadReport, Item, Outcome
from satcat.downloads.worker import Timing
from satcat.models import downloads
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox
from satcat.sync.store import store
from tests.downloads.archives import Archive

QUICK = Patience(attempts=3, first_delay=0.01, longest_delay=0.05)
#: On a slow machine a second may pass between one byte and the next; that is no outage.
TIMING = Timing(lease=5, beat=0.1, look=0.2, poll=0.02, patience=20)
#: For tests in which a source stays down.
IMPATIENT = replace(TIMING, patience=0.5)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(products=0) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[ODataAPI]:
    there = sandbox.environment
    api = ODataAPI(
        "sandbox", "sandbox", catalogue_url=there["CDSE_CATALOGUE_URL"],
        download_url=there["CDSE_DOWNLOAD_URL"], token_url=there["CDSE_TOKEN_URL"],
    )  # fmt: skip
    yield api
    api.close()


@pytest.fixture
def publish(sandbox: Sandbox, api: ODataAPI, database: Database) -> Callable[..., list[str]]:
    """Publish products, hold them in the catalogue, and mark them; gives their ids."""

    def publish(number: int = 1, *, mark: bool = True, **fields: Any) -> list[str]:
        ids = [sandbox.catalogue.publish(**fields) for _ in range(number)]
        collection = fields.get("collection", "SENTINEL-2")
        images = [image for _, image in api.get(ids, collection)]
        with database.write() as connection:
            store(connection, images, scope_id=None, at=times.now())
            if mark:
                assert marks.mark(connection, ids).new == number
        sandbox.log.clear()
        return ids

    return publish


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "products"


@pytest.fixture
def run(database: Database, api: ODataAPI, out: Path) -> Callable[..., DownloadReport]:
    def run(**options: Any) -> DownloadReport:
        def keep(image: SatelliteImage) -> None:
            with database.write() as connection:
                store(connection, [image], scope_id=None, at=times.now(), force=True)

        options = {"on_reread": keep, "patience": QUICK, "timing": TIMING} | options
        return worker.run(database, api, out, **options)

    return run


@pytest.fixture
def row(database: Database) -> Callable[[str], Any]:
    """Look at one row of the queue."""

    def row(product_id: str) -> Any:
        with database.read() as connection:
            found = sa.select(downloads).where(downloads.c.product_id == product_id)
            return connection.execute(found).one()

    return row


class Watcher:
    """Notes what a run shows; calls `on_advance` and `on_finish` if they are set."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.told: list[Outcome] = []
        self.waits: list[str | float] = []
        self.stop = threading.Event()
        self.on_advance: Callable[[int], object] = lambda done: None
        self.on_finish: Callable[[str], object] = lambda outcome: None

    def started(self, item: Item) -> None:
        self.item = item

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        self.on_advance(done)

    def finished(self, item: Item, outcome: Outcome) -> None:
        self.outcomes.append(outcome.status)
        self.told.append(outcome)
        self.on_finish(outcome.status)

    def waiting(self, reason: str) -> None:
        self.waits.append(reason)

    def resumed(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    return Archive(database, tmp_path / "archive")
