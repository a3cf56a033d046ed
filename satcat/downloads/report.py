"""What a run of downloads tells: of each product while it lasts, and of all in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from satcat.downloads.queue import Held


@dataclass(frozen=True, slots=True)
class Item:
    """A product whose turn it is; its name is its id where the catalogue does not know it. `size_bytes`: None if unknown."""

    product_id: str
    name: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a product's turn.

    Attributes:
        status: `done`, `failed`, `bad_at_source`, `offline` (looked at again later), `gone`, `cancelled` (by somebody),
            `retry` (tried again later) or `released` (for no fault of its own: the run ends, or the source is out of reach).
        error: why, in one line; None if it is done.
        file: what is here now, if it is done.
        wait: seconds until it is looked at again, if it is.
        note: which files of the product are here, where that is not all.
    """

    status: str
    error: str | None = None
    file: Held | None = None
    wait: float | None = None
    note: str | None = None


@dataclass(slots=True)
class DownloadReport:
    """What a run did. `failed`: given up, gone, or bad at the source; `skipped`: offline, or called off meanwhile."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    bytes: int = 0
    seconds: float = 0.0

    def count(self, outcome: Outcome, bytes_fetched: int) -> None:
        """Add what came of one turn."""
        self.bytes += bytes_fetched
        self.done += outcome.status == "done"
        self.failed += outcome.status in ("failed", "bad_at_source", "gone")
        self.skipped += outcome.status in ("offline", "cancelled")


class DownloadProgress(Protocol):
    """Who wants to see a run. Called from several threads at once."""

    def started(self, item: Item) -> None:
        """A product's turn has come."""

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        """So many bytes of it are here, of so many if that is known, `fetched` of them or more in this turn.

        Fewer are here than before when it had to start again.
        """

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Its turn is over."""

    def waiting(self, reason: str) -> None:
        """From now on the run waits for the source; told once more only for another reason."""

    def resumed(self, seconds: float) -> None:
        """The source gives bytes again, after so long."""


class Silence:
    """A progress that nobody sees."""

    def started(self, item: Item) -> None:
        """Show nothing; so do the others."""

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        """Nothing."""

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Nothing."""

    def waiting(self, reason: str) -> None:
        """Nothing."""

    def resumed(self, seconds: float) -> None:
        """Nothing."""
