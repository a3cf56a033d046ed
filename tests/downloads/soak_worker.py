"""A worker in a process of its own that kills or stops itself at a named point.

The processes come from a fork server with satcat already loaded, so that dying often is cheap.
"""

from __future__ import annotations

import importlib
import itertools
import multiprocessing
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["satcat.downloads.worker", "satcat.api.odata", "satcat.sync.store", "satcat.select", "shapely"]
)

#: Where a worker can be caught: a function of a module, called for the nth time. `COMMIT` is the end of a transaction.
COMMIT = "satcat.database:Database.write"
POINTS = (
    COMMIT, "os:link", "os:unlink", "os:rename", "os:replace", "os:mkdir", "os:fsync",
    "satcat.api.partfile:PartFile.write", "satcat.api.partfile:PartFile.place",
    "satcat.api.transfer:zip_is_whole", "satcat.downloads.queue:claim",
    "satcat.downloads.queue:announce", "satcat.downloads.queue:confirm", "satcat.downloads.queue:finish",
    "satcat.downloads.slots:acquire", "satcat.downloads.slots:release",
)  # fmt: skip


@dataclass(frozen=True)
class Trap:
    """The worker sends itself `signal` just before or just after its nth pass of a point.

    `once`: passes count only when this other point has been passed.
    """

    point: str
    nth: int = 1
    before: bool = True
    signal: int = signal.SIGKILL
    once: str = ""


@dataclass(frozen=True)
class Orders:
    """What a worker is to do. `folder` holds what the workers say of themselves; `host` is where it believes to run.

    `shift` there holds the seconds by which every worker's view of the database's clock is wrong.
    """

    database: str
    folder: Path
    out: Path
    urls: dict[str, str]
    number: int = 0
    threads: int = 4
    follow: bool = False
    lease: float = 1.0
    beat: float = 0.125
    trap: Trap | None = None
    layout: str = "flat"
    host: str = ""

    @property
    def opened(self) -> Path:
        """Where the worker notes when each of its connections for bytes was opened, and when it was closed."""
        return self.folder / f"opened-{self.number}"

    @property
    def said(self) -> Path:
        """Where the worker notes the instant of its own death, and how it ended else."""
        return self.folder / f"worker-{self.number}"


def begin(orders: Orders) -> ForkServerProcess:
    child = _context.Process(target=_work, args=(orders,), daemon=True)
    child.start()
    return child


def _work(orders: Orders) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if orders.trap is not None:
        _Armed(orders.trap, orders.said)
    if orders.host:
        setattr(socket, "gethostname", lambda: orders.host)  # noqa: B010 - mypy
    _shift_clock(orders.folder / "shift")
    _note_connections(orders.opened)
    try:
        end = _download(orders)
    except Exception:  # noqa: BLE001 - the test shows it
        end = traceback.format_exc()
    orders.said.write_text(end)


def _download(orders: Orders) -> str:
    from satcat import times
    from satcat.api.http import HttpClient, Retries
    from satcat.api.odata import ODataAPI
    from satcat.api.patience import Patience
    from satcat.database import Database
    from satcat.downloads import worker
    from satcat.errors import CatalogueUnreachableError, RateLimitedError, SourceUnavailableError
    from satcat.sync.store import store

    retries = Retries(attempts=3, first_wait=0.01, longest_wait=0.05)
    http = HttpClient(user_agent=f"soak {orders.number}", retries=retries)
    api = ODataAPI("sandbox", "sandbox", **orders.urls, http=http)
    try:
        opened = Database.open(orders.database)
    except CatalogueUnreachableError as error:  # nothing is begun yet
        return f"outage: {error}"
    with opened as database:

        def keep(product):
            with database.write() as connection:
                store(connection, [product], scope_id=None, at=times.now(), force=True)

        try:
            worker.run(
                database, api, orders.out, workers=orders.threads, follow=orders.follow, layout=orders.layout, on_reread=keep,
                patience=Patience(attempts=3, first_delay=0.01, longest_delay=0.05),
                timing=worker.Timing(lease=orders.lease, beat=orders.beat, look=orders.beat, poll=0.03, patience=3),
            )  # fmt: skip
        except (SourceUnavailableError, RateLimitedError) as error:
            return f"outage: {error}"
    return "ended"


class _Armed:
    """A trap that is set."""

    def __init__(self, trap: Trap, said: Path) -> None:
        self.trap, self.said = trap, said
        self.counts, self.passes = not trap.once, 0
        _wrap(trap.point, self.transaction if trap.point == COMMIT else self.call)
        if trap.once:
            _wrap(trap.once, self.first)

    def call(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def pass_(*args, **options):
            self._pass()
            result = original(*args, **options)
            self._strike(not self.trap.before)
            return result

        return pass_

    def transaction(
        self, write: Callable[..., AbstractContextManager[Connection]]
    ) -> Callable[..., Any]:
        @contextmanager
        def pass_(database, **options):
            with write(database, **options) as connection:
                yield connection
                self._pass()
            self._strike(not self.trap.before)

        return pass_

    def first(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def pass_(*args, **options):
            self.counts = True
            return original(*args, **options)

        return pass_

    def _pass(self) -> None:
        self.passes += self.counts
        self._strike(self.trap.before)

    def _strike(self, now: bool) -> None:
        if not now or self.passes != self.trap.nth:
            return
        if self.trap.signal == signal.SIGKILL:
            self.said.write_text(f"died {time.monotonic()}")
        os.kill(os.getpid(), self.trap.signal)
        time.sleep(0.2)  # the signal may strike another thread first, this one a moment later


def _wrap(point: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    module, _, name = point.partition(":")
    *holders, name = name.split(".")
    owner = importlib.import_module(module)
    for holder in holders:
        owner = getattr(owner, holder)
    setattr(owner, name, wrap(getattr(owner, name)))


def _note_connections(file: Path) -> None:
    """Note each connection before it is opened, and after it was closed: `+ 3 1234.5`, `- 3 1234.9`."""
    from satcat.api.http import HttpClient

    numbers, stream = itertools.count(), HttpClient.stream
    # one write each: it is there whole, also if the process dies next
    notes = os.open(file, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    @contextmanager
    def noted(client, url, **options):
        number = next(numbers)
        os.write(notes, f"+ {number} {time.monotonic()}\n".encode())
        try:
            with stream(client, url, **options) as response:
                yield response
        finally:
            os.write(notes, f"- {number} {time.monotonic()}\n".encode())

    setattr(HttpClient, "stream", noted)  # noqa: B010 - mypy


def _shift_clock(file: Path) -> None:
    from datetime import timedelta

    from satcat.downloads import queue, slots

    right = queue.clock

    def clock(connection):
        try:
            shift = float(file.read_text() or 0)
        except FileNotFoundError:
            shift = 0.0
        return right(connection) + timedelta(seconds=shift)

    setattr(queue, "clock", clock)  # noqa: B010 - mypy
    setattr(slots, "clock", clock)  # noqa: B010 - mypy
