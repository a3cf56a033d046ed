"""The record of runs: when, where and by whom the catalogue was synced or verified, and what came of it."""

from __future__ import annotations

import os
import socket
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import sqlalchemy as sa

from satcat import times
from satcat.database import Database
from satcat.models import sync_runs
from satcat.sync.scopes import Scope


def begin(database: Database, kind: str, scope: Scope | None) -> int:
    """A run starts; returns its number."""
    row = {
        "kind": kind,
        "scope_id": scope.id if scope else None,
        "scope": scope.name if scope else None,
        "started_at": times.now(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": _version(),
    }
    with database.write() as connection:
        added = connection.execute(sa.insert(sync_runs).values(**row).returning(sync_runs.c.id))
        return int(added.scalar_one())


def end(database: Database, run: int, outcome: str, **what: Any) -> None:
    """A run is over: `complete`, `incomplete`, `failed` or `interrupted`."""
    with database.write() as connection:
        mine = sa.update(sync_runs).where(sync_runs.c.id == run)
        connection.execute(mine.values(finished_at=times.now(), outcome=outcome, **what))


def _version() -> str:
    try:
        return version("satcat-mirror")
    except PackageNotFoundError:  # run from a source tree
        return "unknown"
