"""How far the mirror is, scope by scope, and what is in the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.database import count_products
from satcat.downloads import marks
from satcat.models import sync_runs, sync_windows
from satcat.sync import cursors, lateness, rejects, scopes
from satcat.sync.lateness import Lateness
from satcat.sync.scopes import Scope


@dataclass(frozen=True, slots=True)
class LastRun:
    """The last sync or verify of a scope, on this machine's clock; `outcome` is None while it runs, or if it was killed."""

    kind: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ScopeStatus:
    """How far one scope is.

    Attributes:
        windows: all of them; `complete` and `mismatched` are parts of that.
        followed_to: the source's clock up to which changes are known; None before the first sync.
        open_rejects: records of the source that could not be stored yet.
        last_run: of this scope, or of all.
        lateness: how late products became visible that had missed an earlier sweep; None if none did.
    """

    scope: Scope
    products: int
    windows: int
    complete: int
    mismatched: int
    followed_to: datetime | None
    open_rejects: int
    last_run: LastRun | None
    lateness: Lateness | None


@dataclass(frozen=True, slots=True)
class Status:
    """The whole catalogue: its scopes, products, and downloads by status."""

    scopes: list[ScopeStatus]
    products: int
    downloads: dict[str, marks.Tally]


def status(connection: Connection) -> Status:
    """Look the state of a catalogue up."""
    every = [_of(connection, scope) for scope in scopes.listing(connection)]
    return Status(every, count_products(connection), marks.counts(connection))


def _of(connection: Connection, scope: Scope) -> ScopeStatus:
    windows = dict(_windows(connection, scope.id))
    return ScopeStatus(
        scope,
        scopes.count(connection, scope),
        sum(windows.values()),
        windows.get("complete", 0),
        windows.get("mismatch", 0),
        cursors.followed_to(connection, scope),
        rejects.count(connection, scope.id),
        _last_run(connection, scope.id),
        lateness.summary(connection, scope),
    )


def _windows(connection: Connection, scope_id: int) -> list[tuple[Any, ...]]:
    c = sync_windows.c
    query = sa.select(c.status, sa.func.count()).where(c.scope_id == scope_id).group_by(c.status)
    return [tuple(row) for row in connection.execute(query)]


def _last_run(connection: Connection, scope_id: int) -> LastRun | None:
    c = sync_runs.c
    query = sa.select(c.kind, c.started_at, c.finished_at, c.outcome, c.error)
    mine = query.where(sa.or_(c.scope_id == scope_id, c.scope_id.is_(None)))
    row = connection.execute(mine.order_by(c.id.desc()).limit(1)).first()
    return None if row is None else LastRun(*row)
