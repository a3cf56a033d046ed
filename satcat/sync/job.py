"""One scope's turn: what every part of a sync works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from satcat.api.base import SatelliteAPI
from satcat.database import Database
from satcat.sync.clock import Clock
from satcat.sync.report import ScopeReport, SyncOptions, SyncProgress
from satcat.sync.scopes import Scope


@dataclass(frozen=True, slots=True)
class Job:
    """A scope, where it comes from and goes to, and who wants to know.

    `stop` is looked at often; once it gives True the work ends as Ctrl-C ends it.
    """

    database: Database
    api: SatelliteAPI
    scope: Scope
    clock: Clock
    report: ScopeReport
    options: SyncOptions
    progress: SyncProgress
    stop: Callable[[], bool]
