"""A sync in a process of its own that dies by SIGKILL at a chosen transaction.

The processes come from a fork server with satcat already loaded, so that dying often is cheap.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from satcat.filters import SearchFilters

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["satcat.sync.engine", "satcat.api.odata", "satcat.select", "shapely"]
)


def sync_and_die(
    address: str,
    urls: dict[str, str],
    filters: SearchFilters | None,
    *,
    transaction: int,
    before_commit: bool,
) -> int:
    """Sync until the nth write transaction, and die just before or just after its commit.

    Returns the exit code: 0 if the sync ended before that, -9 if it was killed.
    """
    args = (address, urls, filters.to_json() if filters else None, transaction, before_commit)
    child = _context.Process(target=_child, args=args)
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the sync hangs"
    return child.exitcode


def _child(
    address: str, urls: dict[str, str], filters: str | None, transaction: int, before: bool
) -> None:
    from satcat.api.http import HttpClient, Retries
    from satcat.api.odata import ODataAPI
    from satcat.database import Database
    from satcat.sync.engine import sync

    setattr(Database, "write", dying(Database.write, transaction, before))  # noqa: B010 - mypy
    api = ODataAPI(
        **urls, http=HttpClient(retries=Retries(attempts=4, first_wait=0.01, longest_wait=0.05))
    )
    with Database.open(address) as database:
        sync(database, api, SearchFilters.from_json(filters) if filters else None)


def dying(
    write: Callable[..., AbstractContextManager[Connection]], transaction: int, before: bool
) -> Callable[..., AbstractContextManager[Connection]]:
    count = 0

    @contextlib.contextmanager
    def write_and_die(self, **options):
        nonlocal count
        count += 1
        with write(self, **options) as connection:
            yield connection
            if before and count == transaction:
                os.kill(os.getpid(), signal.SIGKILL)
        if count == transaction:
            os.kill(os.getpid(), signal.SIGKILL)

    return write_and_die
