"""What a sync is asked for, what it tells while it runs, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from satcat.errors import SatcatError

#: Products that a sync may fetch without being told that so many are wanted.
CONFIRM_ABOVE = 1_000_000


class SyncProgress(Protocol):
    """Who watches a sync. Every call comes from the thread that called `sync`."""

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Something of `total` steps starts (None: nobody knows how many); it ends what went before."""

    def expect(self, more: int) -> None:
        """The present thing is so much longer than was said."""

    def advance(self, steps: int) -> None:
        """So many steps were done."""

    def say(self, message: str) -> None:
        """One line for people."""

    def end(self) -> None:
        """Nothing more comes."""


class Silence:
    """A watcher that looks away."""

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Look away."""

    def expect(self, more: int) -> None:
        """Look away."""

    def advance(self, steps: int) -> None:
        """Look away."""

    def say(self, message: str) -> None:
        """Look away."""

    def end(self) -> None:
        """Look away."""


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to sync.

    Attributes:
        overlap: how far before its cursor each listing of changes starts again.
        recheck: requests to spend on listing again the windows proven longest ago; at least one window is. 0: none.
        max_delete: believe at most so many missing products a run; None: 1 % of the scope, but 1,000 at the least.
        moved: accept that the source's address is not the one that the scope was mirrored from.
        yes: do not ask before mirroring more than a million products.
        connections: windows listed at once.
    """

    overlap: timedelta = timedelta(hours=1)
    recheck: int = 5
    max_delete: int | None = None
    moved: bool = False
    yes: bool = False
    connections: int = 4


@dataclass(slots=True)
class ScopeReport:
    """What came of syncing one scope.

    Attributes:
        added, changed, unchanged: products as they were listed, counted once a listing.
        deleted: moved to `deleted_products`. left: no longer fitting the scope.
        late: products that had missed an earlier sweep.
        open_windows: windows that are not complete. open_rejects: records that could not be stored.
        followed_to: the source's clock up to which changes and deletions are known.
        error: why the scope could not be finished.
    """

    name: str
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    left: int = 0
    late: int = 0
    requests: int = 0
    windows: int = 0
    open_windows: int = 0
    open_rejects: int = 0
    followed_to: datetime | None = None
    warnings: list[str] = field(default_factory=list)
    error: Exception | None = None

    def take(self, stored: tuple[int, int, int]) -> None:
        """Count products that were stored: new, changed, and as they were."""
        self.added += stored[0]
        self.changed += stored[1]
        self.unchanged += stored[2]

    @property
    def complete(self) -> bool:
        """Whether all of the scope was listed, proven and followed."""
        return self.error is None and not self.open_windows and not self.open_rejects

    @property
    def exit_code(self) -> int:
        """0, the error's own, or 6: incomplete."""
        if self.error is not None:
            return int(getattr(self.error, "exit_code", 1))
        return 0 if self.complete else 6


@dataclass(slots=True)
class SyncReport:
    """What came of a sync, scope by scope."""

    scopes: list[ScopeReport] = field(default_factory=list)
    error: SatcatError | None = (
        None  #: what kept products that only downloads need from being brought up to date
    )

    @property
    def exit_code(self) -> int:
        """The worst of the scopes' codes; an unreachable source (4) beats incomplete (6)."""
        codes = {scope.exit_code for scope in self.scopes} - {0}
        codes |= {self.error.exit_code} if self.error else set()
        return min(codes, default=0)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync would take."""

    products: int
    windows: int
    requests: int
    seconds: float
